//! Behaviours that a novelty search remembers.

use serde::{Deserialize, Serialize};

/// Descriptors, objectives and identities in rows; once full, the oldest row is written again.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    descriptors: Vec<f64>,
    objectives: Vec<f64>,
    ids: Vec<u64>,
    /// The oldest row, once full.
    next: usize,
}

impl Memory {
    /// Remembers a behaviour.
    pub fn add(&mut self, id: u64, descriptors: &[f64], objective: f64, size_max: usize) {
        if self.objectives.len() < size_max {
            self.descriptors.extend_from_slice(descriptors);
            self.objectives.push(objective);
            self.ids.push(id);
            return;
        }
        let start = self.next * descriptors.len();
        if let Some(old) = self.descriptors.get_mut(start..start + descriptors.len()) {
            old.copy_from_slice(descriptors);
        }
        if let Some(old) = self.objectives.get_mut(self.next) {
            *old = objective;
        }
        if let Some(old) = self.ids.get_mut(self.next) {
            *old = id;
        }
        self.next = (self.next + 1) % size_max;
    }

    /// Number of behaviours.
    pub const fn len(&self) -> usize {
        self.objectives.len()
    }

    /// Descriptors of a row of `n`.
    pub fn descriptors(&self, row: usize, n: usize) -> &[f64] {
        self.descriptors.get(row * n..(row + 1) * n).unwrap_or_default()
    }

    /// Objective of a row.
    pub fn objective(&self, row: usize) -> Option<f64> {
        self.objectives.get(row).copied()
    }

    /// Identities in the order of the rows.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// Whether its parts fit together, for rows of `n` descriptors.
    pub fn is_whole(&self, n: usize, size_max: usize) -> bool {
        let n_rows = self.objectives.len();
        n_rows <= size_max
            && (self.next == 0 || self.next < n_rows)
            && Some(self.descriptors.len()) == n_rows.checked_mul(n)
            && self.ids.len() == n_rows
            && self.descriptors.iter().chain(&self.objectives).all(|value| value.is_finite())
    }
}
