//! An archive: cells, the elites in them, and the checks on what comes in.

use serde::{Deserialize, Serialize};

use super::centroids::{Centroids, KMeans, Lookup};
use super::elites::{Candidates, Elites, Ids, Insertion, Rule};
use super::grid::{Axis, Grid};
use super::sliding::Sliding;
use super::{NO_CELL, Real};
use crate::error::{Error, Result};
use crate::run::checksum;
use crate::threads::Threads;

/// What happens to descriptors outside the ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// The batch is refused. A descriptor outside its range mostly means that the ranges are wrong,
    /// and clipping would hide that and pile unlike behaviours up at the edge.
    #[default]
    Error,
    /// They count as the nearest value in range, or go to the centroid nearest to them, as in
    /// pyribs.
    Clip,
}

/// How descriptor space is divided; what an archive is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layout {
    /// A uniform grid.
    Grid {
        /// Cells along each descriptor.
        shape: Vec<usize>,
        /// Least descriptors.
        lower: Vec<f64>,
        /// Greatest descriptors.
        upper: Vec<f64>,
    },
    /// Cells around centroids that k-means finds.
    Cvt {
        /// Number of cells.
        n_cells: usize,
        /// Uniform samples that are clustered.
        n_samples: usize,
        /// Most iterations of k-means.
        n_iterations: usize,
        /// Seed of k-means.
        seed: u64,
        /// Least descriptors.
        lower: Vec<f64>,
        /// Greatest descriptors.
        upper: Vec<f64>,
    },
    /// Cells around centroids that are given.
    Centroids {
        /// `(n_cells, n_descriptors)`, row-major.
        centroids: Vec<f64>,
        /// Least descriptors.
        lower: Vec<f64>,
        /// Greatest descriptors.
        upper: Vec<f64>,
    },
    /// A grid whose boundaries follow the quantiles of recent descriptors.
    Sliding {
        /// Cells along each descriptor.
        shape: Vec<usize>,
        /// Rows between two moves of the boundaries.
        remap_every: usize,
        /// Recent rows that the boundaries follow.
        buffer_size: usize,
        /// Least descriptors.
        lower: Vec<f64>,
        /// Greatest descriptors.
        upper: Vec<f64>,
    },
}

/// What an archive on its own is made from, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How descriptor space is divided.
    pub layout: Layout,
    /// Number of genes of a solution.
    pub n_genes: usize,
    /// When a candidate enters a cell.
    pub rule: Rule,
    /// What happens to descriptors outside the ranges.
    pub outside: Outside,
}

impl Settings {
    /// Settings from a JSON object.
    ///
    /// # Errors
    /// Unknown names, wrong types.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::setting("settings of the archive", "known names", error))
    }
}

/// Cells of any kind.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "T: Real")]
pub enum Cells<T> {
    /// A uniform grid.
    Grid(Grid<T>),
    /// Cells around centroids.
    Centroids(Centroids<T>),
    /// Sliding boundaries.
    Sliding(Box<Sliding<T>>),
}

/// How full and how good an archive is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stats {
    /// Number of elites.
    pub n_elites: usize,
    /// Share of the cells that hold one.
    pub coverage: f64,
    /// Sum over elites of how much better they are than the offset.
    pub qd_score: f64,
    /// The same, divided by the number of cells.
    pub normalized_qd_score: f64,
    /// Best objective ever inserted.
    pub best: Option<f64>,
    /// Mean objective of the elites.
    pub mean: Option<f64>,
}

const MAGIC: &[u8; 8] = b"chimarc\x01";

/// An archive of elites.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "T: Real")]
pub struct Archive<T> {
    cells: Cells<T>,
    elites: Elites<T>,
    outside: Outside,
    n_added: u64,
    #[serde(skip)]
    located: Vec<u32>,
    #[serde(skip)]
    lookup: Lookup,
}

