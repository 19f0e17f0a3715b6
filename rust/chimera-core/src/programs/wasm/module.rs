//! The module around the code: reachability, memory layout, function indices, sections.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::{
    BranchHints, CodeSection, ConstExpr, DataSection, EntityType, ExportKind, ExportSection,
    FunctionSection, GlobalSection, GlobalType, ImportSection, MemorySection, MemoryType,
    TypeSection, ValType,
};

use super::abi::{self, PAGE_BYTES, PARAMETERS_BASE, SLOT_BYTES};
use super::code::{Callee, Code};
use super::{Compiled, Entry, Options, Reason, Site, calls, walk};
use crate::programs::ir::{
    Const, Expr, Function, FunctionId, GlobalId, GlobalValue, Program, StmtKind,
};
use crate::programs::types::{Scalar, Type};
use crate::{Error, Result};

pub(super) const HEAP: u32 = 0;
pub(super) const FUEL: u32 = 1;
pub(super) const TRAP_SITE: u32 = 2;
pub(super) const DONE: u32 = 3;
/// Depth of recursive calls; not exported.
pub(super) const DEPTH: u32 = 4;
/// The first of the globals that keep locals while the host is asked for fuel; not exported.
const SAVED: u32 = 5;

/// Functions up to this many nodes, inlined callees included, are inlined.
const INLINE_NODES_MAX: u64 = 160;
/// Fuel of a call, besides the callee's own.
const CALL_COST: u64 = 3;

/// Where a constant table lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub address: u32,
    pub scalar: Scalar,
    pub stride: u32,
    pub len: u32,
}

/// What all functions of one module share.
pub(super) struct Context<'a> {
    pub program: &'a Program,
    pub options: &'a Options,
    pub sites: Vec<Site>,
    pub tables: BTreeMap<GlobalId, Table>,
    /// Functions that may call themselves.
    pub recursive: BTreeSet<u32>,
    /// Functions small enough to be inlined.
    pub inlinable: BTreeSet<u32>,
    /// List types whose headers change after creation, because something appends or pops.
    pub growing: BTreeSet<Type>,
    /// Functions with a loop, their inlinable callees included.
    pub looping: BTreeSet<u32>,
    /// Static fuel of one call, by function.
    pub costs: BTreeMap<u32, u64>,
    /// Types of the globals from [`SAVED`] on.
    saved: Vec<ValType>,
}

pub(super) fn ill_formed(function: &str, what: impl Into<String>) -> Error {
    Error::IllFormed { function: function.to_owned(), what: what.into() }
}

