//! The harness around a search: order of calls, checks, counts, identities, the best row, saving.
//!
//! Searches that are not steady are told the batch asked last, whole. Steady ones may be told any
//! rows: those of the last batch are known by their place, earlier ones by their genes
//! ([`outstanding`]), others are foreign and get an identity of their own.

mod facts;
mod outstanding;
mod saved;
mod scores;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::algorithm::{Batch, Context, Origins, Scores, Spares};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::memory;
use crate::method::Method;
use crate::space::Space;
use crate::threads::Threads;
use outstanding::Outstanding;
pub use outstanding::{OUTSTANDING_GENES_MAX, OUTSTANDING_ROWS_MAX};
pub(crate) use saved::checksum;

/// Most genes of one batch: 2^31, or 16 GiB of doubles.
pub const BATCH_VALUES_MAX: usize = 1 << 31;

/// The best row of a run: least violation first, then least objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// One row per block.
    pub genomes: Vec<Column>,
    /// Its objectives.
    pub objectives: Vec<f64>,
    /// Its constraint violation.
    pub violation: f64,
    /// Its identity.
    pub id: u64,
}

/// What a run knows besides its method; saved with it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Progress {
    seed: u64,
    generation: u64,
    n_asked: u64,
    /// The next identity: rows asked, and rows told without having been asked.
    next_id: u64,
    n_evaluations: u64,
    n_failed: u64,
    /// Whether the batch asked last may be told by its places.
    is_pending: bool,
    first_id: u64,
    /// Objectives that the caller maximises; they are negated on the way in.
    maximized: Vec<bool>,
    best: Option<Best>,
    batch: Batch,
    /// Rows of earlier batches that a steady search may still be told.
    outstanding: Outstanding,
}

/// Who the rows told last were.
#[derive(Debug, Default)]
enum Told {
    /// None, or rows were asked since.
    #[default]
    Nobody,
    /// The batch asked last.
    Batch,
    /// Others.
    Rows(Matrix<u64>, Origins),
}

/// A search under way.
#[derive(Debug)]
pub struct Run {
    method: Method,
    progress: Progress,
    threads: Threads,
    spares: Spares,
    /// Objectives as the algorithm sees them, when some are maximised.
    negated: Vec<f64>,
    told: Told,
    /// Set while the method changes its state: still set afterwards, it broke off midway.
    is_changing: bool,
}

impl Run {
    /// A fresh run of the method called `name`; `settings` is a JSON object.
    ///
    /// # Errors
    /// As [`Method::new`].
    pub fn new(
        name: &str,
        space: Space,
        settings: &str,
        seed: u64,
        threads: Threads,
    ) -> Result<Self> {
        let method = Method::new(name, space, settings, seed)?;
        let batch = Batch { genomes: method.algorithm().space().columns(), ..Batch::default() };
        let progress = Progress { seed, batch, ..Progress::default() };
        Ok(Self::with(method, progress, threads))
    }

    fn with(method: Method, progress: Progress, threads: Threads) -> Self {
        Self {
            method,
            progress,
            threads,
            spares: Spares::default(),
            negated: Vec::new(),
            told: Told::Nobody,
            is_changing: false,
        }
    }

    /// Refuses a search that broke off in the middle of a change.
    fn ensure_sound(&self) -> Result<()> {
        if self.is_changing {
            return Err(Error::Order(
                "expected a search in order, got one whose last call broke off midway; \
                 load a saved one or start anew",
            ));
        }
        Ok(())
    }

    /// Objectives that the caller maximises; they are negated before the algorithm sees them, and
    /// everything it returns is of the minimised kind.
    ///
    /// # Errors
    /// Another number of claims than objectives.
    pub fn set_maximized(&mut self, maximized: Vec<bool>) -> Result<()> {
        let n = self.method.algorithm().n_objectives();
        if maximized.len() != n {
            return Err(Error::setting("direction", format!("{n} of them"), maximized.len()));
        }
        self.progress.maximized = maximized;
        Ok(())
    }

    /// Objectives that the caller maximises; empty when none was named.
    pub fn maximized(&self) -> &[bool] {
        &self.progress.maximized
    }

    fn context(&self, first_id: u64) -> Context {
        Context {
            seed: self.progress.seed,
            generation: self.progress.generation,
            first_id,
            threads: self.threads.clone(),
        }
    }

