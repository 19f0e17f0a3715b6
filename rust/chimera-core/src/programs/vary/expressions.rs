//! Edits inside expressions.

use super::edit::Edit;
use crate::programs::check::Role;
use crate::programs::ir::{Binary, Comparison, Const, Expr, Fold, Intrinsic, LocalId, Logic};
use crate::programs::types::{Scalar, Type};
use crate::programs::walk;
use crate::rng::Stream;

fn other<T: Copy + PartialEq>(stream: &mut Stream, all: &[T], old: T) -> T {
    let rest: Vec<T> = all.iter().copied().filter(|it| *it != old).collect();
    stream.choose(&rest).copied().unwrap_or(old)
}

/// Change one to a few nodes, each to one of the same type and arity.
pub(crate) fn replace_point(edit: &mut Edit<'_>) -> Option<()> {
    let n = edit.heavy(4);
    for _ in 0..n {
        let (index, site) = edit.site(|_| true)?;
        let mut expr = edit.expr(index)?.clone();
        if matches!(expr, Expr::Const(_) | Expr::Local(_)) {
            expr = match site.ty {
                Type::Scalar(scalar) => {
                    if site.role == Role::Divisor || site.role == Role::Delicate {
                        if scalar == Scalar::Bool {
                            return None;
                        }
                        edit.grow(site.scope).divisor(scalar, 1)
                    } else {
                        edit.grow(site.scope).leaf(scalar)
                    }
                }
                ty => Expr::Local(edit.readable(site.scope, ty).choose_other(edit.stream, &expr)?),
            };
        } else {
            point(&mut expr, site.role, edit.stream)?;
        }
        let same_shape = walk::size_expr(&expr) == site.size;
        edit.put(index, expr)?;
        if !same_shape {
            break;
        }
    }
    Some(())
}

trait ChooseOther {
    fn choose_other(&self, stream: &mut Stream, old: &Expr) -> Option<LocalId>;
}

impl ChooseOther for Vec<LocalId> {
    fn choose_other(&self, stream: &mut Stream, old: &Expr) -> Option<LocalId> {
        let rest: Vec<LocalId> =
            self.iter().copied().filter(|id| Expr::Local(*id) != *old).collect();
        stream.choose(&rest).copied()
    }
}

/// Change an inner node in place; `None` when there is no other one of its signature.
fn point(expr: &mut Expr, role: Role, stream: &mut Stream) -> Option<()> {
    match expr {
        Expr::Binary(operator, ..) => *operator = other_binary(*operator, stream),
        Expr::Compare(_, rest) => {
            use Comparison as C;
            let at = stream.below(rest.len());
            let (operator, _) = rest.get_mut(at)?;
            *operator = other(stream, &[C::Lt, C::Le, C::Gt, C::Ge, C::Eq, C::Ne], *operator);
        }
        Expr::Logic(operator, ..) => {
            *operator = if *operator == Logic::And { Logic::Or } else { Logic::And };
        }
        Expr::Select { then, otherwise, .. } => std::mem::swap(then, otherwise),
        Expr::Unary(_, inner) if role != Role::Delicate => {
            let inner = std::mem::replace(&mut **inner, Expr::int(0));
            *expr = inner;
        }
        Expr::Intrinsic(intrinsic, _) => *intrinsic = other_intrinsic(*intrinsic, stream)?,
        Expr::Fold(fold @ (Fold::Min | Fold::Max | Fold::Sum), _) => {
            *fold = other(stream, &[Fold::Min, Fold::Max, Fold::Sum], *fold);
        }
        Expr::Fold(fold @ (Fold::Any | Fold::All), _) => {
            *fold = other(stream, &[Fold::Any, Fold::All], *fold);
        }
        _ => return None,
    }
    Some(())
}

