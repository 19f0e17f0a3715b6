//! The space as a strategy sees it: genes that can move, kept inside their bounds.
//!
//! A strategy samples all reals, and a sample outside the bounds is evaluated at the nearest point
//! inside: an optimum on bounds is met exactly. Beyond a bound the objective is flat, so two things
//! keep the distribution from straying: [`super::rank`] weighs how far outside a sample lies, which
//! matters while it is wide; and the mean stays within a few deviations of the bounds, so that a
//! narrow one still samples on both sides and finds back. Rows are always inside.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::simd::dispatch;
use crate::space::Block;

/// First deviation of a gene by default, as a part of the width between its bounds.
const DEVIATION: f64 = 0.3;

/// Distance outside that counts as none, as a part of that width: what is left of a distribution over
/// an optimum on a bound once it is narrow.
const SLACK: f64 = 0.02;

/// Deviations by which the mean may lie outside. Few samples then lie inside, so that genes at their
/// bounds do not drown out the others, but enough to draw the mean back.
const REACH: f64 = 3.0;

/// The first step size: one for all genes, or one for each.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Sigma {
    /// For all genes.
    One(f64),
    /// For each gene.
    Each(Vec<f64>),
}

/// The part of the genes that can move, and their bounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Frame {
    /// Indices of the genes that can move; empty when all can.
    moving: Vec<usize>,
    /// Values of all genes where some cannot move.
    fixed: Vec<f64>,
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// Width between the bounds, in which distances outside are measured; none are where it is
    /// infinite.
    widths: Vec<f64>,
    is_free: bool,
}

impl Frame {
    /// The frame of a block.
    ///
    /// # Errors
    /// Every gene has equal bounds.
    pub fn new(block: &Block) -> Result<Self> {
        let bounds = || block.lower.iter().copied().zip(block.upper.iter().copied());
        let moves = |(lower, upper): &(f64, f64)| lower < upper;
        let n_moving = bounds().filter(moves).count();
        if n_moving == 0 {
            return Err(Error::setting("bounds", "at least one gene with lower < upper", "none"));
        }
        let (lower, upper): (Vec<f64>, Vec<f64>) = bounds().filter(moves).unzip();
        let is_whole = n_moving == block.n_genes();
        Ok(Self {
            moving: if is_whole {
                Vec::new()
            } else {
                (0..).zip(bounds()).filter(|(_, pair)| moves(pair)).map(|(idx, _)| idx).collect()
            },
            fixed: if is_whole { Vec::new() } else { block.lower.clone() },
            widths: lower.iter().zip(&upper).map(|(lower, upper)| upper - lower).collect(),
            is_free: lower.iter().chain(&upper).all(|bound| bound.is_infinite()),
            lower,
            upper,
        })
    }

    /// Whether every gene can move.
    pub const fn is_whole(&self) -> bool {
        self.moving.is_empty()
    }

    /// Whether no gene has a bound.
    pub const fn is_free(&self) -> bool {
        self.is_free
    }

    /// The genes that can move, of values for all.
    #[must_use]
    pub fn gather(&self, values: &[f64]) -> Vec<f64> {
        let mut out = Vec::new();
        self.read(values, &mut out);
        out
    }

    /// The genes that can move, of a whole row.
    pub fn read(&self, row: &[f64], out: &mut Vec<f64>) {
        out.clear();
        if self.is_whole() {
            out.extend_from_slice(row);
        } else {
            out.extend(self.moving.iter().filter_map(|idx| row.get(*idx)));
        }
    }

    /// Lays a sample out as a whole row inside the bounds; `scratch` is memory.
    pub fn lay_out(&self, out: &mut [f64], scratch: &mut Vec<f64>, write: impl Fn(&mut [f64])) {
        if self.is_whole() {
            write(out);
            self.clip(out);
            return;
        }
        scratch.resize(self.moving.len(), 0.0);
        write(scratch);
        self.clip(scratch);
        out.copy_from_slice(&self.fixed);
        for (idx, value) in self.moving.iter().zip(scratch) {
            if let Some(place) = out.get_mut(*idx) {
                *place = *value;
            }
        }
    }

    fn clip(&self, sample: &mut [f64]) {
        if self.is_free {
            return;
        }
        dispatch(
            #[inline(always)]
            || {
                let bounds = self.lower.iter().zip(&self.upper);
                for (x, (lower, upper)) in sample.iter_mut().zip(bounds) {
                    *x = if *x < *lower { *lower } else { *x };
                    *x = if *x > *upper { *upper } else { *x };
                }
            },
        );
    }

