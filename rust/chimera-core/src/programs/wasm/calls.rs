//! Functions, calls, inlining, and the exported wrappers that read and write frames.

use std::collections::BTreeSet;

use wasm_encoder::ValType;

use super::abi::{IMPORT_REFILL, SLOT_BYTES};
use super::code::{Callee, Code, at};
use super::emit::{Emitter, Frame, ReturnTo, Slot};
use super::module::{Body, Context, DEPTH, DONE, FUEL, HEAP, ill_formed, val_type};
use super::ranges::{Interval, Ranges};
use super::{Entry, Reason, walk};
use crate::Result;
use crate::programs::ir::{Expr, Function, LocalId, StmtKind};
use crate::programs::types::{Scalar, Type};

/// No more nodes than this are inlined into one function.
const INLINED_NODES_MAX: u64 = 20_000;

/// Locals that are indexed, written through or passed on: worth caching where headers are fixed.
fn indexed_locals(function: &Function) -> BTreeSet<LocalId> {
    let mut found = BTreeSet::new();
    let mut note = |expr: &Expr| {
        if let Expr::Local(id) = expr {
            found.insert(*id);
        }
    };
    walk::statements(&function.body, &mut |stmt| match &stmt.kind {
        StmtKind::SetItem { list, .. } => note(list),
        _ if walk::stmt_call(stmt).is_some() => {
            walk::stmt_exprs(stmt).into_iter().for_each(&mut note);
        }
        _ => {}
    });
    walk::block_expressions(&function.body, &mut |expr| match expr {
        Expr::Index(list, _) | Expr::Len(list) => note(list),
        Expr::Call(_, args) => args.iter().for_each(&mut note),
        _ => {}
    });
    found
}

fn assigned_locals(function: &Function) -> BTreeSet<LocalId> {
    let mut found = BTreeSet::new();
    walk::statements(&function.body, &mut |stmt| match &stmt.kind {
        StmtKind::Assign { target, .. } => {
            found.insert(*target);
        }
        StmtKind::Unpack { targets, .. } | StmtKind::For { targets, .. } => found.extend(targets),
        _ => {}
    });
    walk::block_expressions(&function.body, &mut |expr| {
        if let Some(inner) = walk::comprehension(expr) {
            found.extend(&inner.targets);
        }
    });
    found
}

/// Locals of the module for the locals of a function; `value` gives the first few.
fn slots(
    context: &Context<'_>,
    code: &mut Code,
    function: &Function,
    given: &[Option<Slot>],
) -> Vec<Slot> {
    let indexed = indexed_locals(function);
    let slot = |(idx, local): (u32, &crate::programs::ir::Local)| {
        let ty = local.ty;
        let given = given.get(idx as usize).copied().flatten();
        let is_fixed = ty.element().is_some() && !context.growing.contains(&ty);
        if let Some(given) = given.filter(|given| given.cache.is_some() || !is_fixed) {
            return given;
        }
        let value = given.map_or_else(|| code.local(val_type(ty)), |given| given.value);
        let cache = (is_fixed && indexed.contains(&LocalId(idx)))
            .then(|| (code.local(ValType::I32), code.local(ValType::I64)));
        Slot { ty, value, cache }
    };
    (0_u32..).zip(&function.locals).map(slot).collect()
}

/// Compile a function of its own.
pub(super) fn function(context: &mut Context<'_>, id: u32) -> Result<Body> {
    let function = context.function(id)?;
    let n_params = function.params().len();
    if n_params != function.n_params as usize {
        return Err(ill_formed(&function.name, "fewer locals than parameters"));
    }
    let mut code = Code::new(n_params);
    let given: Vec<_> = (0_u32..)
        .zip(function.params())
        .map(|(value, local)| Some(Slot { ty: local.ty, value, cache: None }))
        .collect();
    let slots = slots(context, &mut code, function, &given);
    let ranges =
        Ranges::new(context.program, function, &vec![Interval::FULL; function.params().len()]);
    let is_recursive = context.recursive.contains(&id);
    let recursion_max = context.options.recursion_max;
    let frame = Frame { function, slots, ranges, return_to: ReturnTo::Caller { is_recursive } };
    let mut emitter = Emitter::new(context, code, frame);
    emitter.line = function.body.first().map_or(0, |stmt| stmt.line);
    for slot in emitter.frame.slots.iter().take(n_params).copied().collect::<Vec<_>>() {
        emitter.refresh(slot);
    }
    if is_recursive {
        emitter.op().global_get(DEPTH).i32_const(1).i32_add().global_set(DEPTH);
        emitter.op().global_get(DEPTH).i32_const(recursion_max.cast_signed()).i32_gt_u();
        emitter.trap_if(Reason::Recursion);
    }
    let cost = emitter.block_cost(&function.body) + 1;
    emitter.charge(cost);
    emitter.body()?;
    Ok(Body { code: emitter.code, prologue: emitter.prologue })
}

