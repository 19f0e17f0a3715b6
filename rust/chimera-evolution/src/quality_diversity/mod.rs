//! Quality diversity: archives of elites, one per cell of descriptor space, and searches that fill
//! them.
//!
//! MAP-Elites (Mouret & Clune, 2015) with iso+line variation (Vassiliades & Mouret, 2018), CMA-ME
//! (Fontaine et al., 2020) and CMA-MAE (Fontaine & Nikolaidis, 2023), over uniform grids, centroidal
//! Voronoi cells (Vassiliades et al., 2018) and sliding boundaries (Fontaine et al., 2019). Archives
//! keep their elites in dense rows in the order in which cells were first filled, so that views are
//! plain matrices. How a batch is inserted follows pyribs: every status and value is judged against
//! the archive as it was before the batch.

pub mod archive;
pub mod centroids;
pub mod elites;
pub mod emitters;
mod frame;
pub mod grid;
pub mod map_elites;
mod real;
pub mod sliding;
pub(crate) mod state;
pub mod variation;

#[cfg(test)]
mod tests;

pub use archive::{Archive, Cells, Layout, Outside, Settings, Stats};
pub use centroids::{Centroids, KMeans};
pub use elites::{BestElite, Candidates, Direction, Elites, Ids, Insertion, Rule};
pub use grid::Grid;
pub use real::Real;
pub use sliding::Sliding;

/// The cell of a row that must not be inserted.
pub const NO_CELL: u32 = u32::MAX;

/// Most cells an archive may have: their table then takes 2 GiB.
pub const CELLS_MAX: usize = 1 << 27;
