//! Islands: several searches of one space side by side, which now and then exchange good rows.
//!
//! Any registered methods, also different ones (Whitley, Rana & Heckendorn 1999, for the model). One
//! batch is all islands' batches in a row, so one call evaluates everything. A migrant reaches its
//! island as a told row: it stands in for the worst row of the next batch when it is better than
//! that. So no method needs to know of islands. Invariants: streams are keyed by each island's own
//! seed and the row's global identity; nothing depends on the number of threads.

mod island;
mod migration;
mod rows;
mod topology;

#[cfg(test)]
mod tests;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::algorithm::{
    Algorithm, Batch, Build, Context, NO_PARENT, Origins, Population, Scores, check_sizes,
};
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::space::Space;
use crate::threads::Threads;

use island::Island;
pub use topology::Topology;

/// Most islands of one search.
pub const ISLANDS_MAX: usize = 4096;
/// Most rows that one island sends along one edge.
pub const MIGRANTS_MAX: usize = 65_536;

/// Which rows leave an island.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The best so far; with several objectives, rows of the batch that no other dominates.
    #[default]
    Best,
    /// Rows of the last batch, drawn uniformly.
    Random,
}

/// Settings of [`Islands`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Saved states ([`Run::save`], in hexadecimal) of searches that have not begun, one an island;
    /// none of them islands again.
    pub states: Vec<String>,
    /// Who sends to whom.
    #[serde(default)]
    pub topology: Topology,
    /// Edges (from, to) of a custom topology.
    #[serde(default)]
    pub edges: Vec<(usize, usize)>,
    /// Generations between migrations; 0 for never.
    #[serde(default = "default_every")]
    pub migration_every: u64,
    /// Rows that one island sends along one edge.
    #[serde(default = "default_migrants")]
    pub n_migrants: usize,
    /// Which rows leave.
    #[serde(default)]
    pub policy: Policy,
}

const fn default_every() -> u64 {
    10
}

const fn default_migrants() -> usize {
    2
}

/// Several searches with migration.
#[derive(Debug, Serialize, Deserialize)]
pub struct Islands {
    space: Space,
    settings: Settings,
    members: Vec<Island>,
    n_migrated: u64,
    /// First row and number of rows of every island in the joint batch.
    #[serde(skip)]
    spans: Vec<(usize, usize)>,
    #[serde(skip)]
    sources: Vec<usize>,
}

impl Build for Islands {
    type Settings = Settings;

    fn build(space: Space, mut settings: Settings, _seed: u64) -> Result<Self> {
        let n = settings.states.len();
        if n == 0 || n > ISLANDS_MAX {
            return Err(Error::setting("n_islands", format!("1 to {ISLANDS_MAX}"), n));
        }
        check(&settings, n)?;
        let states = std::mem::take(&mut settings.states);
        let islands = states
            .iter()
            .enumerate()
            .map(|(idx, state)| Island::new(state, idx, &space))
            .collect::<Result<Vec<_>>>()?;
        check_kinds(&islands)?;
        Ok(Self::of(space, settings, islands))
    }
}

/// Checks the settings of `n` islands.
fn check(settings: &Settings, n: usize) -> Result<()> {
    topology::check(settings.topology, &settings.edges, n)?;
    if settings.n_migrants > MIGRANTS_MAX {
        let expected = format!("at most {MIGRANTS_MAX}");
        return Err(Error::setting("n_migrants", expected, settings.n_migrants));
    }
    Ok(())
}

/// Refuses searches that expect different scores.
fn check_kinds(islands: &[Island]) -> Result<()> {
    let kinds = |island: &Island| {
        let algorithm = island.method.algorithm();
        (algorithm.n_objectives(), algorithm.n_descriptors(), algorithm.needs_cases())
    };
    if let Some(first) = islands.first()
        && islands.iter().any(|island| kinds(island) != kinds(first))
    {
        return Err(Error::setting(
            "islands",
            "searches that agree in the number of objectives, descriptors and cases",
            "different ones",
        ));
    }
    Ok(())
}

impl Islands {
    const fn of(space: Space, settings: Settings, members: Vec<Island>) -> Self {
        Self { space, settings, members, n_migrated: 0, spans: Vec::new(), sources: Vec::new() }
    }

    /// Threads of the islands' own calls: one each when the islands share them out.
    fn inner_threads(&self, outer: &Threads) -> Threads {
        if self.members.len() > 1 { Threads::one() } else { outer.clone() }
    }

    /// Finds the islands' spans. Telling may change what would be found.
    fn measure(&mut self) {
        self.spans.clear();
        let mut sum = 0;
        for island in &self.members {
            let n = island.n_rows();
            self.spans.push((sum, n));
            sum += n;
        }
    }

    /// Whether all islands name their operators alike.
    fn has_operators(&self) -> bool {
        self.operators() != ["island"]
    }
}

/// Run `work` on every island with its span, in parallel when there are several threads.
fn for_each(
    islands: &mut [Island],
    spans: &[(usize, usize)],
    threads: &Threads,
    work: impl Fn(&mut Island, (usize, usize)) -> Result<()> + Sync + Send,
) -> Result<()> {
    let pool = if islands.len() > 1 { threads.pool() } else { None };
    let Some(pool) = pool else {
        return islands.iter_mut().zip(spans).try_for_each(|(island, span)| work(island, *span));
    };
    pool.install(|| {
        islands.par_iter_mut().zip(spans).try_for_each(|(island, span)| work(island, *span))
    })
}

