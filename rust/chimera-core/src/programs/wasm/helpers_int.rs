//! Bodies of the integer helpers: power, integer square root, gcd, comparison with a float.

use wasm_encoder::ValType::{F64, I64};

use super::code::Code;

/// Multiply `lhs` by `rhs` into `into`; stop at the `nth` site when it leaves 64 bits.
fn multiply(code: &mut Code, (lhs, rhs, into): (u32, u32, u32), base: u32, nth: i32) {
    let high = code.local(I64);
    code.get(lhs).get(rhs).op().i64_mul_wide_s().local_set(high).local_tee(into);
    code.op().i64_const(63).i64_shr_s().local_get(high).i64_ne();
    code.trap_at_if(base, nth);
}

pub(super) fn pow(code: &mut Code) {
    let (base, exponent, site) = (0, 1, 2);
    let result = code.local(I64);
    code.get(exponent).op().i64_const(0).i64_lt_s();
    code.trap_at_if(site, 0);
    code.op().i64_const(1).local_set(result);
    let exit = code.block();
    let top = code.loop_();
    code.get(exponent).op().i64_const(1).i64_and().i32_wrap_i64();
    code.if_();
    multiply(code, (result, base, result), site, 1);
    code.end();
    code.get(exponent).op().i64_const(1).i64_shr_u().local_tee(exponent).i64_eqz();
    code.br_if(exit);
    // Squares of −1, 0 and 1 never leave 64 bits; any other overflow is real, as bits remain.
    multiply(code, (base, base, base), site, 1);
    code.br(top);
    code.end();
    code.end();
    code.get(result);
}

pub(super) fn isqrt(code: &mut Code) {
    let (n, site) = (0, 1);
    let root = code.local(I64);
    code.get(n).op().i64_const(0).i64_lt_s();
    code.trap_at_if(site, 0);
    code.get(n).op().f64_convert_i64_s().f64_sqrt().i64_trunc_sat_f64_s().local_set(root);
    // The float root is off by at most one; squares fit unsigned 64 bits.
    let too_big = code.block();
    code.get(root).get(root).op().i64_mul().local_get(n).i64_le_u();
    code.br_if(too_big);
    code.get(root).op().i64_const(1).i64_sub().local_set(root);
    code.end();
    let too_small = code.block();
    code.get(root).op().i64_const(1).i64_add().local_get(root).i64_const(1).i64_add().i64_mul();
    code.get(n).op().i64_gt_u();
    code.br_if(too_small);
    code.get(root).op().i64_const(1).i64_add().local_set(root);
    code.end();
    code.get(root);
}

/// Replace a signed local by its magnitude as an unsigned number.
fn magnitude(code: &mut Code, local: u32) {
    code.op().i64_const(0).local_get(local).i64_sub().local_get(local);
    code.get(local).op().i64_const(0).i64_lt_s().select().local_set(local);
}

pub(super) fn gcd(code: &mut Code) {
    let (a, b, site) = (0, 1, 2);
    let rest = code.local(I64);
    magnitude(code, a);
    magnitude(code, b);
    let exit = code.block();
    let top = code.loop_();
    code.get(b).op().i64_eqz();
    code.br_if(exit);
    code.get(a).get(b).op().i64_rem_u().local_set(rest);
    code.get(b).set(a).get(rest).set(b);
    code.br(top);
    code.end();
    code.end();
    code.get(a).op().i64_const(0).i64_lt_s();
    code.trap_at_if(site, 0);
    code.get(a);
}

pub(super) fn compare(code: &mut Code) {
    let (int, float) = (0, 1);
    let whole = code.local(F64);
    let truncated = code.local(I64);
    let two_63 = 9_223_372_036_854_775_808.0_f64;
    let answer = |code: &mut Code, value: i32| {
        code.if_();
        code.op().i32_const(value).return_();
        code.end();
    };
    code.get(float).get(float).op().f64_ne();
    answer(code, 2);
    code.get(float).op().f64_const(two_63.into()).f64_ge();
    answer(code, -1);
    code.get(float).op().f64_const((-two_63).into()).f64_lt();
    answer(code, 1);
    code.get(float).op().f64_trunc().local_tee(whole).i64_trunc_sat_f64_s().local_set(truncated);
    code.get(int).get(truncated).op().i64_lt_s();
    answer(code, -1);
    code.get(int).get(truncated).op().i64_gt_s();
    answer(code, 1);
    // Equal whole parts: the float's fraction decides.
    code.get(float).get(whole).op().f64_lt();
    code.get(float).get(whole).op().f64_gt().i32_sub();
}
