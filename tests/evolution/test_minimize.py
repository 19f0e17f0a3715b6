"""What `minimize` chooses, finds and survives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chimera.errors import ConfigError
from chimera.evolution import (
    GA,
    JADE,
    NSGA2,
    Algorithm,
    AsyncEvaluator,
    GenomeDatabase,
    Grid,
    RandomSearch,
    boolean,
    category,
    integer,
    minimize,
    mixed,
    optimize,
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
        assert result.n_evaluations == budget


MIXED = mixed(x=real(-5, 5, 3), k=integer(0, 10, 2), flags=boolean(4), c=category(4, 2))


def _mixed(row: Any) -> float:
    return float(
        ((row["x"] - 1.0) ** 2).sum()
        + 0.2 * ((row["k"] - 3.0) ** 2).sum()
        + (~row["flags"]).sum()
        + (row["c"] != 2).sum()
    )


@pytest.mark.parametrize("budget", [1, 7, 50, 150])
@pytest.mark.parametrize(
    ("bounds", "objective"),
    [
        (BOX, _sphere),
        (integer(-5, 5, 4), _sphere),
        (boolean(12), lambda x: float((~x).sum())),
        (permutation(8), lambda x: float(np.abs(np.diff(x)).sum())),
        (MIXED, _mixed),
        (real(-1.0, 1.0, 300), _sphere),
    ],
    ids=["real", "integer", "boolean", "permutation", "mixed", "many"],
)
def test_every_row_of_a_budget_is_spent_and_none_beyond(
    bounds: Any, objective: Any, budget: int
) -> None:
    seen: list[float] = []

    def counted(x: Any) -> float:
        seen.append(objective(x))
        return seen[-1]

    result = minimize(counted, bounds, budget=budget, seed=1)
    assert result.n_evaluations == len(seen) == budget
    assert result.n_failed == 0
    assert result.score == min(seen)  # rows of a batch that was cut count, too
    assert result.history.n_evaluations[-1] == budget
    assert not result.errors


@pytest.mark.parametrize("budget", [1, 7, 50, 150])
@pytest.mark.parametrize("method", ["auto", "nsga2", "nsga3", "sms_emoa", "moead"])
@pytest.mark.parametrize("n", [2, 4])
def test_fronts_keep_to_their_budget(method: str, budget: int, n: int) -> None:
    seen: list[Any] = []

    def objective(x: Any) -> Any:
        seen.append(_zdt1(x) if n == 2 else [*x[:3], 3.0 - x.sum()])
        return seen[-1]

    result = minimize(
        objective, [(0.0, 1.0)] * 4, n_objectives=n, method=method, budget=budget, seed=1
    )
    assert result.n_evaluations == len(seen) == budget
    assert 1 <= len(result.score) <= budget
    assert {tuple(row) for row in result.score.tolist()} <= {tuple(row) for row in seen}


def test_small_budgets_get_small_populations_and_say_so() -> None:
    result = minimize(_mixed, MIXED, budget=150)
    assert len(result.algorithm.population) == 12
    assert "small batches for a budget of 150" in result.reason
    named = minimize(_mixed, MIXED, method=GA, budget=150, options={"population_size": 30})
    assert len(named.algorithm.population) == 30
    assert "small" not in named.reason
    large = minimize(_mixed, MIXED, budget=10_000)
    assert len(large.algorithm.population) == 100
    front = minimize(_zdt1, [(0.0, 1.0)] * 4, n_objectives=2, budget=400)
    assert front.algorithm.batch_size == 40
    many = minimize(lambda x: [*x[:3], 3.0 - x.sum()], [(0.0, 1.0)] * 4, n_objectives=4, budget=400)
    assert many.algorithm.batch_size == 35  # directions of 4 partitions


def test_a_hundred_rows_on_a_mixed_space_beat_random_search() -> None:
    def mean(method: str) -> float:
        runs = [minimize(_mixed, MIXED, method=method, budget=100, seed=s) for s in range(20)]
        return float(np.mean([result.score for result in runs]))

    assert mean("auto") < 0.75 * mean("random_search")


def test_a_search_goes_on_after_its_last_batch_was_cut() -> None:
    calls: list[int] = []

    def objective(x: Any) -> Any:
        calls.append(len(x))
        return ((x - 1.0) ** 2).sum(axis=1)

    first = minimize(objective, BOX, method="jade", budget=40, vectorized=True)
    assert calls == [30, 10]
    again = minimize(objective, method=first.algorithm, budget=2_000, vectorized=True)
    assert again.n_evaluations == sum(calls) == 2_040
    assert again.n_failed == 0
    assert again.score < 1e-3


def test_rows_under_way_are_no_more_than_the_budget() -> None:
    search = GA(BOX, population_size=10, scheme="steady_state", seed=1)
    with AsyncEvaluator(_sphere, workers=2, n_in_flight=8) as evaluator:
        result = minimize(evaluator, method=search, budget=13)
        assert result.n_evaluations == evaluator.counts.n_evaluations == 13


def test_a_cut_batch_is_stored_as_far_as_it_was_evaluated(tmp_path: Path) -> None:
    with GenomeDatabase(tmp_path / "runs.db") as database:
        search = database.record(GA(BOX, population_size=20, seed=1))
        loop = optimize(search, lambda x: (x**2).sum(axis=1), budget=50).run()
        assert loop.stop_reason == "budget"
        stored = database.individuals(search.run)
        assert len(stored) == database.runs()[0].n_evaluations == 50
        assert database.runs()[0].n_generations == 3


def test_skipped_rows_are_failed_rows_that_do_not_count() -> None:
    search = RandomSearch(BOX, batch_size=4, seed=1)
    batch = search.ask()
    scores = np.array([3.0, 2.0, np.nan, np.nan])
    for skipped, failed in ((4, [True] * 4), (2, [False, False, False, True]), (3, [False] * 4)):
        with pytest.raises(ValueError, match="skipped"):
            search.tell(batch, np.nan_to_num(scores), failed=failed, skipped=skipped)
    search.tell(batch, scores, failed=[False, False, True, True], skipped=1)
    assert (search.n_evaluations, search.n_failed, search.best_score) == (3, 1, 2.0)
    assert Algorithm.load(search.save()).n_evaluations == 3


# Starts.


def test_methods_without_a_start_of_their_own_evaluate_it_first() -> None:
    seen: list[Any] = []

    def objective(x: Any) -> float:
        seen.append({name: np.array(part) for name, part in x.items()})
        return _mixed(x)

    x0: Any = {"x": [1.0, 1.0, 1.0], "k": [3, 3], "flags": [True] * 4, "c": [2, 2]}
    result = minimize(objective, MIXED, x0=x0, budget=60, seed=1)
    assert all(np.array_equal(seen[0][name], x0[name]) for name in x0)
    assert result.score == 0.0
    assert "x0 is a row of the first batch" in result.reason
    assert result.n_evaluations == len(seen) == 60


@pytest.mark.parametrize(
    ("bounds", "x0"),
    [
        (boolean(3), [True, False, True]),
        (permutation(4), [3, 1, 0, 2]),
        (integer(0, 9, 2), np.array([4, 5])),
        (real(-1.0, 1.0, 2, dtype="float32"), [0.25, -0.5]),
    ],
    ids=["boolean", "permutation", "integer", "float32"],
)
def test_starts_of_every_kind(bounds: Any, x0: Any) -> None:
    seen: list[Any] = []

    def objective(x: Any) -> float:
        seen.append(np.array(x))
        return 0.0

    minimize(objective, bounds, x0=x0, budget=20)
    assert np.array_equal(seen[0], x0)
    assert seen[0].dtype == RandomSearch(bounds).ask().dtype


@pytest.mark.parametrize("method", ["nsga2", NSGA2, "nsga3", "moead", "random_search"])
def test_fronts_and_samples_take_a_start(method: Any) -> None:
    seen: list[Any] = []

    def objective(x: Any) -> Any:
        seen.append(np.array(x))
        return _zdt1(x) if method != "random_search" else float(x.sum())

    m = 1 if method == "random_search" else 2
    minimize(objective, [(0.0, 1.0)] * 3, method=method, n_objectives=m, x0=[0.5] * 3, budget=30)
    assert seen[0].tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("bounds", "x0", "message"),
    [
        (BOX, [1.0], "x0: expected 3 values"),
        (BOX, [9.0, 0.0, 0.0], "x0: expected a value of kind f64"),
        (BOX, {"y": [0.0] * 3}, "x0: expected blocks called x"),
        (BOX, [[None]], "x0: expected"),
        (boolean(2), [0.5, 1.0], "x0: expected a value of kind boolean"),
        (integer(0, 9, 2), [0.5, 1.0], "x0: expected a value of kind integer"),
        (permutation(3), [0, 0, 1], "x0: expected a permutation"),
        (MIXED, [0.0] * 11, "x0: expected a dictionary by block"),
        (MIXED, {"x": [0.0] * 3}, "x0: expected blocks called x, k"),
    ],
    ids=str,
)
def test_starts_that_are_no_points_are_refused(bounds: Any, x0: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        minimize(lambda _: pytest.fail("evaluated"), bounds, x0=x0, budget=20)


def test_a_start_may_be_given_by_block_name() -> None:
    result = minimize(_sphere, BOX, x0={"x": [1.0, 1.0, 1.0]}, budget=20)
    assert result.score == 0.0


# Several objectives with violations.


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("with_constraint", [False, True])
def test_fronts_may_come_with_their_violations(
    vectorized: bool,  # noqa: FBT001 -- parametrised
    with_constraint: bool,  # noqa: FBT001
) -> None:
    def objective(x: Any) -> Any:
        f = np.stack([x[..., 0], 1.0 - x[..., 0] + x[..., 1] ** 2], axis=-1)
        over = np.stack([0.25 - x[..., 0], x[..., 1] - 5.0], axis=-1)
        return (f if vectorized else f.tolist()), over

    result = minimize(
        objective,
        [(0.0, 1.0)] * 2,
        n_objectives=2,
        budget=1_000,
        vectorized=vectorized,
        constraints=(lambda x: x[..., 0] - 0.75) if with_constraint else None,
    )
    assert result.is_feasible
    assert result.n_failed == 0
    assert 0.25 <= result.x[:, 0].min() < 0.3
    assert result.x[:, 0].max() <= (0.75 if with_constraint else 1.0)


def test_a_pair_of_two_objectives_stays_one() -> None:
    for pair in (_zdt1, lambda x: ([_zdt1(x)[0]], [_zdt1(x)[1]])):
        result = minimize(pair, [(0.0, 1.0)] * 3, n_objectives=2, budget=200)
        assert result.n_failed == 0
        assert result.is_feasible


# Names.


@pytest.mark.parametrize(
    ("written", "method"),
    [
        ("CMAES", "cmaes"),
        ("CMA-ES", "cmaes"),
        ("L-SHADE", "lshade"),
        ("LM-MA-ES", "lm_ma_es"),
        ("OpenAI_ES", "openai_es"),
        ("Portfolio", "portfolio"),
        ("AUTO", "portfolio"),
    ],
)
def test_methods_are_known_in_any_case(written: str, method: str) -> None:
    assert minimize(_sphere, BOX, method=written, budget=50).method == method


def test_fronts_by_their_papers_names() -> None:
    for written, method in (("NSGA-II", "nsga2"), ("nsga-III", "nsga3"), ("MOEA/D", "moead")):
        result = minimize(_zdt1, [(0.0, 1.0)] * 3, method=written, n_objectives=2, budget=50)
        assert result.method == method


def test_archives_are_filled_by_objectives_with_descriptors() -> None:
    result = minimize(
        lambda x: {"objectives": -float((x**2).sum()), "descriptors": x[:2]},
        [(-1.0, 1.0)] * 4,
        method="map_elites",
        direction="maximize",
        budget=600,
        options={"cells": Grid((5, 5), [(-1.0, 1.0)] * 2)},
    )
    assert result.algorithm.figures["coverage"] > 0.9