fn other_binary(operator: Binary, stream: &mut Stream) -> Binary {
    use Binary as B;
    match operator {
        B::Add | B::Sub | B::Mul => other(stream, &[B::Add, B::Sub, B::Mul], operator),
        B::FloorDiv | B::Mod => other(stream, &[B::FloorDiv, B::Mod, B::Mul, B::Sub], operator),
        // Its operands may be ints, and then only another true division gives a float.
        B::TrueDiv => operator,
        B::Pow => other(stream, &[B::Mul, B::Add, B::Pow], operator),
        B::Shl | B::Shr => other(stream, &[B::Shl, B::Shr], operator),
        B::BitAnd | B::BitOr | B::BitXor => {
            other(stream, &[B::BitAnd, B::BitOr, B::BitXor], operator)
        }
    }
}

fn other_intrinsic(intrinsic: Intrinsic, stream: &mut Stream) -> Option<Intrinsic> {
    use Intrinsic as I;
    let groups: [&[I]; 6] = [
        &[I::Min, I::Max],
        &[I::Round, I::Floor, I::Ceil, I::Trunc],
        &[I::Sin, I::Cos, I::Tanh, I::Atan, I::Erf],
        &[I::Log, I::Log2, I::Log10, I::Log1p],
        &[I::Sqrt, I::Cbrt, I::Log1p],
        &[I::Exp, I::Exp2, I::Expm1],
    ];
    let group = groups.into_iter().find(|group| group.contains(&intrinsic))?;
    Some(other(stream, group, intrinsic))
}

/// Replace a subtree by a fresh one; the fresh one is often a leaf and sometimes deep.
pub(crate) fn replace_subtree(edit: &mut Edit<'_>) -> Option<()> {
    let (index, site) =
        edit.site(|site| site.ty.scalar().is_some() && site.role != Role::Delicate)?;
    let scalar = site.ty.scalar()?;
    let room = edit.context.limits.depth_max.saturating_sub(site.depth) + 1;
    let depth = (edit.heavy(6) + 1).min(room.max(1));
    let old = edit.expr(index)?.clone();
    let around = edit.stream.chance(0.4);
    let mut grow = edit.grow(site.scope);
    let mut fresh = match site.role {
        Role::Divisor => grow.divisor(scalar, depth),
        _ => grow.scalar(scalar, depth),
    };
    // Often the old subtree stays as an operand: a term added, a bound, a factor.
    if around && scalar != Scalar::Bool && site.role == Role::Free {
        fresh = combine(old, fresh, edit.stream);
    }
    edit.put(index, fresh)
}

fn combine(old: Expr, new: Expr, stream: &mut Stream) -> Expr {
    let (lhs, rhs) = if stream.chance(0.7) { (old, new) } else { (new, old) };
    match stream.below(6) {
        0 => Expr::Intrinsic(Intrinsic::Min, vec![lhs, rhs]),
        1 => Expr::Intrinsic(Intrinsic::Max, vec![lhs, rhs]),
        2 => Expr::Binary(Binary::Mul, Box::new(lhs), Box::new(rhs)),
        3 => Expr::Binary(Binary::Sub, Box::new(lhs), Box::new(rhs)),
        _ => Expr::Binary(Binary::Add, Box::new(lhs), Box::new(rhs)),
    }
}

/// Replace an expression by one inside it of the same type, or by a literal when tiny.
pub(crate) fn hoist(edit: &mut Edit<'_>) -> Option<()> {
    let (index, site) = edit.site(|site| site.size > 1 && site.role != Role::Delicate)?;
    let readable = edit.layout.scopes.get(site.scope)?.clone();
    let mut found = Vec::new();
    for (at, inner) in edit.layout.sites.iter().enumerate().skip(index + 1).take(site.size - 1) {
        if inner.ty == site.ty {
            found.push(at);
        }
    }
    let at = *edit.stream.choose(&found)?;
    let inner = edit.expr(at)?.clone();
    let closed =
        walk::free_locals(&inner).iter().all(|id| readable.get(id.0 as usize) == Some(&true));
    if !closed || (site.role == Role::Divisor && matches!(inner, Expr::Const(Const::Int(0)))) {
        return None;
    }
    edit.put(index, inner)
}
