//! Expressions: constants, variables, conversions, comparisons, logic.

use wasm_encoder::ValType;

use super::Reason;
use super::code::at;
use super::emit::Emitter;
use super::helpers::Helper;
use super::lists::List;
use super::module::val_type;
use crate::Result;
use crate::programs::ir::{Comparison, Const, Expr, GlobalId, GlobalValue, Logic, Unary};
use crate::programs::types::{Scalar, Type};

impl Emitter<'_, '_> {
    /// Push the value of an expression; returns its type.
    pub fn expr(&mut self, expr: &Expr) -> Result<Type> {
        match expr {
            Expr::Const(value) => Ok(self.constant(*value)),
            Expr::Parameter(slot, scalar) => {
                let local = self.parameter(*slot, *scalar)?;
                self.code.get(local);
                Ok(Type::Scalar(*scalar))
            }
            Expr::Local(id) => {
                let slot = self.slot(*id)?;
                self.code.get(slot.value);
                Ok(slot.ty)
            }
            Expr::Global(id) => {
                match self.context.program.global(*id).map(|global| &global.value) {
                    Some(GlobalValue::Scalar(value)) => Ok(self.constant(*value)),
                    _ => Err(self.ill("a global is not a scalar")),
                }
            }
            Expr::Table(id, index) => self.table_item(*id, index),
            Expr::TableLen(id) => {
                let len = self.table(*id)?.len;
                self.op().i64_const(len.into());
                Ok(Type::INT)
            }
            Expr::Unary(op, operand) => self.unary(*op, operand),
            Expr::Binary(op, lhs, rhs) => self.binary(*op, lhs, rhs),
            Expr::Compare(first, rest) => self.compare(first, rest),
            Expr::Logic(op, lhs, rhs) => self.logic(*op, lhs, rhs),
            Expr::Select { test, then, otherwise } => {
                let ty = self.ty(then)?;
                let end = self.code.block_result(val_type(ty));
                let orelse = self.code.block();
                self.jump(test, orelse, false)?;
                self.expr_as(then, ty)?;
                self.code.br(end);
                self.code.end();
                self.expr_as(otherwise, ty)?;
                self.code.end();
                Ok(ty)
            }
            Expr::Promote(Scalar::Float, operand) | Expr::Convert(Scalar::Float, operand)
                if let Expr::Unary(Unary::Neg, inner) = &**operand
                    && self.ty(inner)? == Type::INT =>
            {
                // Rounding is symmetric, and a difference of zeros is 0.0: no overflow to check.
                self.op().f64_const(0.0.into());
                self.expr_as(inner, Type::INT)?;
                self.op().f64_convert_i64_s().f64_sub();
                Ok(Type::FLOAT)
            }
            Expr::Convert(scalar, operand) => self.convert(*scalar, operand),
            Expr::Promote(scalar, operand) => {
                let from = self.expr(operand)?;
                self.promote(from, Type::Scalar(*scalar))
            }
            Expr::Intrinsic(intrinsic, args) => self.intrinsic(*intrinsic, args),
            Expr::Call(id, args) => self.call_one(id.0, args),
            Expr::Index(list, index) => self.index(list, index),
            Expr::Len(list) => {
                let list = self.list(list)?;
                self.push_len(&list);
                Ok(Type::INT)
            }
            Expr::List(element, values) => self.list_display(*element, values),
            Expr::Repeat(value, count) => self.repeat(value, count),
            Expr::Copy(list) => self.copy(list),
            Expr::Pop(list) => self.pop(list),
            Expr::Comprehension(inner) => self.comprehension(inner),
            Expr::Fold(fold, source) => self.fold(*fold, source),
        }
    }

    pub fn constant(&mut self, value: Const) -> Type {
        match value {
            Const::Bool(value) => self.op().i32_const(value.into()),
            Const::Int(value) => self.op().i64_const(value),
            Const::Float(value) => self.op().f64_const(value.into()),
        };
        Type::Scalar(value.scalar())
    }

    pub fn table(&self, id: GlobalId) -> Result<super::module::Table> {
        self.context.tables.get(&id).copied().ok_or_else(|| self.ill("a global is not a table"))
    }

