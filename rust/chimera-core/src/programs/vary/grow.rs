//! Generation of small well-typed expressions that seldom trap.

use crate::programs::ir::{
    Binary, Comparison, Const, Expr, Fold, FoldSource, Function, GlobalId, GlobalValue, Intrinsic,
    LocalId, Logic, Program, Unary,
};
use crate::programs::types::{Scalar, Type};
use crate::programs::walk;
use crate::rng::Stream;

/// A generator of expressions in one scope.
pub(crate) struct Grow<'a> {
    program: &'a Program,
    function: &'a Function,
    readable: &'a [bool],
    stream: &'a mut Stream,
}

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

/// A binary operation.
pub(crate) fn binary(operator: Binary, lhs: Expr, rhs: Expr) -> Expr {
    Expr::Binary(operator, boxed(lhs), boxed(rhs))
}

/// A call of a builtin or `math` function.
pub(crate) fn call(intrinsic: Intrinsic, args: Vec<Expr>) -> Expr {
    Expr::Intrinsic(intrinsic, args)
}

const fn one(scalar: Scalar) -> Expr {
    match scalar {
        Scalar::Float => Expr::float(1.0),
        Scalar::Bool | Scalar::Int => Expr::int(1),
    }
}

/// `TABLE[min(max(index - low, 0), n - 1)]`'s index.
pub(crate) fn clamp(index: Expr, low: i64, n: usize) -> Expr {
    let shifted = match low {
        0 => index,
        low if low < 0 => binary(Binary::Add, index, Expr::int(low.saturating_neg())),
        low => binary(Binary::Sub, index, Expr::int(low)),
    };
    let last = i64::try_from(n).unwrap_or(i64::MAX).saturating_sub(1);
    let natural = call(Intrinsic::Max, vec![shifted, Expr::int(0)]);
    call(Intrinsic::Min, vec![natural, Expr::int(last)])
}

impl<'a> Grow<'a> {
    /// A generator that may read the flagged locals.
    pub(crate) const fn new(
        program: &'a Program,
        function: &'a Function,
        readable: &'a [bool],
        stream: &'a mut Stream,
    ) -> Self {
        Self { program, function, readable, stream }
    }

    fn locals(&self, ty: Type) -> Vec<LocalId> {
        let locals = (0..).map(LocalId).zip(&self.function.locals).zip(self.readable);
        locals
            .filter(|((_, local), flag)| **flag && local.ty == ty)
            .map(|((id, _), _)| id)
            .collect()
    }

    fn local(&mut self, ty: Type) -> Option<Expr> {
        let locals = self.locals(ty);
        self.stream.choose(&locals).map(|id| Expr::Local(*id))
    }

    /// An expression of a scalar type, at most `depth` high (a few protections excepted).
    pub(crate) fn scalar(&mut self, scalar: Scalar, depth: usize) -> Expr {
        if depth <= 1 || self.stream.chance(0.2) {
            return self.leaf(scalar);
        }
        match scalar {
            Scalar::Bool => self.bool(depth),
            Scalar::Int | Scalar::Float => self.number(scalar, depth),
        }
    }

    /// A literal or a local.
    pub(crate) fn leaf(&mut self, scalar: Scalar) -> Expr {
        if self.stream.chance(0.75)
            && let Some(local) = self.local(Type::Scalar(scalar))
        {
            return local;
        }
        match scalar {
            Scalar::Bool => self.comparison(1),
            Scalar::Float if self.stream.chance(0.3) => match self.local(Type::INT) {
                Some(local) => Expr::Convert(Scalar::Float, boxed(local)),
                None => self.literal(scalar),
            },
            Scalar::Int | Scalar::Float => self.literal(scalar),
        }
    }

