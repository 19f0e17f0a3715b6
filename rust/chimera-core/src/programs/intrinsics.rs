//! Names and signatures of the builtin and `math` functions that programs may call.
//!
//! Functions marked *libm* are computed by the platform's own C library through a host import,
//! because CPython calls the same library: a bundled copy would differ in the last bit.

use super::ir::Intrinsic;
use super::types::Scalar;

/// What arguments an intrinsic takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// Exactly this many floats; ints given in Python are promoted.
    Floats(usize),
    /// Exactly this many ints.
    Ints(usize),
    /// This many or more values, all int or all float.
    Numbers(usize, Option<usize>),
}

impl Intrinsic {
    /// Every intrinsic.
    pub const ALL: [Self; 42] = {
        use Intrinsic as I;
        [
            I::Abs,
            I::Min,
            I::Max,
            I::Round,
            I::Floor,
            I::Ceil,
            I::Trunc,
            I::Sqrt,
            I::Fabs,
            I::Exp,
            I::Exp2,
            I::Expm1,
            I::Log,
            I::Log2,
            I::Log10,
            I::Log1p,
            I::Sin,
            I::Cos,
            I::Tan,
            I::Asin,
            I::Acos,
            I::Atan,
            I::Sinh,
            I::Cosh,
            I::Tanh,
            I::Asinh,
            I::Acosh,
            I::Atanh,
            I::Erf,
            I::Erfc,
            I::Cbrt,
            I::Degrees,
            I::Radians,
            I::Atan2,
            I::Fmod,
            I::Copysign,
            I::MathPow,
            I::IsNan,
            I::IsInf,
            I::IsFinite,
            I::Gcd,
            I::Isqrt,
        ]
    };

    /// The Python spelling, `math.` included where it belongs.
    #[must_use]
    pub const fn python_name(self) -> &'static str {
        match self {
            Self::Abs => "abs",
            Self::Min => "min",
            Self::Max => "max",
            Self::Round => "round",
            Self::Floor => "math.floor",
            Self::Ceil => "math.ceil",
            Self::Trunc => "math.trunc",
            Self::Sqrt => "math.sqrt",
            Self::Fabs => "math.fabs",
            Self::Exp => "math.exp",
            Self::Exp2 => "math.exp2",
            Self::Expm1 => "math.expm1",
            Self::Log => "math.log",
            Self::Log2 => "math.log2",
            Self::Log10 => "math.log10",
            Self::Log1p => "math.log1p",
            Self::Sin => "math.sin",
            Self::Cos => "math.cos",
            Self::Tan => "math.tan",
            Self::Asin => "math.asin",
            Self::Acos => "math.acos",
            Self::Atan => "math.atan",
            Self::Sinh => "math.sinh",
            Self::Cosh => "math.cosh",
            Self::Tanh => "math.tanh",
            Self::Asinh => "math.asinh",
            Self::Acosh => "math.acosh",
            Self::Atanh => "math.atanh",
            Self::Erf => "math.erf",
            Self::Erfc => "math.erfc",
            Self::Cbrt => "math.cbrt",
            Self::Degrees => "math.degrees",
            Self::Radians => "math.radians",
            Self::Atan2 => "math.atan2",
            Self::Fmod => "math.fmod",
            Self::Copysign => "math.copysign",
            Self::MathPow => "math.pow",
            Self::IsNan => "math.isnan",
            Self::IsInf => "math.isinf",
            Self::IsFinite => "math.isfinite",
            Self::Gcd => "math.gcd",
            Self::Isqrt => "math.isqrt",
        }
    }

    /// The intrinsic behind a Python spelling such as `abs` or `math.sqrt`.
    #[must_use]
    pub fn from_python_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|intrinsic| intrinsic.python_name() == name)
    }

    /// What it takes.
    #[must_use]
    pub const fn arguments(self) -> Arguments {
        match self {
            Self::Abs => Arguments::Numbers(1, Some(1)),
            Self::Min | Self::Max => Arguments::Numbers(2, None),
            Self::Atan2 | Self::Fmod | Self::Copysign | Self::MathPow => Arguments::Floats(2),
            Self::Gcd => Arguments::Ints(2),
            Self::Isqrt => Arguments::Ints(1),
            _ => Arguments::Floats(1),
        }
    }

    /// The result type, given the type of the first argument.
    #[must_use]
    pub const fn result(self, first: Scalar) -> Scalar {
        match self {
            Self::Abs | Self::Min | Self::Max => first,
            Self::Round | Self::Floor | Self::Ceil | Self::Trunc | Self::Gcd | Self::Isqrt => {
                Scalar::Int
            }
            Self::IsNan | Self::IsInf | Self::IsFinite => Scalar::Bool,
            _ => Scalar::Float,
        }
    }
}
