//! The extension module `chimera._chimera`: thin faces of the Rust engines, one file per noun.

mod enter;
mod error;
mod evolution;
mod executable;
mod execution;
mod programs;
mod value;

/// Native engines of Chimera.
#[pyo3::pymodule(module = "chimera")]
mod _chimera {
    /// The program representation: Python in, WebAssembly between, Python out.
    #[pyo3::pymodule]
    mod programs {
        #[pymodule_export]
        use crate::programs::Program;
    }

    /// Sandboxed runs under limits.
    #[pyo3::pymodule]
    mod execution {
        #[pymodule_export]
        use crate::execution::{CallOutcome, Engine, Evaluations, Instances};
    }

    /// The search over programs.
    #[pyo3::pymodule]
    mod evolution {
        #[pymodule_export]
        use crate::evolution::{Candidate, Search, Step};
    }
}
