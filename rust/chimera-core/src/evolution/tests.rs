//! The whole search on a small problem that needs no sandbox.

use std::sync::Arc;

use super::{Batch, Direction, Measured, Search, Settings, Step};
use crate::Error;
use crate::programs::ir::{
    Const, Expr, Function, GlobalValue, Local, LocalId, Program, StmtKind, Unary,
};
use crate::programs::tune::Parametrised;
use crate::programs::types::{Returns, Scalar, Type};
use crate::programs::{interpret, walk};
use crate::rng::Stream;

const N_INSTANCES: usize = 12;

fn baseline() -> Program {
    let local = |name: &str| Local { name: name.to_owned(), ty: Type::INT };
    let gap = Expr::Unary(Unary::Neg, Box::new(Expr::Local(LocalId(1))));
    let function = Function {
        name: "priority".to_owned(),
        n_params: 2,
        locals: vec![local("item"), local("gap")],
        returns: Returns::One(Type::FLOAT),
        body: vec![StmtKind::Return(vec![Expr::Promote(Scalar::Float, Box::new(gap))]).into()],
        is_evolvable: true,
        doc: None,
    };
    Program { functions: vec![Arc::new(function)], globals: Vec::new() }
}

fn grid() -> impl Iterator<Item = (i64, i64)> {
    (1..9).flat_map(|item| (item..item + 8).map(move |gap| (item, gap)))
}

fn settings(seed: u64) -> Settings {
    Settings { seed, n_selection: 6, ..Settings::default() }
}

fn search(settings: Settings) -> Search {
    let tuple = |(item, gap)| vec![Const::Int(item), Const::Int(gap)];
    Search::new(baseline(), N_INSTANCES, vec![grid().map(tuple).collect()], settings).unwrap()
}

fn filled(skeleton: &Parametrised, values: &[Const]) -> Program {
    let mut program = skeleton.program.clone();
    for function in &mut program.functions {
        walk::visit_exprs_mut(&mut Arc::make_mut(function).body, &mut |expr| {
            if let Expr::Parameter(slot, _) = *expr {
                *expr = Expr::Const(values[slot as usize]);
            }
            true
        });
    }
    for (id, slot) in &skeleton.tables {
        let global = Arc::make_mut(&mut program.globals[id.0 as usize]);
        if let GlobalValue::Table(_, entries) = &mut global.value {
            let n = entries.len();
            entries.copy_from_slice(&values[*slot as usize..][..n]);
        }
    }
    program
}

fn output(program: &Program, item: i64, gap: i64) -> Option<f64> {
    let function = &program.functions[0];
    let [stmt] = &function.body[..] else { return None };
    let StmtKind::Return(values) = &stmt.kind else { return None };
    let locals = [Some(Const::Int(item)), Some(Const::Int(gap))];
    match interpret::evaluate(program, &values[0], &locals)? {
        Const::Float(value) => Some(value),
        _ => None,
    }
}

/// Distance to a target that a table over `gap - item` can reach, shifted a little by the instance.
fn score(program: &Program, instance: u32) -> Measured {
    let mut stream = Stream::new(99, u64::from(instance), 0);
    let mut sum = 0.0;
    for (item, gap) in grid() {
        let target = ((gap - item) * (gap - item) % 7) as f64 + 0.05 * stream.normal();
        let Some(value) = output(program, item, gap) else {
            return Measured { score: f64::NAN, is_ok: false, fuel: 1 };
        };
        sum += (value - target).abs();
    }
    Measured { score: sum / 64.0, is_ok: true, fuel: 64 }
}

fn evaluate(batch: &Batch) -> (Vec<Measured>, Vec<Vec<f64>>) {
    let program =
        |program: u32, values: &[Const]| filled(&batch.programs[program as usize], values);
    let one = |(item, gap): (i64, i64), program: &Program| output(program, item, gap);
    let results = batch.requests.iter();
    let results = results.map(|r| score(&program(r.program, &r.parameters), r.instance)).collect();
    let outputs = batch.probes.iter().map(|probe| {
        let program = program(probe.program, &probe.parameters);
        grid().map(|pair| one(pair, &program).unwrap_or(f64::NAN)).collect()
    });
    (results, outputs.collect())
}

