//! Novelty search (Lehman & Stanley, 2011) and novelty search with local competition (2011b).
//!
//! Each generation, parents and children are judged by their mean distance to the `k` nearest among
//! archive, parents and children; the batch counts as neighbours too, as in the paper. The best half
//! survives. With local competition, rows are ranked by Pareto dominance of novelty and the number of
//! neighbours with worse objectives; novelty decides within a rank, where the paper has genotypic
//! diversity as a third objective. Not a GA for complex genomes: children come by iso+line variation.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use super::memory::Memory;
use super::rivals::{Rival, rank, survive};
use super::{Finder, Neighbours, Query, best_way, mean_distance};
use crate::algorithm::{Algorithm, Batch, Build, Context, NO_PARENT, Population, Scores};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::quality_diversity::state::{has_shape, is_space};
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

impl Settings {
    fn check(&self) -> Result<()> {
        let counts = [
            ("population_size", self.population_size, 2),
            ("n_descriptors", self.n_descriptors, 1),
            ("k", self.k, 1),
            ("archive_size_max", self.archive_size_max, 1),
        ];
        for (name, value, least) in counts {
            if value < least || value > super::POINTS_MAX {
                let expected = format!("between {least} and {}", super::POINTS_MAX);
                return Err(Error::setting(name, expected, value));
            }
        }
        if self.n_added > self.population_size {
            return Err(Error::setting("n_added", "at most population_size", self.n_added));
        }
        if self.threshold.is_some_and(|value| !(value >= 0.0 && value.is_finite())) {
            let got = self.threshold.unwrap_or_default();
            return Err(Error::setting("threshold", "a finite value of at least 0", got));
        }
        Ok(())
    }
}

/// Memory of a generation, kept for the next one. Columns hold parents, then children.
#[derive(Clone, Debug, Default)]
struct Scratch {
    violations: Vec<f64>,
    objectives: Vec<f64>,
    descriptors: Vec<f64>,
    /// Rows that did not fail.
    rows: Vec<usize>,
    /// Identities of the parents, sorted.
    living: Vec<u64>,
    /// Rows of the memory that are not parents.
    known: Vec<usize>,
    points: Vec<f64>,
    finder: Finder,
    found: Neighbours,
    rivals: Vec<Rival>,
    chosen: Vec<Rival>,
    fronts: Vec<(usize, f64)>,
    /// The population before this one.
    spare: Population,
}

/// The search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NoveltySearch {
    space: Space,
    settings: Settings,
    variation: IsoLine<f64>,
    parents: Population,
    memory: Memory,
    /// NaN until a batch tells where to begin.
    threshold: f64,
    mean_novelty: f64,
    /// In a box: an empty one would have to be made to take it out.
    #[serde(skip)]
    scratch: Option<Box<Scratch>>,
}

impl Build for NoveltySearch {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        let block = space.single_real("novelty_search")?;
        let variation = IsoLine::new(block, settings.iso_sigma, settings.line_sigma)?;
        settings.check()?;
        Ok(Self {
            variation,
            parents: Population::default(),
            memory: Memory::default(),
            threshold: settings.threshold.unwrap_or(f64::NAN),
            mean_novelty: 0.0,
            scratch: None,
            space,
            settings,
        })
    }
}

impl NoveltySearch {
    fn n_parents(&self) -> usize {
        self.parents.objectives.n_rows()
    }

    /// Writes parents and children, one after another, into the columns.
    fn gather(&self, n_children: usize, scores: &Scores<'_>, scratch: &mut Scratch) {
        let parents = &self.parents;
        let violation = |row: usize| {
            if scores.is_failed(row) { f64::INFINITY } else { scores.violation(row) }
        };
        scratch.violations.clear();
        scratch.violations.extend_from_slice(parents.violations.as_slice());
        scratch.violations.extend((0..n_children).map(violation));
        scratch.objectives.clear();
        scratch.objectives.extend_from_slice(parents.objectives.as_slice());
        scratch.objectives.extend((0..n_children).map(|row| scores.objective(row)));
        scratch.descriptors.clear();
        scratch.descriptors.extend_from_slice(parents.descriptors.as_slice());
        scratch.descriptors.extend_from_slice(scores.descriptors);
    }

