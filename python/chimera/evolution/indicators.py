"""Quality of fronts: ranks, crowding, hypervolume and distances to a reference front.

Rows are points, columns objectives, and less is better; negate what you maximise. Arrays of float64
in C order are borrowed, others are copied. Row ``a`` dominates row ``b`` when it is nowhere worse
and somewhere better: equal rows share their rank.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera._chimera import population as _native
from chimera.errors import BatchError, ConfigError
from chimera.evolution._numbers import ensure_numbers, ensure_whole

__all__ = [
    "HYPERVOLUME_STEPS_MAX",
    "HypervolumeEstimate",
    "crowding_distance",
    "epsilon_indicator",
    "gd",
    "hypervolume",
    "hypervolume_contributions",
    "hypervolume_estimate",
    "igd",
    "igd_plus",
    "pareto_ranks",
]

# A step is about one comparison of two numbers: many minutes.
HYPERVOLUME_STEPS_MAX = 2**40

_N_DIMENSIONS = 2


class HypervolumeEstimate(NamedTuple):
    """An estimated hypervolume.

    Attributes:
        volume: The estimate.
        error: The true volume is at most this far away, with the confidence that was asked for.
    """

    volume: float
    error: float


def _rows(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return values as a finite 2-D array in C order."""
    ensure_numbers(name, values, BatchError)
    try:
        array = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BatchError(f"{name}: expected a 2-D array of numbers, got {error}") from error
    if np.ndim(values) != _N_DIMENSIONS or array.shape[1] == 0:
        raise BatchError(
            f"{name}: expected shape (n, n_objectives), got {np.shape(values)}; one row a point"
        )
    if not np.isfinite(array).all():
        raise BatchError(f"{name}: expected finite values, got NaN or infinity; drop such rows")
    return array


def _point(name: str, values: ArrayLike, n: int) -> NDArray[np.float64]:
    """Return values as a finite array of shape (n,)."""
    ensure_numbers(name, values, BatchError)
    try:
        array = np.ascontiguousarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BatchError(f"{name}: expected {n} numbers, got {error}") from error
    if np.shape(values) != (n,) or not np.isfinite(array).all():
        raise BatchError(f"{name}: expected {n} finite values, got {values!r}")
    return array


def _steps(max_steps: int) -> int:
    """Return a limit of steps that the extension takes."""
    if not 0 < max_steps < 2**63:
        raise ConfigError(f"max_steps: expected at least 1, less than 2^63, got {max_steps!r}")
    return max_steps


def pareto_ranks(objectives: ArrayLike) -> NDArray[np.int64]:
    """Return the non-dominated rank of every row, 0 for the front.

    Args:
        objectives: ``(n, m) float64``, minimised.

    Returns:
        ``(n,) int64``. The rank of a row is the length of the longest chain of rows above it, each
        dominating the next.

    Raises:
        BatchError: The array is not 2-D or not finite.

    Complexity:
        ``n log n`` for two objectives; ``n log² n`` comparisons for three, and moves of memory that
        only count when one front holds most of very many rows; ``m n² / 64`` word operations for
        more. Memory is linear in ``n``.

    Source:
        Jensen, 2003 (two objectives); Zhang et al., 2015 (bisection over fronts); Moreno et al.,
        2020 (sets of bits).

    Example:
        >>> pareto_ranks([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        array([0, 0, 1, 0])
    """
    return _native.pareto_ranks(_rows("objectives", objectives))


