//! Differential evolution: populations that step along differences of their own rows.
//!
//! Three methods share one engine: `de` with fixed weight and crossover rate (Storn & Price, 1997),
//! `jade`, which adapts both and keeps an archive of the beaten (Zhang & Sanderson, 2009), and
//! `lshade`, which remembers what succeeded and shrinks its population with the budget (Tanabe &
//! Fukunaga, 2014). Trials replace their parents when they are not worse. A gene outside its bounds
//! goes midway between the bound and its parent's gene. One random stream a trial.

mod adapt;
mod engine;
mod settings;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores, check_sizes};
use crate::error::Result;
use crate::space::Space;
use engine::Engine;
pub use settings::{DeSettings, JadeSettings, LshadeSettings, Strategy};
pub(crate) use settings::{bounded_block, check_x0};

macro_rules! method {
    ($(#[$doc:meta])* $name:ident, $settings:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub struct $name(Engine);

        impl Build for $name {
            type Settings = $settings;

            fn build(space: Space, settings: $settings, _seed: u64) -> Result<Self> {
                let plan = settings.plan(&space)?;
                Ok(Self(Engine::new(space, plan)))
            }
        }

        impl Algorithm for $name {
            fn space(&self) -> &Space {
                self.0.space()
            }

            fn batch_size(&self) -> usize {
                self.0.batch_size()
            }

            fn operators(&self) -> &'static [&'static str] {
                self.0.operators()
            }

            fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
                self.0.ask(n, context, batch);
                Ok(())
            }

            fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
                self.0.tell(batch, scores, context);
                Ok(())
            }

            fn check_state(&self) -> Result<()> {
                check_sizes(self)?;
                self.0.check()
            }

            fn population(&self) -> Population {
                self.0.population()
            }

            fn stop_reason(&self) -> Option<&'static str> {
                self.0.stop_reason()
            }

            fn figures(&self) -> Vec<(&'static str, f64)> {
                self.0.figures()
            }
        }
    };
}

method!(
    /// Differential evolution with fixed weight and crossover rate.
    De,
    DeSettings
);
method!(
    /// Adaptive differential evolution with an external archive.
    Jade,
    JadeSettings
);
method!(
    /// Success-history adaptation with linear population size reduction.
    Lshade,
    LshadeSettings
);
