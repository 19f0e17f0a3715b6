//! Where each objective begins and ends on the front found so far (Deb & Jain 2014, section IV-C).
//!
//! Objectives begin at the ideal point and end where the plane through the extreme points cuts their
//! axis. Everything is measured in units of the front's own extent, so that the units of the
//! objectives do not matter at all.

use serde::{Deserialize, Serialize};

use super::state::ensure;
use crate::error::Result;

/// An extreme point of an objective is small in all others: how much a share of those weighs.
const AXIS_WEIGHT: f64 = 1e6;
/// Pivots below this share are rounding: the extreme points span no plane.
const PIVOT_MIN: f64 = 1e-12;
/// A plane that cuts an axis nearer to the ideal point than this share of the front is none.
const SHARE_MIN: f64 = 1e-6;

/// The ideal point, the extreme points, and the range of each objective between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Hyperplane {
    /// Least value of each objective among feasible rows so far.
    pub ideal: Vec<f64>,
    /// Row `j`: the extreme point of objective `j` so far.
    extremes: Vec<f64>,
    /// What [`Hyperplane::update`] found.
    #[serde(skip)]
    pub ranges: Vec<f64>,
    #[serde(skip)]
    candidates: Vec<f64>,
    #[serde(skip)]
    extents: Vec<f64>,
    #[serde(skip)]
    system: Vec<f64>,
}

impl Hyperplane {
    pub fn new(m: usize) -> Self {
        Self { ideal: vec![f64::INFINITY; m], ..Self::default() }
    }

    /// Learn from feasible rows, at most `n_rows`, and from the front among them; sets `ranges`.
    pub fn update<'a>(
        &mut self,
        n_rows: usize,
        feasible: impl Iterator<Item = &'a [f64]>,
        front: impl Iterator<Item = &'a [f64]>,
    ) {
        let m = self.ideal.len();
        for row in feasible {
            for (ideal, value) in self.ideal.iter_mut().zip(row) {
                *ideal = ideal.min(*value);
            }
        }
        self.candidates.clear();
        self.candidates.reserve((n_rows + m) * m);
        self.candidates.extend_from_slice(&self.extremes);
        // First the front's own extent, for when there is no plane.
        self.ranges.clear();
        self.ranges.resize(m, 0.0);
        for row in front {
            self.candidates.extend_from_slice(row);
            widen(&mut self.ranges, row, &self.ideal);
        }
        // Earlier extreme points may lie beyond it.
        self.extents.clear();
        self.extents.extend_from_slice(&self.ranges);
        for row in self.extremes.chunks_exact(m.max(1)) {
            widen(&mut self.extents, row, &self.ideal);
        }
        for (range, extent) in self.ranges.iter_mut().zip(&mut self.extents) {
            *extent = if *extent > 0.0 { *extent } else { 1.0 };
            *range = if *range > 0.0 { *range } else { *extent };
        }
        if self.candidates.is_empty() {
            return;
        }
        self.find_extremes();
        self.cut_axes();
    }

    /// For each objective the candidate that is small in all others.
    fn find_extremes(&mut self) {
        let m = self.ideal.len();
        self.extremes.clear();
        for axis in 0..m {
            let reach = |row: &[f64]| {
                let gaps = row.iter().zip(&self.ideal).zip(&self.extents);
                let shares = gaps.map(|((value, ideal), extent)| (value - ideal) / extent);
                let weighted = shares.enumerate().map(|(column, share)| {
                    if column == axis { share } else { share * AXIS_WEIGHT }
                });
                weighted.fold(f64::NEG_INFINITY, f64::max)
            };
            let rows = self.candidates.chunks_exact(m);
            let least = rows
                .map(|row| (row, reach(row)))
                .reduce(|best, next| if next.1 < best.1 { next } else { best });
            self.extremes.extend_from_slice(least.map_or(&[], |(row, _)| row));
        }
    }

    /// Set the ranges to where the plane through the extreme points cuts the axes, unless it does
    /// not or they span none. A cut behind all rows would flatten an axis: it is taken for the
    /// farthest row.
    fn cut_axes(&mut self) {
        let m = self.ideal.len();
        self.system.clear();
        for row in self.extremes.chunks_exact(m) {
            let gaps = row.iter().zip(&self.ideal).zip(&self.extents);
            self.system.extend(gaps.map(|((value, ideal), extent)| (value - ideal) / extent));
            self.system.push(1.0);
        }
        if !solve(&mut self.system, m) {
            return;
        }
        let shares =
            || self.system.chunks_exact(m + 1).filter_map(|row| row.last().map(|a| 1.0 / a));
        if shares().all(|share| share > SHARE_MIN) {
            for ((range, extent), share) in self.ranges.iter_mut().zip(&self.extents).zip(shares())
            {
                *range = extent * share.min(1.0);
            }
        }
    }

    /// Check what was loaded.
    pub fn check_state(&self, m: usize) -> Result<()> {
        let is_sound = |value: &f64| !value.is_nan() && *value > f64::NEG_INFINITY;
        ensure(self.ideal.len() == m && self.ideal.iter().all(is_sound), "its ideal point")?;
        let n_values = self.extremes.len();
        let is_whole = n_values == 0 || n_values == m * m;
        let is_finite = self.extremes.iter().all(|value| value.is_finite());
        ensure(is_whole && is_finite, "its extreme points")
    }
}

