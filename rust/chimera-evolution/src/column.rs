//! One typed block of genomes.

use serde::{Deserialize, Serialize};

use crate::matrix::Matrix;

/// The element type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Type {
    /// 64-bit floats.
    F64,
    /// 32-bit floats.
    F32,
    /// 64-bit integers; also permutations.
    I64,
    /// Booleans.
    Bool,
}

impl Type {
    /// Bytes of a value.
    pub const fn width(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 => 4,
            Self::Bool => 1,
        }
    }
}

/// Genomes of one block, one row an individual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Column {
    /// 64-bit floats.
    F64(Matrix<f64>),
    /// 32-bit floats.
    F32(Matrix<f32>),
    /// 64-bit integers; also permutations.
    I64(Matrix<i64>),
    /// Booleans.
    Bool(Matrix<bool>),
}

macro_rules! each {
    ($self:expr, $matrix:ident => $body:expr) => {
        match $self {
            Column::F64($matrix) => $body,
            Column::F32($matrix) => $body,
            Column::I64($matrix) => $body,
            Column::Bool($matrix) => $body,
        }
    };
}

impl Column {
    /// An empty column of a type.
    #[must_use]
    pub fn empty(dtype: Type) -> Self {
        match dtype {
            Type::F64 => Self::F64(Matrix::default()),
            Type::F32 => Self::F32(Matrix::default()),
            Type::I64 => Self::I64(Matrix::default()),
            Type::Bool => Self::Bool(Matrix::default()),
        }
    }

    /// The element type.
    pub const fn dtype(&self) -> Type {
        match self {
            Self::F64(_) => Type::F64,
            Self::F32(_) => Type::F32,
            Self::I64(_) => Type::I64,
            Self::Bool(_) => Type::Bool,
        }
    }

    /// Number of individuals.
    pub const fn n_rows(&self) -> usize {
        each!(self, matrix => matrix.n_rows())
    }

    /// Number of genes in this block.
    pub const fn n_columns(&self) -> usize {
        each!(self, matrix => matrix.n_columns())
    }

    /// The named rows, copied, in the order asked; rows out of range are left out.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        fn gather<T: Copy + Default>(matrix: &Matrix<T>, rows: &[usize]) -> Matrix<T> {
            let mut out = Vec::with_capacity(rows.len() * matrix.n_columns());
            let mut n_rows = 0;
            for row in rows.iter().filter(|row| **row < matrix.n_rows()) {
                out.extend_from_slice(matrix.row(*row));
                n_rows += 1;
            }
            Matrix::from_vec(out, n_rows, matrix.n_columns()).unwrap_or_default()
        }
        match self {
            Self::F64(matrix) => Self::F64(gather(matrix, rows)),
            Self::F32(matrix) => Self::F32(gather(matrix, rows)),
            Self::I64(matrix) => Self::I64(gather(matrix, rows)),
            Self::Bool(matrix) => Self::Bool(gather(matrix, rows)),
        }
    }

    /// The floats, when this is a column of 64-bit floats.
    pub const fn as_f64(&self) -> Option<&Matrix<f64>> {
        if let Self::F64(matrix) = self { Some(matrix) } else { None }
    }
}
