//! `chimera._chimera.evolution`: the search over programs, evaluated in the sandbox.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chimera_core::evolution::{self as core, Batch, Direction, Measured, Settings};
use chimera_core::programs::ir::{FunctionId, Program as Ir};
use chimera_core::programs::python::FunctionSpan;
use chimera_core::programs::wasm::abi;
use chimera_sandbox::{CancelFlag, Job, Options, Parameters, Status};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::enter::enter;
use crate::error::{Failure, Outcome};
use crate::executable::{Executable, slot};
use crate::execution::{Engine, Instances, score, view};
use crate::probes::{Probes, observed, probe_function, probes_from, probes_of};
use crate::programs::{Program, hex, source_id};

/// A deterministic search for better versions of a program's evolvable functions.
///
/// Equal program, instances, seed and settings give the same sequence of steps on any number of
/// threads, also when the search is saved and loaded in between.
///
/// Args:
///     program: The baseline.
///     objective: Name of the function that scores; one call per instance.
///     instances: Training instances: arguments of the objective.
///     seed: Seed of every random stream.
///     direction: `minimize` or `maximize`.
///     probes: Per evolvable function, argument tuples on which behaviour is compared.
///     settings: Overrides of the search's settings by name.
///
/// Raises:
///     ConfigError: A setting is unknown or outside its range.
#[pyclass(frozen, module = "chimera._chimera.evolution")]
pub struct Search {
    inner: Mutex<core::Search>,
    objective: String,
    instances: Py<Instances>,
    entries: Vec<FunctionId>,
    probes: Vec<Probes>,
    spans: Arc<Vec<FunctionSpan>>,
}

/// A kept candidate.
#[pyclass(frozen, get_all, module = "chimera._chimera.evolution")]
pub struct Candidate {
    /// `program.id`: SHA-256 of its source, in hexadecimal.
    id: String,
    /// The program.
    program: Py<Program>,
    /// Mean score over the first `Search.n_selection` training instances.
    score: f64,
    /// Standard deviation of the score over the same instances.
    deviation: f64,
    /// Number of instances behind the score.
    n_instances: usize,
    /// Identities of the parents.
    parents: Vec<String>,
    /// The operator that made it.
    operator: String,
    /// The generation that made it.
    generation: u64,
    /// Nodes of the evolvable functions.
    size: u32,
    /// Mean fuel of one evaluation.
    fuel: u64,
}

/// What one generation did.
#[pyclass(frozen, get_all, module = "chimera._chimera.evolution")]
pub struct Step {
    /// Number of the generation; 0 evaluates the baseline.
    generation: u64,
    /// Objective calls so far.
    n_evaluations: u64,
    /// Candidates that entered the race.
    n_candidates: u64,
    /// Objective calls that trapped or gave no finite score.
    n_traps: u64,
    /// Candidates skipped because an equal one is known.
    n_duplicates: u64,
    /// Score of the best candidate.
    best_score: f64,
    /// New best candidates, in order.
    improvements: Vec<Py<Candidate>>,
    /// SHA-256 of everything the generation measured, in hexadecimal.
    digest: String,
}

fn settings(
    seed: u64,
    direction: &str,
    overrides: Option<&Bound<'_, PyDict>>,
) -> Outcome<Settings> {
    let direction = match direction {
        "minimize" => Direction::Minimize,
        "maximize" => Direction::Maximize,
        other => {
            return Err(Failure::Config(format!(
                "direction: expected minimize or maximize, got {other}"
            )));
        }
    };
    let mut out = Settings { seed, direction, ..Settings::default() };
    for (key, value) in overrides.into_iter().flatten() {
        let name: String = key.extract()?;
        let wrong =
            |_| Failure::Config(format!("{name}: expected a non-negative number, got {value}"));
        match name.as_str() {
            "n_islands" => out.n_islands = value.extract().map_err(wrong)?,
            "island_size" => out.island_size = value.extract().map_err(wrong)?,
            "batch" => out.batch = value.extract().map_err(wrong)?,
            "size_max" => out.size_max = value.extract().map_err(wrong)?,
            "store_capacity" => out.store_capacity = value.extract().map_err(wrong)?,
            "n_parameters_max" => out.n_parameters_max = value.extract().map_err(wrong)?,
            "archive_share" => out.archive_share = value.extract().map_err(wrong)?,
            "minibatch" => out.minibatch = value.extract().map_err(wrong)?,
            _ => {
                return Err(Failure::Config(format!(
                    "settings: expected n_islands, island_size, batch, size_max, store_capacity, \
                     n_parameters_max, archive_share or minibatch, got {name}"
                )));
            }
        }
    }
    Ok(out)
}

