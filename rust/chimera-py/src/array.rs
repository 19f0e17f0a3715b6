//! NumPy arrays across the boundary, with the types that the stubs show.

use std::convert::Infallible;

use numpy::{Element, PyArray1, PyReadonlyArray2};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::{type_hint_identifier, type_hint_subscript};

/// A scalar type that arrays hold, and its name in NumPy.
pub trait Named: Element {
    /// `numpy.float64` and its like.
    const HINT: PyStaticExpr;
}
impl Named for f64 {
    const HINT: PyStaticExpr = type_hint_identifier!("numpy", "float64");
}
impl Named for u8 {
    const HINT: PyStaticExpr = type_hint_identifier!("numpy", "uint8");
}
impl Named for u64 {
    const HINT: PyStaticExpr = type_hint_identifier!("numpy", "uint64");
}
impl Named for i64 {
    const HINT: PyStaticExpr = type_hint_identifier!("numpy", "int64");
}

/// A 1-D array that Python owns.
pub struct Column<T>(Py<PyArray1<T>>);

impl<T: Named> Column<T> {
    /// Hands a vector over without a copy.
    pub fn new(py: Python<'_>, values: Vec<T>) -> Self {
        Self(PyArray1::from_vec(py, values).unbind())
    }
}

impl<'py, T: Named> IntoPyObject<'py> for &Column<T> {
    type Target = PyArray1<T>;
    type Output = Bound<'py, PyArray1<T>>;
    type Error = Infallible;
    const OUTPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("numpy.typing", "NDArray"), T::HINT);

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(self.0.bind(py).clone())
    }
}

impl<'py, T: Named> IntoPyObject<'py> for Column<T> {
    type Target = PyArray1<T>;
    type Output = Bound<'py, PyArray1<T>>;
    type Error = Infallible;
    const OUTPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("numpy.typing", "NDArray"), T::HINT);

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(self.0.into_bound(py))
    }
}

/// A borrowed 2-D array of int64.
pub struct Pairs<'py>(pub PyReadonlyArray2<'py, i64>);

impl<'a, 'py> FromPyObject<'a, 'py> for Pairs<'py> {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("numpy.typing", "NDArray"), i64::HINT);

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> Result<Self, PyErr> {
        object.to_owned().extract::<PyReadonlyArray2<'py, i64>>().map(Self)
    }
}
