"""Searches for a front: several objectives at once, with constraints, over any bounded space.

Rows that meet their constraints come before rows that do not, which rank by their total violation
(Deb, 2000). There is no best row: what was found is `MultiObjective.front`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.errors import ConfigError
from chimera.evolution._algorithm import Algorithm, maximized_of
from chimera.evolution._numbers import optional_row, to_number, to_whole
from chimera.evolution._operators import Operators, checked
from chimera.evolution._population import Population
from chimera.evolution._space import Bounds
from chimera.evolution._termination import Criterion, Watched, search_of
from chimera.evolution._types import Direction
from chimera.evolution.indicators import hypervolume, pareto_ranks

if TYPE_CHECKING:
    from chimera.evolution._loop import Step


N_STEPS_MAX = 1_000_000
"""Most steps over which `HypervolumeConvergence` measures growth."""


class MultiObjective(Algorithm):
    """What searches for a front share. Use the classes that derive from it."""

    @property
    def front(self) -> Population:
        """The members that meet their constraints and that no other member dominates."""
        members = self.population
        objectives = members.objectives
        if objectives is None:
            return members
        usable = np.isfinite(objectives).all(axis=1)
        if members.violations is not None:
            usable &= members.violations <= 0.0
        kept = np.flatnonzero(usable)
        ranks = pareto_ranks(objectives[kept] * self._signs())
        return members[kept[ranks == 0]]

    def _signs(self) -> NDArray[np.float64]:
        """Return -1 per maximised objective, else 1."""
        maximized = self.maximized
        if not maximized:
            return np.ones(self.n_objectives)
        return np.where(maximized, -1.0, 1.0)


def _directions(
    direction: Direction | Sequence[Direction], n_objectives: Any
) -> Direction | Sequence[Direction]:
    """Check that one direction was given for all objectives, or one for each."""
    n_given = len(maximized_of(direction))
    if not isinstance(direction, str) and n_given != n_objectives:
        raise ConfigError(
            f"direction: expected one for all or {n_objectives}, got {n_given} of them"
        )
    return direction


class NSGA2(MultiObjective, method="nsga2"):
    """NSGA-II: non-dominated sorting and crowding distance.

    The first choice for two objectives. Exact copies of a member survive only when nothing else
    feasible does.

    Args:
        space: A bounded space of any kind, or bounds; a mixed space takes operators per block.
        n_objectives: Number of objectives.
        population_size: Members kept, and rows of a batch.
        crossover_probability: Probability that a pair of parents is crossed.
        crossover_eta: Distribution index of SBX, the crossover of real genes: large keeps children
            near their parents.
        mutation_probability: Probability that a gene is mutated; by default 1 / number of genes.
        mutation_eta: Distribution index of polynomial mutation, that of real genes.
        direction: ``minimize``, ``maximize``, or one of them per objective.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.
        operators: Of `GA`, for genes that are not real: ``discrete_crossover``, ``n_points``,
            ``integer_mutation``, ``creep_step``, ``permutation_crossover``,
            ``permutation_mutation``, ``permutation_probability``.

    Raises:
        ConfigError: A real gene has an infinite bound, or a setting is outside its range.

    Source:
        Deb, Pratap, Agarwal & Meyarivan, 2002, "A Fast and Elitist Multiobjective Genetic
        Algorithm: NSGA-II".

    Example:
        >>> import numpy as np
        >>> search = NSGA2([(0.0, 1.0)] * 5, n_objectives=2, population_size=40, seed=1)
        >>> for _ in range(60):
        ...     x = search.ask()
        ...     g = 1.0 + x[:, 1:].sum(axis=1)
        ...     search.tell(x, np.column_stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))]))
        >>> len(search.front)
        40
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        n_objectives: int = 2,
        population_size: int = 100,
        crossover_probability: float = 0.9,
        crossover_eta: float = 15.0,
        mutation_probability: float | None = None,
        mutation_eta: float = 20.0,
        direction: Direction | Sequence[Direction] = "minimize",
        seed: int = 0,
        threads: int = 1,
        **operators: Unpack[Operators],
    ) -> Self:
        """Start a search."""
        settings = {
            "n_objectives": n_objectives,
            "population_size": population_size,
            "crossover_probability": crossover_probability,
            "crossover_eta": crossover_eta,
            "mutation_probability": mutation_probability,
            "mutation_eta": mutation_eta,
            **checked(operators),
        }
        direction = _directions(direction, n_objectives)
        return cls._start("nsga2", space, settings, seed=seed, threads=threads, direction=direction)


