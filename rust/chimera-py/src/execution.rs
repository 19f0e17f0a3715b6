//! `chimera._chimera.execution`: sandboxed runs.

use std::collections::HashMap;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chimera_core::programs::ir::{FunctionId, Program as Ir};
use chimera_core::programs::types::{Scalar, Type};
use chimera_core::programs::wasm::abi::{self, Image, Value};
use chimera_core::programs::{tune, walk};
use chimera_sandbox::{
    CancelFlag, Config, Job, Limits, Options, Outcome as Run, Parameters, Runtime, Status,
};
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::array::{Column, Pairs};
use crate::enter::enter;
use crate::error::{Failure, Outcome};
use crate::executable::{Build, Executable, Executables, slot};
use crate::programs::Program;
use crate::value::{from_python, to_python};

/// Runs compiled programs in WebAssembly under limits.
///
/// Args:
///     threads: Worker threads; 0 means one per core.
///     memory_bytes_max: Linear memory of one run, in bytes.
///     fuel_max: Work of one run; roughly one unit per executed statement.
///     timeout_ms: Wall clock time of one run, in milliseconds.
///
/// Example:
///     >>> engine = Engine(threads=1)
///     >>> program = Program.parse("def f(x: int) -> int:\n    return x // 2\n", roots=["f"])
///     >>> engine.call(program, "f", (-3,)).value
///     -2
#[pyclass(frozen, module = "chimera._chimera.execution")]
pub struct Engine {
    runtime: Runtime,
    /// The process that made it, and has its threads.
    process: u32,
    pub(crate) executables: Executables,
    pub(crate) compensated_sum: bool,
    memory_bytes_max: u64,
}

/// The outcome of one call. A trap is a result, not an exception.
#[pyclass(frozen, get_all, module = "chimera._chimera.execution")]
pub struct CallOutcome {
    /// `ok`, `trap`, `fuel`, `deadline`, `memory`, `stack` or `cancelled`.
    status: &'static str,
    /// What the function returned; None unless `ok`.
    value: Py<PyAny>,
    /// Why the call stopped; None when `ok`.
    reason: Option<String>,
    /// Work done; deterministic.
    fuel: u64,
    /// Wall clock time, in nanoseconds.
    ns: u64,
}

/// Arguments of many calls of one function, checked and encoded once.
///
/// Args:
///     program: The program that holds the function.
///     function: Its name.
///     args: One tuple of arguments per instance.
///
/// Raises:
///     ArgumentError: Naming instance, parameter and index of the first ill-typed value.
#[pyclass(frozen, module = "chimera._chimera.execution")]
pub struct Instances {
    pub(crate) params: Vec<Type>,
    values: Vec<Vec<Value>>,
    images: Mutex<Encoded>,
}

/// Encodings of one set of instances that are kept; nearly all programs share one base address.
const ENCODINGS_MAX: usize = 4;

/// Encoded instances by base address and number of results.
type Encoded = HashMap<(u32, usize), Arc<Vec<Image>>>;

/// Scores of a batch, in the order of its pairs.
#[pyclass(frozen, get_all, module = "chimera._chimera.execution")]
pub struct Evaluations {
    /// (k,) float64; NaN where the call did not return.
    scores: Column<f64>,
    /// (k,) uint8: 0 ok, 1 trap, 2 fuel, 3 deadline, 4 memory, 5 stack, 6 cancelled.
    status: Column<u8>,
    /// (k,) uint64: work done.
    fuel: Column<u64>,
    /// (k,) uint64: wall clock nanoseconds.
    ns: Column<u64>,
    /// (k,) reasons; None where ok.
    reasons: Vec<Option<String>>,
}

const fn status_code(status: Status) -> (u8, &'static str) {
    match status {
        Status::Ok => (0, "ok"),
        Status::Fuel => (2, "fuel"),
        Status::Deadline => (3, "deadline"),
        Status::Memory => (4, "memory"),
        Status::Stack => (5, "stack"),
        Status::Cancelled => (6, "cancelled"),
        _ => (1, "trap"),
    }
}

/// The score in a result slot.
pub fn score(ty: Option<&Type>, bits: u64) -> f64 {
    match ty {
        Some(Type::Scalar(Scalar::Float)) => f64::from_bits(bits),
        #[expect(clippy::cast_precision_loss, reason = "scores are floats")]
        _ => bits.cast_signed() as f64,
    }
}

