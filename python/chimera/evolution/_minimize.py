"""One call from an objective and bounds to a result that says how it was found.

`minimize` chooses a search by what the space, the objectives and the budget are, runs the loop of
`optimize`, and keeps its search so that one may go on. It holds no algorithm of its own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.errors import ConfigError
from chimera.evolution._algorithm import Algorithm, class_of
from chimera.evolution._differential import _start_point
from chimera.evolution._loop import Optimization, Step, optimize
from chimera.evolution._space import Bounds, Space, to_space
from chimera.evolution._termination import AnyOf, Budget, Target
from chimera.evolution.evaluation import Evaluator, PerRow, ProcessPool, Vectorized

__all__ = ["History", "Result", "minimize", "run"]

Floats = NDArray[np.float64]

_PORTFOLIO_GENES_MAX = 200
_FULL_COVARIANCE_GENES_MAX = 1_000
_LARGE_BUDGET_PER_GENE = 2_000
_BUDGET_PER_GENE = 1_000
_FEW_OBJECTIVES = 3
_PORTFOLIO = "portfolio"
# Native names of methods that the package calls otherwise.
_NATIVE = {_PORTFOLIO: "auto"}


class _Choice(NamedTuple):
    method: str
    settings: dict[str, Any]
    reason: str


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
        algorithm: The search, to go on: ``minimize(objective, bounds, method=result.algorithm)``.
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
        return (
            f"{found}\n"
            f"  after {self.n_evaluations} evaluations{failed}; stopped by {self.stop_reason}\n"
            f"  method {self.method}: {self.reason}"
        )


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
        n = _n_rows(x) if self.vectorized else None
        violation = None
        if isinstance(answer, tuple) and self.n_objectives == 1 and len(answer) == 2:  # noqa: PLR2004
            answer, violation = answer[0], _total(answer[1], n)
        for constraint in self.constraints:
            more = _total(constraint(x), n)
            violation = more if violation is None else violation + more
        if violation is None:
            return answer
        if isinstance(answer, Mapping):
            return {**answer, "violations": violation + answer.get("violations", 0.0)}
        return {"objectives": answer, "violations": violation}


def _n_rows(batch: Any) -> int:
    return len(next(iter(batch.values())) if isinstance(batch, Mapping) else batch)


def _choose(  # noqa: PLR0911 -- one return a rule, in the order in which they are read
    space: Space,
    n_objectives: int,
    budget: int | None,
    *,
    is_constrained: bool,
    has_start: bool,
) -> _Choice:
    """Choose a method by rules, and say which rule."""
    n = space.n_genes
    block = space.blocks[0]
    if n_objectives > _FEW_OBJECTIVES:
        return _Choice("nsga3", {}, f"{n_objectives} objectives, more than {_FEW_OBJECTIVES}")
    if n_objectives > 1:
        return _Choice("nsga2", {}, f"{n_objectives} objectives")
    kinds = sorted({one.kind for one in space.blocks})
    if len(space.blocks) > 1 or kinds != ["f64"]:
        return _Choice("ga", {}, f"genes of kind {', '.join(kinds)} need operators of their own")
    is_bounded = np.isfinite([block.lower, block.upper]).all()
    if not is_bounded:
        settings: dict[str, Any] = {"restarts": "bipop"}
        start = "x0"
        if not has_start:
            low, high = np.array(block.lower), np.array(block.upper)
            settings["x0"] = np.clip(np.zeros(n), low, high).tolist()
            start = "the point nearest to 0"
        settings["sigma"] = 1.0
        return _Choice("cmaes", settings, f"infinite bounds; starts at {start} with sigma 1")
    if n > _FULL_COVARIANCE_GENES_MAX:
        reason = f"{n} genes, too many for a full covariance"
        return _Choice("cmaes", {"covariance": "separable"}, reason)
    if n > _PORTFOLIO_GENES_MAX:
        return _Choice("cmaes", {}, f"{n} genes, too many for differences along each")
    if budget is not None and budget >= _LARGE_BUDGET_PER_GENE * n:
        settings = {"budget": budget}
        reason = f"{n} genes and a budget of {budget // n} evaluations a gene"
        if is_constrained:
            settings["constraints"] = "epsilon"
            reason += ", under constraints"
        return _Choice("lshade", settings, reason)
    what = "under constraints" if is_constrained else "one objective"
    return _Choice(_PORTFOLIO, {}, f"{n} bounded genes, {what}, a small budget")


def _start(
    kind: type[Algorithm] | str, space: Space, settings: Mapping[str, Any], **arguments: Any
) -> Algorithm:
    found = class_of(kind) if isinstance(kind, str) else kind
    if found is Algorithm:
        return Algorithm._start(str(kind), space, settings, **arguments)  # noqa: SLF001 -- as above
    try:
        return found(space, **settings, **arguments)  # type: ignore[arg-type]
    except TypeError as error:
        raise ConfigError(f"options of {found.__name__}: {error}") from error


def _evaluator(
    objective: Any, constraints: Any, n_objectives: int, *, vectorized: bool, workers: int
) -> Evaluator:
    given = () if constraints is None else constraints
    given = (given,) if callable(given) else tuple(given)
    if isinstance(objective, Evaluator):
        if given:
            raise ConfigError("constraints: expected none beside an evaluation back end")
        return objective
    for part in (objective, *given):
        if not callable(part):
            raise ConfigError(
                f"objective, constraints: expected callables, got {type(part).__name__}"
            )
    whole = _Objective(objective, given, n_objectives, vectorized)
    if vectorized:
        if workers > 1:
            raise ConfigError("workers: expected 1 with vectorized=True, got more")
        return Vectorized(whole, n_objectives=n_objectives)
    if workers > 1:
        return ProcessPool(whole, workers=workers, n_objectives=n_objectives)
    return PerRow(whole, n_objectives=n_objectives)


class _Started(NamedTuple):
    loop: Optimization
    name: str
    reason: str
    is_own: bool


def _search(
    bounds: Bounds | None,
    *,
    method: Any,
    budget: int | None,
    constraints: Any,
    x0: ArrayLike | None,
    n_objectives: int,
    options: Mapping[str, Any],
    **arguments: Any,
) -> tuple[Algorithm, str, str]:
    """Return the search, what it is called, and why it was chosen."""
    if isinstance(method, Algorithm):
        if options or x0 is not None:
            raise ConfigError("options, x0: expected none for a search that goes on")
        return method, method.method, "a search that was begun goes on"
    if bounds is None:
        raise ConfigError("bounds: expected a space or bounds, got None")
    space = to_space(bounds)
    kind: type[Algorithm] | str
    if isinstance(method, type) and issubclass(method, Algorithm):
        kind, choice = method, _Choice(method.__name__, {}, "the caller named it")
    else:
        choice = _Choice(str(method), {}, "the caller named it")
        if method == "auto":
            is_constrained = constraints is not None
            choice = _choose(
                space,
                n_objectives,
                budget,
                is_constrained=is_constrained,
                has_start=x0 is not None,
            )
        kind = _NATIVE.get(choice.method, choice.method)
    settings = {**choice.settings, **options}
    if x0 is not None:
        settings["x0"] = _start_point(x0)
    if n_objectives > 1:
        settings.setdefault("n_objectives", n_objectives)
    return _start(kind, space, settings, **arguments), choice.method, choice.reason


def _limits(
    algorithm: Algorithm,
    budget: int | None,
    seconds: float | None,
    target: float | None,
    termination: Callable[[Step], str | None] | None,
) -> AnyOf:
    """Return all that may end the loop; a budget when the caller names nothing else."""
    limits: list[Callable[[Step], str | None]] = []
    if target is not None:
        limits.append(Target(target))
    if budget is None and seconds is None and termination is None:
        budget = _BUDGET_PER_GENE * algorithm.space.n_genes
    if budget is not None:
        limits.append(Budget(algorithm.n_evaluations + budget))
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
    budget: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
    termination: Callable[[Step], str | None] | None = None,
    x0: ArrayLike | None = None,
    constraints: Any = None,
    n_objectives: int = 1,
    direction: str | Sequence[str] = "minimize",
    vectorized: bool = False,
    workers: int = 1,
    seed: int = 0,
    threads: int = 1,
    callback: Callable[[Step], Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> _Started:
    for name, value in (("budget", budget), ("n_objectives", n_objectives), ("workers", workers)):
        if value is not None and operator.index(value) < 1:
            raise ConfigError(f"{name}: expected at least 1, got {value}")
    algorithm, name, reason = _search(
        bounds,
        method=method,
        budget=budget,
        constraints=constraints,
        x0=x0,
        n_objectives=n_objectives,
        options=options or {},
        seed=seed,
        threads=threads,
        direction=direction,
    )
    evaluator = _evaluator(
        objective, constraints, algorithm.n_objectives, vectorized=vectorized, workers=workers
    )
    limits = _limits(algorithm, budget, seconds, target, termination)
    loop = optimize(algorithm, evaluator, termination=limits, callback=callback)
    return _Started(loop, name, reason, not isinstance(objective, Evaluator))


def minimize(
    objective: Callable[[Any], Any] | Evaluator,
    bounds: Bounds | None = None,
    *,
    method: str | type[Algorithm] | Algorithm = "auto",
    budget: int | None = None,
    seconds: float | None = None,
    target: float | None = None,
    termination: Callable[[Step], str | None] | None = None,
    x0: ArrayLike | None = None,
    constraints: Callable[[Any], Any] | Sequence[Callable[[Any], Any]] | None = None,
    n_objectives: int = 1,
    direction: str | Sequence[str] = "minimize",
    vectorized: bool = False,
    workers: int = 1,
    seed: int = 0,
    threads: int = 1,
    callback: Callable[[Step], Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> Result:
    """Search for the least objective within bounds, and say how it was done.

    Ctrl-C ends the search early: the result so far comes back with ``stop_reason="interrupted"``,
    and goes on with ``minimize(objective, method=result.algorithm)``.

    Args:
        objective: Takes one row, ``(n_genes,)`` float64 (a dictionary by block for mixed spaces),
            and returns a number, a sequence of objectives, or ``(score, violations)`` where values
            above 0 violate. Rows where it raises or gives NaN are marked failed. Also an evaluation
            back end.
        bounds: A `Space`, ``(low, high)`` pairs, or two arrays; see `Space`.
        method: ``auto`` chooses; or the name of a method (``portfolio``, ``cmaes``, ``de``,
            ``jade``, ``lshade``, ``pso``, ``ga``, ``nsga2``, ...), a class, or a search that was
            begun.
        budget: Evaluations at most, rows that fail included; 1 000 per gene when no limit is given.
            The search stops before a batch that would pass it; only the first batch of a call may,
            when it alone is larger. A search that goes on gets so many more.
        seconds: Wall clock.
        target: Stop at a score this good.
        termination: Any criterion besides; see `Criterion`.
        x0: Where to begin, ``(n_genes,)``.
        constraints: A function or functions of a row that are violated above 0.
        n_objectives: Number of objectives.
        direction: ``minimize`` or ``maximize``, or one per objective.
        vectorized: The objective and constraints take ``(n, n_genes)`` and return ``(n,)``.
        workers: Processes that evaluate rows; the objective must then be importable.
        seed: Seed of every random stream; equal seed, equal result.
        threads: Threads of the search itself.
        callback: Called with every `Step`; a true result stops.
        options: Settings of the method.

    Returns:
        A `Result`; printing it says what was found and why the method was chosen.

    Raises:
        ConfigError: A setting outside its range, or a method that cannot search this space.

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
        options=options,
    )
    history = History()
    loop = started.loop
    reason = "interrupted"
    try:
        for step in loop:
            history.add(step)
        reason = str(loop.stop_reason)
    except KeyboardInterrupt:
        pass
    finally:
        if started.is_own:
            loop.evaluator.close()
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

    Example:
        >>> for step in run(lambda x: float((x**2).sum()), [(-1, 1)] * 2, budget=100):
        ...     if step.best_score < 1e-9:
        ...         break
        >>> bool(step.best_score < 1e-9)
        True
    """
    started = _begin(objective, bounds, **settings)
    try:
        yield from started.loop
    finally:
        if started.is_own:
            started.loop.evaluator.close()


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
    )
