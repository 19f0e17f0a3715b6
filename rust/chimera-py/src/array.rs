//! NumPy arrays across the boundary, with the types that the stubs show.

use std::convert::Infallible;

use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2,
    PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::{type_hint_identifier, type_hint_subscript};

use crate::error::{Failure, Outcome};

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

impl Named for f32 {
    const HINT: PyStaticExpr = type_hint_identifier!("numpy", "float32");
}
impl Named for u32 {
    const HINT: PyStaticExpr = type_hint_identifier!("numpy", "uint32");
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

/// The object, or an aligned copy of an array that is not: Rust must not borrow such values.
fn aligned<'py>(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    match object.cast::<PyUntypedArray>() {
        Ok(array) if !array.is_aligned() => object.call_method0("copy"),
        _ => Ok(object.to_owned()),
    }
}

/// A 1-D array, borrowed where it is aligned.
pub struct Line<'py, T: Element>(PyReadonlyArray1<'py, T>);

impl<T: Element> Line<'_, T> {
    /// Its values.
    ///
    /// # Errors
    /// They do not lie side by side.
    pub fn values(&self, name: &str) -> Outcome<&[T]> {
        self.0.as_slice().map_err(|_| strided(name))
    }
}

impl<'a, 'py, T: Named> FromPyObject<'a, 'py> for Line<'py, T> {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("numpy.typing", "NDArray"), T::HINT);

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> Result<Self, PyErr> {
        aligned(object)?.extract::<PyReadonlyArray1<'py, T>>().map(Self)
    }
}

/// A 2-D array in C order, borrowed where it is aligned.
pub struct Table<'py, T: Element>(PyReadonlyArray2<'py, T>);

impl<T: Element> Table<'_, T> {
    /// Its values, row by row.
    ///
    /// # Errors
    /// They are not in C order.
    pub fn values(&self, name: &str) -> Outcome<&[T]> {
        if !self.0.is_c_contiguous() {
            return Err(strided(name));
        }
        self.0.as_slice().map_err(|_| strided(name))
    }

    /// Rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        match *self.0.shape() {
            [n_rows, n_columns] => (n_rows, n_columns),
            _ => (0, 0),
        }
    }
}

impl<'a, 'py, T: Named> FromPyObject<'a, 'py> for Table<'py, T> {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("numpy.typing", "NDArray"), T::HINT);

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> Result<Self, PyErr> {
        aligned(object)?.extract::<PyReadonlyArray2<'py, T>>().map(Self)
    }
}

fn strided(name: &str) -> Failure {
    Failure::Argument(format!("{name}: expected an array in C order, got one with strides"))
}

/// A 2-D array that Python owns.
pub struct Rows<T>(Py<PyArray2<T>>);

impl<T: Named> Rows<T> {
    /// Hands values over, row by row, without a copy.
    ///
    /// # Errors
    /// Their number is not `n_rows * n_columns`.
    pub fn new(py: Python<'_>, values: Vec<T>, n_rows: usize, n_columns: usize) -> PyResult<Self> {
        let rows = PyArray1::from_vec(py, values).reshape([n_rows, n_columns])?;
        Ok(Self(rows.unbind()))
    }
}

impl<'py, T: Named> IntoPyObject<'py> for Rows<T> {
    type Target = PyArray2<T>;
    type Output = Bound<'py, PyArray2<T>>;
    type Error = Infallible;
    const OUTPUT_TYPE: PyStaticExpr =
        type_hint_subscript!(type_hint_identifier!("numpy.typing", "NDArray"), T::HINT);

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Self::Error> {
        Ok(self.0.bind(py).clone())
    }
}
