//! Tables made by variation: sampled expressions, additive corrections, and edits of entries.
//!
//! The index of every lookup is clamped, whatever the probes say about its range.

use super::edit::{Edit, heavy};
use super::grow::{binary, clamp};
use crate::programs::check::Role;
use crate::programs::interpret::evaluate;
use crate::programs::ir::{Binary, Const, Expr, GlobalValue, LocalId, Program};
use crate::programs::tune;
use crate::programs::types::{Scalar, Type};
use crate::programs::walk;
use crate::rng::Stream;
use crate::rng::math::pow;

const PROBES_MAX: usize = 64;
const DEFAULT_LENGTH: i64 = 64;

/// Parameters of scalar type that the function never writes, in the order of the probes.
fn stable(edit: &Edit<'_>) -> Vec<(LocalId, Scalar, bool)> {
    let params = (0..).map(LocalId).zip(edit.function.params());
    let mut found: Vec<_> = params
        .filter_map(|(id, local)| local.ty.scalar().map(|scalar| (id, scalar, true)))
        .collect();
    walk::visit_stmts(&edit.function.body, &mut |stmt| {
        for (id, _, is_stable) in &mut found {
            *is_stable &= !walk::written(stmt).contains(id);
        }
    });
    found
}

/// Known values of the stable parameters, one row of locals per probe.
fn rows(edit: &Edit<'_>) -> Vec<Vec<Option<Const>>> {
    let params = stable(edit);
    let probes = edit.context.probes.get(edit.at).map_or(&[][..], Vec::as_slice);
    let row = |probe: &Vec<Const>| {
        let mut row = vec![None; edit.function.locals.len()];
        for ((id, scalar, is_stable), value) in params.iter().zip(probe) {
            if *is_stable
                && value.scalar() == *scalar
                && let Some(slot) = row.get_mut(id.0 as usize)
            {
                *slot = Some(*value);
            }
        }
        row
    };
    probes.iter().take(PROBES_MAX).map(row).collect()
}

/// Least and greatest observed value of an int expression.
fn observed(program: &Program, expr: &Expr, rows: &[Vec<Option<Const>>]) -> Option<(i64, i64)> {
    let values: Vec<i64> = rows
        .iter()
        .filter_map(|row| match evaluate(program, expr, row) {
            Some(Const::Int(value)) => Some(value),
            _ => None,
        })
        .collect();
    Some((values.iter().copied().min()?, values.iter().copied().max()?))
}

fn length((low, high): (i64, i64)) -> usize {
    high.checked_sub(low)
        .and_then(|n| usize::try_from(n).ok())
        .map_or(usize::MAX, |n| n.saturating_add(1))
}

/// Replace a pure expression by a lookup in a table of its values.
pub(crate) fn tabulate(edit: &mut Edit<'_>) -> Option<()> {
    let (index, site) = edit.site(|site| {
        let number = site.ty == Type::INT || site.ty == Type::FLOAT;
        site.size > 2 && number && site.role == Role::Free
    })?;
    let expr = edit.expr(index)?.clone();
    let rows = rows(edit);
    let inputs = inputs(edit, &expr, &rows)?;
    let most = edit.context.limits.table_len_max;
    let lengths: Vec<usize> = inputs.iter().map(|(_, range)| length(*range)).collect();
    let n = lengths.iter().try_fold(1_usize, |n, length| n.checked_mul(*length))?;
    if n > most || n < 2 {
        return None;
    }
    let mut sampled = expr.clone();
    // Each input becomes a pseudo local whose value the sampling sets.
    let base = edit.function.locals.len();
    for (at, (input, _)) in inputs.iter().enumerate() {
        let local = LocalId(u32::try_from(base + at).ok()?);
        walk::visit_mut(&mut sampled, &mut |node| {
            let hit = node == input;
            if hit {
                *node = Expr::Local(local);
            }
            !hit
        });
    }
    let mut values = Vec::with_capacity(n);
    let mut row = vec![None; base + inputs.len()];
    for entry in 0..n {
        let mut rest = entry;
        for (at, ((_, (low, _)), length)) in inputs.iter().zip(&lengths).enumerate().rev() {
            let offset = i64::try_from(rest % length).ok()?;
            rest /= length;
            *row.get_mut(base + at)? = Some(Const::Int(low.checked_add(offset)?));
        }
        let value =
            evaluate(&edit.program, &sampled, &row).filter(|value| tune::is_tunable(*value));
        // Where the expression would trap the entry repeats its neighbour.
        let zero = if site.ty == Type::INT { Const::Int(0) } else { Const::Float(0.0) };
        values.push(value.or(values.last().copied()).unwrap_or(zero));
    }
    let table = edit.add_table(values)?;
    let mut terms = inputs.into_iter().zip(&lengths);
    let ((first, (low, _)), length) = terms.next()?;
    let mut lookup = clamp(first, low, *length);
    if let Some(((second, (low, _)), length)) = terms.next() {
        let row = binary(Binary::Mul, lookup, Expr::int(i64::try_from(*length).ok()?));
        lookup = binary(Binary::Add, row, clamp(second, low, *length));
    }
    edit.put(index, Expr::Table(table, Box::new(lookup)))
}

