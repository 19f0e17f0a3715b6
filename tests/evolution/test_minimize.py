"""What `minimize` chooses, finds and survives."""

from typing import Any

import numpy as np
import pytest

from chimera.errors import ConfigError
from chimera.evolution import (
    JADE,
    Algorithm,
    boolean,
    integer,
    minimize,
    mixed,
    permutation,
    real,
    run,
)

BOX = [(-5.0, 5.0)] * 3


def _sphere(x: Any) -> float:
    return float(((x - 1.0) ** 2).sum())


def _zdt1(x: Any) -> Any:
    g = 1.0 + 9.0 * x[1:].mean()
    return x[0], g * (1.0 - np.sqrt(x[0] / g))


@pytest.mark.parametrize(
    ("bounds", "settings", "method"),
    [
        (BOX, {"budget": 60}, "portfolio"),
        (BOX, {"budget": 9_000}, "lshade"),
        (real(-np.inf, np.inf, 3), {"budget": 60}, "cmaes"),
        (real(-1.0, 1.0, 300), {"budget": 60}, "cmaes"),
        (real(-1.0, 1.0, 1_200), {"budget": 60}, "cmaes"),
        (integer(-5, 5, 3), {"budget": 60}, "ga"),
    ],
)
def test_the_choice_follows_the_problem_and_says_why(
    bounds: Any, settings: dict[str, Any], method: str
) -> None:
    result = minimize(_sphere, bounds, **settings)
    assert result.method == method
    assert result.reason in str(result)
    assert str(result.n_evaluations) in str(result)
    assert result.stop_reason in {"budget", "collapsed"}


@pytest.mark.parametrize("n_fixed", [2, 3, 4])
def test_genes_that_cannot_move_do_not_count(n_fixed: int) -> None:
    def rosenbrock(x: Any) -> float:
        return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    bounds = [(-5.0, 5.0)] * (6 - n_fixed) + [(1.0, 1.0)] * n_fixed
    results = [minimize(rosenbrock, bounds, budget=1_500, seed=seed) for seed in range(5)]
    # There is a local minimum as well, where some of them begin.
    assert np.median([result.score for result in results]) < 1e-15
    assert all(np.array_equal(result.x[6 - n_fixed :], np.ones(n_fixed)) for result in results)


def test_mixed_rows_arrive_as_dictionaries() -> None:
    space = mixed(a=real(0, 1, 2), b=boolean(3), c=permutation(4))
    result = minimize(
        lambda row: float(row["a"].sum() - row["b"].sum() + row["c"][0]), space, budget=2_000
    )
    assert result.method == "ga"
    assert result.score < -2.5


@pytest.mark.parametrize(("n", "method"), [(2, "nsga2"), (4, "nsga3")])
def test_several_objectives_give_a_front(n: int, method: str) -> None:
    def objective(x: Any) -> Any:
        return _zdt1(x) if n == 2 else [*x[:3], 3.0 - x.sum()]

    result = minimize(objective, [(0.0, 1.0)] * 4, n_objectives=n, budget=1_500)
    assert result.method == method
    assert result.score.shape == (len(result.x), n)
    assert "front" in str(result)


def test_methods_by_name_class_and_instance() -> None:
    assert minimize(_sphere, BOX, method="jade", budget=3_000).score < 1e-3
    first = minimize(_sphere, BOX, method=JADE, budget=600, options={"population_size": 30})
    assert first.method == "JADE"
    assert first.n_evaluations == 600
    again = minimize(_sphere, method=first.algorithm, budget=2_400)
    assert again.n_evaluations == 3_000
    assert again.score < first.score


def test_going_on_equals_going_through() -> None:
    whole = minimize(_sphere, BOX, method="jade", budget=900, seed=3)
    part = minimize(_sphere, BOX, method="jade", budget=450, seed=3)
    part = minimize(_sphere, method=Algorithm.load(part.algorithm.save()), budget=450)
    assert np.array_equal(whole.x, part.x)
    assert whole.algorithm.save() == part.algorithm.save()


def test_history_grows_and_never_worsens() -> None:
    arrays = minimize(_sphere, BOX, budget=300).history.arrays()
    assert (np.diff(arrays["n_evaluations"]) > 0).all()
    assert (np.diff(arrays["best_score"]) <= 0).all()
    assert {len(values) for values in arrays.values()} == {len(arrays["elapsed_s"])}


def test_maximize_and_target() -> None:
    result = minimize(lambda x: -_sphere(x), BOX, direction="maximize", target=-1e-6)
    assert result.stop_reason == "target"
    assert -1e-6 <= result.score <= 0.0


