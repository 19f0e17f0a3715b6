use chimera_rng::Stream;

use crate::operators::{Bounds, Key, Parents, SbxPolynomial};
use crate::threads::Threads;

const KEY: Key = Key { seed: 1, step: 1, block: 0 };

fn bounds(n_genes: usize) -> Bounds<f64> {
    Bounds { lower: vec![-1.0; n_genes], upper: vec![2.0; n_genes] }
}

fn uniform_rows(n: usize, n_genes: usize) -> Vec<f64> {
    let mut rng = Stream::new(7, 0, 0);
    (0..n * n_genes).map(|_| 3.0 * rng.uniform() - 1.0).collect()
}

fn pairs(n: usize) -> Vec<[u32; 2]> {
    (0..u32::try_from(n).unwrap()).map(|k| [2 * k, 2 * k + 1]).collect()
}

fn vary(settings: &SbxPolynomial, rows: &[f64], n_genes: usize, threads: usize) -> Vec<f64> {
    let n = rows.len() / n_genes;
    let mut out = vec![f64::NAN; rows.len()];
    let threads = Threads::new(threads).unwrap();
    let parents = Parents { rows, more: &[] };
    settings.vary(
        parents,
        &pairs(n.div_ceil(2)),
        &bounds(n_genes),
        Key { seed: 3, step: 4, block: 0 },
        &threads,
        &mut out,
    );
    out
}

#[test]
fn test_children_stay_within_bounds_on_any_number_of_threads() {
    for n_genes in [1, 7, 100, 300] {
        let rows = uniform_rows(202, n_genes);
        let settings = SbxPolynomial { mutation_probability: 0.3, ..SbxPolynomial::usual(n_genes) };
        let one = vary(&settings, &rows, n_genes, 1);
        assert!(one.iter().all(|gene| (-1.0..=2.0).contains(gene)));
        assert_eq!(one, vary(&settings, &rows, n_genes, 3));
    }
}

#[test]
fn test_nothing_changes_at_probability_0() {
    let rows = uniform_rows(64, 5);
    let usual = SbxPolynomial::usual(5);
    let settings = SbxPolynomial { crossover_probability: 0.0, mutation_probability: 0.0, ..usual };
    assert_eq!(vary(&settings, &rows, 5, 1), rows);
    let settings = SbxPolynomial { gene_probability: 1e-12, mutation_probability: 0.0, ..usual };
    assert_eq!(vary(&settings, &rows, 5, 1), rows);
}

#[test]
fn test_equal_parents_give_equal_children_under_crossover() {
    let rows = vec![0.3; 40 * 9];
    let settings = SbxPolynomial { mutation_probability: 0.0, ..SbxPolynomial::usual(9) };
    assert_eq!(vary(&settings, &rows, 9, 1), rows);
}

#[test]
fn test_spread_follows_the_law_of_deb_and_agrawal() {
    // The spread beta has P(beta <= 1) = 1/2 and P(beta <= b) = b^(eta + 1) / 2 below 1.
    let n = 40_000_u32;
    let rows: Vec<f64> = (0..n).map(|idx| if idx % 2 == 0 { 0.4 } else { 0.6 }).collect();
    let settings = SbxPolynomial {
        crossover_probability: 1.0,
        gene_probability: 1.0,
        crossover_eta: 2.0,
        is_bounded: false,
        mutation_probability: 0.0,
        mutation_eta: 20.0,
    };
    let out = vary(&settings, &rows, 1, 1);
    let spreads: Vec<f64> =
        out.chunks_exact(2).map(|pair| (pair[0] - pair[1]).abs() / 0.2).collect();
    let share = |limit: f64| {
        spreads.iter().filter(|beta| **beta <= limit).count() as f64 / spreads.len() as f64
    };
    assert!((share(1.0) - 0.5).abs() < 0.02);
    assert!((share(0.5) - 0.0625).abs() < 0.01);
    assert!((share(2.0) - (1.0 - 0.5 / 8.0)).abs() < 0.01);
    // Either child gets the larger gene half of the time, and pairs keep their mean.
    let larger = out.chunks_exact(2).filter(|pair| pair[0] > pair[1]).count() as f64;
    assert!((larger / (f64::from(n) / 2.0) - 0.5).abs() < 0.02);
    assert!(out.chunks_exact(2).all(|pair| (pair[0] + pair[1] - 1.0).abs() < 1e-12
        || pair.contains(&-1.0)
        || pair.contains(&2.0)));
}

