//! NSGA-II: "A Fast and Elitist Multiobjective Genetic Algorithm" (Deb, Pratap, Agarwal & Meyarivan,
//! 2002).
//!
//! Parents and children compete together; whole fronts survive, and of the front that does not fit
//! the least crowded rows. Besides the paper: exact copies of a feasible row come behind all others
//! that are feasible, so that they never crowd them out.

use serde::{Deserialize, Serialize};

use super::breeder::Breeder;
use super::limits::{check_objectives, check_rows};
use super::members::{Members, Table};
use super::operators::settings;
use super::rules::Fronts;
use super::state::{check_space, damaged, ensure};
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::error::Result;
use crate::genetic;
use crate::pareto::Crowding;
use crate::space::Space;

settings! {
    /// Settings of [`Nsga2`].
    pub struct Settings {
        /// Number of objectives, at least 2.
        pub n_objectives: usize,
        /// Rows kept, and children a generation.
        #[serde(default = "usual_size")]
        pub population_size: usize,
    }
}

const fn usual_size() -> usize {
    100
}

/// A population that moves towards the front and spreads along it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nsga2 {
    space: Space,
    settings: Settings,
    breeder: Breeder,
    members: Members,
    /// Rank and crowding of each member, by which tournaments are decided.
    ranks: Vec<u32>,
    crowding: Vec<f64>,
    #[serde(skip)]
    scratch: Scratch,
}

#[derive(Clone, Debug, Default)]
struct Scratch {
    table: Table,
    fronts: Fronts,
    crowding: Crowding,
    distances: Vec<f64>,
    picks: Vec<u32>,
    last: Vec<u32>,
    permutation: Vec<u32>,
}

impl Build for Nsga2 {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        check_objectives(settings.n_objectives)?;
        check_rows("population_size", settings.population_size, 2)?;
        let usual = genetic::Settings::usual(settings.population_size);
        let breeder = Breeder::new(&space, settings.operators(usual))?;
        Ok(Self {
            members: Members::new(&space),
            space,
            settings,
            breeder,
            ranks: Vec::new(),
            crowding: Vec::new(),
            scratch: Scratch::default(),
        })
    }
}

impl Algorithm for Nsga2 {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_objectives(&self) -> usize {
        self.settings.n_objectives
    }

    fn batch_size(&self) -> usize {
        self.settings.population_size
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
        let (ranks, crowding) = (&self.ranks, &self.crowding);
        let rank = |row: u32| ranks.get(row as usize).copied().unwrap_or(u32::MAX);
        let distance = |row: u32| crowding.get(row as usize).copied().unwrap_or(0.0);
        let permutation = &mut self.scratch.permutation;
        self.breeder.pair(n.div_ceil(2), n_members, permutation, context, |a, b, coin| {
            let by_rank = rank(b).cmp(&rank(a));
            let order = by_rank.then(distance(a).total_cmp(&distance(b)));
            order.is_gt() || (order.is_eq() && coin)
        });
        self.breeder.breed(&self.space, &self.members, n, context, batch);
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let m = self.settings.n_objectives;
        let n = self.settings.population_size;
        let Scratch { table, fronts, crowding, distances, picks, last, .. } = &mut self.scratch;
        table.merge(&self.members, m, scores, context);
        fronts.rank(table, m, &self.members, batch);
        crowding.measure(&table.objectives, m, &fronts.ranks, distances);
        fronts.fill(n, picks, last);
        let distance = |row: &u32| distances.get(*row as usize).copied().unwrap_or(0.0);
        last.sort_unstable_by(|a, b| distance(b).total_cmp(&distance(a)).then(a.cmp(b)));
        picks.extend(last.iter().take(n - picks.len()));
        table.select(picks, &mut self.members, batch, m);
        self.ranks.clear();
        self.ranks.extend(picks.iter().filter_map(|row| fronts.ranks.get(*row as usize)));
        self.crowding.clear();
        self.crowding.extend(picks.iter().map(distance));
        Ok(())
    }

    fn population(&self) -> Population {
        self.members.population()
    }

    fn check_state(&self) -> Result<()> {
        check_space(&self.space)?;
        let Settings { n_objectives, population_size, .. } = self.settings;
        Self::build(self.space.clone(), self.settings.clone(), 0)
            .map_err(|error| damaged(&error))?;
        self.breeder.check_state(&self.space)?;
        self.members.check_state(&self.space, n_objectives, population_size)?;
        let n = self.members.n_rows();
        ensure(self.ranks.len() == n && self.crowding.len() == n, "its ranks")?;
        ensure(self.crowding.iter().all(|distance| *distance >= 0.0), "its distances")
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let n_front = self.ranks.iter().filter(|rank| **rank == 0).count();
        vec![("n_front", n_front as f64)]
    }
}
