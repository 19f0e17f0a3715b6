//! Integer intervals: which overflow checks and which negative-index paths are needless.
//!
//! Flow-insensitive: a local's interval holds every value ever assigned to it in the function.
//! Sound because an operation that leaves 64 bits traps, so results are clamped to `i64`.

use std::collections::BTreeMap;

use super::walk;
use crate::programs::ir::{
    Binary, Const, Expr, Function, GlobalValue, Intrinsic, Iter, LocalId, Program, StmtKind,
    TupleSource, Unary,
};
use crate::programs::types::{Scalar, Type};

/// A closed interval of `i64` values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interval {
    pub lo: i64,
    pub hi: i64,
}

/// No list is longer than this: memory has 32-bit addresses.
const LEN_MAX: i64 = u32::MAX as i64;
const ROUNDS_BEFORE_WIDENING: usize = 3;

impl Interval {
    pub const FULL: Self = Self { lo: i64::MIN, hi: i64::MAX };
    const BOOL: Self = Self { lo: 0, hi: 1 };
    const LEN: Self = Self { lo: 0, hi: LEN_MAX };

    const fn point(value: i64) -> Self {
        Self { lo: value, hi: value }
    }

    fn join(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    pub const fn is_nonnegative(self) -> bool {
        self.lo >= 0
    }

    /// Whether every value converts to float exactly.
    pub const fn is_exact_float(self) -> bool {
        self.lo >= -(1 << 53) && self.hi <= 1 << 53
    }

    pub fn contains(self, value: i64) -> bool {
        (self.lo..=self.hi).contains(&value)
    }

    fn clamp(lo: i128, hi: i128) -> Self {
        let narrow = |value: i128| {
            let bounded = value.clamp(i64::MIN.into(), i64::MAX.into());
            i64::try_from(bounded).unwrap_or(i64::MAX)
        };
        Self { lo: narrow(lo), hi: narrow(hi) }
    }

    /// The exact bounds of `self op other` before any check; `None` for other operators.
    pub fn exact(op: Binary, lhs: Self, rhs: Self) -> Option<(i128, i128)> {
        let (a, b) = (i128::from(lhs.lo), i128::from(lhs.hi));
        let (c, d) = (i128::from(rhs.lo), i128::from(rhs.hi));
        Some(match op {
            Binary::Add => (a + c, b + d),
            Binary::Sub => (a - d, b - c),
            Binary::Mul => {
                let products = [a * c, a * d, b * c, b * d];
                let lo = products.into_iter().min()?;
                (lo, products.into_iter().max()?)
            }
            _ => return None,
        })
    }

    /// Whether `lhs op rhs` may leave 64 bits.
    pub fn may_overflow(op: Binary, lhs: Self, rhs: Self) -> bool {
        Self::exact(op, lhs, rhs)
            .is_none_or(|(lo, hi)| lo < i128::from(i64::MIN) || hi > i128::from(i64::MAX))
    }
}

/// Intervals of a function's int locals.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranges {
    locals: BTreeMap<LocalId, Interval>,
}

impl Ranges {
    /// Analyse a function whose int parameters lie in the given intervals.
    pub fn new(program: &Program, function: &Function, params: &[Interval]) -> Self {
        let mut ranges = Self::default();
        for (idx, interval) in (0..function.n_params).zip(params) {
            ranges.locals.insert(LocalId(idx), *interval);
        }
        // Widening moves each bound at most once, so this ends.
        for round in 0.. {
            if !ranges.round(program, function, round >= ROUNDS_BEFORE_WIDENING) {
                break;
            }
        }
        ranges
    }

    fn round(&mut self, program: &Program, function: &Function, widen: bool) -> bool {
        let mut changed = false;
        let mut note = |ranges: &mut Self, target: LocalId, value: Option<Interval>| {
            if function.local(target).map(|local| local.ty) == Some(Type::INT) {
                changed |= ranges.note(target, value, widen);
            }
        };
        walk::statements(&function.body, &mut |stmt| {
            match &stmt.kind {
                StmtKind::Assign { target, value } => {
                    let value = self.interval(program, function, value);
                    note(self, *target, value);
                }
                StmtKind::Unpack { targets, value: TupleSource::Values(values) } => {
                    for (target, value) in targets.iter().zip(values) {
                        let value = self.interval(program, function, value);
                        note(self, *target, value);
                    }
                }
                StmtKind::Unpack { targets, .. } => {
                    for target in targets {
                        note(self, *target, Some(Interval::FULL));
                    }
                }
                StmtKind::For { targets, iter, .. } => {
                    for (idx, target) in targets.iter().enumerate() {
                        let value = self.target(program, function, iter, idx);
                        note(self, *target, value);
                    }
                }
                _ => {}
            }
            for expr in walk::stmt_exprs(stmt) {
                walk::expressions(expr, &mut |inner| {
                    let Some(comprehension) = walk::comprehension(inner) else { return };
                    for (idx, target) in comprehension.targets.iter().enumerate() {
                        let value = self.target(program, function, &comprehension.iter, idx);
                        note(self, *target, value);
                    }
                });
            }
        });
        changed
    }

    fn note(&mut self, target: LocalId, value: Option<Interval>, widen: bool) -> bool {
        let Some(value) = value else { return false };
        let old = self.locals.get(&target).copied();
        let mut new = old.map_or(value, |old| old.join(value));
        if old == Some(new) {
            return false;
        }
        if let (true, Some(old)) = (widen, old) {
            new.lo = if new.lo < old.lo { i64::MIN } else { new.lo };
            new.hi = if new.hi > old.hi { i64::MAX } else { new.hi };
        }
        self.locals.insert(target, new);
        true
    }