#[test]
fn test_mutation_hits_the_share_of_genes_it_should() {
    let (n, n_genes) = (400, 100);
    for probability in [0.001, 0.01, 0.3, 1.0] {
        let rows = uniform_rows(n, n_genes);
        let settings = SbxPolynomial {
            crossover_probability: 0.0,
            mutation_probability: probability,
            ..SbxPolynomial::usual(n_genes)
        };
        let out = vary(&settings, &rows, n_genes, 1);
        let changed = out.iter().zip(&rows).filter(|(a, b)| a != b).count() as f64;
        let total = (n * n_genes) as f64;
        let bound = 5.0 * (total * probability * (1.0 - probability)).sqrt() + 1.0;
        assert!((changed - total * probability).abs() <= bound, "{probability}: {changed}");
    }
}

#[test]
fn test_mutation_follows_the_bounded_law_of_deb() {
    // From the middle of [-1, 2]: P(change <= -delta) = ((1 - delta)^(eta+1) - h) / (2 (1 - h)),
    // where h = (1/2)^(eta + 1); delta in units of the range.
    let n = 40_000;
    let rows = vec![0.5; n];
    let settings = SbxPolynomial {
        crossover_probability: 0.0,
        mutation_probability: 1.0,
        mutation_eta: 3.0,
        ..SbxPolynomial::usual(1)
    };
    let out = vary(&settings, &rows, 1, 1);
    let h = 0.5_f64.powi(4);
    for delta in [0.05_f64, 0.1, 0.2, 0.4] {
        let expected = ((1.0 - delta).powi(4) - h) / (2.0 * (1.0 - h));
        let below = out.iter().filter(|x| **x <= 0.5 - 3.0 * delta).count() as f64 / n as f64;
        let above = out.iter().filter(|x| **x >= 0.5 + 3.0 * delta).count() as f64 / n as f64;
        assert!((below - expected).abs() < 0.012, "{delta}: {below} {expected}");
        assert!((above - expected).abs() < 0.012, "{delta}: {above} {expected}");
    }
}

#[test]
fn test_odd_row_takes_the_first_child() {
    let rows = uniform_rows(33, 4);
    let even = uniform_rows(34, 4);
    let settings = SbxPolynomial { mutation_probability: 0.0, ..SbxPolynomial::usual(4) };
    let bounds = bounds(4);
    let parents = Parents { rows: &even, more: &[] };
    let mut out = vec![0.0; even.len()];
    settings.vary(parents, &pairs(17), &bounds, KEY, &Threads::one(), &mut out);
    let mut odd = vec![0.0; rows.len()];
    settings.vary(parents, &pairs(17), &bounds, KEY, &Threads::one(), &mut odd);
    assert_eq!(odd, out[..odd.len()]);
}

/// A plain form of what the authors' NSGA-II code does with a gene: children from one random number.
fn reference((low, high): (f64, f64), (lower, upper): (f64, f64), eta: f64, u: f64) -> [f64; 2] {
    let spread = |room: f64| {
        let beta = 1.0 + 2.0 * room / (high - low);
        let alpha = 2.0 - beta.powf(-(eta + 1.0));
        if u <= 1.0 / alpha {
            (u * alpha).powf(1.0 / (eta + 1.0))
        } else {
            (1.0 / (2.0 - u * alpha)).powf(1.0 / (eta + 1.0))
        }
    };
    let below = 0.5 * ((low + high) - spread(low - lower) * (high - low));
    let above = 0.5 * ((low + high) + spread(upper - high) * (high - low));
    [below.max(lower).min(upper), above.max(lower).min(upper)]
}

/// Greatest distance between the shares of two samples below any value (Kolmogorov & Smirnov).
fn distance(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    a.sort_by(f64::total_cmp);
    b.sort_by(f64::total_cmp);
    let share =
        |of: &[f64], x: f64| of.partition_point(|value| *value <= x) as f64 / of.len() as f64;
    a.iter().chain(&b).map(|x| (share(&a, *x) - share(&b, *x)).abs()).fold(0.0, f64::max)
}

