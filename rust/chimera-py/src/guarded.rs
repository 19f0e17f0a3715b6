//! State behind a lock that a panic breaks for good.
//!
//! A panic may leave the state half changed; whoever locks it afterwards gets an error instead. The
//! lock itself is [`chimera_evolution::guarded`], where it is tested.

use std::sync::MutexGuard;

use crate::error::{Failure, Outcome};

/// A value that one call at a time uses.
#[derive(Debug, Default)]
pub struct Guarded<T>(chimera_evolution::guarded::Guarded<T>);

impl<T> Guarded<T> {
    /// A sound value.
    pub const fn new(value: T) -> Self {
        Self(chimera_evolution::guarded::Guarded::new(value))
    }

    /// Waits until no other call uses it.
    ///
    /// # Errors
    /// A call panicked while it held the value.
    pub fn lock(&self) -> Outcome<MutexGuard<'_, T>> {
        self.0.lock().ok_or(Failure::Broken)
    }
}
