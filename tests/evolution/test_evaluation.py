"""Back ends: what they give, and what they make of objectives that raise or answer badly."""

import math
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.evolution.evaluating import ROWS, check_counts, square

from chimera.errors import BatchError, ConfigError
from chimera.evolution import (
    Algorithm,
    AsyncEvaluator,
    Cascade,
    Evaluator,
    PerRow,
    ProcessPool,
    RandomSearch,
    Sandboxed,
    Stage,
    Vectorized,
    optimize,
)


@pytest.fixture(params=["vectorized", "per_row", "pool", "async", "coroutine"])
def evaluator(request: pytest.FixtureRequest) -> Any:
    async def later(x: Any) -> float:
        return square(x)

    made: dict[str, Callable[[], Any]] = {
        "vectorized": lambda: Vectorized(lambda x: x[:, 0] ** 2),
        "per_row": lambda: PerRow(square),
        "pool": lambda: ProcessPool(square, workers=2),
        "async": lambda: AsyncEvaluator(square, workers=2),
        "coroutine": lambda: AsyncEvaluator(later, workers=2),
    }
    with made[request.param]() as one:
        yield one


def test_every_back_end_gives_the_same(evaluator: Evaluator) -> None:
    done = evaluator.evaluate(ROWS)
    assert done.objectives.tolist() == (ROWS**2).tolist()
    assert not done.failed.any()
    assert done.seconds.shape == (12,)
    assert evaluator.counts.n_rows == evaluator.counts.n_evaluations == 12
    check_counts(evaluator)


def test_an_empty_batch_is_no_error(evaluator: Evaluator) -> None:
    assert evaluator.evaluate(np.empty((0, 3))).objectives.shape == (0, 1)


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((2, 2, 2)), {}])
def test_batches_of_another_shape_are_refused(evaluator: Evaluator, bad: Any) -> None:
    with pytest.raises(BatchError, match="batch"):
        evaluator.evaluate(bad)


def test_vectorized_finds_the_rows_at_fault() -> None:
    def objective(x: Any) -> Any:
        if (x[:, 0] == 5).any():
            raise ValueError("five")
        return x[:, 0]

    evaluator = Vectorized(objective, retries=1)
    done = evaluator.evaluate(ROWS)
    assert np.flatnonzero(done.failed).tolist() == [5]
    assert done.errors == {5: "ValueError: five"}
    assert np.delete(done.objectives[:, 0], 5).tolist() == np.delete(ROWS[:, 0], 5).tolist()
    check_counts(evaluator)


def test_vectorized_reads_mappings() -> None:
    evaluator = Vectorized(
        lambda x: {"objectives": np.hstack([x, x]), "violations": x[:, 0], "descriptors": x},
        n_objectives=2,
        n_descriptors=1,
    )
    done = evaluator.evaluate(ROWS)
    assert done.objectives.shape == (12, 2)
    assert set(done.arguments()) == {"scores", "violations", "descriptors"}


def test_vectorized_marks_rows_that_are_not_finite() -> None:
    done = Vectorized(lambda x: np.where(x[:, 0] > 9, np.inf, 1.0)).evaluate(ROWS)
    assert np.flatnonzero(done.failed).tolist() == [10, 11]
    assert np.isnan(done.objectives[10:]).all()


def test_vectorized_marks_rows_that_are_masked() -> None:
    masked = np.ma.array(ROWS[:, 0], mask=ROWS[:, 0] == 3)
    done = Vectorized(lambda _: masked).evaluate(ROWS)
    assert list(done.errors) == [3]
    assert "masked" in done.errors[3]
    assert Vectorized(lambda _: np.ma.array(ROWS)).evaluate(ROWS).errors == {}


class Broken:
    def __array__(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no array")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([10**400] * 12, "OverflowError"),
        (Broken(), "RuntimeError: no array"),
        ({"objectives": Broken()}, "RuntimeError: no array"),
        (["1.5"] * 12, "expected real numbers"),
        (np.full(12, 1j), "complex128"),
        (np.full(12, np.datetime64("2020-01-01")), "datetime64"),
    ],
)
def test_vectorized_marks_all_rows_of_an_answer_that_is_no_numbers(
    answer: Any, reason: str
) -> None:
    evaluator = Vectorized(lambda _: answer)
    done = evaluator.evaluate(ROWS)
    assert done.failed.all()
    assert reason in done.errors[11]
    check_counts(evaluator)


