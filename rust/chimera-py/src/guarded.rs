//! State behind a lock that a panic breaks for good.
//!
//! A panic may leave the state half changed; whoever locks it afterwards gets an error instead.

use std::sync::{Mutex, MutexGuard};

use crate::error::{Failure, Outcome};

/// A value that one call at a time uses.
#[derive(Debug, Default)]
pub struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    /// A sound value.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits until no other call uses it.
    ///
    /// # Errors
    /// A call panicked while it held the value.
    pub fn lock(&self) -> Outcome<MutexGuard<'_, T>> {
        self.0.lock().map_err(|_| Failure::Broken)
    }
}
