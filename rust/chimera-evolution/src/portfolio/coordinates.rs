//! Line searches along every coordinate at once, for separable objectives in the unit cube.
//!
//! When the objective is a sum over genes, one trial per gene and round informs all lines at the
//! same time. On each line, local parabolic steps take turns with STEP (Swarzberg, Seront & Bersini,
//! 1994), which halves the interval that would need the least curvature to hold a better point.
//! After every round the best points are put together; when their value is not the predicted sum,
//! the objective was not separable after all and the search says so.

use serde::{Deserialize, Serialize};

/// Intervals below this share of the box are not looked into any more.
const INTERVAL_MIN: f64 = 1e-6;
const BRACKET_MIN: f64 = 1e-9;
/// Relative error of the prediction above which the objective is not separable.
const SURPRISE: f64 = 1e-6;
/// Points that every line begins with.
const FIRST: [f64; 5] = [0.0, 1.0, 0.5, 0.75, 0.25];
/// Points on a line at most. Lines that need more have too many minima for intervals to be halved.
const POINTS_MAX: usize = 256;
/// Points on a line on which nothing changes: such a gene does not count.
const FLAT_MAX: usize = 24;
/// Points on a line before steps may be local ones only in turns.
const N_GLOBAL: usize = 12;

/// The largest difference of values that is told apart: sums over all genes stay finite.
const DIFFERENCE_MAX: f64 = f64::MAX / 1e12;

/// What was seen along one gene, relative to the best point of the line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Line {
    /// `(place, value)` by place.
    points: Vec<(f64, f64)>,
    best: f64,
    value: f64,
    turn: u32,
    /// Memory of a median.
    #[serde(skip)]
    sorted: Vec<f64>,
}

fn bounded(difference: f64) -> f64 {
    difference.clamp(-DIFFERENCE_MAX, DIFFERENCE_MAX)
}

impl Line {
    fn new(place: f64) -> Self {
        let mut points = Vec::with_capacity(POINTS_MAX);
        points.push((place, 0.0));
        Self { points, best: place, sorted: Vec::with_capacity(POINTS_MAX), ..Self::default() }
    }

    fn is_flat(&self) -> bool {
        let first = self.points.first().map_or(0.0, |point| point.1);
        self.points.iter().all(|point| point.1 == first)
    }

    fn add(&mut self, place: f64, value: f64) {
        let idx = self.points.partition_point(|point| point.0 < place);
        self.points.insert(idx, (place, value));
        if value < self.value {
            self.best = place;
            self.value = value;
        }
    }

    /// Where to look next; none when nothing is left.
    fn next(&mut self) -> Option<f64> {
        let n = self.points.len();
        if n >= POINTS_MAX || (n == FLAT_MAX && self.is_flat()) {
            return None;
        }
        if n <= FIRST.len() {
            let is_new = |place: f64| self.points.iter().all(|p| (p.0 - place).abs() > 1e-3);
            if let Some(place) = FIRST.into_iter().find(|place| is_new(*place)) {
                return Some(place);
            }
        }
        self.turn += 1;
        if (self.turn.is_multiple_of(2) || n < N_GLOBAL)
            && let Some(place) = self.local()
        {
            return Some(place);
        }
        self.global()
    }

    fn local(&self) -> Option<f64> {
        let idx = self.points.iter().position(|point| point.0 == self.best)?;
        let (b, fb) = *self.points.get(idx)?;
        let left = idx.checked_sub(1).and_then(|idx| self.points.get(idx));
        let (Some((a, fa)), Some((c, fc))) = (left, self.points.get(idx + 1)) else {
            let inner = left.or_else(|| self.points.get(idx + 1))?;
            let width = inner.0 - b;
            return (width.abs() > BRACKET_MIN).then_some(b + 0.2 * width);
        };
        let (below, above) = (b - a, c - b);
        if below + above <= BRACKET_MIN {
            return None;
        }
        let section = if above > below { b + 0.382 * above } else { b - 0.382 * below };
        if below.min(above) < 0.02 * (below + above) && self.turn.is_multiple_of(4) {
            return Some(section);
        }
        let bend = below * (fb - fc) + above * (fb - fa);
        let place = b - 0.5 * (below * below * (fb - fc) - above * above * (fb - fa)) / bend;
        let place = if place > *a && place < *c { place } else { section };
        let least = (1e-3 * below.min(above)).max(0.1 * BRACKET_MIN);
        if (place - b).abs() >= least {
            return Some(place);
        }
        Some(if above > below { b + least } else { b - least })
    }