def test_vectorized_without_a_time_limit_needs_no_process() -> None:
    done = Vectorized(lambda x: x[:, 0] + os.getpid(), timeout_s=math.inf).evaluate(ROWS)
    assert done.objectives[0, 0] == os.getpid()


@pytest.mark.parametrize(
    "settings", [{"timeout_s": 1e10}, {"timeout_s": "1"}, {"retries": 1.5}, {"n_objectives": "2"}]
)
def test_back_ends_refuse_settings(settings: dict[str, Any]) -> None:
    for make in (Vectorized, PerRow, AsyncEvaluator):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            make(square, **settings)


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1"])
def test_back_ends_refuse_seeds(seed: Any) -> None:
    for make in (PerRow, AsyncEvaluator, ProcessPool):
        with pytest.raises(ConfigError, match="rng_seed: expected an integer from 0"):
            make(square, rng_seed=seed)


def test_per_row_hands_out_copies_for_each_attempt() -> None:
    calls: list[float] = []

    def objective(x: Any) -> float:
        block = x["x"] if isinstance(x, dict) else x
        calls.append(float(block[0]))
        block += 1.0
        if len(calls) % 2:
            raise ValueError("again")
        return float(block[0])

    batch = ROWS[:2].copy()
    batch.flags.writeable = False  # as `ask` gives it
    evaluator = PerRow(objective, retries=1)
    assert evaluator.evaluate(batch).objectives.tolist() == [[1.0], [2.0]]
    assert evaluator.evaluate({"x": batch}).objectives.tolist() == [[1.0], [2.0]]
    assert calls == [0.0, 0.0, 1.0, 1.0] * 2


def test_reasons_are_cut_to_a_length() -> None:
    from chimera.evolution.evaluation._base import REASON_CHARS_MAX

    def objective(_: Any) -> float:
        raise ValueError("x" * 10_000_000)

    assert len(PerRow(objective).evaluate(ROWS[:1]).errors[0]) == REASON_CHARS_MAX


def test_vectorized_marks_all_rows_of_an_answer_of_another_shape() -> None:
    evaluator = Vectorized(lambda _: np.zeros(3))
    done = evaluator.evaluate(ROWS)
    assert done.failed.all()
    assert "shape (3,)" in done.errors[0]
    assert evaluator.counts.n_evaluations == 12


def test_vectorized_kills_a_call_that_is_late() -> None:
    def objective(x: Any) -> Any:
        if x[0, 0] > 0:
            time.sleep(60)
        return x[:, 0]

    with Vectorized(objective, timeout_s=0.2) as evaluator:
        assert not evaluator.evaluate(ROWS).failed.any()
        late = evaluator.evaluate(ROWS + 1)
        assert late.failed.all()
        assert "timeout_s=0.2" in late.errors[0]
        assert not evaluator.evaluate(ROWS).failed.any()
        assert evaluator.counts.n_timeouts == 1


def test_vectorized_survives_the_end_of_its_process() -> None:
    def objective(x: Any) -> Any:
        if (x[:, 0] == 2).any():
            os._exit(4)
        return x[:, 0]

    with Vectorized(objective, timeout_s=5.0) as evaluator:
        done = evaluator.evaluate(ROWS[:4])
    assert done.errors == {2: "ended its worker process (exit status 4)"}


def test_per_row_retries_and_counts() -> None:
    calls = []

    def objective(x: Any) -> float:
        calls.append(x[0])
        if x[0] == 3 and calls.count(3.0) < 3:
            raise RuntimeError("not yet")
        if x[0] == 7:
            raise RuntimeError("never")
        return float(x[0])

    evaluator = PerRow(objective, retries=2)
    done = evaluator.evaluate(ROWS)
    assert done.errors == {7: "RuntimeError: never (attempt 3)"}
    assert len(calls) == evaluator.counts.n_evaluations == 16
    assert evaluator.counts.n_failed == 1
    check_counts(evaluator)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ([1.0, 2.0], "2 objectives; expected 1"),
        ("text", "expected real numbers"),
        ("1.5", "expected real numbers"),
        (b"1.5", "expected real numbers"),
        (np.array(["1.5", None], dtype=object), "hold text"),
        (1.0 + 0.0j, "complex128; expected real numbers"),
        (np.array([1.0 + 2.0j]), "complex128; expected real numbers"),
        (np.datetime64("2020-01-01"), "expected real numbers"),
        (np.timedelta64(5, "s"), "expected real numbers"),
        (np.ma.masked, "masked"),
        (np.ma.array([1.0], mask=[True]), "masked"),
        (10**400, "OverflowError"),
        ({"objective": 1.0}, "unknown keys objective"),
        ({"objectives": 1.0, "violations": -1.0}, "negative violation"),
        (None, "no objectives"),
        (math.inf, "not finite"),
    ],
)
def test_unusable_answers_mark_the_row(answer: Any, reason: str) -> None:
    done = PerRow(lambda _: answer).evaluate(ROWS[:2])
    assert done.failed.all()
    assert reason in done.errors[0]


