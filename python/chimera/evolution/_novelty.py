"""Novelty: distance to what is known, and searches that follow it."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera._chimera import population as _native
from chimera.errors import BatchError
from chimera.evolution._algorithm import Algorithm
from chimera.evolution._numbers import ensure_whole
from chimera.evolution._space import Bounds
from chimera.evolution._types import Direction


class Neighbours(NamedTuple):
    """The nearest points of each query.

    Attributes:
        distances: ``(n, k)`` float64, Euclidean, ascending.
        rows: ``(n, k)`` uint32, rows of the points; the lower one first among equals.
    """

    distances: NDArray[np.float64]
    rows: NDArray[np.uint32]


def nearest_neighbours(
    queries: ArrayLike, points: ArrayLike, k: int = 15, *, threads: int = 1
) -> Neighbours:
    """Return the ``k`` nearest points of each query, exactly.

    Args:
        queries: ``(n, d)`` float32 or float64.
        points: ``(m, d)`` of the same dtype; with different ones both are read as float64.
        k: Neighbours wanted; as many as there are points, at most.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        BatchError: Values are not finite, shapes do not fit, or there is no point.
        ConfigError: ``k`` is 0.

    Complexity:
        O(n m d), vectorised; O(n log m) in few dimensions.

    Example:
        >>> found = nearest_neighbours([[0.0]], [[3.0], [1.0], [7.0]], 2)
        >>> found.distances.tolist(), found.rows.tolist()
        ([[1.0, 3.0]], [[1, 0]])
    """
    ensure_whole("k", k, 2**32)
    squared, rows = _native.neighbours(queries, points, k, threads=threads)
    return Neighbours(np.sqrt(squared), rows)


def novelty(
    behaviours: ArrayLike, archive: ArrayLike | None = None, *, k: int = 15, threads: int = 1
) -> NDArray[np.float64]:
    """Return how novel each behaviour is: its mean distance to the ``k`` nearest others.

    The other rows of ``behaviours`` count as neighbours too, as in the paper.

    Args:
        behaviours: ``(n, d)`` float32 or float64.
        archive: ``(m, d)`` behaviours known before.
        k: Neighbours; all others when there are fewer.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Returns:
        ``(n,)`` float64; 0 when there is no other behaviour.

    Raises:
        BatchError: Values are not finite, or shapes do not fit.
        ConfigError: ``k`` is 0.

    Source:
        Lehman & Stanley, 2011, "Abandoning objectives: evolution through the search for novelty
        alone", equation 1.

    Example:
        >>> novelty([[0.0], [1.0]], [[3.0]], k=2).tolist()
        [2.0, 1.5]
    """
    ensure_whole("k", k, 2**32)
    rows = _table("behaviours", behaviours)
    known = rows[:0] if archive is None else _table("archive", archive)
    if known.size and known.shape[1] != rows.shape[1]:
        raise BatchError(
            f"archive: expected rows of {rows.shape[1]} values, as the behaviours, "
            f"got shape {known.shape}"
        )
    points = np.concatenate([known, rows]) if known.size else rows
    squared, _ = _native.neighbours(
        rows, points, k, own_from=len(points) - len(rows), threads=threads
    )
    if squared.shape[1] == 0:
        return np.zeros(len(rows))
    return np.asarray(np.sqrt(squared).mean(axis=1), dtype=np.float64)


def _table(name: str, values: ArrayLike) -> NDArray[Any]:
    rows = np.asarray(values)
    if rows.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise BatchError(
            f"{name}: expected shape (n, d), got {rows.shape}; one value a behaviour is a column, "
            f"values.reshape(-1, 1)"
        )
    return rows


class NoveltySearch(Algorithm, method="novelty_search"):
    """Novelty search: selects what behaves unlike anything seen.

    ``tell`` takes ``descriptors=``, ``(n, n_descriptors)``, the behaviours. Scores only count with
    ``local_competition``, but the best one is remembered either way. ``figures`` has
    ``mean_novelty`` and ``archive_size``.

    Args:
        space: A bounded space of float64, or bounds.
        n_descriptors: Length of a behaviour.
        population_size: Survivors, and rows of a batch.
        k: Neighbours that novelty is measured by.
        local_competition: Rank by novelty and by the number of neighbours with worse scores (NSLC).
        policy: Which behaviours enter the archive: ``threshold`` those above a novelty that adapts,
            ``random`` some at random, ``best`` the most novel.
        n_added: How many a generation: a number for ``random`` and ``best``; ``threshold`` rises
            when more than four times as many enter.
        threshold: First threshold; by default the mean novelty of the first batch in which
            behaviours differ.
        archive_size_max: Behaviours the archive holds; the oldest goes when it is full.
        iso_sigma: Standard deviation of variation, as a share of each gene's range.
        line_sigma: Standard deviation of variation along the line between two parents.
        direction: ``maximize`` or ``minimize`` the scores.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A bound is infinite, or a setting is outside its range.

    Source:
        Lehman & Stanley, 2011, "Abandoning objectives"; local competition: Lehman & Stanley, 2011,
        "Evolving a diversity of virtual creatures through novelty search and local competition".

    Example:
        >>> search = NoveltySearch([(-1.0, 1.0)] * 4, n_descriptors=2, seed=1)
        >>> for _ in range(10):
        ...     batch = search.ask()
        ...     search.tell(batch, -(batch**2).sum(axis=1), descriptors=batch[:, :2])
        >>> search.figures["archive_size"] > 0
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        n_descriptors: int,
        population_size: int = 100,
        k: int = 15,
        local_competition: bool = False,
        policy: Literal["threshold", "random", "best"] = "threshold",
        n_added: int = 5,
        threshold: float | None = None,
        archive_size_max: int = 100_000,
        iso_sigma: float = 0.05,
        line_sigma: float = 0.2,
        direction: Direction = "maximize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "population_size": population_size,
            "n_descriptors": n_descriptors,
            "k": k,
            "local_competition": local_competition,
            "policy": policy,
            "n_added": n_added,
            "threshold": threshold,
            "archive_size_max": archive_size_max,
            "iso_sigma": iso_sigma,
            "line_sigma": line_sigma,
        }
        return cls._start(
            "novelty_search", space, settings, seed=seed, threads=threads, direction=direction
        )
