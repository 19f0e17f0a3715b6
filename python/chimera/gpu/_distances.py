"""Squared distances between batches of behaviour descriptors.

What an archive needs to place candidates and to measure novelty. Exact for every pair: no index, no
approximation. Sums run over the axes in order, on every device.
"""

from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ChimeraError
from chimera.gpu._device import Backend, choose, cupy
from chimera.gpu._loader import raw_module

RESULT_BYTES_MAX = 1 << 30
"""Default limit of one result; larger batches are to be cut by the caller."""

_THREADS = 256
_BLOCKS_MAX = 65_535

Real = TypeVar("Real", np.float32, np.float64)


class BatchError(ChimeraError, ValueError):
    """The arrays do not fit together or exceed the limit."""


def squared_distances(
    queries: NDArray[Real],
    references: NDArray[Real],
    *,
    backend: Backend = "auto",
    result_bytes_max: int = RESULT_BYTES_MAX,
) -> NDArray[Real]:
    """Compute the squared Euclidean distance of every query to every reference.

    Arrays that are not C-contiguous are copied, and on a GPU both are copied to the device.

    Args:
        queries: ``(n, d) float32`` or ``float64``, d at least 1.
        references: ``(m, d)``, same dtype.
        backend: where to compute; see `choose`.
        result_bytes_max: refuse a result above this many bytes.

    Returns:
        ``(n, m)``, same dtype. NaN in a row gives NaN in its distances. GPU and CPU agree within
        ``4 * d`` units in the last place of the largest term.

    Raises:
        BatchError: shapes or dtypes do not match, or the result would be too large.
        MissingExtraError: ``cuda`` was asked for and CuPy is not installed.
        DeviceError: ``cuda`` was asked for and there is no device.

    Complexity:
        O(n m d) time; the result, and on the CPU one more array of its size.

    Example:
        >>> import numpy as np
        >>> from chimera.gpu import squared_distances
        >>> corners = np.array([[0.0, 0.0], [3.0, 4.0]])
        >>> squared_distances(corners, corners, backend="cpu").tolist()
        [[0.0, 25.0], [25.0, 0.0]]
    """
    _check(queries, references, result_bytes_max)
    if 0 in (len(queries), len(references)):
        return np.empty((len(queries), len(references)), dtype=queries.dtype)
    device: Literal["cpu", "cuda"] = choose(backend)
    return _on_gpu(queries, references) if device == "cuda" else _on_cpu(queries, references)


def _check(queries: NDArray[Any], references: NDArray[Any], result_bytes_max: int) -> None:
    if queries.ndim != 2 or references.ndim != 2:  # noqa: PLR2004 -- a batch has two axes
        raise BatchError(
            f"expected queries (n, d) and references (m, d), got {queries.shape} "
            f"and {references.shape}"
        )
    if queries.shape[1] != references.shape[1] or queries.shape[1] == 0:
        raise BatchError(
            f"expected equal descriptor lengths of at least 1, got {queries.shape[1]} "
            f"and {references.shape[1]}"
        )
    if queries.dtype != references.dtype or queries.dtype not in (np.float32, np.float64):
        raise BatchError(
            f"expected float32 or float64 in both, got {queries.dtype} and {references.dtype}"
        )
    result_bytes = len(queries) * len(references) * queries.dtype.itemsize
    if result_bytes > result_bytes_max:
        raise BatchError(
            f"expected a result of at most {result_bytes_max} bytes, got {result_bytes}; "
            "cut the queries into smaller batches"
        )


def _on_cpu(queries: NDArray[Real], references: NDArray[Real]) -> NDArray[Real]:
    total: NDArray[Real] = np.zeros((len(queries), len(references)), dtype=queries.dtype)
    difference = np.empty_like(total)
    for axis in range(queries.shape[1]):
        np.subtract(queries[:, axis, None], references[None, :, axis], out=difference)
        np.multiply(difference, difference, out=difference)
        total += difference
    return total


def _on_gpu(queries: NDArray[Real], references: NDArray[Real]) -> NDArray[Real]:
    cp = cupy()
    suffix = "f32" if queries.dtype == np.float32 else "f64"
    kernel = raw_module("population").get_function(f"squared_distances_{suffix}")
    n, d = queries.shape
    m = len(references)
    out = cp.empty((n, m), dtype=queries.dtype)
    blocks = min(-(-n * m // _THREADS), _BLOCKS_MAX)
    arguments = (
        cp.ascontiguousarray(cp.asarray(queries)),
        cp.ascontiguousarray(cp.asarray(references)),
        out,
        np.int64(n),
        np.int64(m),
        np.int64(d),
    )
    kernel((blocks,), (_THREADS,), arguments)
    result: NDArray[Real] = cp.asnumpy(out)
    return result
