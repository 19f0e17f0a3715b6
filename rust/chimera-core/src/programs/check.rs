//! The invariants of the representation, checked: types, arities, ids, definite assignment, places
//! of `break` and `continue`, and that every path returns.
//!
//! The same pass yields the places where variation may edit ([`Layout`]), so what is readable
//! where is decided once. It visits expressions in the canonical order of [`super::walk`].

use super::intrinsics::Arguments;
use super::ir::{
    Binary, Block, Comprehension, Const, Expr, Fold, FoldSource, Function, FunctionId, GlobalId,
    GlobalValue, Iter, LocalId, Program, Stmt, StmtKind, TupleSource, Unary,
};
use super::types::{Returns, Scalar, Type};
use super::walk;
use crate::error::{Error, Result};

/// Check a whole program.
///
/// # Errors
/// [`Error::IllFormed`] names the function (or constant) and the first broken invariant.
pub fn check(program: &Program) -> Result<()> {
    for (idx, global) in program.globals.iter().enumerate() {
        let fail = |what: &str| ill_formed(&global.name, what);
        if let GlobalValue::Table(scalar, values) = &global.value {
            if values.is_empty() {
                return Err(fail("table without entries"));
            }
            if values.iter().any(|value| value.scalar() != *scalar) {
                return Err(fail("table of mixed types"));
            }
        }
        if program.globals.iter().take(idx).any(|other| other.name == global.name) {
            return Err(fail("two constants of this name"));
        }
    }
    for (idx, function) in program.functions.iter().enumerate() {
        if program.functions.iter().take(idx).any(|other| other.name == function.name) {
            return Err(ill_formed(&function.name, "two functions of this name"));
        }
        Checker::new(program, function).function()?;
    }
    Ok(())
}

fn ill_formed(function: &str, what: &str) -> Error {
    Error::IllFormed { function: function.to_owned(), what: what.to_owned() }
}

/// What an expression is to the node above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Any expression of the type may stand here.
    Free,
    /// The divisor of a division or the exponent of a power.
    Divisor,
    /// The step of a range, the test of a `while`: small edits only.
    Delicate,
    /// Must not change: a call or `pop` as a statement, the frame of a clamped table index.
    Fixed,
}

/// One expression of a function; its position in [`Layout::sites`] is its node index.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// Type of the expression.
    pub ty: Type,
    /// Index into [`Layout::scopes`]: what is readable here.
    pub scope: usize,
    /// Expressions above it in its statement, plus one.
    pub depth: usize,
    /// What it is to the node above.
    pub role: Role,
    /// Nodes in it, itself included.
    pub size: usize,
}

/// One position between statements: before statement `at` of block number `block`.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Index of the block in canonical order.
    pub block: usize,
    /// Position in the block.
    pub at: usize,
    /// Index into [`Layout::scopes`].
    pub scope: usize,
    /// Whether `break` and `continue` are allowed.
    pub in_loop: bool,
}

/// Where a function may be edited.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Every expression in canonical order.
    pub sites: Vec<Site>,
    /// Every reachable position between statements.
    pub places: Vec<Place>,
    /// Readable locals, one flag per local.
    pub scopes: Vec<Vec<bool>>,
}

/// Check one function and say where it may be edited.
///
/// # Errors
/// [`Error::IllFormed`] as for [`check`].
pub fn layout(program: &Program, function: &Function) -> Result<Layout> {
    let mut checker = Checker::new(program, function);
    checker.function()?;
    Ok(checker.layout)
}

struct Checker<'a> {
    program: &'a Program,
    function: &'a Function,
    /// Definitely assigned locals at this point; `None` where nothing can arrive.
    assigned: Vec<bool>,
    reachable: bool,
    /// States at the breaks of the enclosing loops.
    breaks: Vec<Option<Vec<bool>>>,
    bound: Vec<bool>,
    layout: Layout,
    depth: usize,
    n_blocks: usize,
}

impl<'a> Checker<'a> {
    fn new(program: &'a Program, function: &'a Function) -> Self {
        let n = function.locals.len();
        let assigned = (0..n).map(|idx| idx < function.n_params as usize).collect();
        Self {
            program,
            function,
            assigned,
            reachable: true,
            breaks: Vec::new(),
            bound: vec![false; n],
            layout: Layout::default(),
            depth: 0,
            n_blocks: 0,
        }
    }

