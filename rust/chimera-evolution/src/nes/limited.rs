//! LM-MA-ES: the covariance as a few directions learned at different paces.
//!
//! Memory and time per row are of order `n log n`: practical for tens of thousands of genes.
//! Source: Loshchilov, Glasmachers & Beyer, "Large Scale Black-Box Optimization by Limited-Memory
//! Matrix Adaptation" (2019), algorithm 2.

use serde::{Deserialize, Serialize};

use super::search::{Distribution, Origin, Settings};
use crate::algorithm::Context;
use crate::cma::frame::confine;
use crate::cma::kernel::{add_scaled, dot, fill_normal, padded};
use crate::cma::{Parameters, default_population_size};
use crate::error::Result;
use crate::numeric::f64::exp;
use crate::simd::dispatch;
use crate::threads::Threads;

/// Genes of a batch from which several threads pay.
const WORTH_THREADS: usize = 1 << 14;

/// The distribution of LM-MA-ES.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Limited {
    n: usize,
    population_size: usize,
    weights: Vec<f64>,
    mu_eff: f64,
    c_sigma: f64,
    mean: Vec<f64>,
    sigma: f64,
    scales: Vec<f64>,
    path: Vec<f64>,
    /// `m` padded rows, the slowest last, with their rates of sampling and learning.
    directions: Vec<f64>,
    rates: Vec<(f64, f64)>,
    n_updates: usize,
    z: Vec<f64>,
    y: Vec<f64>,
    step: Vec<f64>,
}

impl Limited {
    fn n_used(&self) -> usize {
        self.n_updates.min(self.rates.len())
    }
}

impl Distribution for Limited {
    type Settings = Settings;
    const NAME: &'static str = "lm_ma_es";

    fn new(origin: Origin, settings: &Settings) -> Result<Self> {
        let n = origin.mean.len();
        let population_size =
            settings.population_size.unwrap_or_else(|| default_population_size(n));
        let p = Parameters::new(n, population_size, None, false, false);
        let (count, rows) = (n as f64, population_size as f64);
        let mut pace = (1.0, 1.0);
        let rates: Vec<(f64, f64)> = (0..default_population_size(n))
            .map(|_| {
                let (slow, fast) = pace;
                pace = (slow * 1.5, fast * 4.0);
                ((1.0 / (slow * count)).min(0.5), (rows / (fast * count)).min(0.5))
            })
            .collect();
        Ok(Self {
            n,
            population_size,
            mu_eff: p.mu_eff,
            weights: p.weights,
            c_sigma: (2.0 * rows / count).min(p.c_sigma.max(0.5)).min(1.0),
            mean: origin.mean,
            sigma: origin.sigma,
            scales: origin.scales,
            path: vec![0.0; padded(n)],
            directions: vec![0.0; padded(n) * rates.len()],
            rates,
            n_updates: 0,
            z: Vec::new(),
            y: Vec::new(),
            step: Vec::new(),
        })
    }

    fn population_size(&self) -> usize {
        self.population_size
    }

    fn sample(&mut self, context: &Context, n_rows: usize) {
        let (n, width) = (self.n, padded(self.n));
        self.z.resize(n_rows * width, 0.0);
        self.y.resize(n_rows * width, 0.0);
        let is_worth_it = context.threads.n() > 1 && n_rows * n >= WORTH_THREADS;
        context.threads.for_each_chunk(&mut self.z, width, is_worth_it, |row, z| {
            let id = context.first_id.wrapping_add(row as u64);
            fill_normal(context.seed, context.generation, id, z.get_mut(..n).unwrap_or_default());
        });
        let n_used = self.n_used();
        let (rows, directions, rates) = (&self.z, &self.directions, &self.rates);
        context.threads.for_each_chunk(&mut self.y, width, is_worth_it, |row, y| {
            y.copy_from_slice(rows.get(row * width..(row + 1) * width).unwrap_or_default());
            dispatch(
                #[inline(always)]
                || {
                    let each = directions.chunks_exact(width).zip(rates).take(n_used);
                    for (direction, (rate, _)) in each {
                        let along = rate * dot(direction, y);
                        for (y, direction) in y.iter_mut().zip(direction) {
                            *y = along.mul_add(*direction, (1.0 - rate) * *y);
                        }
                    }
                },
            );
        });
    }

