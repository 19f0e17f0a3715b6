//! One edit in progress: a working copy of a function, where it may be edited, and the stream.

use std::sync::Arc;

use super::grow::Grow;
use super::{Context, Limits};
use crate::programs::check::{self, Layout, Place, Role, Site};
use crate::programs::ir::{
    Block, Const, Expr, Function, Global, GlobalId, GlobalValue, Local, LocalId, Program, Stmt,
};
use crate::programs::types::Type;
use crate::programs::{simplify, walk};
use crate::rng::Stream;
use crate::rng::math::pow;

/// A working copy of one evolvable function and its program.
pub(crate) struct Edit<'a> {
    /// The program; its copy of the function is stale until [`Edit::finish`].
    pub(crate) program: Program,
    /// Index of the function.
    pub(crate) at: usize,
    /// The function under edit.
    pub(crate) function: Function,
    /// Where the function could be edited when the edit began.
    pub(crate) layout: Layout,
    /// Limits and probes.
    pub(crate) context: &'a Context,
    /// Randomness.
    pub(crate) stream: &'a mut Stream,
}

impl<'a> Edit<'a> {
    /// Begin an edit of a random evolvable function, larger ones more often.
    pub(crate) fn new(
        parent: &Program,
        context: &'a Context,
        stream: &'a mut Stream,
    ) -> Option<Self> {
        let weigh = |function: &Arc<Function>| {
            let n = u32::try_from(walk::size_block(&function.body)).unwrap_or(u32::MAX);
            if function.is_evolvable { f64::from(n) } else { 0.0 }
        };
        let weights: Vec<f64> = parent.functions.iter().map(weigh).collect();
        let at = stream.weighted(&weights)?;
        let function = (**parent.functions.get(at)?).clone();
        let layout = check::layout(parent, &function).ok()?;
        Some(Self { program: parent.clone(), at, function, layout, context, stream })
    }

    /// Complete the edit: settle promotions, drop what is unused, check limits and invariants.
    pub(crate) fn finish(mut self, parent: &Program) -> Option<Program> {
        walk::visit_stmts_mut(&mut self.function.body, &mut |stmt| {
            walk::stmt_exprs_mut(stmt, &mut simplify::settle);
        });
        *self.program.functions.get_mut(self.at)? = Arc::new(self.function);
        simplify::compact(&mut self.program);
        let child = self.program;
        let fits = fits(&child, parent, &self.context.limits) && child != *parent;
        (fits && check::check(&child).is_ok()).then_some(child)
    }

    /// A random expression site that satisfies the predicate.
    pub(crate) fn site(&mut self, fits: impl Fn(&Site) -> bool) -> Option<(usize, Site)> {
        let all = self.layout.sites.iter().copied().enumerate();
        let found: Vec<_> =
            all.filter(|(_, site)| site.role != Role::Fixed && fits(site)).collect();
        self.stream.choose(&found).copied()
    }

    /// A random place between statements that satisfies the predicate.
    pub(crate) fn place(&mut self, fits: impl Fn(&Place) -> bool) -> Option<Place> {
        let found: Vec<_> = self.layout.places.iter().copied().filter(fits).collect();
        self.stream.choose(&found).copied()
    }

    /// The expression at a site.
    pub(crate) fn expr(&self, index: usize) -> Option<&Expr> {
        walk::expr_at(&self.function.body, index)
    }

    /// Put an expression at a site.
    pub(crate) fn put(&mut self, index: usize, expr: Expr) -> Option<()> {
        walk::edit_at(&mut self.function.body, index, |slot| *slot = expr).then_some(())
    }

    /// Change the block with this number.
    pub(crate) fn with_block<T>(
        &mut self,
        number: usize,
        f: impl FnOnce(&mut Block) -> T,
    ) -> Option<T> {
        let (mut at, mut f, mut result) = (0, Some(f), None);
        walk::visit_blocks_mut(&mut self.function.body, &mut |block| {
            if at == number
                && let Some(f) = f.take()
            {
                result = Some(f(block));
            }
            at += 1;
        });
        result
    }

