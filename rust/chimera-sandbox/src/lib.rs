//! WebAssembly runtime of Chimera: limits, module cache, batched evaluation.
//!
//! It runs modules that follow `docs/design/wasm-abi.md` and knows only bytes: a module, parameter
//! slots, an argument image with a call frame, result slots. It is not a compiler and knows no
//! program representation, no Python and no WASI.
//!
//! Invariants: a job's outcome does not depend on the number of threads, on other jobs of the batch,
//! or on whether its instance was reused; everything a module can consume has a limit; a trap or a
//! spent limit is a [`Status`], an [`Error`] means misuse or a broken host.

#![deny(unsafe_code)]
#![deny(missing_docs)]
#![warn(clippy::pedantic)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod cache;
mod config;
mod engine;
mod error;
mod host;
mod instance;
mod job;
mod libm;
mod module;
mod queue;
mod runtime;
mod ticker;

pub use config::{Allocation, Config, Limits, Metering, Optimization};
pub use error::{Error, Result};
pub use job::{
    CANONICAL_NAN, CancelFlag, Image, Job, Options, Outcome, Parameters, SlotKind, Status,
    canonical_bits,
};
pub use libm::{Binary, Unary, binary_functions, unary_functions};
pub use module::CompiledModule;
pub use runtime::Runtime;
