//! CMA-ES as a search: bounds, ranking, stopping and restarts around a [`Strategy`].

use serde::{Deserialize, Serialize};

use super::bounds::Transform;
use super::restart::{Restarts, Schedule};
use super::stop::{Stop, Tolerances, Watch};
use super::strategy::{Covariance, Options, Strategy};
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::space::{Block, Space};

/// The first step size: one for all genes, or one for each.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Sigma {
    /// For all genes.
    One(f64),
    /// For each gene.
    Each(Vec<f64>),
}

/// Settings of [`Cmaes`].
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the search begins; by default the middle of the bounds.
    pub x0: Option<Vec<f64>>,
    /// First standard deviation; by default 0.3 of the width between the bounds.
    pub sigma: Option<Sigma>,
    /// Rows of a generation; by default `4 + floor(3 ln n)`.
    pub population_size: Option<usize>,
    /// The form of the covariance.
    pub covariance: Covariance,
    /// Whether bad rows lower the variance in their direction.
    pub active: bool,
    /// What happens when it stops.
    pub restarts: Restarts,
    /// Restarts at most.
    pub n_restarts_max: u64,
    /// See [`Tolerances`].
    pub tol_fun: f64,
    /// See [`Tolerances`].
    pub tol_fun_hist: f64,
    /// See [`Tolerances`].
    pub tol_x: f64,
    /// See [`Tolerances`].
    pub tol_up: f64,
    /// See [`Tolerances`].
    pub condition_max: f64,
}

impl Default for Settings {
    fn default() -> Self {
        let tolerances = Tolerances::default();
        Self {
            x0: None,
            sigma: None,
            population_size: None,
            covariance: Covariance::Full,
            active: true,
            restarts: Restarts::None,
            n_restarts_max: 9,
            tol_fun: tolerances.fun,
            tol_fun_hist: tolerances.fun_hist,
            tol_x: tolerances.x,
            tol_up: tolerances.up,
            condition_max: tolerances.condition_max,
        }
    }
}

/// Covariance matrix adaptation evolution strategy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cmaes {
    space: Space,
    seed: u64,
    frame: Frame,
    strategy: Strategy,
    sigma: f64,
    x0: Vec<f64>,
    tolerances: Tolerances,
    watch: Watch,
    schedule: Schedule,
    stop: Option<Stop>,
    /// The rows asked last, to see which of the told ones differ; empty once told.
    asked: Matrix<f64>,
    #[serde(skip)]
    order: Vec<usize>,
    #[serde(skip)]
    row: Vec<f64>,
}

/// The part of the genes that can move, and their map into the box.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Frame {
    /// Indices of the genes that can move; empty when all can.
    moving: Vec<usize>,
    /// Values of all genes where some cannot move.
    fixed: Vec<f64>,
    transform: Transform,
}

impl Frame {
    /// The frame of a block.
    ///
    /// # Errors
    /// Every gene has equal bounds.
    pub fn new(block: &Block) -> Result<Self> {
        let bounds = || block.lower.iter().copied().zip(block.upper.iter().copied());
        let moves = |(lower, upper): &(f64, f64)| lower < upper;
        let n_moving = bounds().filter(moves).count();
        if n_moving == 0 {
            return Err(Error::setting("bounds", "at least one gene with lower < upper", "none"));
        }
        let (lower, upper) = bounds().filter(moves).unzip();
        let is_whole = n_moving == block.n_genes();
        Ok(Self {
            moving: if is_whole {
                Vec::new()
            } else {
                (0..).zip(bounds()).filter(|(_, pair)| moves(pair)).map(|(idx, _)| idx).collect()
            },
            fixed: if is_whole { Vec::new() } else { block.lower.clone() },
            transform: Transform::new(lower, upper),
        })
    }

    /// Whether every gene can move.
    pub const fn is_whole(&self) -> bool {
        self.moving.is_empty()
    }

    /// The genes that can move, of values for all.
    #[must_use]
    pub fn gather(&self, values: &[f64]) -> Vec<f64> {
        if self.is_whole() {
            return values.to_vec();
        }
        self.moving.iter().filter_map(|idx| values.get(*idx)).copied().collect()
    }

    /// Maps strategy coordinates to a whole row inside the bounds; `scratch` is memory.
    pub fn lay_out(&self, out: &mut [f64], scratch: &mut Vec<f64>, write: impl Fn(&mut [f64])) {
        if self.is_whole() {
            write(out);
            self.transform.apply(out);
            return;
        }
        scratch.resize(self.moving.len(), 0.0);
        write(scratch);
        self.transform.apply(scratch);
        out.copy_from_slice(&self.fixed);
        for (idx, value) in self.moving.iter().zip(scratch) {
            if let Some(place) = out.get_mut(*idx) {
                *place = *value;
            }
        }
    }

