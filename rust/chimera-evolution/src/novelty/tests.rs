//! Neighbours by every way, against a plain scan.

#![expect(clippy::cast_possible_truncation, reason = "small numbers")]

use chimera_rng::Stream;

use super::*;
use crate::algorithm::Scores;
use crate::run::Run;
use crate::space::Space;

fn points(n: usize, n_dimensions: usize, seed: u64, offset: f64) -> Vec<f32> {
    let mut rng = Stream::new(seed, 0, 0);
    (0..n * n_dimensions).map(|_| (offset + rng.normal()) as f32).collect()
}

fn plain<T: Real>(query: &Query<'_, T>, k: usize) -> Neighbours {
    let n = query.n_dimensions;
    let mut found = Neighbours { k, ..Neighbours::default() };
    for (row, x) in query.queries.chunks_exact(n).enumerate() {
        let own = query.own_from.map(|from| from as usize + row);
        let mut all: Vec<(f64, u32)> = query
            .points
            .chunks_exact(n)
            .enumerate()
            .filter(|(idx, _)| Some(*idx) != own)
            .map(|(idx, y)| (nearest::squared_distance(x, y), idx as u32))
            .collect();
        all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (distance, idx) in &all[..k] {
            found.distances.push(*distance);
            found.indices.push(*idx);
        }
    }
    found
}

#[test]
fn test_both_ways_equal_a_plain_scan_on_any_number_of_threads() {
    for (n_dimensions, offset) in [(1, 0.0), (2, 0.0), (3, 1e4), (7, -3.0), (16, 1e6), (33, 1e-30)]
    {
        let queries = points(53, n_dimensions, 1, offset);
        let known = points(701, n_dimensions, 2, offset);
        let query =
            Query { queries: &queries, points: &known, n_dimensions, k: 15, own_from: None };
        let expected = plain(&query, 15);
        for n_threads in [1, 2, 4] {
            let threads = Threads::new(n_threads).unwrap();
            for way in [Way::Tree, Way::Scan] {
                let found = neighbours_by(way, &query, &threads).unwrap();
                assert_eq!(found, expected, "{n_dimensions} dimensions, {way:?}");
            }
        }
    }
}

#[test]
fn test_few_points_lose_no_neighbours() {
    // Panels are padded to whole vectors, and a tile holds several queries.
    for n_points in 1..=70 {
        let known = points(n_points, 8, 5, 0.0);
        let queries = points(29, 8, 6, 0.0);
        for k in [1, n_points / 2, n_points] {
            let k = k.max(1);
            let query =
                Query { queries: &queries, points: &known, n_dimensions: 8, k, own_from: None };
            let found = neighbours_by(Way::Scan, &query, &Threads::one()).unwrap();
            assert_eq!(found, plain(&query, k), "{k} of {n_points} points");
        }
    }
}

#[test]
fn test_values_near_the_greatest_double_lose_no_neighbours() {
    for scale in [1e-170, 5e-160, 1e150, 5e307, 1.7e308] {
        let mut rng = Stream::new(3, 1, 0);
        let known: Vec<f64> = (0..60 * 8).map(|_| scale * (2.0 * rng.uniform() - 1.0)).collect();
        let query =
            Query { queries: &known, points: &known, n_dimensions: 8, k: 9, own_from: Some(0) };
        for way in [Way::Tree, Way::Scan] {
            let found = neighbours_by(way, &query, &Threads::one()).unwrap();
            assert_eq!(found, plain(&query, 9), "{scale:e}, {way:?}");
        }
    }
}

#[test]
fn test_equal_points_come_in_the_order_of_their_rows() {
    let mut known = points(40, 3, 3, 0.0);
    let copy = known.clone();
    known.extend_from_slice(&copy);
    known.extend_from_slice(&copy);
    let query = Query { queries: &copy, points: &known, n_dimensions: 3, k: 5, own_from: Some(40) };
    let expected = plain(&query, 5);
    for way in [Way::Tree, Way::Scan] {
        assert_eq!(neighbours_by(way, &query, &Threads::one()).unwrap(), expected);
    }
    assert_eq!(expected.indices[..2], [0, 80]);
}

#[test]
fn test_extreme_values_neither_overflow_nor_lose_neighbours() {
    let scales = [1e-38_f32, 1e-20, 1.0, 1e18, 3e37];
    let known: Vec<f32> =
        points(300, 9, 4, 0.0).iter().zip(scales.iter().cycle()).map(|(x, s)| x * s).collect();
    let query =
        Query { queries: &known[..90], points: &known, n_dimensions: 9, k: 7, own_from: Some(0) };
    let expected = plain(&query, 7);
    for way in [Way::Tree, Way::Scan] {
        assert_eq!(neighbours_by(way, &query, &Threads::one()).unwrap(), expected);
    }
}

