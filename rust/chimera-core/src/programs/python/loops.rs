//! Loops: what is iterated, and which names hold what after any number of rounds.

use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};

use super::super::ir::{Block, Const, Expr, Iter, LocalId, StmtKind};
use super::super::order;
use super::super::types::Type;
use super::calls::{int_literal, is_range};
use super::scope::{Scope, join};
use super::{Lowered, Lowering};

/// Scopes at the exits of the loop being lowered.
#[derive(Debug, Default)]
pub(super) struct LoopFrame {
    pub(super) breaks: Option<Scope>,
    pub(super) continues: Option<Scope>,
}

impl Lowering<'_, '_> {
    /// What a `for` runs over, and the types it yields.
    pub(super) fn iterated(&mut self, expr: &ast::Expr) -> Lowered<(Iter, Vec<Type>)> {
        if let ast::Expr::Call(call) = expr
            && let ast::Expr::Name(name) = &*call.func
        {
            let known = matches!(name.id.as_str(), "range" | "enumerate" | "zip" | "reversed");
            if known && !self.module.is_function(name.id.as_str()) {
                self.no_keywords(call)?;
                self.not_rebound(name.range, name.id.as_str())?;
                return self.iter_call(call, name.id.as_str());
            }
        }
        if let Some((id, scalar)) = self.table(expr)? {
            return Ok((Iter::Table(id), vec![Type::Scalar(scalar)]));
        }
        if let ast::Expr::Tuple(tuple) = expr {
            let list = ast::Expr::List(ast::ExprList {
                node_index: ast::AtomicNodeIndex::NONE,
                range: tuple.range,
                elts: tuple.elts.clone(),
                ctx: tuple.ctx,
            });
            return self.iterated(&list);
        }
        let list = self.list_value(expr)?;
        let element = list.ty.element().unwrap_or(Type::INT);
        Ok((Iter::List(Box::new(list.expr)), vec![element]))
    }

    fn iter_call(&mut self, call: &ast::ExprCall, name: &str) -> Lowered<(Iter, Vec<Type>)> {
        let args = &call.arguments.args;
        match (name, &**args) {
            ("range", [_] | [_, _] | [_, _, _]) => {
                Ok((self.range(args)?, vec![Type::INT]))
            }
            ("reversed", [ast::Expr::Call(inner)]) if is_range(inner) => {
                let at = inner.range();
                let Iter::Range { start, stop, step } = self.range(&inner.arguments.args)? else {
                    return self.refuse(at, "reversed", "needs a range", "write range(n - 1, -1, -1)");
                };
                if int_literal(&step) != Some(1) {
                    return self.refuse(
                        at,
                        "reversed",
                        "of a range with a step is outside the subset",
                        "write the range backwards",
                    );
                }
                if !order::commute(&start, &stop) {
                    return self.refuse(
                        at,
                        "reversed",
                        "of a range whose bounds change lists is outside the subset",
                        "assign the bounds to variables first",
                    );
                }
                let less = |expr: Expr| match int_literal(&expr).and_then(|v| v.checked_sub(1)) {
                    Some(value) => Expr::int(value),
                    None => Expr::Binary(
                        super::super::ir::Binary::Sub,
                        Box::new(expr),
                        Box::new(Expr::int(1)),
                    ),
                };
                let iter = Iter::Range {
                    start: Box::new(less(*stop)),
                    stop: Box::new(less(*start)),
                    step: Box::new(Expr::int(-1)),
                };
                Ok((iter, vec![Type::INT]))
            }
            ("enumerate", [list]) => {
                let list = self.list_value(list)?;
                let element = list.ty.element().unwrap_or(Type::INT);
                Ok((Iter::Enumerate(Box::new(list.expr)), vec![Type::INT, element]))
            }
            ("zip", [_, _, ..]) => {
                let (mut lists, mut types) = (Vec::new(), Vec::new());
                for arg in args {
                    let list = self.list_value(arg)?;
                    types.push(list.ty.element().unwrap_or(Type::INT));
                    lists.push(list.expr);
                }
                Ok((Iter::Zip(lists), types))
            }
            _ => self.refuse(
                call.range(),
                name.to_owned(),
                "is outside the subset in this form",
                "use range(stop), range(start, stop, step), enumerate(xs), zip(xs, ys) or reversed(range(n))",
            ),
        }
    }

