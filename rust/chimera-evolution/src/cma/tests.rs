//! Behaviour of the strategy and the search: learning, bounds, restarts, bits.

use super::decomposition::Decomposition;
use super::full::Factor;
use super::kernel::{TILE_ROWS, padded};
use super::rank::Ranking;
use super::restart::{POPULATION_MAX, Restarts, Schedule};
use super::{Covariance, Options, Parameters, Strategy, Transform, eigen};
use crate::{Run, Scores, Space, Threads};

fn sphere(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v).sum()
}

fn ellipsoid(x: &[f64]) -> f64 {
    let n = x.len() as f64 - 1.0;
    x.iter().enumerate().map(|(i, v)| 1e6f64.powf(i as f64 / n) * v * v).sum()
}

fn rosenbrock(x: &[f64]) -> f64 {
    x.windows(2).map(|w| 100.0 * (w[0] * w[0] - w[1]).powi(2) + (w[0] - 1.0).powi(2)).sum()
}

fn rastrigin(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v + 10.0 - 10.0 * (std::f64::consts::TAU * v).cos()).sum()
}

fn start(n: usize, bounds: (f64, f64), settings: &str, seed: u64, threads: usize) -> Run {
    let space = Space::real(vec![bounds.0; n], vec![bounds.1; n]).unwrap();
    Run::new("cmaes", space, settings, seed, Threads::new(threads).unwrap()).unwrap()
}

fn step(run: &mut Run, f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let rows = run.ask(None).unwrap().genomes[0].as_f64().unwrap().clone();
    let scores: Vec<f64> = rows.rows().map(f).collect();
    run.tell(None, &Scores { objectives: &scores, ..Scores::default() }).unwrap();
    rows.as_slice().to_vec()
}

fn best(run: &Run) -> f64 {
    run.best().unwrap().objectives[0]
}

fn solve(mut run: Run, f: impl Fn(&[f64]) -> f64, target: f64, evaluations_max: u64) -> u64 {
    loop {
        step(&mut run, &f);
        let reason = run.method().algorithm().stop_reason();
        if best(&run) <= target {
            return run.n_evaluations();
        }
        assert!(run.n_evaluations() < evaluations_max, "{} after {:?}", best(&run), reason);
    }
}

#[test]
fn weights_are_those_of_the_tutorial() {
    // n = 10, 10 rows: mu_eff, c_c, c_sigma, c_1, c_mu by hand from table 1.
    let p = Parameters::new(10, 10, None, false, true);
    assert_eq!(p.n_parents, 5);
    let positive: f64 = p.weights[..5].iter().sum();
    assert!((positive - 1.0).abs() < 1e-15);
    assert!((p.mu_eff - 3.167_299_281_410_702).abs() < 1e-12, "{}", p.mu_eff);
    assert!((p.c_sigma - 5.167_299_281 / 18.167_299_281).abs() < 1e-9);
    assert!((p.c_1 - 2.0 / (11.3f64.powi(2) + p.mu_eff)).abs() < 1e-15);
    assert!(p.weights[5..].iter().all(|weight| *weight < 0.0));
    let plain = Parameters::new(10, 10, None, false, false);
    assert!(plain.weights[5..].iter().all(|weight| *weight == 0.0));
}

fn covariance(factor: &Factor) -> Vec<f64> {
    let mut out = vec![0.0; 25];
    factor.covariance(&mut out);
    out
}

#[test]
fn an_update_of_the_factor_is_the_update_of_the_covariance() {
    for is_square in [false, true] {
        update_is_that_of_the_covariance(is_square);
    }
}

