//! The genetic algorithm, generational and steady state, over any space.
//!
//! Holland (1975), with elitism (De Jong, 1975) and, for real genes, the operators of Deb & Agrawal
//! (1995). Constraints by the feasibility rule (Deb, 2000); failed rows rank last. Parents are the
//! batch told last, shared and not copied; only elites are. After the first generations nothing is
//! allocated, except by lexicase selection, and by odd populations outside the fused real kernel.
//! It is not multi-objective: see NSGA-II for that.

mod breed;
mod renew;
mod settings;
mod store;
#[cfg(test)]
mod tests;

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use crate::algorithm::{
    Algorithm, Batch, Build, Context, NO_PARENT, Origins, Population, Scores, check_sizes,
};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::operators::duplicates::Duplicates;
use crate::operators::sbx::{PAIRS_PER_BLOCK, crossed};
use crate::operators::selection::{Selection, Selector, rank_keys};
use crate::operators::{Bounds, Key, mutation};
use crate::random::fill_space;
use crate::space::Space;
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
    #[serde(skip)]
    scratch: Scratch,
}

impl Build for GeneticAlgorithm {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        settings.check(&space)?;
        Ok(Self { space, settings, store: Store::default(), scratch: Scratch::default() })
    }
}

impl GeneticAlgorithm {
    fn is_lexicase(&self) -> bool {
        matches!(self.settings.selection, Selection::Lexicase | Selection::EpsilonLexicase)
    }

    /// The cases, where selection looks at them.
    fn cases<'a>(&self, scores: &Scores<'a>) -> &'a [f64] {
        if self.is_lexicase() { scores.cases } else { &[] }
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
        if self.is_adaptive() {
            batch.origins.tags.reset(n, 1).fill(self.settings.mutation_sigma);
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
    fn inherit(&self, n: usize, context: &Context, batch: &mut Batch) {
        let n_parents = self.settings.n_parents();
        let parents = batch.origins.parents.reset(n, n_parents);
        let operators = batch.origins.operators.reset(n, 1);
        let is_adaptive = self.is_adaptive();
        // Step sizes come back with the rows.
        let sigmas = batch.origins.tags.reset(if is_adaptive { n } else { 0 }, 1);
        let rate = 1.0 / (self.space.n_genes().max(1) as f64).sqrt();
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
                    if let Some(sigma) = sigmas.get_mut(row) {
                        *sigma = mutation::adapt(base, rate, &mut rng);
                    }
                }
            }
        }
    }

    fn breed(&mut self, n: usize, context: &Context, batch: &mut Batch) {
        self.select(n, context);
        self.inherit(n, context, batch);
        let Batch { genomes, origins, .. } = batch;
        let breeding = Breeding {
            settings: &self.settings,
            mutation: self.settings.gene_mutation(&self.space),
            pairs: &self.scratch.pairs,
            sigmas: origins.tags.as_slice(),
            key: breeding_key(context),
            threads: &context.threads,
        };
        let bounds = self.scratch.wide.iter().zip(&self.scratch.narrow);
        let blocks = self.space.blocks().iter().zip(bounds).zip(genomes);
        for (idx, ((block, bounds), column)) in blocks.enumerate() {
            let key = Key { block: idx as u64, ..breeding.key };
            let (rows, more) = (self.store.rows.get(idx), self.store.elites.get(idx));
            Breeding { key, ..breeding }.fill(block, rows, more, bounds, n, column);
        }
        if self.settings.eliminate_duplicates {
            self.renew_duplicates(context, batch);
        }
    }

    /// Enters rows into a steady-state population one by one.
    fn replace(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) {
        let capacity = self.settings.population_size;
        let cases = self.cases(scores);
        let n_cases = cases.len() / batch.n_rows().max(1);
        let store = &mut self.store;
        if store.rows.is_empty() {
            store.rows = self.space.columns();
        }
        for row in 0..batch.n_rows() {
            let fact = known(batch, scores, row, context, &self.settings);
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
            let n_parents = self.settings.n_parents();
            store.put_origins((place, capacity), n_parents, &batch.origins, row);
            let own = store.cases.get_mut(place * n_cases..(place + 1) * n_cases);
            let from = cases.get(row * n_cases..(row + 1) * n_cases);
            for (to, from) in own.unwrap_or_default().iter_mut().zip(from.unwrap_or(&[])) {
                *to = *from;
            }
        }
    }
}

const fn breeding_key(context: &Context) -> Key {
    Key { seed: context.seed, step: context.first_id, block: 0 }
}

fn known(
    batch: &Batch,
    scores: &Scores<'_>,
    row: usize,
    context: &Context,
    settings: &Settings,
) -> Fact {
    let sigma = batch.origins.tags.as_slice().get(row).copied();
    Fact {
        objective: scores.objective(row),
        violation: if scores.is_failed(row) { 0.0 } else { scores.violation(row) },
        id: batch.id(row, context),
        // Rows that were not asked have none.
        sigma: sigma.filter(|sigma| sigma.is_finite()).unwrap_or(settings.mutation_sigma),
        generation: context.generation,
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

    fn check_tell(&self, n_rows: usize, scores: &Scores<'_>) -> Result<()> {
        let new = self.cases(scores).len() / n_rows.max(1);
        match self.store.n_cases() {
            Some(old) if old != new => {
                Err(Error::batch("cases", format!("{old} cases a row, as before"), new))
            }
            _ => Ok(()),
        }
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        self.check_tell(batch.n_rows(), scores)?;
        if self.is_steady() {
            self.replace(batch, scores, context);
        } else {
            let cases = self.cases(scores);
            let settings = &self.settings;
            let facts = (0..batch.n_rows()).map(|row| known(batch, scores, row, context, settings));
            let rows = (batch.genomes.as_slice(), &batch.origins);
            self.store.advance(rows, facts, cases, settings.n_elites);
        }
        Ok(())
    }

    fn check_state(&self) -> Result<()> {
        self.settings.check(&self.space)?;
        check_sizes(self)?;
        self.store.check(&self.space, self.settings.population_size, self.is_steady())
    }

    fn population(&self) -> Population {
        let column = |value: fn(Fact) -> f64| {
            let values: Vec<f64> = self.store.member_facts().map(value).collect();
            let n = values.len();
            Matrix::from_vec(values, n, 1).unwrap_or_default()
        };
        let number = |value: fn(Fact) -> u64| {
            let values: Vec<u64> = self.store.member_facts().map(value).collect();
            let n = values.len();
            Matrix::from_vec(values, n, 1).unwrap_or_default()
        };
        let Origins { parents, operators, .. } = self.store.lineage();
        Population {
            genomes: self.store.genomes(),
            objectives: column(|fact| fact.objective),
            violations: column(|fact| fact.violation),
            descriptors: Matrix::default(),
            ids: number(|fact| fact.id),
            parents,
            operators,
            generations: number(|fact| fact.generation),
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
