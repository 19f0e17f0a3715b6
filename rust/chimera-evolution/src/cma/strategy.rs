//! The distribution: mean, step size, covariance, and how they move towards ranked rows.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::eigen;
use super::frame::confine;
use super::full::Factor;
use super::kernel::{TILE_ROWS, add_scaled, dot, fill_normal, padded};
use super::parameters::{Parameters, default_population_size};
use super::restart::POPULATION_MAX;
use super::separable::Diagonal;
use crate::error::{Error, Result};
use crate::memory;
use crate::numeric::f64::exp;
use crate::simd::dispatch;
use crate::threads::Threads;

/// Step sizes stay within these bounds, so that rows stay finite whatever the scores say.
const SIGMA_MIN: f64 = 1e-150;
const SIGMA_MAX: f64 = 1e150;

/// An update of more rows a gene than this is summed in a matrix of the genes.
const SQUARE: usize = 4;

/// Doublings of the largest population that some search may take.
const DOUBLINGS_MAX: usize = 8;

/// Normals from which several threads pay.
const WORTH_THREADS: usize = 1 << 14;

/// Genes of which eigenvalues take little beside a generation: a tenth of a millisecond.
pub const CHEAP_GENES_MAX: usize = 64;

/// The form of the covariance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covariance {
    /// All pairs of genes: quadratic time and memory, invariant to rotation.
    #[default]
    Full,
    /// Variances only: linear time and memory.
    Separable,
}

/// How a [`Strategy`] learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Rows of a generation; `4 + floor(3 ln n)` when none is given.
    pub population_size: Option<usize>,
    /// The form of the covariance.
    pub covariance: Covariance,
    /// Whether bad rows lower the variance in their direction.
    pub is_active: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { population_size: None, covariance: Covariance::Full, is_active: true }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Shape {
    Full(Box<Factor>),
    Separable(Diagonal),
}

/// A normal distribution `mean + sigma * N(0, C)` that adapts to rankings of its samples.
///
/// The samples of [`Strategy::sample`] stay in it until the next ones; [`Strategy::update`] names
/// them by index. It is saved and restored whole, also between the two.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Strategy {
    n: usize,
    options: Options,
    population_size: usize,
    parameters: Parameters,
    mean: Vec<f64>,
    sigma: f64,
    scales: Vec<f64>,
    shape: Shape,
    /// Path of the step size, in coordinates of `z`; padded, as the next two.
    path_sigma: Vec<f64>,
    /// Path of the rank-one update, and the same in coordinates of `z`.
    path: Vec<f64>,
    path_z: Vec<f64>,
    /// `(1 - c_sigma)^(2 n_updates)`.
    decay: f64,
    n_updates: u64,
    n_sampled: usize,
    /// Samples: standard normal, and with the covariance; padded rows, padded to whole tiles.
    z: Vec<f64>,
    y: Vec<f64>,
    /// What [`Strategy::remember`] noted.
    remembered: (f64, f64),
    /// Extreme eigenvalues of the covariance as it is, once measured.
    #[serde(skip)]
    measured: OnceLock<(f64, f64)>,
    #[serde(skip)]
    step: Vec<f64>,
    #[serde(skip)]
    step_z: Vec<f64>,
    #[serde(skip)]
    variances: Vec<f64>,
}

