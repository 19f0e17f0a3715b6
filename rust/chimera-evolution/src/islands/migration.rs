//! Sending rows and taking them in.

use chimera_rng::Stream;

use super::rows::{self, Rows, compare};
use super::{Island, Policy, Settings, is_equal_row, topology};
use crate::algorithm::{Batch, Context, Scores};

/// Identities of migrants that an island remembers, so that it takes none twice.
const RECEIVED_MAX: usize = 256;

/// Random streams of migration, apart from those of the islands.
const STREAM: u64 = 0x6d69_6772_6174_6521;

/// Puts waiting migrants in place of the worst rows of the island's batch, each only where it is
/// better; at most half of the batch (one row of a batch of one).
pub fn settle(island: &mut Island, told: &mut Rows) {
    if island.inbox.is_empty() {
        return;
    }
    let inbox = std::mem::take(&mut island.inbox);
    let mut order: Vec<usize> = (0..told.len()).collect();
    if told.n_objectives == 1 {
        order.sort_by(|a, b| compare(&told.key(*b), &told.key(*a)).then(b.cmp(a)));
    } else {
        let n_over: Vec<usize> = (0..told.len())
            .map(|row| (0..told.len()).filter(|by| told.is_dominating(*by, told, row)).count())
            .collect();
        order.sort_by(|a, b| n_over.get(*b).cmp(&n_over.get(*a)).then(b.cmp(a)));
    }
    order.truncate((told.len() / 2).max(1));
    let mut places = order.into_iter();
    let mut place = places.next();
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
        if !is_better {
            continue;
        }
        told.replace(row, &inbox, migrant);
        for (to, from) in island.batch.genomes.iter_mut().zip(&inbox.genomes) {
            rows::overwrite(to, row, from, migrant);
        }
        if island.received.len() == RECEIVED_MAX {
            island.received.remove(0);
        }
        island.received.push(id);
        place = places.next();
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

/// Puts each island's emigrants into the inboxes of those it sends to; returns how many.
///
/// `spans` are first row and number of rows of every island as they were when the batch was asked:
/// islands that have been told may want another number by now.
pub fn send(
    islands: &mut [Island],
    settings: &Settings,
    batch: &Batch,
    scores: &Scores<'_>,
    spans: &[(usize, usize)],
    context: &Context,
) -> u64 {
    let n = islands.len();
    let stream = |idx: usize| Stream::new(context.seed ^ STREAM, context.generation, idx as u64);
    let leaving: Vec<Rows> = islands
        .iter()
        .zip(spans)
        .enumerate()
        .map(|(idx, (island, (offset, n_rows)))| {
            if settings.policy == Policy::Best && !island.elite.is_empty() {
                return island.elite.clone();
            }
            let first_id = context.first_id.wrapping_add(*offset as u64);
            let told = Rows::cut(scores, *offset, *n_rows, batch.n_rows(), first_id);
            pick(&told, batch, *offset, settings, &mut stream(idx))
        })
        .collect();
    let mut n_sent = 0;
    for (to, island) in islands.iter_mut().enumerate() {
        let mut rng = stream(n + to);
        for from in topology::sources(settings.topology, &settings.edges, n, to, &mut rng) {
            let Some(emigrants) = leaving.get(from) else { continue };
            for row in 0..emigrants.len() {
                island.inbox.push(emigrants, &emigrants.genomes, row);
                n_sent += 1;
            }
        }
    }
    n_sent
}

/// Rows of a batch that leave: drawn from all usable ones, or from those that none dominates.
fn pick(told: &Rows, batch: &Batch, offset: usize, settings: &Settings, rng: &mut Stream) -> Rows {
    let mut usable: Vec<usize> = (0..told.len()).filter(|row| !told.key(*row).0).collect();
    if settings.policy == Policy::Best {
        usable.retain(|row| !(0..told.len()).any(|by| told.is_dominating(by, told, *row)));
    }
    rng.shuffle(&mut usable);
    usable.truncate(settings.n_migrants);
    let genomes: Vec<_> = batch
        .genomes
        .iter()
        .map(|column| column.select(&usable.iter().map(|row| row + offset).collect::<Vec<_>>()))
        .collect();
    let mut out = Rows::default();
    for (place, row) in usable.iter().enumerate() {
        let mut one = Rows::default();
        one.push(told, &[], *row);
        one.genomes = genomes.iter().map(|column| column.select(&[place])).collect();
        let own = one.genomes.clone();
        out.push(&one, &own, 0);
    }
    out
}
