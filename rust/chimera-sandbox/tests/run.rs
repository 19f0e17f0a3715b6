//! Calls, batches, reuse of instances, decoding.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use chimera_sandbox::{
    Allocation, CANONICAL_NAN, Config, Error, Image, Options, Outcome, Parameters, Runtime,
    SlotKind, Status,
};
use common::{BASE, frames, job, module, runtime, timeless, wasm};

#[test]
fn call_returns_result_and_fuel() {
    let runtime = runtime(1, |_| {});
    let module = module(&runtime);
    let outcome = runtime.run(&job(&module, "call:f", &frames(&[2])), &Options::default()).unwrap();
    assert_eq!(outcome.status, Status::Ok);
    assert_eq!((outcome.results, outcome.n_done), (vec![3], 1));
    assert_eq!((outcome.fuel_used, outcome.trap_site), (3, None));
}

#[test]
fn many_returns_all_frames() {
    let runtime = runtime(1, |_| {});
    let module = module(&runtime);
    let outcome =
        runtime.run(&job(&module, "many:f", &frames(&[1, 7, 2])), &Options::default()).unwrap();
    assert_eq!((outcome.results, outcome.n_done, outcome.fuel_used), (vec![7, 1, 3], 3, 9));
}

#[test]
fn many_keeps_frames_before_a_trap() {
    let runtime = runtime(1, |_| {});
    let module = module(&runtime);
    let outcome =
        runtime.run(&job(&module, "many:f", &frames(&[1, 7, 0, 2])), &Options::default()).unwrap();
    assert_eq!((outcome.status, outcome.trap_site), (Status::Trap, Some(3)));
    assert_eq!((outcome.results, outcome.n_done, outcome.fuel_used), (vec![7, 1], 2, 9));
}

#[test]
fn float_results_lose_their_nan_payload() {
    let runtime = runtime(1, |_| {});
    let module = module(&runtime);
    let bytes = frames(&[0]);
    let mut nan = job(&module, "call:nan", &bytes);
    let raw = runtime.run(&nan, &Options::default()).unwrap();
    assert_eq!(raw.results, [0xfff8_0000_0000_0123]);
    nan.results = &[SlotKind::Float];
    let clean = runtime.run(&nan, &Options::default()).unwrap();
    assert_eq!(clean.results, [CANONICAL_NAN]);
}

#[test]
fn decode_sees_memory_after_the_call() {
    let runtime = runtime(1, |_| {});
    let module = module(&runtime);
    let bytes = frames(&[3]);
    let (_, decoded) = runtime
        .run_with(&job(&module, "call:sum", &bytes), &Options::default(), |memory, results| {
            let heap = BASE as usize + 16;
            (memory[heap..heap + 24].iter().map(|b| u64::from(*b)).sum::<u64>(), results[0])
        })
        .unwrap();
    assert_eq!(decoded, Some((6, 6)));
}

fn mixed_batch(runtime: &Runtime, is_fresh: bool) -> Vec<Outcome> {
    let first = module(runtime);
    let second = runtime.compile(&wasm(&common::BODY.replace(r#""\07"#, r#""\64"#))).unwrap();
    let images: Vec<Vec<u8>> = (0..300).map(|i| frames(&[i % 11])).collect();
    let slots = [1000_u64];
    let jobs: Vec<_> = images
        .iter()
        .enumerate()
        .map(|(i, bytes)| {
            let entry = if i % 3 == 0 { "call:sum" } else { "call:f" };
            let mut job = job(if i % 2 == 0 { &first } else { &second }, entry, bytes);
            if i % 5 == 0 {
                job.parameters = Some(Parameters { base: 64, slots: &slots });
            }
            job
        })
        .collect();
    let options = Options { is_fresh, ..Options::default() };
    runtime.run_batch(&jobs, &options).unwrap().iter().map(timeless).collect()
}

#[test]
fn batch_is_equal_on_any_thread_count_and_fresh_or_reused() {
    let expected = mixed_batch(&runtime(1, |_| {}), true);
    // Job 1: 100 / 1 in the second module; job 10: overridden, 1000 / 10; job 2: 7 / 2.
    assert_eq!(expected[1].results, [100]);
    assert_eq!(expected[10].results, [100]);
    assert_eq!(expected[2].results, [3]);
    assert_eq!(expected[11].trap_site, Some(3));
    for n_threads in [1, 2, 4] {
        for is_fresh in [false, true] {
            assert_eq!(mixed_batch(&runtime(n_threads, |_| {}), is_fresh), expected);
        }
    }
    let config = Config { allocation: Allocation::OnDemand, n_threads: 2, ..Config::default() };
    let on_demand = Runtime::new(config).unwrap();
    assert!(!on_demand.has_pool());
    assert_eq!(mixed_batch(&on_demand, false), expected);
}

#[test]
fn concurrent_batches_share_the_workers() {
    let runtime = runtime(2, |_| {});
    let expected = mixed_batch(&runtime, false);
    std::thread::scope(|scope| {
        let batches: Vec<_> = (0..8)
            .map(|i| {
                scope.spawn({
                    let r = &runtime;
                    move || mixed_batch(r, i % 2 == 0)
                })
            })
            .collect();
        for batch in batches {
            assert_eq!(batch.join().unwrap(), expected);
        }
    });
}

#[test]
fn parameters_are_put_back_for_the_next_job() {
    let runtime = runtime(1, |_| {});
    let module = module(&runtime);
    let bytes = frames(&[1]);
    let plain = job(&module, "call:f", &bytes);
    let slots = [55];
    let mut changed = plain;
    changed.parameters = Some(Parameters { base: 64, slots: &slots });
    let outcomes =
        runtime.run_batch(&[plain, changed, plain, changed], &Options::default()).unwrap();
    let results: Vec<u64> = outcomes.into_iter().flat_map(|outcome| outcome.results).collect();
    assert_eq!(results, [7, 55, 7, 55]);
}

#[test]
fn empty_batch_returns_nothing() {
    assert!(runtime(2, |_| {}).run_batch(&[], &Options::default()).unwrap().is_empty());
}

#[test]
fn malformed_jobs_are_refused() {
    let runtime = runtime(1, |_| {});
    let module = module(&runtime);
    let bytes = frames(&[1, 2]);
    let good = job(&module, "many:f", &bytes);
    let refuse = |job| runtime.run(&job, &Options::default()).unwrap_err();
    let image = good.image;

    let mut bad = good;
    bad.entry = "call:g";
    assert!(matches!(refuse(bad), Error::Entry { job: 0, .. }));
    bad = good;
    bad.entry = "call:f";
    assert!(matches!(refuse(bad), Error::Layout { got: 2, .. }));
    for (frame, end) in [(BASE + 1, image.end), (BASE - 8, image.end), (BASE, image.end - 1)] {
        bad = good;
        bad.image = Image { frame, end, ..image };
        assert!(matches!(refuse(bad), Error::Layout { .. }), "{frame} {end}");
    }
    bad = good;
    bad.image.end = u32::MAX;
    assert!(matches!(refuse(bad), Error::Layout { .. }));
    let slots = [0; 2];
    bad = good;
    bad.parameters = Some(Parameters { base: BASE - 8, slots: &slots });
    assert!(matches!(refuse(bad), Error::Layout { .. }));

    let other = common::runtime(1, |_| {});
    let error = other.run(&good, &Options::default()).unwrap_err();
    assert!(matches!(error, Error::ForeignModule { job: 0 }));
}
