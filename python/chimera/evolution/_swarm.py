"""Particle swarms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from numpy.typing import ArrayLike

from chimera.evolution._algorithm import Algorithm
from chimera.evolution._differential import _start_point
from chimera.evolution._space import Bounds
from chimera.evolution._types import Constraints, Direction


class PSO(Algorithm, method="pso"):
    """Particle swarm: points that fly between their own best place and their neighbours'.

    Args:
        space: One bounded block of float64, or bounds.
        population_size: Number of particles; by default 10 + 2 sqrt(genes), at least 20.
        topology: ``ring`` (slower, explores more) or ``global``.
        n_neighbours: Particles on either side that inform one in a ring.
        motion: ``constriction`` (coordinate by coordinate) or ``spherical`` (SPSO-2011, does not
            depend on the axes).
        inertia: Share of its velocity that a particle keeps.
        cognitive: Pull towards its own best place.
        social: Pull towards its neighbours' best place.
        velocity_max: Largest step per gene, as a share of the distance between its bounds.
        constraints: ``feasibility`` or ``epsilon``; see `DE`.
        epsilon: As for `DE`.
        x0: Where the first particle begins, ``(n_genes,)``.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A bound is infinite, or a setting is outside its range.

    Source:
        Clerc & Kennedy, 2002, "The Particle Swarm: Explosion, Stability, and Convergence";
        Zambrano-Bigiarini, Clerc & Rojas, 2013, "Standard Particle Swarm Optimisation 2011".

    Example:
        >>> search = PSO([(-5.0, 5.0)] * 4, seed=1)
        >>> for _ in range(200):
        ...     x = search.ask()
        ...     search.tell(x, (x**2).sum(axis=1))
        >>> bool(search.best_score < 1e-4)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        population_size: int | None = None,
        topology: Literal["ring", "global"] = "ring",
        n_neighbours: int = 1,
        motion: Literal["constriction", "spherical"] = "constriction",
        inertia: float = 0.729843788128358,
        cognitive: float = 1.496179765663133,
        social: float = 1.496179765663133,
        velocity_max: float = 0.5,
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
            "topology": topology,
            "n_neighbours": n_neighbours,
            "motion": motion,
            "inertia": inertia,
            "cognitive": cognitive,
            "social": social,
            "velocity_max": velocity_max,
            "constraints": constraints,
            "epsilon": epsilon,
            "x0": _start_point(x0),
        }
        return cls._start("pso", space, settings, seed=seed, threads=threads, direction=direction)
