//! xNES: natural gradient in exponential coordinates, so that the covariance stays positive.
//!
//! The exponential of the update is taken exactly. Of fewer rows than genes it has the rank of the
//! population: in a basis of the samples it is a series of small matrices, and only their product
//! meets the large factor. Of more rows it is that of one matrix of the genes, so that time and memory
//! are linear in the population. Quadratic time per row and memory in the genes. Source: Glasmachers, Schaul, Sun, Wierstra & Schmidhuber,
//! "Exponential Natural Evolution Strategies" (2010), algorithm 1.

use serde::{Deserialize, Serialize};

use super::search::{Distribution, Origin, Settings, is_column};
use crate::algorithm::Context;
use crate::cma::default_population_size;
use crate::cma::frame::confine;
use crate::cma::full::Factor;
use crate::cma::kernel::{TILE_ROWS, add_scaled, dot, fill_normal, padded};
use crate::error::Result;
use crate::memory;
use crate::numeric::f64::{exp, ln};
use crate::simd::dispatch;
use crate::threads::Threads;

/// Terms of the exponential's series at most; it ends when they no longer count.
const N_TERMS_MAX: u32 = 200;

/// The distribution of xNES.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Natural {
    n: usize,
    population_size: usize,
    utilities: Vec<f64>,
    rate: f64,
    mean: Vec<f64>,
    sigma: f64,
    factor: Factor,
    z: Vec<f64>,
    y: Vec<f64>,
    #[serde(skip)]
    small: Small,
    #[serde(skip)]
    variances: Vec<f64>,
}

/// Square matrices of the size of the population, which is smaller than the number of genes.
#[derive(Clone, Debug, Default)]
pub(super) struct Small {
    gram: Vec<f64>,
    term: Vec<f64>,
    next: Vec<f64>,
    pub(super) sum: Vec<f64>,
}

fn utilities(n_rows: usize) -> Vec<f64> {
    let n = n_rows as f64;
    let raw = |rank: usize| (ln(n / 2.0 + 1.0) - ln(rank as f64)).max(0.0);
    let total: f64 = (1..=n_rows).map(raw).sum();
    (1..=n_rows).map(|rank| raw(rank) / total - 1.0 / n).collect()
}

impl Distribution for Natural {
    type Settings = Settings;
    const NAME: &'static str = "xnes";

    fn new(origin: Origin, settings: &Settings) -> Result<Self> {
        let n = origin.mean.len();
        memory::ensure("covariance", padded(n), 8 * padded(n))?;
        let population_size =
            settings.population_size.unwrap_or_else(|| default_population_size(n));
        let count = n as f64;
        Ok(Self {
            n,
            population_size,
            utilities: utilities(population_size),
            rate: 0.6 * (3.0 + ln(count)) / (count * count.sqrt()),
            mean: origin.mean,
            sigma: origin.sigma,
            factor: Factor::new(&origin.scales),
            z: Vec::new(),
            y: Vec::new(),
            small: Small::default(),
            variances: Vec::new(),
        })
    }

    fn population_size(&self) -> usize {
        self.population_size
    }

    fn sample(&mut self, context: &Context, n_rows: usize) {
        let (n, width) = (self.n, padded(self.n));
        let len = n_rows.next_multiple_of(TILE_ROWS) * width;
        self.z.resize(len, 0.0);
        self.y.resize(len, 0.0);
        context.threads.for_each_chunk(&mut self.z, width, false, |row, z| {
            if row < n_rows {
                let id = context.first_id.wrapping_add(row as u64);
                let z = z.get_mut(..n).unwrap_or_default();
                fill_normal(context.seed, context.generation, id, z);
            } else {
                z.fill(0.0);
            }
        });
        self.factor.apply(&self.z, &mut self.y, &context.threads);
    }

    fn write(&self, row: usize, out: &mut [f64]) {
        let width = padded(self.n);
        let (y, sigma) = (self.y.get(row * width..).unwrap_or_default(), self.sigma);
        dispatch(
            #[inline(always)]
            || {
                for ((x, y), mean) in out.iter_mut().zip(y).zip(&self.mean) {
                    *x = sigma.mul_add(*y, *mean);
                }
            },
        );
    }

