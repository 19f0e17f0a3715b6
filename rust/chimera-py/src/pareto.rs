//! `chimera._chimera.population`: dominance and quality of fronts, over arrays.
//!
//! `chimera.evolution.indicators` checks what comes from users; here only shapes are looked at.

use chimera_evolution::Error;
use chimera_evolution::pareto::{self, Crowding, Ranker, Work};
use chimera_sandbox::CancelFlag;
use pyo3::prelude::*;

use crate::array::{Column, Line, Table};
use crate::enter::enter;
use crate::error::{Failure, Outcome};

type Rows<'py> = Table<'py, f64>;
type Point<'py> = Line<'py, f64>;

/// Steps that a call takes before it looks for Ctrl-C: well below a tenth of a second.
const STEPS_AT_ONCE: u64 = 1 << 25;

/// Run `work` without the interpreter; none when it does not end within `n_steps`. Short work runs
/// at once; work that turns out to be long begins again on a thread of its own and honours Ctrl-C.
fn within<T: Send>(
    py: Python<'_>,
    n_steps: u64,
    work: impl Fn(&mut Work<'_>) -> Option<T> + Sync,
) -> Outcome<Option<T>> {
    let found = py.detach(|| work(&mut Work::limited(n_steps.min(STEPS_AT_ONCE))));
    if found.is_some() || n_steps <= STEPS_AT_ONCE {
        return Ok(found);
    }
    let cancel = CancelFlag::new();
    enter(py, &cancel, || Ok(work(&mut Work::until(n_steps, &|| cancel.is_raised()))))
}

/// As [`within`], for work that has no limit.
fn whole<T: Send>(py: Python<'_>, work: impl Fn(&mut Work<'_>) -> Option<T> + Sync) -> Outcome<T> {
    within(py, u64::MAX, work)?.ok_or(Failure::Interrupted)
}

/// As [`within`], for an exact hypervolume.
fn exact<T: Send>(
    py: Python<'_>,
    (n_rows, n_columns): (usize, usize),
    n_steps: u64,
    work: impl Fn(&mut Work<'_>) -> Option<T> + Sync,
) -> Outcome<T> {
    within(py, n_steps, work)?.ok_or_else(|| {
        let expected = format!("a front whose exact hypervolume takes at most {n_steps} steps");
        let got = format!(
            "{n_rows} rows of {n_columns} objectives that take more; use hypervolume_estimate, or \
             raise max_steps"
        );
        Error::batch("objectives", expected, got).into()
    })
}

/// Values of objectives, row by row, and the number of columns, at least 1.
fn parts<'a>(name: &'static str, rows: &'a Rows<'_>) -> Outcome<(&'a [f64], usize)> {
    let (_, n_columns) = rows.shape();
    if n_columns == 0 {
        return Err(Error::batch(name, "at least one column", 0).into());
    }
    Ok((rows.values(name)?, n_columns))
}

/// As [`parts`], with as many columns as `n_columns`.
fn of_width<'a>(name: &'static str, rows: &'a Rows<'_>, n_columns: usize) -> Outcome<&'a [f64]> {
    let (values, width) = parts(name, rows)?;
    if width != n_columns {
        return Err(Error::batch(name, format!("{n_columns} columns"), width).into());
    }
    Ok(values)
}

/// The `n` values of a reference point.
fn of_length<'a>(reference: &'a Point<'_>, n: usize) -> Outcome<&'a [f64]> {
    let values = reference.values("reference")?;
    if values.len() != n {
        return Err(Error::batch("reference", format!("{n} values"), values.len()).into());
    }
    Ok(values)
}

/// Return the non-dominated rank of every row, 0 for the front ``(n,)`` int64.
#[pyfunction]
pub fn pareto_ranks(py: Python<'_>, objectives: Rows<'_>) -> Outcome<Column<i64>> {
    let (values, n_columns) = parts("objectives", &objectives)?;
    let ranks = whole(py, |work| {
        let mut ranks = Vec::new();
        Ranker::default().rank_within(values, n_columns, &mut ranks, work)?;
        Some(ranks.into_iter().map(i64::from).collect())
    })?;
    Ok(Column::new(py, ranks))
}

