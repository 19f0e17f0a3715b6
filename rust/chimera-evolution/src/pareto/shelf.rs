//! What a box alone dominates in three dimensions, and in four.
//!
//! Three: the third dimension is swept from the top of the box downwards. At every height the rows so
//! far leave an area of the box open, above a staircase and beyond two strips: left of the farthest
//! row that is as deep as the box, and below the deepest row that is as wide. Rows within the strips
//! change nothing and are passed over eight at a time; the sweep ends at a row that covers the box.
//! This takes the place of the linked lists of Guerreiro & Fonseca (HV4D+, 2018). Four: the same once
//! more, where what is left open is a volume beyond three slabs.

use super::stairs::Stairs;
use super::table::{LANES, Table, count_from, lanes, next_above_2, next_above_3};

/// Rows of three gains that descend in the third, of which none is below another.
#[derive(Clone, Debug, Default)]
pub(super) struct Shelf {
    rows: Table,
    stairs: Stairs,
    /// Rows as high as a box of four dimensions, descending in the third.
    tall: Vec<[f64; 3]>,
}

impl Shelf {
    /// Make room for `n_rows` rows.
    pub fn reserve(&mut self, n_rows: usize) {
        self.rows.reset(3, n_rows);
        self.stairs.reserve(n_rows);
        self.tall.clear();
        self.tall.reserve(n_rows);
    }

    /// Take all rows away, and make room for `n_rows`.
    #[inline(always)]
    pub fn reset(&mut self, n_rows: usize) {
        self.rows.reset(3, n_rows);
    }

    /// Add a box and return what it alone dominates beyond `origin`, which is covered.
    #[inline(always)]
    pub fn insert(&mut self, own: [f64; 3], origin: [f64; 3]) -> f64 {
        let [_, _, zs] = self.rows.first_columns();
        let n_tall = count_from(zs, self.rows.n_rows(), own[2]);
        let volume = alone_3(&self.rows, n_tall, own, origin, &mut self.stairs);
        if volume > 0.0 {
            self.rows.drop_covered(n_tall, &own);
            self.rows.insert(n_tall, &own);
        }
        volume
    }

    /// What a box of three dimensions alone dominates beside rows that descend in the third.
    #[inline(always)]
    pub fn alone_3(&mut self, own: [f64; 3], others: &Table) -> f64 {
        let [_, _, zs] = others.first_columns();
        let n_tall = count_from(zs, others.n_rows(), own[2]);
        alone_3(others, n_tall, own, [0.0; 3], &mut self.stairs)
    }

    /// What a box of four dimensions alone dominates beside rows that descend in the fourth.
    #[inline(always)]
    pub fn alone_4(&mut self, [x, y, z, w]: [f64; 4], others: &Table) -> f64 {
        let n_rows = others.n_rows();
        let columns @ [xs, ys, zs, ws] = others.first_columns();
        let n_tall = count_from(ws, n_rows, w);
        let own = [x, y, z];
        let mut slabs = slabs(columns, n_tall, [x, y, z, w]);
        let origin = slabs;
        let [left, low, deep] = origin;
        if left >= x || low >= y || deep >= z {
            return 0.0;
        }
        self.reset(n_rows);
        let mut open =
            (x - left) * (y - low) * (z - deep) - self.cover(columns, n_tall, own, slabs);
        let mut above = w;
        let mut volume = 0.0;
        let mut next = n_tall;
        loop {
            next = next_above_3([xs, ys, zs], slabs, next, n_rows);
            let Some(height) = ws.get(next).filter(|_| next < n_rows) else { break };
            let row = clip([xs, ys, zs], next, own);
            next += 1;
            let covered = self.insert(row, origin);
            if covered <= 0.0 {
                continue;
            }
            volume += open * (above - height);
            above = *height;
            let [is_wide, is_long, is_deep] = [row[0] >= x, row[1] >= y, row[2] >= z];
            match (is_wide, is_long, is_deep) {
                (true, true, true) => return volume,
                (false, true, true) => slabs[0] = row[0],
                (true, false, true) => slabs[1] = row[1],
                (true, true, false) => slabs[2] = row[2],
                _ => {}
            }
            open -= covered;
        }
        volume + open * above
    }

    /// Put the first `n_tall` rows onto the shelf, clipped to the box, and return the volume that
    /// they cover beyond the slabs: one sweep along the third dimension.
    #[inline(always)]
    fn cover(
        &mut self,
        [xs, ys, zs, _]: [&[f64]; 4],
        n_tall: usize,
        own: [f64; 3],
        slabs: [f64; 3],
    ) -> f64 {
        self.tall.clear();
        let mut next = next_above_3([xs, ys, zs], slabs, 0, n_tall);
        while next < n_tall {
            let row = clip([xs, ys, zs], next, own);
            let place = self.tall.iter().rev().take_while(|other| other[2] < row[2]).count();
            self.tall.insert(self.tall.len() - place, row);
            next = next_above_3([xs, ys, zs], slabs, next + 1, n_tall);
        }
        self.stairs.clear();
        let [left, low, deep] = slabs;
        let mut area = 0.0;
        let mut above = own[2];
        let mut covered = 0.0;
        for row @ [x, y, z] in &self.tall {
            covered += area * (above - z);
            above = *z;
            let more = self.stairs.insert([*x, *y], [left, low]);
            if more > 0.0 {
                area += more;
                self.rows.push(row);
            }
        }
        covered + area * (above - deep)
    }
}

