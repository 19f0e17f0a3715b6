//! Tuning a tree's constants by Levenberg–Marquardt least squares (Marquardt, 1963).
//!
//! Values and derivatives of all nodes are computed tile by tile, forward and in reverse, and only
//! the normal equations are kept. Slope and intercept are parameters of the step too, and are fitted
//! anew after it. A tuned tree replaces the old one only when its error is smaller.

use super::data::{Block, Data};
use super::fitness::{Fit, Target};
use super::forest::{Forest, Node, Tree};
use super::function::{self, Function, TINY};
use super::kernels::{TILE, Tile};
use super::machine::Machine;
use super::math;
use crate::simd;

/// Most constants that are tuned at once; trees with more are left alone.
pub const CONSTANTS_MAX: usize = 24;
const LANES: usize = 8;

/// What constants are tuned for.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a> {
    /// Inputs.
    pub data: &'a Data,
    /// Wanted outputs.
    pub target: &'a Target,
    /// Steps at most.
    pub n_steps: usize,
    /// Whether slope and intercept are fitted.
    pub is_scaled: bool,
}

/// Memory for tuning; one per thread.
#[derive(Debug, Default)]
pub struct Tuner {
    values: Vec<Tile>,
    adjoints: Vec<Tile>,
    /// Rows of the Jacobian and, last, the residual: one tile each.
    jacobian: Vec<[f64; TILE]>,
    normal: Vec<f64>,
    scratch: Forest,
    stack: Vec<usize>,
    children: Vec<[u16; 4]>,
    places: Vec<usize>,
    constants: Vec<f32>,
    n_evaluated: u64,
}

impl Tuner {
    /// How many trees the last call of [`Tuner::tune`] measured.
    pub const fn n_evaluated(&self) -> u64 {
        self.n_evaluated
    }

    /// Tunes the constants of tree `idx`, whose fit is known; the new fit when it is better.
    pub fn tune(
        &mut self,
        forest: &mut Forest,
        idx: usize,
        fit: Fit,
        machine: &mut Machine,
        problem: Problem<'_>,
    ) -> Option<Fit> {
        let Problem { data, target, n_steps, is_scaled } = problem;
        self.n_evaluated = 0;
        let tree = forest.tree(idx)?;
        self.places.clear();
        self.constants.clear();
        for (place, node) in tree.nodes().enumerate() {
            if let Node::Constant(value) = node {
                self.places.push(place);
                self.constants.push(value);
            }
        }
        if self.places.is_empty() || self.places.len() > CONSTANTS_MAX || !fit.error.is_finite() {
            return None;
        }
        self.link(tree);
        self.scratch.clear();
        self.scratch.push_tree(tree);
        let mut best = fit;
        let mut damping = 1e-2;
        let mut is_fresh = true;
        for _ in 0..n_steps {
            if is_fresh {
                self.assemble(data, target, best, is_scaled);
            }
            let Some(step) = self.solve(damping) else { break };
            let moved: Vec<f32> = self
                .constants
                .iter()
                .zip(&step)
                .map(|(constant, step)| {
                    #[expect(clippy::cast_possible_truncation, reason = "constants are 32-bit")]
                    let moved = (f64::from(*constant) + step) as f32;
                    if moved.abs() <= 1e30 { moved } else { *constant }
                })
                .collect();
            self.scratch.set_constants(0, &moved);
            let next = match self.scratch.tree(0) {
                Some(tree) => target.fit(machine.evaluate_one(tree, data), is_scaled),
                None => break,
            };
            self.n_evaluated += 1;
            if next.error < best.error {
                let gain = 1.0 - next.error / best.error;
                best = next;
                self.constants.clone_from(&moved);
                damping *= 0.1;
                is_fresh = true;
                if gain < 1e-6 {
                    break;
                }
            } else {
                self.scratch.set_constants(0, &self.constants);
                damping *= 16.0;
                is_fresh = false;
            }
        }
        if best.error < fit.error {
            forest.set_constants(idx, &self.constants);
            Some(best)
        } else {
            None
        }
    }

    /// Finds each node's children once.
    #[expect(clippy::cast_possible_truncation, reason = "trees have at most 4096 nodes")]
    fn link(&mut self, tree: Tree<'_>) {
        self.stack.clear();
        self.children.clear();
        for (idx, node) in tree.nodes().enumerate() {
            let rest = self.stack.len().saturating_sub(node.arity());
            let mut children = [0; 4];
            for (child, place) in children.iter_mut().zip(self.stack.drain(rest..)) {
                *child = place as u16;
            }
            self.children.push(children);
            self.stack.push(idx);
        }
        self.values.resize(tree.n_nodes().max(self.values.len()), [0.0; TILE]);
        self.adjoints.resize(tree.n_nodes().max(self.adjoints.len()), [0.0; TILE]);
    }