    fn target(
        &self,
        program: &Program,
        function: &Function,
        iter: &Iter,
        idx: usize,
    ) -> Option<Interval> {
        match (iter, idx) {
            (Iter::Range { start, stop, step }, _) => {
                let start = self.interval(program, function, start)?;
                let stop = self.interval(program, function, stop)?;
                let step = self.interval(program, function, step)?;
                let up = Interval { lo: start.lo, hi: stop.hi.saturating_sub(1).max(start.lo) };
                let down = Interval { lo: stop.lo.saturating_add(1).min(start.hi), hi: start.hi };
                Some(match (step.lo > 0, step.hi < 0) {
                    (true, _) => up,
                    (_, true) => down,
                    _ => up.join(down).join(start),
                })
            }
            (Iter::Enumerate(_), 0) => Some(Interval::LEN),
            _ => Some(Interval::FULL),
        }
    }

    /// The interval of an int (or bool) expression; `None` while a local it reads has no value yet.
    pub fn interval(
        &self,
        program: &Program,
        function: &Function,
        expr: &Expr,
    ) -> Option<Interval> {
        let of = |inner: &Expr| self.interval(program, function, inner);
        Some(match expr {
            Expr::Const(Const::Int(value)) => Interval::point(*value),
            Expr::Const(Const::Bool(value)) => Interval::point(i64::from(*value)),
            Expr::Global(id) => match program.global(*id).map(|global| &global.value) {
                Some(GlobalValue::Scalar(Const::Int(value))) => Interval::point(*value),
                _ => Interval::FULL,
            },
            Expr::Local(id) => match function.local(*id).map(|local| local.ty) {
                Some(Type::INT) => *self.locals.get(id)?,
                Some(Type::BOOL) => Interval::BOOL,
                _ => Interval::FULL,
            },
            Expr::Len(_) | Expr::TableLen(_) => Interval::LEN,
            Expr::Compare(..) | Expr::Unary(Unary::Not, _) => Interval::BOOL,
            Expr::Unary(Unary::Pos, inner) => of(inner)?,
            Expr::Unary(Unary::Neg, inner) => {
                let inner = of(inner)?;
                Interval::clamp(-i128::from(inner.hi), -i128::from(inner.lo))
            }
            Expr::Promote(Scalar::Int, inner) => of(inner)?,
            Expr::Convert(Scalar::Int, inner)
                if inner.ty(program, function) != Some(Type::FLOAT) =>
            {
                of(inner)?
            }
            Expr::Select { then, otherwise, .. } => of(then)?.join(of(otherwise)?),
            Expr::Binary(op, lhs, rhs) => binary(*op, of(lhs)?, of(rhs)?),
            Expr::Intrinsic(intrinsic, args) => {
                let mut parts = Vec::with_capacity(args.len());
                for arg in args {
                    parts.push(of(arg)?);
                }
                intrinsic_interval(*intrinsic, &parts)
            }
            _ => Interval::FULL,
        })
    }
}

fn binary(op: Binary, lhs: Interval, rhs: Interval) -> Interval {
    match op {
        Binary::Add | Binary::Sub | Binary::Mul => {
            Interval::exact(op, lhs, rhs).map_or(Interval::FULL, |(lo, hi)| Interval::clamp(lo, hi))
        }
        Binary::Mod if rhs.lo > 0 => {
            Interval { lo: 0, hi: if lhs.lo >= 0 { lhs.hi.min(rhs.hi - 1) } else { rhs.hi - 1 } }
        }
        Binary::FloorDiv if rhs.lo > 0 && lhs.lo >= 0 => Interval { lo: 0, hi: lhs.hi / rhs.lo },
        Binary::FloorDiv if rhs.lo > 0 => Interval { lo: lhs.lo, hi: lhs.hi.max(0) },
        Binary::Shr if lhs.lo >= 0 => Interval { lo: 0, hi: lhs.hi },
        Binary::BitAnd if lhs.lo >= 0 && rhs.lo >= 0 => Interval { lo: 0, hi: lhs.hi.min(rhs.hi) },
        Binary::BitAnd if rhs.lo >= 0 => Interval { lo: 0, hi: rhs.hi },
        Binary::BitAnd if lhs.lo >= 0 => Interval { lo: 0, hi: lhs.hi },
        Binary::BitOr | Binary::BitXor if lhs.lo >= 0 && rhs.lo >= 0 => {
            Interval { lo: 0, hi: i64::MAX }
        }
        _ => Interval::FULL,
    }
}

fn intrinsic_interval(intrinsic: Intrinsic, parts: &[Interval]) -> Interval {
    let lo_max = parts.iter().map(|part| part.lo).max().unwrap_or(i64::MIN);
    let lo_min = parts.iter().map(|part| part.lo).min().unwrap_or(i64::MIN);
    let hi_max = parts.iter().map(|part| part.hi).max().unwrap_or(i64::MAX);
    let hi_min = parts.iter().map(|part| part.hi).min().unwrap_or(i64::MAX);
    match intrinsic {
        Intrinsic::Min => Interval { lo: lo_min, hi: hi_min },
        Intrinsic::Max => Interval { lo: lo_max, hi: hi_max },
        Intrinsic::Abs if lo_min > i64::MIN => Interval { lo: 0, hi: hi_max.max(-lo_min).max(0) },
        Intrinsic::Abs | Intrinsic::Gcd => Interval { lo: 0, hi: i64::MAX },
        Intrinsic::Isqrt => Interval { lo: 0, hi: 3_037_000_500 },
        _ => Interval::FULL,
    }
}
