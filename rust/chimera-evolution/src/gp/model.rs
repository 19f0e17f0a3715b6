//! One tree with its slope and intercept: what a search returns and a user keeps.

use serde::{Deserialize, Serialize};

use super::data::Data;
use super::fitness::Fit;
use super::forest::{Forest, Tree};
use super::machine::Machine;
use super::print;
use super::sealed;
use crate::error::{Error, Result};

const MAGIC: [u8; 8] = *b"chimgpm\x02";

/// `slope * tree + intercept` over the columns of a matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    forest: Forest,
    fit: Fit,
    n_columns: usize,
}

impl Model {
    /// A copy of a tree with its fit.
    pub fn new(tree: Tree<'_>, fit: Fit, n_columns: usize) -> Self {
        let mut forest = Forest::default();
        forest.push_tree(tree);
        Self { forest, fit, n_columns }
    }

    /// The tree.
    pub fn tree(&self) -> Tree<'_> {
        self.forest.tree(0).unwrap_or(Tree { codes: &[], values: &[], sizes: &[] })
    }

    /// Error on the training rows, slope and intercept.
    pub const fn fit(&self) -> Fit {
        self.fit
    }

    /// The same tree with another slope and intercept.
    #[must_use]
    pub fn with_scale(&self, slope: f64, intercept: f64) -> Self {
        Self { fit: Fit { slope, intercept, ..self.fit }, ..self.clone() }
    }

    /// Columns of the matrices that it takes.
    pub const fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// Number of nodes of the tree.
    pub fn n_nodes(&self) -> usize {
        self.forest.n_nodes()
    }

    /// The tree's value for every row, without slope and intercept.
    ///
    /// # Errors
    /// The matrix has another number of columns.
    pub fn values(&self, data: &Data) -> Result<Vec<f32>> {
        if data.n_columns() != self.n_columns {
            return Err(Error::batch("x", format!("{} columns", self.n_columns), data.n_columns()));
        }
        Ok(Machine::default().evaluate_one(self.tree(), data).to_vec())
    }

    /// The prediction for every row.
    ///
    /// # Errors
    /// As [`Model::values`].
    pub fn predict(&self, data: &Data) -> Result<Vec<f64>> {
        let Fit { slope, intercept, .. } = self.fit;
        let values = self.values(data)?;
        // A flat tree's values may overflow; its slope of 0 must not make that NaN.
        Ok(values
            .into_iter()
            .map(
                |value| if slope == 0.0 { intercept } else { slope * f64::from(value) + intercept },
            )
            .collect())
    }

    /// The simplified tree as text, without slope and intercept.
    pub fn tree_text(&self, names: &[String]) -> String {
        let simple = print::simplify(self.tree());
        simple.tree(0).map(|tree| print::expression(tree, names)).unwrap_or_default()
    }

    /// A Python module with a function `predict(x)`.
    pub fn source(&self) -> String {
        let simple = print::simplify(self.tree());
        let Fit { slope, intercept, .. } = self.fit;
        simple.tree(0).map(|tree| print::source(tree, slope, intercept)).unwrap_or_default()
    }

    /// Whether it holds one well-formed tree.
    pub fn is_whole(&self) -> bool {
        self.forest.n_trees() == 1 && self.forest.check(self.n_columns).is_ok()
    }

    /// The model as bytes: magic, checksum, crate version, content.
    ///
    /// # Errors
    /// Never, unless memory runs out.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        sealed::seal(MAGIC, self)
    }

    /// What [`Model::to_bytes`] wrote.
    ///
    /// # Errors
    /// The bytes are damaged or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let model: Self = sealed::open(MAGIC, bytes)?;
        if model.is_whole() {
            Ok(model)
        } else {
            Err(Error::State { reason: "its tree is damaged".into() })
        }
    }
}
