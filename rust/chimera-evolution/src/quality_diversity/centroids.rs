//! Centroidal Voronoi cells (Vassiliades, Chatzilygeroudis & Mouret, 2018): the nearest centroid, exactly.
//!
//! Centroids come from outside or from Lloyd's k-means over uniform samples. In up to three
//! dimensions a table of buckets lists, for each small box, the only centroids that can be nearest
//! to a point in it; otherwise a k-d tree or, in many dimensions, a blocked scan finds the nearest.
//! All rank by the same 64-bit distance, and the lower centroid wins among equals.

mod assignment;

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use self::assignment::Assignment;
use super::Real;
use super::grid::check_ranges;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::memory;
use crate::novelty::nearest::{Nearest, squared_distance};
use crate::novelty::tree::Tree;
use crate::novelty::{Finder as Search, Neighbours, Query, TREE_DIMENSIONS_MAX, Way};
use crate::stop;
use crate::threads::Threads;

/// Up to this many dimensions buckets are faster than the tree.
const BUCKET_DIMENSIONS_MAX: usize = 3;
/// Buckets per centroid.
const BUCKETS_PER_CENTROID: usize = 3;

/// Centroids near one bucket at which buckets are given up.
const CROWD: usize = 256;

/// How k-means places centroids.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct KMeans {
    /// Uniform samples that are clustered.
    pub n_samples: usize,
    /// Most iterations of Lloyd's algorithm.
    pub n_iterations: usize,
    /// Seed of the samples and of the first centroids.
    pub seed: u64,
}

impl KMeans {
    /// `n_centroids` centroids, `(n_centroids, n_descriptors)` row-major, for a box of descriptors.
    /// Ends early when no sample changes its cluster. The same on any number of threads.
    ///
    /// # Errors
    /// Fewer samples than centroids, no centroid, too many, ranges that are empty, more samples than
    /// memory holds; or the caller wants an end.
    pub fn centroids(
        &self,
        n_centroids: usize,
        lower: &[f64],
        upper: &[f64],
        threads: &Threads,
    ) -> Result<Vec<f64>> {
        check_ranges::<f64>(lower, upper)?;
        if n_centroids == 0 || n_centroids > super::CELLS_MAX {
            let expected = format!("between 1 and {}", super::CELLS_MAX);
            return Err(Error::setting("n_cells", expected, n_centroids));
        }
        if self.n_samples < n_centroids || u32::try_from(self.n_samples).is_err() {
            return Err(Error::setting(
                "n_samples",
                format!("at least the number of cells, {n_centroids}"),
                self.n_samples,
            ));
        }
        let n = lower.len();
        memory::ensure("samples of k-means", self.n_samples, 8 * n)?;
        let mut samples = Vec::with_capacity(self.n_samples * n);
        for idx in 0..self.n_samples {
            if idx.is_multiple_of(1 << 16) {
                stop::check()?;
            }
            let mut rng = Stream::new(self.seed, 0, idx as u64);
            let ranges = lower.iter().zip(upper);
            samples.extend(ranges.map(|(low, high)| low + (high - low) * rng.uniform()));
        }
        // Samples are independent, so the first of them are a random choice.
        let mut centroids = samples.get(..n_centroids * n).unwrap_or_default().to_vec();
        let mut assignment = Assignment::new(&samples, lower, upper);
        for _ in 0..self.n_iterations {
            if !assignment.update(&centroids, threads)? {
                break;
            }
            update(&samples, assignment.nearest(), n, &mut centroids);
        }
        Ok(centroids)
    }
}

/// Moves each centroid to the mean of its samples; one without samples stays.
fn update(samples: &[f64], nearest: &[u32], n: usize, centroids: &mut [f64]) {
    let mut sums = vec![0.0; centroids.len()];
    let mut counts = vec![0.0; centroids.len() / n.max(1)];
    for (row, cell) in samples.chunks_exact(n).zip(nearest) {
        let start = *cell as usize * n;
        for (sum, value) in sums.iter_mut().skip(start).zip(row) {
            *sum += value;
        }
        if let Some(count) = counts.get_mut(*cell as usize) {
            *count += 1.0;
        }
    }
    let rows = centroids.chunks_exact_mut(n).zip(sums.chunks_exact(n)).zip(counts);
    for ((centroid, sum), count) in rows.filter(|(_, count)| *count > 0.0) {
        for (value, sum) in centroid.iter_mut().zip(sum) {
            *value = sum / count;
        }
    }
}