#[test]
fn test_novelty_is_the_mean_distance_to_the_neighbours() {
    let known = [0.0_f32, 1.0, 3.0, 7.0];
    let query = Query { queries: &[0.0], points: &known, n_dimensions: 1, k: 2, own_from: Some(0) };
    assert_eq!(novelty(&query, &Threads::one()).unwrap(), [2.0]);
}

#[test]
fn test_bad_input_is_refused() {
    let good = Query { queries: &[0.0_f32], points: &[1.0], n_dimensions: 1, k: 1, own_from: None };
    let threads = Threads::one();
    assert!(neighbours(&Query { k: 0, ..good }, &threads).is_err());
    assert!(neighbours(&Query { points: &[], ..good }, &threads).is_err());
    assert!(neighbours(&Query { points: &[f32::NAN], ..good }, &threads).is_err());
    assert!(neighbours(&Query { queries: &[f32::INFINITY], ..good }, &threads).is_err());
    assert!(neighbours(&Query { points: &[1.0; 3], n_dimensions: 2, ..good }, &threads).is_err());
}

fn novelty_search(settings: &str) -> Run {
    let space = Space::real(vec![0.0; 2], vec![1.0; 2]).unwrap();
    let settings = format!(
        r#"{{"population_size": 4, "n_descriptors": 1, "local_competition": false,
            "archive_size_max": 100, "iso_sigma": 0.05, "line_sigma": 0.2, {settings}}}"#
    );
    Run::new("novelty_search", space, &settings, 1, Threads::one()).unwrap()
}

fn tell(run: &mut Run, behaviours: [f64; 4], failed: [bool; 4]) {
    run.ask(None).unwrap();
    let (objectives, descriptors, failed) = (&[0.0; 4], &behaviours, &failed);
    run.tell(None, &Scores { objectives, descriptors, failed, ..Scores::default() }).unwrap();
}

fn figure(run: &Run, name: &str) -> Option<f64> {
    let figures = run.method().algorithm().figures();
    figures.into_iter().find(|figure| figure.0 == name).map(|figure| figure.1)
}

#[test]
fn test_a_remembered_parent_is_not_its_own_neighbour() {
    let mut run = novelty_search(r#""k": 1, "policy": "best", "n_added": 1"#);
    tell(&mut run, [0.0, 0.1, 0.2, 10.0], [false; 4]);
    for generation in 0..3 {
        tell(&mut run, [0.05, 0.15, 0.25, 0.3], [false; 4]);
        let held = run.method().algorithm().population();
        assert!(held.descriptors.as_slice().contains(&10.0), "{generation}: {held:?}");
        run = Run::load(&run.save().unwrap(), Threads::one()).unwrap();
    }
}

#[test]
fn test_the_threshold_begins_with_the_first_batch_that_says_where() {
    let policy = r#""k": 2, "policy": "threshold", "n_added": 1"#;
    let mut run = novelty_search(policy);
    tell(&mut run, [0.0; 4], [true; 4]);
    tell(&mut run, [0.5; 4], [false; 4]);
    assert_eq!(figure(&run, "threshold"), None);
    assert_eq!(figure(&run, "archive_size"), Some(0.0));
    tell(&mut run, [0.0, 1.0, 2.0, 9.0], [false; 4]);
    assert!(figure(&run, "threshold").unwrap() > 0.1);
}

#[test]
fn test_a_threshold_of_0_rises() {
    let policy = r#""k": 2, "policy": "threshold", "n_added": 0, "threshold": 0.0"#;
    let mut run = novelty_search(policy);
    tell(&mut run, [0.0, 1.0, 2.0, 9.0], [false; 4]);
    assert!(figure(&run, "threshold").unwrap() > 0.1);
}

/// Timings for choosing between the ways; `--ignored --nocapture` runs it.
#[test]
#[ignore = "a measurement"]
fn measure() {
    for (n_dimensions, ways) in [
        (2, vec![Way::Tree, Way::Scan]),
        (4, vec![Way::Tree, Way::Scan]),
        (6, vec![Way::Tree, Way::Scan]),
        (8, vec![Way::Tree, Way::Scan]),
        (10, vec![Way::Tree, Way::Scan]),
        (16, vec![Way::Scan]),
        (128, vec![Way::Scan]),
    ] {
        let queries = points(10_000, n_dimensions, 1, 0.0);
        let known = points(100_000, n_dimensions, 2, 0.0);
        let query =
            Query { queries: &queries, points: &known, n_dimensions, k: 15, own_from: None };
        for way in ways {
            let best = (0..4)
                .map(|_| {
                    let start = std::time::Instant::now();
                    neighbours_by(way, &query, &Threads::one()).unwrap();
                    start.elapsed().as_secs_f64()
                })
                .fold(f64::INFINITY, f64::min);
            println!("d={n_dimensions} {way:?}: {best:.3} s");
        }
    }
}
