//! Walking the program representation: children, statements, costs.

use crate::programs::ir::{
    Comprehension, Expr, Fold, FoldSource, Iter, Stmt, StmtKind, TupleSource,
};

/// The expressions of an iterator.
pub(super) fn iter_exprs(iter: &Iter) -> Vec<&Expr> {
    match iter {
        Iter::Range { start, stop, step } => vec![start, stop, step],
        Iter::List(list) | Iter::Enumerate(list) => vec![list],
        Iter::Zip(lists) => lists.iter().collect(),
        Iter::Table(_) => Vec::new(),
    }
}

fn comprehension_exprs(comprehension: &Comprehension) -> Vec<&Expr> {
    let mut all = iter_exprs(&comprehension.iter);
    all.extend(&comprehension.condition);
    all.push(&comprehension.element);
    all
}

/// The comprehension or generator that an expression runs.
pub(super) fn comprehension(expr: &Expr) -> Option<&Comprehension> {
    match expr {
        Expr::Comprehension(inner) | Expr::Fold(_, FoldSource::Generator(inner)) => Some(inner),
        _ => None,
    }
}

/// The direct sub-expressions, those of a comprehension included.
pub(super) fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Const(_)
        | Expr::Parameter(..)
        | Expr::Local(_)
        | Expr::Global(_)
        | Expr::TableLen(_) => Vec::new(),
        Expr::Table(_, inner)
        | Expr::Unary(_, inner)
        | Expr::Convert(_, inner)
        | Expr::Promote(_, inner)
        | Expr::Len(inner)
        | Expr::Copy(inner)
        | Expr::Pop(inner)
        | Expr::Fold(_, FoldSource::List(inner)) => vec![inner],
        Expr::Binary(_, lhs, rhs)
        | Expr::Logic(_, lhs, rhs)
        | Expr::Index(lhs, rhs)
        | Expr::Repeat(lhs, rhs) => vec![lhs, rhs],
        Expr::Compare(first, rest) => {
            std::iter::once(&**first).chain(rest.iter().map(|(_, operand)| operand)).collect()
        }
        Expr::Select { test, then, otherwise } => vec![test, then, otherwise],
        Expr::Intrinsic(_, args) | Expr::Call(_, args) | Expr::List(_, args) => {
            args.iter().collect()
        }
        Expr::Comprehension(inner) | Expr::Fold(_, FoldSource::Generator(inner)) => {
            comprehension_exprs(inner)
        }
    }
}

/// The direct expressions of a statement.
pub(super) fn stmt_exprs(stmt: &Stmt) -> Vec<&Expr> {
    match &stmt.kind {
        StmtKind::Assign { value, .. } => vec![value],
        StmtKind::Unpack { value, .. } => match value {
            TupleSource::Values(values) | TupleSource::Call(_, values) => values.iter().collect(),
            TupleSource::Divmod(lhs, rhs) => vec![lhs, rhs],
        },
        StmtKind::SetItem { list, index, value } => vec![value, list, index],
        StmtKind::Append { list, value } => vec![list, value],
        StmtKind::Effect(expr) | StmtKind::Assert(expr) => vec![expr],
        StmtKind::If { test, .. } | StmtKind::While { test, .. } => vec![test],
        StmtKind::For { iter, .. } => iter_exprs(iter),
        StmtKind::CallNothing(_, values)
        | StmtKind::Return(values)
        | StmtKind::ReturnCall(_, values) => values.iter().collect(),
        StmtKind::Break | StmtKind::Continue | StmtKind::Raise(_) | StmtKind::Pass => Vec::new(),
    }
}

/// The nested blocks of a statement.
pub(super) fn stmt_blocks(stmt: &Stmt) -> Vec<&[Stmt]> {
    match &stmt.kind {
        StmtKind::If { then, orelse, .. } => vec![then, orelse],
        StmtKind::While { body, orelse, .. } | StmtKind::For { body, orelse, .. } => {
            vec![body, orelse]
        }
        _ => Vec::new(),
    }
}

/// Visit every statement, outer ones first.
pub(super) fn statements<'a>(block: &'a [Stmt], visit: &mut dyn FnMut(&'a Stmt)) {
    for stmt in block {
        visit(stmt);
        for inner in stmt_blocks(stmt) {
            statements(inner, visit);
        }
    }
}

