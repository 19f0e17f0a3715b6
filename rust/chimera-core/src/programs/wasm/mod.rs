//! Compiles a program to one WebAssembly module.
//!
//! A compiled function returns exactly what `CPython` returns, or traps at a numbered site with a
//! clear reason; it never gives a different answer. The host's side of the contract is
//! `docs/design/wasm-abi.md`. The module needs multi-value, bulk memory and wide arithmetic, and
//! uses branch hints where the host reads them. No optimiser here: the expression tree goes
//! straight to stack code, with small callees inlined and needless checks left out; the host's
//! compiler does the rest.

pub mod abi;
mod arith;
mod calls;
mod code;
mod emit;
mod expr;
mod flow;
mod folds;
mod helpers;
mod helpers_float;
mod helpers_int;
mod lists;
mod loops;
mod math;
mod module;
mod ranges;
mod reason;
mod walk;

pub use reason::{Reason, Site};

use super::ir::{Const, FunctionId, GlobalId, Program};
use super::types::Type;
use crate::Result;

/// How to compile.
#[derive(Clone, Debug)]
pub struct Options {
    /// The functions that the host may call.
    pub entries: Vec<FunctionId>,
    /// Whether `sum` of floats is compensated (Neumaier), as `CPython` does from 3.12 on.
    pub compensated_sum: bool,
    /// Initial values of the parameter slots, which [`super::ir::Expr::Parameter`] reads.
    pub parameters: Vec<Const>,
    /// Tables of ints or floats whose elements live in consecutive slots, from the given one on.
    pub parameter_tables: Vec<(GlobalId, u32)>,
    /// How deep calls of recursive functions may nest.
    pub recursion_max: u32,
    /// The declared maximum of the memory, in bytes; rounded down to whole pages.
    pub memory_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            compensated_sum: false,
            parameters: Vec::new(),
            parameter_tables: Vec::new(),
            recursion_max: 1000,
            memory_bytes_max: 64 << 20,
        }
    }
}

/// A function that the host may call, as `call:NAME` and, on scalars only, `many:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The Python name.
    pub name: String,
    /// Types of the parameters, in order.
    pub params: Vec<Type>,
    /// Types of the results, in order.
    pub returns: Vec<Type>,
}

/// A compiled program.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The module.
    pub wasm: Vec<u8>,
    /// What each value of the `trap_site` global means.
    pub sites: Vec<Site>,
    /// The entry functions, in the order of the options.
    pub entries: Vec<Entry>,
    /// Address of the first parameter slot.
    pub parameters_base: u32,
    /// How many 8-byte parameter slots there are.
    pub n_parameters: u32,
    /// Where images are written.
    pub input_base: u32,
}

/// Compile the functions that the entries reach.
///
/// # Errors
/// [`crate::Error::IllFormed`] when the program breaks an invariant of the representation;
/// [`crate::Error::Argument`] when the options name what does not exist or limits are too small.
pub fn compile(program: &Program, options: &Options) -> Result<Compiled> {
    module::compile(program, options)
}
