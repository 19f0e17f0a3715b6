#![expect(clippy::cast_possible_truncation, reason = "inputs of the narrower type")]

use chimera_rng::{Lanes, math};

use super::{fill_normal_f32, fill_normal_f64, single};
use crate::simd::dispatch;

/// Distance in units in the last place of the expected value.
fn ulps(got: f64, expected: f64) -> f64 {
    let unit = f64::from_bits(expected.abs().to_bits() + 1) - expected.abs();
    (got - expected).abs() / unit
}

fn ulps_f32(got: f32, expected: f64) -> f64 {
    let rounded = expected as f32;
    let unit = f32::from_bits(rounded.abs().to_bits() + 1) - rounded.abs();
    (f64::from(got) - expected).abs() / f64::from(unit)
}

fn samples(low: f64, high: f64) -> impl Iterator<Item = f64> {
    let n = 100_003;
    (0..=n).map(move |idx| low + (high - low) * f64::from(idx) / f64::from(n))
}

#[test]
fn test_exp_is_close_over_its_whole_range() {
    let worst =
        samples(-708.0, 709.7).chain(samples(-1.0, 1.0)).map(|x| ulps(math::exp(x), x.exp()));
    let worst = worst.fold(0.0, f64::max);
    assert!(worst <= 1.5, "{worst}");
    let worst = samples(-87.0, 88.7)
        .chain(samples(-1.0, 1.0))
        .map(|x| ulps_f32(single::exp(x as f32), f64::from(x as f32).exp()))
        .fold(0.0, f64::max);
    assert!(worst <= 1.5, "{worst}");
}

#[test]
fn test_exp_beyond_its_range() {
    assert_eq!(math::exp(-1e308), 0.0);
    assert_eq!(math::exp(f64::NEG_INFINITY), 0.0);
    assert_eq!(math::exp(1e308), f64::INFINITY);
    assert_eq!(math::exp(0.0), 1.0);
    assert!(math::exp(f64::NAN).is_nan());
    assert!(ulps(math::exp(-740.0), (-740.0_f64).exp()) <= 1.5);
    assert_eq!(single::exp(-200.0), 0.0);
    assert_eq!(single::exp(200.0), f32::INFINITY);
    assert_eq!(single::exp(0.0), 1.0);
    assert!(single::exp(f32::NAN).is_nan());
}

#[test]
fn test_ln_is_close_over_its_whole_range() {
    let worst = samples(-745.0, 709.0)
        .map(f64::exp)
        .chain(samples(0.4, 2.5))
        .map(|x| ulps(math::ln(x), x.ln()))
        .fold(0.0, f64::max);
    assert!(worst <= 1.0, "{worst}");
    let worst = samples(-103.0, 88.0)
        .map(f64::exp)
        .chain(samples(0.4, 2.5))
        .map(|x| ulps_f32(single::ln(x as f32), f64::from(x as f32).ln()))
        .fold(0.0, f64::max);
    assert!(worst <= 1.0, "{worst}");
}

#[test]
fn test_ln_of_special_values() {
    assert_eq!(math::ln(1.0), 0.0);
    assert_eq!(math::ln(0.0), f64::NEG_INFINITY);
    assert_eq!(math::ln(f64::INFINITY), f64::INFINITY);
    assert!(math::ln(-1.0).is_nan());
    assert!(math::ln(f64::NAN).is_nan());
    assert_eq!(single::ln(1.0), 0.0);
    assert_eq!(single::ln(0.0), f32::NEG_INFINITY);
    assert_eq!(single::ln(f32::INFINITY), f32::INFINITY);
    assert!(single::ln(-1.0).is_nan());
    assert!(single::ln(f32::NAN).is_nan());
}

