//! Walks over expressions and statements: visiting, counting, editing by node index, and effects.
//!
//! The canonical order is pre-order: a statement's own expressions in evaluation order, then its
//! blocks. Node indices count expressions in that order over a whole function, and every other
//! module (slots of parameters, sites of variation) uses the same order.

mod effects;
#[cfg(test)]
mod tests;

pub use effects::{Effects, mutated_params};

use super::ir::{
    Binary, Block, Comprehension, Const, Expr, FoldSource, GlobalId, Intrinsic, Iter, LocalId,
    Program, Stmt, StmtKind, TupleSource,
};

macro_rules! children {
    ($name:ident, $iter:ident, $comprehension:ident, $doc:literal $(, $mutability:tt)?) => {
        #[doc = $doc]
        pub fn $name<'a>(expr: &'a $($mutability)? Expr, f: &mut dyn FnMut(&'a $($mutability)? Expr)) {
            match expr {
                Expr::Const(_)
                | Expr::Parameter(..)
                | Expr::Local(_)
                | Expr::Global(_)
                | Expr::TableLen(_) => {}
                Expr::Table(_, inner)
                | Expr::Unary(_, inner)
                | Expr::Convert(_, inner)
                | Expr::Promote(_, inner)
                | Expr::Len(inner)
                | Expr::Copy(inner)
                | Expr::Pop(inner) => f(inner),
                Expr::Binary(_, lhs, rhs) | Expr::Logic(_, lhs, rhs) => {
                    f(lhs);
                    f(rhs);
                }
                Expr::Index(lhs, rhs) | Expr::Repeat(lhs, rhs) => {
                    f(lhs);
                    f(rhs);
                }
                Expr::Compare(first, rest) => {
                    f(first);
                    for (_, operand) in rest {
                        f(operand);
                    }
                }
                Expr::Select { test, then, otherwise } => {
                    f(test);
                    f(then);
                    f(otherwise);
                }
                Expr::Intrinsic(_, args) | Expr::Call(_, args) | Expr::List(_, args) => {
                    for arg in args {
                        f(arg);
                    }
                }
                Expr::Comprehension(inner) => $comprehension(inner, f),
                Expr::Fold(_, FoldSource::List(list)) => f(list),
                Expr::Fold(_, FoldSource::Generator(inner)) => $comprehension(inner, f),
            }
        }

        fn $comprehension<'a>(
            inner: &'a $($mutability)? Comprehension,
            f: &mut dyn FnMut(&'a $($mutability)? Expr),
        ) {
            $iter(& $($mutability)? inner.iter, f);
            if let Some(condition) = & $($mutability)? inner.condition {
                f(condition);
            }
            f(& $($mutability)? inner.element);
        }

        fn $iter<'a>(iter: &'a $($mutability)? Iter, f: &mut dyn FnMut(&'a $($mutability)? Expr)) {
            match iter {
                Iter::Range { start, stop, step } => {
                    f(start);
                    f(stop);
                    f(step);
                }
                Iter::List(list) | Iter::Enumerate(list) => f(list),
                Iter::Zip(lists) => {
                    for list in lists {
                        f(list);
                    }
                }
                Iter::Table(_) => {}
            }
        }
    };
}

children!(
    each_child,
    iter_exprs,
    comprehension_exprs,
    "Call `f` on each direct operand, in order."
);
children!(
    each_child_mut,
    iter_exprs_mut,
    comprehension_exprs_mut,
    "Call `f` on each direct operand, in order, to change it.",
    mut
);

macro_rules! statements {
    ($exprs:ident, $blocks:ident, $iter:ident, $exprs_doc:literal, $blocks_doc:literal $(, $mutability:tt)?) => {
        #[doc = $exprs_doc]
        pub fn $exprs<'a>(stmt: &'a $($mutability)? Stmt, f: &mut dyn FnMut(&'a $($mutability)? Expr)) {
            match & $($mutability)? stmt.kind {
                StmtKind::Assign { value, .. } | StmtKind::Effect(value) | StmtKind::Assert(value) => {
                    f(value);
                }
                StmtKind::Unpack { value, .. } => match value {
                    TupleSource::Values(values) | TupleSource::Call(_, values) => {
                        for value in values {
                            f(value);
                        }
                    }
                    TupleSource::Divmod(lhs, rhs) => {
                        f(lhs);
                        f(rhs);
                    }
                },
                StmtKind::SetItem { list, index, value } => {
                    f(value);
                    f(list);
                    f(index);
                }
                StmtKind::Append { list, value } => {
                    f(list);
                    f(value);
                }
                StmtKind::CallNothing(_, args)
                | StmtKind::Return(args)
                | StmtKind::ReturnCall(_, args) => {
                    for arg in args {
                        f(arg);
                    }
                }
                StmtKind::If { test, .. } | StmtKind::While { test, .. } => f(test),
                StmtKind::For { iter, .. } => $iter(iter, f),
                StmtKind::Break | StmtKind::Continue | StmtKind::Raise(_) | StmtKind::Pass => {}
            }
        }

        #[doc = $blocks_doc]
        pub fn $blocks<'a>(stmt: &'a $($mutability)? Stmt, f: &mut dyn FnMut(&'a $($mutability)? Block)) {
            match & $($mutability)? stmt.kind {
                StmtKind::If { then, orelse, .. } => {
                    f(then);
                    f(orelse);
                }
                StmtKind::While { body, orelse, .. } | StmtKind::For { body, orelse, .. } => {
                    f(body);
                    f(orelse);
                }
                _ => {}
            }
        }
    };
}

