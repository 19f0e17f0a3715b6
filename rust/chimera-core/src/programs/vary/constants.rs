//! Edits of literals and tunable scalar constants.

use super::edit::heavy;
use crate::programs::ir::{Const, Program};
use crate::programs::tune::{self, Group};
use crate::rng::Stream;
use crate::rng::math::{exp, pow};

/// Gaussian noise, relative and absolute, with a scale drawn log-uniformly.
pub(crate) fn noise(parent: &Program, stream: &mut Stream) -> Option<Program> {
    change(parent, stream, |value, is_int, stream| {
        let scale = pow(10.0, -3.0 * stream.uniform());
        let absolute = if is_int { 1.0 } else { 0.1 };
        let step = stream.normal() * scale * (value.abs() + absolute);
        if is_int && step.abs() < 0.5 {
            return value + if step < 0.0 { -1.0 } else { 1.0 };
        }
        value + step
    })
}

/// Doubling, halving, a sign, a power of ten, or a log-normal factor.
pub(crate) fn scale(parent: &Program, stream: &mut Stream) -> Option<Program> {
    change(parent, stream, |value, _, stream| match stream.below(8) {
        0 | 1 => value * 2.0,
        2 | 3 => value / 2.0,
        4 => -value,
        5 => value * 10.0,
        6 => value / 10.0,
        _ => value * exp(stream.normal()),
    })
}

/// Four significant digits read better than seventeen and tune as well.
fn readable(value: f64, stream: &mut Stream) -> f64 {
    if value == 0.0 || stream.chance(0.1) {
        return value;
    }
    format!("{value:.3e}").parse().unwrap_or(value)
}

fn change(
    parent: &Program,
    stream: &mut Stream,
    mut draw: impl FnMut(f64, bool, &mut Stream) -> f64,
) -> Option<Program> {
    let parameters = tune::parameters(parent);
    let numbers = parameters.iter().enumerate();
    let slots: Vec<usize> = numbers
        .filter(|(_, parameter)| !matches!(parameter.group, Group::Table(..)))
        .map(|(slot, _)| slot)
        .collect();
    let n = heavy(stream, slots.len());
    let chosen: Vec<usize> = (0..n).filter_map(|_| stream.choose(&slots).copied()).collect();
    let mut slot = 0;
    let child = tune::map_numbers(parent, &mut |old| {
        let here = chosen.contains(&slot);
        slot += 1;
        if !here {
            return old;
        }
        let (value, is_int) = match old {
            #[expect(clippy::cast_precision_loss, reason = "tunable ints are exact in a float")]
            Const::Int(value) => (value as f64, true),
            Const::Float(value) => (value, false),
            Const::Bool(_) => return old,
        };
        let drawn = draw(value, is_int, stream);
        let drawn = if is_int { drawn } else { readable(drawn, stream) };
        if drawn.is_finite() { tune::retyped(old, drawn) } else { old }
    });
    (child != *parent).then_some(child)
}
