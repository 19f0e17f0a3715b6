//! How a store of elites is saved: its rows and thresholds, without the table of cells.

use serde::{Deserialize, Serialize};

use super::{BestElite, Elites, NO_ROW, Rule};
use crate::matrix::Matrix;
use crate::quality_diversity::Real;
use crate::quality_diversity::state::has_shape;

/// What is saved: the table is made anew from it.
#[derive(Serialize, Deserialize)]
struct Saved<T> {
    n_cells: usize,
    n_genes: usize,
    n_descriptors: usize,
    rule: Rule,
    thresholds: Vec<f64>,
    cells: Matrix<u32>,
    solutions: Matrix<T>,
    objectives: Matrix<f64>,
    descriptors: Matrix<T>,
    ids: Matrix<u64>,
    best: Option<BestElite<T>>,
}

impl<T: Real> Saved<T> {
    fn is_whole(&self) -> bool {
        let n = self.thresholds.len();
        self.n_genes > 0
            && self.n_descriptors > 0
            && has_shape(&self.cells, n, 1)
            && has_shape(&self.solutions, n, self.n_genes)
            && has_shape(&self.objectives, n, 1)
            && has_shape(&self.descriptors, n, self.n_descriptors)
            && has_shape(&self.ids, n, 1)
            && self.best.as_ref().is_none_or(|best| {
                best.solution.len() == self.n_genes && best.descriptors.len() == self.n_descriptors
            })
    }

    fn is_finite(&self) -> bool {
        let (best_solution, best_descriptors) = match &self.best {
            Some(best) => (best.solution.as_slice(), best.descriptors.as_slice()),
            None => (&[][..], &[][..]),
        };
        [self.solutions.as_slice(), self.descriptors.as_slice(), best_solution, best_descriptors]
            .iter()
            .all(|values| values.iter().all(|value| value.is_finite_number()))
            && self.objectives.as_slice().iter().chain(&self.thresholds).all(|x| x.is_finite())
            && self.best.as_ref().is_none_or(|best| best.objective.is_finite())
    }
}

impl<T: Real> Serialize for Elites<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let threshold = |cell: &u32| self.table.get(*cell as usize).map(|cell| cell.threshold);
        Saved {
            n_cells: self.table.len(),
            n_genes: self.n_genes,
            n_descriptors: self.n_descriptors,
            rule: self.rule,
            thresholds: self.cells.as_slice().iter().filter_map(threshold).collect(),
            cells: self.cells.clone(),
            solutions: self.solutions.clone(),
            objectives: self.objectives.clone(),
            descriptors: self.descriptors.clone(),
            ids: self.ids.clone(),
            best: self.best.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de, T: Real> Deserialize<'de> for Elites<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let saved = Saved::<T>::deserialize(deserializer)?;
        let mut elites = Self::new(saved.n_cells, saved.n_genes, saved.n_descriptors, saved.rule)
            .map_err(D::Error::custom)?;
        if !saved.is_whole() {
            return Err(D::Error::custom("an archive whose columns differ in length"));
        }
        if !saved.is_finite() {
            return Err(D::Error::custom("an archive with NaN or infinity"));
        }
        for ((cell, threshold), row) in saved.cells.as_slice().iter().zip(saved.thresholds).zip(0..)
        {
            let place = elites.table.get_mut(*cell as usize).filter(|cell| cell.row == NO_ROW);
            let place = place.ok_or_else(|| D::Error::custom("an archive with a wrong cell"))?;
            place.row = row;
            place.threshold = threshold;
        }
        elites.cells = saved.cells;
        elites.solutions = saved.solutions;
        elites.objectives = saved.objectives;
        elites.descriptors = saved.descriptors;
        elites.ids = saved.ids;
        elites.best = saved.best;
        Ok(elites)
    }
}
