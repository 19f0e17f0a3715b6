//! Choosing parents: tournaments, and epsilon-lexicase after La Cava, Spector and Danai (2016).

use chimera_rng::Stream;

/// The best of `size` drawn with replacement by `key`; the smaller index wins ties.
pub fn tournament(keys: &[f64], size: usize, rng: &mut Stream) -> usize {
    let mut best = rng.below(keys.len());
    for _ in 1..size {
        let other = rng.below(keys.len());
        let is_better = match (keys.get(other), keys.get(best)) {
            (Some(a), Some(b)) => a < b || (a == b && other < best),
            _ => false,
        };
        if is_better {
            best = other;
        }
    }
    best
}

/// Absolute errors per case, case by case, and each case's tolerance.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    /// `(n_cases, n_trees)`.
    errors: Vec<f32>,
    /// Median absolute deviation of each case's errors.
    tolerances: Vec<f32>,
    n_trees: usize,
}

/// Memory of one selection.
#[derive(Debug, Default)]
pub struct Pool {
    order: Vec<usize>,
    candidates: Vec<usize>,
}

impl Cases {
    /// Room for errors, case by case; all must be written before [`Cases::finish`].
    pub fn reset(&mut self, n_cases: usize, n_trees: usize) -> &mut [f32] {
        self.n_trees = n_trees;
        self.errors.clear();
        self.errors.resize(n_cases * n_trees, f32::INFINITY);
        &mut self.errors
    }

    /// Computes the tolerances. Errors that are not finite count as infinite.
    pub fn finish(&mut self) {
        self.tolerances.clear();
        let mut sorted: Vec<f32> = Vec::with_capacity(self.n_trees);
        for case in self.errors.chunks_exact(self.n_trees.max(1)) {
            let mut median = |values: &mut dyn Iterator<Item = f32>| {
                sorted.clear();
                sorted.extend(values.filter(|value| value.is_finite()));
                let middle = sorted.len() / 2;
                if sorted.is_empty() {
                    return 0.0;
                }
                *sorted.select_nth_unstable_by(middle, f32::total_cmp).1
            };
            let centre = median(&mut case.iter().copied());
            let deviation = median(&mut case.iter().map(|error| (error - centre).abs()));
            self.tolerances.push(deviation);
        }
    }

    /// One parent: cases in random order, each keeping those within its tolerance of the best left.
    pub fn select(&self, pool: &mut Pool, rng: &mut Stream) -> usize {
        pool.order.clear();
        pool.order.extend(0..self.tolerances.len());
        pool.candidates.clear();
        pool.candidates.extend(0..self.n_trees);
        // Shuffled as far as it is looked at (Fisher-Yates from the front).
        for place in 0..pool.order.len() {
            if pool.candidates.len() <= 1 {
                break;
            }
            let chosen = place + rng.below(pool.order.len() - place);
            pool.order.swap(place, chosen);
            let case = pool.order.get(place).copied().unwrap_or(0);
            let start = case * self.n_trees;
            let errors = self.errors.get(start..start + self.n_trees).unwrap_or(&[]);
            let error = |idx: &usize| errors.get(*idx).copied().unwrap_or(f32::INFINITY);
            let best = pool.candidates.iter().map(error).fold(f32::INFINITY, f32::min);
            let limit = best + self.tolerances.get(case).copied().unwrap_or(0.0);
            pool.candidates.retain(|idx| error(idx) <= limit);
        }
        rng.choose(&pool.candidates).copied().unwrap_or(0)
    }
}
