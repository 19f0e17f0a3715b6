//! Recombination: a subtree, a statement or a whole body from a mate.
//!
//! Foreign locals are renamed to readable ones of the same type (of the same name if possible),
//! foreign calls and constants to those of the same name, and tables come along when needed.

use std::sync::Arc;

use super::edit::{Edit, n_tables};
use crate::programs::check::{self, Role};
use crate::programs::ir::{
    Block, Expr, Function, FunctionId, Global, GlobalId, GlobalValue, LocalId, Program, Stmt,
    StmtKind, TupleSource,
};
use crate::programs::walk;

/// Take something from an evolvable function of the mate.
pub(crate) fn cross(edit: &mut Edit<'_>, mate: &Program) -> Option<()> {
    let source = source(edit, mate)?;
    match edit.stream.weighted(&[0.7, 0.2, 0.1])? {
        0 => subtree(edit, mate, &source),
        1 => statement(edit, mate, &source),
        _ => body(edit, mate, &source),
    }
}

/// The mate's function of the same name, or any evolvable one.
fn source(edit: &mut Edit<'_>, mate: &Program) -> Option<Arc<Function>> {
    let evolvable: Vec<_> = mate.functions.iter().filter(|it| it.is_evolvable).collect();
    let twin = evolvable.iter().find(|it| it.name == edit.function.name);
    let any = edit.stream.choose(&evolvable)?;
    Some(Arc::clone(if edit.stream.chance(0.9) { twin.unwrap_or(any) } else { any }))
}

fn subtree(edit: &mut Edit<'_>, mate: &Program, source: &Arc<Function>) -> Option<()> {
    let layout = check::layout(mate, source).ok()?;
    let (index, site) = edit.site(|site| site.role == Role::Free || site.role == Role::Divisor)?;
    let most = edit.context.limits.nodes_max;
    let fits = |it: &&(usize, &check::Site)| {
        it.1.ty == site.ty
            && it.1.role != Role::Fixed
            && it.1.size <= most
            && (it.1.role == site.role || site.role == Role::Free)
    };
    let donors: Vec<_> = layout.sites.iter().enumerate().collect();
    let donors: Vec<_> = donors.iter().filter(fits).map(|(at, _)| *at).collect();
    let at = *edit.stream.choose(&donors)?;
    let mut expr = walk::expr_at(&source.body, at)?.clone();
    adapt_expr(edit, mate, source, site.scope, &mut expr)?;
    edit.put(index, expr)
}

fn statement(edit: &mut Edit<'_>, mate: &Program, source: &Arc<Function>) -> Option<()> {
    let mut donors: Vec<&Stmt> = Vec::new();
    walk::visit_stmts(&source.body, &mut |stmt| donors.push(stmt));
    let mut stmt = (*edit.stream.choose(&donors)?).clone();
    let place = edit.place(|_| true)?;
    let replaces = edit.stream.chance(0.5);
    let scope = place.scope;
    adapt_block(edit, mate, source, scope, std::slice::from_mut(&mut stmt))?;
    edit.with_block(place.block, |block: &mut Block| match block.get_mut(place.at) {
        Some(slot) if replaces => *slot = stmt,
        _ => block.insert(place.at.min(block.len()), stmt),
    })
}

fn body(edit: &mut Edit<'_>, mate: &Program, source: &Arc<Function>) -> Option<()> {
    let types = |function: &Function| -> Vec<_> {
        function.params().iter().map(|local| local.ty).collect()
    };
    if types(source) != types(&edit.function) || source.returns != edit.function.returns {
        return None;
    }
    let mut body = source.body.clone();
    let mut program = std::mem::replace(
        &mut edit.program,
        Program { functions: Vec::new(), globals: Vec::new() },
    );
    let limits = edit.context.limits.tables_max;
    let adapted = adapt_references(&mut program, mate, limits, &mut body);
    edit.program = program;
    adapted?;
    let n = edit.function.n_params as usize;
    edit.function.locals.truncate(n);
    edit.function.locals.extend(source.locals.iter().skip(n).cloned());
    edit.function.body = body;
    Some(())
}

/// Rename an expression into a scope of the function under edit.
fn adapt_expr(
    edit: &mut Edit<'_>,
    mate: &Program,
    source: &Function,
    scope: usize,
    expr: &mut Expr,
) -> Option<()> {
    let mut stmt: Stmt = StmtKind::Assert(std::mem::replace(expr, Expr::int(0))).into();
    adapt_block(edit, mate, source, scope, std::slice::from_mut(&mut stmt))?;
    if let StmtKind::Assert(adapted) = stmt.kind {
        *expr = adapted;
    }
    Some(())
}

