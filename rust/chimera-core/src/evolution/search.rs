//! The search as a deterministic ask/tell machine over evaluation requests.
//!
//! A generation is a fixed number of rounds. Each round carries, in one batch, the next race stage of all
//! candidates that may still win and one strategy step of every active tuner, so that few large batches
//! keep all threads busy. [`Search::ask`] changes nothing: everything random is drawn when the previous
//! round is told, from streams keyed by (seed, generation, purpose, index). The sequence of rounds depends
//! on scores only, never on budget, time or threads, so a shorter run is a prefix of a longer one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::archive::Archive;
use super::credit::{Account, Credit};
use super::identity::{Behaviour, Seen};
use super::islands::Islands;
use super::race::compare;
use super::runner::{Origin, Progress, Runner};
use super::settings::Settings;
use super::space;
use super::store::{BASELINE, Record, RecordId, Store};
use super::tuner::{Burst, Proposal, Tuners, slot_values};
use crate::programs::ir::{Const, Program};
use crate::programs::tune::{self, Parametrised};
use crate::{Error, Result};

/// One objective call.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Index into [`Batch::programs`].
    pub program: u32,
    /// Values of the program's parameter slots; shared by the requests of one candidate.
    pub parameters: Arc<[Const]>,
    /// Training instance.
    pub instance: u32,
}

/// Calls of one candidate on all probe inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// Index into [`Batch::programs`].
    pub program: u32,
    /// Values of the program's parameter slots.
    pub parameters: Arc<[Const]>,
}

/// What to evaluate next.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Distinct skeletons, parametrised.
    pub programs: Vec<Arc<Parametrised>>,
    /// Hash of each skeleton, for caches of compiled modules.
    pub keys: Vec<[u8; 32]>,
    /// Objective calls.
    pub requests: Vec<Request>,
    /// Behaviour wanted.
    pub probes: Vec<Probe>,
}

/// The result of one objective call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The score; ignored when the call was not ok.
    pub score: f64,
    /// Whether the call returned a value.
    pub is_ok: bool,
    /// Fuel used.
    pub fuel: u64,
}

/// A kept candidate, as seen from outside.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Number in the store.
    pub record: RecordId,
    /// Hash of the program.
    pub identity: [u8; 32],
    /// The program.
    pub program: Arc<Program>,
    /// Mean score over the selection set.
    pub score: f64,
    /// Standard deviation of the score over the instances.
    pub deviation: f64,
    /// Instances it was evaluated on: the whole selection set.
    pub n_instances: usize,
    /// Numbers of the parents.
    pub parents: Vec<RecordId>,
    /// Name of the operator that made it.
    pub operator: String,
    /// Generation in which it was kept.
    pub generation: u64,
    /// IR nodes.
    pub size: u32,
    /// Mean fuel of one evaluation.
    pub fuel: u64,
}

/// What one generation did.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Number of the generation; 0 evaluates the baseline.
    pub generation: u64,
    /// Objective calls so far.
    pub n_evaluations: u64,
    /// Candidates that entered the race.
    pub n_candidates: u64,
    /// Objective calls that were not ok or not finite.
    pub n_traps: u64,
    /// Candidates skipped or stopped because an equal one is known.
    pub n_duplicates: u64,
    /// Score of the best candidate.
    pub best_score: f64,
    /// New best candidates, in order.
    pub improvements: Vec<Candidate>,
}

/// Counters of the running generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counters {
    pub n_candidates: u64,
    pub n_traps: u64,
    pub n_duplicates: u64,
    pub improvements: Vec<RecordId>,
}

/// The search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Search {
    pub(crate) settings: Settings,
    pub(crate) baseline: Arc<Program>,
    pub(crate) baseline_outputs: Vec<f64>,
    pub(crate) probes: Vec<Vec<Vec<Const>>>,
    pub(crate) n_instances: usize,
    pub(crate) store: Store,
    pub(crate) archive: Archive,
    pub(crate) islands: Islands,
    pub(crate) credit: Credit,
    pub(crate) tuners: Tuners,
    pub(crate) seen: Seen,
    pub(crate) skeletons: Seen,
    pub(crate) generation: u64,
    pub(crate) round: usize,
    pub(crate) n_evaluations: u64,
    pub(crate) best: RecordId,
    pub(crate) order: Vec<u32>,
    pub(crate) runners: Vec<Runner>,
    pub(crate) bursts: Vec<Burst>,
    pub(crate) proposals: Vec<Proposal>,
    pub(crate) gains: Vec<(u64, f64)>,
    pub(crate) counters: Counters,
}

/// One unit of the pending round, in the order of the requests.
#[derive(Clone, Copy, Debug)]
enum Task {
    Race { runner: usize, instance: u32 },
    Sample { burst: usize, sample: usize, instance: u32 },
}

