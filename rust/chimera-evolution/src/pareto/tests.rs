use chimera_rng::Stream;

use super::*;

fn random(n: usize, m: usize, n_values: usize, seed: u64) -> Vec<f64> {
    let mut rng = Stream::new(seed, n as u64, m as u64);
    let value = |rng: &mut Stream| match n_values {
        0 => rng.uniform(),
        _ => rng.below(n_values) as f64,
    };
    (0..n * m).map(|_| value(&mut rng)).collect()
}

/// Peels fronts off by definition.
fn peel(values: &[f64], m: usize) -> Vec<u32> {
    let rows: Vec<&[f64]> = values.chunks_exact(m).collect();
    let dominates = |a: &[f64], b: &[f64]| a != b && a.iter().zip(b).all(|(a, b)| a <= b);
    let mut ranks = vec![u32::MAX; rows.len()];
    for rank in 0.. {
        let open: Vec<usize> = (0..rows.len()).filter(|row| ranks[*row] == u32::MAX).collect();
        if open.is_empty() {
            break;
        }
        for row in &open {
            if !open.iter().any(|other| dominates(rows[*other], rows[*row])) {
                ranks[*row] = rank;
            }
        }
    }
    ranks
}

#[test]
fn ranks_are_those_of_peeling_fronts_off() {
    let mut ranker = Ranker::default();
    let mut ranks = Vec::new();
    for m in 1..=6 {
        for n in [1, 2, 5, 60, 200] {
            for n_values in [0, 1, 2, 4, 12] {
                let values = random(n, m, n_values, 3);
                let n_fronts = ranker.rank(&values, m, &mut ranks);
                assert_eq!(ranks, peel(&values, m), "{n} x {m} of {n_values} values");
                assert_eq!(n_fronts, *ranks.iter().max().unwrap() as usize + 1);
            }
        }
    }
}

