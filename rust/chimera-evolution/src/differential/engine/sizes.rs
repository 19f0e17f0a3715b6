//! Sizes of the population and of the archive.

use chimera_rng::Stream;

use super::Engine;
use crate::algorithm::Context;

/// Separates the stream of the archive from the others.
const ARCHIVE: u64 = 0x6465_6172_6368_6976;

impl Engine {
    /// Linear population size reduction: the worst leave.
    pub(super) fn shrink(&mut self) {
        let Some(budget) = self.plan.budget else { return };
        let (most, least) =
            (self.plan.population_size as f64, self.plan.population_size_min as f64);
        let spent = (self.n_evaluations as f64 / budget as f64).min(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between two population sizes"
        )]
        let n = (most + (least - most) * spent).round() as usize;
        if n >= self.worth.len() {
            return;
        }
        self.kept.clear();
        self.kept.extend_from_slice(self.order.get(..n).unwrap_or_default());
        self.kept.sort_unstable();
        let d = self.n_genes();
        let genomes = self.genomes.make_mut();
        for (to, from) in self.kept.iter().enumerate() {
            let from = *from as usize;
            // Rows ascend, so none is written before it is read.
            genomes.copy_within(from * d..(from + 1) * d, to * d);
            self.worth.copy_within(from..=from, to);
            self.ids.copy_within(from..=from, to);
        }
        self.genomes.truncate(n);
        self.worth.truncate(n);
        self.ids.truncate(n);
        self.lineage.keep(&self.kept);
        self.rank();
    }

    /// Rows that the archive holds at most.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a multiple of the population"
    )]
    pub(super) fn archive_max(&self) -> usize {
        (self.plan.archive_rate * self.worth.len() as f64) as usize
    }

    /// Random rows leave until the archive has its size.
    pub(super) fn trim_archive(&mut self, context: &Context) {
        let most = self.archive_max();
        let d = self.n_genes();
        let mut rng = Stream::new(context.seed ^ ARCHIVE, context.generation, 0);
        while self.archive_ids.len() > most {
            let idx = rng.below(self.archive_ids.len());
            let last = self.archive_ids.len() - 1;
            self.archive_ids.swap_remove(idx);
            if idx != last {
                self.archive.copy_within(last * d..(last + 1) * d, idx * d);
            }
            self.archive.truncate(last * d);
        }
    }

    /// Takes the memory that later generations need, so that they take none.
    pub(super) fn reserve(&mut self) {
        let n = self.worth.len();
        let n_archive = if self.plan.archive_rate > 0.0 { self.archive_max() + n } else { 0 };
        self.archive.reserve(n_archive * self.n_genes());
        self.archive_ids.reserve(n_archive);
        self.successes.reserve(n);
    }
}
