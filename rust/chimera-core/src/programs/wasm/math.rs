//! Builtin and `math` functions.

use super::Reason;
use super::code::Callee;
use super::emit::Emitter;
use super::helpers::Helper;
use crate::Result;
use crate::programs::ir::{Comparison, Expr, Intrinsic};
use crate::programs::types::Type;

/// How a `math` function of one float is computed.
enum Rule {
    /// libm, then `math_1`'s checks: the flag says that an infinite result is an overflow.
    Math1(&'static str, bool),
    Log(&'static str),
    /// libm alone: no error possible.
    Plain(&'static str),
}

const fn rule(intrinsic: Intrinsic) -> Option<Rule> {
    Some(match intrinsic {
        Intrinsic::Exp => Rule::Math1("exp", true),
        Intrinsic::Exp2 => Rule::Math1("exp2", true),
        Intrinsic::Expm1 => Rule::Math1("expm1", true),
        Intrinsic::Log => Rule::Log("log"),
        Intrinsic::Log2 => Rule::Log("log2"),
        Intrinsic::Log10 => Rule::Log("log10"),
        Intrinsic::Log1p => Rule::Math1("log1p", false),
        Intrinsic::Sin => Rule::Math1("sin", false),
        Intrinsic::Cos => Rule::Math1("cos", false),
        Intrinsic::Tan => Rule::Math1("tan", false),
        Intrinsic::Asin => Rule::Math1("asin", false),
        Intrinsic::Acos => Rule::Math1("acos", false),
        Intrinsic::Atan => Rule::Plain("atan"),
        Intrinsic::Sinh => Rule::Math1("sinh", true),
        Intrinsic::Cosh => Rule::Math1("cosh", true),
        Intrinsic::Tanh => Rule::Plain("tanh"),
        Intrinsic::Asinh => Rule::Plain("asinh"),
        Intrinsic::Acosh => Rule::Math1("acosh", false),
        Intrinsic::Atanh => Rule::Math1("atanh", false),
        Intrinsic::Erf => Rule::Plain("erf"),
        Intrinsic::Erfc => Rule::Plain("erfc"),
        Intrinsic::Cbrt => Rule::Plain("cbrt"),
        _ => return None,
    })
}

impl Emitter<'_, '_> {
    pub fn intrinsic(&mut self, intrinsic: Intrinsic, args: &[Expr]) -> Result<Type> {
        match (intrinsic, args) {
            (Intrinsic::Abs, [arg]) => return self.abs(arg),
            (Intrinsic::Min, [first, rest @ ..]) if !rest.is_empty() => {
                return self.extreme(Comparison::Lt, first, rest);
            }
            (Intrinsic::Max, [first, rest @ ..]) if !rest.is_empty() => {
                return self.extreme(Comparison::Gt, first, rest);
            }
            (Intrinsic::Gcd, [lhs, rhs]) => {
                self.expr_as(lhs, Type::INT)?;
                self.expr_as(rhs, Type::INT)?;
                self.helper(Helper::Gcd);
                return Ok(Type::INT);
            }
            (Intrinsic::Isqrt, [arg]) => {
                self.expr_as(arg, Type::INT)?;
                self.helper(Helper::Isqrt);
                return Ok(Type::INT);
            }
            _ => {}
        }
        for arg in args {
            self.expr_as(arg, Type::FLOAT)?;
        }
        match args.len() {
            1 => self.math_of_one(intrinsic)?,
            2 => self.math_of_two(intrinsic)?,
            n => return Err(self.ill(format!("{} of {n} arguments", intrinsic.python_name()))),
        }
        Ok(Type::Scalar(intrinsic.result(crate::programs::types::Scalar::Float)))
    }

    fn math_of_one(&mut self, intrinsic: Intrinsic) -> Result<()> {
        match rule(intrinsic) {
            Some(Rule::Math1(name, can_overflow)) => {
                self.helper(Helper::Math1(name, can_overflow));
                return Ok(());
            }
            Some(Rule::Log(name)) => {
                self.helper(Helper::Log(name));
                return Ok(());
            }
            Some(Rule::Plain(name)) => {
                self.code.call(Callee::Import(name));
                return Ok(());
            }
            None => {}
        }
        let value = self.temp(Type::FLOAT);
        match intrinsic {
            Intrinsic::Round => {
                self.op().f64_nearest();
                self.float_to_int();
            }
            Intrinsic::Floor => {
                self.op().f64_floor();
                self.float_to_int();
            }
            Intrinsic::Ceil => {
                self.op().f64_ceil();
                self.float_to_int();
            }
            Intrinsic::Trunc => {
                self.op().f64_trunc();
                self.float_to_int();
            }
            Intrinsic::Sqrt => {
                self.op().local_tee(value).f64_const(0.0.into()).f64_lt();
                self.trap_if(Reason::Domain);
                self.code.get(value).op().f64_sqrt();
            }
            Intrinsic::Fabs => {
                self.op().f64_abs();
            }
            Intrinsic::Degrees => {
                self.op().f64_const((180.0 / std::f64::consts::PI).into()).f64_mul();
            }
            Intrinsic::Radians => {
                self.op().f64_const((std::f64::consts::PI / 180.0).into()).f64_mul();
            }
            Intrinsic::IsNan => {
                self.op().local_tee(value).local_get(value).f64_ne();
            }
            Intrinsic::IsInf => {
                self.op().f64_abs().f64_const(f64::INFINITY.into()).f64_eq();
            }
            Intrinsic::IsFinite => {
                self.op().f64_abs().f64_const(f64::INFINITY.into()).f64_lt();
            }
            _ => return Err(self.ill(format!("{} of one argument", intrinsic.python_name()))),
        }
        Ok(())
    }

    fn math_of_two(&mut self, intrinsic: Intrinsic) -> Result<()> {
        match intrinsic {
            Intrinsic::Atan2 => self.code.call(Callee::Import("atan2")),
            Intrinsic::Fmod => self.helper(Helper::MathFmod),
            Intrinsic::MathPow => self.helper(Helper::MathPow),
            Intrinsic::Copysign => {
                let sign = self.temp(Type::FLOAT);
                self.op().local_tee(sign).local_get(sign).f64_ne();
                self.trap_if(Reason::NanSign);
                self.code.get(sign).op().f64_copysign();
            }
            _ => return Err(self.ill(format!("{} of two arguments", intrinsic.python_name()))),
        }
        Ok(())
    }

    fn abs(&mut self, arg: &Expr) -> Result<Type> {
        let interval = self.interval(arg);
        let ty = self.expr(arg)?;
        match ty {
            Type::FLOAT => {
                self.op().f64_abs();
            }
            Type::INT => {
                let value = self.temp(ty);
                self.code.set(value);
                if interval.contains(i64::MIN) {
                    self.code.get(value).op().i64_const(i64::MIN).i64_eq();
                    self.trap_if(Reason::IntOverflow);
                }
                self.op().i64_const(0).local_get(value).i64_sub().local_get(value);
                self.code.get(value).op().i64_const(0).i64_lt_s().select();
            }
            _ => return Err(self.ill("abs of the wrong type")),
        }
        Ok(ty)
    }

    /// `min` and `max`: the first stays unless a later one is strictly beyond it.
    fn extreme(&mut self, op: Comparison, first: &Expr, rest: &[Expr]) -> Result<Type> {
        let (ty, best) = self.expr_temp(first)?;
        if ty.scalar().is_none() {
            return Err(self.ill("min or max of lists"));
        }
        // All arguments are evaluated before any comparison; only traps could tell.
        for arg in rest {
            self.expr_as(arg, ty)?;
            let value = self.temp(ty);
            self.code.set(value);
            self.keep_extreme(op, ty, best, value);
        }
        self.code.get(best);
        Ok(ty)
    }

    /// Replace `best` by `value` when it is strictly beyond.
    pub fn keep_extreme(&mut self, op: Comparison, ty: Type, best: u32, value: u32) {
        self.code.get(value).get(best);
        self.code.get(value).get(best);
        self.compare_values(op, ty);
        self.op().select().local_set(best);
    }
}
