//! Names of locals as printed, and which module constants a body reads.

use std::collections::BTreeSet;

use super::super::ir::{
    Expr, FoldSource, Function, GlobalId, Iter, LocalId, Program, Stmt, StmtKind, TupleSource,
};
use super::super::walk;

/// Module constants read anywhere in a body.
pub(super) fn globals_in(body: &[Stmt], used: &mut BTreeSet<GlobalId>) {
    walk::visit_stmts(body, &mut |stmt| {
        if let StmtKind::For { iter: Iter::Table(id), .. } = &stmt.kind {
            used.insert(*id);
        }
    });
    walk::visit_exprs(body, &mut |expr| match expr {
        Expr::Global(id) | Expr::Table(id, _) | Expr::TableLen(id) => {
            used.insert(*id);
        }
        Expr::Comprehension(inner) | Expr::Fold(_, FoldSource::Generator(inner)) => {
            if let Iter::Table(id) = inner.iter {
                used.insert(id);
            }
        }
        _ => {}
    });
}

/// A printed name for every local: comprehension targets may share theirs, other locals may not.
/// None hides a constant that the function reads, a function that it calls, or `math`.
pub(super) fn local_names(program: &Program, function: &Function) -> Vec<String> {
    let mut targets = BTreeSet::new();
    walk::visit_exprs(&function.body, &mut |expr| {
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
    walk::visit_stmts(&function.body, &mut |stmt| match &stmt.kind {
        StmtKind::CallNothing(id, _)
        | StmtKind::ReturnCall(id, _)
        | StmtKind::Unpack { value: TupleSource::Call(id, _), .. } => {
            called.insert(*id);
        }
        _ => {}
    });
    walk::visit_exprs(&function.body, &mut |expr| {
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
    fn descend(
        expr: &Expr,
        outer: &mut Vec<LocalId>,
        names: &mut [String],
        taken: &BTreeSet<String>,
    ) {
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
        walk::each_child(expr, &mut |child| descend(child, outer, names, taken));
        outer.truncate(outer.len() - depth);
    }
    let mut roots = Vec::new();
    walk::visit_exprs(&function.body, &mut |expr| roots.push(expr));
    for root in roots {
        descend(root, &mut Vec::new(), names, taken);
    }
}
