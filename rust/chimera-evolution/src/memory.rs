//! Asking for much memory before it is used: refused, the call fails and the process lives.
//!
//! Rust's collections end the process when an allocation fails. Where a size comes from the caller,
//! the bytes are reserved on trial and given back untouched, once, before anything changes; hot paths
//! then allocate as always.

use std::hint::black_box;

use crate::error::{Error, Result};

/// Less than this is not tried: the process needs as much for anything.
pub const TRIED_BYTES_MIN: usize = 1 << 24;

/// Whether `n_values` values of `width` bytes would fit in memory now.
///
/// # Errors
/// They would not.
pub fn ensure(what: &'static str, n_values: usize, width: usize) -> Result<()> {
    let n_bytes = n_values.saturating_mul(width);
    if n_bytes < TRIED_BYTES_MIN {
        return Ok(());
    }
    let mut trial: Vec<u8> = Vec::new();
    let fits = trial.try_reserve_exact(n_bytes).is_ok();
    // Seen by nobody, the compiler would leave the allocation out.
    black_box(&mut trial);
    if fits { Ok(()) } else { Err(Error::Memory { what, n_bytes }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_what_no_machine_has_is_refused_by_name_and_size() {
        assert!(ensure("batch", 1000, 8).is_ok());
        for n_values in [1 << 60, usize::MAX] {
            let error = ensure("batch", n_values, 8).unwrap_err().to_string();
            assert!(error.starts_with("batch: expected room for "), "{error}");
        }
        let error = ensure("batch", 1 << 50, 8).unwrap_err().to_string();
        assert!(error.contains("9007199254740992 bytes"), "{error}");
    }
}
