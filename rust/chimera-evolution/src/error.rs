//! The error type of the crate: what was expected, what came, what to do.

/// Everything that can go wrong in a search.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting or a bound outside its range.
    #[error("{name}: expected {expected}, got {got}")]
    Setting {
        /// The setting's name.
        name: String,
        /// What is allowed.
        expected: String,
        /// What came.
        got: String,
    },
    /// Genomes or scores that do not fit the search; nothing was changed.
    #[error("{name}: expected {expected}, got {got}")]
    Batch {
        /// The argument's name.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// What came.
        got: String,
    },
    /// Calls in the wrong order.
    #[error("{0}")]
    Order(&'static str),
    /// More memory than there is; nothing was changed.
    #[error(
        "{what}: expected room for {n_bytes} bytes, got less memory; take less of it, or another setting"
    )]
    Memory {
        /// What needs it.
        what: &'static str,
        /// How much.
        n_bytes: usize,
    },
    /// The caller ended the call early, by [`crate::stop::when`].
    #[error("stopped before the end, as asked; nothing was made")]
    Stopped,
    /// A saved state that cannot be read.
    #[error(
        "saved search cannot be read: {reason}; start a new run, or use the version that wrote it"
    )]
    State {
        /// Why.
        reason: String,
    },
}

#[expect(clippy::needless_pass_by_value, reason = "what came is written once and dropped")]
impl Error {
    /// A setting outside its range.
    pub fn setting(
        name: impl Into<String>,
        expected: impl Into<String>,
        got: impl ToString,
    ) -> Self {
        Self::Setting { name: name.into(), expected: expected.into(), got: got.to_string() }
    }

    /// An argument of `tell` that does not fit.
    pub fn batch(name: &'static str, expected: impl Into<String>, got: impl ToString) -> Self {
        Self::Batch { name, expected: expected.into(), got: got.to_string() }
    }
}

/// Result with the crate's error.
pub type Result<T> = std::result::Result<T, Error>;
