//! Smaller neighbours of a program: what is left when one part goes.
//!
//! Used after a search to find which parts of the winner earn their place (ablation). A neighbour
//! need not compute the same; whoever asks measures what the missing part was worth.

use std::sync::Arc;

use super::check::{self, Role};
use super::ir::{Expr, Function, Program, StmtKind, Unary};
use super::types::{Scalar, Type};
use super::{simplify, walk};

/// How far below a node its replacement may stand.
const LEVELS_MAX: usize = 5;

/// Well-formed programs with one expression of an evolvable function replaced by a part of it, or
/// with one assignment less; smaller than the program, each once, smallest first.
#[must_use]
pub fn reductions(program: &Program) -> Vec<Program> {
    let size = walk::size(program);
    let mut found: Vec<(usize, Program)> = Vec::new();
    for (at, function) in program.functions.iter().enumerate() {
        if !function.is_evolvable {
            continue;
        }
        for draft in drafts(program, function) {
            let Some(child) = finish(program, at, draft) else { continue };
            let n = walk::size(&child);
            if n < size && found.iter().all(|(_, known)| *known != child) {
                found.push((n, child));
            }
        }
    }
    // Stable: equal sizes keep the order of the source.
    found.sort_by_key(|(n, _)| *n);
    found.into_iter().map(|(_, child)| child).collect()
}

fn drafts(program: &Program, function: &Function) -> Vec<Function> {
    let Ok(layout) = check::layout(program, function) else { return Vec::new() };
    let mut out = Vec::new();
    for (idx, site) in layout.sites.iter().enumerate() {
        if site.role == Role::Fixed || site.size < 2 || site.ty.scalar().is_none() {
            continue;
        }
        let Some(expr) = walk::expr_at(&function.body, idx) else { continue };
        let mut parts = Vec::new();
        descend(program, function, expr, site.ty, LEVELS_MAX, &mut parts);
        for part in parts {
            let mut draft = function.clone();
            if walk::edit_at(&mut draft.body, idx, |place| *place = part) {
                out.push(draft);
            }
        }
    }
    let mut n_assignments = 0;
    walk::visit_stmts(&function.body, &mut |stmt| {
        n_assignments += usize::from(matches!(stmt.kind, StmtKind::Assign { .. }));
    });
    for dropped in 0..n_assignments {
        let mut draft = function.clone();
        let mut seen = 0;
        walk::visit_stmts_mut(&mut draft.body, &mut |stmt| {
            if matches!(stmt.kind, StmtKind::Assign { .. }) {
                if seen == dropped {
                    stmt.kind = StmtKind::Pass;
                }
                seen += 1;
            }
        });
        out.push(draft);
    }
    out
}

/// The proper parts of an expression that can take its place, converted where needed.
fn descend(
    program: &Program,
    function: &Function,
    expr: &Expr,
    wanted: Type,
    levels: usize,
    parts: &mut Vec<Expr>,
) {
    if levels == 0 || matches!(expr, Expr::Comprehension(_) | Expr::Fold(..)) {
        return;
    }
    walk::each_child(expr, &mut |child| {
        let negated = |part: Expr| Expr::Unary(Unary::Neg, Box::new(part));
        match (child.ty(program, function), wanted) {
            (Some(ty), wanted) if ty == wanted => {
                parts.push(child.clone());
                if ty != Type::BOOL {
                    parts.push(negated(child.clone()));
                }
            }
            (Some(Type::INT), Type::FLOAT) => {
                parts.push(Expr::Convert(Scalar::Float, Box::new(child.clone())));
                parts.push(Expr::Convert(Scalar::Float, Box::new(negated(child.clone()))));
            }
            _ => {}
        }
        descend(program, function, child, wanted, levels - 1, parts);
    });
}

fn finish(program: &Program, at: usize, mut function: Function) -> Option<Program> {
    walk::visit_stmts_mut(&mut function.body, &mut |stmt| {
        walk::stmt_exprs_mut(stmt, &mut simplify::settle);
    });
    let mut child = program.clone();
    *child.functions.get_mut(at)? = Arc::new(function);
    let child = simplify::simplify(&child);
    check::check(&child).is_ok().then_some(child)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::print;
    use crate::programs::python::{ParseOptions, parse};

    fn read(source: &str) -> Program {
        let names = vec!["f".to_owned()];
        let options = ParseOptions { file: String::new(), roots: names.clone(), evolvable: names };
        parse(source, &options).unwrap().program
    }

    #[test]
    fn every_reduction_is_smaller_well_formed_and_listed_once() {
        let program = read(
            "def f(a: int, b: float) -> float:\n    c = a * 2\n    if a > 3:\n        c = c + 1\n    \
             return b * float(c) + max(b, 1.5)\n",
        );
        let found = reductions(&program);
        assert!(found.len() > 5);
        for (idx, child) in found.iter().enumerate() {
            assert!(check::check(child).is_ok());
            assert!(walk::size(child) < walk::size(&program), "{}", print::source(child));
            assert!(found.iter().skip(idx + 1).all(|other| other != child));
        }
        assert!(found.is_sorted_by_key(walk::size));
    }

    #[test]
    fn a_table_in_between_can_go() {
        let program = read(
            "T = (0.0, 1.0, 2.0)\n\n\ndef f(a: int) -> float:\n    return T[min(max(a, 0), 2)]\n",
        );
        let texts: Vec<_> = reductions(&program).iter().map(print::source).collect();
        assert!(texts.iter().any(|text| text.contains("return float(a)")), "{texts:?}");
    }
}
