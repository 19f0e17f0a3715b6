//! MOEA/D: "A Multiobjective Evolutionary Algorithm Based on Decomposition" (Zhang & Li 2007), with
//! the differential-evolution variant of Li & Zhang (2009).
//!
//! One row a direction; each direction is a scalar problem, and neighbours breed with and replace
//! each other. A generation is one batch: all children are made from the rows at its beginning, then
//! take their places one after the other. A child replaces at most `n_replaced` rows. Infeasible rows
//! are compared by violation.

use serde::{Deserialize, Serialize};

use super::breeder::{Breeder, is_real};
use super::directions;
use super::limits::{N_VALUES_MAX, check_objectives};
use super::members::{Members, Table};
use super::operators::settings;
use super::state::{check_space, damaged, ensure};
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::error::{Error, Result};
use crate::genetic;
use crate::novelty::{Query, TREE_DIMENSIONS_MAX, neighbours};
use crate::pareto::narrow;
use crate::space::Space;
use crate::stop;
use crate::threads::Threads;

/// Most directions: in many dimensions each is compared with all others once, which takes seconds then.
const N_DIRECTIONS_MAX: usize = 1 << 17;
/// Directions that count as neighbours, when there are as many.
const N_NEIGHBOURS: usize = 20;

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
    /// Crossover of two neighbours: simulated binary of floats, others by their kind.
    #[default]
    Sbx,
    /// The own row plus `scale` times the difference of two neighbours; floats only.
    De,
}

settings! {
    /// Settings of [`Moead`].
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
        /// Directions that count as neighbours; 20, or all when there are fewer.
        #[serde(default)]
        pub n_neighbours: Option<usize>,
        /// Probability that a row breeds within its neighbourhood.
        #[serde(default = "usual_locality")]
        pub neighbour_probability: f64,
        /// Rows that one child may replace.
        #[serde(default = "usual_replaced")]
        pub n_replaced: usize,
    }
}

const fn usual_theta() -> f64 {
    5.0
}
const fn usual_scale() -> f64 {
    0.5
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
    n_neighbours: usize,
    breeder: Breeder,
    members: Members,
    ideal: Vec<f64>,
    /// Whether each row of the batch asked last bred within its neighbourhood.
    is_local: Vec<bool>,
    #[serde(skip)]
    table: Table,
    #[serde(skip)]
    places: Vec<u32>,
}

impl Build for Moead {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        let m = settings.n_objectives;
        check_objectives(m)?;
        let mut weights = directions::usual(m, settings.n_partitions, settings.n_inner_partitions)?;
        let n = weights.len() / m;
        let n_neighbours = check_neighbours(&settings, n)?;
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
        if settings.variation == Variation::De && !is_real(&space) {
            let expected = "sbx, because the differences of de need genes that are floats";
            return Err(Error::setting("variation", expected, "de"));
        }
        let usual = genetic::Settings {
            crossover_probability: 1.0,
            crossover_eta: 20.0,
            ..genetic::Settings::usual(n)
        };
        let breeder = Breeder::new(&space, settings.operators(usual))?;
        let neighbours = nearest(&weights, m, n_neighbours)?;
        for weight in &mut weights {
            *weight = weight.max(1e-6);
        }
        Ok(Self {
            breeder,
            members: Members::new(&space),
            space,
            weights,
            neighbours,
            n_neighbours,
            ideal: vec![f64::INFINITY; m],
            is_local: Vec::new(),
            table: Table::default(),
            places: Vec::new(),
            settings,
        })
    }
}

/// The number of neighbours of `n` directions.
fn check_neighbours(settings: &Settings, n: usize) -> Result<usize> {
    if !(3..=N_DIRECTIONS_MAX).contains(&n) {
        let expected = format!("from 3 to {N_DIRECTIONS_MAX} directions");
        return Err(Error::setting("n_partitions", expected, format!("{n} directions")));
    }
    let most = n.min(N_VALUES_MAX / n);
    let n_neighbours = settings.n_neighbours.unwrap_or(N_NEIGHBOURS.min(n));
    if !(3..=most).contains(&n_neighbours) {
        let expected = format!("from 3 to {most}, for {n} directions");
        return Err(Error::setting("n_neighbours", expected, n_neighbours));
    }
    Ok(n_neighbours)
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

    /// Draw two different rows for each to breed with, as pairs of the breeder.
    fn pair(&mut self, context: &Context) {
        let mut rng = Breeder::stream(context, 0);
        let n = self.n_rows();
        let pairs = &mut self.breeder.pairs;
        pairs.clear();
        pairs.reserve(n);
        let hoods = self.neighbours.chunks_exact(self.n_neighbours.max(1));
        for (hood, is_local) in hoods.zip(&mut self.is_local) {
            *is_local = rng.chance(self.settings.neighbour_probability);
            let n_rows = if *is_local { hood.len() } else { n };
            // The second is one of the others.
            let first = rng.below(n_rows);
            let second = (first + 1 + rng.below(n_rows.saturating_sub(1))) % n_rows.max(1);
            let row = |place: usize| {
                if *is_local { hood.get(place).copied().unwrap_or(0) } else { narrow(place) }
            };
            pairs.push([row(first), row(second)]);
        }
    }
}

