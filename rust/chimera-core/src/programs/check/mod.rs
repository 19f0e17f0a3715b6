//! The invariants of the representation, checked: types, arities, ids, definite assignment, places
//! of `break` and `continue`, and that every path returns.
//!
//! The same pass yields the places where variation may edit ([`Layout`]), so what is readable
//! where is decided once. It visits expressions in the canonical order of [`super::walk`].

mod expressions;
#[cfg(test)]
mod tests;

use super::ir::{Block, Const, Expr, Function, GlobalValue, LocalId, Program, Stmt, StmtKind};
use super::types::{Returns, Type};
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
        self.ensure(
            function.n_params as usize <= function.locals.len(),
            "more parameters than locals",
        )?;
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
        if local.ty != ty {
            return self.fail(&format!("{} assigned a {}", local.name, ty.annotation()));
        }
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
                let types = self.iteration(iter)?;
                self.ensure(types.len() == targets.len(), "another number of loop targets")?;
                self.looped(targets, &types, body, orelse, false)
            }
            StmtKind::Break => {
                let state = self.state();
                let Some(outer) = self.breaks.pop() else {
                    return self.fail("break outside a loop");
                };
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
                self.ensure(
                    is_tuple && returns == self.function.returns,
                    "another tuple returned",
                )?;
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
}

fn meet(lhs: Option<Vec<bool>>, rhs: Option<Vec<bool>>) -> Option<Vec<bool>> {
    match (lhs, rhs) {
        (Some(lhs), Some(rhs)) => Some(lhs.iter().zip(rhs).map(|(a, b)| *a && b).collect()),
        (lhs, rhs) => lhs.or(rhs),
    }
}
