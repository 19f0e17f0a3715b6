//! How one objective and a total constraint violation rank a row.
//!
//! Two rules: feasibility first (Deb, 2000), and the epsilon level (Takahama & Sakai, 2006), which
//! treats small violations as feasible at first and tightens that to nothing. Failed rows have an
//! infinite violation and rank last under both.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::algorithm::Scores;
use crate::error::{Error, Result};

/// What a row is worth: objective (minimised) and violation (0 where feasible).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worth {
    /// The objective; infinite when evaluation failed.
    pub objective: f64,
    /// The total violation; infinite when evaluation failed.
    pub violation: f64,
}

impl Worth {
    /// Worse than anything that was evaluated.
    pub const WORST: Self = Self { objective: f64::INFINITY, violation: f64::INFINITY };

    /// What was found for a row.
    pub fn of(scores: &Scores<'_>, row: usize) -> Self {
        if scores.is_failed(row) {
            return Self::WORST;
        }
        Self { objective: scores.objective(row), violation: scores.violation(row) }
    }

    /// Order of preference, best first, where violations up to `epsilon` count as none.
    pub fn compare(self, other: Self, epsilon: f64) -> Ordering {
        let is_level = self.violation <= epsilon && other.violation <= epsilon;
        if is_level || self.violation == other.violation {
            self.objective.total_cmp(&other.objective)
        } else {
            self.violation.total_cmp(&other.violation)
        }
    }
}

/// Which rule ranks rows under constraints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Feasible before infeasible, then less violation, then the objective.
    #[default]
    Feasibility,
    /// Violations up to a level count as none; the level falls to 0.
    Epsilon,
}

/// Settings of the epsilon level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Epsilon {
    /// The first level is the violation of this quantile of the first population.
    pub quantile: f64,
    /// How fast the level falls: `(1 - t / generations) ^ power`.
    pub power: f64,
    /// Generations after which the level is 0.
    pub generations: u64,
}

impl Default for Epsilon {
    fn default() -> Self {
        Self { quantile: 0.2, power: 5.0, generations: 200 }
    }
}

impl Epsilon {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// The first setting that is.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.quantile) {
            return Err(Error::setting("epsilon.quantile", "a number in [0, 1]", self.quantile));
        }
        if !(self.power >= 1.0 && self.power <= 100.0) {
            return Err(Error::setting("epsilon.power", "a number in [1, 100]", self.power));
        }
        if self.generations == 0 {
            return Err(Error::setting("epsilon.generations", "at least 1", 0));
        }
        Ok(())
    }

    /// The first level, from the first population; failed rows are left out.
    pub fn first_level(&self, population: &[Worth]) -> f64 {
        let mut violations: Vec<f64> =
            population.iter().map(|worth| worth.violation).filter(|v| v.is_finite()).collect();
        violations.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a quantile of a small count"
        )]
        let idx = (self.quantile * violations.len() as f64) as usize;
        violations.get(idx.min(violations.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    /// The level after `generation` generations.
    pub fn level(&self, first: f64, generation: u64) -> f64 {
        if generation >= self.generations {
            return 0.0;
        }
        let left = 1.0 - generation as f64 / self.generations as f64;
        // A loop of products, not powf: the same bits on every platform.
        let whole = self.power.floor();
        let mut level = first;
        let mut n = 0.0;
        while n < whole {
            level *= left;
            n += 1.0;
        }
        level * (1.0 - (self.power - whole) * (1.0 - left))
    }
}
