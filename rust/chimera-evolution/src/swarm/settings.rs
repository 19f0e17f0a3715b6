//! Settings of the particle swarm.

use serde::{Deserialize, Serialize};

use super::POPULATION_MAX;
use crate::constraint::{Epsilon, Rule};
use crate::differential::{bounded_block, check_x0};
use crate::error::{Error, Result};
use crate::space::Space;

/// Who informs whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// The best of all.
    Global,
    /// The best of the nearest particles by index on either side.
    #[default]
    Ring,
}

/// How particles move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// Coordinate by coordinate.
    #[default]
    Constriction,
    /// From a ball; the result does not depend on the axes.
    Spherical,
}

/// Settings of `pso`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Number of particles; none for 10 + 2 sqrt(genes), at least 20.
    pub population_size: Option<usize>,
    /// Who informs whom.
    pub topology: Topology,
    /// Particles on either side that inform one in a ring.
    pub n_neighbours: usize,
    /// How particles move.
    pub motion: Motion,
    /// Share of its velocity that a particle keeps.
    pub inertia: f64,
    /// Pull towards its own best place.
    pub cognitive: f64,
    /// Pull towards its neighbours' best place.
    pub social: f64,
    /// Largest step per gene, as a share of the distance between its bounds.
    pub velocity_max: f64,
    /// How constraints rank rows.
    pub constraints: Rule,
    /// The epsilon level, when it is the rule.
    pub epsilon: Epsilon,
    /// Where the first particle begins.
    pub x0: Option<Vec<f64>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            population_size: None,
            topology: Topology::Ring,
            n_neighbours: 1,
            motion: Motion::Constriction,
            // Constriction of 4.1 in all: 0.7298, and 0.7298 * 2.05.
            inertia: 0.729_843_788_128_358,
            cognitive: 1.496_179_765_663_133,
            social: 1.496_179_765_663_133,
            velocity_max: 0.5,
            constraints: Rule::Feasibility,
            epsilon: Epsilon::default(),
            x0: None,
        }
    }
}

impl Settings {
    /// Refuses settings outside their range, and a space that is not bounded.
    pub(super) fn check(&self, space: &Space) -> Result<()> {
        let numbers = [
            ("inertia", self.inertia, 0.0, 1.0),
            ("cognitive", self.cognitive, 0.0, 4.0),
            ("social", self.social, 0.0, 4.0),
            ("velocity_max", self.velocity_max, 1e-6, 1.0),
        ];
        for (name, value, low, high) in numbers {
            if !(value >= low && value <= high) {
                return Err(Error::setting(name, format!("a number in [{low}, {high}]"), value));
            }
        }
        if let Some(size) = self.population_size
            && !(2..=POPULATION_MAX).contains(&size)
        {
            return Err(Error::setting("population_size", format!("2 to {POPULATION_MAX}"), size));
        }
        if self.n_neighbours == 0 {
            return Err(Error::setting("n_neighbours", "at least 1", 0));
        }
        self.epsilon.check()?;
        check_x0(self.x0.as_deref(), bounded_block(space, "pso")?)
    }
}
