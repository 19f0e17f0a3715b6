//! Simplification of evolvable functions: dead code, constant folding and equality saturation.
//!
//! The result returns what the original returns wherever the original returns. It never drops an
//! expression that may raise; only our own 64-bit overflow traps may disappear or appear.
//! Equality saturation follows egg (Willsey et al., 2021).

mod dead;
mod inline;
mod language;
mod rules;
mod saturate;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use saturate::{Limits, settle};

use super::check;
use super::ir::{Function, Program, StmtKind};
use super::walk::{self, Effects};
use saturate::Surroundings;

const ROUNDS_MAX: usize = 4;

/// Simplify the evolvable functions with the default limits.
#[must_use]
pub fn simplify(program: &Program) -> Program {
    simplify_within(program, Limits::default())
}

/// Simplify the evolvable functions; a function whose simplified form would break an invariant
/// of the representation stays as it is.
#[must_use]
pub fn simplify_within(program: &Program, limits: Limits) -> Program {
    let effects = Effects::of(program);
    let mut result = program.clone();
    for (idx, function) in program.functions.iter().enumerate() {
        if !function.is_evolvable {
            continue;
        }
        let simplified = simplify_function(program, function, &effects, limits);
        if simplified != **function
            && check::layout(program, &simplified).is_ok()
            && let Some(slot) = result.functions.get_mut(idx)
        {
            *slot = Arc::new(simplified);
        }
    }
    compact(&mut result);
    result
}

fn simplify_function(
    program: &Program,
    function: &Function,
    effects: &Effects,
    limits: Limits,
) -> Function {
    let mut current = function.clone();
    for _ in 0..ROUNDS_MAX {
        let before = current.clone();
        let around = Surroundings { program, function: &before, effects, limits };
        let body = &mut current.body;
        walk::visit_stmts_mut(body, &mut |stmt| {
            walk::stmt_exprs_mut(stmt, &mut |expr| around.rewrite(expr));
        });
        let mut removed = dead::clean(body, &around);
        while dead::unread(body, &around) {
            removed = true;
            dead::clean(body, &around);
        }
        if inline::inline(body, &around) {
            removed = true;
            dead::clean(body, &around);
        }
        // Saturation alone reaches its own fixed point; only removals open new chances.
        if !removed {
            break;
        }
    }
    if current.body.is_empty() {
        current.body.push(StmtKind::Pass.into());
    }
    dead::compact_locals(&mut current);
    current
}

/// Drop unused locals of evolvable functions and tunable tables that nothing uses.
pub(crate) fn compact(program: &mut Program) {
    for function in &mut program.functions {
        if function.is_evolvable {
            dead::compact_locals(Arc::make_mut(function));
        }
    }
    dead::compact_tables(program);
}
