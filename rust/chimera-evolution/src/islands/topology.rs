//! Who sends to whom.

use chimera_rng::Stream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Shape of the exchange between islands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Each island sends to the next, the last to the first.
    #[default]
    Ring,
    /// Everyone sends to everyone.
    Full,
    /// The first island exchanges with all others.
    Star,
    /// Each island receives from one other, drawn anew at every migration.
    Random,
    /// A grid, as square as the number allows, whose edges wrap around; four neighbours each.
    Torus,
    /// The edges named in the settings.
    Custom,
}

/// Refuses edges that name no island.
pub fn check(topology: Topology, edges: &[(usize, usize)], n: usize) -> Result<()> {
    if topology != Topology::Custom {
        return if edges.is_empty() {
            Ok(())
        } else {
            Err(Error::setting("edges", "none, unless the topology is custom", edges.len()))
        };
    }
    match edges.iter().find(|(from, to)| *from >= n || *to >= n || from == to) {
        None => Ok(()),
        Some((from, to)) => Err(Error::setting(
            "edges",
            format!("two different islands below {n}"),
            format!("({from}, {to})"),
        )),
    }
}

/// Writes the islands that send to island `to`, in a fixed order.
pub fn sources(
    topology: Topology,
    edges: &[(usize, usize)],
    n: usize,
    to: usize,
    rng: &mut Stream,
    out: &mut Vec<usize>,
) {
    out.clear();
    if n < 2 {
        return;
    }
    match topology {
        Topology::Ring => out.push((to + n - 1) % n),
        Topology::Full => out.extend((0..n).filter(|from| *from != to)),
        Topology::Star if to == 0 => out.extend(1..n),
        Topology::Star => out.push(0),
        Topology::Random => {
            let from = rng.below(n - 1);
            out.push(if from < to { from } else { from + 1 });
        }
        Topology::Torus => neighbours(n, to, out),
        Topology::Custom => {
            out.extend(edges.iter().filter(|(_, target)| *target == to).map(|(from, _)| *from));
            out.sort_unstable();
            out.dedup();
        }
    }
}

fn neighbours(n: usize, to: usize, out: &mut Vec<usize>) {
    let n_rows =
        (1..=n).take_while(|rows| rows * rows <= n).filter(|rows| n.is_multiple_of(*rows)).last();
    let n_rows = n_rows.unwrap_or(1);
    let n_columns = n / n_rows;
    let (row, column) = (to / n_columns, to % n_columns);
    out.extend([
        row * n_columns + (column + 1) % n_columns,
        row * n_columns + (column + n_columns - 1) % n_columns,
        (row + 1) % n_rows * n_columns + column,
        (row + n_rows - 1) % n_rows * n_columns + column,
    ]);
    out.sort_unstable();
    out.dedup();
    out.retain(|from| *from != to);
}
