//! The extension module `chimera._chimera`: thin faces of the Rust engines, one file per noun.

#![allow(clippy::doc_markdown, reason = "doc comments are Python docstrings")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "signatures have few parameters, and frames fit 32-bit memory"
)]
#![allow(clippy::needless_pass_by_value, reason = "pyo3 hands arguments over by value")]

mod archive;
mod array;
mod convert;
mod duplicates;
mod enter;
mod error;
mod evolution;
mod executable;
mod execution;
mod gp;
mod guarded;
mod neighbours;
mod pareto;
mod population;
mod probes;
mod programs;
mod value;
mod view;

/// Populations are large: their memory lies on huge pages where the system grants them.
#[global_allocator]
static ALLOCATOR: chimera_pages::HugePages = chimera_pages::HugePages;

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

    /// Population search over arrays.
    #[pyo3::pymodule]
    mod population {
        #[pymodule_export]
        use crate::archive::Archive;
        #[pymodule_export]
        use crate::duplicates::duplicates;
        #[pymodule_export]
        use crate::gp::{Columns, Expression, TreeSearch, Trees};
        #[pymodule_export]
        use crate::neighbours::neighbours;
        #[pymodule_export]
        use crate::pareto::{
            crowding_distance, front_indicator, hypervolume, hypervolume_contributions,
            hypervolume_estimate, pareto_ranks,
        };
        #[pymodule_export]
        use crate::population::Run;
    }

    /// The search over programs.
    #[pyo3::pymodule]
    mod evolution {
        #[pymodule_export]
        use crate::evolution::{Candidate, Search, Step};
    }
}