type Input = (Expr, (i64, i64));

/// One or two int expressions that determine the value of the expression, with their ranges.
fn inputs(edit: &mut Edit<'_>, expr: &Expr, rows: &[Vec<Option<Const>>]) -> Option<Vec<Input>> {
    let most = edit.context.limits.table_len_max;
    let mut candidates: Vec<Input> = Vec::new();
    let mut parts = Vec::new();
    walk::visit(expr, &mut |node| {
        let is_int = node.ty(&edit.program, &edit.function) == Some(Type::INT);
        if is_int && node != expr && !matches!(node, Expr::Const(_)) {
            parts.push(node.clone());
        }
    });
    for part in parts {
        if candidates.iter().any(|(known, _)| *known == part) {
            continue;
        }
        if let Some(range) = observed(&edit.program, &part, rows)
            && length(range) <= most
        {
            candidates.push((part, range));
        }
    }
    // All free locals must lie inside the chosen inputs.
    let covers = |chosen: &[&Input]| {
        let mut rest = expr.clone();
        walk::visit_mut(&mut rest, &mut |node| {
            let hit = chosen.iter().any(|(input, _)| input == node);
            if hit {
                *node = Expr::int(0);
            }
            !hit
        });
        walk::free_locals(&rest).is_empty()
    };
    let mut sets: Vec<Vec<Input>> = Vec::new();
    for (at, first) in candidates.iter().enumerate() {
        if covers(&[first]) {
            sets.push(vec![first.clone()]);
        }
        for second in candidates.iter().skip(at + 1) {
            let product = length(first.1).saturating_mul(length(second.1));
            let is_plain = |input: &Input| matches!(input.0, Expr::Local(_));
            if product <= most && is_plain(first) && is_plain(second) && covers(&[first, second]) {
                sets.push(vec![first.clone(), second.clone()]);
            }
        }
    }
    edit.stream.choose(&sets).cloned()
}

/// Add a table of zeros, indexed by a sum, a difference or a single int local, to an expression.
pub(crate) fn correct(edit: &mut Edit<'_>) -> Option<()> {
    let (index, site) = edit
        .site(|site| (site.ty == Type::INT || site.ty == Type::FLOAT) && site.role == Role::Free)?;
    let ints = edit.readable(site.scope, Type::INT);
    let first = *edit.stream.choose(&ints)?;
    let second = edit.stream.choose(&ints).copied().filter(|second| *second != first);
    let mut key = Expr::Local(first);
    if let Some(second) = second
        && edit.stream.chance(0.7)
    {
        let operator = if edit.stream.chance(0.75) { Binary::Sub } else { Binary::Add };
        key = binary(operator, key, Expr::Local(second));
    }
    let rows = rows(edit);
    let most = i64::try_from(edit.context.limits.table_len_max).ok()?.max(1);
    let range = observed(&edit.program, &key, &rows);
    let (mut low, mut high) = range.unwrap_or((0, DEFAULT_LENGTH.min(most) - 1));
    // Probes are a sample: leave room for what they missed, without crossing zero for nothing.
    if range.is_some() {
        let room = high.saturating_sub(low) / 8;
        let below = low.saturating_sub(room);
        low = if low >= 0 { below.max(0) } else { below };
        high = high.saturating_add(room);
    }
    let span = high.checked_sub(low)?.checked_add(1)?;
    if span > most {
        let width = span / most + i64::from(span % most != 0);
        key = binary(Binary::FloorDiv, key, Expr::int(width));
        (low, high) = (low.div_euclid(width), high.div_euclid(width));
        high = high.min(low.checked_add(most - 1)?);
    }
    let n = length((low, high));
    let zero = if site.ty == Type::INT { Const::Int(0) } else { Const::Float(0.0) };
    let table = edit.add_table(vec![zero; n])?;
    let lookup = Expr::Table(table, Box::new(clamp(key, low, n)));
    let old = edit.expr(index)?.clone();
    edit.put(index, binary(Binary::Add, old, lookup))
}

