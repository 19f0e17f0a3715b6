//! Searches allocate nothing per generation once they are warm.
//!
//! Another method joins by one line in [`METHODS`].
#![allow(unsafe_code, reason = "a counting allocator implements an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use chimera_evolution::{Run, Scores, Space, Threads};

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
