//! Bodies of the float helpers. They follow `CPython`'s `floatobject.c` and `mathmodule.c`.

use wasm_encoder::ValType::{F64, I32};

use super::code::{Callee, Code};
use super::helpers::Helper;

const INFINITY: f64 = f64::INFINITY;

fn number(code: &mut Code, value: f64) {
    code.op().f64_const(value.into());
}

fn answer(code: &mut Code, value: f64) {
    number(code, value);
    code.op().return_();
}

/// Push whether a local is finite.
fn is_finite(code: &mut Code, local: u32) {
    code.get(local).op().f64_abs().f64_const(INFINITY.into()).f64_lt();
}

fn is_infinite(code: &mut Code, local: u32) {
    code.get(local).op().f64_abs().f64_const(INFINITY.into()).f64_eq();
}

fn is_nan(code: &mut Code, local: u32) {
    code.get(local).get(local).op().f64_ne();
}

/// An odd integer: whole, below 2**53 (beyond it all floats are even), and its half is not whole.
pub(super) fn is_odd(code: &mut Code) {
    let half = code.local(F64);
    code.get(0).op().f64_abs().f64_const(9_007_199_254_740_992.0.into()).f64_lt();
    code.get(0).get(0).op().f64_trunc().f64_eq().i32_and();
    code.get(0).op().f64_const(0.5.into()).f64_mul().local_tee(half).f64_trunc();
    code.get(half).op().f64_ne().i32_and();
}

/// `fmod`: exact, so any correct route gives C's answer.
pub(super) fn remainder(code: &mut Code) {
    let (x, y) = (0, 1);
    // |x| < |y| (y may be infinite): x itself. NaN falls through.
    code.get(x).op().f64_abs().local_get(y).f64_abs().f64_lt();
    code.if_();
    code.get(x).op().return_();
    code.end();
    code.get(x).get(y);
    code.call(Callee::Import("fmod"));
}

/// Push whether local `a` is negative differs from `b` is negative.
fn signs_differ(code: &mut Code, a: u32, b: u32) {
    code.get(a).op().f64_const(0.0.into()).f64_lt();
    code.get(b).op().f64_const(0.0.into()).f64_lt().i32_ne();
}

pub(super) fn modulo(code: &mut Code) {
    let (x, y, site) = (0, 1, 2);
    let rest = code.local(F64);
    code.get(y).op().f64_const(0.0.into()).f64_eq();
    code.trap_at_if(site, 0);
    code.get(x).get(y);
    code.call(Callee::Helper(Helper::Remainder));
    code.op().local_tee(rest).f64_const(0.0.into()).f64_eq();
    code.if_();
    code.op().f64_const(0.0.into()).local_get(y).f64_copysign().return_();
    code.end();
    signs_differ(code, y, rest);
    code.if_();
    code.get(rest).get(y).op().f64_add().local_set(rest);
    code.end();
    code.get(rest);
}

pub(super) fn floor_div(code: &mut Code) {
    let (x, y, site) = (0, 1, 2);
    let rest = code.local(F64);
    let quotient = code.local(F64);
    let floor = code.local(F64);
    code.get(y).op().f64_const(0.0.into()).f64_eq();
    code.trap_at_if(site, 0);
    code.get(x).get(y);
    code.call(Callee::Helper(Helper::Remainder));
    code.set(rest);
    code.get(x).get(rest).op().f64_sub().local_get(y).f64_div().local_set(quotient);
    code.get(rest).op().f64_const(0.0.into()).f64_ne();
    code.if_();
    signs_differ(code, y, rest);
    code.if_();
    code.get(quotient).op().f64_const(1.0.into()).f64_sub().local_set(quotient);
    code.end();
    code.end();
    code.get(quotient).op().f64_const(0.0.into()).f64_eq();
    code.if_();
    code.op().f64_const(0.0.into()).local_get(x).local_get(y).f64_div().f64_copysign().return_();
    code.end();
    code.get(quotient).op().f64_floor().local_set(floor);
    code.get(quotient).get(floor).op().f64_sub().f64_const(0.5.into()).f64_gt();
    code.if_();
    code.get(floor).op().f64_const(1.0.into()).f64_add().local_set(floor);
    code.end();
    code.get(floor);
}

