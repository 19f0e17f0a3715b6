//! Islands: several searches of one space side by side, which now and then exchange good rows.
//!
//! Any registered methods, also different ones (Whitley, Rana & Heckendorn 1999, for the model). One
//! batch is all islands' batches in a row, so one call evaluates everything. A migrant reaches its
//! island as a told row: it stands in for the worst row of the next batch when it is better than
//! that. So no method needs to know of islands. Invariants: streams are keyed by each island's own
//! seed and the row's global identity; nothing depends on the number of threads.

mod migration;
mod rows;
mod topology;

#[cfg(test)]
mod tests;

use rayon::prelude::*;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::algorithm::{Algorithm, Batch, Build, Context, NO_PARENT, Origins, Population, Scores};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::matrix::Matrix;
use crate::method::Method;
use crate::run::Run;
use crate::space::Space;
use crate::threads::Threads;

use rows::Rows;
pub use topology::Topology;

/// Most islands of one search.
pub const ISLANDS_MAX: usize = 4096;

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

/// One search and what migration knows of it.
#[derive(Debug, Serialize, Deserialize)]
struct Island {
    #[serde(serialize_with = "write_method", deserialize_with = "read_method")]
    method: Method,
    seed: u64,
    /// Lineage as the method wrote it; other islands may use other operators.
    origins: Origins,
    /// Its best rows so far, best first; kept only for [`Policy::Best`].
    elite: Rows,
    /// Rows on their way here.
    inbox: Rows,
    /// Identities that came lately, and are not taken again.
    received: Vec<u64>,
    #[serde(skip)]
    batch: Batch,
}

/// Several searches with migration.
#[derive(Debug, Serialize, Deserialize)]
pub struct Islands {
    space: Space,
    settings: Settings,
    members: Vec<Island>,
    n_migrated: u64,
}

fn write_method<S: Serializer>(
    method: &Method,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let bytes = method.to_bytes().map_err(serde::ser::Error::custom)?;
    (method.name(), bytes).serialize(serializer)
}

