//! Hypervolume: the volume that rows dominate, up to a reference point.
//!
//! Rows become *gains*, `reference - row`, so that the origin is the reference and more is better. Two
//! dimensions are a sum, three a sweep with a staircase. In more, the last dimension is swept: each
//! row adds what it alone dominates in the dimensions before, times its last gain. In three and four
//! dimensions that is measured directly (see `shelf`); in more it is the row's own volume less that of
//! the other rows clipped to it, of which most are below others and leave (While, Bradstreet &
//! Barone, "A Fast Way of Calculating Exact Hypervolumes", 2012). Three rows and fewer are a formula.

use chimera_rng::Stream;

use super::ranks::is_nowhere_worse;
use super::shelf::Shelf;
use super::stairs::Stairs;
use super::table::{Table, lanes};
use super::work::Work;
use crate::simd::dispatch;

/// Rows of a sweep between two looks at whether work is over.
const ROWS_A_LOOK: usize = 1 << 10;

/// Rows beside which a volume is a formula.
const FEW: usize = 3;

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
    stairs: Stairs,
    shelf: Shelf,
    whole: Table,
    scratch: Vec<f64>,
    /// Memory per number of dimensions.
    levels: Vec<Level>,
}

#[derive(Clone, Debug, Default)]
struct Level {
    row: Vec<f64>,
    /// Rows before this one, without their last gain.
    seen: Table,
    /// Those, clipped to this one.
    clipped: Table,
}

impl Volume {
    /// Make room for `n_rows` rows of up to four dimensions.
    pub(super) fn reserve(&mut self, n_rows: usize) {
        self.stairs.reserve(n_rows);
        self.shelf.reserve(n_rows);
    }

    /// The volume under gains of `n` dimensions, in any order; they are sorted.
    pub(super) fn of(&mut self, points: &mut [f64], n: usize, work: &mut Work<'_>) -> f64 {
        match n {
            0 => return 0.0,
            1 => return points.iter().copied().fold(0.0, f64::max),
            2 => return of_2(points),
            _ => sort_by_last(points, n, &mut self.scratch),
        }
        if n == 3 {
            return self.of_3(points, work);
        }
        let mut whole = std::mem::take(&mut self.whole);
        whole.reset(n, points.len() / n);
        for row in points.chunks_exact(n) {
            whole.push(row);
        }
        let volume = self.of_table(&whole, work);
        self.whole = whole;
        volume
    }

    fn of_3(&mut self, points: &[f64], work: &mut Work<'_>) -> f64 {
        self.stairs.clear();
        let mut volume = 0.0;
        let mut area = 0.0;
        let mut above = 0.0;
        for points in points.as_chunks::<3>().0.chunks(ROWS_A_LOOK) {
            if !work.spend(3 * points.len()) {
                return 0.0;
            }
            for [x, y, z] in points {
                volume += area * (above - z);
                above = *z;
                area += self.stairs.insert([*x, *y], [0.0; 2]);
            }
        }
        volume + area * above
    }

    /// The volume under at least four columns of gains that descend in the last.
    fn of_table(&mut self, points: &Table, work: &mut Work<'_>) -> f64 {
        if points.n_columns() == 4 { self.of_4(points, work) } else { self.of_many(points, work) }
    }

    fn of_4(&mut self, points: &Table, work: &mut Work<'_>) -> f64 {
        let shelf = &mut self.shelf;
        let n_rows = points.n_rows();
        shelf.reset(n_rows);
        let mut volume = 0.0;
        dispatch(
            #[inline(always)]
            || {
                let [xs, ys, zs, ws] = points.first_columns();
                let rows = xs.iter().zip(ys).zip(zs).zip(ws).take(n_rows).enumerate();
                for (idx, (((x, y), z), gain)) in rows {
                    if !work.spend(2 * idx) {
                        return;
                    }
                    volume += gain * shelf.insert([*x, *y, *z], [0.0; 3]);
                }
            },
        );
        volume
    }

