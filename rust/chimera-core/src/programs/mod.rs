//! Programs: a typed representation between Python text and WebAssembly.

pub mod check;
pub mod interpret;
pub mod intrinsics;
pub mod ir;
#[cfg(test)]
mod samples;
pub mod simplify;
pub mod tune;
pub mod types;
pub mod vary;
pub mod walk;
