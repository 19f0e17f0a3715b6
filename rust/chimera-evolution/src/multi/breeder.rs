//! How the multi-objective searches make children: uniform rows first, then crossover and mutation.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use super::members::Members;
use crate::algorithm::{Batch, Context, NO_PARENT};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::operators::{Bounds, Key, Parents, SbxPolynomial};
use crate::random::fill_uniform;
use crate::space::{Block, Kind, Space};

/// Keeps the streams of selection apart from those of variation.
const SELECTION: u64 = 0x5e1e_c710_0b5e_55ed;

/// What the caller may set of variation; the rest takes the field's usual values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub crossover_probability: Option<f64>,
    pub crossover_eta: Option<f64>,
    pub mutation_probability: Option<f64>,
    pub mutation_eta: Option<f64>,
}

/// The only block, when it holds bounded floats.
pub(super) fn real_block<'a>(space: &'a Space, method: &str) -> Result<&'a Block> {
    let [block] = space.blocks() else {
        return Err(Error::setting(
            "space",
            format!("one block of floats, which {method} searches"),
            format!("{} blocks", space.blocks().len()),
        ));
    };
    if !matches!(block.kind, Kind::F64 | Kind::F32) {
        return Err(Error::setting(
            "space",
            format!("floats, which {method} searches"),
            block.kind.name(),
        ));
    }
    if !block.is_bounded() {
        return Err(Error::setting(
            format!("bounds of {}", block.name),
            "finite bounds",
            "an infinite one",
        ));
    }
    Ok(block)
}

/// Makes children, and keeps the memory for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Breeder {
    kernel: SbxPolynomial,
    #[serde(skip)]
    bounds: Bounds<f64>,
    #[serde(skip)]
    bounds_f32: Bounds<f32>,
    #[serde(skip)]
    both: Vec<f64>,
    #[serde(skip)]
    both_f32: Vec<f32>,
    #[serde(skip)]
    pub pairs: Vec<[u32; 2]>,
}

impl Breeder {
    pub fn new(n_genes: usize, options: &Options, usual: SbxPolynomial) -> Result<Self> {
        let probability = |name: &str, value: Option<f64>, usual: f64| {
            let value = value.unwrap_or(usual);
            if (0.0..=1.0).contains(&value) {
                Ok(value)
            } else {
                Err(Error::setting(name, "a probability in [0, 1]", value))
            }
        };
        let eta = |name: &str, value: Option<f64>, usual: f64| {
            let value = value.unwrap_or(usual);
            if value >= 0.0 && value.is_finite() {
                Ok(value)
            } else {
                Err(Error::setting(name, "a number of at least 0", value))
            }
        };
        let usual = SbxPolynomial { mutation_probability: 1.0 / n_genes.max(1) as f64, ..usual };
        let kernel = SbxPolynomial {
            crossover_probability: probability(
                "crossover_probability",
                options.crossover_probability,
                usual.crossover_probability,
            )?,
            crossover_eta: eta("crossover_eta", options.crossover_eta, usual.crossover_eta)?,
            mutation_probability: probability(
                "mutation_probability",
                options.mutation_probability,
                usual.mutation_probability,
            )?,
            mutation_eta: eta("mutation_eta", options.mutation_eta, usual.mutation_eta)?,
            ..usual
        };
        Ok(Self {
            kernel,
            bounds: Bounds::default(),
            bounds_f32: Bounds::default(),
            both: Vec::new(),
            both_f32: Vec::new(),
            pairs: Vec::new(),
        })
    }

    /// The stream of whatever a search draws besides variation, by purpose.
    pub fn stream(context: &Context, purpose: u64) -> Stream {
        Stream::new(context.seed ^ SELECTION, context.generation, purpose)
    }

    /// Uniform rows, the first batch of every search.
    pub fn begin(space: &Space, n: usize, context: &Context, batch: &mut Batch) {
        for (block, column) in space.blocks().iter().zip(&mut batch.genomes) {
            fill_uniform(block, n, context, column);
        }
        batch.origins.parents.reset(n, 2).fill(NO_PARENT);
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
        block: &Block,
        members: &Members,
        n: usize,
        context: &Context,
        batch: &mut Batch,
    ) {
        for (parents, children) in members.genomes.iter().zip(&mut batch.genomes) {
            let kernel = self.kernel;
            match (parents, children) {
                (Column::F64(parents), Column::F64(children)) => {
                    let out = children.reset(n, block.n_genes());
                    self.vary(kernel, block, parents.as_slice(), context, out);
                }
                (Column::F32(parents), Column::F32(children)) => {
                    let out = children.reset(n, block.n_genes());
                    self.vary_f32(kernel, block, parents.as_slice(), context, out);
                }
                _ => {}
            }
        }
        self.trace(members, n, 1, batch);
    }

