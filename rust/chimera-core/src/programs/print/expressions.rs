//! Expressions with as few parentheses as Python's precedence allows.

use super::super::ir::{
    Binary, Comparison, Comprehension, Const, Expr, Fold, FoldSource, Intrinsic, Iter, Logic, Unary,
};
use super::super::types::{Scalar, Type};
use super::constant;
use super::statements::Printer;

// Python's precedence, loosest first.
const SELECT: u8 = 1;
const OR: u8 = 2;
const AND: u8 = 3;
const NOT: u8 = 4;
const COMPARE: u8 = 5;
const BIT_OR: u8 = 6;
const BIT_XOR: u8 = 7;
const BIT_AND: u8 = 8;
const SHIFT: u8 = 9;
const SUM: u8 = 10;
const PRODUCT: u8 = 11;
const SIGN: u8 = 12;
const POWER: u8 = 13;
const ATOM: u8 = 14;

const fn binary(op: Binary) -> (&'static str, u8) {
    match op {
        Binary::Add => ("+", SUM),
        Binary::Sub => ("-", SUM),
        Binary::Mul => ("*", PRODUCT),
        Binary::TrueDiv => ("/", PRODUCT),
        Binary::FloorDiv => ("//", PRODUCT),
        Binary::Mod => ("%", PRODUCT),
        Binary::Pow => ("**", POWER),
        Binary::Shl => ("<<", SHIFT),
        Binary::Shr => (">>", SHIFT),
        Binary::BitAnd => ("&", BIT_AND),
        Binary::BitOr => ("|", BIT_OR),
        Binary::BitXor => ("^", BIT_XOR),
    }
}

pub(super) const fn augmented(op: Binary) -> &'static str {
    binary(op).0
}

const fn comparison(op: Comparison) -> &'static str {
    match op {
        Comparison::Eq => "==",
        Comparison::Ne => "!=",
        Comparison::Lt => "<",
        Comparison::Le => "<=",
        Comparison::Gt => ">",
        Comparison::Ge => ">=",
    }
}

