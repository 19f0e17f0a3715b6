//! Searches for a front: several objectives at once, with constraints, over bounded spaces.
//!
//! [`Nsga2`], [`Nsga3`], [`SmsEmoa`] and [`Moead`] share the store of members, the operators of the
//! genetic algorithm for every kind of gene, and the feasibility rule (Deb 2000): feasible rows come
//! before infeasible ones, which rank by their total violation; rows that failed come last. None has
//! a single best row: what they found is their population.

mod breeder;
mod directions;
mod estimates;
mod hyperplane;
mod limits;
mod members;
mod moead;
mod nsga2;
mod nsga3;
mod operators;
mod rules;
mod sms_emoa;
mod state;
mod thinning;

#[cfg(test)]
mod tests;

pub use directions::{das_dennis, layered};
pub use moead::Moead;
pub use nsga2::Nsga2;
pub use nsga3::Nsga3;
pub use sms_emoa::SmsEmoa;
