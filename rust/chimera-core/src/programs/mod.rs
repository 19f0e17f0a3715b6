//! Programs: a typed representation between Python text and WebAssembly.

pub mod check;
pub mod interpret;
pub mod intrinsics;
pub mod ir;
pub mod order;
pub mod print;
pub mod python;
pub mod reduce;
pub mod simplify;
pub mod store;
pub mod tune;
pub mod types;
pub mod vary;
pub mod walk;
pub mod wasm;

#[cfg(test)]
mod samples;
