//! Runtime helpers: small functions of the module that compiled code shares.
//!
//! Helpers that may trap take the index of their first site as the last parameter, so that a trap
//! names the source line of the caller. Only used helpers are emitted.

use wasm_encoder::ValType::{self, F64, I32, I64};

use super::abi::{HEADER_BYTES, HEADER_CAPACITY, HEADER_DATA, HEADER_LEN};
use super::code::{Callee, Code, at};
use super::module::HEAP;
use super::reason::Reason;
use super::{helpers_float, helpers_int};

/// A helper function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Helper {
    /// `(bytes: i64, site) -> i32`: bump allocation.
    Alloc,
    /// `(len: i64, shift: i32, site) -> i32`: a list of `len` uninitialised elements.
    NewList,
    /// `(list, shift, site)`: double the capacity.
    Grow,
    /// `(list, shift, site) -> i32`: a shallow copy.
    CopyList,
    /// `(data, n, bits: i64)`: fill 8-byte elements.
    Fill,
    /// `(i64, i64, site) -> i64`: `**`.
    IntPow,
    /// `(i64, site) -> i64`.
    Isqrt,
    /// `(i64, i64, site) -> i64`.
    Gcd,
    /// `(i64, f64) -> i32`: −1, 0, 1, or 2 when unordered.
    Compare,
    /// `(f64, f64) -> f64`: C's `fmod`, quick for small quotients.
    Remainder,
    /// `(f64, f64, site) -> f64`: `%`.
    FloatMod,
    /// `(f64, f64, site) -> f64`: `//`.
    FloatFloorDiv,
    /// `(f64, f64, site) -> f64`: `**`.
    FloatPow,
    /// `(f64, f64, site) -> f64`: `math.pow`.
    MathPow,
    /// `(f64, f64, site) -> f64`: `math.fmod`.
    MathFmod,
    /// `(f64, site) -> f64`: a libm function; the flag says that infinity is an overflow.
    Math1(&'static str, bool),
    /// `(f64, site) -> f64`: a logarithm.
    Log(&'static str),
    /// `(f64) -> i32`: whether a finite float is an odd integer.
    IsOdd,
}

impl Helper {
    /// Parameter and result types.
    pub fn signature(self) -> (Vec<ValType>, Vec<ValType>) {
        match self {
            Self::Alloc => (vec![I64, I32], vec![I32]),
            Self::NewList => (vec![I64, I32, I32], vec![I32]),
            Self::Grow => (vec![I32, I32, I32], vec![]),
            Self::CopyList => (vec![I32, I32, I32], vec![I32]),
            Self::Fill => (vec![I32, I32, I64], vec![]),
            Self::IntPow | Self::Gcd => (vec![I64, I64, I32], vec![I64]),
            Self::Isqrt => (vec![I64, I32], vec![I64]),
            Self::Compare => (vec![I64, F64], vec![I32]),
            Self::Remainder => (vec![F64, F64], vec![F64]),
            Self::FloatMod
            | Self::FloatFloorDiv
            | Self::FloatPow
            | Self::MathPow
            | Self::MathFmod => (vec![F64, F64, I32], vec![F64]),
            Self::Math1(..) | Self::Log(_) => (vec![F64, I32], vec![F64]),
            Self::IsOdd => (vec![F64], vec![I32]),
        }
    }

    /// The sites that a call needs, in order.
    pub fn reasons(self) -> Vec<Reason> {
        match self {
            Self::Alloc | Self::NewList | Self::Grow | Self::CopyList => vec![Reason::Memory],
            Self::Fill | Self::Compare | Self::Remainder | Self::IsOdd => Vec::new(),
            Self::IntPow => vec![Reason::NegativeExponent, Reason::IntOverflow],
            Self::Isqrt | Self::MathFmod | Self::Log(_) => vec![Reason::Domain],
            Self::Gcd => vec![Reason::IntOverflow],
            Self::FloatMod | Self::FloatFloorDiv => vec![Reason::ZeroDivision],
            Self::FloatPow => {
                vec![Reason::ZeroDivision, Reason::ComplexPower, Reason::FloatOverflow]
            }
            Self::MathPow | Self::Math1(..) => vec![Reason::Domain, Reason::FloatOverflow],
        }
    }

    /// The body.
    pub fn code(self) -> Code {
        let mut code = Code::new(self.signature().0.len());
        match self {
            Self::Alloc => alloc(&mut code),
            Self::NewList => new_list(&mut code),
            Self::Grow => grow(&mut code),
            Self::CopyList => copy_list(&mut code),
            Self::Fill => fill(&mut code),
            Self::IntPow => helpers_int::pow(&mut code),
            Self::Isqrt => helpers_int::isqrt(&mut code),
            Self::Gcd => helpers_int::gcd(&mut code),
            Self::Compare => helpers_int::compare(&mut code),
            Self::Remainder => helpers_float::remainder(&mut code),
            Self::FloatMod => helpers_float::modulo(&mut code),
            Self::FloatFloorDiv => helpers_float::floor_div(&mut code),
            Self::FloatPow => helpers_float::pow(&mut code),
            Self::MathPow => helpers_float::math_pow(&mut code),
            Self::MathFmod => helpers_float::math_fmod(&mut code),
            Self::Math1(name, can_overflow) => helpers_float::math_1(&mut code, name, can_overflow),
            Self::Log(name) => helpers_float::log(&mut code, name),
            Self::IsOdd => helpers_float::is_odd(&mut code),
        }
        code
    }
}

/// Grow by at least this many pages, so that small allocations rarely call the host.
const GROW_PAGES_MIN: i64 = 16;

fn alloc(code: &mut Code) {
    let (bytes, site) = (0, 1);
    let end = code.local(I64);
    let pages = code.local(I64);
    let start = code.local(I32);
    code.op().global_get(HEAP).local_tee(start).i64_extend_i32_u();
    code.get(bytes).op().i64_const(7).i64_add().i64_const(-8).i64_and().i64_add().local_tee(end);
    code.op().memory_size(0).i64_extend_i32_u().i64_const(16).i64_shl().i64_gt_u();
    code.if_cold();
    // Pages short of `end`; more than 32 bits can hold is refused before asking.
    code.get(end).op().i64_const(65_535).i64_add().i64_const(16).i64_shr_u();
    code.op().memory_size(0).i64_extend_i32_u().i64_sub().local_tee(pages);
    code.op().i64_const(65_536).i64_gt_u();
    code.trap_at_if(site, 0);
    code.get(pages).op().i64_const(GROW_PAGES_MIN).i64_lt_u();
    code.if_result(I32);
    code.op().i32_const(16).memory_grow(0);
    code.else_();
    code.op().i32_const(-1);
    code.end();
    code.op().i32_const(-1).i32_eq();
    code.if_();
    code.get(pages).op().i32_wrap_i64().memory_grow(0).i32_const(-1).i32_eq();
    code.trap_at_if(site, 0);
    code.end();
    code.end();
    code.get(end).op().i32_wrap_i64().global_set(HEAP);
    code.get(start);
}

fn call(code: &mut Code, helper: Helper) {
    code.call(Callee::Helper(helper));
}

fn new_list(code: &mut Code) {
    let (len, shift, site) = (0, 1, 2);
    let list = code.local(I32);
    code.get(len).op().i64_const(1 << 32).i64_ge_u();
    code.trap_at_if(site, 0);
    code.get(len).get(shift).op().i64_extend_i32_u().i64_shl();
    code.op().i64_const(i64::from(HEADER_BYTES)).i64_add();
    code.get(site);
    call(code, Helper::Alloc);
    code.op().local_tee(list);
    code.get(list).op().i32_const(HEADER_BYTES.cast_signed()).i32_add();
    code.op().i32_store(at(HEADER_DATA, 2));
    code.get(list).get(len).op().i32_wrap_i64().i32_store(at(HEADER_LEN, 2));
    code.get(list).get(len).op().i32_wrap_i64().i32_store(at(HEADER_CAPACITY, 2));
    code.get(list);
}

fn grow(code: &mut Code) {
    let (list, shift, site) = (0, 1, 2);
    let capacity = code.local(I64);
    let data = code.local(I32);
    let new = code.local(I32);
    code.get(list).op().i64_load32_u(at(HEADER_CAPACITY, 2)).i64_const(1).i64_shl();
    code.op().local_tee(capacity).i64_const(4).i64_lt_u();
    code.if_();
    code.op().i64_const(4).local_set(capacity);
    code.end();
    code.get(capacity).get(shift).op().i64_extend_i32_u().i64_shl();
    code.get(site);
    call(code, Helper::Alloc);
    code.set(new);
    code.get(list).op().i32_load(at(HEADER_DATA, 2)).local_set(data);
    code.get(new).get(data).get(list).op().i32_load(at(HEADER_LEN, 2));
    code.get(shift).op().i32_shl().memory_copy(0, 0);
    code.get(list).get(new).op().i32_store(at(HEADER_DATA, 2));
    code.get(list).get(capacity).op().i32_wrap_i64().i32_store(at(HEADER_CAPACITY, 2));
}

fn copy_list(code: &mut Code) {
    let (list, shift, site) = (0, 1, 2);
    let new = code.local(I32);
    code.get(list).op().i64_load32_u(at(HEADER_LEN, 2));
    code.get(shift).get(site);
    call(code, Helper::NewList);
    code.op().local_tee(new).i32_load(at(HEADER_DATA, 2));
    code.get(list).op().i32_load(at(HEADER_DATA, 2));
    code.get(list).op().i32_load(at(HEADER_LEN, 2));
    code.get(shift).op().i32_shl().memory_copy(0, 0);
    code.get(new);
}

fn fill(code: &mut Code) {
    let (data, n, bits) = (0, 1, 2);
    let end = code.local(I32);
    code.get(data).get(n).op().i32_const(3).i32_shl().i32_add().local_set(end);
    let exit = code.block();
    let top = code.loop_();
    code.get(data).get(end).op().i32_eq();
    code.br_if(exit);
    code.get(data).get(bits).op().i64_store(at(0, 3));
    code.get(data).op().i32_const(8).i32_add().local_set(data);
    code.br(top);
    code.end();
    code.end();
}
