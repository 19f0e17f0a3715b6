//! How near one set of rows is to another: distances and epsilons. All rows are minimised. Each is
//! none when the work ends before.

use super::work::Work;

/// Mean over `from` of the least distance to a row of `to`.
fn mean_least(
    from: &[f64],
    to: &[f64],
    n: usize,
    work: &mut Work<'_>,
    difference: impl Fn(f64, f64) -> f64 + Copy,
) -> Option<f64> {
    let rows = from.chunks_exact(n.max(1));
    let n_rows = rows.len() as f64;
    let distances = rows.take_while(|_| work.spend(to.len())).map(|row| {
        let squared = to.chunks_exact(n.max(1)).map(|other| {
            row.iter().zip(other).map(|(a, b)| difference(*a, *b)).map(|d| d * d).sum::<f64>()
        });
        squared.fold(f64::INFINITY, f64::min).sqrt()
    });
    let mean = distances.sum::<f64>() / n_rows;
    work.finish(mean)
}

/// Generational distance (Van Veldhuizen 1999): mean distance from a row to the reference set.
pub fn gd(
    objectives: &[f64],
    reference: &[f64],
    n_objectives: usize,
    work: &mut Work<'_>,
) -> Option<f64> {
    mean_least(objectives, reference, n_objectives, work, |a, b| a - b)
}

/// Inverted generational distance (Coello & Reyes 2004): mean distance from a reference row.
pub fn igd(
    objectives: &[f64],
    reference: &[f64],
    n_objectives: usize,
    work: &mut Work<'_>,
) -> Option<f64> {
    mean_least(reference, objectives, n_objectives, work, |a, b| a - b)
}

/// IGD+ (Ishibuchi et al. 2015): only what is worse than the reference counts as distance, which
/// makes the indicator agree with dominance.
pub fn igd_plus(
    objectives: &[f64],
    reference: &[f64],
    n_objectives: usize,
    work: &mut Work<'_>,
) -> Option<f64> {
    mean_least(reference, objectives, n_objectives, work, |target, value| (value - target).max(0.0))
}

fn epsilon(
    objectives: &[f64],
    reference: &[f64],
    n: usize,
    work: &mut Work<'_>,
    excess: impl Fn(f64, f64) -> f64 + Copy,
) -> Option<f64> {
    let worst = |target: &[f64], row: &[f64]| {
        let excesses = row.iter().zip(target).map(|(value, target)| excess(*value, *target));
        excesses.fold(f64::NEG_INFINITY, f64::max)
    };
    let targets = reference.chunks_exact(n.max(1));
    let needed = targets.take_while(|_| work.spend(objectives.len())).map(|target| {
        let rows = objectives.chunks_exact(n.max(1)).map(|row| worst(target, row));
        rows.fold(f64::INFINITY, f64::min)
    });
    let most = needed.fold(f64::NEG_INFINITY, f64::max);
    work.finish(most)
}

/// Additive epsilon (Zitzler et al. 2003): by how much the rows must be moved so that every reference
/// row is weakly dominated.
pub fn epsilon_additive(
    objectives: &[f64],
    reference: &[f64],
    n_objectives: usize,
    work: &mut Work<'_>,
) -> Option<f64> {
    epsilon(objectives, reference, n_objectives, work, |value, target| value - target)
}

/// Multiplicative epsilon, for positive objectives: as [`epsilon_additive`] by a factor.
pub fn epsilon_multiplicative(
    objectives: &[f64],
    reference: &[f64],
    n_objectives: usize,
    work: &mut Work<'_>,
) -> Option<f64> {
    epsilon(objectives, reference, n_objectives, work, |value, target| value / target)
}
