//! `chimera._chimera.population`: ask and tell over arrays, for every method by name.

use std::sync::MutexGuard;

use chimera_evolution::{self as core, Column, Matrix, Scores, Space, Threads, Type, memory};
use numpy::{
    Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods,
};
use pyo3::inspect::PyStaticExpr;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::convert::{convert, refuse_masked};
use crate::enter::watched;
use crate::error::{Failure, Outcome};
use crate::guarded::Guarded;
use crate::view;

/// A search under way: ask for candidates, tell their scores.
///
/// The classes of ``chimera.evolution`` derive from it. Asked batches are read-only views of the
/// search's own memory; they stay valid and unchanged for as long as they are held.
///
/// Args:
///     method: Name of the method.
///     space: Blocks ``(name, kind, lower, upper)``.
///     settings: The method's settings as a JSON object.
///     seed: Seed of every random stream.
///     threads: Threads to use, 0 for one per core; the result does not depend on it.
///     state: What ``save`` returned, instead of everything but ``threads``.
///
/// Raises:
///     ConfigError: A setting or a bound is outside its range.
///     StateError: The saved state is damaged or of another version.
#[pyclass(frozen, subclass, module = "chimera._chimera.population")]
pub struct Run {
    inner: Guarded<core::Run>,
}

type Blocks = Vec<(String, String, Vec<f64>, Vec<f64>)>;

impl Run {
    fn lock(&self) -> Outcome<MutexGuard<'_, core::Run>> {
        self.inner.lock()
    }

    /// One array for a space of one block, else a dictionary of arrays by block.
    fn hand_out<'py>(
        py: Python<'py>,
        space: &Space,
        genomes: &[Column],
    ) -> PyResult<Bound<'py, PyAny>> {
        if let ([_], [column]) = (space.blocks(), genomes) {
            return view::genomes(py, column);
        }
        let out = PyDict::new(py);
        for (block, column) in space.blocks().iter().zip(genomes) {
            out.set_item(&block.name, view::genomes(py, column)?)?;
        }
        Ok(out.into_any())
    }
}

#[pymethods]
impl Run {
    #[new]
    #[pyo3(signature = (method="", space=Vec::new(), settings="{}", *, seed=0, threads=1, state=None))]
    fn new(
        py: Python<'_>,
        method: &str,
        space: Blocks,
        settings: &str,
        seed: u64,
        threads: usize,
        state: Option<&[u8]>,
    ) -> Outcome<Self> {
        let threads = Threads::new(threads)?;
        let run = watched(py, || match state {
            Some(state) => core::Run::load(state, threads),
            None => core::Run::new(method, Space::new(space)?, settings, seed, threads),
        })?;
        Ok(Self { inner: Guarded::new(run) })
    }

