"""When loops stop."""

import copy
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from chimera.errors import ConfigError
from chimera.evolution import (
    DE,
    NSGA2,
    AnyOf,
    AsyncEvaluator,
    Budget,
    Criterion,
    GenomeDatabase,
    HypervolumeConvergence,
    RandomSearch,
    Stagnation,
    Target,
    Tolerance,
    minimize,
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


def _flat(x: Any) -> Any:
    return np.ones(len(x))


def _spent(criterion: Any, search: Any, objective: Any = _flat) -> int:
    loop = optimize(search, objective, termination=criterion)
    for step, _ in zip(loop, range(200), strict=False):
        last = step
    return int(last.n_evaluations)


def test_stagnation_begins_anew_with_another_search() -> None:
    def search(batch_size: int = 10) -> RandomSearch:
        return RandomSearch(BOUNDS, batch_size=batch_size, seed=1)

    used, expected = Stagnation(100), _spent(Stagnation(100), search())
    assert [_spent(used, search()) for _ in range(3)] == [expected] * 3
    # A first batch larger than all the other run's rows does not hide that the run is another.
    assert _spent(used, search(300)) == 600
    short = Stagnation(100)
    optimize(search(), _flat, termination=lambda step: short(step) or "once").run()
    assert _spent(short, search()) == expected


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy])
def test_criteria_can_be_copied(again: Any) -> None:
    used = Stagnation(100)
    expected = _spent(used, RandomSearch(BOUNDS, batch_size=10, seed=1))
    assert _spent(again(used), RandomSearch(BOUNDS, batch_size=10, seed=1)) == expected


def _two(x: Any) -> Any:
    return np.column_stack([x[:, 0], 1.0 - x[:, 0] + x[:, 1] ** 2])


def _front(seed: int = 1) -> NSGA2:
    return NSGA2([(0.0, 1.0)] * 2, population_size=20, seed=seed)


def test_hypervolume_is_a_criterion_among_others() -> None:
    stop = HypervolumeConvergence([2.0, 2.0], tolerance=1e-3, n_steps=5)
    assert isinstance(stop, Criterion)
    for limit in (stop | Budget(20_000), (lambda _: None) | stop):
        assert optimize(_front(), _two, termination=limit).run().stop_reason == "hypervolume"


def test_hypervolume_begins_anew_with_another_search() -> None:
    stop = HypervolumeConvergence([2.0, 2.0], tolerance=1e-3, n_steps=5)
    spent = [_spent(stop, _front(), _two) for _ in range(3)]
    assert spent[0] > 100
    assert spent == [spent[0]] * 3


def test_hypervolume_looks_through_a_recorder(tmp_path: Path) -> None:
    stop = HypervolumeConvergence([2.0, 2.0], tolerance=1e-3, n_steps=5)
    plain = _spent(stop, _front(), _two)
    with GenomeDatabase(tmp_path / "runs.db") as database:
        assert _spent(stop, database.record(_front()), _two) == plain


def test_hypervolume_needs_a_value_for_each_objective() -> None:
    with pytest.raises(ConfigError, match="expected 2 values, got 3"):
        optimize(_front(), _two, termination=HypervolumeConvergence([2.0] * 3))


@pytest.mark.parametrize("criterion", [Stagnation(100), Target(0.5)])
def test_several_objectives_have_no_best_score(criterion: Any) -> None:
    calls: list[int] = []

    def counted(x: Any) -> Any:
        calls.append(len(x))
        return _two(x)

    for limit in (criterion, Budget(100) | criterion):
        with pytest.raises(ConfigError, match=r"one objective, got 2; use HypervolumeConvergence"):
            optimize(_front(), counted, termination=limit)
    with pytest.raises(ConfigError, match="HypervolumeConvergence"):
        optimize(_front(), counted, termination=criterion.__call__).run()
    assert calls == [20]


def test_a_target_for_several_objectives_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="HypervolumeConvergence"):
        minimize(_two, [(0.0, 1.0)] * 2, n_objectives=2, vectorized=True, target=0.1, budget=100)


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
