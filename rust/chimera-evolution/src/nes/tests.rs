//! Behaviour of the strategies for many genes: convergence, bits, bad settings.

use crate::cma::full::Factor;
use crate::{Column, Error, Matrix, Run, Scores, Space, Threads};

const NAMES: [&str; 3] = ["lm_ma_es", "xnes", "openai_es"];

fn sphere(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum()
}

fn ellipsoid(x: &[f64]) -> f64 {
    let n = x.len() as f64 - 1.0;
    x.iter().enumerate().map(|(i, v)| 1e6f64.powf(i as f64 / n) * v * v).sum()
}

fn start(name: &str, n: usize, settings: &str, threads: usize) -> Run {
    let space = Space::real(vec![-5.0; n], vec![4.0; n]).unwrap();
    Run::new(name, space, settings, 3, Threads::new(threads).unwrap()).unwrap()
}

fn step(run: &mut Run, f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let rows = run.ask(None).unwrap().genomes[0].as_f64().unwrap().clone();
    let scores: Vec<f64> = rows.rows().map(f).collect();
    run.tell(None, &Scores { objectives: &scores, ..Scores::default() }).unwrap();
    rows.as_slice().to_vec()
}

fn reach(name: &str, n: usize, settings: &str, f: fn(&[f64]) -> f64, evaluations: u64) -> f64 {
    let mut run = start(name, n, settings, 1);
    while run.n_evaluations() < evaluations {
        step(&mut run, f);
    }
    run.best().unwrap().objectives[0]
}

#[test]
fn known_functions_are_solved() {
    assert!(reach("xnes", 10, "{}", ellipsoid, 14_000) < 1e-9);
    assert!(reach("lm_ma_es", 200, "{}", sphere, 30_000) < 1e-9);
    let settings = r#"{"sigma": 0.5, "learning_rate_decay": 0.99, "sigma_decay": 0.99}"#;
    assert!(reach("openai_es", 20, settings, sphere, 100_000) < 1e-6);
}

