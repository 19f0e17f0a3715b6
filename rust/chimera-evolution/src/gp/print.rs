//! Trees as text: simplified where that changes no bit, and printed as Python over NumPy.

use std::fmt::Write as _;

use super::forest::{Forest, Node, Tree};
use super::function::Function;

/// How tightly a piece of text holds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tightness {
    Sum,
    Product,
    Sign,
    Atom,
}

/// The tree with constant subtrees folded and steps without effect left out.
///
/// Only identities that hold bit for bit are used: folding by the machine's own functions, `x * 1`,
/// `x / 1`, `-(-x)`, `||x||`. Constants that fold to something not finite are left as they were.
pub fn simplify(tree: Tree<'_>) -> Forest {
    let mut out = Forest::default();
    // Subtrees done so far, each a forest of its own: trees are small and this is for people.
    let mut stack: Vec<Vec<(Node, usize)>> = Vec::new();
    for node in tree.nodes() {
        let Node::Function(function) = node else {
            stack.push(vec![(node, 1)]);
            continue;
        };
        let arguments = stack.split_off(stack.len().saturating_sub(function.arity()));
        stack.push(reduce(function, arguments));
    }
    for (node, size) in stack.pop().unwrap_or_default() {
        out.push(node, size);
    }
    out.finish();
    out
}

fn constant(nodes: &[(Node, usize)]) -> Option<f32> {
    match nodes {
        [(Node::Constant(value), _)] => Some(*value),
        _ => None,
    }
}

fn reduce(function: Function, mut arguments: Vec<Vec<(Node, usize)>>) -> Vec<(Node, usize)> {
    let constants: Vec<Option<f32>> = arguments.iter().map(|nodes| constant(nodes)).collect();
    let at = |idx: usize| constants.get(idx).copied().flatten().unwrap_or(0.0);
    if constants.iter().all(Option::is_some) {
        let value = function.apply(at(0), at(1), at(2), at(3));
        if value.is_finite() {
            return vec![(Node::Constant(value), 1)];
        }
    }
    let is_one = |idx: usize| constants.get(idx).copied().flatten() == Some(1.0);
    match function {
        Function::Mul if is_one(0) => return arguments.swap_remove(1),
        Function::Mul | Function::Div if is_one(1) => return arguments.swap_remove(0),
        Function::Neg | Function::Abs => {
            if let Some((Node::Function(inner), _)) = arguments.first().and_then(|a| a.last())
                && *inner == function
            {
                let mut nodes = arguments.swap_remove(0);
                if function == Function::Neg {
                    nodes.pop();
                }
                return nodes;
            }
        }
        _ => {}
    }
    let mut nodes: Vec<_> = arguments.into_iter().flatten().collect();
    let size = nodes.len() + 1;
    nodes.push((Node::Function(function), size));
    nodes
}

fn number(value: f32) -> (String, Tightness) {
    let tightness = if value.is_sign_negative() { Tightness::Sign } else { Tightness::Atom };
    (format!("{value:?}"), tightness)
}

fn closed(piece: (String, Tightness), least: Tightness) -> String {
    if piece.1 >= least { piece.0 } else { format!("({})", piece.0) }
}

/// The expression as text over the columns' names, `x0`, `x1`, ... where none is given.
pub fn expression(tree: Tree<'_>, names: &[String]) -> String {
    let mut stack: Vec<(String, Tightness)> = Vec::new();
    for node in tree.nodes() {
        let piece = match node {
            Node::Constant(value) => number(value),
            Node::Column(column) => {
                let name = names.get(column).cloned().unwrap_or_else(|| format!("x{column}"));
                (name, Tightness::Atom)
            }
            Node::Function(function) => {
                let arguments = stack.split_off(stack.len().saturating_sub(function.arity()));
                call(function, arguments)
            }
        };
        stack.push(piece);
    }
    stack.pop().map(|piece| piece.0).unwrap_or_default()
}

fn call(function: Function, arguments: Vec<(String, Tightness)>) -> (String, Tightness) {
    let mut arguments = arguments.into_iter();
    let mut next =
        |least| closed(arguments.next().unwrap_or((String::new(), Tightness::Atom)), least);
    // The right operand is closed more tightly: floats do not associate. A sign counts as a sum on
    // the right, for the eye.
    match function {
        Function::Add => {
            (format!("{} + {}", next(Tightness::Sum), next(Tightness::Product)), Tightness::Sum)
        }
        Function::Sub => {
            (format!("{} - {}", next(Tightness::Sum), next(Tightness::Product)), Tightness::Sum)
        }
        Function::Mul => (
            format!("{} * {}", next(Tightness::Product), next(Tightness::Sign)),
            Tightness::Product,
        ),
        Function::Neg => (format!("-{}", next(Tightness::Atom)), Tightness::Sign),
        other => {
            let all: Vec<String> = (0..other.arity()).map(|_| next(Tightness::Sum)).collect();
            (format!("{}({})", other.name(), all.join(", ")), Tightness::Atom)
        }
    }
}

/// Definitions of the functions that have no operator, as the machine computes them.
fn definition(function: Function) -> Option<&'static str> {
    Some(match function {
        Function::Div => {
            "def div(x, y):\n    return np.where(np.abs(y) < np.float32(1e-6), np.float32(1), x / y)"
        }
        Function::Min => "min = np.minimum",
        Function::Max => "max = np.maximum",
        Function::Abs => "abs = np.abs",
        Function::Sqrt => "def sqrt(x):\n    return np.sqrt(np.abs(x))",
        Function::Log => "def log(x):\n    return np.log(np.maximum(np.abs(x), np.float32(1e-6)))",
        Function::Exp => "def exp(x):\n    return np.exp(np.clip(x, -80, 80))",
        Function::Sin => "sin = np.sin",
        Function::Cos => "cos = np.cos",
        Function::Tanh => "tanh = np.tanh",
        Function::Square => "square = np.square",
        Function::IfGreater => {
            "def if_greater(a, b, x, y):\n    \
             return np.where(a > b, np.float32(x), np.float32(y))"
        }
        Function::Add | Function::Sub | Function::Mul | Function::Neg => return None,
    })
}

/// A Python module with one function `predict(x)` that computes `slope * tree + intercept`.
///
/// Arithmetic is in 32 bits as here and equal bit for bit under NumPy 2; elementary functions are
/// NumPy's and may differ in the last places.
pub fn source(tree: Tree<'_>, slope: f64, intercept: f64) -> String {
    let mut out = String::from("import numpy as np\n");
    for function in Function::ALL {
        let is_used = tree.nodes().any(|node| node == Node::Function(*function));
        if let Some(text) = definition(*function).filter(|_| is_used) {
            let gap = if text.starts_with("def") { "\n\n" } else { "\n" };
            let _ = writeln!(out, "{gap}{text}");
        }
    }
    out.push_str("\n\ndef predict(x):\n    x = np.asarray(x, dtype=np.float32)\n");
    let mut columns: Vec<usize> = tree
        .nodes()
        .filter_map(|node| if let Node::Column(column) = node { Some(column) } else { None })
        .collect();
    columns.sort_unstable();
    columns.dedup();
    for column in &columns {
        let _ = writeln!(out, "    x{column} = x[:, {column}]");
    }
    let text = expression(tree, &[]);
    if columns.is_empty() {
        let _ = writeln!(out, "    value = np.full(len(x), {text}, dtype=np.float32)");
    } else {
        let _ = writeln!(out, "    with np.errstate(all=\"ignore\"):\n        value = {text}");
    }
    let _ = writeln!(out, "    return {slope:?} * value.astype(np.float64) + {intercept:?}");
    out
}