fn round(search: &mut Search) -> Option<Step> {
    let (results, outputs) = evaluate(&search.ask());
    search.tell(&results, &outputs).unwrap()
}

fn generation(search: &mut Search) -> Step {
    loop {
        if let Some(step) = round(search) {
            return step;
        }
    }
}

#[test]
fn equal_seeds_give_equal_searches() {
    let (mut a, mut b, mut c) = (search(settings(1)), search(settings(1)), search(settings(2)));
    for _ in 0..8 {
        assert_eq!(generation(&mut a), generation(&mut b));
        generation(&mut c);
        assert_eq!(a.digest().unwrap(), b.digest().unwrap());
    }
    assert_ne!(a.digest().unwrap(), c.digest().unwrap());
}

#[test]
fn a_search_saved_in_any_round_continues_bit_for_bit() {
    let mut straight = search(settings(3));
    let mut resumed = search(settings(3));
    for _ in 0..40 {
        resumed = Search::load(&resumed.save().unwrap()).unwrap();
        assert_eq!(round(&mut straight), round(&mut resumed));
        assert_eq!(straight.save().unwrap(), resumed.save().unwrap());
    }
    assert!(straight.generation() > 5);
}

#[test]
fn asking_twice_changes_nothing() {
    let mut search = search(settings(4));
    for _ in 0..12 {
        let (first, second) = (search.ask(), search.ask());
        assert_eq!((first.requests, first.probes), (second.requests, second.probes));
        round(&mut search);
    }
}

#[test]
fn evaluations_are_counted_exactly_and_archive_and_best_are_monotone() {
    let mut search = search(settings(5));
    let mut n_evaluations = 0;
    let mut best = f64::INFINITY;
    for _ in 0..60 {
        let before = search.archive().clone();
        let batch = search.ask();
        n_evaluations += batch.requests.len() as u64;
        let (results, outputs) = evaluate(&batch);
        search.tell(&results, &outputs).unwrap();
        assert_eq!(search.n_evaluations(), n_evaluations);
        for (cell, old) in before.iter() {
            assert!(search.archive().get(*cell).is_some_and(|new| new.loss <= old.loss));
        }
        let now = search.best().map_or(f64::INFINITY, |best| best.score);
        assert!(now <= best);
        best = now;
    }
}

#[test]
fn only_candidates_measured_on_the_whole_selection_are_kept() {
    let mut search = search(settings(6));
    for _ in 0..12 {
        generation(&mut search);
    }
    assert!(search.store().len() > 20);
    for id in search.store().ids() {
        let candidate = search.candidate(*id).unwrap();
        let scores: Vec<f64> = (0..6).map(|idx| score(&candidate.program, idx).score).collect();
        assert_eq!(candidate.score, scores.iter().sum::<f64>() / 6.0);
        assert_eq!(candidate.n_instances, 6);
    }
}

#[test]
fn the_search_finds_and_tunes_structure() {
    let mut search = search(settings(7));
    let first = generation(&mut search).best_score;
    while search.n_evaluations() < 20_000 {
        generation(&mut search);
    }
    let best = search.best().unwrap();
    assert!(best.score < 0.5 * first, "{first} -> {}", best.score);
    let lineage = search.lineage(&best.identity);
    assert_eq!((lineage[0].record, lineage[0].operator.as_str()), (0, "baseline"));
    assert_eq!(lineage.last().unwrap().identity, best.identity);
    let n_tried: u64 = search.operators().iter().map(|account| account.n_tried).sum();
    assert!(n_tried > 500 && search.operators().iter().all(|a| a.n_accepted <= a.n_tried));
}

