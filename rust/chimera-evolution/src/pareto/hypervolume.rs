//! Hypervolume: the volume that rows dominate, up to a reference point.
//!
//! Rows become *gains*, `reference - row`, so that the origin is the reference and more is better. Two
//! dimensions are a sum, three a sweep with a staircase. In more, the last dimension is swept: each
//! row adds what it alone dominates in the dimensions before, times its last gain; and what a row
//! alone dominates is its own volume less that of the other rows clipped to it (While, Bradstreet &
//! Barone, "A Fast Way of Calculating Exact Hypervolumes", 2012).

use chimera_rng::Stream;

use super::ranks::is_nowhere_worse;
use super::work::Work;

/// Gains of the rows that are better than the reference in every objective.
pub(super) fn gains(objectives: &[f64], reference: &[f64]) -> Vec<f64> {
    let mut out = Vec::with_capacity(objectives.len());
    for row in objectives.chunks_exact(reference.len().max(1)) {
        if row.iter().zip(reference).all(|(value, limit)| value < limit) {
            out.extend(row.iter().zip(reference).map(|(value, limit)| limit - value));
        }
    }
    out
}

/// The exact hypervolume of rows of `reference.len()` minimised objectives. Rows that are not better
/// than the reference everywhere add nothing.
///
/// Complexity: `n log n` for two objectives, `n log n` comparisons for three, `n² log n` for four,
/// exponential in the number of objectives beyond.
pub fn hypervolume(objectives: &[f64], reference: &[f64]) -> f64 {
    hypervolume_within(objectives, reference, &mut Work::unlimited()).unwrap_or(f64::NAN)
}

/// As [`hypervolume`], or none when the work ends before.
pub fn hypervolume_within(
    objectives: &[f64],
    reference: &[f64],
    work: &mut Work<'_>,
) -> Option<f64> {
    let volume = Volume::default().of(&mut gains(objectives, reference), reference.len(), work);
    work.finish(volume)
}

/// Rows of a sweep between two looks at whether work is over.
const ROWS_A_LOOK: usize = 1 << 10;

/// The staircase of an area under points: `xs` ascends, `ys` descends.
#[derive(Clone, Debug, Default)]
struct Area {
    xs: Vec<f64>,
    ys: Vec<f64>,
    total: f64,
}

impl Area {
    fn clear(&mut self) {
        self.xs.clear();
        self.ys.clear();
        self.total = 0.0;
    }

    fn insert(&mut self, x: f64, y: f64) {
        let next = self.xs.partition_point(|step| *step < x);
        if self.ys.get(next).is_some_and(|step| *step >= y) {
            return;
        }
        // Steps `start..end` lie under the point.
        let end = next + usize::from(self.xs.get(next) == Some(&x));
        let mut start = end;
        let mut right = x;
        let mut height = self.ys.get(end).copied().unwrap_or(0.0);
        while let Some((step_x, step_y)) = start
            .checked_sub(1)
            .and_then(|idx| Some((*self.xs.get(idx)?, *self.ys.get(idx)?)))
            .filter(|(_, step_y)| *step_y <= y)
        {
            self.total += (right - step_x) * (y - height);
            right = step_x;
            height = step_y;
            start -= 1;
        }
        let left = start.checked_sub(1).and_then(|idx| self.xs.get(idx)).copied().unwrap_or(0.0);
        self.total += (right - left) * (y - height);
        if start == end {
            self.xs.insert(start, x);
            self.ys.insert(start, y);
        } else if let (Some(step_x), Some(step_y)) =
            (self.xs.get_mut(start), self.ys.get_mut(start))
        {
            *step_x = x;
            *step_y = y;
            self.xs.drain(start + 1..end);
            self.ys.drain(start + 1..end);
        }
    }
}

/// Sort rows of `n` values by the last one, greatest first.
pub(super) fn sort_by_last(points: &mut [f64], n: usize, scratch: &mut Vec<f64>) {
    let last = |row: &usize| points.get(row * n + n - 1).copied().unwrap_or(0.0);
    let mut order: Vec<usize> = (0..points.len() / n).collect();
    order.sort_by(|a, b| last(b).total_cmp(&last(a)));
    scratch.clear();
    for row in order {
        scratch.extend_from_slice(points.get(row * n..(row + 1) * n).unwrap_or(&[]));
    }
    points.copy_from_slice(scratch);
}

/// Volumes of gains, and the memory for them. What comes back once work is over means nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Volume {
    area: Area,
    scratch: Vec<f64>,
    /// Memory per number of dimensions.
    levels: Vec<Level>,
}

#[derive(Clone, Debug, Default)]
struct Level {
    seen: Vec<f64>,
    clipped: Vec<f64>,
}

impl Volume {
    /// The volume under gains of `n` dimensions, in any order; they are sorted.
    pub(super) fn of(&mut self, points: &mut [f64], n: usize, work: &mut Work<'_>) -> f64 {
        match n {
            0 => 0.0,
            1 => points.iter().copied().fold(0.0, f64::max),
            2 => self.of_2(points),
            _ => {
                sort_by_last(points, n, &mut self.scratch);
                self.of_sorted(points, n, work)
            }
        }
    }

    fn of_2(&mut self, points: &[f64]) -> f64 {
        self.area.clear();
        let mut rows = points.as_chunks::<2>().0.to_vec();
        rows.sort_unstable_by(|a, b| b.partial_cmp(a).unwrap_or(std::cmp::Ordering::Equal));
        let mut height = 0.0;
        let mut area = 0.0;
        for [x, y] in rows {
            if y > height {
                area += x * (y - height);
                height = y;
            }
        }
        area
    }

