//! The rows a multi-objective search holds, and the table in which they meet their children.

use serde::{Deserialize, Serialize};

use super::state::{damaged, ensure};
use crate::algorithm::{Batch, Context, Population, Scores};
use crate::column::Column;
use crate::error::Result;
use crate::lineage::Lineage;
use crate::matrix::Matrix;
use crate::space::Space;

/// Rows held from generation to generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Members {
    pub genomes: Vec<Column>,
    pub objectives: Matrix<f64>,
    pub violations: Matrix<f64>,
    pub ids: Matrix<u64>,
    pub lineage: Lineage,
}

/// Members first, then the rows just told. Failed rows have infinite objectives and violation; no
/// zero is negative, so that zeros of both signs rank alike.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub objectives: Vec<f64>,
    pub violations: Vec<f64>,
    n_members: usize,
    first_id: u64,
    generation: u64,
    spare: Members,
}

impl Members {
    pub fn new(space: &Space) -> Self {
        Self { genomes: space.columns(), ..Self::default() }
    }

    pub const fn n_rows(&self) -> usize {
        self.ids.n_rows()
    }

    /// Check what was loaded: nothing, or `n` rows of `m` objectives.
    pub fn check_state(&self, space: &Space, m: usize, n: usize) -> Result<()> {
        let n_rows = self.n_rows();
        if n_rows == 0 {
            let is_empty = self.objectives.n_rows() == 0 && self.violations.n_rows() == 0;
            let is_bare = self.genomes.iter().all(|column| column.n_rows() == 0);
            let dtypes = self.genomes.iter().map(Column::dtype);
            let is_typed = dtypes.eq(space.blocks().iter().map(|block| block.kind.dtype()));
            let is_known = self.lineage.is_empty();
            return ensure(is_empty && is_bare && is_typed && is_known, "it holds parts of rows");
        }
        self.lineage.check(n, self.lineage.n_parents()).map_err(|error| damaged(&error))?;
        ensure(n_rows == n && self.ids.n_columns() == 1, "its number of rows")?;
        space.check(&self.genomes, n_rows).map_err(|error| damaged(&error))?;
        let Self { objectives, violations, .. } = self;
        let shapes = [
            (objectives.n_rows(), objectives.n_columns(), objectives.as_slice().len()),
            (violations.n_rows(), violations.n_columns(), violations.as_slice().len()),
        ];
        ensure(shapes == [(n, m, n.saturating_mul(m)), (n, 1, n)], "its scores")?;
        for (row, violation) in objectives.rows().zip(violations.as_slice()) {
            // Failed rows are infinite in everything.
            let is_failed = *violation == f64::INFINITY;
            let is_score = |value: &f64| value.is_finite() || is_failed && *value == f64::INFINITY;
            ensure(*violation >= 0.0 && row.iter().all(is_score), "its scores")?;
        }
        Ok(())
    }

    pub fn population(&self) -> Population {
        let mut population = Population {
            genomes: self.genomes.clone(),
            objectives: self.objectives.clone(),
            violations: self.violations.clone(),
            ids: self.ids.clone(),
            ..Population::default()
        };
        self.lineage.show(&mut population);
        population
    }

    /// Overwrite a row with a row of a batch; nothing when either is out of range.
    pub fn replace(&mut self, row: usize, table: &Table, batch: &Batch, child: usize) {
        for (held, told) in self.genomes.iter_mut().zip(&batch.genomes) {
            match (held, told) {
                (Column::F64(held), Column::F64(told)) => put(held, row, told.row(child)),
                (Column::F32(held), Column::F32(told)) => put(held, row, told.row(child)),
                (Column::I64(held), Column::I64(told)) => put(held, row, told.row(child)),
                (Column::Bool(held), Column::Bool(told)) => put(held, row, told.row(child)),
                _ => {}
            }
        }
        let m = self.objectives.n_columns();
        put(&mut self.objectives, row, table.row(table.n_members + child, m));
        put(&mut self.violations, row, &[table.violation(table.n_members + child)]);
        put(&mut self.ids, row, &[table.id(batch, child)]);
        self.lineage.put(row, batch, child, table.generation);
    }
}

fn put<T: Copy + Default>(matrix: &mut Matrix<T>, row: usize, values: &[T]) {
    let n = matrix.n_columns();
    if let Some(place) = matrix.make_mut().get_mut(row * n..(row + 1) * n) {
        for (place, value) in place.iter_mut().zip(values) {
            *place = *value;
        }
    }
}

