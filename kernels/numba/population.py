"""Pairwise squared distances between two batches of behaviour descriptors, for Numba.

The twin of ``cuda/population.cu``: same loop, same order of sums. Numba compiles it per dtype, so
one function serves float32 and float64.
"""

from numba import cuda


@cuda.jit
def squared_distances(queries, references, out):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Fill ``out`` (n, m) with distances of ``queries`` (n, d) to ``references`` (m, d)."""
    n_references = references.shape[0]
    for idx in range(cuda.grid(1), out.size, cuda.gridsize(1)):
        row = idx // n_references
        column = idx % n_references
        # Starts from an element of the array's dtype, so that float32 sums stay float32.
        first = queries[row, 0] - references[column, 0]
        total = first * first
        for axis in range(1, queries.shape[1]):
            difference = queries[row, axis] - references[column, axis]
            total += difference * difference
        out[row, column] = total
