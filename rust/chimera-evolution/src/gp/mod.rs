//! Tree genetic programming over columns of numbers: symbolic regression and classification.

pub mod compile;
pub mod data;
pub mod evaluator;
pub mod fitness;
pub mod forest;
pub mod front;
pub mod function;
pub mod kernels;
pub mod machine;
pub mod math;
pub mod model;
pub mod print;
mod sealed;
pub mod search;
pub mod select;
pub mod settings;
pub mod tune;
pub mod variation;

pub use data::Data;
pub use evaluator::Evaluator;
pub use fitness::{Fit, Target};
pub use forest::{Forest, Node, Tree};
pub use front::Front;
pub use function::Function;
pub use machine::Machine;
pub use model::Model;
pub use search::Search;
pub use settings::{Selection, Settings};

#[cfg(test)]
mod tests;
