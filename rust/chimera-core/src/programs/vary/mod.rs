//! Variation: well-formed children of programs.
//!
//! Each [`Operator`] makes one small, readable edit of one evolvable function; sizes of edits are
//! heavy-tailed, so most are tiny and a few are large. Every child passes [`super::check`]: types
//! hold by construction, while an edit of statements that would leave a path without a return or
//! a local unassigned is drawn again.
//! Subtree operators go back to Koza (1992); tables that correct or replace expressions turn
//! structure search into the tuning of numbers.

mod constants;
mod crossover;
mod edit;
mod expressions;
mod grow;
mod statements;
mod tables;
#[cfg(test)]
mod tests;

use super::ir::{Const, Program};
use super::simplify;
use crate::rng::Stream;
use edit::Edit;

/// Bounds of children. A parent beyond a bound may still have children that are not larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Expression nodes and statements of all evolvable functions.
    pub nodes_max: usize,
    /// Height of one expression.
    pub depth_max: usize,
    /// Entries of one table made by variation.
    pub table_len_max: usize,
    /// Tunable tables in the program.
    pub tables_max: usize,
    /// Statements of one function.
    pub statements_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nodes_max: 200,
            depth_max: 12,
            table_len_max: 512,
            tables_max: 4,
            statements_max: 60,
        }
    }
}

/// What variation may know besides the program.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Bounds.
    pub limits: Limits,
    /// Per function: observed argument tuples. Each tuple holds the values of the scalar
    /// parameters in order; list parameters are left out.
    pub probes: Vec<Vec<Vec<Const>>>,
}

/// A way to make a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// Another operator or leaf of the same type.
    ReplacePoint,
    /// A fresh subtree.
    ReplaceSubtree,
    /// A subtree takes the place of one above it.
    HoistSubtree,
    /// A new assignment.
    InsertStatement,
    /// A statement less, or a branch unwrapped.
    DeleteStatement,
    /// Two statements of a block change places.
    SwapStatements,
    /// A statement wrapped in `if`, a conditional expression, or a guarded return.
    InsertBranch,
    /// Gaussian noise on literals.
    Constant,
    /// Literals scaled, negated, doubled or halved.
    ConstantScale,
    /// A subtree, a statement or a whole body from a mate.
    Crossover,
    /// An expression of small ints becomes a lookup in a table of its values.
    Tabulate,
    /// A numeric expression gets a table of zeros added.
    TableCorrection,
    /// Entries of a table are perturbed.
    TableEntries,
    /// [`simplify::simplify`].
    Simplify,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 14] = [
        Self::ReplacePoint,
        Self::ReplaceSubtree,
        Self::HoistSubtree,
        Self::InsertStatement,
        Self::DeleteStatement,
        Self::SwapStatements,
        Self::InsertBranch,
        Self::Constant,
        Self::ConstantScale,
        Self::Crossover,
        Self::Tabulate,
        Self::TableCorrection,
        Self::TableEntries,
        Self::Simplify,
    ];

    /// A stable name for logs and statistics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReplacePoint => "replace_point",
            Self::ReplaceSubtree => "replace_subtree",
            Self::HoistSubtree => "hoist_subtree",
            Self::InsertStatement => "insert_statement",
            Self::DeleteStatement => "delete_statement",
            Self::SwapStatements => "swap_statements",
            Self::InsertBranch => "insert_branch",
            Self::Constant => "constant",
            Self::ConstantScale => "constant_scale",
            Self::Crossover => "crossover",
            Self::Tabulate => "tabulate",
            Self::TableCorrection => "table_correction",
            Self::TableEntries => "table_entries",
            Self::Simplify => "simplify",
        }
    }
}

const ATTEMPTS_MAX: usize = 6;

/// Make a child; `None` when the operator finds nothing to do within the limits.
///
/// The child differs from the parent and passes [`super::check::check`] when the parent does. Only
/// evolvable functions and tunable constants change.
#[must_use]
pub fn apply(
    operator: Operator,
    parent: &Program,
    mate: Option<&Program>,
    context: &Context,
    stream: &mut Stream,
) -> Option<Program> {
    match operator {
        Operator::Simplify => {
            let child = simplify::simplify(parent);
            let fits = child != *parent && edit::fits(&child, parent, &context.limits);
            return fits.then_some(child);
        }
        Operator::Constant => return constants::noise(parent, stream),
        Operator::ConstantScale => return constants::scale(parent, stream),
        Operator::TableEntries => return tables::entries(parent, stream),
        _ => {}
    }
    for _ in 0..ATTEMPTS_MAX {
        let mut edit = Edit::new(parent, context, stream)?;
        let done = match operator {
            Operator::ReplacePoint => expressions::replace_point(&mut edit),
            Operator::ReplaceSubtree => expressions::replace_subtree(&mut edit),
            Operator::HoistSubtree => expressions::hoist(&mut edit),
            Operator::InsertStatement => statements::insert(&mut edit),
            Operator::DeleteStatement => statements::delete(&mut edit),
            Operator::SwapStatements => statements::swap(&mut edit),
            Operator::InsertBranch => statements::branch(&mut edit),
            Operator::Crossover => crossover::cross(&mut edit, mate?),
            Operator::Tabulate => tables::tabulate(&mut edit),
            _ => tables::correct(&mut edit),
        };
        if done.is_some()
            && let Some(child) = edit.finish(parent)
        {
            return Some(child);
        }
    }
    None
}
