//! The engine of differential evolution: makes trials, keeps those that are not worse.
//!
//! Memory is taken at the first generation and used again: rows live in flat vectors.

mod sound;

use std::cmp::Ordering;

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use crate::algorithm::{Batch, Context, NO_PARENT, Population, Scores};
use crate::column::Column;
use crate::constraint::{Rule, Worth};
use crate::differential::adapt::{Rates, Success};
use crate::differential::settings::{Plan, Strategy};
use crate::lineage::Lineage;
use crate::matrix::Matrix;
use crate::random::fill_space;
use crate::space::Space;

/// Parents named in the lineage of a trial: itself, base, and the two rows of the difference.
const N_PARENTS: usize = 4;
/// Trials below this many genes in all are made on the calling thread.
const PARALLEL_GENES: usize = 1 << 15;
const TRIALS_PER_TASK: usize = 32;
/// Separates the streams of genes and of the archive from those that choose rows.
const GENES: u64 = 0x6465_6765_6e65_7321;
const ARCHIVE: u64 = 0x6465_6172_6368_6976;

/// The state of a search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Engine {
    space: Space,
    plan: Plan,
    /// `(n, n_genes)`; empty before the first scores.
    genomes: Matrix<f64>,
    worth: Vec<Worth>,
    ids: Vec<u64>,
    lineage: Lineage,
    archive: Vec<f64>,
    archive_ids: Vec<u64>,
    /// Rates of the trials that were asked.
    rates: Vec<Rates>,
    n_evaluations: u64,
    generation: u64,
    first_epsilon: f64,
    epsilon: f64,
    /// Rows from best to worst.
    order: Vec<u32>,
    #[serde(skip)]
    successes: Vec<Success>,
    #[serde(skip)]
    trials: Vec<Trial>,
    /// Rows that stay when the population shrinks.
    #[serde(skip)]
    kept: Vec<u32>,
}

/// Which rows a trial is made of; rows from the population's end on are of the archive.
#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    base: u32,
    first: u32,
    second: u32,
    rates: Rates,
}

