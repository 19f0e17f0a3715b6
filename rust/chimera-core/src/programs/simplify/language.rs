//! The e-graph language of pure scalar expressions, with what is known about each class.
//!
//! A class holds expressions with equal values under `CPython` semantics. Knowledge about a class:
//! its constant value, whether its evaluation can raise, and a range of its mathematical int
//! value. Our own 64-bit overflow traps do not count as raising: rules may add or remove them.

use std::fmt;

use egg::{Analysis, DidMerge, EGraph, FromOp, Id, Language};

use crate::programs::interpret;
use crate::programs::ir::{
    Binary, Comparison, Const, FunctionId, GlobalId, Intrinsic, Logic, Unary,
};
use crate::programs::types::Scalar;

/// The operator of a node, with the operand type wherever rules depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Op {
    /// A constant.
    Const(Const),
    /// An expression that rules do not look into, by its index in the table of leaves.
    Leaf(u32),
    /// Unary operator.
    Unary(Unary, Scalar),
    /// Binary operator.
    Binary(Binary, Scalar),
    /// Comparison of two operands; `None` when their types differ.
    Compare(Comparison, Option<Scalar>),
    /// Chained comparison.
    Chain(Vec<Comparison>),
    /// `and`, `or` on operands of this type; `None` for lists.
    Logic(Logic, Scalar),
    /// Conditional expression of this type.
    Select(Scalar),
    /// Conversion or promotion: to, from.
    Cast(Scalar, Scalar),
    /// Builtin or `math` function, with the type of its first argument.
    Intrinsic(Intrinsic, Scalar),
    /// Table lookup.
    Table(GlobalId),
    /// List indexing.
    Index,
    /// Call of a function without effects.
    Call(FunctionId),
}

/// A node of the e-graph.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Node {
    /// What it does.
    pub(crate) op: Op,
    /// Its operands.
    pub(crate) children: Vec<Id>,
}

impl Language for Node {
    type Discriminant = Op;

    fn discriminant(&self) -> Op {
        self.op.clone()
    }

    fn matches(&self, other: &Self) -> bool {
        self.op == other.op && self.children.len() == other.children.len()
    }

    fn children(&self) -> &[Id] {
        &self.children
    }

    fn children_mut(&mut self) -> &mut [Id] {
        &mut self.children
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.op)
    }
}

/// A name in a rule that is no operator.
#[derive(Debug, thiserror::Error)]
#[error("unknown operator {0}")]
pub(crate) struct UnknownOp(String);

fn typed(name: &str) -> Option<(Scalar, &str)> {
    let mut rest = name.chars();
    let scalar = match rest.next()? {
        'i' => Scalar::Int,
        'f' => Scalar::Float,
        'b' => Scalar::Bool,
        _ => return None,
    };
    Some((scalar, rest.as_str()))
}

fn parse(name: &str) -> Option<Op> {
    if let Ok(value) = name.parse::<i64>() {
        return Some(Op::Const(Const::Int(value)));
    }
    if let Ok(value) = name.parse::<f64>() {
        return Some(Op::Const(Const::Float(value)));
    }
    match name {
        "true" => return Some(Op::Const(Const::Bool(true))),
        "false" => return Some(Op::Const(Const::Bool(false))),
        "not" => return Some(Op::Unary(Unary::Not, Scalar::Bool)),
        "and" => return Some(Op::Logic(Logic::And, Scalar::Bool)),
        "or" => return Some(Op::Logic(Logic::Or, Scalar::Bool)),
        _ => {}
    }
    let (scalar, rest) = typed(name)?;
    Some(match rest {
        "neg" => Op::Unary(Unary::Neg, scalar),
        "pos" => Op::Unary(Unary::Pos, scalar),
        "~" => Op::Unary(Unary::Invert, scalar),
        "+" => Op::Binary(Binary::Add, scalar),
        "-" => Op::Binary(Binary::Sub, scalar),
        "*" => Op::Binary(Binary::Mul, scalar),
        "/" => Op::Binary(Binary::TrueDiv, scalar),
        "//" => Op::Binary(Binary::FloorDiv, scalar),
        "%" => Op::Binary(Binary::Mod, scalar),
        "**" => Op::Binary(Binary::Pow, scalar),
        "<<" => Op::Binary(Binary::Shl, scalar),
        ">>" => Op::Binary(Binary::Shr, scalar),
        "&" => Op::Binary(Binary::BitAnd, scalar),
        "|" => Op::Binary(Binary::BitOr, scalar),
        "^" => Op::Binary(Binary::BitXor, scalar),
        "==" => Op::Compare(Comparison::Eq, Some(scalar)),
        "!=" => Op::Compare(Comparison::Ne, Some(scalar)),
        "<" => Op::Compare(Comparison::Lt, Some(scalar)),
        "<=" => Op::Compare(Comparison::Le, Some(scalar)),
        ">" => Op::Compare(Comparison::Gt, Some(scalar)),
        ">=" => Op::Compare(Comparison::Ge, Some(scalar)),
        "sel" => Op::Select(scalar),
        "same" => Op::Cast(scalar, scalar),
        "min" => Op::Intrinsic(Intrinsic::Min, scalar),
        "max" => Op::Intrinsic(Intrinsic::Max, scalar),
        "abs" => Op::Intrinsic(Intrinsic::Abs, scalar),
        "fabs" => Op::Intrinsic(Intrinsic::Fabs, scalar),
        _ => return None,
    })
}

