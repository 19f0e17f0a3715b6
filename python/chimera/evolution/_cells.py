"""How descriptor space is divided into cells: by a grid, around centroids, or by sliding bounds."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from chimera.errors import ConfigError
from chimera.evolution._numbers import ensure_numbers

Ranges: TypeAlias = Sequence[tuple[float, float]] | np.ndarray[Any, Any]


def _bounds(ranges: Ranges) -> dict[str, list[float]]:
    ensure_numbers("ranges", ranges)
    try:
        pairs = np.asarray(ranges, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"ranges: expected (low, high) pairs, got {ranges!r}") from error
    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0:  # noqa: PLR2004
        raise ConfigError(
            f"ranges: expected (low, high) pairs, one per descriptor, got shape {pairs.shape}"
        )
    return {"lower": pairs[:, 0].tolist(), "upper": pairs[:, 1].tolist()}


def _sides(shape: Sequence[int]) -> list[int]:
    try:
        sides = [operator.index(side) for side in shape]
    except TypeError as error:
        raise ConfigError(f"shape: expected whole numbers of cells, got {shape!r}") from error
    if any(side < 1 for side in sides):
        raise ConfigError(f"shape: expected at least 1 cell along each descriptor, got {shape!r}")
    return sides


@dataclass(frozen=True)
class Grid:
    """A uniform grid of cells.

    Args:
        shape: Number of cells along each descriptor.
        ranges: Least and greatest value of each descriptor, inclusive.

    Source:
        Mouret & Clune, 2015, "Illuminating search spaces by mapping elites".
    """

    shape: Sequence[int]
    ranges: Ranges

    def to_layout(self) -> dict[str, Any]:
        """Return the layout as the extension reads it."""
        return {"kind": "grid", "shape": _sides(self.shape), **_bounds(self.ranges)}


@dataclass(frozen=True)
class CVT:
    """Cells around centroids that spread evenly: a centroidal Voronoi tessellation.

    Args:
        n_cells: Number of centroids; k-means finds them. None with ``centroids``.
        ranges: Least and greatest value of each descriptor, inclusive.
        centroids: ``(n_cells, n_descriptors)`` float64, instead of k-means.
        n_samples: Uniform samples that k-means clusters.
        n_iterations: Most iterations of k-means.
        seed: Seed of k-means; equal seed, equal centroids.

    Source:
        Vassiliades, Chatzilygeroudis & Mouret, 2018, "Using centroidal Voronoi tessellations to
        scale up the MAP-Elites algorithm".
    """

    n_cells: int | None
    ranges: Ranges
    centroids: ArrayLike | None = None
    n_samples: int = 100_000
    n_iterations: int = 50
    seed: int = 0

    def to_layout(self) -> dict[str, Any]:
        """Return the layout as the extension reads it."""
        if (self.n_cells is None) == (self.centroids is None):
            raise ConfigError("n_cells: expected either n_cells or centroids, got both or neither")
        if self.centroids is None:
            return {
                "kind": "cvt",
                "n_cells": self.n_cells,
                "n_samples": self.n_samples,
                "n_iterations": self.n_iterations,
                "seed": self.seed,
                **_bounds(self.ranges),
            }
        bounds = _bounds(self.ranges)
        ensure_numbers("centroids", self.centroids)
        centroids = np.asarray(self.centroids, dtype=np.float64)
        if centroids.ndim != 2 or centroids.shape[1] != len(bounds["lower"]):  # noqa: PLR2004
            raise ConfigError(
                f"centroids: expected shape (n_cells, {len(bounds['lower'])}), "
                f"got {centroids.shape}"
            )
        return {"kind": "centroids", "centroids": centroids.ravel().tolist(), **bounds}


@dataclass(frozen=True)
class SlidingGrid:
    """A grid whose boundaries move to the quantiles of recent descriptors.

    Args:
        shape: Number of cells along each descriptor.
        ranges: Least and greatest value of each descriptor, and the boundaries at first.
        remap_every: Rows between two moves of the boundaries.
        buffer_size: Recent rows that the boundaries follow.

    Source:
        Fontaine et al., 2019, "Mapping Hearthstone deck spaces through MAP-Elites with sliding
        boundaries".
    """

    shape: Sequence[int]
    ranges: Ranges
    remap_every: int = 100
    buffer_size: int = 1000

    def to_layout(self) -> dict[str, Any]:
        """Return the layout as the extension reads it."""
        return {
            "kind": "sliding",
            "shape": _sides(self.shape),
            "remap_every": self.remap_every,
            "buffer_size": self.buffer_size,
            **_bounds(self.ranges),
        }


Cells: TypeAlias = Grid | CVT | SlidingGrid


def layout_of(cells: Cells) -> dict[str, Any]:
    """Return the layout of cells that a caller gave, as the extension reads it.

    Raises:
        ConfigError: Something else was given.
    """
    if not isinstance(cells, Grid | CVT | SlidingGrid):
        raise ConfigError(f"cells: expected Grid, CVT or SlidingGrid, got {cells!r}")
    return cells.to_layout()
