//! Archives against a plain reading of their rules; searches over threads, saving and bad input.

mod cells;
mod emitters;
mod saved;

use std::collections::BTreeMap;

use chimera_rng::Stream;

use super::*;
use crate::algorithm::Scores;
use crate::run::Run;
use crate::space::Space;
use crate::threads::Threads;

fn layout(kind: &str) -> Layout {
    let (lower, upper) = (vec![-1.0, -1.0], vec![1.0, 1.0]);
    match kind {
        "grid" => Layout::Grid { shape: vec![7, 5], lower, upper },
        "cvt" => {
            Layout::Cvt { n_cells: 40, n_samples: 4000, n_iterations: 20, seed: 1, lower, upper }
        }
        _ => Layout::Sliding { shape: vec![6, 4], remap_every: 50, buffer_size: 200, lower, upper },
    }
}

fn archive(kind: &str, rule: Rule) -> Archive<f64> {
    Archive::new(&layout(kind), 3, rule, Outside::Error, &Threads::one()).unwrap()
}

struct Rows {
    solutions: Vec<f64>,
    objectives: Vec<f64>,
    descriptors: Vec<f64>,
}

fn rows(n: usize, seed: u64) -> Rows {
    let mut rng = Stream::new(seed, 0, 0);
    Rows {
        solutions: (0..3 * n).map(|_| rng.normal()).collect(),
        // Few levels, so that ties are common.
        objectives: (0..n).map(|_| (rng.normal() * 4.0).round()).collect(),
        descriptors: (0..2 * n).map(|_| 2.0 * rng.uniform() - 1.0).collect(),
    }
}

fn insert(archive: &mut Archive<f64>, rows: &Rows) -> Insertion {
    let mut insertion = Insertion::default();
    let ids = archive.next_ids();
    let batch = Candidates {
        solutions: &rows.solutions,
        objectives: &rows.objectives,
        descriptors: &rows.descriptors,
        ids,
    };
    archive.add(&batch, &[], &Threads::one(), &mut insertion).unwrap();
    insertion
}

#[test]
fn test_batches_are_judged_against_the_archive_before_them() {
    for kind in ["grid", "cvt"] {
        let mut tested = archive(kind, Rule::elitist(Direction::Maximize));
        let mut known: BTreeMap<u32, (f64, Vec<f64>)> = BTreeMap::new();
        for seed in 0..12 {
            let rows = rows(60, seed);
            let mut cells = Vec::new();
            tested.locate(&rows.descriptors, &Threads::one(), &mut cells);
            let before = known.clone();
            let insertion = insert(&mut tested, &rows);
            for (row, cell) in cells.iter().enumerate() {
                let objective = rows.objectives[row];
                let old = before.get(cell).map(|elite| elite.0);
                let status = match old {
                    None => 2,
                    Some(old) => u8::from(objective > old),
                };
                assert_eq!(insertion.status[row], status);
                assert_eq!(insertion.values[row], objective - old.unwrap_or(0.0));
                if known.get(cell).is_none_or(|elite| objective > elite.0) {
                    let genes = rows.solutions[3 * row..3 * row + 3].to_vec();
                    known.insert(*cell, (objective, genes));
                }
            }
            let elites = tested.elites();
            assert_eq!(elites.n_elites(), known.len());
            for (row, cell) in elites.cells().as_slice().iter().enumerate() {
                let (objective, genes) = &known[cell];
                assert_eq!(elites.objectives().row(row), [*objective]);
                assert_eq!(elites.solutions().row(row), genes);
                assert_eq!(elites.row_of_cell(*cell), Some(row));
            }
        }
        let stats = tested.stats(-20.0);
        let sum: f64 = known.values().map(|elite| elite.0 + 20.0).sum();
        assert_eq!(stats.qd_score, sum);
        assert_eq!(stats.coverage, known.len() as f64 / tested.elites().n_cells() as f64);
    }
}

#[test]
fn test_minimizing_mirrors_maximizing() {
    let mut high = archive("grid", Rule::elitist(Direction::Maximize));
    let mut low = archive("grid", Rule::elitist(Direction::Minimize));
    for seed in 0..5 {
        let mut rows = rows(50, seed);
        let first = insert(&mut high, &rows);
        rows.objectives.iter_mut().for_each(|objective| *objective = -*objective);
        assert_eq!(first, insert(&mut low, &rows));
    }
    assert_eq!(high.elites().solutions(), low.elites().solutions());
    assert_eq!(high.stats(-3.0).qd_score, low.stats(3.0).qd_score);
}

