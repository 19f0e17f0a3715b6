//! What every search implements, and what passes between it and its harness.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::run::BATCH_VALUES_MAX;
use crate::space::Space;
use crate::threads::Threads;

/// Stands for "no parent" in [`Origins::parents`].
pub const NO_PARENT: u64 = u64::MAX;

/// What a call may use besides the algorithm's own state.
#[derive(Clone, Debug)]
pub struct Context {
    /// Seed of every random stream; key streams by (seed, generation, index).
    pub seed: u64,
    /// Number of batches told so far: the step of the random streams.
    pub generation: u64,
    /// Identity of the first row of this batch; the others follow unless [`Batch::ids`] names them.
    /// Also the number of rows that had an identity before.
    pub first_id: u64,
    /// Threads to use; the result must not depend on them.
    pub threads: Threads,
}

/// Where the rows of a batch come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Origins {
    /// Identities of each row's parents, `(n, k)`; [`NO_PARENT`] fills the rest.
    pub parents: Matrix<u64>,
    /// Index of each row's operator in [`Algorithm::operators`], `(n, 1)`.
    pub operators: Matrix<u8>,
    /// A number of the algorithm's own that comes back with each row, such as its step size, `(n, 1)`;
    /// NaN in rows that it did not ask. Empty when the algorithm has none.
    pub tags: Matrix<f64>,
}

/// The operator of rows that were not asked, in [`Origins::operators`].
pub const NO_OPERATOR: u8 = u8::MAX;

/// Candidates to evaluate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// One column per block of the space, all with the same number of rows.
    pub genomes: Vec<Column>,
    /// Lineage; empty matrices when the algorithm samples from a distribution.
    pub origins: Origins,
    /// Identity of each row, `(n, 1)`; empty when they follow from [`Context::first_id`]. Told rows
    /// need not follow each other: a steady search may be told any rows it asked earlier.
    pub ids: Matrix<u64>,
}

impl Batch {
    /// Number of candidates.
    pub fn n_rows(&self) -> usize {
        self.genomes.first().map_or(0, Column::n_rows)
    }

    /// Whether nobody else holds its memory.
    fn is_free(&self) -> bool {
        let Origins { parents, operators, tags } = &self.origins;
        let is_shared = |column: &Column| match column {
            Column::F64(matrix) => matrix.is_shared(),
            Column::F32(matrix) => matrix.is_shared(),
            Column::I64(matrix) => matrix.is_shared(),
            Column::Bool(matrix) => matrix.is_shared(),
        };
        let is_lineage_shared = parents.is_shared() || operators.is_shared() || tags.is_shared();
        !is_lineage_shared && !self.genomes.iter().any(is_shared)
    }

    /// Identity of a row.
    pub fn id(&self, row: usize, context: &Context) -> u64 {
        let following = || context.first_id.wrapping_add(row as u64);
        self.ids.as_slice().get(row).copied().unwrap_or_else(following)
    }
}

/// Batches that were handed out, written again once their holders have let go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spares(Vec<Batch>);

impl Spares {
    /// Parents, the batch, and the caller's last one: no search holds more.
    const CAPACITY: usize = 3;

    /// Puts a batch in place whose memory nobody else holds, if somebody holds that of `batch`.
    pub fn renew(&mut self, batch: &mut Batch, space: &Space) {
        if batch.is_free() {
            return;
        }
        let free = self.0.iter().position(Batch::is_free);
        let next = free.map_or_else(
            || Batch { genomes: space.columns(), ..Batch::default() },
            |idx| self.0.swap_remove(idx),
        );
        let held = std::mem::replace(batch, next);
        if self.0.len() < Self::CAPACITY {
            self.0.push(held);
        }
    }
}

/// What evaluation found, row by row. Objectives are minimised.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scores<'a> {
    /// `(n, n_objectives)`, row-major. Finite except in failed rows.
    pub objectives: &'a [f64],
    /// `(n,)` total constraint violation, 0 where feasible; empty without constraints.
    pub violations: &'a [f64],
    /// `(n, n_descriptors)` behaviour descriptors; empty unless the algorithm uses them.
    pub descriptors: &'a [f64],
    /// `(n, n_cases)` error per case, for lexicase selection; empty otherwise.
    pub cases: &'a [f64],
    /// `(n,)` true where evaluation failed; empty when none did. A failed row is worse than any other.
    pub failed: &'a [bool],
}

impl Scores<'_> {
    /// Whether evaluation of a row failed.
    pub fn is_failed(&self, row: usize) -> bool {
        self.failed.get(row).copied().unwrap_or(false)
    }

    /// Constraint violation of a row; 0 when feasible, never -0, which total orders put apart.
    pub fn violation(&self, row: usize) -> f64 {
        // -0 + 0 is 0; anything else stays.
        self.violations.get(row).copied().unwrap_or(0.0) + 0.0
    }

    /// The single objective by which a row ranks: infinite when failed. Ties and constraints are the
    /// algorithm's business.
    pub fn objective(&self, row: usize) -> f64 {
        if self.is_failed(row) {
            f64::INFINITY
        } else {
            self.objectives.get(row).copied().unwrap_or(f64::INFINITY)
        }
    }
}

