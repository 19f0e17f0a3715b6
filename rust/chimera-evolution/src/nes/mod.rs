//! Evolution strategies beside CMA-ES: natural gradients, and forms for very many genes.
//!
//! Each is a [`Distribution`] inside one [`Search`], which does bounds, ranking and stopping as
//! [`crate::cma`] does. Rows are drawn by streams keyed (seed, generation, identity).

mod limited;
mod openai;
mod search;
#[cfg(test)]
mod tests;
mod xnes;

pub use limited::Limited;
pub use openai::{Gradient, GradientSettings};
pub use search::{Distribution, Search, Settings};
pub use xnes::Natural;

/// LM-MA-ES: limited memory, for thousands of genes.
pub type LmMaEs = Search<Limited>;
/// Exponential natural evolution strategy.
pub type Xnes = Search<Natural>;
/// The evolution strategy of `OpenAI`.
pub type OpenAiEs = Search<Gradient>;
