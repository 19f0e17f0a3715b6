//! Bounds: rows inside, ranks of samples outside, optima on bounds.

use super::{best, solve, sphere, start, step};
use crate::cma::Transform;
use crate::cma::rank::Ranking;
use crate::{Run, Scores, Space, Threads};

#[test]
fn rows_stay_inside_and_an_optimum_on_a_bound_is_found() {
    let mut run = start(6, (0.0, 1.0), r#"{"sigma": 5.0}"#, 3, 1);
    for _ in 0..300 {
        let rows = step(&mut run, |x| x.iter().map(|v| (v + 0.5) * (v + 0.5)).sum());
        assert!(rows.iter().all(|value| (0.0..=1.0).contains(value)));
    }
    assert!((best(&run) - 1.5).abs() < 1e-9, "{}", best(&run));
}

#[test]
fn the_map_into_the_box_is_continuous_and_inverted() {
    let map = Transform::new(
        vec![0.0, -1.0, f64::NEG_INFINITY, 2.0],
        vec![10.0, -0.99, 3.0, f64::INFINITY],
    );
    let mut last: Option<Vec<f64>> = None;
    for k in -4000..4000 {
        let mut row = vec![f64::from(k) * 0.01; 4];
        map.apply(&mut row);
        assert!((0.0..=10.0).contains(&row[0]) && (-1.0..=-0.99).contains(&row[1]));
        assert!(row[2] <= 3.0 && row[3] >= 2.0);
        if let Some(last) = last {
            let moved = last.iter().zip(&row).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(moved <= 0.0101, "{moved}");
        }
        let mut back = row.clone();
        map.invert(&mut back);
        map.apply(&mut back);
        assert!(row.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-9), "{row:?} {back:?}");
        last = Some(row);
    }
}

#[test]
fn genes_without_width_stay_and_the_rest_is_searched() {
    let space = Space::real(vec![-5.0, 2.0, -5.0], vec![4.0, 2.0, 4.0]).unwrap();
    let mut run = Run::new("cmaes", space, "{}", 0, Threads::one()).unwrap();
    for _ in 0..150 {
        let rows = step(&mut run, sphere);
        assert!(rows.chunks_exact(3).all(|row| row[1] == 2.0));
    }
    assert!((best(&run) - 4.0).abs() < 1e-12);
}

#[test]
fn a_negative_zero_is_no_violation() {
    let mut ranking = Ranking::default();
    let violations = [0.0, -0.0, 0.0, -0.0];
    let objectives = [4.0, 3.0, 2.0, 1.0];
    let scores = Scores { objectives: &objectives, violations: &violations, ..Scores::default() };
    ranking.rank(&scores, 4, |_| 0.0);
    assert_eq!(ranking.order(), [3, 2, 1, 0]);
}

#[test]
fn places_by_score_and_by_distance_outside_are_added() {
    let mut ranking = Ranking::default();
    let objectives = [1.0, 2.0, 2.0, 4.0, 0.0];
    let outside = [9.0, 0.0, 1.0, 0.0, 0.0];
    let failed = [false, false, false, false, true];
    let scores = Scores { objectives: &objectives, failed: &failed, ..Scores::default() };
    ranking.rank(&scores, 5, |row| outside[row]);
    // Places: 0 + 4 / 2, 1, 1 + 3 / 2, 3; what failed is last whatever its place.
    assert_eq!(ranking.order(), [1, 0, 2, 3, 4]);
    assert_eq!(ranking.by_scores(), [0, 1, 2, 3, 4]);
    ranking.rank(&scores, 5, |_| 0.0);
    assert_eq!(ranking.order(), ranking.by_scores());
}

#[test]
fn an_optimum_in_a_corner_is_met_exactly() {
    let mut run = start(10, (-5.0, 5.0), "{}", 1, 1);
    for _ in 0..150 {
        step(&mut run, |x| x.iter().zip(1..).map(|(v, weight)| f64::from(weight) * v).sum());
    }
    assert_eq!(best(&run), -275.0);
    // One infinite bound, so that no width measures distances outside.
    let space = Space::real(vec![2.0; 4], vec![f64::INFINITY; 4]).unwrap();
    let settings = r#"{"x0": [9, 9, 9, 9], "sigma": 3}"#;
    let mut run = Run::new("cmaes", space, settings, 1, Threads::one()).unwrap();
    for _ in 0..150 {
        step(&mut run, sphere);
    }
    assert_eq!(best(&run), 16.0);
}

#[test]
fn genes_on_bounds_neither_stick_there_nor_hold_the_others_up() {
    // Stiff and rotated: on the way some genes pass bounds that their optimum does not lie on.
    let rotate = |x: &[f64], k: usize| {
        let along: f64 = x.iter().enumerate().map(|(i, v)| v * ((i * k) as f64).sin()).sum();
        along * along
    };
    for seed in 0..10 {
        let stiff = |x: &[f64]| {
            let y: Vec<f64> = x.iter().map(|v| v - 4.5).collect();
            sphere(&y) + (1..6).map(|k| 10f64.powf(k as f64) * rotate(&y, k)).sum::<f64>()
        };
        solve(start(10, (-5.0, 5.0), "{}", seed, 1), stiff, 1e-9, 12_000);
    }
    // Half of the genes on bounds, where the objective is steep; in the others it is quadratic.
    let half = |x: &[f64]| {
        let on = |(i, v): (usize, &f64)| if i % 2 == 0 { 9.0 - v } else { (v - 1.0).powi(2) };
        x.iter().enumerate().map(on).sum::<f64>() - 80.0
    };
    solve(start(40, (-5.0, 5.0), "{}", 1, 1), half, 1e-9, 12_000);
}
