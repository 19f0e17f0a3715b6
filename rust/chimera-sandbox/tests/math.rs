//! Bit equality of the mathematical imports with `CPython`'s `math`.
//!
//! Skipped without a `python3`. `CHIMERA_MATH_SAMPLES` sets the number of inputs per function.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failing test may panic"
)]

mod common;

use std::io::Write as _;
use std::process::{Command, Stdio};

use chimera_sandbox::{
    Image, Job, Options, SlotKind, binary_functions, canonical_bits, unary_functions,
};
use common::{BASE, runtime, wasm};

/// Reads inputs from stdin as doubles, writes `math.NAME` of them; NaN where Python raises.
const SCRIPT: &str = "
import math, struct, sys
name, arity = sys.argv[1], int(sys.argv[2])
function = getattr(math, name, None)
if function is None:
    sys.exit(7)
data = sys.stdin.buffer.read()
values = struct.unpack('<%dd' % (len(data) // 8), data)
out = []
for row in zip(*[iter(values)] * arity):
    try:
        out.append((1.0, function(*row)))
    except (ValueError, OverflowError):
        out.append((0.0, 0.0))
sys.stdout.buffer.write(b''.join(struct.pack('<dd', *pair) for pair in out))
";

/// `SplitMix64`: inputs of all magnitudes, plus a dense range around zero.
fn inputs(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..n)
        .map(|i| {
            let bits = next();
            let unit = f64::from_bits((bits >> 12) | 0x3ff0_0000_0000_0000) - 1.0;
            match i % 4 {
                0 => f64::from_bits(bits),
                1 => 2.0 * unit - 1.0,
                2 => 1400.0 * unit - 700.0,
                _ => 40.0 * unit,
            }
        })
        .map(|x| if x.is_nan() { 0.0 } else { x })
        .collect()
}

fn python(name: &str, arity: usize, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new("python3")
        .args(["-c", SCRIPT, name, &arity.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    output.status.success().then_some(output.stdout)
}

/// A module whose `many:m` applies one import to each frame.
fn text(name: &str, arity: usize) -> Vec<u8> {
    let params = "f64 ".repeat(arity);
    let loads: String = (0..arity).fold(String::new(), |code, i| {
        format!("{code}(f64.load offset={} (local.get $at))", 8 * i)
    });
    let (result, stride) = (8 * arity, 8 * (arity + 1));
    let import = format!(r#"(import "chimera" "{name}" (func $m (param {params}) (result f64)))"#);
    let body = format!(
        r#"(func (export "many:m") (param $at i32) (param $n i32)
          (block $end (loop $next
            (br_if $end (i32.ge_u (global.get $done) (local.get $n)))
            (f64.store offset={result} (local.get $at) (call $m {loads}))
            (local.set $at (i32.add (local.get $at) (i32.const {stride})))
            (global.set $done (i32.add (global.get $done) (i32.const 1)))
            (br $next))))"#
    );
    // Imports come before everything else in the text format.
    let module = String::from_utf8(wat_text(&body)).unwrap();
    wat::parse_str(module.replacen("(module", &format!("(module {import}"), 1)).unwrap()
}

fn wat_text(body: &str) -> Vec<u8> {
    format!("(module {} {body})", common::HEAD).into_bytes()
}

#[test]
fn math_equals_cpython() {
    let n: usize = std::env::var("CHIMERA_MATH_SAMPLES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2_000);
    let runtime = runtime(1, |_| {});
    assert!(!wasm("").is_empty());
    let unary = unary_functions().iter().map(|(name, _)| (*name, 1));
    for (name, arity) in unary.chain(binary_functions().iter().map(|(name, _)| (*name, 2))) {
        let values = inputs(n * arity, 20_240_607);
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let Some(expected) = python(name, arity, &bytes) else {
            eprintln!("math.{name} is not available here");
            continue;
        };
        let module = runtime.compile(&text(name, arity)).unwrap();
        let image: Vec<u8> =
            bytes.chunks_exact(8 * arity).flat_map(|row| [row, &[0; 8]].concat()).collect();
        let outcome = runtime
            .run(
                &Job {
                    module: &module,
                    entry: "many:m",
                    parameters: None,
                    image: Image {
                        base: BASE,
                        bytes: &image,
                        frame: BASE,
                        end: BASE + u32::try_from(image.len()).unwrap(),
                    },
                    n_params: u32::try_from(arity).unwrap(),
                    results: &[SlotKind::Float],
                    n_frames: u32::try_from(n).unwrap(),
                    fuel_max: None,
                },
                &Options::default(),
            )
            .unwrap();
        assert_eq!(outcome.results.len(), n, "{name}: {:?}", outcome.status);
        let mut n_compared = 0;
        for (i, (got, row)) in outcome.results.iter().zip(expected.chunks_exact(16)).enumerate() {
            if row[..8] == 1.0_f64.to_le_bytes() {
                let wanted = canonical_bits(u64::from_le_bytes(row[8..].try_into().unwrap()));
                let input = &values[i * arity..(i + 1) * arity];
                assert_eq!(*got, wanted, "{name}{input:?}");
                n_compared += 1;
            }
        }
        assert!(n_compared > n / 10, "{name}: only {n_compared} of {n} inputs are in the domain");
        println!("{name}: {n_compared} of {n} inputs compared, all equal");
    }
}
