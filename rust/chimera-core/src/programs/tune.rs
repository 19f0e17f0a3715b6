//! Tunable numbers of a program: literals of evolvable functions and tunable constants.
//!
//! [`parametrise`] moves them into a region that the compiled module reads at run time, so that
//! programs which differ only in numbers share one module. The order of the slots is canonical:
//! literals in the order of [`super::walk`], then tunable constants in the order of the program.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::interpret::EXACT_INT_MAX;
use super::ir::{Const, Expr, Function, Global, GlobalId, GlobalValue, Program, Stmt};
use super::types::Scalar;
use super::walk;
use crate::error::{Error, Result};

/// A program whose tunable numbers are slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parametrised {
    /// The program with [`Expr::Parameter`] nodes in place of tunable numbers.
    pub program: Program,
    /// The initial value of each slot.
    pub values: Vec<Const>,
    /// Tunable tables and the slot of their first entry.
    pub tables: Vec<(GlobalId, u32)>,
}

/// Where a tunable number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Group {
    /// A literal in an evolvable function.
    Literal,
    /// A tunable scalar constant.
    Scalar(GlobalId),
    /// An entry of a tunable table.
    Table(GlobalId, u32),
}

/// A tunable number; its position in [`parameters`] is its slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// Its value; ints are exact.
    pub value: f64,
    /// Int or float.
    pub scalar: Scalar,
    /// Where it stands.
    pub group: Group,
}

/// Whether a literal is tunable: a finite float, or an int that a float holds exactly.
#[must_use]
pub fn is_tunable(value: Const) -> bool {
    match value {
        Const::Bool(_) => false,
        Const::Int(value) => (-EXACT_INT_MAX..=EXACT_INT_MAX).contains(&value),
        Const::Float(value) => value.is_finite(),
    }
}

/// Whether all numbers of a module-level constant are tunable.
#[must_use]
pub fn is_tunable_global(global: &Global) -> bool {
    global.is_tunable
        && match &global.value {
            GlobalValue::Scalar(value) => is_tunable(*value),
            GlobalValue::Table(_, values) => values.iter().copied().all(is_tunable),
        }
}

/// Visit the tunable literals in canonical order. The bounds of a clamped table index belong to
/// the table's length and are left alone: tuning them could only break the clamp.
fn visit_literals_mut(block: &mut [Stmt], f: &mut dyn FnMut(&mut Expr, Const)) {
    walk::visit_stmts_mut(block, &mut |stmt| {
        walk::stmt_exprs_mut(stmt, &mut |root| literals(root, f));
    });
}

fn literals(expr: &mut Expr, f: &mut dyn FnMut(&mut Expr, Const)) {
    match expr {
        Expr::Const(value) => {
            let value = *value;
            if is_tunable(value) {
                f(expr, value);
            }
        }
        Expr::Table(_, index) if walk::is_clamped(index) => {
            walk::clamped_mut(index, &mut |inner| literals(inner, f));
        }
        _ => walk::each_child_mut(expr, &mut |child| literals(child, f)),
    }
}

