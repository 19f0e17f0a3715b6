"""MAP-Elites, CMA-ME and CMA-MAE: the best solution in every cell of descriptor space."""

from __future__ import annotations

from typing import Any, Self

from numpy.typing import ArrayLike

from chimera.evolution._algorithm import Algorithm, maximized_of
from chimera.evolution._cells import Cells, layout_of
from chimera.evolution._numbers import to_number
from chimera.evolution._space import Bounds
from chimera.evolution._types import Covariance, Direction, Outside


def _sign(direction: Any) -> float:
    """Return what makes scores of this direction minimised ones."""
    return -1.0 if any(maximized_of(direction)) else 1.0


class MapElites(Algorithm, method="map_elites"):
    """MAP-Elites with iso+line variation.

    ``tell`` takes ``descriptors=``, ``(n, n_descriptors)``. Batches may be told in any order.
    Failed rows and rows that violate constraints stay out of the archive. ``holdings()`` shows the
    archive; ``figures`` has ``coverage`` and ``qd_score``.

    Args:
        space: A bounded space of one block of float64 or float32, or bounds.
        cells: How descriptor space is divided: `Grid`, `CVT` or `SlidingGrid`.
        batch_size: Rows that ``ask`` returns by default.
        n_initial: Uniform solutions to begin with; by default one batch.
        iso_sigma: Standard deviation of the isotropic part, as a share of each gene's range.
        line_sigma: Standard deviation along the line between two elites.
        outside: ``error`` refuses descriptors outside their ranges; ``clip`` puts them at the edge,
            or to the nearest centroid.
        qd_offset: Score that counts as 0 in the QD score, normally the worst possible one.
        direction: ``maximize``, the field's habit, or ``minimize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A bound is infinite, or a setting is outside its range.

    Source:
        Mouret & Clune, 2015, "Illuminating search spaces by mapping elites"; variation: Vassiliades
        & Mouret, 2018, "Discovering the elite hypervolume by leveraging interspecies correlation".

    Example:
        >>> search = MapElites([(-1.0, 1.0)] * 5, cells=Grid((20, 20), [(-1.0, 1.0)] * 2), seed=1)
        >>> for _ in range(20):
        ...     batch = search.ask()
        ...     search.tell(batch, -(batch**2).sum(axis=1), descriptors=batch[:, :2])
        >>> bool(search.figures["coverage"] > 0.8)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        cells: Cells,
        batch_size: int = 256,
        n_initial: int | None = None,
        iso_sigma: float = 0.01,
        line_sigma: float = 0.2,
        outside: Outside = "error",
        qd_offset: float = 0.0,
        direction: Direction = "maximize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "batch_size": batch_size,
            "layout": layout_of(cells),
            "outside": outside,
            "n_initial": batch_size if n_initial is None else n_initial,
            "iso_sigma": iso_sigma,
            "line_sigma": line_sigma,
            "qd_offset": _sign(direction) * to_number("qd_offset", qd_offset),
        }
        return cls._start(
            "map_elites", space, settings, seed=seed, threads=threads, direction=direction
        )


class CMAME(Algorithm, method="cma_me"):
    """CMA-ME: evolution strategies that climb what improves an archive.

    Each emitter ranks its solutions by whether they filled a cell, then by improvement, and learns
    from those that changed the archive; one that changed nothing starts again at a random elite,
    and so does one that has grown wider than uniform samples of the ranges. ``tell`` takes
    ``descriptors=``. ``holdings()`` shows the archive; ``figures`` has ``coverage``, ``qd_score``,
    ``n_restarts`` and ``sigma``, the mean standard deviation as a share of the ranges.

    Args:
        space: A space of one block of float64, or bounds.
        cells: How descriptor space is divided: `Grid`, `CVT` or `SlidingGrid`.
        n_emitters: Number of emitters.
        emitter_size: Rows an emitter gives a generation; a batch has ``n_emitters`` times as many.
        x0: First mean, ``(n_genes,)``; by default the middle of the bounds.
        sigma: First standard deviation, as a share of each gene's range; absolute without bounds.
        covariance: ``full`` or ``separable``; the latter is linear in the number of genes.
        outside: ``error`` refuses descriptors outside their ranges; ``clip`` puts them at the edge,
            or to the nearest centroid.
        qd_offset: Score that counts as 0 in the QD score, normally the worst possible one.
        direction: ``maximize``, the field's habit, or ``minimize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range.

    Source:
        Fontaine, Togelius, Nikolaidis & Hoover, 2020, "Covariance matrix adaptation for the rapid
        illumination of behavior space": improvement emitters.

    Example:
        >>> search = CMAME([(-1.0, 1.0)] * 5, cells=Grid((20, 20), [(-1.0, 1.0)] * 2), seed=1)
        >>> for _ in range(30):
        ...     batch = search.ask()
        ...     search.tell(batch, -(batch**2).sum(axis=1), descriptors=batch[:, :2])
        >>> bool(search.figures["coverage"] > 0.8)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        cells: Cells,
        n_emitters: int = 5,
        emitter_size: int = 36,
        x0: ArrayLike | None = None,
        sigma: float = 0.05,
        covariance: Covariance = "full",
        outside: Outside = "error",
        qd_offset: float = 0.0,
        direction: Direction = "maximize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "n_emitters": n_emitters,
            "emitter_size": emitter_size,
            "layout": layout_of(cells),
            "outside": outside,
            "x0": x0,
            "sigma": sigma,
            "covariance": covariance,
            "qd_offset": _sign(direction) * to_number("qd_offset", qd_offset),
        }
        return cls._start(
            "cma_me", space, settings, seed=seed, threads=threads, direction=direction
        )


