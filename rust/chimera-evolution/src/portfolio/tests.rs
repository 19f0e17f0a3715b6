//! What the portfolio chooses, how fast it is there, and that it repeats itself.

use crate::algorithm::Scores;
use crate::run::Run;
use crate::space::Space;
use crate::testing::{SETTINGS, agree_across_threads_and_saves, drive, drive_with};
use crate::threads::Threads;

fn rastrigin(x: &[f64]) -> f64 {
    let wave = |value: f64| value * value - 10.0 * (std::f64::consts::TAU * value).cos() + 10.0;
    x.iter().enumerate().map(|(idx, value)| wave(value - 0.3 - 0.1 * idx as f64)).sum()
}

fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2).map(|p| 100.0 * (p[1] - p[0] * p[0]).powi(2) + (1.0 - p[0]).powi(2)).sum()
}

/// Not a sum over genes, and full of local minima, so that every part of the portfolio is used.
fn rugged(x: &[f64]) -> f64 {
    let along: f64 = x.iter().sum();
    rastrigin(x) + along * along
}

fn run(settings: &str, d: usize) -> Run {
    let space = Space::real(vec![-5.0; d], vec![5.0; d]).unwrap();
    Run::new("auto", space, settings, 5, Threads::one()).unwrap()
}

fn best(run: &Run) -> f64 {
    run.best().unwrap().objectives[0]
}

fn phase(run: &Run) -> f64 {
    run.method().algorithm().figures()[0].1
}

#[test]
fn sums_over_genes_are_found_and_solved_line_by_line() {
    let mut run = run("{}", 8);
    drive(&mut run, 15, rastrigin);
    assert_eq!(phase(&run), 1.0);
    drive(&mut run, 120 * 8, rastrigin);
    assert!(best(&run) < 1e-8, "{}", best(&run));
}

