"""When a loop stops: budget, target, stagnation, tolerance, and any of them together.

A criterion looks at a `Step` and says why to stop, or None. They combine with ``|``, also with
plain functions; the first reason counts, in the order of writing. `HypervolumeConvergence` is the
criterion for several objectives.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chimera.errors import ConfigError
from chimera.evolution._numbers import to_number, to_whole

if TYPE_CHECKING:
    from chimera.evolution._loop import Step

__all__ = ["AnyOf", "Budget", "Criterion", "Stagnation", "Target", "Tolerance"]


class Criterion:
    """Base of the criteria: ``criterion(step)`` returns why to stop, or None."""

    def check(self, search: Any) -> None:
        """Look at a search before its loop begins.

        Raises:
            ConfigError: The criterion cannot judge searches of this kind.
        """

    def __call__(self, step: Step) -> str | None:
        """Look at a step."""
        raise NotImplementedError

    def __or__(self, other: Callable[[Step], str | None]) -> AnyOf:
        """Stop when either says so."""
        return AnyOf(self, other)

    def __ror__(self, other: Callable[[Step], str | None]) -> AnyOf:
        """Stop when either says so."""
        return AnyOf(other, self)


class AnyOf(Criterion):
    """Stop when one of several says so. All of them see every step.

    Args:
        criteria: Criteria, or functions from a step to a reason or None.

    Raises:
        ConfigError: One of them cannot be called.

    Example:
        >>> from chimera.evolution import Budget, Stagnation
        >>> stop = Budget(10_000) | Budget(seconds=60.0) | Stagnation(2_000)
        >>> len(stop.criteria)
        3
    """

    def __init__(self, *criteria: Callable[[Step], str | None]) -> None:
        self.criteria: list[Callable[[Step], str | None]] = []
        for criterion in criteria:
            if not callable(criterion):
                raise ConfigError(
                    f"termination: expected a criterion or a function of a step, got "
                    f"{type(criterion).__name__}; join several with |"
                )
            inner = criterion.criteria if isinstance(criterion, AnyOf) else [criterion]
            self.criteria += inner

    def check(self, search: Any) -> None:
        """Look at a search before its loop begins; see `Criterion`."""
        for criterion in self.criteria:
            if isinstance(criterion, Criterion):
                criterion.check(search)

    def __call__(self, step: Step) -> str | None:
        """Look at a step."""
        reasons = [criterion(step) for criterion in self.criteria]
        return next((reason for reason in reasons if reason), None)


class Budget(Criterion):
    """Stop before more is spent. Batches are whole.

    Args:
        evaluations: Rows told, in the whole life of the search, at most, a whole number: the loop
            stops before a batch that would pass it, so up to one batch may be left unspent. The
            first batch of a loop is always evaluated, and alone may pass it.
        seconds: Wall clock since the loop began; a batch that was begun is finished.

    Raises:
        ConfigError: Neither is given, or one is no number above 0 (``evaluations``: no whole one).

    Example:
        >>> from chimera.evolution import Budget, RandomSearch, optimize
        >>> search = RandomSearch([(-1.0, 1.0)] * 2, batch_size=50)
        >>> loop = optimize(search, lambda x: (x**2).sum(axis=1), termination=Budget(200))
        >>> loop.run().stop_reason
        'budget'
    """

    def __init__(self, evaluations: float | None = None, *, seconds: float | None = None) -> None:
        if evaluations is None and seconds is None:
            raise ConfigError("budget: expected evaluations, seconds or both, got neither")
        self.evaluations = None if evaluations is None else to_whole("evaluations", evaluations)
        self.seconds = None if seconds is None else to_number("seconds", seconds)
        if self.seconds is not None and not self.seconds > 0.0:
            raise ConfigError(f"seconds: expected more than 0, got {seconds}")

    def __call__(self, step: Step) -> str | None:
        """Look at a step."""
        # A search that holds still and asks for nothing has spent its budget as well.
        n = step.n_evaluations + max(1, step.n_next)
        if self.evaluations is not None and n > self.evaluations:
            return "budget"
        if self.seconds is not None and step.elapsed_s >= self.seconds:
            return "time"
        return None


def search_of(algorithm: Any) -> Any:
    """Return the search that a stand-in such as a database's recorder drives, or itself."""
    while hasattr(inner := getattr(algorithm, "algorithm", None), "ask"):
        algorithm = inner
    return algorithm


