//! Covariance matrix adaptation: a distribution that learns where better rows lie.
//!
//! [`Strategy`] is the distribution: sample rows, rank them, update. It knows no bounds, scores or
//! saving; [`Cmaes`] adds those and restarts, and other searches (emitters, say) use it as a part.
//! Source: Hansen & Ostermeier 2001; Hansen, "The CMA Evolution Strategy: A Tutorial" (2016/2023).
//! Rows are drawn by streams keyed (seed, generation, identity): threads change nothing.

mod bounds;
mod decomposition;
mod eigen;
pub(crate) mod frame;
pub(crate) mod full;
pub(crate) mod kernel;
mod parameters;
pub(crate) mod rank;
mod restart;
pub(crate) mod search;
mod separable;
mod square;
mod stop;
mod strategy;
#[cfg(test)]
mod tests;

pub use bounds::Transform;
pub use parameters::{Parameters, default_population_size};
pub use restart::Restarts;
pub use search::{Cmaes, Settings};
pub use stop::{Stop, Tolerances};
pub use strategy::{Covariance, Options, Strategy};
