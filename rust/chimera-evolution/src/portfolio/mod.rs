//! A portfolio for small budgets: look at the objective first, then use what suits it.
//!
//! A few random rows (unless the caller names a start) keep it off plateaus; seven more tell whether
//! the objective is a sum over genes. If so, line searches along all genes at
//! once ([`coordinates`]); if not, quasi-Newton descent by differences ([`descent`]); both hand over
//! to covariance matrix adaptation ([`evolution`]), which restarts with growing populations and in
//! turns with descents from random points. The order follows what wins at 50 to 200 evaluations a
//! gene on the BBOB functions, as in HCMA (Loshchilov, Schoenauer & Sebag, 2013). Constrained rows
//! and failed first rows go to covariance matrix adaptation at once. Works in units of the box,
//! on the genes whose bounds differ; the others stay put and do not count.

mod coordinates;
mod descent;
mod evolution;
#[cfg(test)]
mod tests;

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores, check_sizes};
use crate::column::Column;
use crate::constraint::Worth;
use crate::differential::{bounded_block, check_x0};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::memory;
use crate::numeric::f64::ln;
use crate::space::{Block, Space};
use coordinates::{Coordinates, End};
use descent::Descent;
use evolution::Evolution;

/// Settings of `auto`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where to begin; none for a random point of the middle four fifths of the box.
    pub x0: Option<Vec<f64>>,
    /// First standard deviation of the distribution, as a share of the box.
    pub sigma: f64,
    /// Rows of a generation of the first distribution; none for `4 + 3 ln(genes)`.
    pub population_size: Option<usize>,
    /// Whether to try descent by differences; noise makes it useless.
    pub descent: bool,
    /// Whether to look for sums over genes.
    pub coordinates: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { x0: None, sigma: 0.2, population_size: None, descent: true, coordinates: true }
    }
}

impl Settings {
    fn check(&self, block: &Block) -> Result<()> {
        check_x0(self.x0.as_deref(), block)?;
        if !(self.sigma > 0.0 && self.sigma <= 1.0) {
            return Err(Error::setting("sigma", "a number in (0, 1]", self.sigma));
        }
        if let Some(size) = self.population_size
            && !(2..=1_000_000).contains(&size)
        {
            return Err(Error::setting("population_size", "2 to 1000000", size));
        }
        Ok(())
    }
}

/// Indices of the genes that can move; all of them when none can.
fn moving(block: &Block) -> Vec<usize> {
    let bounds = || block.lower.iter().zip(&block.upper);
    let n_moving = bounds().filter(|(lower, upper)| lower < upper).count();
    let moves = |(lower, upper): (&f64, &f64)| n_moving == 0 || lower < upper;
    (0..).zip(bounds()).filter(|(_, pair)| moves(*pair)).map(|(idx, _)| idx).collect()
}

/// Tests of separability in the first batch, of three rows each.
const N_PROBES: usize = 2;
/// Random rows in the first batch when the caller names no start: a descent from one point alone may
/// begin on a plateau.
const N_SCOUTS: usize = 8;
/// Relative interaction of two halves of the genes below which there is none.
const INTERACTION: f64 = 1e-9;

/// Separate the stream of starts and probes from that of samples.
const START: u64 = 0x6175_746f_7374_6172;
const PROBE: u64 = 0x6175_746f_7072_6f62;

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Phase {
    Probe,
    Lines(Coordinates),
    /// One row at a random point, where a descent begins.
    Jump,
    Slope(Descent),
    Swarm(Box<Evolution>),
}

/// Beyond, a gradient is hundreds of megabytes of rows and another method is better long since.
const GENES_MAX: usize = 10_000;

/// The portfolio.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Auto {
    space: Space,
    settings: Settings,
    /// Indices of the genes that can move; all of them when none can.
    moving: Vec<usize>,
    /// Of those, in units of the box.
    start: Vec<f64>,
    phase: Phase,
    best: Vec<f64>,
    worth: Worth,
    /// What was asked, to tell rows that the caller replaced; none once told.
    asked: Option<Matrix<f64>>,
    /// Distributions begun.
    n_runs: u64,
    n_descents: u64,
    #[serde(skip)]
    rows: Vec<f64>,
    #[serde(skip)]
    values: Vec<f64>,
    #[serde(skip)]
    found: Vec<Worth>,
}

fn random_point(seed: u64, step: u64, d: usize) -> Vec<f64> {
    let mut rng = Stream::new(seed ^ START, step, 0);
    (0..d).map(|_| 0.1 + 0.8 * rng.uniform()).collect()
}

