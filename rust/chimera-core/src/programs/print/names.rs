//! Names of locals as printed, and which module constants a body reads.

use std::collections::BTreeSet;

use super::super::ir::{
    Comprehension, Expr, FoldSource, Function, GlobalId, Iter, LocalId, Program, Stmt, StmtKind,
    TupleSource,
};

/// Calls `each` on every direct child expression.
pub(super) fn children<'a>(expr: &'a Expr, each: &mut dyn FnMut(&'a Expr)) {
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
        | Expr::Pop(inner) => each(inner),
        Expr::Binary(_, lhs, rhs)
        | Expr::Logic(_, lhs, rhs)
        | Expr::Index(lhs, rhs)
        | Expr::Repeat(lhs, rhs) => {
            each(lhs);
            each(rhs);
        }
        Expr::Compare(first, rest) => {
            each(first);
            for (_, operand) in rest {
                each(operand);
            }
        }
        Expr::Select { test, then, otherwise } => {
            each(test);
            each(then);
            each(otherwise);
        }
        Expr::Intrinsic(_, args) | Expr::Call(_, args) | Expr::List(_, args) => {
            args.iter().for_each(each);
        }
        Expr::Comprehension(inner) => comprehension_children(inner, each),
        Expr::Fold(_, FoldSource::List(list)) => each(list),
        Expr::Fold(_, FoldSource::Generator(inner)) => comprehension_children(inner, each),
    }
}

fn comprehension_children<'a>(inner: &'a Comprehension, each: &mut dyn FnMut(&'a Expr)) {
    iter_children(&inner.iter, each);
    inner.condition.iter().for_each(&mut *each);
    each(&inner.element);
}

fn iter_children<'a>(iter: &'a Iter, each: &mut dyn FnMut(&'a Expr)) {
    match iter {
        Iter::Range { start, stop, step } => {
            each(start);
            each(stop);
            each(step);
        }
        Iter::List(list) | Iter::Enumerate(list) => each(list),
        Iter::Zip(lists) => lists.iter().for_each(each),
        Iter::Table(_) => {}
    }
}