    fn of_many(&mut self, points: &Table, work: &mut Work<'_>) -> f64 {
        let n = points.n_columns();
        if self.levels.len() <= n {
            self.levels.resize(n + 1, Level::default());
        }
        let mut level = self.levels.get_mut(n).map(std::mem::take).unwrap_or_default();
        let Level { row, seen, clipped } = &mut level;
        seen.reset(n - 1, points.n_rows());
        row.clear();
        row.resize(n, 0.0);
        let mut volume = 0.0;
        for idx in 0..points.n_rows() {
            points.read(idx, row);
            let Some((gain, own)) = row.split_last() else { continue };
            let alone = self.alone(own, seen, clipped, work);
            if alone > 0.0 {
                volume += gain * alone;
                dispatch(
                    #[inline(always)]
                    || {
                        seen.drop_covered(0, own);
                        seen.insert_sorted(own);
                    },
                );
            }
        }
        if let Some(place) = self.levels.get_mut(n) {
            *place = level;
        }
        volume
    }

    /// What `own` dominates and none of `others` does, in three and more dimensions; others descend
    /// in the last.
    pub(super) fn alone(
        &mut self,
        own: &[f64],
        others: &Table,
        clipped: &mut Table,
        work: &mut Work<'_>,
    ) -> f64 {
        if !work.spend(own.len() * others.n_rows()) {
            return 0.0;
        }
        if others.n_rows() <= FEW {
            return few(own, others).max(0.0);
        }
        let shelf = &mut self.shelf;
        if let [x, y, z] = *own {
            return dispatch(
                #[inline(always)]
                || shelf.alone_3([x, y, z], others),
            )
            .max(0.0);
        }
        if let [x, y, z, w] = *own {
            return dispatch(
                #[inline(always)]
                || shelf.alone_4([x, y, z, w], others),
            )
            .max(0.0);
        }
        let is_covered = dispatch(
            #[inline(always)]
            || clip(own, others, clipped, &mut self.scratch),
        );
        if is_covered || !work.spend(clipped.n_rows() * others.n_rows()) {
            return 0.0;
        }
        let volume = if clipped.n_rows() <= FEW {
            few(own, clipped)
        } else {
            own.iter().product::<f64>() - self.of_table(clipped, work)
        };
        volume.max(0.0)
    }
}

fn of_2(points: &[f64]) -> f64 {
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

/// Clip all rows to `own` and keep in `clipped` those that are not below another. True when a row
/// covers `own`.
#[inline(always)]
fn clip(own: &[f64], others: &Table, clipped: &mut Table, wide: &mut Vec<f64>) -> bool {
    if others.covers(own) {
        return true;
    }
    let (n, n_rows) = (own.len(), others.n_rows());
    clipped.reset(n, n_rows);
    wide.clear();
    wide.resize(n_rows * n, 0.0);
    for ((value, column), place) in own.iter().zip(others.columns()).zip(0..) {
        for (row, other) in wide.chunks_exact_mut(n).zip(column) {
            if let Some(cell) = row.get_mut(place) {
                *cell = if other < value { *other } else { *value };
            }
        }
    }
    for row in wide.chunks_exact(n) {
        if !clipped.covers(row) {
            // Rows that are equal in the last dimension may come in any order.
            clipped.drop_covered(0, row);
            clipped.push(row);
        }
    }
    false
}

/// What `own` alone dominates beside up to three rows, by inclusion and exclusion.
fn few(own: &[f64], others: &Table) -> f64 {
    let least = |a: f64, b: f64| if b < a { b } else { a };
    // Own, then each other; what they share, two and two; what all share.
    let mut products = [1.0; 8];
    for (value, column) in own.iter().zip(others.columns()) {
        let [a, b, c, ..] = lanes(column, 0).map(|other| least(other, *value));
        let ab = least(a, b);
        let parts = [*value, a, b, c, ab, least(a, c), least(b, c), least(ab, c)];
        for (product, part) in products.iter_mut().zip(parts) {
            *product *= part;
        }
    }
    let [whole, a, b, c, ab, ac, bc, abc] = products;
    // Rows that are not there are zeros, and so are their products.
    (whole - a) - (b - ab) - ((c - ac) - (bc - abc))
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
    if gains.is_empty() {
        // No box to sample, and samples would cost no steps: nobody could end them.
        return work.finish(Estimate { volume: 0.0, error: 0.0 });
    }
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
        error: whole
            * (crate::numeric::f64::ln(2.0 / (1.0 - confidence)) / (2.0 * n_samples)).sqrt(),
    })
}
