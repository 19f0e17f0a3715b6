//! Tuners: strategies on the parameters of promising skeletons, which compete for evaluations.
//!
//! A new skeleton gets a short protected *trial*, because structure often pays only once its numbers fit:
//! a fresh table of zeros changes nothing. After its trial it stays in the pool while it is among
//! the best, or gains. One running tuner is the best one, the others are drawn by recent gain.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::store::RecordId;
use super::strategy::{Coordinate, Strategy};
use crate::programs::ir::{Const, Expr, Program};
use crate::programs::tune::{self, Group, Parameter};
use crate::programs::types::Scalar;
use crate::programs::walk;
use crate::rng::Stream;

/// A skeleton that waits for its trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The program with its first values.
    pub program: Arc<Program>,
    /// The candidate it was bred from.
    pub parent: RecordId,
    /// The candidate itself when it was kept.
    pub record: Option<RecordId>,
    /// The operator that made it.
    pub operator: u16,
    /// Home island.
    pub island: u32,
    /// Estimate of its mean loss from the race's first stage.
    pub merit: f64,
    /// Tunable numbers.
    pub n_parameters: usize,
    /// Standard deviation of its outputs, the natural scale of an empty table.
    pub spread: f64,
    /// Its mean loss over all instances, as far as known.
    pub loss: f64,
}

/// One strategy and its bookkeeping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tuner {
    /// Number of the tuner, growing with time.
    pub id: u64,
    /// Best program so far.
    pub program: Arc<Program>,
    /// The candidate with these numbers, when kept.
    pub record: Option<RecordId>,
    /// The candidate the skeleton was bred from.
    pub parent: RecordId,
    /// The operator that made the skeleton.
    pub operator: u16,
    /// Home island.
    pub island: u32,
    /// Mean loss of `program` over all instances; infinite while unknown.
    pub loss: f64,
    /// The strategy.
    pub strategy: Strategy,
    /// Instances of one strategy step.
    pub minibatch: usize,
    /// Generations of the trial that remain.
    pub trial_left: u32,
    /// Generation from which it may be dropped.
    pub protected_until: u64,
    /// Active generations without an improvement.
    pub n_stalled: u32,
    /// Evaluations spent.
    pub n_evaluations: u64,
    /// Moving average of the relative gain per active generation.
    pub gain: f64,
    /// Standard deviation of the outputs, for restarts.
    pub spread: f64,
}

/// Samples of one strategy step on a few instances.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Burst {
    /// The tuner.
    pub tuner: u64,
    /// The instances every sample sees.
    pub instances: Vec<u32>,
    /// Rows of parameter values; in a first step the starting point comes last.
    pub samples: Vec<Vec<f64>>,
    /// Whether the last sample is the starting point.
    pub has_reference: bool,
}

/// The best sample of a tuner's latest burst.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// The tuner.
    pub tuner: u64,
    /// Parameter values.
    pub values: Vec<f64>,
    /// Instances and losses already measured.
    pub known: Vec<(u32, f64)>,
}

/// Waiting skeletons, trials and the pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tuners {
    next: u64,
    /// Skeletons waiting for a trial.
    pub waiting: Vec<Waiting>,
    /// Trials and pool, by id.
    pub pool: Vec<Tuner>,
    /// Ids that run in this generation.
    pub active: Vec<u64>,
}

/// Active generations without gain after which the minibatch doubles.
const PATIENCE: u32 = 4;
/// Active generations without gain after which a strategy restarts, or leaves when it is not the best.
const PATIENCE_MAX: u32 = 16;
/// More parameters than this are a table's worth: more samples per step and longer trials.
const LARGE: usize = 20;
/// Step size of a restart, relative to a fresh start.
const RESTART_SIGMA: f64 = 0.4;
/// Weight of the newest generation in the moving average of gains.
const GAIN_RATE: f64 = 0.3;

/// The slot values of a program's skeleton for given numbers.
#[must_use]
pub fn slot_values(parameters: &[Parameter], values: &[f64]) -> Arc<[Const]> {
    let typed = |(parameter, value): (&Parameter, &f64)| {
        let old = if parameter.scalar == Scalar::Int { Const::Int(0) } else { Const::Float(0.0) };
        tune::retyped(old, *value)
    };
    parameters.iter().zip(values).map(typed).collect()
}

/// For every parameter, whether it belongs to the structure: an int inside the index of a table, such as
/// a clamp to the table's range, which tuning could only break.
#[must_use]
pub fn structural(program: &Program) -> Vec<bool> {
    let mut inside: BTreeSet<*const Expr> = BTreeSet::new();
    let mut flags = Vec::new();
    for function in program.functions.iter().filter(|function| function.is_evolvable) {
        walk::visit_exprs(&function.body, &mut |expr| {
            if let Expr::Table(_, index) = expr {
                walk::visit(index, &mut |node| {
                    inside.insert(std::ptr::from_ref(node));
                });
            }
        });
        walk::visit_exprs(&function.body, &mut |expr| match expr {
            Expr::Const(value) if tune::is_tunable(*value) => {
                let is_int = value.scalar() == Scalar::Int;
                flags.push(is_int && inside.contains(&std::ptr::from_ref(expr)));
            }
            _ => {}
        });
    }
    flags.resize(tune::parameters(program).len(), false);
    flags
}