impl Search {
    fn lock(&self) -> MutexGuard<'_, core::Search> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(program: &Program, objective: &str, probes: &[Probes]) -> Outcome<Vec<FunctionId>> {
        let Some(id) = program.inner.function_id(objective) else {
            return Err(Failure::Argument(format!(
                "objective: expected a function of the program, got `{objective}`"
            )));
        };
        let mut entries = vec![id];
        for probe in probes {
            entries.extend(program.inner.function_id(&probe.name).filter(|other| *other != id));
        }
        Ok(entries)
    }

    fn candidate(
        &self,
        py: Python<'_>,
        search: &core::Search,
        candidate: core::Candidate,
    ) -> PyResult<Py<Candidate>> {
        let parents = candidate
            .parents
            .iter()
            .filter_map(|parent| Some(source_id(&search.candidate(*parent)?.program)))
            .collect();
        let program = Program::new(candidate.program, Arc::clone(&self.spans));
        Py::new(
            py,
            Candidate {
                id: program.id(),
                program: Py::new(py, program)?,
                score: candidate.score,
                deviation: candidate.deviation,
                n_instances: candidate.n_instances,
                parents,
                operator: candidate.operator,
                generation: candidate.generation,
                size: candidate.size,
                fuel: candidate.fuel,
            },
        )
    }

    /// Compile and run one round.
    fn measure(
        &self,
        engine: &Engine,
        instances: &Instances,
        batch: &Batch,
        cancel: &CancelFlag,
    ) -> Outcome<(Vec<Measured>, Vec<Vec<f64>>)> {
        let wanted = engine.build_of(self.entries.clone());
        let executables: Outcome<Vec<Arc<Executable>>> = engine.runtime()?.install(|| {
            batch
                .programs
                .par_iter()
                .zip(&batch.keys)
                .map(|(skeleton, key)| {
                    engine.executables.get(engine.runtime()?, *key, skeleton, &wanted)
                })
                .collect()
        });
        let executables = executables?;
        let results = self.objective_calls(engine, instances, batch, &executables, cancel)?;
        let outputs = self.probe_calls(engine, batch, &executables, cancel)?;
        Ok((results, outputs))
    }

    fn objective_calls(
        &self,
        engine: &Engine,
        instances: &Instances,
        batch: &Batch,
        executables: &[Arc<Executable>],
        cancel: &CancelFlag,
    ) -> Outcome<Vec<Measured>> {
        let name = format!("{}{}", abi::EXPORT_CALL, self.objective);
        let mut images = Vec::with_capacity(executables.len());
        for executable in executables {
            let (_, results) = executable.entry(&self.objective)?;
            images.push(instances.images(executable.compiled.input_base, results.len())?);
        }
        // Requests of one candidate share their values.
        let mut slots: Vec<Vec<u64>> = Vec::new();
        let mut of_request = Vec::with_capacity(batch.requests.len());
        let mut last = std::ptr::null();
        for request in &batch.requests {
            let values = Arc::as_ptr(&request.parameters).cast::<()>();
            if values != last || slots.is_empty() {
                slots.push(request.parameters.iter().copied().map(slot).collect());
                last = values;
            }
            of_request.push(slots.len() - 1);
        }
        let mut jobs = Vec::with_capacity(batch.requests.len());
        for (request, at) in batch.requests.iter().zip(of_request) {
            let program = request.program as usize;
            let image =
                images.get(program).and_then(|images| images.get(request.instance as usize));
            let (Some(executable), Some(image), Some(slots)) =
                (executables.get(program), image, slots.get(at))
            else {
                return Err(Failure::Argument("instances: fewer than the search knows".to_owned()));
            };
            let (entry, results) = executable.entry(&self.objective)?;
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
        let runs = engine.runtime()?.run_batch(&jobs, &options)?;
        // How far a call comes in a given time depends on the machine: nothing may be learnt from it.
        if runs.iter().any(|run| run.status == Status::Deadline) {
            return Err(Failure::Config(
                "timeout_ms: expected every call to end by its fuel within the time limit, got one \
                 that did not; raise timeout_ms or lower fuel_max"
                    .to_owned(),
            ));
        }
        let mut measured = Vec::with_capacity(runs.len());
        for (run, request) in runs.iter().zip(&batch.requests) {
            let ty = executables
                .get(request.program as usize)
                .and_then(|executable| executable.entry(&self.objective).ok())
                .and_then(|(entry, _)| entry.returns.first());
            let bits = run.results.first().copied().filter(|_| run.status == Status::Ok);
            measured.push(Measured {
                score: bits.map_or(f64::NAN, |bits| score(ty, bits)),
                is_ok: bits.is_some(),
                fuel: run.fuel_used,
            });
        }
        Ok(measured)
    }

    /// Outputs of every probed candidate on all probe inputs, NaN where a call trapped.
    fn probe_calls(
        &self,
        engine: &Engine,
        batch: &Batch,
        executables: &[Arc<Executable>],
        cancel: &CancelFlag,
    ) -> Outcome<Vec<Vec<f64>>> {
        engine.runtime()?.install(|| {
            batch
                .probes
                .par_iter()
                .map(|probe| {
                    let Some(executable) = executables.get(probe.program as usize) else {
                        return Ok(Vec::new());
                    };
                    let slots: Vec<u64> = probe.parameters.iter().copied().map(slot).collect();
                    let mut outputs = Vec::new();
                    for probes in &self.probes {
                        probe_function(engine, executable, &slots, probes, cancel, &mut outputs)?;
                    }
                    Ok(outputs)
                })
                .collect()
        })
    }
}

