//! Novelty search (Lehman & Stanley, 2011) and novelty search with local competition (2011b).
//!
//! Each generation, parents and children are judged by their mean distance to the `k` nearest among
//! archive, parents and children; the batch counts as neighbours too, as in the paper. The best half
//! survives. With local competition, rows are ranked by Pareto dominance of novelty and the number of
//! neighbours with worse objectives; novelty decides within a rank, where the paper has genotypic
//! diversity as a third objective. Not a GA for complex genomes: children come by iso+line variation.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use super::{Query, mean_distance, neighbours};
use crate::algorithm::{Algorithm, Batch, Build, Context, NO_PARENT, Population, Scores};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::quality_diversity::variation::{IsoLine, Parents};
use crate::random::fill_space;
use crate::space::Space;

/// Which behaviours enter the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Those more novel than a threshold, which rises by a fifth after a generation that adds more
    /// than four times `n_added` and falls by a twentieth after one that adds none.
    Threshold,
    /// `n_added` of every generation's children, chosen at random (Gomes, Mariano & Christensen, 2015).
    Random,
    /// The `n_added` most novel of every generation's children.
    Best,
}

/// Settings of [`NoveltySearch`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Survivors, and children of a generation.
    pub population_size: usize,
    /// Number of behaviour descriptors.
    pub n_descriptors: usize,
    /// Neighbours that novelty is measured by.
    pub k: usize,
    /// Whether objectives compete among neighbours.
    pub local_competition: bool,
    /// Which behaviours enter the archive.
    pub policy: Policy,
    /// How many a generation, for each policy in its way.
    pub n_added: usize,
    /// First threshold of that policy; none takes the mean novelty of the first generation.
    #[serde(default)]
    pub threshold: Option<f64>,
    /// Behaviours the archive holds; the oldest goes when it is full.
    pub archive_size_max: usize,
    /// Standard deviation of the isotropic part of variation, as a share of each gene's range.
    pub iso_sigma: f64,
    /// Standard deviation of variation along the line between two parents.
    pub line_sigma: f64,
}

/// Behaviours remembered: descriptors and objectives in rows.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Memory {
    descriptors: Vec<f64>,
    objectives: Vec<f64>,
    /// The oldest row, once full.
    next: usize,
}

impl Memory {
    fn add(&mut self, descriptors: &[f64], objective: f64, size_max: usize) {
        if self.objectives.len() < size_max {
            self.descriptors.extend_from_slice(descriptors);
            self.objectives.push(objective);
            return;
        }
        let start = self.next * descriptors.len();
        if let Some(old) = self.descriptors.get_mut(start..start + descriptors.len()) {
            old.copy_from_slice(descriptors);
        }
        if let Some(old) = self.objectives.get_mut(self.next) {
            *old = objective;
        }
        self.next = (self.next + 1) % size_max;
    }
}

/// The search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoveltySearch {
    space: Space,
    settings: Settings,
    variation: IsoLine<f64>,
    parents: Population,
    memory: Memory,
    threshold: f64,
    mean_novelty: f64,
    #[serde(skip)]
    points: Vec<f64>,
}

impl Build for NoveltySearch {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        let block = space.single_real("novelty_search")?;
        let variation = IsoLine::new(block, settings.iso_sigma, settings.line_sigma)?;
        let counts = [
            ("population_size", settings.population_size, 2),
            ("n_descriptors", settings.n_descriptors, 1),
            ("k", settings.k, 1),
            ("archive_size_max", settings.archive_size_max, 1),
        ];
        for (name, value, least) in counts {
            if value < least || value > super::POINTS_MAX {
                let expected = format!("between {least} and {}", super::POINTS_MAX);
                return Err(Error::setting(name, expected, value));
            }
        }
        if settings.n_added > settings.population_size {
            return Err(Error::setting("n_added", "at most population_size", settings.n_added));
        }
        if settings.threshold.is_some_and(|value| !(value >= 0.0 && value.is_finite())) {
            let got = settings.threshold.unwrap_or_default();
            return Err(Error::setting("threshold", "a finite value of at least 0", got));
        }
        Ok(Self {
            variation,
            parents: Population::default(),
            memory: Memory::default(),
            threshold: settings.threshold.unwrap_or(f64::NAN),
            mean_novelty: 0.0,
            points: Vec::new(),
            space,
            settings,
        })
    }
}

/// A row that competes for survival.
#[derive(Clone, Copy, Debug)]
struct Rival {
    /// Row among parents, then children.
    row: usize,
    /// Rows that must come last: constraint violation, infinite when failed.
    violation: f64,
    novelty: f64,
    competition: usize,
    rank: usize,
}

impl NoveltySearch {
    fn n_parents(&self) -> usize {
        self.parents.objectives.n_rows()
    }

