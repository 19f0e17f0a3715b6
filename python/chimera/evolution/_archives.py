"""Archives of elites on their own: insert evaluated batches, look at what is best where.

The work is native (`chimera._chimera.population.Archive`). A batch is judged against the archive as
it was before: rows of one batch do not see each other, but for the best of a cell, which stays.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera._chimera.population import Archive as _Native
from chimera.errors import BatchError, ConfigError, StateError
from chimera.evolution._algorithm import _plain
from chimera.evolution._cells import CVT, Cells, Grid, Ranges, SlidingGrid
from chimera.evolution._numbers import ensure_whole
from chimera.evolution._snapshot import SavedState, read_state, write_state
from chimera.evolution._types import Direction, Outside


class Added(NamedTuple):
    """What became of each row of a batch.

    Attributes:
        status: ``(n,)`` uint8: 0 not added, 1 better than its cell's elite, 2 first of its cell.
        values: ``(n,)`` float64: improvement over the cell's threshold (negative when not added);
            in a new cell without threshold the objective itself.
    """

    status: NDArray[np.uint8]
    values: NDArray[np.float64]


class ArchiveStats(NamedTuple):
    """How full and how good an archive is.

    Attributes:
        n_elites: Number of elites.
        coverage: Share of the cells that hold one.
        qd_score: Sum over elites of how much better they are than the offset.
        normalized_qd_score: The same, divided by the number of cells.
        best: Best objective ever inserted; NaN before any.
        mean: Mean objective of the elites; NaN when empty.
    """

    n_elites: int
    coverage: float
    qd_score: float
    normalized_qd_score: float
    best: float
    mean: float


class Elites(NamedTuple):
    """Elites of asked cells; rows where a cell is empty hold NaN.

    Attributes:
        is_occupied: ``(n,)`` bool.
        solutions: ``(n, n_genes)``.
        objectives: ``(n,)`` float64.
        descriptors: ``(n, n_descriptors)``.
        cells: ``(n,)`` uint32.
    """

    is_occupied: NDArray[np.bool_]
    solutions: NDArray[Any]
    objectives: NDArray[np.float64]
    descriptors: NDArray[Any]
    cells: NDArray[np.uint32]


class Archive(_Native):
    """Base of the archives: `GridArchive`, `CVTArchive`, `SlidingBoundariesArchive`.

    What an archive holds comes in the order in which cells were first filled: ``solutions`` and
    ``descriptors`` are read-only views, ``objectives``, ``cells`` and ``ids`` are copies. A view
    stays as it is while held; the next insertion then copies the archive once.
    """

    @classmethod
    def _make(
        cls,
        n_genes: int,
        cells: Cells,
        *,
        learning_rate: float,
        threshold_min: float | None,
        outside: str,
        direction: str,
        dtype: str,
        threads: int,
    ) -> Self:
        is_narrow = _is_narrow(dtype)
        for key, value, allowed in (
            ("direction", direction, ("maximize", "minimize")),
            ("outside", outside, ("error", "clip")),
        ):
            if value not in allowed:
                raise ConfigError(f"{key}: expected {' or '.join(allowed)}, got {value!r}")
        ensure_whole("n_genes", n_genes, 2**32)
        ensure_whole("threads", threads, 1025)
        rule = {
            "direction": direction,
            "learning_rate": learning_rate,
            "threshold_min": threshold_min,
        }
        settings = {
            "layout": cells.to_layout(),
            "n_genes": n_genes,
            "rule": rule,
            "outside": outside,
        }
        try:
            text = json.dumps(settings, default=_plain, allow_nan=False)
        except ValueError as error:
            raise ConfigError(f"settings: expected finite numbers, got {settings}") from error
        made: Self = _new(cls, text, is_narrow=is_narrow, threads=threads)
        return made

    def add(
        self,
        solutions: ArrayLike,
        objectives: ArrayLike,
        descriptors: ArrayLike,
        *,
        failed: ArrayLike | None = None,
    ) -> Added:
        """Insert a batch of evaluated solutions.

        Arrays of the archive's dtype in C order are borrowed; others are copied.

        Args:
            solutions: ``(n, n_genes)``.
            objectives: ``(n,)`` float64 or float32.
            descriptors: ``(n, n_descriptors)``.
            failed: ``(n,)`` bool, rows that stay out; their values may be NaN.

        Returns:
            Status and value per row.

        Raises:
            BatchError: Shapes do not fit; objectives or descriptors are not finite, or the solution
                of a row that would enter (others are not read); descriptors lie outside the ranges
                and are not clipped. The archive is unchanged.

        Complexity:
            O(n) and one copy of each solution that enters.
        """
        return Added(*self.insert(solutions, objectives, descriptors, failed=failed))

    def stats(self, *, offset: float = 0.0) -> ArchiveStats:
        """Return coverage, QD score and the like.

        Args:
            offset: Objective that counts as 0 in the QD score, normally the worst possible one.
        """
        n_elites, coverage, score, normalized, best, mean = self.figures(offset)
        nan = float("nan")
        return ArchiveStats(
            n_elites,
            coverage,
            score,
            normalized,
            nan if best is None else best,
            nan if mean is None else mean,
        )

    def retrieve(self, descriptors: ArrayLike) -> Elites:
        """Return the elites of the cells in which descriptors lie.

        Args:
            descriptors: ``(n, n_descriptors)``.

        Raises:
            BatchError: As `add`.
        """
        cells = self.cell_of(descriptors)
        rows = self.row_of(cells)
        found = rows >= 0
        return Elites(
            found,
            _take(self.solutions, rows, found),
            _take(self.objectives, rows, found),
            _take(self.descriptors, rows, found),
            cells,
        )

    def sample(self, n: int, *, seed: int) -> Elites:
        """Return ``n`` elites chosen uniformly with replacement.

        Raises:
            BatchError: The archive is empty.
            ConfigError: ``n`` or ``seed`` is no whole number of at least 0.
        """
        ensure_whole("n", n, 2**32)
        ensure_whole("seed", seed, 2**64)
        if len(self) == 0:
            raise BatchError("sample: expected an archive with elites, got an empty one")
        rows = np.random.default_rng(seed).integers(len(self), size=n)
        found = np.ones(n, dtype=np.bool_)
        return Elites(
            found,
            self.solutions[rows],
            self.objectives[rows],
            self.descriptors[rows],
            self.cells[rows],
        )

    def save(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """Return the whole archive as bytes, and write it to a file when a path is given.

        Raises:
            ConfigError: The path names no file.
            StorageError: The file cannot be written; an older one stays as it was.
        """
        state = self.dump()
        if path is not None:
            write_state(path, state)
        return state

    @classmethod
    def load(cls, state: SavedState, *, dtype: str = "float64", threads: int = 1) -> Self:
        """Return the archive that `save` wrote.

        Args:
            state: The bytes, or the path of the file.
            dtype: That of the saved archive.
            threads: As for a new archive.

        Raises:
            StateError: Damaged, cut short, of another version, dtype or kind of archive.
            ConfigError: The state is neither, the dtype is neither float64 nor float32, or
                ``threads`` is outside its range.
            StorageError: The file cannot be read; a `MissingFileError` when there is none.
        """
        ensure_whole("threads", threads, 1025)
        found_bytes = read_state("a saved archive", state)
        options = {"state": found_bytes, "is_narrow": _is_narrow(dtype), "threads": threads}
        loaded: Self = _new(cls, **options)
        found = _kind(loaded)
        if cls is Archive:
            loaded = _new(found, **options)
        elif not issubclass(cls, found):
            raise StateError(
                f"saved archive: expected a {cls.__name__}, got a {found.__name__}; "
                f"use {found.__name__}.load or Archive.load"
            )
        return loaded

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state, with what stands on the instance."""
        dtype = "float32" if self.is_narrow else "float64"
        return (_thawed, (type(self), self.dump(), dtype), self.__getstate__())

    def __repr__(self) -> str:
        """Show how full it is."""
        return f"<{type(self).__name__}: {len(self)} elites in {self.n_cells} cells>"


