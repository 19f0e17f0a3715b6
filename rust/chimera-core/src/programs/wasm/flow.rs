//! Statements.

use super::Reason;
use super::emit::{Emitter, LoopLabels, ReturnTo};
use crate::Result;
use crate::programs::ir::{Const, Expr, Stmt, StmtKind, TupleSource};
use crate::programs::types::Type;

/// A loop test up to this cost is repeated at the loop's end instead of jumping back to it.
const REPEATED_TEST_COST_MAX: u64 = 12;

impl Emitter<'_, '_> {
    pub fn block(&mut self, block: &[Stmt]) -> Result<()> {
        for stmt in block {
            let line = std::mem::replace(&mut self.line, stmt.line);
            self.stmt(&stmt.kind)?;
            self.line = line;
        }
        Ok(())
    }

    fn stmt(&mut self, stmt: &StmtKind) -> Result<()> {
        match stmt {
            StmtKind::Assign { target, value } => {
                let ty = self.slot(*target)?.ty;
                self.expr_as(value, ty)?;
                self.assign(*target)
            }
            StmtKind::Unpack { targets, value } => self.unpack(targets, value),
            StmtKind::SetItem { list, index, value } => self.set_item(list, index, value),
            StmtKind::Append { list, value } => self.append(list, value),
            StmtKind::Effect(expr) => {
                self.expr(expr)?;
                self.op().drop();
                Ok(())
            }
            StmtKind::CallNothing(id, args) => {
                for _ in self.call(id.0, args)? {
                    self.op().drop();
                }
                Ok(())
            }
            StmtKind::If { test, then, orelse } => {
                self.expr_as(test, Type::BOOL)?;
                self.code.if_();
                self.block(then)?;
                if !orelse.is_empty() {
                    self.code.else_();
                    self.block(orelse)?;
                }
                self.code.end();
                Ok(())
            }
            StmtKind::While { test, body, orelse } => self.while_loop(test, body, orelse),
            StmtKind::For { targets, iter, body, orelse } => {
                let cost = self.block_cost(body) + 1;
                self.for_loop(targets, iter, orelse, cost, &mut |emitter| emitter.block(body))
            }
            StmtKind::Break | StmtKind::Continue => {
                let labels = *self.loops.last().ok_or_else(|| self.ill("a jump outside a loop"))?;
                let is_break = *stmt == StmtKind::Break;
                self.code.br(if is_break { labels.break_ } else { labels.continue_ });
                Ok(())
            }
            StmtKind::Return(values) => {
                let types = self.frame.function.returns.types();
                if values.len() != types.len() {
                    return Err(self.ill("a return of the wrong number of values"));
                }
                for (value, ty) in values.iter().zip(types) {
                    self.expr_as(value, ty)?;
                }
                self.return_();
                Ok(())
            }
            StmtKind::ReturnCall(id, args) => {
                let types = self.call(id.0, args)?;
                if types != self.frame.function.returns.types() {
                    return Err(self.ill("a returned call of another type"));
                }
                self.return_();
                Ok(())
            }
            StmtKind::Assert(test) => {
                self.expr_as(test, Type::BOOL)?;
                self.op().i32_eqz();
                self.trap_if(Reason::Assertion);
                Ok(())
            }
            StmtKind::Raise(name) => {
                let site = self.site(Reason::Raised(name.clone()));
                self.code.trap(site);
                Ok(())
            }
            StmtKind::Pass => Ok(()),
        }
    }

    /// Return the values on the stack.
    pub fn return_(&mut self) {
        match self.frame.return_to.clone() {
            ReturnTo::Caller { is_recursive } => {
                if is_recursive {
                    let depth = super::module::DEPTH;
                    self.op().global_get(depth).i32_const(1).i32_sub().global_set(depth);
                }
                self.fuel_to_global();
                self.op().return_();
            }
            ReturnTo::Label { label, results } => {
                for result in results.iter().rev() {
                    self.code.set(*result);
                }
                self.code.br(label);
            }
        }
    }

    fn unpack(
        &mut self,
        targets: &[crate::programs::ir::LocalId],
        value: &TupleSource,
    ) -> Result<()> {
        let types = match value {
            TupleSource::Values(values) => {
                let mut types = Vec::with_capacity(values.len());
                for value in values {
                    types.push(self.expr(value)?);
                }
                types
            }
            TupleSource::Call(id, args) => self.call(id.0, args)?,
            TupleSource::Divmod(lhs, rhs) => {
                let ty = self.divmod(lhs, rhs)?;
                vec![ty, ty]
            }
        };
        if types.len() != targets.len() {
            return Err(self.ill("an unpacking of the wrong number of values"));
        }
        // Targets are written from left to right, so a name given twice keeps the last value.
        let mut values = Vec::with_capacity(types.len());
        for ty in types.iter().rev() {
            let value = self.temp(*ty);
            self.code.set(value);
            values.push(value);
        }
        for ((target, ty), value) in targets.iter().zip(types).zip(values.into_iter().rev()) {
            let slot = self.slot(*target)?;
            self.expect(ty, slot.ty)?;
            self.code.get(value);
            self.assign(*target)?;
        }
        Ok(())
    }

    fn while_loop(&mut self, test: &Expr, body: &[Stmt], orelse: &[Stmt]) -> Result<()> {
        let test_cost = super::walk::expr_cost(test, &|id| self.context.call_cost(id));
        let cost = self.block_cost(body) + test_cost + 1;
        let is_endless = matches!(test, Expr::Const(Const::Bool(true)));
        let mut has_loop = false;
        super::walk::expressions(test, &mut |expr| {
            has_loop |= matches!(
                expr,
                Expr::Call(..) | Expr::Fold(..) | Expr::Comprehension(_) | Expr::Intrinsic(..)
            );
        });
        let is_repeated = !is_endless && !has_loop && test_cost <= REPEATED_TEST_COST_MAX;
        let break_ = self.code.block();
        let exit = self.code.block();
        if is_repeated {
            self.expr_as(test, Type::BOOL)?;
            self.op().i32_eqz();
            self.code.br_if(exit);
        }
        let top = self.code.loop_();
        if !is_repeated && !is_endless {
            self.expr_as(test, Type::BOOL)?;
            self.op().i32_eqz();
            self.code.br_if(exit);
        }
        let continue_ = self.code.block();
        self.loops.push(LoopLabels { break_, continue_ });
        self.block(body)?;
        self.loops.pop();
        self.code.end();
        self.charge(cost);
        if is_repeated {
            self.expr_as(test, Type::BOOL)?;
            self.code.br_if(top);
        } else {
            self.code.br(top);
        }
        self.code.end();
        self.code.end();
        self.block(orelse)?;
        self.code.end();
        Ok(())
    }
}
