//! Serialises many related programs by their distinct functions and constants, so that a saved
//! population costs what differs, and sharing is restored on load.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::programs::ir::{Function, Global, Program};

#[derive(Serialize)]
struct PoolRef<'a> {
    functions: Vec<&'a Function>,
    globals: Vec<&'a Global>,
    programs: Vec<(Vec<u32>, Vec<u32>)>,
}

#[derive(Deserialize)]
struct Pool {
    functions: Vec<Function>,
    globals: Vec<Global>,
    programs: Vec<(Vec<u32>, Vec<u32>)>,
}

/// Position of each item's content in `pool`, in order of first use.
fn intern<'a, T: std::hash::Hash + Eq>(
    items: &'a [Arc<T>],
    pool: &mut Vec<&'a T>,
    known: &mut HashMap<&'a T, u32>,
) -> Vec<u32> {
    let mut ids = Vec::with_capacity(items.len());
    for item in items {
        let next = u32::try_from(pool.len()).unwrap_or(u32::MAX);
        let id = *known.entry(item).or_insert_with(|| {
            pool.push(item);
            next
        });
        ids.push(id);
    }
    ids
}

/// Writes the programs.
pub(crate) fn serialize<S: Serializer>(
    programs: &[Arc<Program>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut pool = PoolRef { functions: Vec::new(), globals: Vec::new(), programs: Vec::new() };
    let mut functions = HashMap::new();
    let mut globals = HashMap::new();
    for program in programs {
        let row = (
            intern(&program.functions, &mut pool.functions, &mut functions),
            intern(&program.globals, &mut pool.globals, &mut globals),
        );
        pool.programs.push(row);
    }
    pool.serialize(serializer)
}

/// Reads what [`serialize`] wrote.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<Arc<Program>>, D::Error> {
    let pool = Pool::deserialize(deserializer)?;
    let functions: Vec<Arc<Function>> = pool.functions.into_iter().map(Arc::new).collect();
    let globals: Vec<Arc<Global>> = pool.globals.into_iter().map(Arc::new).collect();
    let mut programs = Vec::with_capacity(pool.programs.len());
    for (function_ids, global_ids) in pool.programs {
        let own = function_ids.iter().map(|id| functions.get(*id as usize).cloned());
        let own_functions: Option<Vec<_>> = own.collect();
        let own = global_ids.iter().map(|id| globals.get(*id as usize).cloned());
        let own_globals: Option<Vec<_>> = own.collect();
        let (Some(functions), Some(globals)) = (own_functions, own_globals) else {
            return Err(D::Error::custom("a program refers to a missing part"));
        };
        programs.push(Arc::new(Program { functions, globals }));
    }
    Ok(programs)
}
