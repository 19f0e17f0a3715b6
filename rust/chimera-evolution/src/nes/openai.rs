//! OpenAI-ES: the gradient of a smoothed objective from mirrored samples, followed by Adam.
//!
//! The step size does not adapt; it may decay. Made for noisy objectives of very many genes.
//! Source: Salimans, Ho, Chen, Sidor & Sutskever, "Evolution Strategies as a Scalable Alternative to
//! Reinforcement Learning" (2017); Kingma & Ba, "Adam" (2015).

use serde::{Deserialize, Serialize};

use super::search::{Distribution, Origin, Settings};
use crate::algorithm::Context;
use crate::cma::frame::{Sigma, confine};
use crate::cma::kernel::{add_scaled, fill_normal, padded};
use crate::error::{Error, Result};
use crate::simd::dispatch;
use crate::threads::Threads;

/// Genes of a batch from which several threads pay.
const WORTH_THREADS: usize = 1 << 14;

/// Settings of OpenAI-ES.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "Raw")]
pub struct GradientSettings {
    common: Settings,
    learning_rate: Option<f64>,
    learning_rate_decay: f64,
    sigma_decay: f64,
    beta_1: f64,
    beta_2: f64,
    weight_decay: f64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    x0: Option<Vec<f64>>,
    sigma: Option<Sigma>,
    population_size: Option<usize>,
    tol_sigma: f64,
    tol_fun_hist: f64,
    learning_rate: Option<f64>,
    learning_rate_decay: f64,
    sigma_decay: f64,
    beta_1: f64,
    beta_2: f64,
    weight_decay: f64,
}

impl Default for Raw {
    fn default() -> Self {
        let common = Settings::default();
        Self {
            x0: None,
            sigma: None,
            population_size: None,
            tol_sigma: common.tol_sigma,
            tol_fun_hist: common.tol_fun_hist,
            learning_rate: None,
            learning_rate_decay: 1.0,
            sigma_decay: 1.0,
            beta_1: 0.9,
            beta_2: 0.999,
            weight_decay: 0.0,
        }
    }
}

impl From<Raw> for GradientSettings {
    fn from(raw: Raw) -> Self {
        Self {
            common: Settings {
                x0: raw.x0,
                sigma: raw.sigma,
                population_size: raw.population_size,
                tol_sigma: raw.tol_sigma,
                tol_fun_hist: raw.tol_fun_hist,
            },
            learning_rate: raw.learning_rate,
            learning_rate_decay: raw.learning_rate_decay,
            sigma_decay: raw.sigma_decay,
            beta_1: raw.beta_1,
            beta_2: raw.beta_2,
            weight_decay: raw.weight_decay,
        }
    }
}

impl AsRef<Settings> for GradientSettings {
    fn as_ref(&self) -> &Settings {
        &self.common
    }
}

/// The distribution of OpenAI-ES.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Gradient {
    n: usize,
    population_size: usize,
    mean: Vec<f64>,
    sigma: f64,
    sigma_decay: f64,
    scales: Vec<f64>,
    learning_rate: f64,
    learning_rate_decay: f64,
    weight_decay: f64,
    betas: (f64, f64),
    /// Powers of the betas, which correct the first averages.
    powers: (f64, f64),
    first: Vec<f64>,
    second: Vec<f64>,
    z: Vec<f64>,
    #[serde(skip)]
    slope: Vec<f64>,
}

impl Distribution for Gradient {
    type Settings = GradientSettings;
    const NAME: &'static str = "openai_es";

    fn new(origin: Origin, settings: &GradientSettings) -> Result<Self> {
        let n = origin.mean.len();
        let population_size = settings.common.population_size.unwrap_or(64);
        if population_size % 2 == 1 {
            let expected = "an even number: rows come in mirrored pairs";
            return Err(Error::setting("population_size", expected, population_size));
        }
        let learning_rate = settings.learning_rate.unwrap_or(0.3 * origin.sigma);
        for (name, value, is_usable, expected) in [
            ("learning_rate", learning_rate, learning_rate > 0.0, "finite and above 0"),
            ("learning_rate_decay", settings.learning_rate_decay, true, "above 0, at most 1"),
            ("sigma_decay", settings.sigma_decay, true, "above 0, at most 1"),
            ("beta_1", settings.beta_1, settings.beta_1 < 1.0, "at least 0, below 1"),
            ("beta_2", settings.beta_2, settings.beta_2 < 1.0, "at least 0, below 1"),
            ("weight_decay", settings.weight_decay, settings.weight_decay < 1.0, "in [0, 1)"),
        ] {
            let is_decay = name.ends_with("_decay") && name != "weight_decay";
            let is_inside = if is_decay { value > 0.0 && value <= 1.0 } else { value >= 0.0 };
            if !(value.is_finite() && is_inside && is_usable) {
                return Err(Error::setting(name, expected, value));
            }
        }
        Ok(Self {
            n,
            population_size,
            mean: origin.mean,
            sigma: origin.sigma,
            sigma_decay: settings.sigma_decay,
            scales: origin.scales,
            learning_rate,
            learning_rate_decay: settings.learning_rate_decay,
            weight_decay: settings.weight_decay,
            betas: (settings.beta_1, settings.beta_2),
            powers: (1.0, 1.0),
            first: vec![0.0; n],
            second: vec![0.0; n],
            z: Vec::new(),
            slope: Vec::new(),
        })
    }

