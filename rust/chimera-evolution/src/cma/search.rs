//! CMA-ES as a search: bounds, ranking, stopping and restarts around a [`Strategy`].

use serde::{Deserialize, Serialize};

use super::frame::{Frame, Sigma, start};
use super::rank::Ranking;
use super::restart::{POPULATION_MAX, Restarts, Schedule};
use super::stop::{Stop, Tolerances, Watch};
use super::strategy::{Covariance, Options, Strategy};
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores, check_sizes};
use crate::column::Column;
use crate::differential::check_x0;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::space::Space;

/// Generations in a row without any row that worked after which a search with restarts begins anew.
pub const LOST_MAX: u64 = 100;

/// Refuses a population that is too small or too large.
///
/// # Errors
/// Fewer than 2 rows, or more than [`POPULATION_MAX`].
pub fn check_population_size(size: Option<usize>) -> Result<()> {
    match size.filter(|size| !(2..=POPULATION_MAX).contains(size)) {
        Some(size) => {
            let expected = format!("between 2 and {POPULATION_MAX}");
            Err(Error::setting("population_size", expected, size))
        }
        None => Ok(()),
    }
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
    /// Restarts with a doubled population at most.
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
    /// Generations in a row in which every row failed.
    n_lost: u64,
    /// The rows asked last, to see which of the told ones differ; none once told.
    asked: Option<Matrix<f64>>,
    #[serde(skip)]
    ranking: Ranking,
    #[serde(skip)]
    row: Vec<f64>,
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
        check_population_size(settings.population_size)?;
        let options = Options {
            population_size: settings.population_size,
            covariance: settings.covariance,
            is_active: settings.active,
        };
        let strategy = Strategy::new(&frame.gather(&x0), sigma, &scales, options)?;
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
            n_lost: 0,
            asked: None,
            ranking: Ranking::default(),
            row: Vec::new(),
        })
    }
}

impl Cmaes {
    /// Takes over told rows that are not the asked ones.
    fn take_in(&mut self, told: &Matrix<f64>) {
        let Some(asked) = self.asked.take() else { return };
        if told.is_same_memory(&asked) {
            return;
        }
        for (idx, (row, asked)) in told.rows().zip(asked.rows()).enumerate() {
            if row != asked {
                self.frame.read(row, &mut self.row);
                self.strategy.inject(idx, &self.row);
            }
        }
    }

    fn rank(&mut self, scores: &Scores<'_>, n_rows: usize) {
        let Self { strategy, frame, ranking, row, .. } = self;
        row.resize(strategy.n_genes(), 0.0);
        if frame.is_free() {
            return ranking.rank(scores, n_rows, |_| 0.0);
        }
        ranking.rank(scores, n_rows, |idx| {
            strategy.write(idx, row);
            frame.outside(row)
        });
    }

    /// Nothing worked: there is nothing to learn, but a schedule of restarts leaves such a place.
    fn lose(&mut self, is_spent: bool) -> Result<()> {
        self.n_lost += 1;
        if is_spent {
            self.stop = Some(Stop::Budget);
        } else if self.n_lost < LOST_MAX || !self.schedule.goes_on() {
            return Ok(());
        }
        self.restart()
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
        self.frame.read(&x0, &mut self.row);
        self.strategy.restart(&self.row, sigma, start.population_size)?;
        self.watch.reset(sigma);
        self.n_lost = 0;
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
        self.asked = None;
        let (generation, threads) = (context.generation, &context.threads);
        self.strategy.sample(context.seed, generation, context.first_id, n, threads);
        if let Some(Column::F64(matrix)) = batch.genomes.first_mut() {
            let n_genes = self.space.n_genes();
            let rows = matrix.reset(n, n_genes).chunks_exact_mut(n_genes.max(1));
            for (idx, out) in rows.enumerate() {
                self.frame.lay_out(out, &mut self.row, |row| self.strategy.write(idx, row));
            }
            self.asked = Some(matrix.clone());
        }
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let n_rows = batch.n_rows();
        if let Some(told) = batch.genomes.first().and_then(Column::as_f64) {
            self.take_in(told);
        }
        let is_spent = self.schedule.spend(n_rows as u64);
        if (0..n_rows).all(|row| scores.is_failed(row)) {
            return self.lose(is_spent);
        }
        self.n_lost = 0;
        self.rank(scores, n_rows);
        self.strategy.update(self.ranking.order(), None, &context.threads);
        if self.frame.is_outside(self.strategy.mean()) {
            self.strategy.confine(self.frame.bounds());
        }
        let score = |row| {
            if scores.violation(row) > 0.0 { f64::INFINITY } else { scores.objective(row) }
        };
        let order = self.ranking.by_scores();
        let found = self.watch.check(&self.strategy, score, order, &self.tolerances);
        self.strategy.remember();
        self.stop = found.or(is_spent.then_some(Stop::Budget)).or(self.stop);
        if self.stop.is_some() { self.restart() } else { Ok(()) }
    }

    fn check_state(&self) -> Result<()> {
        let block = self.space.single_real("cmaes")?;
        check_x0(Some(&self.x0), block)?;
        let n_rows = self.strategy.population_size();
        check_population_size(Some(n_rows))?;
        let is_asked =
            |asked: &Matrix<f64>| asked.n_rows() == n_rows && asked.n_columns() == block.n_genes();
        let is_whole = self.frame.fits(block)
            && self.strategy.is_whole()
            && self.strategy.n_genes() == self.frame.n_genes()
            && self.sigma > 0.0
            && self.sigma.is_finite()
            && self.watch.is_whole()
            && self.schedule.is_whole()
            && self.n_lost <= LOST_MAX
            && self.asked.as_ref().is_none_or(is_asked);
        if is_whole {
            return check_sizes(self);
        }
        Err(Error::State { reason: "its distribution does not fit its space".into() })
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
        let (least, most) = self.strategy.shown_eigenvalues();
        vec![
            ("sigma", self.strategy.sigma()),
            ("condition", most / least.max(0.0)),
            ("deviation_min", self.strategy.sigma() * least.max(0.0).sqrt()),
            ("deviation_max", self.strategy.sigma() * most.max(0.0).sqrt()),
            ("population_size", self.strategy.population_size() as f64),
            ("n_restarts", self.schedule.n_restarts() as f64),
        ]
    }
}
