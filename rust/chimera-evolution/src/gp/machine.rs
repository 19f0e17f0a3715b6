//! The vectorised interpreter: whole forests over blocks of rows.
//!
//! Trees are compiled in groups; then block after block of rows is run through the group's programs
//! while its columns stay in the first-level cache. Equal to [`Function::apply`] row by row, bit for
//! bit, on every processor and for every block size.
//!
//! [`Function::apply`]: super::Function::apply

use std::ops::Range;

use pulp::Arch;

use super::compile::{Compiler, Instruction, NOTHING, REGISTERS_MAX};
use super::data::{Block, Data};
use super::forest::{Forest, Tree};
use super::kernels::{Operands, TILE, Tile};

/// Bytes of predictions that a group of trees may hold: within the second-level cache.
const GROUP_BYTES: usize = 512 * 1024;
/// Most trees in a group.
const GROUP_MAX: usize = 64;

/// A reusable interpreter; one per thread.
#[derive(Default)]
pub struct Machine {
    compiler: Compiler,
    registers: Vec<Vec<Tile>>,
    outputs: Vec<Tile>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

impl Machine {
    /// Evaluates all trees and hands each one's predictions, one a row, to `sink` in order.
    pub fn evaluate(&mut self, forest: &Forest, data: &Data, sink: impl FnMut(usize, &[f32])) {
        self.evaluate_range(forest, 0..forest.n_trees(), data, sink);
    }

    /// As [`Machine::evaluate`] for some trees; `sink` gets their indices in the forest.
    pub fn evaluate_range(
        &mut self,
        forest: &Forest,
        range: Range<usize>,
        data: &Data,
        mut sink: impl FnMut(usize, &[f32]),
    ) {
        let n_tiles = data.n_tiles();
        let size = (GROUP_BYTES / (n_tiles * TILE * 4).max(1)).clamp(1, GROUP_MAX);
        let end = range.end.min(forest.n_trees());
        for first in (range.start..end).step_by(size) {
            let group = first..(first + size).min(end);
            self.compiler.clear();
            for tree in group.clone().filter_map(|idx| forest.tree(idx)) {
                self.compiler.compile(tree);
            }
            self.run(group.len(), data);
            for (idx, tiles) in group.zip(self.outputs.chunks_exact(n_tiles.max(1))) {
                let values = tiles.as_flattened();
                sink(idx, values.get(..data.n_rows()).unwrap_or(values));
            }
        }
    }

    /// Evaluates one tree; one prediction a row.
    pub fn evaluate_one(&mut self, tree: Tree<'_>, data: &Data) -> &[f32] {
        self.compiler.clear();
        self.compiler.compile(tree);
        self.run(1, data);
        let values = self.outputs.as_flattened();
        values.get(..data.n_rows()).unwrap_or(values)
    }

    /// Runs the compiled programs over all blocks.
    fn run(&mut self, n_trees: usize, data: &Data) {
        let arch = Arch::new();
        let n_tiles = data.n_tiles();
        let height = data.blocks().next().map_or(0, |block| block.n_tiles);
        self.registers.resize(self.compiler.n_registers().max(self.registers.len()), Vec::new());
        for register in &mut self.registers {
            register.resize(height.max(register.len()), [0.0; TILE]);
        }
        if self.outputs.len() < n_trees * n_tiles {
            self.outputs.resize(n_trees * n_tiles, [0.0; TILE]);
        }
        for block in data.blocks() {
            let outputs = self.outputs.chunks_exact_mut(n_tiles.max(1));
            for (program, output) in self.compiler.programs().zip(outputs) {
                let rows = block.first_tile..block.first_tile + block.n_tiles;
                let Some(output) = output.get_mut(rows) else { continue };
                let Some((last, rest)) = program.split_last() else { continue };
                for instruction in rest {
                    let place = usize::from(instruction.out);
                    let Some(register) = self.registers.get_mut(place) else { continue };
                    // Taken out while it is written; an instruction never reads what it writes.
                    let mut out = std::mem::take(register);
                    if let Some(out) = out.get_mut(..block.n_tiles) {
                        step(arch, instruction, out, &self.registers, &block);
                    }
                    if let Some(register) = self.registers.get_mut(place) {
                        *register = out;
                    }
                }
                step(arch, last, output, &self.registers, &block);
            }
        }
    }
}

#[inline]
fn step(
    arch: Arch,
    instruction: &Instruction,
    out: &mut [Tile],
    registers: &[Vec<Tile>],
    block: &Block<'_>,
) {
    let n_tiles = out.len();
    let source = |place: u16| -> &[Tile] {
        if place < REGISTERS_MAX {
            registers
                .get(usize::from(place))
                .and_then(|register| register.get(..n_tiles))
                .unwrap_or(&[])
        } else if place == NOTHING {
            block.column(0)
        } else {
            block.column(usize::from(place - REGISTERS_MAX))
        }
    };
    let [a, b, c, d] = instruction.operands;
    let [p, q] = instruction.constants;
    let operands = Operands { a: source(a), b: source(b), c: source(c), d: source(d), p, q };
    (instruction.kernel)(arch, out, operands);
}