fn find(program: &Ir, name: &str) -> Outcome<FunctionId> {
    program.function_id(name).ok_or_else(|| {
        let known: Vec<_> = program.functions.iter().map(|f| f.name.as_str()).collect();
        Failure::Argument(format!(
            "function: expected one of {}, got `{name}`; name it in `roots` when parsing",
            known.join(", ")
        ))
    })
}

fn arguments(
    program: &Ir,
    id: FunctionId,
    args: &Bound<'_, PyTuple>,
    prefix: &str,
) -> Outcome<Vec<Value>> {
    let Some(function) = program.function(id) else { return Ok(Vec::new()) };
    let params = function.params();
    if args.len() != params.len() {
        return Err(Failure::Argument(format!(
            "{prefix}arguments: expected {} ({}), got {}; pass one value per parameter",
            params.len(),
            params.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", "),
            args.len()
        )));
    }
    let mut values = Vec::with_capacity(params.len());
    for (arg, param) in args.iter().zip(params) {
        values.push(from_python(&arg, param.ty, &format!("{prefix}{}", param.name))?);
    }
    Ok(values)
}

impl Engine {
    /// The runtime, in the process that made it.
    pub(crate) fn runtime(&self) -> Outcome<&Runtime> {
        if self.process == process::id() {
            return Ok(&self.runtime);
        }
        Err(Failure::Search(chimera_evolution::Error::Order(
            "engine: expected the process that made it, got one forked from it, which has none of \
             its threads; make it there, or start processes with \"spawn\"",
        )))
    }

    pub(crate) fn build_of(&self, entries: Vec<FunctionId>) -> Build {
        Build {
            entries,
            compensated_sum: self.compensated_sum,
            memory_bytes_max: self.memory_bytes_max,
        }
    }

    /// Compile a program for some entries, and the slots of its tunable values.
    fn prepare(
        &self,
        program: &Ir,
        entries: Vec<FunctionId>,
    ) -> Outcome<(Arc<Executable>, Vec<u64>)> {
        let parametrised = tune::parametrise(program);
        let key = with_lines(tune::skeleton_hash(program)?, program);
        let wanted = self.build_of(entries);
        let executable = self.executables.get(self.runtime()?, key, &parametrised, &wanted)?;
        Ok((executable, parametrised.values.iter().copied().map(slot).collect()))
    }
}

/// A skeleton's key, apart for programs whose statements stand on other lines: reasons name lines.
fn with_lines(skeleton: [u8; 32], program: &Ir) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(skeleton);
    for function in &program.functions {
        walk::visit_stmts(&function.body, &mut |stmt| digest.update(stmt.line.to_le_bytes()));
    }
    digest.finalize().into()
}

/// The image as the sandbox takes it.
pub fn view(image: &Image) -> chimera_sandbox::Image<'_> {
    chimera_sandbox::Image {
        base: image.base,
        bytes: &image.bytes,
        frame: image.frame,
        end: image.end,
    }
}

#[pymethods]
impl Engine {
    #[new]
    #[pyo3(signature = (*, threads = 0, memory_bytes_max = 64 << 20, fuel_max = 2_000_000_000, timeout_ms = 10_000))]
    fn new(
        py: Python<'_>,
        threads: usize,
        memory_bytes_max: usize,
        fuel_max: u64,
        timeout_ms: u64,
    ) -> Outcome<Self> {
        let limits = Limits {
            memory_bytes_max,
            fuel_max,
            timeout: Duration::from_millis(timeout_ms),
            ..Limits::default()
        };
        let config = Config { limits, n_threads: threads, ..Config::default() };
        let runtime = Runtime::new(config).map_err(|error| Failure::Config(error.to_string()))?;
        let version = py.version_info();
        Ok(Self {
            runtime,
            process: process::id(),
            executables: Executables::default(),
            compensated_sum: (version.major, version.minor) >= (3, 12),
            memory_bytes_max: memory_bytes_max as u64,
        })
    }

