use std::time::Instant;

use super::*;
use crate::programs::check::check;
use crate::programs::samples::{mixed, priority};
use crate::programs::walk;

fn context() -> Context {
    let pair = |at: i64| vec![Const::Int(at % 17), Const::Int(20 + at % 13)];
    let probes = vec![
        (0..40).map(pair).collect(),
        (0..9).map(|k| vec![Const::Int(k)]).collect(),
        (0..40).map(pair).collect(),
    ];
    Context { limits: Limits::default(), probes }
}

#[test]
fn hundred_thousand_children_pass_check() {
    let context = context();
    let seeds = [priority(), mixed()];
    let mut pool: Vec<Program> = (0..40).map(|n| seeds[n % 2].clone()).collect();
    let mut made = [0_usize; Operator::ALL.len()];
    let mut spent = [0.0_f64; Operator::ALL.len()];
    let mut tried = [0_usize; Operator::ALL.len()];
    for step in 0..100_000_u64 {
        let mut stream = Stream::new(7, step, 0);
        let at = stream.below(pool.len());
        let mate = stream.below(pool.len());
        // Simplification is far dearer than the rest; it is drawn less often.
        let mut which = stream.below(Operator::ALL.len());
        if which == 13 && !stream.chance(0.2) {
            which = stream.below(13);
        }
        let operator = Operator::ALL[which];
        let begin = Instant::now();
        let child = apply(operator, &pool[at], Some(&pool[mate]), &context, &mut stream);
        spent[which] += begin.elapsed().as_secs_f64();
        tried[which] += 1;
        let Some(child) = child else { continue };
        made[which] += 1;
        if let Err(error) = check(&child) {
            panic!("{} at step {step}: {error}", operator.name());
        }
        assert!(walk::size(&child) <= 200.max(walk::size(&pool[at])));
        // A slow restart keeps the pool near the seeds.
        pool[at] = if stream.chance(0.03) { seeds[at % 2].clone() } else { child };
    }
    for (at, operator) in Operator::ALL.into_iter().enumerate() {
        let per_second = tried[at] as f64 / spent[at];
        eprintln!(
            "{:18} tried {:6} made {:6} {per_second:10.0}/s",
            operator.name(),
            tried[at],
            made[at]
        );
        assert!(made[at] > 0, "{} never applied", operator.name());
    }
}

#[test]
fn equal_streams_make_equal_children() {
    let context = context();
    for (step, operator) in (0..).zip(Operator::ALL) {
        for seed in 0..50 {
            let run = || {
                let mut stream = Stream::new(seed, step, 1);
                apply(operator, &mixed(), Some(&mixed()), &context, &mut stream)
            };
            assert_eq!(run(), run());
        }
    }
}

#[test]
fn functions_that_may_not_evolve_stay() {
    let context = context();
    let parent = mixed();
    for step in 0..3_000 {
        let mut stream = Stream::new(3, step, 2);
        let operator = *stream.choose(&Operator::ALL).unwrap();
        if let Some(child) = apply(operator, &parent, Some(&mixed()), &context, &mut stream) {
            assert_eq!(child.functions[0].name, "helper");
            assert_eq!(
                walk::size_block(&child.functions[0].body),
                walk::size_block(&parent.functions[0].body)
            );
        }
    }
}

#[test]
fn a_tabulated_rule_keeps_its_values_on_the_probes() {
    let context = context();
    let parent = priority();
    let mut n = 0;
    for step in 0..200 {
        let mut stream = Stream::new(5, step, 3);
        let Some(child) = apply(Operator::Tabulate, &parent, None, &context, &mut stream) else {
            continue;
        };
        n += 1;
        for probe in &context.probes[0] {
            let locals: Vec<Option<Const>> = probe.iter().copied().map(Some).collect();
            let value = |program: &Program| {
                let crate::programs::ir::StmtKind::Return(values) =
                    &program.functions[0].body[0].kind
                else {
                    panic!()
                };
                crate::programs::interpret::evaluate(program, &values[0], &locals)
            };
            assert_eq!(value(&parent).unwrap(), value(&child).unwrap());
        }
    }
    assert!(n > 10);
}

#[test]
fn a_correction_changes_nothing_at_first() {
    let context = context();
    let parent = priority();
    for step in 0..200 {
        let mut stream = Stream::new(6, step, 3);
        let Some(child) = apply(Operator::TableCorrection, &parent, None, &context, &mut stream)
        else {
            continue;
        };
        let crate::programs::ir::GlobalValue::Table(_, values) = &child.globals[0].value else {
            panic!()
        };
        assert!(values.iter().all(|it| crate::programs::tune::as_float(*it) == 0.0));
        assert!(child.globals[0].name.starts_with("PRIORITY_TABLE"));
    }
}

#[test]
fn limits_hold() {
    let mut context = context();
    context.limits =
        Limits { nodes_max: 30, depth_max: 6, table_len_max: 16, tables_max: 1, statements_max: 5 };
    let mut program = priority();
    for step in 0..5_000 {
        let mut stream = Stream::new(8, step, 0);
        let operator = *stream.choose(&Operator::ALL).unwrap();
        if let Some(child) = apply(operator, &program, Some(&priority()), &context, &mut stream) {
            assert!(walk::size(&child) <= 30);
            assert!(child.globals.len() <= 1);
            assert!(walk::depth_block(&child.functions[0].body) <= 6);
            assert!(walk::n_statements(&child.functions[0].body) <= 5);
            program = child;
        }
    }
}