    fn table_item(&mut self, id: GlobalId, index: &Expr) -> Result<Type> {
        let table = self.table(id)?;
        let ty = Type::Scalar(table.scalar);
        let len = i64::from(table.len);
        if let Some(idx) = super::arith::constant_int(self.context.program, index) {
            let resolved = if idx < 0 { idx.saturating_add(len) } else { idx };
            if let Some(idx) = u32::try_from(resolved).ok().filter(|idx| *idx < table.len) {
                self.op().i32_const(0);
                self.load(ty, table.address + idx * table.stride);
                return Ok(ty);
            }
        }
        let interval = self.interval(index);
        self.expr_as(index, Type::INT)?;
        let idx = self.temp(Type::INT);
        self.code.set(idx);
        self.check_index(idx, interval, &mut |emitter| {
            emitter.op().i64_const(len);
        });
        self.scaled(idx, table.stride);
        self.load(ty, table.address);
        Ok(ty)
    }

    /// Push a 64-bit index local as a 32-bit byte offset.
    pub fn scaled(&mut self, idx: u32, stride: u32) {
        self.code.get(idx).op().i32_wrap_i64();
        if stride > 1 {
            let shift = stride.trailing_zeros().cast_signed();
            self.op().i32_const(shift).i32_shl();
        }
    }

    /// Load an element from the address on the stack.
    pub fn load(&mut self, ty: Type, offset: u32) {
        match ty {
            Type::Scalar(Scalar::Bool) => self.op().i32_load8_u(at(offset, 0)),
            Type::Scalar(Scalar::Int) => self.op().i64_load(at(offset, 3)),
            Type::Scalar(Scalar::Float) => self.op().f64_load(at(offset, 3)),
            Type::List(_) | Type::Matrix(_) => self.op().i32_load(at(offset, 2)),
        };
    }

    /// Store the value on the stack at the address below it.
    pub fn store(&mut self, ty: Type, offset: u32) {
        match ty {
            Type::Scalar(Scalar::Bool) => self.op().i32_store8(at(offset, 0)),
            Type::Scalar(Scalar::Int) => self.op().i64_store(at(offset, 3)),
            Type::Scalar(Scalar::Float) => self.op().f64_store(at(offset, 3)),
            Type::List(_) | Type::Matrix(_) => self.op().i32_store(at(offset, 2)),
        };
    }

    fn unary(&mut self, op: Unary, operand: &Expr) -> Result<Type> {
        if let (Unary::Neg, Expr::Const(Const::Float(value))) = (op, operand) {
            self.op().f64_const((-value).into());
            return Ok(Type::FLOAT);
        }
        let interval = self.interval(operand);
        let ty = self.expr(operand)?;
        match (op, ty) {
            (Unary::Pos, Type::INT | Type::FLOAT) => {}
            (Unary::Neg, Type::FLOAT) => {
                self.op().f64_neg();
            }
            (Unary::Neg, Type::INT) => self.negate(interval.contains(i64::MIN)),
            (Unary::Invert, Type::INT) => {
                self.op().i64_const(-1).i64_xor();
            }
            (Unary::Not, Type::BOOL) => {
                self.op().i32_eqz();
            }
            _ => return Err(self.ill("an operand of the wrong type")),
        }
        Ok(ty)
    }

    /// Convert the scalar on the stack to a wider type.
    pub fn promote(&mut self, from: Type, to: Type) -> Result<Type> {
        match (from, to) {
            _ if from == to => {}
            (Type::BOOL, Type::INT) => {
                self.op().i64_extend_i32_u();
            }
            (Type::BOOL, Type::FLOAT) => {
                self.op().f64_convert_i32_u();
            }
            (Type::INT, Type::FLOAT) => {
                self.op().f64_convert_i64_s();
            }
            _ => return Err(self.ill("a promotion between the wrong types")),
        }
        Ok(to)
    }