class NSGA3(MultiObjective, method="nsga3"):
    """NSGA-III: non-dominated sorting, spread by reference directions.

    For three and more objectives. Directions are those of Das and Dennis; objectives are scaled to
    the front found so far, so that their units do not matter.

    Args:
        space: A bounded space of any kind, or bounds; a mixed space takes operators per block.
        n_objectives: Number of objectives.
        population_size: Members kept, and rows of a batch; by default one a direction, and never
            fewer.
        n_partitions: Steps along one side of the simplex of directions; by default 99, 12, 7, 5 for
            2 to 5 objectives, then 3 (from 11 on, 2).
        n_inner_partitions: Steps of a second layer at half the size; by default 0, from 6
            objectives on 2 (from 11 on, 1).
        crossover_probability: Probability that a pair of parents is crossed.
        crossover_eta: Distribution index of SBX, the crossover of real genes.
        mutation_probability: Probability that a gene is mutated; by default 1 / number of genes.
        mutation_eta: Distribution index of polynomial mutation, that of real genes.
        direction: ``minimize``, ``maximize``, or one of them per objective.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.
        operators: Of `GA`, for genes that are not real: ``discrete_crossover``, ``n_points``,
            ``integer_mutation``, ``creep_step``, ``permutation_crossover``,
            ``permutation_mutation``, ``permutation_probability``.

    Raises:
        ConfigError: A real gene has an infinite bound, or a setting is outside its range.

    Source:
        Deb & Jain, 2014, "An Evolutionary Many-Objective Optimization Algorithm Using
        Reference-Point-Based Nondominated Sorting Approach, Part I"; constraints: Part II.

    Example:
        >>> import numpy as np
        >>> search = NSGA3([(0.0, 1.0)] * 3, n_objectives=3, n_partitions=4, seed=1)
        >>> for _ in range(30):
        ...     x = search.ask()
        ...     search.tell(x, np.column_stack([x[:, 0], x[:, 1], 3.0 - x.sum(axis=1)]))
        >>> len(search.population)
        15
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        n_objectives: int = 3,
        population_size: int | None = None,
        n_partitions: int | None = None,
        n_inner_partitions: int | None = None,
        crossover_probability: float = 1.0,
        crossover_eta: float = 30.0,
        mutation_probability: float | None = None,
        mutation_eta: float = 20.0,
        direction: Direction | Sequence[Direction] = "minimize",
        seed: int = 0,
        threads: int = 1,
        **operators: Unpack[Operators],
    ) -> Self:
        """Start a search."""
        settings = {
            "n_objectives": n_objectives,
            "population_size": population_size,
            "n_partitions": n_partitions,
            "n_inner_partitions": n_inner_partitions,
            "crossover_probability": crossover_probability,
            "crossover_eta": crossover_eta,
            "mutation_probability": mutation_probability,
            "mutation_eta": mutation_eta,
            **checked(operators),
        }
        direction = _directions(direction, n_objectives)
        return cls._start("nsga3", space, settings, seed=seed, threads=threads, direction=direction)


class SMSEMOA(MultiObjective, method="sms_emoa"):
    """SMS-EMOA: keep what adds to the hypervolume.

    The best spread for two and three objectives when evaluations are dear; selection costs more
    than that of `NSGA2`. Of two objectives both ends of the front stay whatever they add. Of five
    and more, volumes that would take long are estimated by sampling, with the same result on any
    number of threads.

    Args:
        space: A bounded space of any kind, or bounds; a mixed space takes operators per block.
        n_objectives: Number of objectives.
        population_size: Members kept, and rows of the first batch.
        offspring: Rows of the other batches; by default as many as members. 1 is the algorithm of
            the paper.
        crossover_probability: Probability that a pair of parents is crossed.
        crossover_eta: Distribution index of SBX, the crossover of real genes.
        mutation_probability: Probability that a gene is mutated; by default 1 / number of genes.
        mutation_eta: Distribution index of polynomial mutation, that of real genes.
        direction: ``minimize``, ``maximize``, or one of them per objective.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.
        operators: Of `GA`, for genes that are not real: ``discrete_crossover``, ``n_points``,
            ``integer_mutation``, ``creep_step``, ``permutation_crossover``,
            ``permutation_mutation``, ``permutation_probability``.

    Raises:
        ConfigError: A real gene has an infinite bound, or a setting is outside its range.

    Source:
        Beume, Naujoks & Emmerich, 2007, "SMS-EMOA: Multiobjective selection based on dominated
        hypervolume".

    Example:
        >>> import numpy as np
        >>> search = SMSEMOA([(0.0, 1.0)] * 5, population_size=20, offspring=4, seed=1)
        >>> for _ in range(100):
        ...     x = search.ask()
        ...     g = 1.0 + x[:, 1:].sum(axis=1)
        ...     search.tell(x, np.column_stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))]))
        >>> len(search.population)
        20
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        n_objectives: int = 2,
        population_size: int = 100,
        offspring: int | None = None,
        crossover_probability: float = 0.9,
        crossover_eta: float = 15.0,
        mutation_probability: float | None = None,
        mutation_eta: float = 20.0,
        direction: Direction | Sequence[Direction] = "minimize",
        seed: int = 0,
        threads: int = 1,
        **operators: Unpack[Operators],
    ) -> Self:
        """Start a search."""
        settings = {
            "n_objectives": n_objectives,
            "population_size": population_size,
            "offspring": offspring,
            "crossover_probability": crossover_probability,
            "crossover_eta": crossover_eta,
            "mutation_probability": mutation_probability,
            "mutation_eta": mutation_eta,
            **checked(operators),
        }
        direction = _directions(direction, n_objectives)
        return cls._start(
            "sms_emoa", space, settings, seed=seed, threads=threads, direction=direction
        )