statements!(
    stmt_exprs,
    stmt_blocks,
    iter_exprs,
    "Call `f` on the statement's own root expressions, not on those of its blocks.",
    "Call `f` on the statement's blocks."
);
statements!(
    stmt_exprs_mut,
    stmt_blocks_mut,
    iter_exprs_mut,
    "Call `f` on the statement's own root expressions to change them.",
    "Call `f` on the statement's blocks to change them.",
    mut
);

/// Call `f` on the expression and everything below it, parents first.
pub fn visit<'a>(expr: &'a Expr, f: &mut dyn FnMut(&'a Expr)) {
    f(expr);
    each_child(expr, &mut |child| visit(child, f));
}

/// Call `f` on the expression and, where it returns true, on what is below it afterwards.
pub fn visit_mut(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr) -> bool) {
    if f(expr) {
        each_child_mut(expr, &mut |child| visit_mut(child, f));
    }
}

/// Call `f` on every statement of the block and of its nested blocks, parents first.
pub fn visit_stmts<'a>(block: &'a [Stmt], f: &mut dyn FnMut(&'a Stmt)) {
    for stmt in block {
        f(stmt);
        stmt_blocks(stmt, &mut |inner| visit_stmts(inner, f));
    }
}

/// Call `f` on every statement, parents first, to change it.
pub fn visit_stmts_mut(block: &mut [Stmt], f: &mut dyn FnMut(&mut Stmt)) {
    for stmt in block {
        f(stmt);
        stmt_blocks_mut(stmt, &mut |inner| visit_stmts_mut(inner, f));
    }
}

/// Call `f` on every expression of the block in canonical order.
pub fn visit_exprs<'a>(block: &'a [Stmt], f: &mut dyn FnMut(&'a Expr)) {
    visit_stmts(block, &mut |stmt| stmt_exprs(stmt, &mut |expr| visit(expr, f)));
}

/// Call `f` on every expression of the block in canonical order; it says whether to go below.
pub fn visit_exprs_mut(block: &mut [Stmt], f: &mut dyn FnMut(&mut Expr) -> bool) {
    visit_stmts_mut(block, &mut |stmt| stmt_exprs_mut(stmt, &mut |expr| visit_mut(expr, f)));
}

/// Call `f` on the block and all nested blocks in canonical order.
pub fn visit_blocks_mut(block: &mut Block, f: &mut dyn FnMut(&mut Block)) {
    f(block);
    for stmt in block {
        stmt_blocks_mut(stmt, &mut |inner| visit_blocks_mut(inner, f));
    }
}

/// Apply `edit` to the expression with this node index; false when there is none.
pub fn edit_at(block: &mut [Stmt], index: usize, edit: impl FnOnce(&mut Expr)) -> bool {
    let mut edit = Some(edit);
    let mut at = 0;
    visit_exprs_mut(block, &mut |expr| {
        if at == index
            && let Some(edit) = edit.take()
        {
            edit(expr);
            at += 1;
            return false;
        }
        at += 1;
        edit.is_some()
    });
    edit.is_none()
}

/// The expression with this node index.
#[must_use]
pub fn expr_at(block: &[Stmt], index: usize) -> Option<&Expr> {
    let mut found = None;
    let mut at = 0;
    visit_exprs(block, &mut |expr| {
        if at == index {
            found = Some(expr);
        }
        at += 1;
    });
    found
}

/// Number of nodes of an expression.
#[must_use]
pub fn size_expr(expr: &Expr) -> usize {
    let mut n = 0;
    visit(expr, &mut |_| n += 1);
    n
}

/// Number of expression nodes and statements of a block.
#[must_use]
pub fn size_block(block: &[Stmt]) -> usize {
    let mut n = n_statements(block);
    visit_exprs(block, &mut |_| n += 1);
    n
}

/// Number of statements of a block, nested ones included.
#[must_use]
pub fn n_statements(block: &[Stmt]) -> usize {
    let mut n = 0;
    visit_stmts(block, &mut |_| n += 1);
    n
}

/// Number of expression nodes and statements of the evolvable functions.
#[must_use]
pub fn size(program: &Program) -> usize {
    let evolvable = program.functions.iter().filter(|function| function.is_evolvable);
    evolvable.map(|function| size_block(&function.body)).sum()
}

/// Height of an expression; a leaf has 1.
#[must_use]
pub fn depth(expr: &Expr) -> usize {
    let mut below = 0;
    each_child(expr, &mut |child| below = below.max(depth(child)));
    below + 1
}

/// Greatest expression height in a block.
#[must_use]
pub fn depth_block(block: &[Stmt]) -> usize {
    let mut most = 0;
    visit_stmts(block, &mut |stmt| {
        stmt_exprs(stmt, &mut |expr| most = most.max(depth(expr)));
    });
    most
}

