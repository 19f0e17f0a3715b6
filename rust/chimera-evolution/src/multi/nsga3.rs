//! NSGA-III: "An Evolutionary Many-Objective Optimization Algorithm Using Reference-Point-Based
//! Nondominated Sorting Approach" (Deb & Jain 2014; constraints: Jain & Deb 2014).
//!
//! As NSGA-II, but the front that does not fit is thinned by reference directions: rows of the
//! directions that have fewest survivors come first. Objectives are normalised by the ideal point
//! and the intercepts of the plane through the extreme points.

use serde::{Deserialize, Serialize};

use super::breeder::{Breeder, Options, real_block};
use super::directions;
use super::members::{Members, Table};
use super::nsga2::check;
use super::rules::Fronts;
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::error::{Error, Result};
use crate::operators::SbxPolynomial;
use crate::space::Space;

/// Settings of [`Nsga3`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Number of objectives, at least 2.
    pub n_objectives: usize,
    /// Rows kept, and children a generation; as many as directions by default.
    #[serde(default)]
    pub population_size: Option<usize>,
    /// Steps along one side of the simplex of directions.
    #[serde(default)]
    pub n_partitions: Option<usize>,
    /// Steps of the inner layer of directions; 0 for none.
    #[serde(default)]
    pub n_inner_partitions: Option<usize>,
    /// Probability that a pair is crossed; 1.
    #[serde(default)]
    pub crossover_probability: Option<f64>,
    /// Distribution index of crossover; 30.
    #[serde(default)]
    pub crossover_eta: Option<f64>,
    /// Probability that a gene is mutated; 1 / number of genes.
    #[serde(default)]
    pub mutation_probability: Option<f64>,
    /// Distribution index of mutation; 20.
    #[serde(default)]
    pub mutation_eta: Option<f64>,
}

/// A population spread over reference directions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nsga3 {
    space: Space,
    n_objectives: usize,
    population_size: usize,
    /// Unit vectors, row-major.
    directions: Vec<f64>,
    breeder: Breeder,
    members: Members,
    /// Least value of each objective among feasible rows so far.
    ideal: Vec<f64>,
    /// Row `j`: the extreme point of objective `j` so far.
    extremes: Vec<f64>,
    #[serde(skip)]
    scratch: Scratch,
}

#[derive(Clone, Debug, Default)]
struct Scratch {
    table: Table,
    fronts: Fronts,
    picks: Vec<u32>,
    last: Vec<u32>,
    permutation: Vec<u32>,
    scaled: Vec<f64>,
    niches: Vec<(u32, f64)>,
    counts: Vec<u32>,
    least: Vec<u32>,
}

impl Build for Nsga3 {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        let m = settings.n_objectives;
        check(m, settings.population_size.unwrap_or(2))?;
        let n_genes = real_block(&space, "nsga3")?.n_genes();
        let mut directions =
            directions::usual(m, settings.n_partitions, settings.n_inner_partitions)?;
        for direction in directions.chunks_exact_mut(m) {
            let norm = direction.iter().map(|part| part * part).sum::<f64>().sqrt();
            for part in direction {
                *part /= norm;
            }
        }
        let options = Options {
            crossover_probability: settings.crossover_probability,
            crossover_eta: settings.crossover_eta,
            mutation_probability: settings.mutation_probability,
            mutation_eta: settings.mutation_eta,
        };
        let usual = SbxPolynomial {
            crossover_probability: 1.0,
            crossover_eta: 30.0,
            ..SbxPolynomial::usual(n_genes)
        };
        let n_directions = directions.len() / m;
        let population_size = settings.population_size.unwrap_or_else(|| n_directions.max(2));
        if population_size < n_directions {
            return Err(Error::setting(
                "population_size",
                format!("at least one row for each of {n_directions} directions"),
                population_size,
            ));
        }
        Ok(Self {
            breeder: Breeder::new(n_genes, &options, usual)?,
            members: Members::new(&space),
            space,
            n_objectives: m,
            population_size,
            directions,
            ideal: vec![f64::INFINITY; m],
            extremes: Vec::new(),
            scratch: Scratch::default(),
        })
    }
}

