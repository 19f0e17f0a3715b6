//! Separable CMA-ES on the tunable parameters of one skeleton, as resumable ask/tell state.
//!
//! Ros & Hansen, "A Simple Modification in CMA-ES Achieving Linear Time and Space Complexity" (2008),
//! with cumulative step-size adaptation, and changes for programs: parameters have their own initial
//! scale, integers are rounded with a floor on their spread, and equal losses share their recombination
//! weight, because objectives of programs are often stepwise. With few parameters the first step spreads
//! its samples over two decades of step size and keeps the scale that wins.

use serde::{Deserialize, Serialize};

use crate::rng::Stream;
use crate::rng::math::{exp, ln, pow};

/// One coordinate of the search space.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Coordinate {
    /// Where the search starts.
    pub start: f64,
    /// The expected distance to a better value; 0 keeps the value fixed.
    pub scale: f64,
    /// Whether values are rounded to integers.
    pub is_integer: bool,
}

/// The state of one strategy. Losses are minimised; `NaN` is worst.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    coordinates: Vec<Coordinate>,
    mean: Vec<f64>,
    sigma: f64,
    variances: Vec<f64>,
    path_sigma: Vec<f64>,
    path_variance: Vec<f64>,
    n_steps: u64,
    n_samples: usize,
    is_scouting: bool,
    pending: Vec<Vec<f64>>,
}

/// Decades of step size that the first step tries, from `SCALE_LOW` upwards.
const SCALE_DECADES: f64 = 2.0;
const SCALE_LOW: f64 = 0.02;
/// With more free coordinates than this the first step does not try scales: the centre of large tables
/// improves under noise that makes every single sample worse, so samples cannot tell the right scale.
const N_SCOUT_MAX: usize = 20;
/// Step size of large tables, in units of their range of values.
const SIGMA_START: f64 = 0.2;
/// Smallest standard deviation of an integer coordinate.
const INTEGER_SPREAD_MIN: f64 = 0.3;
/// Values stay within this magnitude.
const VALUE_MAX: f64 = 1e12;

const fn count(n: usize) -> f64 {
    n as f64
}

