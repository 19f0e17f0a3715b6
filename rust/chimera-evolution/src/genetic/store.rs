//! The rows that a genetic algorithm breeds from, with what is known of them.
//!
//! Rows are those of the batch told last, shared, followed by elites, copied. Steady-state search
//! owns its rows and has no elites here.

use serde::{Deserialize, Serialize};

use crate::algorithm::{NO_OPERATOR, NO_PARENT, Origins};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::space::Space;

/// What is known of a row besides its genes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Fact {
    /// Infinite when evaluation failed.
    pub objective: f64,
    pub violation: f64,
    pub id: u64,
    /// Step size under self-adaptation.
    pub sigma: f64,
    /// When it was told.
    pub generation: u64,
}

impl Fact {
    /// Order of the feasibility rule: sound before failed, less violation, lower objective.
    pub(super) fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let key = |fact: &Self| (fact.objective == f64::INFINITY, fact.violation);
        let (a, b) = (key(self), key(other));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(self.objective.total_cmp(&other.objective))
    }
}

/// Rows and facts.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Store {
    pub rows: Vec<Column>,
    pub elites: Vec<Column>,
    /// Where rows come from, shared or owned as they are.
    pub origins: Origins,
    pub elite_origins: Origins,
    /// One per row, then one per elite.
    pub facts: Vec<Fact>,
    /// `(n, n_cases)` of rows, then elites; empty unless lexicase selection needs them.
    pub cases: Vec<f64>,
    /// Those that may breed.
    pub members: Vec<u32>,
    /// Those that survive the next generation, best first.
    pub best: Vec<u32>,
    #[serde(skip)]
    spare: Vec<Column>,
    #[serde(skip)]
    spare_origins: Origins,
    #[serde(skip)]
    order: Vec<u32>,
    #[serde(skip)]
    kept: Vec<Fact>,
    #[serde(skip)]
    kept_cases: Vec<f64>,
}

fn fact(facts: &[Fact], idx: u32) -> Fact {
    let none =
        Fact { objective: f64::INFINITY, violation: 0.0, id: u64::MAX, sigma: 0.0, generation: 0 };
    facts.get(idx as usize).copied().unwrap_or(none)
}

impl Store {
    pub(super) fn n_rows(&self) -> usize {
        self.rows.first().map_or(0, Column::n_rows)
    }

    /// Replaces the rows by shared ones; the best rows so far stay on as elites.
    pub(super) fn advance(
        &mut self,
        (rows, origins): (&[Column], &Origins),
        facts: impl Iterator<Item = Fact>,
        cases: &[f64],
        n_elites: usize,
    ) {
        let n_cases = self.cases.len() / self.facts.len().max(1);
        self.kept.clear();
        self.kept_cases.clear();
        for idx in &self.best {
            self.kept.push(fact(&self.facts, *idx));
            let start = *idx as usize * n_cases;
            self.kept_cases
                .extend_from_slice(self.cases.get(start..start + n_cases).unwrap_or(&[]));
        }
        self.spare.resize_with(rows.len(), || Column::F64(Matrix::default()));
        for ((old, elites), out) in self.rows.iter().zip(&self.elites).zip(&mut self.spare) {
            gather(old, elites, &self.best, out);
        }
        if self.rows.is_empty() {
            self.elites = rows.iter().map(|column| Column::empty(column.dtype())).collect();
        } else {
            std::mem::swap(&mut self.elites, &mut self.spare);
        }
        let next = &mut self.spare_origins;
        let (old, elites) = (&self.origins, &self.elite_origins);
        gather_rows(&old.parents, &elites.parents, &self.best, &mut next.parents);
        gather_rows(&old.operators, &elites.operators, &self.best, &mut next.operators);
        std::mem::swap(&mut self.elite_origins, next);
        self.origins.parents.clone_from(&origins.parents);
        self.origins.operators.clone_from(&origins.operators);
        self.rows.truncate(rows.len());
        for (idx, column) in rows.iter().enumerate() {
            match self.rows.get_mut(idx) {
                Some(place) => *place = column.clone(),
                None => self.rows.push(column.clone()),
            }
        }
        self.facts.clear();
        self.facts.extend(facts);
        self.facts.extend_from_slice(&self.kept);
        self.cases.clear();
        if !cases.is_empty() {
            self.cases.extend_from_slice(cases);
            self.cases.extend_from_slice(&self.kept_cases);
        }
        self.rank(n_elites);
    }