impl<'a> Context<'a> {
    pub fn function(&self, id: u32) -> Result<&'a Function> {
        self.program
            .function(FunctionId(id))
            .map(|function| &**function)
            .ok_or_else(|| ill_formed("?", format!("function {id} does not exist")))
    }

    /// Fuel charged where a function is called; the callee's own body is charged by itself unless
    /// it is inlined.
    pub fn call_cost(&self, id: u32) -> u64 {
        if self.inlinable.contains(&id) {
            self.costs.get(&id).copied().unwrap_or(CALL_COST)
        } else {
            CALL_COST
        }
    }

    fn new(program: &'a Program, options: &'a Options) -> Result<(Self, Vec<u8>)> {
        let mut context = Self {
            program,
            options,
            sites: Vec::new(),
            tables: BTreeMap::new(),
            recursive: BTreeSet::new(),
            inlinable: BTreeSet::new(),
            growing: BTreeSet::new(),
            looping: BTreeSet::new(),
            costs: BTreeMap::new(),
            saved: Vec::new(),
        };
        let reachable = context.reach()?;
        for &id in reachable.keys() {
            let function = context.function(id)?;
            let growing = growing_types(program, function);
            context.growing.extend(growing);
            if closure(&reachable, reachable.get(&id)).contains(&id) {
                context.recursive.insert(id);
            }
        }
        let mut sizes = BTreeMap::new();
        for &id in reachable.keys() {
            context.measure(id, &reachable, &mut sizes)?;
        }
        let data = context.lay_out()?;
        Ok((context, data))
    }

    /// Direct callees of every function that the entries reach.
    fn reach(&self) -> Result<BTreeMap<u32, BTreeSet<u32>>> {
        let mut reachable = BTreeMap::new();
        let mut pending: Vec<u32> = self.options.entries.iter().map(|id| id.0).collect();
        while let Some(id) = pending.pop() {
            if reachable.contains_key(&id) {
                continue;
            }
            let callees = callees(self.function(id)?);
            pending.extend(&callees);
            reachable.insert(id, callees);
        }
        Ok(reachable)
    }

    /// Size and cost of a function with its inlinable callees; those are measured first.
    fn measure(
        &mut self,
        id: u32,
        reachable: &BTreeMap<u32, BTreeSet<u32>>,
        sizes: &mut BTreeMap<u32, u64>,
    ) -> Result<()> {
        if self.recursive.contains(&id) || sizes.contains_key(&id) {
            return Ok(());
        }
        for &callee in reachable.get(&id).into_iter().flatten() {
            self.measure(callee, reachable, sizes)?;
        }
        let function = self.function(id)?;
        let mut size = 0_u64;
        let mut calls = Vec::new();
        let mut is_looping = false;
        walk::statements(&function.body, &mut |stmt| {
            size += 1;
            is_looping |= walk::is_stmt_loop(stmt);
            calls.extend(walk::stmt_call(stmt));
        });
        walk::block_expressions(&function.body, &mut |expr| {
            size += 1;
            is_looping |= walk::is_expr_loop(expr);
            if let Expr::Call(callee, _) = expr {
                calls.push(callee.0);
            }
        });
        for callee in calls {
            if self.inlinable.contains(&callee) {
                is_looping |= self.looping.contains(&callee);
                size = size.saturating_add(sizes.get(&callee).copied().unwrap_or(0));
            }
        }
        sizes.insert(id, size);
        if is_looping {
            self.looping.insert(id);
        }
        let cost = walk::block_cost(&function.body, &|callee| self.call_cost(callee));
        self.costs.insert(id, cost);
        if size <= INLINE_NODES_MAX {
            self.inlinable.insert(id);
        }
        Ok(())
    }

    /// Place parameters and tables; returns the bytes from [`PARAMETERS_BASE`] on.
    fn lay_out(&mut self) -> Result<Vec<u8>> {
        let mut data = Vec::new();
        for value in &self.options.parameters {
            data.extend_from_slice(&slot_bytes(*value));
        }
        for (idx, global) in (0_u32..).zip(&self.program.globals) {
            let GlobalValue::Table(scalar, values) = &global.value else { continue };
            let id = GlobalId(idx);
            let len = u32::try_from(values.len())
                .map_err(|_| ill_formed(&global.name, "table too long"))?;
            if values.iter().any(|value| value.scalar() != *scalar) {
                return Err(ill_formed(&global.name, "table of mixed types"));
            }
            let slot = self.options.parameter_tables.iter().find(|(table, _)| *table == id);
            let (address, stride) = if let Some((_, slot)) = slot {
                let fits = slot.checked_add(len).is_some_and(|end| {
                    end as usize <= self.options.parameters.len() && *scalar != Scalar::Bool
                });
                if !fits {
                    return Err(Error::Argument {
                        name: "parameter_tables",
                        expected: "an int or float table inside the parameter slots".to_owned(),
                        got: format!("{} at slot {slot}", global.name),
                    });
                }
                (PARAMETERS_BASE + slot * SLOT_BYTES, SLOT_BYTES)
            } else {
                let address = place(data.len())?;
                for value in values {
                    let bytes = slot_bytes(*value);
                    let size = scalar.size_bytes() as usize;
                    data.extend(bytes.iter().take(size));
                }
                data.resize(data.len().next_multiple_of(8), 0);
                (address, scalar.size_bytes())
            };
            self.tables.insert(id, Table { address, scalar: *scalar, stride, len });
        }
        Ok(data)
    }

    /// Globals to keep values of these types in, all different.
    pub fn saved(&mut self, types: impl Iterator<Item = ValType>) -> Vec<u32> {
        let mut taken = BTreeSet::new();
        types
            .map(|ty| {
                let free = (0_usize..)
                    .zip(&self.saved)
                    .find(|(idx, known)| **known == ty && !taken.contains(idx));
                let idx = free.map_or(self.saved.len(), |(idx, _)| idx);
                if idx == self.saved.len() {
                    self.saved.push(ty);
                }
                taken.insert(idx);
                SAVED + u32::try_from(idx).unwrap_or(u32::MAX - SAVED)
            })
            .collect()
    }

    /// Register consecutive sites; returns the first.
    pub fn sites(&mut self, function: &str, line: u32, reasons: Vec<Reason>) -> u32 {
        let first = u32::try_from(self.sites.len()).unwrap_or(u32::MAX);
        self.sites.extend(reasons.into_iter().map(|reason| Site {
            function: function.to_owned(),
            line,
            reason,
        }));
        first
    }
}

fn place(offset: usize) -> Result<u32> {
    let limit = (u32::MAX / 2) as usize;
    u32::try_from(offset.min(limit)).ok().filter(|_| offset < limit).map_or_else(
        || Err(ill_formed("?", "constant tables beyond 2 GiB")),
        |offset| Ok(PARAMETERS_BASE + offset),
    )
}

