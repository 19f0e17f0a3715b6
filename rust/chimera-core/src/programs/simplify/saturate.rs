//! Equality saturation of one expression: encode, rewrite within limits, extract the cheapest.
//!
//! Deterministic: limits count iterations and nodes, never time, and extraction breaks ties by
//! the order of nodes, never by the order of a hash map.

use std::time::Duration;

use egg::{EGraph, Id, Language, Runner};

use super::language::{Facts, Node, Op, Range};
use super::rules::RULES;
use crate::programs::intrinsics::Arguments;
use crate::programs::ir::{
    Binary, Comparison, Const, Expr, Function, GlobalValue, Intrinsic, Program, Unary,
};
use crate::programs::types::{Scalar, Type};
use crate::programs::walk::{self, Effects};

/// Bounds of one saturation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rounds of rewriting.
    pub iterations_max: usize,
    /// Nodes of the e-graph.
    pub nodes_max: usize,
    /// Expressions larger than this are rewritten piece by piece.
    pub size_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { iterations_max: 6, nodes_max: 1_000, size_max: 80 }
    }
}

const NO_TIME_LIMIT: Duration = Duration::from_secs(u32::MAX as u64);

/// What a function's expressions are simplified in.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The program.
    pub(crate) program: &'a Program,
    /// The function.
    pub(crate) function: &'a Function,
    /// Its effects.
    pub(crate) effects: &'a Effects,
    /// Bounds.
    pub(crate) limits: Limits,
}

#[derive(Default)]
struct Leaves {
    exprs: Vec<Expr>,
    facts: Facts,
}

impl Surroundings<'_> {
    fn scalar(&self, expr: &Expr) -> Option<Scalar> {
        expr.ty(self.program, self.function).and_then(Type::scalar)
    }

    /// Rewrite the expression and everything in it to a cheaper equal.
    pub(crate) fn rewrite(&self, expr: &mut Expr) {
        if matches!(expr, Expr::Const(_) | Expr::Local(_) | Expr::Global(_) | Expr::Parameter(..)) {
            return;
        }
        let suits = self.scalar(expr).is_some()
            && self.effects.is_pure(expr)
            && walk::size_expr(expr) <= self.limits.size_max;
        if suits && let Some(better) = self.saturate(expr) {
            *expr = better;
        } else if !suits {
            walk::each_child_mut(expr, &mut |child| self.rewrite(child));
        }
        settle(expr);
    }

    /// Whether evaluating the expression has no effect and cannot raise.
    pub(crate) fn is_safe(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Local(_) | Expr::Const(_) => true,
            Expr::List(_, items) => items.iter().all(|item| self.is_safe(item)),
            Expr::Copy(list) => self.is_safe(list),
            _ if !self.effects.is_pure(expr) || self.scalar(expr).is_none() => false,
            _ => {
                let mut leaves = self.leaves();
                let mut nodes = Vec::new();
                if self.encode(expr, &mut nodes, &mut leaves, false).is_none() {
                    return false;
                }
                let mut egraph = EGraph::new(leaves.facts);
                add(&mut egraph, nodes).is_some_and(|id| egraph[id].data.is_safe)
            }
        }
    }

    fn leaves(&self) -> Leaves {
        let length = |value: &GlobalValue| match value {
            GlobalValue::Scalar(_) => 0,
            GlobalValue::Table(_, values) => i64::try_from(values.len()).unwrap_or(0),
        };
        let table_lengths = self.program.globals.iter().map(|it| length(&it.value)).collect();
        Leaves { exprs: Vec::new(), facts: Facts { table_lengths, leaves: Vec::new() } }
    }

    fn saturate(&self, expr: &Expr) -> Option<Expr> {
        let mut leaves = self.leaves();
        let mut nodes = Vec::new();
        self.encode(expr, &mut nodes, &mut leaves, true)?;
        let mut egraph = EGraph::new(leaves.facts);
        let root = add(&mut egraph, nodes)?;
        let before = extract(&egraph, root)?;
        let runner = Runner::<Node, Facts>::new(Facts::default())
            .with_egraph(egraph)
            .with_iter_limit(self.limits.iterations_max)
            .with_node_limit(self.limits.nodes_max)
            .with_time_limit(NO_TIME_LIMIT)
            .run(RULES.iter());
        let after = extract(&runner.egraph, root)?;
        let best =
            if after.cost(&runner.egraph, root)? < before.root_cost { after } else { before };
        best.decode(&leaves.exprs)
    }

    fn leaf(&self, expr: &Expr, leaves: &mut Leaves, rewrite: bool) -> Op {
        let mut expr = expr.clone();
        if rewrite {
            walk::each_child_mut(&mut expr, &mut |child| self.rewrite(child));
        }
        let found = leaves.exprs.iter().position(|other| *other == expr);
        let idx = found.unwrap_or_else(|| {
            let natural = Range { low: 0, high: i64::MAX };
            let fact = match &expr {
                Expr::Local(_) | Expr::Global(_) | Expr::Parameter(..) => (true, Range::ALL),
                Expr::Len(list) => (matches!(**list, Expr::Local(_)), natural),
                Expr::TableLen(id) => {
                    let n = leaves.facts.table_lengths.get(id.0 as usize).copied().unwrap_or(0);
                    (true, Range { low: n, high: n })
                }
                _ => (false, Range::ALL),
            };
            leaves.facts.leaves.push(fact);
            leaves.exprs.push(expr);
            leaves.exprs.len() - 1
        });
        Op::Leaf(u32::try_from(idx).unwrap_or(u32::MAX))
    }

    /// Append the nodes of the expression in post-order; the operands are positions.
    fn encode(
        &self,
        expr: &Expr,
        nodes: &mut Vec<Node>,
        leaves: &mut Leaves,
        rewrite: bool,
    ) -> Option<usize> {
        let first = |args: &[Expr]| args.first().and_then(|arg| self.scalar(arg));
        let (op, operands): (Op, Vec<&Expr>) = match expr {
            Expr::Const(value) => (Op::Const(*value), Vec::new()),
            Expr::Unary(operator, a) => (Op::Unary(*operator, self.scalar(a)?), vec![a]),
            Expr::Binary(operator, a, b) => (Op::Binary(*operator, self.scalar(a)?), vec![a, b]),
            Expr::Compare(a, rest) if rest.len() == 1 => {
                let (operator, b) = rest.first()?;
                let (left, right) = (self.scalar(a)?, self.scalar(b)?);
                (Op::Compare(*operator, (left == right).then_some(left)), vec![a, b])
            }
            Expr::Compare(a, rest) => {
                let operators: Vec<Comparison> =
                    rest.iter().map(|(operator, _)| *operator).collect();
                let operands = std::iter::once(&**a).chain(rest.iter().map(|(_, b)| b)).collect();
                (Op::Chain(operators), operands)
            }
            Expr::Logic(operator, a, b) => (Op::Logic(*operator, self.scalar(a)?), vec![a, b]),
            Expr::Select { test, then, otherwise } => {
                (Op::Select(self.scalar(then)?), vec![test, then, otherwise])
            }
            Expr::Convert(to, a) | Expr::Promote(to, a) if self.scalar(a).is_some() => {
                (Op::Cast(*to, self.scalar(a)?), vec![a])
            }
            Expr::Intrinsic(intrinsic, args) => {
                (Op::Intrinsic(*intrinsic, first(args)?), args.iter().collect())
            }
            Expr::Table(id, index) => (Op::Table(*id), vec![index]),
            Expr::Index(list, index) => (Op::Index, vec![list, index]),
            Expr::Call(id, args) => (Op::Call(*id), args.iter().collect()),
            _ => (self.leaf(expr, leaves, rewrite), Vec::new()),
        };
        let mut children = Vec::with_capacity(operands.len());
        for operand in operands {
            let at = if self.scalar(operand).is_some() {
                self.encode(operand, nodes, leaves, rewrite)?
            } else {
                let op = self.leaf(operand, leaves, rewrite);
                nodes.push(Node { op, children: Vec::new() });
                nodes.len() - 1
            };
            children.push(Id::from(at));
        }
        nodes.push(Node { op, children });
        Some(nodes.len() - 1)
    }
}