    /// Sums the normal equations over all rows.
    fn assemble(&mut self, data: &Data, target: &Target, fit: Fit, is_scaled: bool) {
        let n = self.n_parameters();
        self.normal.clear();
        self.normal.resize((n + 1) * (n + 1), 0.0);
        self.jacobian.resize(n + 1, [0.0; TILE]);
        for block in data.blocks() {
            for tile in 0..block.n_tiles {
                let first_row = (block.first_tile + tile) * TILE;
                simd::dispatch(
                    #[inline(always)]
                    || {
                        self.forward(&block, tile);
                        self.backward();
                        self.rows(target, fit, first_row, is_scaled);
                        self.accumulate();
                    },
                );
            }
        }
    }

    /// Constants, slope and intercept.
    const fn n_parameters(&self) -> usize {
        self.places.len() + 2
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "compiled along with the dispatched closure")]
    fn forward(&mut self, block: &Block<'_>, tile: usize) {
        let Some(tree) = self.scratch.tree(0) else { return };
        for (idx, (node, children)) in tree.nodes().zip(&self.children).enumerate() {
            let Some((done, rest)) = self.values.split_at_mut_checked(idx) else { return };
            let Some(out) = rest.first_mut() else { return };
            match node {
                Node::Constant(value) => *out = [value; TILE],
                Node::Column(column) => {
                    *out = block.column(column).get(tile).copied().unwrap_or([0.0; TILE]);
                }
                Node::Function(function) => {
                    let at = |place: usize| -> Tile {
                        children
                            .get(place)
                            .and_then(|child| done.get(usize::from(*child)))
                            .copied()
                            .unwrap_or([0.0; TILE])
                    };
                    let (a, b) = (at(0), at(1));
                    match function {
                        Function::Add => binary(out, &a, &b, |a, b| a + b),
                        Function::Sub => binary(out, &a, &b, |a, b| a - b),
                        Function::Mul => binary(out, &a, &b, |a, b| a * b),
                        Function::Div => binary(out, &a, &b, function::div),
                        Function::IfGreater => {
                            let (x, y) = (at(2), at(3));
                            let rows = out.iter_mut().zip(&a).zip(&b).zip(&x).zip(&y);
                            for ((((out, a), b), x), y) in rows {
                                *out = if a > b { *x } else { *y };
                            }
                        }
                        other => binary(out, &a, &b, |a, b| other.apply(a, b, 0.0, 0.0)),
                    }
                }
            }
        }
    }

    /// Derivatives of the root by every node, from the root down.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "compiled along with the dispatched closure")]
    fn backward(&mut self) {
        let Some(tree) = self.scratch.tree(0) else { return };
        let root = tree.n_nodes().saturating_sub(1);
        if let Some(adjoint) = self.adjoints.get_mut(root) {
            *adjoint = [1.0; TILE];
        }
        for (idx, node) in tree.nodes().enumerate().rev() {
            let Node::Function(function) = node else { continue };
            let children = self.children.get(idx).copied().unwrap_or_default();
            let value = |place: usize| self.values.get(place).copied().unwrap_or([0.0; TILE]);
            let [a, b, x, y] = children.map(usize::from);
            let (va, vb, out) = (value(a), value(b), value(idx));
            let adjoint = self.adjoints.get(idx).copied().unwrap_or([0.0; TILE]);
            let mut pass = |child: usize, local: &dyn Fn(f32, f32, f32) -> f32| {
                if let Some(target) = self.adjoints.get_mut(child) {
                    let rows = target.iter_mut().zip(&adjoint).zip(&va).zip(&vb).zip(&out);
                    for ((((target, adjoint), a), b), out) in rows {
                        *target = adjoint * local(*a, *b, *out);
                    }
                }
            };
            match function {
                Function::Add => {
                    pass(a, &|_, _, _| 1.0);
                    pass(b, &|_, _, _| 1.0);
                }
                Function::Sub => {
                    pass(a, &|_, _, _| 1.0);
                    pass(b, &|_, _, _| -1.0);
                }
                Function::Mul => {
                    pass(a, &|_, b, _| b);
                    pass(b, &|a, _, _| a);
                }
                Function::Div => {
                    pass(a, &|_, b, _| if b.abs() < TINY { 0.0 } else { 1.0 / b });
                    pass(b, &|_, b, out| if b.abs() < TINY { 0.0 } else { -out / b });
                }
                Function::Min => {
                    pass(a, &|a, b, _| if a < b { 1.0 } else { 0.0 });
                    pass(b, &|a, b, _| if a < b { 0.0 } else { 1.0 });
                }
                Function::Max => {
                    pass(a, &|a, b, _| if a > b { 1.0 } else { 0.0 });
                    pass(b, &|a, b, _| if a > b { 0.0 } else { 1.0 });
                }
                Function::Neg => pass(a, &|_, _, _| -1.0),
                Function::Abs => pass(a, &|a, _, _| 1.0_f32.copysign(a)),
                Function::Sqrt => {
                    pass(a, &|a, _, out| if out > 0.0 { (0.5 / out).copysign(a) } else { 0.0 });
                }
                Function::Log => pass(a, &|a, _, _| if a.abs() < TINY { 0.0 } else { 1.0 / a }),
                Function::Exp => {
                    pass(a, &|a, _, out| if a.abs() > function::EXP_LIMIT { 0.0 } else { out });
                }
                Function::Sin => pass(a, &|a, _, _| math::cos(a)),
                Function::Cos => pass(a, &|a, _, _| -math::sin(a)),
                Function::Tanh => pass(a, &|_, _, out| 1.0 - out * out),
                Function::Square => pass(a, &|a, _, _| 2.0 * a),
                Function::IfGreater => {
                    pass(a, &|_, _, _| 0.0);
                    pass(b, &|_, _, _| 0.0);
                    pass(x, &|a, b, _| if a > b { 1.0 } else { 0.0 });
                    pass(y, &|a, b, _| if a > b { 0.0 } else { 1.0 });
                }
            }
        }
    }

    /// Rows of the Jacobian and the residual of one tile; zero beyond the last row and where a
    /// derivative is not finite.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "compiled along with the dispatched closure")]
    fn rows(&mut self, target: &Target, fit: Fit, first_row: usize, is_scaled: bool) {
        let root = self.children.len().saturating_sub(1);
        let values = self.values.get(root).copied().unwrap_or([0.0; TILE]);
        let n = self.places.len();
        for (row, place) in self.jacobian.iter_mut().zip(&self.places) {
            let adjoint = self.adjoints.get(*place).copied().unwrap_or([0.0; TILE]);
            for (out, adjoint) in row.iter_mut().zip(&adjoint) {
                let derivative = fit.slope * f64::from(*adjoint);
                *out = if derivative.abs() < 1e60 { derivative } else { 0.0 };
            }
        }
        let known = target.values().get(first_row..).unwrap_or(&[]);
        let n_rows = known.len().min(TILE);
        let free = if is_scaled { 1.0 } else { 0.0 };
        if let Some([slope, intercept, residual]) = self.jacobian.get_mut(n..n + 3) {
            *intercept = [free; TILE];
            for ((slope, residual), (value, known)) in slope
                .iter_mut()
                .zip(residual.iter_mut())
                .zip(values.iter().zip(known.iter().chain(std::iter::repeat(&0.0))))
            {
                *slope = free * f64::from(*value);
                *residual = known - (fit.slope * f64::from(*value) + fit.intercept);
            }
        }
        for row in &mut self.jacobian {
            for out in row.iter_mut().skip(n_rows) {
                *out = 0.0;
            }
        }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "compiled along with the dispatched closure")]
    fn accumulate(&mut self) {
        let n = self.jacobian.len();
        for (i, (row, sums)) in
            self.jacobian.iter().zip(self.normal.chunks_exact_mut(n)).enumerate()
        {
            for (other, sum) in self.jacobian.iter().zip(sums).take(i + 1) {
                let mut partial = [0.0; LANES];
                let (a, _) = row.as_chunks::<LANES>();
                let (b, _) = other.as_chunks::<LANES>();
                for (a, b) in a.iter().zip(b) {
                    for ((partial, a), b) in partial.iter_mut().zip(a).zip(b) {
                        *partial += a * b;
                    }
                }
                *sum += partial.iter().sum::<f64>();
            }
        }
    }

    /// Solves the damped normal equations by Cholesky; none when they are singular.
    fn solve(&self, damping: f64) -> Option<Vec<f64>> {
        let n = self.n_parameters();
        let at = |i: usize, j: usize| self.normal.get(i * (n + 1) + j).copied();
        let mut lower = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                let mut sum = at(i, j)?;
                if i == j {
                    sum += damping * sum + 1e-12;
                }
                for k in 0..j {
                    sum -= lower.get(i * n + k)? * lower.get(j * n + k)?;
                }
                let value = if i == j { sum.sqrt() } else { sum / lower.get(j * n + j)? };
                if !value.is_finite() || (i == j && value == 0.0) {
                    return None;
                }
                *lower.get_mut(i * n + j)? = value;
            }
        }
        let mut x: Vec<f64> = (0..n).map(|j| at(n, j)).collect::<Option<_>>()?;
        for i in 0..n {
            let mut sum = *x.get(i)?;
            for k in 0..i {
                sum -= lower.get(i * n + k)? * x.get(k)?;
            }
            *x.get_mut(i)? = sum / lower.get(i * n + i)?;
        }
        for i in (0..n).rev() {
            let mut sum = *x.get(i)?;
            for k in i + 1..n {
                sum -= lower.get(k * n + i)? * x.get(k)?;
            }
            *x.get_mut(i)? = sum / lower.get(i * n + i)?;
        }
        Some(x)
    }
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "compiled along with the dispatched closure")]
fn binary(out: &mut Tile, a: &Tile, b: &Tile, f: impl Fn(f32, f32) -> f32) {
    for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
        *out = f(*a, *b);
    }
}
