//! Settings of the genetic algorithm: one flat JSON object.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::operators::Repair;
use crate::operators::selection::Selection;
use crate::space::{Kind, Space};

/// How generations follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// A whole population of children replaces the parents, except the elites.
    #[default]
    Generational,
    /// Each child that arrives replaces one row if it is better.
    SteadyState,
}

/// Whom a steady-state child replaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// The worst row.
    #[default]
    Worst,
    /// The worst of a tournament.
    Tournament,
}

/// Crossover of real genes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RealCrossover {
    /// Simulated binary crossover by the law that knows the bounds.
    #[default]
    Sbx,
    /// The same by the law that does not; children are clipped.
    SbxUnbounded,
    /// BLX-alpha.
    Blend,
    /// Weighted means.
    Arithmetic,
    /// Genes swapped by coins.
    Uniform,
    /// Genes swapped between cuts.
    NPoint,
    /// Parent-centric, three parents.
    Pcx,
    /// Simplex, three parents.
    Spx,
}

/// Mutation of real genes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RealMutation {
    /// Deb's bounded polynomial law.
    #[default]
    Polynomial,
    /// Normal steps.
    Gaussian,
    /// Normal steps of every gene, with a step size that each individual inherits and varies.
    SelfAdaptive,
}

/// Crossover of integers, categories and booleans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DiscreteCrossover {
    /// Genes swapped by coins.
    #[default]
    Uniform,
    /// Genes swapped between cuts.
    NPoint,
}

/// Mutation of integers. Categories are always drawn anew, booleans flipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IntegerMutation {
    /// Small steps.
    #[default]
    Creep,
    /// Drawn anew.
    Reset,
}

/// Crossover of permutations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermutationCrossover {
    /// Order crossover, OX.
    #[default]
    Order,
    /// Partially mapped crossover, PMX.
    Pmx,
    /// Edge recombination, ERX.
    Edge,
}

/// Mutation of permutations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PermutationMutation {
    /// A section reversed.
    #[default]
    Invert,
    /// Two genes swapped.
    Swap,
    /// One gene moved.
    Insert,
}

/// Settings of [`super::GeneticAlgorithm`]; all but the first have defaults.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Rows of the population, at least 2.
    pub population_size: usize,
    /// Generational or steady state.
    #[serde(default)]
    pub scheme: Scheme,
    /// Whom a steady-state child replaces.
    #[serde(default)]
    pub replacement: Replacement,
    /// Best rows that survive a generation.
    #[serde(default = "one")]
    pub n_elites: usize,
    /// How parents are selected.
    #[serde(default)]
    pub selection: Selection,
    /// Entrants of a tournament.
    #[serde(default = "three")]
    pub tournament_size: usize,
    /// Expected children of the best row under rank selection, in (1, 2].
    #[serde(default = "one_and_a_half")]
    pub selection_pressure: f64,
    /// Share of rows that truncation leaves, in (0, 1].
    #[serde(default = "half")]
    pub truncation_share: f64,
    /// Probability that a pair is crossed.
    #[serde(default = "nine_tenths")]
    pub crossover_probability: f64,
    /// Probability that SBX crosses, or uniform crossover swaps, a gene.
    #[serde(default = "half")]
    pub gene_probability: f64,
    /// Crossover of real genes.
    #[serde(default)]
    pub crossover: RealCrossover,
    /// Distribution index of SBX.
    #[serde(default = "fifteen")]
    pub crossover_eta: f64,
    /// How far BLX-alpha reaches beyond the parents.
    #[serde(default = "half")]
    pub blend_alpha: f64,
    /// Cuts of n-point crossover, 1 to 16.
    #[serde(default = "two")]
    pub n_points: usize,
    /// Mutation of real genes.
    #[serde(default)]
    pub mutation: RealMutation,
    /// Probability that a gene is mutated; 1 / number of genes when absent.
    #[serde(default)]
    pub mutation_probability: Option<f64>,
    /// Distribution index of polynomial mutation.
    #[serde(default = "twenty")]
    pub mutation_eta: f64,
    /// Step of Gaussian mutation, and the first one of self-adaptation, in units of the range.
    #[serde(default = "tenth")]
    pub mutation_sigma: f64,
    /// What becomes of genes outside the bounds.
    #[serde(default)]
    pub repair: Repair,
    /// Crossover of integers, categories and booleans.
    #[serde(default)]
    pub discrete_crossover: DiscreteCrossover,
    /// Mutation of integers.
    #[serde(default)]
    pub integer_mutation: IntegerMutation,
    /// Mean step of creep, at least 1.
    #[serde(default = "two_steps")]
    pub creep_step: f64,
    /// Crossover of permutations.
    #[serde(default)]
    pub permutation_crossover: PermutationCrossover,
    /// Mutation of permutations.
    #[serde(default)]
    pub permutation_mutation: PermutationMutation,
    /// Probability that a permutation is mutated.
    #[serde(default = "three_tenths")]
    pub permutation_probability: f64,
    /// Whether children that repeat a parent or an earlier child get one more random gene.
    #[serde(default)]
    pub eliminate_duplicates: bool,
}

