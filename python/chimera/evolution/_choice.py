"""Which method suits a problem, under which name, and how large its batches should be.

Rules that can be read and said; the reasons are part of a `Result`. No search is made here.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from chimera.errors import ConfigError
from chimera.evolution._algorithm import _HOMES, Algorithm, class_of
from chimera.evolution._space import Space

__all__ = ["Choice", "Problem", "choose", "class_named", "takes_start"]

_PORTFOLIO_GENES_MAX = 200
_FULL_COVARIANCE_GENES_MAX = 1_000
_LARGE_BUDGET_PER_GENE = 2_000
_FEW_OBJECTIVES = 3
_ROWS_MIN = 10
_ROWS_MAX = 100
"""Rows of a generation, where a method has no better default than a round number."""
_PORTFOLIO = "portfolio"


class Choice(NamedTuple):
    """A method by the name that users write, its settings, and why it was chosen."""

    method: str
    settings: dict[str, Any]
    reason: str


class Problem(NamedTuple):
    """What a choice looks at.

    Args:
        space: What is searched.
        n_objectives: Number of objectives.
        budget: Evaluations; None without a limit.
        is_constrained: Whether there are functions of constraints.
        has_start: Whether the caller names a start.
    """

    space: Space
    n_objectives: int
    budget: int | None
    is_constrained: bool
    has_start: bool


def choose(
    method: str | type[Algorithm], problem: Problem, options: Mapping[str, Any]
) -> tuple[type[Algorithm] | str, Choice]:
    """Return the class of a method, or the name of one without, and the choice.

    Args:
        method: ``auto``, a name, or a class.
        problem: What is to be solved.
        options: Settings that the caller names.
    """
    kind: type[Algorithm] | str
    if isinstance(method, type):
        kind, choice = method, Choice(method.__name__, {}, "the caller named it")
        known = Algorithm._classes  # noqa: SLF001 -- the registry of the package
        native = next((name for name, one in known.items() if one is method), "")
    else:
        choice = Choice(_written(method), {}, "the caller named it")
        if choice.method == "auto":
            choice = _by_rules(problem)
        native = "auto" if choice.method == _PORTFOLIO else choice.method
        kind = class_named(native)
    sizes = _sizes(native, problem, options)
    if not sizes:
        return kind, choice
    reason = f"{choice.reason}; small batches for a budget of {problem.budget}"
    return kind, Choice(choice.method, {**choice.settings, **sizes}, reason)


def class_named(native: str) -> type[Algorithm] | str:
    """Return the class of a native method, or its name when it has none."""
    found = class_of(native)
    return native if found is Algorithm else found


def takes_start(kind: type[Algorithm] | str) -> bool:
    """Whether a method has a setting ``x0`` of its own."""
    return isinstance(kind, type) and "x0" in inspect.signature(kind.__new__).parameters


def _written(method: Any) -> str:
    """Return a method's name as the package writes it: ``L-SHADE`` is ``lshade``."""
    if not isinstance(method, str):
        raise ConfigError(
            f"method: expected auto, a name, a class or a search, got {type(method).__name__}"
        )

    def bare(name: str) -> str:
        return "".join(letter for letter in name.casefold() if letter.isalnum())

    names = {bare(name): name for name in (_PORTFOLIO, *_HOMES)}
    names |= {"nsgaii": "nsga2", "nsgaiii": "nsga3"}
    return names.get(bare(method), method)


def _by_rules(problem: Problem) -> Choice:  # noqa: PLR0911 -- one return a rule, in their order
    """Choose a method by the first rule that fits, and say which."""
    space, n_objectives, budget = problem.space, problem.n_objectives, problem.budget
    n = space.n_genes
    block = space.blocks[0]
    if n_objectives > _FEW_OBJECTIVES:
        return Choice("nsga3", {}, f"{n_objectives} objectives, more than {_FEW_OBJECTIVES}")
    if n_objectives > 1:
        return Choice("nsga2", {}, f"{n_objectives} objectives")
    kinds = sorted({one.kind for one in space.blocks})
    if len(space.blocks) > 1 or kinds != ["f64"]:
        return Choice("ga", {}, f"genes of kind {', '.join(kinds)} need operators of their own")
    is_bounded = np.isfinite([block.lower, block.upper]).all()
    if not is_bounded:
        settings: dict[str, Any] = {"restarts": "bipop"}
        start = "x0"
        if not problem.has_start:
            low, high = np.array(block.lower), np.array(block.upper)
            settings["x0"] = np.clip(np.zeros(n), low, high).tolist()
            start = "the point nearest to 0"
        settings["sigma"] = 1.0
        return Choice("cmaes", settings, f"infinite bounds; starts at {start} with sigma 1")
    if n > _FULL_COVARIANCE_GENES_MAX:
        reason = f"{n} genes, too many for a full covariance"
        return Choice("cmaes", {"covariance": "separable"}, reason)
    if n > _PORTFOLIO_GENES_MAX:
        return Choice("cmaes", {}, f"{n} genes, too many for differences along each")
    if budget is not None and budget >= _LARGE_BUDGET_PER_GENE * n:
        settings = {"budget": budget}
        reason = f"{n} genes and a budget of {budget // n} evaluations a gene"
        if problem.is_constrained:
            settings["constraints"] = "epsilon"
            reason += ", under constraints"
        return Choice("lshade", settings, reason)
    what = "under constraints" if problem.is_constrained else "one objective"
    return Choice(_PORTFOLIO, {}, f"{n} bounded genes, {what}, a small budget")


def _sizes(native: str, problem: Problem, options: Mapping[str, Any]) -> dict[str, int]:
    """Return smaller populations for small budgets, unless the caller names one.

    The square root of the budget, and twice that for fronts, which are as large as the population:
    on mixed, integer, boolean and permuted genes and budgets of 50 to 1 000 better than shares of a
    fifth to a thirtieth, and far better than a hundred rows whatever the budget.
    """
    if problem.budget is None:
        return {}
    is_front = native in {"nsga2", "nsga3", "sms_emoa"}
    rows = max(_ROWS_MIN, math.isqrt(problem.budget) * (2 if is_front else 1))
    if rows >= _ROWS_MAX:
        return {}
    if native in {"ga", "nsga2", "sms_emoa"} and "population_size" not in options:
        return {"population_size": rows}
    named = {"population_size", "n_partitions", "n_inner_partitions"} & set(options)
    m = int(options.get("n_objectives", problem.n_objectives))
    if native == "nsga3" and m > 1 and not named:
        # Rows are directions here: the finest lattice that has no more of them.
        n_partitions = 1
        while math.comb(n_partitions + m, m - 1) <= rows:
            n_partitions += 1
        return {"n_partitions": n_partitions}
    return {}