    /// Strategy coordinates of a whole row.
    #[must_use]
    pub fn read(&self, row: &[f64]) -> Vec<f64> {
        let mut values = self.gather(row);
        self.transform.invert(&mut values);
        values
    }
}

/// Where a search begins: the row itself, then standard deviations of the genes that can move.
///
/// # Errors
/// Values missing for genes without bounds, of another number, or outside their range.
pub fn start(
    block: &Block,
    frame: &Frame,
    x0: Option<Vec<f64>>,
    sigma: Option<&Sigma>,
) -> Result<(Vec<f64>, f64, Vec<f64>)> {
    let n = block.n_genes();
    let bounds = || block.lower.iter().zip(&block.upper);
    let x0 = match x0 {
        Some(x0) => x0,
        None if block.is_bounded() => {
            bounds().map(|(lower, upper)| f64::midpoint(*lower, *upper)).collect()
        }
        None => return Err(Error::setting("x0", "a value where a bound is infinite", "none")),
    };
    if x0.len() != n {
        return Err(Error::setting("x0", format!("{n} values"), x0.len()));
    }
    let inside =
        |(x, (lower, upper)): (&f64, (&f64, &f64))| x.is_finite() && x >= lower && x <= upper;
    if let Some(idx) = x0.iter().zip(bounds()).position(|pair| !inside(pair)) {
        let value = x0.get(idx).copied().unwrap_or_default();
        return Err(Error::setting(
            "x0",
            "finite values inside the bounds",
            format!("{value} at gene {idx}"),
        ));
    }
    let (sigma, scales) = match sigma {
        Some(Sigma::One(sigma)) => (*sigma, vec![1.0; frame.gather(&x0).len()]),
        Some(Sigma::Each(each)) if each.len() == n => (1.0, frame.gather(each)),
        Some(Sigma::Each(each)) => {
            return Err(Error::setting("sigma", format!("1 or {n} values"), each.len()));
        }
        None if block.is_bounded() => {
            let widths: Vec<f64> = bounds().map(|(lower, upper)| upper - lower).collect();
            (0.3, frame.gather(&widths))
        }
        None => return Err(Error::setting("sigma", "a value where a bound is infinite", "none")),
    };
    if !(sigma.is_finite() && sigma > 0.0) {
        return Err(Error::setting("sigma", "finite and above 0", sigma));
    }
    // One step size with relative scales: their greatest is 1.
    let most = scales.iter().copied().fold(0.0, f64::max);
    if !(most.is_finite() && most > 0.0) {
        return Err(Error::setting("sigma", "finite and above 0 for every gene", most));
    }
    Ok((x0, sigma * most, scales.iter().map(|scale| scale / most).collect()))
}

impl Build for Cmaes {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, seed: u64) -> Result<Self> {
        let block = space.single_real("cmaes")?;
        let frame = Frame::new(block)?;
        let tolerances = Tolerances {
            fun: settings.tol_fun,
            fun_hist: settings.tol_fun_hist,
            x: settings.tol_x,
            up: settings.tol_up,
            condition_max: settings.condition_max,
        };
        for (name, value) in [
            ("tol_fun", tolerances.fun),
            ("tol_fun_hist", tolerances.fun_hist),
            ("tol_x", tolerances.x),
            ("tol_up", tolerances.up),
            ("condition_max", tolerances.condition_max),
        ] {
            if !(value >= 0.0) {
                return Err(Error::setting(name, "at least 0", value));
            }
        }
        let (x0, sigma, scales) = start(block, &frame, settings.x0, settings.sigma.as_ref())?;
        if settings.population_size.is_some_and(|size| !(2..=1 << 24).contains(&size)) {
            let got = settings.population_size.unwrap_or_default();
            return Err(Error::setting("population_size", "between 2 and 16777216", got));
        }
        let options = Options {
            population_size: settings.population_size,
            covariance: settings.covariance,
            is_active: settings.active,
        };
        let strategy = Strategy::new(&frame.read(&x0), sigma, &scales, options)?;
        let schedule =
            Schedule::new(settings.restarts, settings.n_restarts_max, strategy.population_size());
        let mut watch = Watch::default();
        watch.reset(sigma);
        Ok(Self {
            space,
            seed,
            frame,
            strategy,
            sigma,
            x0,
            tolerances,
            watch,
            schedule,
            stop: None,
            asked: Matrix::default(),
            order: Vec::new(),
            row: Vec::new(),
        })
    }
}