impl Strategy {
    /// A strategy around the starting values, with at least `n_samples_min` samples per step.
    #[must_use]
    pub fn new(coordinates: Vec<Coordinate>, n_samples_min: usize) -> Self {
        let n = coordinates.len();
        let n_free = coordinates.iter().filter(|coordinate| coordinate.scale > 0.0).count();
        let default = 4.0 + (3.0 * ln(count(n_free.max(1)))).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small positive count"
        )]
        let n_samples = (default as usize).max(n_samples_min).max(4);
        Self {
            mean: vec![0.0; n],
            sigma: if n_free > N_SCOUT_MAX { SIGMA_START } else { 0.0 },
            is_scouting: n_free <= N_SCOUT_MAX,
            variances: vec![1.0; n],
            path_sigma: vec![0.0; n],
            path_variance: vec![0.0; n],
            n_steps: 0,
            n_samples,
            pending: Vec::new(),
            coordinates,
        }
    }

    /// The number of coordinates.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.coordinates.len()
    }

    /// The number of coordinates that are not fixed.
    #[must_use]
    pub fn n_free(&self) -> usize {
        self.coordinates.iter().filter(|coordinate| coordinate.scale > 0.0).count()
    }

    /// The current step size, in units of the coordinates' scales; 0 while it is unknown.
    #[must_use]
    pub fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Shrinks the step size, for a restart near a good point.
    pub fn narrow(&mut self, factor: f64) {
        self.sigma *= factor;
    }

    /// Whether the next step tries several step sizes and wants to know the loss of the start.
    #[must_use]
    pub const fn is_scouting(&self) -> bool {
        self.is_scouting
    }

    /// Whether the sampling distribution has collapsed.
    #[must_use]
    pub fn is_collapsed(&self) -> bool {
        let widest = self.variances.iter().copied().fold(0.0, f64::max).sqrt();
        self.n_steps > 0 && !self.is_scouting && self.sigma * widest < 1e-12
    }

    /// Steps told so far.
    #[must_use]
    pub const fn n_steps(&self) -> u64 {
        self.n_steps
    }

    /// The centre of the distribution as parameter values.
    #[must_use]
    pub fn centre(&self) -> Vec<f64> {
        self.values(&self.mean)
    }

    /// Moves the centre to given values and keeps the distribution's shape.
    pub fn recentre(&mut self, values: &[f64]) {
        for ((mean, coordinate), value) in self.mean.iter_mut().zip(&self.coordinates).zip(values) {
            if coordinate.scale > 0.0 {
                *mean = (value - coordinate.start) / coordinate.scale;
            }
        }
    }

    fn values(&self, point: &[f64]) -> Vec<f64> {
        let value = |(coordinate, x): (&Coordinate, &f64)| {
            let value = (coordinate.start + coordinate.scale * x).clamp(-VALUE_MAX, VALUE_MAX);
            if coordinate.is_integer { value.round() } else { value }
        };
        self.coordinates.iter().zip(point).map(value).collect()
    }

    /// Draws the samples of the next step: `n_samples` rows of parameter values.
    pub fn ask(&mut self, stream: &mut Stream) -> Vec<Vec<f64>> {
        let n_samples = self.n_samples;
        let mut pending = Vec::with_capacity(n_samples);
        for idx in 0..n_samples {
            let sigma = if self.is_scouting {
                let level = count(idx) / count(n_samples - 1);
                SCALE_LOW * pow(10.0, SCALE_DECADES * level)
            } else {
                self.sigma
            };
            let row = self.mean.iter().zip(&self.variances).zip(&self.coordinates);
            let row = row.map(|((mean, variance), coordinate)| {
                let mut spread = sigma * variance.sqrt();
                if coordinate.scale <= 0.0 {
                    return *mean;
                }
                if coordinate.is_integer {
                    spread = spread.max(INTEGER_SPREAD_MIN / coordinate.scale);
                }
                mean + spread * stream.normal()
            });
            pending.push(row.collect());
        }
        self.pending = pending;
        self.pending.iter().map(|point| self.values(point)).collect()
    }

    /// Learns from the losses of the rows that [`Self::ask`] returned, in their order.
    ///
    /// `reference` is the loss of the starting point on the same instances, when known: the first step
    /// uses it to find the largest scale at which samples are not all worse.
    pub fn tell(&mut self, losses: &[f64], reference: Option<f64>) {
        let points = std::mem::take(&mut self.pending);
        if points.len() != losses.len() || points.is_empty() {
            return;
        }
        let weights = tied_weights(losses);
        if self.is_scouting {
            self.is_scouting = false;
            self.first_step(&points, losses, &weights, reference);
        } else {
            self.step(&points, &weights);
        }
        self.n_steps += 1;
    }

    /// Chooses the step size: the weighted geometric mean of the scales of the better samples.
    fn first_step(
        &mut self,
        points: &[Vec<f64>],
        losses: &[f64],
        weights: &[f64],
        reference: Option<f64>,
    ) {
        let mut weights = weights.to_vec();
        let reference = reference.unwrap_or(f64::INFINITY);
        if losses.iter().any(|loss| *loss < reference) {
            for (weight, loss) in weights.iter_mut().zip(losses) {
                if loss.is_nan() || *loss >= reference {
                    *weight = 0.0;
                }
            }
        }
        let total: f64 = weights.iter().sum();
        let mut level = 0.0;
        for (idx, weight) in weights.iter().enumerate() {
            level += weight / total.max(f64::MIN_POSITIVE) * count(idx) / count(points.len() - 1);
        }
        self.sigma = SCALE_LOW * pow(10.0, SCALE_DECADES * level);
        for (idx, mean) in self.mean.iter_mut().enumerate() {
            let shift =
                weighted(points, &weights, |point| point.get(idx).map_or(0.0, |x| x - *mean));
            *mean += shift / total.max(f64::MIN_POSITIVE);
        }
    }

    fn step(&mut self, points: &[Vec<f64>], weights: &[f64]) {
        let n = count(self.n_free().max(1));
        let mass = 1.0 / weights.iter().map(|weight| weight * weight).sum::<f64>();
        let c_sigma = (mass + 2.0) / (n + mass + 5.0);
        let damping = 1.0 + 2.0 * (((mass - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma;
        let c_c = (4.0 + mass / n) / (n + 4.0 + 2.0 * mass / n);
        let faster = (n + 2.0) / 3.0;
        let c_one = (faster * 2.0 / ((n + 1.3).powi(2) + mass)).min(1.0);
        let c_mu = faster * 2.0 * (mass - 2.0 + 1.0 / mass) / ((n + 2.0).powi(2) + mass);
        let c_mu = c_mu.clamp(0.0, 1.0 - c_one);
        let chi = n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n));
        let mut norm = 0.0;
        let mut shifts = Vec::with_capacity(self.mean.len());
        for (idx, mean) in self.mean.iter_mut().enumerate() {
            let shift =
                weighted(points, weights, |point| point.get(idx).map_or(0.0, |x| x - *mean));
            let variance = self.variances.get(idx).copied().unwrap_or(1.0);
            let square = weighted(points, weights, |point| {
                point.get(idx).map_or(0.0, |x| (x - *mean).powi(2))
            });
            *mean += shift;
            if let Some(path) = self.path_sigma.get_mut(idx) {
                *path *= 1.0 - c_sigma;
                *path += (c_sigma * (2.0 - c_sigma) * mass).sqrt() * shift
                    / (self.sigma * variance.sqrt());
                norm += *path * *path;
            }
            shifts.push((shift / self.sigma, square / (self.sigma * self.sigma)));
        }
        let norm = norm.sqrt();
        let age = i32::try_from((self.n_steps + 1).min(1 << 20)).unwrap_or(1);
        let unbiased = norm / (1.0 - (1.0 - c_sigma).powi(2 * age)).sqrt();
        let is_moving = if unbiased < (1.4 + 2.0 / (n + 1.0)) * chi { 1.0 } else { 0.0 };
        let paths = self.path_variance.iter_mut().zip(&mut self.variances);
        for ((path, variance), (shift, square)) in paths.zip(shifts) {
            *path = (1.0 - c_c) * *path + is_moving * (c_c * (2.0 - c_c) * mass).sqrt() * shift;
            let grown = (1.0 - c_one - c_mu) * *variance + c_one * *path * *path + c_mu * square;
            *variance = grown.clamp(1e-20, 1e20);
        }
        let growth = (c_sigma / damping * (norm / chi - 1.0)).clamp(-1.0, 1.0);
        self.sigma = (self.sigma * exp(growth)).clamp(1e-300, 1e6);
    }
}

