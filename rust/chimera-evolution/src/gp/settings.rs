//! Settings of a search over trees and the checks on them.

use serde::{Deserialize, Serialize};

use super::forest::NODES_MAX;
use super::function::Function;
use crate::error::{Error, Result};

/// How parents are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The best of a few drawn at random.
    Tournament,
    /// Epsilon-lexicase (La Cava, Spector & Danai, 2016) on rows drawn anew in each generation.
    #[default]
    EpsilonLexicase,
}

/// Settings of [`super::Search`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Trees in the population.
    pub population_size: usize,
    /// Functions that trees may use.
    pub functions: Vec<Function>,
    /// Most nodes of a tree.
    pub max_nodes: usize,
    /// Most levels of a tree of the first population.
    pub initial_depth: usize,
    /// How parents are chosen.
    pub selection: Selection,
    /// Trees drawn for a tournament.
    pub tournament_size: usize,
    /// Rows that lexicase selection looks at in a generation, at most.
    pub n_cases: usize,
    /// Best trees that go on unchanged.
    pub n_elites: usize,
    /// Weight of subtree crossover.
    pub crossover: f64,
    /// Weight of replacing a subtree by a random one.
    pub subtree_mutation: f64,
    /// Weight of changing single nodes.
    pub point_mutation: f64,
    /// Weight of replacing a subtree by a part of itself.
    pub hoist_mutation: f64,
    /// Weight of Gaussian noise on the constants.
    pub constant_mutation: f64,
    /// Share of children whose constants are tuned by least squares.
    pub tuning_rate: f64,
    /// Levenberg–Marquardt steps of a tuning.
    pub tuning_steps: usize,
    /// Standard deviation of fresh constants.
    pub constant_scale: f64,
    /// Relative penalty of a node in selection: error times `1 + parsimony * n_nodes` competes.
    pub parsimony: f64,
    /// Whether the best slope and intercept are fitted to each tree (Keijzer, 2003).
    pub linear_scaling: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            population_size: 500,
            functions: vec![Function::Add, Function::Sub, Function::Mul, Function::Div],
            max_nodes: 50,
            initial_depth: 5,
            selection: Selection::EpsilonLexicase,
            tournament_size: 5,
            n_cases: 128,
            n_elites: 1,
            crossover: 0.7,
            subtree_mutation: 0.12,
            point_mutation: 0.08,
            hoist_mutation: 0.03,
            constant_mutation: 0.07,
            tuning_rate: 0.1,
            tuning_steps: 4,
            constant_scale: 1.0,
            parsimony: 0.002,
            linear_scaling: true,
        }
    }
}

impl Settings {
    /// Settings from a JSON object; names that are left out keep their defaults.
    ///
    /// # Errors
    /// An unknown name, a wrong type, a value outside its range.
    pub fn from_json(text: &str) -> Result<Self> {
        let settings: Self = serde_json::from_str(text).map_err(|error| {
            Error::setting("settings of genetic programming", "known names and types", error)
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// Checks every value.
    ///
    /// # Errors
    /// A value outside its range.
    pub fn check(&self) -> Result<()> {
        let within = |name: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(Error::setting(name, format!("{low} to {high}"), value))
            }
        };
        within("population_size", self.population_size, 2, 1 << 24)?;
        within("max_nodes", self.max_nodes, 1, NODES_MAX)?;
        within("initial_depth", self.initial_depth, 1, 12)?;
        within("tournament_size", self.tournament_size, 1, self.population_size)?;
        within("n_cases", self.n_cases, 1, 1 << 16)?;
        within("n_elites", self.n_elites, 0, self.population_size - 1)?;
        within("tuning_steps", self.tuning_steps, 0, 1000)?;
        if self.functions.is_empty() {
            return Err(Error::setting("functions", "at least one", "none"));
        }
        let weights = [
            ("crossover", self.crossover),
            ("subtree_mutation", self.subtree_mutation),
            ("point_mutation", self.point_mutation),
            ("hoist_mutation", self.hoist_mutation),
            ("constant_mutation", self.constant_mutation),
            ("constant_scale", self.constant_scale),
            ("parsimony", self.parsimony),
        ];
        for (name, weight) in weights {
            if !(0.0..=1e6).contains(&weight) {
                return Err(Error::setting(name, "0 to 1e6", weight));
            }
        }
        if !(0.0..=1.0).contains(&self.tuning_rate) {
            return Err(Error::setting("tuning_rate", "0 to 1", self.tuning_rate));
        }
        if !(self.weights().iter().sum::<f64>() > 0.0) {
            return Err(Error::setting("weights of variation", "at least one above 0", "all 0"));
        }
        Ok(())
    }

    /// Weights of the operators in the order of [`super::variation::Operator`].
    pub const fn weights(&self) -> [f64; 5] {
        [
            self.crossover,
            self.subtree_mutation,
            self.point_mutation,
            self.hoist_mutation,
            self.constant_mutation,
        ]
    }
}
