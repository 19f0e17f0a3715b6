//! Children of selected pairs, one block of the space at a time.

use chimera_rng::Stream;

use super::settings::{
    DiscreteCrossover, IntegerMutation, PermutationCrossover, PermutationMutation, RealCrossover,
    RealMutation, Settings,
};
use crate::column::Column;
use crate::matrix::Matrix;
use crate::numeric::Real;
use crate::operators::crossover::{self, Spread};
use crate::operators::permutation::{self, Scratch};
use crate::operators::sbx::{PAIRS_PER_BLOCK, crossed};
use crate::operators::{Bounds, Key, Parents, SbxPolynomial, mutation};
use crate::space::{Block, Kind};
use crate::threads::Threads;

/// A type of gene.
pub(super) trait Gene: Copy + Default + Send + Sync {
    /// The values of a column of this type; none of another.
    fn values(column: Option<&Column>) -> &[Self];
}

macro_rules! gene {
    ($($type:ty = $variant:ident),*) => {$(
        impl Gene for $type {
            fn values(column: Option<&Column>) -> &[Self] {
                match column {
                    Some(Column::$variant(matrix)) => matrix.as_slice(),
                    _ => &[],
                }
            }
        }
    )*};
}
gene!(f64 = F64, f32 = F32, i64 = I64, bool = Bool);

/// What all blocks of a batch share.
#[derive(Clone, Copy)]
pub(crate) struct Breeding<'a> {
    pub settings: &'a Settings,
    /// Probability that a gene is mutated.
    pub mutation: f64,
    pub pairs: &'a [[u32; 2]],
    /// Step size of each child, under self-adaptation.
    pub sigmas: &'a [f64],
    pub key: Key,
    pub threads: &'a Threads,
}

