//! Edits of statements and control flow.

use super::edit::Edit;
use crate::programs::check::{Place, Role};
use crate::programs::ir::{Binary, Block, Expr, Intrinsic, Stmt, StmtKind};
use crate::programs::types::{Returns, Scalar, Type};
use crate::programs::walk;

fn depth(edit: &mut Edit<'_>) -> usize {
    edit.heavy(5) + 1
}

/// Insert an assignment: of an existing local, or of a new local that a later statement reads.
pub(crate) fn insert(edit: &mut Edit<'_>) -> Option<()> {
    if edit.stream.chance(0.5) { update(edit) } else { extract(edit) }
}

fn writable(edit: &Edit<'_>, place: Place) -> Vec<(crate::programs::ir::LocalId, Scalar)> {
    let mut found = Vec::new();
    for scalar in [Scalar::Bool, Scalar::Int, Scalar::Float] {
        let locals = edit.readable(place.scope, Type::Scalar(scalar));
        found.extend(locals.into_iter().map(|id| (id, scalar)));
    }
    found
}

/// `x = fresh`, or `x = x + fresh` and the like.
fn update_at(edit: &mut Edit<'_>, place: Place) -> Option<StmtKind> {
    let targets = writable(edit, place);
    let (target, scalar) = edit.stream.choose(&targets).copied()?;
    let depth = depth(edit);
    let mut value = edit.grow(place.scope).scalar(scalar, depth);
    if scalar != Scalar::Bool && edit.stream.chance(0.6) {
        let old = Expr::Local(target);
        value = match edit.stream.below(6) {
            0 => Expr::Intrinsic(Intrinsic::Min, vec![old, value]),
            1 => Expr::Intrinsic(Intrinsic::Max, vec![old, value]),
            2 => Expr::Binary(Binary::Mul, Box::new(old), Box::new(value)),
            3 => Expr::Binary(Binary::Sub, Box::new(old), Box::new(value)),
            _ => Expr::Binary(Binary::Add, Box::new(old), Box::new(value)),
        };
    }
    Some(StmtKind::Assign { target, value })
}

fn update(edit: &mut Edit<'_>) -> Option<()> {
    let place = edit.place(|_| true)?;
    let stmt = update_at(edit, place)?;
    edit.insert(place, stmt)
}

/// Insert `part = fresh` before a statement and let the statement read it.
fn extract(edit: &mut Edit<'_>) -> Option<()> {
    let place = edit.place(|_| true)?;
    let mut stmt = edit.block(place.block)?.get(place.at)?.clone();
    let mut sites = Vec::new();
    // Only the statement's own expressions: blocks may run with other locals assigned. Indices
    // of tables are passed over, so that clamps stay whole.
    let mut at = 0;
    let (program, function) = (&edit.program, &edit.function);
    walk::stmt_exprs_mut(&mut stmt, &mut |root| {
        walk::visit_mut(root, &mut |expr| {
            if let Some(Type::Scalar(scalar)) = expr.ty(program, function) {
                sites.push((at, scalar));
            }
            at += 1;
            !matches!(expr, Expr::Table(..))
        });
    });
    let (index, scalar) = edit.stream.choose(&sites).copied()?;
    if matches!(stmt.kind, StmtKind::While { .. }) {
        return None;
    }
    let depth = depth(edit);
    let value = edit.grow(place.scope).scalar(scalar, depth);
    let target = edit.add_local("part", Type::Scalar(scalar));
    let joins = scalar != Scalar::Bool && edit.stream.chance(0.7);
    let operator = *edit.stream.choose(&[Binary::Add, Binary::Sub, Binary::Mul])?;
    let (mut at, mut done) = (0, false);
    walk::stmt_exprs_mut(&mut stmt, &mut |root| {
        walk::visit_mut(root, &mut |expr| {
            let hit = at == index && !done;
            at += 1;
            if hit {
                done = true;
                let old = std::mem::replace(expr, Expr::Local(target));
                if joins {
                    *expr = Expr::Binary(operator, Box::new(old), Box::new(Expr::Local(target)));
                }
            }
            !hit && !matches!(expr, Expr::Table(..))
        });
    });
    edit.with_block(place.block, |block| {
        if let Some(slot) = block.get_mut(place.at) {
            *slot = stmt;
        }
        block.insert(place.at, StmtKind::Assign { target, value }.into());
    })
}