/// Perturb entries of one tunable table: single ones, blocks, ramps, copies.
pub(crate) fn entries(parent: &Program, stream: &mut Stream) -> Option<Program> {
    let is_tunable = |at: &usize| {
        parent.globals.get(*at).is_some_and(|global| {
            tune::is_tunable_global(global)
                && matches!(&global.value, GlobalValue::Table(scalar, _) if *scalar != Scalar::Bool)
        })
    };
    let tables: Vec<usize> = (0..parent.globals.len()).filter(is_tunable).collect();
    let at = *stream.choose(&tables)?;
    let mut child = parent.clone();
    let global = std::sync::Arc::make_mut(child.globals.get_mut(at)?);
    let GlobalValue::Table(scalar, values) = &mut global.value else { return None };
    let old: Vec<f64> = values.iter().copied().map(tune::as_float).collect();
    let new = perturb(&old, *scalar == Scalar::Int, stream)?;
    for (value, new) in values.iter_mut().zip(new) {
        if new.is_finite() {
            *value = tune::retyped(*value, new);
        }
    }
    (child != *parent).then_some(child)
}

/// The moves follow a study of priority tables: single entries, shifted blocks, ramps, copies of
/// other entries and noisy blocks, at scales over three decades.
#[expect(clippy::cast_precision_loss, reason = "tables are far shorter than 2**53")]
fn perturb(old: &[f64], is_int: bool, stream: &mut Stream) -> Option<Vec<f64>> {
    let mut new = old.to_vec();
    let least = old.iter().copied().fold(f64::INFINITY, f64::min);
    let most = old.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let spread = if most > least { most - least } else { 1.0 };
    let scale = spread * pow(10.0, -3.0 * stream.uniform());
    let draw = |stream: &mut Stream| {
        let step = scale * stream.normal();
        if is_int && step.abs() < 0.5 { 1.0_f64.copysign(step) } else { step }
    };
    let n = old.len();
    let start = stream.below(n);
    let wide = pow(32.0, stream.uniform());
    let end = start.saturating_add(heavy(stream, n).max(to_length(wide))).min(n);
    match stream.weighted(&[0.2, 0.3, 0.15, 0.2, 0.15])? {
        0 => {
            for _ in 0..heavy(stream, n.min(16)) {
                let slot = stream.below(n);
                *new.get_mut(slot)? += draw(stream);
            }
        }
        1 => {
            let shift = draw(stream);
            new.iter_mut().take(end).skip(start).for_each(|value| *value += shift);
        }
        2 => {
            let (from, to) = (draw(stream), draw(stream));
            let last = (end - start).max(2) - 1;
            for (offset, value) in new.iter_mut().take(end).skip(start).enumerate() {
                *value += from + (to - from) * offset as f64 / last as f64;
            }
        }
        3 => {
            let copied = old.get(stream.below(n)).copied()?;
            let nudge = if is_int { 0.0 } else { 1e-3 * spread * stream.normal() };
            new.iter_mut().take(end).skip(start).for_each(|value| *value = copied + nudge);
        }
        _ => {
            for value in new.iter_mut().take(end).skip(start) {
                *value += draw(stream);
            }
        }
    }
    Some(new)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 32")]
const fn to_length(wide: f64) -> usize {
    wide as usize
}
