//! How large a search for a front may become.

use crate::error::{Error, Result};

/// Most objectives.
pub(super) const N_OBJECTIVES_MAX: usize = 1 << 10;
/// Most members, and most children a generation.
pub(super) const N_ROWS_MAX: usize = 1_000_000;
/// Most values of a table of directions or neighbours: half a GiB of doubles.
pub(super) const N_VALUES_MAX: usize = 1 << 26;

/// Check the number of objectives.
pub(super) fn check_objectives(n_objectives: usize) -> Result<()> {
    if (2..=N_OBJECTIVES_MAX).contains(&n_objectives) {
        return Ok(());
    }
    let expected = format!("at least 2, at most {N_OBJECTIVES_MAX}");
    Err(Error::setting("n_objectives", expected, n_objectives))
}

/// Check a number of members or children.
pub(super) fn check_rows(name: &str, n_rows: usize, least: usize) -> Result<()> {
    if (least..=N_ROWS_MAX).contains(&n_rows) {
        return Ok(());
    }
    Err(Error::setting(name, format!("{least} to {N_ROWS_MAX}"), n_rows))
}
