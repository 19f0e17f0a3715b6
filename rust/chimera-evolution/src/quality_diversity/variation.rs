//! Iso+line variation (Vassiliades & Mouret, 2018): `x_i + s_iso N(0, I) + s_line (x_j - x_i) N(0, 1)`.
//!
//! Rows are varied in chunks of a fixed length, one set of random streams a chunk, so the result
//! depends neither on threads nor on what else is varied. Children are clipped to the bounds. The
//! isotropic noise has 32 bits in either precision, which halves the cost of a child: it is a small
//! step away from a gene of full precision, and nothing depends on its last digits.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use chimera_rng::{Lanes, Stream};
use serde::{Deserialize, Serialize};

use super::Real;
use crate::algorithm::Context;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::numeric::{fill_normal_f32, fill_normal_f64};
use crate::space::Block;

/// Rows that share random streams.
const CHUNK_ROWS: usize = 16;
/// Genes whose noise is drawn at a time, on the stack; whole steps of the generator.
const NOISE_LEN: usize = 256;

/// The operator and the bounds it respects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "T: Real")]
pub struct IsoLine<T> {
    lower: Vec<T>,
    upper: Vec<T>,
    /// Standard deviation of the isotropic part, per gene.
    scale: Vec<T>,
    line_sigma: f64,
}

/// What children are made from.
#[derive(Clone, Copy, Debug)]
pub struct Parents<'a, T> {
    /// `(n, n_genes)`.
    pub solutions: &'a Matrix<T>,
    /// `(n, 1)`.
    pub ids: &'a Matrix<u64>,
    /// Rows from which parents are chosen uniformly; all when empty.
    pub pool: &'a [u32],
}

impl<T: Vary> IsoLine<T> {
    /// The operator on a bounded block; `iso_sigma` is a share of each gene's range.
    ///
    /// # Errors
    /// An infinite bound, a negative or infinite sigma.
    pub fn new(block: &Block, iso_sigma: f64, line_sigma: f64) -> Result<Self> {
        if !block.is_bounded() {
            return Err(Error::setting(
                format!("bounds of {}", block.name),
                "finite bounds, from which the first solutions are drawn",
                "an infinite one",
            ));
        }
        for (name, sigma) in [("iso_sigma", iso_sigma), ("line_sigma", line_sigma)] {
            if !(sigma >= 0.0 && sigma.is_finite()) {
                return Err(Error::setting(name, "a finite value of at least 0", sigma));
            }
        }
        let ranges = || block.lower.iter().zip(&block.upper);
        Ok(Self {
            lower: block
                .lower
                .iter()
                .map(|bound| T::inside(*bound, *bound, f64::INFINITY))
                .collect(),
            upper: block
                .upper
                .iter()
                .map(|bound| T::inside(*bound, f64::NEG_INFINITY, *bound))
                .collect(),
            scale: ranges().map(|(low, high)| T::nearest(iso_sigma * (high - low))).collect(),
            line_sigma,
        })
    }

    /// Whether it belongs to this block: what is loaded may not.
    pub fn fits(&self, block: &Block) -> bool {
        let are = |values: &[T], bounds: &[f64]| {
            values.len() == bounds.len()
                && values.iter().zip(bounds).all(|(value, bound)| value.wide() == *bound)
        };
        let is_deviation = |value: f64| value >= 0.0 && value.is_finite();
        block.is_bounded()
            && are(&self.lower, &block.lower)
            && are(&self.upper, &block.upper)
            && self.scale.len() == self.lower.len()
            && self.scale.iter().all(|scale| is_deviation(scale.wide()))
            && is_deviation(self.line_sigma)
    }

    /// Writes `n_rows` children and, per child, its two parents' identities.
    pub fn vary(
        &self,
        n_rows: usize,
        parents: &Parents<'_, T>,
        context: &Context,
        children: &mut Matrix<T>,
        lineage: &mut Matrix<u64>,
    ) {
        let n = self.scale.len().max(1);
        let lineage = lineage.reset(n_rows, 2);
        let children = children.reset(n_rows, n);
        let is_worth_it = n_rows * n > 1 << 15;
        // Which parents: cheap, and one stream a row.
        for (row, pair) in lineage.chunks_exact_mut(2).enumerate() {
            let id = context.first_id.wrapping_add(row as u64);
            let mut rng = Stream::new(context.seed, context.generation, id);
            for parent in pair {
                *parent = match parents.pool {
                    [] => rng.below(parents.solutions.n_rows()) as u64,
                    pool => u64::from(rng.choose(pool).copied().unwrap_or(0)),
                };
            }
        }
        let rows: &[u64] = lineage;
        context.threads.for_each_chunk(children, CHUNK_ROWS * n, is_worth_it, |chunk, children| {
            let first = chunk * CHUNK_ROWS;
            let id = context.first_id.wrapping_add(first as u64);
            let pairs = rows.get(2 * first..).unwrap_or_default();
            crate::simd::dispatch(
                #[inline(always)]
                || self.chunk(children, pairs, parents, (context.seed, context.generation, id)),
            );
        });
        for parent in lineage {
            let row = usize::try_from(*parent).unwrap_or(usize::MAX);
            *parent = parents.ids.row(row).first().copied().unwrap_or(crate::NO_PARENT);
        }
    }