impl Nsga3 {
    /// Update the ideal and the extreme points by the first fronts, and return the range of each
    /// objective.
    fn ranges(&mut self) -> Vec<f64> {
        let m = self.n_objectives;
        let Scratch { table, fronts, picks, last, .. } = &self.scratch;
        let rows = || {
            let rows = picks.iter().chain(last);
            rows.filter(|row| table.violation(**row as usize) <= 0.0)
        };
        for row in rows() {
            for (ideal, value) in self.ideal.iter_mut().zip(table.row(*row as usize, m)) {
                *ideal = ideal.min(*value);
            }
        }
        let first = rows().filter(|row| fronts.ranks.get(**row as usize) == Some(&0));
        let mut candidates = self.extremes.clone();
        let mut nadir = vec![f64::NEG_INFINITY; m];
        for row in first {
            let values = table.row(*row as usize, m);
            candidates.extend_from_slice(values);
            for (nadir, value) in nadir.iter_mut().zip(values) {
                *nadir = nadir.max(*value);
            }
        }
        if candidates.is_empty() {
            return vec![1.0; m];
        }
        self.extremes.clear();
        for axis in 0..m {
            let reach = |values: &[f64]| {
                let parts =
                    values.iter().zip(&self.ideal).enumerate().map(|(column, (value, ideal))| {
                        (value - ideal) * if column == axis { 1.0 } else { 1e6 }
                    });
                parts.fold(f64::NEG_INFINITY, f64::max)
            };
            let extreme = candidates.chunks_exact(m).min_by(|a, b| reach(a).total_cmp(&reach(b)));
            self.extremes.extend_from_slice(extreme.unwrap_or(&[]));
        }
        let by_front = nadir.iter().zip(&self.ideal).map(|(nadir, ideal)| nadir - ideal);
        let by_front: Vec<f64> = by_front.collect();
        let ranges = intercepts(&self.extremes, &self.ideal).filter(|ranges| {
            // A plane that cuts an axis behind all rows, or before the ideal, is none.
            ranges.iter().all(|range| *range > 1e-6 && range.is_finite())
        });
        let ranges = ranges.unwrap_or(by_front);
        ranges.iter().map(|range| if *range > 1e-12 { *range } else { 1.0 }).collect()
    }

    /// The nearest direction of each picked row and the distance to it.
    fn associate(&mut self, ranges: &[f64]) {
        let m = self.n_objectives;
        let Scratch { table, picks, last, niches, scaled, .. } = &mut self.scratch;
        niches.clear();
        for row in picks.iter().chain(last.iter()) {
            let values = table.row(*row as usize, m).iter().zip(&self.ideal).zip(ranges);
            scaled.clear();
            scaled.extend(values.map(|((value, ideal), range)| (value - ideal) / range));
            let norm: f64 = scaled.iter().map(|part| part * part).sum();
            let mut best = (0, f64::NEG_INFINITY);
            for (direction, idx) in self.directions.chunks_exact(m).zip(0..) {
                let along: f64 = direction.iter().zip(scaled.iter()).map(|(a, b)| a * b).sum();
                if along > best.1 {
                    best = (idx, along);
                }
            }
            // The nearest line is the one along which the row reaches farthest.
            niches.push((best.0, (norm - best.1 * best.1).max(0.0)));
        }
    }

    /// Move rows from `last` to `picks` until there are `n`.
    fn thin(&mut self, n: usize, context: &Context) {
        let n_directions = self.directions.len() / self.n_objectives;
        let Scratch { picks, last, niches, counts, least, .. } = &mut self.scratch;
        counts.clear();
        counts.resize(n_directions, 0);
        for (niche, _) in niches.iter().take(picks.len()) {
            if let Some(count) = counts.get_mut(*niche as usize) {
                *count += 1;
            }
        }
        // Open rows of the last front: (direction, distance, row).
        let mut open: Vec<(u32, f64, u32)> = last
            .iter()
            .zip(niches.iter().skip(picks.len()))
            .map(|(row, (niche, distance))| (*niche, *distance, *row))
            .collect();
        open.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut groups: Vec<Vec<u32>> = vec![Vec::new(); n_directions];
        for (niche, _, row) in open {
            if let Some(group) = groups.get_mut(niche as usize) {
                group.push(row);
            }
        }
        let mut rng = Breeder::stream(context, 1);
        while picks.len() < n {
            // Directions with open rows whose count is least.
            let has_rows = groups.iter().zip(counts.iter()).zip(0..);
            let mut fewest = u32::MAX;
            least.clear();
            for ((group, count), idx) in has_rows {
                if group.is_empty() || *count > fewest {
                    continue;
                }
                if *count < fewest {
                    fewest = *count;
                    least.clear();
                }
                least.push(idx);
            }
            if least.is_empty() {
                return;
            }
            // One row for each of them, in random order, is what one by one would do, too.
            rng.shuffle(least);
            for niche in least.iter().take(n - picks.len()) {
                let Some(group) = groups.get_mut(*niche as usize) else { continue };
                let place = if fewest == 0 { 0 } else { rng.below(group.len()) };
                picks.push(group.remove(place));
                if let Some(count) = counts.get_mut(*niche as usize) {
                    *count += 1;
                }
            }
        }
    }
}