class GridArchive(Archive):
    """An archive over a uniform grid of cells.

    Args:
        n_genes: Number of genes of a solution.
        shape: Number of cells along each descriptor.
        ranges: Least and greatest value of each descriptor, inclusive.
        learning_rate: How far a cell's threshold follows accepted objectives; at 1 it is the best
            of them, and a cell keeps its best. CMA-MAE uses less, and then needs ``threshold_min``.
        threshold_min: Threshold of an empty cell; None lets everything in.
        outside: ``error`` refuses descriptors outside the ranges; ``clip`` puts them into the cells
            at the edge, as pyribs does.
        direction: ``maximize`` or ``minimize``.
        dtype: ``float64`` or ``float32``, of solutions and descriptors.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range.

    Source:
        Mouret & Clune, 2015; thresholds: Fontaine & Nikolaidis, 2023, "Covariance matrix adaptation
        MAP-annealing".

    Example:
        >>> archive = GridArchive(2, shape=(10, 10), ranges=[(0.0, 1.0)] * 2)
        >>> added = archive.add([[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0], [[0.1, 0.1], [0.11, 0.12]])
        >>> added.status.tolist(), len(archive), archive.stats().best
        ([2, 2], 1, 6.0)
    """

    def __new__(
        cls,
        n_genes: int,
        *,
        shape: Sequence[int],
        ranges: Ranges,
        learning_rate: float = 1.0,
        threshold_min: float | None = None,
        outside: Outside = "error",
        direction: Direction = "maximize",
        dtype: str = "float64",
        threads: int = 1,
    ) -> Self:
        """Make an empty archive."""
        return cls._make(
            n_genes,
            Grid(shape, ranges),
            learning_rate=learning_rate,
            threshold_min=threshold_min,
            outside=outside,
            direction=direction,
            dtype=dtype,
            threads=threads,
        )