/// Let each range reach from the ideal point to the row.
fn widen(ranges: &mut [f64], row: &[f64], ideal: &[f64]) {
    for (range, (value, ideal)) in ranges.iter_mut().zip(row.iter().zip(ideal)) {
        *range = range.max(value - ideal);
    }
}

/// Solve `m` equations, rows of `m` coefficients and the right-hand side, which becomes the solution;
/// Gauss-Jordan with exchange of rows. False when they have no single solution.
fn solve(system: &mut [f64], m: usize) -> bool {
    let width = m + 1;
    let at = |system: &[f64], row: usize, column: usize| {
        system.get(row * width + column).copied().unwrap_or(0.0)
    };
    for column in 0..m {
        let size = |row: &usize| at(system, *row, column).abs();
        let pivot = (column..m).max_by(|a, b| size(a).total_cmp(&size(b)));
        let Some(pivot) = pivot.filter(|row| size(row) >= PIVOT_MIN) else { return false };
        for place in 0..width {
            system.swap(pivot * width + place, column * width + place);
        }
        let scale = at(system, column, column);
        let start = column * width;
        for value in system.get_mut(start..start + width).unwrap_or_default() {
            *value /= scale;
        }
        for row in (0..m).filter(|row| *row != column) {
            let factor = at(system, row, column);
            for place in 0..width {
                let other = at(system, column, place);
                if let Some(value) = system.get_mut(row * width + place) {
                    *value -= factor * other;
                }
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges_of(rows: &[[f64; 3]]) -> Vec<f64> {
        let mut plane = Hyperplane::new(3);
        let rows = || rows.iter().map(<[f64; 3]>::as_slice);
        plane.update(rows().count(), rows(), rows());
        plane.ranges
    }

    #[test]
    fn the_plane_of_a_simplex_cuts_at_its_corners() {
        let found =
            ranges_of(&[[2.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.5], [1.0, 1.0, 0.1]]);
        assert_eq!(found, [2.0, 3.0, 0.5]);
    }

    #[test]
    fn a_plane_behind_all_rows_does_not_flatten_an_axis() {
        for t in [1.0, 1e-3, 1e5] {
            let found = ranges_of(&[[0.999, 0.0, t], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]);
            assert_eq!(found, [1.0, 1.0, t]);
        }
    }

    #[test]
    fn units_do_not_matter() {
        let rows = [[0.9, 0.1, 0.2], [0.15, 0.8, 0.1], [0.05, 0.2, 0.7], [0.4, 0.3, 0.3]];
        let plain = ranges_of(&rows);
        for unit in [2_f64.powi(-60), 2_f64.powi(-20), 2_f64.powi(40)] {
            let scaled = rows.map(|[x, y, z]| [x * unit, y, z / unit]);
            let found = ranges_of(&scaled);
            assert_eq!([found[0] / unit, found[1], found[2] * unit], plain[..]);
        }
    }

    #[test]
    fn a_flat_objective_has_range_one() {
        assert_eq!(ranges_of(&[[1.0, 0.0, 5.0], [0.0, 1e-9, 5.0]]), [1.0, 1e-9, 1.0]);
        assert_eq!(ranges_of(&[[1.0, 2.0, 3.0]]), [1.0; 3]);
        assert_eq!(ranges_of(&[]), [1.0; 3]);
    }
}
