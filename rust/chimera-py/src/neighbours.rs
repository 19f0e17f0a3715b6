//! `chimera._chimera.population.neighbours`: exact nearest neighbours of arrays.

use chimera_evolution::novelty::{self, Query};
use chimera_evolution::{Error, Matrix, Threads};
use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::convert::convert;
use crate::error::{Failure, Outcome};
use crate::view;

/// Return the ``k`` nearest points of each query, exactly.
///
/// Args:
///     queries: ``(n, d)``, float32 or float64.
///     points: ``(m, d)``, of the same dtype.
///     k: Neighbours wanted; as many as there are points, at most.
///     own_from: Query ``i`` is point ``own_from + i`` and not its own neighbour.
///     threads: Threads to use, 0 for one per core; the result does not depend on it.
///
/// Returns:
///     Squared Euclidean distances ``(n, k)`` float64, ascending, and rows ``(n, k)`` uint32; the
///     lower row first among equals.
///
/// Raises:
///     BatchError: Values are not finite, shapes do not fit, there is no point.
///     ConfigError: ``k`` is 0.
#[pyfunction]
#[pyo3(signature = (queries, points, k, *, own_from=None, threads=1))]
pub fn neighbours<'py>(
    py: Python<'py>,
    queries: &Bound<'py, PyAny>,
    points: &Bound<'py, PyAny>,
    k: usize,
    own_from: Option<u32>,
    threads: usize,
) -> Outcome<Bound<'py, PyAny>> {
    let threads = Threads::new(threads)?;
    let are_narrow =
        queries.cast::<PyArrayDyn<f32>>().is_ok() && points.cast::<PyArrayDyn<f32>>().is_ok();
    let (found, n_queries) = if are_narrow {
        let queries = convert::<f32>("queries", queries, "float32")?;
        let points = convert::<f32>("points", points, "float32")?;
        search(py, &queries, &points, k, own_from, &threads)?
    } else {
        let queries = convert::<f64>("queries", queries, "float64")?;
        let points = convert::<f64>("points", points, "float64")?;
        search(py, &queries, &points, k, own_from, &threads)?
    };
    let distances = Matrix::from_vec(found.distances, n_queries, found.k)?;
    let indices = Matrix::from_vec(found.indices, n_queries, found.k)?;
    let pair = (view::view(py, &distances)?, view::view(py, &indices)?);
    Ok(pair.into_pyobject(py)?.into_any())
}

fn search<T: numpy::Element + chimera_evolution::quality_diversity::Real>(
    py: Python<'_>,
    queries: &PyReadonlyArrayDyn<'_, T>,
    points: &PyReadonlyArrayDyn<'_, T>,
    k: usize,
    own_from: Option<u32>,
    threads: &Threads,
) -> Outcome<(novelty::Neighbours, usize)> {
    let ([n_queries, n_dimensions], [_, width]) = (queries.shape(), points.shape()) else {
        let got = format!("{} and {} dimensions", queries.shape().len(), points.shape().len());
        return Err(Failure::Search(Error::batch("queries and points", "2-D arrays", got)));
    };
    if n_dimensions != width {
        let expected = format!("rows of {n_dimensions} values, as the queries");
        return Err(Failure::Search(Error::batch("points", expected, width)));
    }
    let flat = |error: numpy::AsSliceError| Failure::Argument(error.to_string());
    let query = Query {
        queries: queries.as_slice().map_err(flat)?,
        points: points.as_slice().map_err(flat)?,
        n_dimensions: *n_dimensions,
        k,
        own_from,
    };
    let found = py.detach(|| novelty::neighbours(&query, threads))?;
    Ok((found, *n_queries))
}