impl Build for Auto {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, seed: u64) -> Result<Self> {
        let block = bounded_block(&space, "auto")?;
        settings.check(block)?;
        let moving = moving(block);
        let d = moving.len();
        if d > GENES_MAX {
            let expected = format!(
                "at most {GENES_MAX} genes that can move, whose slopes and curvature it learns; take \
                 lm_ma_es, or cmaes with a separable covariance"
            );
            return Err(Error::setting("bounds", expected, d));
        }
        // Curvature of a descent; covariance of a distribution, its factor and their workspace.
        memory::ensure("curvature and covariance of the portfolio", d * d, 4 * size_of::<f64>())?;
        let start = settings.x0.as_ref().map_or_else(
            || random_point(seed, 0, moving.len()),
            |x0| {
                let at = |values: &[f64], idx: usize| values.get(idx).copied().unwrap_or_default();
                let genes = moving.iter().map(|idx| (at(x0, *idx), *idx));
                genes
                    .map(|(x, idx)| unit(x, at(&block.lower, idx), at(&block.upper, idx)))
                    .collect()
            },
        );
        Ok(Self {
            best: start.clone(),
            start,
            moving,
            settings,
            phase: Phase::Probe,
            worth: Worth::WORST,
            asked: None,
            n_runs: 0,
            n_descents: 0,
            rows: Vec::new(),
            values: Vec::new(),
            found: Vec::new(),
            space,
        })
    }
}

fn unit(x: f64, lower: f64, upper: f64) -> f64 {
    if upper > lower { ((x - lower) / (upper - lower)).clamp(0.0, 1.0) } else { 0.5 }
}

fn boxed(u: f64, lower: f64, upper: f64) -> f64 {
    if upper > lower { (lower + u * (upper - lower)).clamp(lower, upper) } else { lower }
}

/// The moving genes of rows in units of the box, in their places and in units of the genes.
fn lay_out(units: &[f64], moving: &[usize], block: &Block, out: &mut [f64]) {
    let n_genes = block.n_genes().max(1);
    for (row, units) in out.chunks_exact_mut(n_genes).zip(units.chunks_exact(moving.len().max(1))) {
        row.copy_from_slice(&block.lower);
        for (idx, value) in moving.iter().zip(units) {
            let bounds = block.lower.get(*idx).zip(block.upper.get(*idx));
            if let (Some(gene), Some((lower, upper))) = (row.get_mut(*idx), bounds) {
                *gene = boxed(*value, *lower, *upper);
            }
        }
    }
}

impl Auto {
    /// Rows of the first batch that test for sums over genes.
    fn n_probed(&self) -> usize {
        if self.start.len() < 2 { 1 } else { 1 + 3 * N_PROBES }
    }

    fn n_scouts(&self) -> usize {
        if self.settings.x0.is_none() { N_SCOUTS } else { 0 }
    }

    /// The start, and for each probe the start moved in one half of the genes, the other, and both.
    fn probe(&self, seed: u64, out: &mut [f64]) {
        let d = self.start.len();
        let (out, scouts) = out.split_at_mut((self.n_probed() * d).min(out.len()));
        for (idx, row) in scouts.chunks_exact_mut(d).enumerate() {
            let mut rng = Stream::new(seed ^ PROBE, 1, idx as u64);
            row.fill_with(|| rng.uniform());
        }
        for row in out.chunks_exact_mut(d) {
            row.copy_from_slice(&self.start);
        }
        for (probe, rows) in
            out.get_mut(d..).unwrap_or_default().chunks_exact_mut(3 * d).enumerate()
        {
            let mut rng = Stream::new(seed ^ PROBE, 0, probe as u64);
            let mut halves: Vec<usize> = (0..d).collect();
            rng.shuffle(&mut halves);
            for (place, gene) in halves.into_iter().enumerate() {
                let step = 0.05 + 0.2 * rng.uniform();
                let half = usize::from(place >= d / 2);
                for row in [half, 2] {
                    if let Some(slot) = rows.get_mut(row * d + gene) {
                        *slot += if *slot > 0.5 { -step } else { step };
                    }
                }
            }
        }
    }

    fn is_separable(values: &[f64]) -> bool {
        let Some((at, probes)) = values.split_first() else { return false };
        !probes.is_empty()
            && probes.chunks_exact(3).all(|probe| {
                let [a, b, both] = probe else { return false };
                let scale = at.abs() + a.abs() + b.abs() + both.abs();
                (both - a - b + at).abs() <= INTERACTION * scale
            })
    }