    fn population_size(&self) -> usize {
        self.population_size
    }

    /// Rows `2 i` and `2 i + 1` are mirror images, drawn by the key of the first.
    fn sample(&mut self, context: &Context, n_rows: usize) {
        let (n, width) = (self.n, padded(self.n));
        self.z.resize(n_rows * width, 0.0);
        let is_worth_it = context.threads.n() > 1 && n_rows * n >= WORTH_THREADS;
        context.threads.for_each_chunk(&mut self.z, 2 * width, is_worth_it, |pair, rows| {
            let id = context.first_id.wrapping_add(2 * pair as u64);
            let (z, mirrored) = rows.split_at_mut(width);
            fill_normal(context.seed, context.generation, id, z.get_mut(..n).unwrap_or_default());
            for (mirrored, z) in mirrored.iter_mut().zip(z) {
                *mirrored = -*z;
            }
        });
    }

    fn write(&self, row: usize, out: &mut [f64]) {
        let width = padded(self.n);
        let (z, sigma) = (self.z.get(row * width..).unwrap_or_default(), self.sigma);
        dispatch(
            #[inline(always)]
            || {
                let genes = out.iter_mut().zip(z).zip(self.mean.iter().zip(&self.scales));
                for ((x, z), (mean, scale)) in genes {
                    *x = (sigma * scale).mul_add(*z, *mean);
                }
            },
        );
    }

    fn inject(&mut self, row: usize, x: &[f64]) {
        let width = padded(self.n);
        let z = self.z.get_mut(row * width..(row + 1) * width).unwrap_or_default();
        let genes = z.iter_mut().zip(x).zip(self.mean.iter().zip(&self.scales));
        for ((z, x), (mean, scale)) in genes {
            *z = (x - mean) / (self.sigma * scale);
        }
    }

    fn update(&mut self, order: &[usize], _threads: &Threads) {
        let width = padded(self.n);
        self.powers.0 *= self.betas.0;
        self.powers.1 *= self.betas.1;
        self.slope.clear();
        self.slope.resize(width, 0.0);
        let last = order.len().saturating_sub(1).max(1) as f64;
        let gain = 1.0 / order.len().max(1) as f64;
        let (rows, gradient) = (&self.z, self.slope.as_mut_slice());
        let (mean, scales) = (self.mean.as_mut_slice(), &self.scales);
        let (first, second) = (self.first.as_mut_slice(), self.second.as_mut_slice());
        let (betas, powers) = (self.betas, self.powers);
        let (learning_rate, keep) = (self.learning_rate, 1.0 - self.weight_decay);
        dispatch(
            #[inline(always)]
            || {
                for (rank, row) in order.iter().enumerate() {
                    // Centred ranks: 0.5 for the best, -0.5 for the worst.
                    let utility = 0.5 - rank as f64 / last;
                    let z = rows.get(row * width..(row + 1) * width).unwrap_or_default();
                    add_scaled(gradient, utility * gain, z);
                }
                let genes = mean.iter_mut().zip(scales).zip(gradient.iter());
                let averages = first.iter_mut().zip(second.iter_mut());
                for (((mean, scale), gradient), (first, second)) in genes.zip(averages) {
                    *first = betas.0 * *first + (1.0 - betas.0) * gradient;
                    *second = betas.1 * *second + (1.0 - betas.1) * gradient * gradient;
                    let slope = *first / (1.0 - powers.0);
                    let size = (*second / (1.0 - powers.1)).sqrt() + 1e-8;
                    *mean = keep * *mean + learning_rate * scale * slope / size;
                }
            },
        );
        self.sigma = (self.sigma * self.sigma_decay).max(1e-150);
        self.learning_rate *= self.learning_rate_decay;
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
