//! The program representation (IR): what every candidate is, between Python text and WebAssembly.
//!
//! It is a typed tree that keeps the shape of the source, so that what evolution finds prints as
//! readable Python. It is not SSA and not optimised: the WebAssembly compiler does that.
//! Invariants, checked by [`super::check`]: every expression is well typed; operands of an
//! arithmetic node have equal scalar types (implicit promotions are explicit [`Expr::Promote`]
//! nodes); every local is definitely assigned where it is read; `break`/`continue` stand in loops.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::types::{Returns, Scalar, Type};

/// Index of a local variable inside its function; parameters come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LocalId(pub u32);

/// Index of a function inside its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FunctionId(pub u32);

/// Index of a module-level constant inside its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GlobalId(pub u32);

/// A scalar constant. Floats compare and hash by bits, so `NaN == NaN` and `0.0 != -0.0` here.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Const {
    /// `True` or `False`.
    Bool(bool),
    /// An integer literal.
    Int(i64),
    /// A float literal.
    Float(f64),
}

impl Const {
    /// The scalar type of the constant.
    #[must_use]
    pub const fn scalar(self) -> Scalar {
        match self {
            Self::Bool(_) => Scalar::Bool,
            Self::Int(_) => Scalar::Int,
            Self::Float(_) => Scalar::Float,
        }
    }

    const fn key(self) -> (u8, u64) {
        match self {
            Self::Bool(value) => (0, value as u64),
            Self::Int(value) => (1, value.cast_unsigned()),
            Self::Float(value) => (2, value.to_bits()),
        }
    }
}

impl PartialEq for Const {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Const {}
impl Hash for Const {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
impl PartialOrd for Const {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Const {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// A unary operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Unary {
    /// `-x` on int or float.
    Neg,
    /// `+x` on int or float.
    Pos,
    /// `not x`; the operand is a bool (truth tests of other types are explicit [`Expr::Convert`]).
    Not,
    /// `~x` on int.
    Invert,
}

/// A binary operator; both operands have the same scalar type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Binary {
    /// `+` on int, float.
    Add,
    /// `-` on int, float.
    Sub,
    /// `*` on int, float.
    Mul,
    /// `/` on int, float; always yields float. On ints beyond 2**53 it traps rather than round twice.
    TrueDiv,
    /// `//` on int, float.
    FloorDiv,
    /// `%` on int, float.
    Mod,
    /// `**` on int (a negative exponent traps), float.
    Pow,
    /// `<<` on int.
    Shl,
    /// `>>` on int.
    Shr,
    /// `&` on int, bool.
    BitAnd,
    /// `|` on int, bool.
    BitOr,
    /// `^` on int, bool.
    BitXor,
}

/// A comparison operator; operands are numeric and may mix int and float (compared exactly).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Comparison {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// `and` or `or`; both operands have the same type, and the result is the deciding operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Logic {
    /// `and`
    And,
    /// `or`
    Or,
}

/// A pure function of scalars: a builtin or a member of `math`. See [`super::intrinsics`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant is the Python function of the same name")]
pub enum Intrinsic {
    // builtins on int or float (one type for all arguments)
    Abs,
    Min,
    Max,
    // builtin: float -> int, half to even
    Round,
    // math: float -> int
    Floor,
    Ceil,
    Trunc,
    // math: float -> float, exact in IEEE arithmetic
    Sqrt,
    Fabs,
    // math: float -> float, the platform's own libm
    Exp,
    Exp2,
    Expm1,
    Log,
    Log2,
    Log10,
    Log1p,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Sinh,
    Cosh,
    Tanh,
    Asinh,
    Acosh,
    Atanh,
    Erf,
    Erfc,
    Cbrt,
    Degrees,
    Radians,
    // math: (float, float) -> float
    Atan2,
    Fmod,
    Copysign,
    MathPow,
    // math: float -> bool
    IsNan,
    IsInf,
    IsFinite,
    // math: ints -> int
    Gcd,
    Isqrt,
}

/// An expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expr {
    /// A literal; in an evolvable function it is a tunable parameter unless it is a bool.
    Const(Const),
    /// A tunable literal moved to the parameter region (slot, type); only [`super::tune`] makes it.
    Parameter(u32, Scalar),
    /// The value of a local variable.
    Local(LocalId),
    /// A module-level scalar constant.
    Global(GlobalId),
    /// `TABLE[index]` on a module-level constant tuple; Python indexing rules, negatives included.
    Table(GlobalId, Box<Expr>),
    /// `len(TABLE)`.
    TableLen(GlobalId),
    /// Unary operator.
    Unary(Unary, Box<Expr>),
    /// Binary operator; operands of equal scalar type.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `a < b <= c`: a possibly chained comparison; each operand is evaluated at most once.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// `a and b`, `a or b`.
    Logic(Logic, Box<Expr>, Box<Expr>),
    /// `then if test else otherwise`; both arms have the same type.
    Select {
        /// The bool condition.
        test: Box<Expr>,
        /// Value when true.
        then: Box<Expr>,
        /// Value when false.
        otherwise: Box<Expr>,
    },
    /// Explicit `bool(x)`, `int(x)`, `float(x)` of a scalar, or the truth test of a list (`bool` only).
    Convert(Scalar, Box<Expr>),
    /// Implicit promotion bool→int, bool→float or int→float, exactly where Python would make it;
    /// it prints as nothing.
    Promote(Scalar, Box<Expr>),
    /// A builtin or `math` function.
    Intrinsic(Intrinsic, Vec<Expr>),
    /// A call of another function of the program that returns one value.
    Call(FunctionId, Vec<Expr>),
    /// `list[index]`.
    Index(Box<Expr>, Box<Expr>),
    /// `len(list)`.
    Len(Box<Expr>),
    /// `[a, b, c]`, with the element type (needed when empty).
    List(Type, Vec<Expr>),
    /// `[value] * count` for a scalar value.
    Repeat(Box<Expr>, Box<Expr>),
    /// `list(xs)`: a shallow copy.
    Copy(Box<Expr>),
    /// `xs.pop()`; traps on an empty list.
    Pop(Box<Expr>),
    /// `[element for targets in iter if condition]`.
    Comprehension(Box<Comprehension>),
    /// `sum(...)`, `min(...)`, `max(...)`, `any(...)`, `all(...)` of a list or a generator.
    Fold(Fold, FoldSource),
}