#[pymethods]
impl Search {
    #[new]
    #[pyo3(signature = (program, objective, instances, *, seed, direction, probes: "dict[str, list[tuple[object, ...]]]", settings: "dict[str, float] | None" = None))]
    fn new(
        program: &Program,
        objective: &str,
        instances: Py<Instances>,
        seed: u64,
        direction: &str,
        probes: &Bound<'_, PyDict>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> Outcome<Self> {
        let probes = probes_of(&program.inner, probes)?;
        let entries = Self::entries(program, objective, &probes)?;
        let settings = self::settings(seed, direction, settings)?;
        let inner = core::Search::new(
            Ir::clone(&program.inner),
            instances.get().len(),
            observed(&program.inner, &probes),
            settings,
        )
        .map_err(|error| Failure::Config(error.to_string()))?;
        Ok(Self {
            inner: Mutex::new(inner),
            objective: objective.to_owned(),
            instances,
            entries,
            probes,
            spans: Arc::clone(&program.spans),
        })
    }

    /// Run one generation: propose, compile, evaluate with racing, learn.
    ///
    /// Raises:
    ///     KeyboardInterrupt: Ctrl-C came; the generation is not counted and can be run again.
    fn step(&self, py: Python<'_>, engine: &Engine) -> Outcome<Step> {
        let cancel = CancelFlag::new();
        let instances = self.instances.get();
        let (step, digest) = enter(py, &cancel, || {
            // Work on a copy, so that an interrupted generation leaves no trace.
            let mut search = self.lock().clone();
            let mut digest = Sha256::new();
            loop {
                let batch = search.ask();
                let (results, outputs) = self.measure(engine, instances, &batch, &cancel)?;
                if cancel.is_raised() {
                    return Err(Failure::Interrupted);
                }
                for result in &results {
                    digest.update(result.score.to_bits().to_le_bytes());
                    digest.update(result.fuel.to_le_bytes());
                }
                for value in outputs.iter().flatten() {
                    digest.update(value.to_bits().to_le_bytes());
                }
                if let Some(step) = search.tell(&results, &outputs)? {
                    *self.lock() = search;
                    return Ok((step, digest.finalize()));
                }
            }
        })?;
        let search = self.lock();
        let mut improvements = Vec::with_capacity(step.improvements.len());
        for candidate in step.improvements {
            improvements.push(self.candidate(py, &search, candidate)?);
        }
        Ok(Step {
            generation: step.generation,
            n_evaluations: step.n_evaluations,
            n_candidates: step.n_candidates,
            n_traps: step.n_traps,
            n_duplicates: step.n_duplicates,
            best_score: step.best_score,
            improvements,
            digest: hex(&digest),
        })
    }

