"""One call from an objective and bounds to a result that says how it was found.

`minimize` chooses a search by what the space, the objectives and the budget are, runs the loop of
`optimize`, and keeps its search so that one may go on. It holds no algorithm of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from chimera.errors import ConfigError
from chimera.evolution._algorithm import Algorithm
from chimera.evolution._choice import Problem, choose, takes_start
from chimera.evolution._loop import Optimization, Step, optimize
from chimera.evolution._numbers import to_whole
from chimera.evolution._outcome import Failures, History, Result
from chimera.evolution._space import Bounds, Space, to_row, to_space
from chimera.evolution._termination import AnyOf, Budget, Target
from chimera.evolution._types import Direction
from chimera.evolution.evaluation import Evaluator, PerRow, ProcessPool, Vectorized
from chimera.evolution.evaluation._result import n_rows_of

__all__ = ["History", "Result", "minimize", "run"]

_BUDGET_PER_GENE = 1_000


def _total(values: Any, n: int | None) -> Any:
    """Return the total violation of constraint values, where above 0 is violated."""
    numbers = np.asarray(values, dtype=np.float64)
    if np.isnan(numbers).any():
        raise ValueError("constraints: expected numbers, got NaN")
    over = np.maximum(numbers, 0.0)
    if n is None:
        return float(over.sum())
    return over.reshape(n, -1).sum(axis=1)


@dataclass(frozen=True)
class _Objective:
    """The caller's objective and constraints as an evaluator reads them; can be pickled."""

    function: Callable[..., Any]
    constraints: tuple[Callable[[Any], Any], ...]
    n_objectives: int
    vectorized: bool

    def __call__(self, x: Any) -> Any:
        answer = self.function(x)
        n = n_rows_of(x) if self.vectorized else None
        violation = None
        if self._has_violations(answer, n):
            answer, violation = answer[0], _total(answer[1], n)
        for constraint in self.constraints:
            more = _total(constraint(x), n)
            violation = more if violation is None else violation + more
        if violation is None:
            return answer
        if isinstance(answer, Mapping):
            return {**answer, "violations": violation + answer.get("violations", 0.0)}
        return {"objectives": answer, "violations": violation}

    def _has_violations(self, answer: Any, n: int | None) -> bool:
        """Whether a pair is ``(scores, violations)``, and not two objectives."""
        if not isinstance(answer, tuple) or len(answer) != 2:  # noqa: PLR2004
            return False
        if self.n_objectives == 1:
            return True
        if n is None:
            return bool(np.size(answer[0]) == self.n_objectives)
        return np.shape(answer[0]) == (n, self.n_objectives)


def _start(
    kind: type[Algorithm] | str, space: Space, settings: Mapping[str, Any], **arguments: Any
) -> Algorithm:
    if isinstance(kind, str):  # no class: native, or unknown and refused with all names
        return Algorithm._start(kind, space, settings, **arguments)  # noqa: SLF001 -- one package
    try:
        return kind(space, **settings, **arguments)  # type: ignore[arg-type]
    except TypeError as error:
        raise ConfigError(f"options of {kind.__name__}: {error}") from error


def _evaluator(
    objective: Any, constraints: Any, algorithm: Algorithm, *, vectorized: bool, workers: int
) -> Evaluator:
    given = () if constraints is None else constraints
    given = (given,) if callable(given) else given
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise ConfigError(
            f"constraints: expected a function of a row or several, got {type(given).__name__}"
        )
    given = tuple(given)
    if isinstance(objective, Evaluator):
        if given:
            raise ConfigError("constraints: expected none beside an evaluation back end")
        return objective
    for part in (objective, *given):
        if not callable(part):
            raise ConfigError(
                f"objective, constraints: expected callables, got {type(part).__name__}"
            )
    m, k = algorithm.n_objectives, algorithm.n_descriptors
    whole = _Objective(objective, given, m, vectorized)
    if vectorized:
        if workers > 1:
            raise ConfigError("workers: expected 1 with vectorized=True, got more")
        return Vectorized(whole, n_objectives=m, n_descriptors=k)
    if workers > 1:
        return ProcessPool(whole, workers=workers, n_objectives=m, n_descriptors=k)
    return PerRow(whole, n_objectives=m, n_descriptors=k)


def _row_of(space: Space) -> str:
    """Say what the objective is handed."""
    parts = [f"({block.n_genes},) {block.dtype}" for block in space.blocks]
    if len(parts) == 1:
        return parts[0]
    named = zip(space.blocks, parts, strict=True)
    return "a dictionary of " + ", ".join(f"{block.name} {part}" for block, part in named)


def _named(options: Any) -> Mapping[str, Any]:
    """Return options by name; none for None."""
    given = {} if options is None else options
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConfigError(
            f"options: expected a dictionary of settings by name, got {options!r}; write "
            'options={"population_size": 50}'
        )
    return given


