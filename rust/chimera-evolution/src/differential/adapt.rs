//! Where a trial's weight and crossover rate come from, and how they follow success.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

/// Weight (F) and crossover rate (CR) of one trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rates {
    pub weight: f64,
    pub crossover_rate: f64,
}

/// A trial that beat its parent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Success {
    pub rates: Rates,
    /// By how much the objective fell.
    pub gain: f64,
}

/// One place of the success history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    weight: f64,
    /// None is the paper's terminal value: no gene but one is crossed over from here on.
    crossover_rate: Option<f64>,
}

/// How rates are drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Adaptation {
    /// Always the same.
    Fixed { weight: f64, crossover_rate: f64 },
    /// Around two means that follow success (JADE, equations 9 to 14).
    Means { weight: f64, crossover_rate: f64, learning_rate: f64 },
    /// Around one of several remembered means (L-SHADE, equations 5 to 11).
    History { places: Vec<Memory>, next: usize },
}

/// Spread of both distributions, in both papers.
const SPREAD: f64 = 0.1;

/// Standard Cauchy as the ratio of the coordinates of a point in the unit disk: no tangent needed.
fn cauchy(rng: &mut Stream) -> f64 {
    loop {
        let u = 2.0 * rng.uniform() - 1.0;
        let v = 2.0 * rng.uniform() - 1.0;
        if v != 0.0 && u * u + v * v < 1.0 {
            return u / v;
        }
    }
}

fn draw_weight(rng: &mut Stream, mean: f64) -> f64 {
    loop {
        let weight = mean + SPREAD * cauchy(rng);
        if weight > 0.0 {
            return weight.min(1.0);
        }
    }
}

/// Weighted Lehmer mean.
fn lehmer(
    successes: &[Success],
    weight: impl Fn(&Success) -> f64,
    value: impl Fn(&Success) -> f64,
) -> Option<f64> {
    let mut squares = 0.0;
    let mut sum = 0.0;
    for success in successes {
        let part = weight(success) * value(success);
        sum += part;
        squares += part * value(success);
    }
    (sum > 0.0).then(|| squares / sum)
}

impl Adaptation {
    pub fn history(size: usize) -> Self {
        let places = vec![Memory { weight: 0.5, crossover_rate: Some(0.5) }; size];
        Self::History { places, next: 0 }
    }

    /// Rates of one trial.
    pub fn draw(&self, rng: &mut Stream) -> Rates {
        match self {
            Self::Fixed { weight, crossover_rate } => {
                Rates { weight: *weight, crossover_rate: *crossover_rate }
            }
            Self::Means { weight, crossover_rate, .. } => {
                let rate = crossover_rate + SPREAD * rng.normal();
                Rates { weight: draw_weight(rng, *weight), crossover_rate: rate.clamp(0.0, 1.0) }
            }
            Self::History { places, .. } => {
                let Some(place) = rng.choose(places) else { return Rates::default() };
                let crossover_rate = place
                    .crossover_rate
                    .map_or(0.0, |mean| (mean + SPREAD * rng.normal()).clamp(0.0, 1.0));
                Rates { weight: draw_weight(rng, place.weight), crossover_rate }
            }
        }
    }

    /// Follow what succeeded in a generation.
    pub fn learn(&mut self, successes: &[Success]) {
        if successes.is_empty() {
            return;
        }
        match self {
            Self::Fixed { .. } => {}
            Self::Means { weight, crossover_rate, learning_rate } => {
                let c = *learning_rate;
                let mean = successes.iter().map(|s| s.rates.crossover_rate).sum::<f64>()
                    / successes.len() as f64;
                *crossover_rate = (1.0 - c) * *crossover_rate + c * mean;
                if let Some(mean) = lehmer(successes, |_| 1.0, |s| s.rates.weight) {
                    *weight = (1.0 - c) * *weight + c * mean;
                }
            }
            Self::History { places, next } => {
                let n = places.len();
                let Some(place) = places.get_mut(*next) else { return };
                *next = (*next + 1) % n;
                let total: f64 = successes.iter().map(|s| s.gain).sum();
                let share = |s: &Success| if total > 0.0 { s.gain / total } else { 1.0 };
                if let Some(mean) = lehmer(successes, share, |s| s.rates.weight) {
                    place.weight = mean;
                }
                if place.crossover_rate.is_some() {
                    place.crossover_rate = lehmer(successes, share, |s| s.rates.crossover_rate);
                }
            }
        }
    }

    /// Means over all places, for figures.
    pub fn means(&self) -> Rates {
        match self {
            Self::Fixed { weight, crossover_rate } | Self::Means { weight, crossover_rate, .. } => {
                Rates { weight: *weight, crossover_rate: *crossover_rate }
            }
            Self::History { places, .. } => {
                let n = places.len().max(1) as f64;
                Rates {
                    weight: places.iter().map(|place| place.weight).sum::<f64>() / n,
                    crossover_rate: places
                        .iter()
                        .map(|place| place.crossover_rate.unwrap_or(0.0))
                        .sum::<f64>()
                        / n,
                }
            }
        }
    }
}
