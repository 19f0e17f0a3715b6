//! What makes two candidates the same: equal text, or equal behaviour on the probe inputs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::programs::ir::{Block, Function, Global, Program, StmtKind};

fn without_lines(block: &Block) -> Block {
    let mut block = block.clone();
    for stmt in &mut block {
        stmt.line = 0;
        match &mut stmt.kind {
            StmtKind::If { then: first, orelse, .. }
            | StmtKind::While { body: first, orelse, .. }
            | StmtKind::For { body: first, orelse, .. } => {
                *first = without_lines(first);
                *orelse = without_lines(orelse);
            }
            _ => {}
        }
    }
    block
}

/// SHA-256 of the evolvable functions and the constants, wherever they stand in the file.
#[must_use]
pub fn identity(program: &Program) -> [u8; 32] {
    let evolvable = program.functions.iter().filter(|function| function.is_evolvable);
    let functions: Vec<Function> = evolvable
        .map(|function| Function { body: without_lines(&function.body), ..(**function).clone() })
        .collect();
    let globals: Vec<&Global> = program.globals.iter().map(AsRef::as_ref).collect();
    let bytes = postcard::to_stdvec(&(functions, globals)).unwrap_or_default();
    Sha256::digest(bytes).into()
}

/// How a candidate behaves on the probe inputs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// Hash of the outputs; 0 when there are no probes.
    pub signature: u64,
    /// Share of probe pairs ordered as the baseline orders them, in `0..=1`.
    pub agreement: f64,
    /// Standard deviation of the finite outputs.
    pub spread: f64,
}

/// Probe pairs compared at most.
const N_PAIRS_MAX: usize = 2048;

impl Behaviour {
    /// Describes outputs (NaN where the call trapped) against those of the baseline.
    #[must_use]
    pub fn new(outputs: &[f64], baseline: &[f64]) -> Self {
        let mut hash = Sha256::new();
        for output in outputs {
            let bits = if output.is_nan() { f64::NAN.to_bits() } else { output.to_bits() };
            hash.update(bits.to_le_bytes());
        }
        let digest: [u8; 32] = hash.finalize().into();
        let head = digest.first_chunk::<8>().map_or(0, |head| u64::from_le_bytes(*head));
        Self {
            signature: if outputs.is_empty() { 0 } else { head },
            agreement: agreement(outputs, baseline),
            spread: spread(outputs),
        }
    }
}

fn agreement(outputs: &[f64], baseline: &[f64]) -> f64 {
    let both: Vec<(f64, f64)> = outputs.iter().copied().zip(baseline.iter().copied()).collect();
    let mut n_pairs = 0_usize;
    let mut n_alike = 0_usize;
    let mut stride = 1;
    while stride < both.len() && n_pairs < N_PAIRS_MAX {
        for ((a, b), (c, d)) in both.iter().zip(both.iter().skip(stride)) {
            n_pairs += 1;
            n_alike += usize::from(a.partial_cmp(c) == b.partial_cmp(d));
        }
        stride = stride * 2 + 1;
    }
    if n_pairs == 0 { 0.0 } else { n_alike as f64 / n_pairs as f64 }
}

fn spread(outputs: &[f64]) -> f64 {
    let finite: Vec<f64> = outputs.iter().copied().filter(|output| output.is_finite()).collect();
    let n = finite.len().max(1) as f64;
    let mean = finite.iter().sum::<f64>() / n;
    let spread = (finite.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    if spread.is_finite() { spread } else { 0.0 }
}

/// A bounded set of hashes: when half of it is full, the older half is forgotten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    capacity: usize,
    young: BTreeSet<[u8; 16]>,
    old: BTreeSet<[u8; 16]>,
}

impl Seen {
    /// An empty set of at most `capacity` hashes.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { capacity, young: BTreeSet::new(), old: BTreeSet::new() }
    }

    /// Adds a hash; `false` when it was there.
    pub fn insert(&mut self, hash: &[u8; 32]) -> bool {
        let Some(head) = hash.first_chunk::<16>() else { return false };
        if self.young.contains(head) || self.old.contains(head) {
            return false;
        }
        if self.young.len() * 2 >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(*head)
    }

    /// Hashes held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_is_bounded_and_remembers_the_recent_half() {
        let mut seen = Seen::new(1024);
        let hash = |idx: u32| -> [u8; 32] { Sha256::digest(idx.to_le_bytes()).into() };
        for idx in 0..10_000 {
            assert!(seen.insert(&hash(idx)));
            assert!(seen.len() <= 1024);
        }
        assert!(!seen.insert(&hash(9_999)) && !seen.insert(&hash(9_600)));
    }

    #[test]
    fn behaviour_compares_orders_and_treats_every_nan_alike() {
        let baseline = [1.0, 2.0, 3.0, 4.0];
        let same = Behaviour::new(&[10.0, 20.0, 30.0, 40.0], &baseline);
        let reversed = Behaviour::new(&[4.0, 3.0, 2.0, 1.0], &baseline);
        assert_eq!((same.agreement, reversed.agreement), (1.0, 0.0));
        let a = Behaviour::new(&[f64::NAN, 1.0], &baseline);
        let b = Behaviour::new(&[-f64::NAN, 1.0], &baseline);
        assert_eq!(a.signature, b.signature);
        assert_eq!(Behaviour::new(&[], &[]).signature, 0);
    }
}
