//! Statements.

use super::Reason;
use super::emit::{Emitter, LoopLabels, ReturnTo, fuel_of};
use super::loops::Repeats;
use super::walk::Repeated;
use crate::Result;
use crate::programs::ir::{Const, Expr, Logic, Stmt, StmtKind, TupleSource, Unary};
use crate::programs::types::Type;

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
                let end = if orelse.is_empty() { None } else { Some(self.code.block()) };
                let skip = self.code.block();
                self.jump(test, skip, false)?;
                self.block(then)?;
                if let Some(end) = end {
                    self.code.br(end);
                }
                self.code.end();
                if end.is_some() {
                    self.block(orelse)?;
                    self.code.end();
                }
                Ok(())
            }
            StmtKind::While { test, body, orelse } => self.while_loop(test, body, orelse),
            StmtKind::For { targets, iter, body, orelse } => {
                let cost = self.block_cost(body) + 1;
                let repeats = Repeats { cost, what: Repeated::Block(body), own: Vec::new() };
                self.for_loop(targets, iter, orelse, repeats, &mut |emitter| emitter.block(body))
            }
            StmtKind::Break | StmtKind::Continue => {
                let labels = *self.loops.last().ok_or_else(|| self.ill("a jump outside a loop"))?;
                if *stmt == StmtKind::Break {
                    self.refund_innermost();
                    self.code.br(labels.break_);
                } else {
                    self.code.br(labels.continue_);
                }
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
        self.refund_all();
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

    /// The fuel left decides about the jump back. The host is asked for more outside of the inner
    /// loop, so that no call there claims its registers.
    fn while_loop(&mut self, test: &Expr, body: &[Stmt], orelse: &[Stmt]) -> Result<()> {
        let test_cost = super::walk::expr_cost(test, &|id| self.context.call_cost(id));
        let cost = self.block_cost(body) + test_cost + 1;
        let break_ = self.code.block();
        let exit = self.code.block();
        let shell = self.code.loop_();
        let top = self.code.loop_();
        self.jump(test, exit, false)?;
        let continue_ = self.code.block();
        self.loops.push(LoopLabels { break_, continue_, prepaid: None });
        self.block(body)?;
        self.loops.pop();
        self.code.end();
        let what = Repeated::While(test, body);
        self.again_while_fuel_lasts(&Repeats { cost, what, own: Vec::new() }, top, shell);
        self.code.end();
        self.block(orelse)?;
        self.code.end();
        Ok(())
    }

    /// Charge for an iteration and jump to `top`, by way of the host and `shell` when fuel is
    /// spent; closes both loops.
    pub fn again_while_fuel_lasts(&mut self, repeats: &Repeats<'_>, top: u32, shell: u32) {
        let fuel = self.fuel;
        let cost = fuel_of(repeats.cost);
        self.code.get(fuel).op().i64_const(cost).i64_sub().local_tee(fuel);
        self.op().i64_const(0).i64_ge_s();
        self.code.br_if(top);
        self.code.end();
        self.refill_between(repeats.what, &repeats.own);
        self.code.br(shell);
        self.code.end();
    }

    fn compares_floats(&self, test: &Expr) -> bool {
        let Expr::Compare(first, rest) = test else { return false };
        let is_float = |expr: &Expr| self.ty(expr).is_ok_and(|ty| ty == Type::FLOAT);
        is_float(first) || rest.iter().any(|(_, operand)| is_float(operand))
    }

    /// Jump to a label when the truth of `test` is `when`, without making it a value.
    pub fn jump(&mut self, test: &Expr, label: u32, when: bool) -> Result<()> {
        match test {
            Expr::Const(Const::Bool(value)) => {
                if *value == when {
                    self.code.br(label);
                }
            }
            Expr::Unary(Unary::Not, inner) => self.jump(inner, label, !when)?,
            Expr::Logic(op, lhs, rhs) if self.ty(lhs)? == Type::BOOL => {
                // `or` when true and `and` when false: either side decides alone.
                if (*op == Logic::Or) == when {
                    self.jump(lhs, label, when)?;
                    self.jump(rhs, label, when)?;
                } else {
                    let skip = self.code.block();
                    self.jump(lhs, skip, !when)?;
                    self.jump(rhs, label, when)?;
                    self.code.end();
                }
            }
            _ => {
                if when || !self.compares_floats(test) {
                    self.expr_as(test, Type::BOOL)?;
                    if !when {
                        self.op().i32_eqz();
                    }
                    self.code.br_if(label);
                } else {
                    // A jump around a jump: the negation of a float comparison is none, and would
                    // have to become a value first.
                    let skip = self.code.block();
                    self.expr_as(test, Type::BOOL)?;
                    self.code.br_if(skip);
                    self.code.br(label);
                    self.code.end();
                }
            }
        }
        Ok(())
    }
}
