//! CMA-ME (Fontaine et al., 2020) and CMA-MAE (Fontaine & Nikolaidis, 2023).
//!
//! Several evolution strategies, the emitters, share one archive and climb what improves it. CMA-ME's
//! rank solutions by status, then by improvement; those that changed the archive are the parents; an
//! emitter that changed nothing starts again at a random elite. CMA-MAE's rank by improvement over
//! thresholds that rise slowly, and half of the rows are parents; its elites are kept in a second
//! archive, since cells of the first one may lose their best. Bounds are met by a change of variable
//! ([`Frame`]), so no sample is refused.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use super::archive::{Archive, Layout, Outside};
use super::elites::{Candidates, Direction, Ids, Insertion, Rule};
use super::frame::Frame;
use super::map_elites::{BATCH_MAX, figures, holdings, skip_rows};
use super::state::is_space;
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::cma::{Covariance, Options, Strategy};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::space::Space;
use crate::threads::Threads;

/// Most emitters of a search.
pub const EMITTERS_MAX: usize = 10_000;
/// Most rows of an emitter.
const SIZE_MAX: usize = BATCH_MAX / EMITTERS_MAX;
/// Standard deviation, as a share of the range, at which an emitter has nothing more to find.
const SIGMA_LEAST: f64 = 1e-12;
/// Step size at which an emitter begins anew, however small its covariance has become meanwhile: both
/// would leave what doubles hold.
const SIGMA_MOST: f64 = 1e100;
/// Improvements closer together than this are flat.
const FLAT: f64 = 1e-12;

/// Settings of [`CmaMe`] and [`CmaMae`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Number of emitters.
    pub n_emitters: usize,
    /// Rows an emitter gives a generation.
    pub emitter_size: usize,
    /// How descriptor space is divided.
    pub layout: Layout,
    /// What happens to descriptors outside the ranges.
    pub outside: Outside,
    /// First mean of every emitter; the middle of the bounds when none is given.
    #[serde(default)]
    pub x0: Option<Vec<f64>>,
    /// First standard deviation, as a share of each gene's range (absolute without bounds).
    pub sigma: f64,
    /// The form of the covariance.
    #[serde(default)]
    pub covariance: Covariance,
    /// How far thresholds follow objectives; CMA-MAE only.
    #[serde(default)]
    pub learning_rate: Option<f64>,
    /// Threshold of an empty cell, minimised like all; CMA-MAE only.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Objective that counts as 0 in the QD score; minimised like all.
    #[serde(default)]
    pub qd_offset: f64,
}

/// One strategy and how often it started again.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Emitter {
    strategy: Strategy,
    n_restarts: u64,
}

/// Either search; `ANNEALED` is CMA-MAE.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Emitters<const ANNEALED: bool> {
    space: Space,
    team: Vec<Emitter>,
    frame: Frame,
    emitter_size: usize,
    sigma: f64,
    qd_offset: f64,
    /// What emitters improve.
    archive: Archive<f64>,
    /// The elites, when `archive` may lose them.
    elites: Option<Archive<f64>>,
    #[serde(skip)]
    insertion: Insertion,
    #[serde(skip)]
    spare: Insertion,
    #[serde(skip)]
    skip: Vec<bool>,
    #[serde(skip)]
    order: Vec<usize>,
    #[serde(skip)]
    variances: Vec<f64>,
    #[serde(skip)]
    sample: Vec<f64>,
}

/// CMA-ME.
pub type CmaMe = Emitters<false>;
/// CMA-MAE.
pub type CmaMae = Emitters<true>;

impl<const ANNEALED: bool> Emitters<ANNEALED> {
    const NAME: &'static str = if ANNEALED { "cma_mae" } else { "cma_me" };

