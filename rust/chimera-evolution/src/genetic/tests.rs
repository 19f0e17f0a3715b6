use crate::algorithm::{NO_PARENT, Scores};
use crate::column::Column;
use crate::run::Run;
use crate::space::Space;
use crate::threads::Threads;

fn block(
    name: &str,
    kind: &str,
    n: usize,
    low: f64,
    high: f64,
) -> (String, String, Vec<f64>, Vec<f64>) {
    (name.into(), kind.into(), vec![low; n], vec![high; n])
}

fn mixed() -> Space {
    Space::new(vec![
        block("x", "f64", 5, -2.0, 3.0),
        block("y", "f32", 3, 0.1, 0.7),
        block("k", "integer", 4, -3.0, 9.0),
        block("c", "category", 3, 0.0, 4.0),
        block("b", "boolean", 6, 0.0, 1.0),
        block("p", "permutation", 7, 0.0, 0.0),
    ])
    .unwrap()
}

fn real(n: usize) -> Space {
    Space::real(vec![-5.0; n], vec![5.0; n]).unwrap()
}

fn start(space: Space, settings: &str, seed: u64, threads: usize) -> Run {
    Run::new("ga", space, settings, seed, Threads::new(threads).unwrap()).unwrap()
}

/// A score from all blocks: sums of squares, ones, distance from sorted.
fn score(columns: &[Column], row: usize) -> f64 {
    columns
        .iter()
        .map(|column| match column {
            Column::F64(matrix) => matrix.row(row).iter().map(|x| x * x).sum::<f64>(),
            Column::F32(matrix) => matrix.row(row).iter().map(|x| f64::from(x * x)).sum(),
            Column::I64(matrix) => {
                matrix.row(row).iter().zip(0..).map(|(gene, idx)| (gene - idx).abs() as f64).sum()
            }
            Column::Bool(matrix) => matrix.row(row).iter().filter(|gene| **gene).count() as f64,
        })
        .sum()
}

fn step(run: &mut Run) -> Vec<Column> {
    let columns = run.ask(None).unwrap().genomes.clone();
    let n = columns[0].n_rows();
    run.method().algorithm().space().check(&columns, n).unwrap();
    let scores: Vec<f64> = (0..n).map(|row| score(&columns, row)).collect();
    let cases: Vec<f64> = if run.method().algorithm().needs_cases() {
        scores.iter().flat_map(|score| [*score, score.sin(), score.cos()]).collect()
    } else {
        Vec::new()
    };
    let scores = Scores { objectives: &scores, cases: &cases, ..Scores::default() };
    run.tell(None, &scores).unwrap();
    columns
}

fn best_after(space: Space, settings: &str, seed: u64, generations: usize) -> f64 {
    let mut run = start(space, settings, seed, 1);
    for _ in 0..generations {
        step(&mut run);
    }
    run.best().unwrap().objectives[0]
}

const VARIANTS: &[&str] = &[
    r#"{"population_size": 40}"#,
    r#"{"population_size": 41, "n_elites": 3, "eliminate_duplicates": true}"#,
    r#"{"population_size": 40, "selection": "roulette", "crossover": "blend", "mutation": "gaussian"}"#,
    r#"{"population_size": 40, "selection": "rank", "crossover": "pcx", "mutation": "self_adaptive"}"#,
    r#"{"population_size": 40, "selection": "truncation", "crossover": "spx", "repair": "reflect",
        "permutation_crossover": "pmx", "permutation_mutation": "swap"}"#,
    r#"{"population_size": 41, "selection": "lexicase", "crossover": "n_point", "repair": "wrap",
        "discrete_crossover": "n_point", "integer_mutation": "reset",
        "permutation_crossover": "edge", "permutation_mutation": "insert"}"#,
    r#"{"population_size": 40, "selection": "epsilon_lexicase", "crossover": "arithmetic",
        "repair": "resample", "mutation": "gaussian"}"#,
    r#"{"population_size": 40, "crossover": "uniform", "mutation": "self_adaptive", "n_elites": 0}"#,
    r#"{"population_size": 40, "scheme": "steady_state"}"#,
    r#"{"population_size": 40, "scheme": "steady_state", "replacement": "tournament",
        "eliminate_duplicates": true, "selection": "lexicase"}"#,
];

