"""A portfolio for small budgets."""

from __future__ import annotations

from typing import Self

from numpy.typing import ArrayLike

from chimera.evolution._algorithm import Algorithm
from chimera.evolution._differential import _start_point
from chimera.evolution._space import Bounds
from chimera.evolution._types import Direction


class Portfolio(Algorithm, method="auto"):
    """Look at the objective first, then use what suits it; made for 20 to 1 000 rows a gene.

    Seven rows tell whether the objective is a sum over genes: then line searches along all genes at
    once (STEP). Otherwise quasi-Newton descent by differences. Both hand over to covariance matrix
    adaptation, which restarts in turns with descents from random points. Batches have different
    sizes: ask without a number. Constrained rows go to covariance matrix adaptation alone.

    Args:
        space: One bounded block of float64, or bounds.
        x0: Where to begin, ``(n_genes,)``; by default a random point.
        sigma: First standard deviation of the distribution, as a share of the box.
        population_size: Rows of a generation of the first distribution.
        descent: Whether to try descent; noise makes it useless.
        coordinates: Whether to look for sums over genes.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A bound is infinite, or a setting is outside its range.

    Source:
        Loshchilov, Schoenauer & Sebag, 2013, "Bi-population CMA-ES Algorithms with Surrogate
        Models and Line Searches"; Swarzberg, Seront & Bersini, 1994, "S.T.E.P.: The Easiest Way
        to Optimize a Function".

    Example:
        >>> search = Portfolio([(-5.0, 5.0)] * 4, seed=1)
        >>> while search.n_evaluations < 400:
        ...     x = search.ask()
        ...     search.tell(x, ((x - 1.0) ** 2).sum(axis=1))
        >>> bool(search.best_score < 1e-12)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        x0: ArrayLike | None = None,
        sigma: float = 0.2,
        population_size: int | None = None,
        descent: bool = True,
        coordinates: bool = True,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "x0": _start_point(x0),
            "sigma": sigma,
            "population_size": population_size,
            "descent": descent,
            "coordinates": coordinates,
        }
        return cls._start("auto", space, settings, seed=seed, threads=threads, direction=direction)
