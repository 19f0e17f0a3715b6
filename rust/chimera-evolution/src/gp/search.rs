//! The search: generations of trees on one data set.
//!
//! Children are made and measured in groups that any thread may take. Each child's random stream is
//! keyed by (seed, generation, index), so the result is the same on any number of threads, and after
//! saving and loading between generations.

use std::sync::{Mutex, PoisonError};

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use super::data::Data;
use super::fitness::{Fit, Target};
use super::forest::Forest;
use super::front::Front;
use super::machine::Machine;
use super::sealed;
use super::select::{self, Cases, Pool};
use super::settings::{Selection, Settings};
use super::tune::{Problem, Tuner};
use super::variation::{Operator, Variation};
use crate::error::{Error, Result};
use crate::threads::Threads;

const MAGIC: [u8; 8] = *b"chimgps\x02";
/// Children of a group.
const GROUP: usize = 32;
/// Index of the stream that draws the cases of a generation, far from the children's.
const CASES_STREAM: u64 = u64::MAX;

/// What is saved.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct State {
    settings: Settings,
    seed: u64,
    generation: u64,
    n_evaluations: u64,
    population: Forest,
    fits: Vec<Fit>,
    front: Front,
    /// Of the data set: what is loaded must go on with the same one.
    fingerprint: u64,
}

/// What one thread needs.
#[derive(Debug, Default)]
struct Worker {
    machine: Machine,
    tuner: Tuner,
    scratch: Forest,
    pool: Pool,
}

/// Some children and their fits.
#[derive(Debug, Default)]
struct Group {
    forest: Forest,
    fits: Vec<Fit>,
    n_evaluations: u64,
}

/// Tree genetic programming on one data set.
#[derive(Debug)]
pub struct Search {
    state: State,
    data: Data,
    rows: Vec<f32>,
    target: Target,
    threads: Threads,
    groups: Vec<Group>,
    workers: Mutex<Vec<Worker>>,
    cases: Cases,
    keys: Vec<f64>,
    order: Vec<usize>,
    spare: Forest,
}

impl Search {
    /// A search on row-major `x` `(n_rows, n_columns)` and one target a row. Nothing is evaluated
    /// before the first step.
    ///
    /// # Errors
    /// Settings outside their range, shapes that do not fit, values that are not finite.
    pub fn new(
        settings: Settings,
        x: Vec<f32>,
        n_columns: usize,
        y: &[f64],
        seed: u64,
        threads: Threads,
    ) -> Result<Self> {
        settings.check()?;
        let data = Data::from_rows(&x, y.len(), n_columns)?;
        let target = Target::new(y)?;
        let fingerprint = fingerprint(&x, y);
        let state = State {
            settings,
            seed,
            generation: 0,
            n_evaluations: 0,
            population: Forest::default(),
            fits: Vec::new(),
            front: Front::default(),
            fingerprint,
        };
        Ok(Self {
            state,
            data,
            rows: x,
            target,
            threads,
            groups: Vec::new(),
            workers: Mutex::default(),
            cases: Cases::default(),
            keys: Vec::new(),
            order: Vec::new(),
            spare: Forest::default(),
        })
    }

    /// Generations made so far.
    pub const fn generation(&self) -> u64 {
        self.state.generation
    }

    /// Trees measured so far, tuning included.
    pub const fn n_evaluations(&self) -> u64 {
        self.state.n_evaluations
    }

    /// The settings.
    pub const fn settings(&self) -> &Settings {
        &self.state.settings
    }

    /// The best models by size.
    pub const fn front(&self) -> &Front {
        &self.state.front
    }

    /// The trees of the last generation.
    pub const fn population(&self) -> &Forest {
        &self.state.population
    }

    /// Their fits.
    pub fn fits(&self) -> &[Fit] {
        &self.state.fits
    }

    /// What trees are fitted to.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Least error so far; infinite before the first step.
    pub fn best_error(&self) -> f64 {
        self.state.front.models().last().map_or(f64::INFINITY, |model| model.fit().error)
    }

