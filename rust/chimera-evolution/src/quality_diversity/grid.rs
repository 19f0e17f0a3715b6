//! Uniform grid cells over a box of descriptors (Mouret & Clune, 2015).
//!
//! A descriptor's cell is `(n * (x - lower) + epsilon) / (upper - lower)`, rounded towards zero and
//! clipped: the formula of pyribs with its `epsilon`, computed in the same precisions, so that the
//! same batch lands in the same cells. In ranges narrower than 1 the `epsilon` is a share of the
//! width ([`epsilon`]). Cells are numbered row-major.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use serde::{Deserialize, Serialize};

use super::Real;
use crate::error::{Error, Result};

/// Added before rounding, so that values meant to lie on a boundary fall on its upper side.
const EPSILON: f64 = 1e-6;

/// What is added to descriptors whose range has this width.
///
/// pyribs adds the same to every range; one of 1e-7 then has all its values in the last cell. From a
/// width of 1 on it is that of pyribs.
pub fn epsilon<T: Real>(width: f64) -> f64 {
    T::nearest(EPSILON).wide() * width.min(1.0)
}

/// One axis of the descriptor space.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Axis<T> {
    /// Number of cells along it.
    pub n_cells: u32,
    /// Least value.
    pub lower: T,
    /// Greatest value.
    pub upper: T,
}

/// Checks ranges and makes axes of them.
///
/// # Errors
/// No axis, an axis without cells, bounds that are not finite with lower below upper, or more than
/// [`super::CELLS_MAX`] cells.
pub fn axes<T: Real>(shape: &[usize], lower: &[f64], upper: &[f64]) -> Result<Vec<Axis<T>>> {
    if shape.is_empty() || shape.len() != lower.len() || shape.len() != upper.len() {
        return Err(Error::setting(
            "shape",
            format!("one number of cells per range, of which there are {}", lower.len()),
            shape.len(),
        ));
    }
    let n_cells = shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side));
    if n_cells.is_none_or(|n| n == 0 || n > super::CELLS_MAX) {
        return Err(Error::setting(
            "shape",
            format!("between 1 and {} cells", super::CELLS_MAX),
            format!("{shape:?}"),
        ));
    }
    check_ranges::<T>(lower, upper)?;
    let sides = shape.iter().zip(lower.iter().zip(upper));
    Ok(sides
        .map(|(side, (lower, upper))| Axis {
            n_cells: u32::try_from(*side).unwrap_or(u32::MAX),
            lower: T::nearest(*lower),
            upper: T::nearest(*upper),
        })
        .collect())
}

/// Checks that every range is finite and not empty in the archive's precision.
///
/// # Errors
/// The first range that is not.
pub fn check_ranges<T: Real>(lower: &[f64], upper: &[f64]) -> Result<()> {
    for (idx, (lower, upper)) in lower.iter().zip(upper).enumerate() {
        let (low, high) = (T::nearest(*lower), T::nearest(*upper));
        let width = high.minus(low);
        if !(low < high && width.is_finite_number() && low.is_finite_number()) {
            return Err(Error::setting(
                "ranges",
                "finite lower < upper",
                format!("[{lower}, {upper}] at descriptor {idx}"),
            ));
        }
    }
    Ok(())
}

/// Whether these could have come from [`axes`]: what is loaded is checked as what is given.
pub fn are_whole<T: Real>(given: &[Axis<T>]) -> bool {
    let shape: Vec<usize> = given.iter().map(|axis| axis.n_cells as usize).collect();
    let bounds = |bound: fn(&Axis<T>) -> T| -> Vec<f64> {
        given.iter().map(|axis| bound(axis).wide()).collect()
    };
    axes::<T>(&shape, &bounds(|axis| axis.lower), &bounds(|axis| axis.upper)).is_ok()
}

/// A uniform grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "T: Real")]
pub struct Grid<T> {
    axes: Vec<Axis<T>>,
}

impl<T: Real> Grid<T> {
    /// A grid with `shape[i]` cells along descriptor `i`.
    ///
    /// # Errors
    /// As [`axes`].
    pub fn new(shape: &[usize], lower: &[f64], upper: &[f64]) -> Result<Self> {
        Ok(Self { axes: axes(shape, lower, upper)? })
    }

    /// The axes in order.
    pub fn axes(&self) -> &[Axis<T>] {
        &self.axes
    }

    /// Whether it could have come from [`Grid::new`].
    pub fn is_whole(&self) -> bool {
        are_whole(&self.axes)
    }

    /// Number of cells.
    pub fn n_cells(&self) -> usize {
        self.axes.iter().map(|axis| axis.n_cells as usize).product()
    }

    /// The cell of each row of `descriptors`, clipped to the box; NaN counts as the lower bound.
    pub fn locate(&self, descriptors: &[T], cells: &mut Vec<u32>) {
        let n = self.axes.len().max(1);
        cells.clear();
        if let [first, second] = self.axes.as_slice() {
            let (first, second) = (Scale::new(first), Scale::new(second));
            let (rows, _) = descriptors.as_chunks::<2>();
            cells.resize(rows.len(), 0);
            crate::simd::dispatch(
                #[inline(always)]
                || {
                    for (cell, [x, y]) in cells.iter_mut().zip(rows) {
                        *cell = first.cell(*x) * second.n_cells + second.cell(*y);
                    }
                },
            );
            return;
        }
        cells.resize(descriptors.len() / n, 0);
        for (idx, axis) in self.axes.iter().enumerate() {
            let scale = Scale::new(axis);
            let column = descriptors.iter().skip(idx).step_by(n);
            for (cell, value) in cells.iter_mut().zip(column) {
                *cell = *cell * scale.n_cells + scale.cell(*value);
            }
        }
    }
}

/// What one axis needs in the hot loop.
#[derive(Clone, Copy)]
struct Scale<T> {
    lower: T,
    n_cells: u32,
    count: f64,
    last: f64,
    epsilon: f64,
    width: f64,
}

impl<T: Real> Scale<T> {
    fn new(axis: &Axis<T>) -> Self {
        Self {
            lower: axis.lower,
            n_cells: axis.n_cells,
            count: f64::from(axis.n_cells),
            last: f64::from(axis.n_cells - 1),
            epsilon: epsilon::<T>(axis.upper.minus(axis.lower).wide()),
            width: axis.upper.minus(axis.lower).wide(),
        }
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "clipped to the axis first")]
    fn cell(self, value: T) -> u32 {
        let place = (self.count * value.minus(self.lower).wide() + self.epsilon) / self.width;
        // Clipping before rounding gives the same cell, and no cast ever overflows.
        let place = if place > 0.0 { place } else { 0.0 };
        let place = if place < self.last { place } else { self.last };
        (place as i32).cast_unsigned()
    }
}