/// Delete one to a few statements, or replace a branch by what it guards.
pub(crate) fn delete(edit: &mut Edit<'_>) -> Option<()> {
    let place = edit.place(|_| true)?;
    let n = edit.heavy(4);
    let unwrap = edit.stream.chance(0.4);
    edit.with_block(place.block, |block| {
        let stmt = block.get_mut(place.at)?;
        let inner = match &mut stmt.kind {
            StmtKind::If { then, .. } if unwrap => std::mem::take(then),
            _ => Block::new(),
        };
        let end = if inner.is_empty() { place.at + n } else { place.at + 1 };
        block.splice(place.at..end.min(block.len()), inner);
        if block.is_empty() {
            block.push(StmtKind::Pass.into());
        }
        Some(())
    })?
}

/// Exchange two statements of one block, neighbours most often.
pub(crate) fn swap(edit: &mut Edit<'_>) -> Option<()> {
    let place = edit.place(|_| true)?;
    let n = edit.block(place.block)?.len();
    let distance = edit.heavy(n);
    let other = place.at.checked_add(distance).filter(|at| *at < n)?;
    edit.with_block(place.block, |block| block.swap(place.at, other))
}

/// Insert a decision.
pub(crate) fn branch(edit: &mut Edit<'_>) -> Option<()> {
    match edit.stream.weighted(&[2.0, 3.0, 2.0, 2.0])? {
        0 => wrap(edit),
        1 => select(edit),
        2 => guard(edit),
        _ => conditional_update(edit),
    }
}

fn test(edit: &mut Edit<'_>, place: Place) -> Expr {
    let depth = edit.heavy(3);
    edit.grow(place.scope).comparison(depth)
}

/// `if test: statement`.
fn wrap(edit: &mut Edit<'_>) -> Option<()> {
    let place = edit.place(|_| true)?;
    let test = test(edit, place);
    let n = edit.heavy(3);
    edit.with_block(place.block, |block| {
        if place.at >= block.len() {
            return None;
        }
        let end = (place.at + n).min(block.len());
        let then: Block = block.drain(place.at..end).collect();
        let stmt: Stmt = StmtKind::If { test, then, orelse: Block::new() }.into();
        block.insert(place.at, stmt);
        Some(())
    })?
}

/// `e` becomes `fresh if test else e`.
fn select(edit: &mut Edit<'_>) -> Option<()> {
    let (index, site) = edit.site(|site| site.ty.scalar().is_some() && site.role == Role::Free)?;
    let scalar = site.ty.scalar()?;
    let old = edit.expr(index)?.clone();
    let (deep, wide) = (edit.heavy(4), edit.heavy(3));
    let mut grow = edit.grow(site.scope);
    let (fresh, test) = (grow.scalar(scalar, deep), grow.comparison(wide));
    let (then, otherwise) = (Box::new(fresh), Box::new(old));
    edit.put(index, Expr::Select { test: Box::new(test), then, otherwise })
}

/// `if test: return fresh`.
fn guard(edit: &mut Edit<'_>) -> Option<()> {
    let place = edit.place(|_| true)?;
    let scalars: Vec<Scalar> = match &edit.function.returns {
        Returns::Nothing | Returns::One(Type::List(_) | Type::Matrix(_)) => return None,
        Returns::One(Type::Scalar(scalar)) => vec![*scalar],
        Returns::Tuple(scalars) => scalars.clone(),
    };
    let test = test(edit, place);
    let depth = depth(edit);
    let mut grow = edit.grow(place.scope);
    let values = scalars.into_iter().map(|scalar| grow.scalar(scalar, depth)).collect();
    let then = vec![StmtKind::Return(values).into()];
    edit.insert(place, StmtKind::If { test, then, orelse: Block::new() })
}

/// `if test: x = fresh`.
fn conditional_update(edit: &mut Edit<'_>) -> Option<()> {
    let place = edit.place(|_| true)?;
    let test = test(edit, place);
    let then = vec![update_at(edit, place)?.into()];
    edit.insert(place, StmtKind::If { test, then, orelse: Block::new() })
}
