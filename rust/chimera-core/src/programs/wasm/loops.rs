//! `for` loops over ranges, lists and tables; comprehensions and folds use them too.

use super::Reason;
use super::arith::constant_int;
use super::emit::{Emitter, LoopLabels};
use super::lists::List;
use crate::Result;
use crate::programs::ir::{Comparison, Expr, Iter, LocalId, Stmt};
use crate::programs::types::Type;

/// The body of a loop.
pub(super) type Step<'s, 'a, 'c> = &'s mut dyn FnMut(&mut Emitter<'a, 'c>) -> Result<()>;

/// What every kind of loop needs.
struct Loop {
    /// Leaves normally, towards the `else` block.
    exit: u32,
    cost: u64,
}

impl<'a, 'c> Emitter<'a, 'c> {
    /// A loop with Python's `else`.
    pub fn for_loop(
        &mut self,
        targets: &[LocalId],
        iter: &Iter,
        orelse: &[Stmt],
        cost: u64,
        step: Step<'_, 'a, 'c>,
    ) -> Result<()> {
        if targets.len() != Self::n_targets(iter) {
            return Err(self.ill("a loop with the wrong number of targets"));
        }
        for (idx, target) in targets.iter().enumerate() {
            let slot = self.slot(*target)?;
            self.expect(self.target_type(iter, idx)?, slot.ty)?;
        }
        let break_ = self.code.block();
        let exit = self.code.block();
        self.loops.push(LoopLabels { break_, continue_: break_ });
        let this = Loop { exit, cost };
        match iter {
            Iter::Range { start, stop, step: by } => {
                self.over_range(targets, (start, stop, by), &this, step)?;
            }
            Iter::List(list) => {
                let list = self.list(list)?;
                let list = self.pinned(list);
                self.over_lists(targets, None, &[list], &this, step)?;
            }
            Iter::Enumerate(list) => {
                let list = self.list(list)?;
                let counter = targets.first().copied();
                let rest = targets.get(1..).unwrap_or_default();
                let list = self.pinned(list);
                self.over_lists(rest, counter, &[list], &this, step)?;
            }
            Iter::Zip(lists) => {
                let mut all = Vec::with_capacity(lists.len());
                for list in lists {
                    let list = self.list(list)?;
                    all.push(self.pinned(list));
                }
                self.over_lists(targets, None, &all, &this, step)?;
            }
            Iter::Table(id) => {
                let table = self.table(*id)?;
                let position = self.temp(Type::INT);
                self.op().i64_const(0).local_set(position);
                let top = self.code.loop_();
                let ty = Type::Scalar(table.scalar);
                self.scaled(position, table.stride);
                self.load(ty, table.address);
                if let Some(target) = targets.first() {
                    self.assign(*target)?;
                }
                self.step(&this, step)?;
                self.code.get(position).op().i64_const(1).i64_add().local_tee(position);
                self.op().i64_const(table.len.into()).i64_lt_u();
                self.code.br_if(top);
                self.code.end();
            }
        }
        self.loops.pop();
        self.code.end();
        self.block(orelse)?;
        self.code.end();
        Ok(())
    }

    /// A list that the loop holds: rebinding its variable in the body must not change it.
    fn pinned(&mut self, list: List) -> List {
        let value = self.temp(list.ty);
        self.code.get(list.value).set(value);
        if self.context.growing.contains(&list.ty) {
            return List { value, cache: None, ..list };
        }
        let data = self.temp(list.ty);
        let len = self.temp(Type::INT);
        self.push_data(&list);
        self.code.set(data);
        self.push_len(&list);
        self.code.set(len);
        List { value, cache: Some((data, len)), ..list }
    }

    /// Run the body with `continue` going to its end, then charge for it.
    fn step(&mut self, this: &Loop, step: Step<'_, 'a, 'c>) -> Result<()> {
        let label = self.code.block();
        if let Some(labels) = self.loops.last_mut() {
            labels.continue_ = label;
        }
        step(self)?;
        self.code.end();
        self.charge(this.cost);
        Ok(())
    }