class _Started(NamedTuple):
    loop: Optimization
    name: str
    reason: str
    failures: Failures
    is_own: bool

    def steps(self) -> Iterator[Step]:
        """Walk the loop; raise when the objective is broken, and close what was made here."""
        try:
            for step in self.loop:
                self.failures.add(step)
                yield step
                self.failures.check()
        finally:
            if self.is_own:
                self.loop.evaluator.close()


class _Search(NamedTuple):
    algorithm: Algorithm
    name: str
    reason: str
    first: Any = None
    """A row that takes the place of the first one asked; None for none."""


def _search(
    bounds: Bounds | None,
    *,
    method: Any,
    budget: int | None,
    constraints: Any,
    x0: Any,
    n_objectives: int,
    options: Mapping[str, Any],
    **arguments: Any,
) -> _Search:
    """Return the search, what it is called, and why it was chosen."""
    if isinstance(method, Algorithm):
        if options or x0 is not None:
            raise ConfigError("options, x0: expected none for a search that goes on")
        return _Search(method, method.method, "a search that was begun goes on")
    if bounds is None:
        raise ConfigError("bounds: expected a space or bounds, got None")
    space = to_space(bounds)
    problem = Problem(
        space, n_objectives, budget, constraints is not None, has_start=x0 is not None
    )
    kind, choice = choose(method, problem, options)
    settings = {**choice.settings, **options}
    reason, first = choice.reason, None
    if x0 is not None:
        row = to_row(space, x0)
        if takes_start(kind):
            settings["x0"] = row
        else:
            reason, first = f"{reason}; x0 is a row of the first batch", row
    if n_objectives > 1:
        settings.setdefault("n_objectives", n_objectives)
    return _Search(_start(kind, space, settings, **arguments), choice.method, reason, first)


def _limits(
    seconds: float | None,
    target: float | None,
    termination: Callable[[Step], str | None] | None,
) -> AnyOf:
    """Return all that may end the loop besides its budget."""
    limits: list[Callable[[Step], str | None]] = []
    if target is not None:
        limits.append(Target(target))
    if seconds is not None:
        limits.append(Budget(seconds=seconds))
    if termination is not None:
        limits.append(termination)
    return AnyOf(*limits)


def _begin(
    objective: Any,
    bounds: Bounds | None,
    *,
    method: Any = "auto",
    budget: float | None = None,
    seconds: float | None = None,
    target: float | None = None,
    termination: Callable[[Step], str | None] | None = None,
    x0: Any = None,
    constraints: Any = None,
    n_objectives: int = 1,
    direction: Direction | Sequence[Direction] = "minimize",
    vectorized: bool = False,
    workers: int = 1,
    seed: int = 0,
    threads: int = 1,
    callback: Callable[[Step], Any] | None = None,
    may_fail: bool = False,
    options: Mapping[str, Any] | None = None,
) -> _Started:
    budget = None if budget is None else to_whole("budget", budget)
    n_objectives = to_whole("n_objectives", n_objectives)
    workers = to_whole("workers", workers)
    if budget is None and seconds is None and termination is None and bounds is not None:
        budget = _BUDGET_PER_GENE * to_space(bounds).n_genes
    search = _search(
        bounds,
        method=method,
        budget=budget,
        constraints=constraints,
        x0=x0,
        n_objectives=n_objectives,
        options=_named(options),
        seed=seed,
        threads=threads,
        direction=direction,
    )
    algorithm = search.algorithm
    if budget is None and seconds is None and termination is None:
        budget = _BUDGET_PER_GENE * algorithm.space.n_genes
    evaluator = _evaluator(
        objective, constraints, algorithm, vectorized=vectorized, workers=workers
    )
    loop = optimize(
        algorithm,
        evaluator,
        termination=_limits(seconds, target, termination),
        callback=callback,
        budget=budget,
        first=search.first,
    )
    is_own = not isinstance(objective, Evaluator)
    failures = Failures(may_fail=may_fail, row=_row_of(algorithm.space), vectorized=vectorized)
    return _Started(loop, search.name, search.reason, failures, is_own)


