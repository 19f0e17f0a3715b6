//! Why compiled code trapped, and where: the site table that a module's `trap_site` indexes.

use std::borrow::Cow;

/// A place where compiled code may trap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The Python name of the function that holds the place.
    pub function: String,
    /// 1-based source line; 0 when the statement was made by variation.
    pub line: u32,
    /// What went wrong there.
    pub reason: Reason,
}

/// Why compiled code trapped.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// `/`, `//`, `%` or `divmod` by zero, or zero to a negative power.
    ZeroDivision,
    /// An int result that does not fit 64 bits.
    IntOverflow,
    /// `int / int` with an operand beyond 2**53, which float arithmetic would round twice.
    InexactDivision,
    /// A float operation overflowed (`**`, `math.exp`, ...).
    FloatOverflow,
    /// The integer part of an infinity or of a float beyond 64 bits.
    FloatToIntOverflow,
    /// The integer part of a NaN.
    NanToInt,
    /// A list or table index out of range.
    Index,
    /// `pop()` from an empty list.
    PopEmpty,
    /// A negative shift count.
    NegativeShift,
    /// `int ** negative int`, which is a float in Python.
    NegativeExponent,
    /// A negative float to a fractional power, which is complex in Python.
    ComplexPower,
    /// A `math` function outside its domain.
    Domain,
    /// `math.copysign` with a NaN sign operand.
    NanSign,
    /// `range()` with a step of zero.
    ZeroStep,
    /// `min()` or `max()` of nothing.
    EmptySequence,
    /// `sum()` of an empty float list, which is the int 0 in Python.
    EmptySum,
    /// A failed `assert`.
    Assertion,
    /// `raise Name(...)`.
    Raised(String),
    /// Calls nested deeper than the limit.
    Recursion,
    /// Memory beyond the limit.
    Memory,
    /// The end of a function that must return a value; checked programs never get there.
    MissingReturn,
}

impl Reason {
    /// The exception `CPython` raises there, or the nearest one where only compiled code stops.
    #[must_use]
    pub fn python_exception(&self) -> &str {
        match self {
            Self::ZeroDivision => "ZeroDivisionError",
            Self::IntOverflow
            | Self::InexactDivision
            | Self::FloatOverflow
            | Self::FloatToIntOverflow => "OverflowError",
            Self::Index | Self::PopEmpty => "IndexError",
            Self::NanToInt
            | Self::NegativeShift
            | Self::NegativeExponent
            | Self::ComplexPower
            | Self::Domain
            | Self::NanSign
            | Self::ZeroStep
            | Self::EmptySequence => "ValueError",
            Self::EmptySum | Self::MissingReturn => "TypeError",
            Self::Assertion => "AssertionError",
            Self::Raised(name) => name,
            Self::Recursion => "RecursionError",
            Self::Memory => "MemoryError",
        }
    }

    /// Whether `CPython` stops here too; otherwise it gives an answer outside the typed subset.
    #[must_use]
    pub const fn is_python_error(&self) -> bool {
        !matches!(
            self,
            Self::IntOverflow
                | Self::InexactDivision
                | Self::NegativeExponent
                | Self::ComplexPower
                | Self::NanSign
                | Self::EmptySum
                | Self::Recursion
                | Self::Memory
                | Self::MissingReturn
        )
    }

    /// What happened, and where it helps, what to write instead.
    #[must_use]
    pub fn message(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::ZeroDivision => "division by zero",
            Self::IntOverflow => "integer beyond 64 bits",
            Self::InexactDivision => "int / int beyond 2**53; write float(x) / float(y)",
            Self::FloatOverflow => "float result too large",
            Self::FloatToIntOverflow => "float too large to convert to a 64-bit int",
            Self::NanToInt => "cannot convert float NaN to int",
            Self::Index => "index out of range",
            Self::PopEmpty => "pop from an empty list",
            Self::NegativeShift => "negative shift count",
            Self::NegativeExponent => "int ** negative int is a float; write float(x) ** y",
            Self::ComplexPower => "negative float ** fraction is complex",
            Self::Domain => "math domain error",
            Self::NanSign => "the sign of a NaN is not observable",
            Self::ZeroStep => "range() step must not be zero",
            Self::EmptySequence => "min() or max() of an empty sequence",
            Self::EmptySum => "sum() of an empty float list is an int; write sum(xs, 0.0)",
            Self::Assertion => "assertion failed",
            Self::Raised(name) => return Cow::Owned(format!("{name} raised")),
            Self::Recursion => "calls nested too deeply",
            Self::Memory => "memory limit reached",
            Self::MissingReturn => "the function ended without returning a value",
        })
    }
}
