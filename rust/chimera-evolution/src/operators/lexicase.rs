//! Lexicase selection: parents are good at some cases rather than at the average one.
//!
//! For each draw the cases are shuffled; after each case only the rows within its tolerance of the
//! best row still in the pool stay (semi-dynamic in the terms of La Cava et al., 2019). The tolerance
//! is 0, or the median absolute deviation of the case over all rows (La Cava, Spector & Danai, 2016).
//! Failed rows take part only when all failed. Unlike other selections this one allocates.

use chimera_rng::Stream;

use super::sbx::Key;
use super::selection::BLOCK;
use crate::threads::Threads;

/// Tolerance of each case: its median absolute deviation over the rows that did not fail.
pub fn median_deviations(keys: &[f64], cases: &[f64], out: &mut Vec<f64>) {
    let n_cases = cases.len() / keys.len().max(1);
    let mut column = Vec::with_capacity(keys.len());
    out.clear();
    for case in 0..n_cases {
        column.clear();
        let rows = keys.iter().zip(cases.chunks_exact(n_cases));
        let rows = rows.filter(|(key, _)| key.is_finite());
        column.extend(rows.filter_map(|(_, row)| row.get(case)).filter(|error| error.is_finite()));
        let middle = median(&mut column);
        for error in &mut column {
            *error = (*error - middle).abs();
        }
        out.push(median(&mut column));
    }
}

/// The median; of an even number the mean of the middle two; 0 of none.
fn median(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    let is_odd = values.len() % 2 == 1;
    let (below, middle, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let below = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if is_odd { *middle } else { below * 0.5 + *middle * 0.5 }
}

/// Fills `out` with selected rows. `cases` is `(n, n_cases)`; `tolerances` one a case, or empty.
pub fn select(
    keys: &[f64],
    cases: &[f64],
    tolerances: &[f64],
    key: Key,
    threads: &Threads,
    out: &mut [u32],
) {
    let n_cases = cases.len() / keys.len().max(1);
    let all = || (0..u32::MAX).zip(keys);
    let mut sound: Vec<u32> =
        all().filter(|(_, key)| key.is_finite()).map(|(idx, _)| idx).collect();
    if sound.is_empty() {
        sound.extend(all().map(|(idx, _)| idx));
    }
    threads.for_each_chunk(out, BLOCK, true, |idx, out| {
        let mut rng = Stream::new(key.seed, key.step, idx as u64);
        let mut order: Vec<usize> = (0..n_cases).collect();
        let mut pool: Vec<u32> = Vec::with_capacity(sound.len());
        for choice in out {
            pool.clone_from(&sound);
            rng.shuffle(&mut order);
            for case in &order {
                if pool.len() == 1 {
                    break;
                }
                let error = |row: u32| {
                    let place = (row as usize).saturating_mul(n_cases).saturating_add(*case);
                    cases.get(place).copied().unwrap_or(f64::INFINITY)
                };
                let best = pool.iter().map(|row| error(*row)).fold(f64::INFINITY, f64::min);
                let limit = best + tolerances.get(*case).copied().unwrap_or(0.0);
                pool.retain(|row| error(*row) <= limit);
            }
            *choice = rng.choose(&pool).copied().unwrap_or_default();
        }
    });
}
