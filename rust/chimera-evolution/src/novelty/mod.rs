//! Novelty: how far a behaviour lies from those known (Lehman & Stanley, 2011).
//!
//! Neighbours are exact. In few dimensions a k-d tree finds them, in many a blocked scan whose 32-bit
//! products only rule points out; whatever is left is ranked by one 64-bit distance. So the answer
//! does not depend on the way it was found, on the processor, or on the number of threads.

pub mod nearest;
mod scan;
pub mod search;
pub mod tree;

#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use crate::memory;
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

/// The `k` nearest points of every query, exactly.
///
/// # Errors
/// Values that are not finite, rows that do not fit, no point, `k` of 0, 2^32 points, or more
/// neighbours than memory holds.
pub fn neighbours<T: Real>(query: &Query<'_, T>, threads: &Threads) -> Result<Neighbours> {
    let n_points = query.points.len() / query.n_dimensions.max(1);
    let n_pairs = (query.queries.len() / query.n_dimensions.max(1)).saturating_mul(n_points);
    let is_tree = query.n_dimensions <= TREE_DIMENSIONS_MAX && n_pairs > PAIRS_MIN;
    neighbours_by(if is_tree { Way::Tree } else { Way::Scan }, query, threads)
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
    check(query)?;
    let n = query.n_dimensions;
    let n_points = query.points.len() / n;
    let n_others = n_points - usize::from(query.own_from.is_some());
    let k = query.k.min(n_others);
    let n_queries = query.queries.len() / n;
    if k == 0 || n_queries == 0 {
        return Ok(Neighbours { k, ..Neighbours::default() });
    }
    memory::ensure("neighbours", n_queries.saturating_mul(k), size_of::<(f64, u32)>() + 12)?;
    Ok(match way {
        Way::Tree => by_tree(query, k, threads),
        Way::Scan => scan::scan(query, k, threads),
    })
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

fn by_tree<T: Real>(query: &Query<'_, T>, k: usize, threads: &Threads) -> Neighbours {
    const CHUNK_LEN: usize = 256;
    let n = query.n_dimensions;
    let points: Vec<f64> = query.points.iter().map(|value| value.wide()).collect();
    let tree = tree::Tree::new(&points, n);
    let n_queries = query.queries.len() / n;
    let mut rows = vec![(0.0, 0_u32); n_queries * k];
    threads.for_each_chunk(&mut rows, CHUNK_LEN * k, n_queries > CHUNK_LEN, |chunk, rows| {
        let first = chunk * CHUNK_LEN;
        let (mut distances, mut indices) = (vec![0.0; k], vec![0; k]);
        let (mut offsets, mut wide) = (Vec::new(), Vec::new());
        let queries = query.queries.chunks_exact(n).enumerate().skip(first);
        for (out, (row, values)) in rows.chunks_exact_mut(k).zip(queries) {
            wide.clear();
            wide.extend(values.iter().map(|value| value.wide()));
            let own = own(query, row);
            let mut nearest = nearest::Nearest::new(&mut distances, &mut indices, 0, own);
            tree.search(&wide, &mut offsets, &mut nearest);
            for (out, found) in out.iter_mut().zip(distances.iter().zip(&indices)) {
                *out = (*found.0, *found.1);
            }
        }
    });
    let (distances, indices) = rows.into_iter().unzip();
    Neighbours { k, distances, indices }
}
