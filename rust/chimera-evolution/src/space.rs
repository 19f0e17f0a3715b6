//! What is searched: named blocks of typed, bounded genes.

use serde::{Deserialize, Serialize};

use crate::column::{Column, Type};
use crate::error::{Error, Result};

/// Largest finite bound of 64-bit floats: squares and sums of widths stay finite.
const BOUND_MAX: f64 = 1e150;
/// Largest finite bound of 32-bit floats: widths stay finite in 32 bits.
const BOUND_F32_MAX: f64 = 1e37;
/// Largest bound of integers: bounds travel as doubles and stay exact.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// What the genes of a block mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Real numbers as 64-bit floats.
    F64,
    /// Real numbers as 32-bit floats.
    F32,
    /// Ordered integers.
    Integer,
    /// Unordered choices `lower..=upper`.
    Category,
    /// Booleans; bounds are ignored.
    Boolean,
    /// One permutation of `0..n_genes` a row; bounds are ignored.
    Permutation,
}

impl Kind {
    /// How the genes are stored.
    pub const fn dtype(self) -> Type {
        match self {
            Self::F64 => Type::F64,
            Self::F32 => Type::F32,
            Self::Integer | Self::Category | Self::Permutation => Type::I64,
            Self::Boolean => Type::Bool,
        }
    }

    /// Its name, as [`Space::new`] reads it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F64 => "f64",
            Self::F32 => "f32",
            Self::Integer => "integer",
            Self::Category => "category",
            Self::Boolean => "boolean",
            Self::Permutation => "permutation",
        }
    }

    fn parse(text: &str) -> Result<Self> {
        Ok(match text {
            "f64" => Self::F64,
            "f32" => Self::F32,
            "integer" => Self::Integer,
            "category" => Self::Category,
            "boolean" => Self::Boolean,
            "permutation" => Self::Permutation,
            other => {
                return Err(Error::setting(
                    "kind",
                    "f64, f32, integer, category, boolean or permutation",
                    other,
                ));
            }
        })
    }
}

/// A named block of genes of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// What its genes mean.
    pub kind: Kind,
    /// Lower bound per gene, inclusive; negative infinity for none.
    pub lower: Vec<f64>,
    /// Upper bound per gene, inclusive; infinity for none.
    pub upper: Vec<f64>,
}

impl Block {
    /// Number of genes.
    pub const fn n_genes(&self) -> usize {
        self.lower.len()
    }

    /// Whether every gene has two finite bounds.
    pub fn is_bounded(&self) -> bool {
        self.lower.iter().chain(&self.upper).all(|bound| bound.is_finite())
    }
}

/// The blocks of a genome.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct Space {
    blocks: Vec<Block>,
}

/// A space as it comes from outside.
#[derive(Deserialize)]
struct Saved {
    blocks: Vec<Block>,
}

impl TryFrom<Saved> for Space {
    type Error = Error;

    fn try_from(saved: Saved) -> Result<Self> {
        let parts = saved.blocks.into_iter();
        let parts =
            parts.map(|block| (block.name, block.kind.name().to_owned(), block.lower, block.upper));
        Self::new(parts.collect())
    }
}

impl Space {
    /// A space of blocks `(name, kind, lower, upper)`.
    ///
    /// # Errors
    /// No block, a block without genes, bounds of different lengths, NaN, lower above upper, an
    /// unbounded integer, two blocks of one name.
    pub fn new(blocks: Vec<(String, String, Vec<f64>, Vec<f64>)>) -> Result<Self> {
        if blocks.is_empty() {
            return Err(Error::setting("space", "at least one block of genes", "none"));
        }
        let mut out: Vec<Block> = Vec::with_capacity(blocks.len());
        for (name, kind, lower, upper) in blocks {
            let mut block = Block { kind: Kind::parse(&kind)?, name, lower, upper };
            check(&block)?;
            if block.kind == Kind::F32 {
                // The nearest 32-bit numbers, so that a bound is a gene's value exactly.
                for bound in block.lower.iter_mut().chain(&mut block.upper) {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "rounds to the gene's type"
                    )]
                    let rounded = *bound as f32;
                    *bound = f64::from(rounded);
                }
            }
            if out.iter().any(|other| other.name == block.name) {
                return Err(Error::setting("space", "blocks of different names", block.name));
            }
            out.push(block);
        }
        Ok(Self { blocks: out })
    }

    /// One block of 64-bit floats.
    ///
    /// # Errors
    /// As [`Space::new`].
    pub fn real(lower: Vec<f64>, upper: Vec<f64>) -> Result<Self> {
        Self::new(vec![("x".into(), "f64".into(), lower, upper)])
    }

    /// The blocks in order.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Number of genes in all blocks.
    pub fn n_genes(&self) -> usize {
        self.blocks.iter().map(Block::n_genes).sum()
    }

    /// Memory of one row.
    pub(crate) fn bytes_a_row(&self) -> usize {
        self.blocks.iter().map(|block| block.n_genes() * block.kind.dtype().width()).sum()
    }

    /// The only block, when it holds 64-bit floats.
    ///
    /// # Errors
    /// The space is of another kind; `method` names who asked.
    pub fn single_real(&self, method: &str) -> Result<&Block> {
        match self.blocks.as_slice() {
            [block] if block.kind == Kind::F64 => Ok(block),
            _ => Err(Error::setting(
                "space",
                format!("one block of 64-bit floats, which {method} searches"),
                self.blocks
                    .iter()
                    .map(|block| format!("{} ({:?})", block.name, block.kind).to_lowercase())
                    .collect::<Vec<_>>()
                    .join(", "),
            )),
        }
    }

    /// Empty columns of the right types.
    pub fn columns(&self) -> Vec<Column> {
        self.blocks.iter().map(|block| Column::empty(block.kind.dtype())).collect()
    }

    /// Checks that there is a column of the right type for each block, whatever its rows.
    ///
    /// # Errors
    /// The first column that does not fit.
    pub fn check_columns(&self, genomes: &[Column]) -> Result<()> {
        if genomes.len() != self.blocks.len() {
            return Err(Error::batch(
                "batch",
                format!("{} blocks of genes", self.blocks.len()),
                genomes.len(),
            ));
        }
        for (block, column) in self.blocks.iter().zip(genomes) {
            if column.dtype() != block.kind.dtype() {
                return Err(Error::batch(
                    "batch",
                    format!("{:?} in block {}", block.kind.dtype(), block.name).to_lowercase(),
                    format!("{:?}", column.dtype()).to_lowercase(),
                ));
            }
        }
        Ok(())
    }

    /// Checks genomes that come from outside: shapes, types, bounds, finite, permutations whole.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, genomes: &[Column], n_rows: usize) -> Result<()> {
        self.check_columns(genomes)?;
        for (block, column) in self.blocks.iter().zip(genomes) {
            if column.n_rows() != n_rows || column.n_columns() != block.n_genes() {
                return Err(Error::batch(
                    "batch",
                    format!("shape ({n_rows}, {}) in block {}", block.n_genes(), block.name),
                    format!("({}, {})", column.n_rows(), column.n_columns()),
                ));
            }
            check_values(block, column)?;
        }
        Ok(())
    }
}