fn update_is_that_of_the_covariance(is_square: bool) {
    let n = 5;
    let width = padded(n);
    let threads = Threads::one();
    let mut factor = Factor::new(&[1.0, 2.0, 0.5, 1.5, 3.0]);
    let mut z = vec![0.0; TILE_ROWS * width];
    for (row, values) in z.chunks_exact_mut(width).enumerate() {
        for (idx, value) in values.iter_mut().take(n).enumerate() {
            *value = ((row * 7 + idx * 3) % 11) as f64 / 5.0 - 1.0;
        }
    }
    let mut path = z[..width].to_vec();
    for _ in 0..3 {
        let before = covariance(&factor);
        let mut y = vec![0.0; z.len()];
        factor.apply(&z, &mut y, &threads);
        let mut path_y = y.clone();
        let mut padded_path = path.clone();
        padded_path.resize(TILE_ROWS * width, 0.0);
        factor.apply(&padded_path, &mut path_y, &threads);
        let gains = [0.1, 0.3, -0.02, 0.05];
        factor.begin(is_square);
        for (gain, (y, z)) in gains.iter().zip(y.chunks_exact(width).zip(z.chunks_exact(width))) {
            factor.push(*gain, y, z);
        }
        factor.finish(0.8, &mut path, &threads);
        let after = covariance(&factor);
        for i in 0..n {
            for j in 0..n {
                let added = gains.iter().zip(y.chunks_exact(width));
                let added: f64 = added.map(|(gain, y)| gain * y[i] * y[j]).sum();
                let expected = 0.8 * before[i * n + j] + added;
                assert!((after[i * n + j] - expected).abs() < 1e-12);
            }
        }
        // The path keeps its direction in the coordinates of genes.
        let mut moved = vec![0.0; TILE_ROWS * width];
        padded_path[..width].copy_from_slice(&path);
        factor.apply(&padded_path, &mut moved, &threads);
        for (new, old) in moved.iter().zip(&path_y).take(n) {
            assert!((new - old).abs() < 1e-12, "{new} {old}");
        }
        let mut solved = vec![0.0; width];
        factor.solve(&moved[..width], &mut solved);
        assert!(solved.iter().zip(&path).all(|(a, b)| (a - b).abs() < 1e-10));
    }
}