/// Where the plane through the extreme points cuts each axis, from the ideal point; none when the
/// points span no plane.
fn intercepts(extremes: &[f64], ideal: &[f64]) -> Option<Vec<f64>> {
    let m = ideal.len();
    // Rows of the system E a = 1 with its right-hand side; Gauss-Jordan with row exchange.
    let mut rows: Vec<Vec<f64>> = extremes
        .chunks_exact(m)
        .map(|row| row.iter().zip(ideal).map(|(value, ideal)| value - ideal).chain([1.0]).collect())
        .collect();
    for column in 0..m {
        let size = |row: &Vec<f64>| row.get(column).map_or(0.0, |value| value.abs());
        let pivot = (column..m).max_by(|a, b| {
            let (a, b) = (rows.get(*a).map_or(0.0, size), rows.get(*b).map_or(0.0, size));
            a.total_cmp(&b)
        })?;
        rows.swap(column, pivot);
        let pivot = rows.get(column)?.clone();
        let scale = *pivot.get(column)?;
        if scale.abs() < 1e-12 {
            return None;
        }
        for (idx, row) in rows.iter_mut().enumerate() {
            let factor = *row.get(column)? / scale;
            if idx == column {
                for value in row {
                    *value /= scale;
                }
            } else {
                for (value, other) in row.iter_mut().zip(&pivot) {
                    *value -= factor * other;
                }
            }
        }
    }
    Some(rows.iter().filter_map(|row| row.last()).map(|a| 1.0 / a).collect())
}

impl Algorithm for Nsga3 {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_objectives(&self) -> usize {
        self.n_objectives
    }

    fn batch_size(&self) -> usize {
        self.population_size
    }

    fn operators(&self) -> &'static [&'static str] {
        &["uniform", "sbx_polynomial"]
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let n_members = self.members.n_rows();
        if n_members == 0 {
            Breeder::begin(&self.space, n, context, batch);
            return Ok(());
        }
        let violations = self.members.violations.as_slice();
        let violation = |row: u32| violations.get(row as usize).copied().unwrap_or(0.0);
        let permutation = &mut self.scratch.permutation;
        self.breeder.pair(n.div_ceil(2), n_members, permutation, context, |a, b, coin| {
            violation(a) < violation(b) || (violation(a) == violation(b) && coin)
        });
        let block = real_block(&self.space, "nsga3")?;
        self.breeder.breed(block, &self.members, n, context, batch);
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let (m, n) = (self.n_objectives, self.population_size);
        let Scratch { table, fronts, picks, last, .. } = &mut self.scratch;
        table.merge(&self.members, m, scores, context);
        fronts.rank(table, m);
        fronts.demote_twins(table, m, &self.members, batch);
        fronts.fill(n, picks, last);
        let ranges = self.ranges();
        let Scratch { table, picks, last, .. } = &mut self.scratch;
        let is_feasible = last.iter().all(|row| table.violation(*row as usize) <= 0.0);
        if picks.len() < n && is_feasible {
            self.associate(&ranges);
            self.thin(n, context);
        } else {
            picks.extend(last.iter().take(n - picks.len()));
        }
        let Scratch { table, picks, .. } = &mut self.scratch;
        table.select(picks, &mut self.members, batch, m);
        Ok(())
    }

    fn population(&self) -> Population {
        self.members.population()
    }
}
