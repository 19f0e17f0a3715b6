//! SMS-EMOA: "Multiobjective selection based on dominated hypervolume" (Beume, Naujoks & Emmerich,
//! 2007).
//!
//! Rows leave one by one: of the worst front that does not fit, always the row that alone dominates
//! the least hypervolume. The front's objectives are scaled to its own range, and the reference lies
//! one range beyond its worst values, so that its ends stay. `offspring` 1 is the paper's algorithm;
//! more children a generation make larger batches.

use serde::{Deserialize, Serialize};

use super::breeder::{Breeder, Options, real_block};
use super::members::{Members, Table};
use super::nsga2::{POPULATION_MAX, check};
use super::rules::Fronts;
use crate::algorithm::{Algorithm, Batch, Build, Context, Population, Scores};
use crate::error::{Error, Result};
use crate::operators::SbxPolynomial;
use crate::pareto::{Contributions, key, narrow};
use crate::space::Space;

/// Settings of [`SmsEmoa`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Number of objectives, at least 2.
    pub n_objectives: usize,
    /// Rows kept.
    #[serde(default = "usual_size")]
    pub population_size: usize,
    /// Children a generation; as many as rows kept by default.
    #[serde(default)]
    pub offspring: Option<usize>,
    /// Probability that a pair is crossed; .9.
    #[serde(default)]
    pub crossover_probability: Option<f64>,
    /// Distribution index of crossover; 15.
    #[serde(default)]
    pub crossover_eta: Option<f64>,
    /// Probability that a gene is mutated; 1 / number of genes.
    #[serde(default)]
    pub mutation_probability: Option<f64>,
    /// Distribution index of mutation; 20.
    #[serde(default)]
    pub mutation_eta: Option<f64>,
}

const fn usual_size() -> usize {
    100
}

/// A population that keeps what adds to its hypervolume.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SmsEmoa {
    space: Space,
    settings: Settings,
    n_offspring: usize,
    breeder: Breeder,
    members: Members,
    ranks: Vec<u32>,
    #[serde(skip)]
    scratch: Scratch,
}

#[derive(Clone, Debug, Default)]
struct Scratch {
    table: Table,
    fronts: Fronts,
    picks: Vec<u32>,
    last: Vec<u32>,
    permutation: Vec<u32>,
    gains: Vec<f64>,
    contributions: Contributions,
}

impl Build for SmsEmoa {
    type Settings = Settings;

    fn build(space: Space, settings: Settings, _seed: u64) -> Result<Self> {
        check(settings.n_objectives, settings.population_size)?;
        let n_offspring = settings.offspring.unwrap_or(settings.population_size);
        if !(1..=POPULATION_MAX).contains(&n_offspring) {
            let expected = format!("1 to {POPULATION_MAX}");
            return Err(Error::setting("offspring", expected, n_offspring));
        }
        let n_genes = real_block(&space, "sms_emoa")?.n_genes();
        let options = Options {
            crossover_probability: settings.crossover_probability,
            crossover_eta: settings.crossover_eta,
            mutation_probability: settings.mutation_probability,
            mutation_eta: settings.mutation_eta,
        };
        Ok(Self {
            breeder: Breeder::new(n_genes, &options, SbxPolynomial::usual(n_genes))?,
            members: Members::new(&space),
            space,
            settings,
            n_offspring,
            ranks: Vec::new(),
            scratch: Scratch::default(),
        })
    }
}

impl Algorithm for SmsEmoa {
    fn space(&self) -> &Space {
        &self.space
    }

    fn n_objectives(&self) -> usize {
        self.settings.n_objectives
    }

    fn batch_size(&self) -> usize {
        if self.members.n_rows() == 0 { self.settings.population_size } else { self.n_offspring }
    }

    fn operators(&self) -> &'static [&'static str] {
        &["uniform", "sbx_polynomial"]
    }

    fn ask(&mut self, n: usize, context: &Context, batch: &mut Batch) -> Result<()> {
        let n_members = self.members.n_rows();
        if n_members == 0 {
            Breeder::begin(&self.space, n, context, batch);
            return Ok(());
        }
        let ranks = &self.ranks;
        let rank = |row: u32| ranks.get(row as usize).copied().unwrap_or(u32::MAX);
        let permutation = &mut self.scratch.permutation;
        self.breeder.pair(n.div_ceil(2), n_members, permutation, context, |a, b, coin| {
            rank(a) < rank(b) || (rank(a) == rank(b) && coin)
        });
        let block = real_block(&self.space, "sms_emoa")?;
        self.breeder.breed(block, &self.members, n, context, batch);
        Ok(())
    }

    fn tell(&mut self, batch: &Batch, scores: &Scores<'_>, context: &Context) -> Result<()> {
        let m = self.settings.n_objectives;
        let n = self.settings.population_size;
        let Scratch { table, fronts, picks, last, gains, contributions, .. } = &mut self.scratch;
        table.merge(&self.members, m, scores, context);
        fronts.rank(table, m);
        fronts.demote_twins(table, m, &self.members, batch);
        fronts.fill(n, picks, last);
        let n_wanted = n.saturating_sub(picks.len());
        if last.iter().all(|row| table.violation(*row as usize) <= 0.0) {
            scale(table, m, last, gains);
            if m == 2 {
                thin_2(gains, last, n_wanted);
            } else {
                thin(gains, m, last, n_wanted, contributions);
            }
        }
        picks.extend(last.iter().take(n_wanted));
        table.select(picks, &mut self.members, batch, m);
        self.ranks.clear();
        self.ranks.extend(picks.iter().filter_map(|row| fronts.ranks.get(*row as usize)));
        Ok(())
    }

    fn population(&self) -> Population {
        self.members.population()
    }
}