    fn rule(settings: &Settings) -> Result<Rule> {
        let elitist = Rule::elitist(Direction::Minimize);
        match (ANNEALED, settings.learning_rate, settings.threshold) {
            (false, None, None) => Ok(elitist),
            (true, Some(learning_rate), Some(threshold)) => {
                Ok(Rule { learning_rate, threshold_min: Some(threshold), ..elitist })
            }
            (true, ..) => Err(Error::setting(
                "threshold_min",
                "a learning_rate and a threshold, which cma_mae needs",
                "none",
            )),
            (false, ..) => Err(Error::setting(
                "learning_rate",
                "none: thresholds are those of cma_mae",
                "a value",
            )),
        }
    }

    fn shown(&self) -> &Archive<f64> {
        self.elites.as_ref().unwrap_or(&self.archive)
    }

    /// Whether the distribution has shrunk to nothing, has outgrown the genes' ranges, or is too long
    /// in one direction.
    fn is_spent(emitter: &Emitter, frame: &Frame, variances: &mut Vec<f64>) -> bool {
        let strategy = &emitter.strategy;
        // Eigenvalues need more memory than variances: all of it at the beginning.
        variances.clear();
        variances.reserve(strategy.memory());
        strategy.variances(variances);
        let largest = variances.iter().fold(0.0_f64, |most, value| most.max(*value));
        let is_usable = largest.is_finite() && strategy.sigma() < SIGMA_MOST;
        if !(is_usable && strategy.sigma() * largest.sqrt() > SIGMA_LEAST) {
            return true;
        }
        let deviations = variances.iter().map(|value| strategy.sigma() * value.sqrt());
        if deviations.zip(frame.limits()).any(|(deviation, limit)| deviation > *limit) {
            return true;
        }
        // Cubic time, so not often.
        if strategy.n_updates() % 100 != 99 {
            return false;
        }
        let (least, greatest) = strategy.extreme_eigenvalues(variances);
        !(least > 0.0 && greatest <= 1e14 * least)
    }

    /// Makes the strategies learn from rows that were told instead of their own.
    fn take_over(&mut self, genes: &[f64]) {
        let (n, size) = (self.space.n_genes(), self.emitter_size);
        self.sample.resize(n, 0.0);
        for (rows, emitter) in genes.chunks_exact(n * size).zip(&mut self.team) {
            for (row, genes) in rows.chunks_exact(n).enumerate() {
                emitter.strategy.write(row, &mut self.sample);
                self.frame.to_genes(&mut self.sample);
                if self.sample != genes {
                    self.sample.copy_from_slice(genes);
                    self.frame.to_shares(&mut self.sample);
                    emitter.strategy.inject(row, &self.sample);
                }
            }
        }
    }

    /// Lets one emitter learn from its rows, or start again.
    fn learn(&mut self, idx: usize, context: &Context) -> Result<()> {
        let size = self.emitter_size;
        let range = idx * size..(idx + 1) * size;
        let status = self.insertion.status.get(range.clone()).unwrap_or_default();
        let values = self.insertion.values.get(range.clone()).unwrap_or_default();
        let key = |row: usize| {
            let status = if ANNEALED { 0 } else { status.get(row).copied().unwrap_or(0) };
            (status, values.get(row).copied().unwrap_or(f64::NEG_INFINITY))
        };
        self.order.clear();
        self.order.extend(0..status.len());
        self.order.sort_unstable_by(|first, second| {
            let (a, b) = (key(*first), key(*second));
            b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(first.cmp(second))
        });
        let n_changed = status.iter().filter(|status| **status > 0).count();
        let first = self.order.first().map_or((0, 0.0), |row| key(*row));
        let last = self.order.last().map_or((0, 0.0), |row| key(*row));
        let is_flat = first.0 == last.0 && !(first.1 - last.1 > FLAT);
        // Failed rows rank last and teach nothing.
        self.order.retain(|row| key(*row).1 > f64::NEG_INFINITY);
        let Some(emitter) = self.team.get_mut(idx) else { return Ok(()) };
        let n_parents = (!ANNEALED).then_some(n_changed);
        if ANNEALED || n_changed > 0 {
            emitter.strategy.update(&self.order, n_parents, &context.threads);
        }
        let is_stuck = !ANNEALED && n_changed == 0;
        if !is_stuck && !is_flat && !Self::is_spent(emitter, &self.frame, &mut self.variances) {
            return Ok(());
        }
        let known = self.archive.elites().solutions();
        if known.n_rows() == 0 {
            return Ok(());
        }
        let key = context.first_id.wrapping_add(idx as u64) ^ 0x72_6573_7461_7274;
        let row = Stream::new(context.seed, context.generation, key).below(known.n_rows());
        self.sample.clear();
        self.sample.extend_from_slice(known.row(row));
        self.frame.to_shares(&mut self.sample);
        emitter.n_restarts += 1;
        emitter.strategy.restart(&self.sample, self.sigma, size)
    }
}