impl FromOp for Node {
    type Error = UnknownOp;

    fn from_op(op: &str, children: Vec<Id>) -> Result<Self, UnknownOp> {
        match parse(op) {
            Some(op) => Ok(Self { op, children }),
            None => Err(UnknownOp(op.to_owned())),
        }
    }
}

/// Inclusive range of an int; the ends of `i64` mean that there is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// Least value.
    pub(crate) low: i64,
    /// Greatest value.
    pub(crate) high: i64,
}

impl Range {
    /// No bound.
    pub(crate) const ALL: Self = Self { low: i64::MIN, high: i64::MAX };

    fn from_wide(low: i128, high: i128) -> Self {
        let clamp = |value: i128, min: i64, max: i64| {
            i64::try_from(value.clamp(i128::from(min), i128::from(max))).unwrap_or(min)
        };
        Self { low: clamp(low, i64::MIN, i64::MAX - 1), high: clamp(high, i64::MIN + 1, i64::MAX) }
    }

    fn wide(self) -> (i128, i128) {
        const INFINITE: i128 = 1 << 80;
        let low = if self.low == i64::MIN { -INFINITE } else { i128::from(self.low) };
        let high = if self.high == i64::MAX { INFINITE } else { i128::from(self.high) };
        (low, high)
    }

    fn binary(operator: Binary, lhs: Self, rhs: Self) -> Self {
        let ((a, b), (c, d)) = (lhs.wide(), rhs.wide());
        match operator {
            Binary::Add => Self::from_wide(a + c, b + d),
            Binary::Sub => Self::from_wide(a - d, b - c),
            Binary::Mul if lhs != Self::ALL && rhs != Self::ALL => {
                let products = [a, b].map(|x| [c, d].map(|y| x.saturating_mul(y)));
                let all = products.as_flattened();
                let low = all.iter().copied().min().unwrap_or(i128::MIN);
                Self::from_wide(low, all.iter().copied().max().unwrap_or(i128::MAX))
            }
            Binary::Mod if c > 0 => Self::from_wide(0, d - 1),
            Binary::FloorDiv if c > 0 && a >= 0 => Self::from_wide(0, b / c),
            Binary::BitAnd if a >= 0 || c >= 0 => {
                let high = if a < 0 {
                    d
                } else if c < 0 {
                    b
                } else {
                    b.min(d)
                };
                Self::from_wide(0, high)
            }
            _ => Self::ALL,
        }
    }
}

/// What is known about a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Knowledge {
    /// Its value, if constant.
    pub(crate) constant: Option<Const>,
    /// Whether evaluation cannot raise (overflow of our 64-bit ints aside).
    pub(crate) is_safe: bool,
    /// Range of the mathematical value when it is an int.
    pub(crate) range: Range,
}

/// Facts about the program that the analysis needs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Length of each table; 0 for scalar constants.
    pub(crate) table_lengths: Vec<i64>,
    /// Whether each leaf cannot raise, and its range.
    pub(crate) leaves: Vec<(bool, Range)>,
}

fn evaluate(op: &Op, args: &[Const]) -> Option<Const> {
    match (op, args) {
        (Op::Const(value), _) => Some(*value),
        (Op::Unary(operator, _), [value]) => interpret::unary(*operator, *value),
        (Op::Binary(operator, _), [lhs, rhs]) => interpret::binary(*operator, *lhs, *rhs),
        (Op::Compare(operator, _), [lhs, rhs]) => {
            Some(Const::Bool(interpret::compare(*operator, *lhs, *rhs)))
        }
        (Op::Cast(to, _), [value]) => interpret::convert(*to, *value),
        (Op::Intrinsic(intrinsic, _), args) if !args.is_empty() => {
            interpret::intrinsic_value(*intrinsic, args)
        }
        _ => None,
    }
}