impl Strategy {
    /// A fresh distribution around `mean` with standard deviations `sigma * scales`.
    ///
    /// # Errors
    /// No gene, lengths that differ, a mean that is not finite, a sigma or scale that is not finite
    /// and positive, a population of fewer than 2 rows, a covariance that memory cannot hold.
    pub fn new(mean: &[f64], sigma: f64, scales: &[f64], options: Options) -> Result<Self> {
        let n = mean.len();
        if n == 0 || scales.len() != n {
            return Err(Error::setting("scales", format!("{n} of them, at least 1"), scales.len()));
        }
        if let Some(value) = scales.iter().find(|scale| !is_positive(**scale)) {
            return Err(Error::setting("sigma", "finite and above 0 for every gene", value));
        }
        let population_size = options.population_size.unwrap_or_else(|| default_population_size(n));
        if population_size < 2 {
            return Err(Error::setting("population_size", "at least 2", population_size));
        }
        let is_separable = options.covariance == Covariance::Separable;
        let width = padded(n);
        if !is_separable {
            memory::ensure("covariance=\"full\"", width, 8 * width)?;
        }
        let mut strategy = Self {
            n,
            parameters: Parameters::new(n, population_size, None, is_separable, options.is_active),
            options,
            population_size,
            mean: mean.to_vec(),
            sigma,
            scales: scales.to_vec(),
            shape: if is_separable {
                Shape::Separable(Diagonal::new(scales))
            } else {
                Shape::Full(Box::new(Factor::new(scales)))
            },
            path_sigma: vec![0.0; width],
            path: vec![0.0; width],
            path_z: vec![0.0; width],
            decay: 1.0,
            n_updates: 0,
            n_sampled: 0,
            z: Vec::new(),
            y: Vec::new(),
            remembered: (1.0, 1.0),
            measured: OnceLock::new(),
            step: Vec::new(),
            step_z: Vec::new(),
            variances: Vec::new(),
        };
        strategy.restart(mean, sigma, population_size)?;
        Ok(strategy)
    }

    /// Starts again around another mean, with the first scales.
    ///
    /// # Errors
    /// As [`Strategy::new`].
    pub fn restart(&mut self, mean: &[f64], sigma: f64, population_size: usize) -> Result<()> {
        if mean.len() != self.n || mean.iter().any(|value| !value.is_finite()) {
            return Err(Error::setting(
                "x0",
                format!("{} finite values", self.n),
                format!("{mean:?}"),
            ));
        }
        if !is_positive(sigma) {
            return Err(Error::setting("sigma", "finite and above 0", sigma));
        }
        if population_size < 2 {
            return Err(Error::setting("population_size", "at least 2", population_size));
        }
        if population_size != self.population_size {
            let is_separable = self.options.covariance == Covariance::Separable;
            self.population_size = population_size;
            let is_active = self.options.is_active;
            self.parameters.renew(self.n, population_size, None, is_separable, is_active);
        }
        self.mean.copy_from_slice(mean);
        self.sigma = sigma.clamp(SIGMA_MIN, SIGMA_MAX);
        match &mut self.shape {
            Shape::Full(factor) => factor.reset(&self.scales),
            Shape::Separable(diagonal) => diagonal.reset(&self.scales),
        }
        self.path_sigma.fill(0.0);
        self.path.fill(0.0);
        self.path_z.fill(0.0);
        self.decay = 1.0;
        self.n_updates = 0;
        self.n_sampled = 0;
        self.measured = OnceLock::new();
        self.remembered = extremes(self.scales.iter().map(|scale| scale * scale));
        Ok(())
    }

    /// Draws `n_rows` samples; row `i` uses the stream `(seed, step, first_id + i)`.
    /// Read them by [`Strategy::write`].
    pub fn sample(
        &mut self,
        seed: u64,
        step: u64,
        first_id: u64,
        n_rows: usize,
        threads: &Threads,
    ) {
        let (n, width) = (self.n, padded(self.n));
        let len = n_rows.next_multiple_of(TILE_ROWS) * width;
        self.z.resize(len, 0.0);
        self.y.resize(len, 0.0);
        self.n_sampled = n_rows;
        let is_worth_it = threads.n() > 1 && n_rows * n >= WORTH_THREADS;
        threads.for_each_chunk(&mut self.z, width, is_worth_it, |row, values| {
            if row < n_rows {
                let id = first_id.wrapping_add(row as u64);
                fill_normal(seed, step, id, values.get_mut(..n).unwrap_or_default());
            } else {
                values.fill(0.0);
            }
        });
        match &mut self.shape {
            Shape::Full(factor) => factor.apply(&self.z, &mut self.y, threads),
            Shape::Separable(diagonal) => diagonal.apply(&self.z, &mut self.y),
        }
    }