fn add(egraph: &mut EGraph<Node, Facts>, nodes: Vec<Node>) -> Option<Id> {
    let mut ids: Vec<Id> = Vec::with_capacity(nodes.len());
    for mut node in nodes {
        for child in node.children_mut() {
            *child = *ids.get(usize::from(*child))?;
        }
        ids.push(egraph.add(node));
    }
    egraph.rebuild();
    ids.last().copied()
}

/// The chosen node of every class, by class id.
struct Extraction {
    best: Vec<Option<(u64, Node)>>,
    root: Id,
    root_cost: u64,
}

fn extract(egraph: &EGraph<Node, Facts>, root: Id) -> Option<Extraction> {
    let mut classes: Vec<_> = egraph.classes().collect();
    classes.sort_unstable_by_key(|class| class.id);
    let n = classes.iter().map(|class| usize::from(class.id) + 1).max().unwrap_or(0);
    let mut best: Vec<Option<(u64, Node)>> = vec![None; n];
    loop {
        let mut changed = false;
        for class in &classes {
            for node in class.iter() {
                let Some(cost) = node_cost(egraph, node, &best) else { continue };
                let slot = best.get_mut(usize::from(class.id))?;
                let canonical = || node.clone().map_children(|id| egraph.find(id));
                let better = match slot {
                    None => true,
                    Some((old, chosen)) => cost < *old || (cost == *old && canonical() < *chosen),
                };
                if better {
                    *slot = Some((cost, canonical()));
                    changed = true;
                }
            }
        }
        if !changed {
            break;
        }
    }
    let root = egraph.find(root);
    let root_cost = best.get(usize::from(root))?.as_ref()?.0;
    Some(Extraction { best, root, root_cost })
}

