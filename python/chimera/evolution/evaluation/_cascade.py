"""Cheap tests first, expensive ones for the survivors only, and what each stage cost.

A row that a stage drops never meets the next one. What it is worth to the search is a choice: worse
than every row that got further (`violation`, the default), or unusable (`failed`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConfigError
from chimera.evolution.evaluation._base import Base, Direction, Evaluator, Follower, Ranking
from chimera.evolution.evaluation._result import (
    Batch,
    Counts,
    Evaluated,
    n_rows_of,
    select_rows,
)

__all__ = ["Cascade", "Stage", "StageCounts"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One test of a cascade.

    Args:
        evaluator: Scores the rows that got here.
        keep: Share of a batch's usable rows that goes on, in (0, 1]; at least one row does.
        threshold: Only rows whose first objective is at most this go on (at least, when
            maximising).
        cost: Price of one evaluation, in any unit.
        name: For reports; default the position.
    """

    evaluator: Evaluator
    keep: float = 1.0
    threshold: float | None = None
    cost: float = 1.0
    name: str = ""


@dataclass(slots=True)
class StageCounts:
    """What one stage did so far.

    Args:
        name: The stage's.
        n_rows: Rows that came.
        n_passed: Rows that went on, or were done after the last stage.
        n_dropped: Rows that stopped here although they had a score.
        n_failed: Rows without a usable score.
        cost: Evaluations times the price of one, retries included.
        seconds: Time inside the objective.
    """

    name: str
    n_rows: int = 0
    n_passed: int = 0
    n_dropped: int = 0
    n_failed: int = 0
    cost: float = 0.0
    seconds: float = 0.0


class Cascade(Base):
    """Evaluate in stages.

    A row's scores are those of the last stage it reached. Dropped rows rank behind all that went
    further: with ``dropped="violation"`` they carry a constraint violation of 1 per stage missed
    (plus that stage's own violation, squashed below 1), so the feasibility rule (Deb, 2000) does
    it; with ``dropped="failed"`` they are marked failed, for searches without constraints.

    Args:
        stages: At least one; all of one number of objectives.
        dropped: What becomes of dropped rows.
        direction: Whether low or high first objectives survive; by default as in the search that a
            loop runs.

    Raises:
        ConfigError: No stage, or a stage's setting outside its range; in a loop, another direction
            than the search's.

    Example:
        >>> import numpy as np
        >>> from chimera.evolution.evaluation import Vectorized
        >>> rough = Vectorized(lambda x: x[:, 0])
        >>> exact = Vectorized(lambda x: x[:, 0] ** 2)
        >>> cascade = Cascade([Stage(rough, keep=0.5), Stage(exact, cost=100.0)])
        >>> done = cascade.evaluate(np.array([[3.0], [1.0], [2.0], [4.0]]))
        >>> done.violations.tolist(), cascade.counts.cost
        ([1.0, 0.0, 0.0, 1.0], 204.0)
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        dropped: Literal["violation", "failed"] = "violation",
        direction: Direction | None = None,
    ) -> None:
        super().__init__()
        if not stages:
            raise ConfigError("stages: expected at least one, got none")
        for idx, stage in enumerate(stages):
            if not 0.0 < stage.keep <= 1.0:
                raise ConfigError(f"keep: expected (0, 1], got {stage.keep} in stage {idx}")
            if not (math.isfinite(stage.cost) and stage.cost >= 0.0):
                raise ConfigError(f"cost: expected 0 or more, got {stage.cost} in stage {idx}")
        if dropped not in {"violation", "failed"}:
            raise ConfigError(f"dropped: expected violation or failed, got {dropped}")
        self._ranking = Ranking(direction)
        self._stages = list(stages)
        self._is_failing = dropped == "failed"
        self._reports = [StageCounts(s.name or str(idx)) for idx, s in enumerate(stages)]
        self._n_rows = 0
        self._n_failed = 0

    @property
    def counts(self) -> Counts:
        """All stages together; rows and failures as the search saw them."""
        total = Counts()
        for stage in self._stages:
            total = total + stage.evaluator.counts
        total.n_rows, total.n_failed = self._n_rows, self._n_failed
        total.cost = math.fsum(report.cost for report in self._reports)
        return total

    @property
    def stages(self) -> list[StageCounts]:
        """What each stage did so far."""
        return self._reports

    def evaluate(self, batch: Batch) -> Evaluated:
        """Score every row as far as it gets.

        Args:
            batch: ``(n, d)`` candidates, or a mapping of such arrays.
        """
        n = n_rows_of(batch)
        merged = _Merged(n)
        alive = np.arange(n)
        for idx, stage in enumerate(self._stages):
            if len(alive) == 0 and idx > 0:
                break
            before = stage.evaluator.counts.n_evaluations
            rows = batch if len(alive) == n else select_rows(batch, alive)
            done = stage.evaluator.evaluate(rows)
            n_missing = len(self._stages) - 1 - idx
            merged.take(alive, done, n_missing, idx)
            passed = self._passing(stage, done) if n_missing else ~done.failed
            report = self._reports[idx]
            report.n_rows += len(alive)
            report.n_failed += int(done.failed.sum())
            report.n_passed += int(passed.sum())
            report.n_dropped += int((~passed & ~done.failed).sum())
            report.cost += stage.cost * (stage.evaluator.counts.n_evaluations - before)
            report.seconds += float(done.seconds.sum())
            if self._is_failing and n_missing:
                for row in alive[~passed & ~done.failed].tolist():
                    merged.errors[row] = f"dropped by stage {report.name}"
            alive = alive[passed]
        out = merged.finish(with_violations=not self._is_failing and len(self._stages) > 1)
        self._n_rows += n
        self._n_failed += len(out.errors)
        return out

    @property
    def _sign(self) -> float:
        return self._ranking.sign

    def follow(self, direction: Direction) -> None:
        """Keep what the search keeps that this evaluates for; loops call it.

        Raises:
            ConfigError: The caller named the other direction.
        """
        self._ranking.follow(direction)
        for stage in self._stages:
            if isinstance(stage.evaluator, Follower):
                stage.evaluator.follow(direction)

    def close(self) -> None:
        """Close every stage's evaluator."""
        for stage in self._stages:
            stage.evaluator.close()

    def _passing(self, stage: Stage, done: Evaluated) -> NDArray[np.bool_]:
        usable = ~done.failed
        score = self._sign * done.objectives[:, 0]
        if done.violations is not None:
            order = np.lexsort((score, done.violations, done.failed))
        else:
            order = np.lexsort((score, done.failed))
        passed = np.zeros(len(done), dtype=np.bool_)
        n_usable = int(usable.sum())
        passed[order[: min(n_usable, max(1, math.ceil(stage.keep * n_usable)))]] = True
        if stage.threshold is not None:
            with np.errstate(invalid="ignore"):
                passed &= score <= self._sign * stage.threshold
        return passed


