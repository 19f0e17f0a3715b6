//! How well a tree fits: mean squared error, with the best slope and intercept (Keijzer, 2003).
//!
//! Sums run in 64 bits over a fixed number of partial sums, so they do not depend on the processor.

use serde::{Deserialize, Serialize};

use super::math;
use crate::error::{Error, Result};
use crate::numeric::f64::ln;
use crate::simd;

const LANES: usize = 16;

/// What trees are fitted to: one number a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Target {
    values: Vec<f64>,
    centred: Vec<f64>,
    mean: f64,
    variance: f64,
}

impl Target {
    /// The values, copied.
    ///
    /// # Errors
    /// No values, or one that is not finite or above 1e30 in magnitude.
    pub fn new(values: &[f64]) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::batch("y", "at least one value", "none"));
        }
        if let Some(idx) = values.iter().position(|value| !(value.abs() <= 1e30)) {
            return Err(Error::batch(
                "y",
                "finite values up to 1e30",
                format!("another in row {idx}"),
            ));
        }
        let n = values.len() as f64;
        let mean = sum(values, |value| value) / n;
        let centred: Vec<f64> = values.iter().map(|value| value - mean).collect();
        let variance = sum(&centred, |value| value * value) / n;
        Ok(Self { values: values.to_vec(), centred, mean, variance })
    }

    /// One number a row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Their mean squared distance from their mean.
    pub const fn variance(&self) -> f64 {
        self.variance
    }

    /// How well predictions fit, with the best slope and intercept when `is_scaled`.
    pub fn fit(&self, predictions: &[f32], is_scaled: bool) -> Fit {
        let n = self.values.len().max(1) as f64;
        if !is_scaled {
            let error = simd::dispatch(
                #[inline(always)]
                || squared_error(predictions, &self.values),
            ) / n;
            return Fit { error, slope: 1.0, intercept: 0.0 }.checked();
        }
        let [sxx, sxy, mean] = simd::dispatch(
            #[inline(always)]
            || moments(predictions, &self.centred),
        );
        // Spread below the rounding of the values is none: only the mean can be told.
        let is_flat = !(sxx > n * (mean * 1e-7) * (mean * 1e-7)) && sxx.is_finite();
        if is_flat {
            return Fit { error: self.variance, slope: 0.0, intercept: self.mean };
        }
        let slope = sxy / sxx;
        let error = (self.variance - slope * sxy / n).max(0.0);
        Fit { error, slope, intercept: self.mean - slope * mean }.checked()
    }
}

/// Error, slope and intercept of a tree; the model is `slope * tree + intercept`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Mean squared error; infinite when a prediction is not finite.
    pub error: f64,
    /// Factor of the tree's value.
    pub slope: f64,
    /// Added to it.
    pub intercept: f64,
}

impl Fit {
    fn checked(self) -> Self {
        if self.error.is_finite() && self.slope.is_finite() && self.intercept.is_finite() {
            self
        } else {
            Self { error: f64::INFINITY, slope: 0.0, intercept: 0.0 }
        }
    }
}

/// Sum of `term` over values, in a fixed order.
fn sum(values: &[f64], term: impl Fn(f64) -> f64) -> f64 {
    values.iter().map(|value| term(*value)).sum()
}

/// Sums of squares and products around the mean of `x`, and that mean.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the dispatched closure")]
fn moments(x: &[f32], y: &[f64]) -> [f64; 3] {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += f64::from(*x);
    }
    let mean = sums.iter().sum::<f64>() / x.len().max(1) as f64;
    let mut squares = [0.0; LANES];
    let mut products = [0.0; LANES];
    let (targets, targets_rest) = y.as_chunks::<LANES>();
    for (chunk, targets) in chunks.iter().zip(targets) {
        for (((square, product), x), y) in
            squares.iter_mut().zip(&mut products).zip(chunk).zip(targets)
        {
            let x = f64::from(*x) - mean;
            *square += x * x;
            *product += x * y;
        }
    }
    for (((square, product), x), y) in
        squares.iter_mut().zip(&mut products).zip(rest).zip(targets_rest)
    {
        let x = f64::from(*x) - mean;
        *square += x * x;
        *product += x * y;
    }
    [squares.iter().sum(), products.iter().sum(), mean]
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the dispatched closure")]
fn squared_error(x: &[f32], y: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (targets, targets_rest) = y.as_chunks::<LANES>();
    for (chunk, targets) in chunks.iter().zip(targets) {
        for ((sum, x), y) in sums.iter_mut().zip(chunk).zip(targets) {
            let error = f64::from(*x) - y;
            *sum += error * error;
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(rest).zip(targets_rest) {
        let error = f64::from(*x) - y;
        *sum += error * error;
    }
    sums.iter().sum()
}

/// Probability of the first class by the logistic function.
#[expect(clippy::cast_possible_truncation, reason = "clamped, and 1e-7 is close enough")]
pub fn logistic(z: f64) -> f64 {
    let z = z.clamp(-80.0, 80.0) as f32;
    1.0 / (1.0 + f64::from(math::exp(-z)))
}

/// Slope and intercept that turn a tree's values into log-odds (Platt, 1999): Newton steps on the
/// log loss with his smoothed targets. `labels` are positive for the first class.
pub fn calibrate(predictions: &[f32], labels: &[f64]) -> (f64, f64) {
    const N_STEPS: usize = 50;
    let n = predictions.len().max(1) as f64;
    let mean = predictions.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    let variance = predictions.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
    let unit = if variance > 0.0 && variance.is_finite() { variance.sqrt() } else { 1.0 };
    let n_positive = labels.iter().filter(|label| **label > 0.0).count() as f64;
    let n_negative = n - n_positive;
    let high = (n_positive + 1.0) / (n_positive + 2.0);
    let low = 1.0 / (n_negative + 2.0);
    let loss = |slope: f64, intercept: f64| {
        predictions
            .iter()
            .zip(labels)
            .map(|(x, label)| {
                let z = slope * (f64::from(*x) - mean) / unit + intercept;
                let p = logistic(z).clamp(1e-12, 1.0 - 1e-12);
                let target = if *label > 0.0 { high } else { low };
                // Up to a constant: the Brier-like surrogate would be cheaper, the log loss is right.
                -(target * ln(p) + (1.0 - target) * ln(1.0 - p))
            })
            .sum::<f64>()
    };
    let (mut slope, mut intercept) = (0.0, 0.0);
    let mut known = loss(slope, intercept);
    for _ in 0..N_STEPS {
        let [mut g0, mut g1, mut h00, mut h01, mut h11] = [0.0, 0.0, 1e-9, 0.0, 1e-9];
        for (x, label) in predictions.iter().zip(labels) {
            let x = (f64::from(*x) - mean) / unit;
            let p = logistic(slope * x + intercept);
            let target = if *label > 0.0 { high } else { low };
            let (d, w) = (p - target, (p * (1.0 - p)).max(1e-12));
            g0 += d * x;
            g1 += d;
            h00 += w * x * x;
            h01 += w * x;
            h11 += w;
        }
        let det = h00 * h11 - h01 * h01;
        let (step0, step1) = ((h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det);
        let mut size = 1.0;
        let mut next = loss(slope - step0, intercept - step1);
        while !(next <= known) && size > 1e-6 {
            size *= 0.5;
            next = loss(slope - size * step0, intercept - size * step1);
        }
        if !(next < known) {
            break;
        }
        slope -= size * step0;
        intercept -= size * step1;
        let is_converged = known - next < 1e-10 * known.abs();
        known = next;
        if is_converged {
            break;
        }
    }
    (slope / unit, intercept - slope * mean / unit)
}
