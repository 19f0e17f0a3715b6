//! Rows of a steady search that were asked and are not told yet, found again by their genes.
//!
//! Steady searches are told rows in any order and number, as copies. What was asked is remembered
//! here, so that each row gets back its own identity, parents and operator. Of equal rows the one
//! asked first is told first. Beyond the limits the oldest rows are forgotten; they then count as
//! rows that were never asked. Nothing depends on the order of hashes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::algorithm::{Batch, NO_OPERATOR, NO_PARENT};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::operators::duplicates::{Word, hash_words};
use crate::space::Space;

/// Most rows under way that a steady search remembers.
pub const OUTSTANDING_ROWS_MAX: usize = 1 << 18;
/// Most genes of these rows: 2^26, or 512 MiB.
pub const OUTSTANDING_GENES_MAX: usize = 1 << 26;
/// More parents than any operator takes.
const PARENTS_MAX: usize = 1 << 12;

/// What is known of a row under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Asked {
    /// The genes of all blocks; equal genes, equal words.
    words: Box<[u64]>,
    parents: Box<[u64]>,
    operator: u8,
    tag: f64,
}

/// Rows under way by identity.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Outstanding {
    rows: BTreeMap<u64, Asked>,
    /// Hash of the genes, then identity. Not saved.
    #[serde(skip)]
    index: BTreeSet<(u64, u64)>,
    #[serde(skip)]
    words: Vec<u64>,
}

/// Rows that were looked up, to be put back if telling them fails.
#[derive(Debug, Default)]
pub(super) struct Taken(Vec<(u64, Asked)>);

/// Most rows under way of so many genes that are remembered.
fn most_rows(n_genes: usize) -> usize {
    OUTSTANDING_ROWS_MAX.min(OUTSTANDING_GENES_MAX / n_genes.max(1)).max(1)
}

impl Outstanding {
    /// Number of rows under way.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Makes what is not saved.
    pub fn restore(&mut self) {
        self.index = self.rows.iter().map(|(id, row)| (hash_words(&row.words), *id)).collect();
    }

    /// Whether loaded rows are of the space, and come from one of so many operators.
    ///
    /// # Errors
    /// More rows than are remembered, or one with another number of genes, an operator that there is
    /// not, or too many parents.
    pub fn check(&self, space: &Space, n_operators: usize) -> Result<()> {
        let n_genes = space.n_genes();
        let n_max = most_rows(n_genes);
        if self.rows.len() > n_max {
            let expected = format!("at most {n_max}");
            return Err(Error::batch("rows under way", expected, self.rows.len()));
        }
        let is_known = |row: &Asked| {
            let is_operator =
                usize::from(row.operator) < n_operators || row.operator == NO_OPERATOR;
            is_operator && row.parents.len() <= PARENTS_MAX
        };
        if let Some((id, _)) = self.rows.iter().find(|(_, row)| !is_known(row)) {
            let expected = format!("known parents and an operator below {n_operators}");
            return Err(Error::batch("rows under way", expected, format!("others in row {id}")));
        }
        match self.rows.iter().find(|(_, row)| row.words.len() != n_genes) {
            Some((id, row)) => {
                let got = format!("{} in row {id}", row.words.len());
                Err(Error::batch("rows under way", format!("{n_genes} genes a row"), got))
            }
            None => Ok(()),
        }
    }

    /// Remembers the rows of a batch; the oldest ones go where a limit is passed.
    pub fn remember(&mut self, batch: &Batch, first_id: u64) {
        let n_genes = batch.genomes.iter().map(Column::n_columns).sum::<usize>().max(1);
        let n_max = most_rows(n_genes);
        let origins = &batch.origins;
        let n_rows = batch.n_rows();
        // Of more rows than the limit only the last are worth the effort.
        for row in n_rows.saturating_sub(n_max)..n_rows {
            let mut words = Vec::with_capacity(n_genes);
            push_words(&batch.genomes, row, &mut words);
            let asked = Asked {
                words: words.into(),
                parents: origins.parents.row(row).into(),
                operator: origins.operators.as_slice().get(row).copied().unwrap_or(NO_OPERATOR),
                tag: origins.tags.as_slice().get(row).copied().unwrap_or(f64::NAN),
            };
            self.put(first_id.wrapping_add(row as u64), asked);
        }
        while self.rows.len() > n_max {
            if let Some((id, row)) = self.rows.pop_first() {
                self.index.remove(&(hash_words(&row.words), id));
            }
        }
    }

