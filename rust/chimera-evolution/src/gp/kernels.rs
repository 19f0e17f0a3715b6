//! The loops of the machine: one instruction over one block of rows.
//!
//! Measured on a processor with AVX-512 (docs/evolution/symbolic-regression.md has the table): one
//! pass per token, one pass per operation with leaves as operands, and two operations fused in one
//! pass. The last is what stands. A fused kernel is the composition of an [`Inner`] operation, whose
//! result stays in a register, with an [`Outer`] one.

use pulp::Arch;

use super::function::{self, Function};
use super::math;

/// Rows are padded to whole tiles, so that loops over a tile have a fixed length.
pub const TILE: usize = 64;
/// One tile of a column or register.
pub type Tile = [f32; TILE];

/// Operands of an instruction. Slices that a kernel does not read repeat another one; all have the
/// length of the output.
#[derive(Clone, Copy)]
pub struct Operands<'a> {
    /// First and second operand of the inner operation, second of the outer.
    pub a: &'a [Tile],
    /// See `a`.
    pub b: &'a [Tile],
    /// See `a`.
    pub c: &'a [Tile],
    /// Fourth operand, of `if_greater` only.
    pub d: &'a [Tile],
    /// Constant of the inner operation.
    pub p: f32,
    /// Constant of the outer operation.
    pub q: f32,
}

