//! Convergence, determinism and bounds of the swarm.

use crate::run::Run;
use crate::space::Space;
use crate::testing::{agree_across_threads_and_saves, drive, drive_with};
use crate::threads::Threads;

fn sphere(x: &[f64]) -> f64 {
    x.iter().map(|value| (value - 0.5) * (value - 0.5)).sum()
}

/// An ellipsoid of condition 100 turned by 45 degrees in each pair of coordinates.
fn turned(x: &[f64]) -> f64 {
    x.chunks_exact(2).map(|p| 100.0 * (p[0] + p[1]).powi(2) + (p[0] - p[1] - 1.0).powi(2)).sum()
}

fn run(settings: &str, d: usize) -> Run {
    let space = Space::real(vec![-5.0; d], vec![5.0; d]).unwrap();
    Run::new("pso", space, settings, 3, Threads::one()).unwrap()
}

#[test]
fn every_rule_and_topology_converges() {
    for settings in [
        r#"{"topology": "global"}"#,
        r#"{"topology": "ring"}"#,
        r#"{"topology": "ring", "n_neighbours": 3, "motion": "spherical"}"#,
        r#"{"topology": "global", "motion": "spherical"}"#,
    ] {
        let mut run = run(settings, 6);
        drive(&mut run, 16_000, turned);
        let best = run.best().unwrap().objectives[0];
        assert!(best < 1e-6, "{settings}: {best}");
    }
}

#[test]
fn same_bits_on_any_threads_and_after_saving() {
    let space = Space::real(vec![-1.0; 900], vec![2.0; 900]).unwrap();
    for motion in ["constriction", "spherical"] {
        let settings = format!(r#"{{"motion": "{motion}", "population_size": 40}}"#);
        agree_across_threads_and_saves("pso", &space, &settings, 6, sphere);
    }
}

#[test]
fn constraints_and_bounds_hold() {
    let mut run = run(r#"{"constraints": "epsilon"}"#, 3);
    drive_with(&mut run, 6_000, |x| x.iter().sum(), |x| (-4.0 - x[0]).max(0.0));
    let best = run.best().unwrap();
    assert_eq!(best.violation, 0.0);
    assert!((best.objectives[0] + 14.0).abs() < 1e-3, "{best:?}");
}

#[test]
fn settings_outside_their_range_are_refused() {
    for settings in [
        r#"{"population_size": 1}"#,
        r#"{"inertia": -0.1}"#,
        r#"{"social": 9.0}"#,
        r#"{"velocity_max": 0.0}"#,
        r#"{"n_neighbours": 0}"#,
        r#"{"topology": "star"}"#,
        r#"{"x0": [0.0]}"#,
    ] {
        let space = Space::real(vec![-1.0; 2], vec![1.0; 2]).unwrap();
        assert!(Run::new("pso", space, settings, 0, Threads::one()).is_err(), "{settings}");
    }
}

#[test]
fn the_best_places_keep_their_lineage() {
    let mut run = run(r#"{"population_size": 12}"#, 3);
    let mut parents: Vec<Vec<u64>> = Vec::new();
    while run.n_evaluations() < 240 {
        let batch = run.ask(None).unwrap();
        parents.extend(batch.origins.parents.rows().map(<[u64]>::to_vec));
        drive(&mut run, 1, sphere);
    }
    let population = run.method().algorithm().population();
    for (place, id) in population.ids.as_slice().iter().enumerate() {
        assert_eq!(population.parents.row(place), parents[usize::try_from(*id).unwrap()]);
        assert_eq!(population.generations.row(place), [id / 12]);
    }
}
