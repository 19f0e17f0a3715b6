"""Back ends under faults that happen: raising, NaN, stuck, killed, exiting, out of memory."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chimera.errors import BatchError, ConfigError, EvaluationError, OrderError
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

ROWS = np.arange(12.0)[:, None]


def square(x: Any) -> float:
    return float(x[0] ** 2)


def faulty(x: Any) -> float:
    kind = int(x[0])
    if kind == 1:
        os._exit(3)
    if kind == 2:
        time.sleep(60)
    if kind == 3:
        raise ValueError("three is\nbad")
    if kind == 4:
        return math.nan
    if kind == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == 6:
        sys.exit("six")
    return float(kind)


def check_counts(evaluator: Evaluator) -> None:
    counts = evaluator.counts
    assert counts.n_evaluations == counts.n_rows + counts.n_retries


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


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
        ("text", "ValueError"),
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


def test_pool_survives_every_fault() -> None:
    with ProcessPool(faulty, workers=2, timeout_s=0.3, retries=1) as pool:
        done = pool.evaluate(ROWS)
        assert done.errors == {
            1: "ended its worker process (exit status 3) (attempt 2)",
            2: "took longer than timeout_s=0.3 (attempt 2)",
            3: "ValueError: three is bad (attempt 2)",
            4: "ValueError: returned objectives that are not finite: [nan] (attempt 2)",
            5: "ended its worker process (signal SIGKILL) (attempt 2)",
            6: "SystemExit: six (attempt 2)",
        }
        assert done.objectives[7:, 0].tolist() == ROWS[7:, 0].tolist()
        counts = pool.counts
        assert (counts.n_retries, counts.n_failed) == (6, 6)
        assert (counts.n_timeouts, counts.n_crashes) == (2, 4)
        check_counts(pool)
        assert not pool.evaluate(ROWS[7:]).failed.any()


def test_pool_gives_the_same_on_any_number_of_workers() -> None:
    def noisy(x: Any, rng: np.random.Generator) -> float:
        return float(x.sum() + rng.normal())

    batch = np.random.default_rng(1).random((400, 7))
    with ProcessPool(noisy, workers=1, rng_seed=3) as pool:
        one = [pool.evaluate(batch).objectives for _ in range(2)]
    with ProcessPool(noisy, workers=3, rng_seed=3, chunk_rows_max=5) as pool:
        three = [pool.evaluate(batch).objectives for _ in range(2)]
    here = PerRow(noisy, rng_seed=3)
    assert np.array_equal(one, three)
    assert np.array_equal(one, [here.evaluate(batch).objectives for _ in range(2)])
    assert not np.array_equal(one[0], one[1])


def test_pool_carries_mixed_blocks_and_keeps_rows_apart() -> None:
    def objective(x: Any) -> dict[str, Any]:
        x["rate"][0] += 100.0  # a copy: nobody else sees it
        return {"objectives": [x["rate"][0], float(x["flag"].sum())], "violations": x["n"][0]}

    batch = {
        "rate": np.arange(3.0)[:, None],
        "flag": np.ones((3, 2), dtype=bool),
        "n": np.arange(3)[:, None],
    }
    with ProcessPool(objective, workers=2, n_objectives=2) as pool:
        done = pool.evaluate(batch)
    assert done.objectives.tolist() == [[100.0, 2.0], [101.0, 2.0], [102.0, 2.0]]
    assert done.violations is not None
    assert done.violations.tolist() == [0.0, 1.0, 2.0]
    assert batch["rate"][0, 0] == 0.0


def test_pool_passes_large_batches_in_slices() -> None:
    batch = np.random.default_rng(0).random((2000, 20))
    with ProcessPool(square, workers=2, shared_bytes_max=1 << 16) as pool:
        done = pool.evaluate(batch)
    assert np.array_equal(done.objectives, PerRow(square).evaluate(batch).objectives)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is kept on Linux only")
def test_pool_limits_memory() -> None:
    def hog(x: Any) -> float:
        return float(np.ones(int(x[0]) << 20).sum())

    with ProcessPool(hog, workers=1, memory_bytes_max=256 << 20) as pool:
        done = pool.evaluate(np.array([[1.0], [500.0], [2.0]]))
    assert list(done.errors) == [1]
    assert "MemoryError" in done.errors[1]


def test_pool_replaces_a_worker_killed_between_batches() -> None:
    with ProcessPool(square, workers=2) as pool:
        pool.evaluate(ROWS)
        for pid in pool.pids:
            os.kill(pid, signal.SIGKILL)
        assert pool.evaluate(ROWS).objectives.tolist() == (ROWS**2).tolist()
        assert pool.counts.n_failed == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_pool_ends_what_its_objective_started() -> None:
    def objective(x: Any) -> float:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        if x[0] > 0:
            time.sleep(60)
        return float(child.pid)

    with ProcessPool(objective, workers=1) as pool:
        pid = int(pool.evaluate(np.zeros((1, 1))).objectives[0, 0])
        assert is_alive(pid)
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(pid)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.timeout(60)
def test_pool_names_objectives_that_cannot_be_sent(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
    with (
        ProcessPool(lambda x: float(x[0]), workers=1, start_method=method) as pool,
        pytest.raises(ConfigError, match="can be pickled"),
    ):
        pool.evaluate(ROWS)


@pytest.mark.timeout(60)
def test_pool_spawns() -> None:
    with ProcessPool(math.fsum, workers=1, start_method="spawn") as pool:
        assert pool.evaluate(ROWS).objectives.tolist() == ROWS.tolist()


SCRIPT = """
import os, signal, sys, time
import numpy as np
from chimera.evolution import ProcessPool

