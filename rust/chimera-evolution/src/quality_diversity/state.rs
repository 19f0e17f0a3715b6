//! Checks on what was loaded: a right checksum says nothing about who wrote the bytes.

use crate::matrix::Matrix;
use crate::space::Space;

/// Whether a matrix has this shape, and as many values.
pub fn has_shape<T: Copy + Default>(matrix: &Matrix<T>, n_rows: usize, n_columns: usize) -> bool {
    matrix.n_rows() == n_rows
        && matrix.n_columns() == n_columns
        && Some(matrix.as_slice().len()) == n_rows.checked_mul(n_columns)
}

/// Whether a space could have come from [`Space::new`].
pub fn is_space(space: &Space) -> bool {
    let blocks = space.blocks().iter().map(|block| {
        let kind = block.kind.name().to_owned();
        (block.name.clone(), kind, block.lower.clone(), block.upper.clone())
    });
    Space::new(blocks.collect()).is_ok_and(|again| again == *space)
}
