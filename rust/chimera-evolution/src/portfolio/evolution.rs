//! Covariance matrix adaptation in the unit cube, with a few plain stopping rules.
//!
//! Rows outside the cube are mirrored at its faces for evaluation; the distribution sees the
//! unmirrored sample, so that it keeps its shape at a bound.

use serde::{Deserialize, Serialize};

use crate::algorithm::Context;
use crate::cma::search::LOST_MAX;
use crate::cma::{Options, Strategy};
use crate::constraint::Worth;
use crate::error::Result;

/// Standard deviation, in units of the box, below which a distribution has converged.
const SPREAD_MIN: f64 = 1e-12;
/// Relative range of recent best values below which nothing moves.
const RANGE_MIN: f64 = 1e-12;

/// One run of the strategy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Evolution {
    strategy: Strategy,
    /// The best of recent generations by what ranks rows, as a ring: its violation while nothing is
    /// feasible, then its objective.
    recent: Vec<f64>,
    /// Generations since the ring was emptied.
    n_watched: u64,
    is_feasible: bool,
    n_generations: u64,
    /// Generations in a row in which every row failed.
    n_lost: u64,
    is_done: bool,
    #[serde(skip)]
    order: Vec<usize>,
    #[serde(skip)]
    row: Vec<f64>,
}

/// Where a line that is mirrored at 0 and 1 comes to lie.
pub(super) fn mirror(value: f64) -> f64 {
    let folded = (value.abs() % 2.0 - 1.0).abs();
    (1.0 - folded).clamp(0.0, 1.0)
}

impl Evolution {
    pub fn new(mean: &[f64], sigma: f64, population_size: Option<usize>) -> Result<Self> {
        let scales = vec![1.0; mean.len()];
        let options = Options { population_size, ..Options::default() };
        Ok(Self {
            strategy: Strategy::new(mean, sigma, &scales, options)?,
            recent: Vec::new(),
            n_watched: 0,
            is_feasible: false,
            n_generations: 0,
            n_lost: 0,
            is_done: false,
            order: Vec::new(),
            row: Vec::new(),
        })
    }

    /// Whether its parts fit together for `d` genes: those of a loaded one may not.
    pub fn is_whole(&self, d: usize) -> bool {
        self.strategy.is_whole()
            && self.strategy.n_genes() == d
            && self.n_generations <= 1 << 53
            && self.n_watched <= self.n_generations
            && self.n_lost <= LOST_MAX
    }

    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    pub const fn n_rows(&self) -> usize {
        self.strategy.population_size()
    }

    pub const fn sigma(&self) -> f64 {
        self.strategy.sigma()
    }

    pub fn ask(&mut self, context: &Context, n_rows: usize, out: &mut [f64]) {
        let Context { seed, generation, first_id, threads } = context;
        self.strategy.sample(*seed, *generation, *first_id, n_rows, threads);
        for (idx, row) in out.chunks_exact_mut(self.strategy.n_genes()).enumerate() {
            self.strategy.write(idx, row);
            for gene in row {
                *gene = mirror(*gene);
            }
        }
    }

    /// `rows` are what was evaluated, in units of the box; `is_own` says which are the asked ones.
    pub fn tell(
        &mut self,
        rows: &[f64],
        worth: &[Worth],
        is_own: impl Fn(usize) -> bool,
        context: &Context,
    ) {
        // Nothing to learn, but not to stay for ever either.
        if worth.iter().all(|worth| *worth == Worth::WORST) {
            self.n_lost += 1;
            self.is_done = self.n_lost >= LOST_MAX;
            return;
        }
        self.n_lost = 0;
        let n_genes = self.strategy.n_genes();
        for (idx, row) in rows.chunks_exact(n_genes).enumerate() {
            if !is_own(idx) {
                self.strategy.inject(idx, row);
            }
        }
        self.order.clear();
        self.order.extend(0..worth.len());
        let of = |idx: usize| worth.get(idx).copied().unwrap_or(Worth::WORST);
        self.order.sort_unstable_by(|a, b| of(*a).compare(of(*b), 0.0).then_with(|| a.cmp(b)));
        self.strategy.update(&self.order, None, &context.threads);
        self.judge(self.order.first().map_or(Worth::WORST, |idx| of(*idx)));
    }

    fn judge(&mut self, best: Worth) {
        let is_feasible = best.violation <= 0.0;
        if is_feasible != self.is_feasible {
            self.is_feasible = is_feasible;
            self.recent.clear();
            self.n_watched = 0;
        }
        let best = if is_feasible { best.objective } else { best.violation };
        let (n, rows) = (self.strategy.n_genes(), self.strategy.population_size());
        let window = 10 + 30 * n / rows;
        self.recent.reserve_exact(window.saturating_sub(self.recent.len()));
        #[expect(clippy::cast_possible_truncation, reason = "a place in a short ring")]
        let place = (self.n_watched % window as u64) as usize;
        if let Some(slot) = self.recent.get_mut(place) {
            *slot = best;
        } else {
            self.recent.push(best);
        }
        self.n_generations += 1;
        self.n_watched += 1;
        let (low, high) = self
            .recent
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
        let is_flat = self.recent.len() == window && high - low <= RANGE_MIN * high.abs().max(1e-3);
        self.strategy.variances(&mut self.row);
        let spread = self.row.iter().fold(0.0f64, |most, v| most.max(*v)).sqrt();
        let is_narrow = !(self.strategy.sigma() * spread > SPREAD_MIN);
        let most = 100.0 + 50.0 * ((n + 3) * (n + 3)) as f64 / (rows as f64).sqrt();
        self.is_done = is_flat || is_narrow || self.n_generations as f64 > most;
    }
}
