//! Lists: access with Python's index rules, creation, growth.

use wasm_encoder::ValType;

use super::Reason;
use super::abi::{HEADER_CAPACITY, HEADER_DATA, HEADER_LEN};
use super::arith::constant_int;
use super::code::at;
use super::emit::Emitter;
use super::helpers::Helper;
use super::loops::Repeats;
use super::ranges::Interval;
use super::walk::Repeated;
use crate::Result;
use crate::programs::ir::{Comprehension, Const, Expr, Iter};
use crate::programs::types::{Scalar, Type};

/// A list whose header address is in a local.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    pub ty: Type,
    pub value: u32,
    /// Data address and length, when they are known not to change.
    pub cache: Option<(u32, u32)>,
}

const fn shift_of(ty: Type) -> i32 {
    ty.size_bytes().trailing_zeros().cast_signed()
}

impl Emitter<'_, '_> {
    /// Evaluate a list; a local is used in place, as nothing can rebind it meanwhile.
    pub fn list(&mut self, expr: &Expr) -> Result<List> {
        if let Expr::Local(id) = expr {
            let slot = self.slot(*id)?;
            if slot.ty.element().is_some() {
                return Ok(List { ty: slot.ty, value: slot.value, cache: slot.cache });
            }
        }
        let (ty, value) = self.expr_temp(expr)?;
        if ty.element().is_none() {
            return Err(self.ill("a scalar where a list is needed"));
        }
        Ok(List { ty, value, cache: None })
    }

    /// Push the length as an int.
    pub fn push_len(&mut self, list: &List) {
        if let Some((_, len)) = list.cache {
            self.code.get(len);
        } else {
            self.code.get(list.value).op().i64_load32_u(at(HEADER_LEN, 2));
        }
    }

    /// Push the address of the first element.
    pub fn push_data(&mut self, list: &List) {
        if let Some((data, _)) = list.cache {
            self.code.get(data);
        } else {
            self.code.get(list.value).op().i32_load(at(HEADER_DATA, 2));
        }
    }

    /// Stop when an index local is out of range; a negative one is counted from the end.
    pub fn check_index(
        &mut self,
        idx: u32,
        interval: Interval,
        push_len: &mut dyn FnMut(&mut Self),
    ) {
        self.code.get(idx);
        push_len(self);
        self.op().i64_ge_u();
        if interval.is_nonnegative() {
            self.trap_if(Reason::Index);
            return;
        }
        self.code.if_cold();
        self.code.get(idx);
        push_len(self);
        self.op().i64_add().local_tee(idx);
        push_len(self);
        self.op().i64_ge_u();
        // idx + len wraps only for idx < -len, and then stays far above any length.
        self.trap_if(Reason::Index);
        self.code.end();
    }

    /// Push the address of an element, less the returned constant offset.
    pub fn element_address(&mut self, list: &List, index: &Expr) -> Result<u32> {
        let size = self.element(list)?.size_bytes();
        let constant = constant_int(self.context.program, index);
        if let Some(idx) = constant.and_then(|idx| u32::try_from(idx).ok())
            && let Some(offset) = idx.checked_mul(size).filter(|offset| *offset < 1 << 31)
        {
            self.push_len(list);
            self.op().i64_const(idx.into()).i64_le_u();
            self.trap_if(Reason::Index);
            self.push_data(list);
            return Ok(offset);
        }
        let interval = self.interval(index);
        self.expr_as(index, Type::INT)?;
        let idx = self.temp(Type::INT);
        self.code.set(idx);
        if let Some(value) = constant.filter(|value| *value < 0) {
            self.push_len(list);
            self.op().i64_const(value).i64_add().local_tee(idx).i64_const(0).i64_lt_s();
            self.trap_if(Reason::Index);
        } else {
            let list = *list;
            self.check_index(idx, interval, &mut |emitter| emitter.push_len(&list));
        }
        self.push_data(list);
        self.scaled(idx, size);
        self.op().i32_add();
        Ok(0)
    }

