//! The population store: every candidate that was kept, with its lineage, in columns.
//!
//! Rows are appended and never changed. When the store is full, rows that are neither alive nor ancestors
//! of something alive go first, then the oldest ancestors, whose children are linked to the next older
//! survivor. The baseline, id 0, always stays. Ids grow with time, so a parent's id is below its child's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::archive::Cell;
use super::interned;
use crate::programs::ir::Program;

/// Id of a kept candidate.
pub type RecordId = u64;

/// The baseline's id.
pub const BASELINE: RecordId = 0;

/// One row of the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Hash of the program, see [`super::identity::identity`].
    pub identity: [u8; 32],
    /// The program.
    pub program: Arc<Program>,
    /// Ids of the parents, the main one first; empty for the baseline.
    pub parents: Vec<RecordId>,
    /// Index of the operator that made it.
    pub operator: u16,
    /// Generation in which it was kept.
    pub generation: u64,
    /// Mean loss over all training instances; infinite when infeasible.
    pub loss: f64,
    /// Standard deviation of the loss over the training instances.
    pub deviation: f64,
    /// Where it lies in the archive.
    pub cell: Cell,
    /// Hash of its outputs on the probe inputs.
    pub signature: u64,
    /// IR nodes of its evolvable functions.
    pub size: u32,
    /// Mean fuel of one evaluation.
    pub fuel: u64,
}

/// Columns of kept candidates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Store {
    capacity: usize,
    next: RecordId,
    ids: Vec<RecordId>,
    identities: Vec<[u8; 32]>,
    #[serde(with = "interned")]
    programs: Vec<Arc<Program>>,
    parents: Vec<Vec<RecordId>>,
    operators: Vec<u16>,
    generations: Vec<u64>,
    losses: Vec<f64>,
    deviations: Vec<f64>,
    cells: Vec<Cell>,
    signatures: Vec<u64>,
    sizes: Vec<u32>,
    fuels: Vec<u64>,
    details: BTreeMap<RecordId, Vec<f64>>,
}

