//! A k-d tree (Bentley, 1975; bounds as in Arya & Mount, 1993): exact neighbours in few dimensions.
//!
//! Splits at the median of the widest side; points lie in leaf order. Distances are those of
//! [`squared_distance`]; a branch is left out only when its bound exceeds the worst neighbour by more
//! than rounding could explain, so the answer equals that of a full scan.

use super::nearest::{Nearest, squared_distance};
use crate::quality_diversity::Real;

const LEAF_LEN: usize = 10;
/// Dimensions whose offsets fit on the stack.
const FEW: usize = 8;
/// Rounding of the bound: a few units in the last place, with room.
const SLACK: f64 = 1.0 - 1e-12;

#[derive(Clone, Debug)]
enum Node {
    Leaf { start: u32, end: u32 },
    Split { axis: u32, at: f64, low: u32, high: u32 },
}

/// A tree over points that do not move.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    n_dimensions: usize,
    nodes: Vec<Node>,
    points: Vec<f64>,
    indices: Vec<u32>,
}

impl Tree {
    /// A tree over the rows of `points`.
    pub fn new(points: &[f64], n_dimensions: usize) -> Self {
        let mut tree = Self::default();
        tree.rebuild(points, n_dimensions);
        tree
    }

    /// Becomes the tree over other points, in the same memory.
    pub fn rebuild(&mut self, points: &[f64], n_dimensions: usize) {
        let n_dimensions = n_dimensions.max(1);
        self.n_dimensions = n_dimensions;
        self.nodes.clear();
        let mut order = std::mem::take(&mut self.indices);
        order.clear();
        order.extend((0_u32..).take(points.len() / n_dimensions));
        // A leaf holds at least half of what a leaf may: more nodes cannot come.
        self.nodes.reserve(4 * order.len() / LEAF_LEN + 1);
        let value = |row: u32, axis: usize| {
            points.get(row as usize * n_dimensions + axis).copied().unwrap_or(0.0)
        };
        self.build(&mut order, 0, &value);
        self.points.clear();
        self.points.reserve(points.len());
        for row in &order {
            let start = *row as usize * n_dimensions;
            self.points
                .extend_from_slice(points.get(start..start + n_dimensions).unwrap_or_default());
        }
        self.indices = order;
    }

    #[expect(clippy::cast_possible_truncation, reason = "at most 2^32 points")]
    fn build(
        &mut self,
        order: &mut [u32],
        first: usize,
        value: &impl Fn(u32, usize) -> f64,
    ) -> u32 {
        let place = self.nodes.len();
        self.nodes.push(Node::Leaf { start: first as u32, end: (first + order.len()) as u32 });
        if order.len() <= LEAF_LEN {
            return place as u32;
        }
        let spread = |axis: usize| {
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for row in order.iter() {
                let value = value(*row, axis);
                low = low.min(value);
                high = high.max(value);
            }
            high - low
        };
        let widest = (0..self.n_dimensions)
            .map(|axis| (axis, spread(axis)))
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
        let Some((axis, width)) = widest else { return place as u32 };
        if !(width > 0.0) {
            return place as u32;
        }
        let middle = order.len() / 2;
        let by_value =
            |a: &u32, b: &u32| value(*a, axis).total_cmp(&value(*b, axis)).then(a.cmp(b));
        let (_, median, _) = order.select_nth_unstable_by(middle, by_value);
        let at = value(*median, axis);
        let (left, right) = order.split_at_mut(middle);
        let low = self.build(left, first, value);
        let high = self.build(right, first + middle, value);
        if let Some(node) = self.nodes.get_mut(place) {
            *node = Node::Split { axis: axis as u32, at, low, high };
        }
        place as u32
    }

    /// Offers every point that could be among the nearest of `query`.
    pub fn search<T: Real>(&self, query: &[T], nearest: &mut Nearest<'_>) {
        match [0.0; FEW].get_mut(..self.n_dimensions) {
            Some(offsets) => self.visit(0, 0.0, query, offsets, nearest),
            None => self.visit(0, 0.0, query, &mut vec![0.0; self.n_dimensions], nearest),
        }
    }

    /// Appends the rows of all points within a squared distance, in no particular order.
    pub fn within(&self, query: &[f64], distance: f64, found: &mut Vec<u32>) {
        let mut pending = vec![0];
        while let Some(node) = pending.pop() {
            match self.nodes.get(node as usize) {
                Some(Node::Leaf { start, end }) => {
                    let (start, end) = (*start as usize, *end as usize);
                    let rows = self.points.get(start * self.n_dimensions..end * self.n_dimensions);
                    let rows = rows.unwrap_or_default().chunks_exact(self.n_dimensions);
                    let indices = self.indices.get(start..end).unwrap_or_default();
                    let pairs = rows.zip(indices);
                    found.extend(
                        pairs
                            .filter(|(row, _)| squared_distance(query, row) <= distance)
                            .map(|(_, index)| *index),
                    );
                }
                Some(Node::Split { axis, at, low, high }) => {
                    let offset = query.get(*axis as usize).copied().unwrap_or(0.0) - at;
                    let (near, far) = if offset < 0.0 { (*low, *high) } else { (*high, *low) };
                    pending.push(near);
                    if offset * offset * SLACK <= distance {
                        pending.push(far);
                    }
                }
                None => {}
            }
        }
    }

    fn visit<T: Real>(
        &self,
        node: u32,
        bound: f64,
        query: &[T],
        offsets: &mut [f64],
        nearest: &mut Nearest<'_>,
    ) {
        match self.nodes.get(node as usize) {
            Some(Node::Leaf { start, end }) => {
                let (start, end) = (*start as usize, *end as usize);
                let points = self.points.get(start * self.n_dimensions..end * self.n_dimensions);
                let rows = points.unwrap_or_default().chunks_exact(self.n_dimensions);
                for (row, index) in rows.zip(self.indices.get(start..end).unwrap_or_default()) {
                    nearest.offer(squared_distance(query, row), *index);
                }
            }
            Some(Node::Split { axis, at, low, high }) => {
                let axis = *axis as usize;
                let offset = query.get(axis).map_or(0.0, |value| value.wide()) - at;
                let (near, far) = if offset < 0.0 { (*low, *high) } else { (*high, *low) };
                self.visit(near, bound, query, offsets, nearest);
                let before = offsets.get(axis).copied().unwrap_or(0.0);
                let bound = bound - before * before + offset * offset;
                // A bound that overflowed and was lowered again is no number, and excludes nothing.
                if !(bound * SLACK > nearest.worst()) {
                    if let Some(place) = offsets.get_mut(axis) {
                        *place = offset;
                    }
                    self.visit(far, bound, query, offsets, nearest);
                    if let Some(place) = offsets.get_mut(axis) {
                        *place = before;
                    }
                }
            }
            None => {}
        }
    }
}
