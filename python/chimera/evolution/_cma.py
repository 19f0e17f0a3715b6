"""Covariance matrix adaptation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.evolution._algorithm import Algorithm
from chimera.evolution._numbers import optional_row
from chimera.evolution._space import Bounds
from chimera.evolution._types import Covariance, Direction


class CMAES(Algorithm, method="cmaes"):
    """Covariance matrix adaptation evolution strategy: the default for hard real problems.

    Samples a normal distribution and learns its mean, step size and covariance from the ranking of
    the rows. The covariance is kept as a factor that is updated exactly, so there is no
    decomposition to wait for. Samples outside the bounds are asked as the nearest rows inside; rows
    that are told instead of the asked ones are learned from as well (injection).

    Args:
        space: Real genes: bounds, where infinite ones are allowed.
        x0: Where to begin ``(n_genes,)``; by default the middle of the bounds.
        sigma: First standard deviation, one or ``(n_genes,)``; by default 0.3 of the width between
            the bounds. Both must be given where a bound is infinite.
        population_size: Rows of a generation, at most 1 000 000; by default
            ``4 + floor(3 ln n)``.
        covariance: ``full``, or ``separable`` for variances only: linear time and memory.
        active: Whether bad rows lower the variance in their direction.
        restarts: ``none``; ``ipop`` doubles the population whenever the search stops; ``bipop``
            does so in turns with small populations.
        n_restarts_max: Restarts with a doubled population at most.
        tol_fun: Stop when scores of this generation and the best of recent ones range over less.
        tol_fun_hist: Stop when the best scores of recent generations range over less.
        tol_x: Stop when every standard deviation is below.
        tol_up: Stop when a standard deviation grew by more than this factor.
        condition_max: Stop when the covariance is conditioned worse.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A setting is outside its range, or the space is not real.

    Complexity:
        ``n**2`` per row and ``n**2`` memory; ``n`` when separable.

    Source:
        Hansen, "The CMA Evolution Strategy: A Tutorial" (2016, revised 2023); Jastrebski & Arnold
        2006 (active); Ros & Hansen 2008 (separable); Auger & Hansen 2005 (IPOP); Hansen 2009
        (BIPOP); Hansen 2011 (injection); Ho & Shimizu 2007 (bounds).

    Example:
        >>> search = CMAES([(-5.0, 5.0)] * 4, seed=1)
        >>> while search.stop_reason is None:
        ...     batch = search.ask()
        ...     search.tell(batch, ((batch - 1.5) ** 2).sum(axis=1))
        >>> search.best_x.round(6).tolist()
        [1.5, 1.5, 1.5, 1.5]
    """

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the distribution, ``(n_genes,)``: the best guess under noise."""
        out: NDArray[np.float64] = self.population.x[0]
        return out

    def __new__(
        cls,
        space: Bounds,
        *,
        x0: ArrayLike | None = None,
        sigma: float | Sequence[float] | NDArray[np.float64] | None = None,
        population_size: int | None = None,
        covariance: Covariance = "full",
        active: bool = True,
        restarts: Literal["none", "ipop", "bipop"] = "none",
        n_restarts_max: int = 9,
        tol_fun: float = 1e-11,
        tol_fun_hist: float = 1e-12,
        tol_x: float = 1e-11,
        tol_up: float = 1e4,
        condition_max: float = 1e14,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "x0": optional_row("x0", x0),
            "sigma": sigma,
            "population_size": population_size,
            "covariance": covariance,
            "active": active,
            "restarts": restarts,
            "n_restarts_max": n_restarts_max,
            "tol_fun": tol_fun,
            "tol_fun_hist": tol_fun_hist,
            "tol_x": tol_x,
            "tol_up": tol_up,
            "condition_max": condition_max,
        }
        return cls._start("cmaes", space, settings, seed=seed, threads=threads, direction=direction)