/// Cells around centroids.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Saved<T>", into = "Saved<T>", bound = "T: Real")]
pub struct Centroids<T> {
    rows: Matrix<T>,
    lower: Vec<T>,
    upper: Vec<T>,
    finder: Finder,
}

#[derive(Clone, Debug)]
enum Finder {
    Buckets(Box<Buckets>, Tree),
    Tree(Tree),
    Scan,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Real")]
struct Saved<T> {
    centroids: Matrix<T>,
    lower: Vec<T>,
    upper: Vec<T>,
}

impl<T: Real> From<Centroids<T>> for Saved<T> {
    fn from(from: Centroids<T>) -> Self {
        Self { centroids: from.rows, lower: from.lower, upper: from.upper }
    }
}

impl<T: Real> TryFrom<Saved<T>> for Centroids<T> {
    type Error = Error;

    fn try_from(from: Saved<T>) -> Result<Self> {
        let wide = |bounds: &[T]| bounds.iter().map(|bound| bound.wide()).collect::<Vec<_>>();
        if from.lower.len() != from.upper.len() {
            return Err(Error::State { reason: "its ranges differ in length".into() });
        }
        Self::new(from.centroids.as_slice(), &wide(&from.lower), &wide(&from.upper))
    }
}

/// Memory of a look-up in many dimensions, kept for the next one.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    search: Search,
    found: Neighbours,
}

impl<T: Real> Centroids<T> {
    /// Cells around the rows of `centroids`, `(n_cells, n_descriptors)`.
    ///
    /// # Errors
    /// No centroid or too many, rows that do not fit the ranges, values that are not finite.
    pub fn new(centroids: &[T], lower: &[f64], upper: &[f64]) -> Result<Self> {
        check_ranges::<T>(lower, upper)?;
        let n = lower.len();
        if n == 0 || centroids.is_empty() || !centroids.len().is_multiple_of(n) {
            return Err(Error::setting(
                "centroids",
                format!("rows of {n} values, at least one"),
                format!("{} values", centroids.len()),
            ));
        }
        if centroids.len() / n > super::CELLS_MAX {
            let expected = format!("at most {} of them", super::CELLS_MAX);
            return Err(Error::setting("centroids", expected, centroids.len() / n));
        }
        if let Some(idx) = centroids.iter().position(|value| !value.is_finite_number()) {
            let got = format!("NaN or infinity in row {}", idx / n);
            return Err(Error::setting("centroids", "finite values", got));
        }
        let matrix = Matrix::from_vec(centroids.to_vec(), centroids.len() / n, n)?;
        let narrow = |bounds: &[f64]| bounds.iter().map(|bound| T::nearest(*bound)).collect();
        Ok(Self::with(matrix, narrow(lower), narrow(upper), true))
    }

    fn with(centroids: Matrix<T>, lower: Vec<T>, upper: Vec<T>, are_many_searches: bool) -> Self {
        let n = lower.len();
        let wide = |values: &[T]| values.iter().map(|value| value.wide()).collect::<Vec<_>>();
        let points = wide(centroids.as_slice());
        let finder = if n > TREE_DIMENSIONS_MAX {
            Finder::Scan
        } else {
            let tree = Tree::new(&points, n);
            let is_small = n <= BUCKET_DIMENSIONS_MAX && are_many_searches;
            let buckets = if is_small {
                Buckets::new(&points, &wide(&lower), &wide(&upper), &tree)
            } else {
                None
            };
            match buckets {
                Some(buckets) => Finder::Buckets(Box::new(buckets), tree),
                None => Finder::Tree(tree),
            }
        };
        Self { rows: centroids, lower, upper, finder }
    }

    /// `(n_cells, n_descriptors)`.
    pub const fn centroids(&self) -> &Matrix<T> {
        &self.rows
    }

    /// Least descriptors.
    pub fn lower(&self) -> &[T] {
        &self.lower
    }

    /// Greatest descriptors.
    pub fn upper(&self) -> &[T] {
        &self.upper
    }

    /// Number of cells.
    pub const fn n_cells(&self) -> usize {
        self.rows.n_rows()
    }

    /// The nearest centroid of each row of `descriptors`; any cell for a row that is not finite.
    pub fn locate(&self, descriptors: &[T], threads: &Threads, cells: &mut Vec<u32>) {
        self.locate_with(descriptors, threads, cells, &mut Lookup::default());
    }

