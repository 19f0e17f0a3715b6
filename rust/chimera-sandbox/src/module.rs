//! A compiled module with the exports of the ABI looked up once.

use std::fmt;

use wasmtime::{
    Engine, ExternType, InstancePre, Linker, Module, ModuleExport, Mutability, ValType,
};

use crate::config::{Limits, Metering};
use crate::error::{Error, Result};
use crate::host::{self, Host};
use crate::libm;

/// One `call:` or `many:` export.
#[derive(Clone)]
pub(crate) struct EntryExport {
    pub name: String,
    pub is_many: bool,
    pub export: ModuleExport,
}

/// The non-function exports of the ABI. Under [`Metering::Epoch`] the globals may be absent.
#[derive(Clone)]
pub(crate) struct Exports {
    pub memory: ModuleExport,
    pub heap: Option<ModuleExport>,
    pub fuel: Option<ModuleExport>,
    pub trap_site: Option<ModuleExport>,
    pub done: Option<ModuleExport>,
}

/// A module that can be run; cheap to share behind an `Arc`.
pub struct CompiledModule {
    pub(crate) pre: InstancePre<Host>,
    pub(crate) exports: Exports,
    /// Sorted by name.
    pub(crate) entries: Vec<EntryExport>,
    bytes: usize,
}

impl fmt::Debug for CompiledModule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CompiledModule")
            .field("entries", &self.entry_names().collect::<Vec<_>>())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl CompiledModule {
    /// Compiles a module and checks its imports and exports against the ABI.
    pub(crate) fn new(
        linker: &Linker<Host>,
        wasm: &[u8],
        limits: &Limits,
        metering: Metering,
    ) -> Result<Self> {
        if wasm.len() > limits.module_bytes_max {
            let (bytes, limit) = (wasm.len(), limits.module_bytes_max);
            return Err(Error::ModuleSize { bytes, limit });
        }
        let module = Module::from_binary(linker.engine(), wasm)
            .map_err(|error| Error::Compile { message: format!("{error:#}") })?;
        let pre = check_imports(linker, &module)?;
        check_memory(&module, limits)?;
        let entries = find_entries(&module)?;
        let is_required = metering == Metering::Cooperative;
        let has_many = entries.iter().any(|entry| entry.is_many);
        let global = |name, content, is_required| find_global(&module, name, &content, is_required);
        let exports = Exports {
            memory: find(&module, "memory", "a memory")?,
            heap: global("heap", ValType::I32, is_required)?,
            fuel: global("fuel", ValType::I64, is_required)?,
            trap_site: global("trap_site", ValType::I32, is_required)?,
            done: global("done", ValType::I32, is_required && has_many)?,
        };
        Ok(Self { pre, exports, entries, bytes: wasm.len() })
    }

    /// Returns the names of the `call:` and `many:` exports in alphabetical order.
    pub fn entry_names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Returns the size of the WebAssembly it was compiled from.
    #[must_use]
    pub fn wasm_bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.pre.module().engine()
    }

    /// Finds an entry: its index and whether it takes a number of frames.
    pub(crate) fn entry(&self, name: &str) -> Option<(usize, bool)> {
        let idx = self.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
        self.entries.get(idx).map(|entry| (idx, entry.is_many))
    }
}

fn check_imports(linker: &Linker<Host>, module: &Module) -> Result<InstancePre<Host>> {
    for import in module.imports() {
        let offered = abi_signature(import.module(), import.name());
        let is_fine = matches!((offered, import.ty()), (Some(value), ExternType::Func(function))
            if value.0 == function.params().len()
                && function.results().len() == 1
                && function.params().chain(function.results()).all(|ty| value.1.matches(&ty)));
        if !is_fine {
            let (module, name) = (import.module().to_owned(), import.name().to_owned());
            return Err(Error::Import { module, name, found: describe(Some(&import.ty())) });
        }
    }
    linker.instantiate_pre(module).map_err(|error| Error::Compile { message: format!("{error:#}") })
}

/// Returns the number of parameters of an import and the type of all its values.
fn abi_signature(module: &str, name: &str) -> Option<(usize, ValType)> {
    if module != host::MODULE {
        None
    } else if name == "refill" {
        Some((1, ValType::I64))
    } else if libm::unary_functions().iter().any(|(known, _)| *known == name) {
        Some((1, ValType::F64))
    } else if libm::binary_functions().iter().any(|(known, _)| *known == name) {
        Some((2, ValType::F64))
    } else {
        None
    }
}

fn check_memory(module: &Module, limits: &Limits) -> Result<()> {
    let Some(ExternType::Memory(memory)) = module.get_export("memory") else {
        let found = describe(module.get_export("memory").as_ref());
        return Err(Error::Export { name: "memory".to_owned(), expected: "a memory", found });
    };
    let bytes = memory.minimum().saturating_mul(memory.page_size());
    let limit = limits.memory_bytes_max;
    if bytes > limit as u64 { Err(Error::InitialMemory { bytes, limit }) } else { Ok(()) }
}

fn find(module: &Module, name: &str, expected: &'static str) -> Result<ModuleExport> {
    module.get_export_index(name).ok_or_else(|| Error::Export {
        name: name.to_owned(),
        expected,
        found: "nothing".to_owned(),
    })
}

fn find_global(
    module: &Module,
    name: &str,
    content: &ValType,
    is_required: bool,
) -> Result<Option<ModuleExport>> {
    let expected = if matches!(content, ValType::I64) {
        "a mutable i64 global"
    } else {
        "a mutable i32 global"
    };
    match module.get_export(name) {
        Some(ExternType::Global(global))
            if global.mutability() == Mutability::Var && content.matches(global.content()) =>
        {
            find(module, name, expected).map(Some)
        }
        None if !is_required => Ok(None),
        other => {
            let found = describe(other.as_ref());
            Err(Error::Export { name: name.to_owned(), expected, found })
        }
    }
}

fn find_entries(module: &Module) -> Result<Vec<EntryExport>> {
    let mut entries = Vec::new();
    for export in module.exports() {
        let name = export.name();
        let (is_many, n_params, expected) = if name.starts_with("call:") {
            (false, 1, "a function (i32) -> ()")
        } else if name.starts_with("many:") {
            (true, 2, "a function (i32, i32) -> ()")
        } else {
            continue;
        };
        let is_fine = matches!(export.ty(), ExternType::Func(function)
            if function.results().len() == 0
                && function.params().len() == n_params
                && function.params().all(|value| matches!(value, ValType::I32)));
        if !is_fine {
            let found = describe(Some(&export.ty()));
            return Err(Error::Export { name: name.to_owned(), expected, found });
        }
        let export = find(module, name, expected)?;
        entries.push(EntryExport { name: name.to_owned(), is_many, export });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn describe(export: Option<&ExternType>) -> String {
    match export {
        None => "nothing".to_owned(),
        Some(ExternType::Func(function)) => format!("a function {function}"),
        Some(ExternType::Global(global)) => {
            let mutability =
                if global.mutability() == Mutability::Var { "mutable" } else { "constant" };
            format!("a {mutability} {} global", global.content())
        }
        Some(ExternType::Memory(_)) => "a memory".to_owned(),
        Some(ExternType::Table(_)) => "a table".to_owned(),
        Some(ExternType::Tag(_)) => "a tag".to_owned(),
    }
}