fn check(block: &Block) -> Result<()> {
    let name = format!("bounds of {}", block.name);
    if block.lower.is_empty() {
        return Err(Error::setting(name, "at least one gene", "none"));
    }
    if block.lower.len() != block.upper.len() {
        return Err(Error::setting(
            name,
            "as many upper as lower bounds",
            format!("{} and {}", block.lower.len(), block.upper.len()),
        ));
    }
    for (idx, (lower, upper)) in block.lower.iter().zip(&block.upper).enumerate() {
        let usable = match block.kind {
            Kind::F64 | Kind::F32 => {
                let most = if block.kind == Kind::F32 { BOUND_F32_MAX } else { BOUND_MAX };
                let fits = |bound: f64| bound.is_infinite() || bound.abs() <= most;
                lower <= upper
                    && *lower < f64::INFINITY
                    && *upper > f64::NEG_INFINITY
                    && fits(*lower)
                    && fits(*upper)
            }
            Kind::Integer | Kind::Category => {
                lower <= upper
                    && lower.fract() == 0.0
                    && upper.fract() == 0.0
                    && lower.abs().max(upper.abs()) <= WHOLE_MAX
            }
            Kind::Boolean | Kind::Permutation => true,
        };
        if !usable {
            let expected = match block.kind {
                Kind::Integer | Kind::Category => {
                    "whole finite numbers of at most 2^53 with lower <= upper".to_owned()
                }
                Kind::F32 => format!("lower <= upper, at most {BOUND_F32_MAX:e} from 0"),
                _ => format!("lower <= upper, at most {BOUND_MAX:e} from 0"),
            };
            return Err(Error::setting(
                name,
                expected,
                format!("[{lower}, {upper}] at gene {idx}"),
            ));
        }
    }
    Ok(())
}

fn check_values(block: &Block, column: &Column) -> Result<()> {
    fn outside<T: Copy + Default>(
        block: &Block,
        matrix: &crate::matrix::Matrix<T>,
        value: impl Fn(T) -> f64,
    ) -> Result<()> {
        for (row, genes) in matrix.rows().enumerate() {
            for (idx, gene) in genes.iter().enumerate() {
                let gene = value(*gene);
                let lower = block.lower.get(idx).copied().unwrap_or(f64::NEG_INFINITY);
                let upper = block.upper.get(idx).copied().unwrap_or(f64::INFINITY);
                if !(gene.is_finite() && gene >= lower && gene <= upper) {
                    return Err(Error::batch(
                        "batch",
                        format!("a finite value in [{lower}, {upper}]"),
                        format!("{gene} in row {row}, gene {idx} of block {}", block.name),
                    ));
                }
            }
        }
        Ok(())
    }
    match (block.kind, column) {
        (Kind::Permutation, Column::I64(matrix)) => {
            let mut seen = vec![usize::MAX; block.n_genes()];
            for (row, genes) in matrix.rows().enumerate() {
                for gene in genes {
                    let place = usize::try_from(*gene).ok().and_then(|gene| seen.get_mut(gene));
                    if place.is_none_or(|place| std::mem::replace(place, row) == row) {
                        return Err(Error::batch(
                            "batch",
                            format!("a permutation of 0..{}", block.n_genes()),
                            format!("{gene} again or out of range in row {row}"),
                        ));
                    }
                }
            }
            Ok(())
        }
        (_, Column::F64(matrix)) => outside(block, matrix, |gene| gene),
        (_, Column::F32(matrix)) => outside(block, matrix, f64::from),
        (_, Column::I64(matrix)) => outside(block, matrix, |gene| gene as f64),
        (_, Column::Bool(_)) => Ok(()),
    }
}