#[test]
fn eigenvalues_of_known_matrices() {
    let close = |a: &mut [f64], n: usize, expected: &[f64]| {
        let mut memory = vec![f64::NAN; eigen::memory(n) - n * n];
        let mut values = eigen::eigenvalues(a, n, &mut memory).to_vec();
        values.sort_by(f64::total_cmp);
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-12 * expected.abs().max(1.0), "{values:?}");
        }
    };
    close(&mut [3.0], 1, &[3.0]);
    close(&mut [2.0, 1.0, 1.0, 2.0], 2, &[1.0, 3.0]);
    // The second difference of 6 points: 2 - 2 cos(k pi / 7).
    let n = 6_usize;
    let mut a: Vec<f64> = (0..n * n)
        .map(|at| match (at / n).abs_diff(at % n) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        })
        .collect();
    let angle = |k: i32| 2.0 - 2.0 * (f64::from(k) * std::f64::consts::PI / 7.0).cos();
    close(&mut a, n, &(1..=6).map(angle).collect::<Vec<_>>());
    // A reflection of diag(1, 2, 3, 4).
    let v = [0.5, 0.5, -0.5, 0.5];
    let reflect = |i: usize, k: usize| f64::from(u8::from(i == k)) - 2.0 * v[i] * v[k];
    let element = |i: usize, j: usize| {
        (0..4).map(|k| reflect(i, k) * (k as f64 + 1.0) * reflect(j, k)).sum::<f64>()
    };
    let mut a: Vec<f64> = (0..16).map(|at| element(at / 4, at % 4)).collect();
    close(&mut a, 4, &[1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn known_functions_take_known_numbers_of_evaluations() {
    // pycma 4.5 takes medians of 1569, 4205 and 5402 evaluations to 1e-9 (15 starts).
    let settings = r#"{"sigma": 1.0, "x0": [2,2,2,2,2,2,2,2,2,2]}"#;
    let free = (f64::NEG_INFINITY, f64::INFINITY);
    assert!(solve(start(10, free, settings, 1, 1), sphere, 1e-9, 2_500) > 1_000);
    assert!(solve(start(10, free, settings, 1, 1), ellipsoid, 1e-9, 6_000) > 3_000);
    assert!(solve(start(10, free, settings, 2, 1), rosenbrock, 1e-9, 9_000) > 3_500);
}

#[test]
fn a_separable_covariance_solves_separable_functions() {
    let settings = r#"{"covariance": "separable"}"#;
    // Ros & Hansen 2008: several times fewer evaluations than the full covariance at n = 40.
    solve(start(40, (-5.0, 4.0), settings, 1, 1), ellipsoid, 1e-9, 25_000);
}

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
fn restarts_find_what_one_run_misses() {
    for kind in ["ipop", "bipop"] {
        let settings = format!(r#"{{"restarts": "{kind}"}}"#);
        solve(start(5, (-5.0, 4.0), &settings, 1, 1), rastrigin, 1e-9, 200_000);
    }
    let mut run = start(5, (-5.0, 4.0), "{}", 1, 1);
    while run.method().algorithm().stop_reason().is_none() {
        step(&mut run, rastrigin);
    }
    assert_eq!(run.method().algorithm().batch_size(), 8);
}

#[test]
fn the_same_bits_on_any_threads_and_after_loading_at_any_point() {
    for (n, covariance) in [(7, "full"), (160, "full"), (40, "separable")] {
        let settings = format!(
            r#"{{"covariance": "{covariance}", "restarts": "bipop", "population_size": 120}}"#
        );
        let mut one = start(n, (-5.0, 4.0), &settings, 9, 1);
        let mut two = start(n, (-5.0, 4.0), &settings, 9, 2);
        for round in 0..20 {
            assert_eq!(step(&mut one, ellipsoid), step(&mut two, ellipsoid));
            if round % 5 == 0 {
                one = Run::load(&one.save().unwrap(), Threads::new(2).unwrap()).unwrap();
            }
            if round == 7 {
                // Also between ask and tell.
                two.ask(None).unwrap();
                two = Run::load(&two.save().unwrap(), Threads::one()).unwrap();
            }
        }
    }
}

#[test]
fn told_rows_that_differ_are_learned_from() {
    let mut run = start(4, (-5.0, 4.0), "{}", 0, 1);
    let mut plain = start(4, (-5.0, 4.0), "{}", 0, 1);
    for _ in 0..5 {
        step(&mut plain, sphere);
        let mut rows = run.ask(None).unwrap().genomes.clone();
        let mut values = rows[0].as_f64().unwrap().as_slice().to_vec();
        values[..4].fill(0.01);
        let scores: Vec<f64> = values.chunks_exact(4).map(sphere).collect();
        let n_rows = scores.len();
        rows[0] = crate::Column::F64(crate::Matrix::from_vec(values, n_rows, 4).unwrap());
        run.tell(Some(rows), &Scores { objectives: &scores, ..Scores::default() }).unwrap();
    }
    let centre = |run: &Run| {
        sphere(run.method().algorithm().population().genomes[0].as_f64().unwrap().row(0))
    };
    assert!(centre(&run) < 0.2 * centre(&plain), "{} {}", centre(&run), centre(&plain));
}

#[test]
fn failed_rows_rank_last_and_a_lost_generation_changes_nothing() {
    let mut run = start(3, (-5.0, 4.0), "{}", 0, 1);
    let n = run.ask(None).unwrap().n_rows();
    let before = run.method().algorithm().figures();
    let failed = vec![true; n];
    let scores = vec![f64::NAN; n];
    run.tell(None, &Scores { objectives: &scores, failed: &failed, ..Scores::default() }).unwrap();
    assert_eq!(run.method().algorithm().figures(), before);
    let mut run = start(3, (-5.0, 4.0), "{}", 0, 1);
    for _ in 0..200 {
        let rows = run.ask(None).unwrap().genomes[0].as_f64().unwrap().clone();
        let scores: Vec<f64> =
            rows.rows().map(|row| if row[0] < 1.0 { f64::NAN } else { sphere(row) }).collect();
        let failed: Vec<bool> = scores.iter().map(|score| score.is_nan()).collect();
        run.tell(None, &Scores { objectives: &scores, failed: &failed, ..Scores::default() })
            .unwrap();
    }
    assert!((best(&run) - 1.0).abs() < 1e-3, "{}", best(&run));
}

#[test]
fn settings_outside_their_range_are_refused() {
    let space = || Space::real(vec![-1.0; 3], vec![1.0; 3]).unwrap();
    for (settings, name) in [
        (r#"{"sigma": 0.0}"#, "sigma"),
        (r#"{"sigma": [1.0, 2.0]}"#, "sigma"),
        (r#"{"sigma": [1.0, -2.0, 1.0]}"#, "sigma"),
        (r#"{"x0": [0.0]}"#, "x0"),
        (r#"{"x0": [0.0, 0.0, 2.0]}"#, "x0"),
        (r#"{"population_size": 1}"#, "population_size"),
        (r#"{"population_size": 1000001}"#, "population_size"),
        (r#"{"covariance": "round"}"#, "covariance"),
        (r#"{"tol_x": -1.0}"#, "tol_x"),
        (r#"{"colour": 1}"#, "colour"),
    ] {
        let error = Run::new("cmaes", space(), settings, 0, Threads::one()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let free = Space::real(vec![f64::NEG_INFINITY; 2], vec![1.0; 2]).unwrap();
    let error = Run::new("cmaes", free, "{}", 0, Threads::one()).unwrap_err();
    assert!(error.to_string().contains("x0"), "{error}");
    let narrow = Space::real(vec![1.0; 2], vec![1.0; 2]).unwrap();
    assert!(Run::new("cmaes", narrow, "{}", 0, Threads::one()).is_err());
}

#[test]
fn a_strategy_learns_from_any_number_of_parents() {
    let options = Options { population_size: Some(12), ..Options::default() };
    let mut strategy = Strategy::new(&[3.0; 6], 1.0, &[1.0; 6], options).unwrap();
    let threads = Threads::one();
    let mut row = vec![0.0; 6];
    for generation in 0..400 {
        strategy.sample(5, generation, 12 * generation, 12, &threads);
        let mut scored = Vec::new();
        for idx in 0..12 {
            strategy.write(idx, &mut row);
            scored.push((sphere(&row), idx));
        }
        scored.sort_by(|a, b| a.0.total_cmp(&b.0));
        let order: Vec<usize> = scored.iter().map(|(_, idx)| *idx).collect();
        strategy.update(&order, Some(3 + (generation % 4) as usize), &threads);
    }
    assert!(sphere(strategy.mean()) < 1e-12);
    let scales = Options { covariance: Covariance::Separable, ..Options::default() };
    assert!(Strategy::new(&[0.0; 2], 1.0, &[1.0, f64::NAN], scales).is_err());
}

#[test]
fn doubling_ends_at_the_largest_population() {
    for kind in [Restarts::Ipop, Restarts::Bipop] {
        for first in [7, 300_000, POPULATION_MAX] {
            let mut schedule = Schedule::new(kind, 200, first);
            let mut largest = 0;
            let mut n_doubled = 0;
            while let Some(next) = schedule.next(1) {
                schedule.spend(1000);
                let size = next.population_size;
                assert!((first..=POPULATION_MAX).contains(&size), "{kind:?} {first} {size}");
                n_doubled += usize::from(size >= largest);
                largest = largest.max(size);
            }
            assert!(n_doubled >= 200, "{kind:?} {first} {n_doubled}");
            assert_eq!(largest, POPULATION_MAX);
            assert!(schedule.next(1).is_none());
        }
    }
}

#[test]
fn many_rows_of_few_genes_keep_the_covariance_regular() {
    let listed = [(1, 50), (2, 100), (2, 400), (3, 200), (5, 512)];
    let powers = (1..=6).flat_map(|n| (1..=10).map(move |power| (n, 1 << power)));
    for (n, rows) in listed.into_iter().chain(powers) {
        for is_separable in [false, true] {
            for is_active in [false, true] {
                let p = Parameters::new(n, rows, None, is_separable, is_active);
                assert!(p.kept() >= 4.9e-4, "{n} {rows}: {}", p.kept());
            }
            let covariance = if is_separable { "separable" } else { "full" };
            let settings =
                format!(r#"{{"population_size": {rows}, "covariance": "{covariance}"}}"#);
            let mut run = start(n, (-5.0, 5.0), &settings, 1, 1);
            for generation in 0..50 {
                let asked = step(&mut run, ellipsoid_or_square);
                let is_finite = asked.iter().all(|value| value.is_finite());
                assert!(is_finite, "{n} genes, {rows} rows, {covariance}: {generation}");
            }
            // Two rows know little of six genes; many know nearly everything.
            assert!(rows < 64 || best(&run) < 1e-2, "{n} {rows} {covariance}: {}", best(&run));
        }
    }
}

fn ellipsoid_or_square(x: &[f64]) -> f64 {
    if x.len() == 1 { sphere(x) } else { ellipsoid(x) }
}

#[test]
fn restarts_go_on_to_large_populations_of_few_genes() {
    for (n, kind) in [(1, "ipop"), (2, "ipop"), (2, "bipop"), (3, "ipop"), (5, "ipop")] {
        let settings = format!(r#"{{"restarts": "{kind}", "n_restarts_max": 60}}"#);
        let mut run = start(n, (-5.0, 4.0), &settings, 1, 1);
        let mut largest = 0;
        while largest < 512 {
            let asked = step(&mut run, rastrigin);
            assert!(asked.iter().all(|value| value.is_finite()), "{n} {kind} {largest}");
            largest = largest.max(run.method().algorithm().batch_size());
            assert!(run.n_evaluations() < 2_000_000, "{n} {kind} {largest}");
        }
    }
}

#[test]
fn a_place_where_everything_fails_is_left() {
    let n_restarts = |run: &Run| run.method().algorithm().figures()[5].1;
    for kind in ["ipop", "bipop"] {
        let settings = format!(r#"{{"restarts": "{kind}", "x0": [3, 3], "sigma": 0.01}}"#);
        let mut run = start(2, (-5.0, 4.0), &settings, 1, 1);
        for _ in 0..1_000 {
            let rows = run.ask(None).unwrap().genomes[0].as_f64().unwrap().clone();
            let scores: Vec<f64> =
                rows.rows().map(|x| if x[0] > 2.9 { f64::NAN } else { sphere(x) }).collect();
            let failed: Vec<bool> = scores.iter().map(|score| score.is_nan()).collect();
            let scores = Scores { objectives: &scores, failed: &failed, ..Scores::default() };
            run.tell(None, &scores).unwrap();
        }
        assert!(n_restarts(&run) >= 1.0 && best(&run) < 1e-9, "{kind}");
    }
    // Without restarts there is no other place, and an interruption is survived.
    let mut run = start(2, (-5.0, 4.0), "{}", 1, 1);
    for _ in 0..300 {
        let n = run.ask(None).unwrap().n_rows();
        let (scores, failed) = (vec![0.0; n], vec![true; n]);
        let scores = Scores { objectives: &scores, failed: &failed, ..Scores::default() };
        run.tell(None, &scores).unwrap();
    }
    assert_eq!(run.method().algorithm().stop_reason(), None);
    solve(run, sphere, 1e-9, 4_000);
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
fn the_parts_of_a_matrix_are_kept_until_it_changes() {
    let (n, width) = (3, padded(3));
    let columns = |scale: f64| {
        let mut columns = vec![0.0; width * width];
        for (at, value) in [(0, 0.0), (1, 2.0), (2, 1.0), (8, 4.0), (17, 1.0), (18, 3.0)] {
            columns[at] = scale * value;
        }
        columns
    };
    let mut parts = Decomposition::default();
    let (y, mut z) = ([8.0, 7.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0], [f64::NAN; 8]);
    for (scale, seen) in [(1.0, 1.0), (2.0, 1.0), (2.0, 2.0)] {
        if seen == 2.0 {
            parts.invalidate();
        }
        parts.prepare(&columns(scale), n);
        parts.solve(&y, &mut z);
        // 4 z1 = 8, 2 z0 + z2 = 7, z0 + 3 z2 = 10.
        for (value, expected) in z.iter().zip([2.2, 2.0, 2.6, 0.0]) {
            assert!((value - expected / seen).abs() < 1e-14, "{z:?}");
        }
    }
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
