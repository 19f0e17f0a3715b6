//! Calls: builtins, `math`, methods of lists, and other functions of the module.

use ruff_python_ast as ast;
use ruff_text_size::{Ranged, TextRange};

use super::super::intrinsics::Arguments;
use super::super::ir::{Binary, Const, Expr, Fold, FoldSource, FunctionId, Intrinsic};
use super::super::types::{Returns, Scalar, Type};
use super::operators::promote;
use super::{Lowered, Lowering, Typed, text};

impl Lowering<'_, '_> {
    /// A call in a place that needs one value.
    pub(super) fn call(&mut self, call: &ast::ExprCall) -> Lowered<Typed> {
        if let ast::Expr::Attribute(method) = &*call.func
            && self.module.math_member(&call.func).is_none()
        {
            return self.method(call, method);
        }
        if let Some(member) = self.module.math_member(&call.func).map(str::to_owned) {
            self.no_keywords(call)?;
            return self.math(call, &member);
        }
        let ast::Expr::Name(name) = &*call.func else {
            return self.refuse(
                call.func.range(),
                "call",
                "only named functions can be called",
                "write a top-level function",
            );
        };
        if self.module.is_function(name.id.as_str()) {
            let (id, args, returns) = self.user_call(call, name.id.as_str())?;
            return match returns {
                Returns::One(ty) => Ok(Typed::new(Expr::Call(id, args), ty)),
                Returns::Nothing => self.refuse(
                    call.range(),
                    "call",
                    format!("`{}` returns nothing", name.id),
                    "call it as a statement of its own",
                ),
                Returns::Tuple(_) => self.refuse(
                    call.range(),
                    "call",
                    format!("`{}` returns a tuple", name.id),
                    "unpack it: `a, b = f(x)`",
                ),
            };
        }
        self.no_keywords(call)?;
        self.builtin(call, name.id.as_str())
    }

    pub(super) fn no_keywords(&mut self, call: &ast::ExprCall) -> Lowered<()> {
        match call.arguments.keywords.first() {
            None => Ok(()),
            Some(keyword) => self.refuse(
                keyword.range,
                "keyword argument",
                "is outside the subset",
                "pass arguments by position",
            ),
        }
    }

    /// A call of a function of the module: its id, lowered arguments and result.
    pub(super) fn user_call(
        &mut self,
        call: &ast::ExprCall,
        name: &str,
    ) -> Lowered<(FunctionId, Vec<Expr>, Returns)> {
        self.no_keywords(call)?;
        let signature = self.module.signature_of(name)?;
        let id = self.module.function_id(name);
        if call.arguments.args.len() != signature.params.len() {
            return self.refuse(
                call.range(),
                "call",
                format!(
                    "`{name}` takes {} arguments, {} given",
                    signature.params.len(),
                    call.arguments.args.len()
                ),
                "pass every argument by position",
            );
        }
        let mut args = Vec::with_capacity(signature.params.len());
        for (arg, (param, ty)) in call.arguments.args.iter().zip(&signature.params) {
            args.push(self.exactly(arg, *ty, &format!("argument `{param}` of `{name}`"))?);
        }
        Ok((id, args, signature.returns))
    }

    fn count(&mut self, call: &ast::ExprCall, name: &str, low: usize, high: usize) -> Lowered<()> {
        let given = call.arguments.args.len();
        if (low..=high).contains(&given) {
            return Ok(());
        }
        let expected = if low == high { low.to_string() } else { format!("{low} to {high}") };
        self.refuse(
            call.range(),
            "call",
            format!("`{name}` takes {expected} arguments, {given} given"),
            "see the subset reference",
        )
    }