/// A row, no larger than the box.
#[inline(always)]
fn clip<const N: usize>(columns: [&[f64]; N], row: usize, own: [f64; N]) -> [f64; N] {
    let mut own = own;
    for (own, column) in own.iter_mut().zip(columns) {
        let value = column.get(row).copied().unwrap_or(0.0);
        *own = if value < *own { value } else { *own };
    }
    own
}

/// What a box alone dominates beside rows that descend in the third dimension, `n_tall` of which are
/// as high as it.
#[inline(always)]
fn alone_3(
    rows: &Table,
    n_tall: usize,
    [x, y, z]: [f64; 3],
    [left, low, bottom]: [f64; 3],
    stairs: &mut Stairs,
) -> f64 {
    let n_rows = rows.n_rows();
    let columns @ [xs, ys, zs] = rows.first_columns();
    let strips = strips(columns, n_tall, [x, y, z]);
    let [mut left, mut low] = [f64::max(left, strips[0]), f64::max(low, strips[1])];
    if left >= x || low >= y {
        return 0.0;
    }
    stairs.clear();
    let mut open = (x - left) * (y - low);
    let mut next = next_above_2([xs, ys], [left, low], 0, n_tall);
    while next < n_tall {
        let [row_x, row_y] = clip([xs, ys], next, [x, y]);
        open -= stairs.insert([row_x, row_y], [left, low]);
        next = next_above_2([xs, ys], [left, low], next + 1, n_tall);
    }
    let mut above = z;
    let mut volume = 0.0;
    loop {
        next = next_above_2([xs, ys], [left, low], next, n_rows);
        let Some(height) = zs.get(next).filter(|_| next < n_rows) else { break };
        volume += open * (above - height);
        above = *height;
        let [row_x, row_y] = clip([xs, ys], next, [x, y]);
        if row_x >= x && row_y >= y {
            return volume;
        }
        open -= stairs.insert([row_x, row_y], [left, low]);
        if row_x >= x {
            low = row_y;
        } else if row_y >= y {
            left = row_x;
        }
        next += 1;
    }
    volume + open * (above - bottom)
}

/// How far the box is covered along each of its first two dimensions at its top.
#[inline(always)]
fn strips([xs, ys, zs]: [&[f64]; 3], n_tall: usize, [x, y, z]: [f64; 3]) -> [f64; 2] {
    let mut most = [[0.0_f64; LANES]; 2];
    let [left, low] = &mut most;
    let mut start = 0;
    while start < n_tall {
        // Rows behind those as high as the box may be among the last eight.
        let rows = lanes(xs, start).iter().zip(lanes(ys, start)).zip(lanes(zs, start));
        for (((row_x, row_y), row_z), (left, low)) in rows.zip(left.iter_mut().zip(&mut *low)) {
            let is_high = *row_z >= z;
            let reach = if (*row_y >= y) & is_high { *row_x } else { 0.0 };
            *left = if reach > *left { reach } else { *left };
            let reach = if (*row_x >= x) & is_high { *row_y } else { 0.0 };
            *low = if reach > *low { reach } else { *low };
        }
        start += LANES;
    }
    most.map(greatest)
}

/// How far the box is covered along each of its first three dimensions at its top.
#[inline(always)]
fn slabs([xs, ys, zs, ws]: [&[f64]; 4], n_tall: usize, [x, y, z, w]: [f64; 4]) -> [f64; 3] {
    let mut most = [[0.0_f64; LANES]; 3];
    let [left, low, deep] = &mut most;
    let mut start = 0;
    while start < n_tall {
        let rows = lanes(xs, start).iter().zip(lanes(ys, start)).zip(lanes(zs, start));
        let reaches = left.iter_mut().zip(&mut *low).zip(&mut *deep);
        for ((((row_x, row_y), row_z), row_w), ((left, low), deep)) in
            rows.zip(lanes(ws, start)).zip(reaches)
        {
            let is_high = *row_w >= w;
            let [is_wide, is_long, is_deep] = [*row_x >= x, *row_y >= y, *row_z >= z];
            let reach = if is_long & is_deep & is_high { *row_x } else { 0.0 };
            *left = if reach > *left { reach } else { *left };
            let reach = if is_wide & is_deep & is_high { *row_y } else { 0.0 };
            *low = if reach > *low { reach } else { *low };
            let reach = if is_wide & is_long & is_high { *row_z } else { 0.0 };
            *deep = if reach > *deep { reach } else { *deep };
        }
        start += LANES;
    }
    most.map(greatest)
}

#[inline(always)]
fn greatest(values: [f64; LANES]) -> f64 {
    values.into_iter().fold(0.0, |most, value| if value > most { value } else { most })
}