/// Calls `on_stmt` on every statement and `on_expr` on every expression, nested ones included.
pub(super) fn visit<'a>(
    body: &'a [Stmt],
    on_stmt: &mut dyn FnMut(&'a StmtKind),
    on_expr: &mut dyn FnMut(&'a Expr),
) {
    for stmt in body {
        on_stmt(&stmt.kind);
        let mut deep = |expr: &'a Expr| descend(expr, on_expr);
        match &stmt.kind {
            StmtKind::Assign { value, .. } => deep(value),
            StmtKind::Unpack { value, .. } => match value {
                TupleSource::Values(values) | TupleSource::Call(_, values) => {
                    values.iter().for_each(&mut deep);
                }
                TupleSource::Divmod(lhs, rhs) => {
                    deep(lhs);
                    deep(rhs);
                }
            },
            StmtKind::SetItem { list, index, value } => {
                deep(list);
                deep(index);
                deep(value);
            }
            StmtKind::Append { list, value } => {
                deep(list);
                deep(value);
            }
            StmtKind::Effect(value) | StmtKind::Assert(value) => deep(value),
            StmtKind::CallNothing(_, values)
            | StmtKind::Return(values)
            | StmtKind::ReturnCall(_, values) => values.iter().for_each(&mut deep),
            StmtKind::If { test, then, orelse } => {
                deep(test);
                visit(then, on_stmt, on_expr);
                visit(orelse, on_stmt, on_expr);
            }
            StmtKind::While { test, body, orelse } => {
                deep(test);
                visit(body, on_stmt, on_expr);
                visit(orelse, on_stmt, on_expr);
            }
            StmtKind::For { iter, body, orelse, .. } => {
                iter_children(iter, &mut deep);
                visit(body, on_stmt, on_expr);
                visit(orelse, on_stmt, on_expr);
            }
            StmtKind::Break | StmtKind::Continue | StmtKind::Raise(_) | StmtKind::Pass => {}
        }
    }
}

fn descend<'a>(expr: &'a Expr, on_expr: &mut dyn FnMut(&'a Expr)) {
    on_expr(expr);
    children(expr, &mut |child| descend(child, on_expr));
}

/// Module constants read anywhere in a body.
pub(super) fn globals_in(body: &[Stmt], used: &mut BTreeSet<GlobalId>) {
    let mut loops = BTreeSet::new();
    let mut inner = BTreeSet::new();
    visit(
        body,
        &mut |stmt| {
            if let StmtKind::For { iter: Iter::Table(id), .. } = stmt {
                loops.insert(*id);
            }
        },
        &mut |expr| match expr {
            Expr::Global(id) | Expr::Table(id, _) | Expr::TableLen(id) => {
                inner.insert(*id);
            }
            Expr::Comprehension(c) | Expr::Fold(_, FoldSource::Generator(c)) => {
                if let Iter::Table(id) = c.iter {
                    inner.insert(id);
                }
            }
            _ => {}
        },
    );
    used.extend(loops);
    used.extend(inner);
}

/// A printed name for every local: comprehension targets may share theirs, other locals may not.
/// None hides a constant that the function reads, a function that it calls, or `math`.
pub(super) fn local_names(program: &Program, function: &Function) -> Vec<String> {
    let mut targets = BTreeSet::new();
    visit(&function.body, &mut |_| {}, &mut |expr| {
        if let Expr::Comprehension(inner) | Expr::Fold(_, FoldSource::Generator(inner)) = expr {
            targets.extend(inner.targets.iter().copied());
        }
    });
    let mut taken = outer_names(program, function);
    let mut names = vec![String::new(); function.locals.len()];
    let ids = 0..u32::try_from(function.locals.len()).unwrap_or(u32::MAX);
    let (inner, outer): (Vec<_>, Vec<_>) = ids.map(LocalId).partition(|id| targets.contains(id));
    for id in outer {
        if let (Some(local), Some(name)) = (function.local(id), names.get_mut(id.0 as usize)) {
            *name = unused(&local.name, &taken);
            taken.insert(name.clone());
        }
    }
    for id in inner {
        if let (Some(local), Some(name)) = (function.local(id), names.get_mut(id.0 as usize)) {
            *name = unused(&local.name, &taken);
        }
    }
    separate_nested(function, &mut names, &taken);
    names
}

/// Names of the module that the printed body mentions.
fn outer_names(program: &Program, function: &Function) -> BTreeSet<String> {
    let mut globals = BTreeSet::new();
    globals_in(&function.body, &mut globals);
    let mut names: BTreeSet<String> =
        globals.into_iter().filter_map(|id| Some(program.global(id)?.name.clone())).collect();
    names.insert("math".to_owned());
    let mut called = BTreeSet::new();
    visit(
        &function.body,
        &mut |stmt| match stmt {
            StmtKind::CallNothing(id, _)
            | StmtKind::ReturnCall(id, _)
            | StmtKind::Unpack { value: TupleSource::Call(id, _), .. } => {
                called.insert(*id);
            }
            _ => {}
        },
        &mut |_| {},
    );
    visit(&function.body, &mut |_| {}, &mut |expr| {
        if let Expr::Call(id, _) = expr {
            called.insert(*id);
        }
    });
    names.extend(called.into_iter().filter_map(|id| Some(program.function(id)?.name.clone())));
    names
}

fn unused(base: &str, taken: &BTreeSet<String>) -> String {
    if !taken.contains(base) {
        return base.to_owned();
    }
    let mut n = 2;
    loop {
        let name = format!("{base}_{n}");
        if !taken.contains(&name) {
            return name;
        }
        n += 1;
    }
}

/// A comprehension inside another must not re-use the outer one's names.
fn separate_nested(function: &Function, names: &mut [String], taken: &BTreeSet<String>) {
    fn walk(expr: &Expr, outer: &mut Vec<LocalId>, names: &mut [String], taken: &BTreeSet<String>) {
        let mut depth = 0;
        if let Expr::Comprehension(inner) | Expr::Fold(_, FoldSource::Generator(inner)) = expr {
            for id in &inner.targets {
                let of = |id: &LocalId| names.get(id.0 as usize).cloned().unwrap_or_default();
                let others: BTreeSet<String> =
                    outer.iter().filter(|other| *other != id).map(of).collect();
                if others.contains(&of(id)) {
                    let all = &others | taken;
                    if let Some(name) = names.get_mut(id.0 as usize) {
                        *name = unused(name, &all);
                    }
                }
                outer.push(*id);
                depth += 1;
            }
        }
        children(expr, &mut |child| walk(child, outer, names, taken));
        outer.truncate(outer.len() - depth);
    }
    let mut roots = Vec::new();
    visit(&function.body, &mut |_| {}, &mut |expr| roots.push(expr));
    for root in roots {
        walk(root, &mut Vec::new(), names, taken);
    }
}