#[test]
fn maximising_mirrors_minimising() {
    let mut low = search(settings(8));
    let mut high = search(Settings { direction: Direction::Maximize, ..settings(8) });
    for _ in 0..20 {
        let batch = low.ask();
        let (results, outputs) = evaluate(&batch);
        let negate = |m: &Measured| Measured { score: -m.score, ..*m };
        let negated: Vec<Measured> = results.iter().map(negate).collect();
        assert_eq!(batch.requests, high.ask().requests);
        low.tell(&results, &outputs).unwrap();
        high.tell(&negated, &outputs).unwrap();
    }
    assert_eq!(low.best().unwrap().score, -high.best().unwrap().score);
}

#[test]
fn batches_are_large_enough_for_several_threads() {
    let mut search = search(settings(9));
    generation(&mut search);
    generation(&mut search);
    for _ in 0..30 {
        assert!(search.ask().requests.len() >= 64);
        round(&mut search);
    }
}

#[test]
fn an_infeasible_baseline_is_counted_and_any_feasible_child_beats_it() {
    let mut search = search(settings(10));
    let batch = search.ask();
    let bad = Measured { score: f64::INFINITY, is_ok: true, fuel: 0 };
    let (_, outputs) = evaluate(&batch);
    let step = search.tell(&vec![bad; batch.requests.len()], &outputs).unwrap().unwrap();
    assert_eq!((step.n_traps, step.best_score), (6, f64::INFINITY));
    generation(&mut search);
    assert!(search.best().unwrap().score.is_finite());
}

#[test]
fn wrong_answers_are_refused_and_nothing_is_learnt() {
    let mut search = search(settings(11));
    let before = search.digest().unwrap();
    let (results, outputs) = evaluate(&search.ask());
    let short = search.tell(&results[1..], &outputs);
    assert!(matches!(short, Err(Error::Argument { name: "results", .. })));
    let none = search.tell(&results, &[]);
    assert!(matches!(none, Err(Error::Argument { name: "outputs", .. })));
    assert_eq!(search.digest().unwrap(), before);
}

#[test]
fn settings_out_of_range_are_refused() {
    let make = |settings, n| Search::new(baseline(), n, Vec::new(), settings);
    assert!(matches!(make(settings(0), 0), Err(Error::Argument { name: "n_instances", .. })));
    let bad = Settings { n_islands: 0, ..settings(0) };
    assert!(matches!(make(bad, 3), Err(Error::Argument { name: "n_islands", .. })));
    let bad = Settings { race_width: f64::NAN, ..settings(0) };
    assert!(matches!(make(bad, 3), Err(Error::Argument { name: "race_width", .. })));
}

#[test]
fn saved_states_that_cannot_be_read_say_why() {
    let mut search = search(settings(12));
    generation(&mut search);
    let bytes = search.save().unwrap();
    let reason = |bytes: &[u8]| match Search::load(bytes) {
        Err(Error::State { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    for n in [0, 7, 9, 30, bytes.len() - 1] {
        reason(&bytes[..n]);
    }
    assert_eq!(reason(b"chimeraX and more"), "it is not a saved search");
    let mut changed = bytes.clone();
    changed[8] = 200;
    assert!(reason(&changed).contains("version"));
    changed.clone_from(&bytes);
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(reason(&changed), "its checksum does not match");
    let restored = Search::load(&bytes).unwrap();
    assert!(restored.check_matches(&baseline(), N_INSTANCES).is_ok());
    assert!(restored.check_matches(&baseline(), 3).is_err());
}

#[test]
fn the_store_stays_within_its_capacity() {
    let mut search = search(Settings { store_capacity: 1024, ..settings(13) });
    for _ in 0..80 {
        generation(&mut search);
        assert!(search.store().len() <= 1024);
    }
    assert_eq!(search.lineage(&search.best().unwrap().identity)[0].record, 0);
}
