"""Programs as genomes: search better versions of functions, with the sandbox as evaluator.

A thin face of the native program search that `chimera.improve` wires into its loop; here it is
without ledger, hold-out and verdict. For a proven improvement use `chimera.improve`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from chimera._chimera.evolution import Candidate, Search, Step
from chimera._chimera.execution import Engine, Instances
from chimera._chimera.programs import Program
from chimera.errors import ConfigError
from chimera.evolution._snapshot import SavedState, read_state, write_state
from chimera.evolution._types import Direction


class ProgramSearch:
    """Evolve functions written in the compiled subset of Python.

    Every variant is well typed by construction, compiled to WebAssembly and run under limits; one
    that traps or never ends is merely a bad variant. Islands, an archive by size and behaviour,
    racing over instances and tuning of constants are built in.

    It steps instead of asking and telling: a generation is a race of several rounds, in which who
    survives one decides what runs in the next, and what is learned are scores per instance, fuel
    and behaviours on the probes, not one number a row. The objective is compiled with the program,
    so there is nothing to evaluate outside.

    Args:
        source: Python source of all functions.
        objective: Name of the function that scores a variant, one call per instance.
        evolvable: Names of the functions that may change.
        instances: Arguments of the objective, one tuple per instance.
        probes: Per evolvable function, argument tuples on which behaviours are told apart.
        direction: ``minimize`` or ``maximize``.
        seed: Seed of every random stream; equal seed, equal search, on any number of threads.
        threads: Threads of the sandbox, 0 for one per core.
        settings: ``n_islands``, ``island_size``, ``batch``, ``size_max``, ``store_capacity``,
            ``n_parameters_max``, ``archive_share``, ``minibatch``.

    Raises:
        SourceError: The source lies outside the subset.
        ArgumentError: An instance does not fit the objective's signature.
        ConfigError: No instance, or a setting outside its range.

    Example:
        >>> source = '''
        ... def guess(x: float) -> float:
        ...     return x
        ...
        ... def error(x: float, y: float) -> float:
        ...     return (guess(x) - y) * (guess(x) - y)
        ... '''
        >>> points = [(x / 4, 3.0 * x / 4) for x in range(-8, 9)]
        >>> search = ProgramSearch(
        ...     source, objective="error", evolvable=["guess"], instances=points, seed=1
        ... )
        >>> for step in search.run(generations=30):
        ...     if step.best_score < 1e-6:
        ...         break
        >>> bool(search.best.score < 1.0)
        True
    """

    def __init__(
        self,
        source: str,
        *,
        objective: str,
        evolvable: Sequence[str],
        instances: Sequence[tuple[Any, ...]],
        probes: Mapping[str, Sequence[tuple[Any, ...]]] | None = None,
        direction: Direction = "minimize",
        seed: int = 0,
        threads: int = 1,
        settings: Mapping[str, float] | None = None,
    ) -> None:
        if not instances:
            raise ConfigError("instances: expected at least one tuple of arguments, got none")
        if not evolvable:
            raise ConfigError("evolvable: expected at least one function name, got none")
        self._objective = objective
        self._baseline = Program.parse(
            source, roots=[objective, *evolvable], evolvable=list(evolvable)
        )
        self._instances = Instances(self._baseline, objective, list(instances))
        self._engine = Engine(threads=threads)
        self._search = Search(
            self._baseline,
            objective,
            self._instances,
            seed=seed,
            direction=direction,
            probes={name: list(points) for name, points in (probes or {}).items()},
            settings=dict(settings) if settings else None,
        )

    def step(self) -> Step:
        """Run one generation: propose, compile, evaluate with racing, learn."""
        return self._search.step(self._engine)

    def run(
        self, *, generations: int | None = None, evaluations: int | None = None
    ) -> Iterator[Step]:
        """Yield one step after the other until a budget is spent.

        Args:
            generations: Most steps; None for no limit.
            evaluations: Stop once so many objective calls were made; None for no limit.
        """
        n_steps = 0
        while generations is None or n_steps < generations:
            if evaluations is not None and self.n_evaluations >= evaluations:
                return
            yield self.step()
            n_steps += 1

    @property
    def best(self) -> Candidate:
        """The best variant so far; before the first step the source itself, with a NaN score."""
        return self._search.best

    @property
    def best_source(self) -> str:
        """The evolvable functions of the best variant as Python."""
        return self._search.best.program.source()

    @property
    def n_evaluations(self) -> int:
        """Objective calls so far, each on one instance."""
        return self._search.n_evaluations

    @property
    def generation(self) -> int:
        """Steps so far."""
        return self._search.generation

    def lineage(self, identity: str | None = None) -> list[Candidate]:
        """Return the candidates from the source to one of them, the best by default."""
        return self._search.lineage(self.best.id if identity is None else identity)

    def operators(self) -> list[dict[str, Any]]:
        """Return name, trials, acceptances and credit of every variation operator."""
        return [dict(row) for row in self._search.operators()]

    def save(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """Return the state of the search; the source and instances are not part of it.

        Args:
            path: Where to write it as well; None for nowhere. The file is replaced in one step.

        Raises:
            ConfigError: The path names no file.
            StorageError: The file cannot be written; an older one stays as it was.
        """
        state = self._search.save()
        if path is not None:
            write_state(path, state)
        return state

    def restore(self, source: SavedState) -> Self:
        """Go on from what `save` wrote, with the same source and instances.

        Args:
            source: The bytes, or the path of the file.

        Raises:
            ConfigError: The source is neither.
            StateError: Damaged, of another version, or of another task; nothing was changed.
            StorageError: The file cannot be read; a `MissingFileError` when there is none.
        """
        state = read_state("a saved search of programs", source)
        self._search = Search.load(state, self._baseline, self._objective, self._instances)
        return self
