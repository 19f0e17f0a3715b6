//! What every search for a front checks of a loaded state.

use std::fmt::Display;

use crate::error::{Error, Result};
use crate::space::Space;

/// Refuse a state unless `is_sound`.
pub(super) fn ensure(is_sound: bool, what: &str) -> Result<()> {
    if is_sound { Ok(()) } else { Err(damaged(what)) }
}

/// The error of a state whose checksum is right and whose content is not.
pub(super) fn damaged(what: &(impl Display + ?Sized)) -> Error {
    Error::State { reason: format!("it contradicts itself: {what}") }
}

/// Check a loaded space by making it anew.
pub(super) fn check_space(space: &Space) -> Result<()> {
    let blocks = space.blocks().iter();
    let parts = blocks.map(|block| {
        (block.name.clone(), block.kind.name().into(), block.lower.clone(), block.upper.clone())
    });
    let fresh = Space::new(parts.collect()).map_err(|error| damaged(&error))?;
    ensure(fresh == *space, "its space")
}
