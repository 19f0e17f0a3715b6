//! Zero-copy views: NumPy arrays over memory that Rust owns.
//!
//! The only unsafe code of this crate. A view holds a clone of the shared matrix, so its memory
//! lives as long as the array; the engines write a matrix only while nobody else holds it
//! (`chimera_evolution::Matrix`), so what a view shows never changes. Views are read-only.
#![allow(unsafe_code, reason = "borrowing Rust memory from NumPy has no safe interface")]

use std::any::Any;

use chimera_evolution::{Column, Matrix};
use numpy::ndarray::ArrayView2;
use numpy::{Element, PyArray1, PyArray2, PyArrayMethods};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// Keeps the memory of a view alive; NumPy holds it as the base of the array.
#[pyclass(frozen, module = "chimera._chimera.population")]
pub struct Memory {
    _matrix: Box<dyn Any + Send + Sync>,
}

/// A read-only `(n_rows, n_columns)` view of a matrix, without a copy.
pub fn view<'py, T>(py: Python<'py>, matrix: &Matrix<T>) -> PyResult<Bound<'py, PyAny>>
where
    T: Element + Copy + Default + Sync + 'static,
{
    if matrix.as_slice().is_empty() {
        let empty = PyArray2::<T>::zeros(py, [matrix.n_rows(), matrix.n_columns()], false);
        return Ok(empty.into_any());
    }
    let memory = Bound::new(py, Memory { _matrix: Box::new(matrix.clone()) })?;
    let shape = (matrix.n_rows(), matrix.n_columns());
    let rows = ArrayView2::from_shape(shape, matrix.as_slice())
        .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
    // SAFETY: `memory` holds a clone of the matrix and becomes the base of the array, so the memory
    // outlives it; `Matrix` neither moves nor writes memory that has a second holder. Broken, the
    // test `test_views_survive_their_run` would read freed or changed numbers.
    let array = unsafe { PyArray2::borrow_from_array(&rows, memory.into_any()) };
    Ok(array.readwrite().make_nonwriteable().as_any().clone())
}

/// As [`view`], for one value a row: `(n_rows,)`, copied (columns of one are small).
pub fn column<'py, T: Element + Copy + Default>(
    py: Python<'py>,
    matrix: &Matrix<T>,
) -> Bound<'py, PyAny> {
    PyArray1::from_slice(py, matrix.as_slice()).into_any()
}

/// A view of genomes of any type.
pub fn genomes<'py>(py: Python<'py>, column: &Column) -> PyResult<Bound<'py, PyAny>> {
    match column {
        Column::F64(matrix) => view(py, matrix),
        Column::F32(matrix) => view(py, matrix),
        Column::I64(matrix) => view(py, matrix),
        Column::Bool(matrix) => view(py, matrix),
    }
}
