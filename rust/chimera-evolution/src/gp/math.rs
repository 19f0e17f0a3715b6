//! Elementary functions of 32-bit floats that give the same bits on every processor.
//!
//! Polynomials after Moshier's Cephes (1989) with explicit `mul_add`; written without branches, so
//! that a loop over rows becomes vector instructions. They are not the platform's libm: results are
//! within 2 units in the last place of the exact value (tested), and inputs are restricted as each
//! function says.

const LN2_HI: f32 = 0.693_359_4;
const LN2_LO: f32 = -2.121_944_4e-4;
/// Adding and subtracting it rounds a float below 2^22 to the nearest whole number.
const ROUND: f32 = 12_582_912.0;
const ROUND_F64: f64 = 6_755_399_441_055_744.0;

/// `e^x`, where the caller keeps `x` within [-87, 88]; NaN gives NaN.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub fn exp(x: f32) -> f32 {
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_LO, n.mul_add(-LN2_HI, x));
    let mut p = 1.987_569_1e-4_f32;
    p = p.mul_add(r, 1.398_199_9e-3);
    p = p.mul_add(r, 8.333_452e-3);
    p = p.mul_add(r, 4.166_579_6e-2);
    p = p.mul_add(r, 1.666_666_5e-1);
    p = p.mul_add(r, 0.5);
    let y = p.mul_add(r * r, r) + 1.0;
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127);
    y * f32::from_bits(exponent << 23)
}

/// Natural logarithm, where the caller keeps `x` normal and positive; infinity and NaN stay.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub fn ln(x: f32) -> f32 {
    let shifted = x.to_bits().wrapping_sub(0x3f35_04f3).cast_signed() >> 23;
    let e = shifted as f32;
    let m = f32::from_bits(x.to_bits().wrapping_sub((shifted << 23).cast_unsigned()));
    let f = m - 1.0;
    let z = f * f;
    let mut p = 7.037_683_6e-2_f32;
    p = p.mul_add(f, -1.151_461e-1);
    p = p.mul_add(f, 1.167_699_9e-1);
    p = p.mul_add(f, -1.242_014_1e-1);
    p = p.mul_add(f, 1.424_932_3e-1);
    p = p.mul_add(f, -1.666_805_7e-1);
    p = p.mul_add(f, 2.000_071_5e-1);
    p = p.mul_add(f, -2.499_999_4e-1);
    p = p.mul_add(f, 3.333_333e-1);
    let tail = e.mul_add(LN2_LO, p * f * z) - 0.5 * z;
    let y = e.mul_add(LN2_HI, f + tail);
    if x < f32::INFINITY { y } else { x }
}

/// The quarter turn of `x` (its two low bits count) and the angle that remains, in [-pi/4, pi/4].
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low bits and the rounded angle are wanted"
)]
fn reduce(x: f32) -> (u32, f32) {
    // Beyond 2^45 neighbouring floats lie more than a turn apart, and the answer means nothing.
    let x = if x.abs() < 35_184_372_088_832.0 { x } else { f32::NAN };
    let wide = f64::from(x);
    let shifted = wide.mul_add(std::f64::consts::FRAC_2_PI, ROUND_F64);
    let n = shifted - ROUND_F64;
    let r = n.mul_add(-std::f64::consts::FRAC_PI_2, wide);
    let r = n.mul_add(-6.123_233_995_736_766e-17, r);
    (shifted.to_bits() as u32, r as f32)
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
fn turn(quarter: u32, r: f32) -> f32 {
    let z = r * r;
    let sine = (-1.951_529_6e-4_f32).mul_add(z, 8.332_161e-3).mul_add(z, -1.666_665_5e-1);
    let sine = (sine * z).mul_add(r, r);
    let cosine = 2.443_315_7e-5_f32.mul_add(z, -1.388_731_6e-3).mul_add(z, 4.166_664_6e-2);
    let cosine = cosine.mul_add(z * z, z.mul_add(-0.5, 1.0));
    let y = if quarter & 1 == 0 { sine } else { cosine };
    f32::from_bits(y.to_bits() ^ ((quarter & 2) << 30))
}

/// Sine; NaN for |x| of 2^45 and more.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub fn sin(x: f32) -> f32 {
    let (quarter, r) = reduce(x);
    turn(quarter, r)
}

/// Cosine; NaN for |x| of 2^45 and more.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub fn cos(x: f32) -> f32 {
    let (quarter, r) = reduce(x);
    turn(quarter.wrapping_add(1), r)
}

/// Hyperbolic tangent of any float.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the vector loop that calls it")]
pub fn tanh(x: f32) -> f32 {
    let z = x * x;
    let mut p = -5.704_988_7e-3_f32;
    p = p.mul_add(z, 2.063_909e-2);
    p = p.mul_add(z, -5.373_971_5e-2);
    p = p.mul_add(z, 1.333_144_2e-1);
    p = p.mul_add(z, -3.333_328e-1);
    let near = (p * z).mul_add(x, x);
    let magnitude = x.abs();
    let capped = if magnitude > 10.0 { 10.0 } else { magnitude };
    let far = 1.0 - 2.0 / (exp(2.0 * capped) + 1.0);
    let far = f32::from_bits(far.to_bits() | (x.to_bits() & 0x8000_0000));
    if magnitude > 0.625 { far } else { near }
}