    /// A copy of the block with this number.
    pub(crate) fn block(&mut self, number: usize) -> Option<Block> {
        self.with_block(number, |block| block.clone())
    }

    /// Insert a statement at a place.
    pub(crate) fn insert(&mut self, place: Place, stmt: impl Into<Stmt>) -> Option<()> {
        let stmt = stmt.into();
        self.with_block(place.block, |block| block.insert(place.at.min(block.len()), stmt))
    }

    /// A generator of expressions that read what a scope allows.
    pub(crate) fn grow(&mut self, scope: usize) -> Grow<'_> {
        let readable = self.layout.scopes.get(scope).map_or(&[][..], Vec::as_slice);
        Grow::new(&self.program, &self.function, readable, self.stream)
    }

    /// Locals of a type that a scope may read.
    pub(crate) fn readable(&self, scope: usize, ty: Type) -> Vec<LocalId> {
        let readable = self.layout.scopes.get(scope).map_or(&[][..], Vec::as_slice);
        let locals = (0..).map(LocalId).zip(&self.function.locals).zip(readable);
        locals
            .filter(|((_, local), flag)| **flag && local.ty == ty)
            .map(|((id, _), _)| id)
            .collect()
    }

    /// Add a local with a name that no other one has.
    pub(crate) fn add_local(&mut self, stem: &str, ty: Type) -> LocalId {
        let name = fresh(stem, |name| {
            self.function.locals.iter().any(|local| local.name == name)
                || self.program.functions.iter().any(|function| function.name == name)
                || self.program.globals.iter().any(|global| global.name == name)
        });
        self.function.locals.push(Local { name, ty });
        LocalId(u32::try_from(self.function.locals.len() - 1).unwrap_or(u32::MAX))
    }

    /// Add a tunable table named after the function.
    pub(crate) fn add_table(&mut self, values: Vec<Const>) -> Option<GlobalId> {
        if n_tables(&self.program) >= self.context.limits.tables_max {
            return None;
        }
        let stem = format!("{}_TABLE", self.function.name.trim_matches('_').to_uppercase());
        let name = fresh(&stem, |name| {
            self.program.globals.iter().any(|global| global.name == name)
                || self.program.functions.iter().any(|function| function.name == name)
                || self.function.locals.iter().any(|local| local.name == name)
        });
        let value = GlobalValue::Table(values.first()?.scalar(), values);
        self.program.globals.push(Arc::new(Global { name, value, is_tunable: true }));
        u32::try_from(self.program.globals.len() - 1).ok().map(GlobalId)
    }

    /// A number of things, 1 most often, with a heavy tail.
    pub(crate) fn heavy(&mut self, most: usize) -> usize {
        heavy(self.stream, most)
    }
}

/// 1 most often; `k` or more with probability about `k ** -1.5`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, clamped")]
pub(crate) fn heavy(stream: &mut Stream, most: usize) -> usize {
    let u = 1.0 - stream.uniform();
    (pow(u, -1.0 / 1.5) as usize).clamp(1, most.max(1))
}

fn fresh(stem: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = stem.to_owned();
    let mut n = 2_u32;
    while taken(&name) {
        name = format!("{stem}_{n}");
        n += 1;
    }
    name
}

/// Whether a child keeps the limits, or exceeds none of them by more than its parent does.
pub(crate) fn fits(child: &Program, parent: &Program, limits: &Limits) -> bool {
    let within = |new: usize, old: usize, most: usize| new <= most.max(old);
    let functions = child.functions.iter().zip(&parent.functions).all(|(new, old)| {
        let (new, old) = (&new.body, &old.body);
        within(walk::depth_block(new), walk::depth_block(old), limits.depth_max)
            && within(walk::n_statements(new), walk::n_statements(old), limits.statements_max)
    });
    functions
        && within(walk::size(child), walk::size(parent), limits.nodes_max)
        && within(n_tables(child), n_tables(parent), limits.tables_max)
}

/// Tunable tables of a program.
pub(crate) fn n_tables(program: &Program) -> usize {
    let is_table =
        |global: &&Arc<Global>| global.is_tunable && matches!(global.value, GlobalValue::Table(..));
    program.globals.iter().filter(is_table).count()
}
