//! Evolution: populations with lineage, an archive, islands, racing, and parameter tuning.
//!
//! [`Search`] wires them into one deterministic ask/tell machine; it never evaluates anything itself
//! and knows neither threads nor time.

pub mod archive;
pub mod credit;
mod generation;
pub mod identity;
mod interned;
pub mod islands;
pub mod race;
mod runner;
pub mod search;
pub mod settings;
mod snapshot;
pub mod space;
pub mod store;
pub mod strategy;
#[cfg(test)]
mod tests;
pub mod tuner;

pub use search::{Batch, Candidate, Measured, Probe, Request, Search, Step};
pub use settings::{Direction, Settings};
