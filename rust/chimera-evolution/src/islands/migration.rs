//! Sending rows and taking them in.

use chimera_rng::Stream;

use super::island::Island;
use super::rows::{self, Rows, compare, is_equal_row};
use super::{Policy, Settings, topology};
use crate::algorithm::{Batch, Context, NO_OPERATOR, NO_PARENT, Scores};
use crate::column::Column;

/// Identities of migrants that an island remembers, so that it takes none twice.
pub const RECEIVED_MAX: usize = 256;

/// Random streams of migration, apart from those of the islands.
const STREAM: u64 = 0x6d69_6772_6174_6521;

/// Memory of migration, used again.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Rows from worst to best, and rows that may leave.
    order: Vec<usize>,
    /// How many rows dominate each.
    n_over: Vec<usize>,
    arrived: Rows,
    merged: Rows,
}

/// Puts waiting migrants in place of the worst rows of the island's batch, each only where it is
/// better and the method takes it; at most half of the batch (one row of a batch of one).
pub fn settle(island: &mut Island, told: &mut Rows) {
    island.batch.ids.clear();
    if island.inbox.is_empty() {
        return;
    }
    let mut inbox = std::mem::take(&mut island.scratch.arrived);
    std::mem::swap(&mut inbox, &mut island.inbox);
    order_by_worth(told, &mut island.scratch);
    let n_places = (told.len() / 2).max(1);
    let order = std::mem::take(&mut island.scratch.order);
    let mut places = order.iter().take(n_places).copied();
    let mut place = places.next();
    let mut is_changed = false;
    for migrant in 0..inbox.len() {
        let Some(row) = place else { break };
        let id = inbox.ids.get(migrant).copied().unwrap_or_default();
        if island.received.contains(&id) || is_present(island, told, &inbox, migrant) {
            continue;
        }
        let is_better = if told.n_objectives == 1 {
            compare(&inbox.key(migrant), &told.key(row)).is_lt()
        } else {
            !told.is_dominating(row, &inbox, migrant)
        };
        let is_welcome = || {
            let scores = inbox.scores_of(migrant);
            island.method.algorithm().check_tell(1, &scores).is_ok()
        };
        if !is_better || !is_welcome() {
            continue;
        }
        told.replace(row, &inbox, migrant);
        for (to, from) in island.batch.genomes.iter_mut().zip(&inbox.genomes) {
            rows::overwrite(to, row, from, migrant);
        }
        forget_origin(island, row);
        is_changed = true;
        if island.received.len() == RECEIVED_MAX {
            island.received.remove(0);
        }
        island.received.reserve(RECEIVED_MAX - island.received.len());
        island.received.push(id);
        place = places.next();
    }
    if is_changed {
        island.batch.ids.reset(told.len(), 1).copy_from_slice(&told.ids);
    }
    island.scratch.order = order;
    inbox.clear();
    // What was taken in keeps its memory as the next inbox; the other one was empty already.
    std::mem::swap(&mut inbox, &mut island.inbox);
    island.scratch.arrived = inbox;
}

/// Rows from worst to best: by key, or by how many others dominate them.
fn order_by_worth(told: &Rows, scratch: &mut Scratch) {
    let Scratch { order, n_over, .. } = scratch;
    order.clear();
    order.extend(0..told.len());
    if told.n_objectives == 1 {
        order.sort_unstable_by(|a, b| compare(&told.key(*b), &told.key(*a)).then(b.cmp(a)));
    } else {
        n_over.clear();
        n_over
            .extend((0..told.len()).map(|row| {
                (0..told.len()).filter(|by| told.is_dominating(*by, told, row)).count()
            }));
        order.sort_unstable_by(|a, b| n_over.get(*b).cmp(&n_over.get(*a)).then(b.cmp(a)));
    }
}

/// A migrant was not asked here: parents, operator and tag of the row it replaces are not its own.
fn forget_origin(island: &mut Island, row: usize) {
    let origins = &mut island.batch.origins;
    let n = origins.parents.n_columns();
    let parents = origins.parents.make_mut().get_mut(row * n..(row + 1) * n);
    parents.unwrap_or_default().fill(NO_PARENT);
    if let Some(operator) = origins.operators.make_mut().get_mut(row) {
        *operator = NO_OPERATOR;
    }
    if let Some(tag) = origins.tags.make_mut().get_mut(row) {
        *tag = f64::NAN;
    }
}

