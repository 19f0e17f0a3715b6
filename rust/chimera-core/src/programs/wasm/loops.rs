//! `for` loops over ranges, lists and tables; comprehensions and folds use them too.

use wasm_encoder::ValType;

use super::Reason;
use super::arith::constant_int;
use super::emit::{Emitter, LoopLabels, Prepaid, Rest, fuel_of};
use super::lists::List;
use super::walk::Repeated;
use crate::Result;
use crate::programs::ir::{Comparison, Expr, Iter, LocalId, Stmt};
use crate::programs::types::Type;

/// Fuel that a counted loop pays in advance, at most; one iteration may cost more.
const PREPAID_FUEL_MAX: u64 = 4096;

/// The body of a loop.
pub(super) type Step<'s, 'a, 'c> = &'s mut dyn FnMut(&mut Emitter<'a, 'c>) -> Result<()>;

/// What a loop does at every step.
pub(super) struct Repeats<'s> {
    /// Fuel of one step.
    pub cost: u64,
    pub what: Repeated<'s>,
    /// Locals of the module that live from one step to the next, besides those of `what`.
    pub own: Vec<(u32, ValType)>,
}

/// What every kind of loop needs.
struct Loop<'s> {
    /// Leaves normally, towards the `else` block.
    exit: u32,
    repeats: Repeats<'s>,
}

/// How the counter of a counted loop advances.
#[derive(Clone, Copy)]
enum Advance {
    /// By one, which also counts the iterations.
    Up,
    /// By minus one, likewise.
    Down,
    /// By a constant.
    Constant(i64),
    /// By the value of a local.
    Local(u32),
}

