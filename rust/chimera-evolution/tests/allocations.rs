//! Searches allocate nothing per generation once they are warm.
//!
//! Another method joins by one line in [`METHODS`].
#![allow(unsafe_code, reason = "a counting allocator implements an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use chimera_evolution::{Batch, Column, Context, Matrix, Method, Run, Scores, Space, Threads};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // Threads that are ending have no count left; they are not under test.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is the one that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Name, kind of genes, settings; `islands of NAME` are three of that method and settings.
const METHODS: &[(&str, &str, &str)] = &[
    ("ga", "f64", r#"{"population_size": 64}"#),
    ("ga", "f32", r#"{"population_size": 64, "n_elites": 5, "selection": "rank"}"#),
    ("ga", "f64", r#"{"population_size": 64, "selection": "roulette", "crossover": "blend"}"#),
    ("ga", "f64", r#"{"population_size": 64, "crossover": "pcx", "mutation": "self_adaptive"}"#),
    ("ga", "integer", r#"{"population_size": 64, "selection": "truncation"}"#),
    ("ga", "boolean", r#"{"population_size": 64, "eliminate_duplicates": true}"#),
    ("de", "f64", "{}"),
    ("jade", "f64", "{}"),
    ("ga", "permutation", r#"{"population_size": 64, "permutation_crossover": "edge"}"#),
    ("nsga2", "f64", r#"{"n_objectives": 2, "population_size": 64}"#),
    ("nsga2", "f32", r#"{"n_objectives": 3, "population_size": 64}"#),
    ("nsga2", "permutation", r#"{"n_objectives": 4, "population_size": 64}"#),
    ("nsga3", "f64", r#"{"n_objectives": 2, "n_partitions": 63}"#),
    ("nsga3", "boolean", r#"{"n_objectives": 3, "n_partitions": 9, "population_size": 64}"#),
    ("sms_emoa", "f64", r#"{"n_objectives": 2, "population_size": 64}"#),
    ("sms_emoa", "integer", r#"{"n_objectives": 3, "population_size": 64, "offspring": 16}"#),
    ("sms_emoa", "f64", r#"{"n_objectives": 4, "population_size": 32}"#),
    ("moead", "f64", r#"{"n_objectives": 2, "n_partitions": 63}"#),
    ("moead", "f32", r#"{"n_objectives": 3, "variation": "de"}"#),
    ("moead", "boolean", r#"{"n_objectives": 2, "n_partitions": 63}"#),
    ("ga", "f64", r#"{"population_size": 64, "crossover": "sbx_unbounded"}"#),
    ("ga", "f64", r#"{"population_size": 64, "scheme": "steady_state"}"#),
    ("lshade", "f64", r#"{"population_size": 64, "budget": 10000}"#),
    ("pso", "f64", "{}"),
    ("pso", "f64", r#"{"motion": "spherical", "topology": "global"}"#),
    ("islands of ga", "f64", r#"{"population_size": 32}"#),
    ("islands of de", "f64", r#"{"population_size": 32}"#),
    ("cmaes", "f64", "{}"),
    ("cmaes", "f64", r#"{"covariance": "separable"}"#),
    ("cmaes", "f64", r#"{"active": false, "restarts": "none", "population_size": 128}"#),
    ("xnes", "f64", "{}"),
    ("xnes", "f64", r#"{"population_size": 40}"#),
    ("lm_ma_es", "f64", "{}"),
    ("openai_es", "f64", "{}"),
];

fn start(name: &str, space: Space, settings: &str) -> chimera_evolution::Result<Run> {
    let Some(name) = name.strip_prefix("islands of ") else {
        return Run::new(name, space, settings, 1, Threads::one());
    };
    let mut states = Vec::new();
    for seed in 0..3 {
        let run = Run::new(name, space.clone(), settings, seed, Threads::one())?;
        let digits: Vec<String> = run.save()?.iter().map(|byte| format!("{byte:02x}")).collect();
        states.push(format!("\"{}\"", digits.concat()));
    }
    let settings = format!("{{\"states\": [{}], \"migration_every\": 3}}", states.join(","));
    Run::new("islands", space, &settings, 1, Threads::one())
}

#[test]
fn test_a_warm_generation_allocates_nothing() {
    for (name, kind, settings) in METHODS {
        let block = ("x".into(), (*kind).into(), vec![-4.0; 20], vec![4.0; 20]);
        let space = Space::new(vec![block]).unwrap();
        let mut run = start(name, space, settings).unwrap();
        let n_objectives = run.method().algorithm().n_objectives();
        let mut scores = Vec::with_capacity(4096);
        for generation in 0..40_u32 {
            // The best row of all comes early: a new best is copied, which allocates.
            scores.clear();
            let n_scores = run.method().algorithm().batch_size() * n_objectives;
            scores.extend(
                (0_u32..)
                    .take(n_scores)
                    .map(|row| f64::from((row * 37 + generation * 11) % 64 + generation.min(1))),
            );
            let before = COUNT.get();
            run.ask(None).unwrap();
            run.tell(None, &Scores { objectives: &scores, ..Scores::default() }).unwrap();
            let n = COUNT.get() - before;
            assert!(generation < 20 || n == 0, "{name} {settings}: {n} in {generation}");
        }
    }
}

/// Objectives on which a strategy, or a part of the portfolio, is at home.
fn separable(x: &[f64]) -> f64 {
    x.iter().map(|v| v * v - (6.0 * v).cos()).sum()
}

fn valley(x: &[f64]) -> f64 {
    let pairs = x.iter().zip(x.iter().skip(1));
    pairs.map(|(a, b)| 100.0 * (b - a * a).powi(2) + (1.0 - a).powi(2)).sum()
}

fn rugged(x: &[f64]) -> f64 {
    let along: f64 = x.iter().sum();
    separable(x) + along * along + (20.0 * x.iter().product::<f64>()).sin()
}

type Objective = fn(&[f64]) -> f64;

/// Name, settings, objective, whether the caller repairs rows: told ones differ from the asked ones.
const STRATEGIES: &[(&str, &str, Objective, bool)] = &[
    ("cmaes", "{}", valley, false),
    ("cmaes", "{}", valley, true),
    ("cmaes", r#"{"covariance": "separable"}"#, rugged, true),
    ("cmaes", r#"{"restarts": "ipop"}"#, rugged, false),
    ("xnes", "{}", valley, true),
    ("xnes", r#"{"population_size": 30}"#, valley, true),
    ("lm_ma_es", "{}", valley, true),
    ("openai_es", "{}", valley, true),
    ("auto", "{}", separable, false),
    ("auto", "{}", valley, false),
    ("auto", "{}", rugged, false),
];

/// What a search rightly makes anew: a distribution after a restart, the next part of the portfolio.
/// Besides, a batch larger than any before needs memory. Nothing else may allocate.
fn stage(method: &Method) -> Vec<f64> {
    let figures = method.algorithm().figures();
    let names = ["phase", "restarts", "n_restarts", "population_size"];
    figures.iter().filter(|(name, _)| names.contains(name)).map(|(_, value)| *value).collect()
}

/// Without the harness, which copies a new best row.
#[test]
fn test_a_warm_strategy_allocates_only_where_it_begins_anew() {
    const N_WARM: u64 = 20;
    for (name, settings, objective, repairs) in STRATEGIES {
        let space = Space::real(vec![-4.0; 12], vec![4.0; 12]).unwrap();
        let mut method = Method::new(name, space.clone(), settings, 1).unwrap();
        let mut batch = Batch { genomes: space.columns(), ..Batch::default() };
        let mut scores = Vec::with_capacity(1 << 16);
        let (mut first_id, mut since, mut n_quiet, mut largest) = (0, 0, 0, 0);
        for generation in 0..1500 {
            let threads = Threads::one();
            let context = Context { seed: 1, generation, first_id, threads };
            let before = stage(&method);
            let n = method.algorithm().batch_size();
            let start = COUNT.get();
            method.algorithm_mut().ask(n, &context, &mut batch).unwrap();
            let mut count = COUNT.get() - start;
            let rows = batch.genomes[0].as_f64().unwrap();
            scores.clear();
            scores.extend(rows.rows().map(objective));
            let told = if *repairs && generation % 3 == 0 {
                let mut values = rows.as_slice().to_vec();
                values.iter_mut().step_by(5).for_each(|value| *value = value.clamp(-1.0, 1.5));
                let genomes = vec![Column::F64(Matrix::from_vec(values, n, 12).unwrap())];
                Batch { genomes, ..batch.clone() }
            } else {
                batch.clone()
            };
            let scores = Scores { objectives: &scores, ..Scores::default() };
            let start = COUNT.get();
            method.algorithm_mut().tell(&told, &scores, &context).unwrap();
            count += COUNT.get() - start;
            drop(told);
            first_id += n as u64;
            let is_warm = stage(&method) == before && n <= largest;
            since = if is_warm { since + 1 } else { 0 };
            largest = largest.max(n);
            n_quiet += u64::from(since > N_WARM);
            assert!(
                count == 0 || since <= N_WARM,
                "{name} {settings}: {count} in {generation}, {since} after {before:?}"
            );
        }
        assert!(n_quiet > 100, "{name} {settings}: {n_quiet}");
    }
}

/// Archive searches: name, kind of genes, settings. Their descriptors come from outside.
const ARCHIVE_SEARCHES: &[(&str, &str, &str)] = &[
    ("map_elites", "f64", r#""layout": {"kind": "grid", "shape": [8, 8], BOX}, MAP"#),
    ("map_elites", "f32", r#""layout": {"kind": "cvt", "n_cells": 50, KMEANS, BOX}, MAP"#),
    ("map_elites", "f64", r#""layout": {"kind": "cvt", "n_cells": 50, KMEANS, BOX4}, MAP"#),
    ("map_elites", "f64", r#""layout": {"kind": "cvt", "n_cells": 50, KMEANS, BOX8}, MAP"#),
    ("map_elites", "f32", r#""layout": {"kind": "sliding", "shape": [4, 4], SLIDING, BOX}, MAP"#),
    ("cma_me", "f64", r#""layout": {"kind": "grid", "shape": [8, 8], BOX}, TEAM"#),
    ("cma_mae", "f64", r#""layout": {"kind": "grid", "shape": [8, 8], BOX}, TEAM, ANNEALED"#),
    (
        "cma_mae",
        "f64",
        r#""layout": {"kind": "grid", "shape": [8, 8], BOX}, TEAM, ANNEALED,
            "covariance": "separable""#,
    ),
    ("novelty_search", "f64", r#""n_descriptors": 2, "policy": "threshold", NOVELTY"#),
    ("novelty_search", "f64", r#""n_descriptors": 2, "policy": "random", NOVELTY"#),
    ("novelty_search", "f64", r#""n_descriptors": 8, "policy": "best", NOVELTY"#),
];

/// Spells out the words in capitals.
fn spelled(settings: &str) -> String {
    let ranges = |n: usize| format!(r#""lower": {:?}, "upper": {:?}"#, vec![0; n], vec![1; n]);
    let words = [
        ("KMEANS", r#""n_samples": 500, "n_iterations": 5, "seed": 1"#.to_owned()),
        ("SLIDING", r#""remap_every": 100, "buffer_size": 200"#.to_owned()),
        ("BOX4", ranges(4)),
        ("BOX8", ranges(8)),
        ("BOX", ranges(2)),
        (
            "MAP",
            r#""batch_size": 64, "n_initial": 64, "iso_sigma": 0.01, "line_sigma": 0.2,
                "outside": "clip""#
                .to_owned(),
        ),
        (
            "TEAM",
            r#""n_emitters": 3, "emitter_size": 24, "sigma": 0.1, "outside": "error""#.to_owned(),
        ),
        ("ANNEALED", r#""learning_rate": 0.1, "threshold": 100.0"#.to_owned()),
        (
            "NOVELTY",
            r#""population_size": 64, "k": 5, "local_competition": true, "n_added": 4,
                "archive_size_max": 40, "iso_sigma": 0.05, "line_sigma": 0.2"#
                .to_owned(),
        ),
    ];
    let spell = |text: String, (word, meaning): &(&str, String)| text.replace(word, meaning);
    format!("{{{}}}", words.iter().fold(settings.to_owned(), spell))
}

/// An archive that fills new cells grows; a full one allocates nothing.
#[test]
fn test_a_warm_archive_search_allocates_nothing() {
    for (name, kind, settings) in ARCHIVE_SEARCHES {
        let block = ("x".into(), (*kind).into(), vec![-4.0; 20], vec![4.0; 20]);
        let space = Space::new(vec![block]).unwrap();
        let mut run = Run::new(name, space, &spelled(settings), 1, Threads::one()).unwrap();
        let n = run.method().algorithm().batch_size();
        let n_descriptors = run.method().algorithm().n_descriptors();
        for generation in 0..120_u32 {
            // The same places in turns, so that the last new cell is filled early.
            let part = |idx: u32| f64::from(idx * 37 % 101) / 101.0;
            let place = |idx: u32| part(idx + 7 * (generation % 5));
            let descriptors: Vec<f64> = (0..).take(n * n_descriptors).map(place).collect();
            let objective = |row: u32| f64::from((row * 37 + generation * 11) % 64);
            let mut objectives: Vec<f64> = (0..).take(n).map(objective).collect();
            if generation == 0 {
                // The best row of all comes early: a new best is copied, which allocates.
                objectives.fill(-1.0);
            }
            let scores =
                Scores { objectives: &objectives, descriptors: &descriptors, ..Scores::default() };
            let before = COUNT.get();
            run.ask(None).unwrap();
            run.tell(None, &scores).unwrap();
            let n = COUNT.get() - before;
            assert!(generation < 60 || n == 0, "{name} {settings}: {n} in {generation}");
        }
    }
}
