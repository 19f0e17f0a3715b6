//! Small dense kernels on rows padded to a multiple of [`LANES`]: no allocation, fixed order of sums.
//!
//! Matrices are row-major with a stride that is a multiple of [`LANES`]; what lies beyond the last
//! column is zero and stays zero. Every element is summed in one fixed order by fused
//! multiply-adds, so all processors and all numbers of threads give the same bits.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use chimera_rng::Lanes;
use pulp::{Arch, Simd, WithSimd};

use crate::numeric::fill_normal_f64;
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

/// One call of [`multiply`] on one thread: explicit vectors, since the compiler does not find them.
struct Panel<'a> {
    out: &'a mut [f64],
    stride: usize,
    coefficients: &'a [Coefficients],
    n_inner: usize,
    right: &'a [f64],
    keep: f64,
}

impl WithSimd for Panel<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let stride = self.stride / S::F64_LANES;
        let out = S::as_mut_simd_f64s(self.out).0;
        let right = S::as_simd_f64s(self.right).0;
        let mut column = 0;
        while column < stride {
            let width = (stride - column).min(3);
            let blocks = out.chunks_exact_mut(stride * TILE_ROWS);
            for (block, factors) in blocks.zip(self.coefficients.chunks_exact(self.n_inner)) {
                let place = Place { stride, column, keep: self.keep };
                match width {
                    3 => tile::<S, 3>(simd, block, &place, factors, right),
                    2 => tile::<S, 2>(simd, block, &place, factors, right),
                    _ => tile::<S, 1>(simd, block, &place, factors, right),
                }
            }
            column += width;
        }
    }
}

/// Where a tile lies, in vectors, and what it keeps of what was there.
struct Place {
    stride: usize,
    column: usize,
    keep: f64,
}

/// [`TILE_ROWS`] rows of `V` vectors, summed in registers.
#[inline(always)]
fn tile<S: Simd, const V: usize>(
    simd: S,
    out: &mut [S::f64s],
    place: &Place,
    coefficients: &[Coefficients],
    right: &[S::f64s],
) {
    let zero = simd.splat_f64s(0.0);
    let mut sums = [[zero; V]; TILE_ROWS];
    if place.keep != 0.0 {
        let keep = simd.splat_f64s(place.keep);
        for (sum, row) in sums.iter_mut().zip(out.chunks_exact(place.stride)) {
            if let Some(values) = row.get(place.column..).and_then(|row| row.first_chunk::<V>()) {
                *sum = values.map(|value| simd.mul_f64s(keep, value));
            }
        }
    }
    let rows = right.get(place.column..).unwrap_or(&[]).chunks(place.stride);
    for (factors, row) in coefficients.iter().zip(rows) {
        let Some(values) = row.first_chunk::<V>() else { break };
        for (sum, factor) in sums.iter_mut().zip(factors) {
            let factor = simd.splat_f64s(*factor);
            for (sum, value) in sum.iter_mut().zip(values) {
                *sum = simd.mul_add_f64s(factor, *value, *sum);
            }
        }
    }
    for (sum, row) in sums.iter().zip(out.chunks_exact_mut(place.stride)) {
        if let Some(place) = row.get_mut(place.column..).and_then(|row| row.first_chunk_mut::<V>())
        {
            *place = *sum;
        }
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
    let arch = Arch::new();
    if !is_worth_it {
        return arch.dispatch(Panel { out, stride, coefficients, n_inner, right, keep });
    }
    threads.for_each_chunk(out, stride * PANEL_ROWS, true, |idx, out| {
        let first = idx * PANEL_ROWS / TILE_ROWS * n_inner;
        let coefficients = coefficients.get(first..).unwrap_or(&[]);
        arch.dispatch(Panel { out, stride, coefficients, n_inner, right, keep });
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

/// Fills `out` with the standard normals of one key.
pub fn fill_normal(seed: u64, step: u64, index: u64, out: &mut [f64]) {
    dispatch(
        #[inline(always)]
        || fill_normal_f64(&mut Lanes::new(seed, step, index), out),
    );
}
