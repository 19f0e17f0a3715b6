//! How the multi-objective searches make children: uniform rows first, then crossover and mutation.
//!
//! Every kind of gene is bred by the operators of the genetic algorithm, block by block.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use super::members::Members;
use super::state::damaged;
use crate::algorithm::{Batch, Context, NO_PARENT};
use crate::column::Column;
use crate::error::Result;
use crate::genetic::{Breeding, Settings};
use crate::matrix::Matrix;
use crate::numeric::Real;
use crate::operators::{Bounds, Key, Parents, SbxPolynomial};
use crate::random::fill_space;
use crate::space::{Block, Kind, Space};

/// Keeps the streams of selection apart from those of variation.
const SELECTION: u64 = 0x5e1e_c710_0b5e_55ed;

/// Whether all genes are floats.
pub(super) fn is_real(space: &Space) -> bool {
    space.blocks().iter().all(|block| matches!(block.kind, Kind::F64 | Kind::F32))
}

/// Makes children, and keeps the memory for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Breeder {
    /// Only the operators of it count.
    settings: Settings,
    #[serde(skip)]
    wide: Vec<Bounds<f64>>,
    #[serde(skip)]
    narrow: Vec<Bounds<f32>>,
    /// Rows on their way: two children a pair, of which one is kept, or children not mutated yet.
    #[serde(skip)]
    spare: Vec<Column>,
    #[serde(skip)]
    pub pairs: Vec<[u32; 2]>,
    /// Neighbouring rows, as pairs that are mutated and not crossed.
    #[serde(skip)]
    own: Vec<[u32; 2]>,
}

impl Breeder {
    pub fn new(space: &Space, settings: Settings) -> Result<Self> {
        settings.check(space)?;
        Ok(Self {
            settings,
            wide: Vec::new(),
            narrow: Vec::new(),
            spare: Vec::new(),
            pairs: Vec::new(),
            own: Vec::new(),
        })
    }

