//! Selection, crossover, mutation, repair: the parts that population searches are made of.
//!
//! Rows of matrices in, rows out; no operator knows an algorithm. Random numbers come from a keyed
//! stream that the caller names, in blocks that do not depend on the number of threads.

pub mod bounds;
pub mod crossover;
pub mod duplicates;
pub mod lexicase;
pub mod mutation;
pub mod permutation;
pub mod sbx;
pub mod selection;
mod spread;
#[cfg(test)]
mod tests;

pub use bounds::{Bounds, Repair};
pub use sbx::{Key, Parents, SbxPolynomial};
