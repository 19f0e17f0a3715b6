//! Operators: Python's numeric promotions made explicit.

use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};

use super::super::ir::{Binary, Comparison, Const, Expr, Unary};
use super::super::order;
use super::super::types::{Scalar, Type};
use super::expressions::truth;
use super::{Lowered, Lowering, Typed, text};

/// Promote a scalar where Python would; literals are converted at once.
pub(super) fn promote(value: Typed, to: Scalar) -> Expr {
    match (value.expr, value.ty) {
        (expr, Type::Scalar(from)) if from == to => expr,
        (Expr::Const(Const::Int(number)), _)
            if to == Scalar::Float && number.unsigned_abs() <= 1 << 53 =>
        {
            Expr::float(number as f64)
        }
        (expr, _) => Expr::Promote(to, Box::new(expr)),
    }
}

const fn binary_op(op: ast::Operator) -> Option<Binary> {
    Some(match op {
        ast::Operator::Add => Binary::Add,
        ast::Operator::Sub => Binary::Sub,
        ast::Operator::Mult => Binary::Mul,
        ast::Operator::Div => Binary::TrueDiv,
        ast::Operator::FloorDiv => Binary::FloorDiv,
        ast::Operator::Mod => Binary::Mod,
        ast::Operator::Pow => Binary::Pow,
        ast::Operator::LShift => Binary::Shl,
        ast::Operator::RShift => Binary::Shr,
        ast::Operator::BitAnd => Binary::BitAnd,
        ast::Operator::BitOr => Binary::BitOr,
        ast::Operator::BitXor => Binary::BitXor,
        ast::Operator::MatMult => return None,
    })
}

impl Lowering<'_, '_> {
    pub(super) fn unary(&mut self, unary: &ast::ExprUnaryOp) -> Lowered<Typed> {
        if unary.op == ast::UnaryOp::Not {
            let test = self.test(&unary.operand)?;
            return Ok(Typed::new(Expr::Unary(Unary::Not, Box::new(test)), Type::BOOL));
        }
        if unary.op == ast::UnaryOp::USub
            && let ast::Expr::NumberLiteral(literal) = &*unary.operand
            && text(self.module.source, literal).replace('_', "") == "9223372036854775808"
        {
            return Ok(Typed::new(Expr::int(i64::MIN), Type::INT));
        }
        let operand = self.expr(&unary.operand)?;
        let Some(scalar) = operand.ty.scalar() else {
            return self.not_numeric(unary.operand.range(), operand.ty);
        };
        let scalar = if scalar == Scalar::Bool { Scalar::Int } else { scalar };
        let ty = Type::Scalar(scalar);
        let inner = promote(operand, scalar);
        let op = match unary.op {
            ast::UnaryOp::USub => Unary::Neg,
            ast::UnaryOp::UAdd => Unary::Pos,
            ast::UnaryOp::Invert if scalar == Scalar::Int => Unary::Invert,
            _ => {
                return self.refuse(
                    unary.range,
                    "operator ~",
                    "needs an int",
                    "convert with int(...)",
                );
            }
        };
        let expr = match (op, inner) {
            // The sign of a NaN cannot be seen; one form keeps printing and parsing in step.
            (Unary::Neg, Expr::Const(Const::Float(value))) if value.is_nan() => Expr::float(value),
            (Unary::Neg, Expr::Const(Const::Float(value))) => Expr::float(-value),
            (Unary::Neg, Expr::Const(Const::Int(value))) if value != i64::MIN => Expr::int(-value),
            (op, inner) => Expr::Unary(op, Box::new(inner)),
        };
        Ok(Typed::new(expr, ty))
    }

    pub(super) fn binary(&mut self, binary: &ast::ExprBinOp) -> Lowered<Typed> {
        if binary.op == ast::Operator::Mult
            && let Some(repeat) = self.repeat(binary)?
        {
            return Ok(repeat);
        }
        let lhs = self.expr(&binary.left)?;
        let rhs = self.expr(&binary.right)?;
        self.arithmetic(binary.range, binary.op, lhs, rhs)
    }