#[test]
fn test_every_variant_stays_in_the_space_and_improves() {
    for settings in VARIANTS {
        let first = best_after(mixed(), settings, 1, 1);
        let last = best_after(mixed(), settings, 1, 60);
        assert!(last < 0.7 * first, "{settings}: {first} {last}");
    }
}

#[test]
fn test_threads_do_not_change_a_bit() {
    for settings in VARIANTS {
        let settings = settings.replace("\"population_size\": 4", "\"population_size\": 14");
        let mut one = start(mixed(), &settings, 5, 1);
        let mut three = start(mixed(), &settings, 5, 3);
        for _ in 0..6 {
            assert_eq!(step(&mut one), step(&mut three), "{settings}");
        }
    }
}

#[test]
fn test_load_goes_on_as_if_never_saved() {
    for settings in VARIANTS {
        let mut run = start(mixed(), settings, 9, 1);
        for _ in 0..7 {
            step(&mut run);
        }
        let mut other = Run::load(&run.save().unwrap(), Threads::one()).unwrap();
        for _ in 0..4 {
            assert_eq!(step(&mut run), step(&mut other), "{settings}");
        }
    }
}

#[test]
fn test_sphere_converges() {
    // Ten genes in [-5, 5], 100 rows, 300 generations: below 1e-3 for each of five seeds.
    for seed in 0..5 {
        let settings = r#"{"population_size": 100}"#;
        let best = best_after(real(10), settings, seed, 300);
        assert!(best < 1e-3, "seed {seed}: {best}");
    }
}

#[test]
fn test_self_adaptation_shrinks_its_steps() {
    let settings = r#"{"population_size": 60, "mutation": "self_adaptive", "mutation_sigma": 0.1}"#;
    let mut run = start(real(5), settings, 3, 1);
    for _ in 0..200 {
        step(&mut run);
    }
    let figures = run.method().algorithm().figures();
    assert!(figures.iter().any(|(name, value)| *name == "sigma" && *value < 0.02), "{figures:?}");
    assert!(run.best().unwrap().objectives[0] < 1e-2);
}