    #[inline(always)]
    fn chunk(
        &self,
        children: &mut [T],
        pairs: &[u64],
        parents: &Parents<'_, T>,
        key: (u64, u64, u64),
    ) {
        let n = self.scale.len().max(1);
        let mut lines = [0.0; CHUNK_ROWS];
        T::normals(key, children, &mut lines);
        let (pairs, _) = pairs.as_chunks::<2>();
        let rows = children.chunks_exact_mut(n).zip(pairs).zip(lines);
        for ((child, [first, second]), line) in rows {
            let row = |row: u64| parents.solutions.row(usize::try_from(row).unwrap_or(usize::MAX));
            let line = T::nearest(self.line_sigma * line);
            let bounds = self.lower.iter().zip(&self.upper);
            let genes = child.iter_mut().zip(row(*first)).zip(row(*second));
            for (((gene, a), b), (scale, (lower, upper))) in
                genes.zip(self.scale.iter().zip(bounds))
            {
                *gene = T::blend(*a, *b, *scale, *gene, line).within(*lower, *upper);
            }
        }
    }
}

/// Arithmetic of the operator in one precision.
pub trait Vary: Real {
    /// The number of this type nearest to `value` that lies in `[lower, upper]`.
    fn inside(value: f64, lower: f64, upper: f64) -> Self;

    /// `a + scale * noise + line * (b - a)`.
    #[must_use]
    fn blend(a: Self, b: Self, scale: Self, noise: Self, line: Self) -> Self;

    /// Clipped.
    #[must_use]
    fn within(self, lower: Self, upper: Self) -> Self;

    /// Standard normals for a chunk of genes, and one per row.
    fn normals(key: (u64, u64, u64), genes: &mut [Self], rows: &mut [f64]);
}

impl Vary for f64 {
    fn inside(value: f64, _lower: f64, _upper: f64) -> Self {
        value
    }

    #[inline(always)]
    fn blend(a: Self, b: Self, scale: Self, noise: Self, line: Self) -> Self {
        a + scale * noise + line * (b - a)
    }

    #[inline(always)]
    fn within(self, lower: Self, upper: Self) -> Self {
        let value = if self > lower { self } else { lower };
        if value < upper { value } else { upper }
    }

    #[inline(always)]
    fn normals(key: (u64, u64, u64), genes: &mut [Self], rows: &mut [f64]) {
        let mut rng = Lanes::new(key.0, key.1, key.2);
        let mut narrow = [0.0_f32; NOISE_LEN];
        for genes in genes.chunks_mut(NOISE_LEN) {
            let Some(narrow) = narrow.get_mut(..genes.len()) else { return };
            fill_normal_f32(&mut rng, narrow);
            for (gene, noise) in genes.iter_mut().zip(narrow) {
                *gene = Self::from(*noise);
            }
        }
        fill_normal_f64(&mut rng, rows);
    }
}

impl Vary for f32 {
    fn inside(value: f64, lower: f64, upper: f64) -> Self {
        let near = Self::nearest(value);
        if near.wide() < lower {
            near.next_up()
        } else if near.wide() > upper {
            near.next_down()
        } else {
            near
        }
    }

    #[inline(always)]
    fn blend(a: Self, b: Self, scale: Self, noise: Self, line: Self) -> Self {
        a + scale * noise + line * (b - a)
    }

    #[inline(always)]
    fn within(self, lower: Self, upper: Self) -> Self {
        let value = if self > lower { self } else { lower };
        if value < upper { value } else { upper }
    }

    #[inline(always)]
    fn normals(key: (u64, u64, u64), genes: &mut [Self], rows: &mut [f64]) {
        let mut rng = Lanes::new(key.0, key.1, key.2);
        fill_normal_f32(&mut rng, genes);
        fill_normal_f64(&mut rng, rows);
    }
}
