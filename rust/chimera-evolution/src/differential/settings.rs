//! Settings of the three methods, and the plan that the engine follows.

use serde::{Deserialize, Serialize};

use crate::constraint::{Epsilon, Rule};
use crate::differential::adapt::Adaptation;
use crate::error::{Error, Result};
use crate::space::{Block, Space};

/// How a mutant is made; the names are those of the literature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// A random row plus a difference.
    #[default]
    Rand1,
    /// The best row plus a difference.
    Best1,
    /// The parent, moved towards the best, plus a difference.
    CurrentToBest1,
    /// The parent, moved towards one of the best share, plus a difference that may use the archive.
    CurrentToPbest1,
}

/// Settings of `de`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeSettings {
    /// Rows kept; none for 10 per gene, between 20 and 200.
    pub population_size: Option<usize>,
    /// How mutants are made.
    pub strategy: Strategy,
    /// Factor of the difference, in (0, 2].
    pub weight: f64,
    /// Probability that a gene comes from the mutant.
    pub crossover_rate: f64,
    /// Share of best rows that `current_to_pbest1` draws from.
    pub p_best: f64,
    /// Size of the archive of beaten rows, as a multiple of the population; 0 for none.
    pub archive_rate: f64,
    /// How constraints rank rows.
    pub constraints: Rule,
    /// The epsilon level, when it is the rule.
    pub epsilon: Epsilon,
    /// A row of the first population.
    pub x0: Option<Vec<f64>>,
}

impl Default for DeSettings {
    fn default() -> Self {
        Self {
            population_size: None,
            strategy: Strategy::Rand1,
            weight: 0.5,
            crossover_rate: 0.9,
            p_best: 0.1,
            archive_rate: 0.0,
            constraints: Rule::Feasibility,
            epsilon: Epsilon::default(),
            x0: None,
        }
    }
}

/// Settings of `jade`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JadeSettings {
    /// Rows kept; none for 5 per gene, between 30 and 400.
    pub population_size: Option<usize>,
    /// Share of best rows that mutants are drawn towards.
    pub p_best: f64,
    /// How fast the means of weight and crossover rate follow what succeeds.
    pub learning_rate: f64,
    /// Size of the archive of beaten rows, as a multiple of the population; 0 for none.
    pub archive_rate: f64,
    /// How constraints rank rows.
    pub constraints: Rule,
    /// The epsilon level, when it is the rule.
    pub epsilon: Epsilon,
    /// A row of the first population.
    pub x0: Option<Vec<f64>>,
}

impl Default for JadeSettings {
    fn default() -> Self {
        Self {
            population_size: None,
            p_best: 0.05,
            learning_rate: 0.1,
            archive_rate: 1.0,
            constraints: Rule::Feasibility,
            epsilon: Epsilon::default(),
            x0: None,
        }
    }
}

/// Settings of `lshade`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LshadeSettings {
    /// Evaluations over which the population shrinks from first to last size.
    pub budget: u64,
    /// Rows at the start; none for 18 per gene, at most a twentieth of the budget, at least 8.
    pub population_size: Option<usize>,
    /// Rows at the end of the budget.
    pub population_size_min: usize,
    /// Share of best rows that mutants are drawn towards.
    pub p_best: f64,
    /// Number of remembered means of weight and crossover rate.
    pub history_size: usize,
    /// Size of the archive of beaten rows, as a multiple of the population; 0 for none.
    pub archive_rate: f64,
    /// How constraints rank rows.
    pub constraints: Rule,
    /// The epsilon level, when it is the rule.
    pub epsilon: Epsilon,
    /// A row of the first population.
    pub x0: Option<Vec<f64>>,
}

impl Default for LshadeSettings {
    fn default() -> Self {
        Self {
            budget: 100_000,
            population_size: None,
            population_size_min: 4,
            p_best: 0.11,
            history_size: 6,
            archive_rate: 2.6,
            constraints: Rule::Feasibility,
            epsilon: Epsilon::default(),
            x0: None,
        }
    }
}

/// What the engine follows, whichever method it serves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub strategy: Strategy,
    pub population_size: usize,
    pub population_size_min: usize,
    /// Evaluations over which the population shrinks; none for a constant size.
    pub budget: Option<u64>,
    pub p_best: f64,
    pub archive_rate: f64,
    pub adaptation: Adaptation,
    pub rule: Rule,
    pub epsilon: Epsilon,
    pub x0: Option<Vec<f64>>,
}

fn size(given: Option<usize>, default: usize, least: usize) -> Result<usize> {
    let size = given.unwrap_or(default);
    if (least..=1_000_000).contains(&size) {
        Ok(size)
    } else {
        Err(Error::setting("population_size", format!("{least} to 1000000"), size))
    }
}

fn within(name: &str, value: f64, low: f64, high: f64) -> Result<()> {
    if value >= low && value <= high {
        Ok(())
    } else {
        Err(Error::setting(name, format!("a number in [{low}, {high}]"), value))
    }
}