SOURCE = """
def score(x: list[float]) -> float:
    return 1.0 / x[0]

def loop(x: list[float]) -> float:
    total = 0.0
    while x[0] > 0.0:
        total += 1.0
    return total

def hog(x: list[float]) -> float:
    xs = [0.0] * (int(x[0]) * 1000000)
    return float(len(xs))

def excess(x: list[float]) -> float:
    return max(0.0, x[0] - 5.0)

def weigh(rate: list[float], flags: list[bool], weights: list[float]) -> float:
    total = 0.0
    for i in range(len(flags)):
        if flags[i]:
            total += weights[i] * rate[0]
    return total
"""


def test_sandbox_marks_traps_fuel_and_memory() -> None:
    trap = Sandboxed(SOURCE, "score", threads=1).evaluate(np.array([[0.0], [2.0]]))
    assert list(trap.errors) == [0]
    assert "ZeroDivisionError" in trap.errors[0]
    assert trap.objectives[1, 0] == 0.5
    fuel = Sandboxed(SOURCE, "loop", fuel=10_000).evaluate(np.array([[1.0], [0.0]]))
    assert list(fuel.errors) == [0]
    assert "fuel" in fuel.errors[0]
    memory = Sandboxed(SOURCE, "hog", memory_bytes_max=16 << 20).evaluate(
        np.array([[100.0], [1.0]])
    )
    assert list(memory.errors) == [0]
    assert "memory" in memory.errors[0]


def test_sandbox_takes_objectives_violations_blocks_and_data() -> None:
    two = Sandboxed(SOURCE, ["score", "excess"], violation="excess", descriptors=["score"])
    done = two.evaluate(np.array([[2.0], [8.0]]))
    assert done.objectives.tolist() == [[0.5, 0.0], [0.125, 3.0]]
    assert done.violations is not None
    assert done.violations.tolist() == [0.0, 3.0]
    assert done.descriptors is not None
    assert done.descriptors.tolist() == [[0.5], [0.125]]
    mixed = Sandboxed(SOURCE, "weigh", data={"weights": [1.0, 10.0]})
    batch = {"rate": np.array([[2.0]]), "flags": np.array([[True, True]])}
    assert mixed.evaluate(batch).objectives.tolist() == [[22.0]]
    with pytest.raises(BatchError, match="rate"):
        mixed.evaluate({"speed": np.array([[2.0]])})


def test_sandbox_is_deterministic_in_scores_and_fuel() -> None:
    batch = np.random.default_rng(2).random((50, 1)) + 0.5
    made = [Sandboxed(SOURCE, "score", threads=n) for n in (1, 2)]
    one, two = (sandbox.evaluate(batch) for sandbox in made)
    assert np.array_equal(one.objectives, two.objectives)
    assert made[0].n_fuel == made[1].n_fuel > 0


def test_sandbox_refuses_entries_and_data() -> None:
    with pytest.raises(ConfigError, match="data"):
        Sandboxed(SOURCE, "score", data={"y": 1.0})
    with pytest.raises(ConfigError, match="parameters"):
        Sandboxed(SOURCE, ["score", "weigh"])
    with pytest.raises(ConfigError, match="fuel"):
        Sandboxed(SOURCE, "score", fuel=0)