    fn convert(&mut self, to: Scalar, operand: &Expr) -> Result<Type> {
        let from = self.expr(operand)?;
        match (to, from) {
            (Scalar::Bool, _) => self.truth(from),
            (Scalar::Int, Type::FLOAT) => {
                self.op().f64_trunc();
                self.float_to_int();
            }
            _ => {
                return self.promote(from, Type::Scalar(to));
            }
        }
        Ok(Type::Scalar(to))
    }

    /// Turn the value on the stack into its truth.
    pub fn truth(&mut self, ty: Type) {
        match ty {
            Type::Scalar(Scalar::Bool) => {}
            Type::Scalar(Scalar::Int) => {
                self.op().i64_const(0).i64_ne();
            }
            Type::Scalar(Scalar::Float) => {
                self.op().f64_const(0.0.into()).f64_ne();
            }
            Type::List(_) | Type::Matrix(_) => {
                self.op().i32_load(at(super::abi::HEADER_LEN, 2)).i32_const(0).i32_ne();
            }
        }
    }

    fn logic(&mut self, op: Logic, lhs: &Expr, rhs: &Expr) -> Result<Type> {
        let ty = self.expr(lhs)?;
        let value = self.temp(ty);
        self.code.set(value).get(value);
        self.truth(ty);
        self.code.if_result(val_type(ty));
        if op == Logic::And {
            self.expr_as(rhs, ty)?;
            self.code.else_();
            self.code.get(value);
        } else {
            self.code.get(value);
            self.code.else_();
            self.expr_as(rhs, ty)?;
        }
        self.code.end();
        Ok(ty)
    }

    fn compare(&mut self, first: &Expr, rest: &[(Comparison, Expr)]) -> Result<Type> {
        let Some(((op, operand), others)) = rest.split_first() else {
            return Err(self.ill("a comparison without operands"));
        };
        let small =
            (self.interval(first).is_exact_float(), self.interval(operand).is_exact_float());
        let lhs = self.expr(first)?;
        let left = self.operand_local(lhs, first)?;
        let rhs = self.expr(operand)?;
        if others.is_empty() {
            self.compare_pair(*op, (lhs, left), (rhs, None), small)?;
            return Ok(Type::BOOL);
        }
        self.compare_chain(*op, (lhs, left, small.0), (rhs, operand), others)?;
        Ok(Type::BOOL)
    }

    fn operand_local(&mut self, ty: Type, _expr: &Expr) -> Result<u32> {
        if ty.scalar().is_none() {
            return Err(self.ill("a comparison of lists"));
        }
        let temp = self.temp(ty);
        self.code.set(temp);
        Ok(temp)
    }

    /// `left op rhs and rhs ...`, with `rhs` on the stack.
    fn compare_chain(
        &mut self,
        op: Comparison,
        (lhs, left, is_left_small): (Type, u32, bool),
        (rhs, operand): (Type, &Expr),
        others: &[(Comparison, Expr)],
    ) -> Result<()> {
        let right = self.operand_local(rhs, operand)?;
        let is_right_small = self.interval(operand).is_exact_float();
        self.compare_pair(op, (lhs, left), (rhs, Some(right)), (is_left_small, is_right_small))?;
        let Some(((next_op, next), others)) = others.split_first() else { return Ok(()) };
        self.code.if_result(ValType::I32);
        let next_ty = self.expr(next)?;
        let from = (rhs, right, is_right_small);
        self.compare_chain(*next_op, from, (next_ty, next), others)?;
        self.code.else_();
        self.op().i32_const(0);
        self.code.end();
        Ok(())
    }

    /// Compare a local with another, or with the value on the stack.
    fn compare_pair(
        &mut self,
        op: Comparison,
        (lhs, left): (Type, u32),
        (rhs, right): (Type, Option<u32>),
        small: (bool, bool),
    ) -> Result<()> {
        if rhs.scalar().is_none() {
            return Err(self.ill("a comparison of lists"));
        }
        let right = right.unwrap_or_else(|| {
            let temp = self.temp(rhs);
            self.code.set(temp);
            temp
        });
        match (lhs, rhs) {
            (Type::INT, Type::FLOAT) if !small.0 => {
                self.code.get(left).get(right);
                self.helper(Helper::Compare);
                self.ordering(op);
            }
            (Type::FLOAT, Type::INT) if !small.1 => {
                self.code.get(right).get(left);
                self.helper(Helper::Compare);
                self.ordering(mirrored(op));
            }
            _ => {
                let common = lhs.max(rhs);
                self.code.get(left);
                self.promote(lhs, common)?;
                self.code.get(right);
                self.promote(rhs, common)?;
                self.compare_values(op, common);
            }
        }
        Ok(())
    }

