//! The covariance and its parts against what they stand for.

use crate::Threads;
use crate::cma::decomposition::Decomposition;
use crate::cma::eigen;
use crate::cma::full::Factor;
use crate::cma::kernel::{TILE_ROWS, padded};

fn covariance(factor: &Factor) -> Vec<f64> {
    let mut out = vec![0.0; 25];
    factor.covariance(&mut out);
    out
}

#[test]
fn an_update_of_the_factor_is_the_update_of_the_covariance() {
    for is_square in [false, true] {
        update_is_that_of_the_covariance(is_square);
    }
}

fn update_is_that_of_the_covariance(is_square: bool) {
    let n = 5;
    let width = padded(n);
    let threads = Threads::one();
    let mut factor = Factor::new(&[1.0, 2.0, 0.5, 1.5, 3.0]);
    let mut z = vec![0.0; TILE_ROWS * width];
    for (row, values) in z.chunks_exact_mut(width).enumerate() {
        for (idx, value) in values.iter_mut().take(n).enumerate() {
            *value = ((row * 7 + idx * 3) % 11) as f64 / 5.0 - 1.0;
        }
    }
    let mut path = z[..width].to_vec();
    for _ in 0..3 {
        let before = covariance(&factor);
        let mut y = vec![0.0; z.len()];
        factor.apply(&z, &mut y, &threads);
        let mut path_y = y.clone();
        let mut padded_path = path.clone();
        padded_path.resize(TILE_ROWS * width, 0.0);
        factor.apply(&padded_path, &mut path_y, &threads);
        let gains = [0.1, 0.3, -0.02, 0.05];
        factor.begin(is_square);
        for (gain, (y, z)) in gains.iter().zip(y.chunks_exact(width).zip(z.chunks_exact(width))) {
            factor.push(*gain, y, z);
        }
        factor.finish(0.8, &mut path, &threads);
        let after = covariance(&factor);
        for i in 0..n {
            for j in 0..n {
                let added = gains.iter().zip(y.chunks_exact(width));
                let added: f64 = added.map(|(gain, y)| gain * y[i] * y[j]).sum();
                let expected = 0.8 * before[i * n + j] + added;
                assert!((after[i * n + j] - expected).abs() < 1e-12);
            }
        }
        // The path keeps its direction in the coordinates of genes.
        let mut moved = vec![0.0; TILE_ROWS * width];
        padded_path[..width].copy_from_slice(&path);
        factor.apply(&padded_path, &mut moved, &threads);
        for (new, old) in moved.iter().zip(&path_y).take(n) {
            assert!((new - old).abs() < 1e-12, "{new} {old}");
        }
        let mut solved = vec![0.0; width];
        factor.solve(&moved[..width], &mut solved);
        assert!(solved.iter().zip(&path).all(|(a, b)| (a - b).abs() < 1e-10));
    }
}

#[test]
fn eigenvalues_of_known_matrices() {
    let close = |a: &mut [f64], n: usize, expected: &[f64]| {
        let mut memory = vec![f64::NAN; eigen::memory(n) - n * n];
        let mut values = eigen::eigenvalues(a, n, &mut memory).to_vec();
        values.sort_by(f64::total_cmp);
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-12 * expected.abs().max(1.0), "{values:?}");
        }
    };
    close(&mut [3.0], 1, &[3.0]);
    close(&mut [2.0, 1.0, 1.0, 2.0], 2, &[1.0, 3.0]);
    // The second difference of 6 points: 2 - 2 cos(k pi / 7).
    let n = 6_usize;
    let mut a: Vec<f64> = (0..n * n)
        .map(|at| match (at / n).abs_diff(at % n) {
            0 => 2.0,
            1 => -1.0,
            _ => 0.0,
        })
        .collect();
    let angle = |k: i32| 2.0 - 2.0 * (f64::from(k) * std::f64::consts::PI / 7.0).cos();
    close(&mut a, n, &(1..=6).map(angle).collect::<Vec<_>>());
    // A reflection of diag(1, 2, 3, 4).
    let v = [0.5, 0.5, -0.5, 0.5];
    let reflect = |i: usize, k: usize| f64::from(u8::from(i == k)) - 2.0 * v[i] * v[k];
    let element = |i: usize, j: usize| {
        (0..4).map(|k| reflect(i, k) * (k as f64 + 1.0) * reflect(j, k)).sum::<f64>()
    };
    let mut a: Vec<f64> = (0..16).map(|at| element(at / 4, at % 4)).collect();
    close(&mut a, 4, &[1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn the_parts_of_a_matrix_are_kept_until_it_changes() {
    let (n, width) = (3, padded(3));
    let columns = |scale: f64| {
        let mut columns = vec![0.0; width * width];
        for (at, value) in [(0, 0.0), (1, 2.0), (2, 1.0), (8, 4.0), (17, 1.0), (18, 3.0)] {
            columns[at] = scale * value;
        }
        columns
    };
    let mut parts = Decomposition::default();
    let (y, mut z) = ([8.0, 7.0, 10.0, 0.0, 0.0, 0.0, 0.0, 0.0], [f64::NAN; 8]);
    for (scale, seen) in [(1.0, 1.0), (2.0, 1.0), (2.0, 2.0)] {
        if seen == 2.0 {
            parts.invalidate();
        }
        parts.prepare(&columns(scale), n);
        parts.solve(&y, &mut z);
        // 4 z1 = 8, 2 z0 + z2 = 7, z0 + 3 z2 = 10.
        for (value, expected) in z.iter().zip([2.2, 2.0, 2.6, 0.0]) {
            assert!((value - expected / seen).abs() < 1e-14, "{z:?}");
        }
    }
}