impl<T: Real> Archive<T> {
    /// An empty archive.
    ///
    /// # Errors
    /// What is wrong with the layout or the rule; thresholds on sliding boundaries.
    pub fn new(
        layout: &Layout,
        n_genes: usize,
        rule: Rule,
        outside: Outside,
        threads: &Threads,
    ) -> Result<Self> {
        if n_genes == 0 {
            return Err(Error::setting("n_genes", "at least 1", 0));
        }
        let (cells, n_descriptors) = match layout {
            Layout::Grid { shape, lower, upper } => {
                (Cells::Grid(Grid::new(shape, lower, upper)?), shape.len())
            }
            Layout::Cvt { n_cells, n_samples, n_iterations, seed, lower, upper } => {
                check_pairs(lower, upper)?;
                let (n_samples, n_iterations, seed) = (*n_samples, *n_iterations, *seed);
                let k_means = KMeans { n_samples, n_iterations, seed };
                let found = k_means.centroids(*n_cells, lower, upper, threads)?;
                (Cells::Centroids(around(&found, lower, upper)?), lower.len())
            }
            Layout::Centroids { centroids, lower, upper } => {
                check_pairs(lower, upper)?;
                (Cells::Centroids(around(centroids, lower, upper)?), lower.len())
            }
            Layout::Sliding { shape, remap_every, buffer_size, lower, upper } => {
                if !rule.is_elitist() {
                    return Err(Error::setting(
                        "threshold_min",
                        "none: cells that move keep no thresholds",
                        "a threshold",
                    ));
                }
                let sliding = Sliding::new(shape, lower, upper, *remap_every, *buffer_size)?;
                (Cells::Sliding(Box::new(sliding)), shape.len())
            }
        };
        let n_cells = match &cells {
            Cells::Grid(grid) => grid.n_cells(),
            Cells::Centroids(centroids) => centroids.n_cells(),
            Cells::Sliding(sliding) => sliding.n_cells(),
        };
        let elites = Elites::new(n_cells, n_genes, n_descriptors, rule)?;
        let (located, lookup) = (Vec::new(), Lookup::default());
        Ok(Self { cells, elites, outside, n_added: 0, located, lookup })
    }

    /// Insert a batch. `skip` says which rows stay out (failed ones, say); it may be empty. Objectives
    /// and descriptors of skipped rows are not looked at.
    ///
    /// # Errors
    /// Shapes that do not fit, objectives or descriptors that are not finite, descriptors out of range
    /// unless they are clipped, solutions that would enter and are not finite. The archive is then
    /// unchanged.
    pub fn add<O: Real>(
        &mut self,
        batch: &Candidates<'_, T, O>,
        skip: &[bool],
        threads: &Threads,
        insertion: &mut Insertion,
    ) -> Result<()> {
        self.check(batch, skip)?;
        let is_skipped = |row: usize| skip.get(row).copied().unwrap_or(false);
        if let Cells::Sliding(sliding) = &mut self.cells {
            check_solutions(batch.solutions, self.elites.n_genes(), is_skipped)?;
            self.n_added += batch.objectives.len() as u64;
            return sliding.add(&mut self.elites, batch, is_skipped, insertion);
        }
        let mut located = std::mem::take(&mut self.located);
        match &self.cells {
            Cells::Centroids(centroids) => {
                let lookup = &mut self.lookup;
                centroids.locate_with(batch.descriptors, threads, &mut located, lookup);
            }
            _ => self.locate(batch.descriptors, threads, &mut located),
        }
        for (cell, _) in located.iter_mut().zip(skip).filter(|(_, skip)| **skip) {
            *cell = NO_CELL;
        }
        let result = self.elites.insert(batch, &located, insertion);
        self.located = located;
        if result.is_ok() {
            self.n_added += batch.objectives.len() as u64;
        }
        result
    }

