"""What a call of `minimize` leaves behind: the result, its history, and why rows failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chimera.errors import EvaluationError
from chimera.evolution._algorithm import Algorithm
from chimera.evolution._loop import Step
from chimera.evolution.evaluation._result import kind_of

__all__ = ["Failures", "History", "Result"]

REASONS_MAX = 16
"""Most distinct reasons of failure that are counted apart."""
_OTHER = "other reasons"
_REASON_CHARACTERS_MAX = 200
_SHOWN_MAX = 3
_HOPELESS_ROWS = 8
"""Rows that must fail alike before a run is given up."""


@dataclass
class History:
    """What every step left behind, one entry a batch.

    Args:
        n_evaluations: Rows told so far.
        best_score: Best score so far, in the caller's direction; NaN with several objectives.
        violation: Violation of the best row so far.
        elapsed_s: Wall clock since the call began.
    """

    n_evaluations: list[int] = field(default_factory=list)
    best_score: list[float] = field(default_factory=list)
    violation: list[float] = field(default_factory=list)
    elapsed_s: list[float] = field(default_factory=list)

    def add(self, step: Step) -> None:
        """Note a step."""
        best = step.algorithm.best
        self.n_evaluations.append(step.n_evaluations)
        self.best_score.append(float("nan") if best is None else float(best[1]))
        self.violation.append(float("nan") if best is None else float(best[2]))
        self.elapsed_s.append(step.elapsed_s)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the lists as arrays ``(n_steps,)`` by name, copied."""
        return {name: np.asarray(values) for name, values in vars(self).items()}


@dataclass
class Result:
    """What a search found.

    Args:
        x: Best row, ``(n_genes,)`` or a dictionary by block; with several objectives the rows of
            the front, ``(k, n_genes)``. None when every row failed.
        score: Its score, in the caller's direction; with several objectives ``(k, n_objectives)``.
        violation: Its constraint violation, 0 where feasible; with several objectives ``(k,)``.
        n_evaluations: Rows told in the life of the search.
        n_failed: Rows among them whose evaluation failed.
        stop_reason: ``budget``, ``time``, ``target``, ``stagnation``, ``callback``,
            ``interrupted``, or what the method says.
        method: The method that ran.
        reason: Why it was chosen.
        history: What every step left behind.
        algorithm: The search, to go on: ``minimize(objective, method=result.algorithm)``.
        errors: Why rows of this call failed, and how many did so for each reason, in order of
            appearance; from the 17th distinct one on they count as ``other reasons``.
    """

    x: Any
    score: Any
    violation: Any
    n_evaluations: int
    n_failed: int
    stop_reason: str
    method: str
    reason: str
    history: History
    algorithm: Algorithm
    errors: dict[str, int] = field(default_factory=dict)

    @property
    def is_feasible(self) -> bool:
        """Whether something was found that meets the constraints."""
        return self.x is not None and bool(np.all(np.asarray(self.violation) <= 0.0))

    def __str__(self) -> str:
        """Say what was found, how, and why it ended."""
        if self.algorithm.n_objectives > 1:
            found = f"{0 if self.x is None else len(self.score)} rows on the front"
        elif self.x is None:
            found = "nothing: every row failed"
        else:
            found = f"score {self.score:.10g}"
            if self.violation > 0:
                found += f", violation {self.violation:.3g}: not feasible"
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        shown = sorted(self.errors.items(), key=lambda pair: -pair[1])
        reasons = "".join(f"\n  {n} failed: {reason}" for reason, n in shown[:_SHOWN_MAX])
        if len(shown) > _SHOWN_MAX:
            reasons += f"\n  ... and {len(shown) - _SHOWN_MAX} more reasons in result.errors"
        return (
            f"{found}\n"
            f"  after {self.n_evaluations} evaluations{failed}; stopped by {self.stop_reason}\n"
            f"  method {self.method}: {self.reason}{reasons}"
        )


class Failures:
    """Counts why rows failed, and gives up an objective that cannot work.

    An objective that raises, or answers in another shape, in every row of the first batch for one
    and the same reason is taken for broken. NaN and infinity are answers: rows where a simulation
    diverges, say, and others may do better.

    Args:
        may_fail: Never give up.
        row: What the objective is handed, for the message.
        vectorized: Whether it is handed whole batches.
    """

    def __init__(self, *, may_fail: bool, row: str, vectorized: bool) -> None:
        self.counts: dict[str, int] = {}
        self._hands = (
            "whole batches, because of vectorized=True" if vectorized else f"one row, {row}"
        )
        self._is_open = not may_fail
        self._n_rows = 0

    def add(self, step: Step) -> None:
        """Count the failures of a step."""
        self._n_rows += len(step.evaluated)
        for text in step.evaluated.errors.values():
            reason, is_answer = kind_of(text)
            self._is_open &= not is_answer
            reason = reason[:_REASON_CHARACTERS_MAX]
            if reason not in self.counts and len(self.counts) >= REASONS_MAX:
                reason = _OTHER
            self.counts[reason] = self.counts.get(reason, 0) + 1

    def check(self) -> None:
        """Look at what was counted so far, after every step.

        Raises:
            EvaluationError: The first batch says that the objective is broken.
        """
        if not self._is_open:
            return
        (reason, n_failed), *others = list(self.counts.items()) or [("", 0)]
        if others or n_failed < self._n_rows:
            self._is_open = False
        elif self._n_rows >= _HOPELESS_ROWS:
            raise EvaluationError(
                f"objective: expected scores, got the same failure in all {self._n_rows} rows of "
                f"the first batch: {reason}; it is handed {self._hands}: mend it, or say "
                "may_fail=True to go on all the same"
            )