impl Breeding<'_> {
    /// Fills `n` rows of a column with children of rows of `rows` and `more`.
    pub(crate) fn fill(
        &self,
        block: &Block,
        rows: Option<&Column>,
        more: Option<&Column>,
        bounds: (&Bounds<f64>, &Bounds<f32>),
        n: usize,
        out: &mut Column,
    ) {
        match out {
            Column::F64(out) => self.real(bounds.0, parents(rows, more), n, out),
            Column::F32(out) => self.real(bounds.1, parents(rows, more), n, out),
            Column::I64(out) if block.kind == Kind::Permutation => {
                self.permutations(block, parents(rows, more), n, out);
            }
            Column::I64(out) => self.integers(block, parents(rows, more), n, out),
            Column::Bool(out) => {
                self.each_pair(block.n_genes(), parents(rows, more), n, out, |pair| {
                    self.discrete(pair.is_crossed, pair.rng, pair.first, pair.second);
                    mutation::flip(self.mutation, pair.rng, pair.first);
                    mutation::flip(self.mutation, pair.rng, pair.second);
                });
            }
        }
    }

    fn real<T: Real + Gene>(
        &self,
        bounds: &Bounds<T>,
        parents: Parents<'_, T>,
        n: usize,
        out: &mut Matrix<T>,
    ) {
        let s = self.settings;
        let is_polynomial = s.mutation == RealMutation::Polynomial;
        if matches!(s.crossover, RealCrossover::Sbx | RealCrossover::SbxUnbounded) {
            let kernel = SbxPolynomial {
                crossover_probability: s.crossover_probability,
                gene_probability: s.gene_probability,
                crossover_eta: s.crossover_eta,
                is_bounded: s.crossover == RealCrossover::Sbx,
                mutation_probability: if is_polynomial { self.mutation } else { 0.0 },
                mutation_eta: s.mutation_eta,
            };
            let out = out.reset(n, bounds.n_genes());
            kernel.vary(parents, self.pairs, bounds, self.key, self.threads, out);
            if is_polynomial {
                return;
            }
            let len = 2 * PAIRS_PER_BLOCK * bounds.n_genes();
            self.threads.for_each_chunk(out, len, true, |idx, rows| {
                let mut rng = self.stream(idx);
                for (at, row) in rows.chunks_mut(bounds.n_genes()).enumerate() {
                    self.mutate_real(bounds, &mut rng, idx * 2 * PAIRS_PER_BLOCK + at, row);
                }
            });
            return;
        }
        self.each_pair(bounds.n_genes(), parents, n, out, |pair| {
            let Pair { rng, first, second, .. } = pair;
            if pair.is_crossed {
                match s.crossover {
                    RealCrossover::Blend => crossover::blend(s.blend_alpha, rng, first, second),
                    RealCrossover::Arithmetic => crossover::arithmetic(rng, first, second),
                    RealCrossover::NPoint => crossover::n_point(s.n_points, rng, first, second),
                    RealCrossover::Pcx => {
                        // Deb's own spread.
                        let spread = Spread { along: 0.1, across: 0.1 };
                        let [a, b, c] = pair.parents;
                        crossover::parent_centric(spread, rng, first, b, c);
                        crossover::parent_centric(spread, rng, second, a, c);
                    }
                    RealCrossover::Spx => {
                        let [a, b, c] = pair.parents;
                        crossover::simplex(2.0, rng, first, b, c);
                        crossover::simplex(2.0, rng, second, a, c);
                    }
                    RealCrossover::Sbx | RealCrossover::SbxUnbounded | RealCrossover::Uniform => {
                        crossover::uniform(s.gene_probability, rng, first, second);
                    }
                }
                mutation::mend_row(s.repair, bounds, rng, first);
                mutation::mend_row(s.repair, bounds, rng, second);
            }
            self.mutate_real(bounds, rng, pair.row, first);
            self.mutate_real(bounds, rng, pair.row + 1, second);
        });
    }

    fn mutate_real<T: Real>(&self, bounds: &Bounds<T>, rng: &mut Stream, at: usize, row: &mut [T]) {
        let s = self.settings;
        match s.mutation {
            RealMutation::Polynomial => {
                mutation::polynomial(self.mutation, s.mutation_eta, bounds, rng, row);
            }
            RealMutation::Gaussian => {
                mutation::gaussian(self.mutation, s.mutation_sigma, s.repair, bounds, rng, row);
            }
            RealMutation::SelfAdaptive => {
                let sigma = self.sigmas.get(at).copied().unwrap_or(s.mutation_sigma);
                mutation::gaussian(1.0, sigma, s.repair, bounds, rng, row);
            }
        }
    }

    fn discrete<T>(&self, is_crossed: bool, rng: &mut Stream, a: &mut [T], b: &mut [T]) {
        if is_crossed {
            match self.settings.discrete_crossover {
                DiscreteCrossover::Uniform => {
                    crossover::uniform(self.settings.gene_probability, rng, a, b);
                }
                DiscreteCrossover::NPoint => {
                    crossover::n_point(self.settings.n_points, rng, a, b);
                }
            }
        }
    }

    fn integers(&self, block: &Block, parents: Parents<'_, i64>, n: usize, out: &mut Matrix<i64>) {
        let (low, high) = (&block.lower, &block.upper);
        let is_creep =
            block.kind == Kind::Integer && self.settings.integer_mutation == IntegerMutation::Creep;
        self.each_pair(block.n_genes(), parents, n, out, |pair| {
            let Pair { rng, first, second, .. } = pair;
            self.discrete(pair.is_crossed, rng, first, second);
            for row in [first, second] {
                if is_creep {
                    let step = self.settings.creep_step;
                    mutation::creep(self.mutation, step, low, high, rng, row);
                } else {
                    mutation::reset(self.mutation, low, high, rng, row);
                }
            }
        });
    }

    fn permutations(
        &self,
        block: &Block,
        parents: Parents<'_, i64>,
        n: usize,
        out: &mut Matrix<i64>,
    ) {
        self.each_pair(block.n_genes(), parents, n, out, |pair| {
            let Pair { rng, first, second, scratch, .. } = pair;
            let [a, b, _] = pair.parents;
            if pair.is_crossed {
                let cross = match self.settings.permutation_crossover {
                    PermutationCrossover::Order => permutation::order,
                    PermutationCrossover::Pmx => permutation::partially_mapped,
                    PermutationCrossover::Edge => permutation::edge,
                };
                cross(a, b, rng, scratch, first);
                cross(b, a, rng, scratch, second);
            }
            for row in [first, second] {
                if rng.chance(self.settings.permutation_probability) {
                    match self.settings.permutation_mutation {
                        PermutationMutation::Invert => permutation::invert(rng, row),
                        PermutationMutation::Swap => permutation::swap(rng, row),
                        PermutationMutation::Insert => permutation::insert(rng, row),
                    }
                }
            }
        });
    }

    /// The stream of a block of pairs, apart from that of the fused kernel.
    fn stream(&self, idx: usize) -> Stream {
        let salt = (self.key.block + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
        Stream::new(self.key.seed ^ salt, self.key.step, idx as u64)
    }

    /// Copies each pair of parents into its rows and calls `work` on them.
    fn each_pair<T: Gene>(
        &self,
        n_genes: usize,
        parents: Parents<'_, T>,
        n: usize,
        out: &mut Matrix<T>,
        work: impl Fn(Pair<'_, T>) + Sync + Send,
    ) {
        let out = out.reset(n, n_genes);
        let is_worth_it = out.len() >= 1 << 12;
        let len = 2 * PAIRS_PER_BLOCK * n_genes;
        self.threads.for_each_chunk(out, len, is_worth_it, |idx, rows| {
            let (is_crossed, _) = crossed(self.key, idx, self.settings.crossover_probability);
            let mut rng = self.stream(idx);
            SCRATCH.with_borrow_mut(|scratch| {
                let mut odd = Vec::new();
                for (at, children) in rows.chunks_mut(2 * n_genes).enumerate() {
                    let pair = idx * PAIRS_PER_BLOCK + at;
                    let [a, b] = self.pairs.get(pair).copied().unwrap_or_default();
                    let [c, _] = third(self.pairs, pair);
                    let [a, b, c] = [a, b, c].map(|parent| parents.row(parent, n_genes));
                    let (first, mut second) = children.split_at_mut(n_genes);
                    if second.is_empty() {
                        odd.resize(n_genes, T::default());
                        second = &mut odd;
                    }
                    for (child, parent) in first.iter_mut().zip(a).chain(second.iter_mut().zip(b)) {
                        *child = *parent;
                    }
                    work(Pair {
                        row: 2 * pair,
                        parents: [a, b, c],
                        is_crossed: is_crossed.get(at).copied().unwrap_or(false),
                        first,
                        second,
                        rng: &mut rng,
                        scratch,
                    });
                }
            });
        });
    }
}

thread_local! {
    /// Memory of the permutation operators, kept between generations.
    static SCRATCH: std::cell::RefCell<Scratch> = std::cell::RefCell::default();
}

/// The pair whose first parent is the third one of pair `idx`.
pub(super) fn third(pairs: &[[u32; 2]], idx: usize) -> [u32; 2] {
    pairs.get(idx + 1).or(pairs.first()).copied().unwrap_or_default()
}

/// Two children, as copies of their parents.
struct Pair<'a, T> {
    /// Row of the first child.
    row: usize,
    parents: [&'a [T]; 3],
    is_crossed: bool,
    first: &'a mut [T],
    second: &'a mut [T],
    rng: &'a mut Stream,
    scratch: &'a mut Scratch,
}

fn parents<'a, T: Gene>(rows: Option<&'a Column>, more: Option<&'a Column>) -> Parents<'a, T> {
    Parents { rows: T::values(rows), more: T::values(more) }
}