/// Standard deviation of a gene, as a share of its range: the root of the mean variance. The step size
/// alone means nothing, since the covariance shrinks while it grows.
fn deviation(strategy: &Strategy) -> f64 {
    let mut variances = Vec::new();
    strategy.variances(&mut variances);
    let mean = variances.iter().sum::<f64>() / strategy.n_genes().max(1) as f64;
    strategy.sigma() * mean.sqrt()
}

impl<const ANNEALED: bool> Build for Emitters<ANNEALED> {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        let block = space.single_real(Self::NAME)?;
        if !settings.qd_offset.is_finite() {
            return Err(Error::setting("qd_offset", "a finite value", settings.qd_offset));
        }
        let sizes = [
            ("n_emitters", settings.n_emitters, 1, EMITTERS_MAX),
            ("emitter_size", settings.emitter_size, 2, SIZE_MAX),
        ];
        for (name, value, least, most) in sizes {
            if !(least..=most).contains(&value) {
                return Err(Error::setting(name, format!("between {least} and {most}"), value));
            }
        }
        let ranges = || block.lower.iter().zip(&block.upper);
        let middle = |(low, high): (&f64, &f64)| match (low.is_finite(), high.is_finite()) {
            (true, true) => low / 2.0 + high / 2.0,
            (true, false) => *low,
            (false, true) => *high,
            (false, false) => 0.0,
        };
        let mean = settings.x0.clone().unwrap_or_else(|| ranges().map(middle).collect());
        let is_inside = mean.len() == block.n_genes()
            && mean.iter().zip(ranges()).all(|(x, (low, high))| x >= low && x <= high);
        if !is_inside {
            let expected = format!("{} values within the bounds", block.n_genes());
            return Err(Error::setting("x0", expected, format!("{mean:?}")));
        }
        let frame = Frame::new(block, settings.sigma);
        let mut mean = mean;
        frame.to_shares(&mut mean);
        let options = Options {
            population_size: Some(settings.emitter_size),
            covariance: settings.covariance,
            is_active: false,
        };
        let strategy = Strategy::new(&mean, settings.sigma, &vec![1.0; mean.len()], options)?;
        let rule = Self::rule(&settings)?;
        let make = |rule| {
            let (n_genes, outside) = (block.n_genes(), settings.outside);
            Archive::new(&settings.layout, n_genes, rule, outside, &Threads::one())
        };
        let archive = make(rule)?;
        let elites = if ANNEALED { Some(make(Rule::elitist(Direction::Minimize))?) } else { None };
        let team = vec![Emitter { strategy, n_restarts: 0 }; settings.n_emitters];
        Ok(Self {
            space,
            team,
            frame,
            archive,
            elites,
            emitter_size: settings.emitter_size,
            sigma: settings.sigma,
            qd_offset: settings.qd_offset,
            insertion: Insertion::default(),
            spare: Insertion::default(),
            skip: Vec::new(),
            order: Vec::new(),
            variances: Vec::new(),
            sample: Vec::new(),
        })
    }
}

