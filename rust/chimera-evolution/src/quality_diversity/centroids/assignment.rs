//! The nearest centroid of every sample, kept while centroids move: the work of k-means.
//!
//! A sample whose own centroid stayed can only change to one that moved, because the others lost
//! before and still do; the answer is that of a full search, ties included. Late iterations move few.

use super::Centroids;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::novelty::nearest::squared_distance;
use crate::stop;
use crate::threads::Threads;

/// Samples that are located between two looks for Ctrl-C.
const PART_ROWS: usize = 1 << 14;

/// Samples and the centroid of each.
pub(super) struct Assignment<'a> {
    samples: &'a [f64],
    lower: &'a [f64],
    upper: &'a [f64],
    /// The centroids that `nearest` was found for.
    centroids: Vec<f64>,
    nearest: Vec<u32>,
}

impl<'a> Assignment<'a> {
    /// Samples that have no centroid yet, `(n_samples, n)` row-major, within a box.
    pub(super) const fn new(samples: &'a [f64], lower: &'a [f64], upper: &'a [f64]) -> Self {
        Self { samples, lower, upper, centroids: Vec::new(), nearest: Vec::new() }
    }

    /// The centroid of each sample.
    pub(super) fn nearest(&self) -> &[u32] {
        &self.nearest
    }

    /// Finds the nearest of `centroids` for every sample; whether any has another than before.
    ///
    /// # Errors
    /// The caller wants an end.
    pub(super) fn update(&mut self, centroids: &[f64], threads: &Threads) -> Result<bool> {
        let n = self.lower.len().max(1);
        let pairs = centroids.chunks_exact(n).zip(self.centroids.chunks_exact(n));
        let moved: Vec<bool> = pairs.map(|(new, old)| new != old).collect();
        let n_moved = moved.iter().filter(|moved| **moved).count();
        let is_changed = if self.nearest.is_empty() || 2 * n_moved > moved.len() {
            let found = self.locate(self.samples, centroids, threads)?;
            let is_changed = found != self.nearest;
            self.nearest = found;
            is_changed
        } else {
            n_moved > 0 && self.follow(centroids, &moved, threads)?
        };
        self.centroids.clear();
        self.centroids.extend_from_slice(centroids);
        Ok(is_changed)
    }

    /// As [`Self::update`], when only some centroids moved.
    fn follow(&mut self, centroids: &[f64], moved: &[bool], threads: &Threads) -> Result<bool> {
        let n = self.lower.len().max(1);
        let has_moved = |cell: u32| moved.get(cell as usize).copied().unwrap_or(true);
        let at = |cell: u32| centroids.get(cell as usize * n..(cell as usize + 1) * n);
        let (mut left, mut stayed) = (Vec::new(), Vec::new());
        for (row, cell) in self.samples.chunks_exact(n).zip(&self.nearest) {
            let group = if has_moved(*cell) { &mut left } else { &mut stayed };
            group.extend_from_slice(row);
        }
        let movers: Vec<u32> =
            (0..).zip(moved).filter(|(_, m)| **m).map(|(cell, _)| cell).collect();
        let rows: Vec<f64> =
            movers.iter().flat_map(|cell| at(*cell).unwrap_or_default()).copied().collect();
        let mut of_left = self.locate(&left, centroids, threads)?.into_iter();
        let mut of_stayed = self.locate(&stayed, &rows, threads)?.into_iter();
        let mut is_changed = false;
        for (row, cell) in self.samples.chunks_exact(n).zip(&mut self.nearest) {
            let new = if has_moved(*cell) {
                of_left.next().unwrap_or(*cell)
            } else {
                let rival = of_stayed.next().and_then(|idx| movers.get(idx as usize));
                let rival = rival.copied().unwrap_or(*cell);
                let rank = |cell: u32| (squared_distance(row, at(cell).unwrap_or_default()), cell);
                if rank(rival) < rank(*cell) { rival } else { *cell }
            };
            is_changed |= new != *cell;
            *cell = new;
        }
        Ok(is_changed)
    }

    fn locate(&self, rows: &[f64], centroids: &[f64], threads: &Threads) -> Result<Vec<u32>> {
        let n = self.lower.len().max(1);
        let matrix = Matrix::from_vec(centroids.to_vec(), centroids.len() / n, n)?;
        let search = Centroids::with(matrix, self.lower.to_vec(), self.upper.to_vec(), false);
        let mut found = Vec::with_capacity(rows.len() / n);
        let mut cells = Vec::new();
        for part in rows.chunks(PART_ROWS * n) {
            stop::check()?;
            search.locate(part, threads, &mut cells);
            found.extend_from_slice(&cells);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use chimera_rng::Stream;

    use super::*;

    #[test]
    fn test_following_some_finds_what_a_full_search_finds() {
        for n in [2, 8] {
            let (lower, upper) = (vec![0.0; n], vec![1.0; n]);
            let mut rng = Stream::new(3, 0, 0);
            // A coarse lattice, so that many distances are equal.
            let mut values = |n_rows: usize| -> Vec<f64> {
                (0..n_rows * n).map(|_| (4.0 * rng.uniform()).round() / 4.0).collect()
            };
            let samples = values(3000);
            let mut centroids = values(90);
            let mut followed = Assignment::new(&samples, &lower, &upper);
            for step in 0..8 {
                let is_changed = followed.update(&centroids, &Threads::one()).unwrap();
                let mut full = Assignment::new(&samples, &lower, &upper);
                full.update(&centroids, &Threads::one()).unwrap();
                assert_eq!(followed.nearest(), full.nearest(), "{n} {step}");
                assert!(is_changed, "{n} {step}");
                let new = values(20);
                for (place, value) in centroids.iter_mut().skip(step * n).zip(new) {
                    *place = value;
                }
            }
            assert!(!followed.update(&followed.centroids.clone(), &Threads::one()).unwrap());
        }
    }
}