    fn fail<T>(&self, what: &str) -> Result<T> {
        Err(ill_formed(&self.function.name, what))
    }

    fn ensure(&self, holds: bool, what: &str) -> Result<()> {
        if holds { Ok(()) } else { self.fail(what) }
    }

    fn function(&mut self) -> Result<()> {
        let function = self.function;
        self.ensure(function.n_params as usize <= function.locals.len(), "more parameters than locals")?;
        if let Returns::Tuple(scalars) = &function.returns {
            self.ensure(scalars.len() >= 2, "a tuple needs two or more values")?;
        }
        self.block(&function.body)?;
        let returns = !self.reachable || function.returns == Returns::Nothing;
        self.ensure(returns, "a path ends without return")
    }

    fn scope(&mut self) -> usize {
        if self.layout.scopes.last() != Some(&self.assigned) {
            self.layout.scopes.push(self.assigned.clone());
        }
        self.layout.scopes.len() - 1
    }

    fn block(&mut self, block: &Block) -> Result<()> {
        let number = self.n_blocks;
        self.n_blocks += 1;
        for (at, stmt) in block.iter().enumerate() {
            self.place(number, at);
            self.statement(stmt)?;
        }
        self.place(number, block.len());
        Ok(())
    }

    fn place(&mut self, block: usize, at: usize) {
        if self.reachable {
            let (scope, in_loop) = (self.scope(), !self.breaks.is_empty());
            self.layout.places.push(Place { block, at, scope, in_loop });
        }
    }

    fn leave(&mut self) {
        self.reachable = false;
        self.assigned.fill(true);
        for (flag, bound) in self.assigned.iter_mut().zip(&self.bound) {
            *flag &= !bound;
        }
    }

    /// Meet of this state with another one.
    fn join(&mut self, other: Option<Vec<bool>>) {
        let Some(other) = other else { return };
        if self.reachable {
            for (flag, also) in self.assigned.iter_mut().zip(other) {
                *flag &= also;
            }
        } else {
            self.assigned = other;
            self.reachable = true;
        }
    }

    fn state(&self) -> Option<Vec<bool>> {
        self.reachable.then(|| self.assigned.clone())
    }

    fn restore(&mut self, state: Option<Vec<bool>>) {
        self.reachable = state.is_some();
        match state {
            Some(state) => self.assigned = state,
            None => self.leave(),
        }
    }

    fn assign(&mut self, target: LocalId, ty: Type) -> Result<()> {
        let idx = target.0 as usize;
        let Some(local) = self.function.locals.get(idx) else {
            return self.fail("local id out of range");
        };
        self.ensure(local.ty == ty, &format!("{} assigned a {}", local.name, ty.annotation()))?;
        self.ensure(self.bound.get(idx) == Some(&false), "target of a comprehension assigned")?;
        if let Some(flag) = self.assigned.get_mut(idx) {
            *flag = true;
        }
        Ok(())
    }

    fn local_type(&self, id: LocalId) -> Result<Type> {
        match self.function.local(id) {
            Some(local) => Ok(local.ty),
            None => self.fail("local id out of range"),
        }
    }