    /// Parents, then children that did not fail, as rivals with their novelty.
    fn judge(
        &mut self,
        violations: &[f64],
        objectives: &[f64],
        descriptors: &[f64],
        context: &Context,
    ) -> Result<Vec<Rival>> {
        let n = self.settings.n_descriptors;
        let n_memory = self.memory.objectives.len();
        // Failed rows neither have neighbours nor are any.
        let rows: Vec<usize> =
            (0..violations.len()).filter(|row| is_finite_at(violations, *row)).collect();
        self.points.clear();
        self.points.extend_from_slice(&self.memory.descriptors);
        for row in &rows {
            let values = descriptors.get(row * n..(row + 1) * n).unwrap_or_default();
            self.points.extend_from_slice(values);
        }
        let mut rivals: Vec<Rival> = (0..violations.len())
            .zip(violations)
            .map(|(row, violation)| Rival {
                row,
                violation: *violation,
                novelty: 0.0,
                competition: 0,
                rank: 0,
            })
            .collect();
        if rows.len() + n_memory < 2 || rows.is_empty() {
            return Ok(rivals);
        }
        let found = neighbours(
            &Query {
                queries: self.points.get(n_memory * n..).unwrap_or_default(),
                points: &self.points,
                n_dimensions: n,
                k: self.settings.k,
                own_from: u32::try_from(n_memory).ok(),
            },
            &context.threads,
        )?;
        let objective_of = |point: u32| {
            let point = point as usize;
            self.memory.objectives.get(point).copied().or_else(|| {
                let row = rows.get(point.checked_sub(n_memory)?)?;
                objectives.get(*row).copied()
            })
        };
        let lists = found.distances.chunks_exact(found.k).zip(found.indices.chunks_exact(found.k));
        for ((distances, indices), row) in lists.zip(&rows) {
            let own = objectives.get(*row).copied().unwrap_or(f64::INFINITY);
            let Some(rival) = rivals.get_mut(*row) else { continue };
            rival.novelty = mean_distance(distances);
            let beaten = |point: &&u32| objective_of(**point).is_some_and(|other| other > own);
            rival.competition = indices.iter().filter(beaten).count();
        }
        Ok(rivals)
    }

    fn remember(
        &mut self,
        children: &[Rival],
        objectives: &[f64],
        descriptors: &[f64],
        context: &Context,
    ) {
        let (n, size_max) = (self.settings.n_descriptors, self.settings.archive_size_max);
        let mut chosen: Vec<Rival> =
            children.iter().filter(|rival| rival.violation.is_finite()).copied().collect();
        match self.settings.policy {
            Policy::Threshold => {
                if self.threshold.is_nan() {
                    let sum: f64 = chosen.iter().map(|rival| rival.novelty).sum();
                    self.threshold = sum / chosen.len().max(1) as f64;
                }
                let threshold = self.threshold;
                chosen.retain(|rival| rival.novelty > threshold);
                if chosen.len() > 4 * self.settings.n_added {
                    self.threshold *= 1.2;
                } else if chosen.is_empty() {
                    self.threshold *= 0.95;
                }
            }
            Policy::Random => {
                let key = context.first_id ^ 0x61_7263_6869_7665;
                Stream::new(context.seed, context.generation, key).shuffle(&mut chosen);
                chosen.truncate(self.settings.n_added);
            }
            Policy::Best => {
                chosen.sort_by(|a, b| b.novelty.total_cmp(&a.novelty).then(a.row.cmp(&b.row)));
                chosen.truncate(self.settings.n_added);
            }
        }
        for rival in chosen {
            let values = descriptors.get(rival.row * n..(rival.row + 1) * n).unwrap_or_default();
            let objective = objectives.get(rival.row).copied().unwrap_or(f64::INFINITY);
            self.memory.add(values, objective, size_max);
        }
    }
}

fn is_finite_at(values: &[f64], row: usize) -> bool {
    values.get(row).is_some_and(|value| value.is_finite())
}

/// Pareto ranks of (novelty, competition), both maximised, by sweeping rows of falling novelty: a
/// row joins the first front whose last row does not dominate it.
fn rank(rivals: &mut [Rival]) {
    rivals.sort_by(|a, b| {
        b.novelty
            .total_cmp(&a.novelty)
            .then(b.competition.cmp(&a.competition))
            .then(a.row.cmp(&b.row))
    });
    let mut fronts: Vec<(usize, f64)> = Vec::new();
    for rival in rivals {
        let is_dominated = |(competition, novelty): &(usize, f64)| {
            *competition > rival.competition
                || (*competition == rival.competition && *novelty > rival.novelty)
        };
        rival.rank = fronts.partition_point(is_dominated);
        match fronts.get_mut(rival.rank) {
            Some(front) => *front = (rival.competition, rival.novelty),
            None => fronts.push((rival.competition, rival.novelty)),
        }
    }
}

