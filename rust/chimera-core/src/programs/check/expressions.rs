//! The part of the checker that types expressions and records their sites.

use super::{Checker, Layout, Role, Site};
use crate::error::Result;
use crate::programs::intrinsics::Arguments;
use crate::programs::ir::{
    Binary, Comprehension, Expr, Fold, FoldSource, FunctionId, GlobalId, GlobalValue, Intrinsic,
    Iter, LocalId, TupleSource, Unary,
};
use crate::programs::types::{Returns, Scalar, Type};
use crate::programs::walk;

impl Checker<'_> {
    pub(super) fn tuple(&mut self, value: &TupleSource) -> Result<Vec<Type>> {
        match value {
            TupleSource::Values(values) => {
                values.iter().map(|value| self.expr(value, Role::Free)).collect()
            }
            TupleSource::Call(id, args) => match self.call(*id, args)? {
                Returns::Tuple(scalars) => Ok(scalars.into_iter().map(Type::Scalar).collect()),
                _ => self.fail("unpacking of a call that returns no tuple"),
            },
            TupleSource::Divmod(lhs, rhs) => {
                let left = self.expr(lhs, Role::Free)?;
                let right = self.expr(rhs, Role::Divisor)?;
                let fits = left == right && (left == Type::INT || left == Type::FLOAT);
                self.ensure(fits, "divmod of these types")?;
                Ok(vec![left, left])
            }
        }
    }

    pub(super) fn call(&mut self, id: FunctionId, args: &[Expr]) -> Result<Returns> {
        let program = self.program;
        let Some(callee) = program.function(id) else {
            return self.fail("function id out of range");
        };
        self.ensure(args.len() == callee.params().len(), "call with another number of arguments")?;
        for (arg, param) in args.iter().zip(callee.params()) {
            self.expect(arg, param.ty, Role::Free)?;
        }
        Ok(callee.returns.clone())
    }

    pub(super) fn iteration(&mut self, iter: &Iter) -> Result<Vec<Type>> {
        let element = |checker: &mut Self, list: &Expr| {
            let ty = checker.expr(list, Role::Free)?;
            ty.element().map_or_else(|| checker.fail("iteration over a scalar"), Ok)
        };
        match iter {
            Iter::Range { start, stop, step } => {
                self.expect(start, Type::INT, Role::Free)?;
                self.expect(stop, Type::INT, Role::Free)?;
                self.expect(step, Type::INT, Role::Delicate)?;
                Ok(vec![Type::INT])
            }
            Iter::List(list) => Ok(vec![element(self, list)?]),
            Iter::Enumerate(list) => Ok(vec![Type::INT, element(self, list)?]),
            Iter::Zip(lists) => lists.iter().map(|list| element(self, list)).collect(),
            Iter::Table(id) => Ok(vec![Type::Scalar(self.table(*id)?)]),
        }
    }

    pub(super) fn table(&self, id: GlobalId) -> Result<Scalar> {
        match self.program.global(id).map(|global| &global.value) {
            Some(GlobalValue::Table(scalar, _)) => Ok(*scalar),
            Some(GlobalValue::Scalar(_)) => self.fail("a scalar constant used as a table"),
            None => self.fail("constant id out of range"),
        }
    }

    pub(super) fn expect(&mut self, expr: &Expr, ty: Type, role: Role) -> Result<()> {
        let got = self.expr(expr, role)?;
        if got == ty {
            return Ok(());
        }
        self.fail(&format!("expected {}, got {}", ty.annotation(), got.annotation()))
    }

    pub(super) fn expr(&mut self, expr: &Expr, role: Role) -> Result<Type> {
        let (at, scope) = (self.layout.sites.len(), self.scope());
        self.depth += 1;
        let depth = self.depth;
        self.layout.sites.push(Site { ty: Type::BOOL, scope, depth, role, size: 1 });
        let ty = self.node(expr)?;
        self.depth -= 1;
        let size = self.layout.sites.len() - at;
        if let Some(site) = self.layout.sites.get_mut(at) {
            site.ty = ty;
            site.size = size;
        }
        Ok(ty)
    }

    pub(super) fn scalar(&mut self, expr: &Expr, role: Role) -> Result<Scalar> {
        let ty = self.expr(expr, role)?;
        ty.scalar().map_or_else(|| self.fail("a list where a scalar is needed"), Ok)
    }

    pub(super) fn node(&mut self, expr: &Expr) -> Result<Type> {
        Ok(match expr {
            Expr::Const(value) => Type::Scalar(value.scalar()),
            Expr::Parameter(_, Scalar::Bool) => return self.fail("a parameter of type bool"),
            Expr::Parameter(_, scalar) => Type::Scalar(*scalar),
            Expr::Local(id) => self.read(*id)?,
            Expr::Global(id) => self.global(*id)?,
            Expr::Table(id, index) => {
                let scalar = self.table(*id)?;
                let at = self.layout.sites.len();
                self.expect(index, Type::INT, Role::Free)?;
                if walk::is_clamped(index) {
                    self.fix_clamp(at, index);
                }
                Type::Scalar(scalar)
            }
            Expr::TableLen(id) => self.table(*id).map(|_| Type::INT)?,
            Expr::Unary(operator, operand) => {
                let scalar = self.scalar(operand, Role::Free)?;
                let fits = match operator {
                    Unary::Neg | Unary::Pos => scalar != Scalar::Bool,
                    Unary::Not => scalar == Scalar::Bool,
                    Unary::Invert => scalar == Scalar::Int,
                };
                self.ensure(fits, "unary operator on this type")?;
                Type::Scalar(scalar)
            }
            Expr::Binary(operator, lhs, rhs) => self.binary(*operator, lhs, rhs)?,
            Expr::Compare(first, rest) => {
                self.ensure(!rest.is_empty(), "comparison of one operand")?;
                self.scalar(first, Role::Free)?;
                for (_, operand) in rest {
                    self.scalar(operand, Role::Free)?;
                }
                Type::BOOL
            }
            Expr::Logic(_, lhs, rhs) => {
                let ty = self.expr(lhs, Role::Free)?;
                self.expect(rhs, ty, Role::Free)?;
                ty
            }
            Expr::Select { test, then, otherwise } => {
                self.expect(test, Type::BOOL, Role::Free)?;
                let ty = self.expr(then, Role::Free)?;
                self.expect(otherwise, ty, Role::Free)?;
                ty
            }
            Expr::Convert(scalar, operand) => {
                let ty = self.expr(operand, Role::Free)?;
                let fits = ty.scalar().is_some() || *scalar == Scalar::Bool;
                self.ensure(fits, "conversion of a list")?;
                Type::Scalar(*scalar)
            }
            Expr::Promote(scalar, operand) => {
                let from = self.scalar(operand, Role::Free)?;
                self.ensure(from < *scalar, "promotion to a narrower type")?;
                Type::Scalar(*scalar)
            }
            Expr::Intrinsic(intrinsic, args) => self.intrinsic(*intrinsic, args)?,
            Expr::Call(id, args) => match self.call(*id, args)? {
                Returns::One(ty) => ty,
                _ => return self.fail("a call without value used as a value"),
            },
            _ => return self.list_node(expr),
        })
    }

    /// Keep the frame of a clamped index from being edited; what it clamps stays free.
    pub(super) fn fix_clamp(&mut self, mut at: usize, index: &Expr) {
        let fix = |layout: &mut Layout, at: usize| {
            if let Some(site) = layout.sites.get_mut(at) {
                site.role = Role::Fixed;
            }
        };
        let mut clamps = vec![index];
        if let Expr::Binary(_, row, column) = index {
            fix(&mut self.layout, at);
            fix(&mut self.layout, at + 1);
            at += 2;
            clamps = vec![column];
            if let Expr::Binary(_, row, _) = &**row {
                let width = at + walk::size_expr(row);
                fix(&mut self.layout, width);
                clamps.insert(0, row);
            }
        }
        for clamp in clamps {
            let n = walk::size_expr(clamp);
            for fixed in [at, at + 1, (at + n).saturating_sub(2), (at + n).saturating_sub(1)] {
                fix(&mut self.layout, fixed);
            }
            // Past this clamp and, between two of them, past the row's width.
            at += n + 1;
        }
    }

    pub(super) fn binary(&mut self, operator: Binary, lhs: &Expr, rhs: &Expr) -> Result<Type> {
        use Binary as B;
        let divides =
            matches!(operator, B::TrueDiv | B::FloorDiv | B::Mod | B::Pow | B::Shl | B::Shr);
        let left = self.scalar(lhs, Role::Free)?;
        let right = self.scalar(rhs, if divides { Role::Divisor } else { Role::Free })?;
        self.ensure(left == right, "operands of different types")?;
        let fits = match operator {
            B::Shl | B::Shr => left == Scalar::Int,
            B::BitAnd | B::BitOr | B::BitXor => left != Scalar::Float,
            _ => left != Scalar::Bool,
        };
        self.ensure(fits, "binary operator on this type")?;
        Ok(Type::Scalar(if operator == B::TrueDiv { Scalar::Float } else { left }))
    }

    pub(super) fn list_node(&mut self, expr: &Expr) -> Result<Type> {
        let nested = |checker: &Self, ty: Type| {
            ty.list_of().map_or_else(|| checker.fail("a list nested too deeply"), Ok)
        };
        match expr {
            Expr::Index(list, index) => {
                let ty = self.expr(list, Role::Free)?;
                self.expect(index, Type::INT, Role::Free)?;
                ty.element().map_or_else(|| self.fail("index into a scalar"), Ok)
            }
            Expr::Len(list) => {
                let ty = self.expr(list, Role::Free)?;
                self.ensure(ty.scalar().is_none(), "len of a scalar")?;
                Ok(Type::INT)
            }
            Expr::List(element, items) => {
                for item in items {
                    self.expect(item, *element, Role::Free)?;
                }
                nested(self, *element)
            }
            Expr::Repeat(value, count) => {
                let scalar = self.scalar(value, Role::Free)?;
                self.expect(count, Type::INT, Role::Free)?;
                Ok(Type::List(scalar))
            }
            Expr::Copy(list) => {
                let ty = self.expr(list, Role::Free)?;
                self.ensure(ty.scalar().is_none(), "copy of a scalar")?;
                Ok(ty)
            }
            Expr::Pop(list) => {
                let ty = self.expr(list, Role::Free)?;
                ty.element().map_or_else(|| self.fail("pop from a scalar"), Ok)
            }
            Expr::Comprehension(inner) => {
                let element = self.comprehension(inner)?;
                nested(self, element)
            }
            Expr::Fold(fold, source) => {
                let element = match source {
                    FoldSource::List(list) => {
                        let ty = self.expr(list, Role::Free)?;
                        ty.element().map_or_else(|| self.fail("fold of a scalar"), Ok)?
                    }
                    FoldSource::Generator(inner) => self.comprehension(inner)?,
                };
                let fits = match fold {
                    Fold::Sum | Fold::Min | Fold::Max => {
                        element == Type::INT || element == Type::FLOAT
                    }
                    Fold::SumFromZero => element == Type::FLOAT,
                    Fold::Any | Fold::All => element == Type::BOOL,
                };
                self.ensure(fits, "fold of this type")?;
                Ok(element)
            }
            _ => self.fail("unexpected expression"),
        }
    }

    pub(super) fn comprehension(&mut self, inner: &Comprehension) -> Result<Type> {
        let types = self.iteration(&inner.iter)?;
        self.ensure(types.len() == inner.targets.len(), "another number of targets")?;
        for (target, ty) in inner.targets.iter().zip(types) {
            let idx = target.0 as usize;
            let is_private = idx >= self.function.n_params as usize
                && self.bound.get(idx) == Some(&false)
                && (!self.reachable || self.assigned.get(idx) == Some(&false));
            self.ensure(is_private, "target of a comprehension used elsewhere")?;
            self.assign(*target, ty)?;
        }
        if let Some(condition) = &inner.condition {
            self.expect(condition, Type::BOOL, Role::Free)?;
        }
        let element = self.expr(&inner.element, Role::Free)?;
        for target in &inner.targets {
            let idx = target.0 as usize;
            if let (Some(flag), Some(bound)) = (self.assigned.get_mut(idx), self.bound.get_mut(idx))
            {
                (*flag, *bound) = (false, true);
            }
        }
        Ok(element)
    }

    fn read(&self, id: LocalId) -> Result<Type> {
        let ty = self.local_type(id)?;
        if self.assigned.get(id.0 as usize) != Some(&true) {
            let name = self.function.local(id).map_or("", |local| local.name.as_str());
            return self.fail(&format!("{name} may be read before assignment"));
        }
        Ok(ty)
    }

    fn global(&self, id: GlobalId) -> Result<Type> {
        match self.program.global(id).map(|global| &global.value) {
            Some(GlobalValue::Scalar(value)) => Ok(Type::Scalar(value.scalar())),
            Some(GlobalValue::Table(..)) => self.fail("a table used as a scalar"),
            None => self.fail("constant id out of range"),
        }
    }

    fn intrinsic(&mut self, intrinsic: Intrinsic, args: &[Expr]) -> Result<Type> {
        let mut scalars = Vec::with_capacity(args.len());
        for arg in args {
            scalars.push(self.scalar(arg, Role::Free)?);
        }
        let n = scalars.len();
        let first = scalars.first().copied().unwrap_or(Scalar::Bool);
        let all = |scalar| scalars.iter().all(|it| *it == scalar);
        let fits = match intrinsic.arguments() {
            Arguments::Floats(expected) => n == expected && all(Scalar::Float),
            Arguments::Ints(expected) => n == expected && all(Scalar::Int),
            Arguments::Numbers(least, most) => {
                let counted = n >= least && most.is_none_or(|most| n <= most);
                counted && first != Scalar::Bool && all(first)
            }
        };
        if !fits {
            return self.fail(&format!("arguments of {}", intrinsic.python_name()));
        }
        Ok(Type::Scalar(intrinsic.result(first)))
    }
}