def test_cascade_spends_the_expensive_stage_on_survivors_only() -> None:
    seen: list[float] = []

    def exact(x: Any) -> float:
        seen.append(float(x[0]))
        return float(x[0] * 10)

    cascade = Cascade(
        [
            Stage(Vectorized(lambda x: np.where(x[:, 0] == 11, np.nan, x[:, 0])), keep=0.5),
            Stage(PerRow(exact), cost=50.0, threshold=30.0, name="exact"),
            Stage(Vectorized(lambda x: x[:, 0] * 100), cost=1000.0),
        ]
    )
    done = cascade.evaluate(ROWS)
    assert seen == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert done.errors == {11: "returned numbers that cannot be used: [nan, nan]"}
    assert done.objectives[:, 0].tolist()[:11] == [0, 100, 200, 300, 40, 50, 6, 7, 8, 9, 10]
    assert done.violations is not None
    assert done.violations.tolist()[:11] == [0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 2]
    first, second, third = cascade.stages
    assert (first.n_rows, first.n_passed, first.n_dropped, first.n_failed) == (12, 6, 5, 1)
    assert (second.name, second.n_rows, second.n_passed, second.cost) == ("exact", 6, 4, 300.0)
    assert (third.n_rows, third.cost) == (4, 4000.0)
    assert cascade.counts.cost == 12 + 300 + 4000
    assert cascade.counts.n_evaluations == 12 + 6 + 4
    assert (cascade.counts.n_rows, cascade.counts.n_failed) == (12, 1)


def test_cascade_can_mark_and_maximise() -> None:
    stage = Stage(Vectorized(lambda x: x[:, 0]), threshold=9.0)
    last = Stage(Vectorized(lambda x: x[:, 0]))
    cascade = Cascade([stage, last], dropped="failed", direction="maximize")
    done = cascade.evaluate(ROWS)
    assert np.flatnonzero(~done.failed).tolist() == [9, 10, 11]
    assert done.errors[0] == "dropped by stage 0"
    assert done.violations is None


def test_cascade_follows_the_search_that_the_loop_runs() -> None:
    def kept(direction: Any, named: Any = None) -> Any:
        stage = Stage(Vectorized(lambda x: x[:, 0]), keep=0.2)
        stages = [stage, Stage(Vectorized(lambda x: x[:, 0]))]
        inner = Cascade(stages, dropped="failed", direction=named)
        cascade = Cascade([Stage(inner)], dropped="failed")  # told through the outer one
        search = RandomSearch([(0.0, 1.0)], batch_size=20, seed=1, direction=direction)
        step = next(optimize(search, cascade))
        batch = np.asarray(step.batch)
        return batch[~step.evaluated.failed, 0], np.sort(batch[:, 0])

    low, ordered = kept("minimize")
    assert sorted(low) == ordered[:4].tolist()
    high, ordered = kept("maximize")
    assert sorted(high) == ordered[-4:].tolist()
    for direction, opposite in (("maximize", "minimize"), ("minimize", "maximize")):
        with pytest.raises(ConfigError, match=f"expected {direction} as the search"):
            kept(direction, opposite)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Cascade([]),
        lambda: Cascade([Stage(Vectorized(len), keep=0.0)]),
        lambda: Cascade([Stage(Vectorized(len), cost=-1.0)]),
        lambda: Cascade([Stage(Vectorized(len))], dropped="gone"),  # type: ignore[arg-type]
    ],
)
def test_cascade_refuses_settings(make: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError):
        make()


def test_loop_goes_on_over_failed_rows() -> None:
    search = RandomSearch([(-1.0, 1.0)] * 2, batch_size=20, seed=1)
    objective = PerRow(lambda x: 1 / 0 if x[0] > 0 else float(x[0]))
    seen: list[int] = []
    loop = optimize(
        search,
        objective,
        termination=lambda step: "budget" if step.n_evaluations >= 100 else None,
        callback=lambda step: seen.append(step.generation),
    ).run()
    assert loop.stop_reason == "budget"
    assert seen == [1, 2, 3, 4, 5]
    assert search.n_failed == objective.counts.n_failed > 0
    assert -1.0 <= search.best_score < 0.0


def test_loop_takes_a_callable_of_several_objectives() -> None:
    search = Algorithm._start(
        "nsga2", [(0.0, 1.0)] * 2, {"n_objectives": 2, "population_size": 8}, seed=1, threads=1
    )
    step = next(optimize(search, lambda x: np.stack([x[:, 0], 1 - x[:, 0]], axis=1)))
    assert step.evaluated.objectives.shape == (8, 2)
    assert not step.evaluated.failed.any()


def test_loop_stops_for_a_callback_and_refuses_other_things() -> None:
    search = RandomSearch([(-1.0, 1.0)], seed=1)
    loop = optimize(search, lambda x: x[:, 0], callback=lambda step: step.generation == 2)
    assert len(list(loop)) == 2
    assert loop.stop_reason == "callback"
    with pytest.raises(ConfigError, match="evaluator"):
        optimize(search, 3)  # type: ignore[arg-type]