    /// Writes sample `row`, `mean + sigma * y`, into `out`.
    #[inline]
    pub fn write(&self, row: usize, out: &mut [f64]) {
        let (sigma, y, mean) = (self.sigma, self.y_row(row), &self.mean);
        dispatch(
            #[inline(always)]
            || {
                for ((x, y), mean) in out.iter_mut().zip(y).zip(mean) {
                    *x = sigma.mul_add(*y, *mean);
                }
            },
        );
    }

    /// Replaces sample `row` by a point from elsewhere. Its distance from the mean is limited to what
    /// the distribution reaches (Hansen, "Injecting External Solutions Into CMA-ES", 2011).
    pub fn inject(&mut self, row: usize, x: &[f64]) {
        let (n, width) = (self.n, padded(self.n));
        let range = row * width..(row + 1) * width;
        let (Some(z), Some(y)) = (self.z.get_mut(range.clone()), self.y.get_mut(range)) else {
            return;
        };
        for ((y, x), mean) in y.iter_mut().zip(x).zip(&self.mean) {
            *y = (x - mean) / self.sigma;
        }
        match &mut self.shape {
            Shape::Full(factor) => factor.solve(y, z),
            Shape::Separable(diagonal) => {
                for ((z, y), scale) in z.iter_mut().zip(y.iter()).zip(diagonal.scales()).take(n) {
                    *z = *y / *scale;
                }
            }
        }
        let length = squared(z).sqrt();
        let n = n as f64;
        let limit = n.sqrt() + 2.0 * n / (n + 2.0);
        let shrink = if length > limit { limit / length } else { 1.0 };
        let is_usable = shrink.is_finite() && length.is_finite();
        for value in z.iter_mut().chain(y) {
            *value = if is_usable { *value * shrink } else { 0.0 };
        }
    }

    /// Moves towards the samples named by `order`, best first. `n_parents` of them count as good, by
    /// default half; rows left out of `order` do not count at all.
    pub fn update(&mut self, order: &[usize], n_parents: Option<usize>, threads: &Threads) {
        let n_rows = order.len().min(self.n_sampled);
        if n_rows == 0 {
            return;
        }
        let n_parents = n_parents.map(|n| n.clamp(1, n_rows));
        let is_usual = n_rows == self.parameters.weights.len()
            && n_parents.is_none_or(|n| n == self.parameters.n_parents);
        if !is_usual {
            let is_separable = self.options.covariance == Covariance::Separable;
            let is_active = self.options.is_active && n_parents.is_none();
            self.parameters.renew(self.n, n_rows, n_parents, is_separable, is_active);
        }
        self.measured = OnceLock::new();
        self.move_mean(order);
        let is_stalled = self.move_paths();
        self.move_shape(order, is_stalled, threads);
        let p = &self.parameters;
        let length = squared(&self.path_sigma).sqrt();
        let change = p.c_sigma / p.d_sigma * (length / p.expected_norm - 1.0);
        self.sigma = (self.sigma * exp(change.min(1.0))).clamp(SIGMA_MIN, SIGMA_MAX);
        self.n_updates += 1;
    }

    /// Moves a mean that lies further outside `(lower, upper)` than a few deviations back to there.
    pub fn confine(&mut self, bounds: (&[f64], &[f64])) {
        let mut variances = std::mem::take(&mut self.variances);
        self.variances(&mut variances);
        let deviations = variances.iter().map(|variance| self.sigma * variance.sqrt());
        confine(&mut self.mean, bounds, deviations);
        self.variances = variances;
    }

