//! MAP-Elites (Mouret & Clune, 2015) with iso+line variation (Vassiliades & Mouret, 2018).
//!
//! The first solutions are uniform in the bounds; children of uniformly chosen elites follow. Rows
//! may be told in any order and number. Failed rows and rows that violate constraints stay out of
//! the archive.

use serde::{Deserialize, Serialize};

use super::archive::{Archive, Cells, Layout, Outside};
use super::elites::{Candidates, Direction, Ids, Insertion, Rule};
use super::state::is_space;
use super::variation::{IsoLine, Parents, Vary};
use crate::algorithm::{
    Algorithm, Batch, Build, Context, NO_PARENT, Population, Scores, check_sizes,
};
use crate::column::Column;
use crate::error::{Error, Result};
use crate::lineage::Lineage;
use crate::matrix::Matrix;
use crate::random::fill_space;
use crate::space::{Kind, Space};
use crate::threads::Threads;

/// Most rows of a batch.
pub const BATCH_MAX: usize = 1 << 24;

/// Parents of a child.
const N_PARENTS: usize = 2;

/// Settings of [`MapElites`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Rows of a batch.
    pub batch_size: usize,
    /// How descriptor space is divided.
    pub layout: Layout,
    /// What happens to descriptors outside the ranges.
    pub outside: Outside,
    /// Uniform solutions to begin with.
    pub n_initial: usize,
    /// Standard deviation of the isotropic part, as a share of each gene's range.
    pub iso_sigma: f64,
    /// Standard deviation along the line between two elites.
    pub line_sigma: f64,
    /// Objective that counts as 0 in the QD score; minimised like all.
    #[serde(default)]
    pub qd_offset: f64,
}

/// Archive and variation in the precision of the genes.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Typed {
    Wide(State<f64>),
    Narrow(State<f32>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "T: Vary")]
struct State<T> {
    archive: Archive<T>,
    variation: IsoLine<T>,
    /// Of the elites; of none where boundaries move, and elites with them.
    lineage: Lineage,
    #[serde(skip)]
    descriptors: Vec<T>,
    #[serde(skip)]
    skip: Vec<bool>,
    #[serde(skip)]
    insertion: Insertion,
}

/// The search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MapElites {
    space: Space,
    batch_size: usize,
    n_initial: u64,
    qd_offset: f64,
    state: Typed,
}

impl Build for MapElites {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        if settings.batch_size == 0 || settings.batch_size > BATCH_MAX {
            let expected = format!("between 1 and {BATCH_MAX}");
            return Err(Error::setting("batch_size", expected, settings.batch_size));
        }
        if !settings.qd_offset.is_finite() {
            return Err(Error::setting("qd_offset", "a finite value", settings.qd_offset));
        }
        let state = match space.blocks() {
            [block] if block.kind == Kind::F32 => Typed::Narrow(State::new(&space, &settings)?),
            [block] if block.kind == Kind::F64 => Typed::Wide(State::new(&space, &settings)?),
            blocks => {
                let kinds: Vec<_> = blocks.iter().map(|block| block.kind.name()).collect();
                return Err(Error::setting(
                    "space",
                    "one block of 32- or 64-bit floats, which map_elites searches",
                    kinds.join(", "),
                ));
            }
        };
        let Settings { batch_size, n_initial, qd_offset, .. } = settings;
        Ok(Self { space, batch_size, n_initial: n_initial as u64, qd_offset, state })
    }
}

impl<T: Vary> State<T> {
    fn new(space: &Space, settings: &Settings) -> Result<Self> {
        let rule = Rule::elitist(Direction::Minimize);
        let (n_genes, outside) = (space.n_genes(), settings.outside);
        let block = space.blocks().first().ok_or(Error::Order("a space without blocks"))?;
        Ok(Self {
            variation: IsoLine::new(block, settings.iso_sigma, settings.line_sigma)?,
            archive: Archive::new(&settings.layout, n_genes, rule, outside, &Threads::one())?,
            lineage: Lineage::new(N_PARENTS),
            descriptors: Vec::new(),
            skip: Vec::new(),
            insertion: Insertion::default(),
        })
    }

    fn has_lineage(&self) -> bool {
        !matches!(self.archive.cells(), Cells::Sliding(_))
    }

    /// Whether a loaded state is of the space.
    fn check(&self, space: &Space) -> Result<()> {
        self.archive.check_state()?;
        let is_whole = self.archive.elites().n_genes() == space.n_genes()
            && space.blocks().first().is_some_and(|block| self.variation.fits(block));
        if !is_whole {
            return Err(Error::State { reason: "its archive does not fit its space".into() });
        }
        let n_rows = if self.has_lineage() { self.archive.elites().n_elites() } else { 0 };
        self.lineage.check(n_rows, N_PARENTS)
    }

    /// What the archive would refuse, besides what the harness has checked.
    fn check_tell(&self, n_rows: usize, scores: &Scores<'_>) -> Result<()> {
        let mut skip = Vec::new();
        skip_rows(scores, n_rows, &mut skip);
        let narrow: Vec<T> = scores.descriptors.iter().map(|value| T::nearest(*value)).collect();
        self.archive.check_descriptors(&narrow, &skip)
    }

    fn population(&self, genomes: Column) -> Population {
        let mut population = holdings(&self.archive, genomes);
        if self.has_lineage() {
            self.lineage.show(&mut population);
        }
        population
    }

    fn ask(&self, n: usize, context: &Context, genes: &mut Matrix<T>, parents: &mut Matrix<u64>) {
        let elites = self.archive.elites();
        let known = Parents { solutions: elites.solutions(), ids: elites.ids(), pool: &[] };
        self.variation.vary(n, &known, context, genes, parents);
    }