    fn literal(&mut self, scalar: Scalar) -> Expr {
        let mut known = Vec::new();
        walk::visit_exprs(&self.function.body, &mut |expr| match expr {
            Expr::Const(value) if value.scalar() == scalar => known.push(*value),
            _ => {}
        });
        if self.stream.chance(0.3)
            && let Some(value) = self.stream.choose(&known)
        {
            return Expr::Const(*value);
        }
        match scalar {
            Scalar::Bool => Expr::Const(Const::Bool(self.stream.chance(0.5))),
            Scalar::Int => {
                const COMMON: [i64; 12] = [0, 1, 1, 2, 2, 3, 4, 5, 8, 10, 16, 100];
                Expr::int(self.stream.choose(&COMMON).copied().unwrap_or(1))
            }
            Scalar::Float => {
                const COMMON: [f64; 8] = [0.0, 1.0, 1.0, 2.0, 0.5, 0.1, 10.0, 3.0];
                let value = self.stream.choose(&COMMON).copied().unwrap_or(1.0);
                let drawn = (self.stream.normal() * 100.0).round() / 100.0;
                Expr::float(if self.stream.chance(0.6) { value } else { drawn })
            }
        }
    }

    /// An expression that is never zero, for the right of a division.
    pub(crate) fn divisor(&mut self, scalar: Scalar, depth: usize) -> Expr {
        if depth <= 1 || self.stream.chance(0.5) {
            return match scalar {
                Scalar::Float => {
                    Expr::float(*self.stream.choose(&[2.0, 3.0, 4.0, 10.0, 0.5]).unwrap_or(&2.0))
                }
                _ => Expr::int(*self.stream.choose(&[2, 3, 4, 5, 8, 10]).unwrap_or(&2)),
            };
        }
        let inner = self.scalar(scalar, depth - 1);
        binary(Binary::Add, call(Intrinsic::Abs, vec![inner]), one(scalar))
    }

    fn bool(&mut self, depth: usize) -> Expr {
        match self.stream.below(10) {
            0 => {
                let operator = if self.stream.chance(0.5) { Logic::And } else { Logic::Or };
                let lhs = self.scalar(Scalar::Bool, depth - 1);
                Expr::Logic(operator, boxed(lhs), boxed(self.scalar(Scalar::Bool, depth - 1)))
            }
            1 => Expr::Unary(Unary::Not, boxed(self.scalar(Scalar::Bool, depth - 1))),
            _ => self.comparison(depth - 1),
        }
    }

    /// A comparison of two numbers, one of them a local where there is one.
    pub(crate) fn comparison(&mut self, depth: usize) -> Expr {
        use Comparison as C;
        let (ints, floats) = (self.locals(Type::INT).len(), self.locals(Type::FLOAT).len());
        let scalar =
            if self.stream.below(ints + floats + 1) < floats { Scalar::Float } else { Scalar::Int };
        let operators: &[C] = if scalar == Scalar::Int {
            &[C::Lt, C::Le, C::Gt, C::Ge, C::Eq, C::Ne]
        } else {
            &[C::Lt, C::Le, C::Gt, C::Ge]
        };
        let operator = self.stream.choose(operators).copied().unwrap_or(C::Lt);
        let lhs = match self.local(Type::Scalar(scalar)) {
            Some(local) if depth <= 1 || self.stream.chance(0.6) => local,
            _ => self.scalar(scalar, depth),
        };
        let rhs = self.scalar(scalar, depth);
        Expr::Compare(boxed(lhs), vec![(operator, rhs)])
    }

    fn number(&mut self, scalar: Scalar, depth: usize) -> Expr {
        match self.stream.weighted(&[6.0, 2.0, 1.5, 1.0, 1.0, 1.0, 1.0, 0.5]) {
            Some(1) => self.division(scalar, depth),
            Some(2) => {
                let which = if self.stream.chance(0.5) { Intrinsic::Min } else { Intrinsic::Max };
                let lhs = self.scalar(scalar, depth - 1);
                call(which, vec![lhs, self.scalar(scalar, depth - 1)])
            }
            Some(3) => call(Intrinsic::Abs, vec![self.scalar(scalar, depth - 1)]),
            Some(4) => {
                let test = self.scalar(Scalar::Bool, depth - 1);
                let then = self.scalar(scalar, depth - 1);
                let otherwise = self.scalar(scalar, depth - 1);
                Expr::Select { test: boxed(test), then: boxed(then), otherwise: boxed(otherwise) }
            }
            Some(5) => {
                self.of_list(scalar, depth).unwrap_or_else(|| self.arithmetic(scalar, depth))
            }
            Some(6) => self.lookup(scalar, depth).unwrap_or_else(|| self.arithmetic(scalar, depth)),
            Some(7) => self.rare(scalar, depth),
            _ => self.arithmetic(scalar, depth),
        }
    }

