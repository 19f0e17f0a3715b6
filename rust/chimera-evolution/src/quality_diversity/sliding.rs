//! Cells whose boundaries slide to the quantiles of recent descriptors (Fontaine et al., 2019).
//!
//! Rows are added one after another, and every `remap_every` rows the boundaries move and all elites,
//! then all buffered rows, are inserted anew: the semantics of pyribs. Two differences: descriptors
//! are clipped to the new boundaries during a remap, where pyribs still clips to the old ones, and
//! what is added to them before they are compared shrinks with boundaries closer together than 1.

use serde::{Deserialize, Serialize};

use super::Real;
use super::elites::{Candidates, Elites, Ids, Insertion};
use super::grid::{Axis, are_whole, axes, epsilon};
use crate::error::{Error, Result};

/// Sliding boundaries and the buffer that moves them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "T: Real")]
pub struct Sliding<T> {
    axes: Vec<Axis<T>>,
    /// Per axis, one more than it has cells.
    boundaries: Vec<Vec<T>>,
    remap_every: usize,
    capacity: usize,
    n_added: u64,
    /// The ring: once full, the oldest row is at `next`.
    next: usize,
    solutions: Vec<T>,
    objectives: Vec<f64>,
    descriptors: Vec<T>,
    ids: Vec<u64>,
    #[serde(skip)]
    column: Vec<T>,
    #[serde(skip)]
    cells: Vec<u32>,
    #[serde(skip)]
    single: Insertion,
    #[serde(skip)]
    spare: Option<Box<Elites<T>>>,
}

impl<T: Real> Sliding<T> {
    /// Boundaries that begin as a uniform grid, move every `remap_every` rows, and follow the last
    /// `capacity` rows.
    ///
    /// # Errors
    /// As [`axes`]; a period or capacity of 0.
    pub fn new(
        shape: &[usize],
        lower: &[f64],
        upper: &[f64],
        remap_every: usize,
        capacity: usize,
    ) -> Result<Self> {
        if remap_every == 0 {
            return Err(Error::setting("remap_every", "at least 1", 0));
        }
        if capacity == 0 {
            return Err(Error::setting("buffer_size", "at least 1", 0));
        }
        let axes = axes::<T>(shape, lower, upper)?;
        let even = |axis: &Axis<T>| {
            let (low, high) = (axis.lower.wide(), axis.upper.wide());
            let step = (high - low) / f64::from(axis.n_cells);
            let mut values: Vec<T> =
                (0..axis.n_cells).map(|idx| T::nearest(low + step * f64::from(idx))).collect();
            values.push(axis.upper);
            values
        };
        Ok(Self {
            boundaries: axes.iter().map(even).collect(),
            axes,
            remap_every,
            capacity,
            n_added: 0,
            next: 0,
            solutions: Vec::new(),
            objectives: Vec::new(),
            descriptors: Vec::new(),
            ids: Vec::new(),
            column: Vec::new(),
            cells: Vec::new(),
            single: Insertion::default(),
            spare: None,
        })
    }

    /// Whether its parts fit together, for elites of `n_genes` genes: what is loaded may not.
    pub fn is_whole(&self, n_genes: usize) -> bool {
        let (n_rows, n) = (self.objectives.len(), self.axes.len());
        let are_boundaries = |(axis, values): (&Axis<T>, &Vec<T>)| {
            values.len() == axis.n_cells as usize + 1
                && values.iter().all(|value| value.is_finite_number())
                && values.is_sorted_by(|a, b| a <= b)
        };
        are_whole(&self.axes)
            && self.boundaries.len() == n
            && self.axes.iter().zip(&self.boundaries).all(are_boundaries)
            && self.remap_every > 0
            && self.next < self.capacity
            && (n_rows == self.capacity || n_rows == self.next)
            && Some(self.solutions.len()) == n_rows.checked_mul(n_genes)
            && Some(self.descriptors.len()) == n_rows.checked_mul(n)
            && self.ids.len() == n_rows
            && self.solutions.iter().chain(&self.descriptors).all(|value| value.is_finite_number())
    }

    /// The axes as they were at first.
    pub fn axes(&self) -> &[Axis<T>] {
        &self.axes
    }

    /// Per axis, its boundaries now.
    pub fn boundaries(&self) -> &[Vec<T>] {
        &self.boundaries
    }

    /// Number of cells.
    pub fn n_cells(&self) -> usize {
        self.axes.iter().map(|axis| axis.n_cells as usize).product()
    }

    /// The cell of each row of `descriptors`, clipped to the boundaries.
    pub fn locate(&self, descriptors: &[T], cells: &mut Vec<u32>) {
        let n = self.axes.len().max(1);
        cells.clear();
        cells.extend(descriptors.chunks_exact(n).map(|row| {
            let places = row.iter().zip(&self.boundaries);
            places.fold(0_u32, |cell, (value, boundaries)| {
                let Some((last, inner)) = boundaries.split_last() else { return cell };
                let lower = inner.first().copied().unwrap_or(*last);
                let epsilon = T::nearest(epsilon::<T>(last.minus(lower).wide()));
                let upper = last.minus(epsilon);
                let value = value.plus(epsilon);
                let value = if value > lower { value } else { lower };
                let value = if value < upper { value } else { upper };
                let place = inner.partition_point(|boundary| *boundary < value).saturating_sub(1);
                let (place, n) = (u32::try_from(place), u32::try_from(inner.len()));
                cell * n.unwrap_or(u32::MAX) + place.unwrap_or(0)
            })
        }));
    }