#[test]
fn test_elites_never_get_worse() {
    let mut run = start(mixed(), r#"{"population_size": 20, "n_elites": 2}"#, 4, 1);
    let mut last = [f64::INFINITY; 2];
    for _ in 0..50 {
        step(&mut run);
        let population = run.method().algorithm().population();
        assert_eq!(population.objectives.n_rows(), 20);
        let mut objectives = population.objectives.as_slice().to_vec();
        objectives.sort_by(f64::total_cmp);
        assert!(objectives[0] <= last[0] && objectives[1] <= last[1]);
        last = [objectives[0], objectives[1]];
        for row in 0..20 {
            let expected = population.objectives.as_slice()[row];
            assert_eq!(score(&population.genomes, row), expected);
        }
    }
}

#[test]
fn test_parents_are_named_and_held_without_a_copy() {
    let mut run = start(real(4), r#"{"population_size": 10}"#, 1, 1);
    let batch = run.ask(None).unwrap().clone();
    assert!(batch.origins.parents.as_slice().iter().all(|parent| *parent == NO_PARENT));
    run.tell(None, &Scores { objectives: &[1.0; 10], ..Scores::default() }).unwrap();
    let child = run.ask(None).unwrap().clone();
    assert_eq!(child.origins.parents.n_rows(), 10);
    for (row, operator) in child.origins.operators.as_slice().iter().enumerate() {
        let parents = child.origins.parents.row(row);
        assert!(parents[0] < 10);
        assert_eq!(*operator == 1, parents[1] < 10);
        assert_eq!(*operator == 2, parents[1] == NO_PARENT);
    }
}

#[test]
fn test_survivors_keep_their_lineage() {
    let settings = r#"{"population_size": 12, "n_elites": 3}"#;
    let mut run = start(real(4), settings, 1, 1);
    let mut known: Vec<(Vec<u64>, u8)> = Vec::new();
    for generation in 0..9 {
        let origins = run.ask(None).unwrap().origins.clone();
        let operators = origins.operators.as_slice();
        known.extend(origins.parents.rows().map(<[u64]>::to_vec).zip(operators.iter().copied()));
        step(&mut run);
        let population = run.method().algorithm().population();
        let n_old = population.generations.as_slice().iter().filter(|at| **at < generation);
        assert!(generation == 0 || (1..=3).contains(&n_old.count()), "elites are older");
        for (place, id) in population.ids.as_slice().iter().enumerate() {
            let (parents, operator) = &known[usize::try_from(*id).unwrap()];
            assert_eq!(population.parents.row(place), parents);
            assert_eq!(population.operators.row(place), [*operator]);
            assert_eq!(population.generations.row(place), [id / 12]);
        }
    }
}

#[test]
fn test_another_number_of_cases_is_refused_and_changes_nothing() {
    for scheme in ["generational", "steady_state"] {
        let settings =
            format!(r#"{{"population_size": 4, "selection": "lexicase", "scheme": "{scheme}"}}"#);
        let mut run = start(real(2), &settings, 1, 1);
        let tell = |run: &mut Run, n_cases: usize| {
            run.ask(None).unwrap();
            let before = run.save().unwrap();
            let cases = vec![1.0; 4 * n_cases];
            let scores = Scores { objectives: &[1.0; 4], cases: &cases, ..Scores::default() };
            let told = run.tell(None, &scores);
            assert!(told.is_ok() || run.save().unwrap() == before);
            told
        };
        tell(&mut run, 2).unwrap();
        let error = tell(&mut run, 3).unwrap_err();
        assert!(error.to_string().contains("2 cases a row, as before"), "{scheme}: {error}");
        tell(&mut run, 2).unwrap();
    }
}

#[test]
fn test_a_violation_of_minus_nothing_is_nothing() {
    // -0 sorts before 0 in a total order; of two feasible rows the lower objective must lead.
    let settings = r#"{"population_size": 2, "n_elites": 1, "tournament_size": 64}"#;
    let mut run = start(real(2), settings, 1, 1);
    run.ask(None).unwrap();
    let scores = Scores { objectives: &[9.0, 1.0], violations: &[-0.0, 0.0], ..Scores::default() };
    run.tell(None, &scores).unwrap();
    let batch = run.ask(None).unwrap();
    assert!(batch.origins.parents.rows().all(|parents| parents[0] == 1));
    let scores = Scores { objectives: &[5.0; 2], violations: &[-0.0; 2], ..Scores::default() };
    run.tell(None, &scores).unwrap();
    let ids = run.method().algorithm().population().ids;
    assert!(ids.as_slice().contains(&1), "the elite");
}

#[test]
fn test_feasible_rows_breed_before_infeasible_and_failed() {
    let mut run = start(real(2), r#"{"population_size": 6, "tournament_size": 64}"#, 1, 1);
    run.ask(None).unwrap();
    let scores = Scores {
        objectives: &[0.0, 1.0, 9.0, 8.0, f64::NAN, -5.0],
        violations: &[2.0, 1.0, 0.0, 0.0, 0.0, 3.0],
        failed: &[false, false, false, false, true, false],
        ..Scores::default()
    };
    run.tell(None, &scores).unwrap();
    let batch = run.ask(None).unwrap();
    for row in 0..6 {
        assert_eq!(batch.origins.parents.row(row)[0], 3, "the feasible row of least objective");
    }
}

#[test]
fn test_a_generation_of_failures_goes_on() {
    for settings in [VARIANTS[0], VARIANTS[2], VARIANTS[3], VARIANTS[5], VARIANTS[8]] {
        let mut run = start(real(3), settings, 1, 1);
        for _ in 0..3 {
            let n = run.ask(None).unwrap().n_rows();
            let (failed, cases) = (vec![true; n], vec![f64::NAN; n]);
            let is_case = run.method().algorithm().needs_cases();
            let scores = Scores {
                objectives: &vec![f64::NAN; n],
                failed: &failed,
                cases: if is_case { &cases } else { &[] },
                ..Scores::default()
            };
            run.tell(None, &scores).unwrap();
        }
        assert!(run.best().is_none());
    }
}

#[test]
fn test_duplicates_are_renewed() {
    let settings = r#"{"population_size": 50, "eliminate_duplicates": true,
        "crossover_probability": 0.0, "mutation_probability": 0.0, "tournament_size": 9}"#;
    let mut run = start(real(6), settings, 2, 1);
    for _ in 0..4 {
        let columns = step(&mut run);
        let mut rows: Vec<Vec<u64>> = (0..50)
            .map(|row| columns[0].as_f64().unwrap().row(row).iter().map(|x| x.to_bits()).collect())
            .collect();
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), 50);
    }
}

#[test]
fn test_children_that_repeat_an_elite_are_renewed() {
    let settings = r#"{"population_size": 20, "n_elites": 3, "eliminate_duplicates": true,
        "crossover_probability": 0.0, "mutation_probability": 0.0, "tournament_size": 9}"#;
    let mut run = start(real(6), settings, 2, 1);
    let mut seen: Vec<Vec<f64>> = Vec::new();
    for generation in 0..4 {
        let batch = run.ask(None).unwrap().genomes[0].as_f64().unwrap().clone();
        let rows: Vec<Vec<f64>> = batch.rows().map(<[f64]>::to_vec).collect();
        assert!(rows.iter().all(|row| !seen.contains(row)), "{generation}");
        // Later rows are worse, so that the first ones stay on as elites.
        let scores: Vec<f64> = (0..20).map(|row| f64::from(20 * generation + row)).collect();
        run.tell(None, &Scores { objectives: &scores, ..Scores::default() }).unwrap();
        let held = run.method().algorithm().population().genomes[0].clone();
        seen = held.as_f64().unwrap().rows().map(<[f64]>::to_vec).collect();
    }
}