    /// Return candidates to evaluate.
    ///
    /// Asking again without telling returns the same batch, except for steady-state methods.
    ///
    /// Args:
    ///     n: How many; by default as many as the method likes.
    ///
    /// Returns:
    ///     A read-only view ``(n, n_genes)``, or one per block by name for mixed spaces.
    ///
    /// Raises:
    ///     BatchError: The method cannot give that many.
    ///     CapacityError: They need more memory than there is.
    #[pyo3(signature = (n=None))]
    fn ask<'py>(&self, py: Python<'py>, n: Option<Count>) -> Outcome<Bound<'py, PyAny>> {
        let n = n.map(|Count(n)| n);
        let (genomes, space) = py.detach(|| -> Outcome<_> {
            let mut run = self.lock()?;
            let genomes = run.ask(n)?.genomes.clone();
            let is_mixed = genomes.len() != 1;
            let space = is_mixed.then(|| run.method().algorithm().space().clone());
            Ok((genomes, space))
        })?;
        match (space, genomes.as_slice()) {
            (None, [column]) => Ok(view::genomes(py, column)?),
            (Some(space), _) => Ok(Self::hand_out(py, &space, &genomes)?),
            (None, _) => Err(Failure::Argument("space: expected blocks of genes, got none".into())),
        }
    }

    /// Hand in scores of a batch.
    ///
    /// Arrays of the right dtype in C order are borrowed; others are copied.
    ///
    /// Args:
    ///     batch: What ``ask`` returned, or rows evaluated instead of it.
    ///     scores: Objectives, ``(n,)`` or ``(n, n_objectives)`` float64.
    ///     descriptors: Behaviour descriptors ``(n, n_descriptors)``.
    ///     violations: Total constraint violation ``(n,)``, 0 where feasible.
    ///     cases: Error per case ``(n, n_cases)``, for lexicase selection.
    ///     failed: True where evaluation failed ``(n,)``; scores there may be NaN.
    ///     skipped: How many rows at the end were never evaluated, because a budget ended before
    ///         them. They must be marked failed, and count neither as evaluated nor as failed.
    ///
    /// Raises:
    ///     OrderError: Nothing was asked.
    ///     BatchError: Shapes do not fit, scores are not finite, genomes are outside the space. The
    ///         search is unchanged.
    ///     KeyboardInterrupt: Ctrl-C came while a method whose selection may take long was at it. The
    ///         search is unchanged.
    #[pyo3(signature = (batch, scores, descriptors=None, *, violations=None, cases=None, failed=None, skipped=Skipped(0)))]
    #[expect(clippy::too_many_arguments, reason = "one per kind of score")]
    fn tell(
        &self,
        py: Python<'_>,
        batch: &Bound<'_, PyAny>,
        scores: &Bound<'_, PyAny>,
        descriptors: Option<&Bound<'_, PyAny>>,
        violations: Option<&Bound<'_, PyAny>>,
        cases: Option<&Bound<'_, PyAny>>,
        failed: Option<&Bound<'_, PyAny>>,
        skipped: Skipped,
    ) -> Outcome<()> {
        let Skipped(skipped) = skipped;
        self.lock()?.ensure_asked()?;
        let (n_asked, genomes) = self.take_in(batch)?;
        let n_rows = match &genomes {
            Some(columns) => columns.first().map_or(0, Column::n_rows),
            None => self.lock()?.batch().n_rows(),
        };
        let objectives = Values::<f64>::read("scores", scores, n_rows)?;
        let violations = Values::<f64>::optional("violations", violations, n_rows)?;
        let descriptors = Values::<f64>::optional("descriptors", descriptors, n_rows)?;
        let cases = Values::<f64>::optional("cases", cases, n_rows)?;
        let failed = Values::<bool>::optional("failed", failed, n_rows)?;
        let scores = Scores {
            objectives: objectives.as_slice()?,
            violations: violations.as_ref().map_or(Ok(&[][..]), Values::as_slice)?,
            descriptors: descriptors.as_ref().map_or(Ok(&[][..]), Values::as_slice)?,
            cases: cases.as_ref().map_or(Ok(&[][..]), Values::as_slice)?,
            failed: failed.as_ref().map_or(Ok(&[][..]), Values::as_slice)?,
        };
        let is_long = self.lock()?.method().algorithm().is_tell_long();
        let learn = || -> Outcome<()> {
            let mut run = self.lock()?;
            if run.n_asked() != n_asked {
                return Err(Failure::Search(core::Error::Order(
                    "tell: expected the batch that was asked last; another thread asked meanwhile",
                )));
            }
            Ok(run.tell_part(genomes, &scores, skipped)?)
        };
        if is_long { watched(py, learn) } else { py.detach(learn) }
    }

    /// Say which objectives are maximised, one claim per objective.
    fn maximize(&self, maximized: Vec<bool>) -> Outcome<()> {
        Ok(self.lock()?.set_maximized(maximized)?)
    }

    /// Name of the method.
    #[getter]
    fn method(&self) -> Outcome<&'static str> {
        Ok(self.lock()?.method().name())
    }

    /// The blocks ``(name, kind, lower, upper)`` of the space.
    #[getter]
    fn blocks(&self) -> Outcome<Blocks> {
        let run = self.lock()?;
        let blocks = run.method().algorithm().space().blocks();
        let parts = blocks.iter().map(|block| {
            let kind = block.kind.name().to_owned();
            (block.name.clone(), kind, block.lower.clone(), block.upper.clone())
        });
        Ok(parts.collect())
    }

    /// Seed of every random stream.
    #[getter]
    fn seed(&self) -> Outcome<u64> {
        Ok(self.lock()?.seed())
    }

    /// Batches told.
    #[getter]
    fn generation(&self) -> Outcome<u64> {
        Ok(self.lock()?.generation())
    }

    /// Rows told.
    #[getter]
    fn n_evaluations(&self) -> Outcome<u64> {
        Ok(self.lock()?.n_evaluations())
    }

    /// Rows told that were marked failed.
    #[getter]
    fn n_failed(&self) -> Outcome<u64> {
        Ok(self.lock()?.n_failed())
    }

    /// Rows that ``ask`` returns by default.
    #[getter]
    fn batch_size(&self) -> Outcome<usize> {
        Ok(self.lock()?.method().algorithm().batch_size())
    }

    /// Number of objectives.
    #[getter]
    fn n_objectives(&self) -> Outcome<usize> {
        Ok(self.lock()?.method().algorithm().n_objectives())
    }

    /// Number of behaviour descriptors.
    #[getter]
    fn n_descriptors(&self) -> Outcome<usize> {
        Ok(self.lock()?.method().algorithm().n_descriptors())
    }

    /// Whether rows may be told in any order and number.
    #[getter]
    fn is_steady(&self) -> Outcome<bool> {
        Ok(self.lock()?.method().algorithm().is_steady())
    }

    /// Whether ``ask`` may be given another number of rows.
    #[getter]
    fn is_size_free(&self) -> Outcome<bool> {
        Ok(self.lock()?.method().algorithm().is_size_free())
    }

    /// Per objective, whether it is maximised; empty when none is.
    #[getter]
    fn maximized(&self) -> Outcome<Vec<bool>> {
        Ok(self.lock()?.maximized().to_vec())
    }

    /// Why the method would stop by itself, for example ``tolerance``; None while it moves.
    #[getter]
    fn stop_reason(&self) -> Outcome<Option<&'static str>> {
        Ok(self.lock()?.method().algorithm().stop_reason())
    }

    /// Figures of the method by name, for example ``sigma``.
    #[getter]
    fn figures<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let figures =
            py.detach(|| -> Outcome<_> { Ok(self.lock()?.method().algorithm().figures()) })?;
        let out = PyDict::new(py);
        for (name, value) in figures {
            out.set_item(name, value)?;
        }
        Ok(out.into_any())
    }

    /// Names of the variation operators, which ``origins`` counts from 0.
    #[getter]
    fn operators(&self) -> Outcome<Vec<&'static str>> {
        Ok(self.lock()?.method().algorithm().operators().to_vec())
    }

    /// Lineage of the batch asked last: ``(first_id, parents (n, k) uint64, operators (n,) uint8)``.
    ///
    /// Identities count the rows of the run from 0: those asked, and those told without having been
    /// asked. 2**64 - 1 stands for no parent.
    #[getter]
    fn origins<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (first_id, origins) = {
            let run = self.lock()?;
            (run.first_id(), run.batch().origins.clone())
        };
        let parents = view::view(py, &origins.parents)?;
        let operators = view::column(py, &origins.operators);
        (first_id, parents, operators).into_pyobject(py).map(Bound::into_any)
    }

    /// Lineage of the rows told last, until rows are asked again: ``(ids (n,) uint64, parents (n, k)
    /// uint64, operators (n,) uint8)``.
    ///
    /// Rows of earlier batches of a steady search are found by their genes. What was never asked has
    /// an identity of its own, no parents, and the operator 255. Empty when nothing was told.
    #[getter]
    fn told<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (ids, origins) = {
            let run = self.lock()?;
            match run.told() {
                None => (Vec::new(), core::Origins::default()),
                Some((Some(ids), origins)) => (ids.as_slice().to_vec(), origins.clone()),
                Some((None, origins)) => {
                    let first = run.first_id();
                    let n = run.batch().n_rows() as u64;
                    ((first..first + n).collect(), origins.clone())
                }
            }
        };
        let parents = view::view(py, &origins.parents)?;
        let operators = view::column(py, &origins.operators);
        (PyArray1::from_vec(py, ids), parents, operators).into_pyobject(py).map(Bound::into_any)
    }

    /// The best row so far, as ``(genomes, score, violation, id)``; None before the first score and
    /// for several objectives.
    #[getter]
    fn best<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (best, space, sign) = {
            let run = self.lock()?;
            let Some(best) = run.best() else { return Ok(None) };
            let sign = if run.maximized().first() == Some(&true) { -1.0 } else { 1.0 };
            (best.clone(), run.method().algorithm().space().clone(), sign)
        };
        let genomes = Self::hand_out(py, &space, &best.genomes)?;
        let score = best.objectives.first().copied().unwrap_or(f64::NAN) * sign;
        let best = (genomes, score, best.violation, best.id).into_pyobject(py)?;
        Ok(Some(best.into_any()))
    }

    /// What the method holds, as views: ``genomes``, ``objectives``, ``violations``,
    /// ``descriptors``, ``ids``, and where known ``parents``, ``operators`` and ``generations``.
    fn holdings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (population, space) = py.detach(|| -> Outcome<_> {
            let run = self.lock()?;
            let algorithm = run.method().algorithm();
            let mut population = algorithm.population();
            if run.maximized().contains(&true) {
                let values = population.objectives.make_mut();
                for (value, is_maximized) in values.iter_mut().zip(run.maximized().iter().cycle()) {
                    if *is_maximized {
                        *value = -*value;
                    }
                }
            }
            Ok((population, algorithm.space().clone()))
        })?;
        let out = PyDict::new(py);
        out.set_item("genomes", Self::hand_out(py, &space, &population.genomes)?)?;
        out.set_item("objectives", view::view(py, &population.objectives)?)?;
        out.set_item("violations", view::column(py, &population.violations))?;
        out.set_item("descriptors", view::view(py, &population.descriptors)?)?;
        out.set_item("ids", view::column(py, &population.ids))?;
        out.set_item("parents", view::view(py, &population.parents)?)?;
        out.set_item("operators", view::column(py, &population.operators))?;
        out.set_item("generations", view::column(py, &population.generations))?;
        Ok(out.into_any())
    }

    /// Return the whole state, from which ``state=`` goes on as if never interrupted.
    fn dump<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyBytes>> {
        let state = py.detach(|| -> Outcome<_> { Ok(self.lock()?.save()?) })?;
        Ok(PyBytes::new(py, &state))
    }
}

