//! The error type of the crate. Refused source is a [`Diagnostic`]; everything else says what was
//! expected, what came and what to do.

use std::fmt;

/// A refusal of Python source, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// File name as given by the caller.
    pub file: String,
    /// 1-based line.
    pub line: u32,
    /// 1-based column, in characters.
    pub column: u32,
    /// The construct that is refused, for example `dict literal`.
    pub construct: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}:{}: {}: {}",
            self.file, self.line, self.column, self.construct, self.message
        )?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "\n  help: {}", self.help) }
    }
}

/// Everything that can go wrong in the engines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Source outside the subset; fix it as the diagnostics say.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Source(Vec<Diagnostic>),
    /// A program that breaks an invariant of the representation: a bug in whatever made it.
    #[error("ill-formed program: {what} in function {function}")]
    IllFormed {
        /// Where.
        function: String,
        /// Which invariant.
        what: String,
    },
    /// An argument outside its range.
    #[error("{name}: expected {expected}, got {got}")]
    Argument {
        /// The argument's name.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// What came.
        got: String,
    },
    /// A saved state that cannot be read.
    #[error(
        "saved state of {what} cannot be read: {reason}; start a new run, or use the version that wrote it"
    )]
    State {
        /// Which state.
        what: &'static str,
        /// Why.
        reason: String,
    },
}

/// Result with the crate's error.
pub type Result<T> = std::result::Result<T, Error>;
