//! MAP-Elites: the best candidate of every cell of a grid over descriptors.
//!
//! Mouret & Clune, "Illuminating search spaces by mapping elites" (2015). The archive is monotone: a cell
//! once filled stays filled and its loss never grows. Equal losses are won by the smaller program, and
//! then by the one that came first.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::store::RecordId;

/// Buckets of size, of agreement with the baseline, and of the number of parameters.
pub type Cell = [u8; 3];

/// Largest bucket of [`size_bucket`], [`agreement_bucket`] and [`parameters_bucket`].
pub const CELL_MAX: Cell = [15, 7, 3];

/// Half-octaves of the program size.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the buckets"
)]
pub fn size_bucket(size: u32) -> u8 {
    (2.0 * f64::from(size.max(1)).log2()).floor().clamp(0.0, f64::from(CELL_MAX[0])) as u8
}

/// Eighths of the share of probe pairs that candidate and baseline order alike.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to the buckets"
)]
pub fn agreement_bucket(agreement: f64) -> u8 {
    (8.0 * agreement).floor().clamp(0.0, f64::from(CELL_MAX[1])) as u8
}

/// None, a few, some, or a table's worth of parameters.
#[must_use]
pub const fn parameters_bucket(n_parameters: usize) -> u8 {
    match n_parameters {
        0 => 0,
        1..=3 => 1,
        4..=15 => 2,
        _ => 3,
    }
}

/// The best candidate of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Elite {
    /// Its id in the store.
    pub record: RecordId,
    /// Its mean loss over all training instances.
    pub loss: f64,
    /// Its size in IR nodes.
    pub size: u32,
}

/// The grid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Archive {
    cells: BTreeMap<Cell, Elite>,
}

impl Archive {
    /// The elite of a cell.
    #[must_use]
    pub fn get(&self, cell: Cell) -> Option<&Elite> {
        self.cells.get(&cell)
    }

    /// Cells filled.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether no cell is filled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Cells and elites, in the order of the cells.
    pub fn iter(&self) -> impl Iterator<Item = (&Cell, &Elite)> {
        self.cells.iter()
    }

    /// Whether [`Self::offer`] would keep the newcomer.
    #[must_use]
    pub fn would_keep(&self, cell: Cell, loss: f64, size: u32) -> bool {
        loss.is_finite()
            && self
                .cells
                .get(&cell)
                .is_none_or(|elite| loss < elite.loss || (loss == elite.loss && size < elite.size))
    }

    /// Keeps the newcomer when its cell is empty or it is better; says whether it was kept.
    pub fn offer(&mut self, cell: Cell, newcomer: Elite) -> bool {
        let keeps = self.would_keep(cell, newcomer.loss, newcomer.size);
        if keeps {
            self.cells.insert(cell, newcomer);
        }
        keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn archive_is_monotone() {
        let mut archive = Archive::default();
        let mut stream = Stream::new(1, 0, 0);
        for record in 0..2000 {
            let before = archive.clone();
            let cell = [u8::from(stream.chance(0.5)), u8::from(stream.chance(0.3)), 0];
            let loss = if stream.chance(0.05) { f64::NAN } else { stream.below(40) as f64 };
            archive.offer(cell, Elite { record, loss, size: u32::from(stream.chance(0.5)) });
            assert!(archive.len() >= before.len());
            for (cell, old) in before.iter() {
                assert!(archive.get(*cell).is_some_and(|new| new.loss <= old.loss));
            }
        }
        assert_eq!(archive.len(), 4);
    }

    #[test]
    fn ties_go_to_the_smaller_and_then_to_the_older() {
        let mut archive = Archive::default();
        let cell = Cell::default();
        assert!(archive.offer(cell, Elite { record: 1, loss: 1.0, size: 5 }));
        assert!(!archive.offer(cell, Elite { record: 2, loss: 1.0, size: 5 }));
        assert!(archive.offer(cell, Elite { record: 3, loss: 1.0, size: 4 }));
        assert!(!archive.offer(cell, Elite { record: 4, loss: f64::INFINITY, size: 1 }));
        assert_eq!(archive.get(cell).unwrap().record, 3);
    }

    #[test]
    fn buckets_stay_on_the_grid() {
        assert_eq!([size_bucket(0), agreement_bucket(-0.1), parameters_bucket(0)], [0, 0, 0]);
        let top = [size_bucket(u32::MAX), agreement_bucket(1.0), parameters_bucket(usize::MAX)];
        assert_eq!(top, CELL_MAX);
    }
}
