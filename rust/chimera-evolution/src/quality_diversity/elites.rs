//! The store behind every archive: at most one elite per cell, kept in dense rows.
//!
//! Not the geometry: cells come as numbers. A table indexed by cell holds the threshold and the row,
//! so that a batch is judged by one memory access a candidate and solutions are copied only for the
//! batch's winner of each cell. Insertion follows pyribs (Tjanaka et al., 2023): the first of equal
//! candidates wins, an elite yields only to a better one. Thresholds are those of CMA-MAE (Fontaine
//! & Nikolaidis, 2023), batch rule, but for a learning rate of 1, which keeps the best of each cell.

mod saved;

use std::slice::from_ref;

use serde::{Deserialize, Serialize};

use super::{NO_CELL, Real};
use crate::algorithm::{Batch, Context};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::memory;

const NO_ROW: u32 = u32::MAX;

/// Which objectives are better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Larger ones.
    #[default]
    Maximize,
    /// Smaller ones.
    Minimize,
}

impl Direction {
    /// 1 or -1; objectives times this are maximised.
    pub const fn sign(self) -> f64 {
        match self {
            Self::Maximize => 1.0,
            Self::Minimize => -1.0,
        }
    }
}

/// When a candidate enters a cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Which objectives are better.
    pub direction: Direction,
    /// How far a cell's threshold follows accepted objectives, in [0, 1]. At 1 it is the best of them:
    /// the batch rule would give their mean, and a cell would then yield its best to a worse one.
    pub learning_rate: f64,
    /// Threshold of an empty cell; none lets everything in.
    pub threshold_min: Option<f64>,
}

impl Rule {
    /// The best objective of each cell stays.
    pub const fn elitist(direction: Direction) -> Self {
        Self { direction, learning_rate: 1.0, threshold_min: None }
    }

    /// Whether it is a rule of [`Rule::elitist`].
    pub fn is_elitist(&self) -> bool {
        self.threshold_min.is_none() && self.learning_rate >= 1.0
    }

    /// Whether a cell never yields its elite to a worse one.
    fn keeps_best(&self) -> bool {
        self.threshold_min.is_none() || self.learning_rate >= 1.0
    }

    /// Checks the settings of CMA-MAE.
    ///
    /// # Errors
    /// A learning rate outside [0, 1], or below 1 without a least threshold; a threshold that is not
    /// finite.
    pub fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.learning_rate) {
            return Err(Error::setting("learning_rate", "a value in [0, 1]", self.learning_rate));
        }
        match self.threshold_min {
            Some(threshold) if !threshold.is_finite() => {
                Err(Error::setting("threshold_min", "a finite value, or none", threshold))
            }
            None if self.learning_rate < 1.0 => Err(Error::setting(
                "threshold_min",
                "a finite value when learning_rate is below 1",
                "none",
            )),
            _ => Ok(()),
        }
    }
}

/// What the archive knows of a cell; 16 bytes, so that judging a candidate touches one cache line.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Times the sign of the direction; empty cells hold the least threshold.
    threshold: f64,
    row: u32,
    /// Index into the winners of the batch under way.
    winner: u32,
}

/// The best candidate of a batch for one cell.
#[derive(Clone, Copy, Debug)]
struct Winner {
    cell: u32,
    candidate: u32,
    n_accepted: u32,
    objective: f64,
    objective_sum: f64,
    id: u64,
    is_new: bool,
}

/// A batch to insert; rows are consecutive.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a, T, O> {
    /// `(n, n_genes)`, row-major.
    pub solutions: &'a [T],
    /// `(n,)`.
    pub objectives: &'a [O],
    /// `(n, n_descriptors)`, row-major.
    pub descriptors: &'a [T],
    /// Who the rows are.
    pub ids: Ids<'a>,
}

/// Identities of consecutive rows.
#[derive(Clone, Copy, Debug)]
pub enum Ids<'a> {
    /// That of the first row; the others follow.
    From(u64),
    /// One by one.
    Each(&'a [u64]),
}

impl<'a> Ids<'a> {
    /// Those of a told batch.
    pub(super) fn of(batch: &'a Batch, context: &Context) -> Self {
        match batch.ids.as_slice() {
            [] => Self::From(context.first_id),
            ids => Self::Each(ids),
        }
    }

    pub(super) fn get(&self, row: u32) -> u64 {
        match self {
            Self::From(first) => first.wrapping_add(u64::from(row)),
            Self::Each(ids) => ids.get(row as usize).copied().unwrap_or(u64::MAX),
        }
    }
}

/// What became of each candidate, judged against the archive before the batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Insertion {
    /// 0 not added, 1 better than the elite of its cell, 2 first of its cell.
    pub status: Vec<u8>,
    /// Improvement over the cell's threshold; the objective itself in a new cell without threshold.
    pub values: Vec<f64>,
}