def test_vectorized_equals_row_by_row() -> None:
    rows = minimize(_sphere, BOX, budget=200, seed=1)
    whole = minimize(
        lambda x: ((x - 1.0) ** 2).sum(axis=1), BOX, budget=200, seed=1, vectorized=True
    )
    assert np.array_equal(rows.x, whole.x)


@pytest.mark.parametrize("method", ["auto", "lshade", "de", "pso"])
@pytest.mark.parametrize("vectorized", [False, True])
def test_constraints_hold(method: str, vectorized: bool) -> None:  # noqa: FBT001 -- parametrised
    def objective(x: Any) -> Any:
        return x.sum(axis=-1) if vectorized else float(x.sum())

    def ball(x: Any) -> Any:
        return (x**2).sum(axis=-1) - 3.0

    result = minimize(
        objective,
        BOX,
        method=method,
        constraints=[ball, lambda x: x[..., 0] - 2.0],
        budget=8_000,
        vectorized=vectorized,
    )
    assert result.is_feasible
    assert result.score == pytest.approx(-3.0, abs=1e-2)


def test_an_objective_may_return_its_violations() -> None:
    result = minimize(lambda x: (float(x.sum()), [-4.0 - x[0], -1.0]), BOX, budget=4_000)
    assert result.is_feasible
    assert result.score == pytest.approx(-14.0, abs=1e-2)


def test_what_cannot_be_met_is_said() -> None:
    result = minimize(_sphere, BOX, constraints=lambda _: 1.0, budget=60)
    assert not result.is_feasible
    assert "not feasible" in str(result)


def test_rows_that_raise_or_give_nan_are_marked() -> None:
    def objective(x: Any) -> float:
        if x[0] > 3.0:
            raise ArithmeticError("too far")
        return float("nan") if x[1] > 3.0 else _sphere(x)

    result = minimize(objective, BOX, method="de", budget=4_000)
    assert result.n_failed > 0
    assert result.score < 1e-6


def test_nothing_worked() -> None:
    result = minimize(lambda _: float("nan"), BOX, budget=40)
    assert result.x is None
    assert "every row failed" in str(result)


def test_interrupted_results_come_back_and_go_on() -> None:
    calls = []

    def objective(x: Any) -> float:
        calls.append(x)
        if len(calls) == 100:
            raise KeyboardInterrupt
        return _sphere(x)

    result = minimize(objective, BOX, method="de", budget=3_000)
    assert result.stop_reason == "interrupted"
    assert 0 < result.n_evaluations < 100
    again = minimize(_sphere, method=result.algorithm, budget=3_000)
    assert again.score < 1e-4


def test_callbacks_may_stop() -> None:
    result = minimize(_sphere, BOX, callback=lambda step: step.n_evaluations >= 20)
    assert result.stop_reason == "callback"


def test_steps_can_be_walked() -> None:
    steps = list(run(_sphere, BOX, budget=100))
    assert 90 < steps[-1].n_evaluations <= 100
    assert steps[-1].best_score <= steps[0].best_score


@pytest.mark.parametrize(
    "settings",
    [
        {"budget": 0},
        {"n_objectives": 0},
        {"workers": 0},
        {"method": "alchemy"},
        {"x0": [1.0]},
        {"x0": [9.0, 0.0, 0.0]},
        {"options": {"nonsense": 1}},
        {"constraints": [3]},
        {"direction": "sideways"},
        {"vectorized": True, "workers": 2},
        {"method": "de", "options": {"weight": 7.0}},
    ],
    ids=str,
)
def test_bad_settings_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        minimize(_sphere, BOX, **settings)


def test_bounds_and_objective_are_needed() -> None:
    with pytest.raises(ConfigError, match="bounds"):
        minimize(_sphere)
    with pytest.raises(ConfigError, match="objective"):
        minimize(3, BOX)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "method",
    ["portfolio", "cmaes", "lm_ma_es", "xnes", "openai_es", "de", "jade", "lshade", "pso", "ga"],
)
@pytest.mark.parametrize("budget", [100, 257, 1_000])
def test_a_budget_is_never_passed(method: str, budget: int) -> None:
    n_called = 0

    def objective(x: Any) -> float:
        nonlocal n_called
        n_called += 1
        return float((x**2).sum() + np.cos(5.0 * x).sum())

    result = minimize(objective, BOX, method=method, budget=budget, seed=1)
    assert result.n_evaluations == n_called <= budget
    if result.stop_reason == "budget":
        assert result.n_evaluations + result.algorithm.batch_size > budget
