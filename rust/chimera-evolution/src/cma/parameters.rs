//! Weights and learning rates, from the number of genes and the population size.
//!
//! Source: Hansen, "The CMA Evolution Strategy: A Tutorial" (2016, revised 2023), table 1; separable
//! rates: Ros & Hansen 2008; negative weights: Jastrebski & Arnold 2006 in the tutorial's form.

use serde::{Deserialize, Serialize};

use crate::numeric::f64::ln;

/// The constants of one strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// Recombination weights, best first: positive ones sum to 1, then none or negative ones.
    pub weights: Vec<f64>,
    /// Number of positive weights.
    pub n_parents: usize,
    /// Variance-effective number of parents.
    pub mu_eff: f64,
    /// Rate of the path that controls the step size.
    pub c_sigma: f64,
    /// Damping of the step size.
    pub d_sigma: f64,
    /// Rate of the path that feeds the rank-one update.
    pub c_c: f64,
    /// Rate of the rank-one update.
    pub c_1: f64,
    /// Rate of the rank-mu update.
    pub c_mu: f64,
    /// Expected length of a standard normal vector.
    pub expected_norm: f64,
}

/// Most of the old covariance that the rank-mu update may replace. The rest keeps the factor of the
/// covariance invertible, however many rows are ranked: it is divided by what is kept.
const REPLACED_MAX: f64 = 0.999;

/// Default population size: `4 + floor(3 ln n)`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
pub fn default_population_size(n: usize) -> usize {
    4 + (3.0 * ln(n as f64)).floor() as usize
}

impl Parameters {
    /// Constants for `n` genes when `n_rows` are ranked. `n_parents` of them get positive weights,
    /// by default half; the rest get negative ones when `is_active`.
    #[must_use]
    pub fn new(
        n: usize,
        n_rows: usize,
        n_parents: Option<usize>,
        is_separable: bool,
        is_active: bool,
    ) -> Self {
        let mut parameters = Self::default();
        parameters.renew(n, n_rows, n_parents, is_separable, is_active);
        parameters
    }

    /// Whether the constants are those of some strategy: loaded ones may not be.
    pub fn is_whole(&self) -> bool {
        let rates = [self.c_sigma, self.c_c, self.c_1, self.c_mu];
        let sizes = [self.mu_eff, self.d_sigma, self.expected_norm];
        (1..=self.weights.len()).contains(&self.n_parents)
            && self.weights.iter().all(|weight| weight.is_finite())
            && rates.iter().all(|rate| (0.0..=1.0).contains(rate))
            && sizes.iter().all(|size| *size > 0.0 && size.is_finite())
            && self.kept() > 0.0
    }

    /// Becomes [`Parameters::new`] of these numbers, in the memory it has.
    pub fn renew(
        &mut self,
        n: usize,
        n_rows: usize,
        n_parents: Option<usize>,
        is_separable: bool,
        is_active: bool,
    ) {
        let n = n as f64;
        let last = n_parents.map_or(n_rows as f64, |parents| 2.0 * parents as f64);
        let raw = |rank: usize| ln(f64::midpoint(last, 1.0)) - ln(rank as f64);
        self.weights.clear();
        self.weights.extend((1..=n_rows).map(raw));
        self.n_parents = self.weights.iter().filter(|weight| **weight > 0.0).count().max(1);
        let (positive, negative) = self.weights.split_at_mut(self.n_parents.min(n_rows));
        if n_rows == 1 {
            positive.fill(1.0); // its raw weight is 0
        }
        let mu_eff = effective(positive);
        let mu_eff_minus = effective(negative);
        let shrink = |rate: f64| if is_separable { rate * (n + 2.0) / 3.0 } else { rate };
        let c_1 = shrink(2.0 / ((n + 1.3).powi(2) + mu_eff)).min(0.5);
        let growth = 0.25 + mu_eff + 1.0 / mu_eff - 2.0;
        let c_mu = shrink(2.0 * growth / ((n + 2.0).powi(2) + mu_eff))
            .min(REPLACED_MAX * (1.0 - c_1))
            .max(0.0);
        let total: f64 = positive.iter().sum();
        for weight in positive {
            *weight /= total;
        }
        let lost: f64 = -negative.iter().sum::<f64>();
        let limit = if is_active && lost > 0.0 && c_mu > 0.0 {
            (1.0 + c_1 / c_mu)
                .min(1.0 + 2.0 * mu_eff_minus / (mu_eff + 2.0))
                .min((1.0 - c_1 - c_mu).max(0.0) / (n * c_mu))
        } else {
            0.0
        };
        let scale = if lost > 0.0 { limit / lost } else { 0.0 };
        for weight in negative {
            *weight *= scale;
        }
        let c_sigma = (mu_eff + 2.0) / (n + mu_eff + 5.0);
        self.mu_eff = mu_eff;
        self.c_sigma = c_sigma;
        self.d_sigma = 1.0 + 2.0 * (((mu_eff - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma;
        self.c_c = (4.0 + mu_eff / n) / (n + 4.0 + 2.0 * mu_eff / n);
        self.c_1 = c_1;
        self.c_mu = c_mu;
        self.expected_norm = n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n));
    }

    /// Part of the old covariance that an update keeps; positive by [`REPLACED_MAX`].
    pub fn kept(&self) -> f64 {
        1.0 - self.c_1 - self.c_mu * self.weights.iter().sum::<f64>()
    }
}

/// `(sum w)^2 / sum w^2`; 0 without weights.
fn effective(weights: &[f64]) -> f64 {
    let sum: f64 = weights.iter().sum();
    let squares: f64 = weights.iter().map(|weight| weight * weight).sum();
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}