impl Printer<'_> {
    /// An expression on its own.
    pub(super) fn expression(&self, expr: &Expr) -> String {
        self.expr(expr, SELECT)
    }

    /// An expression of which only the truth matters: `bool(x)` prints as `x`.
    pub(super) fn test(&self, expr: &Expr) -> String {
        self.test_at(expr, SELECT)
    }

    fn test_at(&self, expr: &Expr, least: u8) -> String {
        match expr {
            Expr::Convert(Scalar::Bool, inner) => self.expr(inner, least),
            Expr::Unary(Unary::Not, inner) => {
                bracket(format!("not {}", self.test_at(inner, NOT)), NOT, least)
            }
            Expr::Logic(op, lhs, rhs) => {
                let (word, level) = logic(*op);
                let text =
                    format!("{} {word} {}", self.test_at(lhs, level + 1), self.test_at(rhs, level));
                bracket(text, level, least)
            }
            other => self.expr(other, least),
        }
    }

    /// An expression inside an operator that binds with `least`.
    pub(super) fn expr(&self, expr: &Expr, least: u8) -> String {
        match expr {
            Expr::Const(value) => {
                let text = constant(*value);
                // A negative literal is a sign applied to a literal.
                if text.starts_with('-') { bracket(text, SIGN, least) } else { text }
            }
            Expr::Parameter(slot, _) => format!("PARAMETER[{slot}]"),
            Expr::Local(id) => self.local(*id),
            Expr::Global(id) => self.global(*id),
            Expr::Table(id, index) => {
                format!("{}[{}]", self.global(*id), self.expression(as_int(index)))
            }
            Expr::TableLen(id) => format!("len({})", self.global(*id)),
            // Only operators and calls promote by themselves; elsewhere it must be said.
            Expr::Promote(scalar, inner) => {
                format!("{}({})", scalar.name(), self.expression(inner))
            }
            Expr::Unary(op, operand) => self.unary(*op, operand, least),
            Expr::Binary(op, lhs, rhs) => {
                let (symbol, level) = binary(*op);
                let (lhs, rhs) = self.operands(*op, lhs, rhs);
                let (left, right) = if *op == Binary::Pow {
                    // `**` binds tighter than a sign on its left, looser on its right.
                    (self.expr(lhs, ATOM), self.expr(rhs, SIGN))
                } else {
                    (self.expr(lhs, level), self.expr(rhs, level + 1))
                };
                bracket(format!("{left} {symbol} {right}"), level, least)
            }
            Expr::Compare(first, rest) => {
                let mut text = self.expr(first, COMPARE + 1);
                for (op, operand) in rest {
                    text.push(' ');
                    text.push_str(comparison(*op));
                    text.push(' ');
                    text.push_str(&self.expr(operand, COMPARE + 1));
                }
                bracket(text, COMPARE, least)
            }
            Expr::Logic(op, lhs, rhs) => {
                let (word, level) = logic(*op);
                let text =
                    format!("{} {word} {}", self.expr(lhs, level + 1), self.expr(rhs, level));
                bracket(text, level, least)
            }
            Expr::Select { test, then, otherwise } => {
                let text = format!(
                    "{} if {} else {}",
                    self.expr(then, OR),
                    self.test_at(test, OR),
                    self.expr(otherwise, SELECT)
                );
                bracket(text, SELECT, least)
            }
            Expr::Convert(scalar, inner) => {
                format!("{}({})", scalar.name(), self.expression(inner))
            }
            Expr::Intrinsic(intrinsic, args) => {
                let args: Vec<_> =
                    args.iter().map(|arg| self.expression(argument(*intrinsic, arg))).collect();
                format!("{}({})", intrinsic.python_name(), args.join(", "))
            }
            Expr::Call(id, args) => format!("{}({})", self.function_name(*id), self.list(args)),
            Expr::Index(list, index) => {
                format!("{}[{}]", self.expr(list, ATOM), self.expression(as_int(index)))
            }
            Expr::Len(list) => format!("len({})", self.expression(list)),
            Expr::List(_, elements) => format!("[{}]", self.list(elements)),
            Expr::Repeat(value, count) => {
                let text = format!(
                    "[{}] * {}",
                    self.expression(value),
                    self.expr(as_int(count), PRODUCT + 1)
                );
                bracket(text, PRODUCT, least)
            }
            Expr::Copy(list) => format!("list({})", self.expression(list)),
            Expr::Pop(list) => format!("{}.pop()", self.expr(list, ATOM)),
            Expr::Comprehension(inner) => {
                format!("[{}]", self.comprehension(inner, &inner.element))
            }
            Expr::Fold(fold, source) => self.fold(*fold, source),
        }
    }

    /// Operands without the promotions that Python makes by itself.
    pub(super) fn operands<'e>(
        &self,
        op: Binary,
        lhs: &'e Expr,
        rhs: &'e Expr,
    ) -> (&'e Expr, &'e Expr) {
        let scalar = |expr: &Expr| self.ty(expr).and_then(Type::scalar);
        let (left, right) = (strip(lhs), strip(rhs));
        let keeps_bool = matches!(op, Binary::BitAnd | Binary::BitOr | Binary::BitXor);
        let common = match scalar(left).max(scalar(right)) {
            Some(Scalar::Bool) if !keeps_bool => Some(Scalar::Int),
            other => other,
        };
        // One promotion that is said brings the other operand along.
        if common == scalar(lhs) { (left, right) } else { (lhs, right) }
    }

    fn unary(&self, op: Unary, operand: &Expr, least: u8) -> String {
        match op {
            Unary::Not => bracket(format!("not {}", self.test_at(operand, NOT)), NOT, least),
            Unary::Neg | Unary::Pos | Unary::Invert => {
                let symbol = match op {
                    Unary::Neg => "-",
                    Unary::Pos => "+",
                    _ => "~",
                };
                // A sign before a literal would fold into it when read back.
                let inner = match operand {
                    Expr::Const(Const::Int(_) | Const::Float(_)) if op == Unary::Neg => {
                        format!("({})", self.expression(operand))
                    }
                    _ => self.expr(as_int(operand), SIGN),
                };
                bracket(format!("{symbol}{inner}"), SIGN, least)
            }
        }
    }

    pub(super) fn list(&self, exprs: &[Expr]) -> String {
        let items: Vec<_> = exprs.iter().map(|expr| self.expression(expr)).collect();
        items.join(", ")
    }

    fn fold(&self, fold: Fold, source: &FoldSource) -> String {
        let (name, tail) = match fold {
            Fold::Sum => ("sum", ""),
            Fold::SumFromZero => ("sum", ", 0.0"),
            Fold::Min => ("min", ""),
            Fold::Max => ("max", ""),
            Fold::Any => ("any", ""),
            Fold::All => ("all", ""),
        };
        let inner = match source {
            FoldSource::List(list) => self.expression(list),
            FoldSource::Generator(inner) => {
                // The sum of bools is an int.
                let element =
                    if fold == Fold::Sum { as_int(&inner.element) } else { &inner.element };
                let text = self.comprehension(inner, element);
                if tail.is_empty() { text } else { format!("({text})") }
            }
        };
        format!("{name}({inner}{tail})")
    }

    fn comprehension(&self, inner: &Comprehension, element: &Expr) -> String {
        let targets: Vec<_> = inner.targets.iter().map(|id| self.local(*id)).collect();
        let condition = inner
            .condition
            .as_ref()
            .map_or_else(String::new, |test| format!(" if {}", self.test_at(test, OR)));
        format!(
            "{} for {} in {}{condition}",
            self.expression(element),
            targets.join(", "),
            self.iterated(&inner.iter, OR)
        )
    }

    /// What a loop runs over; `least` as for expressions.
    pub(super) fn iterated(&self, iter: &Iter, least: u8) -> String {
        match iter {
            Iter::Range { start, stop, step } => {
                let (start, stop, step) = (as_int(start), as_int(stop), as_int(step));
                let one = *step == Expr::int(1);
                if one && *start == Expr::int(0) {
                    format!("range({})", self.expression(stop))
                } else if one {
                    format!("range({}, {})", self.expression(start), self.expression(stop))
                } else {
                    let bounds = [start, stop, step].map(|bound| self.expression(bound));
                    format!("range({})", bounds.join(", "))
                }
            }
            Iter::List(list) => self.expr(list, least),
            Iter::Enumerate(list) => format!("enumerate({})", self.expression(list)),
            Iter::Zip(lists) => format!("zip({})", self.list(lists)),
            Iter::Table(id) => self.global(*id),
        }
    }
}

/// The expression without an int promotion, in a place that takes a bool for an int.
fn as_int(expr: &Expr) -> &Expr {
    match expr {
        Expr::Promote(Scalar::Int, inner) => inner,
        other => other,
    }
}

/// An argument without the promotion that the function makes by itself. `round` and its like keep
/// theirs: of an int they are that int. `min` and `max` take no bools.
fn argument(intrinsic: Intrinsic, arg: &Expr) -> &Expr {
    use Intrinsic as I;
    match intrinsic {
        I::Min | I::Max | I::Round | I::Floor | I::Ceil | I::Trunc => arg,
        I::Abs | I::Gcd | I::Isqrt => as_int(arg),
        _ => strip(arg),
    }
}

fn strip(expr: &Expr) -> &Expr {
    match expr {
        Expr::Promote(_, inner) => strip(inner),
        other => other,
    }
}

const fn logic(op: Logic) -> (&'static str, u8) {
    match op {
        Logic::And => ("and", AND),
        Logic::Or => ("or", OR),
    }
}

fn bracket(text: String, level: u8, least: u8) -> String {
    if level < least { format!("({text})") } else { text }
}