    fn arithmetic(&mut self, scalar: Scalar, depth: usize) -> Expr {
        const OPERATORS: [Binary; 5] =
            [Binary::Add, Binary::Add, Binary::Sub, Binary::Sub, Binary::Mul];
        let operator = self.stream.choose(&OPERATORS).copied().unwrap_or(Binary::Add);
        let lhs = self.scalar(scalar, depth - 1);
        let rhs = if scalar == Scalar::Float && self.stream.chance(0.2) {
            Expr::Promote(Scalar::Float, boxed(self.scalar(Scalar::Int, depth - 1)))
        } else {
            self.scalar(scalar, depth - 1)
        };
        binary(operator, lhs, rhs)
    }

    fn division(&mut self, scalar: Scalar, depth: usize) -> Expr {
        let operators: &[Binary] = match scalar {
            Scalar::Float => &[Binary::TrueDiv, Binary::TrueDiv, Binary::Mod],
            _ => &[Binary::FloorDiv, Binary::Mod],
        };
        let operator = self.stream.choose(operators).copied().unwrap_or(Binary::Mod);
        if operator == Binary::TrueDiv && self.stream.chance(0.3) {
            let lhs = self.scalar(Scalar::Int, depth - 1);
            return binary(operator, lhs, self.divisor(Scalar::Int, depth - 1));
        }
        let lhs = self.scalar(scalar, depth - 1);
        binary(operator, lhs, self.divisor(scalar, depth - 1))
    }

    fn of_list(&mut self, scalar: Scalar, depth: usize) -> Option<Expr> {
        if scalar == Scalar::Int && self.stream.chance(0.5) {
            let mut lists = Vec::new();
            for element in [Scalar::Bool, Scalar::Int, Scalar::Float] {
                lists.extend(self.locals(Type::List(element)));
                lists.extend(self.locals(Type::Matrix(element)));
            }
            let list = self.stream.choose(&lists)?;
            return Some(Expr::Len(boxed(Expr::Local(*list))));
        }
        let list = self.local(Type::List(scalar))?;
        let indices = self.locals(Type::INT);
        if !indices.is_empty() && self.stream.chance(0.6) {
            let index = self.stream.choose(&indices).map(|id| Expr::Local(*id))?;
            return Some(Expr::Index(boxed(list), boxed(index)));
        }
        if depth <= 2 {
            return None;
        }
        let folds: &[Fold] = match scalar {
            Scalar::Float => &[Fold::SumFromZero, Fold::Min, Fold::Max],
            _ => &[Fold::Sum, Fold::Min, Fold::Max],
        };
        let fold = self.stream.choose(folds).copied()?;
        Some(Expr::Fold(fold, FoldSource::List(boxed(list))))
    }

    fn lookup(&mut self, scalar: Scalar, depth: usize) -> Option<Expr> {
        let mut tables = Vec::new();
        for (id, global) in (0..).map(GlobalId).zip(&self.program.globals) {
            match &global.value {
                GlobalValue::Table(of, values) if *of == scalar => tables.push((id, values.len())),
                _ => {}
            }
        }
        let (id, n) = self.stream.choose(&tables).copied()?;
        let index = self.scalar(Scalar::Int, depth.min(3) - 1);
        Some(Expr::Table(id, boxed(clamp(index, 0, n))))
    }

    fn rare(&mut self, scalar: Scalar, depth: usize) -> Expr {
        let inner = self.scalar(scalar, depth - 1);
        match scalar {
            Scalar::Float => match self.stream.below(4) {
                0 => call(Intrinsic::Sqrt, vec![call(Intrinsic::Abs, vec![inner])]),
                1 => call(Intrinsic::Tanh, vec![inner]),
                2 => {
                    let positive = call(Intrinsic::Abs, vec![inner]);
                    call(Intrinsic::Log1p, vec![positive])
                }
                _ => binary(Binary::Mul, inner.clone(), inner),
            },
            _ => match self.stream.below(3) {
                0 => Expr::Convert(Scalar::Int, boxed(self.scalar(Scalar::Bool, depth - 1))),
                1 => Expr::Unary(Unary::Neg, boxed(inner)),
                _ => binary(Binary::Mul, inner.clone(), inner),
            },
        }
    }
}
