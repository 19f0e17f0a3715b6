//! The one place where errors of the engines become Python exceptions of `chimera.errors`.

use chimera_core::{Diagnostic, Error};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

pyo3::import_exception!(chimera.errors, SourceError);
pyo3::import_exception!(chimera.errors, ArgumentError);
pyo3::import_exception!(chimera.errors, StateError);
pyo3::import_exception!(chimera.errors, ProgramError);
pyo3::import_exception!(chimera.errors, BatchError);
pyo3::import_exception!(chimera.errors, OrderError);
pyo3::import_exception!(chimera.errors, ConfigError);
pyo3::import_exception!(chimera.errors, CapacityError);

/// Why a call of the extension failed.
#[derive(Debug)]
pub enum Failure {
    /// An engine refused.
    Core(Error),
    /// A search refused.
    Search(chimera_evolution::Error),
    /// The sandbox refused.
    Sandbox(chimera_sandbox::Error),
    /// An argument has the wrong type or value.
    Argument(String),
    /// A setting is outside its range.
    Config(String),
    /// Python raised, or Ctrl-C came.
    Python(PyErr),
    /// Ctrl-C came while the call was detached.
    Interrupted,
    /// A call before this one panicked and may have left its state half changed.
    Broken,
}

/// Result of a binding function.
pub type Outcome<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}
impl From<chimera_evolution::Error> for Failure {
    fn from(error: chimera_evolution::Error) -> Self {
        Self::Search(error)
    }
}
impl From<chimera_sandbox::Error> for Failure {
    fn from(error: chimera_sandbox::Error) -> Self {
        Self::Sandbox(error)
    }
}
impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Core(Error::Source(diagnostics)) => source(&diagnostics),
            Failure::Core(error @ Error::Argument { .. }) => {
                ArgumentError::new_err(error.to_string())
            }
            Failure::Core(error @ Error::State { .. }) => StateError::new_err(error.to_string()),
            Failure::Core(error) => ProgramError::new_err(error.to_string()),
            Failure::Search(error) => search(&error),
            Failure::Sandbox(error) => ProgramError::new_err(error.to_string()),
            Failure::Argument(message) => ArgumentError::new_err(message),
            Failure::Config(message) => ConfigError::new_err(message),
            Failure::Python(error) => error,
            Failure::Interrupted => PyKeyboardInterrupt::new_err(()),
            Failure::Broken => StateError::new_err(
                "expected a sound state, got one that an earlier call broke (a defect of Chimera: \
                 please report it); load what was saved last, or start anew",
            ),
        }
    }
}

fn search(error: &chimera_evolution::Error) -> PyErr {
    use chimera_evolution::Error as Search;
    let message = error.to_string();
    match error {
        Search::Batch { .. } => BatchError::new_err(message),
        Search::Order(_) => OrderError::new_err(message),
        Search::State { .. } => StateError::new_err(message),
        Search::Memory { .. } => CapacityError::new_err(message),
        Search::Stopped => PyKeyboardInterrupt::new_err(message),
        _ => ConfigError::new_err(message),
    }
}

fn source(diagnostics: &[Diagnostic]) -> PyErr {
    let message: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    Python::attach(|py| {
        let items = PyList::empty(py);
        for diagnostic in diagnostics {
            let item = PyDict::new(py);
            let filled = item
                .set_item("file", &diagnostic.file)
                .and_then(|()| item.set_item("line", diagnostic.line))
                .and_then(|()| item.set_item("column", diagnostic.column))
                .and_then(|()| item.set_item("construct", &diagnostic.construct))
                .and_then(|()| item.set_item("message", &diagnostic.message))
                .and_then(|()| item.set_item("help", &diagnostic.help))
                .and_then(|()| items.append(item));
            if let Err(error) = filled {
                return error;
            }
        }
        SourceError::new_err((message.join("\n"), items.unbind()))
    })
}
