//! Crossover and mutation of permutations of `0..n`.
//!
//! Children are permutations by construction. Rows that are not permutations give unspecified rows,
//! never a panic.

use chimera_rng::Stream;

/// Memory that is used again: places of values, and neighbours.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    place: Vec<i64>,
    neighbours: Vec<[i64; 4]>,
    counts: Vec<u8>,
}

const NONE: i64 = -1;
/// In place of a count of edges.
const VISITED: u8 = u8::MAX;

fn value(row: &[i64], idx: usize) -> i64 {
    row.get(idx).copied().unwrap_or(NONE)
}

fn at<T>(values: &mut [T], key: i64) -> Option<&mut T> {
    usize::try_from(key).ok().and_then(|key| values.get_mut(key))
}

/// Two places in order, the second exclusive, at least one apart.
fn section(n: usize, rng: &mut Stream) -> (usize, usize) {
    let (a, b) = (rng.below(n), rng.below(n));
    (a.min(b), a.max(b) + 1)
}

/// Order crossover, OX (Davis, 1985): a section of `a`, then the rest in the order of `b` from the
/// section's end on.
pub fn order(a: &[i64], b: &[i64], rng: &mut Stream, scratch: &mut Scratch, child: &mut [i64]) {
    let n = child.len();
    let (start, end) = section(n, rng);
    scratch.place.clear();
    scratch.place.resize(n, NONE);
    for idx in start..end {
        let gene = value(a, idx);
        if let Some(place) = at(&mut scratch.place, gene) {
            *place = 0;
        }
        if let Some(slot) = child.get_mut(idx) {
            *slot = gene;
        }
    }
    let mut to = end % n.max(1);
    for step in 0..n {
        let gene = value(b, (end + step) % n);
        if at(&mut scratch.place, gene).is_some_and(|place| *place == NONE) {
            if let Some(slot) = child.get_mut(to) {
                *slot = gene;
            }
            to = (to + 1) % n;
        }
    }
}

/// Partially mapped crossover, PMX (Goldberg & Lingle, 1985): a section of `a`; elsewhere `b`, where
/// values of the section are replaced along the mapping between the two sections.
pub fn partially_mapped(
    a: &[i64],
    b: &[i64],
    rng: &mut Stream,
    scratch: &mut Scratch,
    child: &mut [i64],
) {
    let n = child.len();
    let (start, end) = section(n, rng);
    scratch.place.clear();
    scratch.place.resize(n, NONE);
    // Where the section of `a` holds a value, `b` holds its replacement.
    for idx in start..end {
        if let Some(place) = at(&mut scratch.place, value(a, idx)) {
            *place = value(b, idx);
        }
    }
    for (idx, slot) in child.iter_mut().enumerate() {
        if (start..end).contains(&idx) {
            *slot = value(a, idx);
            continue;
        }
        let mut gene = value(b, idx);
        for _ in 0..n {
            match at(&mut scratch.place, gene) {
                Some(next) if *next != NONE => gene = *next,
                _ => break,
            }
        }
        *slot = gene;
    }
}

/// Edge recombination, ERX (Whitley, Starkweather & Fuquay, 1989), for cyclic tours: walks along
/// edges of the parents, next to the neighbour with the fewest edges left.
pub fn edge(a: &[i64], b: &[i64], rng: &mut Stream, scratch: &mut Scratch, child: &mut [i64]) {
    let n = child.len();
    scratch.neighbours.clear();
    scratch.neighbours.resize(n, [NONE; 4]);
    for row in [a, b] {
        for idx in 0..n {
            let (left, right) = (value(row, (idx + n - 1) % n), value(row, (idx + 1) % n));
            if let Some(list) = at(&mut scratch.neighbours, value(row, idx)) {
                for other in [left, right] {
                    let is_known = list.contains(&other);
                    let free = list.iter_mut().find(|slot| **slot == NONE);
                    if let Some(slot) = free.filter(|_| !is_known) {
                        *slot = other;
                    }
                }
            }
        }
    }
    scratch.counts.clear();
    scratch.counts.extend(
        scratch.neighbours.iter().map(|list| {
            list.iter().filter(|other| **other != NONE).fold(0_u8, |count, _| count + 1)
        }),
    );
    // Values not yet visited, for when a walk ends without neighbours.
    scratch.place.clear();
    scratch.place.extend((0..i64::MAX).take(n));
    let mut gene = value(if rng.chance(0.5) { a } else { b }, 0);
    for slot in child.iter_mut() {
        *slot = gene;
        if let Some(count) = at(&mut scratch.counts, gene) {
            *count = VISITED;
        }
        let list = at(&mut scratch.neighbours, gene).map_or([NONE; 4], |list| *list);
        let mut fewest = VISITED;
        let mut n_ties = 0;
        let mut next = NONE;
        for other in list {
            let Some(count) = at(&mut scratch.counts, other).filter(|count| **count != VISITED)
            else {
                continue;
            };
            *count = count.saturating_sub(1);
            if *count < fewest {
                (fewest, n_ties, next) = (*count, 1, other);
            } else if *count == fewest {
                n_ties += 1;
                if rng.below(n_ties) == 0 {
                    next = other;
                }
            }
        }
        while next == NONE && !scratch.place.is_empty() {
            let candidate = scratch.place.swap_remove(rng.below(scratch.place.len()));
            if at(&mut scratch.counts, candidate).is_some_and(|count| *count != VISITED) {
                next = candidate;
            }
        }
        gene = next;
    }
}

/// Swaps two genes.
pub fn swap(rng: &mut Stream, row: &mut [i64]) {
    let n = row.len();
    if n > 1 {
        let a = rng.below(n);
        let b = (a + 1 + rng.below(n - 1)) % n;
        row.swap(a, b);
    }
}

/// Takes one gene out and puts it in elsewhere.
pub fn insert(rng: &mut Stream, row: &mut [i64]) {
    let n = row.len();
    if n > 1 {
        let from = rng.below(n);
        let to = (from + 1 + rng.below(n - 1)) % n;
        let section = row.get_mut(from.min(to)..=from.max(to)).unwrap_or_default();
        if from < to {
            section.rotate_left(1);
        } else {
            section.rotate_right(1);
        }
    }
}

/// Reverses a section: the 2-opt move of tours.
pub fn invert(rng: &mut Stream, row: &mut [i64]) {
    let (start, end) = section(row.len(), rng);
    if let Some(section) = row.get_mut(start..end) {
        section.reverse();
    }
}
