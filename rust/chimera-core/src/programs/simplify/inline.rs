//! Inlining of small values that are named once and read once, in the very next statement.

use super::saturate::Surroundings;
use crate::programs::ir::{Block, Expr, LocalId, StmtKind};
use crate::programs::walk;

/// Values larger than this read better under a name of their own.
const SIZE_MAX: usize = 6;

/// Inline what qualifies; true when something changed.
pub(crate) fn inline(body: &mut Block, around: &Surroundings<'_>) -> bool {
    let n = around.function.locals.len();
    let (mut reads, mut writes) = (vec![0_u32; n], vec![0_u32; n]);
    let count = |counts: &mut Vec<u32>, id: LocalId| {
        if let Some(count) = counts.get_mut(id.0 as usize) {
            *count += 1;
        }
    };
    walk::visit_stmts(body, &mut |stmt| {
        for id in walk::written(stmt) {
            count(&mut writes, *id);
        }
    });
    walk::visit_exprs(body, &mut |expr| {
        if let Expr::Local(id) = expr {
            count(&mut reads, *id);
        }
    });
    let is_single = |id: LocalId| {
        let at = id.0 as usize;
        id.0 >= around.function.n_params && reads.get(at) == Some(&1) && writes.get(at) == Some(&1)
    };
    let mut changed = false;
    walk::visit_blocks_mut(body, &mut |block| {
        for at in (1..block.len()).rev() {
            let Some((before, [next, ..])) = block.split_at_mut_checked(at) else { continue };
            let Some(first) = before.last_mut() else { continue };
            let StmtKind::Assign { target, value } = &first.kind else { continue };
            let (target, is_loop) = (*target, matches!(next.kind, StmtKind::While { .. }));
            if is_loop || !is_single(target) || !is_movable(value, around) {
                continue;
            }
            let mut is_pure = true;
            walk::stmt_exprs(next, &mut |root| is_pure &= around.effects.is_pure(root));
            if !is_pure {
                continue;
            }
            let value = value.clone();
            let mut done = false;
            walk::stmt_exprs_mut(next, &mut |root| {
                walk::visit_mut(root, &mut |expr| {
                    if *expr == Expr::Local(target) {
                        *expr = value.clone();
                        done = true;
                    }
                    // What a comprehension reads is read many times.
                    !done && walk::bound_here(expr).is_empty()
                });
            });
            if done {
                first.kind = StmtKind::Pass;
                changed = true;
            }
        }
    });
    changed
}

/// Safe values only: the reader may evaluate its operands conditionally.
fn is_movable(value: &Expr, around: &Surroundings<'_>) -> bool {
    let is_scalar =
        value.ty(around.program, around.function).is_some_and(|ty| ty.scalar().is_some());
    is_scalar && walk::size_expr(value) <= SIZE_MAX && around.is_safe(value)
}
