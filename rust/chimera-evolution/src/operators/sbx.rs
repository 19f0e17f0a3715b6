//! Simulated binary crossover and polynomial mutation in one pass over the genes.
//!
//! Deb & Agrawal (1995) and Deb & Goyal (1996), in the form of the authors' NSGA-II code: per gene
//! a coin whether to cross and a coin which child gets which side; each child's spread follows the
//! law cut off at the bound on its side and scaled up, so that children stay inside without piling
//! up there. The law of 1995 without bounds, where children are clipped, may be had instead.
//! Mutation stays inside by construction. Genes to mutate are found by geometric skips, so the cost
//! of mutation follows their number, not the number of genes. Random numbers come from one stream
//! per block of [`PAIRS_PER_BLOCK`] pairs, whatever the number of threads.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use chimera_rng::Lanes;
use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::mutation::polynomial_step;
use super::spread::{Bounded, Law, Unbounded, Whole, narrow, ratio};
use crate::numeric::{self, Real};
use crate::simd::dispatch;
use crate::threads::Threads;

/// Pairs of parents that share a random stream and a thread.
pub const PAIRS_PER_BLOCK: usize = 16;
/// Genes crossed at a time: their random bits stay in the first-level cache.
const GENES: usize = 256;
/// That of the usual index, 15: it takes no logarithm.
const USUAL_EXPONENT: f32 = 16.0;
/// Mutated genes computed at a time.
const HITS: usize = 64;

/// Settings of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SbxPolynomial {
    /// Probability that a pair is crossed at all.
    pub crossover_probability: f64,
    /// Probability that a gene of a crossed pair is.
    pub gene_probability: f64,
    /// Distribution index of crossover: large keeps children near their parents.
    pub crossover_eta: f64,
    /// Whether the law of crossover knows the bounds. Genes without two finite ones follow the law
    /// without, on the side of the infinite one.
    pub is_bounded: bool,
    /// Probability that a gene is mutated.
    pub mutation_probability: f64,
    /// Distribution index of mutation.
    pub mutation_eta: f64,
}

impl SbxPolynomial {
    /// The field's usual settings for `n_genes` genes: .9, .5, 15, bounded; 1 / n, 20.
    #[must_use]
    pub fn usual(n_genes: usize) -> Self {
        Self {
            crossover_probability: 0.9,
            gene_probability: 0.5,
            crossover_eta: 15.0,
            is_bounded: true,
            mutation_probability: 1.0 / n_genes.max(1) as f64,
            mutation_eta: 20.0,
        }
    }
}

/// Rows to breed from: a matrix, and a second one whose rows are counted on after the first's.
#[derive(Clone, Copy, Debug)]
pub struct Parents<'a, T> {
    /// `(n, n_genes)`, row-major.
    pub rows: &'a [T],
    /// `(m, n_genes)`: rows `n..n + m`; may be empty.
    pub more: &'a [T],
}

impl<'a, T> Parents<'a, T> {
    /// One row; empty when out of range.
    #[inline(always)]
    pub fn row(&self, idx: u32, n_genes: usize) -> &'a [T] {
        let start = (idx as usize).saturating_mul(n_genes);
        let (rows, start) = match start.checked_sub(self.rows.len()) {
            None => (self.rows, start),
            Some(start) => (self.more, start),
        };
        rows.get(start..start.saturating_add(n_genes)).unwrap_or(&[])
    }
}

/// Names the random numbers of one call: do not use one key for two.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Seed of the run.
    pub seed: u64,
    /// Generation.
    pub step: u64,
    /// Block of the space. Which pairs are crossed does not depend on it.
    pub block: u64,
}

/// Which pairs of a block of [`PAIRS_PER_BLOCK`] are crossed, and the random numbers that follow.
#[inline(always)]
pub(crate) fn crossed(key: Key, idx: usize, probability: f64) -> ([bool; PAIRS_PER_BLOCK], Lanes) {
    let mut coins = [0.0; PAIRS_PER_BLOCK];
    let mut rng = Lanes::new(key.seed, key.step, idx as u64);
    rng.fill_uniform_f64(&mut coins);
    if key.block > 0 {
        let salt = key.block.wrapping_mul(0x9E6C_63D0_876A_3F6B);
        rng = Lanes::new(key.seed ^ salt, key.step, idx as u64);
    }
    (coins.map(|coin| coin < probability), rng)
}

