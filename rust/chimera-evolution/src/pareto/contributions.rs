//! Exclusive hypervolume contributions: what a front would lose without one row.

use super::hypervolume::Volume;
use super::order::key;
use super::ranks::Ranker;
use super::sweep::Sweep;
use super::table::Table;
use super::work::Work;

/// The hypervolume that a row alone dominates among the rows that no other dominates. It is 0 for
/// dominated rows, for those that are not better than the reference, and for all of equal rows.
///
/// Complexity: `n log n` for two objectives, `n log n` as a rule for three and `n²` at worst, `n`
/// hypervolumes for more.
pub fn contributions(objectives: &[f64], reference: &[f64]) -> Vec<f64> {
    contributions_within(objectives, reference, &mut Work::unlimited()).unwrap_or_default()
}

/// As [`contributions`], or none when the work ends before.
pub fn contributions_within(
    objectives: &[f64],
    reference: &[f64],
    work: &mut Work<'_>,
) -> Option<Vec<f64>> {
    let n = reference.len();
    let mut out = vec![0.0; objectives.len() / n.max(1)];
    let mut inside = Vec::with_capacity(objectives.len());
    let mut rows: Vec<u32> = Vec::with_capacity(out.len());
    for (row, idx) in objectives.chunks_exact(n.max(1)).zip(0..) {
        if row.iter().zip(reference).all(|(value, limit)| value < limit) {
            inside.extend_from_slice(row);
            rows.push(idx);
        }
    }
    let mut front = Vec::new();
    Ranker::default().first_front(&inside, n, &mut front, work)?;
    let mut gains = Vec::with_capacity(front.len() * n);
    let mut kept: Vec<u32> = Vec::with_capacity(front.len());
    for idx in &front {
        let row = super::order::row_of(&inside, n, *idx);
        gains.extend(row.iter().zip(reference).map(|(value, limit)| limit - value));
        kept.extend(rows.get(*idx as usize));
    }
    let mut alone = vec![0.0; kept.len()];
    match n {
        0 => {}
        1 | 2 => of_staircase(&gains, n, &mut alone),
        _ => Contributions::default().measure(&gains, n, &mut alone, work),
    }
    for (row, value) in kept.iter().zip(alone) {
        if let Some(place) = out.get_mut(*row as usize) {
            *place = value;
        }
    }
    work.finish(out)
}

/// One or two dimensions: a box between both neighbours. Rows do not dominate each other.
pub(crate) fn of_staircase(gains: &[f64], n: usize, out: &mut [f64]) {
    let mut steps: Vec<(u64, u32, f64, f64)> = gains
        .chunks_exact(n.max(1))
        .zip(0..)
        .map(|(row, idx)| {
            let x = row.first().copied().unwrap_or(0.0);
            (key(x), idx, x, row.get(1).copied().unwrap_or(1.0))
        })
        .collect();
    steps.sort_unstable_by_key(|step| (step.0, step.1));
    // x ascends and y descends from step to step.
    for (at, (_, idx, x, y)) in steps.iter().enumerate() {
        let left =
            at.checked_sub(1).and_then(|before| steps.get(before)).map_or(0.0, |step| step.2);
        let below = steps.get(at + 1).filter(|_| n == 2).map_or(0.0, |step| step.3);
        let is_twin = steps.get(at + 1).is_some_and(|step| step.2 == *x);
        let height = if is_twin { 0.0 } else { y - below };
        if let Some(place) = out.get_mut(*idx as usize) {
            *place = (x - left) * height;
        }
    }
}

/// Contributions in three and more dimensions, and the memory for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contributions {
    volume: Volume,
    order: Vec<(u64, u32)>,
    others: Table,
    clipped: Table,
    sweep: Sweep,
}

impl Contributions {
    /// Make room for `n_rows` rows of up to four dimensions, so that fewer allocate nothing.
    pub(crate) fn reserve(&mut self, n_rows: usize, n: usize) {
        self.volume.reserve(n_rows);
        self.order.clear();
        self.order.reserve(n_rows);
        self.others.reset(n, n_rows);
        self.sweep.reserve(n_rows);
    }

    /// What each of the gains alone dominates. Rows do not dominate each other.
    pub(crate) fn measure(
        &mut self,
        gains: &[f64],
        n: usize,
        out: &mut [f64],
        work: &mut Work<'_>,
    ) {
        if n == 3 {
            self.sweep.measure(gains.as_chunks::<3>().0, out, work);
            return;
        }
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        let rows = gains.chunks_exact(n).zip(0..);
        order.extend(rows.map(|(row, idx)| (!key(row.last().copied().unwrap_or(0.0)), idx)));
        order.sort_unstable();
        for (_, row) in &order {
            let others = order.iter().map(|(_, other)| *other).filter(|other| other != row);
            let alone = self.alone(gains, n, *row, others, work);
            if let Some(place) = out.get_mut(*row as usize) {
                *place = alone;
            }
        }
        self.order = order;
    }

    /// What one row alone dominates beside `others`, which descend in the last gain.
    pub(crate) fn alone(
        &mut self,
        gains: &[f64],
        n: usize,
        row: u32,
        others: impl Iterator<Item = u32>,
        work: &mut Work<'_>,
    ) -> f64 {
        self.others.reset(n, gains.len() / n.max(1));
        for other in others {
            self.others.push(super::order::row_of(gains, n, other));
        }
        let own = super::order::row_of(gains, n, row);
        self.volume.alone(own, &self.others, &mut self.clipped, work)
    }
}