/// A list comprehension or generator; its targets are locals used nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Comprehension {
    /// Loop variables.
    pub targets: Vec<LocalId>,
    /// What is iterated.
    pub iter: Iter,
    /// Optional bool filter.
    pub condition: Option<Expr>,
    /// The produced element.
    pub element: Expr,
}

/// A reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fold {
    /// `sum(xs)`; traps on an empty float list, whose Python sum is the *int* 0.
    Sum,
    /// `sum(xs, 0.0)`: float elements, never traps.
    SumFromZero,
    /// `min(xs)`; traps when empty.
    Min,
    /// `max(xs)`; traps when empty.
    Max,
    /// `any(xs)` of bools.
    Any,
    /// `all(xs)` of bools.
    All,
}

/// What a [`Fold`] reduces.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FoldSource {
    /// A list of scalars.
    List(Box<Expr>),
    /// A generator of scalars.
    Generator(Box<Comprehension>),
}

/// What a `for` loop or comprehension runs over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Iter {
    /// `range(start, stop, step)`; a step of zero traps. One int target.
    Range {
        /// First value.
        start: Box<Expr>,
        /// Exclusive end.
        stop: Box<Expr>,
        /// Increment.
        step: Box<Expr>,
    },
    /// The elements of a list, re-reading its length each step as Python does. One target.
    List(Box<Expr>),
    /// `enumerate(list)`: an int target, then the element.
    Enumerate(Box<Expr>),
    /// `zip(a, b, ...)`: one target per list.
    Zip(Vec<Expr>),
    /// The values of a module-level constant tuple. One target.
    Table(GlobalId),
}

/// A statement and the source line it came from (0 when it was made by variation).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stmt {
    /// 1-based line in the source file.
    pub line: u32,
    /// What it does.
    pub kind: StmtKind,
}