    /// `lhs op rhs` with promotions; `at` is where a refusal points.
    pub(super) fn arithmetic(
        &mut self,
        at: TextRange,
        op: ast::Operator,
        lhs: Typed,
        rhs: Typed,
    ) -> Lowered<Typed> {
        let (Some(left), Some(right)) = (lhs.ty.scalar(), rhs.ty.scalar()) else {
            let list = if lhs.ty.scalar().is_none() { lhs.ty } else { rhs.ty };
            return self.not_numeric(at, list);
        };
        let Some(binary) = binary_op(op) else {
            return self.refuse(at, "operator @", "is outside the subset", "write the loops");
        };
        let bits = matches!(binary, Binary::BitAnd | Binary::BitOr | Binary::BitXor);
        if matches!((left, right), (Scalar::Bool, Scalar::Bool)) && bits {
            let expr = Expr::Binary(binary, Box::new(lhs.expr), Box::new(rhs.expr));
            return Ok(Typed::new(expr, Type::BOOL));
        }
        let common = if left == Scalar::Float || right == Scalar::Float {
            Scalar::Float
        } else {
            Scalar::Int
        };
        if common == Scalar::Float && (bits || matches!(binary, Binary::Shl | Binary::Shr)) {
            return self.refuse(
                at,
                format!("operator {}", op.as_str()),
                "needs ints",
                "convert with int(...)",
            );
        }
        let ty = if binary == Binary::TrueDiv { Type::FLOAT } else { Type::Scalar(common) };
        let expr =
            Expr::Binary(binary, Box::new(promote(lhs, common)), Box::new(promote(rhs, common)));
        Ok(Typed::new(expr, ty))
    }

    fn not_numeric<T>(&mut self, at: TextRange, ty: Type) -> Lowered<T> {
        self.refuse(
            at,
            "operator",
            format!("cannot be applied to {}", ty.annotation()),
            "work on elements in a loop; add to lists with append; make them with [x] * n or a comprehension",
        )
    }

    /// `[value] * count` and `count * [value]`.
    fn repeat(&mut self, binary: &ast::ExprBinOp) -> Lowered<Option<Typed>> {
        let (list, count, list_first) = match (&*binary.left, &*binary.right) {
            (ast::Expr::List(list), count) => (list, count, true),
            (count, ast::Expr::List(list)) => (list, count, false),
            _ => return Ok(None),
        };
        let [element] = list.elts.as_slice() else {
            return self.refuse(
                list.range,
                "list repetition",
                "repeats a list of one element only",
                "use a comprehension",
            );
        };
        let (value, count) = if list_first {
            let value = self.expr(element)?;
            (value, self.int(count, "repetition count")?)
        } else {
            let count = self.int(count, "repetition count")?;
            (self.expr(element)?, count)
        };
        if !list_first && !order::commute(&value.expr, &count) {
            return self.refuse(
                binary.range,
                "list repetition",
                "with a count that changes lists must start with the list",
                "write [x] * n",
            );
        }
        let (Some(ty), Some(_)) = (value.ty.list_of(), value.ty.scalar()) else {
            return self.refuse(
                binary.range,
                "list repetition",
                "would put the same row everywhere",
                "write [[0] * m for _ in range(n)]",
            );
        };
        Ok(Some(Typed::new(Expr::Repeat(Box::new(value.expr), Box::new(count)), ty)))
    }

    pub(super) fn compare(&mut self, compare: &ast::ExprCompare) -> Lowered<Typed> {
        let first = self.comparand(&compare.left)?;
        let mut rest = Vec::with_capacity(compare.ops.len());
        for (op, operand) in compare.ops.iter().zip(&compare.comparators) {
            let op = match op {
                ast::CmpOp::Eq => Comparison::Eq,
                ast::CmpOp::NotEq => Comparison::Ne,
                ast::CmpOp::Lt => Comparison::Lt,
                ast::CmpOp::LtE => Comparison::Le,
                ast::CmpOp::Gt => Comparison::Gt,
                ast::CmpOp::GtE => Comparison::Ge,
                other => {
                    return self.refuse(
                        compare.range,
                        format!("operator {}", other.as_str()),
                        "is outside the subset",
                        "compare with == in a loop, or write any(x == y for x in xs)",
                    );
                }
            };
            rest.push((op, self.comparand(operand)?));
        }
        Ok(Typed::new(Expr::Compare(Box::new(first), rest), Type::BOOL))
    }

    fn comparand(&mut self, expr: &ast::Expr) -> Lowered<Expr> {
        let value = self.expr(expr)?;
        if value.ty.scalar().is_some() {
            return Ok(value.expr);
        }
        self.refuse(
            expr.range(),
            "comparison",
            format!("of {} is outside the subset", value.ty.annotation()),
            "compare the elements in a loop",
        )
    }

    /// `bool(x)` and its like, without a conversion where there is nothing to convert.
    pub(super) fn convert(&mut self, at: TextRange, to: Scalar, value: Typed) -> Lowered<Typed> {
        let ty = Type::Scalar(to);
        if value.ty == ty {
            return Ok(value);
        }
        if to == Scalar::Bool {
            return Ok(Typed::new(truth(value), ty));
        }
        if value.ty.scalar().is_none() {
            return self.refuse(
                at,
                format!("{}()", to.name()),
                format!("cannot convert {}", value.ty.annotation()),
                "convert the elements in a comprehension",
            );
        }
        Ok(Typed::new(Expr::Convert(to, Box::new(value.expr)), ty))
    }
}
