//! An exact interpreter of pure scalar expressions, for constant folding and tabulation.
//!
//! It gives the value that `CPython` gives, or `None` where the compiled program would trap, where
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
            if truth(eval(test)?) {
                eval(then)
            } else {
                eval(otherwise)
            }
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
            -1 => {
                if rhs % 2 == 0 {
                    1
                } else {
                    -1
                }
            }
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

/// `float.__mod__` and `float.__floordiv__` of `CPython` (`float_divmod` in floatobject.c).
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
            if complex || (lhs == 0.0 && rhs < 0.0 && rhs.is_finite()) {
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

/// One-argument functions with the error rule of `math_1` in `CPython`'s mathmodule.c.
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

#[cfg(test)]
#[expect(clippy::unreadable_literal, reason = "numbers as CPython prints them")]
mod tests {
    use super::*;
    use crate::programs::ir::Binary as B;

    fn equal(got: Option<Const>, want: Option<f64>) -> bool {
        match (got, want) {
            (Some(Const::Float(got)), Some(want)) if got.is_nan() => want.is_nan(),
            (got, want) => got == want.map(Const::Float),
        }
    }

    // The values were printed by CPython 3.11; None is an exception or a complex result.
    const FLOATS: &[(B, f64, f64, Option<f64>)] = &[
        (B::FloorDiv, 7.25, -0.34, Some(-22.0)),
        (B::FloorDiv, -1e-310, -1.0, Some(0.0)),
        (B::FloorDiv, 0.0, 10.52, Some(0.0)),
        (B::FloorDiv, 1e+308, 9.77, Some(1.0235414534288639e+307)),
        (B::FloorDiv, 0.13, -0.0, None),
        (B::FloorDiv, 2.01, f64::INFINITY, Some(0.0)),
        (B::FloorDiv, f64::INFINITY, 0.39, Some(f64::NAN)),
        (B::FloorDiv, 7.25, f64::NEG_INFINITY, Some(-1.0)),
        (B::FloorDiv, -2.5, -1.0, Some(2.0)),
        (B::FloorDiv, 19.65, f64::NAN, Some(f64::NAN)),
        (B::FloorDiv, -6.08, -1e-310, Some(f64::INFINITY)),
        (B::FloorDiv, 2.91, 3.0, Some(0.0)),
        (B::Mod, -3.52, f64::INFINITY, Some(f64::INFINITY)),
        (B::Mod, -1e-310, 0.5, Some(0.5)),
        (B::Mod, f64::NEG_INFINITY, -12.0, Some(f64::NAN)),
        (B::Mod, -1.0, -0.4, Some(-0.19999999999999996)),
        (B::Mod, -1e-310, f64::NAN, Some(f64::NAN)),
        (B::Mod, 2.38, -1e-310, Some(-5.115561738896e-311)),
        (B::Mod, 7.25, f64::INFINITY, Some(7.25)),
        (B::Mod, 3.0, 0.0, None),
        (B::Mod, 1e+308, f64::INFINITY, Some(1e+308)),
        (B::Mod, 1.0, 0.0, None),
        (B::Mod, -14.54, f64::NAN, Some(f64::NAN)),
        (B::Mod, f64::NAN, 1e+308, Some(f64::NAN)),
        (B::Pow, 0.5, 1e+308, Some(0.0)),
        (B::Pow, 15.74, 0.56, Some(4.680827619526156)),
        (B::Pow, -0.98, f64::NAN, Some(f64::NAN)),
        (B::Pow, 0.0, -2.5, None),
        (B::Pow, -1.0, -16.35, None),
        (B::Pow, -2.5, 0.0, Some(1.0)),
        (B::Pow, 1e+308, -5.94, Some(0.0)),
        (B::Pow, 10.63, f64::NAN, Some(f64::NAN)),
        (B::Pow, -0.0, 4.83, Some(0.0)),
        (B::Pow, -1e-310, 0.0, Some(1.0)),
        (B::Pow, 7.25, -15.85, Some(2.3101628511480328e-14)),
        (B::Pow, -0.0, 2.98, Some(0.0)),
        (B::TrueDiv, 0.5, 1.0, Some(0.5)),
        (B::TrueDiv, -1e-310, 6.83, Some(-1.4641288433383e-311)),
        (B::TrueDiv, -2.5, -0.0, None),
        (B::TrueDiv, f64::INFINITY, 7.25, Some(f64::INFINITY)),
        (B::TrueDiv, -0.0, 3.0, Some(-0.0)),
        (B::TrueDiv, -1.0, -22.29, Some(0.04486316733961418)),
        (B::TrueDiv, f64::INFINITY, 3.0, Some(f64::INFINITY)),
        (B::TrueDiv, 10.21, f64::NAN, Some(f64::NAN)),
        (B::TrueDiv, f64::NAN, 12.57, Some(f64::NAN)),
        (B::TrueDiv, f64::NEG_INFINITY, -1e-310, Some(f64::INFINITY)),
        (B::TrueDiv, -1e-310, -2.5, Some(4e-311)),
        (B::TrueDiv, f64::INFINITY, 0.5, Some(f64::INFINITY)),
    ];

    const INTS: &[(B, i64, i64, Option<i64>)] = &[
        (B::FloorDiv, 0, 3, Some(0)),
        (B::FloorDiv, -7, 0, None),
        (B::FloorDiv, 7, 70, Some(0)),
        (B::FloorDiv, 7, 0, None),
        (B::FloorDiv, -1, 2, Some(-1)),
        (B::Mod, 0, 1, Some(0)),
        (B::Mod, -1, 3, Some(2)),
        (B::Mod, -7, -1, Some(0)),
        (B::Mod, -7, -1, Some(0)),
        (B::Mod, 1, -1, Some(0)),
        (B::Pow, 13, 3, Some(2197)),
        (B::Pow, -7, 1, Some(-7)),
        (B::Pow, 1, 0, Some(1)),
        (B::Pow, 7, 3, Some(343)),
        (B::Pow, i64::MIN, -1, None),
        (B::Shl, 1, 1, Some(2)),
        (B::Shl, 7, 2, Some(28)),
        (B::Shl, i64::MIN, 0, Some(i64::MIN)),
        (B::Shl, 13, -3, None),
        (B::Shl, 4611686018427387904, -1, None),
        (B::Shr, i64::MIN, 0, Some(i64::MIN)),
        (B::Shr, -7, 3, Some(-1)),
        (B::Shr, 1, 70, Some(0)),
        (B::Shr, 4611686018427387904, 70, Some(0)),
        (B::Shr, 0, 0, Some(0)),
        (B::BitXor, i64::MIN, 3, Some(-9223372036854775805)),
        (B::BitXor, -1, 2, Some(-3)),
        (B::BitXor, 7, 70, Some(65)),
        (B::BitXor, i64::MIN, -1, Some(9223372036854775807)),
        (B::BitXor, 4611686018427387904, 70, Some(4611686018427387974)),
    ];

    const MIXED: &[(i64, f64, bool, bool)] = &[
        (9007199254740993, 9007199254740992.0, false, false),
        (9007199254740992, 9007199254740992.0, false, true),
        (-1, -0.5, true, false),
        (0, -0.0, false, true),
        (9223372036854775807, 9.223372036854776e+18, true, false),
        (i64::MIN, -9.223372036854776e+18, false, true),
        (3, f64::NAN, false, false),
        (3, f64::INFINITY, true, false),
        (3, f64::NEG_INFINITY, false, false),
        (3, 2.5, false, false),
    ];

    const ROUNDED: &[(f64, i64)] = &[
        (0.5, 0),
        (1.5, 2),
        (2.5, 2),
        (-0.5, 0),
        (-1.5, -2),
        (2.4999, 2),
        (1000000000000000.5, 1000000000000000),
    ];

    #[test]
    fn floats_agree_with_cpython() {
        for (operator, lhs, rhs, want) in FLOATS {
            let got = binary(*operator, Const::Float(*lhs), Const::Float(*rhs));
            assert!(equal(got, *want), "{operator:?} {lhs} {rhs}: {got:?}, not {want:?}");
        }
    }

    #[test]
    fn ints_agree_with_cpython_or_trap() {
        for (operator, lhs, rhs, want) in INTS {
            let got = binary(*operator, Const::Int(*lhs), Const::Int(*rhs));
            assert_eq!(got, want.map(Const::Int), "{operator:?} {lhs} {rhs}");
        }
    }

    #[test]
    fn ints_and_floats_compare_exactly() {
        for (lhs, rhs, less, same) in MIXED {
            let (lhs, rhs) = (Const::Int(*lhs), Const::Float(*rhs));
            assert_eq!(compare(Comparison::Lt, lhs, rhs), *less, "{lhs:?} < {rhs:?}");
            assert_eq!(compare(Comparison::Eq, lhs, rhs), *same, "{lhs:?} == {rhs:?}");
            assert_eq!(compare(Comparison::Gt, rhs, lhs), *less);
        }
    }

    #[test]
    fn round_goes_to_even() {
        for (value, want) in ROUNDED {
            let got = intrinsic_value(Intrinsic::Round, &[Const::Float(*value)]);
            assert_eq!(got, Some(Const::Int(*want)));
        }
    }

    #[test]
    fn minimum_of_floats_keeps_the_first_of_equals() {
        let pair = [Const::Float(0.0), Const::Float(-0.0)];
        assert_eq!(intrinsic_value(Intrinsic::Min, &pair), Some(Const::Float(0.0)));
        let pair = [Const::Float(f64::NAN), Const::Float(1.0)];
        assert_eq!(intrinsic_value(Intrinsic::Max, &pair), Some(Const::Float(f64::NAN)));
    }
}
