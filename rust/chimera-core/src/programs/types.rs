//! The value types of the program representation.
//!
//! A value is a scalar, a list of scalars, or a list of lists of scalars. Lists have reference
//! semantics, exactly as in Python; scalars are immutable. There is no union type: a place that
//! would hold an `int` on one path and a `float` on another is refused by the front end.

use serde::{Deserialize, Serialize};

/// A scalar type. `Int` is a 64-bit signed integer whose overflow traps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scalar {
    /// Python `bool`.
    Bool,
    /// Python `int`, restricted to 64 bits.
    Int,
    /// Python `float`, IEEE 754 binary64.
    Float,
}

impl Scalar {
    /// The Python name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Float => "float",
        }
    }

    /// Bytes one element of this type takes inside a list in linear memory.
    #[must_use]
    pub const fn size_bytes(self) -> u32 {
        match self {
            Self::Bool => 1,
            Self::Int | Self::Float => 8,
        }
    }
}

/// The type of a local variable, a parameter or an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Type {
    /// A scalar.
    Scalar(Scalar),
    /// `list[scalar]`: a reference to a growable 1-D array.
    List(Scalar),
    /// `list[list[scalar]]`: a reference to an array of references, so rows may alias or differ in length.
    Matrix(Scalar),
}

impl Type {
    /// `bool`.
    pub const BOOL: Self = Self::Scalar(Scalar::Bool);
    /// `int`.
    pub const INT: Self = Self::Scalar(Scalar::Int);
    /// `float`.
    pub const FLOAT: Self = Self::Scalar(Scalar::Float);

    /// The scalar when this is a scalar type.
    #[must_use]
    pub const fn scalar(self) -> Option<Scalar> {
        match self {
            Self::Scalar(scalar) => Some(scalar),
            Self::List(_) | Self::Matrix(_) => None,
        }
    }

    /// What indexing or iterating a value of this type yields; `None` for scalars.
    #[must_use]
    pub const fn element(self) -> Option<Self> {
        match self {
            Self::Scalar(_) => None,
            Self::List(scalar) => Some(Self::Scalar(scalar)),
            Self::Matrix(scalar) => Some(Self::List(scalar)),
        }
    }

    /// The list type whose element is `self`; `None` for matrices, which cannot be nested further.
    #[must_use]
    pub const fn list_of(self) -> Option<Self> {
        match self {
            Self::Scalar(scalar) => Some(Self::List(scalar)),
            Self::List(scalar) => Some(Self::Matrix(scalar)),
            Self::Matrix(_) => None,
        }
    }

    /// Bytes one element of this type takes inside a list; references take four.
    #[must_use]
    pub const fn size_bytes(self) -> u32 {
        match self {
            Self::Scalar(scalar) => scalar.size_bytes(),
            Self::List(_) | Self::Matrix(_) => 4,
        }
    }

    /// The Python annotation of the type, as the printer writes it.
    #[must_use]
    pub const fn annotation(self) -> &'static str {
        match self {
            Self::Scalar(scalar) => scalar.name(),
            Self::List(Scalar::Bool) => "list[bool]",
            Self::List(Scalar::Int) => "list[int]",
            Self::List(Scalar::Float) => "list[float]",
            Self::Matrix(Scalar::Bool) => "list[list[bool]]",
            Self::Matrix(Scalar::Int) => "list[list[int]]",
            Self::Matrix(Scalar::Float) => "list[list[float]]",
        }
    }
}

/// What a function returns.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Returns {
    /// `None`.
    Nothing,
    /// One value.
    One(Type),
    /// A tuple of two or more scalars.
    Tuple(Vec<Scalar>),
}

impl Returns {
    /// The types of the returned values, in order.
    #[must_use]
    pub fn types(&self) -> Vec<Type> {
        match self {
            Self::Nothing => Vec::new(),
            Self::One(ty) => vec![*ty],
            Self::Tuple(scalars) => scalars.iter().copied().map(Type::Scalar).collect(),
        }
    }

    /// The Python annotation.
    #[must_use]
    pub fn annotation(&self) -> String {
        match self {
            Self::Nothing => "None".to_owned(),
            Self::One(ty) => ty.annotation().to_owned(),
            Self::Tuple(scalars) => {
                let names: Vec<_> = scalars.iter().map(|scalar| scalar.name()).collect();
                format!("tuple[{}]", names.join(", "))
            }
        }
    }
}
