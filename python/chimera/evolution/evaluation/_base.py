"""What every evaluation back end offers: `evaluate`, `counts`, `close`.

Back ends know rows and numbers, never algorithms. Anything with these three names will do; the base
class below only spares repetition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from chimera.errors import ConfigError
from chimera.evolution._types import Direction
from chimera.evolution.evaluation._checks import check_integer, check_timeout
from chimera.evolution.evaluation._result import Batch, Counts, Evaluated, Shape

__all__ = [
    "REASON_CHARS_MAX",
    "Base",
    "CallFailedError",
    "CallTimeoutError",
    "Direction",
    "Evaluator",
    "Follower",
    "Ranking",
    "Task",
    "describe",
    "generator",
]

REASON_CHARS_MAX = 2_000
"""Longest reason of a failed row; longer ones are cut."""


@runtime_checkable
class Evaluator(Protocol):
    """Turns candidates into scores."""

    @property
    def counts(self) -> Counts:
        """What it has cost so far."""
        ...

    def evaluate(self, batch: Batch) -> Evaluated:
        """Score every row; a row that cannot be scored is marked, never raised.

        Args:
            batch: ``(n, d)`` candidates, or a mapping of such arrays for mixed spaces.
        """
        ...

    def close(self) -> None:
        """Let go of processes and memory. Harmless when repeated."""
        ...


class Base:
    """Shared parts: shape of a row, retries, counts, use in a ``with`` statement."""

    def __init__(
        self,
        *,
        retries: int = 0,
        timeout_s: float | None = None,
        n_objectives: int = 1,
        n_descriptors: int = 0,
        n_cases: int = 0,
    ) -> None:
        self._shape = Shape(n_objectives, n_descriptors, n_cases)
        self._retries = check_integer("retries", retries, 0)
        self._timeout_s = check_timeout(timeout_s)
        self._counts = Counts()

    @property
    def counts(self) -> Counts:
        """What evaluation has cost so far."""
        return self._counts

    def close(self) -> None:
        """Let go of what is held; nothing here."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Task:
    """An objective and the limits of one call of it.

    Args:
        function: The objective of one row.
        shape: Of its answers.
        timeout_s: Of one call; None for no limit.
        retries: Further attempts of a row that failed.
        rng_seed: Of the streams handed to the function; None when it takes none.
        memory_bytes_max: Address space that it may add; None for no limit.
    """

    function: Callable[..., Any]
    shape: Shape
    timeout_s: float | None = None
    retries: int = 0
    rng_seed: int | None = None
    memory_bytes_max: int | None = None

    def call(self, x: Any, key: int) -> Any:
        """Call the objective.

        Args:
            x: One row.
            key: Number of the evaluation, for its random stream.
        """
        if self.rng_seed is None:
            return self.function(x)
        return self.function(x, generator(self.rng_seed, key))


class Ranking:
    """The direction in which a back end ranks rows: its own, or that of the search it serves.

    Args:
        direction: What the caller named; None to follow the search, which minimises unless it says
            otherwise.

    Raises:
        ConfigError: It is no direction.
    """

    def __init__(self, direction: Direction | None) -> None:
        if direction not in {None, "minimize", "maximize"}:
            raise ConfigError(f"direction: expected minimize or maximize, got {direction!r}")
        self._named = direction
        self.direction: Direction = direction or "minimize"

    @property
    def sign(self) -> float:
        """The sign with which smaller scores are better."""
        return 1.0 if self.direction == "minimize" else -1.0

    def follow(self, direction: Direction) -> bool:
        """Rank as a search does; return whether that is another direction than before.

        Raises:
            ConfigError: The caller named the other direction.
        """
        if self._named not in {None, direction}:
            raise ConfigError(
                f"direction: expected {direction} as the search, got {self._named} from its "
                "evaluator; leave it out there to follow the search"
            )
        is_other = self.direction != direction
        self.direction = direction
        return is_other


@runtime_checkable
class Follower(Protocol):
    """A back end that ranks rows itself, and must do so as the search does."""

    def follow(self, direction: Direction) -> None:
        """Rank as the search does that this evaluates for.

        Raises:
            ConfigError: The caller named the other direction.
        """
        ...


class CallTimeoutError(Exception):
    """A call was ended by its time limit."""


class CallFailedError(Exception):
    """A call elsewhere raised or ended its process; the message is the reason of its rows."""


def describe(error: BaseException) -> str:
    """Name an exception's class and message in one line."""
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001 -- an objective's exception may be broken itself
        text = "no message"
    reason = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return reason if len(reason) <= REASON_CHARS_MAX else f"{reason[: REASON_CHARS_MAX - 4]} ..."


def generator(seed: int, key: int) -> np.random.Generator:
    """Make the random stream of one evaluation, keyed by its number and not by who computes it."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, key], dtype=np.uint64)))
