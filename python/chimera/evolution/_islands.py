"""Several searches of one space side by side, exchanging good rows now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np

from chimera.errors import ConfigError
from chimera.evolution._algorithm import Algorithm
from chimera.evolution._numbers import ensure_numbers, to_whole

__all__ = ["Islands"]

ISLANDS_MAX = 4_096
"""Most islands; as in the extension."""

_TOPOLOGIES = ("ring", "full", "star", "random", "torus")


class Islands(Algorithm, method="islands"):
    """The island model: any algorithms, also different ones, with migration.

    A batch is all islands' batches in a row, so that one call evaluates everything. Every
    ``migration_every`` generations each island sends rows along the edges of the topology; in the
    next generation they stand in for the worst rows of the receiver's batch where they are better
    (at most half of it). To the receiving algorithm they are rows it was told: nothing is asked of
    it. Its own evaluations of the rows replaced are lost, half of a batch at most.

    Args:
        make: Searches that have not begun, one per island; or a function of the island's number
            that makes one. Give them different seeds. All search one space in one direction.
        n_islands: How many, when ``make`` is a function.
        topology: ``ring``, ``full``, ``star``, ``random`` (one sender each, drawn anew), ``torus``
            (four neighbours), or a list of edges ``(from, to)``.
        migration_every: Generations between migrations; 0 for never.
        n_migrants: Rows that one island sends along one edge, at most 65 536.
        policy: ``best`` sends the best rows so far (with several objectives, rows of the batch that
            none dominates), ``random`` rows of the batch.
        seed: Seed of migration; the islands have their own.
        threads: Islands that work at a time, 0 for one per core; the result does not depend on it.

    Raises:
        ConfigError: Searches that have begun or do not fit together, or a setting outside its
            range.

    Source:
        Whitley, Rana and Heckendorn (1999), "The island model genetic algorithm".

    Example:
        >>> islands = Islands(
        ...     lambda idx: DE([(-1.0, 1.0)] * 3, population_size=20, seed=idx), n_islands=4
        ... )
        >>> batch = islands.ask()
        >>> batch.shape
        (80, 3)
        >>> islands.tell(batch, (batch**2).sum(axis=1))
    """

    def __new__(
        cls,
        make: Callable[[int], Algorithm] | Sequence[Algorithm],
        *,
        n_islands: int | None = None,
        topology: Literal["ring", "full", "star", "torus", "random"]
        | Sequence[tuple[int, int]] = "ring",
        migration_every: int = 10,
        n_migrants: int = 2,
        policy: Literal["best", "random"] = "best",
        seed: int = 0,
        threads: int = 1,
    ) -> Self:
        """Start the islands."""
        members = _members(make, n_islands)
        first = members[0]
        directions = {tuple(member.maximized) for member in members}
        if len(directions) > 1:
            raise ConfigError("islands: expected searches of one direction, got several")
        settings: dict[str, Any] = {
            "states": [member.save().hex() for member in members],
            "migration_every": migration_every,
            "n_migrants": n_migrants,
            "policy": policy,
        }
        if isinstance(topology, str):
            if topology not in _TOPOLOGIES:
                raise ConfigError(
                    f"topology: expected {', '.join(_TOPOLOGIES)} or a list of edges, "
                    f"got {topology!r}"
                )
            settings["topology"] = topology
        else:
            settings["topology"] = "custom"
            settings["edges"] = _edges(topology)
        names = ["maximize" if is_high else "minimize" for is_high in first.maximized]
        return cls._start(
            "islands",
            first.space,
            settings,
            seed=seed,
            threads=threads,
            direction=names or "minimize",
        )


def _edges(topology: Any) -> list[list[int]]:
    """Return edges as whole numbers; the native search checks which islands there are."""
    ensure_numbers("topology", topology)
    edges = np.asarray(topology)
    if edges.size and (edges.ndim != 2 or edges.shape[1] != 2):  # noqa: PLR2004
        raise ConfigError(
            f"topology: expected {', '.join(_TOPOLOGIES)} or a list of edges (from, to), got "
            f"{topology!r}"
        )
    return [[to_whole("topology", end, least=0) for end in edge] for edge in edges.tolist()]


def _members(
    make: Callable[[int], Algorithm] | Sequence[Algorithm], n_islands: int | None
) -> list[Algorithm]:
    if callable(make):
        if n_islands is None:
            raise ConfigError("n_islands: expected at least 1 with a function, got None")
        n = to_whole("n_islands", n_islands, limit=ISLANDS_MAX + 1)
        members = [make(idx) for idx in range(n)]
    elif isinstance(make, Iterable):
        members = list(make)
        if n_islands is not None and to_whole("n_islands", n_islands) != len(members):
            raise ConfigError(f"n_islands: expected {len(members)} or None, got {n_islands}")
    else:
        raise ConfigError(
            f"make: expected searches, or a function that makes them, got {type(make).__name__}"
        )
    if not members:
        raise ConfigError("make: expected at least one search, got none")
    for member in members:
        if not isinstance(member, Algorithm):
            raise ConfigError(f"make: expected searches, got {type(member).__name__}")
    return members
