//! `chimera._chimera.population.Archive`: archives of elites on their own.

use std::sync::MutexGuard;

use chimera_evolution::quality_diversity::{self as core, Candidates, Cells, Insertion, Real};
use chimera_evolution::{Error, Threads};
use numpy::{Element, PyArray1, PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::array::Column;
use crate::convert::convert;
use crate::enter::watched;
use crate::error::{Failure, Outcome};
use crate::guarded::Guarded;
use crate::view;

/// Elites, at most one per cell of descriptor space.
///
/// The archive classes of ``chimera.evolution`` derive from it. What it holds comes as read-only
/// views that stay valid and unchanged while they are held.
///
/// Args:
///     settings: A JSON object: layout, n_genes, rule, outside.
///     is_narrow: Hold float32 solutions and descriptors instead of float64.
///     threads: Threads to use, 0 for one per core; the result does not depend on it.
///     state: What ``dump`` returned, instead of ``settings``.
///
/// Raises:
///     ConfigError: A setting is outside its range.
///     StateError: The saved state is damaged or of another version.
#[pyclass(frozen, subclass, module = "chimera._chimera.population")]
pub struct Archive {
    inner: Guarded<Typed>,
    threads: Threads,
}

enum Typed {
    Narrow(core::Archive<f32>),
    Wide(core::Archive<f64>),
}

macro_rules! each {
    ($typed:expr, $archive:ident => $body:expr) => {
        match $typed {
            Typed::Narrow($archive) => $body,
            Typed::Wide($archive) => $body,
        }
    };
}

/// Floats of the two types.
trait Float: Real + Element {
    const NAME: &'static str;

    fn of(typed: &mut Typed) -> Option<&mut core::Archive<Self>>;
}
impl Float for f32 {
    const NAME: &'static str = "float32";

    fn of(typed: &mut Typed) -> Option<&mut core::Archive<Self>> {
        if let Typed::Narrow(archive) = typed { Some(archive) } else { None }
    }
}
impl Float for f64 {
    const NAME: &'static str = "float64";

    fn of(typed: &mut Typed) -> Option<&mut core::Archive<Self>> {
        if let Typed::Wide(archive) = typed { Some(archive) } else { None }
    }
}

type Figures = (usize, f64, f64, f64, Option<f64>, Option<f64>);
type Added = (Column<u8>, Column<f64>);

#[pymethods]
impl Archive {
    #[new]
    #[pyo3(signature = (settings="{}", *, is_narrow=false, threads=1, state=None))]
    fn new(
        py: Python<'_>,
        settings: &str,
        is_narrow: bool,
        threads: usize,
        state: Option<&[u8]>,
    ) -> Outcome<Self> {
        let threads = Threads::new(threads)?;
        let typed = watched(py, || -> Result<_, Error> {
            if let Some(state) = state {
                return Ok(if is_narrow {
                    Typed::Narrow(core::Archive::load(state)?)
                } else {
                    Typed::Wide(core::Archive::load(state)?)
                });
            }
            let core::Settings { layout, n_genes, rule, outside } =
                core::Settings::parse(settings)?;
            Ok(if is_narrow {
                Typed::Narrow(core::Archive::new(&layout, n_genes, rule, outside, &threads)?)
            } else {
                Typed::Wide(core::Archive::new(&layout, n_genes, rule, outside, &threads)?)
            })
        })?;
        Ok(Self { inner: Guarded::new(typed), threads })
    }

    /// Insert a batch of evaluated solutions.
    ///
    /// Every row is judged against the archive as it was before the batch. Arrays of the archive's
    /// dtype in C order are borrowed; others are copied. Objectives may be float32 or float64.
    ///
    /// Args:
    ///     solutions: ``(n, n_genes)``.
    ///     objectives: ``(n,)``.
    ///     descriptors: ``(n, n_descriptors)``.
    ///     failed: ``(n,)`` bool, rows that stay out; their values may be NaN.
    ///
    /// Returns:
    ///     ``status`` ``(n,)`` uint8: 0 not added, 1 better than the elite of its cell, 2 first of
    ///     its cell; and ``values`` ``(n,)`` float64: improvement over the cell's threshold, or the
    ///     objective itself in a new cell without threshold.
    ///
    /// Raises:
    ///     BatchError: Shapes do not fit, values are not finite (solutions are looked at when they
    ///         would enter), descriptors are out of range. The archive is unchanged.
    #[pyo3(signature = (solutions, objectives, descriptors, *, failed=None))]
    fn insert(
        &self,
        py: Python<'_>,
        solutions: &Bound<'_, PyAny>,
        objectives: &Bound<'_, PyAny>,
        descriptors: &Bound<'_, PyAny>,
        failed: Option<&Bound<'_, PyAny>>,
    ) -> Outcome<Added> {
        let is_narrow = matches!(&*self.lock()?, Typed::Narrow(_));
        let failed = failed.map(|failed| convert::<bool>("failed", failed, "bool")).transpose()?;
        let skip = failed.as_ref().map_or(Ok(&[][..]), |failed| slice(failed))?;
        let insertion = if is_narrow {
            self.add::<f32>(py, solutions, objectives, descriptors, skip)?
        } else {
            self.add::<f64>(py, solutions, objectives, descriptors, skip)?
        };
        Ok((Column::new(py, insertion.status), Column::new(py, insertion.values)))
    }

    /// Return the cell of each row of descriptors, ``(n,)`` uint32.
    fn cell_of(&self, py: Python<'_>, descriptors: &Bound<'_, PyAny>) -> Outcome<Column<u32>> {
        // The lock is taken after the conversion, which may run Python.
        let is_narrow = matches!(&*self.lock()?, Typed::Narrow(_));
        let cells = if is_narrow {
            self.locate::<f32>(py, descriptors)?
        } else {
            self.locate::<f64>(py, descriptors)?
        };
        Ok(Column::new(py, cells))
    }

    /// Return the row of the elite in each cell, ``(n,)`` int64; -1 where there is none.
    fn row_of(&self, py: Python<'_>, cells: Vec<u32>) -> Outcome<Column<i64>> {
        let rows = each!(&*self.lock()?, archive => {
            let row = |cell: &u32| archive.elites().row_of_cell(*cell).map_or(-1, usize::cast_signed);
            cells.iter().map(|cell| row(cell) as i64).collect()
        });
        Ok(Column::new(py, rows))
    }

    /// Take all elites away.
    fn clear(&self) -> Outcome<()> {
        each!(&mut *self.lock()?, archive => archive.clear());
        Ok(())
    }

    /// Return ``(n_elites, coverage, qd_score, normalized_qd_score, best, mean)``.
    #[pyo3(signature = (offset=0.0))]
    fn figures(&self, offset: f64) -> Outcome<Figures> {
        let stats = each!(&*self.lock()?, archive => archive.stats(offset));
        Ok((
            stats.n_elites,
            stats.coverage,
            stats.qd_score,
            stats.normalized_qd_score,
            stats.best,
            stats.mean,
        ))
    }

    /// The best elite ever inserted: ``(solution, objective, descriptors, cell, id)``; None before.
    #[getter]
    fn best<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        each!(&*self.lock()?, archive => {
            let Some(best) = archive.elites().best() else { return Ok(None) };
            let solution = PyArray1::from_slice(py, &best.solution);
            let descriptors = PyArray1::from_slice(py, &best.descriptors);
            let best = (solution, best.objective, descriptors, best.cell, best.id);
            Ok(Some(best.into_pyobject(py)?.into_any()))
        })
    }

    /// Solutions ``(n_elites, n_genes)``, a view, in the order in which cells were first filled.
    #[getter]
    fn solutions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&*self.lock()?, archive => view::view(py, archive.elites().solutions()))
    }

    /// Objectives ``(n_elites,)`` float64, in the same order.
    #[getter]
    fn objectives<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        Ok(each!(&*self.lock()?, archive => view::column(py, archive.elites().objectives())))
    }

    /// Descriptors ``(n_elites, n_descriptors)``, a view, in the same order.
    #[getter]
    fn descriptors<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        each!(&*self.lock()?, archive => view::view(py, archive.elites().descriptors()))
    }

    /// Cells ``(n_elites,)`` uint32, in the same order.
    #[getter]
    fn cells<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        Ok(each!(&*self.lock()?, archive => view::column(py, archive.elites().cells())))
    }

    /// Identities ``(n_elites,)`` uint64, in the same order: how many rows were added before.
    #[getter]
    fn ids<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyAny>> {
        Ok(each!(&*self.lock()?, archive => view::column(py, archive.elites().ids())))
    }

    /// Thresholds ``(n_elites,)`` float64, in the same order.
    #[getter]
    fn thresholds(&self, py: Python<'_>) -> Outcome<Column<f64>> {
        let thresholds = each!(&*self.lock()?, archive => {
            let elites = archive.elites();
            let cells = elites.cells().as_slice().iter();
            cells.filter_map(|cell| elites.threshold_of_cell(*cell)).collect()
        });
        Ok(Column::new(py, thresholds))
    }

    /// Centroids ``(n_cells, n_descriptors)``, a view; None for other cells.
    #[getter]
    fn centroids<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        each!(&*self.lock()?, archive => match archive.cells() {
            Cells::Centroids(cells) => view::view(py, cells.centroids()).map(Some),
            _ => Ok(None),
        })
    }

    /// Boundaries of the cells along each descriptor, for sliding ones; else empty.
    #[getter]
    fn boundaries<'py>(&self, py: Python<'py>) -> Outcome<Vec<Bound<'py, PyAny>>> {
        Ok(each!(&*self.lock()?, archive => match archive.cells() {
            Cells::Sliding(sliding) => {
                let axes = sliding.boundaries().iter();
                axes.map(|values| PyArray1::from_slice(py, values).into_any()).collect()
            }
            _ => Vec::new(),
        }))
    }

    /// Number of cells.
    #[getter]
    fn n_cells(&self) -> Outcome<usize> {
        Ok(each!(&*self.lock()?, archive => archive.elites().n_cells()))
    }

    /// Number of genes of a solution.
    #[getter]
    fn n_genes(&self) -> Outcome<usize> {
        Ok(each!(&*self.lock()?, archive => archive.elites().n_genes()))
    }

    /// Number of descriptors of a solution.
    #[getter]
    fn n_descriptors(&self) -> Outcome<usize> {
        Ok(each!(&*self.lock()?, archive => archive.elites().n_descriptors()))
    }

    /// Least and greatest descriptors, two lists.
    #[getter]
    fn ranges(&self) -> Outcome<(Vec<f64>, Vec<f64>)> {
        Ok(each!(&*self.lock()?, archive => {
            let (lower, upper) = archive.ranges();
            let wide = |values: Vec<_>| values.into_iter().map(Real::wide).collect();
            (wide(lower), wide(upper))
        }))
    }

    /// Cells along each descriptor; empty for cells around centroids.
    #[getter]
    fn shape(&self) -> Outcome<Vec<usize>> {
        Ok(each!(&*self.lock()?, archive => archive.shape()))
    }

    /// Whether solutions and descriptors are float32.
    #[getter]
    fn is_narrow(&self) -> Outcome<bool> {
        Ok(matches!(&*self.lock()?, Typed::Narrow(_)))
    }

    fn __len__(&self) -> Outcome<usize> {
        Ok(each!(&*self.lock()?, archive => archive.elites().n_elites()))
    }

    /// Return the whole archive as bytes, for ``state=``.
    fn dump<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyBytes>> {
        let state =
            py.detach(|| -> Outcome<_> { Ok(each!(&*self.lock()?, archive => archive.save())?) })?;
        Ok(PyBytes::new(py, &state))
    }
}

