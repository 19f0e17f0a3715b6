//! The end of one generation and the beginning of the next.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::archive::Elite;
use super::identity::identity;
use super::islands::Member;
use super::runner::{Origin, Progress, Runner};
use super::search::{Counters, Search, Step};
use super::space;
use super::store::{BASELINE, Record, RecordId};
use super::tuner::{Proposal, Waiting};
use crate::programs::{tune, walk};
use crate::rng::Stream;

/// Purposes of random streams; each has its own step key within a generation.
const ORDER: u64 = 0;
const BREED: u64 = 1;
const SCHEDULE: u64 = 2;
const TUNE: u64 = 16;
const STEPS_PER_GENERATION: u64 = 64;

impl Search {
    fn key(&self, purpose: u64) -> u64 {
        self.generation.wrapping_mul(STEPS_PER_GENERATION).wrapping_add(purpose)
    }

    /// Prepares the next round that evaluates something; the step when the generation ended.
    pub(crate) fn advance(&mut self) -> Option<Step> {
        let n_rounds = self.n_rounds();
        while self.round < n_rounds {
            self.draw_bursts();
            if !self.is_round_empty() {
                return None;
            }
            self.round += 1;
        }
        let step = self.finish();
        self.begin();
        Some(step)
    }

    fn draw_bursts(&mut self) {
        let step = self.key(TUNE + u64::try_from(self.round).unwrap_or(0));
        self.bursts = self.tuners.bursts(self.n_instances, &self.settings, step);
    }

    fn finish(&mut self) -> Step {
        let runners = std::mem::take(&mut self.runners);
        for runner in &runners {
            let record = self.settle(runner);
            if runner.origin == Origin::Bred {
                self.enlist(runner, record);
            }
        }
        let gains = std::mem::take(&mut self.gains);
        self.tuners.settle(&gains, self.n_instances, &self.settings, self.generation);
        if self.generation > 0 && self.generation.is_multiple_of(self.settings.migration_interval) {
            self.islands.migrate();
        }
        self.store.prune(&self.alive());
        let counters = std::mem::take(&mut self.counters);
        Step {
            generation: self.generation,
            n_evaluations: self.n_evaluations,
            n_candidates: counters.n_candidates,
            n_traps: counters.n_traps,
            n_duplicates: counters.n_duplicates,
            best_score: self.settings.direction.loss(self.store.loss(self.best)),
            improvements: counters
                .improvements
                .iter()
                .filter_map(|id| self.candidate(*id))
                .collect(),
        }
    }

    fn alive(&self) -> BTreeSet<RecordId> {
        let mut alive = BTreeSet::from([BASELINE, self.best]);
        alive.extend(self.counters.improvements.iter().copied());
        alive.extend(self.archive.iter().map(|(_, elite)| elite.record));
        alive.extend(self.islands.members().iter().flatten().map(|member| member.record));
        alive.extend(
            self.tuners
                .pool
                .iter()
                .flat_map(|tuner| tuner.record.into_iter().chain([tuner.parent])),
        );
        alive.extend(
            self.tuners.waiting.iter().flat_map(|w| w.record.into_iter().chain([w.parent])),
        );
        alive
    }