impl Algorithm for Islands {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_objectives(&self) -> usize {
        self.members.first().map_or(1, |island| island.method.algorithm().n_objectives())
    }

    fn n_descriptors(&self) -> usize {
        self.members.first().map_or(0, |island| island.method.algorithm().n_descriptors())
    }

    fn needs_cases(&self) -> bool {
        self.members.iter().any(|island| island.method.algorithm().needs_cases())
    }

    fn batch_size(&self) -> usize {
        self.members.iter().map(Island::n_rows).sum()
    }

    fn operators(&self) -> &'static [&'static str] {
        let names = |island: &Island| island.method.algorithm().operators();
        match self.members.split_first() {
            Some((first, rest)) if rest.iter().all(|island| names(island) == names(first)) => {
                names(first)
            }
            _ => &["island"],
        }
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        self.measure();
        let inner = self.inner_threads(&context.threads);
        let work = |island: &mut Island, (offset, n)| {
            let own = island.context(context, offset, &inner);
            island.ask(n, &own)
        };
        for_each(&mut self.members, &self.spans, &context.threads, work)?;
        for (idx, column) in batch.genomes.iter_mut().enumerate() {
            let parts = self.members.iter().filter_map(|island| island.batch.genomes.get(idx));
            rows::concatenate(column, parts, n);
        }
        self.write_origins(&mut batch.origins, n);
        Ok(())
    }

    fn check_tell(&self, n_rows: usize, scores: &Scores<'_>) -> Result<()> {
        let mut first = 0;
        for island in &self.members {
            let n = island.n_rows();
            let own = rows::cut(scores, first, n, n_rows);
            island.method.algorithm().check_tell(n, &own)?;
            first += n;
        }
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let n_all = batch.n_rows();
        // All islands or none: nothing can be taken back from those told already.
        self.check_tell(n_all, scores)?;
        self.measure();
        let inner = self.inner_threads(&context.threads);
        let Settings { policy, n_migrants, migration_every, .. } = self.settings;
        let keeps = policy == Policy::Best && migration_every > 0;
        let n_elite = if keeps { n_migrants } else { 0 };
        // Cases of methods that do not look at them would only travel along.
        let cases = if self.needs_cases() { scores.cases } else { &[] };
        let scores = &Scores { cases, ..*scores };
        let work = |island: &mut Island, (offset, n)| {
            let own = island.context(context, offset, &inner);
            let told = rows::cut(scores, offset, n, n_all);
            island.tell((&batch.genomes, &told), (offset, n), n_elite, &own)
        };
        for_each(&mut self.members, &self.spans, &context.threads, work)?;
        let is_due =
            migration_every > 0 && (context.generation + 1).is_multiple_of(migration_every);
        if is_due && self.members.len() > 1 {
            let Self { members, settings, spans, sources, .. } = self;
            let told = (batch, scores);
            let n_sent = migration::send(members, settings, told, spans, context, sources);
            self.n_migrated += n_sent;
        }
        Ok(())
    }

    fn check_state(&self) -> Result<()> {
        let n = self.members.len();
        if n == 0 || n > ISLANDS_MAX {
            return Err(Error::setting("n_islands", format!("1 to {ISLANDS_MAX}"), n));
        }
        check(&self.settings, n)?;
        check_kinds(&self.members)?;
        if self.n_migrated > 1 << 53 {
            return Err(Error::batch("migrants", "a count of rows", self.n_migrated));
        }
        self.members.iter().try_for_each(|island| island.check(&self.space))?;
        let sizes = || self.members.iter().map(Island::n_rows);
        if sizes().try_fold(0_usize, usize::checked_add).is_none() {
            return Err(Error::setting("batch_size", "rows that fit memory", "more"));
        }
        check_sizes(self)
    }

    fn population(&self) -> Population {
        let parts: Vec<_> =
            self.members.iter().map(|island| island.method.algorithm().population()).collect();
        rows::join(&self.space, &parts, self.has_operators())
    }

    fn stop_reason(&self) -> Option<&'static str> {
        let mut reasons = self.members.iter().map(|island| island.method.algorithm().stop_reason());
        let first = reasons.next().flatten()?;
        reasons.all(|reason| reason.is_some()).then_some(first)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts for display")]
    fn figures(&self) -> Vec<(&'static str, f64)> {
        vec![("n_islands", self.members.len() as f64), ("n_migrated", self.n_migrated as f64)]
    }
}

impl Islands {
    /// Joins the islands' lineages; identities are global already.
    fn write_origins(&self, origins: &mut Origins, n: usize) {
        let parents = || self.members.iter().map(|island| &island.batch.origins.parents);
        let width = parents().map(Matrix::n_columns).max().unwrap_or(0);
        let has_operators = self.has_operators()
            && self.members.iter().all(|island| island.batch.origins.operators.n_rows() > 0);
        let out = origins.parents.reset(if width == 0 { 0 } else { n }, width);
        out.fill(NO_PARENT);
        let mut chunks = out.chunks_exact_mut(width.max(1));
        for island in &self.members {
            let own = &island.batch.origins.parents;
            for row in 0..island.n_rows() {
                let Some(chunk) = chunks.next() else { break };
                for (to, from) in chunk.iter_mut().zip(own.row(row)) {
                    *to = *from;
                }
            }
        }
        let out = origins.operators.reset(if has_operators { n } else { 0 }, 1);
        let all = self.members.iter().flat_map(|island| island.batch.origins.operators.as_slice());
        for (to, from) in out.iter_mut().zip(all) {
            *to = *from;
        }
    }
}