impl Run {
    /// How many rows were asked so far, and genomes from outside: none when they are the batch that
    /// was asked last.
    fn take_in(&self, batch: &Bound<'_, PyAny>) -> Outcome<(u64, Option<Vec<Column>>)> {
        // A masked array may be a view of the batch that was asked.
        refuse_masked("batch", batch)?;
        let (n_asked, asked, space) = {
            let run = self.lock()?;
            let genomes = &run.batch().genomes;
            // The common case first: the very array that was asked.
            if genomes.len() == 1 && is_view_of(batch, genomes.first()) {
                return Ok((run.n_asked(), None));
            }
            (run.n_asked(), genomes.clone(), run.method().algorithm().space().clone())
        };
        if let [block] = space.blocks() {
            return Ok((n_asked, Some(vec![read(batch, block.kind.dtype())?])));
        }
        let parts = batch.cast::<PyDict>().map_err(|_| {
            Failure::Search(core::Error::batch(
                "batch",
                "a dictionary of arrays by block, as asked",
                batch.get_type(),
            ))
        })?;
        let mut columns = Vec::with_capacity(space.blocks().len());
        let mut is_asked = true;
        for (block, column) in space.blocks().iter().zip(&asked) {
            let Some(part) = parts.get_item(&block.name)? else {
                return Err(Failure::Search(core::Error::batch(
                    "batch",
                    format!("a block called {}", block.name),
                    "none",
                )));
            };
            refuse_masked("batch", &part)?;
            is_asked &= is_view_of(&part, Some(column));
            columns.push(if is_asked { column.clone() } else { read(&part, block.kind.dtype())? });
        }
        Ok((n_asked, (!is_asked).then_some(columns)))
    }
}