    /// Identities for rows that have none: numbers in the order of arrival.
    pub const fn next_ids(&self) -> Ids<'static> {
        Ids::From(self.n_added)
    }

    /// The cell of each row of finite `descriptors`, clipped where cells have an end.
    pub fn locate(&self, descriptors: &[T], threads: &Threads, cells: &mut Vec<u32>) {
        match &self.cells {
            Cells::Grid(grid) => grid.locate(descriptors, cells),
            Cells::Centroids(centroids) => centroids.locate(descriptors, threads, cells),
            Cells::Sliding(sliding) => sliding.locate(descriptors, cells),
        }
    }

    /// Checks descriptors on their own, as [`Archive::add`] does.
    ///
    /// # Errors
    /// As [`Archive::add`].
    #[expect(clippy::needless_bitwise_bool, reason = "branches would keep the loop from vectors")]
    pub fn check_descriptors(&self, descriptors: &[T], skip: &[bool]) -> Result<()> {
        let n = self.elites.n_descriptors();
        let is_clipped = self.outside == Outside::Clip;
        let is_good = |row: &[T]| {
            row.iter().enumerate().fold(true, |all, (idx, value)| {
                let range = self.range(idx);
                let is_in_range = range.is_some_and(|(low, high)| *value >= low && *value <= high);
                all & (is_in_range | (is_clipped & value.is_finite_number()))
            })
        };
        let all_good = match (descriptors.as_chunks::<2>(), self.range(0), self.range(1)) {
            ((rows, []), Some((x_low, x_high)), Some((y_low, y_high)))
                if n == 2 && skip.is_empty() =>
            {
                crate::simd::dispatch(
                    #[inline(always)]
                    || {
                        rows.iter().fold(true, |all, [x, y]| {
                            let x_good = (*x >= x_low) & (*x <= x_high)
                                | (is_clipped & x.is_finite_number());
                            let y_good = (*y >= y_low) & (*y <= y_high)
                                | (is_clipped & y.is_finite_number());
                            all & x_good & y_good
                        })
                    },
                )
            }
            _ => false,
        };
        if all_good {
            return Ok(());
        }
        let is_skipped = |row: usize| skip.get(row).copied().unwrap_or(false);
        let mut rows = descriptors.chunks_exact(n.max(1)).enumerate();
        let Some((row, values)) = rows.find(|(row, values)| !is_skipped(*row) && !is_good(values))
        else {
            return Ok(());
        };
        let expected = if is_clipped {
            "finite values".to_owned()
        } else {
            let (lower, upper) = self.ranges();
            format!("values within {lower:?} to {upper:?} (or clip them: outside=\"clip\")")
        };
        Err(Error::batch("descriptors", expected, format!("{values:?} in row {row}")))
    }

    fn check<O: Real>(&self, batch: &Candidates<'_, T, O>, skip: &[bool]) -> Result<()> {
        let n_rows = batch.objectives.len();
        if u32::try_from(n_rows).is_err() {
            return Err(Error::batch("objectives", "fewer than 2^32 values", n_rows));
        }
        if !skip.is_empty() && skip.len() != n_rows {
            return Err(Error::batch("failed", format!("{n_rows} values"), skip.len()));
        }
        let widths = [
            ("solutions", batch.solutions.len(), self.elites.n_genes()),
            ("descriptors", batch.descriptors.len(), self.elites.n_descriptors()),
        ];
        for (name, len, width) in widths {
            if len != n_rows * width {
                let expected = format!("shape ({n_rows}, {width})");
                return Err(Error::batch(name, expected, format!("{len} values")));
            }
        }
        let are_finite = crate::simd::dispatch(
            #[inline(always)]
            || batch.objectives.iter().fold(true, |all, value| all & value.is_finite_number()),
        );
        if !are_finite {
            let is_skipped = |row: usize| skip.get(row).copied().unwrap_or(false);
            let mut rows = batch.objectives.iter().enumerate();
            let bad = rows.find(|(row, value)| !is_skipped(*row) && !value.is_finite_number());
            if let Some((row, value)) = bad {
                let got = format!("{value:?} in row {row}");
                return Err(Error::batch("objectives", "finite values", got));
            }
        }
        self.check_descriptors(batch.descriptors, skip)
    }

    /// Least and greatest value of one descriptor.
    fn range(&self, idx: usize) -> Option<(T, T)> {
        let of = |axes: &[Axis<T>]| axes.get(idx).map(|axis| (axis.lower, axis.upper));
        match &self.cells {
            Cells::Grid(grid) => of(grid.axes()),
            Cells::Centroids(cells) => {
                cells.lower().get(idx).copied().zip(cells.upper().get(idx).copied())
            }
            Cells::Sliding(sliding) => of(sliding.axes()),
        }
    }

    /// Least and greatest descriptors.
    pub fn ranges(&self) -> (Vec<T>, Vec<T>) {
        (0..).map_while(|idx| self.range(idx)).unzip()
    }

    /// Cells along each descriptor; empty for cells around centroids.
    pub fn shape(&self) -> Vec<usize> {
        let of = |axes: &[Axis<T>]| axes.iter().map(|axis| axis.n_cells as usize).collect();
        match &self.cells {
            Cells::Grid(grid) => of(grid.axes()),
            Cells::Centroids(_) => Vec::new(),
            Cells::Sliding(sliding) => of(sliding.axes()),
        }
    }

    /// How full and how good it is; `offset` is the objective that counts as 0.
    pub fn stats(&self, offset: f64) -> Stats {
        let sign = self.elites.rule().direction.sign();
        let objectives = self.elites.objectives().as_slice();
        let (n_elites, n_cells) = (objectives.len() as f64, self.elites.n_cells() as f64);
        let sum = sum(objectives);
        let qd_score = sign * (sum - offset * n_elites);
        Stats {
            n_elites: objectives.len(),
            coverage: n_elites / n_cells,
            qd_score,
            normalized_qd_score: qd_score / n_cells,
            best: self.elites.best().map(|best| best.objective),
            mean: (!objectives.is_empty()).then(|| sum / n_elites),
        }
    }

    /// The whole archive as bytes: magic, checksum, crate version, content.
    ///
    /// # Errors
    /// Never, unless memory runs out.
    pub fn save(&self) -> Result<Vec<u8>> {
        let body = postcard::to_stdvec(&(env!("CARGO_PKG_VERSION"), size_of::<T>(), self))
            .map_err(|error| Error::State { reason: error.to_string() })?;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&checksum(&body).to_le_bytes());
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// The archive that [`Archive::save`] wrote.
    ///
    /// # Errors
    /// Other bytes, damaged ones, another version or element type.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        let unreadable = |reason: &str| Error::State { reason: reason.to_owned() };
        let rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| unreadable("it does not begin as a saved archive does"))?;
        let (sum, body) = rest.split_at_checked(8).ok_or_else(|| unreadable("it is cut short"))?;
        if sum != checksum(body).to_le_bytes() {
            return Err(unreadable("it is damaged or cut short"));
        }
        let damaged = |error: postcard::Error| unreadable(&error.to_string());
        let ((version, size), rest): ((String, usize), _) =
            postcard::take_from_bytes(body).map_err(damaged)?;
        if version != env!("CARGO_PKG_VERSION") {
            let ours = env!("CARGO_PKG_VERSION");
            return Err(unreadable(&format!("expected version {ours}, got {version}")));
        }
        if size != size_of::<T>() {
            let (expected, got) = (8 * size_of::<T>(), 8 * size);
            return Err(unreadable(&format!("expected float{expected}, got float{got}")));
        }
        let archive: Self = postcard::from_bytes(rest).map_err(damaged)?;
        archive.check_state()?;
        Ok(archive)
    }

    /// Checks an archive that was loaded: whoever can compute the checksum can also change the content.
    ///
    /// # Errors
    /// Cells and elites that contradict each other.
    pub fn check_state(&self) -> Result<()> {
        let (n_cells, is_whole) = match &self.cells {
            Cells::Grid(grid) => (grid.is_whole().then(|| grid.n_cells()), true),
            Cells::Centroids(centroids) => (Some(centroids.n_cells()), true),
            Cells::Sliding(sliding) => {
                let is_whole = sliding.is_whole(self.elites.n_genes());
                (is_whole.then(|| sliding.n_cells()), self.elites.rule().is_elitist())
            }
        };
        let fits = is_whole
            && n_cells == Some(self.elites.n_cells())
            && self.ranges().0.len() == self.elites.n_descriptors();
        if fits {
            return Ok(());
        }
        Err(Error::State { reason: "its archive contradicts itself".into() })
    }

    /// Takes all elites away. Sliding boundaries stay where they are.
    pub fn clear(&mut self) {
        self.elites.clear();
    }

    /// The cells.
    pub const fn cells(&self) -> &Cells<T> {
        &self.cells
    }

    /// The elites.
    pub const fn elites(&self) -> &Elites<T> {
        &self.elites
    }

    /// What happens to descriptors outside the ranges.
    pub const fn outside(&self) -> Outside {
        self.outside
    }
}

