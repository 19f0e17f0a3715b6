//! Adaptive operator selection by probability matching (Goldberg, 1990; Thierens, 2005).
//!
//! Every operator keeps a floor on its probability, so that none dies out; rewards are free of the
//! objective's scale. The counts are exact.

use serde::{Deserialize, Serialize};

use crate::rng::Stream;

/// What happened to the children of one operator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The operator's name.
    pub name: String,
    /// Children that entered a race.
    pub n_tried: u64,
    /// Children that were kept.
    pub n_accepted: u64,
    /// Sum of the improvements of the mean score over the parent, in units of the objective.
    pub gain: f64,
    /// Moving average of the reward, in `0..=1`.
    pub quality: f64,
}

/// The accounts of all operators.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credit {
    accounts: Vec<Account>,
    priors: Vec<f64>,
}

/// Share of the choice that follows the priors alone.
const FLOOR: f64 = 0.4;
/// Weight of the newest reward in the moving average.
const RATE: f64 = 0.02;
/// Quality before the first reward; optimistic, so that new operators are tried.
const PRIOR: f64 = 0.2;

impl Credit {
    /// Fresh accounts for the named operators; only those with a prior weight are ever drawn.
    #[must_use]
    pub fn new(names: &[&str], priors: &[f64]) -> Self {
        let account = |name: &&str| Account {
            name: (*name).to_owned(),
            n_tried: 0,
            n_accepted: 0,
            gain: 0.0,
            quality: PRIOR,
        };
        Self { accounts: names.iter().map(account).collect(), priors: priors.to_vec() }
    }

    /// The accounts, in the order of the names.
    #[must_use]
    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }

    /// Draws an operator.
    #[must_use]
    pub fn choose(&self, stream: &mut Stream) -> Option<usize> {
        let drawn = self.accounts.iter().zip(&self.priors);
        let total: f64 = drawn.clone().map(|(account, prior)| prior * account.quality).sum();
        let total_prior: f64 = self.priors.iter().sum();
        let weight = |(account, prior): (&Account, &f64)| {
            let earned = prior * account.quality / total.max(f64::MIN_POSITIVE);
            FLOOR * prior / total_prior + (1.0 - FLOOR) * earned
        };
        stream.weighted(&drawn.map(weight).collect::<Vec<f64>>())
    }

    /// Counts one child that enters a race.
    pub fn tried(&mut self, operator: usize) {
        if let Some(account) = self.accounts.get_mut(operator) {
            account.n_tried += 1;
        }
    }

    /// Counts one child that was kept.
    pub fn accepted(&mut self, operator: usize, gain: f64) {
        if let Some(account) = self.accounts.get_mut(operator) {
            account.n_accepted += 1;
            account.gain += gain.max(0.0);
        }
    }

    /// Moves the operator's quality towards a reward in `0..=1`.
    pub fn reward(&mut self, operator: usize, reward: f64) {
        if let Some(account) = self.accounts.get_mut(operator) {
            account.quality += RATE * (reward.clamp(0.0, 1.0) - account.quality);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewarded_operators_are_chosen_more_often_and_none_dies_out() {
        let mut credit = Credit::new(&["good", "bad", "idle"], &[1.0; 3]);
        for _ in 0..500 {
            credit.reward(0, 1.0);
            credit.reward(1, 0.0);
        }
        let mut stream = Stream::new(1, 2, 3);
        let mut n_chosen = [0_u32; 3];
        for _ in 0..3000 {
            n_chosen[credit.choose(&mut stream).unwrap()] += 1;
        }
        assert!(n_chosen[0] > 1500 && n_chosen[1] > 250, "{n_chosen:?}");
    }

    #[test]
    fn bookkeeping_is_exact() {
        let mut credit = Credit::new(&["a"], &[1.0]);
        credit.tried(0);
        credit.tried(0);
        credit.accepted(0, 2.5);
        credit.accepted(0, -1.0);
        let account = &credit.accounts()[0];
        assert_eq!((account.n_tried, account.n_accepted, account.gain), (2, 2, 2.5));
    }
}