    fn put(&mut self, id: u64, row: Asked) {
        self.index.insert((hash_words(&row.words), id));
        self.rows.insert(id, row);
    }

    /// Puts back what [`Outstanding::identify`] took.
    pub fn put_back(&mut self, taken: Taken) {
        for (id, row) in taken.0 {
            self.put(id, row);
        }
    }

    /// Fills in who the rows of a batch are and where they come from, and forgets them here. Rows
    /// that were not asked take identities from `next_id` on and have no parents.
    pub fn identify(&mut self, batch: &mut Batch, next_id: &mut u64) -> Taken {
        let n_rows = batch.n_rows();
        let mut words = std::mem::take(&mut self.words);
        let mut taken = Taken::default();
        let ids = batch.ids.reset(n_rows, 1);
        let mut found: Vec<Option<usize>> = Vec::with_capacity(n_rows);
        for (row, slot) in ids.iter_mut().enumerate() {
            words.clear();
            push_words(&batch.genomes, row, &mut words);
            if let Some((id, asked)) = self.take(&words) {
                *slot = id;
                found.push(Some(taken.0.len()));
                taken.0.push((id, asked));
            } else {
                *slot = *next_id;
                *next_id += 1;
                found.push(None);
            }
        }
        self.words = words;
        let asked = |at: &Option<usize>| at.and_then(|at| taken.0.get(at)).map(|(_, asked)| asked);
        let width = found.iter().filter_map(asked).map(|row| row.parents.len()).max().unwrap_or(0);
        let origins = &mut batch.origins;
        let parents = origins.parents.reset(if width > 0 { n_rows } else { 0 }, width);
        parents.fill(NO_PARENT);
        for (line, at) in parents.chunks_exact_mut(width.max(1)).zip(&found) {
            let known = asked(at).map_or(&[][..], |row| &row.parents);
            for (slot, parent) in line.iter_mut().zip(known) {
                *slot = *parent;
            }
        }
        let operators = origins.operators.reset(n_rows, 1);
        let tags = origins.tags.reset(n_rows, 1);
        for ((operator, tag), at) in operators.iter_mut().zip(tags).zip(&found) {
            (*operator, *tag) =
                asked(at).map_or((NO_OPERATOR, f64::NAN), |row| (row.operator, row.tag));
        }
        taken
    }

    /// The oldest row with these genes.
    fn take(&mut self, words: &[u64]) -> Option<(u64, Asked)> {
        let hash = hash_words(words);
        let equal = self
            .index
            .range((hash, 0)..=(hash, u64::MAX))
            .find(|(_, id)| self.rows.get(id).is_some_and(|row| *row.words == *words));
        let entry = *equal?;
        self.index.remove(&entry);
        self.rows.remove(&entry.1).map(|row| (entry.1, row))
    }
}

/// Appends the genes of a row.
fn push_words(genomes: &[Column], row: usize, out: &mut Vec<u64>) {
    for column in genomes {
        match column {
            Column::F64(matrix) => out.extend(matrix.row(row).iter().map(|gene| gene.word())),
            Column::F32(matrix) => out.extend(matrix.row(row).iter().map(|gene| gene.word())),
            Column::I64(matrix) => out.extend(matrix.row(row).iter().map(|gene| gene.word())),
            Column::Bool(matrix) => out.extend(matrix.row(row).iter().map(|gene| gene.word())),
        }
    }
}
