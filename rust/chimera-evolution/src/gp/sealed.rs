//! Saved bytes: magic, checksum, crate version, content.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::run::checksum;

/// The bytes of `content`.
///
/// # Errors
/// Never, unless memory runs out.
pub fn seal(magic: [u8; 8], content: &impl Serialize) -> Result<Vec<u8>> {
    let body = postcard::to_stdvec(&(env!("CARGO_PKG_VERSION"), content))
        .map_err(|error| Error::State { reason: error.to_string() })?;
    let mut out = Vec::with_capacity(body.len() + 16);
    out.extend_from_slice(&magic);
    out.extend_from_slice(&checksum(&body).to_le_bytes());
    out.extend_from_slice(&body);
    Ok(out)
}

/// What [`seal`] wrote.
///
/// # Errors
/// Other bytes, damaged ones, or another version.
pub fn open<T: DeserializeOwned>(magic: [u8; 8], bytes: &[u8]) -> Result<T> {
    let unreadable = |reason: &str| Error::State { reason: reason.to_owned() };
    let damaged = |error: postcard::Error| unreadable(&error.to_string());
    let rest = bytes
        .strip_prefix(&magic)
        .ok_or_else(|| unreadable("it does not begin as one of this version does"))?;
    let (sum, body) = rest.split_at_checked(8).ok_or_else(|| unreadable("it is cut short"))?;
    if sum != checksum(body).to_le_bytes() {
        return Err(unreadable("it is damaged or cut short"));
    }
    let (version, content): (String, _) = postcard::take_from_bytes(body).map_err(damaged)?;
    if version != env!("CARGO_PKG_VERSION") {
        let ours = env!("CARGO_PKG_VERSION");
        return Err(unreadable(&format!("expected version {ours}, got {version}")));
    }
    postcard::from_bytes(content).map_err(damaged)
}