impl Insertion {
    fn reset(&mut self, n: usize) {
        self.status.clear();
        self.status.resize(n, 0);
        self.values.clear();
        self.values.resize(n, 0.0);
    }
}

/// The best elite ever inserted; with a learning rate below 1 its cell may hold a worse one now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BestElite<T> {
    /// Its genes.
    pub solution: Vec<T>,
    /// Its objective.
    pub objective: f64,
    /// Its descriptors.
    pub descriptors: Vec<T>,
    /// Its cell.
    pub cell: u32,
    /// Its identity.
    pub id: u64,
}

/// Elites by cell.
#[derive(Clone, Debug)]
pub struct Elites<T> {
    n_genes: usize,
    n_descriptors: usize,
    rule: Rule,
    table: Vec<Cell>,
    cells: Matrix<u32>,
    solutions: Matrix<T>,
    objectives: Matrix<f64>,
    descriptors: Matrix<T>,
    ids: Matrix<u64>,
    best: Option<BestElite<T>>,
    /// Memory of a best elite that was taken away.
    spare_best: BestElite<T>,
    winners: Vec<Winner>,
}

impl<T: Real> Elites<T> {
    /// An empty store of `n_cells` cells.
    ///
    /// # Errors
    /// As [`Rule::check`]; no cell, more than [`super::CELLS_MAX`], or than memory holds.
    pub fn new(n_cells: usize, n_genes: usize, n_descriptors: usize, rule: Rule) -> Result<Self> {
        rule.check()?;
        if n_cells == 0 || n_cells > super::CELLS_MAX {
            return Err(Error::setting(
                "n_cells",
                format!("between 1 and {}", super::CELLS_MAX),
                n_cells,
            ));
        }
        memory::ensure("cells of the archive", n_cells, size_of::<Cell>())?;
        let mut elites = Self {
            n_genes,
            n_descriptors,
            rule,
            table: Vec::new(),
            cells: Matrix::new(0, 1),
            solutions: Matrix::new(0, n_genes),
            objectives: Matrix::new(0, 1),
            descriptors: Matrix::new(0, n_descriptors),
            ids: Matrix::new(0, 1),
            best: None,
            spare_best: BestElite::default(),
            winners: Vec::new(),
        };
        elites.table = vec![elites.empty_cell(); n_cells];
        Ok(elites)
    }

    fn empty_cell(&self) -> Cell {
        let sign = self.rule.direction.sign();
        let threshold = self.rule.threshold_min.map_or(f64::NEG_INFINITY, |least| sign * least);
        Cell { threshold, row: NO_ROW, winner: NO_ROW }
    }

    /// Judge and insert a batch whose cells are known; rows with [`NO_CELL`] are left out.
    ///
    /// # Errors
    /// A row that would be inserted is not finite; nothing was inserted then.
    pub fn insert<O: Real>(
        &mut self,
        batch: &Candidates<'_, T, O>,
        cells: &[u32],
        insertion: &mut Insertion,
    ) -> Result<()> {
        self.judge(batch.objectives, cells, insertion);
        self.choose(batch.objectives, cells, insertion);
        if self.winners.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.append_solutions(batch.solutions) {
            for winner in &self.winners {
                if let Some(cell) = self.table.get_mut(winner.cell as usize) {
                    cell.winner = NO_ROW;
                }
            }
            return Err(error);
        }
        self.commit(batch);
        Ok(())
    }

    /// Status and value of every candidate; changes nothing.
    fn judge<O: Real>(&self, objectives: &[O], cells: &[u32], insertion: &mut Insertion) {
        let sign = self.rule.direction.sign();
        // pyribs: improvement over 0 in a new cell unless thresholds are in use.
        let base = self.rule.threshold_min.map_or(0.0, |least| sign * least);
        insertion.reset(cells.len());
        let outcome = insertion.status.iter_mut().zip(&mut insertion.values);
        for ((cell, objective), (status, value)) in cells.iter().zip(objectives).zip(outcome) {
            let objective = sign * objective.wide();
            let Some(known) = self.table.get(*cell as usize) else {
                *value = f64::NEG_INFINITY;
                continue;
            };
            let is_new = known.row == NO_ROW;
            let threshold = if is_new { base } else { known.threshold };
            *status = u8::from(objective > known.threshold) << u8::from(is_new);
            *value = objective - threshold;
        }
    }

