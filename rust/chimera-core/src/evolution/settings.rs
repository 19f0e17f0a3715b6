//! Named limits and rates of a search, with their defaults.
//!
//! None of them depends on a budget: a run that stops earlier is a prefix of one that stops later.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Whether lower or higher scores are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Lower is better.
    Minimize,
    /// Higher is better.
    Maximize,
}

impl Direction {
    /// Turns a score into a loss, or a loss back into its score: losses are always minimised.
    #[must_use]
    pub const fn loss(self, score: f64) -> f64 {
        match self {
            Self::Minimize => score,
            Self::Maximize => -score,
        }
    }
}

/// Settings of a [`super::search::Search`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Seed of every random stream.
    pub seed: u64,
    /// Whether lower or higher scores are better.
    pub direction: Direction,
    /// Populations that exchange members on a ring.
    pub n_islands: usize,
    /// Members of one island at most.
    pub island_size: usize,
    /// Generations between two migrations.
    pub migration_interval: u64,
    /// Structural children bred per generation; up to four times as many when there are fewer than four
    /// instances, because each then costs less.
    pub batch: usize,
    /// Attempts at an unseen child before a slot of the batch stays empty.
    pub n_attempts_max: usize,
    /// IR nodes of a child at most.
    pub size_max: usize,
    /// Tunable parameters of a child at most.
    pub n_parameters_max: usize,
    /// Instances, from the first, on which races decide; the others serve tuning only.
    pub n_selection: usize,
    /// Instances of the first race stage.
    pub stage_first: usize,
    /// Growth of the instances seen from one race stage to the next.
    pub stage_factor: usize,
    /// Standard errors by which a paired mean must be worse before a candidate leaves the race.
    pub race_width: f64,
    /// Children per generation that may finish a race although they behave exactly like a rival.
    pub n_neutral_max: usize,
    /// Share of parents taken from the archive rather than from their island.
    pub archive_share: f64,
    /// Candidates kept in the store.
    pub store_capacity: usize,
    /// Identities remembered to avoid evaluating a candidate twice.
    pub seen_capacity: usize,
    /// Strategy states that compete for evaluations after their trial.
    pub n_tuners_max: usize,
    /// Skeletons that wait for a trial.
    pub n_waiting_max: usize,
    /// Strategies that run in one generation beside the trials.
    pub n_tuners_active: usize,
    /// Trials that run in one generation.
    pub n_trials_active: usize,
    /// Generations a trial is protected; half as many for skeletons with few parameters.
    pub trial_generations: u32,
    /// Instances on which a strategy's first steps compare their samples.
    pub minibatch: usize,
    /// Instances per strategy step at most; the number doubles while a strategy gains nothing.
    pub minibatch_max: usize,
    /// Strategy steps per generation at least; a generation has at least as many rounds.
    pub n_rounds_min: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            direction: Direction::Minimize,
            n_islands: 4,
            island_size: 16,
            migration_interval: 8,
            batch: 32,
            n_attempts_max: 4,
            size_max: 160,
            n_parameters_max: 1024,
            n_selection: 32,
            stage_first: 2,
            stage_factor: 4,
            race_width: 1.5,
            n_neutral_max: 2,
            archive_share: 0.25,
            store_capacity: 16_384,
            seen_capacity: 65_536,
            n_tuners_max: 8,
            n_waiting_max: 32,
            n_tuners_active: 2,
            n_trials_active: 4,
            trial_generations: 2,
            minibatch: 1,
            minibatch_max: 16,
            n_rounds_min: 4,
        }
    }
}

impl Settings {
    /// Checks every setting against its range.
    ///
    /// # Errors
    /// [`Error::Argument`] names the first setting outside its range.
    pub fn check(&self) -> Result<()> {
        let at_least = |name: &'static str, got: usize, low: usize| {
            if got >= low {
                return Ok(());
            }
            Err(Error::Argument { name, expected: format!("at least {low}"), got: got.to_string() })
        };
        at_least("n_islands", self.n_islands, 1)?;
        at_least("island_size", self.island_size, 2)?;
        at_least("batch", self.batch, 1)?;
        at_least("n_attempts_max", self.n_attempts_max, 1)?;
        at_least("size_max", self.size_max, 1)?;
        at_least("n_selection", self.n_selection, 1)?;
        at_least("stage_first", self.stage_first, 1)?;
        at_least("stage_factor", self.stage_factor, 2)?;
        at_least("store_capacity", self.store_capacity, 1024)?;
        at_least("seen_capacity", self.seen_capacity, 1024)?;
        at_least("n_tuners_max", self.n_tuners_max, 1)?;
        at_least("minibatch", self.minibatch, 1)?;
        at_least("minibatch_max", self.minibatch_max, self.minibatch)?;
        at_least("n_rounds_min", self.n_rounds_min, 1)?;
        at_least("migration_interval", usize::try_from(self.migration_interval).unwrap_or(1), 1)?;
        for (name, got) in [("race_width", self.race_width), ("archive_share", self.archive_share)]
        {
            if !(got.is_finite() && got >= 0.0) {
                return Err(Error::Argument {
                    name,
                    expected: "a finite number of at least 0".to_owned(),
                    got: got.to_string(),
                });
            }
        }
        Ok(())
    }

    /// Structural children of one generation.
    #[must_use]
    pub fn n_children(&self, n_instances: usize) -> usize {
        self.batch.saturating_mul((4 / self.selection(n_instances).max(1)).max(1))
    }

    /// How many of the training instances races decide on.
    #[must_use]
    pub fn selection(&self, n_instances: usize) -> usize {
        self.n_selection.min(n_instances)
    }

    /// The training instances that strategies draw from: those that races do not see when they are at
    /// least as many, so that tuning does not overfit the races; otherwise all.
    #[must_use]
    pub fn tuning(&self, n_instances: usize) -> Range<usize> {
        let n_selection = self.selection(n_instances);
        if n_instances >= 2 * n_selection { n_selection..n_instances } else { 0..n_instances }
    }

    /// Cumulative numbers of instances after each race stage, the last being the whole selection set.
    #[must_use]
    pub fn stages(&self, n_selection: usize) -> Vec<usize> {
        let mut stages = Vec::new();
        let mut seen = self.stage_first;
        while seen < n_selection {
            stages.push(seen);
            seen = seen.saturating_mul(self.stage_factor);
        }
        stages.push(n_selection);
        stages
    }
}
