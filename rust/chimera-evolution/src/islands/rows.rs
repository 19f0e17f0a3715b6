//! Rows with everything that is known of them, and copying between columns.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::algorithm::{Population, Scores};
use crate::column::Column;
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
    /// `(n,)`, or empty.
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

fn part<T: Copy>(values: &[T], first: usize, n: usize, n_all: usize) -> Vec<T> {
    let width = values.len() / n_all.max(1);
    values.get(first * width..(first + n) * width).unwrap_or_default().to_vec()
}

impl Rows {
    /// The scores of rows `first..first + n` of a batch of `n_all`.
    pub fn cut(scores: &Scores<'_>, first: usize, n: usize, n_all: usize, first_id: u64) -> Self {
        Self {
            genomes: Vec::new(),
            n_objectives: (scores.objectives.len() / n_all.max(1)).max(1),
            objectives: part(scores.objectives, first, n, n_all),
            violations: part(scores.violations, first, n, n_all),
            descriptors: part(scores.descriptors, first, n, n_all),
            cases: part(scores.cases, first, n, n_all),
            failed: part(scores.failed, first, n, n_all),
            ids: (0..n as u64).map(|row| first_id.wrapping_add(row)).collect(),
        }
    }

    /// Number of rows.
    pub const fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.ids.is_empty()
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

    /// Appends a row of `from`, whose genomes stand in `genomes`.
    pub fn push(&mut self, from: &Self, genomes: &[Column], row: usize) {
        fn add<T: Copy>(to: &mut Vec<T>, values: &[T], n: usize, row: usize) {
            let width = values.len() / n.max(1);
            to.extend_from_slice(values.get(row * width..(row + 1) * width).unwrap_or_default());
        }
        let n = from.len();
        self.n_objectives = from.n_objectives;
        add(&mut self.objectives, &from.objectives, n, row);
        add(&mut self.violations, &from.violations, n, row);
        add(&mut self.descriptors, &from.descriptors, n, row);
        add(&mut self.cases, &from.cases, n, row);
        add(&mut self.ids, &from.ids, n, row);
        if self.genomes.is_empty() {
            self.genomes = genomes.iter().map(|column| Column::empty(column.dtype())).collect();
        }
        for (to, from) in self.genomes.iter_mut().zip(genomes) {
            append(to, from, row);
        }
    }

    /// Puts row `from_row` of `from` in place of row `row`, scores only.
    pub fn replace(&mut self, row: usize, from: &Self, from_row: usize) {
        fn set<T: Copy>(to: &mut [T], row: usize, n: usize, from: &[T], from_row: usize, m: usize) {
            let width = to.len() / n.max(1);
            let source = from.get(from_row * width..(from_row + 1) * width);
            if width * m == from.len()
                && let (Some(to), Some(from)) = (to.get_mut(row * width..(row + 1) * width), source)
            {
                to.copy_from_slice(from);
            }
        }
        let (n, m) = (self.len(), from.len());
        set(&mut self.objectives, row, n, &from.objectives, from_row, m);
        if from.violations.is_empty() {
            if let Some(violation) = self.violations.get_mut(row) {
                *violation = 0.0;
            }
        } else {
            self.violations.resize(n, 0.0);
            set(&mut self.violations, row, n, &from.violations, from_row, m);
        }
        set(&mut self.descriptors, row, n, &from.descriptors, from_row, m);
        set(&mut self.cases, row, n, &from.cases, from_row, m);
        set(&mut self.ids, row, n, &from.ids, from_row, m);
        if let Some(failed) = self.failed.get_mut(row) {
            *failed = false;
        }
    }

    /// Keeps the best `n_max` rows of these and of `told`, best first, no identity twice.
    pub fn keep_best(&mut self, told: &Self, genomes: &[Column], n_max: usize) {
        let worst = (self.len() >= n_max).then(|| self.key(self.len().saturating_sub(1)));
        let mut better: Vec<usize> = (0..told.len())
            .filter(|row| {
                let key = told.key(*row);
                !key.0 && worst.is_none_or(|worst| compare(&key, &worst) == Ordering::Less)
            })
            .collect();
        if better.is_empty() {
            return;
        }
        better.sort_by(|a, b| compare(&told.key(*a), &told.key(*b)).then(a.cmp(b)));
        better.truncate(n_max);
        let mut merged = Self::default();
        let (mut old, mut new) = (0, better.into_iter().peekable());
        while merged.len() < n_max {
            let is_new = match (old < self.len(), new.peek()) {
                (false, None) => break,
                (false, Some(_)) => true,
                (true, None) => false,
                (true, Some(row)) => compare(&told.key(*row), &self.key(old)) == Ordering::Less,
            };
            if is_new {
                if let Some(row) = new.next() {
                    merged.push(told, genomes, row);
                }
            } else {
                merged.push(self, &self.genomes, old);
                old += 1;
            }
        }
        *self = merged;
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
        let n = to.n_rows();
        let width = from.n_columns();
        let out = to.reset(n + 1, width);
        if let Some(place) = out.get_mut(n * width..) {
            place.copy_from_slice(from.row(row));
        }
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

/// The islands' populations one below the other; what some of them lack is left out.
pub fn join(space: &Space, parts: &[Population]) -> Population {
    fn stack<T: Copy + Default>(parts: &[&Matrix<T>], n: usize) -> Matrix<T> {
        let width = parts.iter().map(|part| part.n_columns()).max().unwrap_or(0);
        if parts.iter().any(|part| part.n_rows() > 0 && part.n_columns() != width) {
            return Matrix::default();
        }
        let values: Vec<T> = parts.iter().flat_map(|part| part.as_slice()).copied().collect();
        Matrix::from_vec(values, n, width).unwrap_or_default()
    }
    let rows = |part: &Population| part.genomes.first().map_or(0, Column::n_rows);
    let n = parts.iter().map(rows).sum();
    let mut genomes = space.columns();
    for (idx, column) in genomes.iter_mut().enumerate() {
        concatenate(column, parts.iter().filter_map(|part| part.genomes.get(idx)), n);
    }
    let of = |choose: fn(&Population) -> &Matrix<f64>| {
        stack(&parts.iter().map(choose).collect::<Vec<_>>(), n)
    };
    Population {
        genomes,
        objectives: of(|part| &part.objectives),
        violations: of(|part| &part.violations),
        descriptors: of(|part| &part.descriptors),
        ids: stack(&parts.iter().map(|part| &part.ids).collect::<Vec<_>>(), n),
    }
}
