//! Particle swarm: points that fly between their own best place and their neighbours'.
//!
//! Two rules of motion. `constriction` moves coordinate by coordinate with the constriction factor of
//! Clerc & Kennedy (2002); `spherical` draws from a ball around the centre of gravity of the point
//! and its attractors, which does not depend on the axes (SPSO-2011: Zambrano-Bigiarini, Clerc &
//! Rojas, 2013). A particle that leaves the box is put on the bound and turns back at half speed. One
//! random stream a particle and generation.

mod settings;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use crate::algorithm::{
    Algorithm, Batch, Build, Context, NO_PARENT, Population, Scores, check_sizes,
};
use crate::column::Column;
use crate::constraint::{Rule, Worth};
use crate::error::{Error, Result};
use crate::lineage::Lineage;
use crate::matrix::Matrix;
use crate::random::fill_space;
use crate::space::Space;
pub use settings::{Motion, Settings, Topology};

/// Coordinates moved on the calling thread; more are shared out.
const PARALLEL_GENES: usize = 1 << 15;
const PARTICLES_PER_TASK: usize = 32;
/// Most particles.
pub const POPULATION_MAX: usize = 1_000_000;
/// Parents named in the lineage: the particle's best place and its leader's.
const N_PARENTS: usize = 2;

/// Particle swarm optimisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pso {
    space: Space,
    settings: Settings,
    population_size: usize,
    /// Where the particles are, `(n, n_genes)`; empty before the first scores.
    places: Matrix<f64>,
    velocities: Matrix<f64>,
    /// Each particle's best place and what it was worth.
    bests: Matrix<f64>,
    worth: Vec<Worth>,
    ids: Vec<u64>,
    lineage: Lineage,
    /// Per particle, whose best place pulls it.
    leaders: Vec<u32>,
    generation: u64,
    first_epsilon: f64,
    epsilon: f64,
}

impl Build for Pso {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        settings.check(&space)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the root of a count"
        )]
        let default = (10 + 2 * (space.n_genes() as f64).sqrt() as usize).max(20);
        let population_size = settings.population_size.unwrap_or(default);
        Ok(Self {
            space,
            settings,
            population_size,
            places: Matrix::default(),
            velocities: Matrix::default(),
            bests: Matrix::default(),
            worth: Vec::new(),
            ids: Vec::new(),
            lineage: Lineage::new(N_PARENTS),
            leaders: Vec::new(),
            generation: 0,
            first_epsilon: 0.0,
            epsilon: 0.0,
        })
    }
}

/// What one particle moves by.
struct Pull<'a> {
    place: &'a [f64],
    best: &'a [f64],
    leader: &'a [f64],
    is_own_leader: bool,
}

impl Settings {
    /// New velocity of one particle, by the rule of Clerc and Kennedy.
    fn constrict(&self, pull: &Pull<'_>, rng: &mut Stream, velocity: &mut [f64]) {
        let points = pull.place.iter().zip(pull.best).zip(pull.leader);
        for (v, ((x, best), leader)) in velocity.iter_mut().zip(points) {
            let own = self.cognitive * rng.uniform() * (best - x);
            let others = self.social * rng.uniform() * (leader - x);
            *v = self.inertia * *v + own + others;
        }
    }

    /// New velocity of one particle, by the rule of SPSO-2011.
    fn roll(&self, pull: &Pull<'_>, rng: &mut Stream, velocity: &mut [f64]) {
        let Self { inertia, cognitive, social, .. } = *self;
        let centre = |x: f64, best: f64, leader: f64| {
            if pull.is_own_leader {
                x + 0.5 * cognitive * (best - x)
            } else {
                x + (cognitive * (best - x) + social * (leader - x)) / 3.0
            }
        };
        let points = || pull.place.iter().zip(pull.best).zip(pull.leader);
        let radius = points()
            .map(|((x, best), leader)| (centre(*x, *best, *leader) - x).powi(2))
            .sum::<f64>()
            .sqrt();
        // A direction, drawn twice from copies of the stream: once for its length, once to use it.
        let mut again = rng.clone();
        let length = velocity.iter().map(|_| rng.normal().powi(2)).sum::<f64>().sqrt();
        let reach = if length > 0.0 { radius * rng.uniform() / length } else { 0.0 };
        for (v, ((x, best), leader)) in velocity.iter_mut().zip(points()) {
            *v = inertia * *v + centre(*x, *best, *leader) + reach * again.normal() - x;
        }
    }
}

