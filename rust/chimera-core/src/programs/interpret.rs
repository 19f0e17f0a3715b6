//! An exact interpreter of pure scalar expressions, for constant folding and tabulation.
//!
//! It gives the value that CPython gives, or `None` where the compiled program would trap, where
//! a list or a call is involved, or where this crate has no copy of the platform's function that
//! agrees to the last bit.

use super::ir::{Binary, Comparison, Const, Expr, GlobalValue, Intrinsic, Logic, Program, Unary};
use super::types::Scalar;

/// Ints up to this magnitude convert to float exactly.
pub const EXACT_INT_MAX: i64 = 1 << 53;

/// The value of an expression; `locals` holds the known values by local index.
#[must_use]
pub fn evaluate(program: &Program, expr: &Expr, locals: &[Option<Const>]) -> Option<Const> {
    let eval = |expr: &Expr| evaluate(program, expr, locals);
    match expr {
        Expr::Const(value) => Some(*value),
        Expr::Local(id) => *locals.get(id.0 as usize)?,
        Expr::Global(id) => match &program.global(*id)?.value {
            GlobalValue::Scalar(value) => Some(*value),
            GlobalValue::Table(..) => None,
        },
        Expr::Table(id, index) => {
            let Const::Int(index) = eval(index)? else { return None };
            let GlobalValue::Table(_, values) = &program.global(*id)?.value else { return None };
            let n = i64::try_from(values.len()).ok()?;
            let index = if index < 0 { index.checked_add(n)? } else { index };
            values.get(usize::try_from(index).ok()?).copied()
        }
        Expr::TableLen(id) => {
            let GlobalValue::Table(_, values) = &program.global(*id)?.value else { return None };
            Some(Const::Int(i64::try_from(values.len()).ok()?))
        }
        Expr::Unary(operator, operand) => unary(*operator, eval(operand)?),
        Expr::Binary(operator, lhs, rhs) => binary(*operator, eval(lhs)?, eval(rhs)?),
        Expr::Compare(first, rest) => {
            let mut left = eval(first)?;
            for (operator, operand) in rest {
                let right = eval(operand)?;
                if !compare(*operator, left, right) {
                    return Some(Const::Bool(false));
                }
                left = right;
            }
            Some(Const::Bool(true))
        }
        Expr::Logic(operator, lhs, rhs) => {
            let left = eval(lhs)?;
            if truth(left) == (*operator == Logic::And) { eval(rhs) } else { Some(left) }
        }
        Expr::Select { test, then, otherwise } => {
            if truth(eval(test)?) { eval(then) } else { eval(otherwise) }
        }
        Expr::Convert(scalar, operand) | Expr::Promote(scalar, operand) => {
            convert(*scalar, eval(operand)?)
        }
        Expr::Intrinsic(intrinsic, args) => {
            let args: Option<Vec<Const>> = args.iter().map(eval).collect();
            intrinsic_value(*intrinsic, &args?)
        }
        _ => None,
    }
}

/// Python's truth of a scalar.
#[must_use]
pub fn truth(value: Const) -> bool {
    match value {
        Const::Bool(value) => value,
        Const::Int(value) => value != 0,
        Const::Float(value) => value != 0.0,
    }
}