fn children<T: crate::numeric::Real>(parents: (f64, f64), eta: f64, n: u32) -> Vec<f64> {
    let rows: Vec<T> = (0..2 * n)
        .map(|row| T::from_f64(if row % 2 == 0 { parents.0 } else { parents.1 }))
        .collect();
    let settings = SbxPolynomial {
        crossover_probability: 1.0,
        gene_probability: 1.0,
        crossover_eta: eta,
        mutation_probability: 0.0,
        ..SbxPolynomial::usual(1)
    };
    let bounds = Bounds { lower: vec![T::from_f64(-1.0)], upper: vec![T::from_f64(2.0)] };
    let mut out = rows.clone();
    let parents = Parents { rows: &rows, more: &[] };
    let pairs = pairs(n as usize);
    settings.vary(parents, &pairs, &bounds, KEY, &Threads::one(), &mut out);
    out.into_iter().map(crate::numeric::Real::to_f64).collect()
}

#[test]
fn test_bounded_children_follow_the_law_of_deb_and_goyal() {
    let n = 30_000;
    for parents in [(0.2, 0.9), (-0.99, 0.5), (1.9, -0.9), (-1.0, 2.0), (0.5, 0.500_01)] {
        let (low, high) = if parents.0 < parents.1 { parents } else { (parents.1, parents.0) };
        for eta in [0.0, 2.0, 7.5, 15.0, 30.0] {
            // Every random number once; either child is the first one half of the time.
            let expected: Vec<f64> = (0..n)
                .map(|k| (f64::from(k) + 0.5) / f64::from(n))
                .flat_map(|u| reference((low, high), (-1.0, 2.0), eta, u))
                .collect();
            // 1.36 / sqrt(n) is passed by chance once in twenty times; twice that never.
            let bound = 2.0 * 1.36 / f64::from(n).sqrt();
            let wide = children::<f64>(parents, eta, n);
            let first: Vec<f64> = wide.iter().step_by(2).copied().collect();
            for (name, got) in
                [("both", wide), ("first", first), ("f32", children::<f32>(parents, eta, n))]
            {
                // Parents so near each other have few 32-bit numbers between them.
                if name == "f32" && high - low < 0.01 {
                    continue;
                }
                let distance = distance(got, expected.clone());
                assert!(distance < bound, "{parents:?} {eta} {name}: {distance}");
            }
        }
    }
}

#[test]
fn test_bounded_children_do_not_pile_up_at_the_bounds() {
    let on_bound =
        |children: &[f64]| children.iter().filter(|gene| **gene == -1.0 || **gene == 2.0).count();
    assert!(on_bound(&children::<f64>((-0.9, 1.9), 2.0, 20_000)) == 0);
    assert!(on_bound(&children::<f32>((-0.9, 1.9), 2.0, 20_000)) < 20);
    let rows: Vec<f64> = (0..20_000).map(|row| if row % 2 == 0 { -0.9 } else { 1.9 }).collect();
    let settings = SbxPolynomial {
        crossover_eta: 2.0,
        is_bounded: false,
        mutation_probability: 0.0,
        ..SbxPolynomial::usual(1)
    };
    assert!(on_bound(&vary(&settings, &rows, 1, 1)) > 1_000, "the law of 1995 clips");
}

#[test]
fn test_infinite_bounds_leave_the_law_without_bounds() {
    let rows = uniform_rows(64, 9);
    let parents = Parents { rows: &rows, more: &[] };
    let open = Bounds { lower: vec![f64::NEG_INFINITY; 9], upper: vec![f64::INFINITY; 9] };
    let mut outs = [vec![0.0; rows.len()], vec![0.0; rows.len()]];
    for (is_bounded, out) in [true, false].into_iter().zip(&mut outs) {
        let usual = SbxPolynomial::usual(9);
        let settings = SbxPolynomial { is_bounded, mutation_probability: 0.0, ..usual };
        settings.vary(parents, &pairs(32), &open, KEY, &Threads::one(), out);
    }
    assert_eq!(outs[0], outs[1]);
}

#[test]
fn test_extreme_indices_and_distances_give_finite_children() {
    for eta in [0.0, 1e-9, 63.0, 1e6, f64::MAX] {
        for parents in [(-1.0, -1.0), (2.0, 2.0), (0.1, 0.1 + 1e-16), (-1.0, 2.0), (0.0, 5e-324)] {
            for child in children::<f64>(parents, eta, 64) {
                assert!((-1.0..=2.0).contains(&child), "{eta} {parents:?}: {child}");
                let is_same = (child - parents.0).abs().min((child - parents.1).abs()) < 1e-3;
                assert!(is_same || eta < 64.0, "{eta} {parents:?}: {child}");
            }
        }
    }
}
