//! The genetic algorithm, generational and steady state, over any space.
//!
//! Holland (1975), with elitism (De Jong, 1975) and, for real genes, the operators of Deb & Agrawal
//! (1995). Constraints by the feasibility rule (Deb, 2000); failed rows rank last. Parents are the
//! batch told last, shared and not copied; only elites are. After the first generations nothing is
//! allocated, except by lexicase selection, and by odd populations outside the fused real kernel.
//! It is not multi-objective: see NSGA-II for that.

mod breed;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, Batch, Build, Context, NO_PARENT, Population, Scores};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::numeric;
use crate::operators::duplicates::Duplicates;
use crate::operators::sbx::{PAIRS_PER_BLOCK, crossed};
use crate::operators::selection::{Selection, Selector, rank_keys};
use crate::operators::{Bounds, Key, mutation, permutation};
use crate::random::fill_space;
use crate::space::{Block, Kind, Space};
pub(crate) use breed::Breeding;
use breed::third;
pub use settings::{
    DiscreteCrossover, IntegerMutation, PermutationCrossover, PermutationMutation, RealCrossover,
    RealMutation, Replacement, Scheme, Settings,
};
use store::{Fact, Store, put};

const OPERATORS: &[&str] = &["sample", "crossover", "mutation"];
const SAMPLED: u8 = 0;
const CROSSED: u8 = 1;
const MUTATED: u8 = 2;

/// Keep the random streams of different purposes apart.
const SELECT: u64 = 0x73D1_1B0C_5E1E_C700;
const ADAPT: u64 = 0x51C3_A9AD_A971_0E00;
const RENEW: u64 = 0x2E0E_0D0B_1E7A_6600;
const REPLACE: u64 = 0x4E71_ACE0_9B2D_5500;

/// Memory that is used again; nothing in it outlives a call.
#[derive(Clone, Debug, Default)]
struct Scratch {
    is_ready: bool,
    selector: Selector,
    wide: Vec<Bounds<f64>>,
    narrow: Vec<Bounds<f32>>,
    objectives: Vec<f64>,
    violations: Vec<f64>,
    keys: Vec<f64>,
    order: Vec<u32>,
    cases: Vec<f64>,
    choices: Vec<u32>,
    pairs: Vec<[u32; 2]>,
    duplicates: Duplicates,
    repeated: Vec<bool>,
}

/// Selection, crossover, mutation, survival.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GeneticAlgorithm {
    space: Space,
    settings: Settings,
    store: Store,
    /// Step sizes of the batch asked last, under self-adaptation.
    sigmas: Vec<f64>,
    #[serde(skip)]
    scratch: Scratch,
}

impl Build for GeneticAlgorithm {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        settings.check(&space)?;
        Ok(Self {
            space,
            settings,
            store: Store::default(),
            sigmas: Vec::new(),
            scratch: Scratch::default(),
        })
    }
}

impl GeneticAlgorithm {
    fn is_lexicase(&self) -> bool {
        matches!(self.settings.selection, Selection::Lexicase | Selection::EpsilonLexicase)
    }

    fn is_adaptive(&self) -> bool {
        self.settings.mutation == RealMutation::SelfAdaptive
    }

    /// Makes what depends on space and settings only, once after building or loading.
    fn prepare(&mut self) {
        if self.scratch.is_ready {
            return;
        }
        let s = &self.settings;
        self.scratch.selector =
            Selector::new(s.selection, s.tournament_size, s.selection_pressure, s.truncation_share);
        self.scratch.wide = self.space.blocks().iter().map(Bounds::new).collect();
        self.scratch.narrow = self.space.blocks().iter().map(Bounds::new).collect();
        self.scratch.is_ready = true;
    }

    fn sample(&mut self, n: usize, context: &Context, batch: &mut Batch) {
        fill_space(&self.space, n, context, &mut batch.genomes);
        batch.origins.parents.reset(n, self.settings.n_parents()).fill(NO_PARENT);
        batch.origins.operators.reset(n, 1).fill(SAMPLED);
        self.sigmas.clear();
        if self.is_adaptive() {
            self.sigmas.resize(n, self.settings.mutation_sigma);
        }
    }