/// The answers of `**` and `math.pow` for NaN operands and an infinite base or exponent.
fn pow_specials(code: &mut Code, x: u32, y: u32) {
    code.get(y).op().f64_const(0.0.into()).f64_eq();
    code.if_();
    answer(code, 1.0);
    code.end();
    is_nan(code, x);
    code.if_();
    code.get(x).op().return_();
    code.end();
    is_nan(code, y);
    code.if_();
    number(code, 1.0);
    code.get(y).get(x).op().f64_const(1.0.into()).f64_eq().select().return_();
    code.end();
    is_infinite(code, y);
    code.if_();
    code.get(x).op().f64_abs().f64_const(1.0.into()).f64_eq();
    code.if_();
    answer(code, 1.0);
    code.end();
    number(code, INFINITY);
    number(code, 0.0);
    code.get(y).op().f64_const(0.0.into()).f64_gt();
    code.get(x).op().f64_abs().f64_const(1.0.into()).f64_gt().i32_eq().select().return_();
    code.end();
    is_infinite(code, x);
    code.if_();
    zero_or_infinite_base(code, x, y, INFINITY, 0.0);
    code.end();
}

/// Return `positive` or `negative` by the sign of the exponent; odd exponents keep the base's sign.
fn zero_or_infinite_base(code: &mut Code, x: u32, y: u32, positive: f64, negative: f64) {
    let size = code.local(F64);
    number(code, positive);
    number(code, negative);
    code.get(y).op().f64_const(0.0.into()).f64_gt().select().local_set(size);
    code.get(size).get(x).op().f64_copysign().local_get(size).local_get(y);
    code.call(Callee::Helper(Helper::IsOdd));
    code.op().select().return_();
}

pub(super) fn pow(code: &mut Code) {
    let (x, y, site) = (0, 1, 2);
    let is_negative = code.local(I32);
    let result = code.local(F64);
    pow_specials(code, x, y);
    code.get(x).op().f64_const(0.0.into()).f64_eq();
    code.if_();
    code.get(y).op().f64_const(0.0.into()).f64_lt();
    code.trap_at_if(site, 0);
    zero_or_infinite_base(code, x, y, 0.0, 0.0);
    code.end();
    code.get(x).op().f64_const(0.0.into()).f64_lt();
    code.if_();
    code.get(y).get(y).op().f64_floor().f64_ne();
    code.trap_at_if(site, 1);
    code.get(x).op().f64_neg().local_set(x);
    code.get(y);
    code.call(Callee::Helper(Helper::IsOdd));
    code.set(is_negative);
    code.end();
    code.get(x).op().f64_const(1.0.into()).f64_eq();
    code.if_result(F64);
    number(code, 1.0);
    code.else_();
    code.get(x).get(y);
    code.call(Callee::Import("pow"));
    code.end();
    code.set(result);
    is_infinite(code, result);
    code.trap_at_if(site, 2);
    code.get(result).op().f64_neg().local_get(result).local_get(is_negative).select();
}

pub(super) fn math_pow(code: &mut Code) {
    let (x, y, site) = (0, 1, 2);
    let result = code.local(F64);
    pow_specials(code, x, y);
    code.get(x).get(y);
    code.call(Callee::Import("pow"));
    code.set(result);
    is_nan(code, result);
    code.trap_at_if(site, 0);
    is_infinite(code, result);
    code.if_cold();
    code.get(x).op().f64_const(0.0.into()).f64_eq();
    code.trap_at_if(site, 0);
    code.trap_at(site, 1);
    code.end();
    code.get(result);
}

pub(super) fn math_fmod(code: &mut Code) {
    let (x, y, site) = (0, 1, 2);
    let result = code.local(F64);
    code.get(x).get(y);
    code.call(Callee::Helper(Helper::Remainder));
    code.op().local_set(result);
    is_nan(code, result);
    code.if_cold();
    code.get(x).get(x).op().f64_eq().local_get(y).local_get(y).f64_eq().i32_and();
    code.trap_at_if(site, 0);
    code.end();
    code.get(result);
}

pub(super) fn math_1(code: &mut Code, name: &'static str, can_overflow: bool) {
    let (x, site) = (0, 1);
    let result = code.local(F64);
    code.get(x);
    code.call(Callee::Import(name));
    code.set(result);
    is_finite(code, result);
    code.op().i32_eqz();
    code.if_cold();
    is_nan(code, result);
    code.get(x).get(x).op().f64_eq().i32_and();
    code.trap_at_if(site, 0);
    is_infinite(code, result);
    is_finite(code, x);
    code.op().i32_and();
    code.trap_at_if(site, i32::from(can_overflow));
    code.end();
    code.get(result);
}

pub(super) fn log(code: &mut Code, name: &'static str) {
    let (x, site) = (0, 1);
    code.get(x).op().f64_const(0.0.into()).f64_le();
    code.trap_at_if(site, 0);
    is_finite(code, x);
    code.if_result(F64);
    code.get(x);
    code.call(Callee::Import(name));
    code.else_();
    code.get(x);
    code.end();
}
