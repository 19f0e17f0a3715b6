"""Evolution of architectures under several pressures, in simulation.

Ask and tell over graphs, which no array holds: selection by non-dominated ranks and crowding
(NSGA-II; Deb et al., 2002) or by cells of a behaviour space (MAP-Elites; Mouret and Clune, 2015).
Equal seeds give equal runs, also after `to_json` and `from_json` in between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from chimera.errors import BatchError, ConfigError, OrderError, StateError
from chimera.evolution._numbers import ensure_whole
from chimera.evolution.agents.architecture import Architecture, Catalogue
from chimera.evolution.agents.variation import cross, mutate

__all__ = ["ArchitectureSearch", "Pressures"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pressures:
    """What a simulation found of one architecture.

    Args:
        performance: How well it works; more is better.
        capability: How much it can do; more is better.
        resource: What it spends; less is better.
        violation: Of its limits; 0 when it keeps them.
        descriptors: Behaviour, for cells.
    """

    performance: float
    capability: float = 0.0
    resource: float = 0.0
    violation: float = 0.0
    descriptors: Sequence[float] = ()

    def row(self) -> list[float]:
        """Return the objectives, all minimised, and the violation."""
        return [-self.performance, -self.capability, self.resource, self.violation]


class ArchitectureSearch:
    """A population of architectures.

    Args:
        catalogue: What they are built from.
        start: Valid architectures to begin with.
        population_size: Architectures kept (nsga2) and proposed per generation.
        selection: ``nsga2`` keeps the best of parents and children; ``map_elites`` the best in each
            cell of the descriptors, by performance.
        cells: Cells per descriptor, for ``map_elites``.
        ranges: Range of each descriptor, for ``map_elites``.
        crossover_rate: Share of children with two parents.
        mutations_max: Mutations of a child, drawn from 1 to this.
        seed: Seed of every draw.

    Raises:
        ConfigError: A setting outside its range.

    Example:
        >>> from chimera.evolution.agents import Architecture, Catalogue, ComponentKind
        >>> from chimera.evolution.agents import Component, Connection, Pressures
        >>> kinds = [ComponentKind(name, {"x": "raw"}, {"y": "raw"}) for name in "ab"]
        >>> catalogue = Catalogue(kinds, inputs={"i": "raw"}, outputs={"o": "raw"})
        >>> empty = Architecture.build(catalogue, [], [Connection(0, "o", 0, "i")])
        >>> search = ArchitectureSearch(catalogue, [empty], population_size=8, seed=1)
        >>> for _ in range(20):
        ...     batch = search.ask()
        ...     search.tell([Pressures(performance=-abs(len(a.components) - 3)) for a in batch])
        >>> len(search.best.components)
        3
    """

    def __init__(
        self,
        catalogue: Catalogue,
        start: Sequence[Architecture],
        *,
        population_size: int = 50,
        selection: Literal["nsga2", "map_elites"] = "nsga2",
        cells: Sequence[int] = (),
        ranges: Sequence[tuple[float, float]] = (),
        crossover_rate: float = 0.3,
        mutations_max: int = 3,
        seed: int = 0,
    ) -> None:
        if not start:
            raise ConfigError("start: expected at least one architecture, got none")
        for architecture in start:
            architecture.check(catalogue)
        if population_size < 2 or mutations_max < 1:  # noqa: PLR2004 -- parents and children
            raise ConfigError(
                f"population_size, mutations_max: expected at least 2 and 1, "
                f"got {population_size} and {mutations_max}"
            )
        if not 0.0 <= crossover_rate <= 1.0:
            raise ConfigError(f"crossover_rate: expected [0, 1], got {crossover_rate}")
        if selection not in {"nsga2", "map_elites"}:
            raise ConfigError(f"selection: expected nsga2 or map_elites, got {selection}")
        if selection == "map_elites" and (not cells or len(cells) != len(ranges)):
            raise ConfigError("cells, ranges: expected as many ranges as descriptors, at least one")
        if any(not low < high for low, high in ranges) or any(n < 1 for n in cells):
            raise ConfigError("cells, ranges: expected at least one cell and low < high")
        ensure_whole("seed", seed, 2**64)
        self._catalogue = catalogue
        self._start = list(start)
        self._population_size = population_size
        self._selection = selection
        self._cells = tuple(cells)
        self._ranges = tuple((float(low), float(high)) for low, high in ranges)
        self._crossover_rate = crossover_rate
        self._mutations_max = mutations_max
        self._seed = seed
        self._generation = 0
        self._n_evaluations = 0
        self._held: list[tuple[Architecture, list[float], tuple[int, ...]]] = []
        self._asked: list[Architecture] = []

    @property
    def generation(self) -> int:
        """Batches told."""
        return self._generation

    @property
    def n_evaluations(self) -> int:
        """Architectures told."""
        return self._n_evaluations

    @property
    def population(self) -> list[Architecture]:
        """What is kept."""
        return [architecture for architecture, _, _ in self._held]

    @property
    def objectives(self) -> Floats:
        """``(n, 3) float64``: performance, capability, resource of what is kept."""
        rows = np.array([row for _, row, _ in self._held]).reshape(-1, 4)
        return np.asarray(rows[:, :3] * np.array([-1.0, -1.0, 1.0]))

    @property
    def front(self) -> list[Architecture]:
        """What is kept and dominated by nothing kept."""
        rows = np.array([row for _, row, _ in self._held]).reshape(-1, 4)
        return [self._held[idx][0] for idx in np.flatnonzero(_ranks(rows) == 0)]

    @property
    def best(self) -> Architecture:
        """The kept architecture of least violation, then best performance, then least resource.

        Raises:
            OrderError: Nothing was told yet.
        """
        if not self._held:
            raise OrderError("best: expected architectures that were told; call tell first")
        return min(self._held, key=lambda held: (held[1][3], held[1][0], held[1][2]))[0]

    def ask(self) -> list[Architecture]:
        """Return valid architectures to simulate; the same ones until they are told."""
        if self._asked:
            return list(self._asked)
        rng = np.random.Generator(np.random.Philox(key=[self._seed, self._generation]))
        if not self._held:
            self._asked = self._start[: self._population_size]
            while len(self._asked) < self._population_size:
                parent = self._start[len(self._asked) % len(self._start)]
                self._asked.append(self._vary(parent, rng))
            return list(self._asked)
        parents = self._parents(rng)
        for _ in range(self._population_size):
            child = parents()
            if rng.random() < self._crossover_rate:
                child = cross(self._catalogue, child, parents(), rng)
            self._asked.append(self._vary(child, rng))
        return list(self._asked)

    def tell(self, found: Sequence[Pressures | None]) -> None:
        """Hand in what the simulation found, in the order asked; None where it failed.

        Raises:
            OrderError: Nothing was asked.
            BatchError: Another number of results, NaN, or another number of descriptors.
        """
        if not self._asked:
            raise OrderError("tell: expected a batch that was asked; call ask first")
        if len(found) != len(self._asked):
            raise BatchError(f"found: expected {len(self._asked)} results, got {len(found)}")
        told = []
        for architecture, pressures in zip(self._asked, found, strict=True):
            if pressures is None:
                continue
            row = [float(value) for value in pressures.row()]
            if not np.isfinite(row).all() or row[3] < 0.0:
                raise BatchError(f"found: expected finite numbers and violation >= 0, got {row}")
            told.append((architecture, row, self._cell(pressures)))
        self._n_evaluations += len(self._asked)
        self._asked = []
        self._generation += 1
        merge = self._survive if self._selection == "nsga2" else self._settle
        self._held = merge(self._held + told)

    def step(self, simulate: Callable[[Architecture], Pressures]) -> None:
        """Ask, simulate and tell once; an architecture whose simulation raises is dropped.

        Args:
            simulate: Finds the pressures of one architecture.
        """
        found: list[Pressures | None] = []
        for architecture in self.ask():
            try:
                found.append(simulate(architecture))
            except Exception:  # noqa: BLE001 -- the row fails, the run goes on
                found.append(None)
        self.tell(found)

    def _vary(self, parent: Architecture, rng: np.random.Generator) -> Architecture:
        child = parent
        for _ in range(int(rng.integers(1, self._mutations_max + 1))):
            edit = mutate(self._catalogue, child, rng)
            if edit is not None:
                child = edit.apply(child)
        return child

    def _parents(self, rng: np.random.Generator) -> Callable[[], Architecture]:
        held = self._held
        if self._selection == "map_elites":
            return lambda: held[int(rng.integers(len(held)))][0]
        rows = np.array([row for _, row, _ in held])
        ranks = _ranks(rows)
        crowding = _crowding(rows, ranks)

        def tournament() -> Architecture:
            a, b = (int(idx) for idx in rng.integers(len(held), size=2))
            return held[min((a, b), key=lambda idx: (ranks[idx], -crowding[idx]))][0]

        return tournament

    def _survive(self, pool: list[Any]) -> list[Any]:
        unique = list(
            {architecture: (architecture, row, cell) for architecture, row, cell in pool}.values()
        )
        if len(unique) <= self._population_size:
            return unique
        rows = np.array([row for _, row, _ in unique])
        ranks = _ranks(rows)
        order = np.lexsort((-_crowding(rows, ranks), ranks))
        return [unique[idx] for idx in order[: self._population_size]]

    def _settle(self, pool: list[Any]) -> list[Any]:
        cells: dict[tuple[int, ...], Any] = {}
        for one in pool:
            known = cells.get(one[2])
            if known is None or (one[1][3], one[1][0]) < (known[1][3], known[1][0]):
                cells[one[2]] = one
        return [cells[cell] for cell in sorted(cells)]

    def _cell(self, pressures: Pressures) -> tuple[int, ...]:
        if self._selection == "nsga2":
            return ()
        if len(pressures.descriptors) != len(self._cells):
            raise BatchError(
                f"descriptors: expected {len(self._cells)}, got {len(pressures.descriptors)}"
            )
        out = []
        triples = zip(pressures.descriptors, self._cells, self._ranges, strict=True)
        for value, n, (low, high) in triples:
            if not np.isfinite(value):
                raise BatchError(f"descriptors: expected finite numbers, got {value}")
            out.append(int(np.clip((value - low) / (high - low) * n, 0, n - 1)))
        return tuple(out)

    def to_json(self) -> str:
        """Return the whole state."""
        return json.dumps(
            {
                "settings": {
                    "population_size": self._population_size,
                    "selection": self._selection,
                    "cells": self._cells,
                    "ranges": self._ranges,
                    "crossover_rate": self._crossover_rate,
                    "mutations_max": self._mutations_max,
                    "seed": self._seed,
                },
                "start": [one.to_json() for one in self._start],
                "generation": self._generation,
                "n_evaluations": self._n_evaluations,
                "held": [[one.to_json(), row, cell] for one, row, cell in self._held],
                "asked": [one.to_json() for one in self._asked],
            }
        )

    @classmethod
    def from_json(cls, text: str, catalogue: Catalogue) -> Self:
        """Return the search that `to_json` wrote; it goes on as if never interrupted.

        Raises:
            StateError: It is no such text, or does not fit the catalogue.
        """

        def read(one: str) -> Architecture:
            return Architecture.from_json(one, catalogue)

        try:
            data: Mapping[str, Any] = json.loads(text)
            search = cls(catalogue, [read(one) for one in data["start"]], **data["settings"])
            search._generation = int(data["generation"])
            search._n_evaluations = int(data["n_evaluations"])
            search._held = [(read(one), row, tuple(cell)) for one, row, cell in data["held"]]
            search._asked = [read(one) for one in data["asked"]]
        except (ConfigError, KeyError, TypeError, ValueError) as error:
            raise StateError(f"search: expected what to_json writes, got {error}") from error
        return search


def _ranks(rows: Floats) -> NDArray[np.intp]:
    """Fronts by constrained domination: less violation first, then Pareto; ``(n, 4)`` rows."""
    values, violation = rows[:, :3], rows[:, 3]
    no_worse = (values[:, None] <= values[None]).all(axis=2)
    better = (values[:, None] < values[None]).any(axis=2)
    equal = violation[:, None] == violation[None]
    wins = (violation[:, None] < violation[None]) | (equal & no_worse & better)
    ranks = np.full(len(rows), -1, dtype=np.intp)
    left = np.ones(len(rows), dtype=np.bool_)
    rank = 0
    while left.any():
        front = left & ~wins[left].any(axis=0)
        ranks[front] = rank
        left &= ~front
        rank += 1
    return ranks


def _crowding(rows: Floats, ranks: NDArray[np.intp]) -> Floats:
    out = np.zeros(len(rows))
    for rank in range(int(ranks.max()) + 1):
        front = np.flatnonzero(ranks == rank)
        for column in rows[front, :3].T:
            order = np.argsort(column, kind="stable")
            spread = column[order[-1]] - column[order[0]]
            out[front[order[[0, -1]]]] = np.inf
            if spread > 0:
                out[front[order[1:-1]]] += (column[order[2:]] - column[order[:-2]]) / spread
    return out
