//! Every limit, at its edge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use std::time::Duration;

use chimera_sandbox::{CancelFlag, Config, Error, Metering, Options, Runtime, SlotKind, Status};
use common::{BODY, FOREIGN, frames, job, module, runtime, timeless, wasm};

#[test]
fn fuel_ends_at_the_same_block_for_every_slice() {
    let mut seen = Vec::new();
    for fuel_slice in [1, 13, 1000, 1 << 40] {
        let runtime = runtime(1, |limits| {
            limits.fuel_max = 100_000;
            limits.fuel_slice = fuel_slice;
        });
        let module = module(&runtime);
        let bytes = frames(&[0]);
        let outcome = runtime.run(&job(&module, "call:loop", &bytes), &Options::default()).unwrap();
        assert_eq!(outcome.status, Status::Fuel);
        seen.push(outcome.fuel_used);
    }
    // The first multiple of 7 beyond 100 000.
    assert_eq!(seen, [100_002; 4]);
}

#[test]
fn exactly_the_fuel_suffices() {
    let runtime = runtime(1, |limits| limits.fuel_slice = 1500);
    let module = module(&runtime);
    let bytes = frames(&[50]);
    let mut spin = job(&module, "call:spin", &bytes);
    spin.fuel_max = Some(50_000);
    let outcome = runtime.run(&spin, &Options::default()).unwrap();
    assert_eq!((outcome.status, outcome.fuel_used), (Status::Ok, 50_000));
    spin.fuel_max = Some(49_999);
    let outcome = runtime.run(&spin, &Options::default()).unwrap();
    assert_eq!((outcome.status, outcome.fuel_used), (Status::Fuel, 50_000));
}

#[test]
fn deadline_ends_an_endless_loop() {
    let runtime = runtime(1, |limits| {
        limits.fuel_max = u64::MAX;
        limits.timeout = Duration::from_millis(20);
    });
    let module = module(&runtime);
    let bytes = frames(&[0]);
    let outcome = runtime.run(&job(&module, "call:loop", &bytes), &Options::default()).unwrap();
    assert_eq!(outcome.status, Status::Deadline);
    assert!(outcome.elapsed_ns >= 20_000_000);
}

#[test]
fn cancel_ends_running_jobs_and_starts_no_more() {
    let runtime = runtime(2, |limits| limits.fuel_max = u64::MAX);
    let module = module(&runtime);
    let bytes = frames(&[0]);
    let jobs = vec![job(&module, "call:loop", &bytes); 40];
    let cancel = CancelFlag::new();
    let options = Options { cancel: Some(cancel.clone()), ..Options::default() };
    let outcomes = std::thread::scope(|scope| {
        let batch = scope.spawn(|| runtime.run_batch(&jobs, &options).unwrap());
        cancel.raise();
        batch.join().unwrap()
    });
    assert_eq!(outcomes.len(), 40);
    assert!(outcomes.iter().all(|outcome| outcome.status == Status::Cancelled));
}

#[test]
fn refused_growth_is_the_modules_own_trap() {
    let runtime = runtime(1, |limits| limits.memory_bytes_max = 10 << 16);
    let module = module(&runtime);
    let bytes = frames(&[0]);
    let outcome = runtime.run(&job(&module, "call:eat", &bytes), &Options::default()).unwrap();
    assert_eq!((outcome.status, outcome.trap_site), (Status::Trap, Some(9)));
    // Eight pages granted beyond the first two, the ninth refused.
    assert_eq!(outcome.fuel_used, 9);
}

#[test]
fn image_beyond_the_memory_limit_is_a_memory_outcome() {
    let runtime = runtime(1, |limits| limits.memory_bytes_max = 4 << 16);
    let module = module(&runtime);
    for (n, status) in [(12_287, Status::Ok), (12_288, Status::Memory)] {
        let bytes = frames(&vec![1; n]);
        let outcome = runtime.run(&job(&module, "many:f", &bytes), &Options::default()).unwrap();
        assert_eq!(outcome.status, status, "{n}");
    }
}

