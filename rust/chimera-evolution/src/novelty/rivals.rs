//! Who survives: ranks of novelty and local competition, feasible rows before others.

/// A row that competes for survival.
#[derive(Clone, Copy, Debug)]
pub struct Rival {
    /// Row among parents, then children.
    pub row: usize,
    /// Rows that must come last: constraint violation, infinite when failed.
    pub violation: f64,
    /// Mean distance to its neighbours.
    pub novelty: f64,
    /// Neighbours with worse objectives.
    pub competition: usize,
    /// Pareto rank; 0 without local competition.
    pub rank: usize,
}

/// Pareto ranks of (novelty, competition), both maximised, by sweeping rows of falling novelty: a
/// row joins the first front whose last row does not dominate it.
pub fn rank(rivals: &mut [Rival], fronts: &mut Vec<(usize, f64)>) {
    rivals.sort_unstable_by(|a, b| {
        b.novelty
            .total_cmp(&a.novelty)
            .then(b.competition.cmp(&a.competition))
            .then(a.row.cmp(&b.row))
    });
    fronts.clear();
    fronts.reserve(rivals.len());
    for rival in rivals {
        let is_dominated = |(competition, novelty): &(usize, f64)| {
            *competition > rival.competition
                || (*competition == rival.competition && *novelty > rival.novelty)
        };
        rival.rank = fronts.partition_point(is_dominated);
        match fronts.get_mut(rival.rank) {
            Some(front) => *front = (rival.competition, rival.novelty),
            None => fronts.push((rival.competition, rival.novelty)),
        }
    }
}

/// Leaves the `n` best that did not fail: feasible first (Deb, 2000), then by rank, then by novelty.
pub fn survive(rivals: &mut Vec<Rival>, n: usize) {
    rivals.sort_unstable_by(|a, b| {
        a.violation
            .total_cmp(&b.violation)
            .then(a.rank.cmp(&b.rank))
            .then(b.novelty.total_cmp(&a.novelty))
            .then(a.row.cmp(&b.row))
    });
    rivals.retain(|rival| rival.violation.is_finite());
    rivals.truncate(n);
}
