//! Bounds in the genes' own type, and what to do with a gene outside them.

use serde::{Deserialize, Serialize};

use crate::numeric::Real;
use crate::space::Block;

/// Bounds of a block, rounded inwards to the genes' type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bounds<T> {
    /// Lower bound per gene.
    pub lower: Vec<T>,
    /// Upper bound per gene.
    pub upper: Vec<T>,
}

impl<T: Real> Bounds<T> {
    /// The bounds of a block.
    #[must_use]
    pub fn new(block: &Block) -> Self {
        Self {
            lower: block.lower.iter().map(|bound| T::not_below(*bound)).collect(),
            upper: block.upper.iter().map(|bound| T::not_above(*bound)).collect(),
        }
    }

    /// Number of genes.
    pub const fn n_genes(&self) -> usize {
        self.lower.len()
    }

    /// `(lower, upper)` per gene.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (T, T)> {
        self.lower.iter().copied().zip(self.upper.iter().copied())
    }
}

/// What becomes of a gene outside its bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// It moves to the bound.
    #[default]
    Clip,
    /// It is mirrored at the bound, as often as needed.
    Reflect,
    /// It enters again from the other side.
    Wrap,
    /// It is drawn anew, uniformly.
    Resample,
}

impl Repair {
    /// The gene within `lower..=upper`. `unit` is uniform in [0, 1), used by [`Repair::Resample`]
    /// only. Reflecting and wrapping need two finite bounds and clip without them; NaN becomes the
    /// lower bound.
    #[must_use]
    pub fn apply(self, gene: f64, lower: f64, upper: f64, unit: f64) -> f64 {
        if gene >= lower && gene <= upper {
            return gene;
        }
        let span = upper - lower;
        let moved = match self {
            Self::Resample if span.is_finite() => lower + unit * span,
            Self::Wrap if span.is_finite() && span > 0.0 => lower + (gene - lower).rem_euclid(span),
            Self::Reflect if span.is_finite() && span > 0.0 => {
                let folded = (gene - lower).rem_euclid(2.0 * span);
                lower + if folded > span { 2.0 * span - folded } else { folded }
            }
            _ => gene,
        };
        // Rounding, infinities and NaN end here.
        moved.at_least(lower).at_most(upper)
    }
}
