//! The covariance as a product `M Mᵀ`, updated exactly by factors of rank one: no decomposition.
//!
//! With `y = M z` at hand for every sampled row, `αC + Σ γⱼ yⱼyⱼᵀ` equals `M' M'ᵀ` for
//! `M' = √α (M + Σ βⱼ yⱼ vⱼᵀ)`, where `vⱼ` is `zⱼ` seen through the factors `I + βᵢ vᵢvᵢᵀ` before it
//! (Sherman & Morrison 1950 inverts each). It is the update of CMA-ES itself, not the first-order
//! one of MA-ES (Beyer & Sendhoff 2017), in the coordinates of MA-ES; the single factor of rank one
//! is Igel, Suttorp & Hansen 2006. `M` is kept transposed: its columns are contiguous rows here.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use serde::{Deserialize, Serialize};

use super::decomposition::Decomposition;
use super::kernel::{Coefficients, TILE_ROWS, add_scaled, dot, multiply, pack, padded};
use super::square::Square;
use crate::simd::dispatch;
use crate::threads::Threads;

/// The factor `M`, transposed and padded to a square of whole tiles.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Factor {
    n: usize,
    columns: Vec<f64>,
    #[serde(skip)]
    scratch: Scratch,
}

/// Memory of an update, kept between generations.
#[derive(Clone, Debug, Default)]
struct Scratch {
    directions: Vec<f64>,
    coordinates: Vec<f64>,
    mixed: Vec<f64>,
    gains: Vec<f64>,
    shrinks: Vec<f64>,
    coefficients: Vec<Coefficients>,
    square: Square,
    is_square: bool,
    decomposition: Decomposition,
}

impl Factor {
    /// The diagonal factor of these scales.
    #[must_use]
    pub fn new(scales: &[f64]) -> Self {
        let n = scales.len();
        let mut factor =
            Self { n, columns: vec![0.0; padded(n) * padded(n)], scratch: Scratch::default() };
        factor.reset(scales);
        factor
    }

    /// Whether it is a factor of `n` genes.
    pub fn is_whole(&self, n: usize) -> bool {
        self.n == n
            && self.columns.len() == padded(n) * padded(n)
            && self.columns.iter().all(|value| value.is_finite())
    }

    /// Becomes the diagonal factor of these scales.
    pub fn reset(&mut self, scales: &[f64]) {
        self.scratch.decomposition.invalidate();
        self.columns.fill(0.0);
        let diagonal = self.columns.iter_mut().step_by(padded(self.n) + 1);
        for (value, scale) in diagonal.zip(scales) {
            *value = *scale;
        }
    }

    /// `y = M z` for every padded row; the number of rows is a multiple of the tile's.
    pub fn apply(&mut self, z: &[f64], y: &mut [f64], threads: &Threads) {
        let stride = padded(self.n);
        pack(z, stride, self.n, &mut self.scratch.coefficients);
        multiply(y, stride, &self.scratch.coefficients, self.n, &self.columns, 0.0, threads);
    }

    /// Begins an update; rows follow by [`Factor::push`]. `is_square` sums them in a matrix of the
    /// genes, which pays when there are more rows than genes.
    pub fn begin(&mut self, is_square: bool) {
        self.scratch.is_square = is_square;
        if is_square {
            self.scratch.square.reset(self.n, 0.0);
        }
        self.scratch.directions.clear();
        self.scratch.coordinates.clear();
        self.scratch.gains.clear();
    }

    /// Adds `gain * y yᵀ`, where `y = M z`.
    pub fn push(&mut self, gain: f64, y: &[f64], z: &[f64]) {
        if self.scratch.is_square {
            self.scratch.square.add(gain, z);
            return;
        }
        self.scratch.directions.extend_from_slice(y);
        self.scratch.coordinates.extend_from_slice(z);
        self.scratch.gains.push(gain);
    }

    /// Coordinates and gains pushed since [`Factor::begin`]; none when they are summed.
    pub fn pushed(&self) -> (&[f64], &[f64]) {
        (&self.scratch.coordinates, &self.scratch.gains)
    }

    /// Scales the covariance by `keep`, adds what was pushed, and takes `path` to the coordinates of
    /// the new factor.
    pub fn finish(&mut self, keep: f64, path: &mut [f64], threads: &Threads) {
        if self.scratch.is_square {
            // With Uᵀ U = keep I + Σ γⱼ zⱼzⱼᵀ the new factor is M Uᵀ.
            self.scratch.square.add_identity(keep);
            self.scratch.square.factorise();
            self.scratch.square.solve_transposed(path);
            self.multiply_square(1.0, threads);
            return;
        }
        let stride = padded(self.n);
        let scratch = &mut self.scratch;
        let root = keep.sqrt();
        let coordinates = &mut scratch.coordinates;
        coordinates.extend_from_slice(path);
        scratch.shrinks.clear();
        let (gains, shrinks) = (&mut scratch.gains, &mut scratch.shrinks);
        dispatch(
            #[inline(always)]
            || transport(coordinates, stride, keep, gains, shrinks),
        );
        if let Some(last) = coordinates.get(gains.len() * stride..) {
            for (value, new) in path.iter_mut().zip(last) {
                *value = new / root;
            }
        }
        for (row, gain) in coordinates.chunks_exact_mut(stride).zip(gains.iter()) {
            for value in row {
                *value *= root * gain;
            }
        }
        self.add(root, threads);
    }

