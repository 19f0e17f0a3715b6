mod rules;
mod spaces;
mod states;
mod thinning;

use std::f64::consts::PI;

use super::*;
use crate::algorithm::Scores;
use crate::column::Column;
use crate::pareto::{Work, hypervolume, igd};
use crate::run::Run;
use crate::space::Space;
use crate::threads::Threads;

const SETTINGS: [(&str, &str, &str); 6] = [
    ("nsga2", r#"{"n_objectives": 2, "population_size": 60}"#, "nsga2"),
    ("nsga3", r#"{"n_objectives": 2, "n_partitions": 59}"#, "nsga3"),
    ("sms_emoa", r#"{"n_objectives": 2, "population_size": 60}"#, "sms_emoa"),
    ("moead", r#"{"n_objectives": 2, "n_partitions": 59}"#, "moead"),
    ("moead", r#"{"n_objectives": 2, "n_partitions": 59, "decomposition": "pbi"}"#, "pbi"),
    ("moead", r#"{"n_objectives": 2, "n_partitions": 59, "variation": "de"}"#, "de"),
];

fn zdt1(x: &[f64]) -> [f64; 2] {
    let g = 1.0 + 9.0 * x[1..].iter().sum::<f64>() / (x.len() - 1) as f64;
    [x[0], g * (1.0 - (x[0] / g).sqrt())]
}

fn dtlz2(x: &[f64]) -> [f64; 3] {
    let g: f64 = x[2..].iter().map(|x| (x - 0.5) * (x - 0.5)).sum();
    let (a, b) = (x[0] * PI / 2.0, x[1] * PI / 2.0);
    [(1.0 + g) * a.cos() * b.cos(), (1.0 + g) * a.cos() * b.sin(), (1.0 + g) * a.sin()]
}

fn unit_box(n: usize) -> Space {
    Space::real(vec![0.0; n], vec![1.0; n]).unwrap()
}

fn rows(columns: &[Column]) -> Vec<Vec<f64>> {
    columns[0].as_f64().unwrap().rows().map(<[f64]>::to_vec).collect()
}

fn go(run: &mut Run, generations: usize, f: impl Fn(&[f64]) -> Vec<f64>) {
    for _ in 0..generations {
        let batch = rows(&run.ask(None).unwrap().genomes);
        assert!(batch.iter().flatten().all(|gene| (0.0..=1.0).contains(gene)));
        let objectives: Vec<f64> = batch.iter().flat_map(|x| f(x)).collect();
        run.tell(None, &Scores { objectives: &objectives, ..Scores::default() }).unwrap();
    }
}

fn start(name: &str, settings: &str, n_genes: usize, threads: usize) -> Run {
    Run::new(name, unit_box(n_genes), settings, 5, Threads::new(threads).unwrap()).unwrap()
}

#[test]
fn zdt1_is_solved() {
    let front: Vec<f64> =
        (0..=200).map(|idx| f64::from(idx) / 200.0).flat_map(|x| [x, 1.0 - x.sqrt()]).collect();
    for (name, settings, what) in SETTINGS {
        let mut run = start(name, settings, 10, 1);
        go(&mut run, 250, |x| zdt1(x).to_vec());
        let found = run.method().algorithm().population().objectives;
        let distance = igd(found.as_slice(), &front, 2, &mut Work::unlimited()).unwrap();
        let volume = hypervolume(found.as_slice(), &[1.1, 1.1]);
        // The whole front gives .8767.
        assert!(distance < 0.02 && volume > 0.855, "{what}: {distance} {volume}");
    }
}

#[test]
fn dtlz2_is_solved() {
    let cases = [
        ("nsga2", r#"{"n_objectives": 3, "population_size": 92}"#),
        ("nsga3", r#"{"n_objectives": 3}"#),
        ("sms_emoa", r#"{"n_objectives": 3, "population_size": 60}"#),
        ("moead", r#"{"n_objectives": 3, "decomposition": "pbi"}"#),
    ];
    for (name, settings) in cases {
        let mut run = start(name, settings, 7, 1);
        go(&mut run, 150, |x| dtlz2(x).to_vec());
        let found = run.method().algorithm().population().objectives;
        let volume = hypervolume(found.as_slice(), &[1.1; 3]);
        // The whole front gives 1.331 - pi / 6 = .807. Crowding distance spreads rows badly on a
        // surface: NSGA-II reaches .68 to .71 over seeds, here as in pymoo.
        assert!(volume > if name == "nsga2" { 0.67 } else { 0.69 }, "{name}: {volume}");
    }
}

#[test]
fn survivors_keep_their_lineage() {
    for (name, settings, what) in SETTINGS {
        let mut run = start(name, settings, 6, 1);
        let mut known: Vec<(Vec<u64>, u8, u64)> = Vec::new();
        for generation in 0..8 {
            let origins = run.ask(None).unwrap().origins.clone();
            let operators = origins.operators.as_slice().iter();
            let rows = origins.parents.rows().zip(operators);
            known.extend(rows.map(|(row, operator)| (row.to_vec(), *operator, generation)));
            go(&mut run, 1, |x| zdt1(x).to_vec());
        }
        let population = run.method().algorithm().population();
        for (place, id) in population.ids.as_slice().iter().enumerate() {
            let (parents, operator, generation) = &known[usize::try_from(*id).unwrap()];
            assert_eq!(population.parents.row(place), parents, "{what}");
            assert_eq!(population.operators.row(place), [*operator], "{what}");
            assert_eq!(population.generations.row(place), [*generation], "{what}");
        }
    }
}

#[test]
fn results_do_not_depend_on_threads_nor_on_saving() {
    for (name, settings, what) in SETTINGS {
        let mut alone = start(name, settings, 300, 1);
        let mut many = start(name, settings, 300, 3);
        go(&mut alone, 6, |x| zdt1(x).to_vec());
        go(&mut many, 2, |x| zdt1(x).to_vec());
        let _asked = many.ask(None).unwrap();
        let mut many = Run::load(&many.save().unwrap(), Threads::new(2).unwrap()).unwrap();
        go(&mut many, 4, |x| zdt1(x).to_vec());
        assert_eq!(
            alone.method().algorithm().population(),
            many.method().algorithm().population(),
            "{what}"
        );
        assert_eq!(alone.ask(None).unwrap(), many.ask(None).unwrap(), "{what}");
    }
}

#[test]
fn constraints_are_met() {
    // The sum of the first two genes must reach 1.2.
    for (name, settings, what) in SETTINGS {
        let mut run = start(name, settings, 6, 1);
        for _ in 0..80 {
            let batch = rows(&run.ask(None).unwrap().genomes);
            let objectives: Vec<f64> = batch.iter().flat_map(|x| zdt1(x)).collect();
            let violations: Vec<f64> = batch.iter().map(|x| (1.2 - x[0] - x[1]).max(0.0)).collect();
            let failed: Vec<bool> = (0..batch.len()).map(|row| row % 7 == 0).collect();
            let scores = Scores {
                objectives: &objectives,
                violations: &violations,
                failed: &failed,
                ..Scores::default()
            };
            run.tell(None, &scores).unwrap();
        }
        let population = run.method().algorithm().population();
        assert!(population.violations.as_slice().iter().all(|v| *v == 0.0), "{what}");
        for x in rows(&population.genomes) {
            assert!(x[0] + x[1] >= 1.2, "{what}");
        }
    }
}

#[test]
fn a_generation_of_failures_is_survived() {
    for (name, settings, what) in SETTINGS {
        let mut run = start(name, settings, 4, 1);
        let n = run.ask(None).unwrap().n_rows();
        let scores = vec![f64::NAN; 2 * n];
        let failed = vec![true; n];
        run.tell(None, &Scores { objectives: &scores, failed: &failed, ..Scores::default() })
            .unwrap();
        go(&mut run, 3, |x| zdt1(x).to_vec());
        let found = run.method().algorithm().population().objectives;
        assert!(found.as_slice().iter().any(|value| value.is_finite()), "{what}");
    }
}

#[test]
fn parents_are_members_asked_before() {
    for (name, settings, what) in SETTINGS {
        let mut run = start(name, settings, 5, 1);
        go(&mut run, 3, |x| zdt1(x).to_vec());
        let known = run.method().algorithm().population().ids;
        let batch = run.ask(None).unwrap();
        assert_eq!(batch.origins.parents.n_rows(), batch.n_rows());
        for parent in batch.origins.parents.as_slice() {
            assert!(known.as_slice().contains(parent), "{what}");
        }
    }
}

#[test]
fn differences_name_the_row_that_they_move() {
    let mut run = start("moead", SETTINGS[5].1, 5, 1);
    assert_eq!(run.ask(None).unwrap().origins.parents.n_columns(), 3);
    go(&mut run, 3, |x| zdt1(x).to_vec());
    let known = run.method().algorithm().population().ids;
    let batch = run.ask(None).unwrap();
    for (row, id) in known.as_slice().iter().enumerate() {
        let parents = batch.origins.parents.row(row);
        assert_eq!((parents.len(), parents[0]), (3, *id));
        assert!(parents.iter().all(|parent| known.as_slice().contains(parent)));
    }
}

#[test]
fn copies_do_not_crowd_out_others() {
    let mut run = start("nsga2", r#"{"n_objectives": 2, "population_size": 4}"#, 1, 1);
    let columns = |values: [f64; 4]| {
        vec![Column::F64(crate::Matrix::from_vec(values.to_vec(), 4, 1).unwrap())]
    };
    let tell = |run: &mut Run, values: [f64; 4]| {
        let _batch = run.ask(None).unwrap();
        let objectives: Vec<f64> = values.iter().flat_map(|x| [*x, 1.0 - x]).collect();
        let scores = Scores { objectives: &objectives, ..Scores::default() };
        run.tell(Some(columns(values)), &scores).unwrap();
    };
    tell(&mut run, [0.0, 0.0, 0.0, 1.0]);
    tell(&mut run, [0.0, 0.5, 1.0, 0.25]);
    let mut kept: Vec<f64> = rows(&run.method().algorithm().population().genomes).concat();
    kept.sort_by(f64::total_cmp);
    assert_eq!(kept, [0.0, 0.25, 0.5, 1.0]);
}

#[test]
fn directions_are_even_and_complete() {
    assert_eq!(das_dennis(2, 2), [0.0, 1.0, 0.5, 0.5, 1.0, 0.0]);
    assert_eq!(das_dennis(3, 12).len() / 3, 91);
    assert_eq!(layered(8, 3, 2).len() / 8, 156);
    assert!(layered(8, 3, 2).chunks(8).all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-12));
}

#[test]
fn few_directions_are_all_neighbours() {
    for n_partitions in [2, 10, 18] {
        let settings = format!(r#"{{"n_objectives": 2, "n_partitions": {n_partitions}}}"#);
        let mut run = start("moead", &settings, 3, 1);
        go(&mut run, 5, |x| zdt1(x).to_vec());
        assert_eq!(run.batch().n_rows(), n_partitions + 1);
    }
}

#[test]
fn settings_outside_their_range_are_refused() {
    let cases = [
        (
            "nsga2",
            r#"{"n_objectives": 1}"#,
            "n_objectives: expected at least 2, at most 1024, got 1",
        ),
        ("nsga2", r#"{"n_objectives": 2, "population_size": 1}"#, "population_size"),
        ("nsga2", r#"{"n_objectives": 2, "crossover_probability": 1.5}"#, "crossover_probability"),
        ("nsga2", r#"{"n_objectives": 2, "mutation_eta": -1.0}"#, "mutation_eta"),
        ("nsga2", r#"{"n_objectives": 2, "colour": 1}"#, "unknown field `colour`"),
        ("nsga3", r#"{"n_objectives": 3, "population_size": 9}"#, "one row for each of 91"),
        ("nsga3", r#"{"n_objectives": 3, "n_partitions": 0}"#, "n_partitions"),
        ("nsga3", r#"{"n_objectives": 30, "n_partitions": 40}"#, "n_partitions"),
        ("sms_emoa", r#"{"n_objectives": 2, "offspring": 0}"#, "offspring"),
        ("nsga2", r#"{"n_objectives": 1025}"#, "n_objectives"),
        ("nsga2", r#"{"n_objectives": 2, "population_size": 1073741825}"#, "population_size"),
        ("nsga2", r#"{"n_objectives": 2, "permutation_probability": 2.0}"#, "permutation_prob"),
        ("nsga2", r#"{"n_objectives": 2, "creep_step": 0.5}"#, "creep_step"),
        ("nsga2", r#"{"n_objectives": 2, "n_points": 17}"#, "n_points"),
        ("nsga3", r#"{"n_objectives": 2, "n_partitions": 18446744073709551615}"#, "n_partitions"),
        (
            "nsga3",
            r#"{"n_objectives": 9, "n_inner_partitions": 18446744073709551615}"#,
            "n_partitions: expected at most 1048576 directions of 9 objectives, got 3 and \
             18446744073709551615 inner ones",
        ),
        ("nsga3", r#"{"n_objectives": 9223372036854775808}"#, "n_objectives"),
        ("nsga3", r#"{"n_objectives": 1024}"#, "at most 65536 directions of 1024 objectives"),
        ("sms_emoa", r#"{"n_objectives": 2, "offspring": 1073741825}"#, "offspring"),
        ("moead", r#"{"n_objectives": 2, "n_partitions": 1}"#, "n_partitions"),
        ("moead", r#"{"n_objectives": 2, "n_partitions": 131072}"#, "n_partitions"),
        ("moead", r#"{"n_objectives": 2, "n_partitions": 9, "n_neighbours": 11}"#, "from 3 to 10"),
        (
            "moead",
            r#"{"n_objectives": 2, "n_partitions": 16383, "n_neighbours": 4097}"#,
            "from 3 to 4096",
        ),
        ("moead", r#"{"n_objectives": 2, "n_neighbours": 2}"#, "n_neighbours"),
        ("moead", r#"{"n_objectives": 2, "theta": 0.0}"#, "theta"),
        ("moead", r#"{"n_objectives": 2, "n_replaced": 0}"#, "n_replaced"),
    ];
    for (name, settings, expected) in cases {
        let error = Run::new(name, unit_box(3), settings, 0, Threads::one()).err();
        let error = error.unwrap_or_else(|| panic!("{settings} was taken"));
        assert!(error.to_string().contains(expected), "{settings}: {error}");
    }
    let open = Space::real(vec![0.0], vec![f64::INFINITY]).unwrap();
    for (name, settings, _) in SETTINGS {
        assert!(Run::new(name, open.clone(), settings, 0, Threads::one()).is_err());
    }
}