    /// Draws the parents of `n` children.
    fn select(&mut self, n: usize, context: &Context) {
        let (scratch, store) = (&mut self.scratch, &self.store);
        scratch.objectives.clear();
        scratch.violations.clear();
        for fact in store.member_facts() {
            scratch.objectives.push(fact.objective);
            scratch.violations.push(fact.violation);
        }
        let Scratch { objectives, violations, order, keys, .. } = scratch;
        rank_keys(objectives, violations, order, keys);
        scratch.cases.clear();
        let n_cases = store.cases.len() / store.facts.len().max(1);
        if n_cases > 0 {
            for idx in &store.members {
                let start = *idx as usize * n_cases;
                let row = store.cases.get(start..start + n_cases).unwrap_or(&[]);
                scratch.cases.extend_from_slice(row);
            }
        }
        scratch.choices.clear();
        scratch.choices.resize(2 * n.div_ceil(2), 0);
        let key = Key { seed: context.seed ^ SELECT, step: context.first_id, block: 0 };
        let Scratch { selector, keys, cases, choices, .. } = scratch;
        selector.select(keys, cases, key, &context.threads, choices);
        scratch.pairs.clear();
        let member = |choice: u32| store.members.get(choice as usize).copied().unwrap_or_default();
        let (pairs, _) = scratch.choices.as_chunks::<2>();
        scratch.pairs.extend(pairs.iter().map(|pair| pair.map(member)));
    }

    /// Lineage and step sizes of the children.
    fn inherit(&mut self, n: usize, context: &Context, batch: &mut Batch) {
        let n_parents = self.settings.n_parents();
        let parents = batch.origins.parents.reset(n, n_parents);
        let operators = batch.origins.operators.reset(n, 1);
        let is_adaptive = self.is_adaptive();
        let rate = 1.0 / (self.space.n_genes().max(1) as f64).sqrt();
        self.sigmas.clear();
        let (store, pairs) = (&self.store, &self.scratch.pairs);
        let fact = |idx: u32| store.facts.get(idx as usize).copied();
        let id = |idx: u32| fact(idx).map_or(NO_PARENT, |fact| fact.id);
        let key = breeding_key(context);
        let blocks = operators.chunks_mut(2 * PAIRS_PER_BLOCK);
        let lines = parents.chunks_mut(2 * PAIRS_PER_BLOCK * n_parents);
        for (block, (operators, parents)) in blocks.zip(lines).enumerate() {
            let (is_crossed, _) = crossed(key, block, self.settings.crossover_probability);
            let rows = operators.iter_mut().zip(parents.chunks_mut(n_parents)).enumerate();
            for (at, (operator, line)) in rows {
                let idx = block * PAIRS_PER_BLOCK + at / 2;
                let [a, b] = pairs.get(idx).copied().unwrap_or_default();
                let own = if at % 2 == 0 { a } else { b };
                let is_crossed = is_crossed.get(at / 2).copied().unwrap_or(false);
                *operator = if is_crossed { CROSSED } else { MUTATED };
                let [c, _] = third(pairs, idx);
                let known = if is_crossed {
                    [id(a), id(b), id(c)]
                } else {
                    [id(own), NO_PARENT, NO_PARENT]
                };
                for (slot, known) in line.iter_mut().zip(known) {
                    *slot = known;
                }
                if is_adaptive {
                    let sigma = |idx: u32| {
                        fact(idx).map_or(self.settings.mutation_sigma, |fact| fact.sigma)
                    };
                    let base = if is_crossed { (sigma(a) * sigma(b)).sqrt() } else { sigma(own) };
                    let row = 2 * PAIRS_PER_BLOCK * block + at;
                    let mut rng = Stream::new(context.seed ^ ADAPT, context.first_id, row as u64);
                    self.sigmas.push(mutation::adapt(base, rate, &mut rng));
                }
            }
        }
    }

