//! Saved searches: a magic word, a version, a checksum, then the state in postcard's format.

use sha2::{Digest, Sha256};

use super::identity::identity;
use super::search::Search;
use crate::programs::ir::Program;
use crate::{Error, Result};

const MAGIC: &[u8; 8] = b"chimeraS";
/// Changes whenever the meaning of the bytes changes.
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 8 + 2 + 32;

fn unreadable(reason: impl Into<String>) -> Error {
    Error::State { what: "a search", reason: reason.into() }
}

impl Search {
    /// The whole state as bytes: equal states, equal bytes.
    ///
    /// # Errors
    /// [`Error::State`] when the state cannot be encoded, which would be a bug.
    pub fn save(&self) -> Result<Vec<u8>> {
        let body = postcard::to_stdvec(self).map_err(|error| unreadable(error.to_string()))?;
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(&body));
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// Restores what [`Self::save`] wrote.
    ///
    /// # Errors
    /// [`Error::State`] when the bytes are not a saved search, are of another version, truncated or changed.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(unreadable("it is truncated"));
        };
        if magic != MAGIC {
            return Err(unreadable("it is not a saved search"));
        }
        let Some((version, rest)) = rest.split_first_chunk::<2>() else {
            return Err(unreadable("it is truncated"));
        };
        let version = u16::from_le_bytes(*version);
        if version != VERSION {
            return Err(unreadable(format!("its version is {version}, expected {VERSION}")));
        }
        let Some((checksum, body)) = rest.split_first_chunk::<32>() else {
            return Err(unreadable("it is truncated"));
        };
        if Sha256::digest(body).as_slice() != checksum {
            return Err(unreadable("its checksum does not match"));
        }
        postcard::from_bytes(body).map_err(|error| unreadable(error.to_string()))
    }

    /// SHA-256 of [`Self::save`].
    ///
    /// # Errors
    /// [`Error::State`] when the state cannot be encoded, which would be a bug.
    pub fn digest(&self) -> Result<[u8; 32]> {
        Ok(Sha256::digest(self.save()?).into())
    }

    /// Checks that a restored search belongs to this program and number of instances.
    ///
    /// # Errors
    /// [`Error::State`] names what differs.
    pub fn check_matches(&self, baseline: &Program, n_instances: usize) -> Result<()> {
        if identity(baseline) != identity(&self.baseline) {
            return Err(unreadable("it was started from another program"));
        }
        if n_instances != self.n_instances {
            let reason =
                format!("it has {} training instances, the task {n_instances}", self.n_instances);
            return Err(unreadable(reason));
        }
        Ok(())
    }
}
