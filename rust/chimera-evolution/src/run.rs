//! The harness around a search: order of calls, checks, counts, the best row, saving.

use serde::{Deserialize, Serialize};

use crate::algorithm::{Batch, Context, Scores};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::memory;
use crate::method::Method;
use crate::space::Space;
use crate::threads::Threads;

/// Most genes of one batch: 2^31, or 16 GiB of doubles.
pub const BATCH_VALUES_MAX: usize = 1 << 31;

const MAGIC: &[u8; 8] = b"chimevo\x01";

/// The best row of a run: least violation first, then least objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// One row per block.
    pub genomes: Vec<Column>,
    /// Its objectives.
    pub objectives: Vec<f64>,
    /// Its constraint violation.
    pub violation: f64,
    /// Its identity: how many rows had been asked before it.
    pub id: u64,
}

/// What a run knows besides its method; saved with it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Progress {
    seed: u64,
    generation: u64,
    n_asked: u64,
    n_evaluations: u64,
    n_failed: u64,
    is_pending: bool,
    first_id: u64,
    /// Objectives that the caller maximises; they are negated on the way in.
    maximized: Vec<bool>,
    best: Option<Best>,
    batch: Batch,
}

/// A search under way.
#[derive(Debug)]
pub struct Run {
    method: Method,
    progress: Progress,
    threads: Threads,
    /// Batches handed out earlier, written again once their holders have let go.
    spare: Vec<Batch>,
    /// Objectives as the algorithm sees them, when some are maximised.
    negated: Vec<f64>,
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
        Ok(Self { method, progress, threads, spare: Vec::new(), negated: Vec::new() })
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
        if self.progress.is_pending
            && !algorithm.is_steady()
            && self.progress.batch.n_rows() == n_rows
        {
            return Ok(&self.progress.batch);
        }
        if n_rows > self.progress.batch.n_rows() {
            memory::ensure("batch", n_rows, algorithm.bytes_a_row())?;
        }
        self.recycle();
        // Until the method has filled the batch there is nothing to tell.
        let was_pending = std::mem::replace(&mut self.progress.is_pending, false);
        let context = self.context(self.progress.n_asked);
        if let Err(error) =
            self.method.algorithm_mut().ask(n_rows, &context, &mut self.progress.batch)
        {
            self.progress.is_pending = was_pending && self.method.algorithm().is_steady();
            return Err(error);
        }
        self.progress.first_id = self.progress.n_asked;
        self.progress.n_asked += n_rows as u64;
        self.progress.is_pending = true;
        Ok(&self.progress.batch)
    }

    /// Puts a batch in place whose memory nobody else holds, if there is one.
    fn recycle(&mut self) {
        const SPARE_MAX: usize = 3;
        fn is_free(batch: &Batch) -> bool {
            batch.genomes.iter().all(|column| match column {
                Column::F64(matrix) => !matrix.is_shared(),
                Column::F32(matrix) => !matrix.is_shared(),
                Column::I64(matrix) => !matrix.is_shared(),
                Column::Bool(matrix) => !matrix.is_shared(),
            })
        }
        if is_free(&self.progress.batch) {
            return;
        }
        let free = self.spare.iter().position(is_free);
        let next = free.map_or_else(
            || Batch { genomes: self.method.algorithm().space().columns(), ..Batch::default() },
            |idx| self.spare.swap_remove(idx),
        );
        let held = std::mem::replace(&mut self.progress.batch, next);
        if self.spare.len() < SPARE_MAX {
            self.spare.push(held);
        }
    }

    /// Whether scores may be told now.
    ///
    /// # Errors
    /// Nothing was asked since the last scores.
    pub fn ensure_asked(&self) -> Result<()> {
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
        self.check(scores, n_rows)?;
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

    /// What `tell` does once everything was checked.
    fn digest(
        &mut self,
        genomes: Option<Vec<Column>>,
        scores: &Scores<'_>,
        n_rows: usize,
        n_skipped: usize,
    ) -> Result<()> {
        let context = self.context(self.progress.first_id);
        if let Some(columns) = genomes {
            let origins = if n_rows == self.progress.batch.n_rows() {
                self.progress.batch.origins.clone()
            } else {
                crate::algorithm::Origins::default()
            };
            let batch = Batch { genomes: columns, origins };
            self.method.algorithm_mut().tell(&batch, scores, &context)?;
            self.remember(Some(&batch), scores, n_rows);
        } else {
            self.method.algorithm_mut().tell(&self.progress.batch, scores, &context)?;
            self.remember(None, scores, n_rows);
        }
        self.progress.generation += 1;
        self.progress.n_evaluations += (n_rows - n_skipped) as u64;
        let n_failed = scores.failed.iter().filter(|failed| **failed).count() - n_skipped;
        self.progress.n_failed += n_failed as u64;
        self.progress.is_pending = false;
        Ok(())
    }

    fn check(&self, scores: &Scores<'_>, n_rows: usize) -> Result<()> {
        let algorithm = self.method.algorithm();
        check_scores("scores", scores.objectives, n_rows, algorithm.n_objectives(), scores)?;
        if !scores.violations.is_empty() {
            check_scores("violations", scores.violations, n_rows, 1, scores)?;
            let negative =
                (0..n_rows).find(|row| !scores.is_failed(*row) && scores.violation(*row) < 0.0);
            if let Some(row) = negative {
                return Err(Error::batch(
                    "violations",
                    "values of at least 0",
                    format!("{} in row {row}", scores.violation(row)),
                ));
            }
        }
        if algorithm.n_descriptors() > 0 || !scores.descriptors.is_empty() {
            let n = algorithm.n_descriptors();
            check_scores("descriptors", scores.descriptors, n_rows, n, scores)?;
        }
        if algorithm.needs_cases() || !scores.cases.is_empty() {
            let n = scores.cases.len() / n_rows;
            check_scores("cases", scores.cases, n_rows, n.max(1), scores)?;
        }
        if !scores.failed.is_empty() && scores.failed.len() != n_rows {
            return Err(Error::batch("failed", format!("{n_rows} values"), scores.failed.len()));
        }
        Ok(())
    }

    fn remember(&mut self, batch: Option<&Batch>, scores: &Scores<'_>, n_rows: usize) {
        if self.method.algorithm().n_objectives() != 1 {
            return;
        }
        let key = |row: usize| (scores.violation(row), scores.objective(row));
        let known = self.progress.best.as_ref().map_or((f64::INFINITY, f64::INFINITY), |best| {
            (best.violation, best.objectives.first().copied().unwrap_or(f64::INFINITY))
        });
        let mut best = None;
        let mut least = known;
        for row in 0..n_rows {
            if !scores.is_failed(row) && key(row) < least {
                least = key(row);
                best = Some(row);
            }
        }
        let Some(row) = best else { return };
        let batch = batch.unwrap_or(&self.progress.batch);
        self.progress.best = Some(Best {
            genomes: batch.genomes.iter().map(|column| column.select(&[row])).collect(),
            objectives: vec![scores.objective(row)],
            violation: scores.violation(row),
            id: self.progress.first_id + row as u64,
        });
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The batch asked last.
    pub const fn batch(&self) -> &Batch {
        &self.progress.batch
    }

    /// The best row so far, for single objectives.
    pub const fn best(&self) -> Option<&Best> {
        self.progress.best.as_ref()
    }

    /// Batches told.
    pub const fn generation(&self) -> u64 {
        self.progress.generation
    }

    /// Identity of the first row of the batch asked last.
    pub const fn first_id(&self) -> u64 {
        self.progress.first_id
    }

    /// Rows told.
    pub const fn n_evaluations(&self) -> u64 {
        self.progress.n_evaluations
    }

    /// Rows told whose evaluation had failed.
    pub const fn n_failed(&self) -> u64 {
        self.progress.n_failed
    }

    /// Rows asked so far.
    pub const fn n_asked(&self) -> u64 {
        self.progress.n_asked
    }

    /// The method and the seed, for a harness of another kind.
    pub fn into_method(self) -> (Method, u64) {
        (self.method, self.progress.seed)
    }

    /// The seed.
    pub const fn seed(&self) -> u64 {
        self.progress.seed
    }

    /// The whole state as bytes: magic, crate version, method, checksum.
    ///
    /// # Errors
    /// Never, unless memory runs out.
    pub fn save(&self) -> Result<Vec<u8>> {
        let state = self.method.to_bytes()?;
        let saved = (env!("CARGO_PKG_VERSION"), self.method.name(), &self.progress, state);
        let body = postcard::to_stdvec(&saved)
            .map_err(|error| Error::State { reason: error.to_string() })?;
        let mut out = Vec::with_capacity(body.len() + 16);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&checksum(&body).to_le_bytes());
        out.extend_from_slice(&body);
        Ok(out)
    }

    /// The run that [`Run::save`] wrote; it goes on as if never interrupted.
    ///
    /// # Errors
    /// Bytes that are not such a state, are damaged or cut, or come from another version.
    pub fn load(bytes: &[u8], threads: Threads) -> Result<Self> {
        let unreadable = |reason: &str| Error::State { reason: reason.to_owned() };
        let (magic, rest) =
            bytes.split_at_checked(8).ok_or_else(|| unreadable("it is too short"))?;
        if magic != MAGIC {
            return Err(unreadable("it does not begin as a saved search does"));
        }
        let (sum, body) = rest.split_at_checked(8).ok_or_else(|| unreadable("it is cut short"))?;
        if sum != checksum(body).to_le_bytes() {
            return Err(unreadable("it is damaged or cut short"));
        }
        let (version, _): (String, _) = postcard::take_from_bytes(body)
            .map_err(|error: postcard::Error| unreadable(&error.to_string()))?;
        if version != env!("CARGO_PKG_VERSION") {
            return Err(unreadable(&format!(
                "expected version {}, got {version}",
                env!("CARGO_PKG_VERSION")
            )));
        }
        let (_, name, progress, state): (String, String, Progress, Vec<u8>) =
            postcard::from_bytes(body).map_err(|error| unreadable(&error.to_string()))?;
        let method = Method::from_bytes(&name, &state)?;
        Ok(Self { method, progress, threads, spare: Vec::new(), negated: Vec::new() })
    }
}

/// FNV-1a over 64 bits: finds damage, not forgery.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn check_scores(
    name: &'static str,
    values: &[f64],
    n_rows: usize,
    n_columns: usize,
    scores: &Scores<'_>,
) -> Result<()> {
    if values.len() != n_rows * n_columns {
        let expected = if n_columns == 1 {
            format!("shape ({n_rows},)")
        } else {
            format!("shape ({n_rows}, {n_columns})")
        };
        return Err(Error::batch(name, expected, format!("{} values", values.len())));
    }
    let bad = values.iter().position(|value| !value.is_finite());
    if bad.is_none() {
        return Ok(());
    }
    for (idx, value) in values.iter().enumerate() {
        let row = idx / n_columns.max(1);
        if !value.is_finite() && !scores.is_failed(row) {
            return Err(Error::batch(
                name,
                "finite values (mark failed rows with failed=)",
                format!("{value} in row {row}"),
            ));
        }
    }
    Ok(())
}
