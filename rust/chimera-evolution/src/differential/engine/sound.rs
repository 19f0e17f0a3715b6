//! What a state of differential evolution must be when it is loaded.

use super::{Engine, N_PARENTS};
use crate::column::Column;
use crate::constraint::Worth;
use crate::differential::adapt::Rates;
use crate::differential::settings::Plan;
use crate::error::{Error, Result};

/// Most rows or generations of a state that is loaded: no run gets there.
const COUNT_MAX: u64 = 1 << 53;

impl Engine {
    /// Whether a loaded state can go on.
    pub fn check(&self) -> Result<()> {
        self.plan.check(&self.space)?;
        let (n, d) = (self.worth.len(), self.n_genes());
        // A difference takes four rows, and looks for them until it has them.
        if n > self.plan.population_size || n > 0 && n < self.plan.population_size_min {
            let Plan { population_size, population_size_min, .. } = &self.plan;
            let expected = format!("{population_size_min} to {population_size} rows");
            return Err(Error::batch("population", expected, n));
        }
        if n > 0 {
            self.space.check(&[Column::F64(self.genomes.clone())], n)?;
        }
        self.lineage.check(n, N_PARENTS)?;
        let n_archive = self.archive_ids.len();
        let is_worth = |worth: &Worth| !worth.objective.is_nan() && worth.violation >= 0.0;
        let is_placed = |idx: &u32| (*idx as usize) < n;
        let mut seen = vec![false; n];
        for idx in &self.order {
            if let Some(seen) = seen.get_mut(*idx as usize) {
                *seen = true;
            }
        }
        let parts = [
            self.genomes.n_rows() == n,
            self.ids.len() == n,
            self.worth.iter().all(is_worth),
            self.order.len() == n && self.order.iter().all(is_placed) && !seen.contains(&false),
            n_archive <= self.archive_max(),
            self.archive.len() == n_archive.saturating_mul(d),
            self.archive.iter().all(|gene| gene.is_finite()),
            self.rates.iter().all(Rates::is_sound),
            self.first_epsilon.is_finite() && self.first_epsilon >= 0.0,
            self.epsilon.is_finite() && self.epsilon >= 0.0,
            self.n_evaluations <= COUNT_MAX && self.generation <= COUNT_MAX,
        ];
        match parts.iter().position(|is_good| !is_good) {
            Some(idx) => Err(Error::batch("population", "parts that agree", format!("part {idx}"))),
            None => Ok(()),
        }
    }
}
