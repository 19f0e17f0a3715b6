//! Checks of scores that come from outside: shapes and values.

use crate::algorithm::{Algorithm, Scores};
use crate::error::{Error, Result};

/// Whether the scores of `n_rows` rows are what an algorithm expects.
///
/// # Errors
/// The first thing that does not fit.
pub(super) fn check(algorithm: &dyn Algorithm, scores: &Scores<'_>, n_rows: usize) -> Result<()> {
    check_values("scores", scores.objectives, n_rows, algorithm.n_objectives(), scores)?;
    if !scores.violations.is_empty() {
        check_values("violations", scores.violations, n_rows, 1, scores)?;
        let negative =
            (0..n_rows).find(|row| !scores.is_failed(*row) && scores.violation(*row) < 0.0);
        if let Some(row) = negative {
            return Err(Error::batch(
                "violations",
                "values of at least 0",
                format!("{} in row {row}", scores.violation(row)),
            ));
        }
    }
    if algorithm.n_descriptors() > 0 || !scores.descriptors.is_empty() {
        let n = algorithm.n_descriptors();
        check_values("descriptors", scores.descriptors, n_rows, n, scores)?;
    }
    if algorithm.needs_cases() || !scores.cases.is_empty() {
        let n = scores.cases.len() / n_rows.max(1);
        check_values("cases", scores.cases, n_rows, n.max(1), scores)?;
    }
    if !scores.failed.is_empty() && scores.failed.len() != n_rows {
        return Err(Error::batch("failed", format!("{n_rows} values"), scores.failed.len()));
    }
    Ok(())
}

fn check_values(
    name: &'static str,
    values: &[f64],
    n_rows: usize,
    n_columns: usize,
    scores: &Scores<'_>,
) -> Result<()> {
    if values.len() != n_rows * n_columns {
        let expected = if n_columns == 1 {
            format!("shape ({n_rows},)")
        } else {
            format!("shape ({n_rows}, {n_columns})")
        };
        return Err(Error::batch(name, expected, format!("{} values", values.len())));
    }
    let bad = values.iter().position(|value| !value.is_finite());
    if bad.is_none() {
        return Ok(());
    }
    for (idx, value) in values.iter().enumerate() {
        let row = idx / n_columns.max(1);
        if !value.is_finite() && !scores.is_failed(row) {
            return Err(Error::batch(
                name,
                "finite values (mark failed rows with failed=)",
                format!("{value} in row {row}"),
            ));
        }
    }
    Ok(())
}
