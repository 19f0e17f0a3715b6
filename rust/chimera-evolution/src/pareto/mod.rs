//! Pareto dominance over rows of minimised objectives: ranks, crowding, hypervolume, indicators.
//!
//! No search is here; `crate::multi` searches with these. Rows are row-major slices of `n_objectives`
//! values each, all minimised and free of NaN. Row `a` dominates row `b` when it is nowhere worse and
//! somewhere better, so equal rows never dominate each other and share their rank.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

mod bitset;
mod contributions;
mod crowding;
mod hypervolume;
mod indicators;
mod order;
mod ranks;
mod shelf;
mod stairs;
mod sweep;
mod table;
mod work;

#[cfg(test)]
mod tests;

pub(crate) use contributions::Contributions;
pub use contributions::{contributions, contributions_within};
pub use crowding::Crowding;
pub use hypervolume::{Estimate, estimate, hypervolume, hypervolume_within};
pub use indicators::{epsilon_additive, epsilon_multiplicative, gd, igd, igd_plus};
pub(crate) use order::{key, narrow, row_of};
pub use ranks::Ranker;
pub use work::{HYPERVOLUME_STEPS_MAX, Work};