/// What makes one number of objectives.
struct Scalar<'a> {
    settings: &'a Settings,
    weights: &'a [f64],
    ideal: &'a [f64],
}

impl Scalar<'_> {
    /// The one number of a row's objectives in one direction; less is better.
    fn of(&self, objectives: &[f64], direction: usize) -> f64 {
        let m = self.settings.n_objectives;
        let weights = self.weights.get(direction * m..(direction + 1) * m).unwrap_or(&[]);
        let gaps = || objectives.iter().zip(self.ideal).map(|(value, ideal)| value - ideal);
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
        if self.settings.variation == Variation::De {
            &["uniform", "sbx_polynomial", "de_polynomial"]
        } else {
            Breeder::names(&self.space)
        }
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        self.is_local.clear();
        self.is_local.resize(n, false);
        let takes_differences = self.settings.variation == Variation::De;
        if self.members.n_rows() == 0 {
            let n_parents = if takes_differences { 3 } else { 2 };
            Breeder::begin(&self.space, n, n_parents, context, batch);
            return Ok(());
        }
        self.pair(context);
        let Self { space, members, .. } = self;
        if takes_differences {
            let scale = self.settings.scale;
            self.breeder.differ(space, (members, scale), n, context, batch);
        } else {
            // Each pair gives two children; the second ones are dropped.
            self.breeder.breed_first(space, members, n, context, batch);
        }
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let Self { settings, table, members, places, ideal, .. } = self;
        let m = settings.n_objectives;
        table.merge(members, m, scores, context);
        let n_members = table.n_members();
        for row in n_members..table.n_rows() {
            if table.violation(row) <= 0.0 {
                for (ideal, value) in ideal.iter_mut().zip(table.row(row, m)) {
                    *ideal = ideal.min(*value);
                }
            }
        }
        places.clear();
        places.extend(0..narrow(table.n_rows()));
        if n_members == 0 {
            table.select(places, members, batch, m);
            return Ok(());
        }
        let scalar = Scalar { settings, weights: &self.weights, ideal };
        let mut rng = Breeder::stream(context, 1);
        let k = self.n_neighbours;
        for child in 0..table.n_rows() - n_members {
            let is_local = self.is_local.get(child).copied().unwrap_or(false);
            places.clear();
            if is_local {
                places.extend(self.neighbours.iter().skip(child * k).take(k));
            } else {
                places.extend(0..narrow(n_members));
            }
            let row = table.row(n_members + child, m);
            let violation = table.violation(n_members + child);
            let mut n_left = settings.n_replaced;
            let mut n_open = places.len();
            while n_left > 0 && n_open > 0 {
                // A random order, drawn as far as it is needed.
                n_open -= 1;
                places.swap(rng.below(n_open + 1), n_open);
                let place = places.get(n_open).map_or(0, |place| *place as usize);
                let held = members.violations.row(place).first().copied().unwrap_or(0.0);
                let is_better = if violation > 0.0 || held > 0.0 {
                    violation < held
                } else {
                    let held = scalar.of(members.objectives.row(place), place);
                    scalar.of(row, place) < held
                };
                if is_better {
                    members.replace(place, table, batch, child);
                    n_left -= 1;
                }
            }
        }
        Ok(())
    }

    fn population(&self) -> Population {
        self.members.population()
    }

    fn check_state(&self) -> Result<()> {
        check_space(&self.space)?;
        let fresh = Self::build(self.space.clone(), self.settings.clone(), 0)
            .map_err(|error| damaged(&error))?;
        ensure(fresh.weights == self.weights, "its directions")?;
        let is_same = fresh.n_neighbours == self.n_neighbours;
        ensure(is_same && fresh.neighbours == self.neighbours, "its neighbours")?;
        self.breeder.check_state(&self.space)?;
        self.members.check_state(&self.space, self.settings.n_objectives, self.n_rows())?;
        ensure(matches!(self.is_local.len(), n if n == 0 || n == self.n_rows()), "its matings")?;
        let is_ideal = |value: &f64| !value.is_nan() && *value > f64::NEG_INFINITY;
        let n_ideal = self.ideal.len();
        let is_sound = n_ideal == self.settings.n_objectives && self.ideal.iter().all(is_ideal);
        ensure(is_sound, "its ideal point")
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

    #[test]
    fn contradictions_of_a_loaded_state_are_refused() {
        let space = Space::real(vec![0.0; 2], vec![1.0; 2]).unwrap();
        let settings = r#"{"n_objectives": 2, "n_partitions": 5, "n_neighbours": 3}"#;
        let sound = Moead::build(space, serde_json::from_str(settings).unwrap(), 0).unwrap();
        sound.check_state().unwrap();
        let changes: [fn(&mut Moead); 6] = [
            |moead| moead.neighbours.fill(0),
            |moead| moead.neighbours[1] = 99,
            |moead| moead.n_neighbours = 0,
            |moead| moead.weights.clear(),
            |moead| moead.settings.n_objectives = 3,
            |moead| moead.ideal[0] = f64::NAN,
        ];
        for change in changes {
            let mut changed = sound.clone();
            change(&mut changed);
            assert!(matches!(changed.check_state(), Err(Error::State { .. })));
        }
    }
}