/// Refuses a start outside its block.
pub(crate) fn check_x0(x0: Option<&[f64]>, block: &Block) -> Result<()> {
    let Some(x0) = x0 else { return Ok(()) };
    if x0.len() != block.n_genes() {
        return Err(Error::setting("x0", format!("{} numbers", block.n_genes()), x0.len()));
    }
    for ((value, lower), upper) in x0.iter().zip(&block.lower).zip(&block.upper) {
        if !(value.is_finite() && value >= lower && value <= upper) {
            return Err(Error::setting("x0", format!("numbers in [{lower}, {upper}]"), value));
        }
    }
    Ok(())
}

/// The only block of a bounded real space.
pub(crate) fn bounded_block<'a>(space: &'a Space, method: &str) -> Result<&'a Block> {
    let block = space.single_real(method)?;
    if block.is_bounded() {
        Ok(block)
    } else {
        Err(Error::setting(
            format!("bounds of {}", block.name),
            format!("finite bounds, within which {method} draws its first rows"),
            "an infinite one",
        ))
    }
}

impl Plan {
    fn checked(self, space: &Space, method: &str) -> Result<Self> {
        within("p_best", self.p_best, 0.0, 1.0)?;
        within("archive_rate", self.archive_rate, 0.0, 100.0)?;
        self.epsilon.check()?;
        check_x0(self.x0.as_deref(), bounded_block(space, method)?)?;
        Ok(self)
    }

    /// Whether a loaded plan is one that settings could have made.
    pub fn check(&self, space: &Space) -> Result<()> {
        self.clone().checked(space, "differential evolution")?;
        size(Some(self.population_size), 0, 4)?;
        if !(4..=self.population_size).contains(&self.population_size_min) {
            let expected = format!("4 to population_size ({})", self.population_size);
            return Err(Error::setting("population_size_min", expected, self.population_size_min));
        }
        if self.budget == Some(0) {
            return Err(Error::setting("budget", "at least 1 evaluation", 0));
        }
        self.adaptation.check()
    }
}

impl DeSettings {
    pub(super) fn plan(self, space: &Space) -> Result<Plan> {
        if !(self.weight > 0.0 && self.weight <= 2.0) {
            return Err(Error::setting("weight", "a number in (0, 2]", self.weight));
        }
        within("crossover_rate", self.crossover_rate, 0.0, 1.0)?;
        let population_size = size(self.population_size, (10 * space.n_genes()).clamp(20, 200), 4)?;
        Plan {
            strategy: self.strategy,
            population_size,
            population_size_min: population_size,
            budget: None,
            p_best: self.p_best,
            archive_rate: self.archive_rate,
            adaptation: Adaptation::Fixed {
                weight: self.weight,
                crossover_rate: self.crossover_rate,
            },
            rule: self.constraints,
            epsilon: self.epsilon,
            x0: self.x0,
        }
        .checked(space, "de")
    }
}

impl JadeSettings {
    pub(super) fn plan(self, space: &Space) -> Result<Plan> {
        within("learning_rate", self.learning_rate, 0.0, 1.0)?;
        let population_size = size(self.population_size, (5 * space.n_genes()).clamp(30, 400), 4)?;
        Plan {
            strategy: Strategy::CurrentToPbest1,
            population_size,
            population_size_min: population_size,
            budget: None,
            p_best: self.p_best,
            archive_rate: self.archive_rate,
            adaptation: Adaptation::Means {
                weight: 0.5,
                crossover_rate: 0.5,
                learning_rate: self.learning_rate,
            },
            rule: self.constraints,
            epsilon: self.epsilon,
            x0: self.x0,
        }
        .checked(space, "jade")
    }
}

impl LshadeSettings {
    pub(super) fn plan(self, space: &Space) -> Result<Plan> {
        if self.budget == 0 {
            return Err(Error::setting("budget", "at least 1 evaluation", 0));
        }
        if !(1..=10_000).contains(&self.history_size) {
            return Err(Error::setting("history_size", "1 to 10000", self.history_size));
        }
        let share = usize::try_from(self.budget / 20).unwrap_or(usize::MAX);
        let population_size =
            size(self.population_size, (18 * space.n_genes()).min(share).max(8), 4)?;
        if !(4..=population_size).contains(&self.population_size_min) {
            return Err(Error::setting(
                "population_size_min",
                format!("4 to population_size ({population_size})"),
                self.population_size_min,
            ));
        }
        Plan {
            strategy: Strategy::CurrentToPbest1,
            population_size,
            population_size_min: self.population_size_min,
            budget: Some(self.budget),
            p_best: self.p_best,
            archive_rate: self.archive_rate,
            adaptation: Adaptation::history(self.history_size),
            rule: self.constraints,
            epsilon: self.epsilon,
            x0: self.x0,
        }
        .checked(space, "lshade")
    }
}
