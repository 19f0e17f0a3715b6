//! A diagonal covariance: linear time and memory, for separable or very large problems.
//!
//! Source: Ros & Hansen, "A Simple Modification in CMA-ES Achieving Linear Time and Space
//! Complexity" (2008).

use serde::{Deserialize, Serialize};

use super::kernel::padded;
use crate::simd::dispatch;

/// Standard deviation of every gene, padded.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Diagonal {
    scales: Vec<f64>,
    #[serde(skip)]
    sums: Vec<f64>,
}

impl Diagonal {
    /// These deviations.
    #[must_use]
    pub fn new(scales: &[f64]) -> Self {
        let mut values = scales.to_vec();
        values.resize(padded(scales.len()), 0.0);
        Self { scales: values, sums: Vec::new() }
    }

    /// Becomes these deviations.
    pub fn reset(&mut self, scales: &[f64]) {
        for (value, scale) in self.scales.iter_mut().zip(scales) {
            *value = *scale;
        }
    }

    /// `y = D z` for every padded row.
    pub fn apply(&self, z: &[f64], y: &mut [f64]) {
        let stride = self.scales.len().max(1);
        dispatch(
            #[inline(always)]
            || {
                for (y, z) in y.chunks_exact_mut(stride).zip(z.chunks_exact(stride)) {
                    for ((y, z), scale) in y.iter_mut().zip(z).zip(&self.scales) {
                        *y = z * scale;
                    }
                }
            },
        );
    }

    /// Begins an update; rows follow by [`Diagonal::push`].
    pub fn begin(&mut self) {
        self.sums.clear();
        self.sums.resize(self.scales.len(), 0.0);
    }

    /// Adds `gain * y * y` to the variances.
    pub fn push(&mut self, gain: f64, y: &[f64]) {
        let sums = self.sums.as_mut_slice();
        dispatch(
            #[inline(always)]
            || {
                for (sum, y) in sums.iter_mut().zip(y) {
                    *sum = (gain * y).mul_add(*y, *sum);
                }
            },
        );
    }

    /// Scales the variances by `keep` and adds what was pushed. A variance that would not stay
    /// positive keeps a small part of what it was.
    pub fn finish(&mut self, keep: f64) {
        let (scales, sums) = (self.scales.as_mut_slice(), &self.sums);
        dispatch(
            #[inline(always)]
            || {
                for (scale, sum) in scales.iter_mut().zip(sums) {
                    let old = *scale * *scale;
                    let new = keep.mul_add(old, *sum);
                    *scale = new.max(0.01 * old).sqrt();
                }
            },
        );
    }

    /// Deviations, padded.
    pub fn scales(&self) -> &[f64] {
        &self.scales
    }
}