    fn move_mean(&mut self, order: &[usize]) {
        let width = padded(self.n);
        self.step.clear();
        self.step.resize(width, 0.0);
        self.step_z.clear();
        self.step_z.resize(width, 0.0);
        let (step, step_z) = (self.step.as_mut_slice(), self.step_z.as_mut_slice());
        let (y, z, weights) = (&self.y, &self.z, &self.parameters.weights);
        let (mean, sigma) = (self.mean.as_mut_slice(), self.sigma);
        dispatch(
            #[inline(always)]
            || {
                for (row, weight) in order.iter().zip(weights).filter(|(_, weight)| **weight > 0.0)
                {
                    let range = row * width..(row + 1) * width;
                    add_scaled(step, *weight, y.get(range.clone()).unwrap_or(&[]));
                    add_scaled(step_z, *weight, z.get(range).unwrap_or(&[]));
                }
                add_scaled(mean, sigma, step);
            },
        );
    }

    /// Returns whether the step size is still catching up, so that the rank-one path must wait.
    fn move_paths(&mut self) -> bool {
        let p = &self.parameters;
        self.decay *= (1.0 - p.c_sigma) * (1.0 - p.c_sigma);
        let gain = (p.c_sigma * (2.0 - p.c_sigma) * p.mu_eff).sqrt();
        blend(&mut self.path_sigma, 1.0 - p.c_sigma, gain, &self.step_z);
        let n = self.n as f64;
        let squared = squared(&self.path_sigma) / (1.0 - self.decay);
        let is_stalled = squared / n >= 2.0 + 4.0 / (n + 1.0);
        let gain = if is_stalled { 0.0 } else { (p.c_c * (2.0 - p.c_c) * p.mu_eff).sqrt() };
        blend(&mut self.path, 1.0 - p.c_c, gain, &self.step);
        blend(&mut self.path_z, 1.0 - p.c_c, gain, &self.step_z);
        is_stalled
    }

    fn move_shape(&mut self, order: &[usize], is_stalled: bool, threads: &Threads) {
        let width = padded(self.n);
        let p = &self.parameters;
        let lost = if is_stalled { p.c_1 * p.c_c * (2.0 - p.c_c) } else { 0.0 };
        let keep = p.kept() + lost;
        let n = self.n as f64;
        match &mut self.shape {
            Shape::Full(factor) => {
                factor.begin(order.len() > SQUARE * self.n);
                factor.push(p.c_1, &self.path, &self.path_z);
            }
            Shape::Separable(diagonal) => {
                diagonal.begin();
                diagonal.push(p.c_1, &self.path);
            }
        }
        for (row, weight) in order.iter().zip(&p.weights).filter(|(_, weight)| **weight != 0.0) {
            let range = row * width..(row + 1) * width;
            let (Some(y), Some(z)) = (self.y.get(range.clone()), self.z.get(range)) else {
                continue;
            };
            let gain = if *weight > 0.0 { *weight } else { weight * n / squared(z).max(1e-300) };
            match &mut self.shape {
                Shape::Full(factor) => factor.push(p.c_mu * gain, y, z),
                Shape::Separable(diagonal) => diagonal.push(p.c_mu * gain, y),
            }
        }
        match &mut self.shape {
            Shape::Full(factor) => factor.finish(keep, &mut self.path_z, threads),
            Shape::Separable(diagonal) => diagonal.finish(keep),
        }
    }

    /// Whether its parts fit together: those of a loaded one may not.
    pub fn is_whole(&self) -> bool {
        let (n, width) = (self.n, padded(self.n));
        let is_number = |values: &[f64]| values.iter().all(|value| value.is_finite());
        let paths = [&self.path_sigma, &self.path, &self.path_z];
        let is_shape = match &self.shape {
            Shape::Full(factor) => factor.is_whole(n),
            Shape::Separable(diagonal) => {
                diagonal.scales().len() == width && is_number(diagonal.scales())
            }
        };
        n > 0
            && (2..=POPULATION_MAX << DOUBLINGS_MAX).contains(&self.population_size)
            && self.parameters.is_whole()
            && is_shape
            && [&self.z, &self.y].into_iter().all(|values| is_number(values))
            && (0.0..=1.0).contains(&self.decay)
            && self.n_updates <= 1 << 53
            && is_positive(self.sigma)
            && self.mean.len() == n
            && self.mean.iter().all(|value| value.is_finite())
            && self.scales.len() == n
            && self.scales.iter().all(|scale| is_positive(*scale))
            && paths.iter().all(|path| path.len() == width && is_number(path))
            && self.z.len() == self.y.len()
            && self.z.len().is_multiple_of(width * TILE_ROWS)
            && self.n_sampled <= self.z.len() / width
    }

