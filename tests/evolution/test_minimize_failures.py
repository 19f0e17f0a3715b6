"""Objectives that cannot work: what `minimize` says of them, and when it stops."""

from typing import Any

import numpy as np
import pytest

from chimera.errors import EvaluationError
from chimera.evolution import minimize, run

BOX = [(-5.0, 5.0)] * 3


def sphere(x: Any) -> float:
    return float(((x - 1.0) ** 2).sum())


def unknown(x: Any) -> float:
    return undefined_name(x)  # type: ignore[name-defined]  # noqa: F821


@pytest.mark.parametrize(
    ("objective", "settings", "reason"),
    [
        (unknown, {}, "NameError: name 'undefined_name'"),
        (unknown, {"vectorized": True}, "NameError.*whole batches"),
        (lambda x: (x**2).sum(axis=1), {}, r"AxisError.*one row, \(3,\) float64"),
        (lambda x: x, {}, "returned 3 objectives; expected 1"),
        (sphere, {"vectorized": True}, "returned objectives of shape"),
        (sphere, {"method": "nsga2"}, "returned 1 objectives; expected 2"),
        (sphere, {"n_objectives": 2}, "returned 1 objectives; expected 2"),
        (unknown, {"workers": 2}, "NameError"),
    ],
)
def test_broken_objectives_end_the_run_after_one_batch(
    objective: Any, settings: dict[str, Any], reason: str
) -> None:
    n_rows = 0

    def callback(step: Any) -> None:
        nonlocal n_rows
        n_rows = step.n_evaluations

    with pytest.raises(EvaluationError, match=reason) as caught:
        minimize(objective, BOX, budget=5_000, callback=callback, **settings)
    assert "may_fail=True" in str(caught.value)
    assert n_rows <= 150
    with pytest.raises(EvaluationError, match=reason):
        list(run(objective, BOX, budget=5_000, **settings))


def test_objectives_that_may_fail_are_given_their_budget() -> None:
    n_called = 0

    def late(x: Any) -> float:
        nonlocal n_called
        n_called += 1
        if n_called <= 40:
            raise OSError("busy")
        return sphere(x)

    with pytest.raises(EvaluationError, match="OSError: busy"):
        minimize(late, BOX, method="de", budget=3_000)
    n_called = 0
    result = minimize(late, BOX, method="de", budget=3_000, may_fail=True)
    assert result.score < 1e-4
    assert result.errors == {"OSError: busy": 40}


def test_one_row_that_works_or_fails_otherwise_is_hope() -> None:
    def objective(x: Any) -> float:
        if x[0] > -4.9:
            raise ArithmeticError("left" if x[1] < 0 else "right")
        return sphere(x)

    result = minimize(objective, BOX, budget=60)
    assert sum(result.errors.values()) == result.n_failed
    assert set(result.errors) == {"ArithmeticError: left", "ArithmeticError: right"}
    assert "failed: ArithmeticError: left" in str(result)


def test_nan_is_an_answer_and_counted_as_one_reason() -> None:
    for vectorized in (False, True):
        result = minimize(lambda x: x.sum(axis=-1) * np.nan, BOX, budget=60, vectorized=vectorized)
        assert result.x is None
        assert list(result.errors.values()) == [60]
        assert "60 failed: " in str(result)


def test_a_few_rows_are_too_few_to_judge() -> None:
    result = minimize(unknown, BOX, budget=5)
    assert list(result.errors.values()) == [5]
    assert "5 failed: NameError" in str(result)


def test_distinct_reasons_are_bounded() -> None:
    def objective(x: Any) -> float:
        raise ValueError(f"{x[0]} is bad" + "!" * 1_000)

    result = minimize(objective, BOX, budget=60)
    assert len(result.errors) == 17
    assert sum(result.errors.values()) == 60
    assert "other reasons" in result.errors
    assert max(len(reason) for reason in result.errors) <= 200
    assert "and 14 more reasons" in str(result)
