//! Fronts under the feasibility rule, and which of them survive.

use std::cmp::Ordering;

use super::members::{Members, Table};
use crate::algorithm::Batch;
use crate::column::Column;
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
    /// Rank feasible rows by dominance; behind them infeasible rows, a front per total violation.
    pub fn rank(&mut self, table: &Table, m: usize) {
        self.feasible.clear();
        self.infeasible.clear();
        for (violation, row) in table.violations.iter().zip(0..) {
            if *violation <= 0.0 {
                self.feasible.push(row);
            } else {
                self.infeasible.push(row);
            }
        }
        if self.infeasible.is_empty() {
            self.n_ranks = self.ranker.rank(&table.objectives, m, &mut self.ranks);
            return;
        }
        self.gathered.clear();
        for row in &self.feasible {
            self.gathered.extend_from_slice(table.row(*row as usize, m));
        }
        self.n_ranks = self.ranker.rank(&self.gathered, m, &mut self.inner);
        self.ranks.clear();
        self.ranks.resize(table.n_rows(), 0);
        for (row, rank) in self.feasible.iter().zip(&self.inner) {
            put(&mut self.ranks, *row, *rank);
        }
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

    /// Move all but the first of feasible rows with equal objectives and equal genes behind all
    /// others.
    pub fn demote_twins(&mut self, table: &Table, m: usize, members: &Members, batch: &Batch) {
        let mut moved = false;
        let mut sorted = self.ranker.lexicographic().peekable();
        let is_mapped = !self.infeasible.is_empty();
        let feasible = &self.feasible;
        let row_of = |idx: u32| {
            if is_mapped { feasible.get(idx as usize).copied().unwrap_or(0) } else { idx }
        };
        let values = |row: u32| table.row(row as usize, m);
        let genes = |a: &u32, b: &u32| compare_genes(table, members, batch, *a, *b);
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
                    put(&mut self.ranks, *row, narrow(self.n_ranks));
                    moved = true;
                }
            }
        }
        self.n_ranks += usize::from(moved);
    }

    /// Put into `picks` the fronts that fit into `n` rows whole, and into `last` the next one. Rows
    /// keep their order.
    pub fn fill(&mut self, n: usize, picks: &mut Vec<u32>, last: &mut Vec<u32>) {
        self.counts.clear();
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

fn compare_genes(table: &Table, members: &Members, batch: &Batch, a: u32, b: u32) -> Ordering {
    match (table.column(members, batch, a), table.column(members, batch, b)) {
        (Some((Column::F64(a), i)), Some((Column::F64(b), j))) => {
            a.row(i).partial_cmp(b.row(j)).unwrap_or(Ordering::Equal)
        }
        (Some((Column::F32(a), i)), Some((Column::F32(b), j))) => {
            a.row(i).partial_cmp(b.row(j)).unwrap_or(Ordering::Equal)
        }
        _ => Ordering::Equal,
    }
}