#[test]
fn test_thresholds_follow_the_mean_of_accepted_objectives() {
    let rule =
        Rule { direction: Direction::Maximize, learning_rate: 0.5, threshold_min: Some(0.0) };
    let mut tested = archive("grid", rule);
    let rows = Rows {
        solutions: vec![0.0; 9],
        objectives: vec![4.0, 2.0, -1.0],
        descriptors: vec![0.0; 6],
    };
    let insertion = insert(&mut tested, &rows);
    assert_eq!(insertion.status, [2, 2, 0]);
    assert_eq!(insertion.values, [4.0, 2.0, -1.0]);
    let cell = tested.elites().cells().as_slice()[0];
    // (1 - 0.5)^2 * 0 + mean(4, 2) * (1 - 0.25)
    assert_eq!(tested.elites().threshold_of_cell(cell), Some(2.25));
    let rows = Rows { solutions: vec![1.0; 3], objectives: vec![3.0], descriptors: vec![0.0; 2] };
    assert_eq!(insert(&mut tested, &rows).values, [0.75]);
    assert_eq!(tested.elites().objectives().as_slice(), [3.0]);
    assert_eq!(tested.elites().best().unwrap().objective, 4.0);
}

#[test]
fn test_a_learning_rate_of_1_keeps_the_best() {
    let rule =
        Rule { direction: Direction::Maximize, learning_rate: 1.0, threshold_min: Some(0.0) };
    let mut tested = archive("grid", rule);
    let rows = |objectives: &[f64]| Rows {
        solutions: vec![0.0; 3 * objectives.len()],
        objectives: objectives.to_vec(),
        descriptors: vec![0.0; 2 * objectives.len()],
    };
    assert_eq!(insert(&mut tested, &rows(&[10.0, 20.0, -1.0])).status, [2, 2, 0]);
    assert_eq!(insert(&mut tested, &rows(&[16.0])).status, [0]);
    assert_eq!(insert(&mut tested, &rows(&[21.0, 25.0])).values, [1.0, 5.0]);
    assert_eq!(tested.elites().objectives().as_slice(), [25.0]);
    let cell = tested.elites().cells().as_slice()[0];
    assert_eq!(tested.elites().threshold_of_cell(cell), Some(25.0));
}

#[test]
fn test_nearest_centroids_are_exact_in_any_dimension() {
    for n in 1..9 {
        let mut rng = Stream::new(n as u64, 1, 2);
        let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| rng.uniform()).collect() };
        let (centroids, points) = (draw(300 * n), draw(1000 * n));
        let cells = Centroids::new(&centroids, &vec![0.0; n], &vec![1.0; n]).unwrap();
        let mut found = Vec::new();
        cells.locate(&points, &Threads::one(), &mut found);
        for (point, cell) in points.chunks_exact(n).zip(&found) {
            let distance = |idx: usize| {
                crate::novelty::nearest::squared_distance(point, &centroids[idx * n..][..n])
            };
            let best = (0..300).min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap();
            assert_eq!(*cell as usize, best, "{n} dimensions");
        }
    }
}

#[test]
fn test_points_outside_and_crowded_centroids_find_their_nearest() {
    let mut rng = Stream::new(1, 1, 1);
    let centroids: Vec<f64> = (0..2000).map(|_| 0.5 + 1e-3 * rng.normal()).collect();
    let points = [-3.0, 0.5, 0.5, 9.0, 0.5001, 0.4999];
    let cells = Centroids::new(&centroids, &[0.0; 2], &[1.0; 2]).unwrap();
    let mut found = Vec::new();
    cells.locate(&points, &Threads::one(), &mut found);
    for (point, cell) in points.chunks_exact(2).zip(found) {
        let distance = |row: &[f64]| crate::novelty::nearest::squared_distance(point, row);
        let least = centroids.chunks_exact(2).map(distance).fold(f64::INFINITY, f64::min);
        assert_eq!(distance(&centroids[2 * cell as usize..][..2]), least);
    }
}

#[test]
fn test_sliding_boundaries_move_to_quantiles() {
    let mut tested = archive("sliding", Rule::elitist(Direction::Maximize));
    for seed in 0..6 {
        insert(&mut tested, &rows(77, seed));
    }
    let Cells::Sliding(sliding) = tested.cells() else { panic!("another kind") };
    for (boundaries, n_cells) in sliding.boundaries().iter().zip([6, 4]) {
        assert_eq!(boundaries.len(), n_cells + 1);
        assert!(boundaries.is_sorted());
    }
    let mut cells = Vec::new();
    tested.locate(tested.elites().descriptors().as_slice(), &Threads::one(), &mut cells);
    assert_eq!(cells, tested.elites().cells().as_slice());
}

