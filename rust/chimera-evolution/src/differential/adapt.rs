//! Where a trial's weight and crossover rate come from, and how they follow success.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Weight (F) and crossover rate (CR) of one trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rates {
    pub weight: f64,
    pub crossover_rate: f64,
}

impl Rates {
    /// Whether both are in their ranges.
    pub fn is_sound(&self) -> bool {
        self.weight > 0.0 && self.weight <= 2.0 && (0.0..=1.0).contains(&self.crossover_rate)
    }
}

/// A trial that beat its parent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Success {
    pub rates: Rates,
    /// Half of what the objective, or the violation, fell by.
    pub gain: f64,
}

/// One place of the success history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Memory {
    weight: f64,
    /// None is the paper's terminal value, once no rate above 0 succeeds: no gene but one is crossed
    /// over from here on.
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
                // Shares of the largest gain: a sum of gains may overflow, and small ones vanish
                // beside large ones only in the mean, where they should.
                let most = successes.iter().map(|s| s.gain).fold(0.0, f64::max);
                let share = |s: &Success| if most > 0.0 { s.gain / most } else { 1.0 };
                if let Some(mean) = lehmer(successes, share, |s| s.rates.weight) {
                    place.weight = mean;
                }
                if successes.iter().all(|s| s.rates.crossover_rate == 0.0) {
                    place.crossover_rate = None;
                } else if let Some(rate) = &mut place.crossover_rate {
                    let mean = lehmer(successes, share, |s| s.rates.crossover_rate);
                    *rate = mean.unwrap_or(*rate);
                }
            }
        }
    }

    /// Whether loaded means are in the ranges that draws end in.
    pub fn check(&self) -> Result<()> {
        let is_sound = match self {
            Self::Fixed { weight, crossover_rate } => {
                Rates { weight: *weight, crossover_rate: *crossover_rate }.is_sound()
            }
            Self::Means { weight, crossover_rate, learning_rate } => {
                Rates { weight: *weight, crossover_rate: *crossover_rate }.is_sound()
                    && (0.0..=1.0).contains(learning_rate)
            }
            Self::History { places, next } => {
                *next < places.len()
                    && places.iter().all(|place| {
                        let crossover_rate = place.crossover_rate.unwrap_or(0.0);
                        Rates { weight: place.weight, crossover_rate }.is_sound()
                    })
            }
        };
        if is_sound { Ok(()) } else { Err(Error::setting("rates", "means in (0, 1]", "others")) }
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