    fn tell(
        &mut self,
        genes: &Matrix<T>,
        batch: &Batch,
        scores: &Scores<'_>,
        context: &Context,
    ) -> Result<()> {
        self.descriptors.clear();
        self.descriptors.extend(scores.descriptors.iter().map(|value| T::nearest(*value)));
        skip_rows(scores, genes.n_rows(), &mut self.skip);
        let candidates = Candidates {
            solutions: genes.as_slice(),
            objectives: scores.objectives,
            descriptors: &self.descriptors,
            ids: Ids::of(batch, context),
        };
        self.archive.add(&candidates, &self.skip, &context.threads, &mut self.insertion)?;
        if self.has_lineage() {
            for (row, candidate) in self.archive.elites().inserted() {
                self.lineage.put(row, batch, candidate, context.generation);
            }
        }
        Ok(())
    }
}

/// Marks failed rows and rows that violate constraints; leaves `skip` empty when there are none.
pub(super) fn skip_rows(scores: &Scores<'_>, n_rows: usize, skip: &mut Vec<bool>) {
    skip.clear();
    if !scores.failed.is_empty() || !scores.violations.is_empty() {
        skip.extend((0..n_rows).map(|row| scores.is_failed(row) || scores.violation(row) > 0.0));
    }
}

/// What an archive of minimised objectives shows as a population.
pub(super) fn holdings<T: Vary>(archive: &Archive<T>, genomes: Column) -> Population {
    let elites = archive.elites();
    let values = elites.descriptors().as_slice().iter().map(|value| value.wide()).collect();
    let (n_rows, n_columns) = (elites.n_elites(), elites.n_descriptors());
    Population {
        genomes: vec![genomes],
        objectives: elites.objectives().clone(),
        descriptors: Matrix::from_vec(values, n_rows, n_columns).unwrap_or_default(),
        ids: elites.ids().clone(),
        ..Population::default()
    }
}

/// The figures every archive search shows.
pub(super) fn figures<T: Vary>(archive: &Archive<T>, offset: f64) -> Vec<(&'static str, f64)> {
    let stats = archive.stats(offset);
    vec![
        ("n_elites", stats.n_elites as f64),
        ("coverage", stats.coverage),
        ("qd_score", stats.qd_score),
        ("normalized_qd_score", stats.normalized_qd_score),
    ]
}

impl Algorithm for MapElites {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_descriptors(&self) -> usize {
        match &self.state {
            Typed::Wide(state) => state.archive.elites().n_descriptors(),
            Typed::Narrow(state) => state.archive.elites().n_descriptors(),
        }
    }

    fn batch_size(&self) -> usize {
        self.batch_size
    }

    fn is_size_free(&self) -> bool {
        true
    }

    fn is_steady(&self) -> bool {
        true
    }

    fn operators(&self) -> &'static [&'static str] {
        &["uniform", "iso_line"]
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let n_elites = match &self.state {
            Typed::Wide(state) => state.archive.elites().n_elites(),
            Typed::Narrow(state) => state.archive.elites().n_elites(),
        };
        let is_first = n_elites == 0 || context.first_id < self.n_initial;
        batch.origins.operators.reset(n, 1).fill(u8::from(!is_first));
        let parents = &mut batch.origins.parents;
        if is_first {
            parents.reset(n, 2).fill(NO_PARENT);
            fill_space(&self.space, n, context, &mut batch.genomes);
            return Ok(());
        }
        match (&self.state, batch.genomes.as_mut_slice()) {
            (Typed::Wide(state), [Column::F64(genes)]) => state.ask(n, context, genes, parents),
            (Typed::Narrow(state), [Column::F32(genes)]) => state.ask(n, context, genes, parents),
            _ => return Err(Error::Order("a batch of another space")),
        }
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        match (&mut self.state, batch.genomes.as_slice()) {
            (Typed::Wide(state), [Column::F64(genes)]) => state.tell(genes, batch, scores, context),
            (Typed::Narrow(state), [Column::F32(genes)]) => {
                state.tell(genes, batch, scores, context)
            }
            _ => Err(Error::Order("a batch of another space")),
        }
    }

    fn check_tell(&self, n_rows: usize, scores: &Scores<'_>) -> Result<()> {
        match &self.state {
            Typed::Wide(state) => state.check_tell(n_rows, scores),
            Typed::Narrow(state) => state.check_tell(n_rows, scores),
        }
    }

    fn check_state(&self) -> Result<()> {
        let is_kind = |kind| matches!(self.space.blocks(), [block] if block.kind == kind);
        let are_settings = (1..=BATCH_MAX).contains(&self.batch_size) && self.qd_offset.is_finite();
        if !(are_settings && is_space(&self.space)) {
            return Err(Error::State { reason: "its settings do not fit its space".into() });
        }
        match &self.state {
            Typed::Wide(state) if is_kind(Kind::F64) => state.check(&self.space)?,
            Typed::Narrow(state) if is_kind(Kind::F32) => state.check(&self.space)?,
            _ => return Err(Error::State { reason: "its archive does not fit its space".into() }),
        }
        check_sizes(self)?;
        self.population().check(&self.space)
    }

    fn population(&self) -> Population {
        match &self.state {
            Typed::Wide(state) => {
                let genomes = state.archive.elites().solutions().clone();
                state.population(Column::F64(genomes))
            }
            Typed::Narrow(state) => {
                let genomes = state.archive.elites().solutions().clone();
                state.population(Column::F32(genomes))
            }
        }
    }

    fn figures(&self) -> Vec<(&'static str, f64)> {
        match &self.state {
            Typed::Wide(state) => figures(&state.archive, self.qd_offset),
            Typed::Narrow(state) => figures(&state.archive, self.qd_offset),
        }
    }
}