    /// The winner of each cell among accepted candidates: the first of the best.
    fn choose<O: Real>(&mut self, objectives: &[O], cells: &[u32], insertion: &Insertion) {
        let sign = self.rule.direction.sign();
        self.winners.clear();
        let rows = cells.iter().zip(objectives).zip(&insertion.status).zip(0_u32..);
        for (((cell_idx, objective), status), candidate) in rows {
            if *status == 0 {
                continue;
            }
            let objective = sign * objective.wide();
            let Some(cell) = self.table.get_mut(*cell_idx as usize) else { continue };
            if let Some(winner) = self.winners.get_mut(cell.winner as usize) {
                winner.n_accepted += 1;
                // Never infinite: a cell with such a threshold would be closed for good.
                winner.objective_sum =
                    (winner.objective_sum + objective).clamp(-f64::MAX, f64::MAX);
                if objective > winner.objective {
                    winner.objective = objective;
                    winner.candidate = candidate;
                }
            } else {
                cell.winner = index(self.winners.len());
                let is_new = cell.row == NO_ROW;
                self.winners.push(Winner {
                    cell: *cell_idx,
                    candidate,
                    n_accepted: 1,
                    objective,
                    objective_sum: objective,
                    id: 0,
                    is_new,
                });
            }
        }
    }

    /// Appends the solutions of new cells and checks those of all winners, reading each once.
    fn append_solutions(&mut self, solutions: &[T]) -> Result<()> {
        let n_before = self.solutions.n_rows();
        let (winners, n_genes, rows) = (&self.winners, self.n_genes, &mut self.solutions);
        let bad = crate::simd::dispatch(
            #[inline(always)]
            || {
                let mut bad = None;
                let mut checked = |winner: &Winner| {
                    let genes = row_of(solutions, winner.candidate, n_genes);
                    if !genes.iter().fold(true, |all, gene| all & gene.is_finite_number()) {
                        bad = Some(winner.candidate);
                    }
                    genes
                };
                rows.extend_rows(n_genes, winners.iter().filter(|w| w.is_new).map(&mut checked));
                for winner in winners.iter().filter(|winner| !winner.is_new) {
                    checked(winner);
                }
                bad
            },
        );
        let Some(row) = bad else { return Ok(()) };
        self.solutions.truncate(n_before);
        Err(Error::batch("solutions", "finite values", format!("NaN or infinity in row {row}")))
    }

    /// Writes what is left: thresholds, improved rows, and the other columns of new ones.
    fn commit<O: Real>(&mut self, batch: &Candidates<'_, T, O>) {
        let sign = self.rule.direction.sign();
        self.note_best(batch);
        let solutions = self.solutions.make_mut();
        let objectives = self.objectives.make_mut();
        let descriptors = self.descriptors.make_mut();
        let ids = self.ids.make_mut();
        let mut n_rows = index(objectives.len());
        for winner in &mut self.winners {
            winner.id = batch.ids.get(winner.candidate);
            let Some(cell) = self.table.get_mut(winner.cell as usize) else { continue };
            cell.winner = NO_ROW;
            cell.threshold = if self.rule.keeps_best() {
                winner.objective
            } else {
                let ratio = power(1.0 - self.rule.learning_rate, winner.n_accepted);
                let mean = winner.objective_sum / f64::from(winner.n_accepted);
                ratio * cell.threshold + mean * (1.0 - ratio)
            };
            winner.objective *= sign;
            if winner.is_new {
                cell.row = n_rows;
                n_rows += 1;
                continue;
            }
            let row = cell.row;
            copy_row(solutions, row, batch.solutions, winner.candidate, self.n_genes);
            copy_row(descriptors, row, batch.descriptors, winner.candidate, self.n_descriptors);
            if let Some(objective) = objectives.get_mut(row as usize) {
                *objective = winner.objective;
            }
            if let Some(id) = ids.get_mut(row as usize) {
                *id = winner.id;
            }
        }
        let new = || self.winners.iter().filter(|winner| winner.is_new);
        let rows =
            new().map(|winner| row_of(batch.descriptors, winner.candidate, self.n_descriptors));
        self.descriptors.extend_rows(self.n_descriptors, rows);
        self.cells.extend_rows(1, new().map(|winner| from_ref(&winner.cell)));
        self.objectives.extend_rows(1, new().map(|winner| from_ref(&winner.objective)));
        self.ids.extend_rows(1, new().map(|winner| from_ref(&winner.id)));
    }

