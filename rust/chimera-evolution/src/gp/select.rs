//! Choosing parents: tournaments, and epsilon-lexicase after La Cava, Spector and Danai (2016).
//!
//! Of their variants this is the static one: which trees pass a case is decided once a generation,
//! against the best of the whole population. Passes are kept as bit sets, so a selection is a few
//! `and`s per case.

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

const WORD: usize = 64;

/// Which trees pass which case.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    /// `(n_cases, n_trees)` absolute errors.
    errors: Vec<f32>,
    /// `(n_cases, n_words)`: bit set of the trees within a case's tolerance of the least error.
    passes: Vec<u64>,
    n_trees: usize,
}

/// Memory of one selection.
#[derive(Debug, Default)]
pub struct Pool {
    order: Vec<usize>,
    left: Vec<u64>,
    next: Vec<u64>,
}

impl Cases {
    /// Room for absolute errors, case by case; write them before [`Cases::finish`].
    pub fn reset(&mut self, n_cases: usize, n_trees: usize) -> &mut [f32] {
        self.n_trees = n_trees;
        self.errors.clear();
        self.errors.resize(n_cases * n_trees, f32::INFINITY);
        &mut self.errors
    }

    /// Decides who passes. The tolerance of a case is the median absolute deviation of its errors;
    /// trees whose error is not finite never pass.
    pub fn finish(&mut self) {
        self.passes.clear();
        let mut sorted: Vec<f32> = Vec::with_capacity(self.n_trees);
        for errors in self.errors.chunks_exact(self.n_trees.max(1)) {
            let centre = median(&mut sorted, errors.iter().copied());
            let tolerance = median(&mut sorted, errors.iter().map(|error| (error - centre).abs()));
            let best = errors.iter().copied().fold(f32::INFINITY, f32::min);
            let limit = best + tolerance;
            for word in errors.chunks(WORD) {
                let bits = word.iter().enumerate().fold(0, |bits, (place, error)| {
                    let is_passed = error.is_finite() && *error <= limit;
                    bits | (u64::from(is_passed) << place)
                });
                self.passes.push(bits);
            }
        }
    }

    /// One parent: cases in random order, each keeping the trees that pass it unless none does.
    pub fn select(&self, pool: &mut Pool, rng: &mut Stream) -> usize {
        let n_words = self.n_trees.div_ceil(WORD);
        let Pool { order, left, next } = pool;
        order.clear();
        order.extend(0..self.passes.len() / n_words.max(1));
        left.clear();
        left.resize(n_words, u64::MAX);
        if let Some(last) = left.last_mut() {
            *last >>= (n_words * WORD - self.n_trees) % WORD;
        }
        // Shuffled as far as it is looked at (Fisher-Yates from the front).
        for place in 0..order.len() {
            let chosen = place + rng.below(order.len() - place);
            order.swap(place, chosen);
            let start = order.get(place).map_or(0, |case| case * n_words);
            let passes = self.passes.get(start..start + n_words).unwrap_or(&[]);
            next.clear();
            next.extend(left.iter().zip(passes).map(|(left, pass)| left & pass));
            match next.iter().map(|word| word.count_ones()).sum::<u32>() {
                0 => {}
                1 => {
                    std::mem::swap(left, next);
                    break;
                }
                _ => std::mem::swap(left, next),
            }
        }
        let n_left: u32 = left.iter().map(|word| word.count_ones()).sum();
        let mut rank = rng.below(n_left as usize);
        for (idx, word) in left.iter().enumerate() {
            let n = word.count_ones() as usize;
            if rank < n {
                let mut bits = (0..WORD).filter(|bit| (word >> bit) & 1 == 1);
                return idx * WORD + bits.nth(rank).unwrap_or(0);
            }
            rank -= n;
        }
        0
    }
}

/// The upper median of the finite values; 0 without any.
fn median(sorted: &mut Vec<f32>, values: impl Iterator<Item = f32>) -> f32 {
    sorted.clear();
    sorted.extend(values.filter(|value| value.is_finite()));
    let middle = sorted.len() / 2;
    if sorted.is_empty() {
        return 0.0;
    }
    *sorted.select_nth_unstable_by(middle, f32::total_cmp).1
}