    fn breed(&mut self, n: usize, context: &Context, batch: &mut Batch) {
        self.select(n, context);
        self.inherit(n, context, batch);
        let breeding = Breeding {
            settings: &self.settings,
            mutation: self.settings.gene_mutation(&self.space),
            pairs: &self.scratch.pairs,
            sigmas: &self.sigmas,
            key: breeding_key(context),
            threads: &context.threads,
        };
        let bounds = self.scratch.wide.iter().zip(&self.scratch.narrow);
        let blocks = self.space.blocks().iter().zip(bounds).zip(&mut batch.genomes);
        for (idx, ((block, bounds), column)) in blocks.enumerate() {
            let key = Key { block: idx as u64, ..breeding.key };
            let (rows, more) = (self.store.rows.get(idx), self.store.elites.get(idx));
            Breeding { key, ..breeding }.fill(block, rows, more, bounds, n, column);
        }
        if self.settings.eliminate_duplicates {
            self.renew_duplicates(context, batch);
        }
    }

    /// Draws one gene anew in each row that repeats another.
    fn renew_duplicates(&mut self, context: &Context, batch: &mut Batch) {
        let scratch = &mut self.scratch;
        let found = scratch.duplicates.find(&batch.genomes, &self.store.rows);
        scratch.repeated.clear();
        scratch.repeated.extend_from_slice(found);
        let n_genes = self.space.n_genes();
        for (row, _) in scratch.repeated.iter().enumerate().filter(|(_, repeated)| **repeated) {
            let mut rng = Stream::new(context.seed ^ RENEW, context.first_id, row as u64);
            let mut gene = rng.below(n_genes);
            for (block, column) in self.space.blocks().iter().zip(&mut batch.genomes) {
                if gene < block.n_genes() {
                    renew(block, row, gene, &mut rng, column);
                    break;
                }
                gene -= block.n_genes();
            }
        }
    }

    /// Enters rows into a steady-state population one by one.
    fn replace(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) {
        let capacity = self.settings.population_size;
        let n_cases = scores.cases.len() / batch.n_rows().max(1);
        let store = &mut self.store;
        if store.rows.is_empty() {
            store.rows = self.space.columns();
        }
        for row in 0..batch.n_rows() {
            let fact = known(scores, row, context, &self.sigmas, &self.settings);
            let n = store.facts.len();
            let place = if n < capacity {
                store.facts.push(fact);
                store.members.push(u32::try_from(n).unwrap_or(u32::MAX));
                store.cases.resize((n + 1) * n_cases, 0.0);
                n
            } else {
                let size = match self.settings.replacement {
                    Replacement::Worst => n,
                    Replacement::Tournament => self.settings.tournament_size,
                };
                let mut rng = Stream::new(context.seed ^ REPLACE, context.generation, row as u64);
                let entrants = (0..size).map(|idx| if size == n { idx } else { rng.below(n) });
                let facts = &store.facts;
                let worst = entrants.filter_map(|idx| facts.get(idx).map(|fact| (idx, fact)));
                let Some((place, known)) = worst.max_by(|a, b| a.1.cmp(b.1)) else { continue };
                if fact.cmp(known).is_gt() {
                    continue;
                }
                if let Some(known) = store.facts.get_mut(place) {
                    *known = fact;
                }
                place
            };
            put(&batch.genomes, row, &mut store.rows, place, capacity);
            let cases = store.cases.get_mut(place * n_cases..(place + 1) * n_cases);
            let from = scores.cases.get(row * n_cases..(row + 1) * n_cases);
            for (to, from) in cases.unwrap_or_default().iter_mut().zip(from.unwrap_or(&[])) {
                *to = *from;
            }
        }
    }
}

const fn breeding_key(context: &Context) -> Key {
    Key { seed: context.seed, step: context.first_id, block: 0 }
}

fn known(
    scores: &Scores<'_>,
    row: usize,
    context: &Context,
    sigmas: &[f64],
    settings: &Settings,
) -> Fact {
    Fact {
        objective: scores.objective(row),
        violation: if scores.is_failed(row) { 0.0 } else { scores.violation(row) },
        id: context.first_id.wrapping_add(row as u64),
        sigma: sigmas.get(row).copied().unwrap_or(settings.mutation_sigma),
    }
}