impl Algorithm for NoveltySearch {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_descriptors(&self) -> usize {
        self.settings.n_descriptors
    }

    fn batch_size(&self) -> usize {
        self.settings.population_size
    }

    fn operators(&self) -> &'static [&'static str] {
        &["uniform", "iso_line"]
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let is_first = self.n_parents() == 0;
        batch.origins.operators.reset(n, 1).fill(u8::from(!is_first));
        if is_first {
            batch.origins.parents.reset(n, 2).fill(NO_PARENT);
            fill_space(&self.space, n, context, &mut batch.genomes);
            return Ok(());
        }
        match (self.parents.genomes.as_slice(), batch.genomes.as_mut_slice()) {
            ([Column::F64(solutions)], [Column::F64(children)]) => {
                let parents = Parents { solutions, ids: &self.parents.ids, pool: &[] };
                let lineage = &mut batch.origins.parents;
                self.variation.vary(n, &parents, context, children, lineage);
                Ok(())
            }
            _ => Err(Error::Order("a batch of another space")),
        }
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let [Column::F64(children)] = batch.genomes.as_slice() else {
            return Err(Error::Order("a batch of another space"));
        };
        let (n_parents, n_children) = (self.n_parents(), children.n_rows());
        let n = self.settings.n_descriptors;
        let join = |old: &Matrix<f64>, new: &[f64]| [old.as_slice(), new].concat();
        let violation = |row: usize| {
            if scores.is_failed(row) { f64::INFINITY } else { scores.violation(row) }
        };
        let violations: Vec<f64> = (0..n_children).map(violation).collect();
        let violations = join(&self.parents.violations, &violations);
        let objectives: Vec<f64> = (0..n_children).map(|row| scores.objective(row)).collect();
        let objectives = join(&self.parents.objectives, &objectives);
        let descriptors = join(&self.parents.descriptors, scores.descriptors);
        let mut rivals = self.judge(&violations, &objectives, &descriptors, context)?;
        let (_, new) = rivals.split_at(n_parents);
        let new = new.to_vec();
        self.remember(&new, &objectives, &descriptors, context);
        let sum: f64 = rivals.iter().map(|rival| rival.novelty).sum();
        self.mean_novelty = sum / rivals.len().max(1) as f64;
        if self.settings.local_competition {
            rank(&mut rivals);
        }
        // Feasible first (Deb, 2000), then by rank, then by novelty; failed rows come last.
        rivals.sort_by(|a, b| {
            a.violation
                .total_cmp(&b.violation)
                .then(a.rank.cmp(&b.rank))
                .then(b.novelty.total_cmp(&a.novelty))
                .then(a.row.cmp(&b.row))
        });
        rivals.retain(|rival| rival.violation.is_finite());
        rivals.truncate(self.settings.population_size);
        let old = match self.parents.genomes.as_slice() {
            [Column::F64(genomes)] => genomes.clone(),
            _ => Matrix::default(),
        };
        let genes = |row: usize| match row.checked_sub(n_parents) {
            Some(child) => children.row(child),
            None => old.row(row),
        };
        let id = |row: usize| match row.checked_sub(n_parents) {
            Some(child) => batch.id(child, context),
            None => self.parents.ids.row(row).first().copied().unwrap_or(NO_PARENT),
        };
        let at = |values: &[f64], row: usize| values.get(row).copied().unwrap_or(f64::INFINITY);
        let rows = || rivals.iter().map(|rival| rival.row);
        let mut next = Matrix::default();
        next.extend_rows(self.space.n_genes(), rows().map(genes));
        let mut places = Matrix::default();
        let place = |row: usize| descriptors.get(row * n..(row + 1) * n).unwrap_or_default();
        places.extend_rows(n, rows().map(place));
        let n_rows = rivals.len();
        let column = |values: &[f64]| {
            Matrix::from_vec(rows().map(|row| at(values, row)).collect(), n_rows, 1)
        };
        self.parents = Population {
            objectives: column(&objectives)?,
            violations: column(&violations)?,
            ids: Matrix::from_vec(rows().map(id).collect(), n_rows, 1)?,
            descriptors: places,
            genomes: vec![Column::F64(next)],
            ..Population::default()
        };
        Ok(())
    }

    fn population(&self) -> Population {
        let mut population = self.parents.clone();
        if population.violations.as_slice().iter().all(|violation| *violation == 0.0) {
            population.violations = Matrix::default();
        }
        population
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let mut figures = vec![
            ("mean_novelty", self.mean_novelty),
            ("archive_size", self.memory.objectives.len() as f64),
        ];
        if self.settings.policy == Policy::Threshold && self.threshold.is_finite() {
            figures.push(("threshold", self.threshold));
        }
        figures
    }
}
