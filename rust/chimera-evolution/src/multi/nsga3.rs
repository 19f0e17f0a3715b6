//! NSGA-III: "An Evolutionary Many-Objective Optimization Algorithm Using Reference-Point-Based
//! Nondominated Sorting Approach" (Deb & Jain 2014; constraints: Jain & Deb 2014).
//!
//! As NSGA-II, but the front that does not fit is thinned by reference directions: rows of the
//! directions that have fewest survivors come first. Objectives are normalised by the ideal point
//! and the intercepts of the plane through the extreme points.

use serde::{Deserialize, Serialize};

use super::breeder::Breeder;
use super::directions;
use super::hyperplane::Hyperplane;
use super::limits::{check_objectives, check_rows};
use super::members::{Members, Table};
use super::operators::settings;
use super::rules::Fronts;
use super::state::{check_space, damaged, ensure};
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::error::{Error, Result};
use crate::genetic;
use crate::space::Space;

settings! {
    /// Settings of [`Nsga3`].
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
    }
}

/// A population spread over reference directions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nsga3 {
    space: Space,
    settings: Settings,
    population_size: usize,
    /// Unit vectors, row-major.
    directions: Vec<f64>,
    breeder: Breeder,
    members: Members,
    hyperplane: Hyperplane,
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
    open: Vec<(u32, f64, u32)>,
    /// Per direction: survivors, and where its open rows begin and end.
    groups: Vec<Group>,
    least: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Group {
    count: u32,
    start: usize,
    end: usize,
}

impl Build for Nsga3 {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        let m = settings.n_objectives;
        check_objectives(m)?;
        check_rows("population_size", settings.population_size.unwrap_or(2), 2)?;
        let mut directions =
            directions::usual(m, settings.n_partitions, settings.n_inner_partitions)?;
        for direction in directions.chunks_exact_mut(m) {
            let norm = direction.iter().map(|part| part * part).sum::<f64>().sqrt();
            for part in direction {
                *part /= norm;
            }
        }
        let n_directions = directions.len() / m;
        let population_size = settings.population_size.unwrap_or_else(|| n_directions.max(2));
        if population_size < n_directions {
            return Err(Error::setting(
                "population_size",
                format!("at least one row for each of {n_directions} directions"),
                population_size,
            ));
        }
        let usual = genetic::Settings {
            crossover_probability: 1.0,
            crossover_eta: 30.0,
            ..genetic::Settings::usual(population_size)
        };
        Ok(Self {
            breeder: Breeder::new(&space, settings.operators(usual))?,
            members: Members::new(&space),
            space,
            settings,
            population_size,
            directions,
            hyperplane: Hyperplane::new(m),
            scratch: Scratch::default(),
        })
    }
}

impl Nsga3 {
    /// Update the hyperplane by the rows that may survive.
    fn measure(&mut self) {
        let m = self.settings.n_objectives;
        let Scratch { table, fronts, picks, last, .. } = &self.scratch;
        let feasible = || {
            let rows = picks.iter().chain(last).copied();
            rows.filter(|row| table.violation(*row as usize) <= 0.0)
        };
        let first = feasible().filter(|row| fronts.ranks.get(*row as usize) == Some(&0));
        let values = |row: u32| table.row(row as usize, m);
        self.hyperplane.update(table.n_rows(), feasible().map(values), first.map(values));
    }

    /// The nearest direction of each picked row and the distance to it.
    fn associate(&mut self) {
        let m = self.settings.n_objectives;
        let Hyperplane { ideal, ranges, .. } = &self.hyperplane;
        let Scratch { table, picks, last, niches, scaled, .. } = &mut self.scratch;
        niches.clear();
        niches.reserve(table.n_rows());
        for row in picks.iter().chain(last.iter()) {
            let values = table.row(*row as usize, m).iter().zip(ideal).zip(ranges);
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
        let n_directions = self.directions.len() / self.settings.n_objectives;
        let Scratch { picks, last, niches, open, groups, least, .. } = &mut self.scratch;
        groups.clear();
        groups.resize(n_directions, Group::default());
        for (niche, _) in niches.iter().take(picks.len()) {
            if let Some(group) = groups.get_mut(*niche as usize) {
                group.count += 1;
            }
        }
        // Open rows of the last front: (direction, distance, row).
        open.clear();
        open.reserve(niches.len());
        let niches = niches.iter().skip(picks.len());
        open.extend(last.iter().zip(niches).map(|(row, (niche, far))| (*niche, *far, *row)));
        open.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut start = 0;
        for rows in open.chunk_by(|a, b| a.0 == b.0) {
            let niche = rows.first().map_or(0, |(niche, ..)| *niche as usize);
            if let Some(group) = groups.get_mut(niche) {
                (group.start, group.end) = (start, start + rows.len());
            }
            start += rows.len();
        }
        least.reserve(n_directions);
        let mut rng = Breeder::stream(context, 1);
        while picks.len() < n {
            // Directions with open rows whose count is least.
            let mut fewest = u32::MAX;
            least.clear();
            for (group, idx) in groups.iter().zip(0..) {
                if group.start == group.end || group.count > fewest {
                    continue;
                }
                if group.count < fewest {
                    fewest = group.count;
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
                let rows = open.get_mut(group.start..group.end).unwrap_or_default();
                let place = if fewest == 0 { 0 } else { rng.below(rows.len()) };
                picks.extend(rows.get(place).map(|(_, _, row)| *row));
                if let Some(rest) = rows.get_mut(place..) {
                    rest.rotate_left(1);
                }
                group.end -= 1;
                group.count += 1;
            }
        }
    }
}

impl Algorithm for Nsga3 {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_objectives(&self) -> usize {
        self.settings.n_objectives
    }

    fn batch_size(&self) -> usize {
        self.population_size
    }

    fn operators(&self) -> &'static [&'static str] {
        Breeder::names(&self.space)
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let n_members = self.members.n_rows();
        if n_members == 0 {
            Breeder::begin(&self.space, n, 2, context, batch);
            return Ok(());
        }
        let violations = self.members.violations.as_slice();
        let violation = |row: u32| violations.get(row as usize).copied().unwrap_or(0.0);
        let permutation = &mut self.scratch.permutation;
        self.breeder.pair(n.div_ceil(2), n_members, permutation, context, |a, b, coin| {
            violation(a) < violation(b) || (violation(a) == violation(b) && coin)
        });
        self.breeder.breed(&self.space, &self.members, n, context, batch);
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let (m, n) = (self.settings.n_objectives, self.population_size);
        let Scratch { table, fronts, picks, last, .. } = &mut self.scratch;
        table.merge(&self.members, m, scores, context);
        fronts.rank(table, m, &self.members, batch);
        fronts.fill(n, picks, last);
        self.measure();
        let Scratch { table, picks, last, .. } = &mut self.scratch;
        let is_feasible = last.iter().all(|row| table.violation(*row as usize) <= 0.0);
        if picks.len() < n && is_feasible {
            self.associate();
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

    fn check_state(&self) -> Result<()> {
        check_space(&self.space)?;
        let fresh = Self::build(self.space.clone(), self.settings.clone(), 0)
            .map_err(|error| damaged(&error))?;
        ensure(fresh.population_size == self.population_size, "its population size")?;
        ensure(fresh.directions == self.directions, "its directions")?;
        self.breeder.check_state(&self.space)?;
        self.members.check_state(&self.space, self.settings.n_objectives, self.population_size)?;
        self.hyperplane.check_state(self.settings.n_objectives)
    }
}
