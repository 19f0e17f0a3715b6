//! Small dense kernels on rows padded to a multiple of [`LANES`]: no allocation, fixed order of sums.
//!
//! Matrices are row-major with a stride that is a multiple of [`LANES`]; what lies beyond the last
//! column is zero and stays zero. Every element is summed in one fixed order by fused
//! multiply-adds, so all processors and all numbers of threads give the same bits.

use chimera_rng::Stream;

use crate::simd::dispatch;
use crate::threads::Threads;

/// Rows are padded to a multiple of this.
pub const LANES: usize = 8;

/// Rows that one tile of [`multiply`] works on.
pub const TILE_ROWS: usize = 4;

/// Rows of the output that one thread takes at a time.
const PANEL_ROWS: usize = 32;

/// Multiply-adds from which several threads pay.
const WORTH_THREADS: usize = 1 << 18;

/// `n` rounded up to whole rows of [`LANES`].
pub const fn padded(n: usize) -> usize {
    n.next_multiple_of(LANES)
}

/// A block of [`TILE_ROWS`] coefficients that share a row of the right factor.
pub type Coefficients = [f64; TILE_ROWS];

#[inline(always)]
fn tile<const W: usize>(
    out: &mut [f64],
    stride: usize,
    column: usize,
    coefficients: &[Coefficients],
    right: &[f64],
    keep: f64,
) {
    let mut sums = [[0.0; W]; TILE_ROWS];
    if keep != 0.0 {
        for (sum, row) in sums.iter_mut().zip(out.chunks_exact(stride)) {
            if let Some(values) = row.get(column..).and_then(|row| row.first_chunk::<W>()) {
                for (sum, value) in sum.iter_mut().zip(values) {
                    *sum = keep * value;
                }
            }
        }
    }
    for (factors, row) in coefficients.iter().zip(right.chunks_exact(stride)) {
        let Some(values) = row.get(column..).and_then(|row| row.first_chunk::<W>()) else {
            return;
        };
        for (sum, factor) in sums.iter_mut().zip(factors) {
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum = factor.mul_add(*value, *sum);
            }
        }
    }
    for (sum, row) in sums.iter().zip(out.chunks_exact_mut(stride)) {
        if let Some(place) = row.get_mut(column..).and_then(|row| row.first_chunk_mut::<W>()) {
            *place = *sum;
        }
    }
}

#[inline(always)]
fn panel(
    out: &mut [f64],
    stride: usize,
    coefficients: &[Coefficients],
    n_inner: usize,
    right: &[f64],
    keep: f64,
) {
    let mut column = 0;
    while column < stride {
        let is_wide = column + 2 * LANES <= stride;
        let blocks = out.chunks_exact_mut(stride * TILE_ROWS);
        for (block, factors) in blocks.zip(coefficients.chunks_exact(n_inner)) {
            if is_wide {
                tile::<{ 2 * LANES }>(block, stride, column, factors, right, keep);
            } else {
                tile::<LANES>(block, stride, column, factors, right, keep);
            }
        }
        column += if is_wide { 2 * LANES } else { LANES };
    }
}

/// `out = keep * out + left * right`, where `left` comes as blocks of [`TILE_ROWS`] rows, `n_inner`
/// coefficients a block, and `right` has `n_inner` rows. `out` has whole blocks of rows.
pub fn multiply(
    out: &mut [f64],
    stride: usize,
    coefficients: &[Coefficients],
    n_inner: usize,
    right: &[f64],
    keep: f64,
    threads: &Threads,
) {
    if n_inner == 0 || stride == 0 {
        return;
    }
    let is_worth_it = threads.n() > 1 && out.len() * n_inner >= WORTH_THREADS;
    if !is_worth_it {
        return dispatch(
            #[inline(always)]
            || panel(out, stride, coefficients, n_inner, right, keep),
        );
    }
    threads.for_each_chunk(out, stride * PANEL_ROWS, true, |idx, rows| {
        let first = idx * PANEL_ROWS / TILE_ROWS * n_inner;
        let factors = coefficients.get(first..).unwrap_or(&[]);
        dispatch(
            #[inline(always)]
            || panel(rows, stride, factors, n_inner, right, keep),
        );
    });
}

/// Lays rows out as the left factor of [`multiply`]: blocks of [`TILE_ROWS`] rows, `n_inner` each.
pub fn pack(rows: &[f64], stride: usize, n_inner: usize, out: &mut Vec<Coefficients>) {
    out.clear();
    for block in rows.chunks_exact(stride * TILE_ROWS) {
        let start = out.len();
        out.resize(start + n_inner, [0.0; TILE_ROWS]);
        for (place, row) in block.chunks_exact(stride).enumerate() {
            for (factors, value) in out.iter_mut().skip(start).zip(row) {
                if let Some(factor) = factors.get_mut(place) {
                    *factor = *value;
                }
            }
        }
    }
}

/// Inner product of two padded rows.
#[inline(always)]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = a.mul_add(*b, *sum);
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// `y += factor * x`.
#[inline(always)]
pub fn add_scaled(y: &mut [f64], factor: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = factor.mul_add(*x, *y);
    }
}

/// Fills `out` with standard normals of one stream.
#[inline]
pub fn fill_normal(stream: &mut Stream, out: &mut [f64]) {
    for value in out {
        *value = stream.normal();
    }
}
