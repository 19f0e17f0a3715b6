//! Selection, crossover, mutation, repair: the parts that population searches are made of.
//!
//! Rows of matrices in, rows out; no operator knows an algorithm. Random numbers come from a keyed
//! stream that the caller names, in blocks that do not depend on the number of threads.

pub mod bounds;
//TODO pub mod duplicates;
//TODO pub mod integer;
//TODO pub mod permutation;
//TODO pub mod real;
pub mod sbx;
//TODO pub mod selection;
//TODO #[cfg(test)]
//TODO mod tests;

pub use bounds::{Bounds, Repair};
pub use sbx::{Parents, SbxPolynomial};
