//! The two float types that archives hold.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A 32- or 64-bit float.
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + PartialEq
    + Send
    + Sync
    + Serialize
    + DeserializeOwned
    + std::fmt::Debug
{
    /// The same number as a 64-bit float.
    fn wide(self) -> f64;

    /// The nearest number of this type.
    fn nearest(value: f64) -> Self;

    /// The difference, rounded once to this type.
    #[must_use]
    fn minus(self, other: Self) -> Self;

    /// The sum, rounded once to this type.
    #[must_use]
    fn plus(self, other: Self) -> Self;

    /// Neither infinite nor NaN.
    fn is_finite_number(self) -> bool;
}

impl Real for f64 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn nearest(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    fn is_finite_number(self) -> bool {
        self.is_finite()
    }
}

impl Real for f32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
    fn nearest(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    fn is_finite_number(self) -> bool {
        self.is_finite()
    }
}
