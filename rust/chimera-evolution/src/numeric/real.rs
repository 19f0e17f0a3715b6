//! One name for both widths of floats, so that a kernel is written once.

use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

use chimera_rng::{Lanes, math, unit_f32, unit_f64};

use super::single;

/// A 32- or 64-bit float with the functions of [`crate::numeric`].
pub trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// One half.
    const HALF: Self;
    /// 2.
    const TWO: Self;
    /// The least normal positive value.
    const TINY: Self;

    /// The nearest value of this width.
    fn from_f64(value: f64) -> Self;
    /// The value, exactly.
    fn to_f64(self) -> f64;
    /// As many random bits as the float is wide.
    type Bits: Copy + Default + Send + Sync;

    /// Uniform in [0, 1) from the high bits; the low 9 or 12 are not used.
    fn unit(bits: Self::Bits) -> Self;
    /// A fair coin that is independent of [`Real::unit`].
    fn coin(bits: Self::Bits) -> bool;
    /// Fill with random bits.
    fn fill_bits(rng: &mut Lanes, out: &mut [Self::Bits]);
    /// The nearest value of this width that is not below.
    fn not_below(bound: f64) -> Self;
    /// The nearest value of this width that is not above.
    fn not_above(bound: f64) -> Self;
    /// e to its power.
    #[must_use]
    fn exp(self) -> Self;
    /// The natural logarithm.
    #[must_use]
    fn ln(self) -> Self;
    /// Its power `y`; it must be positive.
    #[must_use]
    fn pow(self, y: Self) -> Self;
    /// Sine and cosine of that many turns.
    fn sin_cos_turns(self) -> (Self, Self);
    /// The square root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// The absolute value.
    #[must_use]
    fn abs(self) -> Self;
    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Fill with numbers uniform in [0, 1).
    fn fill_uniform(rng: &mut Lanes, out: &mut [Self]);
    /// Fill with standard normals.
    fn fill_normal(rng: &mut Lanes, out: &mut [Self]);
    /// The smaller; the bound when it is NaN.
    #[must_use]
    #[inline(always)]
    fn at_most(self, bound: Self) -> Self {
        if self < bound { self } else { bound }
    }

    /// The larger; the bound when it is NaN.
    #[must_use]
    #[inline(always)]
    fn at_least(self, bound: Self) -> Self {
        if self > bound { self } else { bound }
    }
}

macro_rules! real {
    (
        $type:ident, $bits:ident, $functions:ident, $unit:ident, $fill:ident, $uniform:ident,
        $normal:ident
    ) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const HALF: Self = 0.5;
            const TWO: Self = 2.0;
            const TINY: Self = $type::MIN_POSITIVE;

            #[allow(clippy::cast_possible_truncation, reason = "one of the widths is narrower")]
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            type Bits = $bits;

            #[inline(always)]
            fn unit(bits: $bits) -> Self {
                $unit(bits)
            }
            #[inline(always)]
            fn coin(bits: $bits) -> bool {
                bits & 1 != 0
            }
            #[inline(always)]
            fn fill_bits(rng: &mut Lanes, out: &mut [$bits]) {
                rng.$fill(out);
            }
            #[inline(always)]
            fn not_below(bound: f64) -> Self {
                let value = Self::from_f64(bound);
                if value.to_f64() < bound { value.next_up() } else { value }
            }
            #[inline(always)]
            fn not_above(bound: f64) -> Self {
                let value = Self::from_f64(bound);
                if value.to_f64() > bound { value.next_down() } else { value }
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $functions::exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $functions::ln(self)
            }
            #[inline(always)]
            fn pow(self, y: Self) -> Self {
                $functions::pow(self, y)
            }
            #[inline(always)]
            fn sin_cos_turns(self) -> (Self, Self) {
                $functions::sin_cos_turns(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $type::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $type::abs(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $type::is_finite(self)
            }
            #[inline(always)]
            fn fill_uniform(rng: &mut Lanes, out: &mut [Self]) {
                rng.$uniform(out);
            }
            #[inline(always)]
            fn fill_normal(rng: &mut Lanes, out: &mut [Self]) {
                super::$normal(rng, out);
            }
        }
    };
}

real!(f64, u64, math, unit_f64, fill_bits, fill_uniform_f64, fill_normal_f64);
real!(f32, u32, single, unit_f32, fill_half_bits, fill_uniform_f32, fill_normal_f32);
