//! Annotations: which type a parameter, a result or a variable has.

use ruff_python_ast as ast;
use ruff_text_size::Ranged;

use super::super::types::{Returns, Scalar, Type};
use super::module::Module;
use super::{Lowered, text};

const HELP: &str = "use bool, int, float, list[int], list[float], list[list[float]] (or chimera.ints, chimera.floats, chimera.float_matrix, ...)";

/// The last segment of `name` or `package.name`.
pub(super) fn last_segment(expr: &ast::Expr) -> Option<&str> {
    match expr {
        ast::Expr::Name(name) => Some(name.id.as_str()),
        ast::Expr::Attribute(attribute) => Some(attribute.attr.as_str()),
        _ => None,
    }
}

fn named(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::BOOL,
        "int" => Type::INT,
        "float" => Type::FLOAT,
        "bools" => Type::List(Scalar::Bool),
        "ints" => Type::List(Scalar::Int),
        "floats" => Type::List(Scalar::Float),
        "bool_matrix" => Type::Matrix(Scalar::Bool),
        "int_matrix" => Type::Matrix(Scalar::Int),
        "float_matrix" => Type::Matrix(Scalar::Float),
        _ => return None,
    })
}

fn ty(expr: &ast::Expr) -> Option<Type> {
    if let ast::Expr::Subscript(subscript) = expr {
        let name = last_segment(&subscript.value)?;
        return matches!(name, "list" | "List").then(|| ty(&subscript.slice)?.list_of())?;
    }
    named(last_segment(expr)?)
}

/// Is this the annotation that marks a module constant as tunable?
pub(super) fn is_tunable(expr: &ast::Expr) -> bool {
    last_segment(expr) == Some("tunable")
}

impl Module<'_> {
    pub(super) fn annotation(&mut self, expr: &ast::Expr) -> Lowered<Type> {
        if let Some(ty) = ty(expr) {
            return Ok(ty);
        }
        let got = text(self.source, expr).to_owned();
        self.refuse(
            expr.range(),
            "annotation",
            format!("`{got}` is not a type of the subset"),
            HELP,
        )
    }

    pub(super) fn returns(&mut self, expr: &ast::Expr) -> Lowered<Returns> {
        match expr {
            ast::Expr::NoneLiteral(_) => return Ok(Returns::Nothing),
            ast::Expr::Subscript(subscript)
                if matches!(last_segment(&subscript.value), Some("tuple" | "Tuple")) =>
            {
                if let ast::Expr::Tuple(tuple) = &*subscript.slice {
                    let scalars: Option<Vec<_>> =
                        tuple.elts.iter().map(|element| ty(element)?.scalar()).collect();
                    if let Some(scalars) = scalars.filter(|scalars| scalars.len() >= 2) {
                        return Ok(Returns::Tuple(scalars));
                    }
                }
                return self.refuse(
                    expr.range(),
                    "annotation",
                    "a result tuple holds two or more scalars",
                    "for example tuple[int, float]",
                );
            }
            _ => {}
        }
        self.annotation(expr).map(Returns::One)
    }
}
