//! MOEA/D: "A Multiobjective Evolutionary Algorithm Based on Decomposition" (Zhang & Li 2007), with
//! the differential-evolution variant of Li & Zhang (2009).
//!
//! One row a direction; each direction is a scalar problem, and neighbours breed with and replace
//! each other. A generation is one batch: all children are made from the rows at its beginning, then
//! take their places one after the other. A child replaces at most `n_replaced` rows. Infeasible rows
//! are compared by violation.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use super::breeder::{Breeder, Options, real_block};
use super::directions;
use super::members::{Members, Table};
use super::nsga2::check;
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::novelty::{Query, TREE_DIMENSIONS_MAX, neighbours};
use crate::operators::SbxPolynomial;
use crate::pareto::narrow;
use crate::space::Space;
use crate::stop;
use crate::threads::Threads;

/// How objectives become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decomposition {
    /// Greatest weighted distance to the ideal point.
    #[default]
    Tchebycheff,
    /// Distance along the direction, and `theta` times the distance from it.
    Pbi,
}

/// How children are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variation {
    /// Simulated binary crossover of two neighbours.
    #[default]
    Sbx,
    /// The own row plus `scale` times the difference of two neighbours.
    De,
}

/// Settings of [`Moead`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Number of objectives, at least 2.
    pub n_objectives: usize,
    /// Steps along one side of the simplex of directions; there is one row a direction.
    #[serde(default)]
    pub n_partitions: Option<usize>,
    /// Steps of the inner layer of directions; 0 for none.
    #[serde(default)]
    pub n_inner_partitions: Option<usize>,
    /// How objectives become one number.
    #[serde(default)]
    pub decomposition: Decomposition,
    /// Penalty of `pbi`.
    #[serde(default = "usual_theta")]
    pub theta: f64,
    /// How children are made.
    #[serde(default)]
    pub variation: Variation,
    /// Factor of differences, for `de`.
    #[serde(default = "usual_scale")]
    pub scale: f64,
    /// Directions that count as neighbours.
    #[serde(default = "usual_neighbours")]
    pub n_neighbours: usize,
    /// Probability that a row breeds within its neighbourhood.
    #[serde(default = "usual_locality")]
    pub neighbour_probability: f64,
    /// Rows that one child may replace.
    #[serde(default = "usual_replaced")]
    pub n_replaced: usize,
    /// Probability that a pair is crossed; 1.
    #[serde(default)]
    pub crossover_probability: Option<f64>,
    /// Distribution index of crossover; 20.
    #[serde(default)]
    pub crossover_eta: Option<f64>,
    /// Probability that a gene is mutated; 1 / number of genes.
    #[serde(default)]
    pub mutation_probability: Option<f64>,
    /// Distribution index of mutation; 20.
    #[serde(default)]
    pub mutation_eta: Option<f64>,
}

const fn usual_theta() -> f64 {
    5.0
}
const fn usual_scale() -> f64 {
    0.5
}
const fn usual_neighbours() -> usize {
    20
}
const fn usual_locality() -> f64 {
    0.9
}
const fn usual_replaced() -> usize {
    2
}

/// One row a direction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Moead {
    space: Space,
    settings: Settings,
    /// Directions, row-major; no part is 0.
    weights: Vec<f64>,
    /// Nearest directions of each, itself first, row-major.
    neighbours: Vec<u32>,
    breeder: Breeder,
    members: Members,
    ideal: Vec<f64>,
    /// Whether each row of the batch asked last bred within its neighbourhood.
    is_local: Vec<bool>,
    #[serde(skip)]
    table: Table,
    #[serde(skip)]
    places: Vec<u32>,
    #[serde(skip)]
    mates: Vec<[u32; 2]>,
}