class CVTArchive(Archive):
    """An archive over cells around centroids, for any number of descriptors.

    Args:
        n_genes: Number of genes of a solution.
        n_cells: Number of centroids, which k-means finds. None with ``centroids``.
        ranges: Least and greatest value of each descriptor, inclusive.
        centroids: ``(n_cells, n_descriptors)``, instead of k-means.
        n_samples: Uniform samples that k-means clusters.
        n_iterations: Most iterations of k-means.
        seed: Seed of k-means.
        learning_rate: As in `GridArchive`.
        threshold_min: As in `GridArchive`.
        outside: ``error`` refuses descriptors outside the ranges; ``clip`` takes any finite ones.
        direction: ``maximize`` or ``minimize``.
        dtype: ``float64`` or ``float32``, of solutions and descriptors.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range.

    Source:
        Vassiliades, Chatzilygeroudis & Mouret, 2018.

    Example:
        >>> archive = CVTArchive(1, n_cells=None, centroids=[[0.2], [0.8]], ranges=[(0.0, 1.0)])
        >>> added = archive.add([[1.0], [2.0], [3.0]], [1.0, 3.0, 2.0], [[0.1], [0.9], [0.7]])
        >>> added.status.tolist()
        [2, 2, 2]
        >>> archive.retrieve([[1.0]]).objectives.tolist()
        [3.0]
    """

    def __new__(
        cls,
        n_genes: int,
        *,
        n_cells: int | None,
        ranges: Ranges,
        centroids: ArrayLike | None = None,
        n_samples: int = 100_000,
        n_iterations: int = 50,
        seed: int = 0,
        learning_rate: float = 1.0,
        threshold_min: float | None = None,
        outside: Outside = "error",
        direction: Direction = "maximize",
        dtype: str = "float64",
        threads: int = 1,
    ) -> Self:
        """Make an empty archive."""
        return cls._make(
            n_genes,
            CVT(n_cells, ranges, centroids, n_samples, n_iterations, seed),
            learning_rate=learning_rate,
            threshold_min=threshold_min,
            outside=outside,
            direction=direction,
            dtype=dtype,
            threads=threads,
        )


class SlidingBoundariesArchive(Archive):
    """An archive whose grid follows the distribution of recent descriptors.

    Rows are inserted one after another, so here rows of a batch do see each other.

    Args:
        n_genes: Number of genes of a solution.
        shape: Number of cells along each descriptor.
        ranges: Least and greatest value of each descriptor, and the boundaries at first.
        remap_every: Rows between two moves of the boundaries.
        buffer_size: Recent rows that the boundaries follow.
        outside: ``error`` refuses descriptors outside the ranges; ``clip`` takes any finite ones.
        direction: ``maximize`` or ``minimize``.
        dtype: ``float64`` or ``float32``, of solutions and descriptors.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range.

    Source:
        Fontaine et al., 2019.

    Example:
        >>> archive = SlidingBoundariesArchive(1, shape=[2], ranges=[(0.0, 1.0)], remap_every=4)
        >>> added = archive.add([[0.0]] * 4, [1.0, 2.0, 3.0, 4.0], [[0.1], [0.2], [0.3], [0.4]])
        >>> archive.boundaries[0].tolist()
        [0.1, 0.3, 0.4]
    """

    def __new__(
        cls,
        n_genes: int,
        *,
        shape: Sequence[int],
        ranges: Ranges,
        remap_every: int = 100,
        buffer_size: int = 1000,
        outside: Outside = "error",
        direction: Direction = "maximize",
        dtype: str = "float64",
        threads: int = 1,
    ) -> Self:
        """Make an empty archive."""
        return cls._make(
            n_genes,
            SlidingGrid(shape, ranges, remap_every, buffer_size),
            learning_rate=1.0,
            threshold_min=None,
            outside=outside,
            direction=direction,
            dtype=dtype,
            threads=threads,
        )


def _is_narrow(dtype: str) -> bool:
    """Return whether a dtype that a caller gave is float32 and not float64."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = repr(dtype)
    if name not in ("float64", "float32"):
        raise ConfigError(f"dtype: expected float64 or float32, got {name}")
    return name == "float32"


def _kind(archive: _Native) -> type[Archive]:
    """Return the class that makes archives with such cells."""
    if archive.centroids is not None:
        return CVTArchive
    return SlidingBoundariesArchive if archive.boundaries else GridArchive


def _thawed(cls: type[Archive], state: bytes, dtype: str) -> Archive:
    """Return an archive of exactly this class, whatever its own ``load`` asks for."""
    return _new(cls, state=state, is_narrow=dtype == "float32", threads=1)  # type: ignore[no-any-return]


def _take(values: NDArray[Any], rows: NDArray[np.int64], found: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the rows of `values`, NaN where none was found."""
    out = np.full((len(rows), *values.shape[1:]), np.nan, dtype=values.dtype)
    out[found] = values[rows[found]]
    return out


def _new(cls: type[_Native], *args: Any, **kwargs: Any) -> Any:
    """Make an instance of a class that derives from the native one."""
    return _Native.__new__(cls, *args, **kwargs)
