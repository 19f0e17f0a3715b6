//! A growing function body: instruction bytes, local variables, label depths, call relocations.

use wasm_encoder::{BlockType, BranchHint, InstructionSink, MemArg, ValType};

use super::helpers::Helper;

/// What a `call` instruction refers to; its index is known once all imports are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Callee {
    /// A host function by name.
    Import(&'static str),
    /// A runtime helper.
    Helper(Helper),
    /// A function of the program.
    Function(u32),
}

/// Bytes of a relocatable call index: a padded LEB128 `u32`.
const INDEX_BYTES: usize = 5;

/// A function body under construction.
#[derive(Clone, Debug, Default)]
pub(super) struct Code {
    bytes: Vec<u8>,
    relocations: Vec<(usize, Callee)>,
    locals: Vec<ValType>,
    n_params: u32,
    /// Offsets of the `if` instructions that are almost never taken.
    cold: Vec<usize>,
    /// How many labels are open.
    pub depth: u32,
}

impl Code {
    pub fn new(n_params: usize) -> Self {
        Self { n_params: u32::try_from(n_params).unwrap_or(u32::MAX), ..Self::default() }
    }

    /// The raw instruction encoder. Structured instructions go through the methods below.
    pub fn op(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.bytes)
    }

    /// A fresh local variable.
    pub fn local(&mut self, ty: ValType) -> u32 {
        self.locals.push(ty);
        self.n_params + u32::try_from(self.locals.len()).unwrap_or(u32::MAX) - 1
    }

    pub fn get(&mut self, local: u32) -> &mut Self {
        self.op().local_get(local);
        self
    }

    pub fn set(&mut self, local: u32) -> &mut Self {
        self.op().local_set(local);
        self
    }

    pub fn call(&mut self, callee: Callee) {
        self.bytes.push(0x10);
        self.relocations.push((self.bytes.len(), callee));
        self.bytes.extend([0; INDEX_BYTES]);
    }

    pub fn block(&mut self) -> u32 {
        self.op().block(BlockType::Empty);
        self.depth += 1;
        self.depth
    }

    pub fn block_result(&mut self, ty: ValType) -> u32 {
        self.op().block(BlockType::Result(ty));
        self.depth += 1;
        self.depth
    }

    pub fn loop_(&mut self) -> u32 {
        self.op().loop_(BlockType::Empty);
        self.depth += 1;
        self.depth
    }

    pub fn if_(&mut self) {
        self.op().if_(BlockType::Empty);
        self.depth += 1;
    }

    /// An `if` that is almost never taken.
    pub fn if_cold(&mut self) {
        self.cold.push(self.bytes.len());
        self.if_();
    }

    pub fn if_result(&mut self, ty: ValType) {
        self.op().if_(BlockType::Result(ty));
        self.depth += 1;
    }

    pub fn else_(&mut self) {
        self.op().else_();
    }

    pub fn end(&mut self) {
        self.op().end();
        self.depth = self.depth.saturating_sub(1);
    }

    pub fn br(&mut self, label: u32) {
        let relative = self.depth.saturating_sub(label);
        self.op().br(relative);
    }

    pub fn br_if(&mut self, label: u32) {
        let relative = self.depth.saturating_sub(label);
        self.op().br_if(relative);
    }

    /// Set the trap site and stop.
    pub fn trap(&mut self, site: u32) {
        self.op().i32_const(site.cast_signed()).global_set(super::module::TRAP_SITE).unreachable();
    }

    /// Stop at the site when the i32 on the stack is true.
    pub fn trap_if(&mut self, site: u32) {
        self.if_cold();
        self.trap(site);
        self.end();
    }

    /// In a helper whose local `base` holds its first site: stop at the `nth` one.
    pub fn trap_at(&mut self, base: u32, nth: i32) {
        self.get(base).op().i32_const(nth).i32_add();
        self.op().global_set(super::module::TRAP_SITE).unreachable();
    }

    pub fn trap_at_if(&mut self, base: u32, nth: i32) {
        self.if_cold();
        self.trap_at(base, nth);
        self.end();
    }

    pub fn callees(&self) -> impl Iterator<Item = Callee> + '_ {
        self.relocations.iter().map(|(_, callee)| *callee)
    }

    /// The finished body with `prologue` in front (both may use any local), and its branch hints.
    pub fn finish(
        mut self,
        prologue: &[u8],
        index: impl Fn(Callee) -> Option<u32>,
    ) -> Option<(wasm_encoder::Function, Vec<BranchHint>)> {
        for (at, callee) in &self.relocations {
            let mut rest = index(*callee)?;
            let place = self.bytes.get_mut(*at..at + INDEX_BYTES)?;
            for (position, byte) in place.iter_mut().enumerate() {
                let more = if position + 1 < INDEX_BYTES { 0x80 } else { 0 };
                *byte = (rest & 0x7f) as u8 | more;
                rest >>= 7;
            }
        }
        let mut function = wasm_encoder::Function::new_with_locals_types(self.locals);
        function.raw(prologue.iter().copied());
        let shift = function.byte_len();
        let mut hints = Vec::with_capacity(self.cold.len());
        for at in self.cold {
            let branch_func_offset = u32::try_from(at + shift).ok()?;
            hints.push(BranchHint { branch_func_offset, branch_hint_value: 0 });
        }
        function.raw(self.bytes);
        function.instructions().end();
        Some((function, hints))
    }
}

/// A memory operand.
pub(super) const fn at(offset: u32, align: u32) -> MemArg {
    MemArg { offset: offset as u64, align, memory_index: 0 }
}
