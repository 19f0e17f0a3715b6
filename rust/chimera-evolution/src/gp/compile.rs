//! From a postfix tree to instructions on block registers.
//!
//! One forward pass. Leaves cost nothing: they become operands. Constant subtrees are folded with
//! the very functions that the machine runs. An arithmetic operation is held back until its parent
//! is seen; when that is arithmetic too, both become one instruction.

use super::forest::{Node, Tree};
use super::function::Function;
use super::kernels::{self, Form, Kernel};

/// Operands below are registers, the others columns.
pub const REGISTERS_MAX: u16 = 8192;
/// An operand that is not read.
pub const NOTHING: u16 = u16::MAX;

/// One instruction.
#[derive(Clone, Copy)]
pub struct Instruction {
    /// Its loop.
    pub kernel: Kernel,
    /// Register written; never one that it reads.
    pub out: u16,
    /// Operands: registers below [`REGISTERS_MAX`], else columns.
    pub operands: [u16; 4],
    /// Constants of the inner and outer operation.
    pub constants: [f32; 2],
}

/// What a subtree has become so far.
#[derive(Clone, Copy)]
enum Value {
    Constant(f32),
    /// A register or a column.
    Vector(u16),
    /// An arithmetic operation that waits to be fused: row of the kernel table, operands, constant.
    Pending(u8, u16, u16, f32),
}

/// Compiles trees; keeps its memory.
#[derive(Default)]
pub struct Compiler {
    stack: Vec<Value>,
    free: Vec<u16>,
    n_registers: u16,
    instructions: Vec<Instruction>,
    ends: Vec<usize>,
}

impl Compiler {
    /// Forgets the programs.
    pub fn clear(&mut self) {
        self.instructions.clear();
        self.ends.clear();
    }

    /// Most registers that any program since the start needed.
    pub const fn n_registers(&self) -> usize {
        self.n_registers as usize
    }

    /// The programs in order. The last instruction of each writes the result.
    pub fn programs(&self) -> impl Iterator<Item = &[Instruction]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let program = self.instructions.get(start..*end).unwrap_or(&[]);
            start = *end;
            program
        })
    }

    /// Appends the program of a tree.
    pub fn compile(&mut self, tree: Tree<'_>) {
        self.stack.clear();
        self.free.clear();
        // Registers are handed out from the top of the list: low numbers first, the last freed first.
        self.free.extend((0..self.n_registers).rev());
        for node in tree.nodes() {
            let value = match node {
                Node::Constant(value) => Value::Constant(value),
                #[expect(clippy::cast_possible_truncation, reason = "columns are limited to 2^15")]
                Node::Column(column) => Value::Vector(REGISTERS_MAX + column as u16),
                Node::Function(function) => self.operation(function),
            };
            self.stack.push(value);
        }
        match self.pop() {
            Value::Constant(value) => self.emit(kernels::FILL, [NOTHING; 4], [value, 0.0]),
            Value::Vector(place) if place >= REGISTERS_MAX => {
                self.emit(kernels::COPY, [place; 4], [0.0; 2])
            }
            value => self.vector(value),
        };
        self.ends.push(self.instructions.len());
    }

    fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or(Value::Constant(0.0))
    }

    fn operation(&mut self, function: Function) -> Value {
        match function.arity() {
            1 => match self.pop() {
                Value::Constant(a) => Value::Constant(function.apply(a, 0.0, 0.0, 0.0)),
                value => {
                    let a = self.vector(value);
                    let kernel = kernels::single(function, Form::Vectors);
                    Value::Vector(self.emit(kernel, [a; 4], [0.0; 2]))
                }
            },
            2 => {
                let right = self.pop();
                let left = self.pop();
                self.binary(function, left, right)
            }
            _ => {
                let arguments = [self.pop(), self.pop(), self.pop(), self.pop()];
                if let [
                    Value::Constant(y),
                    Value::Constant(x),
                    Value::Constant(b),
                    Value::Constant(a),
                ] = arguments
                {
                    return Value::Constant(function.apply(a, b, x, y));
                }
                let [y, x, b, a] = arguments.map(|value| self.vector(value));
                let kernel = kernels::single(function, Form::Vectors);
                Value::Vector(self.emit(kernel, [a, b, x, y], [0.0; 2]))
            }
        }
    }

    fn binary(&mut self, function: Function, left: Value, right: Value) -> Value {
        let (function, right) = match (function, right) {
            (_, Value::Constant(b)) if matches!(left, Value::Constant(_)) => {
                if let Value::Constant(a) = left {
                    return Value::Constant(function.apply(a, b, 0.0, 0.0));
                }
                (function, right)
            }
            (Function::Sub, Value::Constant(b)) => (Function::Add, Value::Constant(-b)),
            _ => (function, right),
        };
        let (pending, other, is_left) = match (left, right) {
            // Two that wait: the right one is computed now, the left one is fused.
            (Value::Pending(..), _) => (left, right, true),
            (_, Value::Pending(..)) => (right, left, false),
            _ => return self.hold(function, left, right),
        };
        let is_constant = matches!(other, Value::Constant(_));
        let Some(outer) = kernels::outer(function, is_constant, is_left) else {
            return self.hold(function, left, right);
        };
        let (c, q) = match other {
            Value::Constant(q) => (None, q),
            other => (Some(self.vector(other)), 0.0),
        };
        let Value::Pending(inner, a, b, p) = pending else { return pending };
        let kernel = kernels::fused(inner, outer);
        Value::Vector(self.emit(kernel, [a, b, c.unwrap_or(a), a], [p, q]))
    }

    /// An operation on two operands, of which none waits any more: it waits itself if it can.
    fn hold(&mut self, function: Function, left: Value, right: Value) -> Value {
        let (form, a, b, p) = match (left, right) {
            (Value::Constant(p), other) => {
                let a = self.vector(other);
                (Form::ConstantLeft, a, a, p)
            }
            (other, Value::Constant(p)) => {
                let a = self.vector(other);
                (Form::ConstantRight, a, a, p)
            }
            (left, right) => {
                let a = self.vector(left);
                (Form::Vectors, a, self.vector(right), 0.0)
            }
        };
        if let Some(inner) = kernels::inner(function, form) {
            return Value::Pending(inner, a, b, p);
        }
        let kernel = kernels::single(function, form);
        Value::Vector(self.emit(kernel, [a, b, a, a], [p, 0.0]))
    }

    /// The register or column of a value, computed if it still waits.
    fn vector(&mut self, value: Value) -> u16 {
        match value {
            Value::Vector(place) => place,
            Value::Constant(value) => self.emit(kernels::FILL, [NOTHING; 4], [value, 0.0]),
            Value::Pending(inner, a, b, p) => {
                self.emit(kernels::fused(inner, 0), [a, b, a, a], [p, 0.0])
            }
        }
    }

    fn emit(&mut self, kernel: Kernel, operands: [u16; 4], constants: [f32; 2]) -> u16 {
        let out = self.free.pop().unwrap_or_else(|| {
            self.n_registers += 1;
            self.n_registers - 1
        });
        // A register is read once: it is free again after this instruction. Repeated operands count
        // once; a register is never two different operands.
        for (idx, place) in operands.iter().enumerate() {
            let is_repeated = operands.iter().take(idx).any(|other| other == place);
            if *place < REGISTERS_MAX && !is_repeated {
                self.free.push(*place);
            }
        }
        self.instructions.push(Instruction { kernel, out, operands, constants });
        out
    }
}
