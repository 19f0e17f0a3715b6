//! SMS-EMOA: "Multiobjective selection based on dominated hypervolume" (Beume, Naujoks & Emmerich,
//! 2007).
//!
//! Rows leave one by one: of the worst front that does not fit, always the row that alone dominates
//! the least hypervolume; see [`super::thinning`]. `offspring` 1 is the paper's algorithm; more
//! children a generation make larger batches.

use serde::{Deserialize, Serialize};

use super::breeder::Breeder;
use super::limits::{check_objectives, check_rows};
use super::members::{Members, Table};
use super::operators::settings;
use super::rules::Fronts;
use super::state::{check_space, damaged, ensure};
use super::thinning::Thinning;
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::error::Result;
use crate::genetic;
use crate::space::Space;

settings! {
    /// Settings of [`SmsEmoa`].
    pub struct Settings {
        /// Number of objectives, at least 2.
        pub n_objectives: usize,
        /// Rows kept.
        #[serde(default = "usual_size")]
        pub population_size: usize,
        /// Children a generation; as many as rows kept by default.
        #[serde(default)]
        pub offspring: Option<usize>,
    }
}

const fn usual_size() -> usize {
    100
}

/// A population that keeps what adds to its hypervolume.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SmsEmoa {
    space: Space,
    settings: Settings,
    n_offspring: usize,
    breeder: Breeder,
    members: Members,
    ranks: Vec<u32>,
    #[serde(skip)]
    scratch: Scratch,
}

#[derive(Clone, Debug, Default)]
struct Scratch {
    table: Table,
    fronts: Fronts,
    picks: Vec<u32>,
    last: Vec<u32>,
    permutation: Vec<u32>,
    thinning: Thinning,
}

impl Build for SmsEmoa {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        check_objectives(settings.n_objectives)?;
        check_rows("population_size", settings.population_size, 2)?;
        let n_offspring = settings.offspring.unwrap_or(settings.population_size);
        check_rows("offspring", n_offspring, 1)?;
        let usual = genetic::Settings::usual(settings.population_size);
        Ok(Self {
            breeder: Breeder::new(&space, settings.operators(usual))?,
            members: Members::new(&space),
            space,
            settings,
            n_offspring,
            ranks: Vec::new(),
            scratch: Scratch::default(),
        })
    }
}

impl Algorithm for SmsEmoa {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_objectives(&self) -> usize {
        self.settings.n_objectives
    }

    fn batch_size(&self) -> usize {
        if self.members.n_rows() == 0 { self.settings.population_size } else { self.n_offspring }
    }

    fn operators(&self) -> &'static [&'static str] {
        Breeder::names(&self.space)
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let n_members = self.members.n_rows();
        if n_members == 0 {
            Breeder::begin(&self.space, n, 2, context, batch);
            return Ok(());
        }
        let ranks = &self.ranks;
        let rank = |row: u32| ranks.get(row as usize).copied().unwrap_or(u32::MAX);
        let permutation = &mut self.scratch.permutation;
        self.breeder.pair(n.div_ceil(2), n_members, permutation, context, |a, b, coin| {
            rank(a) < rank(b) || (rank(a) == rank(b) && coin)
        });
        self.breeder.breed(&self.space, &self.members, n, context, batch);
        Ok(())
    }

    fn is_tell_long(&self) -> bool {
        self.settings.n_objectives > 2
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let m = self.settings.n_objectives;
        let n = self.settings.population_size;
        let Scratch { table, fronts, picks, last, thinning, .. } = &mut self.scratch;
        table.merge(&self.members, m, scores, context);
        fronts.rank(table, m, &self.members, batch);
        fronts.fill(n, picks, last);
        let n_wanted = n.saturating_sub(picks.len());
        if last.iter().all(|row| table.violation(*row as usize) <= 0.0) {
            // Before anything that is kept changes.
            thinning.thin(table, m, (last, n_wanted), context)?;
        }
        picks.extend(last.iter().take(n_wanted));
        table.select(picks, &mut self.members, batch, m);
        self.ranks.clear();
        self.ranks.extend(picks.iter().filter_map(|row| fronts.ranks.get(*row as usize)));
        Ok(())
    }

    fn population(&self) -> Population {
        self.members.population()
    }

    fn check_state(&self) -> Result<()> {
        check_space(&self.space)?;
        let Settings { n_objectives, population_size, .. } = self.settings;
        let fresh = Self::build(self.space.clone(), self.settings.clone(), 0)
            .map_err(|error| damaged(&error))?;
        ensure(fresh.n_offspring == self.n_offspring, "its number of children")?;
        self.breeder.check_state(&self.space)?;
        self.members.check_state(&self.space, n_objectives, population_size)?;
        ensure(self.ranks.len() == self.members.n_rows(), "its ranks")
    }
}
