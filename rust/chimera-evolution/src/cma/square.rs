//! A symmetric matrix of the genes, summed from rows: for updates of more rows than genes.
//!
//! Cubic time in the genes and linear in the rows, where the factors of rank one in [`super::full`]
//! take quadratic time in the rows. Its Cholesky factor is the update of CMA-ES, its exponential that
//! of xNES (by scaling and squaring; Moler & Van Loan 2003). Padded rows, as in [`super::kernel`].

use super::kernel::{Coefficients, add_scaled, multiply, pack, padded};
use crate::simd::dispatch;
use crate::threads::Threads;

/// Norm up to which the exponential's series is used as it is.
const NORM_MAX: f64 = 0.5;
/// Terms of the series at most, and what a term may be that no longer counts.
const N_TERMS_MAX: u32 = 20;
const TERM_MIN: f64 = 1e-18;
/// Pivots below this come from rounding.
const PIVOT_MIN: f64 = 1e-12;

/// The matrix and memory to work in, kept between generations.
#[derive(Clone, Debug, Default)]
pub struct Square {
    n: usize,
    values: Vec<f64>,
    product: Vec<f64>,
    coefficients: Vec<Coefficients>,
}

impl Square {
    /// Becomes `scale` times the identity for `n` genes.
    pub fn reset(&mut self, n: usize, scale: f64) {
        self.n = n;
        self.values.clear();
        self.values.resize(padded(n) * padded(n), 0.0);
        self.add_identity(scale);
    }

    /// Adds `scale` times the identity.
    pub fn add_identity(&mut self, scale: f64) {
        for value in self.values.iter_mut().step_by(padded(self.n) + 1).take(self.n) {
            *value += scale;
        }
    }

    /// Adds `gain * z zᵀ`, on and above the diagonal only.
    pub fn add(&mut self, gain: f64, z: &[f64]) {
        let (stride, values) = (padded(self.n).max(1), self.values.as_mut_slice());
        dispatch(
            #[inline(always)]
            || {
                let rows = values.chunks_exact_mut(stride).zip(z).take(self.n);
                for (idx, (row, value)) in rows.enumerate() {
                    let tail = row.get_mut(idx..).unwrap_or_default();
                    add_scaled(tail, gain * value, z.get(idx..).unwrap_or_default());
                }
            },
        );
    }

    /// Rows of the matrix.
    pub fn rows(&self) -> &[f64] {
        &self.values
    }

    /// Becomes the upper triangle `U` with `Uᵀ U` equal to the matrix.
    pub fn factorise(&mut self) {
        let (n, stride) = (self.n, padded(self.n).max(1));
        let values = self.values.as_mut_slice();
        dispatch(
            #[inline(always)]
            || {
                for idx in 0..n {
                    let (done, rest) = values.split_at_mut((idx + 1) * stride);
                    let Some(head) = done.get_mut(idx * stride + idx..) else { return };
                    let pivot = head.first().map_or(1.0, |value| value.max(PIVOT_MIN)).sqrt();
                    for value in head.iter_mut() {
                        *value /= pivot;
                    }
                    if let Some(value) = head.first_mut() {
                        *value = pivot;
                    }
                    let head = head.get(1..).unwrap_or_default();
                    for (below, row) in rest.chunks_exact_mut(stride).take(n - idx - 1).enumerate()
                    {
                        let factor = head.get(below).copied().unwrap_or(0.0);
                        let tail = row.get_mut(idx + 1 + below..).unwrap_or_default();
                        add_scaled(tail, -factor, head.get(below..).unwrap_or_default());
                    }
                }
                // What is left of the diagonal was never summed.
                for (idx, row) in values.chunks_exact_mut(stride).enumerate() {
                    row.get_mut(..idx.min(n)).unwrap_or_default().fill(0.0);
                }
            },
        );
    }

    /// Replaces `z` by the solution of `Uᵀ x = z`, after [`Square::factorise`].
    pub fn solve_transposed(&self, z: &mut [f64]) {
        let stride = padded(self.n).max(1);
        for (idx, row) in self.values.chunks_exact(stride).take(self.n).enumerate() {
            let Some(((value, tail), (pivot, above))) = z
                .get_mut(idx..)
                .and_then(<[f64]>::split_first_mut)
                .zip(row.get(idx..).and_then(<[f64]>::split_first))
            else {
                return;
            };
            *value /= pivot;
            add_scaled(tail, -*value, above);
        }
    }

    /// Becomes the exponential of the symmetric matrix whose upper triangle was summed.
    pub fn exponentiate(&mut self, threads: &Threads) {
        let (n, stride) = (self.n, padded(self.n).max(1));
        for row in 0..n {
            for column in 0..row {
                let value = self.values.get(column * stride + row).copied().unwrap_or(0.0);
                if let Some(place) = self.values.get_mut(row * stride + column) {
                    *place = value;
                }
            }
        }
        let sums = self.values.chunks_exact(stride).map(|row| row.iter().map(|v| v.abs()).sum());
        let mut norm: f64 = sums.fold(0.0, f64::max);
        let mut n_squarings = 0_u32;
        let mut scale = 1.0;
        while norm > NORM_MAX && norm.is_finite() {
            norm *= 0.5;
            scale *= 0.5;
            n_squarings += 1;
        }
        for value in &mut self.values {
            *value *= scale;
        }
        let mut n_terms = 1;
        let mut term = norm;
        while term > TERM_MIN && n_terms < N_TERMS_MAX {
            n_terms += 1;
            term *= norm / f64::from(n_terms);
        }
        // Horner's scheme: I + S (I + S/2 (I + S/3 (…))).
        pack(&self.values, stride, n, &mut self.coefficients);
        self.values.fill(0.0);
        self.add_identity(1.0);
        for term in (1..=n_terms).rev() {
            self.multiply_packed(threads);
            for value in &mut self.values {
                *value /= f64::from(term);
            }
            self.add_identity(1.0);
        }
        for _ in 0..n_squarings {
            pack(&self.values, stride, n, &mut self.coefficients);
            self.multiply_packed(threads);
        }
    }

    /// What was packed, times the matrix.
    fn multiply_packed(&mut self, threads: &Threads) {
        let stride = padded(self.n);
        self.product.resize(self.values.len(), 0.0);
        let (out, right) = (self.product.as_mut_slice(), self.values.as_slice());
        multiply(out, stride, &self.coefficients, self.n, right, 0.0, threads);
        std::mem::swap(&mut self.values, &mut self.product);
    }
}