/// Whether an array is the view that was handed out of a column.
fn is_view_of(array: &Bound<'_, PyAny>, column: Option<&Column>) -> bool {
    fn same<T: Element + Copy + Default>(array: &Bound<'_, PyAny>, matrix: &Matrix<T>) -> bool {
        // Pointers only: an array from outside may hold bytes that are no values of its type.
        array.cast::<PyArray2<T>>().is_ok_and(|array| {
            array.is_c_contiguous()
                && array.shape() == [matrix.n_rows(), matrix.n_columns()]
                && std::ptr::eq(array.data().cast_const(), matrix.as_slice().as_ptr())
        })
    }
    match column {
        Some(Column::F64(matrix)) => same(array, matrix),
        Some(Column::F32(matrix)) => same(array, matrix),
        Some(Column::I64(matrix)) => same(array, matrix),
        Some(Column::Bool(matrix)) => same(array, matrix),
        None => false,
    }
}

/// Copies an array of genomes.
fn read(array: &Bound<'_, PyAny>, dtype: Type) -> Outcome<Column> {
    fn matrix<T: Element + Copy + Default>(
        array: &Bound<'_, PyAny>,
        dtype: &str,
    ) -> Outcome<Matrix<T>> {
        let array = convert::<T>("batch", array, dtype)?;
        let [n_rows, n_columns] = array.shape() else {
            return Err(Failure::Search(core::Error::batch(
                "batch",
                "a 2-D array, one row a candidate",
                format!("{} dimensions", array.shape().len()),
            )));
        };
        let values = array.as_slice().map_err(|error| Failure::Argument(error.to_string()))?;
        memory::ensure("batch", values.len(), size_of::<T>())?;
        Ok(Matrix::from_vec(values.to_vec(), *n_rows, *n_columns)?)
    }
    Ok(match dtype {
        Type::F64 => Column::F64(matrix(array, "float64")?),
        Type::F32 => Column::F32(matrix(array, "float32")?),
        Type::I64 => Column::I64(matrix(array, "int64")?),
        Type::Bool => Column::Bool(matrix(array, "bool")?),
    })
}

