"""The loop between a search and its evaluator: an iterator, with callbacks.

It knows neither algorithms nor objectives: whatever asks and tells on one side, whatever evaluates
on the other. Progress bars and files are the caller's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeAlias

import numpy as np

from chimera.errors import ConfigError, OrderError
from chimera.evolution._numbers import to_whole
from chimera.evolution._termination import AnyOf
from chimera.evolution.evaluation._base import Evaluator, Follower
from chimera.evolution.evaluation._result import Batch, Evaluated, n_rows_of, select_rows

__all__ = ["Optimization", "Searches", "Step", "Termination", "optimize"]


class Searches(Protocol):
    """What the loop needs of an algorithm."""

    generation: Any
    n_evaluations: Any
    stop_reason: Any

    def ask(self, n: int | None = None) -> Any:
        """Return candidates."""

    def tell(self, batch: Any, scores: Any, **named: Any) -> None:
        """Learn from their scores."""


@dataclass(frozen=True, slots=True)
class Step:
    """One batch that was asked, evaluated and told.

    Args:
        algorithm: The search, after `tell`.
        batch: The rows that were told.
        evaluated: Their scores.
        elapsed_s: Wall clock since the loop began.
        n_next: Rows that the next step would tell.
    """

    algorithm: Any
    batch: Batch
    evaluated: Evaluated
    elapsed_s: float
    n_next: int = 1

    @property
    def generation(self) -> int:
        """Batches told."""
        return int(self.algorithm.generation)

    @property
    def n_evaluations(self) -> int:
        """Rows told."""
        return int(self.algorithm.n_evaluations)

    @property
    def best_score(self) -> float:
        """The best score so far; NaN with several objectives."""
        return float(getattr(self.algorithm, "best_score", float("nan")))


Termination: TypeAlias = Callable[[Step], str | None]
"""Looks at a step; returns why to stop, or None to go on."""


class Optimization(Iterator[Step]):
    """A loop under way; made by `optimize`.

    Every iteration asks, evaluates and tells once. It may be left and continued, also after the
    algorithm was saved and loaded in between.
    """

    def __init__(
        self,
        algorithm: Any,
        evaluator: Evaluator,
        *,
        termination: Termination | None = None,
        callback: Callable[[Step], Any] | None = None,
        budget: int | None = None,
        first: Any = None,
    ) -> None:
        self._algorithm = algorithm
        self._evaluator = evaluator
        self._termination = termination
        self._callback = callback
        self._n_max = None if budget is None else int(algorithm.n_evaluations) + budget
        self._first = first
        self._start = time.perf_counter()
        self._is_steady = hasattr(evaluator, "collect") and bool(
            getattr(algorithm, "is_steady", False)
        )
        self._has_begun = False
        self.stop_reason: str | None = None

    @property
    def algorithm(self) -> Any:
        """The search."""
        return self._algorithm

    @property
    def evaluator(self) -> Evaluator:
        """The evaluator, with its counts."""
        return self._evaluator

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Step:
        if self.stop_reason is not None:
            raise StopIteration
        batch, evaluated = self._steady() if self._is_steady else self._whole()
        n_next = 1 if self._is_steady else int(getattr(self._algorithm, "batch_size", 1))
        elapsed_s = time.perf_counter() - self._start
        step = Step(self._algorithm, batch, evaluated, elapsed_s, n_next)
        if self._callback is not None and self._callback(step):
            self.stop_reason = "callback"
        if self.stop_reason is None and self._termination is not None:
            self.stop_reason = self._termination(step)
        if self.stop_reason is None and self._n_left() == 0:
            self.stop_reason = "budget"
        if self.stop_reason is None:
            self.stop_reason = getattr(self._algorithm, "stop_reason", None)
        return step

    def run(self) -> Self:
        """Go on until something stops the loop.

        Returns:
            The loop, with its `stop_reason`.
        """
        for _ in self:
            pass
        return self

    def _n_left(self) -> int | None:
        """Rows that may still be told; None without a budget."""
        if self._n_max is None:
            return None
        return max(0, self._n_max - int(self._algorithm.n_evaluations))

    def _ask(self, n: int | None = None) -> Batch:
        batch: Batch = self._algorithm.ask() if n is None else self._algorithm.ask(n)
        return batch if self._first is None else _with_first(batch, self._first)

    def _whole(self) -> tuple[Batch, Evaluated]:
        """Evaluate and tell a batch, or as much of it as the budget allows."""
        n_left = self._n_left()
        n_next = int(getattr(self._algorithm, "batch_size", 1))
        is_cut = n_left is not None and n_left < n_next
        if is_cut and getattr(self._algorithm, "is_size_free", False):
            batch = self._ask(n_left)
        else:
            batch = self._ask()
        n = n_rows_of(batch)
        part, n_skipped = batch, 0
        if n_left is not None and n_left < n:
            part, n_skipped = select_rows(batch, slice(0, n_left)), n - n_left
        evaluated = self._evaluator.evaluate(part)
        if n_skipped:
            told = {name: _padded(name, rows, n) for name, rows in evaluated.arguments().items()}
            told["failed"] = np.arange(n) >= n - n_skipped
            told["failed"][: n - n_skipped] = evaluated.failed
            self._algorithm.tell(batch, **told, skipped=n_skipped)
        else:
            self._algorithm.tell(batch, **evaluated.arguments())
        self._first = None
        return part, evaluated

    def _steady(self) -> tuple[Batch, Evaluated]:
        """Keep rows under way, no more than the budget allows; tell the next that is done."""
        evaluator: Any = self._evaluator
        is_noted = hasattr(evaluator, "search")  # whose rows are pending
        is_other = evaluator.search is not self._algorithm if is_noted else not self._has_begun
        if evaluator.n_pending and is_other:
            raise OrderError(
                f"optimize: expected an evaluator without pending rows of others, got "
                f"{evaluator.n_pending}; collect them, or close the evaluator, which can be used "
                "again"
            )
        self._has_begun = True
        if is_noted:
            evaluator.search = self._algorithm
        n_left = self._n_left()
        while evaluator.n_free and (n_left is None or evaluator.n_pending < n_left):
            evaluator.submit(self._ask(1))
            self._first = None
        batch, evaluated = evaluator.collect()
        self._algorithm.tell(batch, **evaluated.arguments())
        return batch, evaluated


def _with_first(batch: Batch, row: Any) -> Batch:
    """Copy a batch with another first row."""
    if isinstance(batch, Mapping):
        return {name: np.concatenate([row[name][None], block[1:]]) for name, block in batch.items()}
    return np.concatenate([row[None], batch[1:]])


def _padded(name: str, rows: Any, n: int) -> Any:
    """Lengthen what is told of evaluated rows to the whole batch."""
    out = np.full((n, *rows.shape[1:]), 0.0 if name == "violations" else np.nan)
    out[: len(rows)] = rows
    return out


def optimize(
    algorithm: Any,
    evaluator: Evaluator | Callable[[Any], Any],
    *,
    termination: Termination | None = None,
    callback: Callable[[Step], Any] | None = None,
    budget: float | None = None,
    first: Any = None,
) -> Optimization:
    """Return the loop of a search and an evaluator.

    With an `AsyncEvaluator` and a steady algorithm there is no barrier: rows are told one by one
    while others are under way. Those stay with the evaluator when the loop is left, for a loop of
    the same algorithm; one of another algorithm gets an `OrderError` until they are collected or
    the evaluator was closed. Everything else goes batch by batch.

    Args:
        algorithm: Anything with ``ask``, ``tell``, ``generation`` and ``n_evaluations``.
        evaluator: A back end of `chimera.evolution.evaluation`; a plain callable is taken as
            `Vectorized`.
        termination: Called after every step; returns why to stop, or None. Without one the loop
            ends when the algorithm stops by itself or the caller leaves it.
        callback: Called after every step; a true result stops the loop.
        budget: Rows that this loop tells at most. Its last batch is cut: the search learns of the
            other rows as failed, and they do not count.
        first: A row that takes the place of the first one asked, ``(n_genes,)`` or a dictionary by
            block.

    Raises:
        ConfigError: The evaluator, termination or callback is no such thing, the budget is no whole
            number of at least 1, the termination cannot judge this search, or evaluator and search
            name opposite directions.

    Example:
        >>> from chimera.evolution import RandomSearch, optimize
        >>> search = RandomSearch([(-1.0, 1.0)] * 2, batch_size=50, seed=1)
        >>> loop = optimize(
        ...     search,
        ...     lambda x: (x**2).sum(axis=1),
        ...     termination=lambda step: "budget" if step.n_evaluations >= 200 else None,
        ... )
        >>> [step.n_evaluations for step in loop], loop.stop_reason
        ([50, 100, 150, 200], 'budget')
    """
    if callback is not None and not callable(callback):
        raise ConfigError(f"callback: expected a function of a step, got {type(callback).__name__}")
    if termination is not None:
        termination = AnyOf(termination)
        termination.check(algorithm)
    if not isinstance(evaluator, Evaluator):
        if not callable(evaluator):
            raise ConfigError(
                f"evaluator: expected an evaluation back end or a callable, "
                f"got {type(evaluator).__name__}"
            )
        from chimera.evolution.evaluation._serial import Vectorized

        evaluator = Vectorized(
            evaluator,
            n_objectives=int(getattr(algorithm, "n_objectives", 1)),
            n_descriptors=int(getattr(algorithm, "n_descriptors", 0)),
        )
    if isinstance(evaluator, Follower):
        maximized = getattr(algorithm, "maximized", None)
        evaluator.follow("maximize" if maximized and maximized[0] else "minimize")
    return Optimization(
        algorithm,
        evaluator,
        termination=termination,
        callback=callback,
        budget=None if budget is None else to_whole("budget", budget),
        first=first,
    )