impl<const ANNEALED: bool> Algorithm for Emitters<ANNEALED> {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_descriptors(&self) -> usize {
        self.archive.elites().n_descriptors()
    }

    fn batch_size(&self) -> usize {
        self.team.len() * self.emitter_size
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let [Column::F64(genes)] = batch.genomes.as_mut_slice() else {
            return Err(Error::Order("a batch of another space"));
        };
        let (n_genes, size) = (self.space.n_genes(), self.emitter_size);
        let genes = genes.reset(n, n_genes);
        let parts = genes.chunks_exact_mut(n_genes * size).zip(&mut self.team);
        for (part, first_id) in parts.zip((context.first_id..).step_by(size)) {
            let (rows, emitter) = part;
            let strategy = &mut emitter.strategy;
            strategy.sample(context.seed, context.generation, first_id, size, &context.threads);
            for (row, genes) in rows.chunks_exact_mut(n_genes).enumerate() {
                strategy.write(row, genes);
                self.frame.to_genes(genes);
            }
        }
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let [Column::F64(genes)] = batch.genomes.as_slice() else {
            return Err(Error::Order("a batch of another space"));
        };
        skip_rows(scores, genes.n_rows(), &mut self.skip);
        let rows = Candidates {
            solutions: genes.as_slice(),
            objectives: scores.objectives,
            descriptors: scores.descriptors,
            ids: Ids::of(batch, context),
        };
        self.archive.add(&rows, &self.skip, &context.threads, &mut self.insertion)?;
        if let Some(elites) = &mut self.elites {
            elites.add(&rows, &self.skip, &context.threads, &mut self.spare)?;
        }
        self.take_over(genes.as_slice());
        for idx in 0..self.team.len() {
            self.learn(idx, context)?;
        }
        Ok(())
    }

    fn check_tell(&self, n_rows: usize, scores: &Scores<'_>) -> Result<()> {
        let mut skip = Vec::new();
        skip_rows(scores, n_rows, &mut skip);
        self.archive.check_descriptors(scores.descriptors, &skip)
    }

    fn population(&self) -> Population {
        let archive = self.shown();
        holdings(archive, Column::F64(archive.elites().solutions().clone()))
    }

    fn check_state(&self) -> Result<()> {
        let n_genes = self.space.n_genes();
        let is_archive = |archive: &Archive<f64>| {
            archive.check_state().is_ok()
                && archive.elites().n_genes() == n_genes
                && archive.elites().n_descriptors() == self.n_descriptors()
        };
        let is_strategy = |strategy: &Strategy| {
            strategy.is_whole()
                && strategy.n_genes() == n_genes
                && strategy.population_size() == self.emitter_size
        };
        let is_whole = is_space(&self.space)
            && self.space.single_real(Self::NAME).is_ok_and(|b| self.frame.fits(b, self.sigma))
            && (1..=EMITTERS_MAX).contains(&self.team.len())
            && (2..=SIZE_MAX).contains(&self.emitter_size)
            && self.team.iter().all(|emitter| is_strategy(&emitter.strategy))
            && self.sigma > 0.0
            && self.sigma.is_finite()
            && self.qd_offset.is_finite()
            && is_archive(&self.archive)
            && self.elites.is_some() == ANNEALED
            && self.elites.as_ref().is_none_or(is_archive);
        if is_whole {
            return Ok(());
        }
        Err(Error::State { reason: "its emitters do not fit its space".into() })
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let mut figures = figures(self.shown(), self.qd_offset);
        let n_restarts: u64 = self.team.iter().map(|emitter| emitter.n_restarts).sum();
        figures.push(("n_restarts", n_restarts as f64));
        let sigma: f64 = self.team.iter().map(|emitter| deviation(&emitter.strategy)).sum();
        figures.push(("sigma", sigma / self.team.len().max(1) as f64));
        figures
    }
}