/// The search space of a program's numbers: a table's entries share the table's spread, and structural
/// numbers stay where they are.
#[must_use]
pub fn coordinates(program: &Program, spread: f64) -> Vec<Coordinate> {
    let parameters = tune::parameters(program);
    let mut coordinates = scaled(&parameters, spread);
    for (coordinate, is_structural) in coordinates.iter_mut().zip(structural(program)) {
        if is_structural {
            coordinate.scale = 0.0;
        }
    }
    coordinates
}

fn scaled(parameters: &[Parameter], spread: f64) -> Vec<Coordinate> {
    let mut coordinates: Vec<Coordinate> = Vec::with_capacity(parameters.len());
    let same_table = |a: &Parameter, b: &Parameter| match (a.group, b.group) {
        (Group::Table(a, _), Group::Table(b, _)) => a == b,
        _ => false,
    };
    for group in parameters.chunk_by(same_table) {
        let is_table = matches!(group, [Parameter { group: Group::Table(..), .. }, ..]);
        let values: Vec<f64> = group.iter().map(|parameter| parameter.value).collect();
        let scale = if is_table { table_scale(&values, spread) } else { literal_scale(&values) };
        coordinates.extend(group.iter().map(|parameter| {
            let is_integer = parameter.scalar == Scalar::Int;
            let scale = if is_integer { scale.max(1.0) } else { scale };
            Coordinate { start: parameter.value, scale, is_integer }
        }));
    }
    coordinates
}

fn table_scale(values: &[f64], spread: f64) -> f64 {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let candidates = [high - low, high.abs(), 3.0 * spread];
    candidates.into_iter().find(|scale| scale.is_finite() && *scale > 1e-9).unwrap_or(1.0)
}

fn literal_scale(values: &[f64]) -> f64 {
    let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if largest > 1e-9 { largest } else { 1.0 }
}

fn strategy(program: &Program, spread: f64) -> Strategy {
    let parameters = tune::parameters(program);
    let n_samples = if parameters.len() > LARGE { 24 } else { 16 };
    Strategy::new(coordinates(program, spread), n_samples)
}

