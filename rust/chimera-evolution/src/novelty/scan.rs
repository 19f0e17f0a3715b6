//! The blocked scan: exact neighbours in many dimensions.
//!
//! Written as `x·y - |y|²/2`, the distance of a pair is a matrix product (as in every flat index).
//! Tiles of it are computed in 32 bits, in registers, over blocks of points that stay in the cache.
//! Rounding of a tile is bounded by `(d + 8) u (|x|² + |y|²)`, after centring and scaling by a power
//! of two; a pair is dropped only when it lies beyond the worst neighbour by more than that bound.
//! What passes is measured again by [`squared_distance`], so rounding never decides.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use pulp::{Simd, WithSimd};

use super::nearest::{Nearest, squared_distance};
use super::{Neighbours, Query, own};
use crate::quality_diversity::Real;
use crate::threads::Threads;

/// Floats of a packed block of points: 1 MiB, which second-level caches hold.
const BLOCK_FLOATS: usize = 1 << 18;
/// Vectors of points side by side in a tile.
const N_VECTORS: usize = 2;
/// Rows of a tile: with 32 vector registers, and with 16.
const WIDE: usize = 12;
const NARROW: usize = 6;
/// Most floats in a vector.
const LANES_MAX: usize = 16;
/// Threshold that every point reaches and padding does not: finite, since the test subtracts it from
/// the negative infinity of the padding, and infinity less infinity is no number.
const LEAST: f32 = f32::MIN;

/// What a scan works on, kept for the next one.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    centre: Vec<f64>,
    block: Block,
    wide: Vec<Tile<WIDE>>,
    narrow: Vec<Tile<NARROW>>,
}

/// Writes the `found.k` nearest points of every query into `found`, which holds none yet.
pub(super) fn scan<T: Real>(
    query: &Query<'_, T>,
    threads: &Threads,
    memory: &mut Memory,
    found: &mut Neighbours,
) {
    let Memory { centre, block, wide, narrow } = memory;
    match pulp::Arch::new().dispatch(Lanes) {
        LANES_MAX => {
            let scan = Scan::<T, WIDE>::new(query, found.k, LANES_MAX, centre);
            scan.run(threads, block, wide, found);
        }
        lanes => {
            let scan = Scan::<T, NARROW>::new(query, found.k, lanes, centre);
            scan.run(threads, block, narrow, found);
        }
    }
}

/// How many floats this processor's vectors hold.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> usize {
        S::F32_LANES
    }
}

/// Rows of queries whose products with a panel of points are computed together.
#[derive(Clone, Debug)]
struct Tile<const M: usize> {
    first_row: usize,
    /// Dimension by dimension, centred and scaled.
    packed: Vec<[f32; M]>,
    /// What a product must reach to be measured again.
    thresholds: [f32; M],
    norms: [f64; M],
    n_found: [usize; M],
    /// `k` of each query.
    found: Vec<(f64, u32)>,
}

impl<const M: usize> Tile<M> {
    const fn new() -> Self {
        Self {
            first_row: 0,
            packed: Vec::new(),
            thresholds: [f32::INFINITY; M],
            norms: [0.0; M],
            n_found: [0; M],
            found: Vec::new(),
        }
    }
}

/// A block of points: panels of [`N_VECTORS`] vectors, dimension by dimension.
#[derive(Clone, Debug, Default)]
struct Block {
    first_point: usize,
    n_points: usize,
    values: Vec<f32>,
    /// First value on a cache line.
    start: usize,
    /// `-|y|²/2` with its share of the bound; negative infinity past the last point.
    offsets: Vec<f32>,
}

struct Scan<'a, T, const M: usize> {
    query: &'a Query<'a, T>,
    k: usize,
    lanes: usize,
    centre: &'a [f64],
    scale: f64,
    slack: f64,
}

impl<'a, T: Real, const M: usize> Scan<'a, T, M> {
    fn new(query: &'a Query<'a, T>, k: usize, lanes: usize, centre: &'a mut Vec<f64>) -> Self {
        let n = query.n_dimensions;
        let n_points = (query.points.len() / n) as f64;
        centre.clear();
        centre.resize(n, 0.0);
        for row in query.points.chunks_exact(n) {
            for (sum, value) in centre.iter_mut().zip(row) {
                *sum += value.wide();
            }
        }
        for sum in centre.iter_mut() {
            // A sum that overflows leaves that dimension where it is.
            *sum = if sum.is_finite() { *sum / n_points } else { 0.0 };
        }
        let reach = |centre: &[f64]| {
            let rows = query.points.chunks_exact(n).chain(query.queries.chunks_exact(n));
            rows.flat_map(|row| row.iter().zip(centre))
                .fold(0.0_f64, |most, (value, centre)| most.max((value.wide() - centre).abs()))
        };
        let mut largest = reach(centre);
        if largest.is_infinite() {
            // Values at both ends of what doubles hold: their differences overflow, they do not.
            centre.fill(0.0);
            largest = reach(centre);
        }
        let scale = power_of_two_below(1.0 / largest);
        let slack = 1.05 * (n + 8) as f64 * f64::from(f32::EPSILON) / 2.0;
        Self { query, k, lanes, centre, scale, slack }
    }