    /// Keeps a runner that saw every instance and won a place; returns its id.
    fn settle(&mut self, runner: &Runner) -> Option<RecordId> {
        let is_baseline = runner.origin == Origin::Baseline;
        let complete =
            if runner.progress == Progress::Racing { runner.ledger.complete() } else { None };
        let losses = match complete {
            Some(losses) => losses,
            None if is_baseline => vec![f64::INFINITY; self.n_selection()],
            None => {
                self.note_failure(runner);
                return None;
            }
        };
        let n = losses.len() as f64;
        let loss = losses.iter().sum::<f64>() / n;
        let deviation = (losses.iter().map(|x| (x - loss).powi(2)).sum::<f64>() / n).sqrt();
        let deviation = if deviation.is_finite() { deviation } else { 0.0 };
        let island = runner.island as usize;
        let parent = runner.parents.first().copied();
        let parent_loss = parent.map_or(f64::INFINITY, |parent| self.store.loss(parent));
        let previous = match runner.origin {
            Origin::Tuned(id) => {
                self.tuners.get(id).map_or(parent_loss, |tuner| tuner.loss.min(parent_loss))
            }
            _ => f64::NEG_INFINITY,
        };
        let member = |record| Member { record, loss, signature: runner.behaviour.signature };
        let keeps = is_baseline
            || loss < previous
            || self.archive.would_keep(runner.cell, loss, runner.size)
            || self.islands.would_keep(island, member(RecordId::MAX), parent);
        if !keeps {
            self.note_failure(runner);
            return None;
        }
        let record = Record {
            identity: runner.identity,
            program: Arc::clone(&runner.program),
            parents: runner.parents.clone(),
            operator: runner.operator,
            generation: self.generation,
            loss,
            deviation,
            cell: runner.cell,
            signature: runner.behaviour.signature,
            size: runner.size,
            fuel: runner.fuel / u64::try_from(losses.len()).unwrap_or(1).max(1),
        };
        let id = self.store.push(record, losses);
        self.archive.offer(runner.cell, Elite { record: id, loss, size: runner.size });
        if is_baseline {
            for island in 0..self.settings.n_islands {
                self.islands.offer(island, member(id), None);
            }
            return Some(id);
        }
        self.islands.offer(island, member(id), parent);
        let is_best = loss < self.store.loss(self.best);
        if is_best {
            self.best = id;
            self.counters.improvements.push(id);
        }
        self.note_success(runner, id, loss, parent_loss, is_best);
        Some(id)
    }

    fn note_failure(&mut self, runner: &Runner) {
        if runner.origin == Origin::Bred {
            self.credit.reward(usize::from(runner.operator), 0.0);
        }
    }

    fn note_success(
        &mut self,
        runner: &Runner,
        id: RecordId,
        loss: f64,
        parent_loss: f64,
        is_best: bool,
    ) {
        let gain = parent_loss - loss;
        let gain = if gain.is_finite() { gain } else { 0.0 };
        let mut operator = usize::from(runner.operator);
        if let Origin::Tuned(tuner) = runner.origin
            && let Some(tuner) = self.tuners.get_mut(tuner)
        {
            if loss < tuner.loss.min(parent_loss) {
                let before = tuner.loss.min(parent_loss);
                let relative =
                    (before - loss) / before.abs().max(loss.abs()).max(f64::MIN_POSITIVE);
                self.gains.push((tuner.id, if relative.is_finite() { relative } else { 1.0 }));
            }
            // The first success of a trial belongs to the operator that made the skeleton.
            if tuner.record.is_none() {
                operator = usize::from(tuner.operator);
            }
            if loss <= tuner.loss {
                tuner.loss = loss;
                tuner.record = Some(id);
                tuner.program = Arc::clone(&runner.program);
            }
        }
        self.credit.accepted(operator, gain);
        // Free of the objective's scale: a tenth better than the parent earns all there is for that.
        let relative = gain / parent_loss.abs().max(loss.abs()).max(f64::MIN_POSITIVE);
        let earned = 0.05 + (5.0 * relative).clamp(0.0, 0.45);
        let reward = if is_best { 0.5 + earned } else { earned };
        self.credit.reward(operator, reward);
    }

    /// Queues a new skeleton with numbers for a trial.
    fn enlist(&mut self, runner: &Runner, record: Option<RecordId>) {
        if runner.n_parameters == 0 || runner.progress == Progress::Infeasible {
            return;
        }
        let Some(parent) = runner.parents.first().copied() else { return };
        let Ok(skeleton) = tune::skeleton_hash(&runner.program) else { return };
        if !self.skeletons.insert(&skeleton) {
            return;
        }
        let loss = match record {
            Some(record) => self.store.loss(record),
            None if runner.is_neutral => self.store.loss(parent),
            None => f64::INFINITY,
        };
        let waiting = Waiting {
            program: Arc::clone(&runner.program),
            parent,
            record,
            operator: runner.operator,
            island: runner.island,
            merit: self.store.loss(parent) + runner.merit,
            n_parameters: runner.n_parameters,
            spread: runner.behaviour.spread,
            loss,
        };
        self.tuners.wait(waiting, &self.settings);
    }

