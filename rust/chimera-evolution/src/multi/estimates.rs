//! Which rows of a front stay where exact volumes take too long: samples in their place.
//!
//! Every row draws points from the box that it dominates. The share of them that no other row
//! dominates estimates what it alone dominates (Bringmann & Friedrich, "Approximating the least
//! hypervolume contributor", 2012). Of rows without such a point the one leaves whose points one
//! other row shares the least, then two. Streams are keyed by row, so threads change nothing.

use chimera_rng::Stream;

use crate::algorithm::Context;
use crate::error::Result;
use crate::stop;

/// Keeps this random stream apart from the others.
const SAMPLES: u64 = 0x5A3B_1E5F_0F0F_2012;
/// Comparisons of two numbers for which samples are drawn, about: some tenths of a second.
const STEPS: usize = 1 << 27;
/// Fewest and most samples of a row.
const SAMPLES_MIN: usize = 32;
const SAMPLES_MAX: usize = 4096;
/// What a point counts that none, one or two other rows dominate; sums of them are exact.
const WEIGHTS: [f64; 3] = [1.0, 1.0 / 4096.0, 1.0 / 16_777_216.0];

/// Memory of the choice.
#[derive(Clone, Debug, Default)]
pub(super) struct Estimates {
    /// Rows at the start.
    rows: Vec<u32>,
    /// `(rows, samples, m)`.
    points: Vec<f64>,
    /// `(rows, samples)`: how many other rows dominate a point.
    n_others: Vec<u32>,
    /// One per row; infinite once it left.
    figures: Vec<f64>,
}

impl Estimates {
    /// Keep `n` of the rows `alive` of `gains`, which have `m` columns.
    ///
    /// # Errors
    /// The caller of [`stop::when`] wants an end.
    pub fn thin(
        &mut self,
        gains: &[f64],
        m: usize,
        (alive, n): (&mut Vec<u32>, usize),
        context: &Context,
    ) -> Result<()> {
        let n_rows = alive.len();
        let n_samples = (STEPS / (n_rows * n_rows * m).max(1)).clamp(SAMPLES_MIN, SAMPLES_MAX);
        self.rows.clone_from(alive);
        self.draw(gains, m, n_samples, context);
        self.n_others.clear();
        self.n_others.resize(n_rows * n_samples, 0);
        let Self { rows, points, n_others, figures } = self;
        let own = |row: u32| crate::pareto::row_of(gains, m, row);
        let of_row = n_others.chunks_exact_mut(n_samples).zip(points.chunks_exact(n_samples * m));
        for ((n_others, points), row) in of_row.zip(rows.iter()) {
            stop::check()?;
            for other in rows.iter().filter(|other| *other != row) {
                for (n, point) in n_others.iter_mut().zip(points.chunks_exact(m)) {
                    *n += u32::from(is_below(point, own(*other)));
                }
            }
        }
        let volume = |row: &u32| own(*row).iter().product::<f64>().min(f64::MAX);
        let figure = |row: &u32, n_others: &[u32]| volume(row) * weight(n_others);
        figures.clear();
        figures
            .extend(rows.iter().zip(n_others.chunks_exact(n_samples)).map(|(r, n)| figure(r, n)));
        for _ in n..n_rows {
            stop::check()?;
            let rows_left = figures.iter().zip(rows.iter()).enumerate();
            let Some((place, (_, gone))) = rows_left.min_by(|a, b| a.1.0.total_cmp(b.1.0)) else {
                break;
            };
            if let Some(figure) = figures.get_mut(place) {
                *figure = f64::INFINITY;
            }
            let of_row =
                n_others.chunks_exact_mut(n_samples).zip(points.chunks_exact(n_samples * m));
            let left = figures.iter_mut().zip(rows.iter()).zip(of_row);
            for ((place, row), (n_others, points)) in
                left.filter(|((figure, _), _)| **figure < f64::INFINITY)
            {
                for (n, point) in n_others.iter_mut().zip(points.chunks_exact(m)) {
                    *n -= u32::from(is_below(point, own(*gone)));
                }
                *place = figure(row, n_others);
            }
        }
        let kept = rows.iter().zip(figures.iter()).filter(|(_, figure)| **figure < f64::INFINITY);
        alive.clear();
        alive.extend(kept.map(|(row, _)| *row));
        Ok(())
    }

    /// Draw uniform points below each row.
    fn draw(&mut self, gains: &[f64], m: usize, n_samples: usize, context: &Context) {
        self.points.clear();
        self.points.reserve(self.rows.len() * n_samples * m);
        for row in &self.rows {
            let own = crate::pareto::row_of(gains, m, *row);
            let seed = context.seed ^ SAMPLES;
            let mut rng = Stream::new(seed, context.generation, u64::from(*row));
            for _ in 0..n_samples {
                self.points.extend(own.iter().map(|gain| rng.uniform() * gain));
            }
        }
    }
}

/// Whether a row dominates a point.
fn is_below(point: &[f64], row: &[f64]) -> bool {
    point.iter().zip(row).all(|(value, gain)| value <= gain)
}

/// What the points of a row count, given how many other rows dominate each.
fn weight(n_others: &[u32]) -> f64 {
    let of = |n: &u32| WEIGHTS.get(*n as usize).copied().unwrap_or(0.0);
    n_others.iter().map(of).sum()
}