fn around<T: Real>(centroids: &[f64], lower: &[f64], upper: &[f64]) -> Result<Centroids<T>> {
    let narrow: Vec<T> = centroids.iter().map(|value| T::nearest(*value)).collect();
    Centroids::new(&narrow, lower, upper)
}

fn check_pairs(lower: &[f64], upper: &[f64]) -> Result<()> {
    if lower.is_empty() || lower.len() != upper.len() {
        return Err(Error::setting(
            "ranges",
            "a lower and an upper bound per descriptor",
            format!("{} and {}", lower.len(), upper.len()),
        ));
    }
    Ok(())
}

/// Rows are inserted one after another into sliding cells, so all are checked before.
fn check_solutions<T: Real>(
    solutions: &[T],
    n_genes: usize,
    is_skipped: impl Fn(usize) -> bool,
) -> Result<()> {
    let mut rows = solutions.chunks_exact(n_genes).enumerate();
    let is_bad = |row: &[T]| !row.iter().all(|gene| gene.is_finite_number());
    match rows.find(|(row, genes)| !is_skipped(*row) && is_bad(genes)) {
        Some((row, _)) => {
            let got = format!("NaN or infinity in row {row}");
            Err(Error::batch("solutions", "finite values", got))
        }
        None => Ok(()),
    }
}

/// A sum in eight partial sums of fixed order.
fn sum(values: &[f64]) -> f64 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (b + f)) + ((c + g) + (d + h)) + rest.iter().sum::<f64>()
}