/// Collects skeletons once each.
#[derive(Default)]
struct Skeletons {
    known: BTreeMap<[u8; 32], u32>,
    batch: Batch,
}

impl Skeletons {
    /// Index of the program's skeleton, its slots in [`tune::parameters`] order.
    fn add(&mut self, program: &Program) -> u32 {
        let key = tune::skeleton_hash(program).unwrap_or_default();
        let next = u32::try_from(self.batch.programs.len()).unwrap_or(u32::MAX);
        *self.known.entry(key).or_insert_with(|| {
            self.batch.programs.push(Arc::new(tune::parametrise(program)));
            self.batch.keys.push(key);
            next
        })
    }
}

impl Search {
    /// Starts a search from a baseline program over `n_instances` training instances.
    ///
    /// `probes` are, per function of the program, observed argument tuples (scalar parameters only);
    /// variation takes the ranges of its tables from them.
    ///
    /// # Errors
    /// [`Error::Argument`] when there is no instance or a setting is out of range.
    pub fn new(
        baseline: Program,
        n_instances: usize,
        probes: Vec<Vec<Vec<Const>>>,
        settings: Settings,
    ) -> Result<Self> {
        settings.check()?;
        let n_instances_u32 = u32::try_from(n_instances).unwrap_or(0);
        if n_instances_u32 == 0 {
            let expected = "1 to 4294967295 training instances".to_owned();
            return Err(Error::Argument {
                name: "n_instances",
                expected,
                got: n_instances.to_string(),
            });
        }
        let mut names = space::operators();
        names.extend(["tune", "baseline"]);
        let operator = u16::try_from(names.len() - 1).unwrap_or(u16::MAX);
        let n_selection = settings.selection(n_instances);
        let runner = Runner::new(baseline, Vec::new(), operator, Origin::Baseline, 0, n_selection);
        let mut seen = Seen::new(settings.seen_capacity);
        seen.insert(&runner.identity);
        Ok(Self {
            baseline: Arc::clone(&runner.program),
            baseline_outputs: Vec::new(),
            probes,
            n_instances,
            store: Store::new(settings.store_capacity),
            archive: Archive::default(),
            islands: Islands::new(settings.n_islands, settings.island_size),
            credit: Credit::new(&names, &space::priors()),
            tuners: Tuners::default(),
            seen,
            skeletons: Seen::new(settings.seen_capacity),
            generation: 0,
            round: 0,
            n_evaluations: 0,
            best: BASELINE,
            order: (0..n_instances_u32).take(n_selection).collect(),
            runners: vec![runner],
            bursts: Vec::new(),
            proposals: Vec::new(),
            gains: Vec::new(),
            counters: Counters { n_candidates: 1, ..Counters::default() },
            settings,
        })
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The program the search started from.
    #[must_use]
    pub const fn baseline(&self) -> &Arc<Program> {
        &self.baseline
    }

    /// Training instances.
    #[must_use]
    pub const fn n_instances(&self) -> usize {
        self.n_instances
    }

    /// Objective calls told so far.
    #[must_use]
    pub const fn n_evaluations(&self) -> u64 {
        self.n_evaluations
    }

    /// Generations finished so far; the baseline's own is the first.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// What happened to the children of each operator.
    #[must_use]
    pub fn operators(&self) -> &[Account] {
        self.credit.accounts()
    }

    /// The population store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The archive.
    #[must_use]
    pub const fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Observed argument tuples, per function of the program.
    #[must_use]
    pub fn probes(&self) -> &[Vec<Vec<Const>>] {
        &self.probes
    }

    /// The islands.
    #[must_use]
    pub const fn islands(&self) -> &Islands {
        &self.islands
    }

    /// The tuners.
    #[must_use]
    pub const fn tuners(&self) -> &Tuners {
        &self.tuners
    }

    /// The best candidate; `None` before the baseline was evaluated.
    #[must_use]
    pub fn best(&self) -> Option<Candidate> {
        self.candidate(self.best)
    }

    /// A kept candidate by number.
    #[must_use]
    pub fn candidate(&self, id: RecordId) -> Option<Candidate> {
        let record: Record = self.store.get(id)?;
        let operator = self.credit.accounts().get(usize::from(record.operator));
        Some(Candidate {
            record: id,
            identity: record.identity,
            program: record.program,
            score: self.settings.direction.loss(record.loss),
            deviation: record.deviation,
            n_instances: self.n_selection(),
            parents: record.parents,
            operator: operator.map_or_else(String::new, |account| account.name.clone()),
            generation: record.generation,
            size: record.size,
            fuel: record.fuel,
        })
    }

    /// Candidates from the baseline to the newest one with this identity; empty when unknown.
    #[must_use]
    pub fn lineage(&self, identity: &[u8; 32]) -> Vec<Candidate> {
        let chain = self.store.find(identity).map(|id| self.store.lineage(id)).unwrap_or_default();
        chain.into_iter().filter_map(|id| self.candidate(id)).collect()
    }

    /// Training instances on which races decide: the first ones.
    #[must_use]
    pub fn n_selection(&self) -> usize {
        self.settings.selection(self.n_instances)
    }

    /// Rounds of one generation.
    pub(crate) fn n_rounds(&self) -> usize {
        let n_stages = self.settings.stages(self.n_selection()).len();
        if self.generation == 0 { 1 } else { n_stages.max(self.settings.n_rounds_min) }
    }

    /// Instances a racing candidate has seen after the current round.
    fn stage_end(&self) -> usize {
        if self.generation == 0 {
            return self.n_selection();
        }
        let stages = self.settings.stages(self.n_selection());
        stages.get(self.round).copied().unwrap_or(self.n_selection())
    }

    /// The units of the pending round.
    fn tasks(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        let stage = self.order.get(..self.stage_end()).unwrap_or(&self.order);
        for (idx, runner) in self.runners.iter().enumerate() {
            if runner.progress == Progress::Racing {
                let unknown =
                    stage.iter().filter(|instance| runner.ledger.get(**instance).is_none());
                tasks.extend(
                    unknown.map(|instance| Task::Race { runner: idx, instance: *instance }),
                );
            }
        }
        for (burst, content) in self.bursts.iter().enumerate() {
            for sample in 0..content.samples.len() {
                let one = |instance: &u32| Task::Sample { burst, sample, instance: *instance };
                tasks.extend(content.instances.iter().map(one));
            }
        }
        tasks
    }

    /// Whether the pending round evaluates nothing.
    pub(crate) fn is_round_empty(&self) -> bool {
        self.tasks().is_empty() && self.round > 0
    }

    /// The pending round: equal until the next [`Self::tell`].
    #[must_use]
    pub fn ask(&self) -> Batch {
        let mut skeletons = Skeletons::default();
        let mut runners: BTreeMap<usize, (u32, Arc<[Const]>)> = BTreeMap::new();
        for (idx, runner) in self.runners.iter().enumerate() {
            if runner.progress == Progress::Racing {
                let program = skeletons.add(&runner.program);
                let parameters = tune::parameters(&runner.program);
                let values: Vec<f64> = parameters.iter().map(|parameter| parameter.value).collect();
                let values = slot_values(&parameters, &values);
                if self.round == 0 {
                    let parameters = Arc::clone(&values);
                    skeletons.batch.probes.push(Probe { program, parameters });
                }
                runners.insert(idx, (program, values));
            }
        }
        let mut samples: Vec<(u32, Vec<Arc<[Const]>>)> = Vec::new();
        for burst in &self.bursts {
            let Some(tuner) = self.tuners.get(burst.tuner) else { continue };
            let parameters = tune::parameters(&tuner.program);
            let rows = burst.samples.iter().map(|row| slot_values(&parameters, row)).collect();
            samples.push((skeletons.add(&tuner.program), rows));
        }
        let request = |task: Task| {
            let (program, parameters, instance) = match task {
                Task::Race { runner, instance } => {
                    let (program, parameters) = runners.get(&runner)?;
                    (*program, Arc::clone(parameters), instance)
                }
                Task::Sample { burst, sample, instance } => {
                    let (program, rows) = samples.get(burst)?;
                    (*program, Arc::clone(rows.get(sample)?), instance)
                }
            };
            Some(Request { program, parameters, instance })
        };
        skeletons.batch.requests = self.tasks().into_iter().filter_map(request).collect();
        skeletons.batch
    }

    /// Learns the results of the pending round, in the order of its requests and probes.
    ///
    /// `outputs[i]` are the outputs of probe `i` on all probe inputs, flattened, NaN where a call was not
    /// ok. Returns what the generation did when this was its last round.
    ///
    /// # Errors
    /// [`Error::Argument`] when the number of results or of probe outputs is not what was asked for;
    /// nothing is learnt then.
    pub fn tell(&mut self, results: &[Measured], outputs: &[Vec<f64>]) -> Result<Option<Step>> {
        let tasks = self.tasks();
        if results.len() != tasks.len() {
            let expected = format!("{} results, one per request", tasks.len());
            return Err(Error::Argument {
                name: "results",
                expected,
                got: results.len().to_string(),
            });
        }
        let is_racing = |runner: &&Runner| runner.progress == Progress::Racing;
        let n_probes =
            if self.round == 0 { self.runners.iter().filter(is_racing).count() } else { 0 };
        if outputs.len() != n_probes {
            let expected = format!("{n_probes} rows, one per probe");
            return Err(Error::Argument {
                name: "outputs",
                expected,
                got: outputs.len().to_string(),
            });
        }
        self.observe(outputs);
        self.learn(&tasks, results);
        self.judge();
        self.round += 1;
        Ok(self.advance())
    }

    fn observe(&mut self, outputs: &[Vec<f64>]) {
        if self.generation == 0
            && let Some(first) = outputs.first()
        {
            self.baseline_outputs.clone_from(first);
        }
        let racing = self.runners.iter_mut().filter(|runner| runner.progress == Progress::Racing);
        for (runner, outputs) in racing.zip(outputs) {
            runner.observe(Behaviour::new(outputs, &self.baseline_outputs));
        }
    }

    fn learn(&mut self, tasks: &[Task], results: &[Measured]) {
        let empty =
            |burst: &Burst| vec![vec![f64::NAN; burst.instances.len()]; burst.samples.len()];
        let mut losses: Vec<Vec<Vec<f64>>> = self.bursts.iter().map(empty).collect();
        for (task, result) in tasks.iter().zip(results) {
            self.n_evaluations += 1;
            let is_ok = result.is_ok && result.score.is_finite();
            self.counters.n_traps += u64::from(!is_ok);
            let loss = if is_ok { self.settings.direction.loss(result.score) } else { f64::NAN };
            match *task {
                Task::Race { runner, instance } => {
                    if let Some(runner) = self.runners.get_mut(runner) {
                        runner.fuel = runner.fuel.saturating_add(result.fuel);
                        runner.ledger.set(instance, loss);
                        if !is_ok {
                            runner.progress = Progress::Infeasible;
                        }
                    }
                }
                Task::Sample { burst, sample, instance } => {
                    let position = self.bursts.get(burst).and_then(|content| {
                        content.instances.iter().position(|other| *other == instance)
                    });
                    let row = losses.get_mut(burst).and_then(|rows| rows.get_mut(sample));
                    if let (Some(position), Some(row)) = (position, row)
                        && let Some(slot) = row.get_mut(position)
                    {
                        *slot = loss;
                    }
                }
            }
        }
        let bursts = std::mem::take(&mut self.bursts);
        for (burst, losses) in bursts.iter().zip(&losses) {
            if let Some(proposal) = self.tuners.learn(burst, losses) {
                self.proposals.retain(|other| other.tuner != proposal.tuner);
                self.proposals.push(proposal);
            }
        }
    }

    /// Takes out of the race who cannot win any more.
    fn judge(&mut self) {
        if self.generation == 0 {
            return;
        }
        let mut runners = std::mem::take(&mut self.runners);
        let mut n_neutral = 0;
        for runner in runners.iter_mut().filter(|runner| runner.progress == Progress::Racing) {
            self.judge_one(runner, &mut n_neutral);
        }
        self.runners = runners;
    }

    fn judge_one(&mut self, runner: &mut Runner, n_neutral: &mut usize) {
        let width = self.settings.race_width;
        let rival = |id: RecordId| {
            self.store.details(id).filter(|losses| losses.iter().all(|loss| loss.is_finite()))
        };
        let parent = runner.parents.first().and_then(|id| rival(*id).map(|losses| (*id, losses)));
        let Some((_, losses)) = parent else { return };
        let against_parent = compare(&runner.ledger, losses);
        let is_complete = runner.ledger.n_seen() == self.n_selection();
        if self.round == 0 {
            runner.merit = against_parent.mean;
            runner.is_neutral = against_parent.is_equal;
            if runner.is_neutral && !is_complete {
                // Equal numbers teach nothing; a few equal structures may drift.
                *n_neutral += usize::from(runner.origin == Origin::Bred);
                if runner.origin != Origin::Bred || *n_neutral > self.settings.n_neutral_max {
                    runner.progress = Progress::Twin;
                    self.counters.n_duplicates += 1;
                    return;
                }
            }
        }
        if is_complete {
            return;
        }
        let is_worse = match (runner.origin, self.archive.get(runner.cell)) {
            (Origin::Bred, Some(elite)) => {
                let against_elite =
                    rival(elite.record).map(|losses| compare(&runner.ledger, losses));
                against_parent.is_worse(width)
                    && against_elite.is_none_or(|against| against.is_worse(width))
            }
            // An empty cell is worth a little more patience.
            (Origin::Bred, None) => against_parent.is_worse(2.0 * width),
            _ => against_parent.is_worse(width),
        };
        if is_worse {
            runner.progress = Progress::Left;
        }
    }
}
