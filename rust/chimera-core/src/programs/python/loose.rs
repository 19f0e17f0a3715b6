//! Ints that stand where a float is declared.
//!
//! `def f(x: int) -> float: return -x` gives an int in Python. Compiled code makes it a float, which no
//! comparison can tell apart; arithmetic could (`f(x) // 2` prints, signs of zero, digits beyond 2**53). So such a
//! result may be compared, assigned and returned, and nothing else: other uses are refused with what to write.

use std::collections::BTreeSet;

use super::super::ir::{Expr, Function, LocalId, Program, Stmt, StmtKind, TupleSource};
use super::super::walk;

/// A use that Python and compiled code could answer differently.
pub(super) struct LooseUse {
    /// Index of the function that uses the result.
    pub(super) function: usize,
    /// Line of the statement.
    pub(super) line: u32,
}

/// Uses of the results of `loose` functions (indices) that are more than a comparison.
pub(super) fn loose_uses(program: &Program, mut loose: BTreeSet<usize>) -> Vec<LooseUse> {
    // A function that hands such a result on is such a function itself.
    loop {
        let before = loose.len();
        for (idx, function) in program.functions.iter().enumerate() {
            let scan = Scan::new(function, &loose);
            let mut returns = false;
            walk::visit_stmts(&function.body, &mut |stmt| {
                if let StmtKind::Return(values) = &stmt.kind {
                    returns |= values.iter().any(|value| scan.is_loose(value));
                }
            });
            if returns {
                loose.insert(idx);
            }
        }
        if loose.len() == before {
            break;
        }
    }
    let mut found = Vec::new();
    for (idx, function) in program.functions.iter().enumerate() {
        let scan = Scan::new(function, &loose);
        walk::visit_stmts(&function.body, &mut |stmt| {
            if scan.misuses(stmt) {
                found.push(LooseUse { function: idx, line: stmt.line });
            }
        });
    }
    found
}

struct Scan<'a> {
    loose: &'a BTreeSet<usize>,
    locals: BTreeSet<LocalId>,
}

impl<'a> Scan<'a> {
    fn new(function: &Function, loose: &'a BTreeSet<usize>) -> Self {
        let mut scan = Self { loose, locals: BTreeSet::new() };
        loop {
            let mut found = scan.locals.clone();
            walk::visit_stmts(&function.body, &mut |stmt| match &stmt.kind {
                StmtKind::Assign { target, value } if scan.is_loose(value) => {
                    found.insert(*target);
                }
                StmtKind::Unpack { targets, value: TupleSource::Values(values) } => {
                    let pairs = targets.iter().zip(values);
                    found.extend(pairs.filter(|(_, v)| scan.is_loose(v)).map(|(id, _)| *id));
                }
                StmtKind::Unpack { targets, value: TupleSource::Call(id, _) }
                    if loose.contains(&(id.0 as usize)) =>
                {
                    found.extend(targets.iter().copied());
                }
                _ => {}
            });
            if found == scan.locals {
                return scan;
            }
            scan.locals = found;
        }
    }

    fn is_loose(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Local(id) => self.locals.contains(id),
            Expr::Call(id, _) => self.loose.contains(&(id.0 as usize)),
            _ => false,
        }
    }

    fn misuses(&self, stmt: &Stmt) -> bool {
        let is_handed_on = matches!(
            stmt.kind,
            StmtKind::Assign { .. }
                | StmtKind::Unpack { value: TupleSource::Values(_), .. }
                | StmtKind::Return(_)
                | StmtKind::Effect(_)
        );
        let mut found = false;
        walk::stmt_exprs(stmt, &mut |expr| found |= self.is_misused(expr, is_handed_on));
        found
    }

    fn is_misused(&self, expr: &Expr, is_allowed: bool) -> bool {
        if self.is_loose(expr) && !is_allowed {
            return true;
        }
        let is_comparison = matches!(expr, Expr::Compare(..));
        let mut found = false;
        walk::each_child(expr, &mut |child| found |= self.is_misused(child, is_comparison));
        found
    }
}