/// Draws one gene anew; swaps two of a permutation.
fn renew(block: &Block, row: usize, gene: usize, rng: &mut Stream, column: &mut Column) {
    let lower = block.lower.get(gene).copied().unwrap_or(0.0);
    let upper = block.upper.get(gene).copied().unwrap_or(0.0);
    let n = block.n_genes();
    let place = row * n + gene;
    match column {
        Column::F64(matrix) => {
            if let Some(gene) = matrix.make_mut().get_mut(place) {
                *gene = (lower + (upper - lower) * rng.uniform()).clamp(lower, upper);
            }
        }
        Column::F32(matrix) => {
            let (low, high) = (
                <f32 as numeric::Real>::not_below(lower),
                <f32 as numeric::Real>::not_above(upper),
            );
            if let Some(gene) = matrix.make_mut().get_mut(place) {
                let value =
                    <f32 as numeric::Real>::from_f64(lower + (upper - lower) * rng.uniform());
                *gene = value.max(low).min(high);
            }
        }
        Column::I64(matrix) => {
            let values = matrix.make_mut().get_mut(row * n..(row + 1) * n).unwrap_or_default();
            if block.kind == Kind::Permutation {
                permutation::swap(rng, values);
            } else if let Some(gene) = values.get_mut(gene) {
                let (low, high) = mutation::integer_bounds(lower, upper);
                *gene = rng.between(low, high);
            }
        }
        Column::Bool(matrix) => {
            if let Some(gene) = matrix.make_mut().get_mut(place) {
                *gene = !*gene;
            }
        }
    }
}

impl Algorithm for GeneticAlgorithm {
    fn space(&self) -> &Space {
        &self.space
    }

    fn needs_cases(&self) -> bool {
        self.is_lexicase()
    }

    fn batch_size(&self) -> usize {
        self.settings.population_size
    }

    fn is_size_free(&self) -> bool {
        self.is_steady()
    }

    fn is_steady(&self) -> bool {
        self.settings.scheme == Scheme::SteadyState
    }

    fn operators(&self) -> &'static [&'static str] {
        OPERATORS
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        self.prepare();
        let is_young = self.is_steady() && context.first_id < self.settings.population_size as u64;
        if is_young || self.store.members.is_empty() {
            self.sample(n, context, batch);
        } else {
            self.breed(n, context, batch);
        }
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        if self.is_steady() {
            let old = self.store.cases.len() / self.store.facts.len().max(1);
            let new = scores.cases.len() / batch.n_rows().max(1);
            if !self.store.facts.is_empty() && old != new {
                return Err(Error::batch("cases", format!("{old} cases a row, as before"), new));
            }
            self.replace(batch, scores, context);
        } else {
            let (sigmas, settings) = (&self.sigmas, &self.settings);
            let facts =
                (0..batch.n_rows()).map(|row| known(scores, row, context, sigmas, settings));
            let n_elites = settings.n_elites;
            self.store.advance(&batch.genomes, facts, scores.cases, n_elites);
        }
        Ok(())
    }

    fn population(&self) -> Population {
        let column = |value: fn(Fact) -> f64| {
            let values: Vec<f64> = self.store.member_facts().map(value).collect();
            let n = values.len();
            Matrix::from_vec(values, n, 1).unwrap_or_default()
        };
        let ids: Vec<u64> = self.store.member_facts().map(|fact| fact.id).collect();
        let n = ids.len();
        Population {
            genomes: self.store.genomes(),
            objectives: column(|fact| fact.objective),
            violations: column(|fact| fact.violation),
            descriptors: Matrix::default(),
            ids: Matrix::from_vec(ids, n, 1).unwrap_or_default(),
        }
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let n = self.store.members.len().max(1) as f64;
        let mut figures = Vec::new();
        if self.is_adaptive() {
            let sum: f64 = self.store.member_facts().map(|fact| fact.sigma).sum();
            figures.push(("sigma", sum / n));
        }
        figures
    }
}
