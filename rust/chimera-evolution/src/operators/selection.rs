//! Who becomes a parent.
//!
//! Keys are minimised scalars, infinite for failed rows; constraints are folded into them before
//! (see [`rank_keys`]). Draws are with replacement, from one random stream per [`BLOCK`] draws.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use chimera_rng::{Lanes, Stream};
use serde::{Deserialize, Serialize};

use super::lexicase;
use super::sbx::Key;
use crate::simd::dispatch;
use crate::threads::Threads;

/// Draws that share a random stream and a thread.
pub const BLOCK: usize = 64;

/// A way to select.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The best of a few drawn at random.
    #[default]
    Tournament,
    /// Proportional to the distance from the worst key (Holland, 1975, with windowing).
    Roulette,
    /// Linear in the rank (Baker, 1985).
    Rank,
    /// Uniform among the best.
    Truncation,
    /// Case by case in random order, only the best stay (Spector, 2012).
    Lexicase,
    /// The same, where all within the median absolute deviation of the best stay (La Cava, Spector
    /// & Danai, 2016).
    EpsilonLexicase,
}

/// A way to select with its settings, and memory that is used again.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// How.
    pub selection: Selection,
    /// Entrants of a tournament.
    pub tournament_size: usize,
    /// Expected children of the best row under [`Selection::Rank`], in (1, 2].
    pub pressure: f64,
    /// Share of rows that [`Selection::Truncation`] leaves.
    pub share: f64,
    order: Vec<u32>,
    table: Vec<f64>,
}

impl Selector {
    /// A selector without memory yet.
    #[must_use]
    pub fn new(selection: Selection, tournament_size: usize, pressure: f64, share: f64) -> Self {
        Self { selection, tournament_size, pressure, share, ..Self::default() }
    }

    /// Fills `out` with indices into `keys`. `cases` is `(n, n_cases)` row-major, used by the
    /// lexicase selections only.
    pub fn select(
        &mut self,
        keys: &[f64],
        cases: &[f64],
        key: Key,
        threads: &Threads,
        out: &mut [u32],
    ) {
        let is_worth_it = out.len() >= 1 << 12;
        match self.selection {
            Selection::Tournament => {
                let size = self.tournament_size;
                threads.for_each_chunk(out, BLOCK, is_worth_it, |idx, out| {
                    dispatch(
                        #[inline(always)]
                        || tournament(keys, size, key, idx, out),
                    );
                });
            }
            Selection::Roulette => {
                self.weigh_by_distance(keys);
                draw(&self.table, None, key, threads, out);
            }
            Selection::Rank => {
                self.sort(keys);
                let n = keys.len();
                let slope = (2.0 * self.pressure - 2.0) / n.saturating_sub(1).max(1) as f64;
                self.table.clear();
                let mut sum = 0.0;
                for rank in 0..n {
                    sum += (self.pressure - slope * rank as f64).max(0.0);
                    self.table.push(sum);
                }
                draw(&self.table, Some(&self.order), key, threads, out);
            }
            Selection::Truncation => {
                self.sort(keys);
                let n = n_kept(keys.len(), self.share);
                let best = self.order.get(..n).unwrap_or(&[]);
                threads.for_each_chunk(out, BLOCK, is_worth_it, |idx, out| {
                    let mut rng = Stream::new(key.seed, key.step, idx as u64);
                    for choice in out {
                        *choice = rng.choose(best).copied().unwrap_or_default();
                    }
                });
            }
            Selection::Lexicase => lexicase::select(keys, cases, &[], key, threads, out),
            Selection::EpsilonLexicase => {
                lexicase::median_deviations(keys, cases, &mut self.table);
                lexicase::select(keys, cases, &self.table, key, threads, out);
            }
        }
    }

    fn sort(&mut self, keys: &[f64]) {
        sort_by_key(keys, &mut self.order);
    }

