//! Eigenvalues of a symmetric matrix, for the condition number only.
//!
//! Householder's reduction to tridiagonal form, then QL with implicit shifts (Martin & Wilkinson
//! 1968). Vectors are never needed: sampling uses a factor.

/// Values that [`eigenvalues`] works in, the matrix among them.
pub const fn memory(n: usize) -> usize {
    n * n + 3 * n
}

/// Eigenvalues of the symmetric `n` by `n` matrix `a`, which is destroyed. They lie in `rest`, which
/// has `3 n` values.
pub fn eigenvalues<'a>(a: &mut [f64], n: usize, rest: &'a mut [f64]) -> &'a [f64] {
    let (diagonal, rest) = rest.split_at_mut(n.min(rest.len()));
    let (beside, product) = rest.split_at_mut(n.min(rest.len()));
    beside.fill(0.0);
    reduce(a, n, diagonal, beside, product);
    iterate(diagonal, beside);
    diagonal
}

/// Reduces row by row from the last: after the step for row `i`, its values left of the diagonal
/// but one are zero.
fn reduce(a: &mut [f64], n: usize, diagonal: &mut [f64], beside: &mut [f64], product: &mut [f64]) {
    for i in (0..n).rev() {
        let (above, rest) = a.split_at_mut(i * n);
        let Some((v, tail)) = rest.split_at_mut_checked(i) else { return };
        if let (Some(place), Some(value)) = (diagonal.get_mut(i), tail.first()) {
            *place = *value;
        }
        let Some((last, _)) = v.split_last() else { continue };
        let norm = v.iter().map(|value| value * value).sum::<f64>().sqrt();
        let alpha = if *last > 0.0 { -norm } else { norm };
        if let Some(place) = beside.get_mut(i) {
            *place = if i == 1 { *last } else { alpha };
        }
        if i == 1 || norm == 0.0 {
            continue;
        }
        if let Some(last) = v.last_mut() {
            *last -= alpha;
        }
        let squared: f64 = v.iter().map(|value| value * value).sum();
        if squared == 0.0 {
            continue;
        }
        let Some(product) = product.get_mut(..i) else { return };
        for (out, row) in product.iter_mut().zip(above.chunks_exact(n)) {
            let sum: f64 = row.iter().zip(v.iter()).map(|(a, v)| a * v).sum();
            *out = 2.0 * sum / squared;
        }
        let inner: f64 = product.iter().zip(v.iter()).map(|(p, v)| p * v).sum();
        for (p, v) in product.iter_mut().zip(v.iter()) {
            *p -= inner / squared * v;
        }
        for ((row, vi), pi) in above.chunks_exact_mut(n).zip(v.iter()).zip(product.iter()) {
            for ((value, vj), pj) in row.iter_mut().zip(v.iter()).zip(product.iter()) {
                *value -= vi * pj + pi * vj;
            }
        }
    }
}

/// QL with implicit shifts; `beside[i]` couples `i - 1` and `i`.
fn iterate(d: &mut [f64], e: &mut [f64]) {
    const ROUNDS_MAX: usize = 50;
    let n = d.len();
    e.rotate_left(1.min(n));
    let at = |values: &[f64], idx: usize| values.get(idx).copied().unwrap_or(0.0);
    let set = |values: &mut [f64], idx: usize, value: f64| {
        if let Some(place) = values.get_mut(idx) {
            *place = value;
        }
    };
    set(e, n.saturating_sub(1), 0.0);
    for l in 0..n {
        for _ in 0..ROUNDS_MAX {
            let is_small = |m: &usize| {
                at(e, *m).abs() <= f64::EPSILON * (at(d, *m).abs() + at(d, *m + 1).abs())
            };
            let m = (l..n.saturating_sub(1)).find(is_small).unwrap_or(n - 1);
            if m == l {
                break;
            }
            let mut g = (at(d, l + 1) - at(d, l)) / (2.0 * at(e, l));
            let mut r = (g * g + 1.0).sqrt();
            g = at(d, m) - at(d, l) + at(e, l) / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut is_whole = true;
            for i in (l..m).rev() {
                let f = s * at(e, i);
                let b = c * at(e, i);
                r = (f * f + g * g).sqrt();
                set(e, i + 1, r);
                if r == 0.0 {
                    let value = at(d, i + 1) - p;
                    set(d, i + 1, value);
                    set(e, m, 0.0);
                    is_whole = false;
                    break;
                }
                s = f / r;
                c = g / r;
                g = at(d, i + 1) - p;
                r = (at(d, i) - g) * s + 2.0 * c * b;
                p = s * r;
                set(d, i + 1, g + p);
                g = c * r - b;
            }
            if is_whole {
                let value = at(d, l) - p;
                set(d, l, value);
                set(e, l, g);
                set(e, m, 0.0);
            }
        }
    }
}
