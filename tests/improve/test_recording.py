import math
from collections import Counter
from pathlib import Path

import pytest
from tests.improve.support import EVOLVE, OBJECTIVE, task_text, write_task

from chimera.errors import ObjectiveError
from chimera.improve.recording import (
    PythonScore,
    Reservoir,
    is_same_float,
    mismatches,
    python_score,
    record,
)
from chimera.improve.task import load_task


def fill(size: int, n: int, seed: int) -> list[int]:
    reservoir = Reservoir(size, seed)
    for idx in range(n):
        reservoir.add((idx,))
    return [item[0] for item in reservoir.items]


@pytest.mark.parametrize("size", [1, 2, 7])
@pytest.mark.parametrize("n", [0, 1, 5, 7, 8, 500])
def test_reservoir_holds_distinct_items(size: int, n: int) -> None:
    items = fill(size, n, 3)
    assert len(items) == min(size, n) == len(set(items))
    assert items == fill(size, n, 3)


def test_reservoir_is_uniform() -> None:
    counts = Counter(item for seed in range(4_000) for item in fill(5, 20, seed))
    # Each of 20 items is expected 1 000 times with deviation 27.4; five deviations either way.
    assert all(863 < counts[idx] < 1_137 for idx in range(20)), counts


def test_scores_are_compared_by_bits() -> None:
    assert is_same_float(math.nan, -math.nan)
    assert not is_same_float(0.0, -0.0)
    assert is_same_float(0.1, 0.1)
    assert not is_same_float(0.1, math.nextafter(0.1, 1.0))


def test_record_samples_calls_and_restores_the_module(tmp_path: Path) -> None:
    task = load_task(write_task(tmp_path))
    before = task.module.guess
    recording = record(task, ([1.0, 2.0], [3.0, 4.0]), n_probes=8, seed=1, timeout_s=5.0)
    assert recording.probes == {"guess": [(1.0, 3.0), (2.0, 4.0)]}
    assert recording.score == task.module.error([1.0, 2.0], [3.0, 4.0])
    assert task.module.guess is before


def test_record_resolves_keywords_and_skips_lists(tmp_path: Path) -> None:
    objective = OBJECTIVE.replace("guess(xs[i], ys[i])", "guess(y=ys[i], x=xs[i]) + first(xs)")
    evolve = EVOLVE + "\n\n@chimera.evolve\ndef first(v: list[float]) -> float:\n    return v[0]\n"
    task = load_task(write_task(tmp_path, task_text(evolve=evolve, objective=objective)))
    recording = record(task, ([1.0], [3.0]), n_probes=8, seed=1, timeout_s=5.0)
    assert recording.probes == {"guess": [(1.0, 3.0)], "first": []}


@pytest.mark.parametrize(
    ("body", "message"),
    [("return x / 0.0", "ZeroDivisionError"), ("while True:\n        pass", "longer than 0.3 s")],
)
def test_record_refuses_a_failing_objective(tmp_path: Path, body: str, message: str) -> None:
    evolve = EVOLVE.replace("return x", body)
    task = load_task(write_task(tmp_path, task_text(evolve=evolve)))
    before = task.module.guess
    with pytest.raises(ObjectiveError, match=message):
        record(task, ([1.0], [1.0]), n_probes=8, seed=1, timeout_s=0.3)
    assert task.module.guess is before


def test_python_score_wants_a_float() -> None:
    assert python_score(lambda: 1.5, (), timeout_s=5.0) == PythonScore(1.5)
    assert "str instead of float" in str(python_score(lambda: "1", (), timeout_s=5.0).reason)


def test_mismatches_are_named() -> None:
    python = [PythonScore(1.0), PythonScore(2.0), PythonScore(None, "ValueError: x")]
    found = mismatches(python, [1.0, 2.5, 3.0])
    assert [idx for idx, _ in found] == [1, 2]
    assert "2.5" in found[0][1]
    assert "ValueError" in found[1][1]


@pytest.mark.parametrize(
    ("error", "reason"), [(SystemExit(4), "SystemExit: 4"), (ValueError(), "ValueError")]
)
def test_whatever_an_objective_raises_is_a_reason(error: BaseException, reason: str) -> None:
    def objective() -> float:
        raise error

    assert python_score(objective, (), timeout_s=5.0) == PythonScore(None, reason)


def test_an_int_score_counts_as_the_float() -> None:
    score = python_score(lambda: 2, (), timeout_s=5.0)
    assert type(score.value) is float
    assert not mismatches([score], [2.0])
    assert python_score(lambda: 10**400, (), timeout_s=5.0).value is None
    assert python_score(lambda: True, (), timeout_s=5.0).value is None
