//! Arithmetic on ints and floats.

use super::Reason;
use super::emit::Emitter;
use super::helpers::Helper;
use super::ranges::Interval;
use crate::Result;
use crate::programs::ir::{Binary, Comparison, Const, Expr, GlobalValue, Program, Unary};
use crate::programs::types::Type;

/// The value of an int expression that is a literal, a negated literal or a scalar global.
pub(super) fn constant_int(program: &Program, expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Const(Const::Int(value)) => Some(*value),
        Expr::Unary(Unary::Neg, inner) => constant_int(program, inner)?.checked_neg(),
        Expr::Global(id) => match program.global(*id)?.value {
            GlobalValue::Scalar(Const::Int(value)) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

fn constant_float(program: &Program, expr: &Expr) -> Option<f64> {
    match expr {
        Expr::Const(Const::Float(value)) => Some(*value),
        Expr::Unary(Unary::Neg, inner) => constant_float(program, inner).map(|value| -value),
        Expr::Promote(_, inner) => constant_int(program, inner)
            .filter(|value| value.unsigned_abs() < 1 << 53)
            .map(|value| {
                #[allow(clippy::cast_precision_loss, reason = "exact below 2**53")]
                let float = value as f64;
                float
            }),
        Expr::Global(id) => match program.global(*id)?.value {
            GlobalValue::Scalar(Const::Float(value)) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

/// The operands of an int operation: locals, intervals, and the right one when it is constant.
#[derive(Clone, Copy)]
struct Ints {
    a: u32,
    b: u32,
    lhs: Interval,
    rhs: Interval,
    constant: Option<i64>,
}

impl Emitter<'_, '_> {
    pub fn binary(&mut self, op: Binary, lhs: &Expr, rhs: &Expr) -> Result<Type> {
        let (lhs_interval, rhs_interval) = (self.interval(lhs), self.interval(rhs));
        let ty = self.expr(lhs)?;
        match ty {
            Type::FLOAT => self.float_binary(op, rhs),
            Type::BOOL => {
                self.expr_as(rhs, Type::BOOL)?;
                match op {
                    Binary::BitAnd => self.op().i32_and(),
                    Binary::BitOr => self.op().i32_or(),
                    Binary::BitXor => self.op().i32_xor(),
                    _ => return Err(self.ill("arithmetic on bools without promotion")),
                };
                Ok(Type::BOOL)
            }
            Type::INT => {
                let a = self.temp(Type::INT);
                self.code.set(a);
                self.expr_as(rhs, Type::INT)?;
                let b = self.temp(Type::INT);
                self.code.set(b);
                let constant = constant_int(self.context.program, rhs);
                let ints = Ints { a, b, lhs: lhs_interval, rhs: rhs_interval, constant };
                let swapped = constant_int(self.context.program, lhs);
                if op == Binary::Mul && constant.is_none() && swapped.is_some() {
                    let (lhs, rhs) = (rhs_interval, lhs_interval);
                    self.int_binary(op, Ints { a: b, b: a, lhs, rhs, constant: swapped });
                } else {
                    self.int_binary(op, ints);
                }
                Ok(if op == Binary::TrueDiv { Type::FLOAT } else { Type::INT })
            }
            _ => Err(self.ill("arithmetic on lists")),
        }
    }

    fn int_binary(&mut self, op: Binary, ints: Ints) {
        let Ints { a, b, .. } = ints;
        match op {
            Binary::Add | Binary::Sub | Binary::Mul => self.int_ring(op, ints),
            Binary::TrueDiv => self.int_true_div(ints),
            Binary::FloorDiv => self.int_floor_div(ints),
            Binary::Mod => self.int_mod(ints),
            Binary::Pow => self.int_pow(ints),
            Binary::Shl => self.shift_left(ints),
            Binary::Shr => self.shift_right(ints),
            Binary::BitAnd => {
                self.code.get(a).get(b).op().i64_and();
            }
            Binary::BitOr => {
                self.code.get(a).get(b).op().i64_or();
            }
            Binary::BitXor => {
                self.code.get(a).get(b).op().i64_xor();
            }
        }
    }

    /// `+`, `-` and `*` of two locals, checked where the intervals leave room for overflow.
    fn int_ring(&mut self, op: Binary, ints: Ints) {
        let Ints { a, b, .. } = ints;
        let may_overflow = Interval::may_overflow(op, ints.lhs, ints.rhs);
        self.code.get(a).get(b);
        if !may_overflow {
            match op {
                Binary::Add => self.op().i64_add(),
                Binary::Sub => self.op().i64_sub(),
                _ => self.op().i64_mul(),
            };
            return;
        }
        let result = self.temp(Type::INT);
        if let (Binary::Mul, Some(factor)) = (op, ints.constant.filter(|factor| *factor > 1)) {
            // The values that may be multiplied are an interval: cheaper than a wide product.
            let (lo, hi) = (i64::MIN / factor, i64::MAX / factor);
            self.op().i64_mul().local_set(result);
            self.code.get(a).op().i64_const(lo).i64_sub().i64_const(hi.wrapping_sub(lo)).i64_gt_u();
        } else if op == Binary::Mul {
            let high = self.temp(Type::INT);
            self.op().i64_mul_wide_s().local_set(high).local_tee(result);
            self.op().i64_const(63).i64_shr_s().local_get(high).i64_ne();
        } else {
            if op == Binary::Add {
                self.op().i64_add().local_set(result);
            } else {
                self.op().i64_sub().local_set(result);
            }
            let grows = (op == Binary::Add) == ints.rhs.is_nonnegative();
            if ints.rhs.lo >= 0 || ints.rhs.hi <= 0 {
                // The sign of the right side is known: the result must move that way.
                self.code.get(result).get(a);
                let op = if grows { Comparison::Lt } else { Comparison::Gt };
                self.compare_values(op, Type::INT);
            } else {
                // Overflow exactly when the result's sign contradicts the operands' signs.
                self.code.get(a).get(result).op().i64_xor();
                if op == Binary::Add {
                    self.code.get(b).get(result).op().i64_xor();
                } else {
                    self.code.get(a).get(b).op().i64_xor();
                }
                self.op().i64_and().i64_const(0).i64_lt_s();
            }
        }
        self.trap_if(Reason::IntOverflow);
        self.code.get(result);
    }

    /// Checked `+` on two locals whose values may be anything.
    pub fn add_checked(&mut self, a: u32, b: u32) {
        let ints = Ints { a, b, lhs: Interval::FULL, rhs: Interval::FULL, constant: None };
        self.int_ring(Binary::Add, ints);
    }

    /// Negate the int on the stack.
    pub fn negate(&mut self, may_overflow: bool) {
        let value = self.temp(Type::INT);
        self.code.set(value);
        if may_overflow {
            self.code.get(value).op().i64_const(i64::MIN).i64_eq();
            self.trap_if(Reason::IntOverflow);
        }
        self.op().i64_const(0).local_get(value).i64_sub();
    }

    fn check_zero(&mut self, ints: Ints) {
        if ints.rhs.contains(0) {
            self.code.get(ints.b).op().i64_eqz();
            self.trap_if(Reason::ZeroDivision);
        }
    }

    fn int_true_div(&mut self, ints: Ints) {
        self.check_zero(ints);
        for (local, interval) in [(ints.a, ints.lhs), (ints.b, ints.rhs)] {
            if !interval.is_exact_float() {
                self.code.get(local).op().i64_const(1 << 53).i64_add();
                self.op().i64_const(1 << 54).i64_gt_u();
                self.trap_if(Reason::InexactDivision);
            }
        }
        self.code.get(ints.a).op().f64_convert_i64_s();
        self.code.get(ints.b).op().f64_convert_i64_s().f64_div();
    }

    fn int_floor_div(&mut self, ints: Ints) {
        let Ints { a, b, .. } = ints;
        match ints.constant {
            Some(value) if value > 0 && value.count_ones() == 1 => {
                let shift = i64::from(value.trailing_zeros());
                self.code.get(a).op().i64_const(shift).i64_shr_s();
                return;
            }
            Some(-1) => {
                self.code.get(a);
                self.negate(ints.lhs.contains(i64::MIN));
                return;
            }
            _ => {}
        }
        self.check_zero(ints);
        if ints.lhs.is_nonnegative() && ints.rhs.is_nonnegative() {
            self.code.get(a).get(b).op().i64_div_u();
            return;
        }
        if ints.lhs.contains(i64::MIN) && ints.rhs.contains(-1) {
            self.code.get(a).op().i64_const(i64::MIN).i64_eq();
            self.code.get(b).op().i64_const(-1).i64_eq().i32_and();
            self.trap_if(Reason::IntOverflow);
        }
        let quotient = self.temp(Type::INT);
        let rest = self.temp(Type::INT);
        self.code.get(a).get(b).op().i64_div_s().local_tee(quotient);
        self.code.get(a).get(quotient).get(b).op().i64_mul().i64_sub().local_set(rest);
        // Truncation rounded up when the rest is nonzero and its sign differs from the divisor's.
        if ints.rhs.lo > 0 {
            self.code.get(rest).op().i64_const(63).i64_shr_s();
        } else {
            self.code.get(rest).op().i64_const(0).i64_ne();
            self.code.get(rest).get(b).op().i64_xor().i64_const(0).i64_lt_s().i32_and();
            self.op().i64_extend_i32_u().i64_const(-1).i64_mul();
        }
        self.op().i64_add();
    }

    fn int_mod(&mut self, ints: Ints) {
        let Ints { a, b, .. } = ints;
        if let Some(value) = ints.constant.filter(|value| *value > 0 && value.count_ones() == 1) {
            self.code.get(a).op().i64_const(value - 1).i64_and();
            return;
        }
        self.check_zero(ints);
        if ints.lhs.is_nonnegative() && ints.rhs.is_nonnegative() {
            self.code.get(a).get(b).op().i64_rem_u();
            return;
        }
        let rest = self.temp(Type::INT);
        self.code.get(a).get(b).op().i64_rem_s().local_tee(rest);
        self.code.get(b).op().i64_const(0);
        if ints.rhs.lo > 0 {
            self.code.get(rest).op().i64_const(0).i64_lt_s();
        } else {
            self.code.get(rest).op().i64_const(0).i64_ne();
            self.code.get(rest).get(b).op().i64_xor().i64_const(0).i64_lt_s().i32_and();
        }
        self.op().select().i64_add();
    }

    fn int_pow(&mut self, ints: Ints) {
        if let Some(2) = ints.constant {
            // The constant was the exponent; the factor is the value itself.
            let square = Ints { b: ints.a, rhs: ints.lhs, constant: None, ..ints };
            self.int_ring(Binary::Mul, square);
        } else {
            self.code.get(ints.a).get(ints.b);
            self.helper(Helper::IntPow);
        }
    }

    fn shift_left(&mut self, ints: Ints) {
        let Ints { a, b, .. } = ints;
        if !ints.rhs.is_nonnegative() {
            self.code.get(b).op().i64_const(0).i64_lt_s();
            self.trap_if(Reason::NegativeShift);
        }
        let result = self.temp(Type::INT);
        self.code.get(a).get(b).op().i64_shl().local_tee(result);
        if let Some(count) = ints.constant.and_then(|count| u32::try_from(count).ok()) {
            let factor = 1_i64.checked_shl(count).filter(|factor| *factor > 0);
            let safe = factor.is_some_and(|factor| {
                let factor = Interval { lo: factor, hi: factor };
                count < 63 && !Interval::may_overflow(Binary::Mul, ints.lhs, factor)
            });
            if safe {
                return;
            }
        }
        // Lost bits show when shifting back; the hardware takes counts modulo 64.
        self.code.get(b).op().i64_shr_s().local_get(a).i64_ne();
        if ints.rhs.hi > 63 {
            self.code.get(b).op().i64_const(63).i64_gt_u();
            self.code.get(a).op().i64_const(0).i64_ne().i32_and().i32_or();
        }
        self.trap_if(Reason::IntOverflow);
        if ints.rhs.hi > 63 {
            self.op().i64_const(0).local_get(result);
            self.code.get(b).op().i64_const(63).i64_gt_u().select();
        } else {
            self.code.get(result);
        }
    }

    fn shift_right(&mut self, ints: Ints) {
        let Ints { a, b, .. } = ints;
        if !ints.rhs.is_nonnegative() {
            self.code.get(b).op().i64_const(0).i64_lt_s();
            self.trap_if(Reason::NegativeShift);
        }
        self.code.get(a);
        if ints.rhs.hi > 63 {
            self.op().i64_const(63).local_get(b).local_get(b).i64_const(63).i64_gt_s().select();
        } else {
            self.code.get(b);
        }
        self.op().i64_shr_s();
    }

    /// A float operation whose left operand is on the stack.
    fn float_binary(&mut self, op: Binary, rhs: &Expr) -> Result<Type> {
        let constant = constant_float(self.context.program, rhs);
        self.expr_as(rhs, Type::FLOAT)?;
        match op {
            Binary::Add => {
                self.op().f64_add();
            }
            Binary::Sub => {
                self.op().f64_sub();
            }
            Binary::Mul => {
                self.op().f64_mul();
            }
            Binary::TrueDiv => {
                if constant.is_none_or(|value| value == 0.0) {
                    let divisor = self.temp(Type::FLOAT);
                    self.op().local_tee(divisor).f64_const(0.0.into()).f64_eq();
                    self.trap_if(Reason::ZeroDivision);
                    self.code.get(divisor);
                }
                self.op().f64_div();
            }
            Binary::FloorDiv => self.helper(Helper::FloatFloorDiv),
            Binary::Mod => self.helper(Helper::FloatMod),
            Binary::Pow => self.helper(Helper::FloatPow),
            _ => return Err(self.ill("a bit operation on floats")),
        }
        Ok(Type::FLOAT)
    }

    /// Convert the whole float on the stack to an int.
    pub fn float_to_int(&mut self) {
        let value = self.temp(Type::FLOAT);
        let two_63 = 9_223_372_036_854_775_808.0_f64;
        self.code.set(value);
        self.code.get(value).op().f64_const(two_63.into()).f64_lt();
        self.code.get(value).op().f64_const((-two_63).into()).f64_ge().i32_and().i32_eqz();
        self.code.if_cold();
        self.code.get(value).get(value).op().f64_ne();
        self.trap_if(Reason::NanToInt);
        let site = self.site(Reason::FloatToIntOverflow);
        self.code.trap(site);
        self.code.end();
        self.code.get(value).op().i64_trunc_sat_f64_s();
    }

    /// `//` and `%` of two ints or floats, quotient and rest on the stack.
    pub fn divmod(&mut self, lhs: &Expr, rhs: &Expr) -> Result<Type> {
        let (lhs_interval, rhs_interval) = (self.interval(lhs), self.interval(rhs));
        let (ty, a) = self.expr_temp(lhs)?;
        self.expr_as(rhs, ty)?;
        let b = self.temp(ty);
        self.code.set(b);
        match ty {
            Type::INT => {
                let constant = constant_int(self.context.program, rhs);
                let ints = Ints { a, b, lhs: lhs_interval, rhs: rhs_interval, constant };
                self.int_floor_div(ints);
                self.int_mod(ints);
            }
            Type::FLOAT => {
                self.code.get(a).get(b);
                self.helper(Helper::FloatFloorDiv);
                self.code.get(a).get(b);
                self.helper(Helper::FloatMod);
            }
            _ => return Err(self.ill("divmod of the wrong type")),
        }
        Ok(ty)
    }
}
