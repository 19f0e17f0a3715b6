//! Rows with everything that is known of them, and copying between columns.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::algorithm::{NO_PARENT, Population, Scores};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::space::Space;

/// Some rows: genomes (unless they stand elsewhere), scores and identities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// One column per block; empty when the rows stand in a batch.
    pub genomes: Vec<Column>,
    /// Number of objectives of a row.
    pub n_objectives: usize,
    /// `(n, n_objectives)`.
    pub objectives: Vec<f64>,
    /// `(n,)`, or empty where none is violated.
    pub violations: Vec<f64>,
    /// `(n, k)`, or empty.
    pub descriptors: Vec<f64>,
    /// `(n, c)`, or empty.
    pub cases: Vec<f64>,
    /// `(n,)`, or empty.
    pub failed: Vec<bool>,
    /// `(n,)`.
    pub ids: Vec<u64>,
}

/// How single-objective rows rank: usable first, then least violation, then least objective.
pub type Key = (bool, f64, f64);

/// Compares keys; total.
pub fn compare(a: &Key, b: &Key) -> Ordering {
    a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.total_cmp(&b.2))
}

fn part<T>(values: &[T], first: usize, n: usize, n_all: usize) -> &[T] {
    let width = values.len() / n_all.max(1);
    values.get(first * width..(first + n) * width).unwrap_or_default()
}

/// The scores of rows `first..first + n` of a batch of `n_all`.
pub fn cut<'a>(scores: &Scores<'a>, first: usize, n: usize, n_all: usize) -> Scores<'a> {
    Scores {
        objectives: part(scores.objectives, first, n, n_all),
        violations: part(scores.violations, first, n, n_all),
        descriptors: part(scores.descriptors, first, n, n_all),
        cases: part(scores.cases, first, n, n_all),
        failed: part(scores.failed, first, n, n_all),
    }
}

impl Rows {
    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Takes all rows away and keeps the memory.
    pub fn clear(&mut self) {
        for column in &mut self.genomes {
            match column {
                Column::F64(matrix) => matrix.clear(),
                Column::F32(matrix) => matrix.clear(),
                Column::I64(matrix) => matrix.clear(),
                Column::Bool(matrix) => matrix.clear(),
            }
        }
        self.objectives.clear();
        self.violations.clear();
        self.descriptors.clear();
        self.cases.clear();
        self.failed.clear();
        self.ids.clear();
    }

    /// Becomes the told rows of a batch, which keeps their genomes. `n_objectives` and the scores are
    /// those of `n` rows.
    pub fn fill(&mut self, scores: &Scores<'_>, n: usize, n_objectives: usize, first_id: u64) {
        self.clear();
        self.genomes.clear();
        self.n_objectives = n_objectives.max(1);
        self.objectives.extend_from_slice(scores.objectives);
        self.violations.extend_from_slice(scores.violations);
        self.descriptors.extend_from_slice(scores.descriptors);
        self.cases.extend_from_slice(scores.cases);
        self.failed.extend_from_slice(scores.failed);
        self.ids.extend((0..n as u64).map(|row| first_id.wrapping_add(row)));
    }