    /// Adds rows one after another; rows whose `skip` is true are left out. All rows are finite.
    ///
    /// # Errors
    /// As [`Elites::insert`]; rows before the refused one stay.
    pub fn add<O: Real>(
        &mut self,
        elites: &mut Elites<T>,
        batch: &Candidates<'_, T, O>,
        skip: impl Fn(usize) -> bool,
        insertion: &mut Insertion,
    ) -> Result<()> {
        let (n_genes, n) = (elites.n_genes(), elites.n_descriptors());
        insertion.status.clear();
        insertion.values.clear();
        let rows = batch.solutions.chunks_exact(n_genes).zip(batch.descriptors.chunks_exact(n));
        for (row, ((solution, descriptors), objective)) in rows.zip(batch.objectives).enumerate() {
            if skip(row) {
                insertion.status.push(0);
                insertion.values.push(f64::NEG_INFINITY);
                continue;
            }
            let id = batch.ids.get(u32::try_from(row).unwrap_or(u32::MAX));
            self.buffer(solution, objective.wide(), descriptors, id);
            self.n_added += 1;
            if self.n_added.is_multiple_of(self.remap_every as u64) {
                self.remap(elites)?;
            }
            let single = Candidates {
                solutions: solution,
                objectives: &[objective.wide()],
                descriptors,
                ids: Ids::From(id),
            };
            self.insert(elites, &single)?;
            insertion.status.extend_from_slice(&self.single.status);
            insertion.values.extend_from_slice(&self.single.values);
        }
        Ok(())
    }

    fn insert(&mut self, elites: &mut Elites<T>, rows: &Candidates<'_, T, f64>) -> Result<()> {
        let mut cells = std::mem::take(&mut self.cells);
        self.locate(rows.descriptors, &mut cells);
        let result = elites.insert(rows, &cells, &mut self.single);
        self.cells = cells;
        result
    }

    fn buffer(&mut self, solution: &[T], objective: f64, descriptors: &[T], id: u64) {
        fn put<U: Copy>(ring: &mut Vec<U>, place: usize, values: &[U]) {
            let start = place * values.len();
            match ring.get_mut(start..start + values.len()) {
                Some(old) => old.copy_from_slice(values),
                None => ring.extend_from_slice(values),
            }
        }
        put(&mut self.solutions, self.next, solution);
        put(&mut self.objectives, self.next, &[objective]);
        put(&mut self.descriptors, self.next, descriptors);
        put(&mut self.ids, self.next, &[id]);
        self.next = (self.next + 1) % self.capacity;
    }

    /// Moves the boundaries and inserts everything anew but the row buffered last.
    fn remap(&mut self, elites: &mut Elites<T>) -> Result<()> {
        let n_rows = self.objectives.len();
        let n = self.axes.len();
        for (axis, boundaries) in self.boundaries.iter_mut().enumerate() {
            self.column.clear();
            self.column.extend(self.descriptors.iter().skip(axis).step_by(n));
            self.column.sort_unstable_by(|a, b| a.wide().total_cmp(&b.wide()));
            let n_cells = boundaries.len() - 1;
            for (idx, boundary) in boundaries.iter_mut().enumerate() {
                let place = (idx * n_rows / n_cells).min(n_rows - 1);
                *boundary = self.column.get(place).copied().unwrap_or(*boundary);
            }
        }
        let mut old = match self.spare.take() {
            Some(spare) => spare,
            None => Box::new(elites.clone()),
        };
        old.clear();
        std::mem::swap(elites, &mut *old);
        let rows = Candidates {
            solutions: old.solutions().as_slice(),
            objectives: old.objectives().as_slice(),
            descriptors: old.descriptors().as_slice(),
            ids: Ids::Each(old.ids().as_slice()),
        };
        self.insert(elites, &rows)?;
        self.spare = Some(old);
        // Oldest first: from `next` to the end, then from the start; without the newest row.
        let is_full = n_rows == self.capacity;
        let newest = self.next.checked_sub(1).unwrap_or(self.capacity - 1);
        let parts = if is_full && newest + 1 < n_rows {
            [newest + 1..n_rows, 0..newest]
        } else {
            [0..newest, 0..0]
        };
        for part in parts {
            self.insert_buffered(elites, part)?;
        }
        Ok(())
    }

    fn insert_buffered(
        &mut self,
        elites: &mut Elites<T>,
        part: std::ops::Range<usize>,
    ) -> Result<()> {
        let (n_genes, n) = (elites.n_genes(), elites.n_descriptors());
        let solutions = std::mem::take(&mut self.solutions);
        let objectives = std::mem::take(&mut self.objectives);
        let descriptors = std::mem::take(&mut self.descriptors);
        let ids = std::mem::take(&mut self.ids);
        let rows = Candidates {
            solutions: solutions.get(part.start * n_genes..part.end * n_genes).unwrap_or_default(),
            objectives: objectives.get(part.clone()).unwrap_or_default(),
            descriptors: descriptors.get(part.start * n..part.end * n).unwrap_or_default(),
            ids: Ids::Each(ids.get(part.clone()).unwrap_or_default()),
        };
        let result = self.insert(elites, &rows);
        (self.solutions, self.objectives) = (solutions, objectives);
        (self.descriptors, self.ids) = (descriptors, ids);
        result
    }
}
