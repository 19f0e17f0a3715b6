use crate::operators::Key;
use crate::operators::selection::{Selection, Selector, rank_keys};
use crate::threads::Threads;

const KEY: Key = Key { seed: 1, step: 2, block: 0 };

/// Share of draws of each of the rows.
fn shares(selection: Selection, keys: &[f64], cases: &[f64]) -> Vec<f64> {
    let n = 40_000;
    let mut one = vec![0; n];
    Selector::new(selection, 3, 1.8, 0.5).select(keys, cases, KEY, &Threads::one(), &mut one);
    let mut two = vec![0; n];
    let threads = Threads::new(2).unwrap();
    Selector::new(selection, 3, 1.8, 0.5).select(keys, cases, KEY, &threads, &mut two);
    assert_eq!(one, two, "{selection:?}");
    let mut shares = vec![0.0; keys.len()];
    for choice in one {
        shares[choice as usize] += 1.0 / n as f64;
    }
    shares
}

fn assert_close(got: &[f64], expected: &[f64]) {
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 0.0125, "{got} {expected}"); // five standard errors
    }
}

const KEYS: &[f64] = &[3.0, 1.0, f64::INFINITY, 2.0];

#[test]
fn test_tournament_has_the_law_of_the_best_of_three() {
    // P(best of three has rank r or worse) = ((4 - r) / 4)^3.
    let cdf = |rank: f64| ((4.0 - rank) / 4.0_f64).powi(3);
    let share = |rank: f64| cdf(rank) - cdf(rank + 1.0);
    let expected = [share(2.0), share(0.0), share(3.0), share(1.0)];
    assert_close(&shares(Selection::Tournament, KEYS, &[]), &expected);
}

#[test]
fn test_roulette_follows_the_distance_from_the_worst() {
    let got = shares(Selection::Roulette, KEYS, &[]);
    assert_close(&got, &[0.0, 2.0 / 3.0, 0.0, 1.0 / 3.0]);
    assert_close(&shares(Selection::Roulette, &[5.0, 5.0], &[]), &[0.5, 0.5]);
    assert_close(&shares(Selection::Roulette, &[f64::INFINITY; 2], &[]), &[0.5, 0.5]);
}

#[test]
fn test_rank_is_linear() {
    let share = |rank: f64| (1.8 - 1.6 * rank / 3.0) / 4.0;
    let expected = [share(2.0), share(0.0), share(3.0), share(1.0)];
    assert_close(&shares(Selection::Rank, KEYS, &[]), &expected);
}

#[test]
fn test_truncation_takes_the_best_half_evenly() {
    assert_close(&shares(Selection::Truncation, KEYS, &[]), &[0.0, 0.5, 0.0, 0.5]);
}

#[test]
fn test_lexicase_selects_specialists_in_proportion_to_case_orders() {
    // Rows 0 and 1 each win one case alone; row 2 is good on average and wins none.
    let cases = [0.0, 9.0, 9.0, 0.0, 1.0, 1.0];
    assert_close(&shares(Selection::Lexicase, &[4.5, 4.5, 1.0], &cases), &[0.5, 0.5, 0.0]);
    // A failed row never wins, whatever its cases say.
    let keys = [f64::INFINITY, 4.5, 1.0];
    assert_close(&shares(Selection::Lexicase, &keys, &cases), &[0.0, 0.5, 0.5]);
}

#[test]
fn test_epsilon_lexicase_forgives_the_median_deviation() {
    // One case with errors 0, 1, 2, 100: median 1.5, deviations 1.5, .5, .5, 98.5: tolerance 1.
    let cases = [0.0, 1.0, 2.0, 100.0];
    let got = shares(Selection::EpsilonLexicase, &[0.0; 4], &cases);
    assert_close(&got, &[0.5, 0.5, 0.0, 0.0]);
}

#[test]
fn test_keys_rank_feasible_then_violation_then_failed() {
    let (mut order, mut keys) = (Vec::new(), Vec::new());
    let objectives = [5.0, 1.0, 0.0, f64::INFINITY, 5.0];
    rank_keys(&objectives, &[0.0, 0.5, 2.0, 0.0, 0.0], &mut order, &mut keys);
    assert_eq!(keys, [0.0, 1.0, 2.0, f64::INFINITY, 0.0]);
    rank_keys(&objectives, &[0.0; 5], &mut order, &mut keys);
    assert_eq!(keys, objectives);
}
