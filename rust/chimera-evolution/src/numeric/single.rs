//! The functions in 32 bits.

use chimera_rng::polynomial;

const ONE: u32 = 0x3F80_0000;
/// Adding it rounds a float below 2^22 to an integer and leaves that integer in the low bits.
const ROUNDER: f32 = 12_582_912.0; // 1.5 * 2^23
/// ln 2, with so few bits that small multiples of it are exact, and the rest.
const LN_2_HIGH: f32 = 0.693_145_75;
const LN_2_LOW: f32 = 1.428_606_8e-6;

/// 2 to the integer that [`ROUNDER`] left in the low bits of `shifted`.
#[inline(always)]
const fn power_of_two(shifted: f32) -> f32 {
    f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// e to the power `x`, within 1.5 units in the last place; 0 and infinity outside the range, NaN of
/// NaN.
#[must_use]
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -105.0 { -105.0 } else { x };
    let (value, n) = exp_parts(x);
    // Two factors: 2^n alone would overflow where the value does not.
    let half = n * 0.5 + ROUNDER;
    let rest = (n - (half - ROUNDER)) + ROUNDER;
    value * power_of_two(half) * power_of_two(rest)
}

/// Near 1 and whole: e to the power `x` is the first times 2 to the power of the second.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, f32) {
    let n = (x * std::f32::consts::LOG2_E + ROUNDER) - ROUNDER;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let tail = polynomial!(r, 0.5, 0.166_665_77, 0.041_666_374, 0.008_363_235, 0.001_394_121_8,);
    (1.0 + (r + r * r * tail), n)
}

/// The natural logarithm, within 1 unit in the last place; minus infinity of 0, NaN below.
#[must_use]
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let is_subnormal = x < f32::MIN_POSITIVE;
    let scaled = if is_subnormal { x * 33_554_432.0 } else { x }; // 2^25
    let shift = if is_subnormal { 25.0 } else { 0.0 };
    let value = ln_normal(scaled, shift);
    let value = if x < f32::INFINITY { value } else { x };
    let value = if x > 0.0 { value } else { f32::NAN };
    if x == 0.0 { f32::NEG_INFINITY } else { value }
}

/// The logarithm of a normal positive `scaled`, less `shift` times that of 2.
#[inline(always)]
fn ln_normal(scaled: f32, shift: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3F35_04F3;
    let bits = scaled.to_bits().wrapping_add(ONE - SQRT_HALF);
    let exponent = f32::from_bits((bits >> 23) | 0x4B00_0000); // 2^23 + biased exponent
    let n = exponent - (8_388_608.0 + 127.0) - shift;
    let f = f32::from_bits((bits & 0x007F_FFFF).wrapping_add(SQRT_HALF)) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let series = z * polynomial!(z, 0.666_667_64, 0.399_785_58, 0.298_491_77);
    let half_square = 0.5 * f * f;
    n * LN_2_HIGH - ((half_square - (s * (half_square + series) + n * LN_2_LOW)) - f)
}

/// `x` to the power `y` for positive `x`: relative error within (1 + 1.5 |y ln x|) epsilons.
#[must_use]
#[inline(always)]
pub fn pow(x: f32, y: f32) -> f32 {
    exp(y * ln(x))
}

/// As [`pow`] and with the same error, in fewer steps: `x` and the result must be normal numbers.
#[must_use]
#[inline(always)]
pub fn pow_normal(x: f32, y: f32) -> f32 {
    let (value, n) = exp_parts(y * ln_normal(x, 0.0));
    value * power_of_two(n + ROUNDER)
}

/// Sine and cosine of `turns` whole turns, that is of 2 pi `turns`, for |turns| below 2^19; within
/// 1 unit in the last place of the larger one.
#[must_use]
#[inline(always)]
pub fn sin_cos_turns(turns: f32) -> (f32, f32) {
    let quarters = turns * 4.0;
    let shifted = quarters + ROUNDER;
    let r = quarters - (shifted - ROUNDER);
    let z = r * r;
    let sine = r * polynomial!(
        z,
        std::f32::consts::FRAC_PI_2,
        -0.645_963_45,
        0.079_680_02,
        -0.004_601_626
    );
    let cosine = polynomial!(z, 1.0, -1.233_700_5, 0.253_669_2, -0.020_859_933, 0.000_903_356_54);
    let quadrant = shifted.to_bits();
    let is_swapped = quadrant & 1 != 0;
    let (first, second) = if is_swapped { (cosine, sine) } else { (sine, cosine) };
    let first = f32::from_bits(first.to_bits() ^ ((quadrant & 2) << 30));
    let second = f32::from_bits(second.to_bits() ^ ((quadrant.wrapping_add(1) & 2) << 30));
    (first, second)
}
