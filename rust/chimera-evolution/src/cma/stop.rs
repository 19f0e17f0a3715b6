//! When a strategy is done: it cannot, or need not, move any more.
//!
//! Criteria of Hansen 2009 ("Benchmarking a BI-population CMA-ES on the BBOB-2009 Function Testbed")
//! and of the tutorial, appendix B.3.

use serde::{Deserialize, Serialize};

use super::strategy::Strategy;

/// Why a strategy stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stop {
    /// Scores of this generation and best scores of the last ones differ by less than `tol_fun`.
    Fun,
    /// Best scores of the last generations differ by less than `tol_fun_hist`.
    FunHistory,
    /// Every gene's standard deviation is below `tol_x`.
    X,
    /// The deviation of a gene grew by more than `tol_up` since the start.
    Diverged,
    /// The covariance is conditioned worse than `condition_max`.
    Condition,
    /// A step of a fifth of its deviation leaves some gene of the mean as it is.
    NoEffect,
    /// Best and median scores have not become better for long.
    Stagnation,
    /// A run of limited budget used it up (small regime of BIPOP).
    Budget,
}

impl Stop {
    /// Its name for the caller.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fun => "tol_fun",
            Self::FunHistory => "tol_fun_hist",
            Self::X => "tol_x",
            Self::Diverged => "diverged",
            Self::Condition => "condition",
            Self::NoEffect => "no_effect",
            Self::Stagnation => "stagnation",
            Self::Budget => "budget",
        }
    }
}

/// Limits of the criteria.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerances {
    /// Range of scores.
    pub fun: f64,
    /// Range of best scores over recent generations.
    pub fun_hist: f64,
    /// Standard deviation of all genes.
    pub x: f64,
    /// Growth of a gene's standard deviation.
    pub up: f64,
    /// Condition number of the covariance.
    pub condition_max: f64,
}

impl Default for Tolerances {
    fn default() -> Self {
        Self { fun: 1e-11, fun_hist: 1e-12, x: 1e-11, up: 1e4, condition_max: 1e14 }
    }
}

/// Generations at most that the test for stagnation looks at.
const STAGNATION_MAX: usize = 20_000;

/// What the criteria remember.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Watch {
    /// Best score of the last generations, a ring.
    recent: Vec<f64>,
    /// Best and median score of every generation, for stagnation; a ring as well.
    bests: Vec<f64>,
    medians: Vec<f64>,
    n_seen: usize,
    sigma_start: f64,
    #[serde(skip)]
    variances: Vec<f64>,
    #[serde(skip)]
    sorted: Vec<f64>,
    /// For eigenvalues.
    #[serde(skip)]
    memory: Vec<f64>,
}

fn put(ring: &mut Vec<f64>, len: usize, n_seen: usize, value: f64) {
    // All of it at once: a search under way asks for no memory.
    ring.reserve_exact(len.saturating_sub(ring.len()));
    if ring.len() < len {
        ring.push(value);
    } else if let Some(place) = ring.get_mut(n_seen % len.max(1)) {
        *place = value;
    }
}

fn range(values: impl Iterator<Item = f64>) -> f64 {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    high - low
}

impl Watch {
    /// Forgets everything: a fresh start with this step size.
    pub fn reset(&mut self, sigma: f64) {
        self.recent.clear();
        self.bests.clear();
        self.medians.clear();
        self.n_seen = 0;
        self.sigma_start = sigma;
    }

    /// Whether it may go on: a loaded one may not.
    pub fn is_whole(&self) -> bool {
        let rings = [&self.recent, &self.bests, &self.medians];
        self.n_seen <= 1 << 53
            && self.sigma_start >= 0.0
            && rings.iter().all(|ring| !ring.iter().any(|value| value.is_nan()))
    }