    /// Makes rivals of all rows, with their novelty among memory, parents and children.
    fn judge(&self, scratch: &mut Scratch, context: &Context) -> Result<()> {
        let n = self.settings.n_descriptors;
        let Scratch { violations, objectives, descriptors, rows, living, known, points, .. } =
            scratch;
        let Scratch { finder, found, rivals, .. } = scratch;
        // Failed rows neither have neighbours nor are any.
        rows.clear();
        rows.extend((0..violations.len()).filter(|row| is_finite_at(violations, *row)));
        // A parent that is remembered counts once: it must not be its own neighbour.
        living.clear();
        living.extend_from_slice(self.parents.ids.as_slice());
        living.sort_unstable();
        known.clear();
        known.reserve(self.memory.len());
        let is_living = |id: &u64| living.binary_search(id).is_ok();
        let remembered = self.memory.ids().iter().enumerate();
        known.extend(remembered.filter(|(_, id)| !is_living(id)).map(|(row, _)| row));
        points.clear();
        for row in known.iter() {
            points.extend_from_slice(self.memory.descriptors(*row, n));
        }
        for row in rows.iter() {
            let values = descriptors.get(row * n..(row + 1) * n).unwrap_or_default();
            points.extend_from_slice(values);
        }
        rivals.clear();
        rivals.extend((0..).zip(violations.iter()).map(|(row, violation)| Rival {
            row,
            violation: *violation,
            novelty: 0.0,
            competition: 0,
            rank: 0,
        }));
        let n_known = known.len();
        if rows.len() + n_known < 2 || rows.is_empty() {
            return Ok(());
        }
        let query = Query {
            queries: points.get(n_known * n..).unwrap_or_default(),
            points,
            n_dimensions: n,
            k: self.settings.k,
            own_from: u32::try_from(n_known).ok(),
        };
        finder.find(best_way(&query), &query, &context.threads, found)?;
        let objective_of = |point: u32| {
            let point = point as usize;
            match known.get(point) {
                Some(row) => self.memory.objective(*row),
                None => objectives.get(*rows.get(point.checked_sub(n_known)?)?).copied(),
            }
        };
        let lists = found.distances.chunks_exact(found.k).zip(found.indices.chunks_exact(found.k));
        for ((distances, indices), row) in lists.zip(rows.iter()) {
            let own = objectives.get(*row).copied().unwrap_or(f64::INFINITY);
            let Some(rival) = rivals.get_mut(*row) else { continue };
            rival.novelty = mean_distance(distances);
            let beaten = |point: &&u32| objective_of(**point).is_some_and(|other| other > own);
            rival.competition = indices.iter().filter(beaten).count();
        }
        Ok(())
    }

    /// Puts some children into the memory.
    fn remember(&mut self, batch: &Batch, scratch: &mut Scratch, context: &Context) {
        let (n, size_max) = (self.settings.n_descriptors, self.settings.archive_size_max);
        let n_parents = self.n_parents();
        let Scratch { rivals, chosen, objectives, descriptors, .. } = scratch;
        let children = rivals.iter().skip(n_parents);
        chosen.clear();
        chosen.extend(children.filter(|rival| rival.violation.is_finite()));
        match self.settings.policy {
            Policy::Threshold => self.choose_by_threshold(chosen),
            Policy::Random => {
                let key = context.first_id ^ 0x61_7263_6869_7665;
                Stream::new(context.seed, context.generation, key).shuffle(chosen);
                chosen.truncate(self.settings.n_added);
            }
            Policy::Best => {
                chosen.sort_unstable_by(|a, b| {
                    b.novelty.total_cmp(&a.novelty).then(a.row.cmp(&b.row))
                });
                chosen.truncate(self.settings.n_added);
            }
        }
        for rival in chosen.iter() {
            let values = descriptors.get(rival.row * n..(rival.row + 1) * n).unwrap_or_default();
            let objective = objectives.get(rival.row).copied().unwrap_or(f64::INFINITY);
            let id = batch.id(rival.row - n_parents, context);
            self.memory.add(id, values, objective, size_max);
        }
    }

    fn choose_by_threshold(&mut self, chosen: &mut Vec<Rival>) {
        let sum: f64 = chosen.iter().map(|rival| rival.novelty).sum();
        let mean = sum / chosen.len().max(1) as f64;
        let is_usable = mean > 0.0 && mean.is_finite();
        // A batch that failed whole, or behaves as one, does not say where to begin: 0 would let
        // everything in for good, since no factor raises it.
        if self.threshold.is_nan() && is_usable {
            self.threshold = mean;
        }
        let threshold = self.threshold;
        chosen.retain(|rival| rival.novelty > threshold);
        if chosen.len() > 4 * self.settings.n_added {
            let risen = if is_usable && threshold == 0.0 { mean } else { 1.2 * threshold };
            self.threshold = risen.min(f64::MAX);
        } else if chosen.is_empty() {
            self.threshold *= 0.95;
        }
    }