    fn over_lists(
        &mut self,
        targets: &[LocalId],
        counter: Option<LocalId>,
        lists: &[List],
        this: &Loop,
        step: Step<'_, 'a, 'c>,
    ) -> Result<()> {
        if lists.is_empty() {
            self.code.br(this.exit);
            return Ok(());
        }
        let position = self.temp(Type::INT);
        self.op().i64_const(0).local_set(position);
        let top = self.code.loop_();
        for list in lists {
            // Lengths are read at every step, as the body may append.
            self.code.get(position);
            self.push_len(list);
            self.op().i64_ge_u();
            self.code.br_if(this.exit);
        }
        if let Some(counter) = counter {
            self.code.get(position);
            self.assign(counter)?;
        }
        let mut values = Vec::with_capacity(lists.len());
        for list in lists {
            let element = self.element(list)?;
            self.element_at(list, position)?;
            let value = self.temp(element);
            self.code.set(value);
            values.push(value);
        }
        for (target, value) in targets.iter().zip(values) {
            self.code.get(value);
            self.assign(*target)?;
        }
        self.step(this, step)?;
        self.code.get(position).op().i64_const(1).i64_add().local_set(position);
        self.code.br(top);
        self.code.end();
        Ok(())
    }

    fn over_range(
        &mut self,
        targets: &[LocalId],
        (start, stop, by): (&Expr, &Expr, &Expr),
        this: &Loop,
        step: Step<'_, 'a, 'c>,
    ) -> Result<()> {
        let target = targets.first().copied().ok_or_else(|| self.ill("a range without target"))?;
        let by_constant = constant_int(self.context.program, by);
        let counter = self.temp(Type::INT);
        let end = self.temp(Type::INT);
        self.expr_as(start, Type::INT)?;
        self.code.set(counter);
        self.expr_as(stop, Type::INT)?;
        self.code.set(end);
        let Some(by_constant) = by_constant.filter(|value| *value != 0) else {
            return self.over_any_range(target, by, (counter, end), this, step);
        };
        self.code.get(counter).get(end);
        let past = if by_constant > 0 { Comparison::Ge } else { Comparison::Le };
        self.compare_values(past, Type::INT);
        self.code.br_if(this.exit);
        let top = self.code.loop_();
        self.code.get(counter);
        self.assign(target)?;
        self.step(this, step)?;
        if by_constant.unsigned_abs() == 1 {
            // counter < end (or >), so one more step cannot wrap.
            self.code.get(counter).op().i64_const(by_constant).i64_add().local_tee(counter);
            self.code.get(end);
            let within = if by_constant > 0 { Comparison::Lt } else { Comparison::Gt };
            self.compare_values(within, Type::INT);
            self.code.br_if(top);
        } else {
            // The distance left is exact as an unsigned number; the sum may wrap otherwise.
            if by_constant > 0 {
                self.code.get(end).get(counter);
            } else {
                self.code.get(counter).get(end);
            }
            let size = by_constant.unsigned_abs().cast_signed();
            self.op().i64_sub().i64_const(size).i64_le_u();
            self.code.br_if(this.exit);
            self.code.get(counter).op().i64_const(by_constant).i64_add().local_set(counter);
            self.code.br(top);
        }
        self.code.end();
        Ok(())
    }

    /// A range whose step is not a constant: count the steps left.
    fn over_any_range(
        &mut self,
        target: LocalId,
        by: &Expr,
        (counter, end): (u32, u32),
        this: &Loop,
        step: Step<'_, 'a, 'c>,
    ) -> Result<()> {
        let (by_ty, by) = self.expr_temp(by)?;
        self.expect(by_ty, Type::INT)?;
        self.code.get(by).op().i64_eqz();
        self.trap_if(Reason::ZeroStep);
        let left = self.temp(Type::INT);
        let size = self.temp(Type::INT);
        self.code.get(by).op().i64_const(0).i64_gt_s();
        self.code.if_();
        self.code.get(counter).get(end).op().i64_ge_s();
        self.code.br_if(this.exit);
        self.code.get(end).get(counter).op().i64_sub().local_set(left);
        self.code.get(by).set(size);
        self.code.else_();
        self.code.get(counter).get(end).op().i64_le_s();
        self.code.br_if(this.exit);
        self.code.get(counter).get(end).op().i64_sub().local_set(left);
        self.op().i64_const(0).local_get(by).i64_sub().local_set(size);
        self.code.end();
        self.code.get(left).op().i64_const(1).i64_sub().local_get(size).i64_div_u().local_set(left);
        let top = self.code.loop_();
        self.code.get(counter);
        self.assign(target)?;
        self.step(this, step)?;
        self.code.get(left).op().i64_eqz();
        self.code.br_if(this.exit);
        self.code.get(left).op().i64_const(1).i64_sub().local_set(left);
        self.code.get(counter).get(by).op().i64_add().local_set(counter);
        self.code.br(top);
        self.code.end();
        Ok(())
    }
}