def crowding_distance(
    objectives: ArrayLike, *, ranks: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the crowding distance of every row within its front.

    Args:
        objectives: ``(n, m) float64``, minimised.
        ranks: ``(n,)`` front of each row, as `pareto_ranks` returns it; by default all rows are one
            front.

    Returns:
        ``(n,) float64``: per objective the distance between both neighbours over the range of the
        front, summed; infinite at both ends.

    Raises:
        BatchError: Shapes do not fit, values are not finite, ranks are not in ``[0, n)``.

    Source:
        Deb et al., 2002.

    Example:
        >>> crowding_distance([[0.0, 3.0], [1.0, 1.0], [3.0, 0.0]])
        array([inf,  2., inf])
    """
    rows = _rows("objectives", objectives)
    if ranks is None:
        return _native.crowding_distance(rows, None)
    fronts = np.asarray(ranks)
    is_whole = fronts.dtype.kind in "iu"
    if fronts.shape != (len(rows),) or not is_whole or (fronts < 0).any():
        raise BatchError(f"ranks: expected {len(rows)} integers of at least 0, got {ranks!r}")
    return _native.crowding_distance(rows, fronts.tolist())


def hypervolume(
    objectives: ArrayLike, *, reference: ArrayLike, max_steps: int = HYPERVOLUME_STEPS_MAX
) -> float:
    """Return the volume that rows dominate up to a reference point, exactly.

    Args:
        objectives: ``(n, m) float64``, minimised. Rows that are not better than the reference in
            every objective add nothing.
        reference: ``(m,) float64``.
        max_steps: Steps, about comparisons of two numbers, after which the call gives up. Ctrl-C
            ends it before.

    Returns:
        The hypervolume, 0 without rows.

    Raises:
        BatchError: Shapes do not fit, values are not finite, or it takes more than ``max_steps``.
        ConfigError: ``max_steps`` is outside its range.

    Complexity:
        ``n log n`` for two and three objectives as fronts usually are, ``n² log n`` for four,
        exponential in ``m`` beyond: use `hypervolume_estimate` for many objectives.

    Source:
        While, Bradstreet & Barone, 2012, over a three-dimensional sweep.

    Example:
        >>> hypervolume([[1.0, 2.0], [2.0, 1.0]], reference=[3.0, 3.0])
        3.0
    """
    rows = _rows("objectives", objectives)
    point = _point("reference", reference, rows.shape[1])
    return _native.hypervolume(rows, point, max_steps=_steps(max_steps))


def hypervolume_estimate(
    objectives: ArrayLike,
    *,
    reference: ArrayLike,
    n_samples: int = 100_000,
    confidence: float = 0.99,
    seed: int = 0,
) -> HypervolumeEstimate:
    """Return the hypervolume from random points, with a bound of its error.

    Args:
        objectives: ``(n, m) float64``, minimised.
        reference: ``(m,) float64``.
        n_samples: Points; four times as many halve the error.
        confidence: How likely the bound holds, in (0, 1).
        seed: Seed of the points.

    Returns:
        The estimate and its bound.

    Raises:
        BatchError: Shapes do not fit, or values are not finite.
        ConfigError: ``n_samples``, ``confidence`` or ``seed`` is outside its range.

    Source:
        Hoeffding, 1963, for the bound.

    Example:
        >>> found = hypervolume_estimate([[1.0, 2.0], [2.0, 1.0]], reference=[3.0, 3.0])
        >>> abs(found.volume - 3.0) < found.error < 0.03
        True
    """
    rows = _rows("objectives", objectives)
    point = _point("reference", reference, rows.shape[1])
    if not 0 < n_samples < 2**63:
        raise ConfigError(f"n_samples: expected at least 1, got {n_samples!r}")
    ensure_whole("seed", seed, 2**64)
    found = _native.hypervolume_estimate(
        rows, point, n_samples=n_samples, confidence=confidence, seed=seed
    )
    return HypervolumeEstimate(*found)


def hypervolume_contributions(
    objectives: ArrayLike, *, reference: ArrayLike, max_steps: int = HYPERVOLUME_STEPS_MAX
) -> NDArray[np.float64]:
    """Return the volume that each row alone dominates.

    Args:
        objectives: ``(n, m) float64``, minimised.
        reference: ``(m,) float64``.
        max_steps: As for `hypervolume`.

    Returns:
        ``(n,) float64``: what the front, the rows that no other dominates, would lose without the
        row; 0 for dominated rows, for rows that are not better than the reference, and for all of
        equal rows.

    Raises:
        BatchError: Shapes do not fit, values are not finite, or it takes more than ``max_steps``.
        ConfigError: ``max_steps`` is outside its range.

    Example:
        >>> hypervolume_contributions([[1.0, 2.0], [2.0, 1.0]], reference=[3.0, 3.0])
        array([1., 1.])
    """
    rows = _rows("objectives", objectives)
    point = _point("reference", reference, rows.shape[1])
    return _native.hypervolume_contributions(rows, point, max_steps=_steps(max_steps))


def _against(name: str, objectives: ArrayLike, reference: ArrayLike) -> float:
    rows, target = _rows("objectives", objectives), _rows("reference", reference)
    if not len(rows) or not len(target):
        raise BatchError("objectives and reference: expected at least one row each, got none")
    return _native.front_indicator(name, rows, target)


def gd(objectives: ArrayLike, *, reference: ArrayLike) -> float:
    """Return the generational distance: the mean distance of a row to the reference front.

    Args:
        objectives: ``(n, m) float64``, minimised.
        reference: ``(k, m) float64``, the reference front.

    Raises:
        BatchError: Shapes do not fit, values are not finite, there are no rows.

    Source:
        Van Veldhuizen, 1999, with the mean in place of the root of squares.

    Example:
        >>> gd([[0.0, 2.0], [2.0, 0.0]], reference=[[0.0, 1.0], [1.0, 0.0]])
        1.0
    """
    return _against("gd", objectives, reference)


def igd(objectives: ArrayLike, *, reference: ArrayLike) -> float:
    """Return the inverted generational distance: the mean distance of a reference row to the rows.

    Args:
        objectives: ``(n, m) float64``, minimised.
        reference: ``(k, m) float64``, the reference front.

    Raises:
        BatchError: Shapes do not fit, values are not finite, there are no rows.

    Source:
        Coello & Reyes Sierra, 2004.

    Example:
        >>> igd([[0.0, 2.0], [2.0, 0.0]], reference=[[0.0, 1.0], [1.0, 0.0]])
        1.0
    """
    return _against("igd", objectives, reference)


def igd_plus(objectives: ArrayLike, *, reference: ArrayLike) -> float:
    """Return IGD+, in which only what is worse than the reference counts as distance.

    Unlike `igd` it never calls a set better that another one dominates.

    Args:
        objectives: ``(n, m) float64``, minimised.
        reference: ``(k, m) float64``, the reference front.

    Raises:
        BatchError: Shapes do not fit, values are not finite, there are no rows.

    Source:
        Ishibuchi, Masuda, Tanigaki & Nojima, 2015.

    Example:
        >>> igd_plus([[0.0, 0.0]], reference=[[0.0, 1.0], [1.0, 0.0]])
        0.0
    """
    return _against("igd_plus", objectives, reference)


def epsilon_indicator(
    objectives: ArrayLike, *, reference: ArrayLike, kind: str = "additive"
) -> float:
    """Return by how much the rows must move so that every reference row is weakly dominated.

    Args:
        objectives: ``(n, m) float64``, minimised.
        reference: ``(k, m) float64``, the reference front.
        kind: ``additive``, or ``multiplicative`` for positive objectives.

    Raises:
        BatchError: Shapes do not fit, values are not finite or not positive, there are no rows.
        ConfigError: Another kind.

    Source:
        Zitzler, Thiele, Laumanns, Fonseca & Grunert da Fonseca, 2003.

    Example:
        >>> epsilon_indicator([[0.0, 2.0], [2.0, 0.0]], reference=[[0.0, 1.0], [1.0, 0.0]])
        1.0
    """
    if kind not in {"additive", "multiplicative"}:
        raise ConfigError(f"kind: expected additive or multiplicative, got {kind!r}")
    if kind == "multiplicative":
        for name, values in (("objectives", objectives), ("reference", reference)):
            if not (_rows(name, values) > 0.0).all():
                raise BatchError(f"{name}: expected positive values for a multiplicative epsilon")
    return _against(f"epsilon_{kind}", objectives, reference)