    /// `list[index] = value`, evaluated in the order value, list, index.
    pub fn set_item(&mut self, list: &Expr, index: &Expr, value: &Expr) -> Result<()> {
        let (ty, item) = self.expr_temp(value)?;
        let list = self.list(list)?;
        let element = self.element(&list)?;
        self.expect(ty, element)?;
        let offset = self.element_address(&list, index)?;
        self.code.get(item);
        self.store(element, offset);
        Ok(())
    }

    pub fn append(&mut self, list: &Expr, value: &Expr) -> Result<()> {
        let list = self.list(list)?;
        let element = self.element(&list)?;
        self.expr_as(value, element)?;
        let item = self.temp(element);
        self.code.set(item);
        self.push_back(list.value, element, item);
        Ok(())
    }

    /// Append a local's value to the list whose header is in a local.
    fn push_back(&mut self, list: u32, element: Type, item: u32) {
        let len = self.temp(Type::BOOL);
        self.code.get(list).op().i32_load(at(HEADER_LEN, 2)).local_tee(len);
        self.code.get(list).op().i32_load(at(HEADER_CAPACITY, 2)).i32_eq();
        self.code.if_cold();
        self.code.get(list).op().i32_const(shift_of(element));
        self.helper(Helper::Grow);
        self.code.end();
        self.code.get(list).op().i32_load(at(HEADER_DATA, 2));
        self.code.get(len).op().i32_const(shift_of(element)).i32_shl().i32_add();
        self.code.get(item);
        self.store(element, 0);
        self.code.get(list).get(len).op().i32_const(1).i32_add().i32_store(at(HEADER_LEN, 2));
    }

    /// Push a new list of as many uninitialised elements as the int on the stack says.
    fn new_list(&mut self, element: Type) {
        self.op().i32_const(shift_of(element));
        self.helper(Helper::NewList);
    }

    pub fn list_display(&mut self, element: Type, values: &[Expr]) -> Result<Type> {
        let ty = element.list_of().ok_or_else(|| self.ill("a list of matrices"))?;
        let mut items = Vec::with_capacity(values.len());
        for value in values {
            self.expr_as(value, element)?;
            let item = self.temp(element);
            self.code.set(item);
            items.push(item);
        }
        let n = u32::try_from(values.len()).unwrap_or(u32::MAX);
        self.op().i64_const(n.into());
        self.new_list(element);
        let list = self.temp(ty);
        let data = self.temp(ty);
        self.op().local_tee(list).i32_load(at(HEADER_DATA, 2)).local_set(data);
        for (idx, item) in (0_u32..).zip(items) {
            self.code.get(data).get(item);
            self.store(element, idx * element.size_bytes());
        }
        self.code.get(list);
        Ok(ty)
    }

    /// `[value] * count`
    pub fn repeat(&mut self, value: &Expr, count: &Expr) -> Result<Type> {
        let (element, item) = self.expr_temp(value)?;
        let ty = Some(element)
            .filter(|element| element.scalar().is_some())
            .and_then(Type::list_of)
            .ok_or_else(|| self.ill("repetition of a list"))?;
        self.expr_as(count, Type::INT)?;
        let n = self.temp(Type::INT);
        let list = self.temp(ty);
        self.op().local_tee(n).i64_const(0).local_get(n).i64_const(0).i64_gt_s().select();
        self.op().local_tee(n);
        self.new_list(element);
        self.op().local_tee(list).i32_load(at(HEADER_DATA, 2));
        let is_zero = match value {
            Expr::Const(Const::Int(value)) => *value == 0,
            Expr::Const(Const::Float(value)) => value.to_bits() == 0,
            _ => false,
        };
        if element == Type::BOOL {
            self.code.get(item).get(n).op().i32_wrap_i64().memory_fill(0);
        } else if is_zero {
            self.op().i32_const(0).local_get(n).i32_wrap_i64().i32_const(3).i32_shl();
            self.op().memory_fill(0);
        } else {
            self.code.get(n).op().i32_wrap_i64().local_get(item);
            if element == Type::FLOAT {
                self.op().i64_reinterpret_f64();
            }
            self.helper(Helper::Fill);
        }
        self.code.get(list);
        Ok(ty)
    }