fn weighted(points: &[Vec<f64>], weights: &[f64], value: impl Fn(&Vec<f64>) -> f64) -> f64 {
    points.iter().zip(weights).map(|(point, weight)| weight * value(point)).sum()
}

/// Logarithmic recombination weights of the better half; equal losses share theirs.
fn tied_weights(losses: &[f64]) -> Vec<f64> {
    let n = losses.len();
    let half = count(n) / 2.0;
    let rank_weight = |rank: usize| (ln(half + 0.5) - ln(count(rank + 1))).max(0.0);
    let key = |idx: &usize| {
        losses.get(*idx).copied().filter(|loss| !loss.is_nan()).unwrap_or(f64::INFINITY)
    };
    let mut ranking: Vec<usize> = (0..n).collect();
    ranking.sort_by(|a, b| key(a).total_cmp(&key(b)).then(a.cmp(b)));
    let mut weights = vec![0.0; n];
    let mut first = 0;
    for group in ranking.chunk_by(|a, b| key(a).total_cmp(&key(b)).is_eq()) {
        let sum: f64 = (first..first + group.len()).map(rank_weight).sum();
        for idx in group {
            if let Some(weight) = weights.get_mut(*idx) {
                *weight = sum / count(group.len());
            }
        }
        first += group.len();
    }
    let total: f64 = weights.iter().sum();
    for weight in &mut weights {
        *weight /= total;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinates(n: usize) -> Vec<Coordinate> {
        vec![Coordinate { start: 3.0, scale: 1.0, is_integer: false }; n]
    }

    fn run(mut strategy: Strategy, n_steps: u64, loss: impl Fn(&[f64], u64) -> f64) -> Vec<f64> {
        for step in 0..n_steps {
            let rows = strategy.ask(&mut Stream::new(7, step, 0));
            let losses: Vec<f64> = rows.iter().map(|row| loss(row, step)).collect();
            strategy.tell(&losses, None);
        }
        strategy.centre()
    }

    #[test]
    fn strategy_solves_a_sphere() {
        let sphere = |x: &[f64], _| x.iter().map(|x| x * x).sum::<f64>();
        let x = run(Strategy::new(coordinates(10), 0), 300, sphere);
        assert!(sphere(&x, 0) < 1e-9, "{}", sphere(&x, 0));
    }

    #[test]
    fn strategy_solves_an_axis_parallel_ellipsoid() {
        let ellipsoid = |x: &[f64], _| {
            x.iter()
                .zip(0_i32..)
                .map(|(x, idx)| 1e4_f64.powf(f64::from(idx) / 9.0) * x * x)
                .sum::<f64>()
        };
        let x = run(Strategy::new(coordinates(10), 0), 800, ellipsoid);
        assert!(ellipsoid(&x, 0) < 1e-9, "{}", ellipsoid(&x, 0));
    }

    #[test]
    fn strategy_improves_a_noisy_stepwise_table() {
        let target: Vec<f64> = (0..100).map(|idx| f64::from(idx % 7)).collect();
        let clean = |x: &[f64]| {
            x.iter().zip(&target).map(|(x, t)| ((x - t) * 2.0).round().abs()).sum::<f64>()
        };
        let noisy = |x: &[f64], step| {
            let bits = x.iter().fold(step, |hash: u64, x| hash.rotate_left(5) ^ x.to_bits());
            clean(x) + 5.0 * Stream::new(bits, step, 1).normal()
        };
        let before = clean(&[3.0; 100]);
        let x = run(Strategy::new(coordinates(100), 40), 300, noisy);
        assert!(clean(&x) < 0.35 * before, "{before} -> {}", clean(&x));
    }

    #[test]
    fn strategy_rounds_integers() {
        let mut coordinates = coordinates(4);
        for coordinate in &mut coordinates {
            coordinate.is_integer = true;
        }
        let loss = |x: &[f64], _| x.iter().map(|x| (x - 40.0).abs()).sum::<f64>();
        assert_eq!(run(Strategy::new(coordinates, 0), 200, loss), vec![40.0; 4]);
    }

    #[test]
    fn equal_losses_share_their_weight() {
        let weights = tied_weights(&[1.0, 1.0, f64::NAN, 1.0]);
        assert_eq!(weights[0], weights[1]);
        assert_eq!(weights[0], weights[3]);
        assert_eq!(weights[2], 0.0);
    }
}
