//! Crowding distance (Deb et al. 2002): how far the neighbours of a row are within its front.

use super::order::{self, Entry};

/// What is known of a front while its rows pass in ascending order of one objective.
#[derive(Clone, Copy, Debug)]
struct Passing {
    /// The row before the last one, if any.
    before: Option<f64>,
    last: Option<(u32, f64)>,
    least: f64,
}

const NOTHING: Passing = Passing { before: None, last: None, least: 0.0 };

/// Measures crowding, and keeps the memory for it from call to call.
#[derive(Clone, Debug, Default)]
pub struct Crowding {
    order: Vec<Entry>,
    gaps: Vec<f64>,
    fronts: Vec<Passing>,
}

impl Crowding {
    /// Write the crowding distance of every row within the front that `ranks` names: per objective
    /// the distance between both neighbours over the front's range, summed; infinite at both ends.
    pub fn measure(
        &mut self,
        objectives: &[f64],
        n_objectives: usize,
        ranks: &[u32],
        distances: &mut Vec<f64>,
    ) {
        distances.clear();
        distances.resize(ranks.len(), 0.0);
        let n_fronts = ranks.iter().max().map_or(0, |last| *last as usize + 1);
        for column in 0..n_objectives {
            order::by_column(objectives, n_objectives, column, &mut self.order);
            self.pass(objectives, n_objectives, column, n_fronts, ranks);
            for ((distance, gap), rank) in distances.iter_mut().zip(&self.gaps).zip(ranks) {
                let range = self.fronts.get(*rank as usize).map_or(0.0, |front| {
                    front.last.map_or(0.0, |(_, greatest)| greatest - front.least)
                });
                if gap.is_infinite() {
                    *distance = f64::INFINITY;
                } else if range > 0.0 && range.is_finite() {
                    *distance += gap / range;
                }
            }
        }
    }

    /// Gaps between the neighbours along one objective.
    fn pass(&mut self, values: &[f64], n: usize, column: usize, n_fronts: usize, ranks: &[u32]) {
        self.fronts.clear();
        self.fronts.resize(n_fronts, NOTHING);
        self.gaps.clear();
        self.gaps.resize(ranks.len(), f64::INFINITY);
        for (_, row) in &self.order {
            let rank = ranks.get(*row as usize).map_or(usize::MAX, |rank| *rank as usize);
            let value = values.get(*row as usize * n + column).copied().unwrap_or(0.0);
            let Some(front) = self.fronts.get_mut(rank) else { continue };
            match front.last {
                None => front.least = value,
                Some((last, last_value)) => {
                    if let (Some(before), Some(gap)) =
                        (front.before, self.gaps.get_mut(last as usize))
                    {
                        *gap = value - before;
                    }
                    front.before = Some(last_value);
                }
            }
            front.last = Some((*row, value));
        }
    }
}
