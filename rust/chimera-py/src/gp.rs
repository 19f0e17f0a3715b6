//! `chimera._chimera.population`: trees over columns of numbers, and the search for them.

use std::sync::MutexGuard;

use chimera_evolution::gp::variation::random_forest;
use chimera_evolution::gp::{
    Data, Evaluator, Forest, Function, Model, Search, Settings, Target, fitness,
};
use chimera_evolution::{Threads, memory};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::array::{Column, Line, Rows, Table};
use crate::error::{Failure, Outcome};
use crate::guarded::Guarded;

fn data(x: &Table<'_, f32>) -> Outcome<Data> {
    let (n_rows, n_columns) = x.shape();
    Ok(Data::from_rows(x.values("x")?, n_rows, n_columns)?)
}

/// A matrix laid out for evaluation; copied.
///
/// Args:
///     x: ``(n_rows, n_columns)`` float32 in C order, finite.
///
/// Raises:
///     BatchError: It is empty, or not finite.
#[pyclass(frozen, module = "chimera._chimera.population")]
pub struct Columns {
    data: Data,
}

#[pymethods]
impl Columns {
    #[new]
    fn new(x: Table<'_, f32>) -> Outcome<Self> {
        Ok(Self { data: data(&x)? })
    }

    /// Number of rows and columns.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.data.n_rows(), self.data.n_columns())
    }
}

/// Expression trees in flat postfix arrays.
///
/// Args:
///     codes: Of every node, tree after tree: index into ``Trees.functions()``, 254 for a constant,
///         255 for a column; ``(n_nodes,)`` uint8.
///     values: Column index, or the bits of a float32 constant; ``(n_nodes,)`` uint32.
///     ends: End of each tree in the arrays; ``(n_trees,)`` int64.
///     n_columns: Number of input columns.
///
/// Raises:
///     BatchError: A tree is not one well-formed expression.
#[pyclass(frozen, module = "chimera._chimera.population")]
pub struct Trees {
    forest: Forest,
    n_columns: usize,
    evaluator: Evaluator,
}

impl Trees {
    fn check(&self, x: &Columns) -> Outcome<()> {
        if x.data.n_columns() == self.n_columns {
            return Ok(());
        }
        let expected = format!("{} columns", self.n_columns);
        let got = x.data.n_columns();
        Err(chimera_evolution::Error::batch("x", expected, got).into())
    }
}

#[pymethods]
impl Trees {
    #[new]
    fn new(
        codes: Line<'_, u8>,
        values: Line<'_, u32>,
        ends: Line<'_, i64>,
        n_columns: usize,
    ) -> Outcome<Self> {
        let ends: Vec<usize> = ends
            .values("ends")?
            .iter()
            .map(|end| usize::try_from(*end).unwrap_or(usize::MAX))
            .collect();
        let (codes, values) = (codes.values("codes")?, values.values("values")?);
        let forest = Forest::from_arrays(codes, values, &ends, n_columns)?;
        Ok(Self { forest, n_columns, evaluator: Evaluator::default() })
    }

    /// Names and arities of the functions in the order of their codes.
    #[staticmethod]
    fn functions() -> Vec<(&'static str, usize)> {
        Function::ALL.iter().map(|function| (function.name(), function.arity())).collect()
    }

    /// Return random trees, made as the first population of a search.
    ///
    /// Args:
    ///     n_trees: How many.
    ///     n_columns: Number of input columns.
    ///     settings: Settings of `TreeSearch` as a JSON object.
    ///     seed: Seed of the random streams.
    #[staticmethod]
    fn random(n_trees: usize, n_columns: usize, settings: &str, seed: u64) -> Outcome<Self> {
        let settings = Settings::from_json(settings)?;
        let forest = random_forest(&settings, n_columns.max(1), n_trees, seed);
        Ok(Self { forest, n_columns: n_columns.max(1), evaluator: Evaluator::default() })
    }

    /// Number of trees.
    #[getter]
    fn n_trees(&self) -> usize {
        self.forest.n_trees()
    }

    /// Number of nodes of all trees, leaves included.
    #[getter]
    fn n_nodes(&self) -> usize {
        self.forest.n_nodes()
    }

    /// The codes of all nodes; a copy.
    #[getter]
    fn codes(&self, py: Python<'_>) -> Column<u8> {
        Column::new(py, self.forest.codes().to_vec())
    }

    /// The values of all nodes; a copy.
    #[getter]
    fn values(&self, py: Python<'_>) -> Column<u32> {
        Column::new(py, self.forest.values().to_vec())
    }

    /// The ends of the trees; a copy.
    #[getter]
    fn ends(&self, py: Python<'_>) -> Column<i64> {
        Column::new(py, self.forest.ends().iter().map(|end| end.cast_signed() as i64).collect())
    }

