//! Expressions: names, literals, conditions, indexing.

use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};

use super::super::ir::{Const, Expr, GlobalValue, Logic};
use super::super::types::{Scalar, Type};
use super::module::math_constant;
use super::scope::Binding;
use super::{Lowered, Lowering, NESTING_MAX, Refused, Typed, text};

/// What a refused kind of expression is called, and what to write instead.
fn outside(expr: &ast::Expr) -> (&'static str, &'static str) {
    match expr {
        ast::Expr::Named(_) => ("assignment expression", "assign on a line of its own"),
        ast::Expr::Lambda(_) => ("lambda", "write a top-level function"),
        ast::Expr::Dict(_) | ast::Expr::DictComp(_) => {
            ("dict", "use a list indexed by small integers")
        }
        ast::Expr::Set(_) | ast::Expr::SetComp(_) => ("set", "use a list of bools as marks"),
        ast::Expr::StringLiteral(_) | ast::Expr::FString(_) | ast::Expr::BytesLiteral(_) => {
            ("string", "compute with numbers only")
        }
        ast::Expr::NoneLiteral(_) => ("None", "use a number as marker, for example -1"),
        ast::Expr::Tuple(_) => ("tuple", "tuples may only be returned or unpacked"),
        ast::Expr::Starred(_) => ("starred expression", "write the elements out"),
        ast::Expr::Slice(_) => ("slice", "use a comprehension: [xs[i] for i in range(a, b)]"),
        ast::Expr::Generator(_) => ("generator", "use it only inside sum, min, max, any or all"),
        ast::Expr::Await(_) | ast::Expr::Yield(_) | ast::Expr::YieldFrom(_) => {
            ("generator function", "return a list")
        }
        ast::Expr::Attribute(_) => ("attribute", "only members of `math` can be read"),
        _ => ("expression", "see the subset reference"),
    }
}

impl Lowering<'_, '_> {
    pub(super) fn expr(&mut self, expr: &ast::Expr) -> Lowered<Typed> {
        self.expr_as(expr, None)
    }

    /// Lower with a type in mind; it only matters for empty lists inside.
    pub(super) fn expr_as(&mut self, expr: &ast::Expr, wanted: Option<Type>) -> Lowered<Typed> {
        self.nested(expr.range(), |this| this.expr_inside(expr, wanted))
    }

    fn expr_inside(&mut self, expr: &ast::Expr, wanted: Option<Type>) -> Lowered<Typed> {
        match expr {
            ast::Expr::BooleanLiteral(literal) => {
                Ok(Typed::new(Expr::Const(Const::Bool(literal.value)), Type::BOOL))
            }
            ast::Expr::NumberLiteral(literal) => self.number(literal),
            ast::Expr::Name(name) => self.name(name),
            ast::Expr::UnaryOp(unary) => self.unary(unary),
            ast::Expr::BinOp(binary) => self.binary(binary),
            ast::Expr::BoolOp(logic) => self.logic(logic),
            ast::Expr::Compare(compare) => self.compare(compare),
            ast::Expr::If(select) => self.select(select, wanted),
            ast::Expr::Call(call) => self.call(call),
            ast::Expr::Subscript(subscript) => self.subscript(subscript),
            ast::Expr::List(list) => self.list(list, wanted),
            ast::Expr::ListComp(inner) => {
                let wanted = wanted.and_then(Type::element);
                let (inner, element) =
                    self.comprehension(&inner.elt, &inner.generators, inner.range, wanted)?;
                let Some(ty) = element.list_of() else {
                    return self.refuse(
                        expr.range(),
                        "list comprehension",
                        "lists nest two deep at most",
                        "keep a list of rows, each a list of numbers",
                    );
                };
                Ok(Typed::new(Expr::Comprehension(Box::new(inner)), ty))
            }
            ast::Expr::Attribute(_) => match self.module.math_member(expr).map(math_constant) {
                Some(Some(value)) => Ok(Typed::new(Expr::float(value), Type::FLOAT)),
                _ => self.outside(expr),
            },
            _ => self.outside(expr),
        }
    }