/// Return the crowding distance of every row within its front ``(n,)`` float64.
#[pyfunction]
pub fn crowding_distance(
    py: Python<'_>,
    objectives: Rows<'_>,
    ranks: Option<Vec<u32>>,
) -> Outcome<Column<f64>> {
    let (values, n_columns) = parts("objectives", &objectives)?;
    let n_rows = values.len() / n_columns;
    let ranks = ranks.unwrap_or_else(|| vec![0; n_rows]);
    // Fronts are counted: a rank beyond the rows would only cost memory.
    if ranks.len() != n_rows || ranks.iter().any(|rank| *rank as usize >= n_rows) {
        let expected = format!("{n_rows} ranks below {n_rows}");
        return Err(Error::batch("ranks", expected, "others").into());
    }
    let distances = py.detach(|| {
        let mut distances = Vec::new();
        Crowding::default().measure(values, n_columns, &ranks, &mut distances);
        distances
    });
    Ok(Column::new(py, distances))
}

/// Return the hypervolume that rows dominate up to a reference point.
#[pyfunction]
#[pyo3(signature = (objectives, reference, *, max_steps))]
pub fn hypervolume(
    py: Python<'_>,
    objectives: Rows<'_>,
    reference: Point<'_>,
    max_steps: u64,
) -> Outcome<f64> {
    let (values, n_columns) = parts("objectives", &objectives)?;
    let reference = of_length(&reference, n_columns)?;
    exact(py, (values.len() / n_columns, n_columns), max_steps, |work| {
        pareto::hypervolume_within(values, reference, work)
    })
}

/// Return an estimate of the hypervolume and how far the true one is away at most.
#[pyfunction]
#[pyo3(signature = (objectives, reference, *, n_samples, confidence, seed))]
pub fn hypervolume_estimate(
    py: Python<'_>,
    objectives: Rows<'_>,
    reference: Point<'_>,
    n_samples: usize,
    confidence: f64,
    seed: u64,
) -> Outcome<(f64, f64)> {
    let (values, n_columns) = parts("objectives", &objectives)?;
    let reference = of_length(&reference, n_columns)?;
    if n_samples == 0 {
        return Err(Error::setting("n_samples", "at least 1", 0).into());
    }
    if !(confidence > 0.0 && confidence < 1.0) {
        return Err(Error::setting("confidence", "a number in (0, 1)", confidence).into());
    }
    let found =
        whole(py, |work| pareto::estimate(values, reference, n_samples, confidence, seed, work))?;
    Ok((found.volume, found.error))
}

/// Return the hypervolume that only this row dominates, for every row ``(n,)`` float64.
#[pyfunction]
#[pyo3(signature = (objectives, reference, *, max_steps))]
pub fn hypervolume_contributions(
    py: Python<'_>,
    objectives: Rows<'_>,
    reference: Point<'_>,
    max_steps: u64,
) -> Outcome<Column<f64>> {
    let (values, n_columns) = parts("objectives", &objectives)?;
    let reference = of_length(&reference, n_columns)?;
    let found = exact(py, (values.len() / n_columns, n_columns), max_steps, |work| {
        pareto::contributions_within(values, reference, work)
    })?;
    Ok(Column::new(py, found))
}

/// Return one indicator of rows against reference rows: ``gd``, ``igd``, ``igd_plus``,
/// ``epsilon_additive`` or ``epsilon_multiplicative``.
#[pyfunction]
pub fn front_indicator(
    py: Python<'_>,
    name: &str,
    objectives: Rows<'_>,
    reference: Rows<'_>,
) -> Outcome<f64> {
    let (values, n_columns) = parts("objectives", &objectives)?;
    let reference = of_width("reference", &reference, n_columns)?;
    let indicator = match name {
        "gd" => pareto::gd,
        "igd" => pareto::igd,
        "igd_plus" => pareto::igd_plus,
        "epsilon_additive" => pareto::epsilon_additive,
        "epsilon_multiplicative" => pareto::epsilon_multiplicative,
        other => {
            let expected =
                "gd, igd, igd_plus, epsilon_additive or epsilon_multiplicative".to_owned();
            return Err(Error::setting("indicator", expected, other).into());
        }
    };
    whole(py, |work| indicator(values, reference, n_columns, work))
}