impl Pso {
    fn fly(&mut self, context: &Context, out: &mut Matrix<f64>) {
        let d = self.space.n_genes();
        let n = self.worth.len();
        let Self { settings, places, bests, leaders, velocities, .. } = self;
        let (settings, places, bests, leaders) = (&*settings, &*places, &*bests, &*leaders);
        let key = |row: usize| context.first_id.wrapping_add(row as u64);
        let move_chunk = |idx: usize, chunk: &mut [f64]| {
            for (offset, velocity) in chunk.chunks_exact_mut(d).enumerate() {
                let row = idx * PARTICLES_PER_TASK + offset;
                let leader = leaders.get(row).map_or(row, |leader| *leader as usize);
                let pull = Pull {
                    place: places.row(row),
                    best: bests.row(row),
                    leader: bests.row(leader),
                    is_own_leader: leader == row,
                };
                let mut rng = Stream::new(context.seed, context.generation, key(row));
                match settings.motion {
                    Motion::Constriction => settings.constrict(&pull, &mut rng, velocity),
                    Motion::Spherical => settings.roll(&pull, &mut rng, velocity),
                }
            }
        };
        let is_worth_it = n * d >= PARALLEL_GENES;
        let values = velocities.make_mut();
        context.threads.for_each_chunk(values, PARTICLES_PER_TASK * d, is_worth_it, move_chunk);
        if let Some(block) = self.space.blocks().first() {
            let bounds = block.lower.iter().zip(&block.upper).cycle();
            let moving = out.reset(n, d).iter_mut().zip(values).zip(places.as_slice());
            for (((slot, v), x), (lower, upper)) in moving.zip(bounds) {
                let v_max = settings.velocity_max * (upper - lower);
                *v = v.clamp(-v_max, v_max);
                let place = x + *v;
                *slot = place.clamp(*lower, *upper);
                if *slot != place {
                    *v *= -0.5;
                }
            }
        }
    }

    /// Whether loaded parts agree with each other.
    fn check(&self) -> Result<()> {
        let (n, d) = (self.worth.len(), self.space.n_genes());
        let size = self.population_size;
        if !(2..=POPULATION_MAX).contains(&size) || n != 0 && n != size {
            return Err(Error::batch("population", format!("0 or {size} rows"), n));
        }
        if n > 0 {
            self.space.check(&[Column::F64(self.bests.clone())], n)?;
            self.space.check(&[Column::F64(self.places.clone())], n)?;
        }
        self.lineage.check(n, N_PARENTS)?;
        let is_worth = |worth: &Worth| !worth.objective.is_nan() && worth.violation >= 0.0;
        let parts = [
            self.velocities.as_slice().len() == n * d,
            self.velocities.as_slice().iter().all(|v| v.is_finite()),
            self.worth.iter().all(is_worth),
            self.ids.len() == n && self.leaders.len() == n,
            self.leaders.iter().all(|leader| (*leader as usize) < n),
            self.first_epsilon.is_finite() && self.first_epsilon >= 0.0,
            self.epsilon.is_finite() && self.epsilon >= 0.0,
            self.generation <= 1 << 53,
        ];
        match parts.iter().position(|is_good| !is_good) {
            Some(idx) => Err(Error::batch("population", "parts that agree", format!("part {idx}"))),
            None => Ok(()),
        }
    }

    /// First velocities: half the difference between a random point and the particle.
    fn push_off(&mut self, context: &Context) {
        let d = self.space.n_genes();
        let Some(block) = self.space.blocks().first() else { return };
        let bounds = || block.lower.iter().zip(&block.upper);
        let values = self.velocities.reset(self.places.n_rows(), d);
        let rows = values.chunks_exact_mut(d).zip(self.places.rows());
        for (row, (velocity, place)) in rows.enumerate() {
            let key = context.first_id.wrapping_add(row as u64);
            let mut rng = Stream::new(context.seed ^ PUSH, context.generation, key);
            for ((v, x), (lower, upper)) in velocity.iter_mut().zip(place).zip(bounds()) {
                *v = 0.5 * (lower + (upper - lower) * rng.uniform() - x);
            }
        }
    }

    fn choose_leaders(&mut self) {
        let n = self.worth.len();
        let epsilon = self.epsilon;
        let of = |idx: usize| self.worth.get(idx).copied().unwrap_or(Worth::WORST);
        let better = |a: usize, b: usize| {
            if of(b).compare(of(a), epsilon) == Ordering::Less { b } else { a }
        };
        self.leaders.clear();
        #[expect(clippy::cast_possible_truncation, reason = "swarms stay below 2^20 particles")]
        match self.settings.topology {
            Topology::Global => {
                let best = (1..n).fold(0, better);
                self.leaders.resize(n, best as u32);
            }
            Topology::Ring => {
                let k = self.settings.n_neighbours.min(n / 2);
                let leaders = (0..n).map(|row| {
                    (1..=k)
                        .flat_map(|step| [(row + n - step) % n, (row + step) % n])
                        .fold(row, better) as u32
                });
                self.leaders.extend(leaders);
            }
        }
    }
}

