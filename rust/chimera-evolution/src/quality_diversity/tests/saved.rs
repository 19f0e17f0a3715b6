//! Saved bytes that were changed: refused, or a search that goes on without a panic.

use super::*;
use crate::algorithm::{Batch, Context};
use crate::method::Method;
use crate::run::checksum;

/// States with one byte changed, in several ways: every byte near the ends, where lengths and settings
/// are, and some of those between.
fn damaged(state: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    const ENDS: usize = 700;
    let step = 1 + state.len() / 1000;
    let is_near = move |place: &usize| *place < ENDS || place + ENDS > state.len();
    let places = (0..state.len()).filter(move |place| is_near(place) || place % step == 0);
    places.flat_map(move |place| {
        let byte = state[place];
        [byte ^ 0x01, byte ^ 0x84, 0].into_iter().filter(move |new| *new != byte).map(move |new| {
            let mut changed = state.to_vec();
            changed[place] = new;
            changed
        })
    })
}

#[test]
fn test_changed_archives_are_refused_or_work() {
    for kind in ["grid", "cvt", "sliding"] {
        let mut whole = archive(kind, Rule::elitist(Direction::Maximize));
        insert(&mut whole, &rows(40, 1));
        let state = whole.save().unwrap();
        let (head, body) = state.split_at(16);
        for body in damaged(body) {
            let sum = checksum(&body).to_le_bytes();
            let Ok(mut loaded) = Archive::<f64>::load(&[&head[..8], &sum, &body].concat()) else {
                continue;
            };
            loaded.stats(0.0);
            let rows = rows(60, 2);
            let batch = Candidates {
                solutions: &rows.solutions,
                objectives: &rows.objectives,
                descriptors: &rows.descriptors,
                ids: loaded.next_ids(),
            };
            // Other ranges or another number of genes are no contradiction.
            let _ = loaded.add(&batch, &[], &Threads::one(), &mut Insertion::default());
        }
    }
}

/// Two generations of a search that may be of any shape now.
fn go_on(method: &mut Method) {
    let algorithm = method.algorithm_mut();
    let mut batch = Batch { genomes: algorithm.space().columns(), ..Batch::default() };
    for generation in 7..9 {
        let n = algorithm.batch_size().min(200);
        if n < algorithm.batch_size() && !algorithm.is_size_free() {
            return;
        }
        let threads = Threads::one();
        let context = Context { seed: 1, generation, first_id: 70 * generation, threads };
        algorithm.ask(n, &context, &mut batch).unwrap();
        let count = (0_u32..).map(|value| f64::from(value % 17) / 17.0);
        let descriptors: Vec<f64> = count.clone().take(n * algorithm.n_descriptors()).collect();
        let objectives: Vec<f64> = count.take(n).collect();
        let scores =
            Scores { objectives: &objectives, descriptors: &descriptors, ..Scores::default() };
        // Descriptors may lie outside of changed ranges.
        let _ = algorithm.tell(&batch, &scores, &context);
        algorithm.figures();
        algorithm.population();
    }
}

#[test]
fn test_changed_searches_are_refused_or_go_on() {
    for search in SEARCHES {
        let mut run = start(search, 1);
        for _ in 0..3 {
            step(&mut run);
        }
        let state = run.method().to_bytes().unwrap();
        go_on(&mut Method::from_bytes(search.0, &state).unwrap());
        let mut n_refused = 0;
        for changed in damaged(&state) {
            match Method::from_bytes(search.0, &changed) {
                Ok(mut method) => go_on(&mut method),
                Err(_) => n_refused += 1,
            }
        }
        assert!(n_refused > 20, "{}: {n_refused}", search.0);
    }
}

#[test]
fn test_a_refused_batch_leaves_an_empty_archive_as_it_was() {
    let mut tested = archive("grid", Rule::elitist(Direction::Maximize));
    let before = tested.save().unwrap();
    let mut rows = rows(5, 1);
    rows.solutions[4] = f64::NAN;
    let batch = Candidates {
        solutions: &rows.solutions,
        objectives: &rows.objectives,
        descriptors: &rows.descriptors,
        ids: tested.next_ids(),
    };
    assert!(tested.add(&batch, &[], &Threads::one(), &mut Insertion::default()).is_err());
    assert!(tested.save().unwrap() == before);
}
