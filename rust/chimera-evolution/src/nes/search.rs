//! What the strategies share: bounds, ranking, told rows that differ, when to stop.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::cma::frame::{Frame, Sigma, start};
use crate::cma::rank::Ranking;
use crate::cma::search::check_population_size;
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::space::Space;
use crate::threads::Threads;

/// Where a distribution begins.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Centre, in the coordinates of the strategy.
    pub mean: Vec<f64>,
    /// Step size.
    pub sigma: f64,
    /// Deviation of each gene, relative to the step size.
    pub scales: Vec<f64>,
}

/// A distribution over real vectors that learns from rankings of its samples.
pub trait Distribution: Serialize + DeserializeOwned + Send + Sync {
    /// Its settings.
    type Settings: DeserializeOwned + AsRef<Settings>;
    /// Name of the method.
    const NAME: &'static str;

    /// A fresh one.
    ///
    /// # Errors
    /// A setting outside its range.
    fn new(origin: Origin, settings: &Self::Settings) -> Result<Self>;
    /// Rows of a generation.
    fn population_size(&self) -> usize;
    /// Draws samples; row `i` by the key `(seed, step, first_id + i)`.
    fn sample(&mut self, context: &Context, n_rows: usize);
    /// Writes one sample.
    fn write(&self, row: usize, out: &mut [f64]);
    /// Replaces one sample by a point from elsewhere.
    fn inject(&mut self, row: usize, x: &[f64]);
    /// Moves towards the samples, named best first.
    fn update(&mut self, order: &[usize], threads: &Threads);
    /// Moves a mean that lies further outside `(lower, upper)` than a few deviations back to there.
    fn confine(&mut self, bounds: (&[f64], &[f64]));
    /// Centre.
    fn mean(&self) -> &[f64];
    /// Step size.
    fn sigma(&self) -> f64;
}

/// Settings that all have.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the search begins; by default the middle of the bounds.
    pub x0: Option<Vec<f64>>,
    /// First standard deviation; by default 0.3 of the width between the bounds.
    pub sigma: Option<Sigma>,
    /// Rows of a generation; by default the method's.
    pub population_size: Option<usize>,
    /// Stop when the step size is below this part of the first one.
    pub tol_sigma: f64,
    /// Stop when the best scores of the last generations differ by less.
    pub tol_fun_hist: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { x0: None, sigma: None, population_size: None, tol_sigma: 1e-12, tol_fun_hist: 1e-12 }
    }
}

impl AsRef<Self> for Settings {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// Generations that `tol_fun_hist` looks at.
const WINDOW: usize = 50;

/// A search by one distribution.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Search<D: Distribution> {
    space: Space,
    frame: Frame,
    distribution: D,
    sigma_min: f64,
    tol_fun_hist: f64,
    recent: Vec<f64>,
    n_told: usize,
    stop: Option<Stop>,
    /// The rows asked last; none once told.
    asked: Option<Matrix<f64>>,
    #[serde(skip)]
    ranking: Ranking,
    #[serde(skip)]
    row: Vec<f64>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Stop {
    Sigma,
    FunHistory,
}

impl<D: Distribution> Build for Search<D> {
    type Settings = D::Settings;

