//! What becomes of children that repeat another row.

use chimera_rng::Stream;

use super::GeneticAlgorithm;
use crate::algorithm::{Batch, Context};
use crate::column::Column;
use crate::numeric;
use crate::operators::{mutation, permutation};
use crate::space::{Block, Kind};

/// Keeps this random stream apart from the others.
const RENEW: u64 = 0x2E0E_0D0B_1E7A_6600;

impl GeneticAlgorithm {
    /// Draws one gene anew in each row that repeats another, an elite among them: elites breed too.
    pub(super) fn renew_duplicates(&mut self, context: &Context, batch: &mut Batch) {
        let scratch = &mut self.scratch;
        let found = scratch.duplicates.find(&batch.genomes, [&self.store.rows, &self.store.elites]);
        scratch.repeated.clear();
        scratch.repeated.extend_from_slice(found);
        let n_genes = self.space.n_genes();
        for (row, _) in scratch.repeated.iter().enumerate().filter(|(_, repeated)| **repeated) {
            let mut rng = Stream::new(context.seed ^ RENEW, context.first_id, row as u64);
            let mut gene = rng.below(n_genes);
            for (block, column) in self.space.blocks().iter().zip(&mut batch.genomes) {
                if gene < block.n_genes() {
                    renew(block, row, gene, &mut rng, column);
                    break;
                }
                gene -= block.n_genes();
            }
        }
    }
}

/// Draws one gene anew; swaps two of a permutation.
fn renew(block: &Block, row: usize, gene: usize, rng: &mut Stream, column: &mut Column) {
    let lower = block.lower.get(gene).copied().unwrap_or(0.0);
    let upper = block.upper.get(gene).copied().unwrap_or(0.0);
    let n = block.n_genes();
    let place = row * n + gene;
    match column {
        Column::F64(matrix) => {
            if let Some(gene) = matrix.make_mut().get_mut(place) {
                *gene = (lower + (upper - lower) * rng.uniform()).clamp(lower, upper);
            }
        }
        Column::F32(matrix) => {
            let (low, high) = (
                <f32 as numeric::Real>::not_below(lower),
                <f32 as numeric::Real>::not_above(upper),
            );
            if let Some(gene) = matrix.make_mut().get_mut(place) {
                let value =
                    <f32 as numeric::Real>::from_f64(lower + (upper - lower) * rng.uniform());
                *gene = value.max(low).min(high);
            }
        }
        Column::I64(matrix) => {
            let values = matrix.make_mut().get_mut(row * n..(row + 1) * n).unwrap_or_default();
            if block.kind == Kind::Permutation {
                permutation::swap(rng, values);
            } else if let Some(gene) = values.get_mut(gene) {
                let (low, high) = mutation::integer_bounds(lower, upper);
                *gene = rng.between(low, high);
            }
        }
        Column::Bool(matrix) => {
            if let Some(gene) = matrix.make_mut().get_mut(place) {
                *gene = !*gene;
            }
        }
    }
}
