//! Islands: small populations that evolve apart and exchange their best on a ring.
//!
//! A child competes with its own parent first (deterministic crowding: Mahfoud, 1992) and replaces it
//! when it is *not worse*, so that neutral changes survive; otherwise it must beat the worst member.
//! Members of one island differ in behaviour or in loss.

use serde::{Deserialize, Serialize};

use super::store::RecordId;
use crate::rng::Stream;

/// A member of an island.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its id in the store.
    pub record: RecordId,
    /// Its mean loss over all training instances.
    pub loss: f64,
    /// Hash of its outputs on the probe inputs.
    pub signature: u64,
}

/// The islands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Islands {
    capacity: usize,
    members: Vec<Vec<Member>>,
}

/// Members that meet in one tournament.
const TOURNAMENT: usize = 3;

impl Islands {
    /// Empty islands.
    #[must_use]
    pub fn new(n_islands: usize, capacity: usize) -> Self {
        Self { capacity, members: vec![Vec::new(); n_islands] }
    }

    /// Members of every island.
    #[must_use]
    pub fn members(&self) -> &[Vec<Member>] {
        &self.members
    }

    /// What [`Self::offer`] would do: the slot the newcomer takes, `len` for a new one.
    fn slot(&self, island: usize, newcomer: Member, parent: Option<RecordId>) -> Option<usize> {
        let members = self.members.get(island)?;
        if !newcomer.loss.is_finite() {
            return None;
        }
        let of_parent = members.iter().position(|member| Some(member.record) == parent);
        if let Some(slot) = of_parent
            && members.get(slot).is_some_and(|member| newcomer.loss <= member.loss)
        {
            return Some(slot);
        }
        let is_twin = |member: &Member| {
            member.record == newcomer.record
                || (member.signature == newcomer.signature && member.loss == newcomer.loss)
        };
        if members.iter().any(is_twin) {
            return None;
        }
        if members.len() < self.capacity {
            return Some(members.len());
        }
        let worst = members
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.loss.total_cmp(&b.1.loss).then(b.1.record.cmp(&a.1.record)));
        worst.filter(|(_, member)| newcomer.loss < member.loss).map(|(slot, _)| slot)
    }

    /// Whether [`Self::offer`] would keep the newcomer.
    #[must_use]
    pub fn would_keep(&self, island: usize, newcomer: Member, parent: Option<RecordId>) -> bool {
        self.slot(island, newcomer, parent).is_some()
    }

    /// Lets the newcomer take the place of its parent or of the worst member; says whether it did.
    pub fn offer(&mut self, island: usize, newcomer: Member, parent: Option<RecordId>) -> bool {
        let Some(slot) = self.slot(island, newcomer, parent) else { return false };
        let Some(members) = self.members.get_mut(island) else { return false };
        match members.get_mut(slot) {
            Some(place) => *place = newcomer,
            None => members.push(newcomer),
        }
        true
    }

    /// A parent by tournament.
    #[must_use]
    pub fn select(&self, island: usize, stream: &mut Stream) -> Option<RecordId> {
        let members = self.members.get(island)?;
        let mut best: Option<&Member> = None;
        for _ in 0..TOURNAMENT {
            let rival = stream.choose(members)?;
            if best.is_none_or(|best| rival.loss < best.loss) {
                best = Some(rival);
            }
        }
        best.map(|member| member.record)
    }

    /// Sends a copy of every island's best to the next island on the ring.
    pub fn migrate(&mut self) {
        let best = |members: &Vec<Member>| {
            let order =
                |a: &&Member, b: &&Member| a.loss.total_cmp(&b.loss).then(b.record.cmp(&a.record));
            members.iter().min_by(order).copied()
        };
        let travellers: Vec<Option<Member>> = self.members.iter().map(best).collect();
        let n_islands = self.members.len();
        for (from, traveller) in travellers.into_iter().enumerate() {
            if let Some(traveller) = traveller {
                self.offer((from + 1) % n_islands, traveller, None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn member(record: RecordId, loss: f64) -> Member {
        Member { record, loss, signature: record }
    }

    #[test]
    fn neutral_children_replace_their_parent() {
        let mut islands = Islands::new(1, 2);
        assert!(islands.offer(0, member(0, 1.0), None));
        assert!(islands.offer(0, member(1, 1.0), Some(0)));
        assert_eq!(islands.members()[0], vec![member(1, 1.0)]);
    }

    #[test]
    fn a_full_island_keeps_the_better() {
        let mut islands = Islands::new(1, 2);
        for (record, loss) in [(0, 3.0), (1, 2.0)] {
            islands.offer(0, member(record, loss), None);
        }
        assert!(!islands.offer(0, member(2, 3.0), None));
        assert!(islands.offer(0, member(3, 1.0), None));
        assert!(!islands.offer(0, member(4, f64::NAN), None));
        assert_eq!(islands.members()[0], vec![member(3, 1.0), member(1, 2.0)]);
    }

    #[test]
    fn migration_goes_round_the_ring() {
        let mut islands = Islands::new(3, 2);
        for island in 0..3 {
            islands.offer(island, member(island as u64, island as f64), None);
        }
        islands.migrate();
        let records: Vec<Vec<_>> =
            islands.members().iter().map(|m| m.iter().map(|m| m.record).collect()).collect();
        assert_eq!(records, vec![vec![0, 2], vec![1, 0], vec![2, 1]]);
    }
}