    fn note_best<O: Real>(&mut self, batch: &Candidates<'_, T, O>) {
        let sign = self.rule.direction.sign();
        let known = self.best.as_ref().map_or(f64::NEG_INFINITY, |best| sign * best.objective);
        // pyribs looks through the cells in order, so the first cell wins among equals.
        let best =
            self.winners.iter().filter(|winner| winner.objective > known).min_by(|a, b| {
                b.objective.total_cmp(&a.objective).then_with(|| a.cell.cmp(&b.cell))
            });
        if let Some(winner) = best {
            let spare = &mut self.spare_best;
            let elite = self.best.get_or_insert_with(|| std::mem::take(spare));
            elite.solution.clear();
            elite.solution.extend_from_slice(row_of(
                batch.solutions,
                winner.candidate,
                self.n_genes,
            ));
            elite.descriptors.clear();
            elite.descriptors.extend_from_slice(row_of(
                batch.descriptors,
                winner.candidate,
                self.n_descriptors,
            ));
            elite.objective = sign * winner.objective;
            elite.cell = winner.cell;
            elite.id = batch.ids.get(winner.candidate);
        }
    }

    /// What the last batch put in: the row of each new or better elite, and that of its candidate.
    pub fn inserted(&self) -> impl Iterator<Item = (usize, usize)> {
        self.winners
            .iter()
            .filter_map(|winner| Some((self.row_of_cell(winner.cell)?, winner.candidate as usize)))
    }

    /// Takes all elites away; cells keep their numbers.
    pub fn clear(&mut self) {
        let empty = self.empty_cell();
        self.table.fill(empty);
        self.cells.clear();
        self.solutions.clear();
        self.objectives.clear();
        self.descriptors.clear();
        self.ids.clear();
        if let Some(best) = self.best.take() {
            self.spare_best = best;
        }
    }

    /// Row of the elite in a cell.
    pub fn row_of_cell(&self, cell: u32) -> Option<usize> {
        self.table
            .get(cell as usize)
            .filter(|cell| cell.row != NO_ROW)
            .map(|cell| cell.row as usize)
    }

    /// Threshold of a cell: what an objective must exceed to enter. Infinite when everything enters.
    pub fn threshold_of_cell(&self, cell: u32) -> Option<f64> {
        let sign = self.rule.direction.sign();
        self.table.get(cell as usize).map(|cell| sign * cell.threshold)
    }

    /// Number of cells, filled or not.
    pub const fn n_cells(&self) -> usize {
        self.table.len()
    }

    /// Number of elites.
    pub const fn n_elites(&self) -> usize {
        self.objectives.n_rows()
    }

    /// Number of genes of a solution.
    pub const fn n_genes(&self) -> usize {
        self.n_genes
    }

    /// Number of descriptors of a solution.
    pub const fn n_descriptors(&self) -> usize {
        self.n_descriptors
    }

    /// When a candidate enters a cell.
    pub const fn rule(&self) -> &Rule {
        &self.rule
    }

    /// `(n_elites, n_genes)`, in the order in which cells were first filled.
    pub const fn solutions(&self) -> &Matrix<T> {
        &self.solutions
    }

    /// `(n_elites, 1)`, same order.
    pub const fn objectives(&self) -> &Matrix<f64> {
        &self.objectives
    }

    /// `(n_elites, n_descriptors)`, same order.
    pub const fn descriptors(&self) -> &Matrix<T> {
        &self.descriptors
    }

    /// `(n_elites, 1)`, the cell of each elite, same order.
    pub const fn cells(&self) -> &Matrix<u32> {
        &self.cells
    }

    /// `(n_elites, 1)` identities, same order.
    pub const fn ids(&self) -> &Matrix<u64> {
        &self.ids
    }

    /// The best elite ever inserted.
    pub const fn best(&self) -> Option<&BestElite<T>> {
        self.best.as_ref()
    }
}

/// `base` to a whole power, by squaring: the same bits on every platform.
fn power(base: f64, exponent: u32) -> f64 {
    let (mut result, mut square, mut rest) = (1.0, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result *= square;
        }
        square *= square;
        rest >>= 1;
    }
    result
}

#[expect(clippy::cast_possible_truncation, reason = "at most CELLS_MAX rows, which fits 32 bits")]
const fn index(n: usize) -> u32 {
    n as u32
}

#[inline]
fn row_of<T>(values: &[T], row: u32, n_columns: usize) -> &[T] {
    let start = (row as usize).saturating_mul(n_columns);
    values.get(start..start.saturating_add(n_columns)).unwrap_or(&[])
}

#[inline]
fn copy_row<T: Copy>(to: &mut [T], to_row: u32, from: &[T], from_row: u32, n_columns: usize) {
    let start = (to_row as usize).saturating_mul(n_columns);
    let source = row_of(from, from_row, n_columns);
    if let Some(target) = to.get_mut(start..start.saturating_add(source.len())) {
        target.copy_from_slice(source);
    }
}

/// The smallest cell number that stands for no cell, checked against the table's limit.
const _: () = assert!((super::CELLS_MAX as u64) < NO_CELL as u64);
