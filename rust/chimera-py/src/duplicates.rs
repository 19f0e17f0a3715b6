//! `chimera._chimera.population.duplicates`: repeated rows of arrays.

use chimera_evolution::Error;
use chimera_evolution::operators::duplicates::{Duplicates, Word};
use numpy::{Element, PyArray1, PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::convert::convert;
use crate::error::{Failure, Outcome};

/// Return which rows equal an earlier row exactly.
///
/// Args:
///     rows: ``(n, d)`` float64, float32, int64 or bool; other types are copied to float64.
///
/// Returns:
///     ``(n,)`` bool.
///
/// Raises:
///     BatchError: ``rows`` is not a 2-D array.
#[pyfunction]
pub fn duplicates<'py>(py: Python<'py>, rows: &Bound<'py, PyAny>) -> Outcome<Bound<'py, PyAny>> {
    let found = if rows.cast::<PyArrayDyn<f32>>().is_ok() {
        find(py, &convert::<f32>("rows", rows, "float32")?)?
    } else if rows.cast::<PyArrayDyn<i64>>().is_ok() {
        find(py, &convert::<i64>("rows", rows, "int64")?)?
    } else if rows.cast::<PyArrayDyn<bool>>().is_ok() {
        find(py, &convert::<bool>("rows", rows, "bool")?)?
    } else {
        find(py, &convert::<f64>("rows", rows, "float64")?)?
    };
    Ok(PyArray1::from_vec(py, found).into_any())
}

fn find<T: Element + Word + Sync>(
    py: Python<'_>,
    rows: &PyReadonlyArrayDyn<'_, T>,
) -> Outcome<Vec<bool>> {
    let [_, n_columns] = rows.shape() else {
        let got = format!("{} dimensions", rows.shape().len());
        return Err(Failure::Search(Error::batch("rows", "a 2-D array", got)));
    };
    let values = rows.as_slice().map_err(|error| Failure::Argument(error.to_string()))?;
    let n_columns = *n_columns;
    if n_columns == 0 {
        // Rows without genes are all alike.
        return Ok((0..rows.shape().first().copied().unwrap_or(0)).map(|row| row > 0).collect());
    }
    Ok(py.detach(|| Duplicates::default().find_rows(values, n_columns).to_vec()))
}