impl Build for Moead {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        let m = settings.n_objectives;
        check(m, 2)?;
        let mut weights = directions::usual(m, settings.n_partitions, settings.n_inner_partitions)?;
        let n = weights.len() / m;
        if !(3..=n).contains(&settings.n_neighbours) {
            let expected = format!("from 3 to the number of directions, {n}");
            return Err(Error::setting("n_neighbours", expected, settings.n_neighbours));
        }
        if settings.n_replaced == 0 {
            return Err(Error::setting("n_replaced", "at least 1", 0));
        }
        if !(0.0..=1.0).contains(&settings.neighbour_probability) {
            let got = settings.neighbour_probability;
            return Err(Error::setting("neighbour_probability", "a probability in [0, 1]", got));
        }
        for (name, value) in [("theta", settings.theta), ("scale", settings.scale)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::setting(name, "a positive number", value));
            }
        }
        let neighbours = nearest(&weights, m, settings.n_neighbours)?;
        for weight in &mut weights {
            *weight = weight.max(1e-6);
        }
        let n_genes = real_block(&space, "moead")?.n_genes();
        let options = Options {
            crossover_probability: settings.crossover_probability,
            crossover_eta: settings.crossover_eta,
            mutation_probability: settings.mutation_probability,
            mutation_eta: settings.mutation_eta,
        };
        let usual = SbxPolynomial {
            crossover_probability: 1.0,
            crossover_eta: 20.0,
            ..SbxPolynomial::usual(n_genes)
        };
        Ok(Self {
            breeder: Breeder::new(n_genes, &options, usual)?,
            members: Members::new(&space),
            space,
            weights,
            neighbours,
            ideal: vec![f64::INFINITY; m],
            is_local: Vec::new(),
            table: Table::default(),
            places: Vec::new(),
            mates: Vec::new(),
            settings,
        })
    }
}

/// The `k` nearest rows of each, the nearest first.
fn nearest(weights: &[f64], m: usize, k: usize) -> Result<Vec<u32>> {
    // The tree is built anew for each part of the queries, so there are few; the scan builds nothing.
    let n_rows = if m > TREE_DIMENSIONS_MAX { 1024 } else { (weights.len() / m / 16).max(4096) };
    let mut out = Vec::with_capacity(weights.len() / m * k);
    for queries in weights.chunks(n_rows * m) {
        stop::check()?;
        let query = Query { queries, points: weights, n_dimensions: m, k, own_from: None };
        out.extend_from_slice(&neighbours(&query, &Threads::one())?.indices);
    }
    Ok(out)
}

impl Moead {
    fn n_rows(&self) -> usize {
        self.weights.len() / self.settings.n_objectives
    }

    /// The one number of a row's objectives in one direction; less is better.
    fn scalar(&self, objectives: &[f64], direction: usize) -> f64 {
        let m = self.settings.n_objectives;
        let weights = self.weights.get(direction * m..(direction + 1) * m).unwrap_or(&[]);
        let gaps = || objectives.iter().zip(&self.ideal).map(|(value, ideal)| value - ideal);
        match self.settings.decomposition {
            Decomposition::Tchebycheff => {
                gaps().zip(weights).map(|(gap, weight)| gap * weight).fold(0.0, f64::max)
            }
            Decomposition::Pbi => {
                let norm = weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
                let along =
                    gaps().zip(weights).map(|(gap, weight)| gap * weight).sum::<f64>() / norm;
                let squared: f64 = gaps().map(|gap| gap * gap).sum();
                let aside = (squared - along * along).max(0.0).sqrt();
                along + self.settings.theta * aside
            }
        }
    }

    /// Turn rows of `mates` into `row + scale * (first - second)` and mutate them.
    fn differ(&mut self, n: usize, context: &Context, batch: &mut Batch) {
        let Some(block) = self.space.blocks().first() else { return };
        let n_genes = block.n_genes();
        let own: Vec<u32> = (0..narrow(n)).collect();
        let mut children: Vec<f64> = Vec::with_capacity(n * n_genes);
        let read = |row: u32| -> Vec<f64> {
            match self.members.genomes.first() {
                Some(Column::F64(rows)) => rows.row(row as usize).to_vec(),
                Some(Column::F32(rows)) => {
                    rows.row(row as usize).iter().copied().map(f64::from).collect()
                }
                _ => Vec::new(),
            }
        };
        for (row, [first, second]) in own.iter().zip(&self.mates) {
            let (row, first, second) = (read(*row), read(*first), read(*second));
            let genes = row.iter().zip(first.iter().zip(&second));
            let bounds = block.lower.iter().zip(&block.upper);
            children.extend(genes.zip(bounds).map(|((gene, (first, second)), (lower, upper))| {
                let moved = gene + self.settings.scale * (first - second);
                // Outside, half-way to the bound: the direction counts, not the length.
                if moved < *lower {
                    0.5 * (gene + lower)
                } else if moved > *upper {
                    0.5 * (gene + upper)
                } else {
                    moved
                }
            }));
        }
        self.breeder.pairs.clone_from(&self.mates);
        self.breeder.mutate(block, (&children, &self.members), n, context, batch);
    }
}