impl Archive {
    fn lock(&self) -> Outcome<MutexGuard<'_, Typed>> {
        self.inner.lock()
    }

    fn locate<T: Float>(
        &self,
        py: Python<'_>,
        descriptors: &Bound<'_, PyAny>,
    ) -> Outcome<Vec<u32>> {
        let n_descriptors = each!(&*self.lock()?, archive => archive.elites().n_descriptors());
        let descriptors = convert::<T>("descriptors", descriptors, T::NAME)?;
        rows("descriptors", &descriptors, n_descriptors)?;
        let values = slice(&descriptors)?;
        py.detach(|| {
            let mut cells = Vec::new();
            let mut typed = self.lock()?;
            if let Some(archive) = T::of(&mut typed) {
                archive.check_descriptors(values, &[])?;
                archive.locate(values, &self.threads, &mut cells);
            }
            Ok(cells)
        })
    }

    fn add<T: Float>(
        &self,
        py: Python<'_>,
        solutions: &Bound<'_, PyAny>,
        objectives: &Bound<'_, PyAny>,
        descriptors: &Bound<'_, PyAny>,
        skip: &[bool],
    ) -> Outcome<Insertion> {
        let solutions = convert::<T>("solutions", solutions, T::NAME)?;
        let descriptors = convert::<T>("descriptors", descriptors, T::NAME)?;
        let (n_genes, n_descriptors) = each!(&*self.lock()?, archive => {
            (archive.elites().n_genes(), archive.elites().n_descriptors())
        });
        rows("solutions", &solutions, n_genes)?;
        rows("descriptors", &descriptors, n_descriptors)?;
        if objectives.cast::<PyArrayDyn<f32>>().is_ok() {
            let objectives = convert::<f32>("objectives", objectives, f32::NAME)?;
            self.add_typed(py, &solutions, &objectives, &descriptors, skip)
        } else {
            let objectives = convert::<f64>("objectives", objectives, f64::NAME)?;
            self.add_typed(py, &solutions, &objectives, &descriptors, skip)
        }
    }

    fn add_typed<T: Float, O: Float>(
        &self,
        py: Python<'_>,
        solutions: &PyReadonlyArrayDyn<'_, T>,
        objectives: &PyReadonlyArrayDyn<'_, O>,
        descriptors: &PyReadonlyArrayDyn<'_, T>,
        skip: &[bool],
    ) -> Outcome<Insertion> {
        if objectives.shape().len() != 1 {
            let got = format!("shape {:?}", objectives.shape());
            return Err(Failure::Search(Error::batch("objectives", "a 1-D array", got)));
        }
        let (solutions, objectives) = (slice(solutions)?, slice(objectives)?);
        let descriptors = slice(descriptors)?;
        let mut insertion = Insertion::default();
        py.detach(|| -> Outcome<()> {
            let mut typed = self.lock()?;
            if let Some(archive) = T::of(&mut typed) {
                let ids = archive.next_ids();
                let batch = Candidates { solutions, objectives, descriptors, ids };
                archive.add(&batch, skip, &self.threads, &mut insertion)?;
            }
            Ok(())
        })?;
        Ok(insertion)
    }
}

/// Checks that an array has rows of `width` values.
fn rows<T: Element>(
    name: &'static str,
    array: &PyReadonlyArrayDyn<'_, T>,
    width: usize,
) -> Outcome<()> {
    match array.shape() {
        [_, columns] if *columns == width => Ok(()),
        shape => Err(Failure::Search(Error::batch(
            name,
            format!("shape (n, {width})"),
            format!("{shape:?}"),
        ))),
    }
}

fn slice<'a, T: Element>(array: &'a PyReadonlyArrayDyn<'_, T>) -> Outcome<&'a [T]> {
    array.as_slice().map_err(|error| Failure::Argument(error.to_string()))
}