    /// `M B` for the natural gradient's `B = scale * exp(Σ gₖ zₖzₖᵀ)`, given `weights`, which is the
    /// square matrix of the exponential's series in terms of what was pushed.
    pub fn multiply_low_rank(&mut self, scale: f64, weights: &[f64], threads: &Threads) {
        let stride = padded(self.n);
        let scratch = &mut self.scratch;
        let n_rows = scratch.gains.len();
        let mixed = &mut scratch.mixed;
        mixed.clear();
        mixed.resize(n_rows * stride, 0.0);
        let rows = &scratch.coordinates;
        dispatch(
            #[inline(always)]
            || {
                for (out, weights) in
                    mixed.chunks_exact_mut(stride).zip(weights.chunks_exact(n_rows.max(1)))
                {
                    for (row, weight) in rows.chunks_exact(stride).zip(weights) {
                        add_scaled(out, scale * weight, row);
                    }
                }
            },
        );
        std::mem::swap(&mut scratch.mixed, &mut scratch.coordinates);
        self.add(scale, threads);
    }

    /// `M B` for the natural gradient's `B = scale * exp(Σ gₖ zₖzₖᵀ)` of rows that were summed.
    pub fn multiply_exponential(&mut self, scale: f64, threads: &Threads) {
        self.scratch.square.exponentiate(threads);
        self.multiply_square(scale, threads);
    }

    /// `scale * M Sᵀ` for the square matrix `S`.
    fn multiply_square(&mut self, scale: f64, threads: &Threads) {
        let stride = padded(self.n);
        let Scratch { square, mixed, coefficients, decomposition, .. } = &mut self.scratch;
        pack(square.rows(), stride, self.n, coefficients);
        mixed.resize(self.columns.len(), 0.0);
        multiply(mixed, stride, coefficients, self.n, &self.columns, 0.0, threads);
        if scale != 1.0 {
            for value in mixed.iter_mut() {
                *value *= scale;
            }
        }
        std::mem::swap(&mut self.columns, mixed);
        decomposition.invalidate();
    }

    /// `keep * M + Σ yⱼ cⱼᵀ` for the pushed directions and the coordinates in their place.
    fn add(&mut self, keep: f64, threads: &Threads) {
        let stride = padded(self.n);
        let scratch = &mut self.scratch;
        let n_pushed = scratch.gains.len();
        let coefficients = &mut scratch.coefficients;
        coefficients.clear();
        for start in (0..stride).step_by(TILE_ROWS) {
            for row in scratch.coordinates.chunks_exact(stride).take(n_pushed) {
                let values = row.get(start..).and_then(|row| row.first_chunk::<TILE_ROWS>());
                coefficients.push(values.copied().unwrap_or_default());
            }
        }
        let (columns, rows) = (&mut self.columns, &scratch.directions);
        multiply(columns, stride, coefficients, n_pushed, rows, keep, threads);
        self.scratch.decomposition.invalidate();
    }

    /// Variances of the genes: the diagonal of the covariance.
    pub fn variances(&self, out: &mut Vec<f64>) {
        let stride = padded(self.n);
        out.clear();
        out.resize(stride, 0.0);
        let out = out.as_mut_slice();
        dispatch(
            #[inline(always)]
            || {
                for row in self.columns.chunks_exact(stride.max(1)) {
                    for (sum, value) in out.iter_mut().zip(row) {
                        *sum = value.mul_add(*value, *sum);
                    }
                }
            },
        );
    }

    /// `z` with `M z = y`; zero where `M` is singular. The first call after a change of `M` takes
    /// cubic time in the genes, others quadratic.
    pub fn solve(&mut self, y: &[f64], z: &mut [f64]) {
        self.scratch.decomposition.prepare(&self.columns, self.n);
        self.scratch.decomposition.solve(y, z);
    }

    /// The covariance, `n` rows of `n` values, into `out`.
    pub fn covariance(&self, out: &mut [f64]) {
        let (n, stride) = (self.n, padded(self.n));
        out.fill(0.0);
        dispatch(
            #[inline(always)]
            || {
                for column in self.columns.chunks_exact(stride.max(1)) {
                    for (row, left) in out.chunks_exact_mut(n.max(1)).zip(column) {
                        for (sum, right) in row.iter_mut().zip(column) {
                            *sum = left.mul_add(*right, *sum);
                        }
                    }
                }
            },
        );
    }
}

/// Turns each row into the coordinates left by the factors before it, and each gain into the
/// coefficient of its direction. The last row has no gain: it is only taken along.
#[inline(always)]
fn transport(
    rows: &mut [f64],
    stride: usize,
    keep: f64,
    gains: &mut [f64],
    shrinks: &mut Vec<f64>,
) {
    let n_rows = gains.len();
    for idx in 0..=n_rows {
        let (done, rest) = rows.split_at_mut((idx * stride).min(rows.len()));
        let Some(row) = rest.get_mut(..stride) else { return };
        for (before, shrink) in done.chunks_exact(stride).zip(shrinks.iter()) {
            let factor = -*shrink * dot(before, row);
            add_scaled(row, factor, before);
        }
        let Some(gain) = gains.get_mut(idx) else { return };
        let relative = *gain / keep;
        let stretch = 1.0 + relative * dot(row, row);
        // Rounding only: the weights keep the covariance positive definite.
        let is_usable = stretch > 1e-12;
        let root = if is_usable { stretch.sqrt() } else { 1.0 };
        *gain = if is_usable { relative / (1.0 + root) } else { 0.0 };
        shrinks.push(*gain / root);
    }
}
