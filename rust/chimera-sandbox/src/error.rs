//! Errors of the sandbox: misuse and broken hosts, never what a running module does.

use std::time::Duration;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a request could not be carried out at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A limit or switch has a value the engine cannot work with; correct the configuration.
    #[error("expected {name} to be {expected}, got {got}")]
    Config {
        /// Name of the configuration field.
        name: &'static str,
        /// What the field accepts.
        expected: &'static str,
        /// The value given.
        got: u64,
    },
    /// Neither the pooling nor the on-demand engine could be built on this host.
    #[error("the WebAssembly engine could not be built: {message}")]
    Engine {
        /// The engine's own message.
        message: String,
    },
    /// The worker threads could not be started.
    #[error("{n_threads} sandbox threads could not be started: {message}")]
    Threads {
        /// Number of threads asked for.
        n_threads: usize,
        /// The operating system's message.
        message: String,
    },
    /// The module is larger than `Limits::module_bytes_max`.
    #[error("expected a module of at most {limit} bytes, got {bytes}")]
    ModuleSize {
        /// Size of the module.
        bytes: usize,
        /// The limit in force.
        limit: usize,
    },
    /// The bytes are no valid module, or use a WebAssembly feature that is switched off.
    #[error("the module does not compile: {message}")]
    Compile {
        /// The engine's own message.
        message: String,
    },
    /// The module imports something that the ABI does not offer, or with another type.
    #[error("expected only imports of the ABI, got {module:?}.{name:?}: {found}")]
    Import {
        /// Module part of the import.
        module: String,
        /// Name part of the import.
        name: String,
        /// What was found there.
        found: String,
    },
    /// The module lacks an export of the ABI, or exports it with another type.
    #[error("expected the export {name:?} to be {expected}, got {found}")]
    Export {
        /// Name of the export.
        name: String,
        /// The type the ABI asks for.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// The module asks for more memory at its start than `Limits::memory_bytes_max`.
    #[error("expected an initial memory of at most {limit} bytes, got {bytes}")]
    InitialMemory {
        /// Initial size of the module's memory.
        bytes: u64,
        /// The limit in force.
        limit: usize,
    },
    /// The job names an entry that the module does not export.
    #[error("job {job}: expected an exported entry, got {entry:?}")]
    Entry {
        /// Index of the job in its batch.
        job: usize,
        /// The name given.
        entry: String,
    },
    /// The job's module was compiled by another runtime.
    #[error("job {job}: expected a module compiled by this runtime")]
    ForeignModule {
        /// Index of the job in its batch.
        job: usize,
    },
    /// The job's regions overlap, overflow, or do not hold its frames.
    #[error("job {job}: expected {expected}, got {got}")]
    Layout {
        /// Index of the job in its batch.
        job: usize,
        /// The rule that is broken.
        expected: &'static str,
        /// The offending number.
        got: u64,
    },
    /// The module could not be instantiated for a reason that is not its own doing.
    #[error("an instance could not be created: {message}")]
    Instantiate {
        /// The engine's own message.
        message: String,
    },
    /// A job ended without an outcome; this is a bug in the scheduler.
    #[error("job {job} ended without an outcome after {waited:?}")]
    Lost {
        /// Index of the job in its batch.
        job: usize,
        /// Time since the batch began.
        waited: Duration,
    },
}