    fn statement(&mut self, stmt: &Stmt) -> Result<()> {
        match &stmt.kind {
            StmtKind::Assign { target, value } => {
                let ty = self.expr(value, Role::Free)?;
                self.assign(*target, ty)
            }
            StmtKind::Unpack { targets, value } => {
                let types = self.tuple(value)?;
                self.ensure(types.len() == targets.len(), "unpacking of another length")?;
                for (target, ty) in targets.iter().zip(types) {
                    self.assign(*target, ty)?;
                }
                Ok(())
            }
            StmtKind::SetItem { list, index, value } => {
                let value = self.expr(value, Role::Free)?;
                let list = self.expr(list, Role::Free)?;
                self.expect(index, Type::INT, Role::Free)?;
                self.ensure(list.element() == Some(value), "item of another type set")
            }
            StmtKind::Append { list, value } => {
                let list = self.expr(list, Role::Free)?;
                let value = self.expr(value, Role::Free)?;
                self.ensure(list.element() == Some(value), "item of another type appended")
            }
            StmtKind::Effect(expr) => {
                let is_effect = matches!(expr, Expr::Pop(_) | Expr::Call(..));
                self.ensure(is_effect, "effect that is neither pop nor call")?;
                self.expr(expr, Role::Fixed).map(drop)
            }
            StmtKind::CallNothing(id, args) => self.call(*id, args).map(drop),
            StmtKind::If { test, then, orelse } => self.branch(test, then, orelse),
            StmtKind::While { test, body, orelse } => {
                self.expect(test, Type::BOOL, Role::Delicate)?;
                let forever = *test == Expr::Const(Const::Bool(true));
                self.looped(&[], &[], body, orelse, forever)
            }
            StmtKind::For { targets, iter, body, orelse } => {
                let types = self.iter(iter)?;
                self.ensure(types.len() == targets.len(), "another number of loop targets")?;
                self.looped(targets, &types, body, orelse, false)
            }
            StmtKind::Break => {
                let state = self.state();
                let Some(outer) = self.breaks.pop() else { return self.fail("break outside a loop") };
                self.breaks.push(meet(outer, state));
                self.leave();
                Ok(())
            }
            StmtKind::Continue => {
                self.ensure(!self.breaks.is_empty(), "continue outside a loop")?;
                self.leave();
                Ok(())
            }
            StmtKind::Return(values) => {
                let expected = self.function.returns.types();
                self.ensure(values.len() == expected.len(), "another number of values returned")?;
                for (value, ty) in values.iter().zip(expected) {
                    self.expect(value, ty, Role::Free)?;
                }
                self.leave();
                Ok(())
            }
            StmtKind::ReturnCall(id, args) => {
                let returns = self.call(*id, args)?;
                let is_tuple = matches!(returns, Returns::Tuple(_));
                self.ensure(is_tuple && returns == self.function.returns, "another tuple returned")?;
                self.leave();
                Ok(())
            }
            StmtKind::Assert(test) => self.expect(test, Type::BOOL, Role::Free),
            StmtKind::Raise(_) => {
                self.leave();
                Ok(())
            }
            StmtKind::Pass => Ok(()),
        }
    }

    fn branch(&mut self, test: &Expr, then: &Block, orelse: &Block) -> Result<()> {
        self.expect(test, Type::BOOL, Role::Free)?;
        let before = self.state();
        self.block(then)?;
        let after = self.state();
        self.restore(before);
        self.block(orelse)?;
        self.join(after);
        if !self.reachable {
            self.leave();
        }
        Ok(())
    }

    fn looped(
        &mut self,
        targets: &[LocalId],
        types: &[Type],
        body: &Block,
        orelse: &Block,
        forever: bool,
    ) -> Result<()> {
        let before = self.state();
        for (target, ty) in targets.iter().zip(types) {
            self.assign(*target, *ty)?;
        }
        self.breaks.push(None);
        self.block(body)?;
        let broken = self.breaks.pop().flatten();
        self.restore(if forever { None } else { before });
        self.block(orelse)?;
        self.join(broken);
        Ok(())
    }

