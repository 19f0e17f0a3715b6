//! Racing: a candidate sees more training instances only while it may still win.
//!
//! After each stage of a fixed ladder a candidate is compared with its rivals by paired differences on
//! the instances it has seen (in the spirit of F-Race: Birattari, Stützle, Paquete & Varrentrapp, 2002).
//! It leaves when it is worse than every rival by more than a fixed number of standard errors.
//! A candidate that leaves is never compared again, and only one that saw all instances can be kept.

use serde::{Deserialize, Serialize};

/// The losses of one candidate, by training instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    losses: Vec<Option<f64>>,
}

impl Ledger {
    /// An empty ledger for this many instances.
    #[must_use]
    pub fn new(n_instances: usize) -> Self {
        Self { losses: vec![None; n_instances] }
    }

    /// The loss on an instance, when known.
    #[must_use]
    pub fn get(&self, instance: u32) -> Option<f64> {
        self.losses.get(instance as usize).copied().flatten()
    }

    /// Notes a loss.
    pub fn set(&mut self, instance: u32, loss: f64) {
        if let Some(slot) = self.losses.get_mut(instance as usize) {
            *slot = Some(loss);
        }
    }

    /// Instances seen.
    #[must_use]
    pub fn n_seen(&self) -> usize {
        self.losses.iter().flatten().count()
    }

    /// All losses by instance; `None` while one is missing.
    #[must_use]
    pub fn complete(&self) -> Option<Vec<f64>> {
        self.losses.iter().copied().collect()
    }
}

/// What a comparison says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Mean of candidate minus rival over the instances seen; negative is better.
    pub mean: f64,
    /// Standard error of that mean, with a prior for small samples.
    pub error: f64,
    /// Whether every difference is exactly zero.
    pub is_equal: bool,
}

impl Comparison {
    /// Whether the candidate is worse by more than `width` standard errors.
    #[must_use]
    pub fn is_worse(&self, width: f64) -> bool {
        self.mean > 0.0 && self.mean > width * self.error
    }
}

/// Compares a candidate with a rival that has seen every instance.
///
/// The spread of the differences is shrunk towards the spread of the rival's own losses with the weight of
/// one observation, so that one or two instances alone decide only clear cases.
#[must_use]
pub fn compare(candidate: &Ledger, rival: &[f64]) -> Comparison {
    let pairs = candidate.losses.iter().zip(rival);
    let differences: Vec<f64> = pairs.filter_map(|(a, b)| a.map(|a| a - b)).collect();
    let n = differences.len() as f64;
    if differences.is_empty() {
        return Comparison { mean: 0.0, error: f64::INFINITY, is_equal: false };
    }
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
    let rival_mean = rival.iter().sum::<f64>() / rival.len() as f64;
    let prior: f64 =
        rival.iter().map(|x| (x - rival_mean).powi(2)).sum::<f64>() / rival.len() as f64;
    let is_complete = differences.len() == rival.len();
    let error = if is_complete { 0.0 } else { ((squares + prior) / n / n).sqrt() };
    Comparison { mean, error, is_equal: differences.iter().all(|d| *d == 0.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(losses: &[f64], n: usize) -> Ledger {
        let mut ledger = Ledger::new(n);
        for (idx, loss) in (0_u32..).zip(losses) {
            ledger.set(idx, *loss);
        }
        ledger
    }

    #[test]
    fn clearly_worse_candidates_leave_after_one_stage() {
        let rival = [1.0, 1.1, 0.9, 1.0];
        assert!(compare(&seen(&[5.0, 5.1], 4), &rival).is_worse(1.5));
        assert!(!compare(&seen(&[1.05, 1.05], 4), &rival).is_worse(1.5));
    }

    #[test]
    fn complete_comparisons_are_exact() {
        let rival = [1.0, 2.0, 3.0];
        assert!(compare(&seen(&[1.0, 2.0, 3.1], 3), &rival).is_worse(1.5));
        let equal = compare(&seen(&rival, 3), &rival);
        assert!(equal.is_equal && !equal.is_worse(0.0));
    }

    #[test]
    fn ledger_counts_what_was_seen() {
        let mut ledger = Ledger::new(3);
        ledger.set(1, 2.0);
        assert_eq!((ledger.n_seen(), ledger.get(1), ledger.get(0)), (1, Some(2.0), None));
        assert_eq!(ledger.complete(), None);
    }
}