impl PartialEq for Stmt {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}
impl Eq for Stmt {}
impl Hash for Stmt {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
    }
}

impl From<StmtKind> for Stmt {
    fn from(kind: StmtKind) -> Self {
        Self { line: 0, kind }
    }
}

/// A sequence of statements.
pub type Block = Vec<Stmt>;

/// The kinds of statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StmtKind {
    /// `target = value`.
    Assign {
        /// The local written.
        target: LocalId,
        /// Its new value, of the local's type.
        value: Expr,
    },
    /// `a, b = values`; all values are computed before any target is written.
    Unpack {
        /// The locals written, in order.
        targets: Vec<LocalId>,
        /// Where the values come from.
        value: TupleSource,
    },
    /// `list[index] = value`; Python's order: value, list, index.
    SetItem {
        /// The list.
        list: Expr,
        /// The int index.
        index: Expr,
        /// The element.
        value: Expr,
    },
    /// `list.append(value)`.
    Append {
        /// The list.
        list: Expr,
        /// The element.
        value: Expr,
    },
    /// A call for its effect: [`Expr::Pop`], or a call of a function that returns at most one value.
    Effect(Expr),
    /// A call of a function whose results are all dropped, including functions that return nothing.
    CallNothing(FunctionId, Vec<Expr>),
    /// `if`/`elif`/`else`; an `elif` is an `If` alone in `orelse`.
    If {
        /// The bool condition.
        test: Expr,
        /// Runs when true.
        then: Block,
        /// Runs when false; may be empty.
        orelse: Block,
    },
    /// `while`, with Python's `else` (runs unless left by `break`).
    While {
        /// The bool condition.
        test: Expr,
        /// Loop body.
        body: Block,
        /// The `else` block; may be empty.
        orelse: Block,
    },
    /// `for`, with Python's `else`. Targets keep their last value after the loop.
    For {
        /// Loop variables.
        targets: Vec<LocalId>,
        /// What is iterated.
        iter: Iter,
        /// Loop body.
        body: Block,
        /// The `else` block; may be empty.
        orelse: Block,
    },
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `return`; as many values as the function returns.
    Return(Vec<Expr>),
    /// `return f(x)` where `f` returns a tuple of the same types.
    ReturnCall(FunctionId, Vec<Expr>),
    /// `assert test`; traps when false.
    Assert(Expr),
    /// `raise Name(...)`; always traps. The string is the exception's class name.
    Raise(String),
    /// `pass`.
    Pass,
}

/// Where the values of an unpacking assignment come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TupleSource {
    /// `a, b = x, y`.
    Values(Vec<Expr>),
    /// `a, b = f(x)` where `f` returns a tuple.
    Call(FunctionId, Vec<Expr>),
    /// `q, r = divmod(x, y)` on two ints or two floats.
    Divmod(Box<Expr>, Box<Expr>),
}

/// A named, typed local variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Local {
    /// The Python name. Two locals may share it when the source re-uses a name for another type.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Function {
    /// The Python name.
    pub name: String,
    /// How many of the first locals are parameters.
    pub n_params: u32,
    /// Parameters, then other locals.
    pub locals: Vec<Local>,
    /// What it returns.
    pub returns: Returns,
    /// The statements.
    pub body: Block,
    /// Whether evolution may change it.
    pub is_evolvable: bool,
    /// The docstring, kept for printing.
    pub doc: Option<String>,
}

impl Function {
    /// The parameters' locals.
    #[must_use]
    pub fn params(&self) -> &[Local] {
        self.locals.get(..self.n_params as usize).unwrap_or(&self.locals)
    }

    /// The local behind an id. Ids come from the same function, so it exists in checked programs.
    #[must_use]
    pub fn local(&self, id: LocalId) -> Option<&Local> {
        self.locals.get(id.0 as usize)
    }
}

/// The value of a module-level constant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GlobalValue {
    /// A scalar.
    Scalar(Const),
    /// A constant tuple of scalars of one type, at least one long.
    Table(Scalar, Vec<Const>),
}