    /// As an algorithm takes them.
    pub fn scores(&self) -> Scores<'_> {
        Scores {
            objectives: &self.objectives,
            violations: &self.violations,
            descriptors: &self.descriptors,
            cases: &self.cases,
            failed: &self.failed,
        }
    }

    /// One row, as an algorithm takes it.
    pub fn scores_of(&self, row: usize) -> Scores<'_> {
        cut(&self.scores(), row, 1, self.len())
    }

    /// Objectives of a row.
    pub fn objectives_of(&self, row: usize) -> &[f64] {
        let start = row * self.n_objectives;
        self.objectives.get(start..start + self.n_objectives).unwrap_or_default()
    }

    /// Rank of a row by its first objective.
    pub fn key(&self, row: usize) -> Key {
        let scores = self.scores();
        let first = self.objectives_of(row).first().copied().unwrap_or(f64::INFINITY);
        (scores.is_failed(row), scores.violation(row), first)
    }

    /// Whether row `a` dominates row `b` of `other`: usable, less violation, then Pareto.
    pub fn is_dominating(&self, a: usize, other: &Self, b: usize) -> bool {
        let (failed_a, violation_a, _) = self.key(a);
        let (failed_b, violation_b, _) = other.key(b);
        match failed_a.cmp(&failed_b).then(violation_a.total_cmp(&violation_b)) {
            Ordering::Less => true,
            Ordering::Greater => false,
            Ordering::Equal => {
                let pairs = || self.objectives_of(a).iter().zip(other.objectives_of(b));
                pairs().all(|(a, b)| a <= b) && pairs().any(|(a, b)| a < b)
            }
        }
    }

    /// Appends a row of `from` that did not fail, whose genomes stand in `genomes` at `place`. Its
    /// violation is written also where `from` has none: one tell may name violations and the next not.
    pub fn push(&mut self, from: &Self, row: usize, genomes: &[Column], place: usize) {
        let scores = from.scores_of(row);
        self.n_objectives = from.n_objectives;
        self.objectives.extend_from_slice(scores.objectives);
        self.violations.push(scores.violation(0));
        self.descriptors.extend_from_slice(scores.descriptors);
        self.cases.extend_from_slice(scores.cases);
        self.ids.push(from.ids.get(row).copied().unwrap_or_default());
        if self.genomes.is_empty() {
            self.genomes.extend(genomes.iter().map(|column| Column::empty(column.dtype())));
        }
        for (to, from) in self.genomes.iter_mut().zip(genomes) {
            append(to, from, place);
        }
    }

    /// Puts row `from_row` of `from` in place of row `row`, scores only.
    pub fn replace(&mut self, row: usize, from: &Self, from_row: usize) {
        fn set<T: Copy>(to: &mut [T], row: usize, n: usize, from: &[T]) {
            let width = to.len() / n.max(1);
            if let Some(to) = to.get_mut(row * width..(row + 1) * width)
                && to.len() == from.len()
            {
                to.copy_from_slice(from);
            }
        }
        let n = self.len();
        let scores = from.scores_of(from_row);
        set(&mut self.objectives, row, n, scores.objectives);
        set(&mut self.descriptors, row, n, scores.descriptors);
        set(&mut self.cases, row, n, scores.cases);
        let violation = scores.violation(0);
        if violation > 0.0 {
            self.violations.resize(n, 0.0);
        }
        if let Some(own) = self.violations.get_mut(row) {
            *own = violation;
        }
        if let (Some(id), Some(other)) = (self.ids.get_mut(row), from.ids.get(from_row)) {
            *id = *other;
        }
        if let Some(failed) = self.failed.get_mut(row) {
            *failed = false;
        }
    }

    /// Becomes the best `n_max` rows of `old` and of `told`, best first. Rows of `told` are named in
    /// `better`, best first; their genomes stand in `genomes`.
    pub fn merge(
        &mut self,
        old: &Self,
        (told, better): (&Self, &[usize]),
        genomes: &[Column],
        n_max: usize,
    ) {
        self.clear();
        let (mut at, mut new) = (0, better.iter().peekable());
        while self.len() < n_max {
            let is_new = match (at < old.len(), new.peek()) {
                (false, None) => break,
                (false, Some(_)) => true,
                (true, None) => false,
                (true, Some(row)) => compare(&told.key(**row), &old.key(at)) == Ordering::Less,
            };
            if is_new {
                if let Some(row) = new.next() {
                    self.push(told, *row, genomes, *row);
                }
            } else {
                self.push(old, at, &old.genomes, at);
                at += 1;
            }
        }
    }

    /// Whether loaded rows are of the space and their columns agree.
    pub fn check(&self, space: &Space, n_objectives: usize) -> Result<()> {
        let n = self.len();
        if n == 0 && self.genomes.is_empty() && self.objectives.is_empty() {
            return Ok(());
        }
        space.check_columns(&self.genomes)?;
        if n > 0 {
            space.check(&self.genomes, n)?;
        }
        let is_even = |len: usize| if n == 0 { len == 0 } else { len.is_multiple_of(n) };
        let numbers = [&self.objectives, &self.violations, &self.descriptors, &self.cases];
        let shapes = [
            self.n_objectives == n_objectives,
            self.objectives.len() == n * n_objectives,
            self.violations.len() == n,
            self.failed.is_empty(),
            is_even(self.descriptors.len()) && is_even(self.cases.len()),
            numbers.into_iter().flatten().all(|value| value.is_finite()),
            self.violations.iter().all(|violation| *violation >= 0.0),
        ];
        if shapes.contains(&false) {
            return Err(Error::batch("migrants", format!("columns of {n} rows"), "others"));
        }
        Ok(())
    }
}

macro_rules! pairwise {
    ($to:expr, $from:expr, ($a:ident, $b:ident) => $body:expr) => {
        match ($to, $from) {
            (Column::F64($a), Column::F64($b)) => $body,
            (Column::F32($a), Column::F32($b)) => $body,
            (Column::I64($a), Column::I64($b)) => $body,
            (Column::Bool($a), Column::Bool($b)) => $body,
            _ => {}
        }
    };
}

fn append(to: &mut Column, from: &Column, row: usize) {
    fn copy<T: Copy + Default>(to: &mut Matrix<T>, from: &Matrix<T>, row: usize) {
        to.extend_rows(from.n_columns(), std::iter::once(from.row(row)));
    }
    pairwise!(to, from, (to, from) => copy(to, from, row));
}