    /// As [`Centroids::locate`], in memory that is kept.
    pub fn locate_with(
        &self,
        descriptors: &[T],
        threads: &Threads,
        cells: &mut Vec<u32>,
        lookup: &mut Lookup,
    ) {
        const CHUNK_LEN: usize = 1024;
        let n = self.lower.len().max(1);
        let n_rows = descriptors.len() / n;
        cells.clear();
        cells.resize(n_rows, 0);
        if matches!(self.finder, Finder::Scan) {
            let (points, k) = (self.rows.as_slice(), 1);
            let Lookup { search, found } = lookup;
            let mut find = |queries: &[T]| {
                let query = Query { queries, points, n_dimensions: n, k, own_from: None };
                search.find(Way::Scan, &query, threads, found)
            };
            let finite = |value: &T| if value.is_finite_number() { *value } else { T::default() };
            let is_found = find(descriptors)
                .or_else(|_| find(&descriptors.iter().map(finite).collect::<Vec<_>>()));
            if is_found.is_ok() {
                cells.copy_from_slice(&found.indices);
            }
            return;
        }
        threads.for_each_chunk(cells, CHUNK_LEN, n_rows > 4 * CHUNK_LEN, |chunk, cells| {
            let rows = descriptors.get(chunk * CHUNK_LEN * n..).unwrap_or_default();
            match &self.finder {
                Finder::Buckets(buckets, tree) => buckets.locate(rows, tree, cells),
                Finder::Tree(tree) => by_tree(tree, rows.chunks_exact(n), cells),
                Finder::Scan => {}
            }
        });
    }
}

fn by_tree<'a, T: Real + 'a>(tree: &Tree, rows: impl Iterator<Item = &'a [T]>, cells: &mut [u32]) {
    for (cell, row) in cells.iter_mut().zip(rows) {
        *cell = nearest(tree, row).1;
    }
}

/// Squared distance and row of the nearest point.
fn nearest<T: Real>(tree: &Tree, query: &[T]) -> (f64, u32) {
    let mut found = [(f64::INFINITY, 0)];
    tree.search(query, &mut Nearest::new(&mut found, 0, None));
    let [found] = found;
    found
}

/// For each small box, the centroids that can be nearest to a point in it.
#[derive(Clone, Debug)]
struct Buckets {
    n_dimensions: usize,
    /// Boxes along each axis.
    side: usize,
    lower: Vec<f64>,
    upper: Vec<f64>,
    /// Boxes per unit along each axis.
    per_unit: Vec<f64>,
    /// Where the candidates of each box begin; one more than there are boxes.
    starts: Vec<u32>,
    candidates: Vec<u32>,
    /// Descriptors of the candidates, row by row.
    points: Vec<f64>,
}

