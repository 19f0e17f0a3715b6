//! Novelty: how far a behaviour lies from those known (Lehman & Stanley, 2011).
//!
//! Neighbours are exact. In few dimensions a k-d tree finds them, in many a blocked scan whose 32-bit
//! products only rule points out; whatever is left is ranked by one 64-bit distance. So the answer
//! does not depend on the way it was found, on the processor, or on the number of threads.

mod memory;
pub mod nearest;
mod rivals;
mod scan;
pub mod search;
pub mod tree;

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::quality_diversity::Real;
use crate::threads::Threads;

/// Up to this many dimensions the tree is faster than the scan; measured on uniform points.
pub const TREE_DIMENSIONS_MAX: usize = 6;
/// Most behaviours a search remembers.
pub const POINTS_MAX: usize = 1 << 28;
/// Fewer pairs than this are scanned without building anything.
const PAIRS_MIN: usize = 1 << 14;

/// The nearest points of each query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Neighbours {
    /// Neighbours of each query: the number asked for, or all points there are.
    pub k: usize,
    /// `(n_queries, k)` squared Euclidean distances, ascending.
    pub distances: Vec<f64>,
    /// `(n_queries, k)` rows of the points; the lower one first among equals.
    pub indices: Vec<u32>,
}

/// A way to find neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The k-d tree.
    Tree,
    /// The blocked scan.
    Scan,
}

/// Points and how to look among them.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a, T> {
    /// `(n, n_dimensions)`, finite.
    pub queries: &'a [T],
    /// `(m, n_dimensions)`, finite.
    pub points: &'a [T],
    /// Length of a row.
    pub n_dimensions: usize,
    /// Neighbours wanted.
    pub k: usize,
    /// Query `i` is point `own_from + i` and not its own neighbour.
    pub own_from: Option<u32>,
}

/// Memory of a search for neighbours, for searches that look again and again.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    tree: tree::Tree,
    points: Vec<f64>,
    rows: Vec<(f64, u32)>,
    scan: scan::Memory,
}

/// The `k` nearest points of every query, exactly.
///
/// # Errors
/// Values that are not finite, rows that do not fit, no point, `k` of 0, 2^32 points, or more
/// neighbours than memory holds.
pub fn neighbours<T: Real>(query: &Query<'_, T>, threads: &Threads) -> Result<Neighbours> {
    let mut found = Neighbours::default();
    let way = best_way(query);
    Finder::default().find(way, query, threads, &mut found)?;
    Ok(found)
}

/// As [`neighbours`], in a given way; the answer is the same.
///
/// # Errors
/// As [`neighbours`].
pub fn neighbours_by<T: Real>(
    way: Way,
    query: &Query<'_, T>,
    threads: &Threads,
) -> Result<Neighbours> {
    let mut found = Neighbours::default();
    Finder::default().find(way, query, threads, &mut found)?;
    Ok(found)
}

/// The way that should be the faster one.
pub fn best_way<T>(query: &Query<'_, T>) -> Way {
    let n_points = query.points.len() / query.n_dimensions.max(1);
    let n_pairs = (query.queries.len() / query.n_dimensions.max(1)).saturating_mul(n_points);
    let is_tree = query.n_dimensions <= TREE_DIMENSIONS_MAX && n_pairs > PAIRS_MIN;
    if is_tree { Way::Tree } else { Way::Scan }
}

impl Finder {
    /// As [`neighbours_by`], into `found`.
    ///
    /// # Errors
    /// As [`neighbours`].
    pub fn find<T: Real>(
        &mut self,
        way: Way,
        query: &Query<'_, T>,
        threads: &Threads,
        found: &mut Neighbours,
    ) -> Result<()> {
        check(query)?;
        let n = query.n_dimensions;
        let n_others = query.points.len() / n - usize::from(query.own_from.is_some());
        found.k = query.k.min(n_others);
        found.distances.clear();
        found.indices.clear();
        if found.k == 0 || query.queries.is_empty() {
            return Ok(());
        }
        let n_found = (query.queries.len() / n).saturating_mul(found.k);
        crate::memory::ensure("neighbours", n_found, size_of::<(f64, u32)>() + 12)?;
        match way {
            Way::Tree => self.by_tree(query, threads, found),
            Way::Scan => scan::scan(query, threads, &mut self.scan, found),
        }
        Ok(())
    }

    fn by_tree<T: Real>(
        &mut self,
        query: &Query<'_, T>,
        threads: &Threads,
        found: &mut Neighbours,
    ) {
        const CHUNK_LEN: usize = 256;
        let (n, k) = (query.n_dimensions, found.k);
        self.points.clear();
        self.points.extend(query.points.iter().map(|value| value.wide()));
        self.tree.rebuild(&self.points, n);
        let (tree, n_queries) = (&self.tree, query.queries.len() / n);
        self.rows.clear();
        self.rows.resize(n_queries * k, (0.0, 0));
        let is_worth_it = n_queries > CHUNK_LEN;
        threads.for_each_chunk(&mut self.rows, CHUNK_LEN * k, is_worth_it, |chunk, rows| {
            let queries = query.queries.chunks_exact(n).enumerate().skip(chunk * CHUNK_LEN);
            for (out, (row, values)) in rows.chunks_exact_mut(k).zip(queries) {
                tree.search(values, &mut nearest::Nearest::new(out, 0, own(query, row)));
            }
        });
        found.distances.extend(self.rows.iter().map(|row| row.0));
        found.indices.extend(self.rows.iter().map(|row| row.1));
    }
}

/// The mean Euclidean distance to the neighbours of each query; 0 without neighbours.
///
/// # Errors
/// As [`neighbours`].
pub fn novelty<T: Real>(query: &Query<'_, T>, threads: &Threads) -> Result<Vec<f64>> {
    let n_queries = query.queries.len() / query.n_dimensions.max(1);
    let found = neighbours(query, threads)?;
    if found.k == 0 {
        return Ok(vec![0.0; n_queries]);
    }
    Ok(found.distances.chunks_exact(found.k).map(mean_distance).collect())
}

/// Mean of the roots of squared distances, summed in ascending order.
pub(crate) fn mean_distance(squared: &[f64]) -> f64 {
    squared.iter().map(|distance| distance.sqrt()).sum::<f64>() / squared.len().max(1) as f64
}

fn check<T: Real>(query: &Query<'_, T>) -> Result<()> {
    let n = query.n_dimensions;
    let is_whole = |values: &[T]| n > 0 && values.len().is_multiple_of(n);
    if !is_whole(query.queries) || !is_whole(query.points) {
        return Err(Error::batch("points", "rows as long as the queries'", n));
    }
    if query.k == 0 {
        return Err(Error::setting("k", "at least 1", 0));
    }
    let n_points = query.points.len() / n;
    if n_points == 0 || u32::try_from(n_points).is_err() {
        return Err(Error::batch("points", "between 1 and 2^32 - 1 of them", n_points));
    }
    for (name, values) in [("queries", query.queries), ("points", query.points)] {
        let is_finite = crate::simd::dispatch(
            #[inline(always)]
            || values.iter().fold(true, |all, value| all & value.is_finite_number()),
        );
        if !is_finite {
            let row = values.iter().position(|value| !value.is_finite_number()).unwrap_or(0) / n;
            let got = format!("NaN or infinity in row {row}");
            return Err(Error::batch(name, "finite values", got));
        }
    }
    Ok(())
}

fn own<T>(query: &Query<'_, T>, row: usize) -> Option<u32> {
    query.own_from.and_then(|from| from.checked_add(u32::try_from(row).ok()?))
}
