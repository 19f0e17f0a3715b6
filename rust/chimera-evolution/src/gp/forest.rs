//! Expression trees of a whole population in one arena of flat postfix arrays.
//!
//! A tree is a run of tokens in postfix order: arguments before their function, the root last. Three
//! parallel arrays hold a code, a value (column index, or the bits of a constant) and the size of the
//! subtree that ends there. There are no boxes and no pointers; copying a subtree copies three
//! slices. Invariant: every tree is well formed, as [`Tree::check`] states.

use serde::{Deserialize, Serialize};

use super::function::Function;
use crate::error::{Error, Result};

/// Code of a constant.
pub const CONSTANT: u8 = 254;
/// Code of an input column.
pub const COLUMN: u8 = 255;
/// Most nodes of a tree.
pub const NODES_MAX: usize = 4096;

/// One node as seen by readers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Node {
    /// A function of the subtrees before it.
    Function(Function),
    /// An ephemeral constant.
    Constant(f32),
    /// An input column.
    Column(usize),
}

impl Node {
    /// Number of arguments.
    pub const fn arity(self) -> usize {
        match self {
            Self::Function(function) => function.arity(),
            Self::Constant(_) | Self::Column(_) => 0,
        }
    }
}

/// A borrowed tree.
#[derive(Clone, Copy, Debug)]
pub struct Tree<'a> {
    /// Codes in postfix order.
    pub codes: &'a [u8],
    /// Column index or bits of a constant; 0 for functions.
    pub values: &'a [u32],
    /// Nodes in the subtree that ends here.
    pub sizes: &'a [u16],
}

impl<'a> Tree<'a> {
    /// Number of nodes.
    pub const fn n_nodes(self) -> usize {
        self.codes.len()
    }

    /// One node.
    pub fn node(self, idx: usize) -> Option<Node> {
        let value = *self.values.get(idx)?;
        match *self.codes.get(idx)? {
            CONSTANT => Some(Node::Constant(f32::from_bits(value))),
            COLUMN => Some(Node::Column(value as usize)),
            code => Function::from_code(code).map(Node::Function),
        }
    }

    /// The nodes in postfix order.
    pub fn nodes(self) -> impl DoubleEndedIterator<Item = Node> + ExactSizeIterator + 'a {
        self.codes.iter().zip(self.values).map(|(code, value)| match *code {
            CONSTANT => Node::Constant(f32::from_bits(*value)),
            COLUMN => Node::Column(*value as usize),
            code => Node::Function(Function::from_code(code).unwrap_or(Function::Add)),
        })
    }

    /// Size of the subtree whose root is `idx`; 1 out of range.
    pub fn size(self, idx: usize) -> usize {
        self.sizes.get(idx).map_or(1, |size| usize::from(*size))
    }

    /// The nodes of the subtree whose root is `idx`.
    pub fn subtree(self, idx: usize) -> std::ops::Range<usize> {
        (idx + 1).saturating_sub(self.size(idx))..idx + 1
    }

    /// Levels of the tree; a single leaf has one.
    pub fn depth(self) -> usize {
        let mut stack: Vec<usize> = Vec::new();
        for node in self.nodes() {
            let rest = stack.len().saturating_sub(node.arity());
            let deepest = stack.drain(rest..).max().unwrap_or(0);
            stack.push(deepest + 1);
        }
        stack.pop().unwrap_or(0)
    }

    /// Checks that it is one well-formed tree over `n_columns` columns with finite constants.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(self, n_columns: usize) -> Result<()> {
        let bad = |reason: &str| Err(Error::batch("tree", "a postfix expression", reason));
        let n = self.codes.len();
        if n == 0 || n > NODES_MAX || self.values.len() != n || self.sizes.len() != n {
            return bad("arrays that are empty, too long, or of different lengths");
        }
        let mut stack: Vec<usize> = Vec::new();
        for idx in 0..n {
            let arity = match self.node(idx) {
                Some(Node::Constant(value)) if !value.is_finite() => {
                    return bad("a constant that is not finite");
                }
                Some(Node::Column(column)) if column >= n_columns => {
                    return bad("a column that does not exist");
                }
                Some(node) => node.arity(),
                None => return bad("an unknown function"),
            };
            let Some(rest) = stack.len().checked_sub(arity) else {
                return bad("a function without its arguments");
            };
            let size = 1 + stack.drain(rest..).sum::<usize>();
            if self.size(idx) != size {
                return bad("wrong subtree sizes");
            }
            stack.push(size);
        }
        if stack.len() == 1 { Ok(()) } else { bad("several expressions") }
    }
}

/// Trees in one arena.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    codes: Vec<u8>,
    values: Vec<u32>,
    sizes: Vec<u16>,
    /// End of each tree; it begins where the one before ends.
    ends: Vec<usize>,
}

impl Forest {
    /// No trees; memory is kept.
    pub fn clear(&mut self) {
        self.codes.clear();
        self.values.clear();
        self.sizes.clear();
        self.ends.clear();
    }

    /// Number of trees.
    pub const fn n_trees(&self) -> usize {
        self.ends.len()
    }

    /// Nodes of all trees.
    pub fn n_nodes(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// One tree.
    pub fn tree(&self, idx: usize) -> Option<Tree<'_>> {
        let start = match idx.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        let range = start..*self.ends.get(idx)?;
        Some(Tree {
            codes: self.codes.get(range.clone())?,
            values: self.values.get(range.clone())?,
            sizes: self.sizes.get(range)?,
        })
    }