impl Facts {
    fn is_safe(&self, egraph: &EGraph<Node, Self>, node: &Node) -> bool {
        let data = |n: usize| node.children.get(n).map(|id| &egraph[*id].data);
        let operands = node.children.iter().all(|id| egraph[*id].data.is_safe);
        let excludes_zero = |n: usize| {
            data(n).is_some_and(|it| match it.constant {
                Some(value) => interpret::truth(value),
                None => it.range.low > 0 || it.range.high < 0,
            })
        };
        let is_natural = |n: usize| data(n).is_some_and(|it| it.range.low >= 0);
        let own = match &node.op {
            Op::Leaf(idx) => self.leaves.get(*idx as usize).is_some_and(|leaf| leaf.0),
            Op::Binary(Binary::TrueDiv | Binary::FloorDiv | Binary::Mod, _) => excludes_zero(1),
            Op::Binary(Binary::Pow | Binary::Shl | Binary::Shr, Scalar::Int) => is_natural(1),
            Op::Cast(to, from) => *to != Scalar::Int || *from != Scalar::Float,
            Op::Intrinsic(intrinsic, _) => is_total(*intrinsic),
            Op::Table(id) => {
                let n = self.table_lengths.get(id.0 as usize).copied().unwrap_or(0);
                data(0).is_some_and(|it| it.range.low >= -n && it.range.high < n)
            }
            Op::Index | Op::Call(_) | Op::Binary(Binary::Pow, _) => false,
            _ => true,
        };
        own && operands
    }

    fn range(&self, egraph: &EGraph<Node, Self>, node: &Node) -> Range {
        let of = |n: usize| node.children.get(n).map_or(Range::ALL, |id| egraph[*id].data.range);
        match &node.op {
            Op::Leaf(idx) => self.leaves.get(*idx as usize).map_or(Range::ALL, |leaf| leaf.1),
            Op::Binary(operator, Scalar::Int) => Range::binary(*operator, of(0), of(1)),
            Op::Cast(Scalar::Int, Scalar::Bool) => Range { low: 0, high: 1 },
            Op::Cast(Scalar::Int, Scalar::Int) => of(0),
            Op::Unary(Unary::Neg, Scalar::Int) => {
                let (low, high) = of(0).wide();
                Range::from_wide(-high, -low)
            }
            Op::Select(Scalar::Int) => {
                let (a, b) = (of(1), of(2));
                Range { low: a.low.min(b.low), high: a.high.max(b.high) }
            }
            Op::Intrinsic(Intrinsic::Min | Intrinsic::Max, Scalar::Int) => {
                let ranges = || node.children.iter().map(|id| egraph[*id].data.range);
                let (lows, highs) = (ranges().map(|it| it.low), ranges().map(|it| it.high));
                let (low, high) = if matches!(node.op, Op::Intrinsic(Intrinsic::Min, _)) {
                    (lows.min(), highs.min())
                } else {
                    (lows.max(), highs.max())
                };
                Range { low: low.unwrap_or(i64::MIN), high: high.unwrap_or(i64::MAX) }
            }
            Op::Intrinsic(Intrinsic::Abs, Scalar::Int) => {
                let (low, high) = of(0).wide();
                let least = if low <= 0 && high >= 0 { 0 } else { low.abs().min(high.abs()) };
                Range::from_wide(least, low.abs().max(high.abs()))
            }
            _ => Range::ALL,
        }
    }
}

/// Whether an intrinsic returns for every argument of its types, as `CPython`'s does.
const fn is_total(intrinsic: Intrinsic) -> bool {
    use Intrinsic as I;
    matches!(
        intrinsic,
        I::Abs
            | I::Min
            | I::Max
            | I::Fabs
            | I::Tanh
            | I::Atan
            | I::Asinh
            | I::Erf
            | I::Erfc
            | I::Cbrt
            | I::Degrees
            | I::Radians
            | I::Atan2
            | I::Copysign
            | I::IsNan
            | I::IsInf
            | I::IsFinite
            | I::Gcd
    )
}

impl Analysis<Node> for Facts {
    type Data = Knowledge;

    fn make(egraph: &mut EGraph<Node, Self>, node: &Node, _: Id) -> Knowledge {
        let args: Option<Vec<Const>> =
            node.children.iter().map(|id| egraph[*id].data.constant).collect();
        // Python has no literals for infinities and NaN, so those stay expressions.
        let constant = args
            .and_then(|args| evaluate(&node.op, &args))
            .filter(|value| !matches!(value, Const::Float(value) if !value.is_finite()));
        let facts = &egraph.analysis;
        let range = match constant {
            Some(Const::Int(value)) => Range { low: value, high: value },
            _ => facts.range(egraph, node),
        };
        let is_safe = constant.is_some() || facts.is_safe(egraph, node);
        Knowledge { constant, is_safe, range }
    }

    fn merge(&mut self, to: &mut Knowledge, from: Knowledge) -> DidMerge {
        let (before, other) = (to.clone(), from.clone());
        to.constant = to.constant.or(from.constant);
        to.is_safe |= from.is_safe;
        let low = to.range.low.max(from.range.low);
        let high = to.range.high.min(from.range.high);
        if low <= high {
            to.range = Range { low, high };
        }
        DidMerge(before != *to, other != *to)
    }

    fn modify(egraph: &mut EGraph<Node, Self>, id: Id) {
        if let Some(constant) = egraph[id].data.constant {
            let added = egraph.add(Node { op: Op::Const(constant), children: Vec::new() });
            egraph.union(id, added);
        }
    }
}
