//! `chimera._chimera.programs`: the program representation.

use std::sync::{Arc, OnceLock};

use chimera_core::programs::python::{FunctionSpan, ParseOptions, parse};
use chimera_core::programs::{ir, print, reduce, simplify, tune, walk};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sha2::{Digest, Sha256};

use crate::error::Outcome;

/// A program: typed functions that call each other, and module constants.
///
/// Immutable. Made by `Program.parse`, by variation, or by `Program.from_bytes`.
#[pyclass(frozen, module = "chimera._chimera.programs")]
pub struct Program {
    pub(crate) inner: Arc<ir::Program>,
    pub(crate) spans: Arc<Vec<FunctionSpan>>,
    source: OnceLock<String>,
}

impl Program {
    pub(crate) fn new(inner: Arc<ir::Program>, spans: Arc<Vec<FunctionSpan>>) -> Self {
        Self { inner, spans, source: OnceLock::new() }
    }

    fn text(&self) -> &str {
        self.source.get_or_init(|| print::source(&self.inner))
    }
}

#[pymethods]
impl Program {
    /// Parse Python source and lower `roots` and everything they call.
    ///
    /// Args:
    ///     source: Text of a Python module.
    ///     file: Name for diagnostics.
    ///     roots: Functions to compile.
    ///     evolvable: Functions that variation may change.
    ///
    /// Raises:
    ///     SourceError: The text leaves the subset; all findings are reported at once.
    #[staticmethod]
    #[pyo3(signature = (source, *, roots, evolvable = Vec::new(), file = "<string>"))]
    fn parse(
        source: &str,
        roots: Vec<String>,
        evolvable: Vec<String>,
        file: &str,
    ) -> Outcome<Self> {
        let options = ParseOptions { file: file.to_owned(), roots, evolvable };
        let parsed = parse(source, &options)?;
        Ok(Self::new(Arc::new(parsed.program), Arc::new(parsed.spans)))
    }

    /// The evolvable functions and the constants they read, as formatted Python.
    fn source(&self) -> String {
        self.text().to_owned()
    }

    /// One function as formatted Python; None when the program has no such function.
    fn function_source(&self, name: &str) -> Option<String> {
        let function = self.inner.function(self.inner.function_id(name)?)?;
        Some(print::function_source(&self.inner, function))
    }

    /// The original file with its evolvable functions replaced by this program's.
    fn splice(&self, original: &str) -> String {
        print::splice(&self.inner, &self.spans, original)
    }

    /// SHA-256 of `source()`, in hexadecimal.
    #[getter]
    pub(crate) fn id(&self) -> String {
        hex(&Sha256::digest(self.text().as_bytes()))
    }

    /// Number of nodes of the evolvable functions.
    #[getter]
    pub(crate) fn size(&self) -> usize {
        walk::size(&self.inner)
    }

    /// Names of all functions.
    #[getter]
    fn functions(&self) -> Vec<String> {
        self.inner.functions.iter().map(|function| function.name.clone()).collect()
    }

    /// Names of the functions that variation may change.
    #[getter]
    fn evolvable(&self) -> Vec<String> {
        let functions = self.inner.functions.iter().filter(|function| function.is_evolvable);
        functions.map(|function| function.name.clone()).collect()
    }

    /// Parameters (name, annotation) and return annotation of a function.
    fn signature(&self, name: &str) -> Option<(Vec<(String, String)>, String)> {
        let function = self.inner.function(self.inner.function_id(name)?)?;
        let params = function
            .params()
            .iter()
            .map(|param| (param.name.clone(), param.ty.annotation().to_owned()))
            .collect();
        Some((params, function.returns.annotation()))
    }

    /// An equal program with dead code removed, constants folded and expressions simplified.
    fn simplify(&self, py: Python<'_>) -> Self {
        let inner = py.detach(|| simplify::simplify(&self.inner));
        Self::new(Arc::new(inner), Arc::clone(&self.spans))
    }

    /// Smaller programs that lack one part of this one, smallest first.
    fn reductions(&self, py: Python<'_>) -> Vec<Self> {
        let found = py.detach(|| reduce::reductions(&self.inner));
        found
            .into_iter()
            .map(|program| Self::new(Arc::new(program), Arc::clone(&self.spans)))
            .collect()
    }

    /// The program with every tunable float rounded to this many significant digits (1 to 17).
    fn rounded(&self, digits: usize) -> Self {
        Self::new(Arc::new(tune::rounded(&self.inner, digits)), Arc::clone(&self.spans))
    }

    /// The program as bytes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Outcome<Bound<'py, PyBytes>> {
        let bytes = chimera_core::programs::store::save(&self.inner, &self.spans)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Read what `to_bytes` wrote.
    ///
    /// Raises:
    ///     StateError: The bytes are damaged or of another version.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> Outcome<Self> {
        let (program, spans) = chimera_core::programs::store::load(data)?;
        Ok(Self::new(Arc::new(program), Arc::new(spans)))
    }

    fn __repr__(&self) -> String {
        format!("<Program {} of {} nodes>", self.evolvable().join(", "), self.size())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    fn __hash__(&self) -> u64 {
        let digest = Sha256::digest(self.text().as_bytes());
        digest.first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// The identity of a program as users see it: SHA-256 of its source.
pub fn source_id(program: &ir::Program) -> String {
    hex(&Sha256::digest(print::source(program).as_bytes()))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}
