//! The seam between evolution and the variation of programs: which operators there are, how likely each
//! is before it has earned anything, and the bounds they work within.

use super::settings::Settings;
use crate::programs::ir::{Const, Program};
use crate::programs::vary::{self, Context, Limits, Operator};
use crate::rng::Stream;

/// The bounds and observations that variation works with.
#[must_use]
pub fn context(settings: &Settings, probes: &[Vec<Vec<Const>>]) -> Context {
    let limits = Limits::default();
    let limits = Limits {
        nodes_max: settings.size_max,
        table_len_max: limits.table_len_max.min(settings.n_parameters_max),
        ..limits
    };
    Context { limits, probes: probes.to_vec() }
}

/// Names of the structural operators, in a fixed order.
#[must_use]
pub fn operators() -> Vec<&'static str> {
    Operator::ALL.iter().map(|operator| operator.name()).collect()
}

/// How readily an operator is tried, relative to the others: tables turn the search for structure into
/// the tuning of numbers, and numbers alone are the tuners' work.
#[must_use]
pub const fn prior(operator: Operator) -> f64 {
    match operator {
        Operator::Tabulate | Operator::TableCorrection => 3.0,
        Operator::ReplacePoint | Operator::ReplaceSubtree | Operator::Crossover => 1.5,
        Operator::Constant | Operator::ConstantScale | Operator::TableEntries => 0.5,
        _ => 1.0,
    }
}

/// The priors of all operators, in the order of [`operators`].
#[must_use]
pub fn priors() -> Vec<f64> {
    Operator::ALL.iter().map(|operator| prior(*operator)).collect()
}

/// A child of `parent`; `None` when the operator found nothing to do.
#[must_use]
pub fn vary(
    operator: usize,
    parent: &Program,
    mate: Option<&Program>,
    context: &Context,
    stream: &mut Stream,
) -> Option<Program> {
    vary::apply(*Operator::ALL.get(operator)?, parent, mate, context, stream)
}
