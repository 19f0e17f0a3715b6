//! Mutation of one row in place.
//!
//! Genes stay inside their bounds: by the law of the mutation or by repair. Polynomial mutation of
//! whole populations is in [`super::sbx`], mutation of permutations in [`super::permutation`].

use chimera_rng::Stream;

use super::bounds::{Bounds, Repair};
use crate::numeric::{self, Real};

/// Calls `work` for each gene that a coin of this probability picks, by geometric skips.
pub fn each_hit(
    probability: f64,
    n_genes: usize,
    rng: &mut Stream,
    mut work: impl FnMut(usize, &mut Stream),
) {
    if !(probability > 0.0) {
        return;
    }
    let log_miss = numeric::f64::ln(1.0 - probability.min(1.0 - 1e-15));
    // Below 2^-54 the logarithm is 0, and no gene would be hit in any life time.
    if !(log_miss < 0.0) {
        return;
    }
    let mut next = 0.0_f64;
    loop {
        next += (numeric::f64::ln(1.0 - rng.uniform()) / log_miss).floor();
        if !(next < n_genes as f64) {
            return;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        work(next as usize, rng);
        next += 1.0;
    }
}

/// Adds normal steps to some genes: `sigma` is in units of the gene's range, or absolute where the
/// range is infinite.
pub fn gaussian<T: Real>(
    probability: f64,
    sigma: f64,
    repair: Repair,
    bounds: &Bounds<T>,
    rng: &mut Stream,
    row: &mut [T],
) {
    each_hit(probability, row.len(), rng, |idx, rng| {
        let lower = bounds.lower.get(idx).copied().unwrap_or_default();
        let upper = bounds.upper.get(idx).copied().unwrap_or_default();
        if let Some(gene) = row.get_mut(idx) {
            let range = upper.to_f64() - lower.to_f64();
            let scale = if range.is_finite() { range * sigma } else { sigma };
            let moved = gene.to_f64() + scale * rng.normal();
            *gene = mend(repair, moved, lower, upper, rng);
        }
    });
}

/// A value inside the bounds, in the genes' type.
pub fn mend<T: Real>(repair: Repair, value: f64, lower: T, upper: T, rng: &mut Stream) -> T {
    let unit = if repair == Repair::Resample { rng.uniform() } else { 0.0 };
    let value = repair.apply(value, lower.to_f64(), upper.to_f64(), unit);
    T::from_f64(value).at_least(lower).at_most(upper)
}

/// Repairs every gene of a row.
pub fn mend_row<T: Real>(repair: Repair, bounds: &Bounds<T>, rng: &mut Stream, row: &mut [T]) {
    for (gene, (lower, upper)) in row.iter_mut().zip(bounds.iter()) {
        if !(*gene >= lower && *gene <= upper) {
            *gene = mend(repair, gene.to_f64(), lower, upper, rng);
        }
    }
}

/// Bounded polynomial mutation (Deb, 2001) of some genes; genes without two finite bounds stay.
pub fn polynomial<T: Real>(
    probability: f64,
    eta: f64,
    bounds: &Bounds<T>,
    rng: &mut Stream,
    row: &mut [T],
) {
    each_hit(probability, row.len(), rng, |idx, rng| {
        let lower = bounds.lower.get(idx).copied().unwrap_or_default();
        let upper = bounds.upper.get(idx).copied().unwrap_or_default();
        let range = upper.to_f64() - lower.to_f64();
        let unit = rng.uniform();
        if let Some(gene) = row.get_mut(idx).filter(|_| range > 0.0 && range.is_finite()) {
            let share = (gene.to_f64() - lower.to_f64()) / range;
            let moved = gene.to_f64() + range * polynomial_step(share, unit, eta);
            *gene = T::from_f64(moved).at_least(lower).at_most(upper);
        }
    });
}

/// The change of a gene at `share` of its range, as a share of the range.
#[expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]
#[inline(always)]
pub(crate) fn polynomial_step(share: f64, unit: f64, eta: f64) -> f64 {
    let is_down = unit < 0.5;
    let room = if is_down { share } else { 1.0 - share };
    let unit = if is_down { unit } else { 1.0 - unit };
    let rest = (1.0 - room).at_least(1e-300);
    let rest = numeric::f64::exp((eta + 1.0) * numeric::f64::ln(rest));
    let base = (2.0 * unit + (1.0 - 2.0 * unit) * rest).at_least(1e-300);
    let change = 1.0 - numeric::f64::exp(numeric::f64::ln(base) / (eta + 1.0));
    if is_down { -change } else { change }
}

/// Self-adaptation (Schwefel, 1977; Beyer & Schwefel, 2002, eq. 7): a row's own step size, in units
/// of the range, times a log-normal factor, kept within [1e-12, 1]. The usual `rate` is
/// 1 / sqrt(number of genes). Then [`gaussian`] takes a step of it in every gene.
pub fn adapt(sigma: f64, rate: f64, rng: &mut Stream) -> f64 {
    (sigma * numeric::f64::exp(rate * rng.normal())).clamp(1e-12, 1.0)
}

/// Integer bounds of a gene.
#[expect(clippy::cast_possible_truncation, reason = "whole numbers; casts saturate")]
pub fn integer_bounds(lower: f64, upper: f64) -> (i64, i64) {
    (lower as i64, upper as i64)
}

/// Moves some integers by a symmetric geometric step (Rudolph, 1994) of mean length `step`, at least
/// 1; clipped.
pub fn creep(
    probability: f64,
    step: f64,
    lower: &[f64],
    upper: &[f64],
    rng: &mut Stream,
    row: &mut [i64],
) {
    // Length 1 + geometric: the mean is `step`.
    let log_stay = numeric::f64::ln((1.0 - 1.0 / step.max(1.0)).at_least(1e-300));
    each_hit(probability, row.len(), rng, |idx, rng| {
        let lower = lower.get(idx).copied().unwrap_or(0.0);
        let upper = upper.get(idx).copied().unwrap_or(0.0);
        let (low, high) = integer_bounds(lower, upper);
        let more = (numeric::f64::ln(1.0 - rng.uniform()) / log_stay).floor().min(1e18);
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        let length = 1 + more as i64;
        if let Some(gene) = row.get_mut(idx) {
            // From a bound the only way is back.
            let is_up = if *gene <= low {
                true
            } else if *gene >= high {
                false
            } else {
                rng.chance(0.5)
            };
            let moved =
                if is_up { gene.saturating_add(length) } else { gene.saturating_sub(length) };
            *gene = moved.clamp(low, high.max(low));
        }
    });
}

/// Draws some integers or categories anew, other than they were where there is a choice.
pub fn reset(probability: f64, lower: &[f64], upper: &[f64], rng: &mut Stream, row: &mut [i64]) {
    each_hit(probability, row.len(), rng, |idx, rng| {
        let lower = lower.get(idx).copied().unwrap_or(0.0);
        let upper = upper.get(idx).copied().unwrap_or(0.0);
        let (low, high) = integer_bounds(lower, upper);
        if let Some(gene) = row.get_mut(idx).filter(|_| high > low) {
            let other = rng.between(low, high - 1);
            *gene = if other >= *gene { other + 1 } else { other };
        }
    });
}

/// Flips some booleans.
pub fn flip(probability: f64, rng: &mut Stream, row: &mut [bool]) {
    each_hit(probability, row.len(), rng, |idx, _| {
        if let Some(gene) = row.get_mut(idx) {
            *gene = !*gene;
        }
    });
}