    fn build(space: Space, settings: D::Settings, _seed: u64) -> Result<Self> {
        let block = space.single_real(D::NAME)?;
        let frame = Frame::new(block)?;
        let common = settings.as_ref();
        for (name, value) in
            [("tol_sigma", common.tol_sigma), ("tol_fun_hist", common.tol_fun_hist)]
        {
            if !(value >= 0.0) {
                return Err(Error::setting(name, "at least 0", value));
            }
        }
        check_population_size(common.population_size)?;
        let (x0, sigma, scales) = start(block, &frame, common.x0.clone(), common.sigma.as_ref())?;
        if let Some(scale) = scales.iter().find(|scale| !(**scale > 0.0)) {
            return Err(Error::setting("sigma", "finite and above 0 for every gene", scale));
        }
        let (sigma_min, tol_fun_hist) = (common.tol_sigma * sigma, common.tol_fun_hist);
        let origin = Origin { mean: frame.gather(&x0), sigma, scales };
        let distribution = D::new(origin, &settings)?;
        Ok(Self {
            space,
            frame,
            distribution,
            sigma_min,
            tol_fun_hist,
            recent: Vec::new(),
            n_told: 0,
            stop: None,
            asked: None,
            ranking: Ranking::default(),
            row: Vec::new(),
        })
    }
}

impl<D: Distribution> Search<D> {
    /// Takes over told rows that are not the asked ones.
    fn take_in(&mut self, told: &Matrix<f64>) {
        let Some(asked) = self.asked.take() else { return };
        if told.is_same_memory(&asked) {
            return;
        }
        for (idx, (row, asked)) in told.rows().zip(asked.rows()).enumerate() {
            if row != asked {
                self.frame.read(row, &mut self.row);
                self.distribution.inject(idx, &self.row);
            }
        }
    }

    fn rank(&mut self, scores: &Scores<'_>, n_rows: usize) {
        let Self { distribution, frame, ranking, row, .. } = self;
        row.resize(distribution.mean().len(), 0.0);
        if frame.is_free() {
            return ranking.rank(scores, n_rows, |_| 0.0);
        }
        ranking.rank(scores, n_rows, |idx| {
            distribution.write(idx, row);
            frame.outside(row)
        });
    }

    fn watch(&mut self, best: f64) {
        self.recent.reserve_exact(WINDOW.saturating_sub(self.recent.len()));
        if self.recent.len() < WINDOW {
            self.recent.push(best);
        } else if let Some(place) = self.recent.get_mut(self.n_told % WINDOW) {
            *place = best;
        }
        self.n_told += 1;
        let least = self.recent.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.recent.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if self.distribution.sigma() < self.sigma_min {
            self.stop = Some(Stop::Sigma);
        } else if self.n_told >= WINDOW && most - least < self.tol_fun_hist {
            self.stop = Some(Stop::FunHistory);
        }
    }
}

impl<D: Distribution> Algorithm for Search<D> {
    fn space(&self) -> &Space {
        &self.space
    }

    fn batch_size(&self) -> usize {
        self.distribution.population_size()
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        self.asked = None;
        self.distribution.sample(context, n);
        if let Some(Column::F64(matrix)) = batch.genomes.first_mut() {
            let n_genes = self.space.n_genes();
            let rows = matrix.reset(n, n_genes).chunks_exact_mut(n_genes.max(1));
            for (idx, out) in rows.enumerate() {
                self.frame.lay_out(out, &mut self.row, |row| self.distribution.write(idx, row));
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
        if (0..n_rows).all(|row| scores.is_failed(row)) {
            return Ok(());
        }
        self.rank(scores, n_rows);
        self.distribution.update(self.ranking.order(), &context.threads);
        if self.frame.is_outside(self.distribution.mean()) {
            self.distribution.confine(self.frame.bounds());
        }
        // Among rows that violate constraints the objective says nothing about progress.
        let best = self.ranking.by_scores().first().map_or(f64::INFINITY, |row| {
            if scores.violation(*row) > 0.0 { f64::INFINITY } else { scores.objective(*row) }
        });
        self.watch(best);
        Ok(())
    }

    fn population(&self) -> Population {
        let mut mean = Matrix::new(1, self.space.n_genes());
        self.frame.lay_out(mean.make_mut(), &mut Vec::new(), |row| {
            row.copy_from_slice(self.distribution.mean());
        });
        Population { genomes: vec![Column::F64(mean)], ..Population::default() }
    }

    fn stop_reason(&self) -> Option<&'static str> {
        self.stop.map(|stop| match stop {
            Stop::Sigma => "tol_sigma",
            Stop::FunHistory => "tol_fun_hist",
        })
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        vec![("sigma", self.distribution.sigma())]
    }
}
