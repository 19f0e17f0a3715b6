//! Training data laid out for the machine: blocks of rows, column by column within a block.
//!
//! A block's columns lie side by side and fit the first-level cache with the machine's registers. The
//! last rows are padded to whole tiles by repeating the last row.

use super::kernels::{TILE, Tile};
use crate::error::{Error, Result};

/// Tiles of a block: 1 024 rows, 4 KiB a column.
pub const BLOCK_TILES: usize = 16;
/// Most columns; operands are 16-bit.
pub const COLUMNS_MAX: usize = 32_768;

/// Columns of 32-bit floats in blocks of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    tiles: Vec<Tile>,
    n_rows: usize,
    n_columns: usize,
    n_tiles: usize,
    block_tiles: usize,
}

impl Data {
    /// Row-major values `(n_rows, n_columns)`, copied.
    ///
    /// # Errors
    /// No rows, no columns, more than 32 768 columns, a wrong number of values, or one not finite.
    pub fn from_rows(values: &[f32], n_rows: usize, n_columns: usize) -> Result<Self> {
        Self::with_block(values, n_rows, n_columns, BLOCK_TILES)
    }

    /// As [`Data::from_rows`] with `block_tiles` tiles a block: only speed depends on it.
    ///
    /// # Errors
    /// As [`Data::from_rows`].
    pub fn with_block(
        values: &[f32],
        n_rows: usize,
        n_columns: usize,
        block_tiles: usize,
    ) -> Result<Self> {
        if n_rows == 0 || n_columns == 0 || n_columns > COLUMNS_MAX {
            return Err(Error::batch(
                "x",
                format!("at least one row and 1 to {COLUMNS_MAX} columns"),
                format!("shape ({n_rows}, {n_columns})"),
            ));
        }
        if values.len() != n_rows * n_columns {
            return Err(Error::batch("x", format!("{n_rows} x {n_columns} values"), values.len()));
        }
        if let Some(idx) = values.iter().position(|value| !value.is_finite()) {
            let (row, column) = (idx / n_columns, idx % n_columns);
            return Err(Error::batch(
                "x",
                "finite values",
                format!("one that is not in row {row}, column {column}"),
            ));
        }
        let block_tiles = block_tiles.max(1);
        let n_tiles = n_rows.div_ceil(TILE);
        let mut tiles = Vec::with_capacity(n_tiles * n_columns);
        for first in (0..n_tiles).step_by(block_tiles) {
            let last = (first + block_tiles).min(n_tiles);
            for column in 0..n_columns {
                for tile in first..last {
                    let mut out = [0.0; TILE];
                    for (row, out) in (tile * TILE..).zip(&mut out) {
                        let place = row.min(n_rows - 1) * n_columns + column;
                        *out = values.get(place).copied().unwrap_or(0.0);
                    }
                    tiles.push(out);
                }
            }
        }
        Ok(Self { tiles, n_rows, n_columns, n_tiles, block_tiles })
    }

    /// Number of rows.
    pub const fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Number of columns.
    pub const fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// Tiles of a whole column.
    pub const fn n_tiles(&self) -> usize {
        self.n_tiles
    }

    /// The blocks in order: their first tile and their columns.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let size = self.block_tiles * self.n_columns;
        self.tiles.chunks(size.max(1)).enumerate().map(|(idx, tiles)| Block {
            first_tile: idx * self.block_tiles,
            n_tiles: tiles.len() / self.n_columns.max(1),
            tiles,
        })
    }
}

/// A block of rows.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// Where it begins, in tiles.
    pub first_tile: usize,
    /// Its height in tiles.
    pub n_tiles: usize,
    tiles: &'a [Tile],
}

impl<'a> Block<'a> {
    /// One column of the block; empty when out of range.
    #[inline]
    pub fn column(&self, idx: usize) -> &'a [Tile] {
        let start = idx * self.n_tiles;
        self.tiles.get(start..start + self.n_tiles).unwrap_or(&[])
    }
}