fn is_present(island: &Island, told: &Rows, inbox: &Rows, migrant: usize) -> bool {
    (0..told.len()).any(|row| {
        told.objectives_of(row) == inbox.objectives_of(migrant)
            && island
                .batch
                .genomes
                .iter()
                .zip(&inbox.genomes)
                .all(|(own, other)| is_equal_row(own, row, other, migrant))
    })
}

/// Keeps the island's best `n_max` rows, best first, those of `told` among them; no identity twice.
pub fn keep_best(island: &mut Island, told: &Rows, n_max: usize) {
    let Island { elite, scratch, batch, .. } = island;
    let worst = (elite.len() >= n_max).then(|| elite.key(elite.len().saturating_sub(1)));
    let order = &mut scratch.order;
    order.clear();
    order.extend((0..told.len()).filter(|row| {
        let key = told.key(*row);
        !key.0 && worst.is_none_or(|worst| compare(&key, &worst).is_lt())
    }));
    if order.is_empty() {
        return;
    }
    order.sort_unstable_by(|a, b| compare(&told.key(*a), &told.key(*b)).then(a.cmp(b)));
    order.truncate(n_max);
    scratch.merged.merge(elite, (told, &*order), &batch.genomes, n_max);
    std::mem::swap(elite, &mut scratch.merged);
}

/// Puts each island's emigrants into the inboxes of those it sends to; returns how many.
///
/// `spans` are first row and number of rows of every island as they were when the batch was asked:
/// islands that have been told may want another number by now.
pub fn send(
    islands: &mut [Island],
    settings: &Settings,
    (batch, scores): (&Batch, &Scores<'_>),
    spans: &[(usize, usize)],
    context: &Context,
    sources: &mut Vec<usize>,
) -> u64 {
    let n = islands.len();
    let stream = |idx: usize| Stream::new(context.seed ^ STREAM, context.generation, idx as u64);
    for (idx, (island, (offset, n_rows))) in islands.iter_mut().zip(spans).enumerate() {
        if settings.policy == Policy::Best && !island.elite.is_empty() {
            continue;
        }
        let n_objectives = island.method.algorithm().n_objectives();
        let first_id = context.first_id.wrapping_add(*offset as u64);
        let told = &mut island.told;
        let own = rows::cut(scores, *offset, *n_rows, batch.n_rows());
        told.fill(&own, *n_rows, n_objectives, first_id);
        let Island { leaving, told, scratch, .. } = island;
        pick(told, &batch.genomes, *offset, settings, &mut stream(idx), &mut scratch.order);
        leaving.clear();
        for row in &scratch.order {
            leaving.push(told, *row, &batch.genomes, row + offset);
        }
    }
    let mut n_sent = 0;
    for to in 0..n {
        let mut rng = stream(n + to);
        topology::sources(settings.topology, &settings.edges, n, to, &mut rng, sources);
        let Some(island) = islands.get_mut(to) else { continue };
        let mut inbox = std::mem::take(&mut island.inbox);
        for from in sources.iter().filter_map(|from| islands.get(*from)) {
            let is_best = settings.policy == Policy::Best && !from.elite.is_empty();
            let emigrants = if is_best { &from.elite } else { &from.leaving };
            for row in 0..emigrants.len().min(settings.n_migrants) {
                inbox.push(emigrants, row, &emigrants.genomes, row);
                n_sent += 1;
            }
        }
        if let Some(island) = islands.get_mut(to) {
            island.inbox = inbox;
        }
    }
    n_sent
}

/// Rows of a batch that leave: drawn from all usable ones, or from those that none dominates.
fn pick(
    told: &Rows,
    genomes: &[Column],
    offset: usize,
    settings: &Settings,
    rng: &mut Stream,
    usable: &mut Vec<usize>,
) {
    usable.clear();
    usable.extend((0..told.len()).filter(|row| !told.key(*row).0));
    if settings.policy == Policy::Best {
        usable.retain(|row| !(0..told.len()).any(|by| told.is_dominating(by, told, *row)));
    }
    rng.shuffle(usable);
    usable.truncate(settings.n_migrants);
    let n_rows = genomes.first().map_or(0, Column::n_rows);
    usable.retain(|row| row + offset < n_rows);
}