@dataclass(slots=True)
class _Merged:
    """Each row's scores from the last stage it reached."""

    n: int
    errors: dict[int, str] = field(default_factory=dict)
    objectives: NDArray[np.float64] | None = None
    descriptors: NDArray[np.float64] | None = None
    cases: NDArray[np.float64] | None = None
    violations: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    seconds: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    has_violations: bool = False

    def take(self, rows: NDArray[np.intp], done: Evaluated, n_missing: int, idx: int) -> None:
        if self.objectives is None:
            self.objectives = np.full((self.n, done.objectives.shape[1]), np.nan)
            self.violations = np.zeros(self.n)
            self.seconds = np.zeros(self.n)
        if done.objectives.shape[1] != self.objectives.shape[1]:
            raise ConfigError(
                f"stages: expected {self.objectives.shape[1]} objectives from each, "
                f"got {done.objectives.shape[1]} from stage {idx}"
            )
        self.objectives[rows] = done.objectives
        self.seconds[rows] += done.seconds
        own = np.zeros(len(rows)) if done.violations is None else done.violations
        self.has_violations |= done.violations is not None
        # Below 1, so that a row that got further always ranks before.
        self.violations[rows] = n_missing + own / (1.0 + own) if n_missing else own
        for name in ("descriptors", "cases"):
            values = getattr(done, name)
            if values is not None:
                if getattr(self, name) is None:
                    setattr(self, name, np.zeros((self.n, values.shape[1])))
                getattr(self, name)[rows] = values
        self.errors.update({int(rows[row]): text for row, text in done.errors.items()})

    def finish(self, *, with_violations: bool) -> Evaluated:
        failed = np.zeros(self.n, dtype=np.bool_)
        failed[list(self.errors)] = True
        objectives = self.objectives if self.objectives is not None else np.empty((self.n, 1))
        objectives[failed] = np.nan
        for values in (self.descriptors, self.cases):
            if values is not None:
                values[failed] = np.nan
        violations = self.violations if with_violations or self.has_violations else None
        return Evaluated(
            objectives=objectives,
            failed=failed,
            violations=violations,
            descriptors=self.descriptors,
            cases=self.cases,
            errors=dict(sorted(self.errors.items())),
            seconds=self.seconds,
        )