    /// The next candidates; `None` for as many as the method likes. Asking again without telling
    /// gives the same batch, except for steady methods, which give new rows.
    ///
    /// # Errors
    /// `n` is 0, another number than the method works with, or needs more memory than there is.
    pub fn ask(&mut self, n: Option<usize>) -> Result<&Batch> {
        self.ensure_sound()?;
        let algorithm = self.method.algorithm();
        let n_rows = n.unwrap_or_else(|| algorithm.batch_size());
        if n_rows == 0 || (n_rows != algorithm.batch_size() && !algorithm.is_size_free()) {
            let expected = if algorithm.is_size_free() {
                "at least 1".to_owned()
            } else {
                format!("{}, the batch size of {}", algorithm.batch_size(), self.method.name())
            };
            return Err(Error::batch("n", expected, n_rows));
        }
        let n_values = n_rows.checked_mul(algorithm.space().n_genes());
        if n_values.is_none_or(|n_values| n_values > BATCH_VALUES_MAX) {
            let expected = format!("at most {BATCH_VALUES_MAX} genes in all rows");
            return Err(Error::batch("n", expected, n_rows));
        }
        let is_steady = algorithm.is_steady();
        if self.progress.is_pending && !is_steady && self.progress.batch.n_rows() == n_rows {
            return Ok(&self.progress.batch);
        }
        if n_rows > self.progress.batch.n_rows() {
            memory::ensure("batch", n_rows, algorithm.bytes_a_row())?;
        }
        if is_steady {
            self.shelve();
        }
        self.told = Told::Nobody;
        self.spares.renew(&mut self.progress.batch, self.method.algorithm().space());
        // Until the method has filled the batch there is nothing to tell.
        self.progress.is_pending = false;
        let context = self.context(self.progress.next_id);
        self.is_changing = true;
        let asked = self.method.algorithm_mut().ask(n_rows, &context, &mut self.progress.batch);
        self.is_changing = false;
        asked?;
        self.progress.first_id = self.progress.next_id;
        self.progress.n_asked += n_rows as u64;
        self.progress.next_id += n_rows as u64;
        self.progress.is_pending = true;
        Ok(&self.progress.batch)
    }

    /// Remembers the rows of the last batch one by one: they may be told in any order from here on.
    fn shelve(&mut self) {
        if std::mem::replace(&mut self.progress.is_pending, false) {
            let Progress { outstanding, batch, first_id, .. } = &mut self.progress;
            outstanding.remember(batch, *first_id);
        }
    }

    /// Whether scores may be told now.
    ///
    /// # Errors
    /// Nothing was asked since the last scores.
    pub fn ensure_asked(&self) -> Result<()> {
        self.ensure_sound()?;
        let is_steady = self.method.algorithm().is_steady();
        if self.progress.n_asked == 0 || (!self.progress.is_pending && !is_steady) {
            return Err(Error::Order("tell: expected a batch that was asked; call ask first"));
        }
        Ok(())
    }

    /// Hand in scores for the batch asked last, or for `genomes` supplied instead of it.
    ///
    /// # Errors
    /// Nothing was asked; shapes that do not fit; NaN or infinite scores in rows that are not marked
    /// failed; genomes outside the space. The state is then unchanged.
    pub fn tell(&mut self, genomes: Option<Vec<Column>>, scores: &Scores<'_>) -> Result<()> {
        self.tell_part(genomes, scores, 0)
    }

    /// As [`Run::tell`], but the last `n_skipped` rows were never evaluated, because a budget ended
    /// before them. They must be marked failed, which is what the method learns of them; they count
    /// neither as evaluated nor as failed.
    ///
    /// # Errors
    /// As [`Run::tell`]; no row was evaluated, or a skipped one is not marked failed.
    pub fn tell_part(
        &mut self,
        genomes: Option<Vec<Column>>,
        scores: &Scores<'_>,
        n_skipped: usize,
    ) -> Result<()> {
        self.ensure_asked()?;
        let algorithm = self.method.algorithm();
        let n_rows = match &genomes {
            Some(columns) => {
                let n_rows = columns.first().map_or(0, Column::n_rows);
                algorithm.space().check(columns, n_rows)?;
                n_rows
            }
            None => self.progress.batch.n_rows(),
        };
        if n_rows == 0 || (n_rows != self.progress.batch.n_rows() && !algorithm.is_steady()) {
            return Err(Error::batch(
                "batch",
                format!("{} rows, as asked", self.progress.batch.n_rows()),
                n_rows,
            ));
        }
        scores::check(algorithm, scores, n_rows)?;
        if n_skipped >= n_rows || !(n_rows - n_skipped..n_rows).all(|row| scores.is_failed(row)) {
            let expected = format!("less than {n_rows} rows, all marked failed");
            return Err(Error::batch("skipped", expected, n_skipped));
        }
        let maximized = &self.progress.maximized;
        if !maximized.contains(&true) {
            return self.digest(genomes, scores, n_rows, n_skipped);
        }
        let mut negated = std::mem::take(&mut self.negated);
        negated.clear();
        let signed = scores.objectives.iter().zip(maximized.iter().cycle());
        negated.extend(
            signed.map(|(value, is_maximized)| if *is_maximized { -value } else { *value }),
        );
        let scores = Scores { objectives: &negated, ..*scores };
        let told = self.digest(genomes, &scores, n_rows, n_skipped);
        self.negated = negated;
        told
    }

