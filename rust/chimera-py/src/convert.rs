//! Arrays from outside as numbers of one type, borrowed where they are that already.

use chimera_evolution as core;
use numpy::{
    Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::error::{Failure, Outcome};

/// Borrows an aligned array of `dtype` in C order, converting what is not. Booleans are always
/// copied: an array from outside may hold bytes other than 0 and 1, which Rust must never see as
/// `bool`.
///
/// What NumPy would turn into numbers without a word is refused: masked values, complex numbers,
/// dates, texts, records.
pub fn convert<'py, T: Element>(
    name: &'static str,
    array: &Bound<'py, PyAny>,
    dtype: &str,
) -> Outcome<PyReadonlyArrayDyn<'py, T>> {
    static AS_CONTIGUOUS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static EQUAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    static NOT_EQUAL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let is_bool = dtype == "bool";
    refuse_masked(name, array)?;
    if let Ok(array) = array.cast::<PyArrayDyn<T>>()
        && array.is_c_contiguous()
        && array.is_aligned()
        && !is_bool
    {
        return array.try_readonly().map_err(|error| Failure::Argument(error.to_string()));
    }
    let py = array.py();
    let refused = |what: &dyn std::fmt::Display| {
        Failure::Search(core::Error::batch(name, format!("an array of {dtype}"), what))
    };
    let given = as_numbers(name, array, dtype)?;
    let convert = AS_CONTIGUOUS.import(py, "numpy", "require")?;
    let mut converted =
        convert.call1((&given, dtype, ["C", "A"])).map_err(|error| refused(&error))?;
    if matches!(dtype, "int64" | "bool") {
        let is_same = EQUAL.import(py, "numpy", "array_equal")?.call1((&given, &converted))?;
        if !is_same.is_truthy()? {
            return Err(refused(&"other values"));
        }
    }
    if is_bool {
        let bytes = converted.call_method1("view", ("uint8",))?;
        converted = NOT_EQUAL.import(py, "numpy", "not_equal")?.call1((bytes, 0))?;
    }
    let converted =
        converted.cast_into::<PyArrayDyn<T>>().map_err(|_| refused(&array.get_type()))?;
    converted.try_readonly().map_err(|error| Failure::Argument(error.to_string()))
}

/// An array whose values are numbers, or objects of which each may be one.
fn as_numbers<'py>(
    name: &'static str,
    array: &Bound<'py, PyAny>,
    dtype: &str,
) -> Outcome<Bound<'py, PyAny>> {
    static AS_ARRAY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let refused = |what: String| {
        let got = format!("{what}; convert them first");
        Failure::Search(core::Error::batch(name, format!("an array of {dtype}"), got))
    };
    let as_array = AS_ARRAY.import(array.py(), "numpy", "asarray")?;
    let given = as_array.call1((array,)).map_err(|error| refused(error.to_string()))?;
    let given_type = given.getattr("dtype")?;
    match given_type.getattr("kind")?.extract::<char>()? {
        'b' | 'i' | 'u' | 'f' => {}
        'O' => {
            for item in given.getattr("flat")?.try_iter()? {
                let item = item?;
                if item.is_instance_of::<PyString>() || item.is_instance_of::<PyBytes>() {
                    return Err(refused("texts".into()));
                }
            }
        }
        _ => return Err(refused(format!("values of dtype {given_type}"))),
    }
    Ok(given)
}

/// Refuses masked arrays, and lists of them, that hide a value.
pub fn refuse_masked(name: &'static str, array: &Bound<'_, PyAny>) -> Outcome<()> {
    if array.is_exact_instance_of::<PyUntypedArray>() {
        return Ok(());
    }
    let mut hides = hides_values(array)?;
    if array.is_instance_of::<PyList>() || array.is_instance_of::<PyTuple>() {
        for item in array.try_iter()? {
            hides = hides || hides_values(&item?)?;
        }
    }
    if !hides {
        return Ok(());
    }
    let got = "masked ones; fill them, or leave their rows out or mark them failed";
    Err(Failure::Search(core::Error::batch(name, "values that are all visible", got)))
}

fn hides_values(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    let is_plain = array.is_exact_instance_of::<PyUntypedArray>();
    if is_plain || !array.is_instance_of::<PyUntypedArray>() {
        return Ok(false);
    }
    match array.getattr("mask") {
        Ok(mask) => mask.call_method0("any")?.is_truthy(),
        Err(_) => Ok(false), // a subclass of another kind
    }
}
