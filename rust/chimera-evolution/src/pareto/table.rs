//! Rows of gains column by column, so that eight of them are compared at a time.
//!
//! Behind the rows of every column lie at least eight zeros: blocks of eight may begin at any row,
//! and because gains are positive, what lies behind is below everything. The blocks are walked with
//! `while` and each test is written out: `step_by`, and columns in an array, left scalar code.

/// Values compared at a time.
pub(super) const LANES: usize = 8;

/// Rows are counted rather than bisected up to here.
const FEW_ROWS: usize = 64;

static ZEROS: [f64; LANES] = [0.0; LANES];

/// Columns of equal length.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    values: Vec<f64>,
    n_columns: usize,
    n_rows: usize,
    /// Room of a column.
    room: usize,
}

/// Eight values of a column.
#[inline(always)]
pub(super) fn lanes(column: &[f64], start: usize) -> &[f64; LANES] {
    column.get(start..).and_then(<[f64]>::first_chunk).unwrap_or(&ZEROS)
}

#[inline(always)]
fn is_any(flags: [bool; LANES]) -> bool {
    flags.into_iter().fold(false, |any, flag| any | flag)
}

/// The first row from `from` on that is above both limits; `n_rows` when there is none.
#[inline(always)]
pub(super) fn next_above_2(
    [xs, ys]: [&[f64]; 2],
    [left, low]: [f64; 2],
    from: usize,
    n_rows: usize,
) -> usize {
    let mut start = from;
    while start < n_rows {
        let rows = || lanes(xs, start).iter().zip(lanes(ys, start));
        let is_above = |(x, y): (&f64, &f64)| {
            let (is_right, is_over) = (*x > left, *y > low);
            is_right & is_over
        };
        if rows().fold(false, |any, row| any | is_above(row)) {
            let bits = rows()
                .zip(0..)
                .fold(0_u32, |bits, (row, at)| bits | u32::from(is_above(row)) << at);
            return (start + bits.trailing_zeros() as usize).min(n_rows);
        }
        start += LANES;
    }
    n_rows
}

/// As [`next_above_2`], for three columns.
#[inline(always)]
pub(super) fn next_above_3(
    [xs, ys, zs]: [&[f64]; 3],
    [left, low, deep]: [f64; 3],
    from: usize,
    n_rows: usize,
) -> usize {
    let mut start = from;
    while start < n_rows {
        let rows = || lanes(xs, start).iter().zip(lanes(ys, start)).zip(lanes(zs, start));
        let is_above = |((x, y), z): ((&f64, &f64), &f64)| {
            let (is_right, is_over, is_deep) = (*x > left, *y > low, *z > deep);
            is_right & is_over & is_deep
        };
        if rows().fold(false, |any, row| any | is_above(row)) {
            let bits = rows()
                .zip(0..)
                .fold(0_u32, |bits, (row, at)| bits | u32::from(is_above(row)) << at);
            return (start + bits.trailing_zeros() as usize).min(n_rows);
        }
        start += LANES;
    }
    n_rows
}

/// How many of the first `n_rows` values of a descending column are at least `least`.
#[inline(always)]
pub(super) fn count_from(column: &[f64], n_rows: usize, least: f64) -> usize {
    if n_rows > FEW_ROWS {
        let rows = column.get(..n_rows).unwrap_or(column);
        return rows.partition_point(|value| *value >= least);
    }
    // Zeros behind the rows are below any gain.
    let mut counts = [0_usize; LANES];
    let mut start = 0;
    while start < n_rows {
        for (count, value) in counts.iter_mut().zip(lanes(column, start)) {
            *count += usize::from(*value >= least);
        }
        start += LANES;
    }
    counts.iter().sum()
}

impl Table {
    /// Take all rows away, and make room for `n_rows` of `n_columns`.
    pub fn reset(&mut self, n_columns: usize, n_rows: usize) {
        if self.n_columns != n_columns || self.room <= n_rows + LANES {
            self.room = (n_rows + LANES + 1).max(self.room).next_power_of_two();
            self.n_columns = n_columns;
            self.values.clear();
            self.values.resize(self.room * n_columns, 0.0);
        } else {
            self.clear_from(0);
        }
        self.n_rows = 0;
    }