    /// Call one function once. Arguments are copied in; what the function does to its lists stays
    /// in the sandbox.
    ///
    /// Raises:
    ///     ArgumentError: An argument does not have the declared type.
    #[pyo3(signature = (program, function, args: "tuple[object, ...]"))]
    fn call(
        &self,
        py: Python<'_>,
        program: &Program,
        function: &str,
        args: &Bound<'_, PyTuple>,
    ) -> Outcome<CallOutcome> {
        let id = find(&program.inner, function)?;
        let values = arguments(&program.inner, id, args, "")?;
        let cancel = CancelFlag::new();
        let inner = Arc::clone(&program.inner);
        let (run, decoded, reason) = enter(py, &cancel, || {
            let (executable, slots) = self.prepare(&inner, vec![id])?;
            let (entry, results) = executable.entry(function)?;
            let image =
                abi::encode(&entry.params, &values, results.len(), executable.compiled.input_base)?;
            let name = format!("{}{function}", abi::EXPORT_CALL);
            let job = Job {
                module: &executable.module,
                entry: &name,
                parameters: Some(Parameters {
                    base: executable.compiled.parameters_base,
                    slots: &slots,
                }),
                image: view(&image),
                n_params: entry.params.len() as u32,
                results,
                n_frames: 1,
                fuel_max: None,
            };
            let options = Options { cancel: Some(cancel.clone()), is_fresh: false };
            let (run, decoded) = self.runtime()?.run_with(&job, &options, |memory, slots| {
                abi::decode(&entry.returns, slots, memory)
            })?;
            let reason = executable.reason(&run);
            Ok((run, decoded, reason))
        })?;
        let value = match decoded {
            Some(values) if run.status == Status::Ok => to_python(py, values?)?,
            _ => py.None(),
        };
        let (_, status) = status_code(run.status);
        Ok(CallOutcome { status, value, reason, fuel: run.fuel_used, ns: run.elapsed_ns })
    }

    /// Score programs on instances, in parallel, without the interpreter lock.
    ///
    /// Args:
    ///     programs: Programs that all hold `function`.
    ///     function: Returns one int or float: the score.
    ///     instances: Arguments of the calls.
    ///     pairs: (k, 2) int64 rows of (program index, instance index); None for all pairs,
    ///         program-major.
    ///
    /// Returns:
    ///     Scores, statuses, fuel and times of the k calls, in order.
    #[pyo3(signature = (programs, function, instances, pairs = None))]
    fn evaluate(
        &self,
        py: Python<'_>,
        programs: Vec<Py<Program>>,
        function: &str,
        instances: &Instances,
        pairs: Option<Pairs<'_>>,
    ) -> Outcome<Evaluations> {
        let inner: Vec<_> = programs.iter().map(|p| Arc::clone(&p.get().inner)).collect();
        let pairs = match pairs {
            None => (0..inner.len())
                .flat_map(|program| (0..instances.values.len()).map(move |one| (program, one)))
                .collect(),
            Some(pairs) => checked_pairs(&pairs.0, inner.len(), instances.values.len())?,
        };
        let mut entries = Vec::with_capacity(inner.len());
        for program in &inner {
            entries.push(find(program, function)?);
        }
        let cancel = CancelFlag::new();
        let (runs, scores, reasons) = enter(py, &cancel, || {
            self.score_all(&inner, &entries, function, instances, &pairs, &cancel)
        })?;
        let column = |value: fn(&Run) -> u64| runs.iter().map(value).collect::<Vec<_>>();
        let status: Vec<u8> = runs.iter().map(|run| status_code(run.status).0).collect();
        Ok(Evaluations {
            scores: Column::new(py, scores),
            status: Column::new(py, status),
            fuel: Column::new(py, column(|run| run.fuel_used)),
            ns: Column::new(py, column(|run| run.elapsed_ns)),
            reasons,
        })
    }
}

fn checked_pairs(
    pairs: &PyReadonlyArray2<'_, i64>,
    n_programs: usize,
    n_instances: usize,
) -> Outcome<Vec<(usize, usize)>> {
    let array = pairs.as_array();
    if array.ncols() != 2 {
        return Err(Failure::Argument(format!(
            "pairs: expected shape (k, 2), got (k, {})",
            array.ncols()
        )));
    }
    let mut out = Vec::with_capacity(array.nrows());
    for row in array.rows() {
        let idx = |at: usize, n: usize| {
            row.get(at).and_then(|value| usize::try_from(*value).ok()).filter(|value| *value < n)
        };
        let (Some(program), Some(instance)) = (idx(0, n_programs), idx(1, n_instances)) else {
            return Err(Failure::Argument(format!(
                "pairs: expected indices below ({n_programs}, {n_instances}), got {row}"
            )));
        };
        out.push((program, instance));
    }
    Ok(out)
}