#[test]
fn no_rows_have_no_order() {
    let mut ranker = Ranker::default();
    let mut ranks = Vec::new();
    ranker.rank(&[1.0, 2.0, 2.0, 1.0], 2, &mut ranks);
    assert_eq!(ranker.lexicographic().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(ranker.rank(&[], 2, &mut ranks), 0);
    assert_eq!(ranker.lexicographic().count(), 0);
}

#[test]
fn ranks_of_many_objectives_cross_blocks() {
    let mut ranks = Vec::new();
    for (m, n_values) in [(4, 0), (5, 6), (4, 3)] {
        let values = random(1500, m, n_values, 5);
        Ranker::default().rank(&values, m, &mut ranks);
        assert_eq!(ranks, peel(&values, m));
    }
    // One chain: every row a front of its own.
    let chain: Vec<f64> = (0..1200_u32).rev().flat_map(|row| [f64::from(row); 4]).collect();
    assert_eq!(Ranker::default().rank(&chain, 4, &mut ranks), 1200);
    assert!(ranks.iter().zip((0..1200).rev()).all(|(rank, row)| *rank == row));
}

#[test]
fn zeros_of_both_signs_are_equal() {
    let mut ranks = Vec::new();
    for m in 2..=4 {
        let mut values = vec![0.0; 2 * m];
        values[0] = -0.0;
        values[m + 1] = -0.0;
        Ranker::default().rank(&values, m, &mut ranks);
        assert_eq!(ranks, [0, 0]);
    }
}

#[test]
fn crowding_sums_gaps_over_ranges() {
    let values = [0.0, 4.0, 1.0, 3.0, 3.0, 1.0, 4.0, 0.0, 5.0, 5.0];
    let mut distances = Vec::new();
    Crowding::default().measure(&values, 2, &[0, 0, 0, 0, 1], &mut distances);
    let end = f64::INFINITY;
    assert_eq!(distances, [end, 3.0 / 4.0 + 3.0 / 4.0, 3.0 / 4.0 + 3.0 / 4.0, end, end]);
}

/// Inclusion and exclusion over all subsets.
fn volume_by_definition(values: &[f64], reference: &[f64]) -> f64 {
    let m = reference.len();
    let rows: Vec<&[f64]> = values.chunks_exact(m).collect();
    (1..1_u32 << rows.len())
        .map(|subset| {
            let sign = if subset.count_ones() % 2 == 1 { 1.0 } else { -1.0 };
            let side = |column: usize| {
                let chosen = (0..rows.len()).filter(|row| subset >> row & 1 == 1);
                let worst = chosen.map(|row| rows[row][column]).fold(f64::MIN, f64::max);
                (reference[column] - worst).max(0.0)
            };
            sign * (0..m).map(side).product::<f64>()
        })
        .sum()
}

#[test]
fn hypervolume_is_that_of_inclusion_and_exclusion() {
    for m in 1..=6 {
        for n in 1..=9 {
            for n_values in [0, 3] {
                let values = random(n, m, n_values, 8);
                let reference = vec![if n_values == 0 { 0.9 } else { 2.0 }; m];
                let expected = volume_by_definition(&values, &reference);
                let volume = hypervolume(&values, &reference);
                assert!((volume - expected).abs() < 1e-12 * expected.max(1.0), "{n} x {m}");
            }
        }
    }
}

#[test]
fn contributions_are_what_is_lost() {
    for m in 1..=5 {
        for n_values in [0, 4] {
            let values = random(24, m, n_values, 2);
            let reference = vec![if n_values == 0 { 0.95 } else { 4.0 }; m];
            let ranks = peel(&values, m);
            let front: Vec<usize> = (0..24).filter(|row| ranks[*row] == 0).collect();
            let pick = |skip: usize| -> Vec<f64> {
                let rows = front.iter().filter(|row| **row != skip);
                rows.flat_map(|row| values[row * m..(row + 1) * m].to_vec()).collect()
            };
            let whole = hypervolume(&values, &reference);
            for (row, found) in contributions(&values, &reference).iter().enumerate() {
                let expected =
                    if ranks[row] == 0 { whole - hypervolume(&pick(row), &reference) } else { 0.0 };
                assert!((found - expected).abs() < 1e-12 * whole.max(1.0), "row {row} of {m}");
            }
        }
    }
}

#[test]
fn estimates_keep_their_error_bound() {
    let values = random(40, 4, 0, 4);
    let reference = [1.0; 4];
    let exact = hypervolume(&values, &reference);
    for seed in 0..20 {
        let work = &mut Work::unlimited();
        let found = estimate(&values, &reference, 4000, 0.999, seed, work).unwrap();
        assert!((found.volume - exact).abs() <= found.error);
    }
}

#[test]
fn nothing_is_sampled_where_no_row_is_better_than_the_reference() {
    for values in [&[2.0, 0.0, 1.0, 0.5][..], &[]] {
        let work = &mut Work::limited(0);
        let found = estimate(values, &[1.0; 2], usize::MAX, 0.9, 1, work);
        assert_eq!(found, Some(Estimate { volume: 0.0, error: 0.0 }));
    }
}

#[test]
fn indicators_of_small_sets() {
    let front = [0.0, 1.0, 1.0, 0.0];
    let rows = [0.0, 2.0, 2.0, 0.0];
    let work = &mut Work::unlimited();
    assert_eq!(gd(&rows, &front, 2, work), Some(1.0));
    assert_eq!(igd(&rows, &front, 2, work), Some(1.0));
    assert_eq!(igd_plus(&[0.0, 0.0], &front, 2, work), Some(0.0));
    assert_eq!(epsilon_additive(&rows, &front, 2, work), Some(1.0));
    assert_eq!(epsilon_multiplicative(&[2.0, 3.0], &[1.0, 2.0], 2, work), Some(2.0));
}

#[test]
fn work_ends_at_its_limit_and_when_it_is_stopped() {
    let values = random(30, 6, 0, 7);
    let reference = [1.0; 6];
    let known = hypervolume(&values, &reference);
    // The least limit that is enough, by bisection.
    let finds = |n_steps| {
        let work = &mut Work::limited(n_steps);
        hypervolume_within(&values, &reference, work).inspect(|found| assert_eq!(*found, known))
    };
    let (mut few, mut enough) = (0_u64, HYPERVOLUME_STEPS_MAX);
    while enough - few > 1 {
        let middle = few.midpoint(enough);
        if finds(middle).is_some() { enough = middle } else { few = middle }
    }
    assert!(finds(few).is_none() && finds(enough).is_some() && enough > 1000, "{enough}");
    let stopped = || true;
    let stop = || Work::until(u64::MAX, &stopped);
    assert!(hypervolume_within(&values, &reference, &mut stop()).is_none());
    assert!(contributions_within(&values, &reference, &mut stop()).is_none());
    assert!(estimate(&values, &reference, 10, 0.9, 1, &mut stop()).is_none());
    assert!(gd(&values, &values, 6, &mut stop()).is_none());
    assert!(epsilon_additive(&values, &values, 6, &mut stop()).is_none());
    let mut ranks = Vec::new();
    for m in [3, 6] {
        assert!(Ranker::default().rank_within(&values, m, &mut ranks, &mut stop()).is_none());
    }
}
