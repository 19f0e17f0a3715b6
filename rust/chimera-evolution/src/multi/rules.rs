//! Fronts under the feasibility rule, and which of them survive.
//!
//! First the feasible rows, front by front; then copies of them, which would crowd out others; then
//! the infeasible rows, a front per total violation; failed rows last.

use std::cmp::Ordering;

use super::members::{Members, Table};
use crate::algorithm::Batch;
use crate::column::Column;
use crate::matrix::Matrix;
use crate::pareto::{Ranker, narrow};

/// Ranks of a table's rows, and the memory for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Fronts {
    ranker: Ranker,
    /// Rank per row of the table.
    pub ranks: Vec<u32>,
    feasible: Vec<u32>,
    gathered: Vec<f64>,
    inner: Vec<u32>,
    infeasible: Vec<u32>,
    twins: Vec<u32>,
    counts: Vec<usize>,
    n_ranks: usize,
}

impl Fronts {
    /// Rank all rows of a table.
    pub fn rank(&mut self, table: &Table, m: usize, members: &Members, batch: &Batch) {
        let n = table.n_rows();
        self.feasible.clear();
        self.infeasible.clear();
        // Room for all rows at once: how many are feasible changes from call to call.
        self.feasible.reserve(n);
        self.infeasible.reserve(n);
        for (violation, row) in table.violations.iter().zip(0..) {
            if *violation <= 0.0 {
                self.feasible.push(row);
            } else {
                self.infeasible.push(row);
            }
        }
        if self.infeasible.is_empty() {
            self.n_ranks = self.ranker.rank(&table.objectives, m, &mut self.ranks);
        } else {
            self.gathered.clear();
            self.gathered.reserve(n * m);
            for row in &self.feasible {
                self.gathered.extend_from_slice(table.row(*row as usize, m));
            }
            self.inner.reserve(n);
            self.n_ranks = self.ranker.rank(&self.gathered, m, &mut self.inner);
            self.ranks.clear();
            self.ranks.resize(n, 0);
            for (row, rank) in self.feasible.iter().zip(&self.inner) {
                put(&mut self.ranks, *row, *rank);
            }
        }
        self.demote_twins(table, m, members, batch);
        self.rank_infeasible(table);
    }

    /// Move all but the first of feasible rows with equal objectives and equal genes behind the
    /// fronts. They form fronts of their own in the same order, so that rows of one rank never
    /// dominate each other.
    fn demote_twins(&mut self, table: &Table, m: usize, members: &Members, batch: &Batch) {
        let n_fronts = narrow(self.n_ranks);
        let mut moved = false;
        let mut sorted = self.ranker.lexicographic().peekable();
        let is_mapped = !self.infeasible.is_empty();
        let feasible = &self.feasible;
        let row_of = |idx: u32| {
            if is_mapped { feasible.get(idx as usize).copied().unwrap_or(0) } else { idx }
        };
        let values = |row: u32| table.row(row as usize, m);
        let genes = |a: &u32, b: &u32| compare_genes(table, members, batch, *a, *b);
        self.twins.reserve(feasible.len());
        while let Some(row) = sorted.next().map(row_of) {
            self.twins.clear();
            while let Some(twin) = sorted.next_if(|next| values(row_of(*next)) == values(row)) {
                self.twins.push(row_of(twin));
            }
            if self.twins.is_empty() {
                continue;
            }
            self.twins.push(row);
            self.twins.sort_unstable_by(|a, b| genes(a, b).then(a.cmp(b)));
            for same in self.twins.chunk_by(|a, b| genes(a, b) == Ordering::Equal) {
                for row in same.iter().skip(1) {
                    if let Some(rank) = self.ranks.get_mut(*row as usize) {
                        *rank += n_fronts;
                        moved = true;
                    }
                }
            }
        }
        if moved {
            self.n_ranks *= 2;
        }
    }

    /// Rank infeasible rows behind all others, a front per total violation.
    fn rank_infeasible(&mut self, table: &Table) {
        let violation = |row: &u32| table.violation(*row as usize);
        self.infeasible
            .sort_unstable_by(|a, b| violation(a).total_cmp(&violation(b)).then(a.cmp(b)));
        for tied in self.infeasible.chunk_by(|a, b| violation(a) == violation(b)) {
            for row in tied {
                put(&mut self.ranks, *row, narrow(self.n_ranks));
            }
            self.n_ranks += 1;
        }
    }

    /// Put into `picks` the fronts that fit into `n` rows whole, and into `last` the next one. Rows
    /// keep their order.
    pub fn fill(&mut self, n: usize, picks: &mut Vec<u32>, last: &mut Vec<u32>) {
        self.counts.clear();
        // No more ranks than rows and their copies: the memory never grows again.
        self.counts.reserve(2 * self.ranks.len());
        self.counts.resize(self.n_ranks, 0);
        for rank in &self.ranks {
            if let Some(count) = self.counts.get_mut(*rank as usize) {
                *count += 1;
            }
        }
        let mut n_taken = 0;
        let n_whole = self.counts.iter().take_while(|count| {
            n_taken += **count;
            n_taken <= n
        });
        let critical = narrow(n_whole.count());
        picks.clear();
        last.clear();
        picks.reserve(self.ranks.len());
        last.reserve(self.ranks.len());
        for (rank, row) in self.ranks.iter().zip(0..) {
            match rank.cmp(&critical) {
                Ordering::Less => picks.push(row),
                Ordering::Equal => last.push(row),
                Ordering::Greater => {}
            }
        }
    }
}

fn put(ranks: &mut [u32], row: u32, rank: u32) {
    if let Some(place) = ranks.get_mut(row as usize) {
        *place = rank;
    }
}

/// Compare the genes of two rows, block by block; zeros of both signs are equal.
fn compare_genes(table: &Table, members: &Members, batch: &Batch, a: u32, b: u32) -> Ordering {
    fn compare<T: Copy + Default + PartialOrd>(
        (a, row_a): (&Matrix<T>, usize),
        (b, row_b): (&Matrix<T>, usize),
    ) -> Ordering {
        a.row(row_a).partial_cmp(b.row(row_b)).unwrap_or(Ordering::Equal)
    }
    let blocks = table.genes(members, batch, a).zip(table.genes(members, batch, b));
    let mut orders = blocks.map(|((a, i), (b, j))| match (a, b) {
        (Column::F64(a), Column::F64(b)) => compare((a, i), (b, j)),
        (Column::F32(a), Column::F32(b)) => compare((a, i), (b, j)),
        (Column::I64(a), Column::I64(b)) => compare((a, i), (b, j)),
        (Column::Bool(a), Column::Bool(b)) => compare((a, i), (b, j)),
        _ => Ordering::Equal,
    });
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}
