//! Elementary functions and random samples that compute the same bits on every processor.
//!
//! Branch-free polynomials after range reduction (Cody & Waite, 1980; the logarithm's form is that
//! of fdlibm, Sun 1993; coefficients by a Remez exchange in 50 digits). No call into the platform's
//! libm, no fused multiply-add, no table: so LLVM turns a loop over them into vector code, and the
//! width of the vectors does not show in the result. Everything is `#[inline(always)]`: call it
//! inside [`crate::simd::dispatch`]. Errors against the exact value are a few units in the last
//! place and are tested.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

mod double;
mod normal;
mod real;
mod single;
#[cfg(test)]
mod tests;

pub use normal::{fill_normal_f32, fill_normal_f64};
pub use real::Real;

/// Functions of 64-bit floats.
pub mod f64 {
    pub use super::double::{exp, ln, pow, sin_cos_turns};
}

/// Functions of 32-bit floats.
pub mod f32 {
    pub use super::single::{exp, ln, pow, pow_normal, sin_cos_turns};
}

/// Horner's rule, lowest coefficient first.
macro_rules! polynomial {
    ($x:expr, $last:expr $(,)?) => { $last };
    ($x:expr, $first:expr, $($rest:expr),+ $(,)?) => {
        $first + $x * crate::numeric::polynomial!($x, $($rest),+)
    };
}
pub(crate) use polynomial;
