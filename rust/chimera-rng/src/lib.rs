//! Counter-based random streams: equal (seed, step, index), equal numbers, on any thread.
//!
//! A [`Stream`] is a xoshiro256++ generator (Blackman & Vigna, 2019) whose state is derived from its
//! key by SplitMix64 (Steele, Lea & Flood, 2014). Streams are cheap to make and never shared.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod lanes;
pub mod math;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use lanes::{Lanes, N_LANES, unit_f32, unit_f64};

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The output function of SplitMix64.
#[expect(clippy::inline_always, reason = "compiled along with the caller's instruction set")]
#[inline(always)]
const fn mix(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const fn splitmix(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(GOLDEN);
    (state, mix(state))
}

/// Where the sequence of a key begins.
#[expect(clippy::inline_always, reason = "compiled along with the caller's instruction set")]
#[inline(always)]
const fn key(seed: u64, step: u64, index: u64) -> u64 {
    let (_, a) = splitmix(seed);
    let (_, b) = splitmix(a ^ step.wrapping_mul(0xD6E8_FEB8_6659_FD93));
    mix(b ^ index.wrapping_mul(0xA076_1D64_78BD_642F))
}

/// One random stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    state: [u64; 4],
}

impl Stream {
    /// The stream of a key.
    #[must_use]
    pub const fn new(seed: u64, step: u64, index: u64) -> Self {
        let (_, a) = splitmix(seed);
        let (_, b) = splitmix(a ^ step.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        let (s, c) = splitmix(b ^ index.wrapping_mul(0xA076_1D64_78BD_642F));
        let (s, d) = splitmix(s ^ a);
        let (s, e) = splitmix(s);
        let (_, f) = splitmix(s);
        Self { state: [c, d, e, f | 1] }
    }

    /// The next 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let t = b << 17;
        let c = c ^ a;
        let d = d ^ b;
        let b = b ^ c;
        let a = a ^ d;
        self.state = [a, b, c ^ t, d.rotate_left(45)];
        result
    }

    /// Uniform in [0, 1) with 53 random bits.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a float exactly")]
    pub const fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in `0..n` without modulo bias (Lemire, 2019); 0 when `n` is 0.
    #[expect(clippy::cast_possible_truncation, reason = "takes the halves of a 128-bit product")]
    pub const fn below(&mut self, n: usize) -> usize {
        self.below_u64(n as u64) as usize
    }

    #[expect(clippy::cast_possible_truncation, reason = "takes the halves of a 128-bit product")]
    const fn below_u64(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        loop {
            let product = (self.next_u64() as u128) * (n as u128);
            if product as u64 >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// Uniform integer in `low..=high`; `low` when the range is empty.
    pub const fn between(&mut self, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        let span = high.wrapping_sub(low).cast_unsigned();
        if span == u64::MAX {
            return self.next_u64().cast_signed();
        }
        low.wrapping_add(self.below_u64(span + 1).cast_signed())
    }

    /// True with probability `p`.
    pub const fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }

    /// Standard normal by the polar method of Marsaglia (1964).
    pub fn normal(&mut self) -> f64 {
        loop {
            let u = 2.0 * self.uniform() - 1.0;
            let v = 2.0 * self.uniform() - 1.0;
            let s = u * u + v * v;
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * math::ln(s) / s).sqrt();
            }
        }
    }

    /// A uniformly chosen element; `None` when empty.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// An index drawn with probability proportional to non-negative weights; `None` when all are 0.
    pub fn weighted(&mut self, weights: &[f64]) -> Option<usize> {
        let total: f64 = weights.iter().sum();
        if !(total > 0.0) {
            return None;
        }
        let mut point = self.uniform() * total;
        let mut last = None;
        for (idx, weight) in weights.iter().enumerate() {
            if *weight > 0.0 {
                last = Some(idx);
                if point < *weight {
                    return last;
                }
                point -= weight;
            }
        }
        last
    }

    /// Shuffle in place (Fisher–Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for idx in (1..items.len()).rev() {
            items.swap(idx, self.below(idx + 1));
        }
    }
}
