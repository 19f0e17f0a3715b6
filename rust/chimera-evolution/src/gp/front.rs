//! The best models by size: every one that no smaller model equals.

use serde::{Deserialize, Serialize};

use super::fitness::Fit;
use super::forest::Tree;
use super::model::Model;
use crate::numeric::f64::ln;

/// Pareto front of number of nodes against error, smallest model first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Front {
    models: Vec<Model>,
}

impl Front {
    /// The models, smallest and worst first.
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// Takes a copy of a tree in when no model of at most its size is as good.
    pub fn offer(&mut self, tree: Tree<'_>, fit: Fit, n_columns: usize) {
        let n_nodes = tree.n_nodes();
        let place = self.models.partition_point(|model| model.n_nodes() <= n_nodes);
        let rival = place.checked_sub(1).and_then(|idx| self.models.get(idx));
        if !fit.error.is_finite() || rival.is_some_and(|model| model.fit().error <= fit.error) {
            return;
        }
        let start = self.models.partition_point(|model| model.n_nodes() < n_nodes);
        let n_beaten = self
            .models
            .iter()
            .skip(start)
            .take_while(|model| model.fit().error >= fit.error)
            .count();
        let model = Model::new(tree, fit, n_columns);
        self.models.splice(start..start + n_beaten, [model]);
    }

    /// Whether every model is one whole tree of `n_columns` columns, and larger ones have less error.
    pub fn is_whole(&self, n_columns: usize) -> bool {
        let falls = |pair: &[Model]| match pair {
            [a, b] => a.n_nodes() < b.n_nodes() && a.fit().error > b.fit().error,
            _ => false,
        };
        self.models.iter().all(|model| {
            model.n_columns() == n_columns && model.is_whole() && model.fit().error.is_finite()
        }) && self.models.windows(2).all(falls)
    }

    /// The model of least error.
    pub fn most_accurate(&self) -> Option<usize> {
        self.models.len().checked_sub(1)
    }

    /// The model of least Akaike information criterion (1974), every leaf counting as a parameter:
    /// `n ln(error) + n_nodes`, as half of a tree's nodes are leaves. `floor` is an error too small
    /// to matter. On noisy data the heavier charge of Schwarz (1978) chose trees of three nodes.
    pub fn most_plausible(&self, n_rows: usize, floor: f64) -> Option<usize> {
        let n = n_rows as f64;
        let cost = |model: &Model| {
            let error = model.fit().error.max(floor).max(f64::MIN_POSITIVE);
            n * ln(error) + model.n_nodes() as f64
        };
        let costs = self.models.iter().map(cost).enumerate();
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(idx, _)| idx)
    }
}
