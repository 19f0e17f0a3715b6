"""The native modules as the improvement loop sees them: names, shapes, and one place to import.

Types only; no logic. The classes mirror ``chimera._chimera`` and exist so that the loop is typed
whether or not the stubs are at hand.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np

__all__ = [
    "Candidate",
    "Engine",
    "Evaluations",
    "Instances",
    "Program",
    "Search",
    "Step",
    "load_search",
    "make_engine",
    "make_instances",
    "make_search",
    "parse",
    "score_pairs",
]


class Program(Protocol):
    """A parsed program."""

    id: str
    size: int

    def source(self) -> str:
        """Return the evolvable functions as Python."""

    def splice(self, original: str) -> str:
        """Return the whole task file with the evolvable functions replaced."""

    def simplify(self) -> Program:
        """Return an equal program with less in it."""

    def reductions(self) -> list[Program]:
        """Return smaller programs that lack one part of this one, smallest first."""

    def rounded(self, digits: int) -> Program:
        """Return the program with its tunable floats at so many significant digits."""


class Instances(Protocol):
    """Encoded argument tuples."""

    def __len__(self) -> int:
        """Return how many."""


class Evaluations(Protocol):
    """Result of evaluating programs on instances, program-major."""

    scores: Any
    """``(k,) float64``, NaN where not ok."""
    status: Any
    """``(k,) uint8``, 0 is ok."""
    fuel: Any
    """``(k,) uint64``."""
    ns: Any
    """``(k,) uint64`` nanoseconds."""
    reasons: list[str | None]


class Engine(Protocol):
    """The sandbox."""

    def evaluate(
        self,
        programs: Sequence[Program],
        function: str,
        instances: Instances,
        pairs: Any = None,
    ) -> Evaluations:
        """Evaluate every program on every instance, or the chosen pairs."""


class Candidate(Protocol):
    """One program that the search has met."""

    id: str
    program: Program
    score: float
    n_instances: int
    parents: list[str]
    operator: str
    generation: int


class Step(Protocol):
    """One generation."""

    generation: int
    n_evaluations: int
    n_candidates: int
    n_traps: int
    n_duplicates: int
    best_score: float
    improvements: list[Candidate]
    digest: str


class Search(Protocol):
    """The evolutionary search."""

    best: Candidate
    n_evaluations: int
    n_selection: int
    generation: int

    def step(self, engine: Engine) -> Step:
        """Run one generation."""

    def lineage(self, id: str) -> list[Candidate]:  # noqa: A002
        """Return the ancestors from the baseline to a candidate."""

    def operators(self) -> list[dict[str, Any]]:
        """Return how often each variation was tried and accepted, and its gain."""

    def save(self) -> bytes:
        """Return the whole state."""

    def digest(self) -> str:
        """Return the state's sha256 (hex)."""


TIMEOUT_MS = 600_000
"""Fuel ends a call long before; a time limit would make results depend on the machine."""


def _module(name: str) -> Any:
    return importlib.import_module(f"chimera._chimera.{name}")


def parse(source: str, *, file: str, roots: Sequence[str], evolvable: Sequence[str]) -> Program:
    """Parse the compiled subset; see ``chimera._chimera.programs.Program.parse``."""
    program = _module("programs").Program.parse(
        source, file=file, roots=list(roots), evolvable=list(evolvable)
    )
    return cast("Program", program)


def make_engine(*, threads: int) -> Engine:
    """Start the sandbox."""
    return cast("Engine", _module("execution").Engine(threads=threads, timeout_ms=TIMEOUT_MS))


def make_instances(
    program: Program, function: str, arguments: Sequence[tuple[Any, ...]]
) -> Instances:
    """Encode argument tuples for a function."""
    made = _module("execution").Instances(program, function, list(arguments))
    return cast("Instances", made)


def make_search(
    program: Program,
    objective: str,
    instances: Instances,
    *,
    seed: int,
    direction: str,
    probes: Mapping[str, list[tuple[Any, ...]]],
) -> Search:
    """Start a search."""
    search = _module("evolution").Search(
        program, objective, instances, seed=seed, direction=direction, probes=dict(probes)
    )
    return cast("Search", search)


def score_pairs(
    engine: Engine,
    programs: Sequence[Program],
    function: str,
    instances: Instances,
    pairs: Sequence[tuple[int, int]],
) -> list[float]:
    """Return the score of each (program index, instance index); NaN where it gave none."""
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    result = engine.evaluate(list(programs), function, instances, rows)
    return [float(score) for score in result.scores]


def load_search(data: bytes, program: Program, objective: str, instances: Instances) -> Search:
    """Continue a saved search."""
    loaded = _module("evolution").Search.load(data, program, objective, instances)
    return cast("Search", loaded)
