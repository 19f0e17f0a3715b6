"""Differential evolution: fixed, adaptive, and with success history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from numpy.typing import ArrayLike

from chimera.evolution._algorithm import Algorithm
from chimera.evolution._numbers import optional_row
from chimera.evolution._space import Bounds
from chimera.evolution._types import Constraints, Direction


def _start_point(x0: ArrayLike | None) -> list[float] | None:
    """Return a start as JSON holds it."""
    row = optional_row("x0", x0)
    return None if row is None else row.tolist()


class DE(Algorithm, method="de"):
    """Differential evolution with fixed weight and crossover rate.

    Trials replace their parents when they are not worse. A gene outside its bounds goes midway
    between the bound and its parent's gene.

    Args:
        space: One bounded block of float64, or bounds.
        population_size: Rows kept, at least 4; by default 10 per gene, between 20 and 200.
        strategy: ``rand1``, ``best1``, ``current_to_best1`` or ``current_to_pbest1``.
        weight: Factor of the difference, in (0, 2].
        crossover_rate: Probability that a gene comes from the mutant.
        p_best: Share of best rows that ``current_to_pbest1`` draws from.
        archive_rate: Size of the archive of beaten rows, as a multiple of the population.
        constraints: ``feasibility`` (Deb, 2000) or ``epsilon`` (Takahama & Sakai, 2006).
        epsilon: ``{"quantile": 0.2, "power": 5.0, "generations": 200}`` of the epsilon level.
        x0: A row of the first population, ``(n_genes,)``.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A bound is infinite, or a setting is outside its range.

    Source:
        Storn & Price, 1997, "Differential Evolution".

    Example:
        >>> search = DE([(-5.0, 5.0)] * 4, seed=1)
        >>> for _ in range(200):
        ...     x = search.ask()
        ...     search.tell(x, (x**2).sum(axis=1))
        >>> bool(search.best_score < 1e-6)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        population_size: int | None = None,
        strategy: Literal["rand1", "best1", "current_to_best1", "current_to_pbest1"] = "rand1",
        weight: float = 0.5,
        crossover_rate: float = 0.9,
        p_best: float = 0.1,
        archive_rate: float = 0.0,
        constraints: Constraints = "feasibility",
        epsilon: Mapping[str, Any] | None = None,
        x0: ArrayLike | None = None,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "population_size": population_size,
            "strategy": strategy,
            "weight": weight,
            "crossover_rate": crossover_rate,
            "p_best": p_best,
            "archive_rate": archive_rate,
            "constraints": constraints,
            "epsilon": epsilon,
            "x0": _start_point(x0),
        }
        return cls._start("de", space, settings, seed=seed, threads=threads, direction=direction)


class JADE(Algorithm, method="jade"):
    """Adaptive differential evolution: weight and crossover rate follow what succeeds.

    Args:
        space: One bounded block of float64, or bounds.
        population_size: Rows kept, at least 4; by default 5 per gene, between 30 and 400.
        p_best: Share of best rows that mutants are drawn towards.
        learning_rate: How fast the means follow what succeeds.
        archive_rate: Size of the archive of beaten rows, as a multiple of the population.
        constraints: ``feasibility`` or ``epsilon``; see `DE`.
        epsilon: As for `DE`.
        x0: A row of the first population, ``(n_genes,)``.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A bound is infinite, or a setting is outside its range.

    Source:
        Zhang & Sanderson, 2009, "JADE: Adaptive Differential Evolution With Optional External
        Archive".

    Example:
        >>> search = JADE([(-5.0, 5.0)] * 4, seed=1)
        >>> for _ in range(150):
        ...     x = search.ask()
        ...     search.tell(x, (x**2).sum(axis=1))
        >>> bool(search.best_score < 1e-6)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        population_size: int | None = None,
        p_best: float = 0.05,
        learning_rate: float = 0.1,
        archive_rate: float = 1.0,
        constraints: Constraints = "feasibility",
        epsilon: Mapping[str, Any] | None = None,
        x0: ArrayLike | None = None,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "population_size": population_size,
            "p_best": p_best,
            "learning_rate": learning_rate,
            "archive_rate": archive_rate,
            "constraints": constraints,
            "epsilon": epsilon,
            "x0": _start_point(x0),
        }
        return cls._start("jade", space, settings, seed=seed, threads=threads, direction=direction)


class LSHADE(Algorithm, method="lshade"):
    """Differential evolution with success history and a population that shrinks with the budget.

    The choice for large budgets: ``budget`` must be what you will spend, since the population falls
    linearly to ``population_size_min`` over it. ``stop_reason`` is ``budget`` afterwards.

    Args:
        space: One bounded block of float64, or bounds.
        budget: Evaluations over which the population shrinks.
        population_size: Rows at the start; by default 18 per gene, at most a twentieth of the
            budget.
        population_size_min: Rows at the end, at least 4.
        p_best: Share of best rows that mutants are drawn towards.
        history_size: Number of remembered means of weight and crossover rate.
        archive_rate: Size of the archive of beaten rows, as a multiple of the population.
        constraints: ``feasibility`` or ``epsilon``; see `DE`.
        epsilon: As for `DE`.
        x0: A row of the first population, ``(n_genes,)``.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A bound is infinite, or a setting is outside its range.

    Source:
        Tanabe & Fukunaga, 2014, "Improving the Search Performance of SHADE Using Linear Population
        Size Reduction".

    Example:
        >>> search = LSHADE([(-5.0, 5.0)] * 4, budget=4_000, seed=1)
        >>> while search.stop_reason is None:
        ...     x = search.ask()
        ...     search.tell(x, (x**2).sum(axis=1))
        >>> bool(search.best_score < 1e-6)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        budget: int = 100_000,
        population_size: int | None = None,
        population_size_min: int = 4,
        p_best: float = 0.11,
        history_size: int = 6,
        archive_rate: float = 2.6,
        constraints: Constraints = "feasibility",
        epsilon: Mapping[str, Any] | None = None,
        x0: ArrayLike | None = None,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {
            "budget": budget,
            "population_size": population_size,
            "population_size_min": population_size_min,
            "p_best": p_best,
            "history_size": history_size,
            "archive_rate": archive_rate,
            "constraints": constraints,
            "epsilon": epsilon,
            "x0": _start_point(x0),
        }
        return cls._start(
            "lshade", space, settings, seed=seed, threads=threads, direction=direction
        )