impl<'a> Emitter<'a, '_> {
    /// The body of the current frame, and what happens at its end.
    fn body(&mut self) -> Result<()> {
        let function: &'a Function = self.frame.function;
        self.block(&function.body)?;
        if function.returns.types().is_empty() {
            self.return_();
        } else {
            let site = self.site(Reason::MissingReturn);
            self.code.trap(site);
        }
        Ok(())
    }

    /// A call that yields exactly one value.
    pub fn call_one(&mut self, id: u32, args: &[Expr]) -> Result<Type> {
        match self.call(id, args)?.as_slice() {
            [ty] => Ok(*ty),
            _ => Err(self.ill("a call that does not return one value")),
        }
    }

    /// Call a function; its results are left on the stack, their types returned.
    pub fn call(&mut self, id: u32, args: &[Expr]) -> Result<Vec<Type>> {
        let callee = self.context.function(id)?;
        let params = callee.params();
        if args.len() != params.len() || args.len() != callee.n_params as usize {
            return Err(self.ill(format!("a call of {} with wrong arguments", callee.name)));
        }
        let cost = self.context.costs.get(&id).copied().unwrap_or(0);
        let is_inlined =
            self.context.inlinable.contains(&id) && self.n_inlined + cost <= INLINED_NODES_MAX;
        if is_inlined {
            self.n_inlined += cost;
            return self.inline(callee, args);
        }
        for (arg, param) in args.iter().zip(params) {
            self.expr_as(arg, param.ty)?;
        }
        self.fuel_to_global();
        self.code.call(Callee::Function(id));
        self.fuel_from_global();
        Ok(callee.returns.types())
    }

    fn inline(&mut self, callee: &'a Function, args: &[Expr]) -> Result<Vec<Type>> {
        let assigned = assigned_locals(callee);
        let mut given = Vec::with_capacity(args.len());
        let mut intervals = Vec::with_capacity(args.len());
        let mut pushed = Vec::new();
        for ((idx, arg), param) in (0_u32..).zip(args).zip(callee.params()) {
            intervals.push(self.interval(arg));
            if let Expr::Local(local) = arg {
                let slot = self.slot(*local)?;
                // A list that the callee never rebinds is used in place, with its cache.
                if slot.ty == param.ty
                    && slot.ty.element().is_some()
                    && !assigned.contains(&LocalId(idx))
                {
                    given.push(Some(slot));
                    continue;
                }
            }
            self.expr_as(arg, param.ty)?;
            let value = self.temp(param.ty);
            self.code.set(value);
            given.push(Some(Slot { ty: param.ty, value, cache: None }));
            pushed.push(idx);
        }
        let slots = slots(self.context, &mut self.code, callee, &given);
        for (slot, given) in slots.iter().zip(&given) {
            // A cache taken over is up to date; a new one is not.
            if given.is_some_and(|given| given.cache.is_none()) {
                self.refresh(*slot);
            }
        }
        let ranges = Ranges::new(self.context.program, callee, &intervals);
        let types = callee.returns.types();
        let results: Vec<u32> = types.iter().map(|ty| self.temp(*ty)).collect();
        let label = self.code.block();
        let return_to = ReturnTo::Label { label, results: results.clone() };
        let frame = Frame { function: callee, slots, ranges, return_to };
        let caller = std::mem::replace(&mut self.frame, frame);
        let loops = std::mem::take(&mut self.loops);
        let line = self.line;
        self.body()?;
        self.line = line;
        self.loops = loops;
        self.frame = caller;
        self.code.end();
        for result in results {
            self.code.get(result);
        }
        Ok(types)
    }
}