    /// Bounds of the genes that can move.
    pub fn bounds(&self) -> (&[f64], &[f64]) {
        (&self.lower, &self.upper)
    }

    /// Whether some gene of a sample lies outside.
    #[must_use]
    pub fn is_outside(&self, sample: &[f64]) -> bool {
        if self.is_free {
            return false;
        }
        let n_outside = dispatch(
            #[inline(always)]
            || {
                let bounds = self.lower.iter().zip(&self.upper);
                sample.iter().zip(bounds).fold(0_u32, |n, (x, (lower, upper))| {
                    n + u32::from(x < lower) + u32::from(x > upper)
                })
            },
        );
        n_outside > 0
    }

    /// How far a sample lies outside: the squared distance, in widths.
    #[must_use]
    pub fn outside(&self, sample: &[f64]) -> f64 {
        if !self.is_outside(sample) {
            return 0.0;
        }
        let bounds = self.lower.iter().zip(&self.upper);
        let genes = sample.iter().zip(bounds).zip(&self.widths);
        genes.fold(0.0, |sum, ((x, (lower, upper)), width)| {
            let distance = ((lower - x).max(x - upper) / width - SLACK).max(0.0);
            distance.mul_add(distance, sum)
        })
    }
}

/// Moves a mean that lies further outside than so many deviations back to there.
pub fn confine(
    mean: &mut [f64],
    (lower, upper): (&[f64], &[f64]),
    deviations: impl Iterator<Item = f64>,
) {
    let bounds = lower.iter().zip(upper);
    for ((x, (lower, upper)), deviation) in mean.iter_mut().zip(bounds).zip(deviations) {
        let reach = REACH * deviation;
        *x = x.max(lower - reach).min(upper + reach);
    }
}

/// Where a search begins: the row itself, then standard deviations of the genes that can move.
///
/// # Errors
/// Values missing for genes without bounds, of another number, or outside their range.
pub fn start(
    block: &Block,
    frame: &Frame,
    x0: Option<Vec<f64>>,
    sigma: Option<&Sigma>,
) -> Result<(Vec<f64>, f64, Vec<f64>)> {
    let n = block.n_genes();
    let bounds = || block.lower.iter().zip(&block.upper);
    let x0 = match x0 {
        Some(x0) => x0,
        None if block.is_bounded() => {
            bounds().map(|(lower, upper)| f64::midpoint(*lower, *upper)).collect()
        }
        None => return Err(Error::setting("x0", "a value where a bound is infinite", "none")),
    };
    if x0.len() != n {
        return Err(Error::setting("x0", format!("{n} values"), x0.len()));
    }
    let inside =
        |(x, (lower, upper)): (&f64, (&f64, &f64))| x.is_finite() && x >= lower && x <= upper;
    if let Some(idx) = x0.iter().zip(bounds()).position(|pair| !inside(pair)) {
        let value = x0.get(idx).copied().unwrap_or_default();
        return Err(Error::setting(
            "x0",
            "finite values inside the bounds",
            format!("{value} at gene {idx}"),
        ));
    }
    let (sigma, scales) = match sigma {
        Some(Sigma::One(sigma)) => (*sigma, vec![1.0; frame.gather(&x0).len()]),
        Some(Sigma::Each(each)) if each.len() == n => (1.0, frame.gather(each)),
        Some(Sigma::Each(each)) => {
            return Err(Error::setting("sigma", format!("1 or {n} values"), each.len()));
        }
        None if block.is_bounded() => {
            let widths: Vec<f64> = bounds().map(|(lower, upper)| upper - lower).collect();
            (DEVIATION, frame.gather(&widths))
        }
        None => return Err(Error::setting("sigma", "a value where a bound is infinite", "none")),
    };
    if !(sigma.is_finite() && sigma > 0.0) {
        return Err(Error::setting("sigma", "finite and above 0", sigma));
    }
    // One step size with relative scales: their greatest is 1.
    let most = scales.iter().copied().fold(0.0, f64::max);
    if !(most.is_finite() && most > 0.0) {
        return Err(Error::setting("sigma", "finite and above 0 for every gene", most));
    }
    Ok((x0, sigma * most, scales.iter().map(|scale| scale / most).collect()))
}