/// Visit an expression and everything below it.
pub(super) fn expressions<'a>(expr: &'a Expr, visit: &mut dyn FnMut(&'a Expr)) {
    visit(expr);
    for child in children(expr) {
        expressions(child, visit);
    }
}

/// What runs again and again: the statements or the expressions of a loop.
#[derive(Clone, Copy)]
pub(super) enum Repeated<'s> {
    Block(&'s [Stmt]),
    While(&'s Expr, &'s [Stmt]),
    Comprehension(&'s Comprehension),
    Nothing,
}

/// Visit every expression of what a loop repeats.
pub(super) fn repeated<'s>(
    repeated: Repeated<'s>,
    visit_stmt: &mut dyn FnMut(&'s Stmt),
    visit: &mut dyn FnMut(&'s Expr),
) {
    match repeated {
        Repeated::Block(block) => {
            statements(block, visit_stmt);
            block_expressions(block, visit);
        }
        Repeated::While(test, block) => {
            expressions(test, visit);
            statements(block, visit_stmt);
            block_expressions(block, visit);
        }
        Repeated::Comprehension(inner) => {
            for part in inner.condition.iter().chain([&inner.element]) {
                expressions(part, visit);
            }
        }
        Repeated::Nothing => {}
    }
}

/// Whether a statement or an expression is a loop itself, and not by way of what it calls.
pub(super) const fn is_stmt_loop(stmt: &Stmt) -> bool {
    matches!(stmt.kind, StmtKind::While { .. } | StmtKind::For { .. })
}

pub(super) const fn is_expr_loop(expr: &Expr) -> bool {
    matches!(expr, Expr::Comprehension(_) | Expr::Fold(..))
}

/// Visit every expression of a block.
pub(super) fn block_expressions<'a>(block: &'a [Stmt], visit: &mut dyn FnMut(&'a Expr)) {
    statements(block, &mut |stmt| {
        for expr in stmt_exprs(stmt) {
            expressions(expr, visit);
        }
    });
}

/// Fuel of one evaluation of an expression, without what its loops repeat.
pub(super) fn expr_cost(expr: &Expr, call: &dyn Fn(u32) -> u64) -> u64 {
    if let Some(inner) = comprehension(expr) {
        return 4 + iter_exprs(&inner.iter).iter().map(|part| expr_cost(part, call)).sum::<u64>();
    }
    let own = match expr {
        Expr::Call(id, _) => call(id.0),
        Expr::Intrinsic(..) => 4,
        Expr::List(..) | Expr::Repeat(..) | Expr::Copy(..) => 8,
        Expr::Fold(Fold::Any | Fold::All, _) => 2,
        _ => 1,
    };
    own + children(expr).iter().map(|part| expr_cost(part, call)).sum::<u64>()
}

/// Fuel of one step of a comprehension.
pub(super) fn step_cost(inner: &Comprehension, call: &dyn Fn(u32) -> u64) -> u64 {
    let condition = inner.condition.as_ref().map_or(0, |part| expr_cost(part, call));
    2 + condition + expr_cost(&inner.element, call)
}

/// Fuel of one run of a block, without what its loops repeat; of two branches the dearer one.
pub(super) fn block_cost(block: &[Stmt], call: &dyn Fn(u32) -> u64) -> u64 {
    block
        .iter()
        .map(|stmt| {
            let exprs = stmt_exprs(stmt);
            let own = 1 + exprs.iter().map(|expr| expr_cost(expr, call)).sum::<u64>();
            own + match &stmt.kind {
                StmtKind::If { then, orelse, .. } => {
                    block_cost(then, call).max(block_cost(orelse, call))
                }
                StmtKind::While { orelse, .. } | StmtKind::For { orelse, .. } => {
                    block_cost(orelse, call)
                }
                StmtKind::CallNothing(id, _)
                | StmtKind::ReturnCall(id, _)
                | StmtKind::Unpack { value: TupleSource::Call(id, _), .. } => call(id.0),
                _ => 0,
            }
        })
        .sum()
}

/// The functions that a statement calls other than through [`Expr::Call`].
pub(super) fn stmt_call(stmt: &Stmt) -> Option<u32> {
    match &stmt.kind {
        StmtKind::CallNothing(id, _)
        | StmtKind::ReturnCall(id, _)
        | StmtKind::Unpack { value: TupleSource::Call(id, _), .. } => Some(id.0),
        _ => None,
    }
}
