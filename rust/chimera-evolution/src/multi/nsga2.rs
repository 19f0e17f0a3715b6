//! NSGA-II: "A Fast and Elitist Multiobjective Genetic Algorithm" (Deb, Pratap, Agarwal & Meyarivan,
//! 2002).
//!
//! Parents and children compete together; whole fronts survive, and of the front that does not fit
//! the least crowded rows. Besides the paper: exact copies of a row come last, so that they never
//! crowd out others.

use serde::{Deserialize, Serialize};

use super::breeder::{Breeder, Options, real_block};
use super::members::{Members, Table};
use super::rules::Fronts;
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::error::{Error, Result};
use crate::operators::SbxPolynomial;
use crate::pareto::Crowding;
use crate::space::Space;

/// Settings of [`Nsga2`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Number of objectives, at least 2.
    pub n_objectives: usize,
    /// Rows kept, and children a generation.
    #[serde(default = "usual_size")]
    pub population_size: usize,
    /// Probability that a pair is crossed; .9.
    #[serde(default)]
    pub crossover_probability: Option<f64>,
    /// Distribution index of crossover; 15.
    #[serde(default)]
    pub crossover_eta: Option<f64>,
    /// Probability that a gene is mutated; 1 / number of genes.
    #[serde(default)]
    pub mutation_probability: Option<f64>,
    /// Distribution index of mutation; 20.
    #[serde(default)]
    pub mutation_eta: Option<f64>,
}

const fn usual_size() -> usize {
    100
}

/// Most rows of a population.
pub(super) const POPULATION_MAX: usize = 1_000_000;

/// Checks what all these searches share.
pub(super) fn check(n_objectives: usize, population_size: usize) -> Result<()> {
    if n_objectives < 2 {
        return Err(Error::setting("n_objectives", "at least 2", n_objectives));
    }
    if !(2..=POPULATION_MAX).contains(&population_size) {
        let expected = format!("2 to {POPULATION_MAX}");
        return Err(Error::setting("population_size", expected, population_size));
    }
    Ok(())
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
        check(settings.n_objectives, settings.population_size)?;
        let n_genes = real_block(&space, "nsga2")?.n_genes();
        let options = Options {
            crossover_probability: settings.crossover_probability,
            crossover_eta: settings.crossover_eta,
            mutation_probability: settings.mutation_probability,
            mutation_eta: settings.mutation_eta,
        };
        let breeder = Breeder::new(n_genes, &options, SbxPolynomial::usual(n_genes))?;
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
        &["uniform", "sbx_polynomial"]
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let n_members = self.members.n_rows();
        if n_members == 0 {
            Breeder::begin(&self.space, n, context, batch);
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
        let block = real_block(&self.space, "nsga2")?;
        self.breeder.breed(block, &self.members, n, context, batch);
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let m = self.settings.n_objectives;
        let n = self.settings.population_size;
        let Scratch { table, fronts, crowding, distances, picks, last, .. } = &mut self.scratch;
        table.merge(&self.members, m, scores, context);
        fronts.rank(table, m);
        fronts.demote_twins(table, m, &self.members, batch);
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

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let n_front = self.ranks.iter().filter(|rank| **rank == 0).count();
        vec![("n_front", n_front as f64)]
    }
}
