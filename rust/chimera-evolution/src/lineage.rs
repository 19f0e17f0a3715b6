//! Where the rows come from that a search holds: parents, operator, generation.
//!
//! A batch says it of the rows asked ([`Origins`](crate::Origins)); this keeps it for those that
//! survive. Memory is used again.

use serde::{Deserialize, Serialize};

use crate::algorithm::{Batch, NO_OPERATOR, NO_PARENT, Population};
use crate::error::{Error, Result};
use crate::matrix::Matrix;

/// Lineage of rows, in their order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lineage {
    n_parents: usize,
    /// `n_parents` a row.
    parents: Vec<u64>,
    operators: Vec<u8>,
    generations: Vec<u64>,
}

impl Lineage {
    /// That of no row; each will name `n_parents` parents.
    #[must_use]
    pub fn new(n_parents: usize) -> Self {
        Self { n_parents, ..Self::default() }
    }

    /// Parents that each row names.
    pub const fn n_parents(&self) -> usize {
        self.n_parents
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.operators.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.operators.is_empty()
    }

    /// Takes all rows away; those to come name `n_parents` parents.
    pub fn restart(&mut self, n_parents: usize) {
        self.n_parents = n_parents;
        self.parents.clear();
        self.operators.clear();
        self.generations.clear();
    }

    /// Writes that of a told row in place `place`, which is one of those there are or the next.
    pub fn put(&mut self, place: usize, batch: &Batch, row: usize, generation: u64) {
        if place == self.len() {
            self.parents.resize(self.parents.len() + self.n_parents, NO_PARENT);
            self.operators.push(NO_OPERATOR);
            self.generations.push(generation);
        }
        let origins = &batch.origins;
        let start = place * self.n_parents;
        let line = self.parents.get_mut(start..start + self.n_parents).unwrap_or_default();
        let known = origins.parents.row(row).iter().chain(std::iter::repeat(&NO_PARENT));
        for (slot, parent) in line.iter_mut().zip(known) {
            *slot = *parent;
        }
        if let Some(slot) = self.operators.get_mut(place) {
            *slot = origins.operators.as_slice().get(row).copied().unwrap_or(NO_OPERATOR);
        }
        if let Some(slot) = self.generations.get_mut(place) {
            *slot = generation;
        }
    }

    /// Appends a row of another lineage of as many parents.
    pub fn push(&mut self, from: &Self, row: usize) {
        let start = row * from.n_parents;
        let line = from.parents.get(start..start + from.n_parents).unwrap_or_default();
        self.parents.extend_from_slice(line);
        self.parents.resize((self.operators.len() + 1) * self.n_parents, NO_PARENT);
        self.operators.push(from.operators.get(row).copied().unwrap_or(NO_OPERATOR));
        self.generations.push(from.generations.get(row).copied().unwrap_or_default());
    }

    /// Keeps the named rows, which ascend.
    pub fn keep(&mut self, rows: &[u32]) {
        for (to, from) in rows.iter().enumerate() {
            let from = *from as usize;
            let n = self.n_parents;
            if from < self.len() && to <= from {
                self.parents.copy_within(from * n..(from + 1) * n, to * n);
                self.operators.copy_within(from..=from, to);
                self.generations.copy_within(from..=from, to);
            }
        }
        self.parents.truncate(rows.len() * self.n_parents);
        self.operators.truncate(rows.len());
        self.generations.truncate(rows.len());
    }

    /// Adds the columns to a population of as many rows.
    pub fn show(&self, population: &mut Population) {
        let n = self.len();
        let parents = Matrix::from_vec(self.parents.clone(), n, self.n_parents);
        population.parents = parents.unwrap_or_default();
        population.operators = Matrix::from_vec(self.operators.clone(), n, 1).unwrap_or_default();
        population.generations =
            Matrix::from_vec(self.generations.clone(), n, 1).unwrap_or_default();
    }

    /// Whether a loaded one belongs to `n_rows` rows of `n_parents` parents.
    ///
    /// # Errors
    /// A column of another length.
    pub fn check(&self, n_rows: usize, n_parents: usize) -> Result<()> {
        let lengths = [self.operators.len(), self.generations.len()];
        let n_values = n_rows.checked_mul(n_parents);
        if self.n_parents != n_parents
            || lengths != [n_rows; 2]
            || n_values != Some(self.parents.len())
        {
            return Err(Error::batch("lineage", format!("{n_rows} rows"), self.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Origins;

    fn batch() -> Batch {
        let parents = Matrix::from_vec(vec![1, 2, 3, 4, 5, 6], 3, 2).unwrap();
        let operators = Matrix::from_vec(vec![0, 1, 2], 3, 1).unwrap();
        Batch { origins: Origins { parents, operators, ..Origins::default() }, ..Batch::default() }
    }

    fn shown(lineage: &Lineage) -> (Vec<u64>, Vec<u8>, Vec<u64>) {
        let mut population = Population::default();
        lineage.show(&mut population);
        let Population { parents, operators, generations, .. } = population;
        (
            parents.as_slice().to_vec(),
            operators.as_slice().to_vec(),
            generations.as_slice().to_vec(),
        )
    }

    #[test]
    fn test_rows_are_put_pushed_and_kept() {
        let mut lineage = Lineage::new(2);
        for row in 0..3 {
            lineage.put(row, &batch(), row, 7);
        }
        lineage.put(1, &batch(), 2, 8);
        assert_eq!(shown(&lineage), (vec![1, 2, 5, 6, 5, 6], vec![0, 2, 2], vec![7, 8, 7]));
        let mut other = Lineage::new(2);
        other.push(&lineage, 1);
        other.push(&lineage, 0);
        assert_eq!(shown(&other), (vec![5, 6, 1, 2], vec![2, 0], vec![8, 7]));
        lineage.keep(&[1, 2]);
        assert_eq!(shown(&lineage), (vec![5, 6, 5, 6], vec![2, 2], vec![8, 7]));
        assert!(lineage.check(2, 2).is_ok());
        assert!(lineage.check(3, 2).is_err());
        assert!(lineage.check(2, 3).is_err());
    }

    #[test]
    fn test_rows_of_unknown_origin_have_no_parents() {
        let mut lineage = Lineage::new(3);
        lineage.put(0, &batch(), 1, 0);
        lineage.put(1, &Batch::default(), 0, 4);
        let none = [NO_PARENT; 3];
        assert_eq!(
            shown(&lineage),
            ([&[3, 4, NO_PARENT], &none[..]].concat(), vec![1, NO_OPERATOR], vec![0, 4])
        );
    }
}