    fn outside<T>(&mut self, expr: &ast::Expr) -> Lowered<T> {
        let (construct, help) = outside(expr);
        let got = text(self.module.source, expr);
        let short: String = got.chars().take(40).collect();
        self.refuse(expr.range(), construct, format!("`{short}` is outside the subset"), help)
    }

    fn number(&mut self, literal: &ast::ExprNumberLiteral) -> Lowered<Typed> {
        match &literal.value {
            ast::Number::Float(value) => Ok(Typed::new(Expr::float(*value), Type::FLOAT)),
            ast::Number::Int(value) => match value.as_i64() {
                Some(value) => Ok(Typed::new(Expr::int(value), Type::INT)),
                None => self.refuse(
                    literal.range,
                    "integer literal",
                    "does not fit in 64 bits",
                    "write a float, or a smaller integer",
                ),
            },
            ast::Number::Complex { .. } => self.refuse(
                literal.range,
                "complex number",
                "is outside the subset",
                "use two floats",
            ),
        }
    }

    fn name(&mut self, name: &ast::ExprName) -> Lowered<Typed> {
        let key = name.id.as_str();
        let found = self.scope.as_ref().and_then(|scope| scope.get(key)).copied();
        match found {
            Some(Binding::Definite(id, ty)) => return Ok(Typed::new(Expr::Local(id), ty)),
            Some(Binding::Unknown) => return Err(Refused),
            Some(Binding::Maybe(..)) => {
                return self.refuse(
                    name.range,
                    "variable",
                    format!("`{key}` may be unassigned here"),
                    format!("assign `{key}` before the branch or loop"),
                );
            }
            Some(Binding::Conflict(a, b)) => {
                return self.refuse(
                    name.range,
                    "variable",
                    format!(
                        "`{key}` is {} on one path and {} on another",
                        a.annotation(),
                        b.annotation()
                    ),
                    "give it one type, for example start with 0.0 instead of 0, or convert with float(...)",
                );
            }
            None if self.assigned.contains(key) => {
                return self.refuse(
                    name.range,
                    "variable",
                    format!("`{key}` is read before it is assigned"),
                    format!("assign `{key}` first"),
                );
            }
            None => {}
        }
        if let Some(id) = self.module.global(key, name.range)? {
            return match self.module.global_at(id) {
                Some(GlobalValue::Scalar(value)) => {
                    let ty = Type::Scalar(value.scalar());
                    Ok(Typed::new(Expr::Global(id), ty))
                }
                _ => self.refuse(
                    name.range,
                    "module constant",
                    format!(
                        "the table `{key}` can only be indexed, iterated, or measured with len"
                    ),
                    format!("write `{key}[i]`"),
                ),
            };
        }
        let whole = ast::Expr::Name(name.clone());
        if let Some(value) = self.module.math_member(&whole).and_then(math_constant) {
            return Ok(Typed::new(Expr::float(value), Type::FLOAT));
        }
        self.refuse(
            name.range,
            "name",
            format!("`{key}` is neither a variable nor a module constant"),
            "define it at module level as a number, a bool or a tuple of them, or pass it as a parameter",
        )
    }

    /// Lower where only truth matters: any scalar or list becomes a bool.
    pub(super) fn test(&mut self, expr: &ast::Expr) -> Lowered<Expr> {
        self.nested(expr.range(), |this| this.test_inside(expr))
    }

    fn test_inside(&mut self, expr: &ast::Expr) -> Lowered<Expr> {
        if let ast::Expr::BoolOp(logic) = expr {
            // A long chain nests to the right.
            if logic.values.len() > NESTING_MAX {
                return self.too_deep(logic.range);
            }
            let op = logic_op(logic.op);
            let mut operands = Vec::with_capacity(logic.values.len());
            for value in &logic.values {
                operands.push(self.test(value)?);
            }
            Ok(fold_logic(op, operands))
        } else {
            let value = self.expr(expr)?;
            Ok(truth(value))
        }
    }