    fn inject(&mut self, row: usize, x: &[f64]) {
        let width = padded(self.n);
        let range = row * width..(row + 1) * width;
        let (Some(z), Some(y)) = (self.z.get_mut(range.clone()), self.y.get_mut(range)) else {
            return;
        };
        for ((y, x), mean) in y.iter_mut().zip(x).zip(&self.mean) {
            *y = (x - mean) / self.sigma;
        }
        self.factor.solve(y, z);
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
        let n = self.n as f64;
        let row_of = |rows: &[f64], row: usize| -> std::ops::Range<usize> {
            let start = (row * width).min(rows.len());
            start..(start + width).min(rows.len())
        };
        let is_square = order.len() >= self.n;
        self.factor.begin(is_square);
        let (mean, sigma) = (self.mean.as_mut_slice(), self.sigma);
        let mut trace = 0.0;
        for (row, utility) in order.iter().zip(&self.utilities) {
            let z = self.z.get(row_of(&self.z, *row)).unwrap_or_default();
            let y = self.y.get(row_of(&self.y, *row)).unwrap_or_default();
            self.factor.push(0.5 * self.rate * utility, y, z);
            trace += utility
                * dispatch(
                    #[inline(always)]
                    || {
                        add_scaled(mean, sigma * utility, y);
                        dot(z, z)
                    },
                );
        }
        // The utilities sum to 0, so the identity in the gradient cancels; its trace is the step
        // size's and leaves the shape.
        let growth = 0.5 * self.rate * trace / n;
        if is_square {
            self.factor.multiply_exponential(exp(-growth), threads);
        } else {
            let (rows, gains) = self.factor.pushed();
            series(&mut self.small, rows, width, gains);
            self.factor.multiply_low_rank(exp(-growth), &self.small.sum, threads);
        }
        self.sigma = (self.sigma * exp(growth)).clamp(1e-150, 1e150);
    }

    fn confine(&mut self, bounds: (&[f64], &[f64])) {
        self.factor.variances(&mut self.variances);
        let deviations = self.variances.iter().map(|variance| self.sigma * variance.sqrt());
        confine(&mut self.mean, bounds, deviations);
    }

    fn mean(&self) -> &[f64] {
        &self.mean
    }

    fn is_whole(&self) -> bool {
        let n_rows = self.z.len() / padded(self.n).max(1);
        self.n > 0
            && self.mean.len() == self.n
            && self.factor.is_whole(self.n)
            && is_column(&self.utilities, self.population_size)
            && self.rate > 0.0
            && self.rate.is_finite()
            && n_rows.is_multiple_of(TILE_ROWS)
            && [&self.z, &self.y].iter().all(|rows| is_column(rows, n_rows * padded(self.n)))
    }

    fn sigma(&self) -> f64 {
        self.sigma
    }
}

/// `W = (Σₖ (D G)ᵏ / (k + 1)!) D` for the diagonal gains `D` and the inner products `G` of the rows:
/// then `exp(Zᵀ D Z) = I + Zᵀ W Z`.
pub(super) fn series(small: &mut Small, rows: &[f64], width: usize, gains: &[f64]) {
    let n = gains.len();
    for matrix in [&mut small.gram, &mut small.term, &mut small.next, &mut small.sum] {
        matrix.clear();
        matrix.resize(n * n, 0.0);
    }
    let (gram, term) = (small.gram.as_mut_slice(), small.term.as_mut_slice());
    dispatch(
        #[inline(always)]
        || {
            for (out, a) in gram.chunks_exact_mut(n.max(1)).zip(rows.chunks_exact(width)) {
                for (value, b) in out.iter_mut().zip(rows.chunks_exact(width)) {
                    *value = dot(a, b);
                }
            }
        },
    );
    for (value, gain) in term.iter_mut().step_by(n + 1).zip(gains) {
        *value = *gain;
    }
    for k in 2..N_TERMS_MAX {
        let mut most: f64 = 0.0;
        for (sum, term) in small.sum.iter_mut().zip(&small.term) {
            *sum += term;
            most = most.max(term.abs());
        }
        if most < 1e-18 {
            break;
        }
        // next = D G term / k.
        let products = small.next.chunks_exact_mut(n.max(1));
        let left = small.gram.chunks_exact(n.max(1)).zip(gains);
        let (terms, factor) = (&small.term, 1.0 / f64::from(k));
        dispatch(
            #[inline(always)]
            || {
                for (out, (inner, gain)) in products.zip(left) {
                    out.fill(0.0);
                    for (row, inner) in terms.chunks_exact(n.max(1)).zip(inner) {
                        add_scaled(out, gain * inner * factor, row);
                    }
                }
            },
        );
        std::mem::swap(&mut small.term, &mut small.next);
    }
}