/// Copies rows `first..first + n` of a column.
pub fn slice(to: &mut Column, from: &Column, first: usize, n: usize) {
    fn copy<T: Copy + Default>(to: &mut Matrix<T>, from: &Matrix<T>, first: usize, n: usize) {
        let width = from.n_columns();
        let out = to.reset(n, width);
        if let Some(values) = from.as_slice().get(first * width..(first + n) * width) {
            out.copy_from_slice(values);
        }
    }
    pairwise!(to, from, (to, from) => copy(to, from, first, n));
}

/// Copies one row over another.
pub fn overwrite(to: &mut Column, row: usize, from: &Column, from_row: usize) {
    fn copy<T: Copy + Default>(to: &mut Matrix<T>, row: usize, from: &Matrix<T>, from_row: usize) {
        let width = to.n_columns();
        if let Some(place) = to.make_mut().get_mut(row * width..(row + 1) * width) {
            place.copy_from_slice(from.row(from_row));
        }
    }
    pairwise!(to, from, (to, from) => copy(to, row, from, from_row));
}

/// Writes columns one below the other; `n` rows in all.
pub fn concatenate<'a>(to: &mut Column, parts: impl Iterator<Item = &'a Column> + Clone, n: usize) {
    fn copy<T: Copy + Default>(to: &mut Matrix<T>, from: &Matrix<T>, n: usize, at: &mut usize) {
        let width = from.n_columns();
        if *at == 0 {
            to.reset(n, width);
        }
        let end = *at + from.as_slice().len();
        if let Some(place) = to.make_mut().get_mut(*at..end) {
            place.copy_from_slice(from.as_slice());
        }
        *at = end;
    }
    let mut at = 0;
    for part in parts {
        pairwise!(&mut *to, part, (to, part) => copy(to, part, n, &mut at));
    }
}

/// The islands' populations one below the other. What some of them lack is left out, and so are
/// operators of different names.
pub fn join(space: &Space, parts: &[Population], has_operators: bool) -> Population {
    fn stack<T: Copy + Default>(
        parts: &[Population],
        choose: fn(&Population) -> &Matrix<T>,
        filler: Option<T>,
    ) -> Matrix<T> {
        let rows = |part: &Population| part.genomes.first().map_or(0, Column::n_rows);
        let n = parts.iter().map(rows).sum();
        let width = parts.iter().map(|part| choose(part).n_columns()).max().unwrap_or(0);
        let mut values = Vec::with_capacity(n * width);
        for part in parts.iter().filter(|part| rows(part) > 0) {
            let matrix = choose(part);
            let is_whole = matrix.n_rows() == rows(part) && matrix.n_columns() == width;
            match filler {
                _ if is_whole => values.extend_from_slice(matrix.as_slice()),
                Some(filler) if matrix.n_rows() == rows(part) => {
                    for row in matrix.rows() {
                        let end = values.len() + width;
                        values.extend_from_slice(row);
                        values.resize(end, filler);
                    }
                }
                _ => return Matrix::default(),
            }
        }
        Matrix::from_vec(values, n, width).unwrap_or_default()
    }
    let rows = |part: &Population| part.genomes.first().map_or(0, Column::n_rows);
    let n = parts.iter().map(rows).sum();
    let mut genomes = space.columns();
    for (idx, column) in genomes.iter_mut().enumerate() {
        concatenate(column, parts.iter().filter_map(|part| part.genomes.get(idx)), n);
    }
    Population {
        genomes,
        objectives: stack(parts, |part| &part.objectives, None),
        violations: stack(parts, |part| &part.violations, None),
        descriptors: stack(parts, |part| &part.descriptors, None),
        ids: stack(parts, |part| &part.ids, None),
        parents: stack(parts, |part| &part.parents, Some(NO_PARENT)),
        operators: if has_operators {
            stack(parts, |part| &part.operators, None)
        } else {
            Matrix::default()
        },
        generations: stack(parts, |part| &part.generations, None),
    }
}

/// Whether two columns hold equal values in these rows.
pub fn is_equal_row(a: &Column, a_row: usize, b: &Column, b_row: usize) -> bool {
    match (a, b) {
        (Column::F64(a), Column::F64(b)) => a.row(a_row) == b.row(b_row),
        (Column::F32(a), Column::F32(b)) => a.row(a_row) == b.row(b_row),
        (Column::I64(a), Column::I64(b)) => a.row(a_row) == b.row(b_row),
        (Column::Bool(a), Column::Bool(b)) => a.row(a_row) == b.row(b_row),
        _ => false,
    }
}
