//! Python objects and sandbox values: strict, so that nothing is silently converted.

use chimera_core::programs::types::{Scalar, Type};
use chimera_core::programs::wasm::abi::Value;
use numpy::{PyReadonlyArray1, PyReadonlyArray2};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PyTuple};

use crate::error::{Failure, Outcome};

/// Convert an argument to the declared type. Lists, tuples and NumPy arrays are accepted for list
/// types and copied; ints are not accepted for floats, because Python would compute with them as ints.
pub fn from_python(object: &Bound<'_, PyAny>, ty: Type, what: &str) -> Outcome<Value> {
    Ok(match ty {
        Type::Scalar(Scalar::Bool) => Value::Bool(bool_of(object, what)?),
        Type::Scalar(Scalar::Int) => Value::Int(int_of(object, what)?),
        Type::Scalar(Scalar::Float) => Value::Float(float_of(object, what)?),
        Type::List(Scalar::Bool) => Value::Bools(bools(object, what)?),
        Type::List(Scalar::Int) => Value::Ints(ints(object, what)?),
        Type::List(Scalar::Float) => Value::Floats(floats(object, what)?),
        Type::Matrix(Scalar::Bool) => Value::BoolRows(rows(object, what, bools)?),
        Type::Matrix(Scalar::Int) => match object.extract::<PyReadonlyArray2<'_, i64>>() {
            Ok(array) => Value::IntRows(
                array.as_array().rows().into_iter().map(|row| row.to_vec()).collect(),
            ),
            Err(_) => Value::IntRows(rows(object, what, ints)?),
        },
        Type::Matrix(Scalar::Float) => match object.extract::<PyReadonlyArray2<'_, f64>>() {
            Ok(array) => Value::FloatRows(
                array.as_array().rows().into_iter().map(|row| row.to_vec()).collect(),
            ),
            Err(_) => Value::FloatRows(rows(object, what, floats)?),
        },
    })
}

fn wrong<T>(object: &Bound<'_, PyAny>, what: &str, expected: &str, help: &str) -> Outcome<T> {
    let got = object.get_type().name()?.to_string();
    let mut text = object.repr()?.to_string();
    if text.chars().count() > 40 {
        text = text.chars().take(37).collect::<String>() + "...";
    }
    Err(Failure::Argument(format!("{what}: expected {expected}, got {got} {text}; {help}")))
}

fn bool_of(object: &Bound<'_, PyAny>, what: &str) -> Outcome<bool> {
    if let Ok(value) = object.cast::<PyBool>() {
        return Ok(value.is_true());
    }
    match object.extract::<bool>() {
        Ok(value) => Ok(value),
        Err(_) => wrong(object, what, "bool", "pass True or False"),
    }
}

fn int_of(object: &Bound<'_, PyAny>, what: &str) -> Outcome<i64> {
    if object.is_instance_of::<PyFloat>() {
        return wrong(object, what, "int", "convert with int(...)");
    }
    match object.extract::<i64>() {
        Ok(value) => Ok(value),
        Err(_) if object.is_instance_of::<PyInt>() => {
            wrong(object, what, "an int of 64 bits", "pass a smaller number, or a float")
        }
        Err(_) => wrong(object, what, "int", "convert with int(...)"),
    }
}

fn float_of(object: &Bound<'_, PyAny>, what: &str) -> Outcome<f64> {
    if object.is_instance_of::<PyFloat>() {
        return Ok(object.extract::<f64>()?);
    }
    // NumPy's float32 is no Python float, but converts exactly; ints are refused.
    if !object.is_instance_of::<PyInt>() && object.hasattr("dtype")? {
        let kind: String = object.getattr("dtype")?.getattr("kind")?.extract()?;
        if kind == "f" {
            return Ok(object.extract::<f64>()?);
        }
    }
    wrong(object, what, "float", "convert with float(...)")
}

fn items<'py, T>(
    object: &Bound<'py, PyAny>,
    what: &str,
    expected: &str,
    item: impl Fn(&Bound<'py, PyAny>, &str) -> Outcome<T>,
) -> Outcome<Vec<T>> {
    let is_array = object.hasattr("tolist")?;
    let listed;
    let object = if is_array {
        listed = object.call_method0("tolist")?;
        &listed
    } else {
        object
    };
    if !(object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>()) {
        return wrong(object, what, expected, "pass a list or a NumPy array");
    }
    let n = object.len()?;
    let mut out = Vec::with_capacity(n);
    for (idx, element) in object.try_iter()?.enumerate() {
        let element = element?;
        // The place is only worth its formatting when something is wrong.
        match item(&element, "") {
            Ok(value) => out.push(value),
            Err(_) => {
                item(&element, &format!("{what}[{idx}]"))?;
            }
        }
    }
    Ok(out)
}

fn bools(object: &Bound<'_, PyAny>, what: &str) -> Outcome<Vec<bool>> {
    if let Ok(array) = object.extract::<PyReadonlyArray1<'_, bool>>() {
        return Ok(array.as_array().to_vec());
    }
    items(object, what, "list[bool]", bool_of)
}

fn ints(object: &Bound<'_, PyAny>, what: &str) -> Outcome<Vec<i64>> {
    if let Ok(array) = object.extract::<PyReadonlyArray1<'_, i64>>() {
        return Ok(array.as_array().to_vec());
    }
    items(object, what, "list[int]", int_of)
}

fn floats(object: &Bound<'_, PyAny>, what: &str) -> Outcome<Vec<f64>> {
    if let Ok(array) = object.extract::<PyReadonlyArray1<'_, f64>>() {
        return Ok(array.as_array().to_vec());
    }
    items(object, what, "list[float]", float_of)
}

fn rows<'py, T>(
    object: &Bound<'py, PyAny>,
    what: &str,
    row: impl Fn(&Bound<'py, PyAny>, &str) -> Outcome<Vec<T>>,
) -> Outcome<Vec<Vec<T>>> {
    items(object, what, "a list of lists", row)
}

/// Convert results to Python: nothing is `None`, several are a tuple.
pub fn to_python(py: Python<'_>, values: Vec<Value>) -> PyResult<Py<PyAny>> {
    let mut objects = Vec::with_capacity(values.len());
    for value in values {
        objects.push(match value {
            Value::Bool(value) => value.into_py_any(py)?,
            Value::Int(value) => value.into_py_any(py)?,
            Value::Float(value) => value.into_py_any(py)?,
            Value::Bools(values) => values.into_py_any(py)?,
            Value::Ints(values) => values.into_py_any(py)?,
            Value::Floats(values) => values.into_py_any(py)?,
            Value::BoolRows(rows) => rows.into_py_any(py)?,
            Value::IntRows(rows) => rows.into_py_any(py)?,
            Value::FloatRows(rows) => rows.into_py_any(py)?,
        });
    }
    match <[Py<PyAny>; 1]>::try_from(objects) {
        Ok([single]) => Ok(single),
        Err(objects) if objects.is_empty() => Ok(py.None()),
        Err(objects) => PyTuple::new(py, objects)?.into_py_any(py),
    }
}
