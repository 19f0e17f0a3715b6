//! Programs: a typed representation between Python text and WebAssembly.

pub mod intrinsics;
pub mod ir;
pub mod print;
pub mod python;
pub mod types;
