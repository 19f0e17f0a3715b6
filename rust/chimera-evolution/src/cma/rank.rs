//! The order of a generation: by scores, and where samples left the bounds by that as well.
//!
//! A row is evaluated at its sample's nearest point inside the bounds, so a sample far outside looks
//! as good as that point and would draw a wide distribution after it. Places in the order of scores and
//! in the order of distances outside are therefore added (Ho & Shimizu, "Evolutionary Constrained
//! Optimization Using an Addition of Ranking Method", 2007): only comparisons count, no magnitudes.

use std::cmp::Ordering;

use crate::algorithm::Scores;

/// What a place in the order of distances outside counts, where a place by scores counts 1.
const OUTSIDE_WEIGHT: f64 = 0.5;

/// Orders of the rows of one generation, in memory kept between generations.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    by_scores: Vec<usize>,
    by_outside: Vec<usize>,
    /// By both; empty when no sample lies outside.
    by_both: Vec<usize>,
    outside: Vec<f64>,
    places: Vec<f64>,
}

/// Those that worked first, then by constraint violation and objective.
fn compare(scores: &Scores<'_>, a: usize, b: usize) -> Ordering {
    // Adding 0 makes -0 the 0 that it equals, which the total order tells apart.
    let violation =
        |row| if scores.is_failed(row) { f64::INFINITY } else { scores.violation(row) + 0.0 };
    let objective = |row| scores.objective(row) + 0.0;
    violation(a).total_cmp(&violation(b)).then_with(|| objective(a).total_cmp(&objective(b)))
}

impl Ranking {
    /// Ranks rows; `outside` says how far the sample of a row lies outside the bounds.
    pub fn rank(&mut self, scores: &Scores<'_>, n_rows: usize, outside: impl FnMut(usize) -> f64) {
        self.by_scores.clear();
        self.by_scores.extend(0..n_rows);
        let equal = |a: usize, b: usize| compare(scores, a, b).is_eq();
        self.by_scores.sort_unstable_by(|a, b| compare(scores, *a, *b).then_with(|| a.cmp(b)));
        self.by_both.clear();
        self.outside.clear();
        self.outside.extend((0..n_rows).map(outside));
        if self.outside.iter().all(|distance| *distance == 0.0) {
            return;
        }
        let outside = &self.outside;
        let at = |row: usize| outside.get(row).copied().unwrap_or(0.0);
        self.by_outside.clear();
        self.by_outside.extend(0..n_rows);
        self.by_outside.sort_unstable_by(|a, b| at(*a).total_cmp(&at(*b)).then_with(|| a.cmp(b)));
        self.places.clear();
        self.places.resize(n_rows, 0.0);
        add_places(&mut self.places, &self.by_scores, 1.0, equal);
        add_places(&mut self.places, &self.by_outside, OUTSIDE_WEIGHT, |a, b| at(a) == at(b));
        let places = &self.places;
        let place = |row: usize| {
            let place = places.get(row).copied().unwrap_or(f64::INFINITY);
            if scores.is_failed(row) { f64::INFINITY } else { place }
        };
        self.by_both.extend(0..n_rows);
        self.by_both
            .sort_unstable_by(|a, b| place(*a).total_cmp(&place(*b)).then_with(|| a.cmp(b)));
    }

    /// Rows to learn from, best first.
    pub fn order(&self) -> &[usize] {
        if self.by_both.is_empty() { &self.by_scores } else { &self.by_both }
    }

    /// Rows by their scores alone, best first.
    pub fn by_scores(&self) -> &[usize] {
        &self.by_scores
    }
}

/// Adds the place of every row, times `weight`; equal rows share the first of their places.
fn add_places(
    places: &mut [f64],
    order: &[usize],
    weight: f64,
    is_equal: impl Fn(usize, usize) -> bool,
) {
    let mut place = 0;
    let mut last = None;
    for (idx, row) in order.iter().enumerate() {
        if last.is_some_and(|last| !is_equal(last, *row)) {
            place = idx;
        }
        last = Some(*row);
        if let Some(slot) = places.get_mut(*row) {
            *slot += weight * place as f64;
        }
    }
}
