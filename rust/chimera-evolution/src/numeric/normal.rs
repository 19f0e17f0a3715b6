//! Standard normal samples, many at once.

use chimera_rng::{Lanes, N_LANES, math, unit_f32, unit_f64};

use super::single;

/// One step of the transform of Box and Muller (1958): two words, two samples.
#[inline(always)]
fn pair_f64(radius: u64, angle: u64) -> (f64, f64) {
    // 1 - u lies in (0, 1]: its logarithm is finite.
    let radius = (-2.0 * math::ln(1.0 - unit_f64(radius))).sqrt();
    let (sine, cosine) = math::sin_cos_turns(unit_f64(angle));
    (radius * cosine, radius * sine)
}

#[inline(always)]
fn step_f64(rng: &mut Lanes) -> [f64; 2 * N_LANES] {
    let (radii, angles) = (rng.next_words(), rng.next_words());
    let mut out = [0.0; 2 * N_LANES];
    let (first, second) = out.split_at_mut(N_LANES);
    let words = radii.into_iter().zip(angles);
    for ((first, second), (radius, angle)) in first.iter_mut().zip(second).zip(words) {
        (*first, *second) = pair_f64(radius, angle);
    }
    out
}

/// Fill with standard normals in steps of two words a pair; |z| stays below 8.5.
#[inline(always)]
pub fn fill_normal_f64(rng: &mut Lanes, out: &mut [f64]) {
    let (chunks, rest) = out.as_chunks_mut::<{ 2 * N_LANES }>();
    for chunk in chunks {
        *chunk = step_f64(rng);
    }
    if !rest.is_empty() {
        for (value, sample) in rest.iter_mut().zip(step_f64(rng)) {
            *value = sample;
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "takes the halves of a word")]
#[inline(always)]
fn step_f32(rng: &mut Lanes) -> [f32; 2 * N_LANES] {
    let mut out = [0.0; 2 * N_LANES];
    let (first, second) = out.split_at_mut(N_LANES);
    for ((first, second), word) in first.iter_mut().zip(second).zip(rng.next_words()) {
        let radius = 1.0 - unit_f32(word as u32);
        let radius = (-2.0 * single::ln(radius)).sqrt();
        let (sine, cosine) = single::sin_cos_turns(unit_f32((word >> 32) as u32));
        (*first, *second) = (radius * cosine, radius * sine);
    }
    out
}

/// Fill with standard normals, one word a pair; |z| stays below 5.7, the farthest that 23 random
/// bits reach.
#[inline(always)]
pub fn fill_normal_f32(rng: &mut Lanes, out: &mut [f32]) {
    let (chunks, rest) = out.as_chunks_mut::<{ 2 * N_LANES }>();
    for chunk in chunks {
        *chunk = step_f32(rng);
    }
    if !rest.is_empty() {
        for (value, sample) in rest.iter_mut().zip(step_f32(rng)) {
            *value = sample;
        }
    }
}
