//! Which rows of a front stay: those that add most to its hypervolume.
//!
//! Rows leave one by one, always the one that alone dominates the least. Each objective is scaled to
//! the front's own range, and the reference lies one range beyond its worst values. Of two
//! objectives both ends stay whatever they add, as in SMS-EMOA (Beume, Naujoks & Emmerich, 2007,
//! section 3); with more there are no two ends, and the reference alone favours the border.
//!
//! From five objectives on exact volumes may take for ever: rows beyond [`STEPS_MAX`] leave by
//! [`super::estimates`]. Both depend on the rows alone, not on threads or the clock.

use std::sync::atomic::{AtomicBool, Ordering};

use super::estimates::Estimates;
use super::members::Table;
use crate::algorithm::Context;
use crate::error::{Error, Result};
use crate::pareto::{Contributions, Work, key, narrow};
use crate::stop;

/// Most steps of exact volumes a call in five and more objectives: some tenths of a second.
pub(super) const STEPS_MAX: u64 = 1 << 24;

/// Most objectives in which exact volumes take polynomial time.
const EXACT_MAX: usize = 4;

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
    estimates: Estimates,
}

impl Thinning {
    /// Keep `n` rows of a front, in another order.
    ///
    /// # Errors
    /// The caller of [`stop::when`] wants an end.
    pub fn thin(
        &mut self,
        table: &Table,
        m: usize,
        (front, n): (&mut Vec<u32>, usize),
        context: &Context,
    ) -> Result<()> {
        if front.len() <= n {
            return Ok(());
        }
        self.reserve(table.n_rows(), m);
        self.scale(table, m, front);
        self.alive.clear();
        if m == 2 {
            self.thin_2(front.len(), n);
        } else {
            self.thin_many(m, front.len(), n, context)?;
        }
        let mut alive = self.alive.iter().peekable();
        let mut place = 0;
        front.retain(|_| {
            place += 1;
            alive.next_if_eq(&&(place - 1)).is_some()
        });
        Ok(())
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

    /// Three and more objectives.
    fn thin_many(&mut self, m: usize, n_rows: usize, n: usize, context: &Context) -> Result<()> {
        self.alive.extend(0..narrow(n_rows));
        let is_stopped = AtomicBool::new(false);
        let is_end_wanted = || {
            // Whoever wants an end says so once.
            let is_wanted = stop::check().is_err();
            is_stopped.fetch_or(is_wanted, Ordering::Relaxed) || is_wanted
        };
        let n_steps = if m <= EXACT_MAX { u64::MAX } else { STEPS_MAX };
        let mut work = Work::until(n_steps, &is_end_wanted);
        let is_done = self.thin_exactly(m, n, &mut work).is_some();
        if is_stopped.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        if is_done {
            return Ok(());
        }
        self.estimates.thin(&self.gains, m, (&mut self.alive, n), context)
    }

    /// What a row alone dominates only grows while others leave, so an outdated figure is a lower
    /// bound: only candidates for the least are measured again. None when the work ends before; the
    /// rows that are alive then are more than `n`.
    fn thin_exactly(&mut self, m: usize, n: usize, work: &mut Work<'_>) -> Option<()> {
        let Self { gains, figures, ages, alive, contributions, .. } = self;
        let n_rows = alive.len();
        figures.clear();
        figures.resize(n_rows, 0.0);
        ages.clear();
        ages.resize(n_rows, 0);
        contributions.measure(gains, m, figures, work);
        work.finish(())?;
        for n_removed in 0..n_rows.saturating_sub(n) {
            loop {
                let figure = |row: &u32| figures.get(*row as usize).copied().unwrap_or(0.0);
                let rows = alive.iter().copied().enumerate();
                let least = rows.min_by(|a, b| figure(&a.1).total_cmp(&figure(&b.1)));
                let (place, row) = least?;
                let (figure, age) =
                    figures.get_mut(row as usize).zip(ages.get_mut(row as usize))?;
                if *age == n_removed {
                    alive.remove(place);
                    break;
                }
                let others = alive.iter().copied().filter(|other| *other != row);
                *figure = contributions.alone(gains, m, row, others, work);
                *age = n_removed;
                work.finish(())?;
            }
        }
        Some(())
    }
}

/// In place of the left neighbour of a row that left; the first row has none and wraps around.
const GONE: usize = usize::MAX - 1;
