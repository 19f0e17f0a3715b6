//! Programs as bytes: a version, a checksum, then postcard.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ir::Program;
use super::python::FunctionSpan;
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"chimprg1";
const WHAT: &str = "a program";

#[derive(Serialize, Deserialize)]
struct Stored {
    program: Program,
    spans: Vec<FunctionSpan>,
}

/// Write a program and where its functions stand in their source.
///
/// # Errors
/// [`Error::State`] when it cannot be encoded.
pub fn save(program: &Program, spans: &[FunctionSpan]) -> Result<Vec<u8>> {
    let stored = Stored { program: program.clone(), spans: spans.to_vec() };
    let body = postcard::to_stdvec(&stored).map_err(|error| state(error.to_string()))?;
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&Sha256::digest(&body));
    out.extend_from_slice(&body);
    Ok(out)
}

/// Read what [`save`] wrote.
///
/// # Errors
/// [`Error::State`] when the bytes are truncated, changed, or of another version.
pub fn load(data: &[u8]) -> Result<(Program, Vec<FunctionSpan>)> {
    let rest = data.strip_prefix(MAGIC).ok_or_else(|| state("no such format".into()))?;
    let (sum, body) = rest.split_at_checked(32).ok_or_else(|| state("it is truncated".into()))?;
    if sum != Sha256::digest(body).as_slice() {
        return Err(state("its checksum does not match".into()));
    }
    let stored: Stored = postcard::from_bytes(body).map_err(|error| state(error.to_string()))?;
    super::check::check(&stored.program)?;
    Ok((stored.program, stored.spans))
}

fn state(reason: String) -> Error {
    Error::State { what: WHAT, reason }
}