#[test]
fn wild_address_and_endless_recursion_have_their_status() {
    let runtime = runtime(2, |_| {});
    let module = module(&runtime);
    let bytes = frames(&[0]);
    for (entry, status) in [("call:wild", Status::Memory), ("call:deep", Status::Stack)] {
        let outcome = runtime.run(&job(&module, entry, &bytes), &Options::default()).unwrap();
        assert_eq!((outcome.status, outcome.trap_site), (status, None));
    }
}

#[test]
fn grown_instances_are_dropped() {
    let runtime = runtime(1, |limits| limits.reused_bytes_max = 3 << 16);
    let module = module(&runtime);
    let (small, large) = (frames(&[1]), frames(&vec![1; 9000]));
    let jobs = [job(&module, "many:f", &large), job(&module, "many:f", &small)];
    let sizes = runtime
        .run_batch_with(&jobs, &Options::default(), |_, memory, _| memory.len() >> 16)
        .unwrap();
    assert_eq!(sizes.iter().map(|(_, size)| *size).collect::<Vec<_>>(), [Some(4), Some(2)]);
}

#[test]
fn cache_forgets_the_least_recently_used() {
    let runtime = runtime(2, |limits| limits.modules_cached_max = 2);
    let texts: Vec<Vec<u8>> =
        (1..4).map(|i| wasm(&BODY.replace(r"\07", &format!(r"\0{i}")))).collect();
    let first = runtime.compile(&texts[0]).unwrap();
    runtime.compile(&texts[1]).unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &runtime.compile(&texts[0]).unwrap()));
    runtime.compile(&texts[2]).unwrap();
    assert_eq!(runtime.n_modules_cached(), 2);
    assert!(std::sync::Arc::ptr_eq(&first, &runtime.compile(&texts[0]).unwrap()));
    let inputs: Vec<&[u8]> = texts.iter().chain(&texts).map(Vec::as_slice).collect();
    let batch: Vec<_> = runtime.compile_batch(&inputs).into_iter().map(Result::unwrap).collect();
    assert!((0..3).all(|i| std::sync::Arc::ptr_eq(&batch[i], &batch[i + 3])));
    runtime.clear_cache();
    assert_eq!(runtime.n_modules_cached(), 0);
}