impl Algorithm for Moead {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_objectives(&self) -> usize {
        self.settings.n_objectives
    }

    fn batch_size(&self) -> usize {
        self.n_rows()
    }

    fn operators(&self) -> &'static [&'static str] {
        &["uniform", "sbx_polynomial", "de_polynomial"]
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        self.is_local.clear();
        self.is_local.resize(n, false);
        if self.members.n_rows() == 0 {
            Breeder::begin(&self.space, n, context, batch);
            return Ok(());
        }
        let mut rng = Breeder::stream(context, 0);
        let k = self.settings.n_neighbours;
        self.mates.clear();
        for (hood, is_local) in self.neighbours.chunks_exact(k).zip(&mut self.is_local) {
            *is_local = rng.chance(self.settings.neighbour_probability);
            let draw = |rng: &mut Stream| {
                if *is_local {
                    rng.choose(hood).copied().unwrap_or(0)
                } else {
                    narrow(rng.below(n))
                }
            };
            let first = draw(&mut rng);
            let mut second = draw(&mut rng);
            while second == first {
                second = draw(&mut rng);
            }
            self.mates.push([first, second]);
        }
        if self.settings.variation == Variation::De {
            self.differ(n, context, batch);
            return Ok(());
        }
        // Each pair gives two children; the odd ones are dropped.
        self.breeder.pairs.clone_from(&self.mates);
        let block = real_block(&self.space, "moead")?;
        self.breeder.breed_first(block, &self.members, n, context, batch);
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let m = self.settings.n_objectives;
        let mut table = std::mem::take(&mut self.table);
        table.merge(&self.members, m, scores, context);
        let n_members = table.n_members();
        for row in n_members..table.n_rows() {
            if table.violation(row) <= 0.0 {
                for (ideal, value) in self.ideal.iter_mut().zip(table.row(row, m)) {
                    *ideal = ideal.min(*value);
                }
            }
        }
        if n_members == 0 {
            let rows: Vec<u32> = (0..narrow(table.n_rows())).collect();
            table.select(&rows, &mut self.members, batch, m);
            self.table = table;
            return Ok(());
        }
        let mut rng = Breeder::stream(context, 1);
        let k = self.settings.n_neighbours;
        for child in 0..table.n_rows() - n_members {
            let is_local = self.is_local.get(child).copied().unwrap_or(false);
            self.places.clear();
            if is_local {
                self.places.extend(self.neighbours.iter().skip(child * k).take(k));
            } else {
                self.places.extend(0..narrow(n_members));
            }
            let row = table.row(n_members + child, m);
            let violation = table.violation(n_members + child);
            let mut n_left = self.settings.n_replaced;
            let mut n_open = self.places.len();
            while n_left > 0 && n_open > 0 {
                // A random order, drawn as far as it is needed.
                n_open -= 1;
                self.places.swap(rng.below(n_open + 1), n_open);
                let place = self.places.get(n_open).map_or(0, |place| *place as usize);
                let held = self.members.violations.row(place).first().copied().unwrap_or(0.0);
                let is_better = if violation > 0.0 || held > 0.0 {
                    violation < held
                } else {
                    let held = self.scalar(self.members.objectives.row(place), place);
                    self.scalar(row, place) < held
                };
                if is_better {
                    self.members.replace(place, &table, batch, child);
                    n_left -= 1;
                }
            }
        }
        self.table = table;
        Ok(())
    }

    fn population(&self) -> Population {
        self.members.population()
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        vec![("n_directions", self.n_rows() as f64)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::novelty::nearest::squared_distance;

    #[test]
    fn test_neighbours_are_those_of_a_full_sort() {
        for (m, n_partitions, n_inner) in [(2, 50, 0), (3, 100, 4), (9, 3, 2)] {
            let weights = directions::layered(m, n_partitions, n_inner);
            let rows = || weights.chunks_exact(m);
            let found = nearest(&weights, m, 7).unwrap();
            assert_eq!(found.len(), rows().len() * 7);
            for (row, hood) in rows().zip(found.chunks_exact(7)).step_by(37) {
                let mut order: Vec<(f64, u32)> = rows()
                    .zip(0..)
                    .map(|(other, idx)| (squared_distance(row, other), idx))
                    .collect();
                order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                let expected: Vec<u32> = order.iter().take(7).map(|(_, idx)| *idx).collect();
                assert_eq!(hood, expected, "{m}");
            }
        }
    }
}
