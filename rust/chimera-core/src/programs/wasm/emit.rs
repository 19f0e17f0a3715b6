//! The state of one function body under construction, and what all emitters share.

use std::collections::{BTreeMap, BTreeSet};

use wasm_encoder::{InstructionSink, ValType};

use super::abi::{HEADER_DATA, HEADER_LEN, PARAMETERS_BASE, SLOT_BYTES};
use super::code::{Callee, Code, at};
use super::helpers::Helper;
use super::module::{Context, ill_formed, val_type};
use super::ranges::{Interval, Ranges};
use super::walk::{self, Repeated};
use super::{Reason, abi};
use crate::programs::ir::{Expr, Function, LocalId, StmtKind};
use crate::programs::types::{Scalar, Type};
use crate::{Error, Result};

/// A local of the program as locals of the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub ty: Type,
    /// The value; a list's header address.
    pub value: u32,
    /// The list's data address and (64-bit) length, where its header never changes.
    pub cache: Option<(u32, u32)>,
}

/// Where `return` goes.
#[derive(Clone, Debug)]
pub(super) enum ReturnTo {
    /// Out of the WebAssembly function.
    Caller { is_recursive: bool },
    /// To the end of an inlined body, results in locals.
    Label { label: u32, results: Vec<u32> },
}

/// The function of the program whose statements are being emitted.
pub(super) struct Frame<'a> {
    pub function: &'a Function,
    pub slots: Vec<Slot>,
    pub ranges: Ranges,
    pub return_to: ReturnTo,
}

/// Iterations whose fuel is paid before they run: leaving the loop early gives back the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prepaid {
    /// Fuel of one iteration.
    pub cost: i64,
    /// The iterations not finished yet.
    pub rest: Rest,
}

/// Where the number of unfinished iterations is found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Rest {
    /// In a local.
    Count(u32),
    /// The first local less the second.
    Distance(u32, u32),
}

/// The innermost loops: where their jumps go, and what they have paid.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoopLabels {
    pub break_: u32,
    pub continue_: u32,
    pub prepaid: Option<Prepaid>,
}

pub(super) struct Emitter<'a, 'c> {
    pub context: &'c mut Context<'a>,
    pub code: Code,
    pub prologue: Vec<u8>,
    pub frame: Frame<'a>,
    pub loops: Vec<LoopLabels>,
    pub fuel: u32,
    pub line: u32,
    /// Nodes inlined into this body so far.
    pub n_inlined: u64,
    parameters: BTreeMap<u32, (Scalar, u32)>,
}

/// More locals than this stay where they are when the host is asked for fuel.
const SAVED_MAX: usize = 48;

/// A cost as the operand of an instruction.
pub(super) fn fuel_of(cost: u64) -> i64 {
    i64::try_from(cost).unwrap_or(i64::MAX)
}

impl<'a, 'c> Emitter<'a, 'c> {
    pub fn new(context: &'c mut Context<'a>, mut code: Code, frame: Frame<'a>) -> Self {
        let fuel = code.local(ValType::I64);
        let mut prologue = Vec::new();
        InstructionSink::new(&mut prologue).global_get(super::module::FUEL).local_set(fuel);
        Self {
            context,
            code,
            prologue,
            frame,
            loops: Vec::new(),
            fuel,
            line: 0,
            n_inlined: 0,
            parameters: BTreeMap::new(),
        }
    }