    fn logic(&mut self, logic: &ast::ExprBoolOp) -> Lowered<Typed> {
        if logic.values.len() > NESTING_MAX {
            return self.too_deep(logic.range);
        }
        let mut operands = Vec::with_capacity(logic.values.len());
        let mut ty = None;
        for value in &logic.values {
            let operand = self.expr(value)?;
            if *ty.get_or_insert(operand.ty) != operand.ty {
                return self.refuse(
                    value.range(),
                    "and/or",
                    "operands have different types, so the result would have no fixed type",
                    "compare explicitly, for example `x != 0 and flag`",
                );
            }
            operands.push(operand.expr);
        }
        let op = logic_op(logic.op);
        Ok(Typed::new(fold_logic(op, operands), ty.unwrap_or(Type::BOOL)))
    }

    fn select(&mut self, select: &ast::ExprIf, wanted: Option<Type>) -> Lowered<Typed> {
        let test = self.test(&select.test)?;
        let then = self.expr_as(&select.body, wanted)?;
        let otherwise = self.expr_as(&select.orelse, Some(then.ty))?;
        if then.ty != otherwise.ty {
            return self.refuse(
                select.range,
                "conditional expression",
                format!(
                    "is {} on one arm and {} on the other",
                    then.ty.annotation(),
                    otherwise.ty.annotation()
                ),
                "give both arms one type, for example 0.0 instead of 0",
            );
        }
        let ty = then.ty;
        let expr = Expr::Select {
            test: Box::new(test),
            then: Box::new(then.expr),
            otherwise: Box::new(otherwise.expr),
        };
        Ok(Typed::new(expr, ty))
    }

    fn subscript(&mut self, subscript: &ast::ExprSubscript) -> Lowered<Typed> {
        if let ast::Expr::Slice(slice) = &*subscript.slice {
            if slice.lower.is_none() && slice.upper.is_none() && slice.step.is_none() {
                let list = self.list_value(&subscript.value)?;
                return Ok(Typed::new(Expr::Copy(Box::new(list.expr)), list.ty));
            }
            return self.outside(&subscript.slice);
        }
        if let ast::Expr::Tuple(index) = &*subscript.slice {
            return self.refuse(
                index.range,
                "index",
                "lists take one index",
                "write `a[i][j]` instead of `a[i, j]`",
            );
        }
        if let Some((id, scalar)) = self.table(&subscript.value)? {
            let index = self.int(&subscript.slice, "index")?;
            return Ok(Typed::new(Expr::Table(id, Box::new(index)), Type::Scalar(scalar)));
        }
        let list = self.list_value(&subscript.value)?;
        let index = self.int(&subscript.slice, "index")?;
        let Some(element) = list.ty.element() else { return self.outside(&subscript.value) };
        Ok(Typed::new(Expr::Index(Box::new(list.expr), Box::new(index)), element))
    }

    /// The module-level table an expression names, if it does.
    pub(super) fn table(
        &mut self,
        expr: &ast::Expr,
    ) -> Lowered<Option<(super::super::ir::GlobalId, Scalar)>> {
        let ast::Expr::Name(name) = expr else { return Ok(None) };
        if self.assigned.contains(name.id.as_str())
            || self.scope.as_ref().is_some_and(|scope| scope.get(name.id.as_str()).is_some())
        {
            return Ok(None);
        }
        let Some(id) = self.module.global(name.id.as_str(), name.range)? else { return Ok(None) };
        Ok(match self.module.global_at(id) {
            Some(GlobalValue::Table(scalar, _)) => Some((id, *scalar)),
            _ => None,
        })
    }

