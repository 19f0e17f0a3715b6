//! Uniform random search: the baseline that every other method must beat, over any space.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::space::{Block, Kind, Space};

/// Most rows of a batch by default; `ask` may be given more.
const BATCH_MAX: usize = 1_000_000;

/// Settings of [`RandomSearch`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Rows of a batch.
    pub batch_size: usize,
}

/// Uniform samples within the bounds; remembers the best row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RandomSearch {
    space: Space,
    settings: Settings,
    best: Population,
}

impl Build for RandomSearch {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        if !(1..=BATCH_MAX).contains(&settings.batch_size) {
            let expected = format!("1 to {BATCH_MAX}");
            return Err(Error::setting("batch_size", expected, settings.batch_size));
        }
        for block in space.blocks() {
            if matches!(block.kind, Kind::F64 | Kind::F32) && !block.is_bounded() {
                return Err(Error::setting(
                    format!("bounds of {}", block.name),
                    "finite bounds, from which uniform samples can be drawn",
                    "an infinite one",
                ));
            }
        }
        Ok(Self { space, settings, best: Population::default() })
    }
}

/// Fill a batch with uniform samples of the space, one random stream a row and block: how most
/// populations begin.
pub fn fill_space(space: &Space, n_rows: usize, context: &Context, columns: &mut [Column]) {
    for ((idx, block), column) in (0_u64..).zip(space.blocks()).zip(columns) {
        // Blocks of one row must not begin alike.
        let seed = context.seed ^ idx.wrapping_mul(0xA24B_AED4_963E_E407);
        fill_uniform(block, n_rows, &Context { seed, ..context.clone() }, column);
    }
}

/// Fill one column with uniform samples of its block, one random stream a row.
fn fill_uniform(block: &Block, n_rows: usize, context: &Context, column: &mut Column) {
    let n = block.n_genes();
    let bounds = || block.lower.iter().copied().zip(block.upper.iter().copied());
    let stream = |row: usize| {
        Stream::new(context.seed, context.generation, context.first_id.wrapping_add(row as u64))
    };
    match column {
        Column::F64(matrix) => {
            for (row, genes) in matrix.reset(n_rows, n).chunks_exact_mut(n.max(1)).enumerate() {
                let mut rng = stream(row);
                for (gene, (lower, upper)) in genes.iter_mut().zip(bounds()) {
                    *gene = (lower + (upper - lower) * rng.uniform()).clamp(lower, upper);
                }
            }
        }
        #[expect(clippy::cast_possible_truncation, reason = "the genes are 32-bit floats")]
        Column::F32(matrix) => {
            for (row, genes) in matrix.reset(n_rows, n).chunks_exact_mut(n.max(1)).enumerate() {
                let mut rng = stream(row);
                for (gene, (lower, upper)) in genes.iter_mut().zip(bounds()) {
                    // Bounds of 32-bit blocks are 32-bit numbers themselves.
                    let value = (lower + (upper - lower) * rng.uniform()) as f32;
                    *gene = value.clamp(lower as f32, upper as f32);
                }
            }
        }
        Column::I64(matrix) => {
            for (row, genes) in matrix.reset(n_rows, n).chunks_exact_mut(n.max(1)).enumerate() {
                let mut rng = stream(row);
                if block.kind == Kind::Permutation {
                    for (gene, value) in genes.iter_mut().zip(0..) {
                        *gene = value;
                    }
                    rng.shuffle(genes);
                } else {
                    #[expect(clippy::cast_possible_truncation, reason = "bounds are whole")]
                    for (gene, (lower, upper)) in genes.iter_mut().zip(bounds()) {
                        *gene = rng.between(lower as i64, upper as i64);
                    }
                }
            }
        }
        Column::Bool(matrix) => {
            for (row, genes) in matrix.reset(n_rows, n).chunks_exact_mut(n.max(1)).enumerate() {
                let mut rng = stream(row);
                for gene in genes {
                    *gene = rng.chance(0.5);
                }
            }
        }
    }
}

impl Algorithm for RandomSearch {
    fn space(&self) -> &Space {
        &self.space
    }

    fn batch_size(&self) -> usize {
        self.settings.batch_size
    }

    fn is_size_free(&self) -> bool {
        true
    }

    fn is_steady(&self) -> bool {
        true
    }

    fn bytes_a_row(&self) -> usize {
        self.space.bytes_a_row() // rows are handed out and forgotten
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        fill_space(&self.space, n, context, &mut batch.genomes);
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, _context: &Context) -> Result<()> {
        let known = self.best.objectives.as_slice().first().copied().unwrap_or(f64::INFINITY);
        let best = (0..batch.n_rows())
            .filter(|row| scores.violation(*row) <= 0.0)
            .min_by(|a, b| scores.objective(*a).total_cmp(&scores.objective(*b)));
        if let Some(row) = best.filter(|row| scores.objective(*row) < known) {
            self.best.genomes = batch.genomes.iter().map(|column| column.select(&[row])).collect();
            self.best.objectives = Matrix::from_vec(vec![scores.objective(row)], 1, 1)?;
        }
        Ok(())
    }

    fn population(&self) -> Population {
        self.best.clone()
    }
}