    /// Makes one generation: the first is random.
    pub fn step(&mut self) {
        let n = self.state.settings.population_size;
        self.rank();
        if self.state.generation > 0 && self.state.settings.selection == Selection::EpsilonLexicase
        {
            self.measure_cases();
        }
        let mut groups = std::mem::take(&mut self.groups);
        groups.resize_with(n.div_ceil(GROUP), Group::default);
        let is_worth_it = n * self.data.n_rows() > 20_000;
        self.threads.for_each_chunk(&mut groups, 1, is_worth_it, |idx, group| {
            let mut worker = self.take_worker();
            for group in group {
                self.breed(idx * GROUP, group, &mut worker);
                self.measure(idx * GROUP, group, &mut worker);
            }
            self.give_worker(worker);
        });
        let mut next = std::mem::take(&mut self.spare);
        next.clear();
        self.state.fits.clear();
        for group in &groups {
            self.state.n_evaluations += group.n_evaluations;
            for (tree, fit) in group.forest.trees().zip(&group.fits) {
                next.push_tree(tree);
                self.state.fits.push(*fit);
                self.state.front.offer(tree, *fit, self.data.n_columns());
            }
        }
        self.spare = std::mem::replace(&mut self.state.population, next);
        self.groups = groups;
        self.state.generation += 1;
    }

    fn take_worker(&self) -> Worker {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.pop().unwrap_or_default()
    }

    fn give_worker(&self, worker: Worker) {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    }

    /// Keys by which trees compete, and their order.
    fn rank(&mut self) {
        let parsimony = self.state.settings.parsimony;
        self.keys.clear();
        self.keys.extend(
            self.state
                .fits
                .iter()
                .zip(self.state.population.trees())
                .map(|(fit, tree)| fit.error * (1.0 + parsimony * tree.n_nodes() as f64)),
        );
        self.order.clear();
        self.order.extend(0..self.keys.len());
        let key = |idx: &usize| self.keys.get(*idx).copied().unwrap_or(f64::INFINITY);
        self.order.sort_by(|a, b| key(a).total_cmp(&key(b)).then(a.cmp(b)));
    }

    /// Errors of the present population on rows drawn for this generation.
    fn measure_cases(&mut self) {
        let n_rows = self.data.n_rows();
        let n_cases = self.state.settings.n_cases.min(n_rows);
        let mut rng = Stream::new(self.state.seed, self.state.generation, CASES_STREAM);
        let mut drawn: Vec<usize> = (0..n_rows).collect();
        for place in 0..n_cases {
            drawn.swap(place, place + rng.below(n_rows - place));
        }
        drawn.truncate(n_cases);
        let n_columns = self.data.n_columns();
        let mut rows = Vec::with_capacity(n_cases * n_columns);
        for row in &drawn {
            let start = row * n_columns;
            rows.extend_from_slice(self.rows.get(start..start + n_columns).unwrap_or(&[]));
        }
        let Ok(data) = Data::from_rows(&rows, n_cases, n_columns) else { return };
        let n_trees = self.state.population.n_trees();
        let mut cases = std::mem::take(&mut self.cases);
        let errors = cases.reset(n_cases, n_trees);
        let mut worker = self.take_worker();
        worker.machine.evaluate(&self.state.population, &data, |idx, predictions| {
            let fit = self.state.fits.get(idx).copied().unwrap_or_default();
            if !fit.error.is_finite() {
                return;
            }
            for ((case, row), value) in drawn.iter().enumerate().zip(predictions) {
                let known = self.target.values().get(*row).copied().unwrap_or(0.0);
                let error = (fit.slope * f64::from(*value) + fit.intercept - known).abs();
                #[expect(clippy::cast_possible_truncation, reason = "only compared")]
                if let Some(place) = errors.get_mut(case * n_trees + idx) {
                    *place = error as f32;
                }
            }
        });
        self.give_worker(worker);
        cases.finish();
        self.cases = cases;
    }

    fn parent(&self, worker: &mut Worker, rng: &mut Stream) -> usize {
        match self.state.settings.selection {
            Selection::Tournament => {
                select::tournament(&self.keys, self.state.settings.tournament_size, rng)
            }
            Selection::EpsilonLexicase => self.cases.select(&mut worker.pool, rng),
        }
    }

    fn stream(&self, idx: usize) -> Stream {
        Stream::new(self.state.seed, self.state.generation, idx as u64)
    }