#[test]
fn smooth_valleys_are_descended() {
    let mut run = run(r#"{"x0": [-1.5, 2.0, -1.0, 2.0, 1.0]}"#, 5);
    drive(&mut run, 7, rosenbrock);
    assert_eq!(phase(&run), 3.0);
    drive(&mut run, 200 * 5, rosenbrock);
    assert!(best(&run) < 1e-8, "{}", best(&run));
}

#[test]
fn optima_at_the_bound_are_reached() {
    let slope = |x: &[f64]| x.iter().sum::<f64>() + x[0] * x[1] * 0.01;
    let mut run = run("{}", 4);
    drive(&mut run, 200, slope);
    assert!((best(&run) + 19.75).abs() < 1e-9, "{}", best(&run));
}

#[test]
fn jumps_do_not_stop_it() {
    // A step in the objective: no gradient helps.
    let stairs = |x: &[f64]| x.windows(2).map(|p| (p[0] + p[1]).abs().floor() + p[0].abs()).sum();
    let mut run = run("{}", 4);
    drive(&mut run, 4_000, stairs);
    assert!(best(&run) < 1e-3, "{}", best(&run));
}

#[test]
fn same_bits_on_any_threads_and_after_saving() {
    let space = Space::real(vec![-5.0, -4.0, 0.0, 2.0], vec![5.0, 5.0, 6.0, 2.0]).unwrap();
    for objective in [rastrigin, rosenbrock, rugged] {
        agree_across_threads_and_saves("auto", &space, SETTINGS, 150, objective);
    }
}

#[test]
fn constraints_go_to_the_distribution() {
    let mut run = run("{}", 3);
    drive_with(
        &mut run,
        4_000,
        |x| x.iter().sum(),
        |x| (x.iter().map(|value| value * value).sum::<f64>() - 3.0).max(0.0),
    );
    let best = run.best().unwrap();
    assert_eq!(best.violation, 0.0);
    assert!((best.objectives[0] + 3.0).abs() < 1e-3, "{best:?}");
}

#[test]
fn failures_are_survived_in_every_phase() {
    for objective in [rastrigin, rosenbrock, rugged] {
        let mut run = run("{}", 3);
        for step in 0..400_usize {
            let rows: Vec<f64> = {
                let batch = run.ask(None).unwrap();
                batch.genomes[0].as_f64().unwrap().rows().map(objective).collect()
            };
            let failed: Vec<bool> = (0..rows.len()).map(|row| (row + step) % 7 == 3).collect();
            run.tell(None, &Scores { objectives: &rows, failed: &failed, ..Scores::default() })
                .unwrap();
        }
        assert!(best(&run) < 10.0, "{}", best(&run));
    }
}

#[test]
fn settings_outside_their_range_are_refused() {
    for settings in [r#"{"sigma": 0.0}"#, r#"{"x0": [9.0, 0.0]}"#, r#"{"population_size": 1}"#] {
        let space = Space::real(vec![-1.0; 2], vec![1.0; 2]).unwrap();
        assert!(Run::new("auto", space, settings, 0, Threads::one()).is_err(), "{settings}");
    }
}

#[test]
fn genes_that_are_rounded_inside_go_to_the_distribution() {
    let steps = |x: &[f64]| {
        let y = [x[0] - 1.0, x[1] + 1.0, x[2].round() - 1.0, x[3].round() + 1.0];
        y.iter().map(|y| y * y).sum::<f64>() + y.iter().sum::<f64>().powi(2)
    };
    let mut run = run("{}", 4);
    drive(&mut run, 15 + 4, steps);
    assert_eq!(phase(&run), 4.0);
    drive(&mut run, 200 * 4, steps);
    assert!(best(&run) < 1e-6, "{}", best(&run));
}

#[test]
fn genes_that_cannot_move_do_not_count() {
    for n_fixed in [1, 3, 5] {
        let mut bounds = (vec![-5.0; 6], vec![5.0; 6]);
        for idx in 6 - n_fixed..6 {
            bounds.0[idx] = 1.0;
            bounds.1[idx] = 1.0;
        }
        let space = Space::real(bounds.0, bounds.1).unwrap();
        let mut run = Run::new("auto", space, "{}", 5, Threads::one()).unwrap();
        drive(&mut run, 15, rosenbrock);
        // One gene alone is a sum over genes.
        assert_eq!(phase(&run), 3.0, "{n_fixed}");
        drive(&mut run, 1_480, rosenbrock);
        assert!(best(&run) < 1e-12, "{n_fixed}: {}", best(&run));
        let held = run.method().algorithm().population().genomes[0].as_f64().unwrap().clone();
        assert!(held.row(0)[6 - n_fixed..].iter().all(|value| *value == 1.0), "{held:?}");
    }
    let space = Space::real(vec![2.0; 3], vec![2.0; 3]).unwrap();
    let mut run = Run::new("auto", space, "{}", 5, Threads::one()).unwrap();
    drive(&mut run, 300, rosenbrock);
    assert_eq!(run.best().unwrap().genomes[0].as_f64().unwrap().row(0), [2.0; 3]);
}

#[test]
fn generations_that_were_lost_teach_nothing() {
    let settings = r#"{"descent": false, "coordinates": false}"#;
    let mean_score = |run: &mut Run| {
        let rows = run.ask(None).unwrap().genomes[0].as_f64().unwrap().clone();
        rows.rows().map(|row| rosenbrock(row) / rows.n_rows() as f64).sum::<f64>()
    };
    let mut run = run(settings, 4);
    drive(&mut run, 1_000, rosenbrock);
    let before = mean_score(&mut run);
    for _ in 0..20 {
        let n = run.ask(None).unwrap().n_rows();
        let (objectives, failed) = (vec![f64::NAN; n], vec![true; n]);
        let scores = Scores { objectives: &objectives, failed: &failed, ..Scores::default() };
        run.tell(None, &scores).unwrap();
    }
    let after = mean_score(&mut run);
    assert!(after < 10.0 * before, "{before} {after}");
    // But where everything fails it does not stay for ever.
    for _ in 0..crate::cma::search::LOST_MAX {
        let n = run.ask(None).unwrap().n_rows();
        let (objectives, failed) = (vec![0.0; n], vec![true; n]);
        let scores = Scores { objectives: &objectives, failed: &failed, ..Scores::default() };
        run.tell(None, &scores).unwrap();
    }
    assert!(run.method().algorithm().figures()[1].1 >= 1.0);
}

#[test]
fn lines_are_left_when_there_is_nothing_more_on_them() {
    let mut run = run("{}", 2);
    drive(&mut run, 15, |x| (x[0] - 1.0).abs());
    assert_eq!(phase(&run), 1.0);
    drive(&mut run, 600, |x| (x[0] - 1.0).abs());
    assert_eq!(phase(&run), 4.0);
    assert!(best(&run) < 1e-8, "{}", best(&run));
    let mut flat = self::run("{}", 2);
    drive(&mut flat, 15, |_| 3.0);
    assert_eq!(phase(&flat), 1.0);
    drive(&mut flat, 60, |_| 3.0);
    assert_eq!(phase(&flat), 4.0);
}