    pub const fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub const fn n_columns(&self) -> usize {
        self.n_columns
    }

    #[inline(always)]
    pub fn columns(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.room.max(1))
    }

    #[inline(always)]
    fn columns_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        self.values.chunks_exact_mut(self.room.max(1))
    }

    /// The first columns.
    #[inline(always)]
    pub fn first_columns<const N: usize>(&self) -> [&[f64]; N] {
        let mut columns = self.columns();
        std::array::from_fn(|_| columns.next().unwrap_or(&[]))
    }

    /// Copy a row into `row`.
    #[inline(always)]
    pub fn read(&self, idx: usize, row: &mut [f64]) {
        for (value, column) in row.iter_mut().zip(self.columns()) {
            *value = column.get(idx).copied().unwrap_or(0.0);
        }
    }

    #[inline(always)]
    pub fn push(&mut self, row: &[f64]) {
        self.insert(self.n_rows, row);
    }

    /// Put a row before the row `place`. There must be room.
    #[inline(always)]
    pub fn insert(&mut self, place: usize, row: &[f64]) {
        let n_rows = self.n_rows;
        if n_rows + LANES >= self.room {
            return;
        }
        for (column, value) in self.columns_mut().zip(row) {
            if place < n_rows {
                column.copy_within(place..n_rows, place + 1);
            }
            if let Some(slot) = column.get_mut(place) {
                *slot = *value;
            }
        }
        self.n_rows += 1;
    }

    /// Put a row where the last column goes on descending.
    #[inline(always)]
    pub fn insert_sorted(&mut self, row: &[f64]) {
        let last = row.last().copied().unwrap_or(0.0);
        let column = self.columns().last().unwrap_or(&[]);
        self.insert(count_from(column, self.n_rows, last), row);
    }

    /// Whether some row is nowhere below `row`.
    #[inline(always)]
    pub fn covers(&self, row: &[f64]) -> bool {
        let mut start = 0;
        while start < self.n_rows {
            let mut is_above = [true; LANES];
            for (column, value) in self.columns().zip(row) {
                for (flag, other) in is_above.iter_mut().zip(lanes(column, start)) {
                    *flag &= *other >= *value;
                }
            }
            if is_any(is_above) {
                return true;
            }
            start += LANES;
        }
        false
    }

    /// Take away the rows from `from` on that are nowhere above `row`.
    #[inline(always)]
    pub fn drop_covered(&mut self, from: usize, row: &[f64]) {
        let mut start = from;
        while start < self.n_rows {
            // Zeros behind the rows do not count.
            let mut is_below = [true; LANES];
            for (flag, value) in is_below.iter_mut().zip(lanes(&self.values, start)) {
                *flag = *value > 0.0;
            }
            for (column, value) in self.columns().zip(row) {
                for (flag, other) in is_below.iter_mut().zip(lanes(column, start)) {
                    *flag &= *other <= *value;
                }
            }
            if is_any(is_below) {
                return self.drop_covered_from(start, row);
            }
            start += LANES;
        }
    }

    #[inline(always)]
    fn drop_covered_from(&mut self, start: usize, row: &[f64]) {
        let mut kept = start;
        for idx in start..self.n_rows {
            let value = |column: &[f64]| column.get(idx).copied().unwrap_or(0.0);
            if self.columns().zip(row).any(|(column, limit)| value(column) > *limit) {
                if kept < idx {
                    for column in self.columns_mut() {
                        let value = value(column);
                        if let Some(slot) = column.get_mut(kept) {
                            *slot = value;
                        }
                    }
                }
                kept += 1;
            }
        }
        self.clear_from(kept);
        self.n_rows = kept;
    }

    #[inline(always)]
    fn clear_from(&mut self, start: usize) {
        let n_rows = self.n_rows;
        for column in self.columns_mut() {
            if let Some(rows) = column.get_mut(start..n_rows) {
                rows.fill(0.0);
            }
        }
    }
}