#[test]
fn test_steady_state_takes_rows_in_any_number() {
    let settings = r#"{"population_size": 8, "scheme": "steady_state"}"#;
    let mut run = start(real(3), settings, 1, 1);
    for n in [3, 1, 7, 2, 30, 1] {
        let columns = run.ask(Some(n)).unwrap().genomes.clone();
        let scores: Vec<f64> = (0..n).map(|row| score(&columns, row)).collect();
        let scores = Scores { objectives: &scores, ..Scores::default() };
        run.tell(Some(columns), &scores).unwrap();
    }
    assert_eq!(run.method().algorithm().population().objectives.n_rows(), 8);
    let a = run.ask(Some(4)).unwrap().genomes.clone();
    let b = run.ask(Some(4)).unwrap().genomes.clone();
    assert_ne!(a, b, "asking again gives new rows");
}

#[test]
fn test_settings_outside_their_range_are_refused() {
    for settings in [
        r"{}",
        r#"{"population_size": 1}"#,
        r#"{"population_size": 10, "n_elites": 10}"#,
        r#"{"population_size": 10, "tournament_size": 0}"#,
        r#"{"population_size": 10, "selection_pressure": 1.0}"#,
        r#"{"population_size": 10, "truncation_share": 0.0}"#,
        r#"{"population_size": 10, "gene_probability": 0.0}"#,
        r#"{"population_size": 10, "crossover_probability": 1.5}"#,
        r#"{"population_size": 10, "mutation_probability": -0.1}"#,
        r#"{"population_size": 10, "permutation_probability": 2.0}"#,
        r#"{"population_size": 10, "crossover_eta": -1.0}"#,
        r#"{"population_size": 10, "mutation_eta": -1.0}"#,
        r#"{"population_size": 10, "mutation_sigma": 0.0}"#,
        r#"{"population_size": 10, "n_points": 17}"#,
        r#"{"population_size": 10, "creep_step": 0.5}"#,
        r#"{"population_size": 10, "selection": "best"}"#,
        r#"{"population_size": 10, "unknown": 1}"#,
    ] {
        assert!(Run::new("ga", real(3), settings, 0, Threads::one()).is_err(), "{settings}");
    }
    let open = Space::real(vec![0.0], vec![f64::INFINITY]).unwrap();
    assert!(Run::new("ga", open, r#"{"population_size": 9}"#, 0, Threads::one()).is_err());
}