    /// As [`Breeder::breed`], with one child of each of `n` pairs.
    pub fn breed_first(
        &mut self,
        block: &Block,
        members: &Members,
        n: usize,
        context: &Context,
        batch: &mut Batch,
    ) {
        let kernel = self.kernel;
        let n_genes = block.n_genes();
        for (parents, children) in members.genomes.iter().zip(&mut batch.genomes) {
            match (parents, children) {
                (Column::F64(parents), Column::F64(children)) => {
                    let mut both = std::mem::take(&mut self.both);
                    both.resize(2 * n * n_genes, 0.0);
                    self.vary(kernel, block, parents.as_slice(), context, &mut both);
                    take_first(&both, children.reset(n, n_genes), n_genes);
                    self.both = both;
                }
                (Column::F32(parents), Column::F32(children)) => {
                    let mut both = std::mem::take(&mut self.both_f32);
                    both.resize(2 * n * n_genes, 0.0);
                    self.vary_f32(kernel, block, parents.as_slice(), context, &mut both);
                    take_first(&both, children.reset(n, n_genes), n_genes);
                    self.both_f32 = both;
                }
                _ => {}
            }
        }
        self.trace(members, n, 2, batch);
    }

    /// Mutate rows that are children already; `self.pairs` are their parents.
    pub fn mutate(
        &mut self,
        block: &Block,
        (rows, members): (&[f64], &Members),
        n: usize,
        context: &Context,
        batch: &mut Batch,
    ) {
        let kernel = SbxPolynomial { crossover_probability: 0.0, ..self.kernel };
        let parents = std::mem::take(&mut self.pairs);
        self.pairs.extend(
            (0..crate::pareto::narrow(n))
                .step_by(2)
                .map(|row| [row, (row + 1).min(crate::pareto::narrow(n) - 1)]),
        );
        for children in &mut batch.genomes {
            match children {
                Column::F64(children) => {
                    let out = children.reset(n, block.n_genes());
                    self.vary(kernel, block, rows, context, out);
                }
                Column::F32(children) => {
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "the genes are 32-bit floats"
                    )]
                    let rows: Vec<f32> = rows.iter().map(|gene| *gene as f32).collect();
                    let out = children.reset(n, block.n_genes());
                    self.vary_f32(kernel, block, &rows, context, out);
                }
                _ => {}
            }
        }
        self.pairs = parents;
        self.trace(members, n, 2, batch);
        batch.origins.operators.reset(n, 1).fill(2);
    }

    fn vary(
        &mut self,
        kernel: SbxPolynomial,
        block: &Block,
        rows: &[f64],
        context: &Context,
        out: &mut [f64],
    ) {
        if self.bounds.n_genes() != block.n_genes() {
            self.bounds = Bounds::new(block);
        }
        let parents = Parents { rows, more: &[] };
        let key = Key { seed: context.seed, step: context.generation, block: 0 };
        kernel.vary(parents, &self.pairs, &self.bounds, key, &context.threads, out);
    }

    fn vary_f32(
        &mut self,
        kernel: SbxPolynomial,
        block: &Block,
        rows: &[f32],
        context: &Context,
        out: &mut [f32],
    ) {
        if self.bounds_f32.n_genes() != block.n_genes() {
            self.bounds_f32 = Bounds::new(block);
        }
        let parents = Parents { rows, more: &[] };
        let key = Key { seed: context.seed, step: context.generation, block: 0 };
        kernel.vary(parents, &self.pairs, &self.bounds_f32, key, &context.threads, out);
    }

    /// Note the parents of `n` children: two children a pair, or one when `stride` is 2.
    fn trace(&self, members: &Members, n: usize, stride: usize, batch: &mut Batch) {
        let ids = members.ids.as_slice();
        let id = |row: u32| ids.get(row as usize).copied().unwrap_or(NO_PARENT);
        let parents = batch.origins.parents.reset(n, 2);
        let n_children = 4 / stride;
        for (pair, rows) in self.pairs.iter().zip(parents.chunks_mut(n_children)) {
            for parents in rows.as_chunks_mut::<2>().0 {
                *parents = pair.map(id);
            }
        }
        batch.origins.operators.reset(n, 1).fill(1);
    }
}

/// Every other row.
fn take_first<T: Copy>(both: &[T], out: &mut [T], n_genes: usize) {
    let n_genes = n_genes.max(1);
    for (row, pair) in out.chunks_exact_mut(n_genes).zip(both.chunks_exact(2 * n_genes)) {
        for (gene, value) in row.iter_mut().zip(pair) {
            *gene = *value;
        }
    }
}