    /// Lower an expression that must be a list.
    pub(super) fn list_value(&mut self, expr: &ast::Expr) -> Lowered<Typed> {
        let value = self.expr(expr)?;
        if value.ty.element().is_some() {
            return Ok(value);
        }
        let got = text(self.module.source, expr).to_owned();
        self.refuse(
            expr.range(),
            "list",
            format!("`{got}` is {}, a list is needed here", value.ty.annotation()),
            "annotate it as list[int], list[float], ...",
        )
    }

    /// Lower an expression that must be an int; bools count as ints, as in Python.
    pub(super) fn int(&mut self, expr: &ast::Expr, what: &str) -> Lowered<Expr> {
        let value = self.expr(expr)?;
        match value.ty {
            Type::INT => Ok(value.expr),
            Type::BOOL => Ok(Expr::Promote(Scalar::Int, Box::new(value.expr))),
            other => self.refuse(
                expr.range(),
                what.to_owned(),
                format!("is {}, an int is needed here", other.annotation()),
                "convert with int(...)",
            ),
        }
    }

    /// Lower an expression whose type must be exactly `ty`.
    pub(super) fn exactly(&mut self, expr: &ast::Expr, ty: Type, what: &str) -> Lowered<Expr> {
        let value = self.expr_as(expr, Some(ty))?;
        if value.ty == ty {
            return Ok(value.expr);
        }
        self.mismatch(expr.range(), value.ty, ty, what)
    }

    pub(super) fn mismatch<T>(
        &mut self,
        at: TextRange,
        got: Type,
        ty: Type,
        what: &str,
    ) -> Lowered<T> {
        let help = match ty {
            Type::Scalar(scalar) => {
                format!("convert with {}(...), or write 0.0 instead of 0", scalar.name())
            }
            _ => format!("pass a {}", ty.annotation()),
        };
        let message = format!("is {}, {} is needed here", got.annotation(), ty.annotation());
        self.refuse(at, what.to_owned(), message, help)
    }

    fn list(&mut self, list: &ast::ExprList, wanted: Option<Type>) -> Lowered<Typed> {
        let mut elements = Vec::with_capacity(list.elts.len());
        let mut element_ty = None;
        let wanted = wanted.and_then(Type::element);
        for element in &list.elts {
            let value = self.expr_as(element, element_ty.or(wanted))?;
            if *element_ty.get_or_insert(value.ty) != value.ty {
                return self.refuse(
                    element.range(),
                    "list",
                    "elements have different types",
                    "write 0.0 instead of 0 among floats",
                );
            }
            elements.push(value.expr);
        }
        let element_ty = element_ty.or(wanted);
        let Some(element_ty) = element_ty else {
            return self.refuse(
                list.range,
                "empty list",
                "has no element type",
                "annotate the variable: `xs: list[int] = []`",
            );
        };
        let Some(ty) = element_ty.list_of() else {
            return self.refuse(
                list.range,
                "list",
                "lists nest two deep at most",
                "keep a list of rows, each a list of numbers",
            );
        };
        Ok(Typed::new(Expr::List(element_ty, elements), ty))
    }
}

/// The truth of a value, as an explicit bool.
pub(super) fn truth(value: Typed) -> Expr {
    if value.ty == Type::BOOL {
        value.expr
    } else {
        Expr::Convert(Scalar::Bool, Box::new(value.expr))
    }
}

const fn logic_op(op: ast::BoolOp) -> Logic {
    match op {
        ast::BoolOp::And => Logic::And,
        ast::BoolOp::Or => Logic::Or,
    }
}

/// `a and b and c` associates to the right, which evaluates in the same order.
fn fold_logic(op: Logic, operands: Vec<Expr>) -> Expr {
    operands
        .into_iter()
        .rev()
        .reduce(|right, left| Expr::Logic(op, Box::new(left), Box::new(right)))
        .unwrap_or(Expr::Const(Const::Bool(op == Logic::And)))
}