    /// Turn −1, 0, 1 or 2 (unordered) into the answer.
    fn ordering(&mut self, op: Comparison) {
        match op {
            Comparison::Eq => self.op().i32_eqz(),
            Comparison::Ne => self.op().i32_const(0).i32_ne(),
            Comparison::Lt => self.op().i32_const(0).i32_lt_s(),
            Comparison::Le => self.op().i32_const(0).i32_le_s(),
            Comparison::Gt => self.op().i32_const(1).i32_eq(),
            Comparison::Ge => self.op().i32_const(1).i32_le_u(),
        };
    }

    /// Compare the two values of one scalar type on the stack.
    pub fn compare_values(&mut self, op: Comparison, ty: Type) {
        let mut sink = self.op();
        match (ty, op) {
            (Type::FLOAT, Comparison::Eq) => sink.f64_eq(),
            (Type::FLOAT, Comparison::Ne) => sink.f64_ne(),
            (Type::FLOAT, Comparison::Lt) => sink.f64_lt(),
            (Type::FLOAT, Comparison::Le) => sink.f64_le(),
            (Type::FLOAT, Comparison::Gt) => sink.f64_gt(),
            (Type::FLOAT, Comparison::Ge) => sink.f64_ge(),
            (Type::INT, Comparison::Eq) => sink.i64_eq(),
            (Type::INT, Comparison::Ne) => sink.i64_ne(),
            (Type::INT, Comparison::Lt) => sink.i64_lt_s(),
            (Type::INT, Comparison::Le) => sink.i64_le_s(),
            (Type::INT, Comparison::Gt) => sink.i64_gt_s(),
            (Type::INT, Comparison::Ge) => sink.i64_ge_s(),
            (_, Comparison::Eq) => sink.i32_eq(),
            (_, Comparison::Ne) => sink.i32_ne(),
            (_, Comparison::Lt) => sink.i32_lt_u(),
            (_, Comparison::Le) => sink.i32_le_u(),
            (_, Comparison::Gt) => sink.i32_gt_u(),
            (_, Comparison::Ge) => sink.i32_ge_u(),
        };
    }

    fn index(&mut self, list: &Expr, index: &Expr) -> Result<Type> {
        let list = self.list(list)?;
        let ty = self.element(&list)?;
        let offset = self.element_address(&list, index)?;
        self.load(ty, offset);
        Ok(ty)
    }

    pub fn element(&self, list: &List) -> Result<Type> {
        list.ty.element().ok_or_else(|| self.ill("indexing a scalar"))
    }

    fn pop(&mut self, list: &Expr) -> Result<Type> {
        let list = self.list(list)?;
        let ty = self.element(&list)?;
        let len = self.temp(Type::BOOL);
        self.code.get(list.value).op().i32_load(at(super::abi::HEADER_LEN, 2)).local_tee(len);
        self.op().i32_eqz();
        self.trap_if(Reason::PopEmpty);
        self.code.get(list.value).get(len).op().i32_const(1).i32_sub().local_tee(len);
        self.op().i32_store(at(super::abi::HEADER_LEN, 2));
        self.push_data(&list);
        self.code.get(len);
        if ty.size_bytes() > 1 {
            let shift = ty.size_bytes().trailing_zeros().cast_signed();
            self.op().i32_const(shift).i32_shl();
        }
        self.op().i32_add();
        self.load(ty, 0);
        Ok(ty)
    }
}

const fn mirrored(op: Comparison) -> Comparison {
    match op {
        Comparison::Lt => Comparison::Gt,
        Comparison::Le => Comparison::Ge,
        Comparison::Gt => Comparison::Lt,
        Comparison::Ge => Comparison::Le,
        same => same,
    }
}
