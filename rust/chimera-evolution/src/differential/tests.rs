//! Convergence, determinism and bounds of the three methods.

use crate::algorithm::Scores;
use crate::constraint::{Epsilon, Worth};
use crate::differential::adapt::{Adaptation, Rates, Success};
use crate::run::Run;
use crate::space::Space;
use crate::testing::{SETTINGS, agree_across_threads_and_saves, drive, drive_with};
use crate::threads::Threads;

fn sphere(x: &[f64]) -> f64 {
    x.iter().map(|value| (value - 0.5) * (value - 0.5)).sum()
}

fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2)
        .map(|pair| 100.0 * (pair[1] - pair[0] * pair[0]).powi(2) + (1.0 - pair[0]).powi(2))
        .sum()
}

fn space(d: usize) -> Space {
    Space::real(vec![-5.0; d], vec![5.0; d]).unwrap()
}

fn run(name: &str, settings: &str, d: usize) -> Run {
    Run::new(name, space(d), settings, 7, Threads::one()).unwrap()
}

#[test]
fn methods_converge_on_rosenbrock() {
    for (name, settings, budget) in [
        ("de", r#"{"population_size": 40, "weight": 0.7}"#, 120_000),
        ("jade", r#"{"population_size": 40}"#, 30_000),
        ("lshade", r#"{"budget": 30000}"#, 30_000),
    ] {
        let mut run = run(name, settings, 8);
        drive(&mut run, budget, rosenbrock);
        let best = run.best().unwrap().objectives[0];
        assert!(best < 1e-6, "{name}: {best}");
    }
}

#[test]
fn every_strategy_converges_on_the_sphere() {
    for strategy in ["rand1", "best1", "current_to_best1", "current_to_pbest1"] {
        let settings = format!(r#"{{"strategy": "{strategy}", "archive_rate": 1.0}}"#);
        let mut run = run("de", &settings, 5);
        drive(&mut run, 10_000, sphere);
        let best = run.best().unwrap().objectives[0];
        assert!(best < 1e-8, "{strategy}: {best}");
    }
}

#[test]
fn same_bits_on_any_threads_and_after_saving() {
    // 40 rows of 900 genes: above the 2^15 from which work is shared out.
    let settings = r#"{"population_size": 40}"#;
    for name in ["de", "jade", "lshade"] {
        agree_across_threads_and_saves(name, &space(900), settings, 8, sphere);
        agree_across_threads_and_saves(name, &space(40), SETTINGS, 12, sphere);
    }
}

#[test]
fn gains_near_the_largest_number_keep_crossover_alive() {
    let rates = |crossover_rate| Rates { weight: 0.5, crossover_rate };
    let success = |gain, crossover_rate| Success { rates: rates(crossover_rate), gain };
    let mut adaptation = Adaptation::history(2);
    for _ in 0..4 {
        adaptation.learn(&[success(0.9 * f64::MAX, 0.4), success(0.9 * f64::MAX, 0.8)]);
    }
    // The Lehmer mean of two equal weights.
    assert!((adaptation.means().crossover_rate - 0.8 / 1.2).abs() < 1e-12);
    // A gain of nothing is no reason to stop crossing; a rate of nothing is.
    adaptation.learn(&[success(1.0, 0.0), success(0.0, 0.5)]);
    adaptation.learn(&[success(1.0, 0.0), success(0.0, 0.5)]);
    assert!((adaptation.means().crossover_rate - 0.8 / 1.2).abs() < 1e-12);
    for _ in 0..2 {
        adaptation.learn(&[success(1.0, 0.0)]);
    }
    assert_eq!(adaptation.means().crossover_rate, 0.0);
    adaptation.learn(&[success(1.0, 0.9)]);
    assert_eq!(adaptation.means().crossover_rate, 0.0, "terminal");
}

#[test]
fn penalties_near_the_largest_number_do_not_stop_crossover() {
    let mut run = run("lshade", r#"{"budget": 4000, "population_size": 40}"#, 4);
    drive(&mut run, 2_000, |x| {
        let score = sphere(x);
        if score > 1.0 { 1e306 * score } else { score }
    });
    let figures = run.method().algorithm().figures();
    let rate = figures.iter().find(|(name, _)| *name == "crossover_rate").unwrap().1;
    assert!(rate > 0.1, "{rate}");
}

#[test]
fn the_population_keeps_its_lineage_while_it_shrinks() {
    let mut run = run("lshade", r#"{"budget": 800, "population_size": 30}"#, 3);
    let mut parents: Vec<Vec<u64>> = Vec::new();
    while run.n_evaluations() < 700 {
        let batch = run.ask(None).unwrap();
        parents.extend(batch.origins.parents.rows().map(<[u64]>::to_vec));
        drive(&mut run, 1, sphere);
    }
    let population = run.method().algorithm().population();
    assert!(population.ids.n_rows() < 12);
    for (place, id) in population.ids.as_slice().iter().enumerate() {
        assert_eq!(population.parents.row(place), parents[usize::try_from(*id).unwrap()]);
        assert!(population.generations.row(place)[0] < run.generation());
    }
    assert!(population.operators.as_slice().contains(&1));
}

#[test]
fn optima_at_the_bound_are_reached() {
    for name in ["de", "jade", "lshade"] {
        let mut run = run(name, "{}", 4);
        drive(&mut run, 8_000, |x| x.iter().sum());
        assert!(run.best().unwrap().objectives[0] < -19.99, "{name}");
    }
}

#[test]
fn lshade_shrinks_to_its_least_size() {
    let mut run = run("lshade", r#"{"budget": 4000, "population_size": 60}"#, 5);
    let mut sizes = Vec::new();
    while run.n_evaluations() < 4_000 {
        sizes.push(run.method().algorithm().batch_size());
        drive(&mut run, 1, sphere);
    }
    assert!(sizes.is_sorted_by(|a, b| a >= b));
    assert_eq!(run.method().algorithm().batch_size(), 4);
    assert_eq!(run.method().algorithm().stop_reason(), Some("budget"));
}

#[test]
fn both_rules_find_the_constrained_optimum() {
    // min x + y on the circle of radius 1, within 1e-2, a thin feasible ring. Optimum
    // -sqrt(2) * sqrt(1.01).
    for rule in ["feasibility", "epsilon"] {
        let settings = format!(r#"{{"constraints": "{rule}", "population_size": 40}}"#);
        let mut run = run("de", &settings, 2);
        drive_with(
            &mut run,
            12_000,
            |x| x.iter().sum(),
            |x| ((x[0] * x[0] + x[1] * x[1] - 1.0).abs() - 1e-2).max(0.0),
        );
        let best = run.best().unwrap();
        assert!(best.violation == 0.0, "{rule}: {best:?}");
        assert!((best.objectives[0] + 2.02f64.sqrt()).abs() < 1e-3, "{rule}: {best:?}");
    }
}

#[test]
fn failed_rows_never_stay_once_something_worked() {
    let mut run = run("jade", r#"{"population_size": 10}"#, 3);
    let n = run.ask(None).unwrap().n_rows();
    run.tell(
        None,
        &Scores { objectives: &vec![f64::NAN; n], failed: &vec![true; n], ..Scores::default() },
    )
    .unwrap();
    assert!(run.best().is_none());
    drive(&mut run, 200, sphere);
    let population = run.method().algorithm().population();
    assert!(population.objectives.as_slice().iter().all(|value| value.is_finite()));
}

#[test]
fn lineage_names_rows_that_were_asked() {
    let mut run = run("jade", r#"{"population_size": 12}"#, 3);
    drive(&mut run, 120, sphere);
    let batch = run.ask(None).unwrap().clone();
    let first = run.first_id();
    assert_eq!(batch.origins.parents.n_columns(), 4);
    assert!(batch.origins.parents.as_slice().iter().all(|id| *id < first));
}

#[test]
fn settings_outside_their_range_are_refused() {
    for (name, settings) in [
        ("de", r#"{"weight": 0.0}"#),
        ("de", r#"{"crossover_rate": 1.5}"#),
        ("de", r#"{"population_size": 3}"#),
        ("de", r#"{"strategy": "rand9"}"#),
        ("de", r#"{"x0": [1.0]}"#),
        ("de", r#"{"x0": [1.0, 9.0]}"#),
        ("de", r#"{"unknown": 1}"#),
        ("de", r#"{"epsilon": {"power": 0.0}}"#),
        ("jade", r#"{"p_best": -0.1}"#),
        ("jade", r#"{"learning_rate": 2.0}"#),
        ("lshade", r#"{"budget": 0}"#),
        ("lshade", r#"{"history_size": 0}"#),
        ("lshade", r#"{"population_size_min": 3}"#),
    ] {
        let error = Run::new(name, space(2), settings, 0, Threads::one()).unwrap_err();
        assert!(error.to_string().contains("expected"), "{name} {settings}: {error}");
    }
    let open = Space::real(vec![0.0], vec![f64::INFINITY]).unwrap();
    assert!(Run::new("de", open, "{}", 0, Threads::one()).is_err());
}

#[test]
fn epsilon_falls_to_nothing() {
    let epsilon = Epsilon { quantile: 0.5, power: 2.5, generations: 10 };
    let worth = |violation| Worth { objective: 0.0, violation };
    let first = epsilon.first_level(&[worth(3.0), worth(1.0), worth(2.0), Worth::WORST]);
    assert_eq!(first, 2.0);
    let levels: Vec<f64> = (0..=10).map(|generation| epsilon.level(first, generation)).collect();
    assert_eq!(levels[0], 2.0);
    assert_eq!(levels[10], 0.0);
    assert!(levels.is_sorted_by(|a, b| a > b));
}