/// Separates the stream of first velocities.
const PUSH: u64 = 0x7073_6f20_7075_7368;

impl Algorithm for Pso {
    fn space(&self) -> &Space {
        &self.space
    }

    fn batch_size(&self) -> usize {
        self.population_size
    }

    fn operators(&self) -> &'static [&'static str] {
        &["sample", "move"]
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let Some(Column::F64(genomes)) = batch.genomes.first_mut() else { return Ok(()) };
        let is_first = self.worth.is_empty();
        if is_first {
            fill_space(&self.space, n, context, &mut batch.genomes);
            if let (Some(x0), Some(Column::F64(genomes))) =
                (&self.settings.x0, batch.genomes.first_mut())
            {
                for (gene, value) in genomes.make_mut().iter_mut().zip(x0) {
                    *gene = *value;
                }
            }
        } else {
            self.fly(context, genomes);
        }
        let parents = batch.origins.parents.reset(n, N_PARENTS);
        parents.fill(NO_PARENT);
        for (slots, (id, leader)) in
            parents.chunks_exact_mut(N_PARENTS).zip(self.ids.iter().zip(&self.leaders))
        {
            let leader = self.ids.get(*leader as usize).copied().unwrap_or(NO_PARENT);
            for (slot, id) in slots.iter_mut().zip([*id, leader]) {
                *slot = id;
            }
        }
        batch.origins.operators.reset(n, 1).fill(u8::from(!is_first));
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let Some(Column::F64(genomes)) = batch.genomes.first() else { return Ok(()) };
        let (n, d) = (genomes.n_rows(), genomes.n_columns());
        let is_first = self.worth.is_empty();
        // The batch itself, not a copy: the next one goes to other memory while this is held.
        self.places = genomes.clone();
        if is_first {
            self.bests = genomes.clone();
            self.worth.extend((0..n).map(|row| Worth::of(scores, row)));
            self.ids.extend((0..n).map(|row| batch.id(row, context)));
            for row in 0..n {
                self.lineage.put(row, batch, row, context.generation);
            }
            self.push_off(context);
            if self.settings.constraints == Rule::Epsilon {
                self.first_epsilon = self.settings.epsilon.first_level(&self.worth);
            }
        } else {
            let bests = self.bests.make_mut().chunks_exact_mut(d);
            let particles = bests.zip(&mut self.worth).zip(&mut self.ids).zip(genomes.rows());
            for (row, (((best, worth), id), place)) in particles.enumerate() {
                let found = Worth::of(scores, row);
                if found.compare(*worth, self.epsilon) == Ordering::Less {
                    best.copy_from_slice(place);
                    *worth = found;
                    *id = batch.id(row, context);
                    self.lineage.put(row, batch, row, context.generation);
                }
            }
        }
        self.generation += 1;
        if self.settings.constraints == Rule::Epsilon {
            self.epsilon = self.settings.epsilon.level(self.first_epsilon, self.generation);
        }
        self.choose_leaders();
        Ok(())
    }

    fn population(&self) -> Population {
        let n = self.worth.len();
        let column = |values: Vec<f64>| Matrix::from_vec(values, n, 1).unwrap_or_default();
        let mut population = Population {
            genomes: vec![Column::F64(self.bests.clone())],
            objectives: column(self.worth.iter().map(|worth| worth.objective).collect()),
            violations: column(self.worth.iter().map(|worth| worth.violation).collect()),
            ids: Matrix::from_vec(self.ids.clone(), n, 1).unwrap_or_default(),
            ..Population::default()
        };
        self.lineage.show(&mut population);
        population
    }

    fn check_state(&self) -> Result<()> {
        self.settings.check(&self.space)?;
        check_sizes(self)?;
        self.check()
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        let n = self.velocities.as_slice().len().max(1) as f64;
        let speed = self.velocities.as_slice().iter().map(|v| v.abs()).sum::<f64>() / n;
        let mut out = vec![("speed", speed)];
        if self.settings.constraints == Rule::Epsilon {
            out.push(("epsilon", self.epsilon));
        }
        out
    }
}