impl Tuners {
    /// The tuner with this id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Tuner> {
        self.pool.iter().find(|tuner| tuner.id == id)
    }

    /// The tuner with this id, to change.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Tuner> {
        self.pool.iter_mut().find(|tuner| tuner.id == id)
    }

    /// Queues a skeleton; the queue keeps the most promising, tables first among equals.
    pub fn wait(&mut self, waiting: Waiting, settings: &Settings) {
        self.waiting.push(waiting);
        self.waiting
            .sort_by(|a, b| a.merit.total_cmp(&b.merit).then(b.n_parameters.cmp(&a.n_parameters)));
        self.waiting.truncate(settings.n_waiting_max);
    }

    /// Starts trials and chooses the tuners of the next generation.
    pub fn schedule(&mut self, settings: &Settings, generation: u64, stream: &mut Stream) {
        let mut n_trials = self.pool.iter().filter(|tuner| tuner.trial_left > 0).count();
        while n_trials < settings.n_trials_active && !self.waiting.is_empty() {
            // The most promising and any other in turn, lest one lineage takes all trials.
            let chosen = if n_trials % 2 == 0 { 0 } else { stream.below(self.waiting.len()) };
            let waiting = self.waiting.remove(chosen);
            self.start(waiting, settings, generation);
            n_trials += 1;
        }
        self.active = self.pool.iter().filter(|t| t.trial_left > 0).map(|t| t.id).collect();
        // A settled tuner that never gained only runs while nothing waits for a trial.
        let deserves = |t: &&Tuner| t.trial_left == 0 && (t.gain > 0.0 || self.waiting.is_empty());
        let mut settled: Vec<&Tuner> = self.pool.iter().filter(deserves).collect();
        settled.sort_by(|a, b| {
            a.loss.total_cmp(&b.loss).then(b.gain.total_cmp(&a.gain)).then(a.id.cmp(&b.id))
        });
        let n_idle = settings.n_trials_active.saturating_sub(self.active.len());
        let n_settled = settings.n_tuners_active + n_idle;
        for slot in 0..n_settled.min(settled.len()) {
            let top = settled.iter().map(|tuner| tuner.gain).fold(1e-12, f64::max);
            let weight = |(rank, tuner): (usize, &&Tuner)| {
                let rank = rank as f64;
                tuner.gain / top + 0.5 / (1.0 + rank)
            };
            let weights: Vec<f64> = settled.iter().enumerate().map(weight).collect();
            let chosen = if slot == 0 { 0 } else { stream.weighted(&weights).unwrap_or(0) };
            self.active.push(settled.remove(chosen).id);
        }
    }

    fn start(&mut self, waiting: Waiting, settings: &Settings, generation: u64) {
        let id = self.next;
        self.next += 1;
        let is_large = waiting.n_parameters > LARGE;
        let trial = settings.trial_generations;
        let trial_left = if is_large { trial } else { trial.div_ceil(2) };
        self.pool.push(Tuner {
            id,
            strategy: strategy(&waiting.program, waiting.spread),
            program: waiting.program,
            record: waiting.record,
            parent: waiting.parent,
            operator: waiting.operator,
            island: waiting.island,
            loss: waiting.loss,
            minibatch: settings.minibatch,
            trial_left,
            protected_until: generation + u64::from(trial_left) + 2,
            n_stalled: 0,
            n_evaluations: 0,
            gain: 0.0,
            spread: waiting.spread,
        });
    }

    /// Notes how much each active tuner gained in a generation, then drops what does not deserve more.
    pub fn settle(
        &mut self,
        gains: &[(u64, f64)],
        n_instances: usize,
        settings: &Settings,
        generation: u64,
    ) {
        let minibatch_max = settings.tuning(n_instances).len().min(settings.minibatch_max);
        let best = self.pool.iter().map(|tuner| tuner.loss).fold(f64::INFINITY, f64::min);
        for tuner in &mut self.pool {
            if !self.active.contains(&tuner.id) {
                continue;
            }
            let gain =
                gains.iter().filter(|(id, _)| *id == tuner.id).map(|(_, gain)| gain).sum::<f64>();
            tuner.gain += GAIN_RATE * (gain - tuner.gain);
            tuner.trial_left = tuner.trial_left.saturating_sub(1);
            tuner.n_stalled = if gain > 0.0 { 0 } else { tuner.n_stalled + 1 };
            if tuner.n_stalled > 0
                && tuner.n_stalled % PATIENCE == 0
                && tuner.minibatch < minibatch_max
            {
                tuner.minibatch = (tuner.minibatch * 2).min(minibatch_max);
            }
            let is_spent = tuner.n_stalled >= PATIENCE_MAX || tuner.strategy.is_collapsed();
            if is_spent && tuner.loss <= best {
                tuner.strategy = strategy(&tuner.program, tuner.spread);
                tuner.strategy.narrow(RESTART_SIGMA);
                tuner.n_stalled = 0;
                tuner.minibatch = (tuner.minibatch / 4).max(settings.minibatch);
            }
        }
        self.pool.retain(|tuner| {
            let is_spent = tuner.n_stalled >= PATIENCE_MAX || tuner.strategy.is_collapsed();
            generation < tuner.protected_until || !is_spent || tuner.loss <= best
        });
        let mut settled: Vec<(f64, u64)> = self
            .pool
            .iter()
            .filter(|tuner| generation >= tuner.protected_until)
            .map(|tuner| (tuner.loss, tuner.id))
            .collect();
        settled.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let dropped: Vec<u64> =
            settled.iter().skip(settings.n_tuners_max).map(|(_, id)| *id).collect();
        self.pool.retain(|tuner| !dropped.contains(&tuner.id));
    }

    /// Draws the samples of every active tuner's next step.
    pub fn bursts(&mut self, n_instances: usize, settings: &Settings, step: u64) -> Vec<Burst> {
        let one = |instance| u32::try_from(instance).unwrap_or(u32::MAX);
        let drawn: Vec<u32> = settings.tuning(n_instances).map(one).collect();
        let mut bursts = Vec::new();
        for id in self.active.clone() {
            let Some(tuner) = self.get_mut(id) else { continue };
            let mut stream = Stream::new(settings.seed, step, id);
            let mut instances = drawn.clone();
            if tuner.minibatch < instances.len() {
                stream.shuffle(&mut instances);
                instances.truncate(tuner.minibatch);
            }
            let has_reference = tuner.strategy.is_scouting();
            let mut samples = tuner.strategy.ask(&mut stream);
            if has_reference {
                samples.push(tuner.strategy.centre());
            }
            tuner.n_evaluations += u64::try_from(samples.len() * instances.len()).unwrap_or(0);
            bursts.push(Burst { tuner: id, instances, samples, has_reference });
        }
        bursts
    }

    /// Teaches a tuner what its samples lost, `losses[sample][instance]`; returns the best as a proposal.
    pub fn learn(&mut self, burst: &Burst, losses: &[Vec<f64>]) -> Option<Proposal> {
        let tuner = self.get_mut(burst.tuner)?;
        let mean = |row: &Vec<f64>| row.iter().sum::<f64>() / row.len().max(1) as f64;
        let mut means: Vec<f64> = losses.iter().map(mean).collect();
        let reference = if burst.has_reference { means.pop() } else { None };
        tuner.strategy.tell(&means, reference);
        let (best, loss) = means
            .iter()
            .enumerate()
            .filter(|(_, loss)| loss.is_finite())
            .min_by(|a, b| a.1.total_cmp(b.1))?;
        if reference.is_some_and(|reference| *loss > reference) {
            return None;
        }
        let known =
            burst.instances.iter().copied().zip(losses.get(best)?.iter().copied()).collect();
        Some(Proposal { tuner: burst.tuner, values: burst.samples.get(best)?.clone(), known })
    }
}
