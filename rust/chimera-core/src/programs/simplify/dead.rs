//! Removal of what has no influence: constant branches, unreachable statements, assignments that
//! nothing reads, unused locals, unused tunable tables.

use std::sync::Arc;

use super::saturate::Surroundings;
use crate::programs::ir::{
    Block, Const, Expr, Function, GlobalId, GlobalValue, Iter, LocalId, Program, Stmt, StmtKind,
    TupleSource, Unary,
};
use crate::programs::walk;

/// Clean a block in place; true when something changed.
pub(crate) fn clean(block: &mut Block, around: &Surroundings<'_>) -> bool {
    let mut changed = false;
    let mut kept = Block::with_capacity(block.len());
    for mut stmt in std::mem::take(block) {
        if kept.last().is_some_and(ends) {
            changed = true;
            break;
        }
        walk::stmt_blocks_mut(&mut stmt, &mut |inner| changed |= clean(inner, around));
        let line = stmt.line;
        match reduce(stmt, around) {
            Ok(stmt) => kept.push(stmt),
            Err(replacement) => {
                changed = true;
                kept.extend(replacement.into_iter().map(|it| Stmt { line, ..it }));
            }
        }
    }
    if kept.len() > 1 {
        let n = kept.len();
        kept.retain(|stmt| stmt.kind != StmtKind::Pass);
        changed |= kept.len() != n;
    }
    *block = kept;
    changed
}

/// Whether control never passes the statement.
fn ends(stmt: &Stmt) -> bool {
    match &stmt.kind {
        StmtKind::Return(_)
        | StmtKind::ReturnCall(..)
        | StmtKind::Raise(_)
        | StmtKind::Break
        | StmtKind::Continue => true,
        StmtKind::If { then, orelse, .. } => {
            then.last().is_some_and(ends) && orelse.last().is_some_and(ends)
        }
        _ => false,
    }
}

fn is_idle(block: &[Stmt]) -> bool {
    block.iter().all(|stmt| stmt.kind == StmtKind::Pass)
}

fn has_break(block: &[Stmt]) -> bool {
    block.iter().any(|stmt| match &stmt.kind {
        StmtKind::Break => true,
        StmtKind::If { then, orelse, .. } => has_break(then) || has_break(orelse),
        StmtKind::While { orelse, .. } | StmtKind::For { orelse, .. } => has_break(orelse),
        _ => false,
    })
}

fn pass() -> Block {
    vec![StmtKind::Pass.into()]
}

/// The statement, or what to put in its place.
fn reduce(mut stmt: Stmt, around: &Surroundings<'_>) -> Result<Stmt, Block> {
    match &mut stmt.kind {
        StmtKind::If { test: Expr::Const(Const::Bool(value)), then, orelse } => {
            Err(std::mem::take(if *value { then } else { orelse }))
        }
        StmtKind::If { test, then, orelse } if is_idle(then) && is_idle(orelse) => {
            if around.is_safe(test) {
                return Err(Block::new());
            }
            if orelse.is_empty() && !then.is_empty() {
                return Ok(stmt);
            }
            let test = std::mem::replace(test, Expr::int(0));
            Err(vec![StmtKind::If { test, then: pass(), orelse: Block::new() }.into()])
        }
        StmtKind::If { test, then, orelse } if is_idle(then) => {
            let test = match std::mem::replace(test, Expr::int(0)) {
                Expr::Unary(Unary::Not, inner) => *inner,
                test => Expr::Unary(Unary::Not, Box::new(test)),
            };
            let then = std::mem::take(orelse);
            Err(vec![StmtKind::If { test, then, orelse: Block::new() }.into()])
        }
        StmtKind::If { orelse, .. } if !orelse.is_empty() && is_idle(orelse) => {
            orelse.clear();
            Ok(stmt)
        }
        StmtKind::While { test: Expr::Const(Const::Bool(false)), orelse, .. } => {
            Err(std::mem::take(orelse))
        }
        StmtKind::While { body, orelse, .. } | StmtKind::For { body, orelse, .. }
            if body.is_empty() || (!orelse.is_empty() && !has_break(body) && is_idle(orelse)) =>
        {
            if body.is_empty() {
                *body = pass();
            }
            if is_idle(orelse) {
                orelse.clear();
            }
            Ok(stmt)
        }
        StmtKind::Assign { target, value: Expr::Local(id) } if target == id => Err(Block::new()),
        StmtKind::Assert(Expr::Const(Const::Bool(true))) => Err(Block::new()),
        _ => Ok(stmt),
    }
}

