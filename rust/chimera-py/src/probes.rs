//! Probe inputs: what evolvable functions answer on recorded arguments, as a measure of behaviour.

use chimera_core::programs::ir::{Const, Program as Ir};
use chimera_core::programs::types::Type;
use chimera_core::programs::wasm::abi::{self, Image, Value};
use chimera_sandbox::{CancelFlag, Job, Options, Parameters, Status};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::{Failure, Outcome};
use crate::executable::Executable;
use crate::execution::{Engine, score, view};
use crate::value::from_python;

/// Probe calls of one evolvable function: their arguments, and where their outputs start.
pub struct Probes {
    pub name: String,
    pub params: Vec<Type>,
    pub values: Vec<Vec<Value>>,
}

/// Probe calls as Python gives them.
pub fn probes_of(program: &Ir, probes: &Bound<'_, PyDict>) -> Outcome<Vec<Probes>> {
    let mut out = Vec::new();
    for function in program.functions.iter().filter(|function| function.is_evolvable) {
        let params: Vec<Type> = function.params().iter().map(|param| param.ty).collect();
        let returns = function.returns.types();
        let scalar = |ty: &Type| ty.scalar().is_some();
        let Some(rows) = probes.get_item(&function.name)? else { continue };
        if !params.iter().all(scalar) || !returns.iter().all(scalar) || returns.is_empty() {
            continue;
        }
        let mut values = Vec::new();
        for (idx, row) in rows.try_iter()?.enumerate() {
            let row = row?;
            let row = row.cast::<PyTuple>().map_err(PyErr::from)?;
            let mut args = Vec::with_capacity(params.len());
            for (arg, param) in row.iter().zip(function.params()) {
                let what = format!("probe {idx} of {}, {}", function.name, param.name);
                args.push(from_python(&arg, param.ty, &what)?);
            }
            if args.len() != params.len() {
                return Err(Failure::Argument(format!(
                    "probe {idx} of {}: expected {} values, got {}",
                    function.name,
                    params.len(),
                    args.len()
                )));
            }
            values.push(args);
        }
        if !values.is_empty() {
            out.push(Probes { name: function.name.clone(), params, values });
        }
    }
    Ok(out)
}

/// Probe inputs as variation sees them: per function of the program, rows of scalars.
pub fn observed(program: &Ir, probes: &[Probes]) -> Vec<Vec<Vec<Const>>> {
    let constant = |value: &Value| match value {
        Value::Bool(value) => Some(Const::Bool(*value)),
        Value::Int(value) => Some(Const::Int(*value)),
        Value::Float(value) => Some(Const::Float(*value)),
        _ => None,
    };
    program
        .functions
        .iter()
        .map(|function| {
            probes.iter().find(|probes| probes.name == function.name).map_or_else(
                Vec::new,
                |probes| {
                    let row = |row: &Vec<Value>| row.iter().filter_map(constant).collect();
                    probes.values.iter().map(row).collect()
                },
            )
        })
        .collect()
}

/// Probe calls as a saved search holds them.
pub fn probes_from(program: &Ir, rows: &[Vec<Vec<Const>>]) -> Vec<Probes> {
    let value = |constant: &Const| match *constant {
        Const::Bool(value) => Value::Bool(value),
        Const::Int(value) => Value::Int(value),
        Const::Float(value) => Value::Float(value),
    };
    let filled = program.functions.iter().zip(rows).filter(|(_, rows)| !rows.is_empty());
    filled
        .map(|(function, rows)| Probes {
            name: function.name.clone(),
            params: function.params().iter().map(|param| param.ty).collect(),
            values: rows.iter().map(|row| row.iter().map(value).collect()).collect(),
        })
        .collect()
}

/// Outputs of one function on all its probe inputs, NaN where a call trapped.
pub fn probe_function(
    engine: &Engine,
    executable: &Executable,
    slots: &[u64],
    probes: &Probes,
    cancel: &CancelFlag,
    outputs: &mut Vec<f64>,
) -> Outcome<()> {
    let (entry, kinds) = executable.entry(&probes.name)?;
    let name = format!("{}{}", abi::EXPORT_MANY, probes.name);
    let stride = (probes.params.len() + kinds.len()) * abi::SLOT_BYTES as usize;
    let base = executable.compiled.input_base;
    let mut done = 0;
    // A frame that traps ends the run: note it and go on behind it.
    while done < probes.values.len() {
        let rest = probes.values.get(done..).unwrap_or(&[]);
        let mut bytes = vec![0; stride * rest.len()];
        for (row, frame) in rest.iter().zip(bytes.chunks_mut(stride)) {
            for (value, place) in row.iter().zip(frame.chunks_mut(abi::SLOT_BYTES as usize)) {
                let bits = match value {
                    Value::Bool(value) => u64::from(*value),
                    Value::Int(value) => value.cast_unsigned(),
                    Value::Float(value) => value.to_bits(),
                    _ => 0,
                };
                place.copy_from_slice(&bits.to_le_bytes());
            }
        }
        let end = base.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        let image = Image { bytes, base, frame: base, end: end.next_multiple_of(16) };
        let job = Job {
            module: &executable.module,
            entry: &name,
            parameters: Some(Parameters { base: executable.compiled.parameters_base, slots }),
            image: view(&image),
            n_params: entry.params.len() as u32,
            results: kinds,
            n_frames: rest.len() as u32,
            fuel_max: None,
        };
        let options = Options { cancel: Some(cancel.clone()), is_fresh: false };
        let run = engine.runtime()?.run(&job, &options)?;
        for (idx, bits) in run.results.iter().enumerate() {
            outputs.push(score(entry.returns.get(idx % kinds.len().max(1)), *bits));
        }
        let n_done = run.n_done as usize;
        done += n_done;
        if done < probes.values.len() {
            outputs.extend(std::iter::repeat_n(f64::NAN, kinds.len()));
            done += 1;
        }
        if run.status == Status::Cancelled {
            let missing = probes.values.len().saturating_sub(done) * kinds.len();
            outputs.extend(std::iter::repeat_n(f64::NAN, missing));
            return Ok(());
        }
    }
    Ok(())
}
