//! The seam between evolution and the variation of programs.

use super::settings::Settings;
use crate::programs::ir::{Const, Program};
use crate::rng::Stream;

/// What variation may know besides the program.
pub struct Context;

/// The bounds and observations that variation works with.
#[must_use]
pub fn context(_settings: &Settings, _probes: &[Vec<Vec<Const>>]) -> Context {
    Context
}

/// Names of the structural operators, in a fixed order.
#[must_use]
pub fn operators() -> Vec<&'static str> {
    stub::NAMES.to_vec()
}

/// A child of `parent`; `None` when the operator found nothing to do.
#[must_use]
pub fn vary(
    operator: usize,
    parent: &Program,
    _mate: Option<&Program>,
    _context: &Context,
    stream: &mut Stream,
) -> Option<Program> {
    stub::vary(operator, parent, stream)
}

mod stub {
    use std::sync::Arc;

    use crate::programs::ir::*;
    use crate::programs::types::{Scalar, Type};
    use crate::programs::walk;
    use crate::rng::Stream;

    pub const NAMES: [&str; 5] = ["add table", "replace by table", "literal", "operator", "wrap"];

    fn leaf(program: &Program, function: &Function, stream: &mut Stream) -> Option<Expr> {
        let params: Vec<LocalId> = (0..function.n_params).map(LocalId).collect();
        let id = *stream.choose(&params)?;
        let expr = Expr::Local(id);
        let _ = program;
        match function.local(id)?.ty {
            Type::Scalar(Scalar::Float) => Some(expr),
            Type::Scalar(_) => Some(Expr::Promote(Scalar::Float, Box::new(expr))),
            _ => None,
        }
    }
    fn int_index(function: &Function, stream: &mut Stream) -> Option<Expr> {
        let ids: Vec<LocalId> = (0..function.n_params)
            .map(LocalId)
            .filter(|id| function.local(*id).is_some_and(|l| l.ty == Type::INT))
            .collect();
        let a = Expr::Local(*stream.choose(&ids)?);
        let b = Expr::Local(*stream.choose(&ids)?);
        Some(match stream.below(4) {
            0 | 1 => a,
            2 => Expr::Binary(Binary::Sub, Box::new(a), Box::new(b)),
            _ => Expr::Binary(Binary::Add, Box::new(a), Box::new(b)),
        })
    }
    pub fn vary(operator: usize, parent: &Program, stream: &mut Stream) -> Option<Program> {
        let mut program = parent.clone();
        let fid = program.functions.iter().position(|f| f.is_evolvable)?;
        let function = Arc::clone(&program.functions[fid]);
        let mut floats = Vec::new();
        let mut n = 0;
        walk::visit_exprs(&function.body, &mut |e| {
            if e.ty(parent, &function) == Some(Type::FLOAT) {
                floats.push(n);
            }
            n += 1;
        });
        let target = *stream.choose(&floats)?;
        let old = walk::expr_at(&function.body, target)?.clone();
        let new = match operator {
            0 | 1 => {
                let idx = int_index(&function, stream)?;
                let gid = GlobalId(program.globals.len() as u32);
                program.globals.push(Arc::new(Global {
                    name: format!("TABLE_{}", gid.0),
                    value: GlobalValue::Table(Scalar::Float, vec![Const::Float(0.0); 151]),
                    is_tunable: true,
                }));
                let table = Expr::Table(gid, Box::new(idx));
                if operator == 0 {
                    Expr::Binary(Binary::Add, Box::new(old), Box::new(table))
                } else {
                    table
                }
            }
            2 => Expr::float((stream.normal() * 10.0).round() / 10.0),
            3 => match old {
                Expr::Binary(_, a, b) => {
                    let op =
                        [Binary::Add, Binary::Sub, Binary::Mul, Binary::TrueDiv][stream.below(4)];
                    Expr::Binary(op, a, b)
                }
                other => {
                    let op = [
                        Intrinsic::Sin,
                        Intrinsic::Cos,
                        Intrinsic::Exp,
                        Intrinsic::Fabs,
                        Intrinsic::Sqrt,
                    ][stream.below(5)];
                    Expr::Intrinsic(op, vec![other])
                }
            },
            _ => {
                let l = if stream.chance(0.5) {
                    Expr::float(1.0)
                } else {
                    leaf(&program, &function, stream)?
                };
                let op = [Binary::Add, Binary::Sub, Binary::Mul, Binary::TrueDiv][stream.below(4)];
                Expr::Binary(op, Box::new(old), Box::new(l))
            }
        };
        let mut f = (*function).clone();
        if !walk::edit_at(&mut f.body, target, |e| *e = new) {
            return None;
        }
        program.functions[fid] = Arc::new(f);
        Some(program)
    }
}