    /// The trees in order.
    pub fn trees(&self) -> impl ExactSizeIterator<Item = Tree<'_>> {
        const EMPTY: Tree<'static> = Tree { codes: &[], values: &[], sizes: &[] };
        (0..self.n_trees()).map(|idx| self.tree(idx).unwrap_or(EMPTY))
    }

    /// Number of nodes written since the last tree was finished.
    pub fn n_open(&self) -> usize {
        self.codes.len() - self.n_nodes()
    }

    /// Appends a copy of a tree.
    pub fn push_tree(&mut self, tree: Tree<'_>) {
        self.extend(tree, 0..tree.n_nodes());
        self.finish();
    }

    /// Appends nodes of `tree` to the open tree, with their sizes as they are.
    pub fn extend(&mut self, tree: Tree<'_>, range: std::ops::Range<usize>) {
        self.codes.extend_from_slice(tree.codes.get(range.clone()).unwrap_or(&[]));
        self.values.extend_from_slice(tree.values.get(range.clone()).unwrap_or(&[]));
        self.sizes.extend_from_slice(tree.sizes.get(range).unwrap_or(&[]));
    }

    /// Appends a leaf or a function whose arguments, `size - 1` nodes, came just before.
    #[expect(clippy::cast_possible_truncation, reason = "trees have at most 4096 nodes")]
    pub fn push(&mut self, node: Node, size: usize) {
        let (code, value) = match node {
            Node::Function(function) => (function as u8, 0),
            Node::Constant(value) => (CONSTANT, value.to_bits()),
            Node::Column(column) => (COLUMN, column as u32),
        };
        self.codes.push(code);
        self.values.push(value);
        self.sizes.push(size as u16);
    }

    /// Closes the open tree.
    pub fn finish(&mut self) {
        self.ends.push(self.codes.len());
    }

    /// Drops the open tree.
    pub fn abandon(&mut self) {
        let n = self.n_nodes();
        self.codes.truncate(n);
        self.values.truncate(n);
        self.sizes.truncate(n);
    }

    /// The nodes written since the last finished tree, as a tree of its own.
    pub fn open(&self) -> Tree<'_> {
        let n = self.n_nodes();
        Tree {
            codes: self.codes.get(n..).unwrap_or(&[]),
            values: self.values.get(n..).unwrap_or(&[]),
            sizes: self.sizes.get(n..).unwrap_or(&[]),
        }
    }

    /// Appends the tree that replaces the subtree of `base` rooted at `at` by nodes `with_range` of
    /// `with`, and closes it. Sizes of the ancestors are mended.
    pub fn splice(
        &mut self,
        base: Tree<'_>,
        at: usize,
        with: Tree<'_>,
        with_range: std::ops::Range<usize>,
    ) {
        let removed = base.subtree(at);
        let added = with_range.len();
        let start = self.codes.len();
        self.extend(base, 0..removed.start);
        self.extend(with, with_range);
        self.extend(base, removed.end..base.n_nodes());
        // An ancestor comes later and its subtree reaches back over the removed root.
        let tail = start + removed.start + added;
        let sizes = self.sizes.get_mut(tail..).unwrap_or(&mut []);
        for (idx, size) in (removed.end..).zip(sizes) {
            if idx < at + usize::from(*size) {
                let mended = (usize::from(*size) + added).saturating_sub(removed.len());
                *size = u16::try_from(mended).unwrap_or(u16::MAX);
            }
        }
        self.finish();
    }

    /// Trees from flat postfix arrays; `ends` holds the end of each tree. Sizes are computed.
    ///
    /// # Errors
    /// Arrays of different lengths, or a tree that is not well formed.
    pub fn from_arrays(
        codes: &[u8],
        values: &[u32],
        ends: &[usize],
        n_columns: usize,
    ) -> Result<Self> {
        let mut forest = Self { codes: codes.to_vec(), values: values.to_vec(), ..Self::default() };
        let mut stack: Vec<u16> = Vec::new();
        let mut rest = ends.iter().copied().peekable();
        for (idx, code) in codes.iter().enumerate() {
            let arity = Function::from_code(*code).map_or(0, Function::arity);
            let kept = stack.len().saturating_sub(arity);
            let size = stack.drain(kept..).fold(1_u16, u16::saturating_add);
            stack.push(size);
            forest.sizes.push(size);
            if rest.next_if_eq(&(idx + 1)).is_some() {
                stack.clear();
            }
        }
        forest.ends = ends.to_vec();
        forest.check(n_columns)?;
        Ok(forest)
    }

    /// Codes of all nodes, tree after tree.
    pub fn codes(&self) -> &[u8] {
        &self.codes
    }

    /// Values of all nodes.
    pub fn values(&self) -> &[u32] {
        &self.values
    }

    /// End of each tree.
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// Checks every tree, and that the arena holds nothing else.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, n_columns: usize) -> Result<()> {
        let n = self.n_nodes();
        let is_ordered = self.ends.is_sorted();
        if !is_ordered || [self.codes.len(), self.values.len(), self.sizes.len()] != [n; 3] {
            return Err(Error::batch("trees", "arrays of one length", "others"));
        }
        self.trees().try_for_each(|tree| tree.check(n_columns))
    }

    /// Replaces the constants of a tree in order, as many as both have.
    pub fn set_constants(&mut self, idx: usize, constants: &[f32]) {
        let start = idx.checked_sub(1).and_then(|idx| self.ends.get(idx)).copied().unwrap_or(0);
        let end = self.ends.get(idx).copied().unwrap_or(start);
        let codes = self.codes.get(start..end).unwrap_or(&[]);
        let values = self.values.get_mut(start..end).unwrap_or(&mut []);
        let places = codes.iter().zip(values).filter(|(code, _)| **code == CONSTANT);
        for ((_, value), constant) in places.zip(constants) {
            *value = constant.to_bits();
        }
    }
}
