"""Uniform random search."""

from __future__ import annotations

from typing import Self

from chimera.evolution._algorithm import Algorithm
from chimera.evolution._space import Bounds
from chimera.evolution._types import Direction


class RandomSearch(Algorithm, method="random_search"):
    """Uniform samples within the bounds: the baseline that every other method must beat.

    Args:
        space: A bounded space of any kind, or bounds.
        batch_size: Rows that ``ask`` returns by default, at most a million; ``ask(n)`` gives more.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: A bound is infinite, or a setting is outside its range.

    Example:
        >>> search = RandomSearch([(-1.0, 1.0)] * 3, seed=1)
        >>> batch = search.ask(100)
        >>> search.tell(batch, (batch**2).sum(axis=1))
        >>> bool(search.best_score < 0.5)
        True
    """

    def __new__(
        cls,
        space: Bounds,
        *,
        batch_size: int = 100,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start a search."""
        settings = {"batch_size": batch_size}
        return cls._start(
            "random_search", space, settings, seed=seed, threads=threads, direction=direction
        )
