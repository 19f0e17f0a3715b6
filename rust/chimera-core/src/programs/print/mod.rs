//! Python out: a program prints as formatted Python that means exactly the same.
//!
//! Printing is deterministic, and parsing the result gives the same program back (promotions are
//! implicit in Python, so they print as nothing). Lines are wrapped at 88 columns where an
//! expression can be broken at its operators, arguments or elements.

mod expressions;
mod names;
mod statements;
mod wrap;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::ir::{Const, Expr, Function, Global, GlobalId, GlobalValue, Program};
use super::python::{FunctionSpan, constant_span, place_of_math_import};
use statements::Printer;

/// The evolvable functions and the module constants they use, as Python text.
#[must_use]
pub fn source(program: &Program) -> String {
    let functions: Vec<_> =
        program.functions.iter().filter(|function| function.is_evolvable).collect();
    let mut out = String::new();
    let bodies: Vec<_> =
        functions.iter().map(|function| function_source(program, function)).collect();
    let globals = used_globals(program, |function| function.is_evolvable);
    let values = globals.iter().map(|global| value_source(global));
    if bodies.iter().cloned().chain(values).any(|text| text.contains("math.")) {
        out.push_str("import math\n\n");
    }
    for global in &globals {
        out.push_str(&global_source(global));
    }
    if !globals.is_empty() {
        out.push('\n');
    }
    for (idx, body) in bodies.iter().enumerate() {
        if idx > 0 || !out.is_empty() {
            out.push('\n');
        }
        out.push_str(body);
    }
    out
}

/// One function as Python text.
#[must_use]
pub fn function_source(program: &Program, function: &Function) -> String {
    Printer::new(program, function).function()
}

/// The original file with the text of its evolvable functions replaced, decorators kept, and the
/// constants that variation made inserted above the first of them.
#[must_use]
pub fn splice(program: &Program, spans: &[FunctionSpan], original: &str) -> String {
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    let mut tables = String::new();
    let evolvable = |function: &Function| function.is_evolvable;
    for global in used_globals(program, evolvable) {
        match constant_span(original, &global.name) {
            Some((start, end)) if global.is_tunable => {
                edits.push((start, end, value_source(global)));
            }
            Some(_) => {}
            None => tables.push_str(&global_source(global)),
        }
    }
    if !tables.is_empty() {
        tables.push_str("\n\n");
    }
    let mut wants_math =
        tables.contains("math.") || edits.iter().any(|(_, _, text)| text.contains("math."));
    let mut first = true;
    let mut ordered: Vec<_> = spans.iter().collect();
    ordered.sort_by_key(|span| span.start);
    for span in ordered {
        let Some(id) = program.function_id(&span.name) else { continue };
        let Some(function) = program.function(id).filter(|function| function.is_evolvable) else {
            continue;
        };
        let text = function_source(program, function);
        wants_math |= text.contains("math.");
        let decorators = original.get(span.start..span.def).unwrap_or("");
        let mut replacement = if first { std::mem::take(&mut tables) } else { String::new() };
        first = false;
        replacement.push_str(decorators);
        if !decorators.is_empty() {
            replacement.push('\n');
        }
        replacement.push_str(text.trim_end());
        edits.push((span.start, span.end, replacement));
    }
    edits.sort_by_key(|(start, ..)| std::cmp::Reverse(*start));
    let mut out = original.to_owned();
    for (start, end, text) in edits {
        if start <= end && end <= out.len() {
            out.replace_range(start..end, &text);
        }
    }
    if wants_math && let Some(at) = place_of_math_import(&out) {
        out.insert_str(at, "import math\n");
    }
    out
}

/// The constants that the chosen functions read, in program order.
fn used_globals(program: &Program, chosen: impl Fn(&Function) -> bool) -> Vec<&Global> {
    let mut used = BTreeSet::new();
    for function in program.functions.iter().filter(|function| chosen(function)) {
        names::globals_in(&function.body, &mut used);
    }
    used.into_iter().filter_map(|id: GlobalId| Some(&**program.global(id)?)).collect()
}

fn global_source(global: &Global) -> String {
    format!("{} = {}\n", global.name, value_source(global))
}

fn value_source(global: &Global) -> String {
    let values = match &global.value {
        GlobalValue::Scalar(value) => return constant(*value),
        GlobalValue::Table(_, values) => values,
    };
    let items: Vec<_> = values.iter().map(|value| constant(*value)).collect();
    if let [single] = items.as_slice() {
        return format!("({single},)");
    }
    let flat = format!("({})", items.join(", "));
    if global.name.len() + 3 + flat.len() <= wrap::WIDTH {
        return flat;
    }
    let mut out = String::from("(\n");
    let mut line = String::from("   ");
    for item in items {
        if line.len() + item.len() + 2 > wrap::WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from("   ");
        }
        let _ = write!(line, " {item},");
    }
    let _ = writeln!(out, "{line}");
    out.push(')');
    out
}

/// A literal as Python writes it.
#[must_use]
pub fn constant(value: Const) -> String {
    match value {
        Const::Bool(true) => "True".to_owned(),
        Const::Bool(false) => "False".to_owned(),
        Const::Int(value) => value.to_string(),
        Const::Float(value) if value.is_nan() => "math.nan".to_owned(),
        Const::Float(value) if value.is_infinite() => {
            if value > 0.0 {
                "math.inf".to_owned()
            } else {
                "-math.inf".to_owned()
            }
        }
        Const::Float(value) if value.to_bits() == std::f64::consts::PI.to_bits() => {
            "math.pi".to_owned()
        }
        Const::Float(value) => format!("{value:?}"),
    }
}

/// An expression in the context of a function, for reports and tests.
#[must_use]
pub fn expression(program: &Program, function: &Function, expr: &Expr) -> String {
    Printer::new(program, function).expression(expr)
}