/// Remove safe assignments to locals that nothing else reads; true when something changed.
pub(crate) fn unread(block: &mut Block, around: &Surroundings<'_>) -> bool {
    let n = around.function.locals.len();
    let mut read = vec![false; n];
    let mut keep = vec![false; n];
    walk::visit_stmts(block, &mut |stmt| {
        let own = match &stmt.kind {
            StmtKind::Assign { target, .. } => Some(*target),
            _ => None,
        };
        walk::stmt_exprs(stmt, &mut |root| {
            walk::visit(root, &mut |expr| {
                if let Expr::Local(id) = expr
                    && own != Some(*id)
                    && let Some(flag) = read.get_mut(id.0 as usize)
                {
                    *flag = true;
                }
            });
        });
    });
    // One unsafe assignment keeps them all: removing only some would change what is assigned.
    walk::visit_stmts(block, &mut |stmt| match &stmt.kind {
        StmtKind::Assign { value, .. } if around.is_safe(value) => {}
        StmtKind::Unpack { targets, value: TupleSource::Values(values) }
            if targets.iter().all(|it| read.get(it.0 as usize) == Some(&false))
                && values.iter().all(|value| around.is_safe(value)) => {}
        StmtKind::For { iter, body, orelse, .. }
            if is_idle(body) && orelse.is_empty() && is_safe_iter(iter, around) => {}
        _ => {
            for target in walk::written(stmt) {
                if let Some(flag) = keep.get_mut(target.0 as usize) {
                    *flag = true;
                }
            }
        }
    });
    let is_dead = |targets: &[LocalId]| {
        targets.iter().all(|target| {
            let at = target.0 as usize;
            read.get(at) == Some(&false) && keep.get(at) == Some(&false)
        })
    };
    let mut changed = false;
    walk::visit_blocks_mut(block, &mut |inner| {
        for stmt in inner {
            let dead = match &stmt.kind {
                StmtKind::Assign { target, .. } => is_dead(std::slice::from_ref(target)),
                StmtKind::Unpack { targets, .. } => is_dead(targets),
                StmtKind::For { targets, body, orelse, .. } => {
                    is_idle(body) && orelse.is_empty() && is_dead(targets)
                }
                _ => false,
            };
            if dead {
                stmt.kind = StmtKind::Pass;
                changed = true;
            }
        }
    });
    changed
}

fn is_safe_iter(iter: &Iter, around: &Surroundings<'_>) -> bool {
    match iter {
        Iter::Range { start, stop, step } => {
            let steps = matches!(**step, Expr::Const(Const::Int(value)) if value != 0);
            steps && around.is_safe(start) && around.is_safe(stop)
        }
        Iter::List(list) | Iter::Enumerate(list) => matches!(**list, Expr::Local(_)),
        Iter::Zip(lists) => lists.iter().all(|list| matches!(list, Expr::Local(_))),
        Iter::Table(_) => true,
    }
}

/// Drop locals that occur nowhere and renumber the rest.
pub(crate) fn compact_locals(function: &mut Function) {
    let mut used = vec![false; function.locals.len()];
    used.iter_mut().take(function.n_params as usize).for_each(|flag| *flag = true);
    walk::visit_locals_mut(&mut function.body, &mut |id| {
        if let Some(flag) = used.get_mut(id.0 as usize) {
            *flag = true;
        }
    });
    if used.iter().all(|flag| *flag) {
        return;
    }
    let numbers = renumber(&used);
    let mut flags = used.iter();
    function.locals.retain(|_| flags.next() == Some(&true));
    walk::visit_locals_mut(&mut function.body, &mut |id| {
        id.0 = numbers.get(id.0 as usize).copied().unwrap_or(id.0);
    });
}

fn renumber(used: &[bool]) -> Vec<u32> {
    let mut next = 0;
    let number = |flag: &bool| {
        let number = next;
        next += u32::from(*flag);
        number
    };
    used.iter().map(number).collect()
}

/// Drop tunable tables that no function uses and renumber the constants.
pub(crate) fn compact_tables(program: &mut Program) {
    let is_kept = |global: &crate::programs::ir::Global| {
        !(global.is_tunable && matches!(global.value, GlobalValue::Table(..)))
    };
    let mut used: Vec<bool> = program.globals.iter().map(|global| is_kept(global)).collect();
    if used.iter().all(|flag| *flag) {
        return;
    }
    for function in &mut program.functions {
        // Reading through the mutable walk keeps one list of the places that name a constant.
        let mut body = function.body.clone();
        walk::visit_globals_mut(&mut body, &mut |id: &mut GlobalId| {
            if let Some(flag) = used.get_mut(id.0 as usize) {
                *flag = true;
            }
        });
    }
    if used.iter().all(|flag| *flag) {
        return;
    }
    let numbers = renumber(&used);
    let mut flags = used.iter();
    program.globals.retain(|_| flags.next() == Some(&true));
    for function in &mut program.functions {
        let mut touched = false;
        let mut body = function.body.clone();
        walk::visit_globals_mut(&mut body, &mut |id| {
            let number = numbers.get(id.0 as usize).copied().unwrap_or(id.0);
            touched |= number != id.0;
            id.0 = number;
        });
        if touched {
            Arc::make_mut(function).body = body;
        }
    }
}