    /// Finds who may breed, as many as there are rows, and who survives.
    fn rank(&mut self, n_elites: usize) {
        let n = self.n_rows();
        let facts = &self.facts;
        let by_fact = |a: &u32, b: &u32| fact(facts, *a).cmp(&fact(facts, *b)).then(a.cmp(b));
        self.order.clear();
        self.order.extend((0..u32::MAX).take(facts.len()));
        self.members.clear();
        if facts.len() > n && n > 0 {
            let (_, _, dropped) = self.order.select_nth_unstable_by(n - 1, by_fact);
            dropped.sort_unstable();
            let mut dropped = dropped.iter().peekable();
            for idx in (0..u32::MAX).take(facts.len()) {
                if dropped.next_if_eq(&&idx).is_none() {
                    self.members.push(idx);
                }
            }
        } else {
            self.members.extend_from_slice(&self.order);
        }
        self.best.clear();
        if n_elites > 0 {
            let order = self.order.get_mut(..n).unwrap_or_default();
            if n_elites < order.len() {
                order.select_nth_unstable_by(n_elites - 1, by_fact);
            }
            let best = order.get_mut(..n_elites).unwrap_or_default();
            best.sort_unstable_by(by_fact);
            self.best.extend_from_slice(best);
        }
    }

    /// The members' genes, copied.
    pub(super) fn genomes(&self) -> Vec<Column> {
        self.rows
            .iter()
            .enumerate()
            .map(|(idx, rows)| {
                let none = Column::empty(rows.dtype());
                let mut out = Column::empty(rows.dtype());
                gather(rows, self.elites.get(idx).unwrap_or(&none), &self.members, &mut out);
                out
            })
            .collect()
    }

    /// The members' parents and operators, copied.
    pub(super) fn lineage(&self) -> Origins {
        let mut out = Origins::default();
        let (rows, elites) = (&self.origins, &self.elite_origins);
        gather_rows(&rows.parents, &elites.parents, &self.members, &mut out.parents);
        gather_rows(&rows.operators, &elites.operators, &self.members, &mut out.operators);
        out
    }

    /// Writes where a row comes from in place of what stands there, `n_rows` in all.
    pub(super) fn put_origins(
        &mut self,
        (place, n_rows): (usize, usize),
        n_parents: usize,
        from: &Origins,
        row: usize,
    ) {
        let own = &mut self.origins;
        if own.parents.n_rows() != n_rows {
            own.parents.reset(n_rows, n_parents).fill(NO_PARENT);
            own.operators.reset(n_rows, 1).fill(NO_OPERATOR);
        }
        let known = from.parents.row(row).iter().chain(std::iter::repeat(&NO_PARENT));
        let line = own.parents.make_mut().get_mut(place * n_parents..(place + 1) * n_parents);
        for (slot, known) in line.unwrap_or_default().iter_mut().zip(known) {
            *slot = *known;
        }
        if let Some(slot) = own.operators.make_mut().get_mut(place) {
            *slot = from.operators.as_slice().get(row).copied().unwrap_or(NO_OPERATOR);
        }
    }

    /// Number of cases of a row; none while there is no row.
    pub(super) fn n_cases(&self) -> Option<usize> {
        (!self.facts.is_empty()).then(|| self.cases.len() / self.facts.len())
    }