class MOEAD(MultiObjective, method="moead"):
    """MOEA/D: one scalar problem a direction, solved together by neighbours.

    A generation is one batch: all children are made from the members at its beginning.

    Args:
        space: A bounded space of any kind, or bounds; a mixed space takes operators per block.
        n_objectives: Number of objectives.
        n_partitions: Steps along one side of the simplex of directions, as for `NSGA3`; there is
            one member a direction, and at most 131 072 of them.
        n_inner_partitions: Steps of a second layer of directions.
        decomposition: ``tchebycheff``, or ``pbi`` (penalty boundary intersection).
        theta: Penalty of ``pbi``.
        variation: ``sbx`` (other genes take the crossover of their kind), or ``de``: differential
            evolution, for difficult Pareto sets of real genes.
        scale: Factor of the differences of ``de``.
        n_neighbours: Directions that count as neighbours, at least 3; by default 20, or all of
            them when there are fewer.
        neighbour_probability: Probability that a member breeds within its neighbourhood.
        n_replaced: Members that one child may replace.
        crossover_probability: Probability that a pair of parents is crossed, for ``sbx``.
        crossover_eta: Distribution index of SBX, the crossover of real genes.
        mutation_probability: Probability that a gene is mutated; by default 1 / number of genes.
        mutation_eta: Distribution index of polynomial mutation, that of real genes.
        direction: ``minimize``, ``maximize``, or one of them per objective.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.
        operators: Of `GA`, for genes that are not real: ``discrete_crossover``, ``n_points``,
            ``integer_mutation``, ``creep_step``, ``permutation_crossover``,
            ``permutation_mutation``, ``permutation_probability``.

    Raises:
        ConfigError: A real gene has an infinite bound, or a setting is outside its range.

    Source:
        Zhang & Li, 2007, "MOEA/D: A Multiobjective Evolutionary Algorithm Based on Decomposition";
        ``de``, ``neighbour_probability`` and ``n_replaced``: Li & Zhang, 2009.

    Example:
        >>> import numpy as np
        >>> search = MOEAD([(0.0, 1.0)] * 5, n_partitions=29, seed=1)
        >>> for _ in range(60):
        ...     x = search.ask()
        ...     g = 1.0 + x[:, 1:].sum(axis=1)
        ...     search.tell(x, np.column_stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))]))
        >>> len(search.population)
        30
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        n_objectives: int = 2,
        n_partitions: int | None = None,
        n_inner_partitions: int | None = None,
        decomposition: Literal["tchebycheff", "pbi"] = "tchebycheff",
        theta: float = 5.0,
        variation: Literal["sbx", "de"] = "sbx",
        scale: float = 0.5,
        n_neighbours: int | None = None,
        neighbour_probability: float = 0.9,
        n_replaced: int = 2,
        crossover_probability: float = 1.0,
        crossover_eta: float = 20.0,
        mutation_probability: float | None = None,
        mutation_eta: float = 20.0,
        direction: Direction | Sequence[Direction] = "minimize",
        seed: int = 0,
        threads: int = 1,
        **operators: Unpack[Operators],
    ) -> Self:
        """Start a search."""
        settings = {
            "n_objectives": n_objectives,
            "n_partitions": n_partitions,
            "n_inner_partitions": n_inner_partitions,
            "decomposition": decomposition,
            "theta": theta,
            "variation": variation,
            "scale": scale,
            "n_neighbours": n_neighbours,
            "neighbour_probability": neighbour_probability,
            "n_replaced": n_replaced,
            "crossover_probability": crossover_probability,
            "crossover_eta": crossover_eta,
            "mutation_probability": mutation_probability,
            "mutation_eta": mutation_eta,
            **checked(operators),
        }
        direction = _directions(direction, n_objectives)
        return cls._start("moead", space, settings, seed=seed, threads=threads, direction=direction)


class HypervolumeConvergence(Criterion):
    """Termination of a loop once the hypervolume of the front no longer grows.

    Called after every step, as `optimize` does, it returns ``"hypervolume"`` when the front's
    hypervolume grew by less than ``tolerance``, as a share of itself, over the last ``n_steps``
    steps; else None. It may be used again: another search, or one that began anew, starts with a
    clean memory.

    Args:
        reference: ``(n_objectives,)``, the reference point in the caller's directions; rows that
            are not better in every objective do not count.
        tolerance: Growth, as a share, that counts as none.
        n_steps: Steps over which growth is measured.

    Raises:
        ConfigError: A setting is outside its range; when the loop begins, no search for a front,
            or one of another number of objectives.

    Example:
        >>> import numpy as np
        >>> def f(x):
        ...     g = 1.0 + x[:, 1:].sum(axis=1)
        ...     return np.column_stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))])
        >>> search = NSGA2([(0.0, 1.0)] * 5, population_size=40, seed=1)
        >>> stop = HypervolumeConvergence([1.1, 1.1], tolerance=1e-3)
        >>> optimize(search, Vectorized(f, n_objectives=2), termination=stop).run().stop_reason
        'hypervolume'
    """

    def __init__(self, reference: ArrayLike, *, tolerance: float = 1e-4, n_steps: int = 20) -> None:
        self._tolerance = to_number("tolerance", tolerance)
        if not 0.0 <= self._tolerance < 1.0:
            raise ConfigError(f"tolerance: expected a share in [0, 1), got {tolerance!r}")
        point = optional_row("reference", reference)
        if point is None or not np.isfinite(point).all():
            raise ConfigError(f"reference: expected finite numbers, got {reference!r}")
        self._reference = point
        n_kept = to_whole("n_steps", n_steps, limit=N_STEPS_MAX + 1) + 1
        self._volumes: deque[float] = deque(maxlen=n_kept)
        self._watched = Watched()

    @property
    def volume(self) -> float:
        """The hypervolume after the last step; NaN before."""
        return self._volumes[-1] if self._volumes else float("nan")

    def check(self, search: Any) -> None:
        """Refuse what has no front, or another number of objectives; see `Criterion`."""
        search = search_of(search)
        if not isinstance(search, MultiObjective):
            raise ConfigError(
                f"termination: expected a search for a front, got {type(search).__name__}"
            )
        if len(self._reference) != search.n_objectives:
            raise ConfigError(
                f"reference: expected {search.n_objectives} values, got {len(self._reference)}"
            )

    def __call__(self, step: Step) -> str | None:
        """Look at a step of a loop."""
        self.check(step.algorithm)
        search = search_of(step.algorithm)
        if self._watched.is_another(step):
            self._volumes.clear()
        objectives, signs = search.front.objectives, search._signs()  # noqa: SLF001 -- one module
        volume = 0.0
        if objectives is not None and len(objectives):
            volume = hypervolume(objectives * signs, reference=self._reference * signs)
        self._volumes.append(volume)
        is_full = len(self._volumes) == self._volumes.maxlen
        if is_full and 0.0 < volume <= self._volumes[0] * (1.0 + self._tolerance):
            return "hypervolume"
        return None