#[test]
fn test_saved_archives_go_on_as_if_never_interrupted() {
    for kind in ["grid", "cvt", "sliding"] {
        let mut whole = archive(kind, Rule::elitist(Direction::Minimize));
        for seed in 0..3 {
            insert(&mut whole, &rows(70, seed));
        }
        let state = whole.save().unwrap();
        let mut loaded = Archive::<f64>::load(&state).unwrap();
        for seed in 3..6 {
            assert_eq!(insert(&mut whole, &rows(70, seed)), insert(&mut loaded, &rows(70, seed)));
        }
        assert_eq!(whole.save().unwrap(), loaded.save().unwrap());
        assert!(Archive::<f32>::load(&state).is_err());
        assert!(Archive::<f64>::load(&state[..state.len() - 1]).is_err());
    }
}

#[test]
fn test_refused_batches_change_nothing() {
    let mut tested = archive("grid", Rule::elitist(Direction::Maximize));
    insert(&mut tested, &rows(30, 1));
    let before = tested.save().unwrap();
    let mut spoil = |spoil: &dyn Fn(&mut Rows)| {
        let mut rows = rows(30, 2);
        rows.objectives.iter_mut().for_each(|objective| *objective += 100.0);
        spoil(&mut rows);
        let (solutions, objectives) = (&rows.solutions, &rows.objectives);
        let descriptors = &rows.descriptors;
        let ids = Ids::From(0);
        let batch = Candidates { solutions, objectives, descriptors, ids };
        let result = tested.add(&batch, &[], &Threads::one(), &mut Insertion::default());
        assert!(result.is_err());
        assert!(tested.save().unwrap() == before, "something changed");
    };
    spoil(&|rows| rows.solutions[40] = f64::NAN);
    spoil(&|rows| rows.objectives[7] = f64::INFINITY);
    spoil(&|rows| rows.descriptors[3] = f64::NAN);
    spoil(&|rows| rows.descriptors[3] = 1.5);
    spoil(&|rows| rows.descriptors.truncate(58));
    spoil(&|rows| rows.solutions.truncate(89));
}

#[test]
fn test_views_stay_as_they_are() {
    let mut tested = archive("grid", Rule::elitist(Direction::Maximize));
    insert(&mut tested, &rows(30, 1));
    let view = tested.elites().solutions().clone();
    let copy = view.as_slice().to_vec();
    for seed in 2..9 {
        insert(&mut tested, &rows(30, seed));
    }
    assert_eq!(view.as_slice(), copy);
}

const SEARCHES: [(&str, &str, &str); 5] = [
    (
        "map_elites",
        "f64",
        r#"{"batch_size": 70, "outside": "error", "n_initial": 70, "iso_sigma": 0.01,
            "line_sigma": 0.2, "layout": {"kind": "grid", "shape": [10, 10],
            "lower": [-1, -1], "upper": [1, 1]}}"#,
    ),
    (
        "map_elites",
        "f32",
        r#"{"batch_size": 70, "outside": "error", "n_initial": 70, "iso_sigma": 0.01,
            "line_sigma": 0.2, "layout": {"kind": "sliding", "shape": [10, 10],
            "remap_every": 100, "buffer_size": 500, "lower": [-1, -1], "upper": [1, 1]}}"#,
    ),
    (
        "cma_me",
        "f64",
        r#"{"n_emitters": 3, "emitter_size": 12, "outside": "error", "sigma": 0.1,
            "layout": {"kind": "cvt", "n_cells": 100, "n_samples": 5000, "n_iterations": 10,
            "seed": 1, "lower": [-1, -1], "upper": [1, 1]}}"#,
    ),
    (
        "cma_mae",
        "f64",
        r#"{"n_emitters": 3, "emitter_size": 12, "outside": "error", "sigma": 0.1,
            "learning_rate": 0.1, "threshold": 20.0, "covariance": "separable",
            "layout": {"kind": "grid", "shape": [10, 10], "lower": [-1, -1], "upper": [1, 1]}}"#,
    ),
    (
        "novelty_search",
        "f64",
        r#"{"population_size": 40, "n_descriptors": 2, "k": 10, "local_competition": true,
            "policy": "threshold", "n_added": 5, "archive_size_max": 60, "iso_sigma": 0.05,
            "line_sigma": 0.2}"#,
    ),
];

