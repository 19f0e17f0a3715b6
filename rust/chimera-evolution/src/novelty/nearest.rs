//! The k nearest of the points seen so far, and the one distance that all exact searches rank by.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use crate::quality_diversity::Real;

/// Squared Euclidean distance in 64 bits, in eight partial sums of fixed order: every search of this
/// crate ranks by it, so all give the same neighbours.
#[inline(always)]
pub fn squared_distance<T: Real, U: Real>(a: &[T], b: &[U]) -> f64 {
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut sum = 0.0;
    if !a_chunks.is_empty() {
        let mut sums = [0.0; 8];
        for (a, b) in a_chunks.iter().zip(b_chunks) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                let difference = a.wide() - b.wide();
                *sum += difference * difference;
            }
        }
        let [a, b, c, d, e, f, g, h] = sums;
        sum = ((a + e) + (b + f)) + ((c + g) + (d + h));
    }
    for (a, b) in a_rest.iter().zip(b_rest) {
        let difference = a.wide() - b.wide();
        sum += difference * difference;
    }
    sum
}

/// At most `k` neighbours, the nearest first; among equals the lower index comes first.
#[derive(Debug)]
pub struct Nearest<'a> {
    /// Squared distance and index of each.
    found: &'a mut [(f64, u32)],
    n: usize,
    /// A point that does not count: the query itself.
    own: u32,
}

impl<'a> Nearest<'a> {
    /// Writes into `k` places, of which `n` hold neighbours found before.
    pub const fn new(found: &'a mut [(f64, u32)], n: usize, own: Option<u32>) -> Self {
        let own = match own {
            Some(own) => own,
            None => u32::MAX,
        };
        Self { found, n, own }
    }

    /// Neighbours found, at most `k`.
    pub const fn n(&self) -> usize {
        self.n
    }

    /// Squared distance that a point must not exceed to count; infinite while there is room.
    #[inline(always)]
    pub fn worst(&self) -> f64 {
        if self.n < self.found.len() {
            return f64::INFINITY;
        }
        self.found.last().map_or(f64::NEG_INFINITY, |last| last.0)
    }

    /// Takes a point in if it is among the nearest.
    #[inline]
    pub fn offer(&mut self, distance: f64, index: u32) {
        if index == self.own || !(distance <= self.worst()) {
            return;
        }
        let found = self.found.iter().take(self.n);
        let place = found.take_while(|found| **found < (distance, index)).count();
        if place >= self.found.len() {
            return;
        }
        self.n = (self.n + 1).min(self.found.len());
        if let Some(tail) = self.found.get_mut(place..self.n) {
            tail.rotate_right(1);
            tail.iter_mut().take(1).for_each(|first| *first = (distance, index));
        }
    }
}
