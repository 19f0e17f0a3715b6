//! Exclusive contributions in three dimensions by one sweep.
//!
//! The last dimension is swept from the best row on. At every height the rows so far form a staircase
//! over the first two, and what a row of it alone dominates is an area: the box up to both
//! neighbours, less what rows behind it cover. A new row changes its own area and those of its
//! neighbours, and ends those of the steps it covers (after Guerreiro & Fonseca, HVC3D, 2018, with a
//! walk over the rows within the box in place of their lists).

use super::order::{Entry, key};
use super::work::Work;

/// A row on the staircase: `x` ascends, `y` descends.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    x: f64,
    y: f64,
    row: u32,
}

/// The area a row alone dominates, since a height, and the volume of that before.
#[derive(Clone, Copy, Debug, Default)]
struct Alone {
    area: f64,
    since: f64,
    volume: f64,
}

impl Alone {
    fn rise(&mut self, height: f64, area: f64) {
        self.volume += self.area * (height - self.since);
        self.area = area;
        self.since = height;
    }
}

/// Memory of the sweep.
#[derive(Clone, Debug, Default)]
pub(super) struct Sweep {
    order: Vec<Entry>,
    /// First two coordinates of the rows so far, ascending.
    seen: Vec<[f64; 2]>,
    stairs: Vec<Step>,
    alone: Vec<Alone>,
}

impl Sweep {
    /// Make room for `n_rows` rows.
    pub(super) fn reserve(&mut self, n_rows: usize) {
        self.order.clear();
        self.order.reserve(n_rows);
        self.seen.clear();
        self.seen.reserve(n_rows);
        self.stairs.clear();
        self.stairs.reserve(n_rows);
        self.alone.clear();
        self.alone.reserve(n_rows);
    }

    /// What each of the gains alone dominates, rows that do not dominate each other.
    pub(super) fn measure(&mut self, gains: &[[f64; 3]], out: &mut [f64], work: &mut Work<'_>) {
        // Less is better from here on, and the reference is 0.
        self.order.clear();
        self.order.extend((0..).zip(gains).map(|(row, [_, _, z])| (key(-*z), row)));
        let xy = |row: u32| gains.get(row as usize).map_or([0.0; 2], |[x, y, _]| [-*x, -*y]);
        self.order.sort_unstable_by(|a, b| {
            let by_xy = || xy(a.1).map(key).cmp(&xy(b.1).map(key));
            a.0.cmp(&b.0).then_with(by_xy).then(a.1.cmp(&b.1))
        });
        self.seen.clear();
        self.stairs.clear();
        self.alone.clear();
        self.alone.resize(gains.len(), Alone::default());
        let order = std::mem::take(&mut self.order);
        let same = |a: &Entry, b: &Entry| gains.get(a.1 as usize) == gains.get(b.1 as usize);
        for twins in order.chunk_by(same) {
            if !work.spend(3) {
                break;
            }
            if let Some((_, row)) = twins.first() {
                let [x, y] = xy(*row);
                let height = gains.get(*row as usize).map_or(0.0, |[_, _, z]| -*z);
                self.insert(Step { x, y, row: *row }, height);
            }
        }
        for step in &self.stairs {
            if let Some(alone) = self.alone.get_mut(step.row as usize) {
                alone.rise(0.0, 0.0);
            }
        }
        for (place, alone) in out.iter_mut().zip(&self.alone) {
            *place = alone.volume;
        }
        // None of equal rows is alone.
        for twins in order.chunk_by(same).filter(|twins| twins.len() > 1) {
            for (_, row) in twins {
                if let Some(place) = out.get_mut(*row as usize) {
                    *place = 0.0;
                }
            }
        }
        self.order = order;
    }

    fn insert(&mut self, step: Step, height: f64) {
        let place = self.seen.partition_point(|[x, y]| {
            (*x, *y).partial_cmp(&(step.x, step.y)) == Some(std::cmp::Ordering::Less)
        });
        self.seen.insert(place, [step.x, step.y]);
        let start = self.stairs.partition_point(|other| other.x < step.x);
        let below = start.checked_sub(1).and_then(|left| self.stairs.get(left));
        let level = self.stairs.get(start).filter(|other| other.x <= step.x);
        let is_covered = [below, level].into_iter().flatten().any(|other| other.y < step.y);
        if !is_covered {
            let behind = self.stairs.get(start..).unwrap_or(&[]);
            let end = start + behind.iter().take_while(|other| other.y >= step.y).count();
            for covered in self.stairs.get(start..end).unwrap_or(&[]) {
                if let Some(alone) = self.alone.get_mut(covered.row as usize) {
                    alone.rise(height, 0.0);
                }
            }
            self.stairs.splice(start..end, [step]);
        }
        for at in start.saturating_sub(1)..start + 2 {
            if let Some(row) = self.stairs.get(at).map(|step| step.row) {
                let area = self.area(at);
                if let Some(alone) = self.alone.get_mut(row as usize) {
                    alone.rise(height, area);
                }
            }
        }
    }

    /// What a step alone dominates among the rows so far.
    fn area(&self, at: usize) -> f64 {
        let Some(Step { x, y, .. }) = self.stairs.get(at).copied() else { return 0.0 };
        let right = self.stairs.get(at + 1).map_or(0.0, |step| step.x);
        let left = at.checked_sub(1).and_then(|left| self.stairs.get(left));
        let mut top = left.map_or(0.0, |step| step.y);
        let start = self.seen.partition_point(|seen| seen[0] < x);
        let mut from = x;
        let mut area = 0.0;
        for [other_x, other_y] in self.seen.get(start..).unwrap_or(&[]) {
            if *other_x >= right {
                break;
            }
            if *other_y < top && (*other_x, *other_y) != (x, y) {
                area += (other_x - from) * (top - y);
                from = *other_x;
                top = *other_y;
            }
        }
        area + (right - from) * (top - y)
    }
}