fn start(search: (&str, &str, &str), n_threads: usize) -> Run {
    let block = ("x".to_owned(), search.1.to_owned(), vec![-1.0; 8], vec![1.0; 8]);
    let space = Space::new(vec![block]).unwrap();
    Run::new(search.0, space, search.2, 5, Threads::new(n_threads).unwrap()).unwrap()
}

fn wide(column: &crate::Column) -> Vec<f64> {
    match column {
        crate::Column::F64(matrix) => matrix.as_slice().to_vec(),
        crate::Column::F32(matrix) => matrix.as_slice().iter().map(|x| f64::from(*x)).collect(),
        _ => panic!("not floats"),
    }
}

/// Tells the sphere; some rows fail and some violate a constraint.
fn step(run: &mut Run) {
    let genes = wide(&run.ask(None).unwrap().genomes[0]);
    assert!(genes.iter().all(|gene| (-1.0..=1.0).contains(gene)));
    let rows = || genes.chunks_exact(8);
    let mut objectives: Vec<f64> = rows().map(|row| row.iter().map(|x| x * x).sum()).collect();
    let mut descriptors: Vec<f64> = rows().flat_map(|row| [row[0], row[1]]).collect();
    let failed: Vec<bool> = rows().map(|row| row[2] > 0.95).collect();
    let violations: Vec<f64> = rows().map(|row| (row[3] - 0.9).max(0.0)).collect();
    for (row, _) in failed.iter().enumerate().filter(|(_, failed)| **failed) {
        objectives[row] = f64::NAN;
        descriptors[2 * row] = f64::NAN;
    }
    let scores = Scores {
        objectives: &objectives,
        violations: &violations,
        descriptors: &descriptors,
        failed: &failed,
        ..Scores::default()
    };
    run.tell(None, &scores).unwrap();
}

#[test]
fn test_searches_give_the_same_bits_on_any_number_of_threads_and_after_loading() {
    for search in SEARCHES {
        let mut runs: Vec<Run> = [1, 2, 4].map(|n_threads| start(search, n_threads)).into();
        let mut loaded = start(search, 1);
        for _ in 0..30 {
            runs.iter_mut().for_each(step);
            step(&mut loaded);
            loaded = Run::load(&loaded.save().unwrap(), Threads::one()).unwrap();
        }
        let state = runs[0].save().unwrap();
        for other in runs.iter().chain([&loaded]) {
            assert!(other.save().unwrap() == state, "{}", search.0);
        }
        let population = runs[0].method().algorithm().population();
        assert!(population.objectives.n_rows() > 10, "{}", search.0);
        assert!(population.objectives.as_slice().iter().all(|score| score.is_finite()));
    }
}

#[test]
fn test_bad_settings_are_refused() {
    let space = || Space::real(vec![-1.0; 2], vec![1.0; 2]).unwrap();
    let unbounded = || Space::real(vec![-1.0; 2], vec![f64::INFINITY; 2]).unwrap();
    for (name, _, settings) in SEARCHES {
        for (from, to) in [
            (r#""sigma": 0.1"#, r#""sigma": 0"#),
            (r#""line_sigma": 0.2"#, r#""line_sigma": -0.2"#),
            (r#""batch_size": 70"#, r#""batch_size": 0"#),
            (r#""n_emitters": 3"#, r#""n_emitters": 0"#),
            (r#""population_size": 40"#, r#""population_size": 1"#),
            (r#""k": 10"#, r#""k": 0"#),
            (r#""learning_rate": 0.1"#, r#""learning_rate": 1.5"#),
            (r#""shape": [10, 10]"#, r#""shape": [10, 0]"#),
            (r#""upper": [1, 1]"#, r#""upper": [1, -1]"#),
            (r#""n_cells": 100"#, r#""n_cells": 6000"#),
            ("{", r#"{"unknown": 1, "#),
        ] {
            let spoiled = settings.replacen(from, to, 1);
            if spoiled != settings {
                let run = Run::new(name, space(), &spoiled, 0, Threads::one());
                assert!(run.is_err(), "{name}: {to}");
            }
        }
        let run = Run::new(name, unbounded(), settings, 0, Threads::one());
        assert_eq!(run.is_err(), !name.starts_with("cma"), "{name}");
    }
}
