//! Engines of Chimera in pure Rust.
//!
//! `programs` holds the typed program representation with its three faces (Python in, WebAssembly
//! between, Python out) and its variation; `evolution` holds populations, archives and racing. This
//! crate knows neither Python objects nor a WebAssembly runtime.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod error;
pub mod evolution;
pub mod programs;

pub use chimera_rng as rng;
pub use error::{Diagnostic, Error, Result};
