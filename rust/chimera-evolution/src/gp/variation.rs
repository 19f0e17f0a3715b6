//! How trees come to be: ramped half-and-half, and the operators of Koza (1992).
//!
//! All of them write one finished tree of at most `max_nodes` nodes to the end of a forest, draw
//! only from the stream that they are given, and keep every tree well formed.

use chimera_rng::Stream;

use super::forest::{Forest, Node, Tree};
use super::function::Function;
use super::settings::Settings;

/// How often an operator tries for a child within the size limit before it copies the parent.
const N_TRIES: usize = 8;
/// Share of draws that insist on a function rather than a leaf (Koza, 1992).
const FUNCTION_SHARE: f64 = 0.9;
/// Share of leaves that are constants.
const CONSTANT_SHARE: f64 = 0.25;
/// Levels of random subtrees in mutation.
const MUTATION_DEPTH: usize = 4;

/// Random trees, made as the first population of a search is.
pub fn random_forest(settings: &Settings, n_columns: usize, n_trees: usize, seed: u64) -> Forest {
    let variation = Variation { settings, n_columns };
    let mut forest = Forest::default();
    for idx in 0..n_trees {
        variation.create(&mut forest, &mut Stream::new(seed, 0, idx as u64), idx);
    }
    forest
}

/// An operator, in the order of [`Settings::weights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// A subtree is replaced by one of another tree.
    Crossover,
    /// A subtree is replaced by a random one.
    Subtree,
    /// Nodes are replaced by others of equal arity.
    Point,
    /// A subtree is replaced by a part of itself.
    Hoist,
    /// Gaussian noise on all constants.
    Constants,
}

impl Operator {
    /// Draws one by weight.
    pub fn draw(settings: &Settings, rng: &mut Stream) -> Self {
        match rng.weighted(&settings.weights()) {
            Some(1) => Self::Subtree,
            Some(2) => Self::Point,
            Some(3) => Self::Hoist,
            Some(4) => Self::Constants,
            _ => Self::Crossover,
        }
    }
}

/// What variation draws from.
#[derive(Clone, Copy, Debug)]
pub struct Variation<'a> {
    /// Functions, sizes and scales.
    pub settings: &'a Settings,
    /// Number of input columns.
    pub n_columns: usize,
}

