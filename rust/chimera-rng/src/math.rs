//! Elementary functions that compute the same bits on every processor.
//!
//! Branch-free polynomials after range reduction (Cody & Waite, 1980; the logarithm's form is that
//! of fdlibm, Sun 1993; coefficients by a Remez exchange in 50 digits). No call into the platform's
//! libm, which chooses its code by what the processor can do; no fused multiply-add, no table: so
//! LLVM turns a loop over them into vector code, and the width of the vectors does not show in the
//! result. Errors against the exact value are a few units in the last place.

#![expect(clippy::inline_always, reason = "compiled along with the caller's instruction set")]

/// Horner's rule, lowest coefficient first.
#[doc(hidden)]
#[macro_export]
macro_rules! polynomial {
    ($x:expr, $last:expr $(,)?) => { $last };
    ($x:expr, $first:expr, $($rest:expr),+ $(,)?) => {
        $first + $x * $crate::polynomial!($x, $($rest),+)
    };
}

const ONE: u64 = 0x3FF0_0000_0000_0000;
/// Adding it rounds a float below 2^51 to an integer and leaves that integer in the low bits.
const ROUNDER: f64 = 6_755_399_441_055_744.0; // 1.5 * 2^52
/// ln 2, with so few bits that small multiples of it are exact, and the rest.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// 2 to the integer that [`ROUNDER`] left in the low bits of `shifted`.
#[inline(always)]
const fn power_of_two(shifted: f64) -> f64 {
    f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
}

/// e to the power `x`, within 1.5 units in the last place; 0 and infinity outside the range, NaN of
/// NaN.
#[must_use]
#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let n = (x * std::f64::consts::LOG2_E + ROUNDER) - ROUNDER;
    let r = (x - n * LN_2_HIGH) - n * LN_2_LOW;
    let tail = polynomial!(
        r,
        0.500_000_000_000_000_1,
        0.166_666_666_666_666_74,
        0.041_666_666_666_623_81,
        0.008_333_333_333_322_127,
        0.001_388_888_891_737_084_8,
        0.000_198_412_698_868_363_92,
        2.480_152_105_286_020_6e-5,
        2.755_724_205_934_042_5e-6,
        2.762_020_367_160_025e-7,
        2.511_015_434_046_204_8e-8,
    );
    let value = 1.0 + (r + r * r * tail);
    // Two factors: 2^n alone would overflow where the value does not.
    let half = n * 0.5 + ROUNDER;
    let rest = (n - (half - ROUNDER)) + ROUNDER;
    value * power_of_two(half) * power_of_two(rest)
}

/// The natural logarithm, within 1 unit in the last place; minus infinity of 0, NaN below.
#[must_use]
#[inline(always)]
pub fn ln(x: f64) -> f64 {
    const SQRT_HALF: u64 = 0x3FE6_A09E_667F_3BCD;
    let is_subnormal = x < f64::MIN_POSITIVE;
    let scaled = if is_subnormal { x * 18_014_398_509_481_984.0 } else { x }; // 2^54
    let shift = if is_subnormal { 54.0 } else { 0.0 };
    let bits = scaled.to_bits().wrapping_add(ONE - SQRT_HALF);
    let exponent = f64::from_bits((bits >> 52) | 0x4330_0000_0000_0000); // 2^52 + biased exponent
    let n = exponent - (4_503_599_627_370_496.0 + 1023.0) - shift;
    let f = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF).wrapping_add(SQRT_HALF)) - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let series = z * polynomial!(
        z,
        0.666_666_666_666_67,
        0.399_999_999_996_093_76,
        0.285_714_287_045_709,
        0.222_222_020_544_652_82,
        0.181_833_991_694_807_77,
        0.153_179_550_905_251_68,
        0.147_595_226_461_406_71,
    );
    let half_square = 0.5 * f * f;
    let value = n * LN_2_HIGH - ((half_square - (s * (half_square + series) + n * LN_2_LOW)) - f);
    let value = if x < f64::INFINITY { value } else { x };
    let value = if x > 0.0 { value } else { f64::NAN };
    if x == 0.0 { f64::NEG_INFINITY } else { value }
}

/// `x` to the power `y` for positive `x`: relative error within (1 + 1.5 |y ln x|) epsilons.
#[must_use]
#[inline(always)]
pub fn pow(x: f64, y: f64) -> f64 {
    exp(y * ln(x))
}

/// Sine and cosine of `turns` whole turns, that is of 2 pi `turns`, for |turns| below 2^48; within
/// 1 unit in the last place of the larger one.
#[must_use]
#[inline(always)]
pub fn sin_cos_turns(turns: f64) -> (f64, f64) {
    let quarters = turns * 4.0;
    let shifted = quarters + ROUNDER;
    let r = quarters - (shifted - ROUNDER);
    let z = r * r;
    let sine = r * polynomial!(
        z,
        std::f64::consts::FRAC_PI_2,
        -0.645_964_097_506_244_3,
        0.079_692_626_246_039_3,
        -0.004_681_754_132_277_578,
        0.000_160_441_150_250_399_33,
        -3.598_641_593_781_735e-6,
        5.633_697_721_469_8e-8,
    );
    let cosine = polynomial!(
        z,
        1.0,
        -1.233_700_550_136_169_7,
        0.253_669_507_901_046_6,
        -0.020_863_480_763_307_914,
        0.000_919_260_274_145_565_2,
        -2.520_203_655_116_951_8e-5,
        4.710_603_362_274_379_7e-7,
        -6.320_530_689_329_531_5e-9,
    );
    let quadrant = shifted.to_bits();
    let is_swapped = quadrant & 1 != 0;
    let (first, second) = if is_swapped { (cosine, sine) } else { (sine, cosine) };
    let first = f64::from_bits(first.to_bits() ^ ((quadrant & 2) << 62));
    let second = f64::from_bits(second.to_bits() ^ ((quadrant.wrapping_add(1) & 2) << 62));
    (first, second)
}