type Scored = (Vec<Run>, Vec<f64>, Vec<Option<String>>);

impl Engine {
    fn score_all(
        &self,
        programs: &[Arc<Ir>],
        entries: &[FunctionId],
        function: &str,
        instances: &Instances,
        pairs: &[(usize, usize)],
        cancel: &CancelFlag,
    ) -> Outcome<Scored> {
        let prepared: Outcome<Vec<_>> = self.runtime()?.install(|| {
            programs
                .par_iter()
                .zip(entries)
                .map(|(program, id)| self.prepare(program, vec![*id]))
                .collect()
        });
        let prepared = prepared?;
        let name = format!("{}{function}", abi::EXPORT_CALL);
        let mut images = Vec::with_capacity(prepared.len());
        for (executable, _) in &prepared {
            let (entry, results) = executable.entry(function)?;
            if entry.params != instances.params {
                return Err(Failure::Argument(format!(
                    "instances: expected arguments of `{function}` as in this program, got others; \
                     make them with the same signature"
                )));
            }
            if results.len() != 1 || !matches!(entry.returns.first(), Some(Type::Scalar(_))) {
                return Err(Failure::Argument(format!(
                    "function: expected `{function}` to return one number"
                )));
            }
            images.push(instances.images(executable.compiled.input_base, 1)?);
        }
        let mut jobs = Vec::with_capacity(pairs.len());
        for (program, instance) in pairs {
            let (Some((executable, slots)), Some(image)) = (
                prepared.get(*program),
                images.get(*program).and_then(|images| images.get(*instance)),
            ) else {
                continue;
            };
            let (entry, results) = executable.entry(function)?;
            jobs.push(Job {
                module: &executable.module,
                entry: &name,
                parameters: Some(Parameters { base: executable.compiled.parameters_base, slots }),
                image: view(image),
                n_params: entry.params.len() as u32,
                results,
                n_frames: 1,
                fuel_max: None,
            });
        }
        let options = Options { cancel: Some(cancel.clone()), is_fresh: false };
        let runs = self.runtime()?.run_batch(&jobs, &options)?;
        let mut scores = Vec::with_capacity(runs.len());
        let mut reasons = Vec::with_capacity(runs.len());
        for (run, (program, _)) in runs.iter().zip(pairs) {
            let Some((executable, _)) = prepared.get(*program) else { continue };
            let (entry, _) = executable.entry(function)?;
            let bits = run.results.first().copied().filter(|_| run.status == Status::Ok);
            scores.push(bits.map_or(f64::NAN, |bits| score(entry.returns.first(), bits)));
            reasons.push(executable.reason(run));
        }
        Ok((runs, scores, reasons))
    }
}

impl Instances {
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The encoded instances at a base address; encoded once per base.
    pub(crate) fn images(&self, base: u32, n_results: usize) -> Outcome<Arc<Vec<Image>>> {
        let lock = || self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(images) = lock().get(&(base, n_results)) {
            return Ok(Arc::clone(images));
        }
        let mut images = Vec::with_capacity(self.values.len());
        for values in &self.values {
            images.push(abi::encode(&self.params, values, n_results, base)?);
        }
        let images = Arc::new(images);
        let mut known = lock();
        if known.len() >= ENCODINGS_MAX {
            known.clear();
        }
        known.insert((base, n_results), Arc::clone(&images));
        Ok(images)
    }
}

#[pymethods]
impl Instances {
    #[new]
    #[pyo3(signature = (program, function, args: "list[tuple[object, ...]]"))]
    fn new(program: &Program, function: &str, args: Vec<Bound<'_, PyTuple>>) -> Outcome<Self> {
        let id = find(&program.inner, function)?;
        let params = program
            .inner
            .function(id)
            .map(|function| function.params().iter().map(|param| param.ty).collect())
            .unwrap_or_default();
        let mut values = Vec::with_capacity(args.len());
        for (idx, one) in args.iter().enumerate() {
            values.push(arguments(&program.inner, id, one, &format!("instance {idx}, "))?);
        }
        Ok(Self { params, values, images: Mutex::default() })
    }

    fn __len__(&self) -> usize {
        self.len()
    }
}