#[test]
fn a_thousand_genes_get_better_at_once() {
    for name in NAMES {
        let mut run = start(name, 1000, r#"{"sigma": 0.1}"#, 1);
        step(&mut run, sphere);
        let first = run.best().unwrap().objectives[0];
        for _ in 0..60 {
            step(&mut run, sphere);
        }
        let last = run.best().unwrap().objectives[0];
        assert!(last < 0.97 * first, "{name}: {first} {last}");
    }
}

#[test]
fn both_exponentials_are_the_exponential() {
    // exp of gain z zᵀ is I + (e^(gain |z|²) - 1) / |z|² z zᵀ; gains add up.
    for (is_square, gain) in [(false, 0.2), (true, 0.2), (true, 3.0), (true, -3.0), (true, 1e-9)] {
        let mut factor = Factor::new(&[1.0, 1.0, 1.0]);
        let (z, squared) = ([1.0, 2.0, -2.0, 0.0, 0.0, 0.0, 0.0, 0.0], 9.0);
        factor.begin(is_square);
        factor.push(0.25 * gain, &z, &z);
        factor.push(0.75 * gain, &z, &z);
        if is_square {
            factor.multiply_exponential(1.0, &Threads::one());
        } else {
            let mut small = super::xnes::Small::default();
            let (rows, gains) = factor.pushed();
            super::xnes::series(&mut small, rows, 8, gains);
            factor.multiply_low_rank(1.0, &small.sum, &Threads::one());
        }
        let factors = |k: usize, l: usize| {
            let one = if k == l { 1.0 } else { 0.0 };
            one + (gain * squared).exp_m1() / squared * z[k] * z[l]
        };
        let mut covariance = [0.0; 9];
        factor.covariance(&mut covariance);
        let scale = (2.0 * gain * squared).exp().max(1.0);
        for (at, value) in covariance.into_iter().enumerate() {
            let expected: f64 = (0..3).map(|k| factors(at / 3, k) * factors(at % 3, k)).sum();
            assert!((value - expected).abs() < 1e-12 * scale, "{gain}: {value} {expected}");
        }
    }
}

#[test]
fn a_large_population_takes_linear_time_and_memory_in_its_rows() {
    // Cubed, these rows would not end within a test's time, and squared they would be 32 GB.
    let mut run = start("xnes", 2, r#"{"population_size": 65536}"#, 1);
    for _ in 0..30 {
        step(&mut run, sphere);
    }
    assert!(run.best().unwrap().objectives[0] < 1e-6);
}

#[test]
fn the_same_bits_on_any_threads_and_after_loading_at_any_point() {
    for (name, n) in NAMES.into_iter().flat_map(|name| [(name, 9), (name, 1000)]) {
        let mut one = start(name, n, "{}", 1);
        let mut two = start(name, n, "{}", 2);
        for round in 0..6 {
            assert_eq!(step(&mut one, ellipsoid), step(&mut two, ellipsoid), "{name}");
            if round % 2 == 0 {
                one = Run::load(&one.save().unwrap(), Threads::new(2).unwrap()).unwrap();
            }
            if round == 3 {
                two.ask(None).unwrap();
                two = Run::load(&two.save().unwrap(), Threads::one()).unwrap();
            }
        }
    }
}

#[test]
fn rows_stay_inside_and_told_rows_may_differ() {
    for name in NAMES {
        let mut run = start(name, 5, r#"{"sigma": 0.5, "x0": [3.9, 3.9, -5, 0, 0]}"#, 1);
        for _ in 0..40 {
            let mut genomes = run.ask(None).unwrap().genomes.clone();
            let mut values = genomes[0].as_f64().unwrap().as_slice().to_vec();
            assert!(values.iter().all(|value| (-5.0..=4.0).contains(value)));
            values[..5].fill(1.0);
            let scores: Vec<f64> = values
                .chunks_exact(5)
                .map(|row| row.iter().map(|v| (v - 1.0) * (v - 1.0)).sum())
                .collect();
            let n_rows = scores.len();
            genomes[0] = Column::F64(Matrix::from_vec(values, n_rows, 5).unwrap());
            run.tell(Some(genomes), &Scores { objectives: &scores, ..Scores::default() }).unwrap();
        }
        let held = run.method().algorithm().population();
        let centre = held.genomes[0].as_f64().unwrap().row(0).to_vec();
        assert!(centre.iter().all(|value| (value - 1.0).abs() < 2.0), "{name} {centre:?}");
    }
}

#[test]
fn settings_outside_their_range_are_refused() {
    let refused = |name: &str, settings: &str| -> Error {
        let space = Space::real(vec![-1.0; 3], vec![1.0; 3]).unwrap();
        Run::new(name, space, settings, 0, Threads::one()).unwrap_err()
    };
    for name in NAMES {
        for (settings, place) in [
            (r#"{"sigma": 0.0}"#, "sigma"),
            (r#"{"x0": [0.0]}"#, "x0"),
            (r#"{"population_size": 1}"#, "population_size"),
            (r#"{"population_size": 1000002}"#, "population_size"),
            (r#"{"tol_sigma": -1.0}"#, "tol_sigma"),
            (r#"{"colour": 1}"#, "colour"),
        ] {
            assert!(refused(name, settings).to_string().contains(place), "{name} {settings}");
        }
    }
    for place in ["population_size", "learning_rate", "sigma_decay", "beta_1", "weight_decay"] {
        let value = if place == "population_size" { "7" } else { "-1.0" };
        let error = refused("openai_es", &format!(r#"{{"{place}": {value}}}"#));
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[test]
fn a_flat_objective_does_not_stop_what_still_reduces_the_violation() {
    for name in NAMES {
        let mut run = start(name, 5, "{}", 1);
        for _ in 0..200 {
            let rows = run.ask(None).unwrap().genomes[0].as_f64().unwrap().clone();
            let objectives = vec![1.0; rows.n_rows()];
            let violations: Vec<f64> = rows.rows().map(|row| 1.0 + sphere(row)).collect();
            let scores =
                Scores { objectives: &objectives, violations: &violations, ..Scores::default() };
            run.tell(None, &scores).unwrap();
        }
        assert_eq!(run.method().algorithm().stop_reason(), None, "{name}");
        assert!(run.best().unwrap().violation < 2.0, "{name}");
    }
}