impl<'a, 'c> Emitter<'a, 'c> {
    /// A loop with Python's `else`.
    pub fn for_loop(
        &mut self,
        targets: &[LocalId],
        iter: &Iter,
        orelse: &[Stmt],
        repeats: Repeats<'_>,
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
        self.loops.push(LoopLabels { break_, continue_: break_, prepaid: None });
        let mut this = Loop { exit, repeats };
        match iter {
            Iter::Range { start, stop, step: by } => {
                self.over_range(targets, (start, stop, by), &mut this, step)?;
            }
            Iter::List(list) => {
                let list = self.list(list)?;
                let list = self.pinned(list);
                self.over_lists(targets, None, &[list], &mut this, step)?;
            }
            Iter::Enumerate(list) => {
                let list = self.list(list)?;
                let counter = targets.first().copied();
                let rest = targets.get(1..).unwrap_or_default();
                let list = self.pinned(list);
                self.over_lists(rest, counter, &[list], &mut this, step)?;
            }
            Iter::Zip(lists) => {
                let mut all = Vec::with_capacity(lists.len());
                for list in lists {
                    let list = self.list(list)?;
                    all.push(self.pinned(list));
                }
                self.over_lists(targets, None, &all, &mut this, step)?;
            }
            Iter::Table(id) => {
                let table = self.table(*id)?;
                if table.len == 0 {
                    self.code.br(this.exit);
                }
                let position = self.temp(Type::INT);
                let left = self.temp(Type::INT);
                self.op().i64_const(0).local_set(position);
                self.op().i64_const(table.len.into()).local_set(left);
                let head = &mut |emitter: &mut Self| {
                    emitter.scaled(position, table.stride);
                    emitter.load(Type::Scalar(table.scalar), table.address);
                    targets.first().map_or(Ok(()), |target| emitter.assign(*target))
                };
                self.counted((position, Advance::Up), left, &mut this, head, step)?;
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

    /// Run the body with `continue` going to its end.
    fn step(&mut self, prepaid: Option<Prepaid>, step: Step<'_, 'a, 'c>) -> Result<()> {
        let label = self.code.block();
        if let Some(labels) = self.loops.last_mut() {
            labels.continue_ = label;
            labels.prepaid = prepaid;
        }
        step(self)?;
        self.code.end();
        Ok(())
    }

    /// A loop of `left` iterations, at least one. Fuel is paid in advance for as many as
    /// [`PREPAID_FUEL_MAX`] buys, so that the inner loop neither counts it nor calls the host; what
    /// is left over is given back by whatever leaves early.
    fn counted(
        &mut self,
        (counter, advance): (u32, Advance),
        left: u32,
        this: &mut Loop<'_>,
        head: Step<'_, 'a, 'c>,
        step: Step<'_, 'a, 'c>,
    ) -> Result<()> {
        this.repeats.own.extend([(counter, ValType::I64), (left, ValType::I64)]);
        if let Advance::Local(by) = advance {
            this.repeats.own.push((by, ValType::I64));
        }
        if !self.is_innermost(this.repeats.what) {
            return self.counted_outer((counter, advance), left, this, head, step);
        }
        let cost = fuel_of(this.repeats.cost);
        let n_max = fuel_of((PREPAID_FUEL_MAX / this.repeats.cost.max(1)).max(1));
        let fuel = self.fuel;
        let chunk = self.temp(Type::INT);
        let shell = self.code.loop_();
        let rest = match advance {
            Advance::Up => Rest::Distance(chunk, counter),
            Advance::Down => Rest::Distance(counter, chunk),
            Advance::Constant(_) | Advance::Local(_) => Rest::Count(chunk),
        };
        // Two branches rather than a `select`, which would be computed again at every iteration.
        self.code.get(left).op().i64_const(n_max).i64_le_u();
        self.code.if_();
        self.code.get(fuel).get(left).op().i64_const(cost).i64_mul().i64_sub().local_set(fuel);
        self.first_past(counter, advance, &mut |emitter| {
            emitter.code.get(left);
        });
        self.code.set(chunk);
        self.op().i64_const(0).local_set(left);
        self.code.else_();
        let paid = cost.saturating_mul(n_max);
        self.code.get(fuel).op().i64_const(paid).i64_sub().local_set(fuel);
        self.first_past(counter, advance, &mut |emitter| {
            emitter.op().i64_const(n_max);
        });
        self.code.set(chunk);
        self.code.get(left).op().i64_const(n_max).i64_sub().local_set(left);
        self.code.end();
        let top = self.code.loop_();
        head(self)?;
        self.step(Some(Prepaid { cost, rest }), step)?;
        self.advance(counter, advance);
        if let Rest::Distance(..) = rest {
            self.code.get(counter).get(chunk).op().i64_ne();
        } else {
            self.code.get(chunk).op().i64_const(1).i64_sub().local_tee(chunk);
            self.op().i64_const(0).i64_ne();
        }
        self.code.br_if(top);
        self.code.end();
        self.refill_if_spent_between(&this.repeats);
        self.code.get(left).op().i64_const(0).i64_ne();
        self.code.br_if(shell);
        self.code.end();
        Ok(())
    }

    /// A loop around other loops pays for one iteration at a time, so that what is paid and not
    /// looked at stays small.
    fn counted_outer(
        &mut self,
        (counter, advance): (u32, Advance),
        left: u32,
        this: &Loop<'_>,
        head: Step<'_, 'a, 'c>,
        step: Step<'_, 'a, 'c>,
    ) -> Result<()> {
        let fuel = self.fuel;
        let top = self.code.loop_();
        head(self)?;
        self.step(None, step)?;
        self.advance(counter, advance);
        self.code.get(fuel).op().i64_const(fuel_of(this.repeats.cost)).i64_sub().local_set(fuel);
        self.refill_if_spent_between(&this.repeats);
        self.code.get(left).op().i64_const(1).i64_sub().local_tee(left);
        self.op().i64_const(0).i64_ne();
        self.code.br_if(top);
        self.code.end();
        Ok(())
    }

    fn refill_if_spent_between(&mut self, repeats: &Repeats<'_>) {
        let fuel = self.fuel;
        self.code.get(fuel).op().i64_const(0).i64_lt_s();
        self.code.if_cold();
        self.refill_between(repeats.what, &repeats.own);
        self.code.end();
    }

    /// Push the counter's value after `n` iterations where it counts them, and else `n`.
    fn first_past(&mut self, counter: u32, advance: Advance, n: &mut dyn FnMut(&mut Self)) {
        let is_counting = matches!(advance, Advance::Up | Advance::Down);
        if is_counting {
            self.code.get(counter);
        }
        n(self);
        match advance {
            Advance::Up => self.op().i64_add(),
            Advance::Down => self.op().i64_sub(),
            Advance::Constant(_) | Advance::Local(_) => return,
        };
    }

    /// Move the counter on. It may wrap after the last iteration, so only equality is asked of it.
    fn advance(&mut self, counter: u32, advance: Advance) {
        self.code.get(counter);
        match advance {
            Advance::Up => self.op().i64_const(1),
            Advance::Down => self.op().i64_const(-1),
            Advance::Constant(by) => self.op().i64_const(by),
            Advance::Local(by) => self.op().local_get(by),
        };
        self.op().i64_add().local_set(counter);
    }

    fn over_lists(
        &mut self,
        targets: &[LocalId],
        index: Option<LocalId>,
        lists: &[List],
        this: &mut Loop<'_>,
        step: Step<'_, 'a, 'c>,
    ) -> Result<()> {
        if lists.is_empty() {
            self.code.br(this.exit);
            return Ok(());
        }
        let position = self.temp(Type::INT);
        self.op().i64_const(0).local_set(position);
        let head = &mut |emitter: &mut Self| {
            if let Some(index) = index {
                emitter.code.get(position);
                emitter.assign(index)?;
            }
            let mut values = Vec::with_capacity(lists.len());
            for list in lists {
                let element = emitter.element(list)?;
                emitter.element_at(list, position)?;
                let value = emitter.temp(element);
                emitter.code.set(value);
                values.push(value);
            }
            for (target, value) in targets.iter().zip(values) {
                emitter.code.get(value);
                emitter.assign(*target)?;
            }
            Ok(())
        };
        this.repeats.own.push((position, ValType::I64));
        for list in lists {
            if list.cache.is_none() {
                this.repeats.own.push((list.value, ValType::I32));
            }
            this.repeats.own.extend(list.cache.map(|(data, _)| (data, ValType::I32)));
        }
        if lists.iter().all(|list| list.cache.is_some()) {
            let left = self.temp(Type::INT);
            self.op().i64_const(i64::MAX).local_set(left);
            for list in lists {
                self.push_len(list);
                self.code.get(left);
                self.push_len(list);
                self.code.get(left).op().i64_lt_u().select().local_set(left);
            }
            self.code.get(left).op().i64_eqz();
            self.code.br_if(this.exit);
            return self.counted((position, Advance::Up), left, this, head, step);
        }
        let shell = self.code.loop_();
        let top = self.code.loop_();
        for list in lists {
            // Lengths are read at every step, as the body may append.
            self.code.get(position);
            self.push_len(list);
            self.op().i64_ge_u();
            self.code.br_if(this.exit);
        }
        head(self)?;
        self.step(None, step)?;
        self.code.get(position).op().i64_const(1).i64_add().local_set(position);
        self.again_while_fuel_lasts(&this.repeats, top, shell);
        Ok(())
    }

    fn over_range(
        &mut self,
        targets: &[LocalId],
        (start, stop, by): (&Expr, &Expr, &Expr),
        this: &mut Loop<'_>,
        step: Step<'_, 'a, 'c>,
    ) -> Result<()> {
        let target = targets.first().copied().ok_or_else(|| self.ill("a range without target"))?;
        let by_constant = constant_int(self.context.program, by);
        let counter = self.temp(Type::INT);
        let end = self.temp(Type::INT);
        let left = self.temp(Type::INT);
        self.expr_as(start, Type::INT)?;
        self.code.set(counter);
        self.expr_as(stop, Type::INT)?;
        self.code.set(end);
        let advance = match by_constant {
            Some(value) if value != 0 => {
                self.code.get(counter).get(end);
                let past = if value > 0 { Comparison::Ge } else { Comparison::Le };
                self.compare_values(past, Type::INT);
                self.code.br_if(this.exit);
                self.distance((counter, end), value > 0, left);
                if value.unsigned_abs() > 1 {
                    let size = value.unsigned_abs().cast_signed();
                    self.code.get(left).op().i64_const(1).i64_sub().i64_const(size).i64_div_u();
                    self.op().i64_const(1).i64_add().local_set(left);
                }
                match value {
                    1 => Advance::Up,
                    -1 => Advance::Down,
                    _ => Advance::Constant(value),
                }
            }
            _ => Advance::Local(self.any_step(by, (counter, end), left, this)?),
        };
        let head = &mut |emitter: &mut Self| {
            emitter.code.get(counter);
            emitter.assign(target)
        };
        self.counted((counter, advance), left, this, head, step)
    }

    /// How far it is from `counter` to `end`; exact as an unsigned number.
    fn distance(&mut self, (counter, end): (u32, u32), is_up: bool, left: u32) {
        if is_up {
            self.code.get(end).get(counter);
        } else {
            self.code.get(counter).get(end);
        }
        self.op().i64_sub().local_set(left);
    }

    /// Count the iterations of a range whose step is not a constant; returns the step's local.
    fn any_step(
        &mut self,
        by: &Expr,
        (counter, end): (u32, u32),
        left: u32,
        this: &mut Loop<'_>,
    ) -> Result<u32> {
        let (by_ty, by) = self.expr_temp(by)?;
        self.expect(by_ty, Type::INT)?;
        self.code.get(by).op().i64_eqz();
        self.trap_if(Reason::ZeroStep);
        let size = self.temp(Type::INT);
        self.code.get(by).op().i64_const(0).i64_gt_s();
        self.code.if_();
        self.code.get(counter).get(end).op().i64_ge_s();
        self.code.br_if(this.exit);
        self.distance((counter, end), true, left);
        self.code.get(by).set(size);
        self.code.else_();
        self.code.get(counter).get(end).op().i64_le_s();
        self.code.br_if(this.exit);
        self.distance((counter, end), false, left);
        self.op().i64_const(0).local_get(by).i64_sub().local_set(size);
        self.code.end();
        self.code.get(left).op().i64_const(1).i64_sub().local_get(size).i64_div_u();
        self.op().i64_const(1).i64_add().local_set(left);
        Ok(by)
    }
}