/// A module-level constant.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Global {
    /// The Python name.
    pub name: String,
    /// Its value.
    pub value: GlobalValue,
    /// Whether evolution may tune it (annotated `chimera.tunable`, or made by variation).
    pub is_tunable: bool,
}

/// A whole program: functions that call each other, and module-level constants.
///
/// Functions and constants are shared between related programs, so a child costs only what changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Program {
    /// Functions; [`FunctionId`] indexes here.
    pub functions: Vec<Arc<Function>>,
    /// Module-level constants; [`GlobalId`] indexes here.
    pub globals: Vec<Arc<Global>>,
}

impl Program {
    /// The id of the function with this name.
    #[must_use]
    pub fn function_id(&self, name: &str) -> Option<FunctionId> {
        let idx = self.functions.iter().position(|function| function.name == name)?;
        u32::try_from(idx).ok().map(FunctionId)
    }

    /// The function behind an id.
    #[must_use]
    pub fn function(&self, id: FunctionId) -> Option<&Arc<Function>> {
        self.functions.get(id.0 as usize)
    }

    /// The constant behind an id.
    #[must_use]
    pub fn global(&self, id: GlobalId) -> Option<&Arc<Global>> {
        self.globals.get(id.0 as usize)
    }
}

impl Expr {
    /// A float literal.
    #[must_use]
    pub const fn float(value: f64) -> Self {
        Self::Const(Const::Float(value))
    }

    /// An int literal.
    #[must_use]
    pub const fn int(value: i64) -> Self {
        Self::Const(Const::Int(value))
    }

    /// The static type in the given function of the given program; `None` when ill-formed.
    #[must_use]
    pub fn ty(&self, program: &Program, function: &Function) -> Option<Type> {
        Some(match self {
            Self::Const(value) => Type::Scalar(value.scalar()),
            Self::Parameter(_, scalar) => Type::Scalar(*scalar),
            Self::Local(id) => function.local(*id)?.ty,
            Self::Global(id) => match program.global(*id)?.value {
                GlobalValue::Scalar(value) => Type::Scalar(value.scalar()),
                GlobalValue::Table(..) => return None,
            },
            Self::Table(id, _) => match program.global(*id)?.value {
                GlobalValue::Table(scalar, _) => Type::Scalar(scalar),
                GlobalValue::Scalar(_) => return None,
            },
            Self::TableLen(_) | Self::Len(_) => Type::INT,
            Self::Unary(Unary::Not, _) | Self::Compare(..) => Type::BOOL,
            Self::Unary(_, operand) => operand.ty(program, function)?,
            Self::Binary(Binary::TrueDiv, ..) => Type::FLOAT,
            Self::Binary(_, lhs, _) => lhs.ty(program, function)?,
            Self::Logic(_, lhs, _) => lhs.ty(program, function)?,
            Self::Select { then, .. } => then.ty(program, function)?,
            Self::Convert(scalar, _) | Self::Promote(scalar, _) => Type::Scalar(*scalar),
            Self::Intrinsic(intrinsic, args) => {
                let first = args.first()?.ty(program, function)?.scalar()?;
                Type::Scalar(intrinsic.result(first))
            }
            Self::Call(id, _) => match program.function(*id)?.returns {
                Returns::One(ty) => ty,
                Returns::Nothing | Returns::Tuple(_) => return None,
            },
            Self::Index(list, _) | Self::Pop(list) => list.ty(program, function)?.element()?,
            Self::List(element, _) => element.list_of()?,
            Self::Repeat(value, _) => value.ty(program, function)?.list_of()?,
            Self::Copy(list) => list.ty(program, function)?,
            Self::Comprehension(comprehension) => {
                comprehension.element.ty(program, function)?.list_of()?
            }
            Self::Fold(Fold::Any | Fold::All, _) => Type::BOOL,
            Self::Fold(Fold::SumFromZero, _) => Type::FLOAT,
            Self::Fold(_, FoldSource::List(list)) => list.ty(program, function)?.element()?,
            Self::Fold(_, FoldSource::Generator(inner)) => inner.element.ty(program, function)?,
        })
    }
}