    /// What comes after the probes.
    fn open(&self, values: &[f64], is_plain: bool) -> Result<Phase> {
        let probed = values.get(..self.n_probed()).unwrap_or_default();
        if is_plain && self.settings.coordinates && Self::is_separable(probed) {
            return Ok(Phase::Lines(Coordinates::new(&self.best, self.worth.objective)));
        }
        if is_plain && self.settings.descent {
            return Ok(Phase::Slope(Descent::new(&self.best, self.worth.objective)));
        }
        Evolution::new(&self.best, self.settings.sigma, self.settings.population_size)
            .map(|swarm| Phase::Swarm(Box::new(swarm)))
    }

    /// A distribution around the best point at first, later around random ones with twice the rows.
    fn swarm(&mut self, context: &Context) -> Result<()> {
        let doublings = (self.n_runs / 2).min(8);
        let d = self.start.len();
        let size = self.settings.population_size.unwrap_or_else(|| default_size(d));
        let size = size << doublings;
        let mean = if self.n_runs == 0 {
            self.best.clone()
        } else {
            random_point(context.seed, context.generation + 1, d)
        };
        self.n_runs += 1;
        let swarm = Evolution::new(&mean, self.settings.sigma, Some(size))?;
        self.phase = Phase::Swarm(Box::new(swarm));
        Ok(())
    }