    /// Makes the surviving rivals the parents.
    fn succeed(
        &mut self,
        batch: &Batch,
        children: &Matrix<f64>,
        scratch: &mut Scratch,
        context: &Context,
    ) {
        let (n, n_genes) = (self.settings.n_descriptors, self.space.n_genes());
        let n_parents = self.n_parents();
        let Scratch { rivals, violations, objectives, descriptors, spare, .. } = scratch;
        let old = &self.parents;
        let old_genes = old.genomes.first().and_then(Column::as_f64);
        if spare.genomes.is_empty() {
            spare.genomes = self.space.columns();
        }
        let n_rows = rivals.len();
        let rows = || rivals.iter().map(|rival| rival.row);
        let at = |values: &[f64], row: usize| values.get(row).copied().unwrap_or(f64::INFINITY);
        if let [Column::F64(genes)] = spare.genomes.as_mut_slice() {
            let places = genes.reset(n_rows, n_genes).chunks_exact_mut(n_genes.max(1));
            for (place, row) in places.zip(rows()) {
                let from = match row.checked_sub(n_parents) {
                    Some(child) => children.row(child),
                    None => old_genes.map_or(&[][..], |genes| genes.row(row)),
                };
                place.iter_mut().zip(from).for_each(|(place, gene)| *place = *gene);
            }
        }
        let places = spare.descriptors.reset(n_rows, n).chunks_exact_mut(n.max(1));
        for (place, row) in places.zip(rows()) {
            let from = descriptors.get(row * n..(row + 1) * n).unwrap_or_default();
            place.iter_mut().zip(from).for_each(|(place, value)| *place = *value);
        }
        for (column, values) in
            [(&mut spare.objectives, objectives), (&mut spare.violations, violations)]
        {
            let places = column.reset(n_rows, 1).iter_mut();
            places.zip(rows()).for_each(|(place, row)| *place = at(values, row));
        }
        for (place, row) in spare.ids.reset(n_rows, 1).iter_mut().zip(rows()) {
            *place = match row.checked_sub(n_parents) {
                Some(child) => batch.id(child, context),
                None => old.ids.row(row).first().copied().unwrap_or(NO_PARENT),
            };
        }
        std::mem::swap(&mut self.parents, spare);
    }
}

fn is_finite_at(values: &[f64], row: usize) -> bool {
    values.get(row).is_some_and(|value| value.is_finite())
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
        let mut scratch = self.scratch.take().unwrap_or_default();
        self.gather(children.n_rows(), scores, &mut scratch);
        let judged = self.judge(&mut scratch, context);
        if judged.is_ok() {
            self.remember(batch, &mut scratch, context);
            let Scratch { rivals, fronts, .. } = &mut *scratch;
            let sum: f64 = rivals.iter().map(|rival| rival.novelty).sum();
            self.mean_novelty = sum / rivals.len().max(1) as f64;
            if self.settings.local_competition {
                rank(rivals, fronts);
            }
            survive(rivals, self.settings.population_size);
            self.succeed(batch, children, &mut scratch, context);
        }
        self.scratch = Some(scratch);
        judged
    }

    fn population(&self) -> Population {
        let mut population = self.parents.clone();
        if population.violations.as_slice().iter().all(|violation| *violation == 0.0) {
            population.violations = Matrix::default();
        }
        population
    }

    fn check_state(&self) -> Result<()> {
        let (parents, n) = (&self.parents, self.settings.n_descriptors);
        let n_rows = self.n_parents();
        let is_empty = *parents == Population::default();
        let has_genes = match parents.genomes.as_slice() {
            [Column::F64(genes)] => has_shape(genes, n_rows, self.space.n_genes()),
            _ => false,
        };
        let is_whole = is_space(&self.space)
            && self.settings.check().is_ok()
            && self.space.single_real("novelty_search").is_ok_and(|b| self.variation.fits(b))
            && (is_empty || has_genes)
            && (is_empty || has_shape(&parents.objectives, n_rows, 1))
            && (is_empty || has_shape(&parents.violations, n_rows, 1))
            && (is_empty || has_shape(&parents.descriptors, n_rows, n))
            && (is_empty || has_shape(&parents.ids, n_rows, 1))
            && parents.descriptors.as_slice().iter().all(|value| value.is_finite())
            && self.memory.is_whole(n, self.settings.archive_size_max);
        if is_whole {
            return Ok(());
        }
        Err(Error::State { reason: "its behaviours do not fit its settings".into() })
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let mut figures =
            vec![("mean_novelty", self.mean_novelty), ("archive_size", self.memory.len() as f64)];
        if self.settings.policy == Policy::Threshold && self.threshold.is_finite() {
            figures.push(("threshold", self.threshold));
        }
        figures
    }
}