# A job in the background of a shell inherits that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def objective(x):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)

pool = ProcessPool(objective, workers=2)
import threading
def tell():
    while len(pool.pids) < 2:
        time.sleep(0.01)
    time.sleep(0.1)
    print(*pool.pids, flush=True)
threading.Thread(target=tell, daemon=True).start()
try:
    pool.evaluate(np.zeros((4, 1)))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.timeout(60)
def test_no_worker_outlives_the_parent(how: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(is_alive(pid) for pid in pids)
        parent.send_signal(how)
        rest = parent.stdout.read()
    assert ("interrupted" in rest) == (how == signal.SIGINT)
    deadline = time.monotonic() + 10
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(map(is_alive, pids))


@pytest.mark.parametrize(
    "settings",
    [
        {"workers": -1},
        {"workers": 2000},
        {"timeout_s": 0.0},
        {"retries": -1},
        {"n_objectives": 0},
        {"start_method": "teleport"},
        {"chunk_rows_max": 0},
        {"shared_bytes_max": 1},
    ],
)
def test_pool_refuses_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        ProcessPool(square, **settings)


def test_pool_gives_up_when_no_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    from chimera.evolution.evaluation import _crew

    def broken(**_: Any) -> None:
        os._exit(9)

    monkeypatch.setattr(_crew, "work", broken)
    with (
        ProcessPool(square, workers=1) as pool,
        pytest.raises(EvaluationError, match="exit status 9"),
    ):
        pool.evaluate(ROWS)


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


def test_async_returns_rows_in_the_order_of_submission() -> None:
    def objective(x: Any) -> float:
        time.sleep(0.05 if x[0] == 0 else 0.0)
        return float(x[0])

    with AsyncEvaluator(objective, workers=2, n_in_flight=6) as evaluator:
        evaluator.submit(ROWS[:6])
        with pytest.raises(BatchError, match="n_free"):
            evaluator.submit(ROWS[:1])
        with pytest.raises(OrderError, match="pending"):
            evaluator.evaluate(ROWS)
        got = [float(evaluator.collect()[0][0, 0]) for _ in range(6)]  # type: ignore[index]
        assert got == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
        with pytest.raises(OrderError, match="submitted"):
            evaluator.collect()


def test_async_without_order_does_not_wait_for_the_slow() -> None:
    import asyncio

    gate: dict[str, asyncio.Event] = {}

    async def objective(x: Any) -> float:
        gate.setdefault("slow", asyncio.Event())
        if x[0] == 0:
            await gate["slow"].wait()
        elif x[0] == 3:
            gate["slow"].set()
        return float(x[0])

    with AsyncEvaluator(objective, workers=2, n_in_flight=4, is_ordered=False) as evaluator:
        evaluator.submit(ROWS[:4])
        order: list[float] = []
        while evaluator.n_pending:
            order += np.asarray(evaluator.collect()[0])[:, 0].tolist()
    assert order[-1] == 0.0 or order.index(0.0) >= 2
    assert sorted(order) == [0.0, 1.0, 2.0, 3.0]


def test_async_survives_faults_in_processes() -> None:
    with AsyncEvaluator(faulty, workers=2, timeout_s=0.3, retries=1) as evaluator:
        done = evaluator.evaluate(ROWS)
        assert sorted(done.errors) == [1, 2, 3, 4, 5, 6]
        check_counts(evaluator)


def test_coroutines_are_timed_and_retried() -> None:
    import asyncio

    tries: list[float] = []

    async def objective(x: Any) -> float:
        tries.append(float(x[0]))
        if x[0] == 1:
            await asyncio.sleep(60)
        if x[0] == 2:
            raise ValueError("two")
        if x[0] == 3 and tries.count(3.0) == 1:
            raise TimeoutError("own")
        return float(x[0])

    with AsyncEvaluator(objective, workers=4, timeout_s=0.05, retries=1) as evaluator:
        done = evaluator.evaluate(ROWS)
        assert done.errors == {1: "took longer than timeout_s=0.05", 2: "ValueError: two"}
        assert evaluator.counts.n_timeouts == 2
        assert evaluator.counts.n_retries == 3
        check_counts(evaluator)


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


def test_steady_loop_depends_on_rows_in_flight_not_on_timing() -> None:
    def run(workers: int, pause: float) -> tuple[list[float], float]:
        def objective(x: Any) -> float:
            time.sleep(pause * float(abs(x[0])))
            return float((x**2).sum())

        search = RandomSearch([(-1.0, 1.0)] * 2, seed=4)
        with AsyncEvaluator(objective, workers=workers, n_in_flight=4) as evaluator:
            loop = optimize(
                search,
                evaluator,
                termination=lambda step: "enough" if step.n_evaluations >= 40 else None,
            )
            scores = [float(step.evaluated.objectives[0, 0]) for step in loop]
        return scores, search.best_score

    assert run(1, 0.0) == run(2, 0.002) == run(3, 0.001)
