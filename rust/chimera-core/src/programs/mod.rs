//! Programs: a typed representation between Python text and WebAssembly.

pub mod intrinsics;
pub mod ir;
pub mod types;
pub mod wasm;
