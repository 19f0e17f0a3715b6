//! Cost of calls, instances and compilation; sizes and threads are in the names of the benches.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

use std::hint::black_box;
use std::time::Duration;

use chimera_sandbox::{
    Allocation, CompiledModule, Config, Image, Job, Optimization, Options, Runtime, SlotKind,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[path = "../tests/common/mod.rs"]
mod common;

use common::{BASE, BODY, frames, job, wasm};

/// A chain of float operations, one million per call.
const FLOAT: &str = r#"
  (func (export "call:k") (param $frame i32) (local $n i32) (local $x f64) (local $y f64)
    (local.set $x (f64.const 0.5)) (local.set $y (f64.const 0.25))
    (local.set $n (i32.const 200000))
    (loop $l
      (local.set $x (f64.add (f64.mul (local.get $x) (f64.const 0.999)) (local.get $y)))
      (local.set $y (f64.sub (f64.mul (local.get $y) (f64.const 0.99)) (f64.const 0.001)))
      (local.set $x (f64.div (local.get $x) (f64.const 1.0001)))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l (local.get $n)))
    (f64.store offset=8 (local.get $frame) (local.get $x)))
"#;

const N_JOBS: usize = 10_000;
const N_FRAMES: usize = 2_000;

fn runtime(n_threads: usize, change: impl FnOnce(&mut Config)) -> Runtime {
    const { assert!(!cfg!(debug_assertions), "benches need a release build") };
    let mut config = Config { n_threads, ..Config::default() };
    change(&mut config);
    Runtime::new(config).expect("the default configuration is valid")
}

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("calls");
    for n_threads in [1, 2] {
        let runtime = runtime(n_threads, |_| {});
        let module = runtime.compile(&wasm(BODY)).expect("a valid module");
        let one = frames(&[2]);
        let jobs = vec![job(&module, "call:f", &one); N_JOBS];
        group.throughput(Throughput::Elements(N_JOBS as u64));
        for (name, is_fresh) in [("fresh", true), ("resident", false)] {
            let options = Options { is_fresh, ..Options::default() };
            group.bench_function(format!("{name}/{N_JOBS}_jobs/{n_threads}_threads"), |bench| {
                bench.iter(|| runtime.run_batch(black_box(&jobs), &options));
            });
        }
        let rows = frames(&vec![2; N_FRAMES]);
        let jobs = vec![job(&module, "many:f", &rows); 100];
        group.throughput(Throughput::Elements((N_FRAMES * jobs.len()) as u64));
        group.bench_function(
            format!("many/100_jobs_{N_FRAMES}_frames/{n_threads}_threads"),
            |bench| {
                bench.iter(|| runtime.run_batch(black_box(&jobs), &Options::default()));
            },
        );
        group.throughput(Throughput::Elements(1));
        let single = job(&module, "call:f", &one);
        group.bench_function(format!("single_run/{n_threads}_threads"), |bench| {
            bench.iter(|| runtime.run(black_box(&single), &Options::default()));
        });
    }
    let runtime = runtime(1, |config| config.allocation = Allocation::OnDemand);
    let module = runtime.compile(&wasm(BODY)).expect("a valid module");
    let one = frames(&[2]);
    let jobs = vec![job(&module, "call:f", &one); 1000];
    group.throughput(Throughput::Elements(1000));
    let options = Options { is_fresh: true, ..Options::default() };
    group.bench_function("fresh_on_demand/1000_jobs/1_threads", |bench| {
        bench.iter(|| runtime.run_batch(black_box(&jobs), &options));
    });
    group.finish();
}

fn compile(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    let small = wasm(&BODY[..BODY.find("(func (export \"many:f\"").expect("present")]);
    let medium = wasm(BODY);
    for (level, optimization) in [("none", Optimization::None), ("speed", Optimization::Speed)] {
        let runtime = runtime(1, |config| {
            config.optimization = optimization;
            config.limits.modules_cached_max = 0;
        });
        for (name, bytes) in [("small", &small), ("medium", &medium)] {
            group.bench_function(format!("{name}_{}_bytes/{level}", bytes.len()), |bench| {
                bench.iter(|| runtime.compile(black_box(bytes)));
            });
        }
    }
    let runtime = runtime(1, |_| {});
    runtime.compile(&medium).expect("a valid module");
    group.bench_function("cached", |bench| bench.iter(|| runtime.compile(black_box(&medium))));
    group.finish();
}

fn floats(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("float_kernel_1e6_operations");
    let bytes = frames(&[0]);
    for canonicalize_nans in [false, true] {
        let runtime = runtime(1, |config| config.canonicalize_nans = canonicalize_nans);
        let module = runtime.compile(&wasm(FLOAT)).expect("a valid module");
        let kernel = float_job(&module, &bytes);
        group.bench_function(format!("canonicalize_{canonicalize_nans}"), |bench| {
            bench.iter(|| runtime.run(black_box(&kernel), &Options::default()));
        });
    }
    group.finish();
}

fn float_job<'a>(module: &'a CompiledModule, bytes: &'a [u8]) -> Job<'a> {
    Job {
        image: Image { base: BASE, bytes, frame: BASE, end: BASE + 16 },
        results: &[SlotKind::Float],
        ..job(module, "call:k", bytes)
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = calls, compile, floats
}
criterion_main!(benches);