    /// The volume under gains of at least three dimensions that descend in the last one.
    pub(super) fn of_sorted(&mut self, points: &[f64], n: usize, work: &mut Work<'_>) -> f64 {
        if n == 3 { self.of_3(points, work) } else { self.of_many(points, n, work) }
    }

    fn of_3(&mut self, points: &[f64], work: &mut Work<'_>) -> f64 {
        self.area.clear();
        let mut volume = 0.0;
        let mut above = 0.0;
        for points in points.as_chunks::<3>().0.chunks(ROWS_A_LOOK) {
            if !work.spend(3 * points.len()) {
                return 0.0;
            }
            for [x, y, z] in points {
                volume += self.area.total * (above - z);
                above = *z;
                self.area.insert(*x, *y);
            }
        }
        volume + self.area.total * above
    }

    fn of_many(&mut self, points: &[f64], n: usize, work: &mut Work<'_>) -> f64 {
        if self.levels.len() <= n {
            self.levels.resize(n + 1, Level::default());
        }
        let mut level = self.levels.get_mut(n).map(std::mem::take).unwrap_or_default();
        let Level { seen, clipped } = &mut level;
        // `seen`: rows before this one without their last gain, descending in what is then the last.
        seen.clear();
        let m = n - 1;
        let mut volume = 0.0;
        for row in points.chunks_exact(n) {
            let (Some(own), Some(gain)) = (row.get(..m), row.last()) else { continue };
            if !work.spend(seen.len()) {
                break;
            }
            if seen.chunks_exact(m).any(|other| is_nowhere_worse(own, other)) {
                continue;
            }
            volume += gain * self.alone(own, seen, clipped, work);
            remove_dominated(seen, own);
            let place = seen.chunks_exact(m).take_while(|other| other.last() >= own.last()).count();
            seen.splice(place * m..place * m, own.iter().copied());
        }
        if let Some(place) = self.levels.get_mut(n) {
            *place = level;
        }
        volume
    }

    /// What `own` dominates and none of `others` does; these descend in their last dimension.
    pub(super) fn alone(
        &mut self,
        own: &[f64],
        others: &[f64],
        clipped: &mut Vec<f64>,
        work: &mut Work<'_>,
    ) -> f64 {
        clipped.clear();
        for other in others.chunks_exact(own.len()) {
            let start = clipped.len();
            clipped.extend(own.iter().zip(other).map(|(own, other)| own.min(*other)));
            let (known, new) = clipped.split_at_mut(start);
            if own.len() > 3 {
                if !work.spend(known.len()) {
                    return 0.0;
                }
                // Rows come descending in the last dimension only: either may dominate.
                if known.chunks_exact(own.len()).any(|row| is_nowhere_worse(new, row)) {
                    clipped.truncate(start);
                }
            } else if *new == *own {
                return 0.0;
            }
        }
        (own.iter().product::<f64>() - self.of_sorted(clipped, own.len(), work)).max(0.0)
    }
}

/// Keep the rows that are not nowhere above `own`.
fn remove_dominated(rows: &mut Vec<f64>, own: &[f64]) {
    let n = own.len();
    let mut kept = 0;
    for row in 0..rows.len() / n {
        let range = row * n..(row + 1) * n;
        if rows.get(range.clone()).is_some_and(|row| !is_nowhere_worse(row, own)) {
            rows.copy_within(range, kept * n);
            kept += 1;
        }
    }
    rows.truncate(kept * n);
}

/// An estimated volume.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub volume: f64,
    /// The true volume is at most this far away, with the confidence asked for (Hoeffding 1963).
    pub error: f64,
}

/// The hypervolume from `n_samples` uniform points in the box between the rows' ideal point and the
/// reference. `confidence` lies in (0, 1).
///
/// Complexity: `n_samples * n * m` at most, whatever the number of objectives. None when the work ends
/// before.
pub fn estimate(
    objectives: &[f64],
    reference: &[f64],
    n_samples: usize,
    confidence: f64,
    seed: u64,
    work: &mut Work<'_>,
) -> Option<Estimate> {
    let n = reference.len().max(1);
    let gains = gains(objectives, reference);
    let mut widest = vec![0.0; n];
    for row in gains.chunks_exact(n) {
        for (widest, gain) in widest.iter_mut().zip(row) {
            *widest = f64::max(*widest, *gain);
        }
    }
    let mut rows: Vec<&[f64]> = gains.chunks_exact(n).collect();
    // Rows of large volume cover most samples: look at them first.
    rows.sort_by(|a, b| b.iter().product::<f64>().total_cmp(&a.iter().product()));
    let mut point = vec![0.0; n];
    let mut n_covered = 0_usize;
    let mut rng = Stream::new(seed, 0, 0);
    for _ in 0..n_samples {
        if !work.spend(gains.len()) {
            break;
        }
        for (value, widest) in point.iter_mut().zip(&widest) {
            *value = rng.uniform() * widest;
        }
        n_covered += usize::from(rows.iter().any(|row| is_nowhere_worse(&point, row)));
    }
    let whole: f64 = widest.iter().product();
    let n_samples = n_samples.max(1) as f64;
    work.finish(Estimate {
        volume: whole * n_covered as f64 / n_samples,
        error: whole * ((2.0 / (1.0 - confidence)).ln() / (2.0 * n_samples)).sqrt(),
    })
}
