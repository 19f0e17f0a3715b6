//! From the coordinates of an emitter to genes and back.
//!
//! A strategy searches shares of each gene's range, so that its step size, its limits and its condition
//! mean the same whatever the units of the genes. Rows are mapped into the bounds by [`Transform`].

use serde::{Deserialize, Serialize};

use crate::cma::Transform;
use crate::space::Block;

/// Deviation of what is uniform in a range, as a share of its width.
const UNIFORM: f64 = 0.288_675_134_594_812_9;
/// What every emitter may grow to, in first deviations.
const GROWTH_LEAST: f64 = 3.0;
/// What an emitter may grow to, in first deviations, along a gene without two bounds.
const GROWTH_MAX: f64 = 1e3;

/// What is saved: the rest follows from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Saved {
    lower: Vec<f64>,
    upper: Vec<f64>,
    sigma: f64,
}

/// Ranges of the genes, and the map into them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct Frame {
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// First deviation of every gene, in shares of its range.
    sigma: f64,
    /// Width of each range; 1 where it is infinite or empty.
    scales: Vec<f64>,
    /// Greatest deviation of each gene, in shares.
    limits: Vec<f64>,
    transform: Transform,
}

impl From<Frame> for Saved {
    fn from(frame: Frame) -> Self {
        Self { lower: frame.lower, upper: frame.upper, sigma: frame.sigma }
    }
}

impl From<Saved> for Frame {
    fn from(saved: Saved) -> Self {
        Self::with(saved.lower, saved.upper, saved.sigma)
    }
}

impl Frame {
    /// The frame of a block whose emitters begin with deviations of `sigma` shares.
    pub fn new(block: &Block, sigma: f64) -> Self {
        Self::with(block.lower.clone(), block.upper.clone(), sigma)
    }

    fn with(lower: Vec<f64>, upper: Vec<f64>, sigma: f64) -> Self {
        let pairs = || lower.iter().copied().zip(upper.iter().copied());
        let is_bounded = |(low, high): (f64, f64)| high - low < f64::INFINITY && high > low;
        let scale = |pair: (f64, f64)| if is_bounded(pair) { pair.1 - pair.0 } else { 1.0 };
        let limit = |pair| {
            if is_bounded(pair) { UNIFORM.max(GROWTH_LEAST * sigma) } else { GROWTH_MAX * sigma }
        };
        // Genes without freedom stay out of the transform; they are set when a row is mapped.
        let free = |is_free: bool, bound: f64, free: f64| if is_free { bound } else { free };
        let transform = Transform::new(
            pairs().map(|(low, high)| free(low < high, low, f64::NEG_INFINITY)).collect(),
            pairs().map(|(low, high)| free(low < high, high, f64::INFINITY)).collect(),
        );
        Self {
            scales: pairs().map(scale).collect(),
            limits: pairs().map(limit).collect(),
            transform,
            lower,
            upper,
            sigma,
        }
    }

    /// Whether it is the frame of this block and this first deviation.
    pub fn fits(&self, block: &Block, sigma: f64) -> bool {
        self.lower == block.lower && self.upper == block.upper && self.sigma == sigma
    }

    /// Greatest deviation of each gene, in shares.
    ///
    /// Beyond that of uniform samples an emitter covers the whole range: it has no direction left, its
    /// step size drifts upwards, and what was an evolution strategy searches at random.
    pub fn limits(&self) -> &[f64] {
        &self.limits
    }

    /// Turns shares into genes within the bounds.
    pub fn to_genes(&self, row: &mut [f64]) {
        for (value, scale) in row.iter_mut().zip(&self.scales) {
            *value *= scale;
        }
        self.transform.apply(row);
        for (gene, (low, high)) in row.iter_mut().zip(self.lower.iter().zip(&self.upper)) {
            *gene = gene.clamp(*low, *high);
        }
    }

    /// Turns genes into shares that become them again.
    pub fn to_shares(&self, row: &mut [f64]) {
        self.transform.invert(row);
        for (value, scale) in row.iter_mut().zip(&self.scales) {
            *value /= scale;
        }
    }
}