    /// What `tell` does once shapes and values were checked.
    fn digest(
        &mut self,
        genomes: Option<Vec<Column>>,
        scores: &Scores<'_>,
        n_rows: usize,
        n_skipped: usize,
    ) -> Result<()> {
        let context = self.context(self.progress.first_id);
        if self.method.algorithm().is_steady() && !self.is_last_batch(genomes.as_deref()) {
            let genomes = genomes.unwrap_or_else(|| self.progress.batch.genomes.clone());
            self.digest_rows(genomes, scores, &context)?;
        } else {
            let own = genomes.map(|genomes| {
                // Rows in place of those asked: they keep the identities and the lineage.
                let Batch { origins, ids, .. } = &self.progress.batch;
                Batch { genomes, origins: origins.clone(), ids: ids.clone() }
            });
            let Self { method, progress, is_changing, .. } = self;
            let batch = own.as_ref().unwrap_or(&progress.batch);
            teach(method, is_changing, batch, scores, &context)?;
            let best = best_of(method, progress.best.as_ref(), batch, scores, &context);
            progress.best = best.or(progress.best.take());
            self.told = Told::Batch;
        }
        self.progress.generation += 1;
        self.progress.n_evaluations += (n_rows - n_skipped) as u64;
        let n_failed = scores.failed.iter().filter(|failed| **failed).count() - n_skipped;
        self.progress.n_failed += n_failed as u64;
        self.progress.is_pending = false;
        Ok(())
    }

    /// Whether rows told to a steady search are those asked last, none of them told yet. A copy may
    /// as well be of equal rows that were asked earlier.
    fn is_last_batch(&self, genomes: Option<&[Column]>) -> bool {
        let Progress { is_pending, batch, outstanding, .. } = &self.progress;
        let is_same = |columns: &[Column]| outstanding.len() == 0 && columns == batch.genomes;
        *is_pending && genomes.is_none_or(is_same)
    }

    /// Tells a steady search rows of any batch, or of none.
    fn digest_rows(
        &mut self,
        genomes: Vec<Column>,
        scores: &Scores<'_>,
        context: &Context,
    ) -> Result<()> {
        let mut batch = Batch { genomes, ..Batch::default() };
        self.shelve();
        let mut next_id = self.progress.next_id;
        let taken = self.progress.outstanding.identify(&mut batch, &mut next_id);
        let Self { method, progress, is_changing, .. } = self;
        if let Err(error) = teach(method, is_changing, &batch, scores, context) {
            progress.outstanding.put_back(taken);
            return Err(error);
        }
        progress.next_id = next_id;
        let best = best_of(method, progress.best.as_ref(), &batch, scores, context);
        progress.best = best.or(progress.best.take());
        self.told = Told::Rows(batch.ids, batch.origins);
        Ok(())
    }
}

/// Has a method learn; `is_changing` stays set when it breaks off.
fn teach(
    method: &mut Method,
    is_changing: &mut bool,
    batch: &Batch,
    scores: &Scores<'_>,
    context: &Context,
) -> Result<()> {
    *is_changing = true;
    let told = method.algorithm_mut().tell(batch, scores, context);
    *is_changing = false;
    told
}

/// The best row of a batch, if it beats the best one known. None with several objectives.
fn best_of(
    method: &Method,
    known: Option<&Best>,
    batch: &Batch,
    scores: &Scores<'_>,
    context: &Context,
) -> Option<Best> {
    if method.algorithm().n_objectives() != 1 {
        return None;
    }
    let key = |row: usize| (scores.violation(row), scores.objective(row));
    let mut least = known.map_or((f64::INFINITY, f64::INFINITY), |best| {
        (best.violation, best.objectives.first().copied().unwrap_or(f64::INFINITY))
    });
    let mut best = None;
    for row in 0..batch.n_rows() {
        if !scores.is_failed(row) && key(row) < least {
            least = key(row);
            best = Some(row);
        }
    }
    best.map(|row| Best {
        genomes: batch.genomes.iter().map(|column| column.select(&[row])).collect(),
        objectives: vec![scores.objective(row)],
        violation: scores.violation(row),
        id: batch.id(row, context),
    })
}