    fn run(
        &self,
        threads: &Threads,
        block: &mut Block,
        tiles: &mut Vec<Tile<M>>,
        found: &mut Neighbours,
    ) {
        let n = self.query.n_dimensions;
        let n_points = self.query.points.len() / n;
        let n_queries = self.query.queries.len() / n;
        tiles.resize_with(n_queries.div_ceil(M), Tile::new);
        for (tile, first_row) in tiles.iter_mut().zip((0..).step_by(M)) {
            self.fill(tile, first_row);
        }
        let width = N_VECTORS * self.lanes;
        let block_len = (BLOCK_FLOATS / n / width).max(1) * width;
        for first_point in (0..n_points).step_by(block_len) {
            self.pack(first_point, block_len.min(n_points - first_point), block);
            let is_worth_it = block.n_points * n_queries * n > 1 << 18;
            let block = &*block;
            threads.for_each_chunk(tiles, 8, is_worth_it, |_, tiles| {
                for tile in tiles {
                    pulp::Arch::new().dispatch(Sweep { scan: self, tile, block });
                }
            });
        }
        for tile in tiles {
            let n_rows = M.min(n_queries - tile.first_row);
            let rows = tile.found.get(..n_rows * self.k).unwrap_or_default();
            found.distances.extend(rows.iter().map(|row| row.0));
            found.indices.extend(rows.iter().map(|row| row.1));
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the bound allows for this rounding")]
    fn centred(&self, row: &[T]) -> impl Iterator<Item = f32> {
        let shifted = row.iter().zip(self.centre);
        shifted.map(|(value, centre)| ((value.wide() - centre) * self.scale) as f32)
    }

    /// Makes a tile that of the queries from `first_row` on.
    fn fill(&self, tile: &mut Tile<M>, first_row: usize) {
        let n = self.query.n_dimensions;
        let Tile { mut packed, mut found, .. } = std::mem::replace(tile, Tile::new());
        packed.clear();
        packed.resize(n, [0.0; M]);
        found.clear();
        found.resize(M * self.k, (f64::INFINITY, u32::MAX));
        *tile = Tile { first_row, packed, found, ..Tile::new() };
        let rows = self.query.queries.chunks_exact(n).skip(first_row);
        let states = tile.thresholds.iter_mut().zip(&mut tile.norms).enumerate();
        for ((idx, (threshold, norm)), row) in states.zip(rows) {
            *threshold = LEAST;
            for (place, value) in tile.packed.iter_mut().zip(self.centred(row)) {
                *norm += f64::from(value) * f64::from(value);
                if let Some(place) = place.get_mut(idx) {
                    *place = value;
                }
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the bound allows for this rounding")]
    fn pack(&self, first_point: usize, n_points: usize, block: &mut Block) {
        let n = self.query.n_dimensions;
        let width = N_VECTORS * self.lanes;
        let n_panels = n_points.div_ceil(width);
        block.first_point = first_point;
        block.n_points = n_points;
        block.values.resize(n_panels * width * n + LANES_MAX, 0.0);
        block.start = block.values.as_ptr().align_offset(64).min(LANES_MAX);
        block.offsets.clear();
        block.offsets.resize(n_panels * width, f32::NEG_INFINITY);
        let values = block.values.get_mut(block.start..).unwrap_or_default();
        let panels = values.chunks_exact_mut(width * n).zip(block.offsets.chunks_exact_mut(width));
        let mut rows = self.query.points.chunks_exact(n).skip(first_point).take(n_points);
        for (panel, offsets) in panels {
            for (lane, offset) in offsets.iter_mut().enumerate() {
                let Some(row) = rows.next() else { break };
                let mut norm = 0.0;
                let column = panel.iter_mut().skip(lane).step_by(width);
                for (place, value) in column.zip(self.centred(row)) {
                    *place = value;
                    norm += f64::from(value) * f64::from(value);
                }
                *offset = (norm * (self.slack - 0.5)) as f32;
            }
        }
    }

    /// What a product must reach when the worst neighbour has this distance.
    #[expect(clippy::cast_possible_truncation, reason = "rounded down by the last term")]
    fn threshold(&self, norm: f64, worst: f64) -> f32 {
        if worst <= 0.0 {
            // Nothing is nearer, and equals come later.
            return f32::INFINITY;
        }
        let exact = (norm - worst * self.scale * self.scale) / 2.0 - self.slack * norm;
        (exact - exact.abs() * f64::from(f32::EPSILON) - 1e-37) as f32
    }

    /// Measures the points of a panel whose products reach the threshold of one query.
    #[inline(always)]
    fn measure(&self, tile: &mut Tile<M>, idx: usize, first_point: usize, products: &[f32]) {
        let n = self.query.n_dimensions;
        let row = tile.first_row + idx;
        let Some(query) = self.query.queries.get(row * n..(row + 1) * n) else { return };
        let Some(threshold) = tile.thresholds.get_mut(idx) else { return };
        let range = idx * self.k..(idx + 1) * self.k;
        let Some(found) = tile.found.get_mut(range) else { return };
        let Some(n_found) = tile.n_found.get_mut(idx) else { return };
        let norm = tile.norms.get(idx).copied().unwrap_or(0.0);
        let mut nearest = Nearest::new(found, *n_found, own(self.query, row));
        for (product, point) in products.iter().zip(first_point..) {
            if !(*product >= *threshold) {
                continue;
            }
            let Some(values) = self.query.points.get(point * n..(point + 1) * n) else { break };
            let distance = squared_distance(query, values);
            if distance <= nearest.worst() {
                #[expect(clippy::cast_possible_truncation, reason = "checked on entry")]
                nearest.offer(distance, point as u32);
                if nearest.worst() < f64::INFINITY {
                    *threshold = self.threshold(norm, nearest.worst());
                }
            }
        }
        *n_found = nearest.n();
    }
}

/// One tile of queries against one block of points.
struct Sweep<'a, 'b, T, const M: usize> {
    scan: &'a Scan<'b, T, M>,
    tile: &'a mut Tile<M>,
    block: &'a Block,
}

impl<T: Real, const M: usize> WithSimd for Sweep<'_, '_, T, M> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { scan, tile, block } = self;
        let n = scan.query.n_dimensions;
        let values = block.values.get(block.start..).unwrap_or_default();
        let width = N_VECTORS * S::F32_LANES;
        let (vectors, _) = S::as_simd_f32s(&block.offsets);
        let (offsets, _) = vectors.as_chunks::<N_VECTORS>();
        let panels = values.chunks_exact(width * n).zip(offsets);
        let mut products = [0.0; N_VECTORS * LANES_MAX];
        for ((panel, offsets), first) in panels.zip((block.first_point..).step_by(width)) {
            let (vectors, _) = S::as_simd_f32s(panel);
            let (columns, _) = vectors.as_chunks::<N_VECTORS>();
            let sums = multiply(simd, &tile.packed, columns, *offsets);
            let mut most = simd.splat_f32s(f32::NEG_INFINITY);
            for ([left, right], threshold) in sums.iter().zip(&tile.thresholds) {
                let row = simd.max_f32s(*left, *right);
                let excess = simd.sub_f32s(row, simd.splat_f32s(*threshold));
                most = simd.max_f32s(most, excess);
            }
            if !(simd.reduce_max_f32s(most) >= 0.0) {
                continue;
            }
            for (idx, [left, right]) in sums.iter().enumerate() {
                let threshold = tile.thresholds.get(idx).copied().unwrap_or(f32::INFINITY);
                if simd.reduce_max_f32s(simd.max_f32s(*left, *right)) >= threshold {
                    let (out, _) = S::as_mut_simd_f32s(&mut products);
                    for (out, sums) in out.iter_mut().zip([*left, *right]) {
                        *out = sums;
                    }
                    let products = products.get(..width).unwrap_or_default();
                    scan.measure(tile, idx, first, products);
                }
            }
        }
    }
}

/// `offsets + queries · points` of one tile, all sums in registers.
#[inline(always)]
fn multiply<S: Simd, const M: usize>(
    simd: S,
    queries: &[[f32; M]],
    points: &[[S::f32s; N_VECTORS]],
    offsets: [S::f32s; N_VECTORS],
) -> [[S::f32s; N_VECTORS]; M] {
    let mut sums = [offsets; M];
    for (queries, [left, right]) in queries.iter().zip(points) {
        for ([sum_left, sum_right], value) in sums.iter_mut().zip(queries) {
            let value = simd.splat_f32s(*value);
            *sum_left = simd.mul_add_e_f32s(value, *left, *sum_left);
            *sum_right = simd.mul_add_e_f32s(value, *right, *sum_right);
        }
    }
    sums
}

/// The largest power of two that is at most `value`, for positive ones; otherwise 1. Subnormal values
/// count: they are the scale of points near the greatest double.
fn power_of_two_below(value: f64) -> f64 {
    const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    if !(value > 0.0 && value.is_finite()) {
        return 1.0;
    }
    let bits = value.to_bits();
    let exponent = bits >> FRACTION_BITS << FRACTION_BITS;
    f64::from_bits(if exponent > 0 { exponent } else { 1 << bits.ilog2() })
}