    /// Whether a loaded store holds rows of the space, a fact for each, and names no others.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub(super) fn check(&self, space: &Space, capacity: usize, is_steady: bool) -> Result<()> {
        if self.facts.is_empty() && self.rows.is_empty() {
            return self.check_places(0);
        }
        let n_rows = self.n_rows();
        let n_filled = if is_steady { self.facts.len() } else { n_rows };
        if n_rows != capacity || n_filled > n_rows || n_filled == 0 {
            return Err(Error::batch("rows", format!("{capacity} of them"), n_rows));
        }
        space.check_columns(&self.rows)?;
        let filled: Vec<usize> = (0..n_filled).collect();
        let rows: Vec<_> = self.rows.iter().map(|column| column.select(&filled)).collect();
        space.check(&rows, n_filled)?;
        if self.rows.iter().any(|column| column.n_rows() != n_rows) {
            return Err(Error::batch("rows", format!("{n_rows} in every block"), "others"));
        }
        let n_elites = self.elites.first().map_or(0, Column::n_rows);
        if n_elites > 0 {
            space.check(&self.elites, n_elites)?;
        }
        if self.facts.len() != n_filled + n_elites {
            let expected = format!("{n_filled} rows and {n_elites} elites");
            return Err(Error::batch("facts", expected, self.facts.len()));
        }
        if !self.cases.len().is_multiple_of(self.facts.len()) {
            return Err(Error::batch("cases", "as many for each row", self.cases.len()));
        }
        let is_sound = |fact: &Fact| {
            !fact.objective.is_nan()
                && fact.violation >= 0.0
                && fact.violation.is_finite()
                && fact.sigma > 0.0
                && fact.sigma <= 1.0
        };
        if !self.facts.iter().all(is_sound) || self.cases.iter().any(|case| case.is_nan()) {
            return Err(Error::batch("facts", "numbers that a search wrote", "others"));
        }
        for (name, n, n_expected) in [
            ("parents", self.origins.parents.n_rows(), n_rows),
            ("operators", self.origins.operators.n_rows(), n_rows),
            ("parents of elites", self.elite_origins.parents.n_rows(), n_elites),
            ("operators of elites", self.elite_origins.operators.n_rows(), n_elites),
        ] {
            if n != 0 && n != n_expected {
                return Err(Error::batch(name, format!("{n_expected} rows"), n));
            }
        }
        self.check_places(self.facts.len())
    }

    fn check_places(&self, n: usize) -> Result<()> {
        let mut places = self.members.iter().chain(&self.best);
        let n_members = self.members.len();
        match places.find(|place| **place as usize >= n) {
            Some(place) => Err(Error::batch("members", format!("rows below {n}"), place)),
            None if n > 0 && n_members == 0 => Err(Error::batch("members", "at least 1", 0)),
            None => Ok(()),
        }
    }

    pub(super) fn member_facts(&self) -> impl Iterator<Item = Fact> {
        self.members.iter().map(|idx| fact(&self.facts, *idx))
    }
}

/// Copies rows of `rows` followed by `more` into `out`.
fn gather(rows: &Column, more: &Column, places: &[u32], out: &mut Column) {
    if out.dtype() != rows.dtype() {
        *out = Column::empty(rows.dtype());
    }
    match (rows, more, out) {
        (Column::F64(rows), Column::F64(more), Column::F64(out)) => {
            gather_rows(rows, more, places, out);
        }
        (Column::F32(rows), Column::F32(more), Column::F32(out)) => {
            gather_rows(rows, more, places, out);
        }
        (Column::I64(rows), Column::I64(more), Column::I64(out)) => {
            gather_rows(rows, more, places, out);
        }
        (Column::Bool(rows), Column::Bool(more), Column::Bool(out)) => {
            gather_rows(rows, more, places, out);
        }
        _ => {}
    }
}

fn gather_rows<T: Copy + Default>(
    rows: &Matrix<T>,
    more: &Matrix<T>,
    places: &[u32],
    out: &mut Matrix<T>,
) {
    let n = rows.n_columns();
    let n_rows = if n > 0 { places.len() } else { 0 };
    for (target, place) in out.reset(n_rows, n).chunks_exact_mut(n.max(1)).zip(places) {
        let place = *place as usize;
        let source = match place.checked_sub(rows.n_rows()) {
            None => rows.row(place),
            Some(place) => more.row(place),
        };
        for (target, gene) in target.iter_mut().zip(source) {
            *target = *gene;
        }
    }
}

/// Copies one row of genes; `n_rows` is the room that `to` needs.
pub(super) fn put(from: &[Column], row: usize, to: &mut [Column], place: usize, n_rows: usize) {
    fn copy<T: Copy + Default>(
        from: &Matrix<T>,
        row: usize,
        to: &mut Matrix<T>,
        place: usize,
        n_rows: usize,
    ) {
        let n = from.n_columns();
        if to.n_rows() < n_rows {
            let old = to.clone();
            let fresh = Matrix::new(n_rows, n);
            *to = fresh;
            for (target, gene) in to.make_mut().iter_mut().zip(old.as_slice()) {
                *target = *gene;
            }
        }
        let target = to.make_mut().get_mut(place * n..(place + 1) * n).unwrap_or_default();
        for (target, gene) in target.iter_mut().zip(from.row(row)) {
            *target = *gene;
        }
    }
    for (from, to) in from.iter().zip(to) {
        match (from, to) {
            (Column::F64(from), Column::F64(to)) => copy(from, row, to, place, n_rows),
            (Column::F32(from), Column::F32(to)) => copy(from, row, to, place, n_rows),
            (Column::I64(from), Column::I64(to)) => copy(from, row, to, place, n_rows),
            (Column::Bool(from), Column::Bool(to)) => copy(from, row, to, place, n_rows),
            _ => {}
        }
    }
}