const fn one() -> usize {
    1
}
const fn two() -> usize {
    2
}
const fn three() -> usize {
    3
}
const fn tenth() -> f64 {
    0.1
}
const fn three_tenths() -> f64 {
    0.3
}
const fn half() -> f64 {
    0.5
}
const fn nine_tenths() -> f64 {
    0.9
}
const fn one_and_a_half() -> f64 {
    1.5
}
const fn two_steps() -> f64 {
    2.0
}
const fn fifteen() -> f64 {
    15.0
}
const fn twenty() -> f64 {
    20.0
}

impl Settings {
    /// The defaults.
    pub(crate) fn usual(population_size: usize) -> Self {
        Self {
            population_size,
            scheme: Scheme::default(),
            replacement: Replacement::default(),
            n_elites: one(),
            selection: Selection::default(),
            tournament_size: three(),
            selection_pressure: one_and_a_half(),
            truncation_share: half(),
            crossover_probability: nine_tenths(),
            gene_probability: half(),
            crossover: RealCrossover::default(),
            crossover_eta: fifteen(),
            blend_alpha: half(),
            n_points: two(),
            mutation: RealMutation::default(),
            mutation_probability: None,
            mutation_eta: twenty(),
            mutation_sigma: tenth(),
            repair: Repair::default(),
            discrete_crossover: DiscreteCrossover::default(),
            integer_mutation: IntegerMutation::default(),
            creep_step: two_steps(),
            permutation_crossover: PermutationCrossover::default(),
            permutation_mutation: PermutationMutation::default(),
            permutation_probability: three_tenths(),
            eliminate_duplicates: false,
        }
    }

    /// Checks each setting, and that the space has the bounds that sampling needs.
    ///
    /// # Errors
    /// The first one outside its range.
    pub fn check(&self, space: &Space) -> Result<()> {
        let share = |name: &str, value: f64| {
            if (0.0..=1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::setting(name, "a probability in [0, 1]", value))
            }
        };
        let finite = |name: &str, value: f64, least: f64| {
            if value >= least && value.is_finite() {
                Ok(())
            } else {
                Err(Error::setting(name, format!("a finite number of at least {least}"), value))
            }
        };
        if self.population_size < 2 || self.population_size > u32::MAX as usize / 4 {
            let expected = "at least 2, at most 2^30";
            return Err(Error::setting("population_size", expected, self.population_size));
        }
        if self.n_elites >= self.population_size {
            return Err(Error::setting("n_elites", "less than population_size", self.n_elites));
        }
        if self.tournament_size == 0 || self.tournament_size > 1024 {
            return Err(Error::setting("tournament_size", "1 to 1024", self.tournament_size));
        }
        if !(self.selection_pressure > 1.0 && self.selection_pressure <= 2.0) {
            let got = self.selection_pressure;
            return Err(Error::setting("selection_pressure", "a number in (1, 2]", got));
        }
        for (name, value) in [
            ("truncation_share", self.truncation_share),
            ("gene_probability", self.gene_probability),
        ] {
            if !(value > 0.0 && value <= 1.0) {
                return Err(Error::setting(name, "a number in (0, 1]", value));
            }
        }
        share("crossover_probability", self.crossover_probability)?;
        share("mutation_probability", self.mutation_probability.unwrap_or(0.0))?;
        share("permutation_probability", self.permutation_probability)?;
        finite("crossover_eta", self.crossover_eta, 0.0)?;
        finite("mutation_eta", self.mutation_eta, 0.0)?;
        finite("blend_alpha", self.blend_alpha, 0.0)?;
        finite("creep_step", self.creep_step, 1.0)?;
        // Beyond 2^53 steps are no longer whole, and their law degenerates.
        if self.creep_step > 9e15 {
            return Err(Error::setting("creep_step", "at most 9e15", self.creep_step));
        }
        if !(self.mutation_sigma > 0.0 && self.mutation_sigma <= 1.0) {
            return Err(Error::setting("mutation_sigma", "in (0, 1]", self.mutation_sigma));
        }
        if self.n_points == 0 || self.n_points > 16 {
            return Err(Error::setting("n_points", "1 to 16", self.n_points));
        }
        for block in space.blocks() {
            if matches!(block.kind, Kind::F64 | Kind::F32) && !block.is_bounded() {
                return Err(Error::setting(
                    format!("bounds of {}", block.name),
                    "finite bounds, from which the first population is drawn",
                    "an infinite one",
                ));
            }
        }
        Ok(())
    }

    /// Probability that a gene is mutated.
    pub fn gene_mutation(&self, space: &Space) -> f64 {
        self.mutation_probability.unwrap_or(1.0 / space.n_genes().max(1) as f64)
    }

    /// Parents of a child.
    pub const fn n_parents(&self) -> usize {
        if matches!(self.crossover, RealCrossover::Pcx | RealCrossover::Spx) { 3 } else { 2 }
    }
}