    fn y_row(&self, row: usize) -> &[f64] {
        let width = padded(self.n);
        self.y.get(row * width..(row + 1) * width).unwrap_or(&[])
    }

    /// Number of genes.
    pub const fn n_genes(&self) -> usize {
        self.n
    }

    /// Rows of a generation.
    pub const fn population_size(&self) -> usize {
        self.population_size
    }

    /// Centre of the distribution.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Step size.
    pub const fn sigma(&self) -> f64 {
        self.sigma
    }

    /// Updates since the last start.
    pub const fn n_updates(&self) -> u64 {
        self.n_updates
    }

    /// Weights and rates in use.
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Path of the rank-one update.
    pub fn path(&self) -> &[f64] {
        self.path.get(..self.n).unwrap_or(&[])
    }

    /// Variance of every gene, without the step size; `out` is padded with zeros.
    pub fn variances(&self, out: &mut Vec<f64>) {
        match &self.shape {
            Shape::Full(factor) => factor.variances(out),
            Shape::Separable(diagonal) => {
                out.clear();
                out.extend(diagonal.scales().iter().map(|scale| scale * scale));
            }
        }
    }

    /// Values of memory that [`Strategy::extreme_eigenvalues`] takes.
    pub const fn memory(&self) -> usize {
        match self.shape {
            Shape::Full(_) => eigen::memory(self.n),
            Shape::Separable(_) => padded(self.n),
        }
    }

    /// Least and greatest eigenvalue of the covariance, without the step size. Cubic time for a full
    /// covariance, once an update; `memory` is kept between calls.
    pub fn extreme_eigenvalues(&self, memory: &mut Vec<f64>) -> (f64, f64) {
        *self.measured.get_or_init(|| {
            let values = match &self.shape {
                Shape::Full(factor) => {
                    memory.resize(eigen::memory(self.n), 0.0);
                    let (covariance, rest) = memory.split_at_mut(self.n * self.n);
                    factor.covariance(covariance);
                    eigen::eigenvalues(covariance, self.n, rest)
                }
                Shape::Separable(_) => {
                    self.variances(memory);
                    memory.get(..self.n).unwrap_or_default()
                }
            };
            extremes(values.iter().copied())
        })
    }

    fn is_cheap(&self) -> bool {
        self.n <= CHEAP_GENES_MAX || matches!(self.shape, Shape::Separable(_))
    }

    /// Notes the eigenvalues for [`Strategy::shown_eigenvalues`], if somebody measured them since the
    /// last update and doing so is not cheap.
    pub fn remember(&mut self) {
        if let Some(measured) = self.measured.get().filter(|_| !self.is_cheap()) {
            self.remembered = *measured;
        }
    }

    /// As [`Strategy::extreme_eigenvalues`], but where those take long, as they were when they were
    /// remembered last: for who looks every generation. Until then, those at the start.
    pub fn shown_eigenvalues(&self) -> (f64, f64) {
        if self.is_cheap() { self.extreme_eigenvalues(&mut Vec::new()) } else { self.remembered }
    }
}

/// The least and the greatest.
fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, greatest), value| {
        (least.min(value), greatest.max(value))
    })
}

fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

fn squared(row: &[f64]) -> f64 {
    dispatch(
        #[inline(always)]
        || dot(row, row),
    )
}

/// `path = keep * path + gain * step`.
fn blend(path: &mut [f64], keep: f64, gain: f64, step: &[f64]) {
    dispatch(
        #[inline(always)]
        || {
            for (value, step) in path.iter_mut().zip(step) {
                *value = gain.mul_add(*step, keep * *value);
            }
        },
    );
}