class CMAMAE(Algorithm, method="cma_mae"):
    """CMA-MAE: as CMA-ME, but cells ask for a threshold that rises slowly.

    A cell keeps emitters busy until its threshold has caught up with its best solution, so flat
    objectives and corners of descriptor space get their share. The elites shown are the best of
    every cell, kept apart from the thresholds.

    Args:
        space: A space of one block of float64, or bounds.
        cells: How descriptor space is divided: `Grid` or `CVT`.
        threshold_min: Threshold of an empty cell, in the direction of the scores: normally the
            worst score worth keeping (with ``maximize``, the least).
        learning_rate: How far a threshold follows accepted scores: at 1 it is the best of them, as
            in CMA-ME's archive; 0 is plain optimisation.
        n_emitters: Number of emitters.
        emitter_size: Rows an emitter gives a generation; a batch has ``n_emitters`` times as many.
        x0: First mean, ``(n_genes,)``; by default the middle of the bounds.
        sigma: First standard deviation, as a share of each gene's range; absolute without bounds.
        covariance: ``full`` or ``separable``; the latter is linear in the number of genes.
        outside: ``error`` refuses descriptors outside their ranges; ``clip`` puts them at the edge,
            or to the nearest centroid.
        qd_offset: Score that counts as 0 in the QD score; by default ``threshold_min``.
        direction: ``maximize``, the field's habit, or ``minimize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range.

    Source:
        Fontaine & Nikolaidis, 2023, "Covariance matrix adaptation MAP-annealing".

    Example:
        >>> cells = Grid((20, 20), [(-1.0, 1.0)] * 2)
        >>> search = CMAMAE([(-1.0, 1.0)] * 5, cells=cells, threshold_min=-5.0, seed=1)
        >>> for _ in range(30):
        ...     batch = search.ask()
        ...     search.tell(batch, -(batch**2).sum(axis=1), descriptors=batch[:, :2])
        >>> bool(search.figures["coverage"] > 0.8)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        cells: Cells,
        threshold_min: float,
        learning_rate: float = 0.01,
        n_emitters: int = 5,
        emitter_size: int = 36,
        x0: ArrayLike | None = None,
        sigma: float = 0.05,
        covariance: Covariance = "full",
        outside: Outside = "error",
        qd_offset: float | None = None,
        direction: Direction = "maximize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        sign, least = _sign(direction), to_number("threshold_min", threshold_min)
        settings = {
            "n_emitters": n_emitters,
            "emitter_size": emitter_size,
            "layout": layout_of(cells),
            "outside": outside,
            "x0": x0,
            "sigma": sigma,
            "covariance": covariance,
            "learning_rate": learning_rate,
            "threshold": sign * least,
            "qd_offset": sign * (least if qd_offset is None else to_number("qd_offset", qd_offset)),
        }
        return cls._start(
            "cma_mae", space, settings, seed=seed, threads=threads, direction=direction
        )
