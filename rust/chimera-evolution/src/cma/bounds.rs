//! Bounds by a change of variable: the strategy searches all reals, its rows are mapped into the box.
//!
//! Well inside the box the map is the identity; within a margin of each bound it is a parabola that
//! meets the bound with slope 0, and beyond it is mirrored (the boundary transformation of Hansen's
//! `cma` notes). It is continuous and smooth, so the strategy sees no cliff, and an optimum on a bound
//! is an ordinary optimum. Rows are always inside the bounds.

use serde::{Deserialize, Serialize};

use crate::simd::dispatch;

/// The map of every gene. Genes must have `lower < upper`; either may be infinite.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Transform {
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// Where the identity begins and ends.
    inner_lower: Vec<f64>,
    inner_upper: Vec<f64>,
    is_free: bool,
}

/// Half the width of the parabola at a bound.
fn margin(bound: f64, lower: f64, upper: f64) -> f64 {
    f64::midpoint(upper, -lower).min((1.0 + bound.abs()) / 20.0)
}

impl Transform {
    /// The map onto these bounds.
    #[must_use]
    pub fn new(lower: Vec<f64>, upper: Vec<f64>) -> Self {
        let pairs = || lower.iter().copied().zip(upper.iter().copied());
        let inner_lower = pairs()
            .map(
                |(lower, upper)| {
                    if lower.is_finite() { lower + margin(lower, lower, upper) } else { lower }
                },
            )
            .collect();
        let inner_upper = pairs()
            .map(
                |(lower, upper)| {
                    if upper.is_finite() { upper - margin(upper, lower, upper) } else { upper }
                },
            )
            .collect();
        let is_free = lower.iter().chain(&upper).all(|bound| bound.is_infinite());
        Self { lower, upper, inner_lower, inner_upper, is_free }
    }

    /// Maps a row of the strategy into the box.
    pub fn apply(&self, row: &mut [f64]) {
        if self.is_free {
            return;
        }
        // Counted without branches: a NaN cannot come here.
        let is_inner = dispatch(
            #[inline(always)]
            || {
                let bounds = self.inner_lower.iter().zip(&self.inner_upper);
                let each = row.iter().zip(bounds);
                each.fold(0, |n, (x, (low, high))| n + u32::from(x < low) + u32::from(x > high))
                    == 0
            },
        );
        if is_inner {
            return;
        }
        let bounds = self.lower.iter().zip(&self.upper);
        let inner = self.inner_lower.iter().zip(&self.inner_upper);
        for ((x, (lower, upper)), (inner_lower, inner_upper)) in
            row.iter_mut().zip(bounds).zip(inner)
        {
            if !(*x >= *inner_lower && *x <= *inner_upper) {
                let below = if lower.is_finite() { inner_lower - lower } else { 0.0 };
                let above = if upper.is_finite() { upper - inner_upper } else { 0.0 };
                *x = into_box(*x, *lower, *upper, below, above);
            }
        }
    }

    /// A point that [`Transform::apply`] maps to `row`, the one nearest to the box.
    pub fn invert(&self, row: &mut [f64]) {
        let bounds = self.lower.iter().zip(&self.upper);
        let inner = self.inner_lower.iter().zip(&self.inner_upper);
        for ((x, (lower, upper)), (inner_lower, inner_upper)) in
            row.iter_mut().zip(bounds).zip(inner)
        {
            if *x < *inner_lower {
                let margin = inner_lower - lower;
                *x = lower - margin + 2.0 * (margin * (*x - lower).max(0.0)).sqrt();
            } else if *x > *inner_upper {
                let margin = upper - inner_upper;
                *x = upper + margin - 2.0 * (margin * (upper - *x).max(0.0)).sqrt();
            }
        }
    }
}

/// Maps one gene that is not in the region of the identity.
fn into_box(x: f64, lower: f64, upper: f64, below: f64, above: f64) -> f64 {
    let x = mirror(x, lower - below, upper + above);
    let y = if lower.is_finite() && x < lower + below {
        let distance = x - (lower - below);
        lower + distance * distance / (4.0 * below)
    } else if upper.is_finite() && x > upper - above {
        let distance = (upper + above) - x;
        upper - distance * distance / (4.0 * above)
    } else {
        x
    };
    y.clamp(lower, upper)
}

/// Reflects at `low` and `high` until inside; either may be infinite.
fn mirror(x: f64, low: f64, high: f64) -> f64 {
    if x >= low && x <= high {
        return x;
    }
    if high.is_infinite() {
        return low + (low - x);
    }
    if low.is_infinite() {
        return high - (x - high);
    }
    let span = high - low;
    let offset = (x - low).rem_euclid(2.0 * span);
    low + offset.min(2.0 * span - offset)
}