impl Table {
    /// Put members and told rows into one table.
    pub fn merge(&mut self, members: &Members, m: usize, scores: &Scores<'_>, context: &Context) {
        self.n_members = members.n_rows();
        self.first_id = context.first_id;
        self.generation = context.generation;
        self.objectives.clear();
        self.objectives.extend_from_slice(members.objectives.as_slice());
        self.violations.clear();
        self.violations.extend_from_slice(members.violations.as_slice());
        if scores.failed.is_empty() {
            self.objectives.extend(scores.objectives.iter().map(|value| value + 0.0));
        } else {
            for (row, values) in scores.objectives.chunks_exact(m.max(1)).enumerate() {
                let is_failed = scores.is_failed(row);
                let values = values.iter().map(|v| if is_failed { f64::INFINITY } else { v + 0.0 });
                self.objectives.extend(values);
            }
        }
        let n_told = scores.objectives.len() / m.max(1);
        self.violations.extend((0..n_told).map(|row| {
            if scores.is_failed(row) { f64::INFINITY } else { scores.violation(row) + 0.0 }
        }));
    }

    pub const fn n_rows(&self) -> usize {
        self.violations.len()
    }

    pub const fn n_members(&self) -> usize {
        self.n_members
    }

    pub fn row(&self, row: usize, m: usize) -> &[f64] {
        self.objectives.get(row * m..(row + 1) * m).unwrap_or(&[])
    }

    pub fn violation(&self, row: usize) -> f64 {
        self.violations.get(row).copied().unwrap_or(f64::INFINITY)
    }

    /// The blocks of genes of a row, and its place in them.
    pub fn genes<'a>(
        &self,
        members: &'a Members,
        batch: &'a Batch,
        row: u32,
    ) -> impl Iterator<Item = (&'a Column, usize)> {
        let row = row as usize;
        let (columns, place) = match row.checked_sub(self.n_members) {
            None => (&members.genomes, row),
            Some(child) => (&batch.genomes, child),
        };
        columns.iter().map(move |column| (column, place))
    }

    /// Identity of a told row.
    fn id(&self, batch: &Batch, child: usize) -> u64 {
        let following = || self.first_id.wrapping_add(child as u64);
        batch.ids.as_slice().get(child).copied().unwrap_or_else(following)
    }

    /// Make the picked rows the members, in that order.
    pub fn select(&mut self, picks: &[u32], members: &mut Members, batch: &Batch, m: usize) {
        let next = &mut self.spare;
        next.genomes.resize_with(members.genomes.len(), || Column::F64(Matrix::default()));
        let columns = members.genomes.iter().zip(&batch.genomes).zip(&mut next.genomes);
        for ((held, told), out) in columns {
            if out.dtype() != held.dtype() {
                *out = Column::empty(held.dtype());
            }
            match (held, told, out) {
                (Column::F64(held), Column::F64(told), Column::F64(out)) => {
                    gather(held, told, picks, out);
                }
                (Column::F32(held), Column::F32(told), Column::F32(out)) => {
                    gather(held, told, picks, out);
                }
                (Column::I64(held), Column::I64(told), Column::I64(out)) => {
                    gather(held, told, picks, out);
                }
                (Column::Bool(held), Column::Bool(told), Column::Bool(out)) => {
                    gather(held, told, picks, out);
                }
                _ => {}
            }
        }
        let rows = next.objectives.reset(picks.len(), m).chunks_exact_mut(m.max(1));
        for (row, pick) in rows.zip(picks) {
            let start = *pick as usize * m;
            let values = self.objectives.get(start..start + m).unwrap_or(&[]);
            for (place, value) in row.iter_mut().zip(values) {
                *place = *value;
            }
        }
        let violations = next.violations.reset(picks.len(), 1);
        for (place, pick) in violations.iter_mut().zip(picks) {
            *place = self.violations.get(*pick as usize).copied().unwrap_or(f64::INFINITY);
        }
        std::mem::swap(members, next);
        // The lineage and the identities of those before stand in the spare rows now.
        let (next, before) = (members, &self.spare);
        next.lineage.restart(batch.origins.parents.n_columns());
        for (place, pick) in picks.iter().map(|pick| *pick as usize).enumerate() {
            if pick < self.n_members {
                next.lineage.push(&before.lineage, pick);
            } else {
                next.lineage.put(place, batch, pick - self.n_members, self.generation);
            }
        }
        let held = before.ids.as_slice();
        for (place, pick) in next.ids.reset(picks.len(), 1).iter_mut().zip(picks) {
            let pick = *pick as usize;
            let child = pick.saturating_sub(self.n_members);
            *place = held.get(pick).copied().unwrap_or_else(|| self.id(batch, child));
        }
    }
}

fn gather<T: Copy + Default>(
    held: &Matrix<T>,
    told: &Matrix<T>,
    picks: &[u32],
    out: &mut Matrix<T>,
) {
    let n_genes = told.n_columns();
    let rows = out.reset(picks.len(), n_genes).chunks_exact_mut(n_genes.max(1));
    for (out, pick) in rows.zip(picks) {
        let pick = *pick as usize;
        let row = match pick.checked_sub(held.n_rows()) {
            None => held.row(pick),
            Some(child) => told.row(child),
        };
        if row.len() == out.len() {
            out.copy_from_slice(row);
        }
    }
}