/// Ranks rows: those that worked first, then by constraint violation, objective, index.
pub fn rank(scores: &Scores<'_>, n_rows: usize, order: &mut Vec<usize>) {
    order.clear();
    order.extend(0..n_rows);
    order.sort_unstable_by(|a, b| {
        let (a, b) = (*a, *b);
        let violation =
            |row| if scores.is_failed(row) { f64::INFINITY } else { scores.violation(row) };
        violation(a)
            .total_cmp(&violation(b))
            .then_with(|| scores.objective(a).total_cmp(&scores.objective(b)))
            .then_with(|| a.cmp(&b))
    });
}

impl Cmaes {
    /// Takes over told rows that are not the asked ones.
    fn take_in(&mut self, told: &Matrix<f64>) {
        if told.is_same_memory(&self.asked) {
            return;
        }
        for (idx, (row, asked)) in told.rows().zip(self.asked.rows()).enumerate() {
            if row != asked {
                self.strategy.inject(idx, &self.frame.read(row));
            }
        }
    }

    fn restart(&mut self) -> Result<()> {
        let Some(mut start) = self.schedule.next(self.seed) else { return Ok(()) };
        let mut x0 = self.x0.clone();
        if let Some(block) = self.space.blocks().first() {
            for (x, (lower, upper)) in x0.iter_mut().zip(block.lower.iter().zip(&block.upper)) {
                if lower.is_finite() && upper.is_finite() {
                    *x = (lower + (upper - lower) * start.stream.uniform()).clamp(*lower, *upper);
                }
            }
        }
        let sigma = self.sigma * start.sigma_factor;
        self.strategy.restart(&self.frame.read(&x0), sigma, start.population_size)?;
        self.watch.reset(sigma);
        self.stop = None;
        Ok(())
    }
}

impl Algorithm for Cmaes {
    fn space(&self) -> &Space {
        &self.space
    }

    fn batch_size(&self) -> usize {
        self.strategy.population_size()
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        self.asked = Matrix::default();
        let (generation, threads) = (context.generation, &context.threads);
        self.strategy.sample(context.seed, generation, context.first_id, n, threads);
        if let Some(Column::F64(matrix)) = batch.genomes.first_mut() {
            let n_genes = self.space.n_genes();
            let rows = matrix.reset(n, n_genes).chunks_exact_mut(n_genes.max(1));
            for (idx, out) in rows.enumerate() {
                self.frame.lay_out(out, &mut self.row, |row| self.strategy.write(idx, row));
            }
            self.asked = matrix.clone();
        }
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let n_rows = batch.n_rows();
        if let Some(told) = batch.genomes.first().and_then(Column::as_f64) {
            self.take_in(told);
        }
        self.asked = Matrix::default();
        let is_spent = self.schedule.spend(n_rows as u64);
        if (0..n_rows).all(|row| scores.is_failed(row)) {
            return Ok(());
        }
        rank(scores, n_rows, &mut self.order);
        self.strategy.update(&self.order, None, &context.threads);
        let score = |row| {
            if scores.violation(row) > 0.0 { f64::INFINITY } else { scores.objective(row) }
        };
        let found = self.watch.check(&self.strategy, score, &self.order, &self.tolerances);
        self.stop = found.or(is_spent.then_some(Stop::Budget)).or(self.stop);
        if self.stop.is_some() { self.restart() } else { Ok(()) }
    }

    fn population(&self) -> Population {
        let n = self.space.n_genes();
        let mut mean = Matrix::new(1, n);
        self.frame.lay_out(mean.make_mut(), &mut Vec::new(), |row| {
            row.copy_from_slice(self.strategy.mean());
        });
        Population { genomes: vec![Column::F64(mean)], ..Population::default() }
    }

    fn stop_reason(&self) -> Option<&'static str> {
        self.stop.map(Stop::name)
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let (least, most) = self.strategy.extreme_eigenvalues();
        vec![
            ("sigma", self.strategy.sigma()),
            ("condition", most / least),
            ("deviation_min", self.strategy.sigma() * least.max(0.0).sqrt()),
            ("deviation_max", self.strategy.sigma() * most.max(0.0).sqrt()),
            ("population_size", self.strategy.population_size() as f64),
            ("n_restarts", self.schedule.n_restarts() as f64),
        ]
    }
}
