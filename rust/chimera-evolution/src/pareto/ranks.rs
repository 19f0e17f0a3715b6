//! Non-dominated ranks: 0 for the rows that no other dominates, 1 for those that only they dominate.
//!
//! The rank of a row is the longest chain of rows that ends in it. Rows are visited in lexicographic
//! order, in which no row dominates an earlier one. Two objectives: one number a front is enough
//! (Jensen 2003). Three: each front keeps the staircase of its last two objectives, and because a
//! front that dominates a row lies behind others that do, the row's front is found by bisection
//! (the efficient sort of Zhang et al. 2015, with staircases instead of lists). More: see `bitset`.

use super::bitset::Blocks;
use super::order::{self, Entry, row_of};
use super::work::Work;

/// The lower-left staircase of points: `ys` ascends, `zs` descends.
#[derive(Clone, Debug, Default)]
struct Staircase {
    ys: Vec<f64>,
    zs: Vec<f64>,
}

impl Staircase {
    fn clear(&mut self) {
        self.ys.clear();
        self.zs.clear();
    }

    /// Whether a point of the staircase is nowhere above `(y, z)`.
    #[inline(always)]
    fn covers(&self, y: f64, z: f64) -> bool {
        let n = self.ys.partition_point(|step| *step <= y);
        n.checked_sub(1).and_then(|last| self.zs.get(last)).is_some_and(|step| *step <= z)
    }

    /// Adds a point that the staircase does not cover.
    fn insert(&mut self, y: f64, z: f64) {
        let start = self.ys.partition_point(|step| *step < y);
        let behind = self.zs.get(start..).unwrap_or(&[]);
        let n_covered = behind.iter().take_while(|step| **step >= z).count();
        if n_covered == 0 {
            self.ys.insert(start, y);
            self.zs.insert(start, z);
        } else if let (Some(first_y), Some(first_z)) =
            (self.ys.get_mut(start), self.zs.get_mut(start))
        {
            *first_y = y;
            *first_z = z;
            self.ys.drain(start + 1..start + n_covered);
            self.zs.drain(start + 1..start + n_covered);
        }
    }
}

/// Ranks rows, and keeps the memory for it from call to call.
#[derive(Clone, Debug, Default)]
pub struct Ranker {
    order: Vec<Entry>,
    tails: Vec<f64>,
    stairs: Vec<Staircase>,
    blocks: Blocks,
}

impl Ranker {
    /// Write the rank of every row into `ranks` and return the number of fronts.
    ///
    /// Complexity: `n log n` for two objectives, `n log² n` comparisons for three, `m n² / 64` word
    /// operations for more.
    pub fn rank(&mut self, objectives: &[f64], n_objectives: usize, ranks: &mut Vec<u32>) -> usize {
        let work = &mut Work::unlimited();
        self.rank_within(objectives, n_objectives, ranks, work).unwrap_or(0)
    }

    /// As [`Ranker::rank`], or none when the work ends before.
    pub fn rank_within(
        &mut self,
        objectives: &[f64],
        n_objectives: usize,
        ranks: &mut Vec<u32>,
        work: &mut Work<'_>,
    ) -> Option<usize> {
        ranks.clear();
        ranks.resize(objectives.len() / n_objectives.max(1), 0);
        if ranks.is_empty() {
            self.order.clear();
            return Some(0);
        }
        order::lexicographic(objectives, n_objectives, &mut self.order);
        match n_objectives {
            1 => self.rank_1(ranks),
            2 => self.rank_2(objectives, ranks),
            3 => self.rank_3(objectives, ranks, work),
            _ => self.blocks.rank(objectives, n_objectives, &self.order, ranks, work),
        }
        work.finish(ranks.iter().max().map_or(0, |last| *last as usize + 1))
    }

    fn rank_1(&self, ranks: &mut [u32]) {
        for (tied, rank) in self.order.chunk_by(|a, b| a.0 == b.0).zip(0..) {
            for (_, row) in tied {
                if let Some(place) = ranks.get_mut(*row as usize) {
                    *place = rank;
                }
            }
        }
    }

    fn rank_2(&mut self, objectives: &[f64], ranks: &mut [u32]) {
        let (rows, _) = objectives.as_chunks::<2>();
        self.tails.clear();
        self.tails.reserve(rows.len());
        let mut last = [f64::NAN; 2];
        let mut rank = 0;
        for (_, row) in &self.order {
            let (Some(point), Some(place)) =
                (rows.get(*row as usize), ranks.get_mut(*row as usize))
            else {
                continue;
            };
            if *point != last {
                let [_, y] = *point;
                // The tails ascend: a front whose lowest row is not above dominates this one.
                rank = self.tails.partition_point(|tail| *tail <= y);
                match self.tails.get_mut(rank) {
                    Some(tail) => *tail = y,
                    None => self.tails.push(y),
                }
                last = *point;
            }
            *place = order::narrow(rank);
        }
    }

    fn rank_3(&mut self, objectives: &[f64], ranks: &mut [u32], work: &mut Work<'_>) {
        let (rows, _) = objectives.as_chunks::<3>();
        let mut n_fronts = 0;
        let mut last = [f64::NAN; 3];
        let mut rank = 0;
        for (_, row) in &self.order {
            let (Some(point), Some(place)) =
                (rows.get(*row as usize), ranks.get_mut(*row as usize))
            else {
                continue;
            };
            if *point != last {
                let [_, y, z] = *point;
                if !work.spend(n_fronts.max(3)) {
                    return;
                }
                let fronts = self.stairs.get(..n_fronts).unwrap_or(&[]);
                rank = fronts.partition_point(|front| front.covers(y, z));
                if rank == n_fronts {
                    n_fronts += 1;
                    match self.stairs.get_mut(rank) {
                        Some(front) => front.clear(),
                        None => self.stairs.push(Staircase::default()),
                    }
                }
                if let Some(front) = self.stairs.get_mut(rank) {
                    front.insert(y, z);
                }
                last = *point;
            }
            *place = order::narrow(rank);
        }
    }

    /// The rows in lexicographic order, as the last call of [`Ranker::rank`] saw them.
    pub(crate) fn lexicographic(&self) -> impl Iterator<Item = u32> {
        self.order.iter().map(|(_, row)| *row)
    }

    /// Keep in `kept` the rows that no other dominates, in ascending order of row.
    /// None when the work ends before.
    pub fn first_front(
        &mut self,
        objectives: &[f64],
        n_objectives: usize,
        kept: &mut Vec<u32>,
        work: &mut Work<'_>,
    ) -> Option<()> {
        let mut ranks = Vec::new();
        self.rank_within(objectives, n_objectives, &mut ranks, work)?;
        kept.clear();
        kept.extend(ranks.iter().zip(0..).filter(|(rank, _)| **rank == 0).map(|(_, row)| row));
        Some(())
    }
}

/// Whether `a` is nowhere worse than `b`.
#[inline(always)]
pub fn is_nowhere_worse(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a <= b)
}

/// Whether the rows `a` and `b` of a table are equal.
pub fn is_same_row(values: &[f64], n_columns: usize, a: u32, b: u32) -> bool {
    row_of(values, n_columns, a) == row_of(values, n_columns, b)
}
