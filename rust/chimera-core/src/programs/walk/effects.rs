//! Which list parameters a function may mutate, directly, through aliases or through calls.

use super::{iter_exprs, stmt_exprs, visit, visit_stmts};
use crate::programs::ir::{
    Expr, FoldSource, Function, FunctionId, Iter, LocalId, Program, Stmt, StmtKind, TupleSource,
};
use crate::programs::types::Type;

/// Which functions mutate which of their list parameters, transitively.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effects {
    mutated: Vec<Vec<bool>>,
}

impl Effects {
    /// Analyse a program. Aliases are tracked per function, without regard to the order of
    /// statements, so the answer errs towards "mutated".
    #[must_use]
    pub fn of(program: &Program) -> Self {
        let mutated =
            program.functions.iter().map(|function| vec![false; function.n_params as usize]);
        let mut effects = Self { mutated: mutated.collect() };
        loop {
            let next: Vec<Vec<bool>> = program
                .functions
                .iter()
                .map(|function| effects.function(program, function))
                .collect();
            if next == effects.mutated {
                return effects;
            }
            effects.mutated = next;
        }
    }

    /// One flag per parameter of the function.
    #[must_use]
    pub fn mutated(&self, id: FunctionId) -> &[bool] {
        self.mutated.get(id.0 as usize).map_or(&[], Vec::as_slice)
    }

    /// Whether evaluating the expression changes nothing: no `pop`, no call that mutates an
    /// argument. It may still trap.
    #[must_use]
    pub fn is_pure(&self, expr: &Expr) -> bool {
        let mut pure = true;
        visit(expr, &mut |node| match node {
            Expr::Pop(_) => pure = false,
            Expr::Call(id, _) => pure &= !self.mutated(*id).contains(&true),
            _ => {}
        });
        pure
    }

    fn function(&self, program: &Program, function: &Function) -> Vec<bool> {
        let mut aliases = Aliases::new(program, function);
        visit_stmts(&function.body, &mut |stmt| {
            aliases.statement(stmt);
            stmt_exprs(stmt, &mut |root| visit(root, &mut |expr| aliases.expression(expr)));
        });
        let mut touched = vec![false; function.locals.len()];
        let mut touch = |list: &Expr| {
            for base in aliases.bases(list) {
                if let Some(flag) = touched.get_mut(base) {
                    *flag = true;
                }
            }
        };
        let call = |id: FunctionId, args: &[Expr], touch: &mut dyn FnMut(&Expr)| {
            for (arg, mutated) in args.iter().zip(self.mutated(id)) {
                if *mutated {
                    touch(arg);
                }
            }
        };
        visit_stmts(&function.body, &mut |stmt| {
            match &stmt.kind {
                StmtKind::SetItem { list, .. } | StmtKind::Append { list, .. } => touch(list),
                StmtKind::CallNothing(id, args)
                | StmtKind::ReturnCall(id, args)
                | StmtKind::Unpack { value: TupleSource::Call(id, args), .. } => {
                    call(*id, args, &mut touch);
                }
                _ => {}
            }
            stmt_exprs(stmt, &mut |root| {
                visit(root, &mut |expr| match expr {
                    Expr::Pop(list) => touch(list),
                    Expr::Call(id, args) => call(*id, args, &mut touch),
                    _ => {}
                });
            });
        });
        (0..function.n_params as usize)
            .map(|param| {
                let root = aliases.find(param);
                touched.iter().enumerate().any(|(idx, hit)| *hit && aliases.find(idx) == root)
            })
            .collect()
    }
}

/// Which parameters of a function it may mutate, directly or through calls and aliases.
#[must_use]
pub fn mutated_params(program: &Program, id: FunctionId) -> Vec<bool> {
    Effects::of(program).mutated(id).to_vec()
}

/// Classes of list locals that may share storage, as a union-find over local indices.
struct Aliases<'a> {
    program: &'a Program,
    function: &'a Function,
    parent: Vec<usize>,
}

impl<'a> Aliases<'a> {
    fn new(program: &'a Program, function: &'a Function) -> Self {
        Self { program, function, parent: (0..function.locals.len()).collect() }
    }

    fn find(&self, mut idx: usize) -> usize {
        while let Some(&up) = self.parent.get(idx)
            && up != idx
        {
            idx = up;
        }
        idx
    }

    fn unite(&mut self, local: usize, bases: &[usize]) {
        for base in bases {
            let (a, b) = (self.find(local), self.find(*base));
            if let Some(slot) = self.parent.get_mut(a.max(b)) {
                *slot = a.min(b);
            }
        }
    }

    /// The locals whose storage the list value of the expression may share.
    fn bases(&self, expr: &Expr) -> Vec<usize> {
        let is_matrix = || matches!(expr.ty(self.program, self.function), Some(Type::Matrix(_)));
        let many = |parts: &[Expr]| parts.iter().flat_map(|part| self.bases(part)).collect();
        match expr {
            Expr::Local(id) => {
                let is_list = self.function.local(*id).is_some_and(|it| it.ty.scalar().is_none());
                if is_list { vec![id.0 as usize] } else { Vec::new() }
            }
            Expr::Index(list, _) | Expr::Pop(list) => self.bases(list),
            Expr::Select { then, otherwise, .. } => {
                [self.bases(then), self.bases(otherwise)].concat()
            }
            Expr::Logic(_, lhs, rhs) => [self.bases(lhs), self.bases(rhs)].concat(),
            Expr::Copy(list) if is_matrix() => self.bases(list),
            Expr::List(Type::List(_), parts) | Expr::Call(_, parts) => many(parts),
            Expr::Comprehension(inner) if is_matrix() => self.bases(&inner.element),
            _ => Vec::new(),
        }
    }

    fn iterate(&mut self, targets: &[LocalId], iter: &Iter) {
        let mut bases = Vec::new();
        iter_exprs(iter, &mut |list| bases.extend(self.bases(list)));
        for target in targets {
            let is_list = self.function.local(*target).is_some_and(|it| it.ty.scalar().is_none());
            if is_list {
                self.unite(target.0 as usize, &bases);
            }
        }
    }

    fn statement(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Assign { target, value } => {
                let bases = self.bases(value);
                self.unite(target.0 as usize, &bases);
            }
            StmtKind::Unpack { targets, value: TupleSource::Values(values) } => {
                for (target, value) in targets.iter().zip(values) {
                    let bases = self.bases(value);
                    self.unite(target.0 as usize, &bases);
                }
            }
            StmtKind::SetItem { list, value, .. } | StmtKind::Append { list, value } => {
                let bases = self.bases(value);
                for base in self.bases(list) {
                    self.unite(base, &bases);
                }
            }
            StmtKind::For { targets, iter, .. } => self.iterate(targets, iter),
            _ => {}
        }
    }

    fn expression(&mut self, expr: &Expr) {
        if let Expr::Comprehension(inner) | Expr::Fold(_, FoldSource::Generator(inner)) = expr {
            self.iterate(&inner.targets, &inner.iter);
        }
    }
}
