//! Evaluation order: which expressions may be evaluated later, or twice, without a difference.
//!
//! The representation has no augmented assignment to elements and no reversed range; the front end
//! and the printer rewrite them, and these tests say where that keeps Python's order of effects.

use super::ir::Expr;
use super::walk;

/// Whether evaluating the expression may change a list: it pops, or calls a function.
#[must_use]
pub fn acts(expr: &Expr) -> bool {
    let mut found = false;
    walk::visit(expr, &mut |inner| found |= matches!(inner, Expr::Pop(_) | Expr::Call(..)));
    found
}

/// Reads only locals, constants and list elements: evaluating it twice is evaluating it once.
#[must_use]
pub fn is_plain(expr: &Expr) -> bool {
    match expr {
        Expr::Local(_) | Expr::Const(_) | Expr::Parameter(..) | Expr::Global(_) => true,
        Expr::Unary(_, inner) | Expr::Promote(_, inner) | Expr::Len(inner) => is_plain(inner),
        Expr::Binary(_, lhs, rhs) | Expr::Index(lhs, rhs) => is_plain(lhs) && is_plain(rhs),
        _ => false,
    }
}

/// Plain, and reads no list: other expressions that act cannot change its value either.
#[must_use]
pub fn is_steady(expr: &Expr) -> bool {
    match expr {
        Expr::Len(_) | Expr::Index(..) => false,
        Expr::Unary(_, inner) | Expr::Promote(_, inner) => is_steady(inner),
        Expr::Binary(_, lhs, rhs) => is_steady(lhs) && is_steady(rhs),
        _ => is_plain(expr),
    }
}

/// Whether two expressions give the same values and effects in either order.
#[must_use]
pub fn commute(one: &Expr, other: &Expr) -> bool {
    (!acts(one) || is_steady(other)) && (!acts(other) || is_steady(one))
}

/// Whether `list[index] op= value` may be read, and written, as `list[index] = list[index] op value`.
#[must_use]
pub fn is_augmentable(list: &Expr, index: &Expr, value: &Expr) -> bool {
    is_plain(list) && is_plain(index) && (!acts(value) || (is_steady(list) && is_steady(index)))
}