/// Ten for each node, with preferences for what reads well.
fn node_cost(
    egraph: &EGraph<Node, Facts>,
    node: &Node,
    best: &[Option<(u64, Node)>],
) -> Option<u64> {
    let mut cost: u64 = match &node.op {
        Op::Cast(to, from) if from < to => 4,
        Op::Const(Const::Int(value)) if *value < 0 => 11,
        Op::Const(_) | Op::Leaf(_) => 10,
        Op::Unary(Unary::Neg | Unary::Not, _) => 9,
        Op::Binary(Binary::Mul, _) => 11,
        Op::Select(_) => 13,
        Op::Compare(Comparison::Gt | Comparison::Ge, _) => 11,
        _ => 10,
    };
    let is_constant = |id: &Id| egraph[egraph.find(*id)].data.constant.is_some();
    let commutes = matches!(
        node.op,
        Op::Binary(Binary::Add | Binary::Mul, _)
            | Op::Compare(..)
            | Op::Intrinsic(Intrinsic::Min | Intrinsic::Max, _)
    );
    if commutes
        && let Some(first) = node.children.first()
        && is_constant(first)
    {
        cost += 2;
    }
    for child in &node.children {
        let (below, _) = best.get(usize::from(egraph.find(*child)))?.as_ref()?;
        cost = cost.saturating_add(*below);
    }
    Some(cost)
}

impl Extraction {
    fn cost(&self, egraph: &EGraph<Node, Facts>, root: Id) -> Option<u64> {
        self.best.get(usize::from(egraph.find(root)))?.as_ref().map(|(cost, _)| *cost)
    }

    fn decode(&self, leaves: &[Expr]) -> Option<Expr> {
        self.build(self.root, leaves)
    }

    fn build(&self, id: Id, leaves: &[Expr]) -> Option<Expr> {
        let (_, node) = self.best.get(usize::from(id))?.as_ref()?;
        let args: Option<Vec<Expr>> =
            node.children.iter().map(|child| self.build(*child, leaves)).collect();
        let args = args?;
        let mut rest = args.clone().into_iter();
        let mut next = || rest.next().map(Box::new);
        Some(match &node.op {
            Op::Const(value) => Expr::Const(*value),
            Op::Leaf(idx) => leaves.get(*idx as usize)?.clone(),
            Op::Unary(operator, _) => Expr::Unary(*operator, next()?),
            Op::Binary(operator, _) => Expr::Binary(*operator, next()?, next()?),
            Op::Compare(operator, _) => Expr::Compare(next()?, vec![(*operator, *next()?)]),
            Op::Chain(operators) => {
                let first = next()?;
                Expr::Compare(first, operators.iter().copied().zip(rest).collect())
            }
            Op::Logic(operator, _) => Expr::Logic(*operator, next()?, next()?),
            Op::Select(_) => Expr::Select { test: next()?, then: next()?, otherwise: next()? },
            Op::Cast(to, from) if from < to => Expr::Promote(*to, next()?),
            Op::Cast(to, _) => Expr::Convert(*to, next()?),
            Op::Intrinsic(intrinsic, _) => Expr::Intrinsic(*intrinsic, args),
            Op::Table(id) => Expr::Table(*id, next()?),
            Op::Index => Expr::Index(next()?, next()?),
            Op::Call(id) => Expr::Call(*id, args),
        })
    }
}

/// Turn promotions that stand where Python would not promote into explicit conversions, below and
/// at this root expression.
pub fn settle(root: &mut Expr) {
    explicit(root, false);
}

fn explicit(expr: &mut Expr, is_implicit_place: bool) {
    if let Expr::Promote(scalar, inner) = expr
        && !is_implicit_place
    {
        let inner = std::mem::replace(&mut **inner, Expr::int(0));
        *expr = Expr::Convert(*scalar, Box::new(inner));
    }
    let promotes =
        |expr: &Expr, to: Scalar| matches!(expr, Expr::Promote(scalar, _) if *scalar == to);
    match expr {
        Expr::Binary(operator, lhs, rhs) => {
            // Two promotions to float in one operation would not be made by Python.
            let both = promotes(lhs, Scalar::Float) && promotes(rhs, Scalar::Float);
            let bits = matches!(operator, Binary::BitAnd | Binary::BitOr | Binary::BitXor)
                && promotes(lhs, Scalar::Int)
                && promotes(rhs, Scalar::Int);
            explicit(lhs, !both && !bits);
            explicit(rhs, !bits);
        }
        Expr::Unary(_, operand) => {
            let implicit = promotes(operand, Scalar::Int);
            explicit(operand, implicit);
        }
        Expr::Compare(first, rest) => {
            let implicit = promotes(first, Scalar::Int);
            explicit(first, implicit);
            for (_, operand) in rest {
                let implicit = promotes(operand, Scalar::Int);
                explicit(operand, implicit);
            }
        }
        Expr::Intrinsic(intrinsic, args) => {
            // `abs`, `min` and `max` return an operand as it is; the others take floats.
            let takes_any = matches!(intrinsic.arguments(), Arguments::Numbers(..));
            for arg in args {
                explicit(arg, !takes_any);
            }
        }
        _ => walk::each_child_mut(expr, &mut |child| explicit(child, false)),
    }
}