#[test]
fn test_pow_is_within_its_documented_error() {
    for x in samples(0.02, 20.0).step_by(97) {
        for y in [-3.0, 1.0 / 16.0, 1.0 / 21.0, 0.5, 2.0, 17.0] {
            let bound = 1.0 + 1.5 * (y * x.ln()).abs();
            let relative = (math::pow(x, y) / x.powf(y) - 1.0).abs();
            assert!(relative <= bound * f64::EPSILON, "{x} {y}");
            let (x, y) = (x as f32, y as f32);
            let exact = f64::from(x).powf(f64::from(y));
            let relative = (f64::from(single::pow(x, y)) / exact - 1.0).abs();
            assert!(relative <= bound * f64::from(f32::EPSILON), "{x} {y}");
        }
    }
    assert_eq!(math::pow(0.0, 0.5), 0.0);
    for x in samples(-87.0, 87.0).step_by(7).map(|x| x.exp() as f32) {
        for y in [-1.0, -1.0 / 16.0, 1.0 / 31.0, 0.5, 1.0] {
            let exact = f64::from(x).powf(f64::from(y));
            let relative = (f64::from(single::pow_normal(x, y)) / exact - 1.0).abs();
            let bound = 1.0 + 1.5 * (f64::from(y) * f64::from(x).ln()).abs();
            assert!(relative <= bound * f64::from(f32::EPSILON), "{x} {y}");
        }
    }
}

#[test]
fn test_sin_cos_are_close_and_periodic() {
    // The reference turns within an eighth, where its own argument is nearly exact.
    let reference = |turns: f64| {
        let quarters = (turns * 4.0).round();
        let (s, c) = ((turns * 4.0 - quarters) * std::f64::consts::FRAC_PI_2).sin_cos();
        match (quarters as i64).rem_euclid(4) {
            0 => (s, c),
            1 => (c, -s),
            2 => (-s, -c),
            _ => (-c, s),
        }
    };
    for turns in samples(-2.0, 3.0) {
        let ((sine, cosine), (s, c)) = (math::sin_cos_turns(turns), reference(turns));
        assert!((sine - s).abs().max((cosine - c).abs()) <= 2.3e-16, "{turns}");
        let turns = turns as f32;
        let ((sine, cosine), (s, c)) = (single::sin_cos_turns(turns), reference(turns.into()));
        let distance = (f64::from(sine) - s).abs().max((f64::from(cosine) - c).abs());
        assert!(distance <= 1.2e-7, "{turns}");
    }
    assert_eq!(math::sin_cos_turns(0.25), (1.0, math::sin_cos_turns(0.25).1));
}

#[test]
fn test_vector_code_gives_the_bits_of_scalar_code() {
    let inputs: Vec<f64> = samples(-30.0, 30.0).collect();
    let mut vector = inputs.clone();
    dispatch(
        #[inline(always)]
        || {
            for value in &mut vector {
                let (sine, cosine) = math::sin_cos_turns(*value);
                *value = math::exp(*value) + math::ln(value.abs()) * sine - cosine;
            }
        },
    );
    for (input, got) in inputs.iter().zip(&vector) {
        let (sine, cosine) = math::sin_cos_turns(*input);
        let expected = math::exp(*input) + math::ln(input.abs()) * sine - cosine;
        assert_eq!(got.to_bits(), expected.to_bits(), "{input}");
    }
}

#[test]
fn test_normals_have_the_moments_of_their_law() {
    let n = 400_000;
    let mut wide = vec![0.0_f64; n];
    let mut narrow = vec![0.0_f32; n];
    fill_normal_f64(&mut Lanes::new(1, 2, 3), &mut wide);
    fill_normal_f32(&mut Lanes::new(1, 2, 4), &mut narrow);
    for values in [wide, narrow.into_iter().map(f64::from).collect()] {
        let moment = |power: i32| values.iter().map(|z| z.powi(power)).sum::<f64>() / n as f64;
        // Five standard errors of each moment.
        for (power, expected, variance) in
            [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0_f64)]
        {
            let bound = 5.0 * (variance / n as f64).sqrt();
            assert!((moment(power) - expected).abs() < bound, "moment {power}: {}", moment(power));
        }
        let beyond = values.iter().filter(|z| z.abs() > 3.0).count() as f64 / n as f64;
        assert!((beyond - 0.002_699_8).abs() < 5.0 * (0.0027 / n as f64).sqrt(), "{beyond}");
    }
}
