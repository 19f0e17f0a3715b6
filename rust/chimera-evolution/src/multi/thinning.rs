//! Which rows of a front stay: those that add most to its hypervolume.
//!
//! Rows leave one by one, always the one that alone dominates the least. Each objective is scaled to
//! the front's own range, and the reference lies one range beyond its worst values. Of two
//! objectives both ends stay whatever they add, as in SMS-EMOA (Beume, Naujoks & Emmerich, 2007,
//! section 3); with more there are no two ends, and the reference alone favours the border.

use super::members::Table;
use crate::pareto::{Contributions, Work, key, narrow};

/// Memory of the choice.
#[derive(Clone, Debug, Default)]
pub(super) struct Thinning {
    /// Distance from the reference to each row.
    gains: Vec<f64>,
    /// Worst value and range of each objective.
    ranges: Vec<(f64, f64)>,
    /// What each row alone dominates, as far as it is known.
    figures: Vec<f64>,
    /// Number of removals at which each figure was measured.
    ages: Vec<usize>,
    left: Vec<usize>,
    right: Vec<usize>,
    alive: Vec<u32>,
    contributions: Contributions,
}

impl Thinning {
    /// Keep `n` rows of a front, in another order.
    pub fn thin(&mut self, table: &Table, m: usize, front: &mut Vec<u32>, n: usize) {
        if front.len() <= n {
            return;
        }
        self.reserve(table.n_rows(), m);
        self.scale(table, m, front);
        self.alive.clear();
        if m == 2 {
            self.thin_2(front.len(), n);
        } else {
            self.thin_many(m, front.len(), n);
        }
        let mut alive = self.alive.iter().peekable();
        let mut place = 0;
        front.retain(|_| {
            place += 1;
            alive.next_if_eq(&&(place - 1)).is_some()
        });
    }

    /// Make room for `n` rows at once: the size of fronts changes from call to call.
    fn reserve(&mut self, n: usize, m: usize) {
        fn room<T>(values: &mut Vec<T>, n: usize) {
            values.clear();
            values.reserve(n);
        }
        room(&mut self.gains, n * m);
        room(&mut self.figures, n);
        room(&mut self.ages, n);
        room(&mut self.left, n);
        room(&mut self.right, n);
        room(&mut self.alive, n);
        self.contributions.reserve(n, m);
    }

    /// Set the gains of the rows towards the reference; bring the rows into descending order of the
    /// last gain.
    fn scale(&mut self, table: &Table, m: usize, front: &mut [u32]) {
        let value = |row: &u32, column: usize| {
            table.row(*row as usize, m).get(column).copied().unwrap_or(0.0)
        };
        front.sort_unstable_by_key(|row| (key(value(row, m - 1)), *row));
        self.ranges.clear();
        self.ranges.extend((0..m).map(|column| {
            let values = || front.iter().map(|row| value(row, column));
            let greatest = values().fold(f64::NEG_INFINITY, f64::max);
            let range = greatest - values().fold(f64::INFINITY, f64::min);
            (greatest, if range > 0.0 { range } else { 1.0 })
        }));
        self.gains.clear();
        for row in front.iter() {
            let values = table.row(*row as usize, m).iter().zip(&self.ranges);
            self.gains
                .extend(values.map(|(value, (greatest, range))| 1.0 + (greatest - value) / range));
        }
    }

    /// Two objectives: the box of a row is bounded by its neighbours, so that removing one changes
    /// only two others.
    fn thin_2(&mut self, n_rows: usize, n: usize) {
        let Self { gains, figures, left, right, alive, .. } = self;
        let points = gains.as_chunks::<2>().0;
        // Rows descend in the second gain and ascend in the first.
        left.clear();
        left.extend((0..n_rows).map(|idx| idx.wrapping_sub(1)));
        right.clear();
        right.extend(1..=n_rows);
        let box_of = |idx: usize, left: &[usize], right: &[usize]| {
            if n > 1 && (idx == 0 || idx + 1 == n_rows) {
                return f64::INFINITY;
            }
            let [x, y] = points.get(idx).copied().unwrap_or_default();
            let before =
                left.get(idx).and_then(|other| points.get(*other)).map_or(0.0, |point| point[0]);
            let below =
                right.get(idx).and_then(|other| points.get(*other)).map_or(0.0, |point| point[1]);
            (x - before) * (y - below)
        };
        figures.clear();
        figures.extend((0..n_rows).map(|idx| box_of(idx, left, right)));
        for _ in n..n_rows {
            let is_alive = |(idx, _): &(usize, &f64)| left.get(*idx) != Some(&GONE);
            let rows = figures.iter().enumerate().filter(is_alive);
            let Some((least, _)) = rows.min_by(|a, b| a.1.total_cmp(b.1)) else { break };
            let before = left.get_mut(least).map_or(GONE, |place| std::mem::replace(place, GONE));
            let after = right.get(least).copied().unwrap_or(GONE);
            if let Some(link) = right.get_mut(before) {
                *link = after;
            }
            if let Some(link) = left.get_mut(after) {
                *link = before;
            }
            for neighbour in [before, after] {
                if let Some(place) = figures.get_mut(neighbour) {
                    *place = box_of(neighbour, left, right);
                }
            }
        }
        let kept = left.iter().zip(0..).filter(|(left, _)| **left != GONE);
        alive.extend(kept.map(|(_, idx)| idx));
    }

    /// Three and more objectives. What a row alone dominates only grows while others leave, so an
    /// outdated figure is a lower bound: only candidates for the least are measured again.
    fn thin_many(&mut self, m: usize, n_rows: usize, n: usize) {
        let Self { gains, figures, ages, alive, contributions, .. } = self;
        alive.extend(0..narrow(n_rows));
        figures.clear();
        figures.resize(n_rows, 0.0);
        ages.clear();
        ages.resize(n_rows, 0);
        let work = &mut Work::unlimited();
        contributions.measure(gains, m, figures, work);
        for n_removed in 0..n_rows.saturating_sub(n) {
            loop {
                let figure = |row: &u32| figures.get(*row as usize).copied().unwrap_or(0.0);
                let rows = alive.iter().copied().enumerate();
                let least = rows.min_by(|a, b| figure(&a.1).total_cmp(&figure(&b.1)));
                let Some((place, row)) = least else { return };
                let (Some(figure), Some(age)) =
                    (figures.get_mut(row as usize), ages.get_mut(row as usize))
                else {
                    return;
                };
                if *age == n_removed {
                    alive.remove(place);
                    break;
                }
                let others = alive.iter().copied().filter(|other| *other != row);
                *figure = contributions.alone(gains, m, row, others, work);
                *age = n_removed;
            }
        }
    }
}

/// In place of the left neighbour of a row that left; the first row has none and wraps around.
const GONE: usize = usize::MAX - 1;