/// Write the gains of the rows towards the reference, each objective scaled to the front's range;
/// bring the rows into descending order of the last gain.
fn scale(table: &Table, m: usize, front: &mut [u32], gains: &mut Vec<f64>) {
    let value =
        |row: &u32, column: usize| table.row(*row as usize, m).get(column).copied().unwrap_or(0.0);
    front.sort_unstable_by_key(|row| (key(value(row, m - 1)), *row));
    let ranges: Vec<(f64, f64)> = (0..m)
        .map(|column| {
            let values = || front.iter().map(|row| value(row, column));
            let greatest = values().fold(f64::NEG_INFINITY, f64::max);
            let range = greatest - values().fold(f64::INFINITY, f64::min);
            (greatest, if range > 0.0 { range } else { 1.0 })
        })
        .collect();
    gains.clear();
    for row in front.iter() {
        let values = table.row(*row as usize, m).iter().zip(&ranges);
        gains.extend(values.map(|(value, (greatest, range))| 1.0 + (greatest - value) / range));
    }
}

/// Keep `n` rows of two objectives. The box of a row is bounded by its neighbours, so that removing
/// one changes only two others.
fn thin_2(gains: &[f64], front: &mut Vec<u32>, n: usize) {
    let points = gains.as_chunks::<2>().0;
    // Rows descend in the second gain and ascend in the first.
    let mut left: Vec<usize> = (0..points.len()).map(|idx| idx.wrapping_sub(1)).collect();
    let mut right: Vec<usize> = (1..=points.len()).collect();
    let box_of = |idx: usize, left: &[usize], right: &[usize]| {
        let [x, y] = points.get(idx).copied().unwrap_or_default();
        let before =
            left.get(idx).and_then(|other| points.get(*other)).map_or(0.0, |point| point[0]);
        let below =
            right.get(idx).and_then(|other| points.get(*other)).map_or(0.0, |point| point[1]);
        (x - before) * (y - below)
    };
    let mut boxes: Vec<f64> = (0..points.len()).map(|idx| box_of(idx, &left, &right)).collect();
    for _ in n..points.len() {
        let least = boxes.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        let Some((least, _)) = least else { return };
        let (Some(before), Some(after)) = (left.get(least).copied(), right.get(least).copied())
        else {
            return;
        };
        if let Some(link) = right.get_mut(before) {
            *link = after;
        }
        if let Some(link) = left.get_mut(after) {
            *link = before;
        }
        for neighbour in [before, after] {
            if let Some(place) = boxes.get_mut(neighbour) {
                *place = box_of(neighbour, &left, &right);
            }
        }
        if let Some(place) = boxes.get_mut(least) {
            *place = f64::INFINITY;
        }
    }
    let mut kept = boxes.iter().map(|size| *size < f64::INFINITY);
    front.retain(|_| kept.next().unwrap_or(false));
}

/// Keep `n` rows of three or more objectives. What a row alone dominates only grows while others
/// leave, so an outdated figure is a lower bound: only candidates for the least are measured again.
fn thin(
    gains: &[f64],
    m: usize,
    front: &mut Vec<u32>,
    n: usize,
    contributions: &mut Contributions,
) {
    let mut alive: Vec<u32> = (0..narrow(front.len())).collect();
    // (contribution, number of removals at which it was measured)
    let mut figures = vec![0.0; front.len()];
    contributions.measure(gains, m, &mut figures);
    let mut known: Vec<(f64, usize)> = figures.into_iter().map(|figure| (figure, 0)).collect();
    for n_removed in 0..front.len().saturating_sub(n) {
        loop {
            let figure = |row: &u32| known.get(*row as usize).map_or(0.0, |known| known.0);
            let Some((place, row)) = alive
                .iter()
                .copied()
                .enumerate()
                .min_by(|a, b| figure(&a.1).total_cmp(&figure(&b.1)))
            else {
                return;
            };
            let Some(known) = known.get_mut(row as usize) else { return };
            if known.1 == n_removed {
                alive.remove(place);
                break;
            }
            let others = alive.iter().copied().filter(|other| *other != row);
            *known = (contributions.alone(gains, m, row, others), n_removed);
        }
    }
    let mut place = 0;
    front.retain(|_| {
        place += 1;
        alive.binary_search(&(place - 1)).is_ok()
    });
}
