//! Eight random streams side by side, in the shape that vector units like.
//!
//! [`Lanes`] are eight xoshiro256++ generators (Blackman & Vigna, 2019) with states from one
//! SplitMix64 sequence, keyed like [`crate::Stream`] but giving other numbers. One step gives eight
//! 64-bit words; nothing depends on how wide the processor's vectors are. Every function is
//! `#[inline(always)]`, so that it is compiled for the instruction set of the loop it is called in.
//! A fill begins with a fresh step and throws the rest of its last step away.

#![expect(clippy::inline_always, reason = "compiled along with the caller's instruction set")]

use crate::{GOLDEN, key, mix};

/// Words of one step.
pub const N_LANES: usize = 8;

type Words = [u64; N_LANES];

/// Eight interleaved random streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lanes {
    a: Words,
    b: Words,
    c: Words,
    d: Words,
}

impl Lanes {
    /// The lanes of a key.
    #[must_use]
    #[inline(always)]
    pub fn new(seed: u64, step: u64, index: u64) -> Self {
        // The constant keeps lanes apart from the stream of the same key.
        let start = key(seed ^ 0x6C61_6E65_735F_7631, step, index);
        let words = |first: u64| {
            let mut out = [0; N_LANES];
            for (word, idx) in out.iter_mut().zip(first..) {
                *word = mix(start.wrapping_add(idx.wrapping_mul(GOLDEN)));
            }
            out
        };
        let mut d = words(25);
        for word in &mut d {
            *word |= 1;
        }
        Self { a: words(1), b: words(9), c: words(17), d }
    }

    /// Eight times 64 random bits.
    #[inline(always)]
    pub fn next_words(&mut self) -> [u64; N_LANES] {
        let mut out = [0; N_LANES];
        let state = self.a.iter_mut().zip(&mut self.b).zip(&mut self.c).zip(&mut self.d);
        for (out, (((a, b), c), d)) in out.iter_mut().zip(state) {
            *out = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
            let t = *b << 17;
            *c ^= *a;
            *d ^= *b;
            *b ^= *c;
            *a ^= *d;
            *c ^= t;
            *d = d.rotate_left(45);
        }
        out
    }

    #[cfg(test)]
    pub(crate) fn lane_states(&self) -> impl Iterator<Item = [u64; 4]> {
        (0..N_LANES).map(|lane| [self.a[lane], self.b[lane], self.c[lane], self.d[lane]])
    }

    /// Random bits.
    #[inline(always)]
    pub fn fill_bits(&mut self, out: &mut [u64]) {
        let (chunks, rest) = out.as_chunks_mut::<N_LANES>();
        for chunk in chunks {
            *chunk = self.next_words();
        }
        if !rest.is_empty() {
            for (value, word) in rest.iter_mut().zip(self.next_words()) {
                *value = word;
            }
        }
    }

    /// Random bits, two values a word.
    #[inline(always)]
    pub fn fill_half_bits(&mut self, out: &mut [u32]) {
        let (chunks, rest) = out.as_chunks_mut::<{ 2 * N_LANES }>();
        for chunk in chunks {
            *chunk = self.next_half_words();
        }
        if !rest.is_empty() {
            for (value, half) in rest.iter_mut().zip(self.next_half_words()) {
                *value = half;
            }
        }
    }

    /// Sixteen times 32 random bits: the low halves of eight words, then the high halves.
    #[expect(clippy::cast_possible_truncation, reason = "takes the halves of a word")]
    #[inline(always)]
    pub fn next_half_words(&mut self) -> [u32; 2 * N_LANES] {
        let words = self.next_words();
        let mut out = [0; 2 * N_LANES];
        let (low, high) = out.split_at_mut(N_LANES);
        for ((low, high), word) in low.iter_mut().zip(high).zip(words) {
            *low = word as u32;
            *high = (word >> 32) as u32;
        }
        out
    }

    /// Uniform in [0, 1) in steps of 2^-52.
    #[inline(always)]
    pub fn fill_uniform_f64(&mut self, out: &mut [f64]) {
        let (chunks, rest) = out.as_chunks_mut::<N_LANES>();
        for chunk in chunks {
            for (value, word) in chunk.iter_mut().zip(self.next_words()) {
                *value = unit_f64(word);
            }
        }
        if !rest.is_empty() {
            for (value, word) in rest.iter_mut().zip(self.next_words()) {
                *value = unit_f64(word);
            }
        }
    }

    /// Uniform in [0, 1) in steps of 2^-23; two numbers a word.
    #[inline(always)]
    pub fn fill_uniform_f32(&mut self, out: &mut [f32]) {
        let (chunks, rest) = out.as_chunks_mut::<{ 2 * N_LANES }>();
        for chunk in chunks {
            *chunk = self.next_units_f32();
        }
        if !rest.is_empty() {
            for (value, unit) in rest.iter_mut().zip(self.next_units_f32()) {
                *value = unit;
            }
        }
    }

    /// Sixteen floats uniform in [0, 1): from the low halves of eight words, then the high halves.
    #[expect(clippy::cast_possible_truncation, reason = "takes the halves of a word")]
    #[inline(always)]
    pub fn next_units_f32(&mut self) -> [f32; 2 * N_LANES] {
        let words = self.next_words();
        let mut out = [0.0; 2 * N_LANES];
        let (low, high) = out.split_at_mut(N_LANES);
        for ((low, high), word) in low.iter_mut().zip(high).zip(words) {
            *low = unit_f32(word as u32);
            *high = unit_f32((word >> 32) as u32);
        }
        out
    }

    /// Uniform integers in `0..n`; 0 when `n` is 0. Multiplies instead of rejecting: the
    /// probability of a value is off by less than n / 2^32 of itself.
    #[inline(always)]
    pub fn fill_below(&mut self, n: u32, out: &mut [u32]) {
        let (chunks, rest) = out.as_chunks_mut::<N_LANES>();
        for chunk in chunks {
            for (value, word) in chunk.iter_mut().zip(self.next_words()) {
                *value = below(word, n);
            }
        }
        if !rest.is_empty() {
            for (value, word) in rest.iter_mut().zip(self.next_words()) {
                *value = below(word, n);
            }
        }
    }
}

/// A word as a float in [0, 1), a multiple of 2^-52.
#[must_use]
#[inline(always)]
pub const fn unit_f64(word: u64) -> f64 {
    f64::from_bits((word >> 12) | 0x3FF0_0000_0000_0000) - 1.0
}

/// A half word as a float in [0, 1), a multiple of 2^-23.
#[must_use]
#[inline(always)]
pub const fn unit_f32(word: u32) -> f32 {
    f32::from_bits((word >> 9) | 0x3F80_0000) - 1.0
}

/// A word as an integer in `0..n`.
#[inline(always)]
const fn below(word: u64, n: u32) -> u32 {
    (((word >> 32) * n as u64) >> 32) as u32
}
