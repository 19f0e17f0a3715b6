//! Tree genetic programming over columns of numbers: symbolic regression and classification.

pub mod compile;
pub mod data;
pub mod forest;
pub mod function;
pub mod kernels;
pub mod machine;
pub mod math;

pub use data::Data;
pub use forest::{Forest, Node, Tree};
pub use function::Function;
pub use machine::Machine;

#[cfg(test)]
mod tests;
