//! A program made ready to run: compiled once per skeleton, its tunable values in slots.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chimera_core::programs::ir::{Const, FunctionId};
use chimera_core::programs::tune::Parametrised;
use chimera_core::programs::types::{Scalar, Type};
use chimera_core::programs::wasm::{self, Compiled, Entry};
use chimera_sandbox::{CompiledModule, Outcome as Run, Runtime, SlotKind, Status};

use crate::error::{Failure, Outcome};

/// Compiled programs kept by an engine; beyond it the cache starts anew.
const EXECUTABLES_MAX: usize = 2048;

/// A compiled program.
pub struct Executable {
    pub compiled: Compiled,
    pub module: Arc<CompiledModule>,
    pub results: Vec<Vec<SlotKind>>,
}

impl Executable {
    /// The entry of a function and the kinds of its results.
    pub fn entry(&self, name: &str) -> Outcome<(&Entry, &[SlotKind])> {
        let found =
            self.compiled.entries.iter().zip(&self.results).find(|(entry, _)| entry.name == name);
        let (entry, results) = found.ok_or_else(|| {
            Failure::Argument(format!("function: expected an entry of the program, got `{name}`"))
        })?;
        Ok((entry, results))
    }

    /// What stopped a run, for people: `ZeroDivisionError in priority, line 12: division by zero`.
    pub fn reason(&self, run: &Run) -> Option<String> {
        match run.status {
            Status::Ok => None,
            Status::Fuel => Some("fuel limit reached (an endless loop?)".to_owned()),
            Status::Deadline => Some("time limit reached".to_owned()),
            Status::Stack => Some("stack limit reached".to_owned()),
            Status::Cancelled => Some("cancelled".to_owned()),
            _ => {
                let site = run.trap_site.and_then(|idx| self.compiled.sites.get(idx as usize));
                Some(site.map_or_else(
                    || run.message.clone().unwrap_or_else(|| "memory limit reached".to_owned()),
                    |site| {
                        let place = if site.line == 0 {
                            String::new()
                        } else {
                            format!(", line {}", site.line)
                        };
                        format!(
                            "{} in {}{place}: {}",
                            site.reason.python_exception(),
                            site.function,
                            site.reason.message()
                        )
                    },
                ))
            }
        }
    }
}

/// The bits of a constant as a slot holds them.
pub const fn slot(value: Const) -> u64 {
    match value {
        Const::Bool(value) => value as u64,
        Const::Int(value) => value.cast_unsigned(),
        Const::Float(value) => value.to_bits(),
    }
}

const fn kind(ty: Type) -> SlotKind {
    match ty {
        Type::Scalar(Scalar::Float) => SlotKind::Float,
        _ => SlotKind::Bits,
    }
}

/// Which entries a program gets, and how sums of floats behave.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Build {
    pub entries: Vec<FunctionId>,
    pub compensated_sum: bool,
    pub memory_bytes_max: u64,
}

/// Compile a parametrised program.
fn build(runtime: &Runtime, skeleton: &Parametrised, build: &Build) -> Outcome<Executable> {
    let options = wasm::Options {
        entries: build.entries.clone(),
        compensated_sum: build.compensated_sum,
        parameters: skeleton.values.clone(),
        parameter_tables: skeleton.tables.clone(),
        memory_bytes_max: build.memory_bytes_max,
        ..wasm::Options::default()
    };
    let compiled = wasm::compile(&skeleton.program, &options)?;
    let module = runtime.compile(&compiled.wasm)?;
    let results = compiled
        .entries
        .iter()
        .map(|entry| entry.returns.iter().copied().map(kind).collect())
        .collect();
    Ok(Executable { compiled, module, results })
}

type Known = HashMap<([u8; 32], Build), Arc<Executable>>;

/// A bounded cache of compiled programs.
#[derive(Default)]
pub struct Executables {
    known: Mutex<Known>,
}

impl Executables {
    /// The compiled form of a skeleton, compiled on first use. `key` is the skeleton's hash.
    pub fn get(
        &self,
        runtime: &Runtime,
        key: [u8; 32],
        skeleton: &Parametrised,
        wanted: &Build,
    ) -> Outcome<Arc<Executable>> {
        let name = (key, wanted.clone());
        if let Some(known) = self.lock().get(&name) {
            return Ok(Arc::clone(known));
        }
        // Compile outside the lock: two threads may do the same work, neither waits.
        let made = Arc::new(build(runtime, skeleton, wanted)?);
        let mut known = self.lock();
        if known.len() >= EXECUTABLES_MAX {
            known.clear();
        }
        known.insert(name, Arc::clone(&made));
        Ok(made)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
