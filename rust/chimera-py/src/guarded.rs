//! State behind a lock that a panic breaks for good.
//!
//! A panic may leave the state half changed; whoever locks it afterwards gets an error instead. The
//! lock itself is [`chimera_evolution::guarded`], where it is tested.

use std::sync::MutexGuard;

use pyo3::prelude::*;

use crate::error::{Failure, Outcome};

/// A value that one call at a time uses.
#[derive(Debug, Default)]
pub struct Guarded<T>(chimera_evolution::guarded::Guarded<T>);

impl<T: Send> Guarded<T> {
    /// A sound value.
    pub const fn new(value: T) -> Self {
        Self(chimera_evolution::guarded::Guarded::new(value))
    }

    /// Waits until no other call uses it, without the interpreter: that call may need it to look for
    /// Ctrl-C.
    ///
    /// # Errors
    /// A call panicked while it held the value.
    pub fn lock(&self) -> Outcome<MutexGuard<'_, T>> {
        loop {
            if let Some(guard) = self.0.try_lock().ok_or(Failure::Broken)? {
                return Ok(guard);
            }
            Python::attach(|py| py.detach(|| drop(self.0.lock())));
        }
    }
}
