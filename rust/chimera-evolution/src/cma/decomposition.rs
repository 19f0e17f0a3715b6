//! A square matrix taken apart once, to solve for many right sides: `LU` with partial pivots.
//!
//! The matrix comes transposed, as [`super::full::Factor`] keeps it: cubic time to take apart,
//! quadratic time per right side, no memory once warm.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use super::kernel::{add_scaled, padded};
use crate::simd::dispatch;

/// The parts of a matrix, and memory kept between generations.
#[derive(Clone, Debug, Default)]
pub struct Decomposition {
    n: usize,
    /// Unit lower triangle and upper triangle of the transposed matrix with its rows in `order`.
    parts: Vec<f64>,
    order: Vec<usize>,
    solved: Vec<f64>,
    is_current: bool,
}

impl Decomposition {
    /// The matrix changed.
    pub const fn invalidate(&mut self) {
        self.is_current = false;
    }

    /// Takes the matrix apart whose columns are these padded rows, unless that was done.
    pub fn prepare(&mut self, columns: &[f64], n: usize) {
        if self.is_current {
            return;
        }
        self.is_current = true;
        self.n = n;
        self.parts.clear();
        self.parts.extend_from_slice(columns);
        self.order.clear();
        self.order.extend(0..n);
        let (stride, parts, order) = (padded(n), self.parts.as_mut_slice(), &mut self.order);
        dispatch(
            #[inline(always)]
            || {
                for pivot in 0..n {
                    bring_up(parts, stride, n, pivot, order);
                    let (done, rest) = parts.split_at_mut((pivot + 1) * stride);
                    let Some((value, head)) = done
                        .get(pivot * stride + pivot..)
                        .and_then(<[f64]>::split_first)
                        .filter(|(value, _)| **value != 0.0)
                    else {
                        continue;
                    };
                    for row in rest.chunks_exact_mut(stride).take(n - pivot - 1) {
                        let Some((place, tail)) =
                            row.get_mut(pivot..).and_then(<[f64]>::split_first_mut)
                        else {
                            continue;
                        };
                        *place /= value;
                        add_scaled(tail, -*place, head);
                    }
                }
            },
        );
    }

    /// `z` with `M z = y` for the matrix `M`; zero where it is singular.
    pub fn solve(&mut self, y: &[f64], z: &mut [f64]) {
        // Mᵀ = Pᵀ L U, so that Uᵀ a = y, Lᵀ b = a, and z is b in the order of the rows.
        let (n, stride) = (self.n, padded(self.n));
        self.solved.clear();
        self.solved.extend_from_slice(y.get(..n).unwrap_or_default());
        let (parts, order, solved) = (&self.parts, &self.order, self.solved.as_mut_slice());
        dispatch(
            #[inline(always)]
            || {
                for (idx, row) in parts.chunks_exact(stride.max(1)).take(n).enumerate() {
                    let Some(((value, tail), (pivot, above))) = solved
                        .get_mut(idx..)
                        .and_then(<[f64]>::split_first_mut)
                        .zip(row.get(idx..).and_then(<[f64]>::split_first))
                    else {
                        return;
                    };
                    *value = if *pivot == 0.0 { 0.0 } else { *value / pivot };
                    add_scaled(tail, -*value, above);
                }
                for (idx, row) in parts.chunks_exact(stride.max(1)).take(n).enumerate().rev() {
                    let (head, tail) = solved.split_at_mut(idx);
                    let value = tail.first().copied().unwrap_or(0.0);
                    add_scaled(head, -value, row);
                }
            },
        );
        z.fill(0.0);
        for (idx, value) in order.iter().zip(solved.iter()) {
            if let Some(place) = z.get_mut(*idx) {
                *place = *value;
            }
        }
    }
}

/// Swaps the row of the greatest pivot into its place.
#[inline(always)]
fn bring_up(parts: &mut [f64], stride: usize, n: usize, pivot: usize, order: &mut [usize]) {
    let size = |row: usize| parts.get(row * stride + pivot).map_or(0.0, |value| value.abs());
    let best = (pivot..n).fold(pivot, |best, row| if size(row) > size(best) { row } else { best });
    if best == pivot {
        return;
    }
    let (above, below) = parts.split_at_mut(best * stride);
    if let (Some(a), Some(b)) =
        (above.get_mut(pivot * stride..(pivot + 1) * stride), below.get_mut(..stride))
    {
        a.swap_with_slice(b);
    }
    order.swap(pivot, best);
}