/// An index in `0..n` that is none of `taken`; `n` must exceed their number.
fn other(rng: &mut Stream, n: usize, taken: &[usize]) -> usize {
    loop {
        let idx = rng.below(n);
        if !taken.contains(&idx) {
            return idx;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "populations stay below 2^20 rows")]
const fn small(idx: usize) -> u32 {
    idx as u32
}

impl Engine {
    pub fn new(space: Space, plan: Plan) -> Self {
        Self {
            space,
            plan,
            genomes: Matrix::default(),
            worth: Vec::new(),
            ids: Vec::new(),
            lineage: Lineage::new(N_PARENTS),
            archive: Vec::new(),
            archive_ids: Vec::new(),
            rates: Vec::new(),
            n_evaluations: 0,
            generation: 0,
            first_epsilon: 0.0,
            epsilon: 0.0,
            order: Vec::new(),
            successes: Vec::new(),
            trials: Vec::new(),
            kept: Vec::new(),
        }
    }

    pub const fn space(&self) -> &Space {
        &self.space
    }

    pub fn batch_size(&self) -> usize {
        if self.worth.is_empty() { self.plan.population_size } else { self.worth.len() }
    }

    pub const fn operators(&self) -> &'static [&'static str] {
        match self.plan.strategy {
            Strategy::Rand1 => &["sample", "rand1"],
            Strategy::Best1 => &["sample", "best1"],
            Strategy::CurrentToBest1 => &["sample", "current_to_best1"],
            Strategy::CurrentToPbest1 => &["sample", "current_to_pbest1"],
        }
    }

    fn n_genes(&self) -> usize {
        self.space.n_genes()
    }

    /// A row of the population, or past its end of the archive.
    fn row(&self, idx: usize) -> &[f64] {
        let n = self.worth.len();
        if idx < n {
            return self.genomes.row(idx);
        }
        let d = self.n_genes();
        self.archive.get((idx - n) * d..(idx - n + 1) * d).unwrap_or(&[])
    }

    fn id(&self, idx: usize) -> u64 {
        let n = self.worth.len();
        let id = if idx < n { self.ids.get(idx) } else { self.archive_ids.get(idx - n) };
        id.copied().unwrap_or(NO_PARENT)
    }

    pub fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) {
        if self.worth.is_empty() {
            self.begin(n, context, batch);
            return;
        }
        let Some(Column::F64(genomes)) = batch.genomes.first_mut() else { return };
        let mut trials = std::mem::take(&mut self.trials);
        trials.clear();
        trials.resize(n, Trial::default());
        let d = self.n_genes();
        let values = genomes.reset(n, d);
        let engine = &*self;
        for (row, trial) in trials.iter_mut().enumerate() {
            let key = context.first_id.wrapping_add(row as u64);
            *trial = engine.choose(row, &mut Stream::new(context.seed, context.generation, key));
        }
        let is_worth_it = n * d >= PARALLEL_GENES;
        let chunk_len = TRIALS_PER_TASK * d;
        context.threads.for_each_chunk(values, chunk_len, is_worth_it, |idx, chunk| {
            for (offset, out) in chunk.chunks_exact_mut(d).enumerate() {
                let row = idx * TRIALS_PER_TASK + offset;
                let Some(trial) = trials.get(row) else { continue };
                let key = context.first_id.wrapping_add(row as u64);
                let mut rng = Stream::new(context.seed ^ GENES, context.generation, key);
                engine.make(row, trial, &mut rng, out);
            }
        });
        self.rates.clear();
        self.rates.extend(trials.iter().map(|trial| trial.rates));
        let parents = batch.origins.parents.reset(n, N_PARENTS);
        for ((row, trial), out) in
            trials.iter().enumerate().zip(parents.chunks_exact_mut(N_PARENTS))
        {
            let rows = [row, trial.base as usize, trial.first as usize, trial.second as usize];
            for (slot, idx) in out.iter_mut().zip(rows) {
                *slot = self.id(idx);
            }
        }
        batch.origins.operators.reset(n, 1).fill(1);
        self.trials = trials;
    }

    /// The first population: uniform, but for the start that the caller named.
    fn begin(&mut self, n: usize, context: &Context, batch: &mut Batch) {
        fill_space(&self.space, n, context, &mut batch.genomes);
        if let (Some(x0), Some(Column::F64(genomes))) = (&self.plan.x0, batch.genomes.first_mut()) {
            for (gene, value) in genomes.make_mut().iter_mut().zip(x0) {
                *gene = *value;
            }
        }
        batch.origins.parents.reset(n, N_PARENTS).fill(NO_PARENT);
        batch.origins.operators.reset(n, 1).fill(0);
    }

    fn choose(&self, row: usize, rng: &mut Stream) -> Trial {
        let n = self.worth.len();
        let rates = self.plan.adaptation.draw(rng);
        let best = self.order.first().map_or(0, |idx| *idx as usize);
        let (base, first, second) = match self.plan.strategy {
            Strategy::Rand1 => {
                let base = other(rng, n, &[row]);
                let first = other(rng, n, &[row, base]);
                (base, first, other(rng, n, &[row, base, first]))
            }
            Strategy::Best1 | Strategy::CurrentToBest1 => {
                let first = other(rng, n, &[row]);
                (best, first, other(rng, n, &[row, first]))
            }
            Strategy::CurrentToPbest1 => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a share of the population"
                )]
                let n_best = ((self.plan.p_best * n as f64).round() as usize).clamp(2, n);
                let base = self.order.get(rng.below(n_best)).map_or(best, |idx| *idx as usize);
                let first = other(rng, n, &[row]);
                (base, first, other(rng, n + self.archive_ids.len(), &[row, first]))
            }
        };
        Trial { base: small(base), first: small(first), second: small(second), rates }
    }

    /// Mutate and cross over one row.
    fn make(&self, row: usize, trial: &Trial, rng: &mut Stream, out: &mut [f64]) {
        let Some(block) = self.space.blocks().first() else { return };
        let Rates { weight, crossover_rate } = trial.rates;
        let parent = self.genomes.row(row);
        let pull = match self.plan.strategy {
            Strategy::Rand1 | Strategy::Best1 => 1.0,
            Strategy::CurrentToBest1 | Strategy::CurrentToPbest1 => weight,
        };
        let forced = rng.below(out.len());
        let rows = parent
            .iter()
            .zip(self.row(trial.base as usize))
            .zip(self.row(trial.first as usize))
            .zip(self.row(trial.second as usize));
        let bounds = block.lower.iter().zip(&block.upper);
        for (idx, ((slot, (((x, base), first), second)), (lower, upper))) in
            out.iter_mut().zip(rows).zip(bounds).enumerate()
        {
            if rng.uniform() >= crossover_rate && idx != forced {
                *slot = *x;
                continue;
            }
            let gene = x + pull * (base - x) + weight * (first - second);
            let gene = if gene < *lower {
                f64::midpoint(*lower, *x)
            } else if gene > *upper {
                f64::midpoint(*upper, *x)
            } else {
                gene
            };
            *slot = gene.clamp(*lower, *upper);
        }
    }

    pub fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) {
        let Some(Column::F64(trials)) = batch.genomes.first() else { return };
        let n = trials.n_rows();
        self.n_evaluations += n as u64;
        if self.worth.is_empty() {
            self.genomes = trials.clone();
            self.worth.extend((0..n).map(|row| Worth::of(scores, row)));
            self.ids.extend((0..n).map(|row| batch.id(row, context)));
            for row in 0..n {
                self.lineage.put(row, batch, row, context.generation);
            }
            self.reserve();
            if self.plan.rule == Rule::Epsilon {
                self.first_epsilon = self.plan.epsilon.first_level(&self.worth);
            }
        } else {
            self.select(trials, batch, scores, context);
        }
        self.generation += 1;
        if self.plan.rule == Rule::Epsilon {
            self.epsilon = self.plan.epsilon.level(self.first_epsilon, self.generation);
        }
        self.rank();
        self.shrink();
        self.trim_archive(context);
    }

    /// Takes the memory that later generations need, so that they take none.
    fn reserve(&mut self) {
        let n = self.worth.len();
        let n_archive = if self.plan.archive_rate > 0.0 { self.archive_max() + n } else { 0 };
        self.archive.reserve(n_archive * self.n_genes());
        self.archive_ids.reserve(n_archive);
        self.successes.reserve(n);
    }

    /// Trials that are not worse take their parents' places.
    fn select(
        &mut self,
        trials: &Matrix<f64>,
        batch: &Batch,
        scores: &Scores<'_>,
        context: &Context,
    ) {
        let d = self.n_genes();
        self.successes.clear();
        let keeps_archive = self.plan.archive_rate > 0.0;
        let genomes = self.genomes.make_mut();
        let parents = genomes.chunks_exact_mut(d.max(1)).zip(&mut self.worth).zip(&mut self.ids);
        for (row, (((parent, worth), id), trial)) in parents.zip(trials.rows()).enumerate() {
            let found = Worth::of(scores, row);
            let order = found.compare(*worth, self.epsilon);
            if order == Ordering::Greater || found == Worth::WORST {
                continue;
            }
            if order == Ordering::Less {
                if keeps_archive {
                    self.archive.extend_from_slice(parent);
                    self.archive_ids.push(*id);
                }
                if let Some(rates) = self.rates.get(row) {
                    // Halves, because the whole may overflow; only ratios of gains count.
                    let gain = if found.violation == worth.violation {
                        0.5 * worth.objective - 0.5 * found.objective
                    } else {
                        0.5 * worth.violation - 0.5 * found.violation
                    };
                    // A parent that had failed gives an infinite gain, which would swallow the rest.
                    let gain = if gain.is_finite() { gain.max(0.0) } else { 0.0 };
                    self.successes.push(Success { rates: *rates, gain });
                }
            }
            parent.copy_from_slice(trial);
            *worth = found;
            *id = batch.id(row, context);
            self.lineage.put(row, batch, row, context.generation);
        }
        let successes = std::mem::take(&mut self.successes);
        self.plan.adaptation.learn(&successes);
        self.successes = successes;
    }

    fn rank(&mut self) {
        self.order.clear();
        self.order.extend((0..self.worth.len()).map(small));
        let worth = &self.worth;
        let epsilon = self.epsilon;
        let of = |idx: u32| worth.get(idx as usize).copied().unwrap_or(Worth::WORST);
        self.order.sort_unstable_by(|a, b| of(*a).compare(of(*b), epsilon).then(a.cmp(b)));
    }

    /// Linear population size reduction: the worst leave.
    fn shrink(&mut self) {
        let Some(budget) = self.plan.budget else { return };
        let (most, least) =
            (self.plan.population_size as f64, self.plan.population_size_min as f64);
        let spent = (self.n_evaluations as f64 / budget as f64).min(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between two population sizes"
        )]
        let n = (most + (least - most) * spent).round() as usize;
        if n >= self.worth.len() {
            return;
        }
        self.kept.clear();
        self.kept.extend_from_slice(self.order.get(..n).unwrap_or_default());
        self.kept.sort_unstable();
        let d = self.n_genes();
        let genomes = self.genomes.make_mut();
        for (to, from) in self.kept.iter().enumerate() {
            let from = *from as usize;
            // Rows ascend, so none is written before it is read.
            genomes.copy_within(from * d..(from + 1) * d, to * d);
            if let (Some(worth), Some(id)) = (self.worth.get(from), self.ids.get(from)) {
                let (worth, id) = (*worth, *id);
                if let (Some(to_worth), Some(to_id)) =
                    (self.worth.get_mut(to), self.ids.get_mut(to))
                {
                    (*to_worth, *to_id) = (worth, id);
                }
            }
        }
        self.genomes.truncate(n);
        self.worth.truncate(n);
        self.ids.truncate(n);
        self.lineage.keep(&self.kept);
        self.rank();
    }

    /// Rows that the archive holds at most.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a multiple of the population"
    )]
    fn archive_max(&self) -> usize {
        (self.plan.archive_rate * self.worth.len() as f64) as usize
    }

    /// Random rows leave until the archive has its size.
    fn trim_archive(&mut self, context: &Context) {
        let most = self.archive_max();
        let d = self.n_genes();
        let mut rng = Stream::new(context.seed ^ ARCHIVE, context.generation, 0);
        while self.archive_ids.len() > most {
            let idx = rng.below(self.archive_ids.len());
            let last = self.archive_ids.len() - 1;
            self.archive_ids.swap_remove(idx);
            if idx != last {
                self.archive.copy_within(last * d..(last + 1) * d, idx * d);
            }
            self.archive.truncate(last * d);
        }
    }

    pub fn population(&self) -> Population {
        let n = self.worth.len();
        let column = |values: Vec<f64>| Matrix::from_vec(values, n, 1).unwrap_or_default();
        let mut population = Population {
            genomes: vec![Column::F64(self.genomes.clone())],
            objectives: column(self.worth.iter().map(|worth| worth.objective).collect()),
            violations: column(self.worth.iter().map(|worth| worth.violation).collect()),
            ids: Matrix::from_vec(self.ids.clone(), n, 1).unwrap_or_default(),
            ..Population::default()
        };
        self.lineage.show(&mut population);
        population
    }

    pub fn stop_reason(&self) -> Option<&'static str> {
        if self.plan.budget.is_some_and(|budget| self.n_evaluations >= budget) {
            return Some("budget");
        }
        let first = self.worth.first()?;
        // Rows of one worth may still differ; rows of one place cannot move any more.
        let is_level = self.worth.iter().all(|worth| worth == first);
        let place = self.genomes.row(0);
        (is_level && self.genomes.rows().all(|row| row == place)).then_some("collapsed")
    }

    pub fn figures(&self) -> Vec<(&'static str, f64)> {
        let means = self.plan.adaptation.means();
        let mut out = vec![
            ("population_size", self.worth.len() as f64),
            ("weight", means.weight),
            ("crossover_rate", means.crossover_rate),
            ("archive_size", self.archive_ids.len() as f64),
        ];
        if self.plan.rule == Rule::Epsilon {
            out.push(("epsilon", self.epsilon));
        }
        out
    }
}