fn slot_at(idx: usize) -> u32 {
    u32::try_from(idx).unwrap_or(u32::MAX / SLOT_BYTES) * SLOT_BYTES
}

/// Push the parameters of a frame.
fn load_params(code: &mut Code, frame: u32, params: &[Type]) {
    for (idx, ty) in params.iter().enumerate() {
        let offset = slot_at(idx);
        code.get(frame);
        match ty {
            Type::Scalar(Scalar::Int) => {
                code.op().i64_load(at(offset, 3));
            }
            Type::Scalar(Scalar::Float) => {
                code.op().f64_load(at(offset, 3));
            }
            Type::Scalar(Scalar::Bool) | Type::List(_) | Type::Matrix(_) => {
                code.op().i32_load(at(offset, 2));
            }
        }
    }
}

/// Store the results on the stack into a frame.
fn store_results(code: &mut Code, frame: u32, n_params: usize, returns: &[Type]) {
    let locals: Vec<u32> = returns.iter().map(|ty| code.local(val_type(*ty))).collect();
    for local in locals.iter().rev() {
        code.set(*local);
    }
    for (idx, (ty, local)) in returns.iter().zip(locals).enumerate() {
        let offset = slot_at(n_params + idx);
        code.get(frame).get(local);
        match ty {
            Type::Scalar(Scalar::Int) => {
                code.op().i64_store(at(offset, 3));
            }
            Type::Scalar(Scalar::Float) => {
                code.op().f64_store(at(offset, 3));
            }
            Type::Scalar(Scalar::Bool) | Type::List(_) | Type::Matrix(_) => {
                code.op().i64_extend_i32_u().i64_store(at(offset, 3));
            }
        }
    }
}

/// A loop that was left early may have spent more than was there; nobody has looked since.
fn refill_if_spent(code: &mut Code) {
    code.op().global_get(FUEL).i64_const(0).i64_lt_s();
    code.if_cold();
    code.op().global_get(FUEL);
    code.call(Callee::Import(IMPORT_REFILL));
    code.op().global_set(FUEL);
    code.end();
}

/// `call:NAME`: `(frame) -> ()`.
pub(super) fn call_wrapper(context: &Context<'_>, id: u32, entry: &Entry) -> Result<Body> {
    context.function(id)?;
    let mut code = Code::new(1);
    // A call that trapped may have left the depth behind.
    code.op().i32_const(0).global_set(DEPTH);
    load_params(&mut code, 0, &entry.params);
    code.call(Callee::Function(id));
    refill_if_spent(&mut code);
    store_results(&mut code, 0, entry.params.len(), &entry.returns);
    Ok(code.into())
}

/// `many:NAME`: `(frames, n) -> ()`. Scalars outlive no allocation, so the heap is reset each time.
pub(super) fn many_wrapper(context: &mut Context<'_>, id: u32, entry: &Entry) -> Result<Body> {
    context.function(id)?;
    let (frames, n) = (0, 1);
    let mut code = Code::new(2);
    let heap = code.local(ValType::I32);
    let done = code.local(ValType::I32);
    let stride = slot_at(entry.params.len() + entry.returns.len());
    code.op().i32_const(0).global_set(DEPTH);
    code.op().i32_const(0).global_set(DONE).global_get(HEAP).local_set(heap);
    let exit = code.block();
    let top = code.loop_();
    code.get(done).get(n).op().i32_ge_u();
    code.br_if(exit);
    load_params(&mut code, frames, &entry.params);
    code.call(Callee::Function(id));
    refill_if_spent(&mut code);
    store_results(&mut code, frames, entry.params.len(), &entry.returns);
    code.get(heap).op().global_set(HEAP);
    code.get(frames).op().i32_const(stride.cast_signed()).i32_add().local_set(frames);
    code.get(done).op().i32_const(1).i32_add().local_tee(done).global_set(DONE);
    code.br(top);
    code.end();
    code.end();
    Ok(code.into())
}