    /// Names of the variation operators, as `operators` of a row indexes them.
    pub fn names(space: &Space) -> &'static [&'static str] {
        if is_real(space) {
            &["uniform", "sbx_polynomial"]
        } else {
            &["uniform", "crossover_mutation"]
        }
    }

    /// Check what was loaded.
    pub fn check_state(&self, space: &Space) -> Result<()> {
        self.settings.check(space).map_err(|error| damaged(&error))
    }

    /// The stream of whatever a search draws besides variation, by purpose.
    pub fn stream(context: &Context, purpose: u64) -> Stream {
        Stream::new(context.seed ^ SELECTION, context.generation, purpose)
    }

    /// Uniform rows, the first batch of every search, of `n_parents` parents that are none.
    pub fn begin(space: &Space, n: usize, n_parents: usize, context: &Context, batch: &mut Batch) {
        fill_space(space, n, context, &mut batch.genomes);
        batch.origins.parents.reset(n, n_parents).fill(NO_PARENT);
        batch.origins.operators.reset(n, 1).fill(0);
    }

    /// Fill `self.pairs` with `n_pairs` pairs of winners of binary tournaments. Rows meet in the order
    /// of random permutations, so each takes part equally often (as in Deb's own NSGA-II).
    pub fn pair(
        &mut self,
        n_pairs: usize,
        n_members: usize,
        permutation: &mut Vec<u32>,
        context: &Context,
        is_better: impl Fn(u32, u32, bool) -> bool,
    ) {
        let mut rng = Self::stream(context, 0);
        let mut place = usize::MAX;
        let mut next = |rng: &mut Stream| {
            if place >= permutation.len() {
                permutation.clear();
                permutation.extend((0..n_members).map(crate::pareto::narrow));
                rng.shuffle(permutation);
                place = 0;
            }
            place += 1;
            permutation.get(place - 1).copied().unwrap_or(0)
        };
        let mut winner = |rng: &mut Stream| {
            let (a, b) = (next(rng), next(rng));
            if is_better(b, a, rng.next_u64() >> 63 == 1) { b } else { a }
        };
        self.pairs.clear();
        for _ in 0..n_pairs {
            let first = winner(&mut rng);
            let second = winner(&mut rng);
            self.pairs.push([first, second]);
        }
    }

    /// Two children of each of `self.pairs`, `n` in all.
    pub fn breed(
        &mut self,
        space: &Space,
        members: &Members,
        n: usize,
        context: &Context,
        batch: &mut Batch,
    ) {
        self.prepare(space);
        self.vary(space, members, n, context, &mut batch.genomes);
        self.trace(members, n, 2, batch);
    }

    /// As [`Breeder::breed`], with one child of each of `n` pairs.
    pub fn breed_first(
        &mut self,
        space: &Space,
        members: &Members,
        n: usize,
        context: &Context,
        batch: &mut Batch,
    ) {
        self.prepare(space);
        let mut both = std::mem::take(&mut self.spare);
        self.vary(space, members, 2 * n, context, &mut both);
        for (both, children) in both.iter().zip(&mut batch.genomes) {
            match (both, children) {
                (Column::F64(both), Column::F64(children)) => take_first(both, n, children),
                (Column::F32(both), Column::F32(children)) => take_first(both, n, children),
                (Column::I64(both), Column::I64(children)) => take_first(both, n, children),
                (Column::Bool(both), Column::Bool(children)) => take_first(both, n, children),
                _ => {}
            }
        }
        self.spare = both;
        self.trace(members, n, 1, batch);
    }

    /// Child `k` is row `k` plus `scale` times the difference of the rows that pair `k` names,
    /// mutated. Blocks that are not of floats stay as they are.
    pub fn differ(
        &mut self,
        space: &Space,
        (members, scale): (&Members, f64),
        n: usize,
        context: &Context,
        batch: &mut Batch,
    ) {
        self.prepare(space);
        let mut moved = std::mem::take(&mut self.spare);
        let pairs = std::mem::take(&mut self.pairs);
        for ((block, held), out) in space.blocks().iter().zip(&members.genomes).zip(&mut moved) {
            match (held, out) {
                (Column::F64(held), Column::F64(out)) => {
                    step(block, held, &pairs, scale, out.reset(n, block.n_genes()));
                }
                (Column::F32(held), Column::F32(out)) => {
                    step(block, held, &pairs, scale, out.reset(n, block.n_genes()));
                }
                _ => {}
            }
        }
        let last = crate::pareto::narrow(n.saturating_sub(1));
        let mut own = std::mem::take(&mut self.own);
        own.clear();
        own.extend((0..=last).step_by(2).map(|row| [row, (row + 1).min(last)]));
        let s = &self.settings;
        let kernel = SbxPolynomial {
            crossover_probability: 0.0,
            gene_probability: s.gene_probability,
            crossover_eta: s.crossover_eta,
            is_bounded: true,
            mutation_probability: s.gene_mutation(space),
            mutation_eta: s.mutation_eta,
        };
        let bounds = self.wide.iter().zip(&self.narrow);
        let columns = moved.iter().zip(&mut batch.genomes);
        for ((block, (wide, narrow)), (moved, out)) in (0..).zip(bounds).zip(columns) {
            let key = Key { seed: context.seed, step: context.generation, block };
            let threads = &context.threads;
            match (moved, out) {
                (Column::F64(moved), Column::F64(out)) => {
                    let parents = Parents { rows: moved.as_slice(), more: &[] };
                    let out = out.reset(n, wide.n_genes());
                    kernel.vary(parents, &own, wide, key, threads, out);
                }
                (Column::F32(moved), Column::F32(out)) => {
                    let parents = Parents { rows: moved.as_slice(), more: &[] };
                    let out = out.reset(n, narrow.n_genes());
                    kernel.vary(parents, &own, narrow, key, threads, out);
                }
                _ => {}
            }
        }
        (self.spare, self.pairs, self.own) = (moved, pairs, own);
        let ids = members.ids.as_slice();
        let id = |row: u32| ids.get(row as usize).copied().unwrap_or(NO_PARENT);
        let parents = batch.origins.parents.reset(n, 3).as_chunks_mut::<3>().0;
        for ((parents, [first, second]), row) in parents.iter_mut().zip(&self.pairs).zip(0..) {
            *parents = [id(row), id(*first), id(*second)];
        }
        batch.origins.operators.reset(n, 1).fill(2);
    }

    /// Make what depends on the space only, once after building or loading.
    fn prepare(&mut self, space: &Space) {
        if self.wide.len() != space.blocks().len() {
            self.wide = space.blocks().iter().map(Bounds::new).collect();
            self.narrow = space.blocks().iter().map(Bounds::new).collect();
            self.spare = space.columns();
        }
    }

    fn vary(
        &self,
        space: &Space,
        members: &Members,
        n: usize,
        context: &Context,
        out: &mut [Column],
    ) {
        let breeding = Breeding {
            settings: &self.settings,
            mutation: self.settings.gene_mutation(space),
            pairs: &self.pairs,
            sigmas: &[],
            key: Key { seed: context.seed, step: context.generation, block: 0 },
            threads: &context.threads,
        };
        let bounds = self.wide.iter().zip(&self.narrow);
        let blocks = space.blocks().iter().zip(bounds).zip(members.genomes.iter().zip(out));
        for (idx, ((block, bounds), (held, out))) in (0..).zip(blocks) {
            let key = Key { block: idx, ..breeding.key };
            Breeding { key, ..breeding }.fill(block, Some(held), None, bounds, n, out);
        }
    }

    /// Note the parents of `n` children, `n_children` a pair.
    fn trace(&self, members: &Members, n: usize, n_children: usize, batch: &mut Batch) {
        let ids = members.ids.as_slice();
        let id = |row: u32| ids.get(row as usize).copied().unwrap_or(NO_PARENT);
        let parents = batch.origins.parents.reset(n, 2);
        for (pair, rows) in self.pairs.iter().zip(parents.chunks_mut(2 * n_children)) {
            for parents in rows.as_chunks_mut::<2>().0 {
                *parents = pair.map(id);
            }
        }
        batch.origins.operators.reset(n, 1).fill(1);
    }
}

