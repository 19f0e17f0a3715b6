//! What every search implements, and what passes between it and its harness.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::column::Column;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::space::Space;
use crate::threads::Threads;

/// Stands for "no parent" in [`Origins::parents`].
pub const NO_PARENT: u64 = u64::MAX;

/// What a call may use besides the algorithm's own state.
#[derive(Clone, Debug)]
pub struct Context {
    /// Seed of every random stream; key streams by (seed, generation, index).
    pub seed: u64,
    /// Number of batches told so far: the step of the random streams.
    pub generation: u64,
    /// Identity of the first row of this batch; the others follow. Also the number of rows that were
    /// asked before, in all.
    pub first_id: u64,
    /// Threads to use; the result must not depend on them.
    pub threads: Threads,
}

/// Where the rows of a batch come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origins {
    /// Identities of each row's parents, `(n, k)`; [`NO_PARENT`] fills the rest.
    pub parents: Matrix<u64>,
    /// Index of each row's operator in [`Algorithm::operators`], `(n, 1)`.
    pub operators: Matrix<u8>,
}

/// Candidates to evaluate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// One column per block of the space, all with the same number of rows.
    pub genomes: Vec<Column>,
    /// Lineage; empty matrices when the algorithm samples from a distribution.
    pub origins: Origins,
}

impl Batch {
    /// Number of candidates.
    pub fn n_rows(&self) -> usize {
        self.genomes.first().map_or(0, Column::n_rows)
    }
}

/// What evaluation found, row by row. Objectives are minimised.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scores<'a> {
    /// `(n, n_objectives)`, row-major. Finite except in failed rows.
    pub objectives: &'a [f64],
    /// `(n,)` total constraint violation, 0 where feasible; empty without constraints.
    pub violations: &'a [f64],
    /// `(n, n_descriptors)` behaviour descriptors; empty unless the algorithm uses them.
    pub descriptors: &'a [f64],
    /// `(n, n_cases)` error per case, for lexicase selection; empty otherwise.
    pub cases: &'a [f64],
    /// `(n,)` true where evaluation failed; empty when none did. A failed row is worse than any other.
    pub failed: &'a [bool],
}

impl Scores<'_> {
    /// Whether evaluation of a row failed.
    pub fn is_failed(&self, row: usize) -> bool {
        self.failed.get(row).copied().unwrap_or(false)
    }

    /// Constraint violation of a row; 0 when feasible.
    pub fn violation(&self, row: usize) -> f64 {
        self.violations.get(row).copied().unwrap_or(0.0)
    }

    /// The single objective by which a row ranks: infinite when failed. Ties and constraints are the
    /// algorithm's business.
    pub fn objective(&self, row: usize) -> f64 {
        if self.is_failed(row) {
            f64::INFINITY
        } else {
            self.objectives.get(row).copied().unwrap_or(f64::INFINITY)
        }
    }
}

/// What a search holds on to: its population or archive. Cheap to clone: columns are shared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// One column per block.
    pub genomes: Vec<Column>,
    /// `(n, n_objectives)`, minimised.
    pub objectives: Matrix<f64>,
    /// `(n, 1)` total violation, or empty.
    pub violations: Matrix<f64>,
    /// `(n, n_descriptors)`, or empty.
    pub descriptors: Matrix<f64>,
    /// `(n, 1)` identities, or empty.
    pub ids: Matrix<u64>,
}

/// One kind of search over genomes. The harness [`crate::Run`] has checked everything that arrives:
/// shapes, bounds, finite scores, order of calls.
pub trait Algorithm: Send + Sync {
    /// What is searched.
    fn space(&self) -> &Space;

    /// Number of objectives it expects.
    fn n_objectives(&self) -> usize {
        1
    }

    /// Number of behaviour descriptors it expects; 0 for none.
    fn n_descriptors(&self) -> usize {
        0
    }

    /// Whether it needs `cases`.
    fn needs_cases(&self) -> bool {
        false
    }

    /// Rows of a batch when the caller does not say.
    fn batch_size(&self) -> usize;

    /// Whether `ask(n)` may ask for another number of rows.
    fn is_size_free(&self) -> bool {
        false
    }

    /// Whether rows may be told in any order and number, without waiting for a whole batch.
    fn is_steady(&self) -> bool {
        false
    }

    /// Names of the variation operators, for lineage.
    fn operators(&self) -> &'static [&'static str] {
        &["sample"]
    }

    /// Write `n` candidates into `batch`. Its columns have the right types and hold the rows of an
    /// earlier batch; get memory by [`Matrix::reset`].
    ///
    /// # Errors
    /// What the algorithm documents.
    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()>;

    /// Learn from scores. `batch` is the last one asked, or rows that the caller supplies instead;
    /// keep rows by cloning columns (cheap, shared) or by copying.
    ///
    /// # Errors
    /// What the algorithm documents; its state is then unchanged.
    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()>;

    /// What it holds.
    fn population(&self) -> Population;

    /// Check a state that was loaded.
    ///
    /// # Errors
    /// Parts that contradict each other, though the checksum was right.
    fn check_state(&self) -> Result<()> {
        Ok(())
    }

    /// Why it would stop by itself, for example `tolerance`; none while it still moves.
    fn stop_reason(&self) -> Option<&'static str> {
        None
    }

    /// Figures for callbacks and plots, for example `("sigma", 0.3)`.
    fn figures(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// How a method is made from its settings, which come as JSON from outside.
pub trait Build: Algorithm + Serialize + DeserializeOwned + Sized {
    /// Its settings; unknown names must be refused (`deny_unknown_fields`).
    type Settings: DeserializeOwned;

    /// A fresh search.
    ///
    /// # Errors
    /// A setting outside its range, or a space it cannot search.
    fn build(space: Space, settings: Self::Settings, seed: u64) -> Result<Self>;
}