    fn follow(&mut self, values: &[f64], is_plain: bool, context: &Context) -> Result<()> {
        match &self.phase {
            Phase::Probe => {
                self.phase = self.open(values, is_plain)?;
                self.n_runs = u64::from(matches!(self.phase, Phase::Swarm(_)));
            }
            Phase::Jump => {
                let value = values.first().copied().unwrap_or(f64::INFINITY);
                if is_plain && value.is_finite() {
                    self.n_descents += 1;
                    self.phase = Phase::Slope(Descent::new(&self.rows, value));
                } else {
                    self.swarm(context)?;
                }
            }
            Phase::Lines(lines) => match lines.end() {
                Some(End::NotSeparable) if self.settings.descent => {
                    self.phase = Phase::Slope(Descent::new(&self.best, self.worth.objective));
                }
                Some(_) => self.swarm(context)?,
                None => {}
            },
            Phase::Slope(descent) if descent.is_done() => self.swarm(context)?,
            Phase::Swarm(swarm) if swarm.is_done() => {
                if self.settings.descent && is_plain {
                    self.phase = Phase::Jump;
                } else {
                    self.swarm(context)?;
                }
            }
            Phase::Slope(_) | Phase::Swarm(_) => {}
        }
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a logarithm")]
fn default_size(d: usize) -> usize {
    4 + (3.0 * ln(d as f64)) as usize
}

impl Algorithm for Auto {
    fn space(&self) -> &Space {
        &self.space
    }

    fn batch_size(&self) -> usize {
        match &self.phase {
            Phase::Probe => self.n_probed() + self.n_scouts(),
            Phase::Lines(lines) => lines.n_rows(),
            Phase::Jump => 1,
            Phase::Slope(descent) => descent.n_rows(),
            Phase::Swarm(swarm) => swarm.n_rows(),
        }
    }

    fn operators(&self) -> &'static [&'static str] {
        &["probe", "coordinates", "jump", "descent", "covariance"]
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let Some(block) = self.space.blocks().first() else { return Ok(()) };
        let Some(Column::F64(genomes)) = batch.genomes.first_mut() else { return Ok(()) };
        let d = self.moving.len();
        let mut units = std::mem::take(&mut self.rows);
        units.resize(n * d, 0.0);
        match &mut self.phase {
            Phase::Probe => self.probe(context.seed, &mut units),
            Phase::Lines(lines) => lines.ask(&mut units),
            Phase::Jump => {
                units.copy_from_slice(&random_point(context.seed, context.generation + 1, d));
            }
            Phase::Slope(descent) => descent.ask(&mut units),
            Phase::Swarm(swarm) => swarm.ask(context, n, &mut units),
        }
        self.asked = None;
        lay_out(&units, &self.moving, block, genomes.reset(n, block.n_genes()));
        self.rows = units;
        self.asked = Some(genomes.clone());
        let operator = match &self.phase {
            Phase::Probe => 0,
            Phase::Lines(_) => 1,
            Phase::Jump => 2,
            Phase::Slope(_) => 3,
            Phase::Swarm(_) => 4,
        };
        batch.origins.operators.reset(n, 1).fill(operator);
        batch.origins.parents.clear();
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let Some(block) = self.space.blocks().first() else { return Ok(()) };
        let Some(Column::F64(genomes)) = batch.genomes.first() else { return Ok(()) };
        self.rows.clear();
        for row in genomes.rows() {
            self.rows.extend(self.moving.iter().map(|idx| {
                let at = |values: &[f64]| values.get(*idx).copied().unwrap_or_default();
                unit(at(row), at(&block.lower), at(&block.upper))
            }));
        }
        self.found.clear();
        self.found.extend((0..genomes.n_rows()).map(|row| Worth::of(scores, row)));
        let d = self.moving.len();
        for (row, worth) in self.rows.chunks_exact(d).zip(&self.found) {
            if worth.compare(self.worth, 0.0).is_lt() {
                self.worth = *worth;
                self.best.clear();
                self.best.extend_from_slice(row);
            }
        }
        // Descent and lines know neither constraints nor foreign rows: one, and they are left.
        let is_plain =
            self.found.iter().all(|worth| worth.violation <= 0.0 || worth.violation.is_infinite());
        let asked = self.asked.take();
        let is_own = |row: usize| {
            asked.as_ref().is_some_and(|asked| {
                genomes.is_same_memory(asked) || genomes.row(row) == asked.row(row)
            })
        };
        let is_plain = is_plain && (0..genomes.n_rows()).all(is_own);
        let mut values = std::mem::take(&mut self.values);
        values.clear();
        values.extend(self.found.iter().map(|worth| worth.objective));
        match &mut self.phase {
            Phase::Probe | Phase::Jump => {}
            Phase::Lines(_) | Phase::Slope(_) if !is_plain => {
                self.values = values;
                return self.swarm(context);
            }
            Phase::Lines(lines) => lines.tell(&self.rows, &values),
            Phase::Slope(descent) => descent.tell(&self.rows, &values),
            Phase::Swarm(swarm) => swarm.tell(&self.rows, &self.found, is_own, context),
        }
        let followed = self.follow(&values, is_plain, context);
        self.values = values;
        followed
    }

    fn check_state(&self) -> Result<()> {
        let block = bounded_block(&self.space, "auto")?;
        self.settings.check(block)?;
        let d = self.moving.len();
        let is_point =
            |point: &[f64]| point.len() == d && point.iter().all(|u| (0.0..=1.0).contains(u));
        let is_phase = match &self.phase {
            Phase::Probe | Phase::Jump => true,
            Phase::Lines(lines) => lines.is_whole(d),
            Phase::Slope(descent) => descent.is_whole(d),
            Phase::Swarm(swarm) => swarm.is_whole(d),
        };
        let is_asked = |asked: &Matrix<f64>| {
            asked.n_rows() == self.batch_size() && asked.n_columns() == block.n_genes()
        };
        let is_whole = self.moving == moving(block)
            && is_point(&self.start)
            && is_point(&self.best)
            && is_phase
            && !self.worth.objective.is_nan()
            && self.worth.violation >= 0.0
            && self.n_runs <= 1 << 53
            && self.n_descents <= 1 << 53
            && self.asked.as_ref().is_none_or(is_asked);
        if is_whole {
            return check_sizes(self);
        }
        Err(Error::State { reason: "its phase does not fit its space".into() })
    }

    fn population(&self) -> Population {
        if self.worth == Worth::WORST {
            return Population::default();
        }
        let Some(block) = self.space.blocks().first() else { return Population::default() };
        let mut genes = vec![0.0; block.n_genes()];
        lay_out(&self.best, &self.moving, block, &mut genes);
        let d = genes.len();
        let column = |value: f64| Matrix::from_vec(vec![value], 1, 1).unwrap_or_default();
        Population {
            genomes: vec![Column::F64(Matrix::from_vec(genes, 1, d).unwrap_or_default())],
            objectives: column(self.worth.objective),
            violations: column(self.worth.violation),
            ..Population::default()
        }
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let phase = match &self.phase {
            Phase::Probe => 0.0,
            Phase::Lines(_) => 1.0,
            Phase::Jump => 2.0,
            Phase::Slope(_) => 3.0,
            Phase::Swarm(_) => 4.0,
        };
        let mut out = vec![("phase", phase), ("restarts", self.n_runs.saturating_sub(1) as f64)];
        if let Phase::Swarm(swarm) = &self.phase {
            out.push(("sigma", swarm.sigma()));
        }
        out
    }
}