    /// Looks at a generation whose scores are named best first by `order`.
    pub fn check(
        &mut self,
        strategy: &Strategy,
        score: impl Fn(usize) -> f64,
        order: &[usize],
        tolerances: &Tolerances,
    ) -> Option<Stop> {
        let n = strategy.n_genes();
        let n_rows = order.len().max(1);
        let at = |rank: usize| order.get(rank).map_or(f64::INFINITY, |row| score(*row));
        let (best, median) = (at(0), at(n_rows / 2));
        let window = 10 + (30 * n).div_ceil(n_rows);
        put(&mut self.recent, window, self.n_seen, best);
        let limit = self.n_seen / 5 + 120 + 30 * n / n_rows;
        put(&mut self.bests, STAGNATION_MAX, self.n_seen, best);
        put(&mut self.medians, STAGNATION_MAX, self.n_seen, median);
        self.n_seen += 1;
        if self.n_seen >= window {
            let history = range(self.recent.iter().copied());
            if history < tolerances.fun_hist {
                return Some(Stop::FunHistory);
            }
            let worst = order.iter().rev().map(|row| score(*row)).find(|value| value.is_finite());
            if history < tolerances.fun && worst.is_none_or(|worst| worst - best < tolerances.fun) {
                return Some(Stop::Fun);
            }
        }
        let n_sorted = STAGNATION_MAX * 3 / 10;
        self.sorted.reserve_exact(n_sorted.saturating_sub(self.sorted.len()));
        self.memory.reserve_exact(strategy.memory().saturating_sub(self.memory.len()));
        // The rest moves slowly: look when it can have moved by about a tenth.
        if !self.n_seen.is_multiple_of(1 + n / 10) {
            return None;
        }
        self.check_shape(strategy, tolerances).or_else(|| self.check_progress(limit))
    }

    fn check_shape(&mut self, strategy: &Strategy, tolerances: &Tolerances) -> Option<Stop> {
        let n = strategy.n_genes();
        let sigma = strategy.sigma();
        strategy.variances(&mut self.variances);
        let deviations = self.variances.iter().take(n).map(|variance| sigma * variance.sqrt());
        let greatest = deviations.clone().fold(0.0, f64::max);
        let path = strategy.path().iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        if greatest < tolerances.x && sigma * path < tolerances.x {
            return Some(Stop::X);
        }
        if greatest > tolerances.up * self.sigma_start {
            return Some(Stop::Diverged);
        }
        let mut moves = deviations.zip(strategy.mean());
        if moves.any(|(deviation, mean)| *mean == *mean + 0.2 * deviation) {
            return Some(Stop::NoEffect);
        }
        if self.n_seen.is_multiple_of((1 + n / 10) * 20) {
            let (least, most) = strategy.extreme_eigenvalues(&mut self.memory);
            if !(most <= tolerances.condition_max * least) {
                return Some(Stop::Condition);
            }
        }
        None
    }

    /// Compares medians of the older and the newer third of the last `window` generations.
    fn check_progress(&mut self, window: usize) -> Option<Stop> {
        let window = window.min(STAGNATION_MAX);
        if self.n_seen < 2 * window || !self.n_seen.is_multiple_of(50) {
            return None;
        }
        let part = window * 3 / 10;
        let n_seen = self.n_seen;
        let sorted = &mut self.sorted;
        let mut median = |ring: &[f64], first: usize| {
            let len = ring.len().max(1);
            sorted.clear();
            sorted.extend((first..first + part).filter_map(|idx| ring.get(idx % len)));
            sorted.sort_unstable_by(f64::total_cmp);
            sorted.get(part / 2).copied().unwrap_or(f64::INFINITY)
        };
        let mut is_stuck = true;
        for ring in [&self.bests, &self.medians] {
            let (newer, older) = (median(ring, n_seen - part), median(ring, n_seen - window));
            // While nothing is feasible the medians are infinite and tell nothing.
            is_stuck &= older.is_finite() && newer >= older;
        }
        is_stuck.then_some(Stop::Stagnation)
    }
}
