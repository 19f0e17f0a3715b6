//! Population search in pure Rust: ask, tell, the same bits on any number of threads.
//!
//! One columnar store ([`Matrix`], [`Column`], [`Batch`]) serves every algorithm; an [`Algorithm`]
//! is what varies and selects, and [`Run`] is the harness around it that checks input, counts, keeps
//! the best row and saves. This crate knows neither Python nor programs. Searching programs lives in
//! `chimera-core`; this crate searches arrays.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod algorithm;
pub mod cma;
pub mod column;
pub mod constraint;
pub mod differential;
pub mod error;
pub mod genetic;
pub mod gp;
pub mod guarded;
pub mod islands;
pub mod lineage;
pub mod matrix;
pub mod memory;
pub mod method;
pub mod multi;
pub mod nes;
pub mod novelty;
pub mod numeric;
pub mod operators;
pub mod pareto;
pub mod portfolio;
pub mod quality_diversity;
pub mod random;
pub mod run;
pub mod simd;
pub mod space;
pub mod stop;
pub mod swarm;
#[cfg(test)]
mod testing;
pub mod threads;

pub use algorithm::{
    Algorithm, Batch, Build, Context, NO_OPERATOR, NO_PARENT, Origins, Population, Scores,
};
pub use column::{Column, Type};
pub use error::{Error, Result};
pub use matrix::{Matrix, Pool};
pub use method::Method;
pub use run::{Best, Run};
pub use space::{Block, Kind, Space};
pub use threads::Threads;