    fn arg<'a>(&mut self, call: &'a ast::ExprCall, idx: usize) -> Lowered<&'a ast::Expr> {
        match call.arguments.args.get(idx) {
            Some(arg) => Ok(arg),
            None => {
                self.refuse(call.range(), "call", "lacks an argument", "see the subset reference")
            }
        }
    }

    fn builtin(&mut self, call: &ast::ExprCall, name: &str) -> Lowered<Typed> {
        self.not_rebound(call.func.range(), name)?;
        match name {
            "bool" | "int" | "float" => {
                self.count(call, name, 1, 1)?;
                let arg = self.arg(call, 0)?;
                if let Some(value) = special_float(name, arg) {
                    return Ok(Typed::new(Expr::float(value), Type::FLOAT));
                }
                let value = self.expr(arg)?;
                let to = match name {
                    "bool" => Scalar::Bool,
                    "int" => Scalar::Int,
                    _ => Scalar::Float,
                };
                self.convert(call.range(), to, value)
            }
            "len" => {
                self.count(call, name, 1, 1)?;
                let arg = self.arg(call, 0)?;
                if let Some((id, _)) = self.table(arg)? {
                    return Ok(Typed::new(Expr::TableLen(id), Type::INT));
                }
                let list = self.list_value(arg)?;
                Ok(Typed::new(Expr::Len(Box::new(list.expr)), Type::INT))
            }
            "list" => {
                self.count(call, name, 1, 1)?;
                let arg = self.arg(call, 0)?;
                if matches!(arg, ast::Expr::Call(inner) if is_range(inner)) {
                    return self.list_of_range(arg);
                }
                let list = self.list_value(arg)?;
                Ok(Typed::new(Expr::Copy(Box::new(list.expr)), list.ty))
            }
            "abs" | "round" => {
                self.count(call, name, 1, 1)?;
                self.intrinsic(call, if name == "abs" { Intrinsic::Abs } else { Intrinsic::Round })
            }
            "min" | "max" if call.arguments.args.len() > 1 => {
                self.intrinsic(call, if name == "min" { Intrinsic::Min } else { Intrinsic::Max })
            }
            "min" => self.fold(call, Fold::Min),
            "max" => self.fold(call, Fold::Max),
            "any" => self.fold(call, Fold::Any),
            "all" => self.fold(call, Fold::All),
            "sum" => self.fold(call, Fold::Sum),
            "pow" => {
                self.count(call, name, 2, 2)?;
                let (lhs, rhs) = (self.arg(call, 0)?, self.arg(call, 1)?);
                let (lhs, rhs) = (self.expr(lhs)?, self.expr(rhs)?);
                self.arithmetic(call.range(), ast::Operator::Pow, lhs, rhs)
            }
            "divmod" => self.refuse(
                call.range(),
                "divmod",
                "returns a tuple",
                "unpack it: `q, r = divmod(a, b)`",
            ),
            "range" | "enumerate" | "zip" | "reversed" => self.refuse(
                call.range(),
                name.to_owned(),
                "can only be iterated by a for loop or comprehension",
                "write `for i in ...`",
            ),
            "print" => {
                self.refuse(call.range(), "print", "has no place in compiled code", "remove it")
            }
            "sorted" => self.refuse(
                call.range(),
                "sorted",
                "is outside the subset",
                "sort in the workload, or write an insertion sort",
            ),
            _ => self.refuse(
                call.func.range(),
                "call",
                format!("`{name}` is neither a function of this file nor a supported builtin"),
                "define it at the top level of the file with annotations",
            ),
        }
    }

    /// Refuse the name of a builtin that the file binds to something else.
    pub(super) fn not_rebound(&mut self, at: TextRange, name: &str) -> Lowered<()> {
        if self.module.binds(name) {
            return self.refuse(
                at,
                "call",
                format!(
                    "`{name}` is bound at module level, but not to a function that can be compiled"
                ),
                "write a `def` with annotations, or use another name",
            );
        }
        Ok(())
    }

    fn math(&mut self, call: &ast::ExprCall, member: &str) -> Lowered<Typed> {
        if member == "log" && call.arguments.args.len() == 2 {
            let (x, base) = (self.arg(call, 0)?, self.arg(call, 1)?);
            let mut logs = [x, base].into_iter().map(|arg| {
                let value = self.expr(arg)?;
                self.float_arg(arg.range(), value)
                    .map(|value| Expr::Intrinsic(Intrinsic::Log, vec![value]))
            });
            let (Some(x), Some(base)) = (logs.next(), logs.next()) else {
                return Err(super::Refused);
            };
            let expr = Expr::Binary(Binary::TrueDiv, Box::new(x?), Box::new(base?));
            return Ok(Typed::new(expr, Type::FLOAT));
        }
        let Some(intrinsic) = Intrinsic::from_python_name(&format!("math.{member}")) else {
            let help = match member {
                "hypot" | "dist" => "write math.sqrt(x * x + y * y)",
                "fsum" | "prod" => "write the loop",
                "ldexp" => "write x * 2.0 ** n",
                _ => "see the list of math functions in the subset reference",
            };
            return self.refuse(
                call.range(),
                format!("math.{member}"),
                "is outside the subset",
                help,
            );
        };
        let (low, high) = match intrinsic.arguments() {
            Arguments::Floats(n) | Arguments::Ints(n) => (n, n),
            Arguments::Numbers(low, high) => (low, high.unwrap_or(usize::MAX)),
        };
        self.count(call, &format!("math.{member}"), low, high)?;
        self.intrinsic(call, intrinsic)
    }

    fn float_arg(&mut self, at: TextRange, value: Typed) -> Lowered<Expr> {
        if value.ty.scalar().is_some() {
            return Ok(promote(value, Scalar::Float));
        }
        self.mismatch(at, value.ty, Type::FLOAT, "argument")
    }

    fn intrinsic(&mut self, call: &ast::ExprCall, intrinsic: Intrinsic) -> Lowered<Typed> {
        let mut values = Vec::with_capacity(call.arguments.args.len());
        for arg in &call.arguments.args {
            values.push((arg.range(), self.expr(arg)?));
        }
        // round, floor, ceil and trunc of an int are that int.
        if matches!(
            intrinsic,
            Intrinsic::Round | Intrinsic::Floor | Intrinsic::Ceil | Intrinsic::Trunc
        ) && let [(_, value)] = values.as_slice()
            && matches!(value.ty, Type::INT | Type::BOOL)
        {
            return self.convert(call.range(), Scalar::Int, value.clone());
        }
        let mut args = Vec::with_capacity(values.len());
        let mut first = Scalar::Float;
        match intrinsic.arguments() {
            Arguments::Floats(_) => {
                for (at, value) in values {
                    args.push(self.float_arg(at, value)?);
                }
            }
            Arguments::Ints(_) => {
                first = Scalar::Int;
                for (at, value) in values {
                    if !matches!(value.ty, Type::INT | Type::BOOL) {
                        return self.mismatch(at, value.ty, Type::INT, "argument");
                    }
                    args.push(promote(value, Scalar::Int));
                }
            }
            Arguments::Numbers(..) => {
                let mut common = None;
                for (at, value) in values {
                    let value = match value.ty {
                        Type::BOOL if intrinsic == Intrinsic::Abs => {
                            Typed::new(promote(value, Scalar::Int), Type::INT)
                        }
                        Type::INT | Type::FLOAT => value,
                        other => {
                            return self.refuse(
                                at,
                                intrinsic.python_name(),
                                format!("cannot take {}", other.annotation()),
                                "convert with int(...) or float(...)",
                            );
                        }
                    };
                    if *common.get_or_insert(value.ty) != value.ty {
                        return self.refuse(
                            at,
                            intrinsic.python_name(),
                            "mixes int and float, so its result has no fixed type",
                            "convert with float(...), or write 0.0 instead of 0",
                        );
                    }
                    args.push(value.expr);
                }
                first = common.and_then(Type::scalar).unwrap_or(Scalar::Int);
            }
        }
        let ty = Type::Scalar(intrinsic.result(first));
        Ok(Typed::new(Expr::Intrinsic(intrinsic, args), ty))
    }

    fn fold(&mut self, call: &ast::ExprCall, fold: Fold) -> Lowered<Typed> {
        let name = text(self.module.source, &*call.func).to_owned();
        let fold = match (fold, call.arguments.args.get(1)) {
            (Fold::Sum, Some(ast::Expr::NumberLiteral(start))) if matches!(start.value, ast::Number::Float(value) if value.to_bits() == 0) =>
            {
                self.count(call, &name, 2, 2)?;
                Fold::SumFromZero
            }
            _ => {
                self.count(call, &name, 1, 1)?;
                fold
            }
        };
        let arg = self.arg(call, 0)?;
        let (source, element) = if let ast::Expr::Generator(generator) = arg {
            let (inner, element) =
                self.comprehension(&generator.elt, &generator.generators, generator.range, None)?;
            (FoldSource::Generator(Box::new(inner)), element)
        } else {
            let list = self.list_value(arg)?;
            let element = list.ty.element().unwrap_or(Type::INT);
            (FoldSource::List(Box::new(list.expr)), element)
        };
        self.typed_fold(call.range(), fold, source, element)
    }

    fn typed_fold(
        &mut self,
        at: TextRange,
        fold: Fold,
        source: FoldSource,
        element: Type,
    ) -> Lowered<Typed> {
        let Some(scalar) = element.scalar() else {
            return self.refuse(
                at,
                "reduction",
                "of rows is outside the subset",
                "reduce each row",
            );
        };
        let (source, scalar) = match (fold, scalar) {
            (Fold::Any | Fold::All, Scalar::Int | Scalar::Float) => {
                (self.each(source, element, truth_of), Scalar::Bool)
            }
            (Fold::Sum | Fold::SumFromZero, Scalar::Bool) => {
                let int = |e| Expr::Promote(Scalar::Int, Box::new(e));
                (self.each(source, element, int), Scalar::Int)
            }
            (Fold::Min | Fold::Max, Scalar::Bool) => {
                return self.refuse(
                    at,
                    "reduction",
                    "min and max of bools",
                    "use all(...) or any(...)",
                );
            }
            (_, scalar) => (source, scalar),
        };
        if fold == Fold::SumFromZero && scalar == Scalar::Int {
            return self.refuse(
                at,
                "sum",
                "starts at 0.0 over ints",
                "write sum(xs), or convert the elements with float(...)",
            );
        }
        Ok(Typed::new(Expr::Fold(fold, source), Type::Scalar(scalar)))
    }

    fn method(&mut self, call: &ast::ExprCall, method: &ast::ExprAttribute) -> Lowered<Typed> {
        self.no_keywords(call)?;
        let name = method.attr.as_str();
        match name {
            "pop" => {
                self.count(call, "pop", 0, 0)?;
                let list = self.list_value(&method.value)?;
                let element = list.ty.element().unwrap_or(Type::INT);
                Ok(Typed::new(Expr::Pop(Box::new(list.expr)), element))
            }
            "copy" => {
                self.count(call, "copy", 0, 0)?;
                let list = self.list_value(&method.value)?;
                Ok(Typed::new(Expr::Copy(Box::new(list.expr)), list.ty))
            }
            "append" => self.refuse(
                call.range(),
                "append",
                "returns nothing",
                "write it as a statement of its own",
            ),
            _ => self.refuse(
                call.range(),
                format!("method {name}"),
                "is outside the subset",
                "lists have append, pop and copy",
            ),
        }
    }
}

fn truth_of(expr: Expr) -> Expr {
    Expr::Convert(Scalar::Bool, Box::new(expr))
}

pub(super) fn is_range(call: &ast::ExprCall) -> bool {
    matches!(&*call.func, ast::Expr::Name(name) if name.id.as_str() == "range")
}

/// `float("inf")` and its like.
fn special_float(name: &str, arg: &ast::Expr) -> Option<f64> {
    let ast::Expr::StringLiteral(literal) = arg else { return None };
    if name != "float" {
        return None;
    }
    match literal.value.to_str().trim().to_ascii_lowercase().as_str() {
        "inf" | "+inf" | "infinity" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        "nan" => Some(f64::NAN),
        _ => None,
    }
}

/// An int literal.
pub(super) const fn int_literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Const(Const::Int(value)) => Some(*value),
        _ => None,
    }
}
