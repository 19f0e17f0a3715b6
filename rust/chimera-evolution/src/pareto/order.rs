//! Sorted orders of floats, by their bits.

/// A sortable value and the row it came from.
pub type Entry = (u64, u32);

/// Bits whose unsigned order is the order of the floats; both zeros give the same bits.
#[inline(always)]
pub const fn key(value: f64) -> u64 {
    let bits = (value + 0.0).to_bits();
    let sign = (bits.cast_signed() >> 63).cast_unsigned();
    bits ^ (sign | (1 << 63))
}

/// A row number as it is kept; there are fewer than 2^32 rows.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "rows are counted in 32 bits")]
pub const fn narrow(row: usize) -> u32 {
    row as u32
}

/// One row, empty when out of range.
#[inline(always)]
pub fn row_of(values: &[f64], n_columns: usize, row: u32) -> &[f64] {
    let start = row as usize * n_columns;
    values.get(start..start + n_columns).unwrap_or(&[])
}

/// Fill `entries` with the rows in ascending order of one column; equal values by row.
pub fn by_column(values: &[f64], n_columns: usize, column: usize, entries: &mut Vec<Entry>) {
    entries.clear();
    let cells = values.iter().skip(column).step_by(n_columns.max(1));
    entries.extend(cells.zip(0..).map(|(value, row)| (key(*value), row)));
    entries.sort_unstable();
}

/// Fill `entries` with the rows in lexicographic order; equal rows by number.
pub fn lexicographic(values: &[f64], n_columns: usize, entries: &mut Vec<Entry>) {
    by_column(values, n_columns, 0, entries);
    for tied in entries.chunk_by_mut(|a, b| a.0 == b.0) {
        if tied.len() > 1 {
            tied.sort_unstable_by(|a, b| {
                let rest = |entry: &Entry| row_of(values, n_columns, entry.1).iter().skip(1);
                rest(a)
                    .map(|value| key(*value))
                    .cmp(rest(b).map(|value| key(*value)))
                    .then(a.cmp(b))
            });
        }
    }
}