fn slot_bytes(value: Const) -> [u8; 8] {
    match value {
        Const::Bool(value) => u64::from(value).to_le_bytes(),
        Const::Int(value) => value.to_le_bytes(),
        Const::Float(value) => value.to_le_bytes(),
    }
}

fn callees(function: &Function) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    walk::statements(&function.body, &mut |stmt| found.extend(walk::stmt_call(stmt)));
    walk::block_expressions(&function.body, &mut |expr| {
        if let Expr::Call(id, _) = expr {
            found.insert(id.0);
        }
    });
    found
}

fn closure(graph: &BTreeMap<u32, BTreeSet<u32>>, from: Option<&BTreeSet<u32>>) -> BTreeSet<u32> {
    let mut seen = BTreeSet::new();
    let mut pending: Vec<u32> = from.into_iter().flatten().copied().collect();
    while let Some(id) = pending.pop() {
        if seen.insert(id) {
            pending.extend(graph.get(&id).into_iter().flatten());
        }
    }
    seen
}

fn growing_types(program: &Program, function: &Function) -> BTreeSet<Type> {
    let mut found = BTreeSet::new();
    walk::statements(&function.body, &mut |stmt| {
        if let StmtKind::Append { list, .. } = &stmt.kind {
            found.extend(list.ty(program, function));
        }
    });
    walk::block_expressions(&function.body, &mut |expr| {
        if let Expr::Pop(list) = expr {
            found.extend(list.ty(program, function));
        }
    });
    found
}

/// The WebAssembly type of a value.
pub(super) const fn val_type(ty: Type) -> ValType {
    match ty {
        Type::Scalar(Scalar::Int) => ValType::I64,
        Type::Scalar(Scalar::Float) => ValType::F64,
        Type::Scalar(Scalar::Bool) | Type::List(_) | Type::Matrix(_) => ValType::I32,
    }
}

fn signature(function: &Function) -> (Vec<ValType>, Vec<ValType>) {
    let params = function.params().iter().map(|local| val_type(local.ty)).collect();
    (params, function.returns.types().into_iter().map(val_type).collect())
}

fn import_signature(name: &str) -> (Vec<ValType>, Vec<ValType>) {
    match name {
        abi::IMPORT_REFILL => (vec![ValType::I64], vec![ValType::I64]),
        "pow" | "atan2" | "fmod" => (vec![ValType::F64; 2], vec![ValType::F64]),
        _ => (vec![ValType::F64], vec![ValType::F64]),
    }
}

/// A compiled body, with the instructions that go in front of it.
pub(super) struct Body {
    pub code: Code,
    pub prologue: Vec<u8>,
}

impl From<Code> for Body {
    fn from(code: Code) -> Self {
        Self { code, prologue: Vec::new() }
    }
}

pub(super) fn compile(program: &Program, options: &Options) -> Result<Compiled> {
    let (mut context, data) = Context::new(program, options)?;
    let mut entries = Vec::new();
    let mut wrappers: Vec<(String, Vec<ValType>, Body)> = Vec::new();
    for id in &options.entries {
        let function = context.function(id.0)?;
        let entry = Entry {
            name: function.name.clone(),
            params: function.params().iter().map(|local| local.ty).collect(),
            returns: function.returns.types(),
        };
        let body = calls::call_wrapper(&context, id.0, &entry)?;
        wrappers.push((format!("{}{}", abi::EXPORT_CALL, entry.name), vec![ValType::I32], body));
        if entry.params.iter().chain(&entry.returns).all(|ty| ty.scalar().is_some()) {
            let name = format!("{}{}", abi::EXPORT_MANY, entry.name);
            let body = calls::many_wrapper(&mut context, id.0, &entry)?;
            wrappers.push((name, vec![ValType::I32; 2], body));
        }
        entries.push(entry);
    }
    let mut bodies: BTreeMap<Callee, Body> = BTreeMap::new();
    let mut imports: BTreeSet<&'static str> = BTreeSet::new();
    let mut pending: Vec<Callee> =
        wrappers.iter().flat_map(|(_, _, body)| body.code.callees()).collect();
    while let Some(callee) = pending.pop() {
        if bodies.contains_key(&callee) {
            continue;
        }
        let body = match callee {
            Callee::Import(name) => {
                imports.insert(name);
                continue;
            }
            Callee::Helper(helper) => helper.code().into(),
            Callee::Function(id) => calls::function(&mut context, id)?,
        };
        pending.extend(body.code.callees());
        bodies.insert(callee, body);
    }
    let static_bytes = place(data.len())?;
    let input_base = static_bytes.next_multiple_of(PAGE_BYTES);
    let wasm = assemble(&context, &imports, bodies, wrappers, &data, input_base)?;
    Ok(Compiled {
        wasm,
        sites: context.sites,
        entries,
        parameters_base: PARAMETERS_BASE,
        n_parameters: u32::try_from(options.parameters.len()).unwrap_or(u32::MAX),
        input_base,
    })
}