impl Variation<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "constants are 32-bit")]
    fn constant(self, rng: &mut Stream) -> f32 {
        let scale = rng.choose(&[0.1, 1.0, 1.0, 10.0]).copied().unwrap_or(1.0);
        ((self.settings.constant_scale * scale * rng.normal()) as f32).clamp(-1e30, 1e30)
    }

    fn leaf(self, rng: &mut Stream) -> Node {
        if rng.chance(CONSTANT_SHARE) {
            Node::Constant(self.constant(rng))
        } else {
            Node::Column(rng.below(self.n_columns))
        }
    }

    /// Appends a random subtree of at most `depth` levels to the open tree, and its size.
    fn grow(self, forest: &mut Forest, rng: &mut Stream, depth: usize, is_full: bool) -> usize {
        let is_leaf = depth <= 1 || (!is_full && rng.chance(0.3));
        let function = if is_leaf { None } else { rng.choose(&self.settings.functions) };
        let Some(function) = function.copied() else {
            forest.push(self.leaf(rng), 1);
            return 1;
        };
        let mut size = 1;
        for _ in 0..function.arity() {
            size += self.grow(forest, rng, depth - 1, is_full);
        }
        forest.push(Node::Function(function), size);
        size
    }

    /// A random tree: full or grown, of a depth that changes with `idx` (ramped half-and-half).
    pub fn create(self, forest: &mut Forest, rng: &mut Stream, idx: usize) {
        let depths = self.settings.initial_depth.saturating_sub(1).max(1);
        let mut depth = 2 + (idx / 2) % depths;
        if self.settings.initial_depth == 1 {
            depth = 1;
        }
        for attempt in 0..N_TRIES {
            let size = self.grow(forest, rng, depth, idx.is_multiple_of(2));
            if size <= self.settings.max_nodes {
                return forest.finish();
            }
            forest.abandon();
            if attempt % 2 == 1 {
                depth = depth.saturating_sub(1).max(1);
            }
        }
        forest.push(self.leaf(rng), 1);
        forest.finish();
    }

    /// A node to cut at: mostly a function.
    fn place(tree: Tree<'_>, rng: &mut Stream) -> usize {
        let wants_function = rng.chance(FUNCTION_SHARE);
        let mut idx = rng.below(tree.n_nodes());
        for _ in 0..N_TRIES {
            if !wants_function || tree.size(idx) > 1 {
                break;
            }
            idx = rng.below(tree.n_nodes());
        }
        idx
    }

    /// A child of `parent`, with material of `other` in crossover; `scratch` is overwritten.
    pub fn vary(
        self,
        operator: Operator,
        parent: Tree<'_>,
        other: Tree<'_>,
        forest: &mut Forest,
        scratch: &mut Forest,
        rng: &mut Stream,
    ) {
        match operator {
            Operator::Crossover => self.cross(parent, other, forest, rng),
            Operator::Subtree => self.replace(parent, forest, scratch, rng),
            Operator::Point => self.point(parent, forest, rng),
            Operator::Hoist => {
                let at = Self::place(parent, rng);
                let range = parent.subtree(at);
                let inner = range.start + rng.below(range.len());
                forest.splice(parent, at, parent, parent.subtree(inner));
            }
            Operator::Constants => Self::shake(parent, forest, rng),
        }
    }

    fn cross(self, parent: Tree<'_>, other: Tree<'_>, forest: &mut Forest, rng: &mut Stream) {
        for _ in 0..N_TRIES {
            let at = Self::place(parent, rng);
            let donor = other.subtree(Self::place(other, rng));
            let n_nodes = parent.n_nodes() - parent.size(at) + donor.len();
            if n_nodes <= self.settings.max_nodes {
                return forest.splice(parent, at, other, donor);
            }
        }
        forest.push_tree(parent);
    }

    fn replace(
        self,
        parent: Tree<'_>,
        forest: &mut Forest,
        scratch: &mut Forest,
        rng: &mut Stream,
    ) {
        for _ in 0..N_TRIES {
            let at = Self::place(parent, rng);
            scratch.clear();
            let depth = 1 + rng.below(MUTATION_DEPTH);
            let size = self.grow(scratch, rng, depth, false);
            if parent.n_nodes() - parent.size(at) + size <= self.settings.max_nodes {
                return forest.splice(parent, at, scratch.open(), 0..size);
            }
        }
        forest.push_tree(parent);
    }

    fn point(self, parent: Tree<'_>, forest: &mut Forest, rng: &mut Stream) {
        let rate = 1.0 / parent.n_nodes().max(1) as f64;
        let forced = rng.below(parent.n_nodes());
        for (idx, node) in parent.nodes().enumerate() {
            let node = if idx == forced || rng.chance(rate) { self.other(node, rng) } else { node };
            forest.push(node, parent.size(idx));
        }
        forest.finish();
    }

    /// Another node of equal arity.
    fn other(self, node: Node, rng: &mut Stream) -> Node {
        let Node::Function(function) = node else { return self.leaf(rng) };
        let is_like = |other: &&Function| other.arity() == function.arity();
        let n = self.settings.functions.iter().filter(is_like).count();
        let chosen = self.settings.functions.iter().filter(is_like).nth(rng.below(n));
        Node::Function(chosen.copied().unwrap_or(function))
    }

    #[expect(clippy::cast_possible_truncation, reason = "constants are 32-bit")]
    fn shake(parent: Tree<'_>, forest: &mut Forest, rng: &mut Stream) {
        let step = rng.choose(&[0.03, 0.1, 0.3, 1.0]).copied().unwrap_or(0.1);
        for (idx, node) in parent.nodes().enumerate() {
            let node = match node {
                Node::Constant(value) => {
                    let scale = step * f64::from(value).abs().max(0.1);
                    let moved = f64::from(value) + scale * rng.normal();
                    Node::Constant((moved as f32).clamp(-1e30, 1e30))
                }
                node => node,
            };
            forest.push(node, parent.size(idx));
        }
        forest.finish();
    }
}