impl Store {
    /// An empty store of at most `capacity` rows.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity, ..Self::default() }
    }

    /// Rows held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nothing was kept yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Ids in ascending order.
    #[must_use]
    pub fn ids(&self) -> &[RecordId] {
        &self.ids
    }

    /// Mean losses, row by row.
    #[must_use]
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Appends a row with its losses by instance and returns its id.
    pub fn push(&mut self, record: Record, details: Vec<f64>) -> RecordId {
        let id = self.next;
        self.next += 1;
        self.ids.push(id);
        self.identities.push(record.identity);
        self.programs.push(record.program);
        self.parents.push(record.parents);
        self.operators.push(record.operator);
        self.generations.push(record.generation);
        self.losses.push(record.loss);
        self.deviations.push(record.deviation);
        self.cells.push(record.cell);
        self.signatures.push(record.signature);
        self.sizes.push(record.size);
        self.fuels.push(record.fuel);
        self.details.insert(id, details);
        id
    }

    fn row(&self, id: RecordId) -> Option<usize> {
        self.ids.binary_search(&id).ok()
    }

    /// The row of an id; `None` when it was dropped.
    #[must_use]
    pub fn get(&self, id: RecordId) -> Option<Record> {
        let row = self.row(id)?;
        Some(Record {
            identity: *self.identities.get(row)?,
            program: Arc::clone(self.programs.get(row)?),
            parents: self.parents.get(row)?.clone(),
            operator: *self.operators.get(row)?,
            generation: *self.generations.get(row)?,
            loss: *self.losses.get(row)?,
            deviation: *self.deviations.get(row)?,
            cell: *self.cells.get(row)?,
            signature: *self.signatures.get(row)?,
            size: *self.sizes.get(row)?,
            fuel: *self.fuels.get(row)?,
        })
    }

    /// Mean loss of a candidate; infinite when unknown.
    #[must_use]
    pub fn loss(&self, id: RecordId) -> f64 {
        let loss = self.row(id).and_then(|row| self.losses.get(row));
        loss.copied().unwrap_or(f64::INFINITY)
    }

    /// Losses by instance; kept only while the candidate is alive.
    #[must_use]
    pub fn details(&self, id: RecordId) -> Option<&[f64]> {
        self.details.get(&id).map(Vec::as_slice)
    }

    /// The newest candidate with this identity.
    #[must_use]
    pub fn find(&self, identity: &[u8; 32]) -> Option<RecordId> {
        let row = self.identities.iter().rposition(|other| other == identity)?;
        self.ids.get(row).copied()
    }

    /// Ids from the oldest surviving ancestor, usually the baseline, to `id`, along main parents.
    #[must_use]
    pub fn lineage(&self, id: RecordId) -> Vec<RecordId> {
        let mut chain = Vec::new();
        let mut next = Some(id);
        while let Some(row) = next.and_then(|id| self.row(id)) {
            chain.extend(self.ids.get(row));
            next = self.parents.get(row).and_then(|parents| parents.first()).copied();
        }
        chain.reverse();
        chain
    }

    /// Forgets losses by instance of candidates that are not alive, and, when the store is over capacity,
    /// the rows that matter least, down to three quarters of it.
    pub fn prune(&mut self, alive: &BTreeSet<RecordId>) {
        self.details.retain(|id, _| alive.contains(id));
        if self.len() <= self.capacity {
            return;
        }
        let mut ancestors = BTreeSet::new();
        for id in alive {
            for ancestor in self.lineage(*id).into_iter().rev() {
                if !ancestors.insert(ancestor) {
                    break;
                }
            }
        }
        let protected = |id: &RecordId| *id == BASELINE || alive.contains(id);
        let unrelated = self.ids.iter().filter(|id| !protected(id) && !ancestors.contains(id));
        let related = self.ids.iter().filter(|id| !protected(id) && ancestors.contains(id));
        let n_dropped = self.len() - self.capacity * 3 / 4;
        let dropped: BTreeSet<RecordId> =
            unrelated.chain(related).take(n_dropped).copied().collect();
        self.remove(&dropped);
    }

    fn remove(&mut self, dropped: &BTreeSet<RecordId>) {
        // A dropped row stands for its nearest surviving main ancestor; parents come before children.
        let mut heirs: BTreeMap<RecordId, Option<RecordId>> = BTreeMap::new();
        for (id, parents) in self.ids.iter().zip(&mut self.parents) {
            let resolve = |parent: &RecordId| heirs.get(parent).copied().unwrap_or(Some(*parent));
            *parents = parents.iter().filter_map(resolve).collect();
            if dropped.contains(id) {
                heirs.insert(*id, parents.first().copied());
            }
        }
        let keep: Vec<bool> = self.ids.iter().map(|id| !dropped.contains(id)).collect();
        retain(&mut self.ids, &keep);
        retain(&mut self.identities, &keep);
        retain(&mut self.programs, &keep);
        retain(&mut self.parents, &keep);
        retain(&mut self.operators, &keep);
        retain(&mut self.generations, &keep);
        retain(&mut self.losses, &keep);
        retain(&mut self.deviations, &keep);
        retain(&mut self.cells, &keep);
        retain(&mut self.signatures, &keep);
        retain(&mut self.sizes, &keep);
        retain(&mut self.fuels, &keep);
    }
}

fn retain<T>(column: &mut Vec<T>, keep: &[bool]) {
    let mut flags = keep.iter();
    column.retain(|_| flags.next().copied().unwrap_or(false));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(store: &mut Store, parent: Option<RecordId>) -> RecordId {
        let program = Arc::new(Program { functions: Vec::new(), globals: Vec::new() });
        let record = Record {
            identity: [0; 32],
            program,
            parents: parent.into_iter().collect(),
            operator: 0,
            generation: 0,
            loss: 1.0,
            deviation: 0.0,
            cell: Cell::default(),
            signature: 0,
            size: 1,
            fuel: 0,
        };
        store.push(record, vec![1.0])
    }

    #[test]
    fn lineage_runs_from_the_baseline() {
        let mut store = Store::new(100);
        let a = push(&mut store, None);
        let b = push(&mut store, Some(a));
        push(&mut store, Some(a));
        let d = push(&mut store, Some(b));
        assert_eq!(store.lineage(d), vec![a, b, d]);
    }

    #[test]
    fn a_full_store_drops_strangers_before_ancestors_and_keeps_lineage_connected() {
        let mut store = Store::new(8);
        let baseline = push(&mut store, None);
        let mut last = baseline;
        for _ in 0..12 {
            push(&mut store, Some(baseline));
            last = push(&mut store, Some(last));
        }
        store.prune(&BTreeSet::from([last]));
        assert_eq!(store.len(), 6);
        let lineage = store.lineage(last);
        assert_eq!(lineage.len(), 6);
        assert_eq!((lineage[0], lineage[5]), (baseline, last));
        assert_eq!(store.details(last), Some(&[1.0][..]));
        assert_eq!(store.details(baseline), None);
    }
}
