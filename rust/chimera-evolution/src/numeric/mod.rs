//! Elementary functions and random samples that compute the same bits on every processor.
//!
//! The functions of 64 bits are those of [`chimera_rng::math`], those of 32 bits are made in the same
//! way. Everything is `#[inline(always)]`: call it inside [`crate::simd::dispatch`].

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

mod normal;
mod real;
mod single;
#[cfg(test)]
mod tests;

pub use normal::{fill_normal_f32, fill_normal_f64};
pub use real::Real;

/// Functions of 64-bit floats.
pub mod f64 {
    pub use chimera_rng::math::{exp, ln, pow, sin_cos_turns};
}

/// Functions of 32-bit floats.
pub mod f32 {
    pub use super::single::{exp, ln, pow, pow_normal, sin_cos_turns};
}
