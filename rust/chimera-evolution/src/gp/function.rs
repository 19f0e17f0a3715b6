//! The functions of expression trees and exactly what each computes.
//!
//! Every function is total on 32-bit floats and built from IEEE operations in a fixed order, without
//! contraction or reassociation: the vectorised machine and a scalar interpreter agree bit for bit.

use serde::{Deserialize, Serialize};

use super::math;

/// Divisors of smaller magnitude give 1, and smaller arguments of the logarithm count as this.
pub const TINY: f32 = 1e-6;
/// `exp` clamps its argument to plus and minus this.
pub const EXP_LIMIT: f32 = 80.0;

macro_rules! functions {
    ($($(#[$doc:meta])* $variant:ident($name:literal, $arity:literal),)*) => {
        /// A function of an expression tree.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u8)]
        pub enum Function {
            $($(#[$doc])* $variant,)*
        }

        impl Function {
            /// All of them, in the order of their codes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in settings and printed expressions.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Number of arguments.
            pub const fn arity(self) -> usize {
                match self { $(Self::$variant => $arity,)* }
            }
        }
    };
}

functions! {
    /// `x + y`.
    Add("add", 2),
    /// `x - y`.
    Sub("sub", 2),
    /// `x * y`.
    Mul("mul", 2),
    /// Protected division: 1 when `|y| < 1e-6`, else `x / y`.
    Div("div", 2),
    /// The smaller; NaN when either is NaN.
    Min("min", 2),
    /// The larger; NaN when either is NaN.
    Max("max", 2),
    /// `-x`.
    Neg("neg", 1),
    /// `|x|`.
    Abs("abs", 1),
    /// `sqrt(|x|)`.
    Sqrt("sqrt", 1),
    /// `ln(|x|)`, with `|x|` at least 1e-6.
    Log("log", 1),
    /// `e^x`, with `x` clamped to [-80, 80].
    Exp("exp", 1),
    /// Sine.
    Sin("sin", 1),
    /// Cosine.
    Cos("cos", 1),
    /// Hyperbolic tangent.
    Tanh("tanh", 1),
    /// `x * x`.
    Square("square", 1),
    /// `x` when `a > b`, else `y`; the arguments in the order `a, b, x, y`.
    IfGreater("if_greater", 4),
}

impl Function {
    /// The function of a code; none for other codes.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The function of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|function| function.name() == name)
    }

    /// Its value for one row; arguments beyond its arity are ignored. This is the scalar
    /// interpreter that the machine must equal.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "also called from dispatched loops")]
    pub fn apply(self, a: f32, b: f32, x: f32, y: f32) -> f32 {
        match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => div(a, b),
            Self::Min => min(a, b),
            Self::Max => max(a, b),
            Self::Neg => -a,
            Self::Abs => a.abs(),
            Self::Sqrt => a.abs().sqrt(),
            Self::Log => log(a),
            Self::Exp => exp(a),
            Self::Sin => math::sin(a),
            Self::Cos => math::cos(a),
            Self::Tanh => math::tanh(a),
            Self::Square => a * a,
            Self::IfGreater => {
                if a > b {
                    x
                } else {
                    y
                }
            }
        }
    }
}

/// Protected division.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub(super) fn div(x: f32, y: f32) -> f32 {
    let quotient = x / y;
    if y.abs() < TINY { 1.0 } else { quotient }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub(super) fn min(x: f32, y: f32) -> f32 {
    if x < y || x.is_nan() { x } else { y }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub(super) fn max(x: f32, y: f32) -> f32 {
    if x > y || x.is_nan() { x } else { y }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub(super) fn log(x: f32) -> f32 {
    let magnitude = x.abs();
    math::ln(if magnitude < TINY { TINY } else { magnitude })
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub(super) fn exp(x: f32) -> f32 {
    let x = if x > EXP_LIMIT { EXP_LIMIT } else { x };
    math::exp(if x < -EXP_LIMIT { -EXP_LIMIT } else { x })
}