class Watched:
    """Tells a criterion that keeps a memory whether it still sees the same run."""

    def __init__(self) -> None:
        self._search: Callable[[], Any] = lambda: None
        self._n_evaluations = 0

    def is_another(self, step: Step) -> bool:
        """Whether this step is of another search, or of one that began anew."""
        search = search_of(step.algorithm)
        is_same = self._search() is search and step.n_evaluations > self._n_evaluations
        self._n_evaluations = step.n_evaluations
        if not is_same:
            self._search = weakref.ref(search)
        return not is_same

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as fresh: a search in another process is another search."""
        return (Watched, ())


def _check_single(criterion: Criterion, search: Any) -> None:
    n_objectives = getattr(search, "n_objectives", 1)
    if n_objectives > 1:
        raise ConfigError(
            f"termination: {type(criterion).__name__} expected one objective, got {n_objectives}; "
            "use HypervolumeConvergence(reference), or a function of a step"
        )


def _best(criterion: Criterion, step: Step) -> tuple[float, float, float]:
    """Return violation, score, and the sign with which smaller scores are better."""
    _check_single(criterion, step.algorithm)
    best = step.algorithm.best
    if best is None:
        return float("inf"), float("nan"), 1.0
    sign = -1.0 if any(step.algorithm.maximized) else 1.0
    return float(best[2]), float(best[1]), sign


class Target(Criterion):
    """Stop at a score this good, without violation; for single objectives.

    Args:
        score: In the caller's direction.

    Raises:
        ConfigError: The score is no number, or NaN.
    """

    def __init__(self, score: float) -> None:
        self.score = to_number("target", score)
        if math.isnan(self.score):
            raise ConfigError("target: expected a number, got NaN")

    def check(self, search: Any) -> None:
        """Refuse several objectives; see `Criterion`."""
        _check_single(self, search)

    def __call__(self, step: Step) -> str | None:
        """Look at a step."""
        violation, score, sign = _best(self, step)
        return "target" if violation <= 0.0 and sign * score <= sign * self.score else None


class Stagnation(Criterion):
    """Stop when the best row has not improved for a while; for single objectives.

    It may be used again: another search, or one that began anew, starts with a clean memory.

    Args:
        evaluations: For so many evaluations.
        improvement: What counts as an improvement of the score; violations count at any size.

    Raises:
        ConfigError: ``evaluations`` is no whole number of at least 1, or ``improvement`` negative.
    """

    def __init__(self, evaluations: int, *, improvement: float = 0.0) -> None:
        self.evaluations = to_whole("evaluations", evaluations)
        self.improvement = to_number("improvement", improvement)
        if not self.improvement >= 0.0:
            raise ConfigError(f"improvement: expected at least 0, got {improvement}")
        self._best = (float("inf"), float("inf"))
        self._since = 0
        self._watched = Watched()

    def check(self, search: Any) -> None:
        """Refuse several objectives; see `Criterion`."""
        _check_single(self, search)

    def __call__(self, step: Step) -> str | None:
        """Look at a step."""
        violation, score, sign = _best(self, step)
        if self._watched.is_another(step):
            self._best = (float("inf"), float("inf"))
            self._since = step.n_evaluations - len(step.evaluated)
        known_violation, known = self._best
        if violation < known_violation or (
            violation == known_violation and sign * score < known - self.improvement
        ):
            self._best = (violation, sign * score)
            self._since = step.n_evaluations
        is_over = step.n_evaluations - self._since >= self.evaluations
        return "stagnation" if is_over else None


class Tolerance(Criterion):
    """Stop when the population has drawn together.

    Searches that hold fewer than two rows never stop by it; they have rules of their own.

    Args:
        x: Largest distance between two values of one gene (single blocks of numbers only).
        score: Largest distance between two scores.

    Raises:
        ConfigError: Neither is given, or one is negative or no number.
    """

    def __init__(self, *, x: float | None = None, score: float | None = None) -> None:
        if x is None and score is None:
            raise ConfigError("tolerance: expected x, score or both, got neither")
        self.x = None if x is None else to_number("x", x)
        self.score = None if score is None else to_number("score", score)
        for name, value in (("x", self.x), ("score", self.score)):
            if value is not None and not value >= 0.0:
                raise ConfigError(f"{name}: expected at least 0, got {value}")

    def __call__(self, step: Step) -> str | None:
        """Look at a step."""
        held = step.algorithm.holdings()
        if len(held["objectives"]) < 2:  # noqa: PLR2004 -- no distance between fewer
            return None
        if self.score is not None and not _spread(held["objectives"]) <= self.score:
            return None
        if self.x is not None:
            genomes = held["genomes"]
            if isinstance(genomes, dict) or not _spread(genomes) <= self.x:
                return None
        return "tolerance"


def _spread(values: Any) -> float:
    """Return the largest distance in a column of ``(n, k)`` values; infinite when one is."""
    if not np.isfinite(values).all():
        return float("inf")
    return float((values.max(axis=0) - values.min(axis=0)).max())