    /// The best candidate so far; before the first step the baseline, with a score of NaN.
    #[getter]
    fn best(&self, py: Python<'_>) -> PyResult<Py<Candidate>> {
        let search = self.lock();
        if let Some(best) = search.best() {
            return self.candidate(py, &search, best);
        }
        let program = Program::new(Arc::clone(search.baseline()), Arc::clone(&self.spans));
        let baseline = Candidate {
            id: program.id(),
            size: u32::try_from(program.size()).unwrap_or(u32::MAX),
            program: Py::new(py, program)?,
            score: f64::NAN,
            deviation: f64::NAN,
            n_instances: 0,
            parents: Vec::new(),
            operator: String::new(),
            generation: 0,
            fuel: 0,
        };
        Py::new(py, baseline)
    }

    /// Training instances, from the first on, that decide races and give candidates their scores.
    #[getter]
    fn n_selection(&self) -> usize {
        self.lock().n_selection()
    }

    /// Objective calls so far, each on one instance.
    #[getter]
    fn n_evaluations(&self) -> u64 {
        self.lock().n_evaluations()
    }

    /// The generation that the next step runs.
    #[getter]
    fn generation(&self) -> u64 {
        self.lock().generation()
    }

    /// The candidates from the baseline to the one with this identity.
    fn lineage(&self, py: Python<'_>, id: &str) -> PyResult<Vec<Py<Candidate>>> {
        let search = self.lock();
        let newest = (0..search.store().len()).rev();
        let mut kept = search
            .best()
            .into_iter()
            .chain(newest.filter_map(|at| search.candidate(u64::try_from(at).ok()?)));
        let found = kept.find(|candidate| source_id(&candidate.program) == id);
        let chain = found.map_or_else(Vec::new, |found| search.lineage(&found.identity));
        chain.into_iter().map(|candidate| self.candidate(py, &search, candidate)).collect()
    }

    /// Name, trials, acceptances and credit of every operator.
    #[pyo3(signature = () -> "list[dict[str, object]]")]
    fn operators<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = PyList::empty(py);
        for account in self.lock().operators() {
            let row = PyDict::new(py);
            row.set_item("name", &account.name)?;
            row.set_item("n_tried", account.n_tried)?;
            row.set_item("n_accepted", account.n_accepted)?;
            row.set_item("gain", account.gain)?;
            rows.append(row)?;
        }
        Ok(rows)
    }

    /// The state of the search as bytes.
    fn save<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyBytes>> {
        let bytes = py.detach(|| self.lock().save())?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Continue from what `save` wrote, with the same program, objective, instances and probes.
    ///
    /// Raises:
    ///     StateError: The bytes are damaged, of another version, or of another task.
    #[staticmethod]
    fn load(
        data: &[u8],
        program: &Program,
        objective: &str,
        instances: Py<Instances>,
    ) -> Outcome<Self> {
        let inner = core::Search::load(data)?;
        inner.check_matches(&program.inner, instances.get().len())?;
        let probes = probes_from(&program.inner, inner.probes());
        let entries = Self::entries(program, objective, &probes)?;
        Ok(Self {
            inner: Mutex::new(inner),
            objective: objective.to_owned(),
            instances,
            entries,
            probes,
            spans: Arc::clone(&program.spans),
        })
    }

    /// SHA-256 of `save()`, in hexadecimal.
    fn digest(&self, py: Python<'_>) -> Outcome<String> {
        let bytes = py.detach(|| self.lock().save())?;
        Ok(hex(&Sha256::digest(&bytes)))
    }
}
