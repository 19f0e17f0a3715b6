//! What a run tells of itself.

use super::{Best, Run, Told};
use crate::algorithm::{Batch, Origins};
use crate::matrix::Matrix;
use crate::method::Method;

impl Run {
    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The batch asked last.
    pub const fn batch(&self) -> &Batch {
        &self.progress.batch
    }

    /// The best row so far, for single objectives.
    pub const fn best(&self) -> Option<&Best> {
        self.progress.best.as_ref()
    }

    /// Batches told.
    pub const fn generation(&self) -> u64 {
        self.progress.generation
    }

    /// Identity of the first row of the batch asked last.
    pub const fn first_id(&self) -> u64 {
        self.progress.first_id
    }

    /// Identities and lineage of the rows told last, until rows are asked again. No identities stand
    /// for those of the batch asked last, from [`Run::first_id`] on.
    pub fn told(&self) -> Option<(Option<&Matrix<u64>>, &Origins)> {
        match &self.told {
            Told::Nobody => None,
            Told::Batch => Some((None, &self.progress.batch.origins)),
            Told::Rows(ids, origins) => Some((Some(ids), origins)),
        }
    }

    /// Rows of earlier batches that a steady search remembers and was not told yet, at most
    /// [`OUTSTANDING_ROWS_MAX`].
    pub fn n_outstanding(&self) -> usize {
        self.progress.outstanding.len()
    }

    /// Rows told.
    pub const fn n_evaluations(&self) -> u64 {
        self.progress.n_evaluations
    }

    /// Rows told whose evaluation had failed.
    pub const fn n_failed(&self) -> u64 {
        self.progress.n_failed
    }

    /// Rows asked so far.
    pub const fn n_asked(&self) -> u64 {
        self.progress.n_asked
    }

    /// The method and the seed, for a harness of another kind.
    pub fn into_method(self) -> (Method, u64) {
        (self.method, self.progress.seed)
    }

    /// The seed.
    pub const fn seed(&self) -> u64 {
        self.progress.seed
    }
}