    fn tuple(&mut self, value: &TupleSource) -> Result<Vec<Type>> {
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

    fn call(&mut self, id: FunctionId, args: &[Expr]) -> Result<Returns> {
        let program = self.program;
        let Some(callee) = program.function(id) else { return self.fail("function id out of range") };
        self.ensure(args.len() == callee.params().len(), "call with another number of arguments")?;
        for (arg, param) in args.iter().zip(callee.params()) {
            self.expect(arg, param.ty, Role::Free)?;
        }
        Ok(callee.returns.clone())
    }

    fn iter(&mut self, iter: &Iter) -> Result<Vec<Type>> {
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

    fn table(&self, id: GlobalId) -> Result<Scalar> {
        match self.program.global(id).map(|global| &global.value) {
            Some(GlobalValue::Table(scalar, _)) => Ok(*scalar),
            Some(GlobalValue::Scalar(_)) => self.fail("a scalar constant used as a table"),
            None => self.fail("constant id out of range"),
        }
    }

    fn expect(&mut self, expr: &Expr, ty: Type, role: Role) -> Result<()> {
        let got = self.expr(expr, role)?;
        if got == ty {
            return Ok(());
        }
        self.fail(&format!("expected {}, got {}", ty.annotation(), got.annotation()))
    }

    fn expr(&mut self, expr: &Expr, role: Role) -> Result<Type> {
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

    fn scalar(&mut self, expr: &Expr, role: Role) -> Result<Scalar> {
        let ty = self.expr(expr, role)?;
        ty.scalar().map_or_else(|| self.fail("a list where a scalar is needed"), Ok)
    }

    fn node(&mut self, expr: &Expr) -> Result<Type> {
        Ok(match expr {
            Expr::Const(value) => Type::Scalar(value.scalar()),
            Expr::Parameter(_, Scalar::Bool) => return self.fail("a parameter of type bool"),
            Expr::Parameter(_, scalar) => Type::Scalar(*scalar),
            Expr::Local(id) => {
                let ty = self.local_type(*id)?;
                let assigned = self.assigned.get(id.0 as usize) == Some(&true);
                if !assigned {
                    let name = self.function.local(*id).map_or("", |local| local.name.as_str());
                    return self.fail(&format!("{name} may be read before assignment"));
                }
                ty
            }
            Expr::Global(id) => match self.program.global(*id).map(|global| &global.value) {
                Some(GlobalValue::Scalar(value)) => Type::Scalar(value.scalar()),
                Some(GlobalValue::Table(..)) => return self.fail("a table used as a scalar"),
                None => return self.fail("constant id out of range"),
            },
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
            Expr::Intrinsic(intrinsic, args) => {
                let mut scalars = Vec::with_capacity(args.len());
                for arg in args {
                    scalars.push(self.scalar(arg, Role::Free)?);
                }
                let uniform = |n: usize, scalar| scalars.len() == n && scalars.iter().all(|it| *it == scalar);
                let first = scalars.first().copied().unwrap_or(Scalar::Bool);
                let fits = match intrinsic.arguments() {
                    Arguments::Floats(n) => uniform(n, Scalar::Float),
                    Arguments::Ints(n) => uniform(n, Scalar::Int),
                    Arguments::Numbers(least, most) => {
                        let n = scalars.len();
                        n >= least && most.is_none_or(|most| n <= most) && first != Scalar::Bool && uniform(n, first)
                    }
                };
                self.ensure(fits, &format!("arguments of {}", intrinsic.python_name()))?;
                Type::Scalar(intrinsic.result(first))
            }
            Expr::Call(id, args) => match self.call(*id, args)? {
                Returns::One(ty) => ty,
                _ => return self.fail("a call without value used as a value"),
            },
            _ => return self.list_node(expr),
        })
    }

    /// Keep the frame of a clamped index from being edited; what it clamps stays free.
    fn fix_clamp(&mut self, mut at: usize, index: &Expr) {
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

    fn binary(&mut self, operator: Binary, lhs: &Expr, rhs: &Expr) -> Result<Type> {
        use Binary as B;
        let divides = matches!(operator, B::TrueDiv | B::FloorDiv | B::Mod | B::Pow | B::Shl | B::Shr);
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

    fn list_node(&mut self, expr: &Expr) -> Result<Type> {
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
                    Fold::Sum | Fold::Min | Fold::Max => element == Type::INT || element == Type::FLOAT,
                    Fold::SumFromZero => element == Type::FLOAT,
                    Fold::Any | Fold::All => element == Type::BOOL,
                };
                self.ensure(fits, "fold of this type")?;
                Ok(element)
            }
            _ => self.fail("unexpected expression"),
        }
    }

    fn comprehension(&mut self, inner: &Comprehension) -> Result<Type> {
        let types = self.iter(&inner.iter)?;
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
            if let (Some(flag), Some(bound)) = (self.assigned.get_mut(idx), self.bound.get_mut(idx)) {
                (*flag, *bound) = (false, true);
            }
        }
        Ok(element)
    }
}

fn meet(lhs: Option<Vec<bool>>, rhs: Option<Vec<bool>>) -> Option<Vec<bool>> {
    match (lhs, rhs) {
        (Some(lhs), Some(rhs)) => Some(lhs.iter().zip(rhs).map(|(a, b)| *a && b).collect()),
        (lhs, rhs) => lhs.or(rhs),
    }
}