fn adapt_block(
    edit: &mut Edit<'_>,
    mate: &Program,
    source: &Function,
    scope: usize,
    block: &mut [Stmt],
) -> Option<()> {
    adapt_references(&mut edit.program, mate, edit.context.limits.tables_max, block)?;
    let mut map: Vec<Option<LocalId>> = vec![None; source.locals.len()];
    // What a comprehension binds is private and needs locals of its own.
    let mut private = Vec::new();
    let mut written = Vec::new();
    walk::visit_exprs(block, &mut |expr| private.extend_from_slice(walk::bound_here(expr)));
    walk::visit_stmts(block, &mut |stmt| written.extend_from_slice(walk::written(stmt)));
    let mut used = Vec::new();
    walk::visit_locals_mut(block, &mut |id| used.push(*id));
    for id in used {
        let slot = map.get_mut(id.0 as usize)?;
        if slot.is_some() {
            continue;
        }
        let local = source.local(id)?;
        let readable = edit.readable(scope, local.ty);
        let named = |edit: &Edit<'_>, id: &LocalId| {
            edit.function.local(*id).is_some_and(|it| it.name == local.name)
        };
        let same = readable.iter().copied().find(|id| named(edit, id));
        *slot = if private.contains(&id) {
            Some(edit.add_local(&local.name, local.ty))
        } else if let Some(same) = same {
            Some(same)
        } else if written.contains(&id) {
            Some(edit.add_local(&local.name, local.ty))
        } else {
            edit.stream.choose(&readable).copied()
        };
        (*slot)?;
    }
    walk::visit_locals_mut(block, &mut |id| {
        if let Some(Some(new)) = map.get(id.0 as usize) {
            *id = *new;
        }
    });
    Some(())
}

/// Point calls and constants of foreign statements at the program; `None` when one has no match.
fn adapt_references(
    program: &mut Program,
    mate: &Program,
    tables_max: usize,
    block: &mut [Stmt],
) -> Option<()> {
    let mut complete = true;
    let mut function = |id: &mut FunctionId| match counterpart(program, mate, *id) {
        Some(new) => *id = new,
        None => complete = false,
    };
    walk::visit_stmts_mut(block, &mut |stmt| {
        match &mut stmt.kind {
            StmtKind::CallNothing(id, _)
            | StmtKind::ReturnCall(id, _)
            | StmtKind::Unpack { value: TupleSource::Call(id, _), .. } => function(id),
            _ => {}
        }
        walk::stmt_exprs_mut(stmt, &mut |root| {
            walk::visit_mut(root, &mut |expr| {
                if let Expr::Call(id, _) = expr {
                    function(id);
                }
                true
            });
        });
    });
    let mut known: Vec<(GlobalId, GlobalId)> = Vec::new();
    walk::visit_globals_mut(block, &mut |id| {
        let found = known.iter().find(|(old, _)| old == id).map(|(_, new)| *new);
        match found.or_else(|| import(program, mate, tables_max, *id)) {
            Some(new) => {
                known.push((*id, new));
                *id = new;
            }
            None => complete = false,
        }
    });
    complete.then_some(())
}

fn counterpart(program: &Program, mate: &Program, id: FunctionId) -> Option<FunctionId> {
    let theirs = mate.function(id)?;
    let ours = program.function_id(&theirs.name)?;
    let found = program.function(ours)?;
    let same = found.returns == theirs.returns
        && found.params().iter().map(|it| it.ty).eq(theirs.params().iter().map(|it| it.ty));
    same.then_some(ours)
}

fn same_kind(ours: &Global, theirs: &Global) -> bool {
    match (&ours.value, &theirs.value) {
        (GlobalValue::Scalar(ours), GlobalValue::Scalar(theirs)) => {
            ours.scalar() == theirs.scalar()
        }
        // Lookups clamp to the length they were made for, so lengths have to agree.
        (GlobalValue::Table(ours, a), GlobalValue::Table(theirs, b)) => {
            ours == theirs && a.len() == b.len()
        }
        _ => false,
    }
}

/// The constant of the same name and kind, or an equal one, or a copy of a tunable table.
fn import(
    program: &mut Program,
    mate: &Program,
    tables_max: usize,
    id: GlobalId,
) -> Option<GlobalId> {
    let theirs = mate.global(id)?;
    let is_made = theirs.is_tunable && matches!(theirs.value, GlobalValue::Table(..));
    let equal =
        |ours: &Arc<Global>| ours.value == theirs.value && ours.is_tunable == theirs.is_tunable;
    let named = |ours: &Arc<Global>| ours.name == theirs.name && same_kind(ours, theirs);
    let globals = &program.globals;
    let found = globals.iter().position(equal).or_else(|| {
        globals.iter().position(named).filter(|_| !is_made || n_tables(program) >= tables_max)
    });
    if let Some(at) = found {
        return u32::try_from(at).ok().map(GlobalId);
    }
    if !is_made || n_tables(program) >= tables_max {
        return None;
    }
    let taken = |name: &str| {
        program.globals.iter().any(|it| it.name == name)
            || program.functions.iter().any(|it| it.name == name)
    };
    let mut name = theirs.name.clone();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_').to_owned();
    let mut n = 2_u32;
    while taken(&name) {
        name = format!("{stem}_{n}");
        n += 1;
    }
    program.globals.push(Arc::new(Global { name, value: theirs.value.clone(), is_tunable: true }));
    u32::try_from(program.globals.len() - 1).ok().map(GlobalId)
}