/// What a search holds on to: its population or archive. Cheap to clone: columns are shared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// One column per block.
    pub genomes: Vec<Column>,
    /// `(n, n_objectives)`, minimised.
    pub objectives: Matrix<f64>,
    /// `(n, 1)` total violation, or empty.
    pub violations: Matrix<f64>,
    /// `(n, n_descriptors)`, or empty.
    pub descriptors: Matrix<f64>,
    /// `(n, 1)` identities, or empty.
    pub ids: Matrix<u64>,
    /// `(n, k)` identities of parents, as in [`Origins`]; or empty.
    pub parents: Matrix<u64>,
    /// `(n, 1)` operators, as in [`Origins`]; or empty.
    pub operators: Matrix<u8>,
    /// `(n, 1)` generation in which each row was told; or empty.
    pub generations: Matrix<u64>,
}

impl Population {
    /// Whether every column has a row for each genome and the genomes are of the space.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn check(&self, space: &Space) -> Result<()> {
        let n = self.genomes.first().map_or(0, Column::n_rows);
        if n > 0 {
            space.check(&self.genomes, n)?;
        }
        let columns = [
            ("objectives", self.objectives.n_rows()),
            ("violations", self.violations.n_rows()),
            ("descriptors", self.descriptors.n_rows()),
            ("ids", self.ids.n_rows()),
            ("parents", self.parents.n_rows()),
            ("operators", self.operators.n_rows()),
            ("generations", self.generations.n_rows()),
        ];
        match columns.into_iter().find(|(_, n_rows)| *n_rows != n && *n_rows != 0) {
            Some((name, n_rows)) => Err(Error::batch(name, format!("{n} rows"), n_rows)),
            None => Ok(()),
        }
    }
}

/// One kind of search over genomes. The harness [`crate::Run`] has checked everything that arrives:
/// shapes, bounds, finite scores, order of calls.
pub trait Algorithm: Send + Sync {
    /// What is searched.
    fn space(&self) -> &Space;

    /// Number of objectives it expects.
    fn n_objectives(&self) -> usize {
        1
    }

    /// Number of behaviour descriptors it expects; 0 for none.
    fn n_descriptors(&self) -> usize {
        0
    }

    /// Whether it needs `cases`.
    fn needs_cases(&self) -> bool {
        false
    }

    /// Rows of a batch when the caller does not say.
    fn batch_size(&self) -> usize;

    /// Whether `ask(n)` may ask for another number of rows.
    fn is_size_free(&self) -> bool {
        false
    }

    /// Whether rows may be told in any order and number, without waiting for a whole batch.
    fn is_steady(&self) -> bool {
        false
    }

    /// Memory that a row asked and told takes, about: `ask` is refused when there is not enough.
    fn bytes_a_row(&self) -> usize {
        // Parent and child, and what is known of both.
        2 * self.space().bytes_a_row() + 64
    }

    /// Whether `tell` may take long. It then asks [`crate::stop::check`] whether to go on, and ends
    /// before anything that is kept has changed.
    fn is_tell_long(&self) -> bool {
        false
    }

    /// Names of the variation operators, for lineage.
    fn operators(&self) -> &'static [&'static str] {
        &["sample"]
    }

    /// Write `n` candidates into `batch`. Its columns have the right types and hold the rows of an
    /// earlier batch; get memory by [`Matrix::reset`].
    ///
    /// # Errors
    /// What the algorithm documents.
    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()>;

    /// Whether [`Algorithm::tell`] would take these scores of `n_rows` rows: what it accepts here, it must not refuse
    /// there. For whoever tells several algorithms, all or none.
    ///
    /// # Errors
    /// What the algorithm documents.
    fn check_tell(&self, _n_rows: usize, _scores: &Scores<'_>) -> Result<()> {
        Ok(())
    }

    /// Whether a state that was loaded can go on: parts that agree in length with each other and with
    /// the space, settings in their ranges, finite numbers. A checksum finds damage; this finds
    /// content that no search wrote. Methods with a state of their own check more than this.
    ///
    /// # Errors
    /// The first thing that does not fit.
    fn check_state(&self) -> Result<()> {
        check_sizes(self)?;
        self.population().check(self.space())
    }

    /// Learn from scores. `batch` is the last one asked, or rows that the caller supplies instead;
    /// keep rows by cloning columns (cheap, shared) or by copying.
    ///
    /// # Errors
    /// What the algorithm documents; its state is then unchanged.
    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()>;

    /// What it holds.
    fn population(&self) -> Population;

    /// Why it would stop by itself, for example `tolerance`; none while it still moves.
    fn stop_reason(&self) -> Option<&'static str> {
        None
    }

    /// Figures for callbacks and plots, for example `("sigma", 0.3)`.
    fn figures(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

/// Whether a batch has a size that can be asked.
///
/// # Errors
/// It is empty, or larger than memory.
pub fn check_sizes<A: Algorithm + ?Sized>(algorithm: &A) -> Result<()> {
    let n_rows = algorithm.batch_size();
    let n_genes = algorithm.space().n_genes();
    if n_rows == 0 || n_rows.checked_mul(n_genes).is_none_or(|n| n > BATCH_VALUES_MAX) {
        let expected = format!("1 to {} rows", BATCH_VALUES_MAX / n_genes.max(1));
        return Err(Error::setting("batch_size", expected, n_rows));
    }
    Ok(())
}

/// How a method is made from its settings, which come as JSON from outside.
pub trait Build: Algorithm + Serialize + DeserializeOwned + Sized {
    /// Its settings; unknown names must be refused (`deny_unknown_fields`).
    type Settings: DeserializeOwned;

    /// A fresh search.
    ///
    /// # Errors
    /// A setting outside its range, or a space it cannot search.
    fn build(space: Space, settings: Self::Settings, seed: u64) -> Result<Self>;
}