impl SbxPolynomial {
    /// Writes two children a pair into `out`, `(n, n_genes)` row-major: pair `k` fills rows `2k` and
    /// `2k + 1`; an odd last row takes the first child of the last pair. Mutation needs finite
    /// bounds; genes without stay as crossover left them. Random streams are keyed by `key` and the
    /// block of pairs.
    ///
    /// A pair that names a row out of range leaves its children unspecified.
    pub fn vary<T: Real>(
        &self,
        parents: Parents<'_, T>,
        pairs: &[[u32; 2]],
        bounds: &Bounds<T>,
        key: Key,
        threads: &Threads,
        out: &mut [T],
    ) {
        let n_genes = bounds.n_genes().max(1);
        let block_len = 2 * PAIRS_PER_BLOCK * n_genes;
        let is_worth_it = out.len() >= 1 << 14;
        threads.for_each_chunk(out, block_len, is_worth_it, |idx, rows| {
            let pairs = pairs.get(idx * PAIRS_PER_BLOCK..).unwrap_or(&[]);
            dispatch(
                #[inline(always)]
                || {
                    let (is_crossed, mut rng) = crossed(key, idx, self.crossover_probability);
                    let (rng, from) = (&mut rng, (parents, pairs));
                    // Beyond, all children are their parents.
                    let exponent = f32::from_f64(self.crossover_eta.min(1e9) + 1.0);
                    if !self.is_bounded {
                        let law = Unbounded { power: 1.0 / exponent };
                        self.cross(law, from, &is_crossed, bounds, rng, rows);
                    } else if exponent.to_bits() == USUAL_EXPONENT.to_bits() {
                        let law = Bounded::new(Whole::<16>);
                        self.cross(law, from, &is_crossed, bounds, rng, rows);
                    } else {
                        let law = Bounded::new(exponent);
                        self.cross(law, from, &is_crossed, bounds, rng, rows);
                    }
                    self.mutate(bounds, rng, rows);
                },
            );
        });
    }

    #[inline(always)]
    fn cross<T: Real>(
        &self,
        law: impl Law,
        (parents, pairs): (Parents<'_, T>, &[[u32; 2]]),
        is_crossed: &[bool],
        bounds: &Bounds<T>,
        rng: &mut Lanes,
        rows: &mut [T],
    ) {
        let n_genes = bounds.n_genes();
        let mut bits = [T::Bits::default(); GENES];
        let mut spare = [T::default(); GENES];
        let none = [0.0; GENES];
        let mut spreads = Spreads { units: none, rests: none, below: none, above: none };
        let scale = T::from_f64(1.0 / self.gene_probability);
        let children = rows.chunks_mut(2 * n_genes.max(1));
        for ((children, [a, b]), is_crossed) in children.zip(pairs).zip(is_crossed) {
            let (a, b) = (parents.row(*a, n_genes), parents.row(*b, n_genes));
            let (first, second) = children.split_at_mut(n_genes.min(children.len()));
            if !is_crossed {
                copy(a, first);
                copy(b, second);
                continue;
            }
            let mut second = second.chunks_mut(GENES);
            let lines = first.chunks_mut(GENES).zip(a.chunks(GENES)).zip(b.chunks(GENES));
            let bounds = bounds.lower.chunks(GENES).zip(bounds.upper.chunks(GENES));
            for (((first, a), b), bounds) in lines.zip(bounds) {
                let bits = bits.get_mut(..first.len()).unwrap_or_default();
                T::fill_bits(rng, bits);
                let second = second.next().unwrap_or(&mut spare);
                let children = (first, second);
                cross_genes(law, (a, b), bits, bounds, scale, &mut spreads, children);
            }
        }
    }

    /// Polynomial mutation of some genes of the rows, in the bounded form.
    #[inline(always)]
    fn mutate<T: Real>(&self, bounds: &Bounds<T>, rng: &mut Lanes, rows: &mut [T]) {
        if !(self.mutation_probability > 0.0) {
            return;
        }
        let n_genes = bounds.n_genes().max(1);
        // The gap between mutated genes is geometric: ln(u) / ln(1 - p), rounded down.
        let log_miss = numeric::f64::ln(1.0 - self.mutation_probability.min(1.0 - 1e-15));
        // Below 2^-54 the logarithm is 0, and no gene would be hit in any life time.
        if !(log_miss < 0.0) {
            return;
        }
        let mut next = 0.0_f64;
        let end = rows.len() as f64;
        loop {
            let mut gaps = [0.0; HITS];
            let n_wanted = (self.mutation_probability * (end - next)).ceil().clamp(1.0, 48.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 48")]
            let n_drawn = (n_wanted as usize + 8).next_multiple_of(8).min(HITS);
            let gaps = gaps.get_mut(..n_drawn).unwrap_or_default();
            rng.fill_uniform_f64(gaps);
            for gap in &mut *gaps {
                *gap = numeric::f64::ln(1.0 - *gap) / log_miss;
            }
            let mut hits = Hits::default();
            for gap in &*gaps {
                next += gap.floor();
                if next >= end {
                    break;
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked"
                )]
                hits.push(next as usize, n_genes, bounds, rows);
                next += 1.0;
            }
            hits.mutate(self.mutation_eta, rng);
            hits.write(bounds, n_genes, rows);
            if next >= end {
                return;
            }
        }
    }
}

#[inline(always)]
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}

/// Random numbers of some genes, then their spreads: in 32 bits, so that as many as possible are
/// computed at a time.
struct Spreads {
    units: [f32; GENES],
    rests: [f32; GENES],
    below: [f32; GENES],
    above: [f32; GENES],
}