    /// Children `first..` of this generation.
    fn breed(&self, first: usize, group: &mut Group, worker: &mut Worker) {
        let settings = &self.state.settings;
        let variation = Variation { settings, n_columns: self.data.n_columns() };
        group.forest.clear();
        for idx in first..(first + GROUP).min(settings.population_size) {
            let mut rng = self.stream(idx);
            if self.state.generation == 0 {
                variation.create(&mut group.forest, &mut rng, idx);
                continue;
            }
            let population = &self.state.population;
            let elite = (idx < settings.n_elites).then(|| self.order.get(idx)).flatten();
            if let Some(elite) = elite.and_then(|elite| population.tree(*elite)) {
                group.forest.push_tree(elite);
                continue;
            }
            let operator = Operator::draw(settings, &mut rng);
            let parent = self.parent(worker, &mut rng);
            let other = match operator {
                Operator::Crossover => self.parent(worker, &mut rng),
                _ => parent,
            };
            if let (Some(parent), Some(other)) = (population.tree(parent), population.tree(other)) {
                let scratch = &mut worker.scratch;
                variation.vary(operator, parent, other, &mut group.forest, scratch, &mut rng);
            }
        }
    }

    /// Measures a group and tunes some of its trees.
    fn measure(&self, first: usize, group: &mut Group, worker: &mut Worker) {
        let Settings { linear_scaling, tuning_rate, tuning_steps, .. } = self.state.settings;
        let problem = Problem {
            data: &self.data,
            target: &self.target,
            n_steps: tuning_steps,
            is_scaled: linear_scaling,
        };
        let Group { forest, fits, n_evaluations } = group;
        fits.clear();
        worker.machine.evaluate(forest, &self.data, |_, predictions| {
            fits.push(self.target.fit(predictions, linear_scaling));
        });
        *n_evaluations = fits.len() as u64;
        for (place, fit) in fits.iter_mut().enumerate() {
            // Another stream than variation's: whether a child is tuned must not shift its making.
            let mut rng = Stream::new(
                self.state.seed ^ 0x7475_6e65,
                self.state.generation,
                (first + place) as u64,
            );
            if tuning_steps == 0 || !rng.chance(tuning_rate) {
                continue;
            }
            let Worker { machine, tuner, .. } = worker;
            let better = tuner.tune(forest, place, *fit, machine, problem);
            *n_evaluations += tuner.n_evaluated();
            if let Some(better) = better {
                *fit = better;
            }
        }
    }

    /// The state as bytes, without the data set: magic, checksum, crate version, content.
    ///
    /// # Errors
    /// Never, unless memory runs out.
    pub fn save(&self) -> Result<Vec<u8>> {
        sealed::seal(MAGIC, &self.state)
    }

    /// Goes on from saved bytes on the same data set.
    ///
    /// # Errors
    /// The bytes are damaged or of another version, or the data set is another one.
    pub fn load(
        bytes: &[u8],
        x: Vec<f32>,
        n_columns: usize,
        y: &[f64],
        threads: Threads,
    ) -> Result<Self> {
        let unreadable = |reason: &str| Error::State { reason: reason.to_owned() };
        let state: State = sealed::open(MAGIC, bytes)?;
        if state.fingerprint != fingerprint(&x, y) {
            return Err(unreadable("it belongs to another data set"));
        }
        let is_whole = state.population.check(n_columns).is_ok()
            && state.population.n_trees() == state.fits.len()
            && (state.generation == 0 || state.fits.len() == state.settings.population_size)
            && state.front.is_whole(n_columns);
        if !is_whole {
            return Err(unreadable("its trees are damaged"));
        }
        let mut search = Self::new(state.settings.clone(), x, n_columns, y, state.seed, threads)?;
        search.state = state;
        Ok(search)
    }
}

/// FNV-1a over the bits of a data set.
fn fingerprint(x: &[f32], y: &[f64]) -> u64 {
    let wide = x.iter().map(|value| u64::from(value.to_bits()));
    wide.chain(y.iter().map(|value| value.to_bits()))
        .fold(0xcbf2_9ce4_8422_2325, |sum, bits| (sum ^ bits).wrapping_mul(0x0100_0000_01b3))
}
