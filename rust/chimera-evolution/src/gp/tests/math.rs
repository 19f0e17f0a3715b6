//! The 32-bit kernels against 64-bit libm, in units in the last place.

use crate::gp::math;

fn ulps(got: f32, exact: f64) -> f64 {
    let unit = f64::from(f32::from_bits((exact as f32).abs().to_bits() + 1))
        - f64::from((exact as f32).abs());
    (f64::from(got) - exact).abs() / unit.max(f64::from(f32::MIN_POSITIVE))
}

/// Floats of both signs over the exponents `low..high`, evenly in their bits.
fn floats(low: f32, high: f32) -> impl Iterator<Item = f32> {
    (low.to_bits()..high.to_bits()).step_by(1009).map(f32::from_bits).flat_map(|x| [x, -x])
}

fn worst(values: impl Iterator<Item = f32>, f: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
    values.map(|x| ulps(f(x), exact(f64::from(x)))).fold(0.0, f64::max)
}

#[test]
fn kernels_are_within_two_units_of_the_exact_value() {
    assert!(worst(floats(1e-9, 80.0), math::exp, f64::exp) < 1.5);
    assert!(worst(floats(1e-6, 3e38).map(f32::abs), math::ln, f64::ln) < 1.5);
    assert!(worst(floats(1e-9, 20.0), math::tanh, f64::tanh) < 2.0);
    // Near a zero of the sine the last place is tiny: absolute error there, up to large angles.
    for x in floats(1e-9, 1e7) {
        let wide = f64::from(x);
        assert!((f64::from(math::sin(x)) - wide.sin()).abs() < 1.2e-7, "sin({x})");
        assert!((f64::from(math::cos(x)) - wide.cos()).abs() < 1.2e-7, "cos({x})");
    }
}

#[test]
fn kernels_keep_what_is_not_a_number_and_the_ends_of_the_range() {
    for f in [math::exp, math::ln, math::sin, math::cos, math::tanh] {
        assert!(f(f32::NAN).is_nan());
    }
    assert_eq!(math::ln(f32::INFINITY), f32::INFINITY);
    assert_eq!(math::ln(1.0), 0.0);
    assert_eq!(math::exp(0.0), 1.0);
    assert_eq!(math::tanh(f32::INFINITY), 1.0);
    assert_eq!(math::tanh(f32::NEG_INFINITY), -1.0);
    assert!(math::sin(f32::INFINITY).is_nan());
    assert_eq!(math::sin(0.0), 0.0);
}