    fn write(&self, row: usize, out: &mut [f64]) {
        let width = padded(self.n);
        let (y, sigma) = (self.y.get(row * width..).unwrap_or_default(), self.sigma);
        dispatch(
            #[inline(always)]
            || {
                let genes = out.iter_mut().zip(y).zip(self.mean.iter().zip(&self.scales));
                for ((x, y), (mean, scale)) in genes {
                    *x = (sigma * scale).mul_add(*y, *mean);
                }
            },
        );
    }

    fn inject(&mut self, row: usize, x: &[f64]) {
        let width = padded(self.n);
        let range = row * width..(row + 1) * width;
        let n_used = self.n_used();
        let (Some(z), Some(y)) = (self.z.get_mut(range.clone()), self.y.get_mut(range)) else {
            return;
        };
        let genes = y.iter_mut().zip(x).zip(self.mean.iter().zip(&self.scales));
        for ((y, x), (mean, scale)) in genes {
            *y = (x - mean) / (self.sigma * scale);
        }
        z.copy_from_slice(y);
        // Each factor `(1 - c) I + c m mᵀ`, undone in reverse order.
        let used = self.directions.chunks_exact(width).zip(&self.rates).take(n_used);
        for (direction, (rate, _)) in used.rev() {
            let keep = 1.0 - rate;
            let along = rate * dot(direction, z) / (keep + rate * dot(direction, direction));
            add_scaled(z, -along, direction);
            for value in z.iter_mut() {
                *value /= keep;
            }
        }
        let n = self.n as f64;
        let length = dot(z, z).sqrt();
        let limit = n.sqrt() + 2.0 * n / (n + 2.0);
        let shrink = if length > limit { limit / length } else { 1.0 };
        for value in z.iter_mut().chain(y) {
            *value = if length.is_finite() { *value * shrink } else { 0.0 };
        }
    }

    fn update(&mut self, order: &[usize], threads: &Threads) {
        let width = padded(self.n);
        self.step.clear();
        self.step.resize(width, 0.0);
        let step = self.step.as_mut_slice();
        let (rows, samples, weights) = (&self.z, &self.y, &self.weights);
        let (mean, scales, sigma) = (self.mean.as_mut_slice(), &self.scales, self.sigma);
        let (c_sigma, mu_eff) = (self.c_sigma, self.mu_eff);
        let path = self.path.as_mut_slice();
        let length = dispatch(
            #[inline(always)]
            || {
                let used = order.iter().zip(weights).filter(|(_, weight)| **weight > 0.0);
                for (row, weight) in used {
                    let range = row * width..(row + 1) * width;
                    add_scaled(step, *weight, rows.get(range.clone()).unwrap_or_default());
                    let y = samples.get(range).unwrap_or_default();
                    for ((mean, y), scale) in mean.iter_mut().zip(y).zip(scales) {
                        *mean = (weight * sigma * scale).mul_add(*y, *mean);
                    }
                }
                blend(path, c_sigma, mu_eff, step);
                dot(path, path)
            },
        );
        let (step, rates) = (self.step.as_slice(), &self.rates);
        let is_worth_it = threads.n() > 1 && self.directions.len() >= WORTH_THREADS;
        threads.for_each_chunk(&mut self.directions, width, is_worth_it, |idx, direction| {
            let rate = rates.get(idx).map_or(0.0, |(_, rate)| *rate);
            dispatch(
                #[inline(always)]
                || blend(direction, rate, mu_eff, step),
            );
        });
        let change = c_sigma / 2.0 * (length / self.n as f64 - 1.0);
        self.sigma = (self.sigma * exp(change.min(1.0))).clamp(1e-150, 1e150);
        self.n_updates += 1;
    }

    fn confine(&mut self, bounds: (&[f64], &[f64])) {
        let deviations = self.scales.iter().map(|scale| self.sigma * scale);
        confine(&mut self.mean, bounds, deviations);
    }

    fn mean(&self) -> &[f64] {
        &self.mean
    }

    fn sigma(&self) -> f64 {
        self.sigma
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]
fn blend(path: &mut [f64], rate: f64, mu_eff: f64, step: &[f64]) {
    let gain = (mu_eff * rate * (2.0 - rate)).sqrt();
    for (value, step) in path.iter_mut().zip(step) {
        *value = gain.mul_add(*step, (1.0 - rate) * *value);
    }
}
