//! State behind a lock that a panic breaks for good.
//!
//! A panic may leave the state half changed; whoever locks it afterwards gets nothing.

use std::sync::{Mutex, MutexGuard, TryLockError};

/// A value that one call at a time uses.
#[derive(Debug, Default)]
pub struct Guarded<T>(Mutex<T>);

impl<T> Guarded<T> {
    /// A sound value.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits until no other call uses it; none when a call panicked while it held the value.
    pub fn lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.lock().ok()
    }

    /// The value, or none inside when another call uses it; none at all when one panicked.
    pub fn try_lock(&self) -> Option<Option<MutexGuard<'_, T>>> {
        match self.0.try_lock() {
            Ok(guard) => Some(Some(guard)),
            Err(TryLockError::WouldBlock) => Some(None),
            Err(TryLockError::Poisoned(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_a_panic_leaves_nothing_to_lock() {
        let state = Guarded::new(1);
        *state.lock().unwrap() += 1;
        assert_eq!(*state.lock().unwrap(), 2);
        let held = state.try_lock().unwrap().unwrap();
        assert!(state.try_lock().unwrap().is_none(), "in use");
        drop(held);
        let call = std::panic::AssertUnwindSafe(|| {
            let mut held = state.lock().unwrap();
            *held = 3;
            panic!("midway");
        });
        assert!(std::panic::catch_unwind(call).is_err());
        assert!(state.lock().is_none());
        assert!(state.lock().is_none() && state.try_lock().is_none(), "for good");
    }
}