    fn range(&mut self, args: &[ast::Expr]) -> Lowered<Iter> {
        let mut bounds = Vec::with_capacity(3);
        for arg in args {
            bounds.push(self.int(arg, "range bound")?);
        }
        let mut bounds = bounds.into_iter();
        let (start, stop, step) = match (bounds.next(), bounds.next(), bounds.next()) {
            (Some(stop), None, _) => (Expr::int(0), stop, Expr::int(1)),
            (Some(start), Some(stop), step) => (start, stop, step.unwrap_or(Expr::int(1))),
            (None, ..) => return Err(super::Refused),
        };
        Ok(Iter::Range { start: Box::new(start), stop: Box::new(stop), step: Box::new(step) })
    }

    pub(super) fn for_loop(&mut self, stmt: &ast::StmtFor, out: &mut Block) -> Lowered<()> {
        if stmt.is_async {
            return self.refuse(stmt.range, "async for", "cannot be compiled", "use plain `for`");
        }
        let (iter, types) = self.iterated(&stmt.iter)?;
        let names = self.target_names(&stmt.target, types.len())?;
        let targets: Vec<_> =
            names.iter().zip(&types).map(|(name, ty)| self.slot(name, *ty)).collect();
        let bind = |lowering: &mut Self| {
            if let Some(scope) = lowering.scope.as_mut() {
                for ((name, id), ty) in names.iter().zip(&targets).zip(&types) {
                    scope.bind(name, *id, *ty);
                }
            }
        };
        let (body, exit) = self.rounds(|lowering| {
            bind(lowering);
            lowering.block(&stmt.body)
        });
        let orelse = self.after_loop(exit, &stmt.orelse);
        self.push(out, stmt.range, StmtKind::For { targets, iter, body, orelse });
        Ok(())
    }

    pub(super) fn while_loop(&mut self, stmt: &ast::StmtWhile, out: &mut Block) -> Lowered<()> {
        let endless = matches!(&*stmt.test, ast::Expr::BooleanLiteral(literal) if literal.value);
        let mut test = Ok(Expr::Const(Const::Bool(true)));
        let (body, mut exit) = self.rounds(|lowering| {
            test = lowering.test(&stmt.test);
            lowering.block(&stmt.body)
        });
        if endless {
            exit = (None, exit.1);
        }
        let orelse = self.after_loop(exit, &stmt.orelse);
        self.push(out, stmt.range, StmtKind::While { test: test?, body, orelse });
        Ok(())
    }

    /// Lower a loop body until the scope at its head no longer changes; gives the scope at the
    /// normal exit and at the breaks. Scopes only ever weaken, so this ends.
    fn rounds(
        &mut self,
        mut body: impl FnMut(&mut Self) -> Block,
    ) -> (Block, (Option<Scope>, Option<Scope>)) {
        let mut head = self.scope.clone();
        loop {
            let (n_diagnostics, n_locals, hidden) =
                (self.module.diagnostics.len(), self.locals.len(), self.hidden);
            self.scope.clone_from(&head);
            self.loops.push(LoopFrame::default());
            let block = body(self);
            let frame = self.loops.pop().unwrap_or_default();
            let back = join(self.scope.take(), frame.continues);
            let joined = join(head.clone(), back);
            if joined == head {
                return (block, (head, frame.breaks));
            }
            // Names made in the body are unknown at the head; keep only what the head knew.
            self.module.diagnostics.truncate(n_diagnostics);
            self.locals.truncate(n_locals);
            self.hidden = hidden;
            head = joined;
        }
    }

    fn after_loop(
        &mut self,
        (normal, breaks): (Option<Scope>, Option<Scope>),
        orelse: &[ast::Stmt],
    ) -> Block {
        self.scope = normal;
        let block = if orelse.is_empty() || self.scope.is_none() {
            Block::new()
        } else {
            self.block(orelse)
        };
        self.scope = join(self.scope.take(), breaks);
        block
    }

    pub(super) fn leave(&mut self, at: TextRange, is_break: bool, out: &mut Block) -> Lowered<()> {
        let scope = self.scope.take();
        let Some(frame) = self.loops.last_mut() else {
            let word = if is_break { "break" } else { "continue" };
            return self.refuse(at, word, "stands outside a loop", "remove it");
        };
        let target = if is_break { &mut frame.breaks } else { &mut frame.continues };
        *target = join(target.take(), scope);
        self.push(out, at, if is_break { StmtKind::Break } else { StmtKind::Continue });
        Ok(())
    }

    /// Bind a name to a value of a type from here on.
    pub(super) fn assign_name(&mut self, name: &str, ty: Type) -> LocalId {
        let id = self.slot(name, ty);
        if let Some(scope) = self.scope.as_mut() {
            scope.bind(name, id, ty);
        }
        id
    }
}