/// Uniform in [0, 1) given that the gene is crossed, which it is when below 1.
#[inline(always)]
fn unit<T: Real>(bits: T::Bits, scale: T) -> T {
    T::unit(bits) * scale
}

/// Crosses genes; the random bits give each its coin, its spread and its side.
#[inline(always)]
fn cross_genes<T: Real, L: Law>(
    law: L,
    (a, b): (&[T], &[T]),
    bits: &[T::Bits],
    (lower, upper): (&[T], &[T]),
    scale: T,
    spreads: &mut Spreads,
    (first, second): (&mut [T], &mut [T]),
) {
    let Spreads { units, rests, below, above } = spreads;
    for (bits, (slot, rest)) in bits.iter().zip(units.iter_mut().zip(rests.iter_mut())) {
        let unit = unit::<T>(*bits, scale);
        *slot = narrow(unit);
        *rest = narrow(T::ONE - unit);
    }
    if L::IS_BOUNDED {
        let genes = a.iter().zip(b).zip(lower.iter().zip(upper));
        let ratios = below.iter_mut().zip(above.iter_mut());
        for (((a, b), (lower, upper)), (below, above)) in genes.zip(ratios) {
            let (low, high) = if a < b { (*a, *b) } else { (*b, *a) };
            let distance = high - low;
            *below = ratio(distance, low - *lower);
            *above = ratio(distance, *upper - high);
        }
    }
    let random = units.iter().zip(&*rests).take(bits.len());
    for ((unit, rest), (below, above)) in random.zip(below.iter_mut().zip(above.iter_mut())) {
        (*below, *above) = law.spreads(*unit, *rest, (*below, *above));
    }
    let genes = a.iter().zip(b).zip(lower.iter().zip(upper)).zip(bits);
    let genes = genes.zip(below.iter().zip(&*above)).zip(first.iter_mut().zip(second));
    for (((((a, b), (lower, upper)), bits), (below, above)), (first, second)) in genes {
        let (a, b) = (*a, *b);
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        let (mean, half) = (T::HALF * (low + high), T::HALF * (high - low));
        let low = (mean - half * T::from_f64(f64::from(*below))).at_least(*lower).at_most(*upper);
        let high = (mean + half * T::from_f64(f64::from(*above))).at_least(*lower).at_most(*upper);
        let (x, y) = if T::coin(*bits) { (low, high) } else { (high, low) };
        let is_crossed = unit::<T>(*bits, scale) < T::ONE;
        *first = if is_crossed { x } else { a };
        *second = if is_crossed { y } else { b };
    }
}

/// Genes under mutation, side by side.
struct Hits {
    n: usize,
    places: [usize; HITS],
    /// Distance from the lower bound, as a share of the range, before; the change of it, after.
    share: [f64; HITS],
}

impl Default for Hits {
    fn default() -> Self {
        Self { n: 0, places: [0; HITS], share: [0.5; HITS] }
    }
}

impl Hits {
    #[inline(always)]
    fn push<T: Real>(&mut self, place: usize, n_genes: usize, bounds: &Bounds<T>, rows: &[T]) {
        let column = place % n_genes;
        let lower = bounds.lower.get(column).copied().unwrap_or_default().to_f64();
        let upper = bounds.upper.get(column).copied().unwrap_or_default().to_f64();
        let gene = rows.get(place).copied().unwrap_or_default().to_f64();
        let range = upper - lower;
        if !(range > 0.0 && range.is_finite()) {
            return;
        }
        if let (Some(slot), Some(share)) = (self.places.get_mut(self.n), self.share.get_mut(self.n))
        {
            *slot = place;
            *share = (gene - lower) / range;
            self.n += 1;
        }
    }

    /// Deb's bounded polynomial law (2001): the change of each share.
    #[inline(always)]
    fn mutate(&mut self, eta: f64, rng: &mut Lanes) {
        let n = self.n.next_multiple_of(8);
        let mut units = [0.0; HITS];
        let units = units.get_mut(..n).unwrap_or_default();
        rng.fill_uniform_f64(units);
        for (share, unit) in self.share.iter_mut().zip(&*units) {
            *share = polynomial_step(*share, *unit, eta);
        }
    }

    #[inline(always)]
    fn write<T: Real>(&self, bounds: &Bounds<T>, n_genes: usize, rows: &mut [T]) {
        for (place, change) in self.places.iter().zip(&self.share).take(self.n) {
            let column = place % n_genes;
            let lower = bounds.lower.get(column).copied().unwrap_or_default();
            let upper = bounds.upper.get(column).copied().unwrap_or_default();
            if let Some(gene) = rows.get_mut(*place) {
                let moved = gene.to_f64() + change * (upper.to_f64() - lower.to_f64());
                *gene = T::from_f64(moved).at_least(lower).at_most(upper);
            }
        }
    }
}
