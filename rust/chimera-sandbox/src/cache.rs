//! A bounded cache of compiled modules, keyed by the SHA-256 of their bytes.
//!
//! A cryptographic hash, because a collision would run another program than the one asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::module::CompiledModule;

/// Hash of a module's bytes.
pub(crate) type Key = [u8; 32];

/// Returns the key of a module.
pub(crate) fn key(wasm: &[u8]) -> Key {
    Sha256::digest(wasm).into()
}

#[derive(Debug, Default)]
struct Entries {
    modules: HashMap<Key, (Arc<CompiledModule>, u64)>,
    by_age: BTreeMap<u64, Key>,
    clock: u64,
}

/// Least recently used modules leave first.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: Mutex<Entries>,
    capacity: usize,
}

impl Cache {
    pub fn new(capacity: usize) -> Self {
        Self { entries: Mutex::default(), capacity }
    }

    pub fn len(&self) -> usize {
        self.lock().modules.len()
    }

    pub fn clear(&self) {
        *self.lock() = Entries::default();
    }

    pub fn get(&self, key: &Key) -> Option<Arc<CompiledModule>> {
        let mut guard = self.lock();
        let entries = &mut *guard;
        let (module, age) = entries.modules.get_mut(key)?;
        entries.by_age.remove(age);
        entries.clock += 1;
        *age = entries.clock;
        entries.by_age.insert(entries.clock, *key);
        Some(Arc::clone(module))
    }

    /// Keeps a module; returns the one already there if another thread was faster.
    pub fn insert(&self, key: Key, module: Arc<CompiledModule>) -> Arc<CompiledModule> {
        if self.capacity == 0 {
            return module;
        }
        if let Some(known) = self.get(&key) {
            return known;
        }
        let mut guard = self.lock();
        let entries = &mut *guard;
        entries.clock += 1;
        let clock = entries.clock;
        if let Some((_, age)) = entries.modules.insert(key, (Arc::clone(&module), clock)) {
            entries.by_age.remove(&age);
        }
        entries.by_age.insert(clock, key);
        while entries.modules.len() > self.capacity {
            let Some((_, oldest)) = entries.by_age.pop_first() else {
                break;
            };
            entries.modules.remove(&oldest);
        }
        module
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