    fn begin(&mut self) {
        let proposals = std::mem::take(&mut self.proposals);
        let centres = self.tuners.active.clone();
        self.generation += 1;
        self.round = 0;
        self.counters = Counters::default();
        self.order.sort_unstable();
        let mut order = std::mem::take(&mut self.order);
        Stream::new(self.settings.seed, self.key(ORDER), 0).shuffle(&mut order);
        self.order = order;
        self.propose(&proposals, &centres);
        for slot in 0..self.settings.n_children(self.n_instances) {
            self.breed(slot);
        }
        let mut stream = Stream::new(self.settings.seed, self.key(SCHEDULE), 0);
        self.tuners.schedule(&self.settings, self.generation, &mut stream);
        self.draw_bursts();
    }

    /// Enters what the tuners found: the centre of their distribution and their best last sample.
    fn propose(&mut self, proposals: &[Proposal], centres: &[u64]) {
        let operator = u16::try_from(self.credit.accounts().len().saturating_sub(2)).unwrap_or(0);
        // A best sample is luck unless it was measured on all that counts; the centre is not.
        let n_selection = self.n_selection();
        let is_selected = |known: &(u32, f64)| (known.0 as usize) < n_selection;
        let is_measured =
            |p: &&Proposal| p.known.len() == n_selection && p.known.iter().all(is_selected);
        let mut entries: Vec<Proposal> = proposals.iter().filter(is_measured).cloned().collect();
        entries.extend(centres.iter().filter_map(|id| {
            let values = self.tuners.get(*id)?.strategy.centre();
            Some(Proposal { tuner: *id, values, known: Vec::new() })
        }));
        entries.sort_by_key(|entry| entry.tuner);
        for Proposal { tuner: id, values, known } in entries {
            let Some(tuner) = self.tuners.get(id) else { continue };
            let Ok(program) = tune::with_parameters(&tuner.program, &values) else { continue };
            if !self.seen.insert(&identity(&program)) {
                continue;
            }
            let parents = vec![tuner.record.unwrap_or(tuner.parent)];
            let operator = if tuner.record.is_none() { tuner.operator } else { operator };
            let origin = Origin::Tuned(id);
            let mut runner =
                Runner::new(program, parents, operator, origin, tuner.island, self.n_selection());
            for (instance, loss) in known {
                runner.ledger.set(instance, loss);
            }
            self.counters.n_candidates += 1;
            self.credit.tried(usize::from(operator));
            self.runners.push(runner);
        }
    }

    fn breed(&mut self, slot: usize) {
        let index = u64::try_from(slot).unwrap_or(0);
        let mut stream = Stream::new(self.settings.seed, self.key(BREED), index);
        let island = slot % self.settings.n_islands;
        let elites: Vec<RecordId> = self.archive.iter().map(|(_, elite)| elite.record).collect();
        let context = space::context(&self.settings, &self.probes);
        for _ in 0..self.settings.n_attempts_max {
            let pick = |stream: &mut Stream| {
                if stream.chance(self.settings.archive_share) {
                    return stream.choose(&elites).copied();
                }
                self.islands.select(island, stream).or_else(|| stream.choose(&elites).copied())
            };
            let parent_id = pick(&mut stream).unwrap_or(BASELINE);
            let mate_id = pick(&mut stream).filter(|mate| *mate != parent_id);
            let Some(parent) = self.store.get(parent_id) else { continue };
            let mate = mate_id.and_then(|id| self.store.get(id));
            let Some(operator) = self.credit.choose(&mut stream) else { return };
            let mate_program = mate.as_ref().map(|mate| mate.program.as_ref());
            let child = space::vary(operator, &parent.program, mate_program, &context, &mut stream);
            let Some(child) = child else { continue };
            let n_parameters = tune::parameters(&child).len();
            if walk::size(&child) > self.settings.size_max
                || n_parameters > self.settings.n_parameters_max
            {
                continue;
            }
            if !self.seen.insert(&identity(&child)) {
                self.counters.n_duplicates += 1;
                continue;
            }
            let parents = std::iter::once(parent_id).chain(mate_id).collect();
            let tag = u16::try_from(operator).unwrap_or(0);
            let home = u32::try_from(island).unwrap_or(0);
            self.runners.push(Runner::new(
                child,
                parents,
                tag,
                Origin::Bred,
                home,
                self.n_selection(),
            ));
            self.counters.n_candidates += 1;
            self.credit.tried(operator);
            return;
        }
    }
}