    pub fn copy(&mut self, list: &Expr) -> Result<Type> {
        let list = self.list(list)?;
        let element = self.element(&list)?;
        self.code.get(list.value).op().i32_const(shift_of(element));
        self.helper(Helper::CopyList);
        Ok(list.ty)
    }

    /// `[element for targets in iter if condition]`
    pub fn comprehension(&mut self, inner: &Comprehension) -> Result<Type> {
        let element = self.ty(&inner.element)?;
        let ty = element.list_of().ok_or_else(|| self.ill("a list of matrices"))?;
        let list = self.temp(ty);
        let cost = super::walk::step_cost(inner, &|id| self.context.call_cost(id));
        self.op().i64_const(0);
        self.new_list(element);
        self.code.set(list);
        let what = Repeated::Comprehension(inner);
        let repeats = Repeats { cost, what, own: vec![(list, ValType::I32)] };
        self.for_loop(&inner.targets, &inner.iter, &[], repeats, &mut |emitter| {
            emitter.filtered(inner, &mut |emitter, ty, item| {
                emitter.expect(ty, element)?;
                emitter.push_back(list, element, item);
                Ok(())
            })
        })?;
        self.code.get(list);
        Ok(ty)
    }

    /// One step of a comprehension: `consume` gets the element in a local when the filter passes.
    pub fn filtered(
        &mut self,
        inner: &Comprehension,
        consume: &mut dyn FnMut(&mut Self, Type, u32) -> Result<()>,
    ) -> Result<()> {
        if let Some(condition) = &inner.condition {
            let skip = self.code.block();
            self.jump(condition, skip, false)?;
        }
        let (ty, item) = self.expr_temp(&inner.element)?;
        consume(self, ty, item)?;
        if inner.condition.is_some() {
            self.code.end();
        }
        Ok(())
    }

    /// The type of what a target of an iterator takes.
    pub fn target_type(&self, iter: &Iter, idx: usize) -> Result<Type> {
        let element = |list: &Expr| {
            self.ty(list)?.element().ok_or_else(|| self.ill("iteration over a scalar"))
        };
        match (iter, idx) {
            (Iter::Range { .. } | Iter::Enumerate(_), 0) => Ok(Type::INT),
            (Iter::List(list), 0) | (Iter::Enumerate(list), 1) => element(list),
            (Iter::Zip(lists), idx) => match lists.get(idx) {
                Some(list) => element(list),
                None => Err(self.ill("more targets than lists")),
            },
            (Iter::Table(id), 0) => Ok(Type::Scalar(self.table(*id)?.scalar)),
            _ => Err(self.ill("more targets than values")),
        }
    }

    /// The number of targets an iterator fills.
    pub const fn n_targets(iter: &Iter) -> usize {
        match iter {
            Iter::Range { .. } | Iter::List(_) | Iter::Table(_) => 1,
            Iter::Enumerate(_) => 2,
            Iter::Zip(lists) => lists.len(),
        }
    }

    /// Push an element by a 64-bit position local known to be in range.
    pub fn element_at(&mut self, list: &List, position: u32) -> Result<()> {
        let ty = self.element(list)?;
        self.push_data(list);
        self.scaled(position, ty.size_bytes());
        self.op().i32_add();
        self.load(ty, 0);
        Ok(())
    }
}

/// Whether a scalar type can be summed.
pub(super) const fn is_number(ty: Type) -> bool {
    matches!(ty, Type::Scalar(Scalar::Int | Scalar::Float))
}