/// A number of rows; what is none is refused as the engine refuses one that does not fit.
struct Count(usize);

impl<'a, 'py> FromPyObject<'a, 'py> for Count {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = usize::INPUT_TYPE;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> Result<Self, PyErr> {
        whole("n", "a whole number of at least 1, below 2^64", object).map(Self)
    }
}

/// A number of rows at the end of a batch.
struct Skipped(usize);

impl<'a, 'py> FromPyObject<'a, 'py> for Skipped {
    type Error = PyErr;
    const INPUT_TYPE: PyStaticExpr = usize::INPUT_TYPE;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> Result<Self, PyErr> {
        whole("skipped", "a whole number from 0 to the rows of the batch", object).map(Self)
    }
}

fn whole(
    name: &'static str,
    expected: &'static str,
    object: Borrowed<'_, '_, PyAny>,
) -> Result<usize, PyErr> {
    object.extract::<usize>().map_err(|_| {
        let got = object.repr().map_or_else(|_| "another object".into(), |it| it.to_string());
        Failure::Search(core::Error::batch(name, expected, got)).into()
    })
}

/// A borrowed array of scores.
struct Values<'py, T: Element> {
    array: PyReadonlyArrayDyn<'py, T>,
}

trait Scalar: Element {
    const NAME: &'static str;
}
impl Scalar for f64 {
    const NAME: &'static str = "float64";
}
impl Scalar for bool {
    const NAME: &'static str = "bool";
}

impl<'py, T: Scalar> Values<'py, T> {
    fn read(name: &'static str, values: &Bound<'py, PyAny>, n_rows: usize) -> Outcome<Self> {
        let array = convert::<T>(name, values, T::NAME)?;
        if array.shape().first() != Some(&n_rows) || array.shape().len() > 2 {
            return Err(Failure::Search(core::Error::batch(
                name,
                format!("{n_rows} rows"),
                format!("shape {:?}", array.shape()),
            )));
        }
        Ok(Self { array })
    }

    fn optional(
        name: &'static str,
        values: Option<&Bound<'py, PyAny>>,
        n_rows: usize,
    ) -> Outcome<Option<Self>> {
        values.map(|values| Self::read(name, values, n_rows)).transpose()
    }

    fn as_slice(&self) -> Outcome<&[T]> {
        self.array.as_slice().map_err(|error| Failure::Argument(error.to_string()))
    }
}
