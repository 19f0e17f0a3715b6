//! `sum`, `min`, `max`, `any`, `all` over lists and generators.

use wasm_encoder::ValType;

use super::Reason;
use super::emit::Emitter;
use super::lists::is_number;
use super::loops::Repeats;
use super::module::val_type;
use super::walk::Repeated;
use crate::Result;
use crate::programs::ir::{Comparison, Expr, Fold, FoldSource, Iter};
use crate::programs::types::Type;

/// Locals of a fold.
#[derive(Clone, Copy)]
struct Folding {
    fold: Fold,
    ty: Type,
    acc: u32,
    /// Compensation of a float sum.
    lost: Option<u32>,
    /// Whether there was an element, where emptiness matters.
    seen: u32,
    /// Where `any` and `all` go once decided.
    decided: u32,
}

impl Folding {
    /// What lives from one step to the next.
    fn locals(self) -> Vec<(u32, ValType)> {
        let own = [(self.acc, val_type(self.ty)), (self.seen, ValType::I32)];
        own.into_iter().chain(self.lost.map(|lost| (lost, ValType::F64))).collect()
    }
}

impl Emitter<'_, '_> {
    pub fn fold(&mut self, fold: Fold, source: &FoldSource) -> Result<Type> {
        let ty = self.element_type(source)?;
        let is_sum = matches!(fold, Fold::Sum | Fold::SumFromZero);
        let valid = match fold {
            Fold::Sum => is_number(ty),
            Fold::SumFromZero => ty == Type::FLOAT,
            Fold::Min | Fold::Max => ty.scalar().is_some(),
            Fold::Any | Fold::All => ty == Type::BOOL,
        };
        if !valid {
            return Err(self.ill("a fold of the wrong element type"));
        }
        let compensated = is_sum && ty == Type::FLOAT && self.context.options.compensated_sum;
        let acc = self.temp(ty);
        let seen = self.temp(Type::BOOL);
        let lost = compensated.then(|| self.temp(Type::FLOAT));
        self.op().i32_const(0).local_set(seen);
        if let Some(lost) = lost {
            self.op().f64_const(0.0.into()).local_set(lost);
        }
        match ty {
            Type::FLOAT => self.op().f64_const(0.0.into()),
            Type::INT => self.op().i64_const(0),
            _ => self.op().i32_const((fold == Fold::All).into()),
        };
        self.code.set(acc);
        let decided = self.code.block();
        let folding = Folding { fold, ty, acc, lost, seen, decided };
        match source {
            FoldSource::Generator(inner) => {
                let cost = super::walk::step_cost(inner, &|id| self.context.call_cost(id));
                let what = Repeated::Comprehension(inner);
                let repeats = Repeats { cost, what, own: folding.locals() };
                self.for_loop(&inner.targets, &inner.iter, &[], repeats, &mut |emitter| {
                    emitter.filtered(inner, &mut |emitter, ty, item| {
                        emitter.expect(ty, folding.ty)?;
                        emitter.fold_step(folding, item);
                        Ok(())
                    })
                })?;
            }
            FoldSource::List(list) => self.fold_list(folding, list)?,
        }
        self.code.end();
        self.fold_end(folding);
        Ok(ty)
    }

    fn element_type(&self, source: &FoldSource) -> Result<Type> {
        match source {
            FoldSource::Generator(inner) => self.ty(&inner.element),
            FoldSource::List(list) => {
                self.ty(list)?.element().ok_or_else(|| self.ill("a fold of a scalar"))
            }
        }
    }

    /// A fold of a list is a loop over a hidden target.
    fn fold_list(&mut self, folding: Folding, list: &Expr) -> Result<()> {
        let id =
            crate::programs::ir::LocalId(u32::try_from(self.frame.slots.len()).unwrap_or(u32::MAX));
        let item = self.temp(folding.ty);
        self.frame.slots.push(super::emit::Slot { ty: folding.ty, value: item, cache: None });
        let iter = Iter::List(Box::new(list.clone()));
        let repeats = Repeats { cost: 2, what: Repeated::Nothing, own: folding.locals() };
        self.for_loop(&[id], &iter, &[], repeats, &mut |emitter| {
            emitter.fold_step(folding, item);
            Ok(())
        })?;
        self.frame.slots.pop();
        Ok(())
    }

    fn fold_step(&mut self, folding: Folding, item: u32) {
        let Folding { fold, ty, acc, seen, .. } = folding;
        match fold {
            Fold::Any | Fold::All => {
                self.code.get(item);
                if fold == Fold::All {
                    self.op().i32_eqz();
                }
                self.code.if_();
                self.op().i32_const((fold == Fold::Any).into()).local_set(acc);
                self.refund_innermost();
                self.code.br(folding.decided);
                self.code.end();
            }
            Fold::Min | Fold::Max => {
                let op = if fold == Fold::Min { Comparison::Lt } else { Comparison::Gt };
                self.code.get(item).get(acc);
                self.code.get(item).get(acc);
                self.compare_values(op, ty);
                self.code.get(seen).op().i32_eqz().i32_or().select().local_set(acc);
                self.op().i32_const(1).local_set(seen);
            }
            Fold::Sum | Fold::SumFromZero if ty == Type::INT => {
                self.add_checked(acc, item);
                self.code.set(acc);
            }
            Fold::Sum | Fold::SumFromZero => {
                self.add_float(folding, item);
                if fold == Fold::Sum {
                    self.op().i32_const(1).local_set(seen);
                }
            }
        }
    }

    /// Plain, or with Neumaier's compensation as `builtin_sum` writes it.
    fn add_float(&mut self, folding: Folding, item: u32) {
        let acc = folding.acc;
        let Some(lost) = folding.lost else {
            self.code.get(acc).get(item).op().f64_add().local_set(acc);
            return;
        };
        let sum = self.temp(Type::FLOAT);
        self.code.get(acc).get(item).op().f64_add().local_set(sum);
        self.code.get(lost);
        self.code.get(acc).get(sum).op().f64_sub().local_get(item).f64_add();
        self.code.get(item).get(sum).op().f64_sub().local_get(acc).f64_add();
        self.code.get(acc).op().f64_abs().local_get(item).f64_abs().f64_ge().select();
        self.op().f64_add().local_set(lost);
        self.code.get(sum).set(acc);
    }

    fn fold_end(&mut self, folding: Folding) {
        let Folding { fold, ty, acc, seen, .. } = folding;
        let empty = match fold {
            Fold::Min | Fold::Max => Some(Reason::EmptySequence),
            Fold::Sum if ty == Type::FLOAT => Some(Reason::EmptySum),
            _ => None,
        };
        if let Some(reason) = empty {
            self.code.get(seen).op().i32_eqz();
            self.trap_if(reason);
        }
        self.code.get(acc);
        if let Some(lost) = folding.lost {
            // Adding a zero would turn -0.0 into 0.0; NaN and infinities would spoil the sum.
            self.code.get(lost).op().f64_add().local_get(acc);
            self.code.get(lost).op().f64_abs().f64_const(f64::INFINITY.into()).f64_lt();
            self.code.get(lost).op().f64_const(0.0.into()).f64_ne().i32_and().select();
        }
    }
}
