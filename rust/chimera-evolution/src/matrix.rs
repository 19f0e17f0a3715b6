//! Row-major matrices in shared memory, and the pool that recycles them.
//!
//! A view handed out (to Python, say) holds a clone and keeps the memory alive. Memory is written
//! only while nobody else holds it: that is what makes zero-copy views safe.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A dense row-major matrix; clones share memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved<T>", bound(deserialize = "T: Deserialize<'de>"))]
pub struct Matrix<T> {
    data: Arc<Vec<T>>,
    n_rows: usize,
    n_columns: usize,
}

/// A matrix as it comes from outside.
#[derive(Deserialize)]
struct Saved<T> {
    data: Vec<T>,
    n_rows: usize,
    n_columns: usize,
}

impl<T> TryFrom<Saved<T>> for Matrix<T> {
    type Error = Error;

    fn try_from(saved: Saved<T>) -> Result<Self> {
        let Saved { data, n_rows, n_columns } = saved;
        // Rows of nothing take no memory, so their number would be anything.
        let is_hollow = n_columns == 0 && n_rows > 0;
        if is_hollow || n_rows.checked_mul(n_columns) != Some(data.len()) {
            let expected = format!("{n_rows} x {n_columns} of them");
            return Err(Error::batch("values", expected, data.len()));
        }
        Ok(Self { data: Arc::new(data), n_rows, n_columns })
    }
}

impl<T: Copy + Default> Matrix<T> {
    /// A matrix of zeros.
    #[must_use]
    pub fn new(n_rows: usize, n_columns: usize) -> Self {
        Self {
            data: Arc::new(vec![T::default(); n_rows.saturating_mul(n_columns)]),
            n_rows,
            n_columns,
        }
    }

    /// Takes over row-major values.
    ///
    /// # Errors
    /// The number of values is not `n_rows * n_columns`.
    pub fn from_vec(values: Vec<T>, n_rows: usize, n_columns: usize) -> Result<Self> {
        if n_rows.checked_mul(n_columns) != Some(values.len()) {
            return Err(Error::batch(
                "values",
                format!("{n_rows} x {n_columns} of them"),
                values.len(),
            ));
        }
        Ok(Self { data: Arc::new(values), n_rows, n_columns })
    }

    /// Number of rows.
    pub const fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of columns.
    pub const fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// All values, row by row.
    pub fn as_slice(&self) -> &[T] {
        &self.data
    }

    /// One row; empty when out of range.
    pub fn row(&self, idx: usize) -> &[T] {
        let start = idx.saturating_mul(self.n_columns);
        self.data.get(start..start.saturating_add(self.n_columns)).unwrap_or(&[])
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[T]> {
        // A matrix without columns has no chunks; 1 keeps `chunks_exact` from panicking.
        self.data.chunks_exact(self.n_columns.max(1))
    }

    /// All values for writing, copied first when a view is held elsewhere.
    pub fn make_mut(&mut self) -> &mut [T] {
        let values: &mut Vec<T> = Arc::make_mut(&mut self.data);
        values
    }

    /// Gives the matrix another shape and all its values for writing. Their contents are
    /// unspecified. Memory is reused while nobody else holds it.
    pub fn reset(&mut self, n_rows: usize, n_columns: usize) -> &mut [T] {
        let len = n_rows.saturating_mul(n_columns);
        self.n_rows = n_rows;
        self.n_columns = n_columns;
        if Arc::get_mut(&mut self.data).is_none() {
            self.data = Arc::new(vec![T::default(); len]);
        }
        let values: &mut Vec<T> = Arc::make_mut(&mut self.data);
        values.resize(len, T::default());
        values
    }

    /// Appends a row for each item; `n_columns` counts when the matrix is still empty. Copies what is
    /// there first when a view is held elsewhere. Rows of another length are left out.
    #[inline]
    pub fn extend_rows<'a>(&mut self, n_columns: usize, rows: impl Iterator<Item = &'a [T]>)
    where
        T: 'a,
    {
        if self.n_rows == 0 {
            self.n_columns = n_columns;
        }
        let values: &mut Vec<T> = Arc::make_mut(&mut self.data);
        for row in rows.filter(|row| row.len() == self.n_columns) {
            values.extend_from_slice(row);
            self.n_rows += 1;
        }
    }

    /// Takes the rows from `n_rows` on away. Copies the others when a view is held elsewhere.
    pub fn truncate(&mut self, n_rows: usize) {
        if n_rows < self.n_rows {
            self.n_rows = n_rows;
            let values: &mut Vec<T> = Arc::make_mut(&mut self.data);
            values.truncate(n_rows * self.n_columns);
        }
    }

    /// Takes all rows away and keeps the memory, unless a view is held elsewhere.
    pub fn clear(&mut self) {
        self.n_rows = 0;
        match Arc::get_mut(&mut self.data) {
            Some(values) => values.clear(),
            None => self.data = Arc::default(),
        }
    }

    /// Whether somebody else holds the memory.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.data) > 1
    }

    /// Whether both are views of the same memory.
    pub fn is_same_memory(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.data, &other.data) && self.n_rows == other.n_rows
    }
}

/// Matrices that were handed out and may be written again once their holders let go.
#[derive(Clone, Debug, Default)]
pub struct Pool<T> {
    matrices: Vec<Matrix<T>>,
}

impl<T: Copy + Default> Pool<T> {
    /// More than one search ever has in flight: parents, the batch, and the caller's last batch.
    const CAPACITY: usize = 4;

    /// A matrix of unspecified contents that nobody else holds. The pool keeps a handle, so the
    /// caller writes by `reset` or `make_mut` on what [`Pool::give`] is later told of.
    pub fn take(&mut self, n_rows: usize, n_columns: usize) -> Matrix<T> {
        let free = self.matrices.iter().position(|matrix| !matrix.is_shared());
        let mut matrix = free.map_or_else(Matrix::default, |idx| self.matrices.swap_remove(idx));
        matrix.reset(n_rows, n_columns);
        matrix
    }

    /// Remembers a matrix that was filled, for use again when its other holders have let go.
    pub fn give(&mut self, matrix: Matrix<T>) {
        if self.matrices.len() < Self::CAPACITY {
            self.matrices.push(matrix);
        } else if let Some(place) = self.matrices.iter_mut().find(|matrix| matrix.is_shared()) {
            *place = matrix;
        }
    }
}