fn slot(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn map_functions(program: &mut Program, f: &mut dyn FnMut(&mut Function)) {
    for function in &mut program.functions {
        f(Arc::make_mut(function));
    }
}

/// Move every tunable number into a slot.
#[must_use]
pub fn parametrise(program: &Program) -> Parametrised {
    let mut program = program.clone();
    let (mut values, mut tables) = (Vec::new(), Vec::new());
    map_functions(&mut program, &mut |function| {
        if !function.is_evolvable {
            return;
        }
        visit_literals_mut(&mut function.body, &mut |expr, value| {
            *expr = Expr::Parameter(slot(values.len()), value.scalar());
            values.push(value);
        });
    });
    let mut scalars: Vec<Option<Expr>> = vec![None; program.globals.len()];
    for ((id, global), replacement) in (0..).map(GlobalId).zip(&program.globals).zip(&mut scalars) {
        if !is_tunable_global(global) {
            continue;
        }
        match &global.value {
            GlobalValue::Scalar(value) => {
                *replacement = Some(Expr::Parameter(slot(values.len()), value.scalar()));
                values.push(*value);
            }
            GlobalValue::Table(_, entries) => {
                tables.push((id, slot(values.len())));
                values.extend_from_slice(entries);
            }
        }
    }
    if scalars.iter().any(Option::is_some) {
        map_functions(&mut program, &mut |function| {
            walk::visit_exprs_mut(&mut function.body, &mut |expr| {
                if let Expr::Global(id) = *expr
                    && let Some(Some(replacement)) = scalars.get(id.0 as usize)
                {
                    *expr = replacement.clone();
                }
                true
            });
        });
    }
    Parametrised { program, values, tables }
}

/// The value as a float; exact for tunable numbers.
pub(crate) fn as_float(value: Const) -> f64 {
    match value {
        Const::Bool(value) => f64::from(u8::from(value)),
        #[expect(clippy::cast_precision_loss, reason = "tunable ints are exact in a float")]
        Const::Int(value) => value as f64,
        Const::Float(value) => value,
    }
}

/// Every tunable number, by slot.
#[must_use]
pub fn parameters(program: &Program) -> Vec<Parameter> {
    let mut found = Vec::new();
    let mut add = |value: Const, group| {
        found.push(Parameter { value: as_float(value), scalar: value.scalar(), group });
    };
    for function in program.functions.iter().filter(|function| function.is_evolvable) {
        let mut body = function.body.clone();
        visit_literals_mut(&mut body, &mut |_, value| add(value, Group::Literal));
    }
    for (id, global) in (0..).map(GlobalId).zip(&program.globals) {
        if is_tunable_global(global) {
            match &global.value {
                GlobalValue::Scalar(value) => add(*value, Group::Scalar(id)),
                GlobalValue::Table(_, entries) => {
                    for (idx, value) in (0..).zip(entries) {
                        add(*value, Group::Table(id, idx));
                    }
                }
            }
        }
    }
    found
}

/// The number with another value of the same type: ints are rounded and kept exact.
#[must_use]
pub fn retyped(old: Const, value: f64) -> Const {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    match old {
        #[expect(clippy::cast_possible_truncation, reason = "clamped first")]
        Const::Int(_) => Const::Int(value.round_ties_even().clamp(-LIMIT, LIMIT) as i64),
        Const::Float(_) => Const::Float(value),
        Const::Bool(_) => old,
    }
}

/// The program with other numbers, in the order of [`parameters`]; ints are rounded.
///
/// # Errors
/// [`Error::Argument`] when the count differs or a value is not finite.
pub fn with_parameters(program: &Program, values: &[f64]) -> Result<Program> {
    let n = parameters(program).len();
    if values.len() != n {
        let (expected, got) = (format!("{n} numbers"), values.len().to_string());
        return Err(Error::Argument { name: "values", expected, got });
    }
    if let Some(bad) = values.iter().find(|value| !value.is_finite()) {
        let (expected, got) = ("finite numbers".to_owned(), bad.to_string());
        return Err(Error::Argument { name: "values", expected, got });
    }
    let mut rest = values.iter();
    Ok(map_numbers(program, &mut |old| rest.next().map_or(old, |value| retyped(old, *value))))
}

/// The program with every tunable float rounded to significant digits, so that people can read it.
/// `digits` is clamped to 1..=17.
#[must_use]
pub fn rounded(program: &Program, digits: usize) -> Program {
    let digits = digits.clamp(1, 17);
    map_numbers(program, &mut |old| match old {
        Const::Float(value) => {
            let text = format!("{value:.*e}", digits - 1);
            // Adding zero makes -0.0 plain.
            text.parse::<f64>().map_or(old, |value| Const::Float(value + 0.0))
        }
        other => other,
    })
}

/// The program with each tunable number mapped, in the order of the slots.
pub(crate) fn map_numbers(program: &Program, f: &mut dyn FnMut(Const) -> Const) -> Program {
    let mut program = program.clone();
    for function in &mut program.functions {
        if function.is_evolvable {
            visit_literals_mut(&mut Arc::make_mut(function).body, &mut |expr, value| {
                *expr = Expr::Const(f(value));
            });
        }
    }
    for global in &mut program.globals {
        if is_tunable_global(global) {
            match &mut Arc::make_mut(global).value {
                GlobalValue::Scalar(value) => *value = f(*value),
                GlobalValue::Table(_, entries) => {
                    for value in entries {
                        *value = f(*value);
                    }
                }
            }
        }
    }
    program
}

/// A canonical serialisation without tunable values, source lines and docstrings: equal bytes
/// mean that the programs differ in tunable values at most.
///
/// # Errors
/// [`Error::State`] when serialisation fails.
pub fn skeleton(program: &Program) -> Result<Vec<u8>> {
    let mut bare = parametrise(program).program;
    map_functions(&mut bare, &mut |function| {
        function.doc = None;
        walk::visit_stmts_mut(&mut function.body, &mut |stmt| stmt.line = 0);
    });
    let zero = |value: &mut Const| *value = retyped(*value, 0.0);
    for global in &mut bare.globals {
        if is_tunable_global(global) {
            match &mut Arc::make_mut(global).value {
                GlobalValue::Scalar(value) => zero(value),
                GlobalValue::Table(_, entries) => entries.iter_mut().for_each(zero),
            }
        }
    }
    postcard::to_stdvec(&bare)
        .map_err(|error| Error::State { what: "a program skeleton", reason: error.to_string() })
}

/// SHA-256 of [`skeleton`].
///
/// # Errors
/// [`Error::State`] when serialisation fails.
pub fn skeleton_hash(program: &Program) -> Result<[u8; 32]> {
    Ok(Sha256::digest(skeleton(program)?).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::check::check;
    use crate::programs::samples::mixed;

    #[test]
    fn values_and_slots_agree() {
        let program = mixed();
        let (moved, listed) = (parametrise(&program), parameters(&program));
        assert_eq!(moved.values.len(), listed.len());
        assert_eq!(moved.tables.len(), 1);
        for (value, parameter) in moved.values.iter().zip(&listed) {
            assert!((as_float(*value) - parameter.value).abs() < f64::EPSILON);
            assert_eq!(value.scalar(), parameter.scalar);
        }
        let first = moved.tables[0].1 as usize;
        assert_eq!(listed[first].group, Group::Table(moved.tables[0].0, 0));
        check(&moved.program).unwrap();
        assert!(parametrise(&moved.program).values.len() < moved.values.len());
    }

    #[test]
    fn round_trip_and_skeleton() {
        let program = mixed();
        let values: Vec<f64> = parameters(&program).iter().map(|it| it.value).collect();
        assert_eq!(with_parameters(&program, &values).unwrap(), program);
        let moved: Vec<f64> = values.iter().map(|it| it * 1.5 + 1.0).collect();
        let other = with_parameters(&program, &moved).unwrap();
        assert_ne!(other, program);
        assert_eq!(skeleton_hash(&other).unwrap(), skeleton_hash(&program).unwrap());
        assert_eq!(parametrise(&other).tables, parametrise(&program).tables);
        check(&other).unwrap();
    }

    #[test]
    fn bad_values_are_refused() {
        let program = mixed();
        let n = parameters(&program).len();
        assert!(with_parameters(&program, &[]).is_err());
        assert!(with_parameters(&program, &vec![f64::NAN; n]).is_err());
    }
}