    fn global(&mut self) -> Option<f64> {
        self.sorted.clear();
        self.sorted.extend(self.points.iter().map(|point| point.1));
        let middle = self.sorted.len() / 2;
        let (_, median, _) = self.sorted.select_nth_unstable_by(middle, f64::total_cmp);
        let typical = *median - self.value;
        // STEP looks for an improvement of this much.
        let wanted = (1e-4 * typical).max(1e-12 * self.value.abs()).max(1e-300);
        let mut easiest = None;
        let mut least = f64::INFINITY;
        for ((a, fa), (b, fb)) in self.points.iter().zip(self.points.iter().skip(1)) {
            if b - a < INTERVAL_MIN {
                continue;
            }
            let (u, v) = (fa - self.value + wanted, fb - self.value + wanted);
            let curvature = (u + v + 2.0 * (u * v).sqrt()) / ((b - a) * (b - a));
            if curvature < least {
                least = curvature;
                easiest = Some(0.5 * (a + b));
            }
        }
        easiest
    }
}

/// The searches along all coordinates.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Coordinates {
    x: Vec<f64>,
    f: f64,
    lines: Vec<Line>,
    /// The trial of every line in this round; none where a line is finished.
    trials: Vec<Option<f64>>,
    /// Whether the next row puts the best points together.
    is_joint: bool,
    end: Option<End>,
}

/// Why the search is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    /// Every line is explored.
    Explored,
    /// The objective is not a sum over genes.
    NotSeparable,
}

impl Coordinates {
    pub fn new(x: &[f64], f: f64) -> Self {
        let mut out = Self {
            x: x.to_vec(),
            f,
            lines: x.iter().copied().map(Line::new).collect(),
            trials: Vec::with_capacity(x.len()),
            is_joint: false,
            end: None,
        };
        out.plan();
        out
    }

    /// Whether its parts fit together for `d` genes: those of a loaded one may not.
    pub fn is_whole(&self, d: usize) -> bool {
        let is_line = |line: &Line| {
            let is_point =
                |(place, value): &(f64, f64)| (0.0..=1.0).contains(place) && value.is_finite();
            (1..=POINTS_MAX).contains(&line.points.len())
                && line.points.is_sorted_by(|a, b| a.0 <= b.0)
                && line.points.iter().all(is_point)
                && (0.0..=1.0).contains(&line.best)
                && line.value.is_finite()
                && line.turn < u32::MAX / 2
        };
        let is_trial = |trial: &Option<f64>| trial.is_none_or(f64::is_finite);
        self.x.len() == d
            && self.x.iter().all(|x| (0.0..=1.0).contains(x))
            && self.f.is_finite()
            && self.lines.len() == d
            && self.lines.iter().all(is_line)
            && self.trials.len() == d
            && self.trials.iter().all(is_trial)
    }

    pub const fn end(&self) -> Option<End> {
        self.end
    }

    pub fn n_rows(&self) -> usize {
        if self.is_joint { 1 } else { self.trials.iter().flatten().count().max(1) }
    }

    fn plan(&mut self) {
        self.trials.clear();
        self.trials.extend(self.lines.iter_mut().map(Line::next));
        if self.trials.iter().all(Option::is_none) {
            self.end = Some(End::Explored);
        }
    }

    pub fn ask(&self, out: &mut [f64]) {
        let mut rows = out.chunks_exact_mut(self.x.len());
        if self.is_joint {
            if let Some(row) = rows.next() {
                for (slot, line) in row.iter_mut().zip(&self.lines) {
                    *slot = line.best;
                }
            }
            return;
        }
        let trials = self.trials.iter().enumerate().filter_map(|(idx, t)| t.map(|t| (idx, t)));
        for ((idx, trial), row) in trials.zip(rows) {
            row.copy_from_slice(&self.x);
            if let Some(gene) = row.get_mut(idx) {
                *gene = trial;
            }
        }
    }

    pub fn tell(&mut self, rows: &[f64], values: &[f64]) {
        if self.is_joint {
            self.join(rows, values.first().copied().unwrap_or(f64::INFINITY));
            return;
        }
        let d = self.x.len();
        let lines = self.lines.iter_mut().zip(&self.trials).enumerate();
        let lines = lines.filter(|(_, (_, trial))| trial.is_some());
        for (((idx, (line, _)), row), value) in lines.zip(rows.chunks_exact(d)).zip(values) {
            let Some(place) = row.get(idx) else { continue };
            // A failed row is no point of the line, but the place must not be asked again.
            let value = if value.is_finite() { value - self.f } else { DIFFERENCE_MAX };
            line.add(*place, bounded(value));
        }
        let has_moved = self.lines.iter().zip(&self.x).any(|(line, x)| line.best != *x);
        if has_moved {
            self.is_joint = true;
        } else {
            self.plan();
        }
    }

    /// The best points of all lines in one row: the next base, if the prediction held.
    fn join(&mut self, row: &[f64], value: f64) {
        self.is_joint = false;
        let predicted = self.f + self.lines.iter().map(|line| line.value).sum::<f64>();
        let scale = value.abs() + self.f.abs() + predicted.abs();
        if !((value - predicted).abs() <= SURPRISE * scale) {
            self.end = Some(End::NotSeparable);
            return;
        }
        self.x.copy_from_slice(row);
        self.f = value;
        for line in &mut self.lines {
            for point in &mut line.points {
                point.1 = bounded(point.1 - line.value);
            }
            line.value = 0.0;
        }
        self.plan();
    }
}
