//! Evenly spread directions on the unit simplex (Das & Dennis 1998), in one or two layers.

use super::limits::N_VALUES_MAX;
use crate::error::{Error, Result};

/// More directions than any population holds.
const N_MAX: usize = 1 << 20;

/// All points of the unit simplex of `m` coordinates that are multiples of `1 / n_partitions`,
/// row-major: `C(n_partitions + m - 1, m - 1)` of them, in ascending lexicographic order.
pub fn das_dennis(m: usize, n_partitions: usize) -> Vec<f64> {
    let mut out = Vec::new();
    let mut point = vec![0; m];
    extend(&mut point, 0, n_partitions, n_partitions.max(1), &mut out);
    out
}

fn extend(point: &mut [usize], place: usize, left: usize, whole: usize, out: &mut Vec<f64>) {
    if place + 1 >= point.len() {
        if let Some(last) = point.last_mut() {
            *last = left;
        }
        out.extend(point.iter().map(|part| *part as f64 / whole as f64));
        return;
    }
    for part in 0..=left {
        if let Some(here) = point.get_mut(place) {
            *here = part;
        }
        extend(point, place + 1, left - part, whole, out);
    }
}

/// The outer layer of [`das_dennis`], and an inner one at half its size (Deb & Jain 2014), without
/// the inner one when `n_inner` is 0.
pub fn layered(m: usize, n_partitions: usize, n_inner: usize) -> Vec<f64> {
    let mut out = das_dennis(m, n_partitions);
    if n_inner > 0 {
        let centre = 0.5 / m as f64;
        out.extend(das_dennis(m, n_inner).iter().map(|part| 0.5 * part + centre));
    }
    out
}

/// Number of points of [`das_dennis`], or more than `N_MAX`.
fn count(m: usize, n_partitions: usize) -> usize {
    let mut n = 1_usize;
    for step in 1..m {
        n = n.saturating_mul(n_partitions.saturating_add(step)) / step;
        if n > N_MAX {
            return n;
        }
    }
    n
}

/// Directions by the number of objectives, as the papers choose them, unless the caller says.
pub(super) fn usual(
    m: usize,
    n_partitions: Option<usize>,
    n_inner_partitions: Option<usize>,
) -> Result<Vec<f64>> {
    let (outer, inner) = match m {
        2 => (99, 0),
        3 => (12, 0),
        4 => (7, 0),
        5 => (5, 0),
        6..=10 => (3, 2),
        _ => (2, 1),
    };
    let (outer, inner) = match n_partitions {
        None => (outer, n_inner_partitions.unwrap_or(inner)),
        Some(0) => return Err(Error::setting("n_partitions", "at least 1", 0)),
        Some(outer) => (outer, n_inner_partitions.unwrap_or(0)),
    };
    let n = count(m, outer).saturating_add(if inner > 0 { count(m, inner) } else { 0 });
    let n_max = N_MAX.min(N_VALUES_MAX / m.max(1));
    if n > n_max {
        return Err(Error::setting(
            "n_partitions",
            format!("at most {n_max} directions of {m} objectives"),
            format!("{outer} and {inner} inner ones, which give more; take fewer"),
        ));
    }
    Ok(layered(m, outer, inner))
}
