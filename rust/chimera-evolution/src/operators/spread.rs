//! How far the children of simulated binary crossover lie from their parents: the laws of one gene.
//!
//! Deb & Agrawal (1995) draw a spread: the children's distance in units of the parents'. It is below
//! 1 half of the time, and its density falls with the power `eta` on one side and `eta + 2` on the
//! other. Where a child would leave its bound, Deb & Goyal (1996) cut the law off there and scale up
//! what is left, for each child by the bound on its side (`alpha` in the authors' NSGA-II code). Both
//! children take the same random number.
//!
//! The law is evaluated in 32 bits whatever the genes, which halves the time: a spread has 24 random
//! bits and a relative error below 1e-6. Children are computed from it in the genes' own precision.

#![expect(clippy::inline_always, reason = "compiled along with the dispatched loop around it")]

use crate::numeric::{self, Real};

/// The law of one gene.
pub(super) trait Law: Copy {
    /// Whether it looks at the ratios.
    const IS_BOUNDED: bool;

    /// Spreads of the child on the lower and of the one on the upper side. `unit` is uniform in [0, 1)
    /// and `rest` is `1 - unit`; `ratios` are the inverses of the spreads at which the children meet
    /// their bounds.
    fn spreads(self, unit: f32, rest: f32, ratios: (f32, f32)) -> (f32, f32);
}

/// The inverse of the spread at which a child meets its bound, for parents `distance` apart of which
/// the nearer is `room` away from it; 0 without a bound.
#[inline(always)]
pub(super) fn ratio<T: Real>(distance: T, room: T) -> f32 {
    // Equal parents on their bound would divide 0 by 0.
    narrow(distance / (distance + T::TWO * room).at_least(T::TINY))
}

#[inline(always)]
pub(super) fn narrow<T: Real>(value: T) -> f32 {
    f32::from_f64(value.to_f64())
}

/// The law of 1995; children may leave the bounds.
#[derive(Clone, Copy)]
pub(super) struct Unbounded {
    /// `1 / (eta + 1)`.
    pub power: f32,
}

/// The law cut off at the bounds.
#[derive(Clone, Copy)]
pub(super) struct Bounded<E> {
    /// `1 / (eta + 1)`.
    power: f32,
    exponent: E,
    /// Smaller ratios count as this one: their powers would be subnormal, which is as good as nothing.
    least: f32,
}

impl<E: Exponent> Bounded<E> {
    pub fn new(exponent: E) -> Self {
        let power = 1.0 / exponent.value();
        let least = numeric::f32::pow_normal(4.0 * f32::TINY, power);
        Self { power, exponent, least }
    }
}

/// What raises a number in [0, 1] to the power `eta + 1`.
pub(super) trait Exponent: Copy {
    /// `eta + 1`.
    fn value(self) -> f32;

    /// The power of `base`.
    fn raise(self, base: f32) -> f32;
}

impl Exponent for f32 {
    fn value(self) -> f32 {
        self
    }

    #[inline(always)]
    fn raise(self, base: f32) -> f32 {
        numeric::f32::pow_normal(base, self)
    }
}

/// The whole exponent `N`, without a logarithm.
#[derive(Clone, Copy)]
pub(super) struct Whole<const N: u32>;

impl<const N: u32> Exponent for Whole<N> {
    fn value(self) -> f32 {
        f32::from_f64(f64::from(N))
    }

    #[inline(always)]
    fn raise(self, base: f32) -> f32 {
        let mut power = 1.0;
        for bit in (0..u32::BITS - N.leading_zeros()).rev() {
            power *= power;
            if N >> bit & 1 == 1 {
                power *= base;
            }
        }
        power
    }
}

impl Law for Unbounded {
    const IS_BOUNDED: bool = false;

    #[inline(always)]
    fn spreads(self, unit: f32, rest: f32, _ratios: (f32, f32)) -> (f32, f32) {
        let spread = spread(unit, rest, 0.0, self.power);
        (spread, spread)
    }
}

impl<E: Exponent> Law for Bounded<E> {
    const IS_BOUNDED: bool = true;

    #[inline(always)]
    fn spreads(self, unit: f32, rest: f32, (below, above): (f32, f32)) -> (f32, f32) {
        // No closure: it might not be compiled along.
        let below = self.exponent.raise(below.at_least(self.least));
        let above = self.exponent.raise(above.at_least(self.least));
        (spread(unit, rest, below, self.power), spread(unit, rest, above, self.power))
    }
}

/// The spread that a share `unit` of the law does not exceed; `rest` is `1 - unit`, and `lost` is twice
/// the share of the law that lies beyond the bound.
#[inline(always)]
fn spread(unit: f32, rest: f32, lost: f32, power: f32) -> f32 {
    let alpha = 2.0 - lost;
    let share = unit * alpha;
    let is_near = share < 1.0;
    // 2 - share, without the loss of digits where it is small.
    let beyond = lost + rest * alpha;
    let base = if is_near { share } else { beyond };
    // 0, and what is not crossed, has no power.
    let base = base.at_least(f32::TINY);
    numeric::f32::pow_normal(base, if is_near { power } else { -power })
}