/// `bool(x)`, `int(x)`, `float(x)`.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "rounds to nearest even as Python does")]
pub fn convert(scalar: Scalar, value: Const) -> Option<Const> {
    Some(match (scalar, value) {
        (Scalar::Bool, value) => Const::Bool(truth(value)),
        (Scalar::Int, Const::Bool(value)) => Const::Int(i64::from(value)),
        (Scalar::Int, Const::Int(_)) | (Scalar::Float, Const::Float(_)) => value,
        (Scalar::Int, Const::Float(value)) => Const::Int(to_int(value.trunc())?),
        (Scalar::Float, Const::Bool(value)) => Const::Float(f64::from(u8::from(value))),
        (Scalar::Float, Const::Int(value)) => Const::Float(value as f64),
    })
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
fn to_int(integral: f64) -> Option<i64> {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    (-TWO_63..TWO_63).contains(&integral).then_some(integral as i64)
}

/// A unary operator.
#[must_use]
pub fn unary(operator: Unary, value: Const) -> Option<Const> {
    Some(match (operator, value) {
        (Unary::Neg, Const::Int(value)) => Const::Int(value.checked_neg()?),
        (Unary::Neg, Const::Float(value)) => Const::Float(-value),
        (Unary::Pos, Const::Int(_) | Const::Float(_)) => value,
        (Unary::Not, value) => Const::Bool(!truth(value)),
        (Unary::Invert, Const::Int(value)) => Const::Int(!value),
        _ => return None,
    })
}

/// A binary operator on operands of equal type.
#[must_use]
pub fn binary(operator: Binary, lhs: Const, rhs: Const) -> Option<Const> {
    match (lhs, rhs) {
        (Const::Int(lhs), Const::Int(rhs)) => binary_int(operator, lhs, rhs),
        (Const::Float(lhs), Const::Float(rhs)) => binary_float(operator, lhs, rhs),
        (Const::Bool(lhs), Const::Bool(rhs)) => Some(Const::Bool(match operator {
            Binary::BitAnd => lhs & rhs,
            Binary::BitOr => lhs | rhs,
            Binary::BitXor => lhs ^ rhs,
            _ => return None,
        })),
        _ => None,
    }
}

fn floor_divmod(lhs: i64, rhs: i64) -> Option<(i64, i64)> {
    let (quotient, remainder) = (lhs.checked_div(rhs)?, lhs.checked_rem(rhs)?);
    let below = remainder != 0 && (remainder < 0) != (rhs < 0);
    Some(if below { (quotient - 1, remainder + rhs) } else { (quotient, remainder) })
}

#[expect(clippy::cast_precision_loss, reason = "operands are at most 2**53")]
fn binary_int(operator: Binary, lhs: i64, rhs: i64) -> Option<Const> {
    Some(Const::Int(match operator {
        Binary::Add => lhs.checked_add(rhs)?,
        Binary::Sub => lhs.checked_sub(rhs)?,
        Binary::Mul => lhs.checked_mul(rhs)?,
        Binary::TrueDiv => {
            let exact = -EXACT_INT_MAX..=EXACT_INT_MAX;
            if rhs == 0 || !exact.contains(&lhs) || !exact.contains(&rhs) {
                return None;
            }
            return Some(Const::Float(lhs as f64 / rhs as f64));
        }
        Binary::FloorDiv => floor_divmod(lhs, rhs)?.0,
        Binary::Mod if rhs == -1 => 0,
        Binary::Mod => floor_divmod(lhs, rhs)?.1,
        Binary::Pow => match lhs {
            _ if rhs < 0 => return None,
            0 => i64::from(rhs == 0),
            1 => 1,
            -1 => if rhs % 2 == 0 { 1 } else { -1 },
            _ => lhs.checked_pow(u32::try_from(rhs).ok()?)?,
        },
        Binary::Shl => {
            let shift = u32::try_from(rhs).ok()?;
            let shifted = lhs.checked_shl(shift)?;
            if shifted >> shift != lhs {
                return None;
            }
            shifted
        }
        Binary::Shr if rhs < 0 => return None,
        Binary::Shr => lhs >> rhs.min(63),
        Binary::BitAnd => lhs & rhs,
        Binary::BitOr => lhs | rhs,
        Binary::BitXor => lhs ^ rhs,
    }))
}

/// `float.__mod__` and `float.__floordiv__` of CPython (`float_divmod` in floatobject.c).
fn float_divmod(lhs: f64, rhs: f64) -> Option<(f64, f64)> {
    if rhs == 0.0 {
        return None;
    }
    let mut remainder = lhs % rhs;
    let mut quotient = (lhs - remainder) / rhs;
    if remainder == 0.0 {
        remainder = 0.0_f64.copysign(rhs);
    } else if (rhs < 0.0) != (remainder < 0.0) {
        remainder += rhs;
        quotient -= 1.0;
    }
    let floor = if quotient == 0.0 {
        0.0_f64.copysign(lhs / rhs)
    } else {
        let floor = quotient.floor();
        if quotient - floor > 0.5 { floor + 1.0 } else { floor }
    };
    Some((floor, remainder))
}

fn binary_float(operator: Binary, lhs: f64, rhs: f64) -> Option<Const> {
    Some(Const::Float(match operator {
        Binary::Add => lhs + rhs,
        Binary::Sub => lhs - rhs,
        Binary::Mul => lhs * rhs,
        Binary::TrueDiv if rhs == 0.0 => return None,
        Binary::TrueDiv => lhs / rhs,
        Binary::FloorDiv => float_divmod(lhs, rhs)?.0,
        Binary::Mod => float_divmod(lhs, rhs)?.1,
        Binary::Pow => {
            let complex = lhs < 0.0 && lhs.is_finite() && rhs.is_finite() && rhs.fract() != 0.0;
            if complex || (lhs == 0.0 && rhs < 0.0) {
                return None;
            }
            let power = lhs.powf(rhs);
            if power.is_infinite() && lhs.is_finite() && rhs.is_finite() {
                return None;
            }
            power
        }
        _ => return None,
    }))
}

fn order(lhs: Const, rhs: Const) -> Option<std::cmp::Ordering> {
    let int = |value: Const| match value {
        Const::Bool(value) => Some(i64::from(value)),
        Const::Int(value) => Some(value),
        Const::Float(_) => None,
    };
    let mixed = |lhs: i64, rhs: f64| -> Option<std::cmp::Ordering> {
        if rhs.is_nan() {
            return None;
        }
        match to_int(rhs.floor()) {
            None => 0.0.partial_cmp(&rhs),
            Some(floor) if lhs == floor && rhs.fract() != 0.0 => Some(std::cmp::Ordering::Less),
            Some(floor) => Some(lhs.cmp(&floor)),
        }
    };
    match (lhs, rhs, int(lhs), int(rhs)) {
        (_, _, Some(lhs), Some(rhs)) => Some(lhs.cmp(&rhs)),
        (Const::Float(lhs), Const::Float(rhs), ..) => lhs.partial_cmp(&rhs),
        (Const::Float(lhs), _, _, Some(rhs)) => mixed(rhs, lhs).map(std::cmp::Ordering::reverse),
        (_, Const::Float(rhs), Some(lhs), _) => mixed(lhs, rhs),
        _ => None,
    }
}

/// A comparison of two numbers, mixed types compared exactly.
#[must_use]
pub fn compare(operator: Comparison, lhs: Const, rhs: Const) -> bool {
    let order = order(lhs, rhs);
    match operator {
        Comparison::Eq => order.is_some_and(std::cmp::Ordering::is_eq),
        Comparison::Ne => !order.is_some_and(std::cmp::Ordering::is_eq),
        Comparison::Lt => order.is_some_and(std::cmp::Ordering::is_lt),
        Comparison::Le => order.is_some_and(std::cmp::Ordering::is_le),
        Comparison::Gt => order.is_some_and(std::cmp::Ordering::is_gt),
        Comparison::Ge => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

/// A builtin or `math` function of constants.
#[must_use]
pub fn intrinsic_value(intrinsic: Intrinsic, args: &[Const]) -> Option<Const> {
    use Intrinsic as I;
    match (intrinsic, args) {
        (I::Abs, [Const::Int(value)]) => Some(Const::Int(value.checked_abs()?)),
        (I::Abs | I::Fabs, [Const::Float(value)]) => Some(Const::Float(value.abs())),
        (I::Min | I::Max, [first, rest @ ..]) => {
            let better = if intrinsic == I::Min { Comparison::Lt } else { Comparison::Gt };
            let pick = |best, next: &Const| if compare(better, *next, best) { *next } else { best };
            Some(rest.iter().fold(*first, pick))
        }
        (I::Round, [Const::Float(value)]) => to_int(value.round_ties_even()).map(Const::Int),
        (I::Floor, [Const::Float(value)]) => to_int(value.floor()).map(Const::Int),
        (I::Ceil, [Const::Float(value)]) => to_int(value.ceil()).map(Const::Int),
        (I::Trunc, [Const::Float(value)]) => to_int(value.trunc()).map(Const::Int),
        (I::IsNan, [Const::Float(value)]) => Some(Const::Bool(value.is_nan())),
        (I::IsInf, [Const::Float(value)]) => Some(Const::Bool(value.is_infinite())),
        (I::IsFinite, [Const::Float(value)]) => Some(Const::Bool(value.is_finite())),
        (I::Degrees, [Const::Float(value)]) => {
            Some(Const::Float(value * (180.0 / std::f64::consts::PI)))
        }
        (I::Radians, [Const::Float(value)]) => {
            Some(Const::Float(value * (std::f64::consts::PI / 180.0)))
        }
        (I::Gcd, [Const::Int(lhs), Const::Int(rhs)]) => {
            let (mut a, mut b) = (lhs.unsigned_abs(), rhs.unsigned_abs());
            while b != 0 {
                (a, b) = (b, a % b);
            }
            Some(Const::Int(i64::try_from(a).ok()?))
        }
        (I::Isqrt, [Const::Int(value)]) => value.checked_isqrt().map(Const::Int),
        (_, [Const::Float(value)]) => math_one(intrinsic, *value).map(Const::Float),
        (_, [Const::Float(lhs), Const::Float(rhs)]) => {
            math_two(intrinsic, *lhs, *rhs).map(Const::Float)
        }
        _ => None,
    }
}

/// One-argument functions with the error rule of `math_1` in CPython's mathmodule.c.
fn math_one(intrinsic: Intrinsic, x: f64) -> Option<f64> {
    use Intrinsic as I;
    let y = match intrinsic {
        I::Sqrt => x.sqrt(),
        I::Exp => x.exp(),
        I::Exp2 => x.exp2(),
        I::Expm1 => x.exp_m1(),
        I::Log => x.ln(),
        I::Log2 => x.log2(),
        I::Log10 => x.log10(),
        I::Log1p => x.ln_1p(),
        I::Sin => x.sin(),
        I::Cos => x.cos(),
        I::Tan => x.tan(),
        I::Asin => x.asin(),
        I::Acos => x.acos(),
        I::Atan => x.atan(),
        I::Sinh => x.sinh(),
        I::Cosh => x.cosh(),
        I::Tanh => x.tanh(),
        I::Cbrt => x.cbrt(),
        _ => return None,
    };
    let is_error = (y.is_nan() && !x.is_nan()) || (y.is_infinite() && x.is_finite());
    (!is_error).then_some(y)
}

fn math_two(intrinsic: Intrinsic, x: f64, y: f64) -> Option<f64> {
    let value = match intrinsic {
        Intrinsic::Atan2 => return Some(x.atan2(y)),
        Intrinsic::Copysign => return Some(x.copysign(y)),
        Intrinsic::Fmod => x % y,
        Intrinsic::MathPow => x.powf(y),
        _ => return None,
    };
    let is_nan_input = x.is_nan() || y.is_nan();
    let is_finite_input = x.is_finite() && y.is_finite();
    let is_error = (value.is_nan() && !is_nan_input) || (value.is_infinite() && is_finite_input);
    (!is_error).then_some(value)
}
