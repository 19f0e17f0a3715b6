//! Modules in text form that obey the ABI, and jobs for them.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::sync::Arc;
use std::time::Duration;

use chimera_sandbox::{CompiledModule, Config, Image, Job, Limits, Outcome, Runtime, SlotKind};

pub const BASE: u32 = 65_536;

/// The exports every module has; one page for the host, one for the image.
pub const HEAD: &str = r#"
  (import "chimera" "refill" (func $refill (param i64) (result i64)))
  (memory (export "memory") 2)
  (global $heap (export "heap") (mut i32) (i32.const 0))
  (global $fuel (export "fuel") (mut i64) (i64.const 0))
  (global $site (export "trap_site") (mut i32) (i32.const -1))
  (global $done (export "done") (mut i32) (i32.const 0))
  (func $charge (param $cost i64)
    (global.set $fuel (i64.sub (global.get $fuel) (local.get $cost)))
    (if (i64.lt_s (global.get $fuel) (i64.const 0))
      (then (global.set $fuel (call $refill (global.get $fuel))))))
  (func $fail (param $at i32) (global.set $site (local.get $at)) (unreachable))
"#;

/// `f(x) = p / x` in integers with `p` at address 64 (7 unless overridden); traps at site 3 for 0.
/// `loop` never ends, `spin(n)` charges 1 000 `n` times, `deep` recurses without end, `eat` grows
/// memory page by page and traps at site 9 when refused, `nan` returns a NaN with a payload,
/// `sum(n)` writes `n` words on its heap and returns their sum.
pub const BODY: &str = r#"
  (data (i32.const 64) "\07\00\00\00\00\00\00\00")
  (func $f (param $frame i32)
    (call $charge (i64.const 3))
    (if (i64.eqz (i64.load (local.get $frame))) (then (call $fail (i32.const 3))))
    (i64.store offset=8 (local.get $frame)
      (i64.div_s (i64.load (i32.const 64)) (i64.load (local.get $frame)))))
  (func (export "call:f") (param i32) (call $f (local.get 0)))
  (func (export "many:f") (param $frames i32) (param $n i32)
    (block $end (loop $next
      (br_if $end (i32.ge_u (global.get $done) (local.get $n)))
      (call $f (i32.add (local.get $frames) (i32.mul (i32.const 16) (global.get $done))))
      (global.set $done (i32.add (global.get $done) (i32.const 1)))
      (br $next))))
  (func (export "call:loop") (param i32) (loop $l (call $charge (i64.const 7)) (br $l)))
  (func (export "call:spin") (param $frame i32) (local $n i64)
    (local.set $n (i64.load (local.get $frame)))
    (loop $l
      (call $charge (i64.const 1000))
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $l (i64.gt_s (local.get $n) (i64.const 0))))
    (i64.store offset=8 (local.get $frame) (i64.const 1)))
  (func $deep (export "call:deep") (param i32)
    (call $deep (i32.add (local.get 0) (i32.const 1))) (call $charge (i64.const 1)))
  (func (export "call:eat") (param i32)
    (loop $l
      (call $charge (i64.const 1))
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (call $fail (i32.const 9))))
      (br $l)))
  (func (export "call:wild") (param i32) (drop (i32.load (i32.const -8))))
  (func (export "call:nan") (param $frame i32)
    (i64.store offset=8 (local.get $frame) (i64.const 0xfff8000000000123)))
  (func (export "call:sum") (param $frame i32) (local $n i64) (local $at i32) (local $s i64)
    (local.set $n (i64.load (local.get $frame)))
    (local.set $at (global.get $heap))
    (loop $l
      (call $charge (i64.const 2))
      (i64.store (local.get $at) (local.get $n))
      (local.set $s (i64.add (local.get $s) (i64.load (local.get $at))))
      (local.set $at (i32.add (local.get $at) (i32.const 8)))
      (local.set $n (i64.sub (local.get $n) (i64.const 1)))
      (br_if $l (i64.gt_s (local.get $n) (i64.const 0))))
    (global.set $heap (local.get $at))
    (i64.store offset=8 (local.get $frame) (local.get $s)))
"#;

/// A module that knows nothing of fuel.
pub const FOREIGN: &str = r#"(module
  (memory (export "memory") 2)
  (func (export "call:loop") (param i32) (loop $l (br $l)))
  (func (export "call:one") (param $frame i32) (i64.store (local.get $frame) (i64.const 1))))"#;

pub fn wasm(body: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {HEAD} {body})")).unwrap()
}

pub fn runtime(n_threads: usize, change: impl FnOnce(&mut Limits)) -> Runtime {
    let mut config = Config { n_threads, ..Config::default() };
    config.limits.timeout = Duration::from_mins(1);
    change(&mut config.limits);
    Runtime::new(config).unwrap()
}

pub fn module(runtime: &Runtime) -> Arc<CompiledModule> {
    runtime.compile(&wasm(BODY)).unwrap()
}

/// Frames of one parameter and one result.
pub fn frames(parameters: &[i64]) -> Vec<u8> {
    parameters.iter().flat_map(|x| [x.to_le_bytes(), [0; 8]].concat()).collect()
}

pub fn job<'a>(module: &'a CompiledModule, entry: &'a str, bytes: &'a [u8]) -> Job<'a> {
    let n_frames = u32::try_from(bytes.len() / 16).unwrap();
    let end = BASE + u32::try_from(bytes.len()).unwrap();
    Job {
        module,
        entry,
        parameters: None,
        image: Image { base: BASE, bytes, frame: BASE, end },
        n_params: 1,
        results: &[SlotKind::Bits],
        n_frames,
        fuel_max: None,
    }
}

/// An outcome without its wall clock time.
pub fn timeless(outcome: &Outcome) -> Outcome {
    Outcome { elapsed_ns: 0, ..outcome.clone() }
}