/// Targets of comprehensions and generators directly at this node.
#[must_use]
pub fn bound_here(expr: &Expr) -> &[LocalId] {
    match expr {
        Expr::Comprehension(inner) | Expr::Fold(_, FoldSource::Generator(inner)) => &inner.targets,
        _ => &[],
    }
}

/// Locals that an expression reads and does not bind itself, sorted.
#[must_use]
pub fn free_locals(expr: &Expr) -> Vec<LocalId> {
    let (mut read, mut bound) = (Vec::new(), Vec::new());
    visit(expr, &mut |node| {
        if let Expr::Local(id) = node {
            read.push(*id);
        }
        bound.extend_from_slice(bound_here(node));
    });
    read.retain(|id| !bound.contains(id));
    read.sort_unstable();
    read.dedup();
    read
}

/// The locals that a statement writes itself, without those of nested blocks.
#[must_use]
pub fn written(stmt: &Stmt) -> &[LocalId] {
    match &stmt.kind {
        StmtKind::Assign { target, .. } => std::slice::from_ref(target),
        StmtKind::Unpack { targets, .. } | StmtKind::For { targets, .. } => targets,
        _ => &[],
    }
}

/// Call `f` on every id of a local in the function body, read, written or bound, to renumber it.
pub fn visit_locals_mut(block: &mut [Stmt], f: &mut dyn FnMut(&mut LocalId)) {
    visit_stmts_mut(block, &mut |stmt| {
        match &mut stmt.kind {
            StmtKind::Assign { target, .. } => f(target),
            StmtKind::Unpack { targets, .. } | StmtKind::For { targets, .. } => {
                targets.iter_mut().for_each(&mut *f);
            }
            _ => {}
        }
        stmt_exprs_mut(stmt, &mut |expr| visit_expr_locals_mut(expr, f));
    });
}

/// Call `f` on every id of a local in the expression, read or bound, to renumber it.
pub fn visit_expr_locals_mut(expr: &mut Expr, f: &mut dyn FnMut(&mut LocalId)) {
    visit_mut(expr, &mut |node| {
        match node {
            Expr::Local(id) => f(id),
            Expr::Comprehension(inner) | Expr::Fold(_, FoldSource::Generator(inner)) => {
                inner.targets.iter_mut().for_each(&mut *f);
            }
            _ => {}
        }
        true
    });
}

/// Call `f` on every reference to a module-level constant, to renumber it.
pub fn visit_globals_mut(block: &mut [Stmt], f: &mut dyn FnMut(&mut GlobalId)) {
    visit_stmts_mut(block, &mut |stmt| {
        if let StmtKind::For { iter: Iter::Table(id), .. } = &mut stmt.kind {
            f(id);
        }
        stmt_exprs_mut(stmt, &mut |expr| visit_expr_globals_mut(expr, f));
    });
}

/// Call `f` on every reference to a module-level constant in the expression, to renumber it.
pub fn visit_expr_globals_mut(expr: &mut Expr, f: &mut dyn FnMut(&mut GlobalId)) {
    visit_mut(expr, &mut |node| {
        match node {
            Expr::Global(id) | Expr::Table(id, _) | Expr::TableLen(id) => f(id),
            Expr::Comprehension(inner) | Expr::Fold(_, FoldSource::Generator(inner)) => {
                if let Iter::Table(id) = &mut inner.iter {
                    f(id);
                }
            }
            _ => {}
        }
        true
    });
}

/// Whether an index is clamped in the form that variation makes: `min(max(i, 0), n)`, or two such
/// indices of a table in rows, `min(max(i, 0), n) * m + min(max(j, 0), k)`.
#[must_use]
pub fn is_clamped(index: &Expr) -> bool {
    let one = |expr: &Expr| {
        matches!(expr, Expr::Intrinsic(Intrinsic::Min, outer)
            if matches!(outer.as_slice(), [Expr::Intrinsic(Intrinsic::Max, inner), Expr::Const(Const::Int(_))]
                if matches!(inner.as_slice(), [_, Expr::Const(Const::Int(0))])))
    };
    match index {
        Expr::Binary(Binary::Add, row, column) => {
            one(column)
                && matches!(&**row, Expr::Binary(Binary::Mul, row, width)
                    if one(row) && matches!(**width, Expr::Const(Const::Int(_))))
        }
        _ => one(index),
    }
}

/// Call `f` on the expressions inside a clamped index, past the clamps.
pub fn clamped_mut(index: &mut Expr, f: &mut dyn FnMut(&mut Expr)) {
    match index {
        Expr::Binary(Binary::Add, row, column) => {
            if let Expr::Binary(Binary::Mul, row, _) = &mut **row {
                clamped_mut(row, f);
            }
            clamped_mut(column, f);
        }
        Expr::Intrinsic(Intrinsic::Min, outer) => {
            if let Some(Expr::Intrinsic(Intrinsic::Max, inner)) = outer.first_mut()
                && let Some(inner) = inner.first_mut()
            {
                f(inner);
            }
        }
        _ => {}
    }
}
