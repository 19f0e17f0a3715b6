//! Which rows repeat an earlier row exactly.
//!
//! Rows are hashed eight genes at a time and looked up in an open table; equal hashes are confirmed
//! by comparing the rows, so a collision costs time, never a wrong answer. 0 and -0 are equal.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use crate::column::Column;
use crate::simd::dispatch;

const LANES: usize = 8;
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
const EMPTY: u32 = u32::MAX;

/// Finds repeated rows; its memory is used again.
#[derive(Clone, Debug, Default)]
pub struct Duplicates {
    hashes: Vec<u64>,
    table: Vec<u32>,
    is_duplicate: Vec<bool>,
}

impl Duplicates {
    /// True for each row that equals an earlier one in all columns. Rows of `known`, one set after
    /// the other, count as earlier ones. All columns of a set have the same number of rows.
    pub fn find(&mut self, columns: &[Column], known: [&[Column]; 2]) -> &[bool] {
        let [first, second] = known;
        let sets = [first, second, columns];
        let lens = sets.map(|set| set.first().map_or(0, Column::n_rows));
        self.hashes.clear();
        self.hashes.resize(lens.iter().sum(), 0);
        let mut rest = self.hashes.as_mut_slice();
        for (set, len) in sets.iter().zip(lens) {
            let (hashes, others) = rest.split_at_mut(len);
            for column in *set {
                hash_column(column, hashes);
            }
            rest = others;
        }
        let [n_first, n_second, _] = lens;
        let n_known = n_first + n_second;
        let place = |idx: u32| match idx as usize {
            idx if idx < n_first => (first, idx),
            idx if idx < n_known => (second, idx - n_first),
            idx => (columns, idx - n_known),
        };
        self.look_up(n_known, |a, b| is_equal(columns.len(), place(a), place(b)))
    }

    /// The same for one matrix of rows.
    pub fn find_rows<T: Word>(&mut self, rows: &[T], n_columns: usize) -> &[bool] {
        let n_columns = n_columns.max(1);
        self.hashes.clear();
        self.hashes.resize(rows.len() / n_columns, 0);
        hash_rows(rows, n_columns, &mut self.hashes);
        let row = |idx: u32| {
            let start = idx as usize * n_columns;
            rows.get(start..start + n_columns)
        };
        self.look_up(0, |a, b| row(a) == row(b))
    }

    /// Enters all rows in order; those from `n_known` on are reported.
    fn look_up(&mut self, n_known: usize, is_equal: impl Fn(u32, u32) -> bool) -> &[bool] {
        let n_rows = self.hashes.len();
        let n_slots = (2 * n_rows).next_power_of_two().max(16);
        self.table.clear();
        self.table.resize(n_slots, EMPTY);
        self.is_duplicate.clear();
        self.is_duplicate.resize(n_rows - n_known.min(n_rows), false);
        for (idx, hash) in (0..EMPTY).zip(&self.hashes) {
            let is_new = insert(&mut self.table, &self.hashes, *hash, idx, &is_equal);
            let place = (idx as usize).checked_sub(n_known);
            if let Some(flag) = place.and_then(|row| self.is_duplicate.get_mut(row)) {
                *flag = !is_new;
            }
        }
        &self.is_duplicate
    }
}

/// Enters a row unless an equal one is there.
#[inline(always)]
fn insert(
    table: &mut [u32],
    hashes: &[u64],
    hash: u64,
    idx: u32,
    is_equal: impl Fn(u32, u32) -> bool,
) -> bool {
    let mask = table.len() - 1;
    let mut slot = (hash >> 20) as usize & mask;
    while let Some(entry) = table.get_mut(slot) {
        if *entry == EMPTY {
            *entry = idx;
            return true;
        }
        if hashes.get(*entry as usize) == Some(&hash) && is_equal(*entry, idx) {
            return false;
        }
        slot = (slot + 1) & mask;
    }
    true
}

/// Whether two rows of sets of `n_columns` columns are equal.
fn is_equal(n_columns: usize, (x, a): (&[Column], usize), (y, b): (&[Column], usize)) -> bool {
    (0..n_columns).all(|at| match (x.get(at), y.get(at)) {
        (Some(Column::F64(x)), Some(Column::F64(y))) => x.row(a) == y.row(b),
        (Some(Column::F32(x)), Some(Column::F32(y))) => x.row(a) == y.row(b),
        (Some(Column::I64(x)), Some(Column::I64(y))) => x.row(a) == y.row(b),
        (Some(Column::Bool(x)), Some(Column::Bool(y))) => x.row(a) == y.row(b),
        _ => false,
    })
}

/// A gene as a word: equal genes, equal words.
pub trait Word: Copy + PartialEq {
    /// The word.
    fn word(self) -> u64;
}

impl Word for f64 {
    #[inline(always)]
    fn word(self) -> u64 {
        // Adding 0 turns -0 into 0.
        (self + 0.0).to_bits()
    }
}

impl Word for f32 {
    #[inline(always)]
    fn word(self) -> u64 {
        u64::from((self + 0.0).to_bits())
    }
}

impl Word for i64 {
    #[inline(always)]
    fn word(self) -> u64 {
        self.cast_unsigned()
    }
}

impl Word for bool {
    #[inline(always)]
    fn word(self) -> u64 {
        u64::from(self)
    }
}

impl Word for u64 {
    #[inline(always)]
    fn word(self) -> u64 {
        self
    }
}

/// Hash of the words of one row.
pub(crate) fn hash_words(words: &[u64]) -> u64 {
    hash_row(0, words)
}

fn hash_column(column: &Column, hashes: &mut [u64]) {
    let n = column.n_columns();
    match column {
        Column::F64(matrix) => hash_rows(matrix.as_slice(), n, hashes),
        Column::F32(matrix) => hash_rows(matrix.as_slice(), n, hashes),
        Column::I64(matrix) => hash_rows(matrix.as_slice(), n, hashes),
        Column::Bool(matrix) => hash_rows(matrix.as_slice(), n, hashes),
    }
}

fn hash_rows<T: Word>(rows: &[T], n_columns: usize, hashes: &mut [u64]) {
    dispatch(
        #[inline(always)]
        || {
            for (row, hash) in rows.chunks_exact(n_columns.max(1)).zip(hashes) {
                *hash = hash_row(*hash, row);
            }
        },
    );
}

#[inline(always)]
const fn stir(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(FACTOR);
    mixed ^ (mixed >> 32)
}

#[inline(always)]
fn hash_row<T: Word>(seed: u64, row: &[T]) -> u64 {
    let mut lanes = [seed, 1, 2, 3, 4, 5, 6, 7];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, gene) in lanes.iter_mut().zip(chunk) {
            *lane = stir(*lane, gene.word());
        }
    }
    for (lane, gene) in lanes.iter_mut().zip(rest) {
        *lane = stir(*lane, gene.word());
    }
    lanes.into_iter().fold(row.len() as u64, stir)
}