    pub fn op(&mut self) -> InstructionSink<'_> {
        self.code.op()
    }

    pub fn ill(&self, what: impl Into<String>) -> Error {
        ill_formed(&self.frame.function.name, what)
    }

    /// The static type of an expression.
    pub fn ty(&self, expr: &Expr) -> Result<Type> {
        expr.ty(self.context.program, self.frame.function)
            .ok_or_else(|| self.ill("an expression has no type"))
    }

    pub fn interval(&self, expr: &Expr) -> Interval {
        self.frame
            .ranges
            .interval(self.context.program, self.frame.function, expr)
            .unwrap_or(Interval::FULL)
    }

    pub fn slot(&self, id: LocalId) -> Result<Slot> {
        self.frame
            .slots
            .get(id.0 as usize)
            .copied()
            .ok_or_else(|| self.ill(format!("local {} does not exist", id.0)))
    }

    pub fn temp(&mut self, ty: Type) -> u32 {
        self.code.local(val_type(ty))
    }

    pub fn site(&mut self, reason: Reason) -> u32 {
        self.sites(vec![reason])
    }

    pub fn sites(&mut self, reasons: Vec<Reason>) -> u32 {
        self.context.sites(&self.frame.function.name, self.line, reasons)
    }

    pub fn trap_if(&mut self, reason: Reason) {
        let site = self.site(reason);
        self.code.trap_if(site);
    }

    /// Call a helper whose arguments are on the stack; its sites come last.
    pub fn helper(&mut self, helper: Helper) {
        let reasons = helper.reasons();
        if !reasons.is_empty() {
            let site = self.sites(reasons);
            self.op().i32_const(site.cast_signed());
        }
        self.code.call(Callee::Helper(helper));
    }

    /// Emit an expression and insist on its type.
    pub fn expr_as(&mut self, expr: &Expr, ty: Type) -> Result<()> {
        let found = self.expr(expr)?;
        self.expect(found, ty)
    }

    pub fn expect(&self, found: Type, ty: Type) -> Result<()> {
        if found == ty {
            Ok(())
        } else {
            Err(self.ill(format!("expected {}, found {}", ty.annotation(), found.annotation())))
        }
    }

    /// Emit an expression into a fresh local.
    pub fn expr_temp(&mut self, expr: &Expr) -> Result<(Type, u32)> {
        let ty = self.expr(expr)?;
        let temp = self.temp(ty);
        self.code.set(temp);
        Ok((ty, temp))
    }

    /// Store the value on the stack, and refresh what is cached about it.
    pub fn assign(&mut self, id: LocalId) -> Result<()> {
        let slot = self.slot(id)?;
        self.code.set(slot.value);
        self.refresh(slot);
        Ok(())
    }

    pub fn refresh(&mut self, slot: Slot) {
        if let Some((data, len)) = slot.cache {
            self.code.get(slot.value).op().i32_load(at(HEADER_DATA, 2)).local_set(data);
            self.code.get(slot.value).op().i64_load32_u(at(HEADER_LEN, 2)).local_set(len);
        }
    }

    /// A local of this body that holds a parameter, loaded once at its start.
    pub fn parameter(&mut self, slot: u32, scalar: Scalar) -> Result<u32> {
        let values = &self.context.options.parameters;
        if values.get(slot as usize).map(|value| value.scalar()) != Some(scalar) {
            return Err(self.ill(format!("parameter slot {slot} is not a {}", scalar.name())));
        }
        if let Some((_, local)) = self.parameters.get(&slot) {
            return Ok(*local);
        }
        let local = self.temp(Type::Scalar(scalar));
        let offset = PARAMETERS_BASE + slot * SLOT_BYTES;
        let mut sink = InstructionSink::new(&mut self.prologue);
        sink.i32_const(0);
        match scalar {
            Scalar::Bool => sink.i32_load8_u(at(offset, 0)),
            Scalar::Int => sink.i64_load(at(offset, 3)),
            Scalar::Float => sink.f64_load(at(offset, 3)),
        };
        sink.local_set(local);
        self.parameters.insert(slot, (scalar, local));
        Ok(local)
    }

    /// Charge fuel, and ask the host for more when it is spent.
    pub fn charge(&mut self, cost: u64) {
        let fuel = self.fuel;
        self.code.get(fuel).op().i64_const(fuel_of(cost)).i64_sub().local_set(fuel);
        self.refill_if_spent();
    }

    pub fn refill_if_spent(&mut self) {
        self.code.get(self.fuel).op().i64_const(0).i64_lt_s();
        self.code.if_cold();
        self.refill();
        self.code.end();
    }

    pub fn refill(&mut self) {
        self.code.get(self.fuel);
        self.code.call(Callee::Import(abi::IMPORT_REFILL));
        self.code.set(self.fuel);
    }

    /// Ask the host for fuel outside of an inner loop. The locals that the loop reads go through
    /// globals, so that none of them is alive across the call, which would push it out of its
    /// register for the whole loop.
    pub fn refill_between(&mut self, repeated: Repeated<'_>, own: &[(u32, ValType)]) {
        let mut locals: BTreeMap<u32, ValType> = own.iter().copied().collect();
        self.locals_of(repeated, &mut locals);
        if locals.len() > SAVED_MAX {
            return self.refill();
        }
        locals.remove(&self.fuel);
        let globals = self.context.saved(locals.values().copied());
        for (local, global) in locals.keys().zip(&globals) {
            self.op().local_get(*local).global_set(*global);
        }
        self.refill();
        for (local, global) in locals.keys().zip(&globals) {
            self.op().global_get(*global).local_set(*local);
        }
    }

    /// The module's locals for what a loop of the program reads and writes.
    fn locals_of(&self, repeated: Repeated<'_>, found: &mut BTreeMap<u32, ValType>) {
        let mut targets_of = Vec::new();
        let mut ids = BTreeSet::new();
        let mut parameters = BTreeSet::new();
        let mut calls = Vec::new();
        walk::repeated(
            repeated,
            &mut |stmt| match &stmt.kind {
                StmtKind::Assign { target, .. } => targets_of.push(*target),
                StmtKind::Unpack { targets, .. } | StmtKind::For { targets, .. } => {
                    targets_of.extend(targets);
                }
                _ => {}
            },
            &mut |expr| match expr {
                Expr::Local(id) => {
                    ids.insert(*id);
                }
                Expr::Parameter(slot, _) => {
                    parameters.insert(*slot);
                }
                Expr::Call(id, _) => calls.push(id.0),
                _ => {}
            },
        );
        // Of inlined callees only what outlives the iteration.
        let mut seen = BTreeSet::new();
        while let Some(id) = calls.pop() {
            if !self.context.inlinable.contains(&id) || !seen.insert(id) {
                continue;
            }
            let Ok(callee) = self.context.function(id) else { continue };
            walk::block_expressions(&callee.body, &mut |expr| match expr {
                Expr::Parameter(slot, _) => {
                    parameters.insert(*slot);
                }
                Expr::Call(id, _) => calls.push(id.0),
                _ => {}
            });
        }
        ids.extend(targets_of);
        for slot in ids.into_iter().filter_map(|id| self.slot(id).ok()) {
            found.insert(slot.value, val_type(slot.ty));
            if let Some((data, len)) = slot.cache {
                found.insert(data, ValType::I32);
                found.insert(len, ValType::I64);
            }
        }
        for slot in parameters {
            if let Some((scalar, local)) = self.parameters.get(&slot) {
                found.insert(*local, val_type(Type::Scalar(*scalar)));
            }
        }
    }

    /// Whether what a loop repeats has no loop in it, by way of inlined callees neither.
    pub fn is_innermost(&self, repeated: Repeated<'_>) -> bool {
        let (mut has_loop, mut in_callees) = (false, false);
        walk::repeated(
            repeated,
            &mut |stmt| {
                has_loop |= walk::is_stmt_loop(stmt);
                has_loop |=
                    walk::stmt_call(stmt).is_some_and(|id| self.context.looping.contains(&id));
            },
            &mut |expr| {
                in_callees |= walk::is_expr_loop(expr);
                in_callees |=
                    matches!(expr, Expr::Call(id, _) if self.context.looping.contains(&id.0));
            },
        );
        !has_loop && !in_callees
    }

    /// Give back the fuel of iterations that will not run.
    pub fn refund(&mut self, prepaid: Prepaid) {
        match prepaid.rest {
            Rest::Count(left) => self.code.get(left),
            Rest::Distance(to, from) => {
                self.code.get(to).get(from).op().i64_sub();
                &mut self.code
            }
        };
        self.op().i64_const(prepaid.cost).i64_mul();
        self.code.get(self.fuel).op().i64_add().local_set(self.fuel);
    }

    /// Give back what the innermost loop has paid beyond the iteration that leaves it.
    pub fn refund_innermost(&mut self) {
        if let Some(prepaid) = self.loops.last().and_then(|labels| labels.prepaid) {
            self.refund(prepaid);
        }
    }

    /// Give back what all loops of this function have paid, as it returns.
    pub fn refund_all(&mut self) {
        for idx in 0..self.loops.len() {
            if let Some(prepaid) = self.loops.get(idx).and_then(|labels| labels.prepaid) {
                self.refund(prepaid);
            }
        }
    }

    pub fn fuel_to_global(&mut self) {
        let fuel = self.fuel;
        self.code.get(fuel).op().global_set(super::module::FUEL);
    }

    pub fn fuel_from_global(&mut self) {
        let fuel = self.fuel;
        self.op().global_get(super::module::FUEL).local_set(fuel);
    }

    pub fn block_cost(&self, block: &[crate::programs::ir::Stmt]) -> u64 {
        walk::block_cost(block, &|id| self.context.call_cost(id))
    }
}