    /// Return the prediction of every tree for every row, ``(n_trees, n_rows)`` float32.
    ///
    /// Raises:
    ///     BatchError: The matrix has another number of columns.
    #[pyo3(signature = (x, *, threads=1))]
    fn evaluate(&self, py: Python<'_>, x: &Columns, threads: usize) -> Outcome<Rows<f32>> {
        self.check(x)?;
        let threads = Threads::new(threads)?;
        let (n_trees, n_rows) = (self.forest.n_trees(), x.data.n_rows());
        let out = py.detach(|| -> Outcome<_> {
            memory::ensure("predictions", n_trees.saturating_mul(n_rows), 4)?;
            let mut out = vec![0.0; n_trees * n_rows];
            self.evaluator.predict(&self.forest, &x.data, &threads, &mut out)?;
            Ok(out)
        })?;
        Ok(Rows::new(py, out, n_trees, n_rows)?)
    }

    /// Return the mean squared error of every tree, ``(n_trees,)`` float64.
    ///
    /// Args:
    ///     x: The inputs.
    ///     y: The targets, ``(n_rows,)`` float64.
    ///     is_scaled: Whether each tree gets its best slope and intercept.
    ///     threads: Threads to use, 0 for one per core.
    ///
    /// Raises:
    ///     BatchError: Shapes do not fit.
    #[pyo3(signature = (x, y, *, is_scaled=true, threads=1))]
    fn errors(
        &self,
        py: Python<'_>,
        x: &Columns,
        y: Line<'_, f64>,
        is_scaled: bool,
        threads: usize,
    ) -> Outcome<Column<f64>> {
        self.check(x)?;
        let threads = Threads::new(threads)?;
        let target = Target::new(y.values("y")?)?;
        let fits =
            py.detach(|| self.evaluator.fit(&self.forest, &x.data, &target, is_scaled, &threads))?;
        Ok(Column::new(py, fits.into_iter().map(|fit| fit.error).collect()))
    }
}

/// ``slope * tree + intercept``: one model that a search found.
#[pyclass(frozen, module = "chimera._chimera.population")]
pub struct Expression {
    model: Model,
}

#[pymethods]
impl Expression {
    /// Return the model that ``to_bytes`` wrote.
    ///
    /// Raises:
    ///     StateError: The bytes are damaged or of another version.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> Outcome<Self> {
        Ok(Self { model: Model::from_bytes(data)? })
    }

    /// Return the model as bytes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.model.to_bytes()?))
    }

    /// Support pickling.
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> Outcome<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let build = slf.get_type().getattr("from_bytes")?;
        Ok((build, (slf.get().to_bytes(slf.py())?,)))
    }

    /// Number of nodes of the tree, leaves included.
    #[getter]
    fn n_nodes(&self) -> usize {
        self.model.n_nodes()
    }

    /// Mean squared error on the rows of the search.
    #[getter]
    fn error(&self) -> f64 {
        self.model.fit().error
    }

    /// Factor of the tree's value.
    #[getter]
    fn slope(&self) -> f64 {
        self.model.fit().slope
    }

    /// Added to it.
    #[getter]
    fn intercept(&self) -> f64 {
        self.model.fit().intercept
    }

    /// Number of columns that it takes.
    #[getter]
    fn n_columns(&self) -> usize {
        self.model.n_columns()
    }

    /// Return ``slope * tree + intercept`` for every row of ``x``, ``(n_rows,)`` float64.
    ///
    /// Raises:
    ///     BatchError: Another number of columns, or values that are not finite.
    fn predict(&self, py: Python<'_>, x: Table<'_, f32>) -> Outcome<Column<f64>> {
        let data = data(&x)?;
        let values = py.detach(|| self.model.predict(&data))?;
        Ok(Column::new(py, values))
    }

    /// Return probabilities of the positive class: the logistic of ``predict``.
    ///
    /// Raises:
    ///     BatchError: Another number of columns, or values that are not finite.
    fn probabilities(&self, py: Python<'_>, x: Table<'_, f32>) -> Outcome<Column<f64>> {
        let data = data(&x)?;
        let values = py.detach(|| self.model.predict(&data))?;
        Ok(Column::new(py, values.into_iter().map(fitness::logistic).collect()))
    }

    /// Return the model with slope and intercept fitted to the log loss (Platt, 1999).
    ///
    /// Args:
    ///     x: ``(n_rows, n_columns)`` float32.
    ///     labels: ``(n_rows,)`` float64, positive for the positive class.
    ///
    /// Raises:
    ///     BatchError: Shapes do not fit.
    fn calibrate(&self, py: Python<'_>, x: Table<'_, f32>, labels: Line<'_, f64>) -> Outcome<Self> {
        let (data, labels) = (data(&x)?, labels.values("labels")?);
        if labels.len() != data.n_rows() {
            let expected = format!("{} values", data.n_rows());
            return Err(chimera_evolution::Error::batch("labels", expected, labels.len()).into());
        }
        let model = py.detach(|| -> Outcome<_> {
            let values = self.model.values(&data)?;
            let (slope, intercept) = fitness::calibrate(&values, labels);
            Ok(self.model.with_scale(slope, intercept))
        })?;
        Ok(Self { model })
    }

    /// Return the simplified tree as text over column names; ``x0``, ``x1``, ... by default.
    #[pyo3(signature = (names=Vec::new()))]
    fn text(&self, names: Vec<String>) -> String {
        self.model.tree_text(&names)
    }

    /// Return a Python module with a function ``predict(x)`` over NumPy.
    fn source(&self) -> String {
        self.model.source()
    }
}

