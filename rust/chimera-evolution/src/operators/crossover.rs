//! Crossover of two rows into two, and of three real rows into one.
//!
//! Children are written over copies of the parents. Real crossovers may leave the bounds; repair
//! after. Simulated binary crossover is in [`super::sbx`], that of permutations in
//! [`super::permutation`].

use chimera_rng::Stream;

use crate::numeric::Real;

/// Swaps the genes between random cuts (Holland, 1975; De Jong, 1975 for many). One point leaves the
/// head with its parent, two points swap a middle, and so on.
pub fn n_point<T>(n_points: usize, rng: &mut Stream, a: &mut [T], b: &mut [T]) {
    let n = a.len().min(b.len());
    // A cut before gene 0 changes nothing; cuts may coincide, which cancels them.
    let mut is_swapped = false;
    let mut cuts = [0_usize; 16];
    let n_points = n_points.min(cuts.len());
    let cuts = cuts.get_mut(..n_points).unwrap_or_default();
    for cut in &mut *cuts {
        *cut = 1 + rng.below(n.saturating_sub(1));
    }
    cuts.sort_unstable();
    let mut cuts = cuts.iter().peekable();
    for (idx, (a, b)) in a.iter_mut().zip(b).enumerate() {
        while cuts.next_if_eq(&&idx).is_some() {
            is_swapped = !is_swapped;
        }
        if is_swapped {
            std::mem::swap(a, b);
        }
    }
}

/// Swaps each gene with a probability (Syswerda, 1989).
pub fn uniform<T>(probability: f64, rng: &mut Stream, a: &mut [T], b: &mut [T]) {
    for (a, b) in a.iter_mut().zip(b) {
        if rng.chance(probability) {
            std::mem::swap(a, b);
        }
    }
}

/// Weighted means of the parents with one random weight a pair (Michalewicz, 1992).
pub fn arithmetic<T: Real>(rng: &mut Stream, a: &mut [T], b: &mut [T]) {
    let weight = T::from_f64(rng.uniform());
    for (a, b) in a.iter_mut().zip(b) {
        let (x, y) = (*a, *b);
        *a = y + weight * (x - y);
        *b = x + weight * (y - x);
    }
}

/// Each gene uniform in the parents' interval, widened by `alpha` of its length on either side:
/// BLX-alpha (Eshelman & Schaffer, 1993).
pub fn blend<T: Real>(alpha: f64, rng: &mut Stream, a: &mut [T], b: &mut [T]) {
    for (a, b) in a.iter_mut().zip(b) {
        let (x, y) = (*a, *b);
        let mut draw = || T::from_f64(rng.uniform() * (1.0 + 2.0 * alpha) - alpha);
        *a = x + draw() * (y - x);
        *b = y + draw() * (x - y);
    }
}

/// Standard deviations of [`parent_centric`].
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// Along the line from the centre to the parent.
    pub along: f64,
    /// Across it, in units of the other parents' mean distance from that line.
    pub across: f64,
}

/// Parent-centric crossover, PCX (Deb, Anand & Joshi, 2002): `child` comes in as the main parent and
/// leaves as a normal sample around it, stretched along the direction from the centre of all three.
pub fn parent_centric<T: Real>(
    spread: Spread,
    rng: &mut Stream,
    child: &mut [T],
    second: &[T],
    third: &[T],
) {
    let third_of = 1.0 / 3.0;
    let rows = || child.iter().zip(second.iter().zip(third));
    let direction =
        |x: T, y: T, z: T| x.to_f64() - (x.to_f64() + y.to_f64() + z.to_f64()) * third_of;
    let mut length = 0.0;
    let mut dots = [0.0; 2];
    let mut squares = [0.0; 2];
    for (x, (y, z)) in rows() {
        let d = direction(*x, *y, *z);
        let to = [y.to_f64() - x.to_f64(), z.to_f64() - x.to_f64()];
        length += d * d;
        for ((dot, square), to) in dots.iter_mut().zip(&mut squares).zip(to) {
            *dot += d * to;
            *square += to * to;
        }
    }
    // Mean distance of the other parents from the line through the main one.
    let across = dots
        .iter()
        .zip(&squares)
        .map(|(dot, square)| {
            let along = if length > 0.0 { dot * dot / length } else { 0.0 };
            (square - along).max(0.0).sqrt()
        })
        .sum::<f64>()
        / 2.0;
    let along = spread.along * rng.normal();
    let wide = spread.across * across;
    // Normals in all directions, less their part along the line, span the other directions.
    let restart = rng.clone();
    let mut part = 0.0;
    for (x, (y, z)) in rows() {
        part += rng.normal() * direction(*x, *y, *z);
    }
    let part = if length > 0.0 { part / length } else { 0.0 };
    let mut again = restart;
    for (x, (y, z)) in child.iter_mut().zip(second.iter().zip(third)) {
        let d = direction(*x, *y, *z);
        let step = along * d + wide * (again.normal() - part * d);
        *x = T::from_f64(x.to_f64() + step);
    }
}

/// Simplex crossover, SPX (Tsutsui, Yamamura & Higuchi, 1999), of three parents: `child` becomes
/// uniform in their triangle, expanded by `rate` about its centre; sqrt(4) = 2 keeps the variance.
pub fn simplex<T: Real>(rate: f64, rng: &mut Stream, child: &mut [T], second: &[T], third: &[T]) {
    // Uniform weights of the corners: gaps between two sorted uniforms (Devroye, 1986).
    let (u, v) = (rng.uniform(), rng.uniform());
    let (low, high) = if u < v { (u, v) } else { (v, u) };
    let weights = [low, high - low, 1.0 - high];
    for (x, (y, z)) in child.iter_mut().zip(second.iter().zip(third)) {
        let corners = [x.to_f64(), y.to_f64(), z.to_f64()];
        let centre = corners.iter().sum::<f64>() / 3.0;
        let point: f64 =
            corners.iter().zip(weights).map(|(corner, weight)| weight * (corner - centre)).sum();
        *x = T::from_f64(centre + rate * point);
    }
}