#[test]
fn modules_outside_the_abi_are_refused() {
    let runtime = runtime(1, |limits| limits.module_bytes_max = 4000);
    let refuse = |text: &str| runtime.compile(&wat::parse_str(text).unwrap()).unwrap_err();
    let import = refuse(r#"(module (import "wasi" "fd_write" (func)))"#);
    assert!(
        matches!(&import, Error::Import { module, name, .. }
        if module == "wasi" && name == "fd_write"),
        "{import}"
    );
    let import = refuse(r#"(module (import "chimera" "sin" (func (param f32) (result f64))))"#);
    assert!(matches!(&import, Error::Import { name, .. } if name == "sin"));
    let import = refuse(r#"(module (import "chimera" "gamma" (func (param f64) (result f64))))"#);
    assert!(matches!(import, Error::Import { .. }));
    assert!(matches!(refuse("(module)"), Error::Export { name, .. } if name == "memory"));
    let export = refuse(FOREIGN);
    assert!(matches!(&export, Error::Export { name, .. } if name == "heap"), "{export}");
    let export = runtime.compile(&wasm(r#"(func (export "call:g") (param i64))"#)).unwrap_err();
    assert!(matches!(&export, Error::Export { name, .. } if name == "call:g"), "{export}");
    let large =
        refuse(&format!(r#"(module (memory 1) (data (i32.const 0) "{}"))"#, "x".repeat(4000)));
    assert!(matches!(large, Error::ModuleSize { limit: 4000, .. }));
    assert!(matches!(runtime.compile(b"none").unwrap_err(), Error::Compile { .. }));
    assert!(matches!(
        refuse(r#"(module (memory (export "memory") 2000))"#),
        Error::InitialMemory { .. } | Error::Compile { .. }
    ));
    assert!(matches!(refuse("(module (memory 1) (memory 1))"), Error::Compile { .. }));
}

fn foreign(timeout: Duration) -> Runtime {
    let mut config = Config { metering: Metering::Epoch, n_threads: 2, ..Config::default() };
    config.limits.timeout = timeout;
    config.limits.fuel_max = u64::MAX / 2;
    Runtime::new(config).unwrap()
}

#[test]
fn foreign_loop_ends_at_the_deadline_or_the_fuel() {
    let runtime = foreign(Duration::from_millis(30));
    let module = runtime.compile(&wat::parse_str(FOREIGN).unwrap()).unwrap();
    let bytes = frames(&[0]);
    let endless = job(&module, "call:loop", &bytes);
    let outcome = runtime.run(&endless, &Options::default()).unwrap();
    assert_eq!(outcome.status, Status::Deadline);

    let runtime = foreign(Duration::from_mins(1));
    let module = runtime.compile(&wat::parse_str(FOREIGN).unwrap()).unwrap();
    let mut endless = job(&module, "call:loop", &bytes);
    endless.fuel_max = Some(10_000);
    let once = runtime.run(&endless, &Options::default()).unwrap();
    let again = runtime.run(&endless, &Options::default()).unwrap();
    assert_eq!(once.status, Status::Fuel);
    assert_eq!(timeless(&once), timeless(&again));
}

#[test]
fn foreign_start_function_ends_at_the_deadline() {
    let runtime = foreign(Duration::from_millis(30));
    let text = FOREIGN.replace("(module", "(module (start $s) (func $s (loop $l (br $l)))");
    let module = runtime.compile(&wat::parse_str(&text).unwrap()).unwrap();
    let bytes = frames(&[0]);
    let outcome = runtime.run(&job(&module, "call:one", &bytes), &Options::default()).unwrap();
    assert_eq!(outcome.status, Status::Deadline);
}

#[test]
fn our_modules_run_under_epochs_too() {
    let runtime = foreign(Duration::from_mins(1));
    let module = module(&runtime);
    let bytes = frames(&[2]);
    let mut call = job(&module, "call:f", &bytes);
    call.results = &[SlotKind::Bits];
    let outcome = runtime.run(&call, &Options::default()).unwrap();
    assert_eq!((outcome.status, outcome.results), (Status::Ok, vec![3]));
    assert!(outcome.fuel_used > 0);
}

#[test]
fn configuration_outside_its_range_is_refused() {
    let changes: [fn(&mut Config); 5] = [
        |config| config.limits.memory_bytes_max = 100,
        |config| config.limits.stack_bytes_max = 1 << 40,
        |config| config.limits.fuel_slice = 0,
        |config| config.limits.epoch_tick = Duration::ZERO,
        |config| config.n_threads = 5000,
    ];
    for change in changes {
        let mut config = Config::default();
        change(&mut config);
        assert!(matches!(Runtime::new(config).unwrap_err(), Error::Config { .. }));
    }
}

/// Runs inside the shell of the next test, with little address space.
#[test]
#[ignore = "started by falls_back_without_address_space"]
fn inner_without_address_space() {
    let runtime = runtime(2, |_| {});
    assert!(!runtime.has_pool());
    let module = module(&runtime);
    let bytes = frames(&[2]);
    let outcome = runtime.run(&job(&module, "call:f", &bytes), &Options::default()).unwrap();
    assert_eq!(outcome.results, [3]);
}

#[cfg(target_os = "linux")]
#[test]
fn falls_back_without_address_space() {
    let status = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 2000000 && exec \"$0\" --exact --ignored \"$1\""])
        .arg(std::env::current_exe().unwrap())
        .arg("inner_without_address_space")
        .status()
        .unwrap();
    assert!(status.success());
}