fn memory_type(options: &Options, input_base: u32) -> Result<MemoryType> {
    let page = u64::from(PAGE_BYTES);
    let minimum = u64::from(input_base) / page + 1;
    let maximum = (options.memory_bytes_max / page).min(page);
    if maximum < minimum {
        return Err(Error::Argument {
            name: "memory_bytes_max",
            expected: format!("at least {}", minimum * page),
            got: options.memory_bytes_max.to_string(),
        });
    }
    Ok(MemoryType {
        minimum,
        maximum: Some(maximum),
        memory64: false,
        shared: false,
        page_size_log2: None,
    })
}

fn globals(saved: &[ValType]) -> GlobalSection {
    let mut section = GlobalSection::new();
    let mutable = |val_type| GlobalType { val_type, mutable: true, shared: false };
    for idx in [HEAP, FUEL, TRAP_SITE, DONE, DEPTH] {
        match idx {
            FUEL => section.global(mutable(ValType::I64), &ConstExpr::i64_const(0)),
            TRAP_SITE => section.global(mutable(ValType::I32), &ConstExpr::i32_const(-1)),
            _ => section.global(mutable(ValType::I32), &ConstExpr::i32_const(0)),
        };
    }
    for ty in saved {
        let zero = match ty {
            ValType::I64 => ConstExpr::i64_const(0),
            ValType::F64 => ConstExpr::f64_const(0.0.into()),
            _ => ConstExpr::i32_const(0),
        };
        section.global(mutable(*ty), &zero);
    }
    section
}

fn assemble(
    context: &Context<'_>,
    imports: &BTreeSet<&'static str>,
    bodies: BTreeMap<Callee, Body>,
    wrappers: Vec<(String, Vec<ValType>, Body)>,
    data: &[u8],
    input_base: u32,
) -> Result<Vec<u8>> {
    let mut types = TypeSection::new();
    let mut import_section = ImportSection::new();
    let mut functions = FunctionSection::new();
    let mut exports = ExportSection::new();
    let mut code = CodeSection::new();
    let mut hints = BranchHints::new();
    let mut indices = BTreeMap::new();
    let mut index = 0_u32;
    for &name in imports {
        let (params, results) = import_signature(name);
        types.ty().function(params, results);
        import_section.import(abi::IMPORT_MODULE, name, EntityType::Function(index));
        indices.insert(Callee::Import(name), index);
        index += 1;
    }
    for &callee in bodies.keys() {
        let (params, results) = match callee {
            Callee::Import(_) => continue,
            Callee::Helper(helper) => helper.signature(),
            Callee::Function(id) => signature(context.function(id)?),
        };
        types.ty().function(params, results);
        functions.function(index);
        indices.insert(callee, index);
        index += 1;
    }
    for (idx, (name, params, _)) in (index..).zip(&wrappers) {
        types.ty().function(params.iter().copied(), []);
        functions.function(idx);
        exports.export(name, ExportKind::Func, idx);
    }
    let all = bodies.into_values().chain(wrappers.into_iter().map(|(_, _, body)| body));
    let first = u32::try_from(imports.len()).unwrap_or(u32::MAX);
    for (idx, body) in (first..).zip(all) {
        let (function, cold) = body
            .code
            .finish(&body.prologue, |callee| indices.get(&callee).copied())
            .ok_or_else(|| ill_formed("?", "a call of a function that was not compiled"))?;
        code.function(&function);
        if !cold.is_empty() {
            hints.function_hints(idx, cold);
        }
    }
    exports.export(abi::EXPORT_MEMORY, ExportKind::Memory, 0);
    exports.export(abi::EXPORT_HEAP, ExportKind::Global, HEAP);
    exports.export(abi::EXPORT_FUEL, ExportKind::Global, FUEL);
    exports.export(abi::EXPORT_TRAP_SITE, ExportKind::Global, TRAP_SITE);
    exports.export(abi::EXPORT_DONE, ExportKind::Global, DONE);
    let mut memories = MemorySection::new();
    memories.memory(memory_type(context.options, input_base)?);
    let mut segments = DataSection::new();
    if !data.is_empty() {
        let offset = ConstExpr::i32_const(PARAMETERS_BASE.cast_signed());
        segments.active(0, &offset, data.iter().copied());
    }
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&import_section).section(&functions).section(&memories);
    module.section(&globals(&context.saved)).section(&exports);
    if !hints.is_empty() {
        module.section(&hints);
    }
    module.section(&code).section(&segments);
    Ok(module.finish())
}
