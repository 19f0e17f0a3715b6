//! How a run is saved, and what is checked when it is loaded.
//!
//! A checksum finds damage. It does not keep anybody from writing other content under a right one, so
//! what is read is checked like everything that comes from outside: it is refused, or it works.

use crate::algorithm::{Algorithm, Batch, NO_OPERATOR};
use crate::error::{Error, Result};
use crate::method::Method;
use crate::threads::Threads;

use super::{Progress, Run};

const MAGIC: &[u8; 8] = b"chimevo\x02";

/// Largest count of rows or generations in a saved run: no run gets there, and no sum overflows.
const COUNT_MAX: u64 = 1 << 53;

impl Run {
    /// The whole state as bytes: magic, checksum, crate version, method, state.
    ///
    /// # Errors
    /// The last call broke off midway.
    pub fn save(&self) -> Result<Vec<u8>> {
        self.ensure_sound()?;
        let state = self.method.to_bytes()?;
        let saved = (env!("CARGO_PKG_VERSION"), self.method.name(), &self.progress, state);
        let body = postcard::to_stdvec(&saved)
            .map_err(|error| Error::State { reason: error.to_string() })?;
        Ok(seal(&body))
    }

    /// The run that [`Run::save`] wrote; it goes on as if never interrupted.
    ///
    /// # Errors
    /// Bytes that are not such a state, are damaged or cut, hold what no search wrote, or come from
    /// another version.
    pub fn load(bytes: &[u8], threads: Threads) -> Result<Self> {
        let (magic, rest) =
            bytes.split_at_checked(8).ok_or_else(|| unreadable("it is too short"))?;
        if magic != MAGIC {
            return Err(unreadable("it does not begin as a search saved by this version does"));
        }
        let (sum, body) = rest.split_at_checked(8).ok_or_else(|| unreadable("it is cut short"))?;
        if sum != checksum(body).to_le_bytes() {
            return Err(unreadable("it is damaged or cut short"));
        }
        let (version, _): (String, _) =
            postcard::take_from_bytes(body).map_err(|error| unreadable(&error))?;
        if version != env!("CARGO_PKG_VERSION") {
            let ours = env!("CARGO_PKG_VERSION");
            return Err(unreadable(&format!("expected version {ours}, got {version}")));
        }
        let (_, name, mut progress, state): (String, String, Progress, Vec<u8>) =
            postcard::from_bytes(body).map_err(|error| unreadable(&error))?;
        let method = Method::from_bytes(&name, &state)?;
        progress.check(method.algorithm()).map_err(|error| unreadable(&error))?;
        progress.outstanding.restore();
        Ok(Self::with(method, progress, threads))
    }
}

fn unreadable(reason: &(impl ToString + ?Sized)) -> Error {
    Error::State { reason: reason.to_string() }
}

/// Magic and checksum before a body.
pub(super) fn seal(body: &[u8]) -> Vec<u8> {
    [MAGIC.as_slice(), &checksum(body).to_le_bytes(), body].concat()
}

/// FNV-1a over 64 bits: finds damage, not forgery.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl Progress {
    /// Whether it belongs to an algorithm in this state.
    fn check(&self, algorithm: &dyn Algorithm) -> Result<()> {
        let counts = [self.generation, self.next_id, self.n_evaluations, self.n_failed];
        let is_counted = counts.iter().all(|count| *count <= COUNT_MAX)
            && self.n_asked <= self.next_id
            && self.first_id <= self.next_id;
        if !is_counted {
            return Err(Error::Order("expected counts of rows that agree, got others"));
        }
        let n_objectives = algorithm.n_objectives();
        if !self.maximized.is_empty() && self.maximized.len() != n_objectives {
            let n = self.maximized.len();
            return Err(Error::batch("direction", format!("{n_objectives} of them"), n));
        }
        if let Some(best) = &self.best {
            algorithm.space().check(&best.genomes, 1)?;
            let is_good = best.objectives.iter().all(|value| value.is_finite());
            if best.objectives.len() != 1 || !is_good || !(best.violation >= 0.0) {
                return Err(Error::batch("best", "one finite objective", best.objectives.len()));
            }
        }
        self.outstanding.check(algorithm.space(), algorithm.operators().len())?;
        self.check_batch(algorithm)
    }

    fn check_batch(&self, algorithm: &dyn Algorithm) -> Result<()> {
        let n_rows = self.batch.n_rows();
        algorithm.space().check_columns(&self.batch.genomes)?;
        if n_rows > 0 {
            algorithm.space().check(&self.batch.genomes, n_rows)?;
        }
        let is_told_whole = !algorithm.is_steady() && !algorithm.is_size_free();
        if self.is_pending && (n_rows == 0 || is_told_whole && n_rows != algorithm.batch_size()) {
            return Err(Error::batch("batch", format!("{}", algorithm.batch_size()), n_rows));
        }
        check_origins(&self.batch, algorithm)
    }
}

/// Whether lineage has a row for each genome, and operators that exist.
fn check_origins(batch: &Batch, algorithm: &dyn Algorithm) -> Result<()> {
    let n_rows = batch.n_rows();
    let origins = &batch.origins;
    let lengths = [
        ("parents", origins.parents.n_rows()),
        ("operators", origins.operators.as_slice().len()),
        ("tags", origins.tags.as_slice().len()),
        ("ids", batch.ids.as_slice().len()),
    ];
    if let Some((name, n)) = lengths.into_iter().find(|(_, n)| *n != 0 && *n != n_rows) {
        return Err(Error::batch(name, format!("{n_rows} rows"), n));
    }
    let n_operators = algorithm.operators().len();
    let is_known = |operator: &u8| usize::from(*operator) < n_operators || *operator == NO_OPERATOR;
    match origins.operators.as_slice().iter().find(|operator| !is_known(operator)) {
        Some(operator) => {
            Err(Error::batch("operators", format!("numbers below {n_operators}"), operator))
        }
        None => Ok(()),
    }
}
