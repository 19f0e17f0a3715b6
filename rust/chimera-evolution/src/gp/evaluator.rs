//! Whole forests on many threads: predictions or errors of every tree.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use super::data::Data;
use super::fitness::{Fit, Target};
use super::forest::Forest;
use super::machine::Machine;
use crate::error::{Error, Result};
use crate::threads::Threads;

/// Chunks of trees that each thread takes, so that the last to finish is not far behind.
const CHUNKS_PER_THREAD: usize = 8;

/// Evaluates forests; keeps the memory of its machines.
#[derive(Debug, Default)]
pub struct Evaluator {
    machines: Mutex<Vec<Machine>>,
}

impl Evaluator {
    fn with_machine(&self, work: impl FnOnce(&mut Machine)) {
        let take = || self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut machine = take().pop().unwrap_or_default();
        work(&mut machine);
        take().push(machine);
    }

    /// The prediction of every tree for every row, `(n_trees, n_rows)`.
    ///
    /// # Errors
    /// `out` has another length.
    pub fn predict(
        &self,
        forest: &Forest,
        data: &Data,
        threads: &Threads,
        out: &mut [f32],
    ) -> Result<()> {
        let n_rows = data.n_rows();
        if out.len() != forest.n_trees() * n_rows {
            return Err(Error::batch("out", format!("{} x {n_rows}", forest.n_trees()), out.len()));
        }
        let n_trees = chunk(forest.n_trees(), threads);
        threads.for_each_chunk(out, n_trees * n_rows, true, |idx, chunk| {
            let first = idx * n_trees;
            let range: Range<usize> = first..first + chunk.len() / n_rows;
            let mut rows = chunk.chunks_exact_mut(n_rows);
            self.with_machine(|machine| {
                machine.evaluate_range(forest, range, data, |_, predictions| {
                    if let Some(out) = rows.next() {
                        out.copy_from_slice(predictions);
                    }
                });
            });
        });
        Ok(())
    }

    /// The fit of every tree.
    ///
    /// # Errors
    /// The target has another number of rows.
    pub fn fit(
        &self,
        forest: &Forest,
        data: &Data,
        target: &Target,
        is_scaled: bool,
        threads: &Threads,
    ) -> Result<Vec<Fit>> {
        if target.values().len() != data.n_rows() {
            let expected = format!("{} values", data.n_rows());
            return Err(Error::batch("y", expected, target.values().len()));
        }
        let mut out = vec![Fit::default(); forest.n_trees()];
        let n_trees = chunk(forest.n_trees(), threads);
        threads.for_each_chunk(&mut out, n_trees, true, |idx, chunk| {
            let first = idx * n_trees;
            let range = first..first + chunk.len();
            self.with_machine(|machine| {
                machine.evaluate_range(forest, range, data, |tree, predictions| {
                    if let Some(out) = chunk.get_mut(tree - first) {
                        *out = target.fit(predictions, is_scaled);
                    }
                });
            });
        });
        Ok(out)
    }
}

fn chunk(n_trees: usize, threads: &Threads) -> usize {
    match threads.n() {
        1 => n_trees.max(1),
        n => n_trees.div_ceil(n * CHUNKS_PER_THREAD).max(1),
    }
}