/// The first row of each pair of rows.
fn take_first<T: Copy + Default>(both: &Matrix<T>, n: usize, out: &mut Matrix<T>) {
    let n_genes = both.n_columns();
    let pairs = both.as_slice().chunks_exact(2 * n_genes.max(1));
    for (row, pair) in out.reset(n, n_genes).chunks_exact_mut(n_genes.max(1)).zip(pairs) {
        for (gene, value) in row.iter_mut().zip(pair) {
            *gene = *value;
        }
    }
}

/// Each row plus a scaled difference of two others.
fn step<T: Real>(block: &Block, rows: &Matrix<T>, pairs: &[[u32; 2]], scale: f64, out: &mut [T]) {
    let children = out.chunks_exact_mut(block.n_genes().max(1));
    for ((child, [first, second]), row) in children.zip(pairs).zip(rows.rows()) {
        let others = rows.row(*first as usize).iter().zip(rows.row(*second as usize));
        let bounds = block.lower.iter().zip(&block.upper);
        for (((child, gene), (first, second)), (lower, upper)) in
            child.iter_mut().zip(row).zip(others).zip(bounds)
        {
            let gene = gene.to_f64();
            let moved = gene + scale * (first.to_f64() - second.to_f64());
            // Outside, half-way to the bound: the direction counts, not the length.
            *child = T::from_f64(if moved < *lower {
                0.5 * (gene + lower)
            } else if moved > *upper {
                0.5 * (gene + upper)
            } else {
                moved
            });
        }
    }
}