def minimize(
    objective: Callable[[Any], Any] | Evaluator,
    bounds: Bounds | None = None,
    *,
    method: str | type[Algorithm] | Algorithm = "auto",
    budget: float | None = None,
    seconds: float | None = None,
    target: float | None = None,
    termination: Callable[[Step], str | None] | None = None,
    x0: ArrayLike | Mapping[str, ArrayLike] | None = None,
    constraints: Callable[[Any], Any] | Sequence[Callable[[Any], Any]] | None = None,
    n_objectives: int = 1,
    direction: Direction | Sequence[Direction] = "minimize",
    vectorized: bool = False,
    workers: int = 1,
    seed: int = 0,
    threads: int = 1,
    callback: Callable[[Step], Any] | None = None,
    may_fail: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Result:
    """Search for the least objective within bounds, and say how it was done.

    Ctrl-C ends the search early: the result so far comes back with ``stop_reason="interrupted"``,
    and goes on with ``minimize(objective, method=result.algorithm)``.

    Args:
        objective: Takes one row, ``(n_genes,)`` float64 (a dictionary by block for mixed spaces),
            and returns a number, a sequence of objectives, or ``(scores, violations)`` where values
            above 0 violate. Rows where it raises or gives NaN are marked failed, and
            ``result.errors`` says why. Also an evaluation back end.
        bounds: A `Space`, ``(low, high)`` pairs, or two arrays; see `Space`.
        method: ``auto`` chooses; or the name of a method (``portfolio``, ``cmaes``, ``de``,
            ``jade``, ``lshade``, ``pso``, ``ga``, ``nsga2``, ...) in any case, a class, or a search
            that was begun.
        budget: Evaluations at most, rows that fail included, a whole number such as ``1e5``; 1 000
            per gene when no limit is given. The last batch is cut to it. A search that goes on gets
            so many more. Genetic algorithms without ``population_size`` take smaller populations
            for budgets below 10 000.
        seconds: Wall clock.
        target: Stop at a score this good.
        termination: Any criterion besides; see `Criterion`.
        x0: Where to begin, ``(n_genes,)``, or a dictionary by block for mixed spaces. Methods
            without a start of their own have it as a row of their first batch.
        constraints: A function or functions of a row that are violated above 0.
        n_objectives: Number of objectives.
        direction: ``minimize`` or ``maximize``, or one per objective.
        vectorized: The objective and constraints take ``(n, n_genes)`` and return ``(n,)``.
        workers: Processes that evaluate rows; the objective must then be importable.
        seed: Seed of every random stream; equal seed, equal result.
        threads: Threads of the search itself.
        callback: Called with every `Step`; a true result stops.
        may_fail: Go on although all rows of the first batch raised, or answered in another shape,
            for one and the same reason.
        options: Settings of the method.

    Returns:
        A `Result`; printing it says what was found and why the method was chosen.

    Raises:
        ConfigError: A setting outside its range, or a method that cannot search this space.
        EvaluationError: All rows of the first batch, at least 8, failed for one and the same
            reason; rows of NaN or infinite scores do not count as such.

    Example:
        >>> result = minimize(lambda x: (x[0] - 1.0) ** 2 + x[1] ** 4, [(-5, 5)] * 2, budget=300)
        >>> bool(result.score < 1e-6), result.method
        (True, 'portfolio')
    """
    started = _begin(
        objective,
        bounds,
        method=method,
        budget=budget,
        seconds=seconds,
        target=target,
        termination=termination,
        x0=x0,
        constraints=constraints,
        n_objectives=n_objectives,
        direction=direction,
        vectorized=vectorized,
        workers=workers,
        seed=seed,
        threads=threads,
        callback=callback,
        may_fail=may_fail,
        options=options,
    )
    history = History()
    reason = "interrupted"
    try:
        for step in started.steps():
            history.add(step)
        reason = str(started.loop.stop_reason)
    except KeyboardInterrupt:
        pass
    return _result(started, history, reason)


def run(
    objective: Callable[[Any], Any] | Evaluator,
    bounds: Bounds | None = None,
    **settings: Any,
) -> Iterator[Step]:
    """Yield the steps of the search that `minimize` would make.

    Args:
        objective: As for `minimize`.
        bounds: As for `minimize`.
        **settings: As for `minimize`.

    Yields:
        Every `Step`, after it was told; ``step.algorithm`` is the search.

    Raises:
        ConfigError: As for `minimize`.
        EvaluationError: As for `minimize`.

    Example:
        >>> for step in run(lambda x: float((x**2).sum()), [(-1, 1)] * 2, budget=100):
        ...     if step.best_score < 1e-9:
        ...         break
        >>> bool(step.best_score < 1e-9)
        True
    """
    yield from _begin(objective, bounds, **settings).steps()


def _result(started: _Started, history: History, stop_reason: str) -> Result:
    algorithm = started.loop.algorithm
    x: Any = algorithm.best_x
    score: Any = algorithm.best_score
    best = algorithm.best
    violation: Any = float("inf") if best is None else float(best[2])
    if algorithm.n_objectives > 1:
        front = algorithm.front
        x = front.genomes if len(front.genomes) > 1 else front.x
        score = front.objectives
        violation = front.violations
        if violation is None:
            violation = np.zeros(0 if score is None else len(score))
    return Result(
        x=x,
        score=score,
        violation=violation,
        n_evaluations=algorithm.n_evaluations,
        n_failed=algorithm.n_failed,
        stop_reason=stop_reason,
        method=started.name,
        reason=started.reason,
        history=history,
        algorithm=algorithm,
        errors=started.failures.counts,
    )