impl Buckets {
    /// None when centroids crowd so that a box would have many candidates: a tree is better then.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a root of a count; candidates are some times the number of cells"
    )]
    fn new(centroids: &[f64], lower: &[f64], upper: &[f64], tree: &Tree) -> Option<Self> {
        let n = lower.len();
        let n_boxes = (centroids.len() / n * BUCKETS_PER_CENTROID) as f64;
        let side = match n {
            1 => n_boxes,
            2 => n_boxes.sqrt(),
            _ => n_boxes.cbrt(),
        } as usize;
        let side = side.clamp(1, 4096);
        let widths: Vec<f64> =
            lower.iter().zip(upper).map(|(low, high)| (high - low) / side as f64).collect();
        let mut buckets = Self {
            n_dimensions: n,
            side,
            lower: lower.to_vec(),
            upper: upper.to_vec(),
            per_unit: lower.iter().zip(upper).map(|(l, h)| side as f64 / (h - l)).collect(),
            starts: vec![0],
            candidates: Vec::new(),
            points: Vec::new(),
        };
        let mut work = BoxWork { low: vec![0.0; n], high: vec![0.0; n], ..BoxWork::default() };
        for place in 0..side.pow(n as u32) {
            let mut rest = place;
            for axis in (0..n).rev() {
                let (idx, low) = ((rest % side) as f64, lower.get(axis).copied().unwrap_or(0.0));
                rest /= side;
                let width = widths.get(axis).copied().unwrap_or(0.0);
                // A little wider than the box, for rounding when a point's box is computed.
                let margin = 1e-9 * (width + low.abs());
                if let (Some(box_low), Some(box_high)) =
                    (work.low.get_mut(axis), work.high.get_mut(axis))
                {
                    *box_low = low + width * idx - margin;
                    *box_high = low + width * (idx + 1.0) + margin;
                }
            }
            work.candidates(centroids, tree)?;
            for idx in &work.found {
                let start = *idx as usize * n;
                buckets.candidates.push(*idx);
                buckets
                    .points
                    .extend_from_slice(centroids.get(start..start + n).unwrap_or_default());
            }
            buckets.starts.push(buckets.candidates.len() as u32);
        }
        Some(buckets)
    }

    fn locate<T: Real>(&self, rows: &[T], tree: &Tree, cells: &mut [u32]) {
        match self.n_dimensions {
            1 => self.locate_in::<T, 1>(rows, tree, cells),
            2 => self.locate_in::<T, 2>(rows, tree, cells),
            _ => self.locate_in::<T, 3>(rows, tree, cells),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "points in the box give a place in 0..=side"
    )]
    fn locate_in<T: Real, const N: usize>(&self, rows: &[T], tree: &Tree, cells: &mut [u32]) {
        let axis = |values: &[f64]| <[f64; N]>::try_from(values).unwrap_or([0.0; N]);
        let (lower, upper) = (axis(&self.lower), axis(&self.upper));
        let per_unit = axis(&self.per_unit);
        let (rows, _) = rows.as_chunks::<N>();
        let (points, _) = self.points.as_chunks::<N>();
        let last = self.side - 1;
        for (cell, row) in cells.iter_mut().zip(rows) {
            let row = row.map(Real::wide);
            let mut place = 0;
            let mut is_inside = true;
            for ((value, low), (high, per_unit)) in
                row.iter().zip(lower).zip(upper.iter().zip(per_unit))
            {
                is_inside &= *value >= low && value <= high;
                place = place * self.side + (((value - low) * per_unit) as usize).min(last);
            }
            let range = self.starts.get(place..place + 2);
            let (Some([start, end]), true) = (range, is_inside) else {
                *cell = nearest(tree, &row).1;
                continue;
            };
            let range = *start as usize..*end as usize;
            let candidates = self.candidates.get(range.clone()).unwrap_or_default();
            let mut least = f64::INFINITY;
            for (point, idx) in points.get(range).unwrap_or_default().iter().zip(candidates) {
                let distance = squared_distance(&row, point);
                // Candidates ascend, so the lower one stays among equals.
                if distance < least {
                    least = distance;
                    *cell = *idx;
                }
            }
        }
    }
}

/// Scratch for finding the candidates of one box.
#[derive(Debug, Default)]
struct BoxWork {
    low: Vec<f64>,
    high: Vec<f64>,
    centre: Vec<f64>,
    near: Vec<u32>,
    found: Vec<u32>,
}

impl BoxWork {
    /// Every centroid that is nearest to some point of the box: those whose distance to the box is
    /// not more than another's greatest distance, less those that lose at every corner to one other
    /// (the bisector is a plane, so losing at the corners is losing everywhere).
    /// None when there are too many.
    fn candidates(&mut self, centroids: &[f64], tree: &Tree) -> Option<()> {
        let n = self.low.len();
        self.centre.clear();
        self.centre.extend(self.low.iter().zip(&self.high).map(|(low, high)| (low + high) / 2.0));
        let half = squared_distance(&self.centre, &self.high).sqrt();
        let first = nearest(tree, &self.centre).0.sqrt();
        let reach = (first + 2.0 * half) * (1.0 + 1e-9);
        self.near.clear();
        tree.within(&self.centre, reach * reach, &mut self.near);
        if self.near.len() > CROWD {
            return None;
        }
        self.near.sort_unstable();
        let point =
            |idx: u32| centroids.get(idx as usize * n..(idx as usize + 1) * n).unwrap_or_default();
        self.found.clear();
        for idx in &self.near {
            let is_beaten = self
                .near
                .iter()
                .any(|other| other != idx && self.loses_everywhere(point(*idx), point(*other)));
            if !is_beaten {
                self.found.push(*idx);
            }
        }
        Some(())
    }

    /// Whether `other` is nearer than `point` at every corner, by more than rounding.
    fn loses_everywhere(&self, point: &[f64], other: &[f64]) -> bool {
        // |p - x|² - |o - x|² is linear in x: its least value takes one bound per axis.
        let mut least = 0.0;
        let mut size = 0.0;
        for ((p, o), (low, high)) in point.iter().zip(other).zip(self.low.iter().zip(&self.high)) {
            let slope = o - p;
            let constant = (p - o) * (p + o);
            let at = |x: f64| constant + 2.0 * slope * x;
            least += at(*low).min(at(*high));
            size += p * p + o * o + low * low + high * high;
        }
        least > 1e-12 * size
    }
}
