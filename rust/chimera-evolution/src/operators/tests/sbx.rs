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
