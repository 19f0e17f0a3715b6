//! Ranks for any number of objectives, by sets of bits over blocks of rows.
//!
//! For a block of 512 rows and one objective, the members that are not worse than a row form a prefix
//! of the block sorted by that objective; a table holds all 513 prefixes as bits. The members that
//! dominate a row are the intersection of one table entry per objective (the idea of Moreno et al.,
//! Merge Non-dominated Sorting, 2020, here in blocks so that memory stays linear in the rows). Rows
//! come in lexicographic order: a block's ranks are final once all blocks before it were applied.

use super::order::{self, Entry, narrow, row_of};
use super::ranks::is_same_row;
use super::work::Work;
use crate::simd;

const N_WORDS: usize = 8;
const BLOCK: usize = 64 * N_WORDS;

type Set = [u64; N_WORDS];

#[inline(always)]
fn is_touching(a: &Set, b: &Set) -> bool {
    a.iter().zip(b).fold(0, |any, (a, b)| any | (a & b)) != 0
}

#[inline(always)]
fn intersect(a: &mut Set, b: &Set) {
    for (a, b) in a.iter_mut().zip(b) {
        *a &= b;
    }
}

#[inline(always)]
fn insert(set: &mut Set, member: usize) {
    if let Some(word) = set.get_mut(member / 64) {
        *word |= 1 << (member % 64);
    }
}

/// The members before `member`.
#[inline(always)]
fn below(member: usize) -> Set {
    let mut set = [0; N_WORDS];
    for (word, first) in set.iter_mut().zip((0_usize..).step_by(64)) {
        let n_bits = member.saturating_sub(first).min(64);
        *word = if n_bits == 64 { u64::MAX } else { (1 << n_bits) - 1 };
    }
    set
}

/// Memory of the method.
#[derive(Clone, Debug, Default)]
pub struct Blocks {
    /// Row of each distinct point, in lexicographic order.
    points: Vec<u32>,
    /// Per point and objective but the first: place of its value in `counts`.
    places: Vec<u32>,
    /// Per objective and distinct value: how many members of the block are not above it.
    counts: Vec<u16>,
    /// Per objective: the prefixes of the block.
    prefixes: Vec<Set>,
    /// Entry `k`: the members of the block whose rank is at least `base + k`.
    levels: Vec<Set>,
    ranks: Vec<u32>,
    column: Vec<f64>,
    sorted: Vec<Entry>,
    members: Vec<(u32, u32)>,
}

impl Blocks {
    /// Write the ranks of rows that `order` lists in lexicographic order.
    pub fn rank(
        &mut self,
        objectives: &[f64],
        n: usize,
        order: &[Entry],
        ranks: &mut [u32],
        work: &mut Work<'_>,
    ) {
        self.points.clear();
        self.points.reserve(order.len());
        for tied in order.chunk_by(|a, b| a.0 == b.0 && is_same_row(objectives, n, a.1, b.1)) {
            self.points.extend(tied.first().map(|(_, row)| *row));
        }
        self.ranks.clear();
        self.ranks.reserve(order.len());
        self.ranks.resize(self.points.len(), 0);
        self.place(objectives, n);
        for start in (0..self.points.len()).step_by(BLOCK) {
            if !work.spend(n * (self.points.len() - start)) {
                return;
            }
            self.tabulate(start, n - 1);
            simd::dispatch(
                #[inline(always)]
                || self.apply(start, n - 1),
            );
        }
        let same = |a: &Entry, b: &Entry| a.0 == b.0 && is_same_row(objectives, n, a.1, b.1);
        for (tied, rank) in order.chunk_by(same).zip(&self.ranks) {
            for (_, row) in tied {
                if let Some(place) = ranks.get_mut(*row as usize) {
                    *place = *rank;
                }
            }
        }
    }

    /// Number the distinct values of every objective but the first.
    fn place(&mut self, objectives: &[f64], n: usize) {
        let n_points = self.points.len();
        self.places.clear();
        self.places.resize(n_points * (n - 1), 0);
        for column in 1..n {
            let cell = |row: &u32| row_of(objectives, n, *row).get(column).copied().unwrap_or(0.0);
            self.column.clear();
            self.column.extend(self.points.iter().map(cell));
            order::by_column(&self.column, 1, 0, &mut self.sorted);
            let base = (column - 1) * n_points;
            for (tied, value) in self.sorted.chunk_by(|a, b| a.0 == b.0).zip(base..) {
                for (_, point) in tied {
                    let place = *point as usize * (n - 1) + column - 1;
                    if let Some(place) = self.places.get_mut(place) {
                        *place = narrow(value);
                    }
                }
            }
        }
    }

    /// Prepare counts and prefixes of the block that begins at `start`.
    fn tabulate(&mut self, start: usize, n_columns: usize) {
        let n_points = self.points.len();
        self.counts.clear();
        self.counts.resize(n_points * n_columns, 0);
        self.prefixes.clear();
        for column in 0..n_columns {
            let cells = self.places.iter().skip(start * n_columns + column).step_by(n_columns);
            self.members.clear();
            self.members.extend(cells.take(BLOCK).zip(0..).map(|(place, member)| (*place, member)));
            self.members.sort_unstable();
            let mut prefix = [0; N_WORDS];
            self.prefixes.push(prefix);
            for (place, member) in &self.members {
                insert(&mut prefix, *member as usize);
                self.prefixes.push(prefix);
                if let Some(count) = self.counts.get_mut(*place as usize) {
                    *count += 1;
                }
            }
            let values = self.counts.iter_mut().skip(column * n_points).take(n_points);
            let mut sum = 0;
            for count in values {
                sum += *count;
                *count = sum;
            }
        }
    }

    /// Finish the ranks of the block at `start`, and raise those of the points behind it.
    #[inline(always)]
    fn apply(&mut self, start: usize, n_columns: usize) {
        let Self { places, counts, prefixes, levels, ranks, .. } = self;
        let n_members = ranks.len().saturating_sub(start).min(BLOCK);
        let base = ranks.iter().skip(start).take(n_members).min().copied().unwrap_or(0);
        levels.clear();
        let rows = places.chunks_exact(n_columns.max(1)).zip(ranks.iter_mut());
        for (idx, (row, rank)) in rows.enumerate().skip(start) {
            let member = idx - start;
            let mut set = if member < BLOCK { below(member) } else { [u64::MAX; N_WORDS] };
            for (place, table) in row.iter().zip(prefixes.chunks_exact(n_members + 1)) {
                let count = counts.get(*place as usize).copied().unwrap_or(0);
                if let Some(prefix) = table.get(usize::from(count)) {
                    intersect(&mut set, prefix);
                }
            }
            let known = (*rank - base) as usize;
            // Levels shrink: bisect for the last one that holds a dominating member.
            if let Some(higher) = levels.get(known..)
                && higher.first().is_some_and(|level| is_touching(level, &set))
            {
                let n = higher.partition_point(|level| is_touching(level, &set));
                *rank = base + narrow(known + n);
            }
            if member < BLOCK {
                let own = (*rank - base) as usize;
                if levels.len() <= own {
                    levels.resize(own + 1, [0; N_WORDS]);
                }
                for level in levels.iter_mut().take(own + 1) {
                    insert(level, member);
                }
            }
        }
    }
}