fn read_method<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Method, D::Error> {
    let (name, bytes): (String, Vec<u8>) = Deserialize::deserialize(deserializer)?;
    // Before reading any further: nested islands could be as deep as the bytes are long.
    if name == "islands" {
        return Err(serde::de::Error::custom("islands inside islands"));
    }
    Method::from_bytes(&name, &bytes).map_err(serde::de::Error::custom)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

impl Island {
    fn new(state: &str, idx: usize, space: &Space) -> Result<Self> {
        let name = format!("states[{idx}]");
        let bytes = unhex(state)
            .ok_or_else(|| Error::setting(&*name, "a saved search in hexadecimal", "other text"))?;
        let run = Run::load(&bytes, Threads::one())?;
        if run.n_asked() > 0 {
            return Err(Error::setting(name, "a search that has not begun", "one under way"));
        }
        let (method, seed) = run.into_method();
        if matches!(method, Method::Islands(_)) {
            return Err(Error::setting(name, "a search other than islands", "islands"));
        }
        if method.algorithm().space() != space {
            return Err(Error::setting(name, "a search of the same space", "another space"));
        }
        Ok(Self {
            method,
            seed,
            origins: Origins::default(),
            elite: Rows::default(),
            inbox: Rows::default(),
            received: Vec::new(),
            batch: Batch { genomes: space.columns(), ..Batch::default() },
        })
    }

    /// Gives the batch its columns, which are not saved.
    fn ready(&mut self) {
        if self.batch.genomes.is_empty() {
            self.batch.genomes = self.method.algorithm().space().columns();
        }
    }

    fn n_rows(&self) -> usize {
        self.method.algorithm().batch_size()
    }

    fn context(&self, outer: &Context, offset: usize, threads: &Threads) -> Context {
        Context {
            seed: self.seed,
            generation: outer.generation,
            first_id: outer.first_id.wrapping_add(offset as u64),
            threads: threads.clone(),
        }
    }
}

impl Build for Islands {
    type Settings = Settings;

    fn build(space: Space, mut settings: Settings, _seed: u64) -> Result<Self> {
        let n = settings.states.len();
        if n == 0 || n > ISLANDS_MAX {
            return Err(Error::setting("n_islands", format!("1 to {ISLANDS_MAX}"), n));
        }
        topology::check(settings.topology, &settings.edges, n)?;
        let states = std::mem::take(&mut settings.states);
        let islands = states
            .iter()
            .enumerate()
            .map(|(idx, state)| Island::new(state, idx, &space))
            .collect::<Result<Vec<_>>>()?;
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
        Ok(Self { space, settings, members: islands, n_migrated: 0 })
    }
}

impl Islands {
    /// Threads of the islands' own calls: one each when the islands share them out.
    fn inner_threads(&self, outer: &Threads) -> Threads {
        if self.members.len() > 1 { Threads::one() } else { outer.clone() }
    }

    /// First row and number of rows of every island in the joint batch. Telling may change them.
    fn spans(&self) -> Vec<(usize, usize)> {
        self.members
            .iter()
            .scan(0, |sum, island| {
                let span = (*sum, island.n_rows());
                *sum += span.1;
                Some(span)
            })
            .collect()
    }
}

/// Run `work` on every island with its span, in parallel when there are several threads.
fn for_each(
    islands: &mut [Island],
    spans: &[(usize, usize)],
    threads: &Threads,
    work: impl Fn(&mut Island, (usize, usize)) -> Result<()> + Sync + Send,
) -> Result<()> {
    if threads.n() == 1 || islands.len() == 1 {
        return islands.iter_mut().zip(spans).try_for_each(|(island, span)| work(island, *span));
    }
    threads.install(|| {
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

    fn ask(&mut self, _n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let spans = self.spans();
        let inner = self.inner_threads(&context.threads);
        for_each(&mut self.members, &spans, &context.threads, |island, (offset, n)| {
            let own = island.context(context, offset, &inner);
            island.ready();
            island.method.algorithm_mut().ask(n, &own, &mut island.batch)?;
            island.origins.clone_from(&island.batch.origins);
            Ok(())
        })?;
        let n = self.batch_size();
        for (idx, column) in batch.genomes.iter_mut().enumerate() {
            let parts = self.members.iter().filter_map(|island| island.batch.genomes.get(idx));
            rows::concatenate(column, parts, n);
        }
        self.write_origins(&mut batch.origins, n);
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let spans = self.spans();
        let inner = self.inner_threads(&context.threads);
        let policy = self.settings.policy;
        let n_elite = if policy == Policy::Best { self.settings.n_migrants } else { 0 };
        let n_all = self.batch_size();
        let keeps = self.settings.migration_every > 0;
        for_each(&mut self.members, &spans, &context.threads, |island, (offset, n)| {
            let own = island.context(context, offset, &inner);
            island.ready();
            for (to, from) in island.batch.genomes.iter_mut().zip(&batch.genomes) {
                rows::slice(to, from, offset, n);
            }
            island.batch.origins.clone_from(&island.origins);
            let mut told = Rows::cut(scores, offset, n, n_all, own.first_id);
            migration::settle(island, &mut told);
            if keeps && n_elite > 0 && told.n_objectives == 1 {
                island.elite.keep_best(&told, &island.batch.genomes, n_elite);
            }
            island.method.algorithm_mut().tell(&island.batch, &told.scores(), &own)
        })?;
        let every = self.settings.migration_every;
        if every > 0 && (context.generation + 1).is_multiple_of(every) && self.members.len() > 1 {
            self.n_migrated +=
                migration::send(&mut self.members, &self.settings, batch, scores, &spans, context);
        }
        Ok(())
    }

    fn population(&self) -> Population {
        let parts: Vec<_> =
            self.members.iter().map(|island| island.method.algorithm().population()).collect();
        rows::join(&self.space, &parts)
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
        let parents = || self.members.iter().map(|island| &island.origins.parents);
        let width = parents().map(Matrix::n_columns).max().unwrap_or(0);
        let has_operators = self.operators() != ["island"]
            && self.members.iter().all(|island| island.origins.operators.n_rows() > 0);
        let out = origins.parents.reset(if width == 0 { 0 } else { n }, width);
        out.fill(NO_PARENT);
        let mut chunks = out.chunks_exact_mut(width.max(1));
        for island in &self.members {
            let own = &island.origins.parents;
            for row in 0..island.n_rows() {
                let Some(chunk) = chunks.next() else { break };
                for (to, from) in chunk.iter_mut().zip(own.row(row)) {
                    *to = *from;
                }
            }
        }
        let out = origins.operators.reset(if has_operators { n } else { 0 }, 1);
        let all = self.members.iter().flat_map(|island| island.origins.operators.as_slice());
        for (to, from) in out.iter_mut().zip(all) {
            *to = *from;
        }
    }
}

/// Whether two columns hold equal values in these rows.
fn is_equal_row(a: &Column, a_row: usize, b: &Column, b_row: usize) -> bool {
    match (a, b) {
        (Column::F64(a), Column::F64(b)) => a.row(a_row) == b.row(b_row),
        (Column::F32(a), Column::F32(b)) => a.row(a_row) == b.row(b_row),
        (Column::I64(a), Column::I64(b)) => a.row(a_row) == b.row(b_row),
        (Column::Bool(a), Column::Bool(b)) => a.row(a_row) == b.row(b_row),
        _ => false,
    }
}