    /// Running sums of the distances from the worst finite key.
    fn weigh_by_distance(&mut self, keys: &[f64]) {
        let finite = || keys.iter().copied().filter(|key| key.is_finite());
        let worst = finite().fold(f64::NEG_INFINITY, f64::max);
        let best = finite().fold(f64::INFINITY, f64::min);
        // Distances are shares of the range, so that no sum overflows.
        let range = worst * 0.5 - best * 0.5;
        self.table.clear();
        let mut sum = 0.0;
        for key in keys {
            sum += match key.is_finite() {
                true if range > 0.0 => (worst * 0.5 - key * 0.5) / range,
                true => 1.0,
                false => 0.0,
            };
            self.table.push(sum);
        }
    }
}

fn n_kept(n: usize, share: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let kept = (n as f64 * share).ceil().clamp(1.0, n.max(1) as f64) as usize;
    kept.min(n)
}

/// Indices of keys, best first; equal keys in order.
pub fn sort_by_key(keys: &[f64], order: &mut Vec<u32>) {
    order.clear();
    order.extend((0..u32::MAX).take(keys.len()));
    let key = |idx: u32| keys.get(idx as usize).copied().unwrap_or(f64::INFINITY);
    order.sort_unstable_by(|a, b| key(*a).total_cmp(&key(*b)).then(a.cmp(b)));
}

/// Scalar keys under Deb's feasibility rule (2000): objectives where nothing is violated, else ranks
/// by violation, then objective. Failed rows have an infinite objective and rank last.
pub fn rank_keys(
    objectives: &[f64],
    violations: &[f64],
    order: &mut Vec<u32>,
    keys: &mut Vec<f64>,
) {
    keys.clear();
    keys.extend_from_slice(objectives);
    if violations.iter().all(|violation| *violation <= 0.0) {
        return;
    }
    let entry = |idx: u32| {
        let at = |values: &[f64]| values.get(idx as usize).copied().unwrap_or(0.0);
        let objective = at(objectives);
        // Adding 0 turns -0, which total orders put apart, into 0.
        (objective == f64::INFINITY, at(violations).max(0.0) + 0.0, objective)
    };
    order.clear();
    order.extend((0..u32::MAX).take(objectives.len()));
    order.sort_unstable_by(|a, b| {
        let (x, y) = (entry(*a), entry(*b));
        x.0.cmp(&y.0).then(x.1.total_cmp(&y.1)).then(x.2.total_cmp(&y.2)).then(a.cmp(b))
    });
    let mut rank = 0.0;
    let mut last = None;
    for idx in order {
        let entry = entry(*idx);
        if last.is_some_and(|last| last != entry) {
            rank += 1.0;
        }
        last = Some(entry);
        if let Some(key) = keys.get_mut(*idx as usize) {
            *key = if entry.0 { f64::INFINITY } else { rank };
        }
    }
}

#[inline(always)]
fn tournament(keys: &[f64], size: usize, key: Key, idx: usize, out: &mut [u32]) {
    let mut rng = Lanes::new(key.seed, key.step, idx as u64);
    let n = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    let mut entrants = [0; BLOCK];
    let mut bests = [f64::INFINITY; BLOCK];
    for round in 0..size.max(1) {
        rng.fill_below(n, &mut entrants);
        for ((choice, best), entrant) in out.iter_mut().zip(&mut bests).zip(&entrants) {
            let key = keys.get(*entrant as usize).copied().unwrap_or(f64::INFINITY);
            let wins = round == 0 || key < *best;
            *choice = if wins { *entrant } else { *choice };
            *best = if wins { key } else { *best };
        }
    }
}

/// Draws with probabilities proportional to the steps of a running sum; uniformly when all are 0.
fn draw(table: &[f64], names: Option<&[u32]>, key: Key, threads: &Threads, out: &mut [u32]) {
    let total = table.last().copied().unwrap_or(0.0);
    let is_worth_it = out.len() >= 1 << 12;
    threads.for_each_chunk(out, BLOCK, is_worth_it, |idx, out| {
        let mut rng = Stream::new(key.seed, key.step, idx as u64);
        for choice in out {
            let place = if total > 0.0 {
                let point = rng.uniform() * total;
                table.partition_point(|sum| *sum <= point).min(table.len().saturating_sub(1))
            } else {
                rng.below(table.len())
            };
            let named = names.and_then(|names| names.get(place)).copied();
            *choice = named.unwrap_or_else(|| u32::try_from(place).unwrap_or_default());
        }
    });
}