/// Tree genetic programming on one data set.
///
/// Args:
///     x: Inputs ``(n_rows, n_columns)`` float32 in C order; copied.
///     y: Targets ``(n_rows,)`` float64; copied.
///     settings: Settings as a JSON object.
///     seed: Seed of every random stream.
///     threads: Threads to use, 0 for one per core; the result does not depend on it.
///     state: What ``save`` returned on the same data, instead of settings and seed.
///
/// Raises:
///     BatchError: Shapes do not fit, or values are not finite.
///     ConfigError: A setting is outside its range.
///     StateError: The saved state is damaged, or belongs to another data set or version.
#[pyclass(frozen, module = "chimera._chimera.population")]
pub struct TreeSearch {
    inner: Guarded<Search>,
}

impl TreeSearch {
    fn lock(&self) -> Outcome<MutexGuard<'_, Search>> {
        self.inner.lock()
    }
}

#[pymethods]
impl TreeSearch {
    #[new]
    #[pyo3(signature = (x, y, settings="{}", *, seed=0, threads=1, state=None))]
    fn new(
        x: Table<'_, f32>,
        y: Line<'_, f64>,
        settings: &str,
        seed: u64,
        threads: usize,
        state: Option<&[u8]>,
    ) -> Outcome<Self> {
        let threads = Threads::new(threads)?;
        let (n_rows, n_columns) = x.shape();
        let (x, y) = (x.values("x")?.to_vec(), y.values("y")?);
        if y.len() != n_rows {
            let expected = format!("{n_rows} values");
            return Err(chimera_evolution::Error::batch("y", expected, y.len()).into());
        }
        let search = match state {
            Some(state) => Search::load(state, x, n_columns, y, threads)?,
            None => Search::new(Settings::from_json(settings)?, x, n_columns, y, seed, threads)?,
        };
        Ok(Self { inner: Guarded::new(search) })
    }

    /// Make generations; the first is random.
    #[pyo3(signature = (n=1))]
    fn step(&self, py: Python<'_>, n: usize) -> Outcome<()> {
        for _ in 0..n {
            py.detach(|| -> Outcome<()> {
                self.lock()?.step();
                Ok(())
            })?;
            py.check_signals().map_err(Failure::Python)?;
        }
        Ok(())
    }

    /// Generations made so far.
    #[getter]
    fn generation(&self) -> Outcome<u64> {
        Ok(self.lock()?.generation())
    }

    /// Trees measured so far, those of constant tuning included.
    #[getter]
    fn n_evaluations(&self) -> Outcome<u64> {
        Ok(self.lock()?.n_evaluations())
    }

    /// Least mean squared error so far; infinite before the first step.
    #[getter]
    fn best_error(&self) -> Outcome<f64> {
        Ok(self.lock()?.best_error())
    }

    /// Variance of the targets: the error of the best constant.
    #[getter]
    fn variance(&self) -> Outcome<f64> {
        Ok(self.lock()?.target().variance())
    }

    /// The best models by size, smallest first: each is better than all smaller ones.
    #[getter]
    fn front(&self) -> Outcome<Vec<Expression>> {
        let models = self.lock()?.front().models().to_vec();
        Ok(models.into_iter().map(|model| Expression { model }).collect())
    }

    /// Return the index in ``front`` of the model of least Akaike information criterion.
    fn most_plausible(&self) -> Outcome<Option<usize>> {
        let search = self.lock()?;
        let floor = 1e-12 * search.target().variance();
        Ok(search.front().most_plausible(search.target().values().len(), floor))
    }

    /// Errors and sizes of the last generation: ``(n_trees,)`` float64 and uint64.
    fn population(&self, py: Python<'_>) -> Outcome<(Column<f64>, Column<u64>)> {
        let search = self.lock()?;
        let errors = search.fits().iter().map(|fit| fit.error).collect();
        let sizes = search.population().trees().map(|tree| tree.n_nodes() as u64).collect();
        Ok((Column::new(py, errors), Column::new(py, sizes)))
    }

    /// Return the state as bytes, without the data.
    fn save<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.lock()?.save()?))
    }
}
