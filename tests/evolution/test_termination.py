"""When loops stop."""

from typing import Any, cast

import numpy as np
import pytest

from chimera.errors import ConfigError
from chimera.evolution import (
    DE,
    AnyOf,
    AsyncEvaluator,
    Budget,
    RandomSearch,
    Stagnation,
    Target,
    Tolerance,
    optimize,
)

BOUNDS = [(-1.0, 1.0)] * 3


def _sphere(x: Any) -> Any:
    return (x**2).sum(axis=1)


def _stop(criterion: Any, search: Any = None, objective: Any = _sphere) -> tuple[Any, int]:
    search = DE(BOUNDS, seed=1) if search is None else search
    loop = optimize(search, objective, termination=criterion | Budget(20_000)).run()
    return loop.stop_reason, search.n_evaluations


@pytest.mark.parametrize(
    ("evaluations", "spent"), [(100, 90), (120, 120), (119, 90), (30, 30), (7, 30)]
)
def test_budget_counts_rows_of_whole_batches(evaluations: int, spent: int) -> None:
    search = RandomSearch(BOUNDS, batch_size=30)
    assert _stop(Budget(evaluations), search) == ("budget", spent)


def test_budget_is_exact_without_batches() -> None:
    search = RandomSearch(BOUNDS, batch_size=30)
    with AsyncEvaluator(lambda x: float((x**2).sum())) as evaluator:
        assert _stop(Budget(47), search, evaluator) == ("budget", 47)


def test_time_ends_a_loop() -> None:
    assert _stop(Budget(seconds=1e-9))[0] == "time"


def test_target_is_in_the_callers_direction() -> None:
    assert _stop(Target(1e-3))[0] == "target"
    up = DE(BOUNDS, direction="maximize", seed=1)
    assert _stop(Target(2.99), up)[0] == "target"
    assert up.best_score >= 2.99


def test_stagnation_waits_for_improvements_of_some_size() -> None:
    reason, spent = _stop(Stagnation(300), objective=lambda x: np.ones(len(x)))
    assert reason == "stagnation"
    assert 300 <= spent < 400
    assert _stop(Stagnation(300, improvement=10.0))[1] < 400


def test_a_criterion_may_be_used_again() -> None:
    criterion = Stagnation(200, improvement=100.0)
    assert _stop(criterion) == _stop(criterion)


@pytest.mark.parametrize("limits", [{"x": 1e-3}, {"score": 1e-6}, {"x": 1e-3, "score": 1e-6}])
def test_tolerance_measures_the_population(limits: Any) -> None:
    search = DE(BOUNDS, seed=1)
    assert _stop(Tolerance(**limits), search)[0] == "tolerance"
    assert search.best_score < 1e-3


def test_the_first_reason_counts_and_functions_join_in() -> None:
    always = AnyOf(lambda _: "mine", Budget(1))
    assert _stop(always)[0] == "mine"
    assert _stop((lambda _: None) | Budget(1))[0] == "budget"
    assert len((Budget(1) | Budget(2) | Target(0.0)).criteria) == 3


@pytest.mark.parametrize(
    "make",
    [
        Budget,
        lambda: Budget(0),
        lambda: Budget(seconds=-1.0),
        lambda: Target(float("nan")),
        lambda: Stagnation(0),
        lambda: Stagnation(5, improvement=-1.0),
        Tolerance,
        lambda: Tolerance(x=-1.0),
        lambda: AnyOf(cast("Any", 3)),
        lambda: Budget(1) | cast("Any", 3),
    ],
)
def test_bad_criteria_are_refused(make: Any) -> None:
    with pytest.raises(ConfigError, match="expected"):
        make()