/// An instruction's loop.
pub type Kernel = fn(Arch, &mut [Tile], Operands<'_>);

/// The first operation, on `a` and `b` or on one of them and the constant `p`.
trait Inner {
    fn apply(a: f32, b: f32, p: f32) -> f32;
}

/// The second operation, on the first result `t` and `c` or the constant `q`.
trait Outer {
    fn apply(t: f32, c: f32, q: f32) -> f32;
}

macro_rules! operations {
    ($kind:ident($x:ident, $y:ident, $z:ident): $($name:ident = $body:expr,)*) => {$(
        struct $name;
        impl $kind for $name {
            #[inline(always)]
            fn apply($x: f32, $y: f32, $z: f32) -> f32 { $body }
        }
    )*};
}

operations! { Inner(a, _b, _p):
    CopyA = a,
    SquareA = a * a,
    NegA = -a,
    AbsA = a.abs(),
    SqrtA = a.abs().sqrt(),
    LogA = function::log(a),
    ExpA = function::exp(a),
    SinA = math::sin(a),
    CosA = math::cos(a),
    TanhA = math::tanh(a),
}
operations! { Inner(_a, _b, p):
    FillP = p,
}
operations! { Inner(a, b, _p):
    AddAB = a + b,
    SubAB = a - b,
    MulAB = a * b,
    DivAB = function::div(a, b),
    MinAB = function::min(a, b),
    MaxAB = function::max(a, b),
}
operations! { Inner(a, _b, p):
    AddAP = a + p,
    SubPA = p - a,
    MulAP = a * p,
    DivAP = function::div(a, p),
    DivPA = function::div(p, a),
    MinAP = function::min(a, p),
    MinPA = function::min(p, a),
    MaxAP = function::max(a, p),
    MaxPA = function::max(p, a),
}
operations! { Outer(t, _c, _q):
    Only = t,
}
operations! { Outer(t, c, _q):
    AddTC = t + c,
    SubTC = t - c,
    SubCT = c - t,
    MulTC = t * c,
    DivTC = function::div(t, c),
    DivCT = function::div(c, t),
}
operations! { Outer(t, _c, q):
    AddTQ = t + q,
    SubQT = q - t,
    MulTQ = t * q,
    DivTQ = function::div(t, q),
    DivQT = function::div(q, t),
}

/// The arguments are `&mut` and `&` of one call, which tells the optimiser that they do not overlap.
#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the dispatched closure")]
fn sweep<I: Inner, O: Outer>(out: &mut [Tile], a: &[Tile], b: &[Tile], c: &[Tile], p: f32, q: f32) {
    for (((out, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
        for (((out, a), b), c) in out.iter_mut().zip(a).zip(b).zip(c) {
            *out = O::apply(I::apply(*a, *b, p), *c, q);
        }
    }
}

fn run<I: Inner, O: Outer>(arch: Arch, out: &mut [Tile], x: Operands<'_>) {
    arch.dispatch(
        #[inline(always)]
        || sweep::<I, O>(out, x.a, x.b, x.c, x.p, x.q),
    );
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the dispatched closure")]
fn sweep_if_greater(out: &mut [Tile], a: &[Tile], b: &[Tile], c: &[Tile], d: &[Tile]) {
    for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *out = if a > b { *c } else { *d };
        }
    }
}

fn if_greater(arch: Arch, out: &mut [Tile], x: Operands<'_>) {
    arch.dispatch(
        #[inline(always)]
        || sweep_if_greater(out, x.a, x.b, x.c, x.d),
    );
}

const N_OUTER: usize = 12;

const fn row<I: Inner>() -> [Kernel; N_OUTER] {
    [
        run::<I, Only>,
        run::<I, AddTC>,
        run::<I, SubTC>,
        run::<I, MulTC>,
        run::<I, DivTC>,
        run::<I, SubCT>,
        run::<I, DivCT>,
        run::<I, AddTQ>,
        run::<I, SubQT>,
        run::<I, MulTQ>,
        run::<I, DivTQ>,
        run::<I, DivQT>,
    ]
}

/// Inner operations that can be fused with an outer one, by [`Form`].
static FUSED: [[Kernel; N_OUTER]; 9] = [
    row::<AddAB>(),
    row::<SubAB>(),
    row::<MulAB>(),
    row::<DivAB>(),
    row::<AddAP>(),
    row::<SubPA>(),
    row::<MulAP>(),
    row::<DivAP>(),
    row::<DivPA>(),
];

/// How an arithmetic operation takes its operands: two vectors, or a vector and a constant on the
/// right or left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Both are vectors.
    Vectors,
    /// Vector, then constant.
    ConstantRight,
    /// Constant, then vector.
    ConstantLeft,
}

/// Row of [`FUSED`] of an operation that can be an inner one.
pub fn inner(function: Function, form: Form) -> Option<u8> {
    Some(match (function, form) {
        (Function::Add, Form::Vectors) => 0,
        (Function::Sub, Form::Vectors) => 1,
        (Function::Mul, Form::Vectors) => 2,
        (Function::Div, Form::Vectors) => 3,
        // Sums and products commute exactly; `x - c` is compiled as `x + (-c)`, which equals it.
        (Function::Add, _) => 4,
        (Function::Sub, Form::ConstantLeft) => 5,
        (Function::Mul, _) => 6,
        (Function::Div, Form::ConstantRight) => 7,
        (Function::Div, Form::ConstantLeft) => 8,
        _ => return None,
    })
}

/// Column of [`FUSED`] of an operation on an inner result, which stands left or right of the other
/// operand.
pub fn outer(function: Function, is_constant: bool, is_left: bool) -> Option<u8> {
    Some(match (function, is_constant, is_left) {
        (Function::Add, false, _) => 1,
        (Function::Sub, false, true) => 2,
        (Function::Mul, false, _) => 3,
        (Function::Div, false, true) => 4,
        (Function::Sub, false, false) => 5,
        (Function::Div, false, false) => 6,
        (Function::Add, true, _) => 7,
        (Function::Sub, true, false) => 8,
        (Function::Mul, true, _) => 9,
        (Function::Div, true, true) => 10,
        (Function::Div, true, false) => 11,
        _ => return None,
    })
}

/// The kernel of an inner operation fused with an outer one; column 0 for none.
pub fn fused(inner: u8, outer: u8) -> Kernel {
    FUSED
        .get(usize::from(inner))
        .and_then(|row| row.get(usize::from(outer)))
        .copied()
        .unwrap_or(run::<CopyA, Only>)
}

/// The kernel of any other operation on its own.
pub fn single(function: Function, form: Form) -> Kernel {
    match (function, form) {
        (Function::Min, Form::Vectors) => run::<MinAB, Only>,
        (Function::Min, Form::ConstantRight) => run::<MinAP, Only>,
        (Function::Min, Form::ConstantLeft) => run::<MinPA, Only>,
        (Function::Max, Form::Vectors) => run::<MaxAB, Only>,
        (Function::Max, Form::ConstantRight) => run::<MaxAP, Only>,
        (Function::Max, Form::ConstantLeft) => run::<MaxPA, Only>,
        (Function::Neg, _) => run::<NegA, Only>,
        (Function::Abs, _) => run::<AbsA, Only>,
        (Function::Sqrt, _) => run::<SqrtA, Only>,
        (Function::Log, _) => run::<LogA, Only>,
        (Function::Exp, _) => run::<ExpA, Only>,
        (Function::Sin, _) => run::<SinA, Only>,
        (Function::Cos, _) => run::<CosA, Only>,
        (Function::Tanh, _) => run::<TanhA, Only>,
        (Function::Square, _) => run::<SquareA, Only>,
        (Function::IfGreater, _) => if_greater,
        (Function::Add | Function::Sub | Function::Mul | Function::Div, form) => {
            fused(inner(function, form).unwrap_or(0), 0)
        }
    }
}

/// Copies a column.
pub const COPY: Kernel = run::<CopyA, Only>;
/// Writes a constant.
pub const FILL: Kernel = run::<FillP, Only>;
