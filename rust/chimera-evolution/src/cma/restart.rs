//! Restarts with growing populations (IPOP), interlaced with small ones (BIPOP).
//!
//! Source: Auger & Hansen, "A Restart CMA Evolution Strategy With Increasing Population Size" (2005);
//! Hansen, "Benchmarking a BI-population CMA-ES on the BBOB-2009 Function Testbed" (2009).

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use crate::numeric::f64::pow;

/// Key of the streams that restarts draw from, apart from every generation's.
const STEP: u64 = u64::MAX;

/// Most rows of a generation: what may be set, and what doubling leads to.
pub const POPULATION_MAX: usize = 1_000_000;

/// Doublings from which any first population is at [`POPULATION_MAX`].
const DOUBLINGS_MAX: u64 = 20;

/// What happens when a strategy stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restarts {
    /// It stays stopped.
    #[default]
    None,
    /// It starts again with twice the population.
    Ipop,
    /// As IPOP, in turns with small populations and steps that get an equal budget. As many as there
    /// is budget for: the number of restarts counts those with a doubled population.
    Bipop,
}

/// Where a schedule of restarts is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Schedule {
    kind: Restarts,
    n_restarts_max: u64,
    population_size: usize,
    n_restarts: u64,
    /// Restarts with a doubled population; only these are limited.
    n_large: u64,
    evaluations_large: u64,
    evaluations_small: u64,
    is_small: bool,
    /// Evaluations of this run, and how many it may use.
    evaluations: u64,
    limit: u64,
}

/// How the next run begins.
pub struct Start {
    /// Rows of a generation.
    pub population_size: usize,
    /// Factor of the first step size.
    pub sigma_factor: f64,
    /// Stream for its first mean.
    pub stream: Stream,
}

impl Schedule {
    /// A schedule whose first run has `population_size` rows.
    pub const fn new(kind: Restarts, n_restarts_max: u64, population_size: usize) -> Self {
        Self {
            kind,
            n_restarts_max,
            population_size,
            n_restarts: 0,
            n_large: 0,
            evaluations_large: 0,
            evaluations_small: 0,
            is_small: false,
            evaluations: 0,
            limit: u64::MAX,
        }
    }

    /// Whether it may go on: a loaded one may not.
    pub fn is_whole(&self) -> bool {
        let counts =
            [self.n_restarts, self.evaluations_large, self.evaluations_small, self.evaluations];
        (2..=POPULATION_MAX).contains(&self.population_size)
            && counts.iter().all(|count| *count <= 1 << 53)
            && self.n_large <= self.n_restarts
    }

    /// Counts evaluations; true when this run used up its budget.
    pub const fn spend(&mut self, n: u64) -> bool {
        self.evaluations += n;
        self.evaluations >= self.limit
    }

    /// Restarts so far.
    pub const fn n_restarts(&self) -> u64 {
        self.n_restarts
    }

    /// Rows of a generation of the present large run.
    fn large(&self) -> usize {
        self.population_size
            .saturating_mul(1 << self.n_large.min(DOUBLINGS_MAX))
            .min(POPULATION_MAX)
    }

    /// Whether there is a next run.
    pub const fn goes_on(&self) -> bool {
        !matches!(self.kind, Restarts::None) && self.n_large < self.n_restarts_max
    }

    /// The next run, after one that stopped; none when there is no more.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes between the first and the largest population"
    )]
    pub fn next(&mut self, seed: u64) -> Option<Start> {
        if !self.goes_on() {
            return None;
        }
        let spent = std::mem::take(&mut self.evaluations);
        if self.is_small {
            self.evaluations_small += spent;
        } else if self.n_restarts > 0 {
            self.evaluations_large += spent;
        }
        self.n_restarts += 1;
        let mut stream = Stream::new(seed, STEP, self.n_restarts);
        self.is_small = self.kind == Restarts::Bipop
            && self.n_large > 0
            && self.evaluations_small < self.evaluations_large;
        if self.is_small {
            let first = self.population_size;
            let draw = stream.uniform();
            let ratio = (self.large() as f64 / (2.0 * first as f64)).max(1.0);
            let size = first as f64 * pow(ratio, draw * draw);
            let sigma_factor = pow(10.0, -2.0 * stream.uniform());
            self.limit = self.evaluations_large / 2;
            Some(Start { population_size: size as usize, sigma_factor, stream })
        } else {
            self.n_large += 1;
            self.limit = u64::MAX;
            Some(Start { population_size: self.large(), sigma_factor: 1.0, stream })
        }
    }
}
