"""Noisy objectives: evaluate again where the ranks are not clear, and nowhere else.

Between a search, which sees means, and the evaluator, which sees single draws. Rows are raced:
every row gets ``n_min`` draws; then only rows that might still belong to the other side of the cut
get more. Costs are counted exactly, and the best row comes with its interval.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConfigError, OrderError
from chimera.evolution._student import quantile
from chimera.evolution.evaluation._base import Direction, Evaluator, Follower, Ranking
from chimera.evolution.evaluation._result import (
    Batch,
    Counts,
    Evaluated,
    Floats,
    n_rows_of,
    select_rows,
)

__all__ = ["SAMPLES_MAX", "NoisyBest", "Resampling"]

SAMPLES_MAX = 1_000_000
"""Most draws of one row."""


@dataclass(frozen=True, slots=True)
class NoisyBest:
    """A row with what its draws say.

    Args:
        x: The row, ``(d,)`` or a mapping of arrays.
        mean: Mean of the first objective.
        low: Lower end of its confidence interval.
        high: Upper end.
        n_samples: Draws behind it.
    """

    x: Any
    mean: float
    low: float
    high: float
    n_samples: int


class Resampling:
    """Make a noisy evaluator tell means whose ranks can be trusted.

    ``racing`` gives another draw to every row whose confidence interval crosses the cut between the
    best ``n_select`` rows and the others, until none does or ``n_max`` is reached (Maron and Moore,
    1994, with t intervals; as there, the confidence is shared out among the rows compared and the
    ``n_max - n_min + 1`` looks at each). ``ocba`` hands out as many draws by optimal computing
    budget allocation (Chen et al., 2000): in proportion to ``(deviation / distance from the
    cut)**2``, so that little is spent on the clearly bad and on the exactly known.
    Several objectives, descriptors and cases are averaged; the first objective decides the race.

    Args:
        evaluator: Gives one draw per row; it must not be deterministic by row.
        n_min: Draws of every row, at least 2.
        n_max: Draws of a row within one batch, at most.
        confidence: With which all ranks across the cut shall be right.
        n_select: Rows that matter to the search: how many survive, or 1.
        method: ``racing`` or ``ocba``.
        direction: Whether low or high is best; by default as the search that a loop runs.
        n_elite: Rows whose draws are kept across batches for `best`.

    Raises:
        ConfigError: A setting outside its range; in a loop, another direction than the search's.

    Example:
        >>> import numpy as np
        >>> noisy = PerRow(lambda x, rng: float(x[0] + rng.normal()), rng_seed=1)
        >>> racing = Resampling(noisy, n_min=4, n_max=64)
        >>> done = racing.evaluate(np.array([[0.0], [0.5], [9.0]]))
        >>> bool(done.n_samples[2] < done.n_samples[0])
        True
        >>> racing.best().low < 0.0 < racing.best().high
        True
    """

    def __init__(
        self,
        evaluator: Evaluator,
        *,
        n_min: int = 3,
        n_max: int = 30,
        confidence: float = 0.95,
        n_select: int = 1,
        method: Literal["racing", "ocba"] = "racing",
        direction: Direction | None = None,
        n_elite: int = 8,
    ) -> None:
        if not isinstance(evaluator, Evaluator):
            raise ConfigError(f"evaluator: expected a back end, got {type(evaluator).__name__}")
        if not 2 <= n_min <= n_max <= SAMPLES_MAX:  # noqa: PLR2004 -- a variance needs two
            raise ConfigError(
                f"n_min, n_max: expected 2 <= n_min <= n_max <= {SAMPLES_MAX}, "
                f"got {n_min} and {n_max}"
            )
        if not 0.0 < confidence < 1.0:
            raise ConfigError(f"confidence: expected a number in (0, 1), got {confidence}")
        if n_select < 1 or n_elite < 1:
            raise ConfigError(
                f"n_select, n_elite: expected at least 1, got {n_select} and {n_elite}"
            )
        if method not in {"racing", "ocba"}:
            raise ConfigError(f"method: expected racing or ocba, got {method}")
        self._ranking = Ranking(direction)
        self._evaluator = evaluator
        self._n_min = n_min
        self._n_max = n_max
        self._confidence = confidence
        self._n_select = n_select
        self._is_racing = method == "racing"
        self._n_elite = n_elite
        self._elite: list[tuple[Any, _Draws]] = []
        self._n_rows = 0
        self._n_failed = 0

    @property
    def counts(self) -> Counts:
        """Draws, retries and seconds of the evaluator; rows and failures as the search saw them."""
        inner = self._evaluator.counts
        out = Counts() + inner
        out.n_rows, out.n_failed = self._n_rows, self._n_failed
        return out

    @property
    def _sign(self) -> float:
        return self._ranking.sign

    def follow(self, direction: Direction) -> None:
        """Rank as the search does that this evaluates for; loops call it.

        Raises:
            ConfigError: The caller named the other direction.
        """
        if self._ranking.follow(direction):
            self._elite = []
        if isinstance(self._evaluator, Follower):
            self._evaluator.follow(direction)

    def close(self) -> None:
        """Close the evaluator."""
        self._evaluator.close()

    def evaluate(self, batch: Batch) -> Evaluated:
        """Score every row by the mean of its draws.

        A row of which any draw failed is marked failed.

        Args:
            batch: ``(n, d)`` candidates, or a mapping of such arrays.

        Returns:
            Means, with ``n_samples`` and ``standard_errors``.
        """
        n = n_rows_of(batch)
        draws = [_Draws() for _ in range(n)]
        errors: dict[int, str] = {}
        every = np.arange(n)
        for _ in range(self._n_min if n else 1):
            self._draw(batch, every[[row not in errors for row in range(n)]], draws, errors)
        n_spare = max(0, n * (self._n_max - self._n_min))
        while n_spare > 0:
            alive = [row for row in range(n) if row not in errors]
            chosen = self._contenders(draws, alive, self._n_select)[:n_spare]
            if not chosen:
                break
            n_spare -= len(chosen)
            self._draw(batch, np.array(chosen), draws, errors)
        self._n_rows += n
        self._n_failed += len(errors)
        self._remember(batch, draws, errors)
        return _summary(draws, errors)

    def best(self) -> NoisyBest:
        """Return the best row so far by its mean, with a two-sided interval.

        Raises:
            OrderError: Nothing was evaluated yet.
        """
        if not self._elite:
            raise OrderError("best: expected a batch that was evaluated; call evaluate first")
        x, draws = min(self._elite, key=lambda pair: self._sign * pair[1].mean)
        half = quantile(self._confidence, draws.n - 1) * draws.error
        return NoisyBest(x, draws.mean, draws.mean - half, draws.mean + half, draws.n)

    def confirm(self, *, n_max: int | None = None) -> NoisyBest:
        """Race the best rows of all batches against each other, and return the winner.

        The best of many means is biased: it was chosen for its luck. Fresh draws undo that.

        Args:
            n_max: Further draws of a row, at most; default as for a batch.

        Raises:
            OrderError: Nothing was evaluated yet.
            ConfigError: ``n_max`` is below 2.
        """
        if not self._elite:
            raise OrderError("confirm: expected a batch that was evaluated; call evaluate first")
        limit = self._n_max if n_max is None else n_max
        if limit < 2:  # noqa: PLR2004 -- a variance needs two
            raise ConfigError(f"n_max: expected at least 2, got {limit}")
        batch = _stack([x for x, _ in self._elite])
        fresh = [_Draws() for _ in self._elite]
        errors: dict[int, str] = {}
        rows = np.arange(len(fresh))
        for idx in range(limit):
            chosen = rows
            if idx >= self._n_min:
                alive = [row for row in range(len(fresh)) if row not in errors]
                chosen = np.array(self._contenders(fresh, alive, 1, limit), dtype=np.intp)
            chosen = chosen[[int(row) not in errors for row in chosen]]
            if len(chosen) == 0:
                break
            self._draw(batch, chosen, fresh, errors)
        kept = [
            (x, draws)
            for row, ((x, _), draws) in enumerate(zip(self._elite, fresh, strict=True))
            if row not in errors
        ]
        if kept:
            self._elite = kept
        return self.best()

    def _draw(
        self, batch: Batch, rows: NDArray[np.intp], draws: list[_Draws], errors: dict[int, str]
    ) -> None:
        is_all = len(rows) == n_rows_of(batch)
        done = self._evaluator.evaluate(batch if is_all else select_rows(batch, rows))
        for place, row in enumerate(rows.tolist()):
            draws[row].add(done, place)
            if done.failed[place]:
                errors[row] = f"{done.errors[place]} (draw {draws[row].n})"
            elif not draws[row].is_finite:
                errors[row] = (
                    f"the mean of {draws[row].n} draws is not finite; expected scores whose "
                    "differences are numbers"
                )

    def _contenders(
        self, draws: list[_Draws], alive: list[int], n_select: int, n_max: int | None = None
    ) -> list[int]:
        """Rows that deserve another draw, in order; none when the ranks are clear."""
        if len(alive) <= n_select:
            return []
        limit = self._n_max if n_max is None else n_max
        order = sorted(alive, key=lambda row: (self._sign * draws[row].mean, row))
        inside, outside = order[:n_select], order[n_select:]
        # Bonferroni: all intervals hold together with the confidence asked for, those of all rows
        # and those of a row at every number of draws at which it is looked at.
        n_looks = max(1, limit - self._n_min + 1)
        share = 1.0 - (1.0 - self._confidence) / (len(alive) * n_looks)
        half = {row: quantile(share, draws[row].n - 1) * draws[row].error for row in alive}
        mean = {row: self._sign * draws[row].mean for row in alive}
        worst_inside = max(mean[row] + half[row] for row in inside)
        best_outside = min(mean[row] - half[row] for row in outside)
        if worst_inside < best_outside:
            return []
        unclear = [row for row in inside if mean[row] + half[row] >= best_outside]
        unclear += [row for row in outside if mean[row] - half[row] <= worst_inside]
        unclear = [row for row in unclear if half[row] > 0.0]
        if self._is_racing:
            return sorted(row for row in unclear if draws[row].n < limit)
        cut = 0.5 * (mean[inside[-1]] + mean[outside[0]])
        weight = {
            row: draws[row].variance / max((mean[row] - cut) ** 2, 1e-12 * draws[row].variance)
            for row in unclear
        }
        total = math.fsum(weight.values())
        n_all = sum(draws[row].n for row in unclear) + len(unclear)
        lacking = {
            row: weight[row] / total * n_all - draws[row].n
            for row in unclear
            if draws[row].n < limit
        }
        # The most underserved half, so that a round is still one batch.
        ranked = sorted(lacking, key=lambda row: (-lacking[row], row))
        return sorted(ranked[: max(1, len(ranked) // 2)])

    def _remember(self, batch: Batch, draws: list[_Draws], errors: dict[int, str]) -> None:
        rows = [row for row in range(len(draws)) if row not in errors]
        if any(draws[row].violation > 0 for row in rows):
            rows = [row for row in rows if draws[row].violation <= 0]
        pool = self._elite + [(select_rows(batch, row), draws[row]) for row in rows]
        pool.sort(key=lambda pair: self._sign * pair[1].mean)
        self._elite = [(_copied(x), drawn) for x, drawn in pool[: self._n_elite]]


def _copied(x: Any) -> Any:
    if isinstance(x, Mapping):
        return {name: np.array(block) for name, block in x.items()}
    return np.array(x)


def _stack(rows: list[Any]) -> Batch:
    first = rows[0]
    if isinstance(first, Mapping):
        return {name: np.stack([row[name] for row in rows]) for name in first}
    return np.stack(rows)


class _Draws:
    """Running mean and variance (Welford, 1962) of everything one row's draws give."""

    __slots__ = ("_mean", "_spread", "_widths", "has_violation", "n", "seconds")

    def __init__(self) -> None:
        self.n = 0
        self.seconds = 0.0
        self.has_violation = False
        self._mean: Floats = np.zeros(0)
        self._spread: Floats = np.zeros(0)
        self._widths = (1, 0)

    def add(self, done: Evaluated, row: int) -> None:
        """Take one draw in."""
        violation = 0.0 if done.violations is None else float(done.violations[row])
        self.has_violation |= done.violations is not None
        optional = [part[row] for part in (done.descriptors, done.cases) if part is not None]
        values = np.concatenate([done.objectives[row], [violation], *optional])
        if self.n == 0:
            n_descriptors = 0 if done.descriptors is None else done.descriptors.shape[1]
            self._widths = (done.objectives.shape[1], n_descriptors)
            self._mean = np.zeros(len(values))
            self._spread = np.zeros(len(values))
        self.n += 1
        self.seconds += float(done.seconds[row]) if len(done.seconds) else 0.0
        with np.errstate(over="ignore", invalid="ignore"):  # the row fails then; see `is_finite`
            delta = values - self._mean
            self._mean = self._mean + delta / self.n
            self._spread = self._spread + delta * (values - self._mean)

    @property
    def is_finite(self) -> bool:
        """Whether the means of objectives and violation are numbers."""
        return bool(np.isfinite(self._mean[: self._widths[0] + 1]).all())

    @property
    def mean(self) -> float:
        """Mean of the first objective."""
        return float(self._mean[0])

    @property
    def variance(self) -> float:
        """Variance of the first objective."""
        return float(self._spread[0]) / max(self.n - 1, 1)

    @property
    def error(self) -> float:
        """Standard error of the first objective's mean."""
        return math.sqrt(self.variance / self.n)

    @property
    def violation(self) -> float:
        """Mean violation."""
        return float(self._mean[self._widths[0]])

    def cut(self) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Means of objectives, violation, descriptors, cases; standard errors of objectives."""
        m, k = self._widths
        mean = self._mean
        with np.errstate(invalid="ignore"):
            errors = np.sqrt(self._spread[:m] / max(self.n - 1, 1) / self.n)
        return mean[:m], mean[m : m + 1], mean[m + 1 : m + 1 + k], mean[m + 1 + k :], errors


def _summary(draws: list[_Draws], errors: Mapping[int, str]) -> Evaluated:
    failed = np.zeros(len(draws), dtype=np.bool_)
    failed[list(errors)] = True
    if not draws:
        return Evaluated(np.empty((0, 1)), failed)
    columns = [np.array(part) for part in zip(*(one.cut() for one in draws), strict=True)]
    objectives, violations, descriptors, cases, deviations = columns
    objectives[failed] = np.nan
    return Evaluated(
        objectives=objectives,
        failed=failed,
        violations=(
            np.where(failed, 0.0, violations[:, 0])
            if any(one.has_violation for one in draws)
            else None
        ),
        descriptors=descriptors if descriptors.size else None,
        cases=cases if cases.size else None,
        errors=dict(sorted(errors.items())),
        seconds=np.array([one.seconds for one in draws]),
        n_samples=np.array([one.n for one in draws], dtype=np.int64),
        standard_errors=deviations,
    )
