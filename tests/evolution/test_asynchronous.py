"""Rows without a barrier: in order, under faults, and the steady loop above."""

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from tests.evolution.evaluating import ROWS, check_counts, faulty

from chimera.errors import BatchError, ConfigError, EvaluationError, OrderError
from chimera.evolution import AsyncEvaluator, RandomSearch, optimize
from chimera.evolution.evaluation import _coroutines


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


async def total(x: Any) -> float:
    return float(x.sum())


@pytest.mark.parametrize("objective", [lambda x: float(x.sum()), total])
def test_rows_of_another_kind_wait_for_those_pending(objective: Callable[[Any], Any]) -> None:
    with AsyncEvaluator(objective, workers=1, n_in_flight=4) as evaluator:
        evaluator.submit(np.ones((1, 3)))
        evaluator.submit(np.full((1, 3), 2.0))
        for other in (np.full((1, 4), 5.0), np.ones((1, 3), np.int64), {"x": np.ones((1, 3))}):
            with pytest.raises(BatchError, match=r"pending, \(n, 3\) float64, got .*collect"):
                evaluator.submit(other)
        evaluator.submit(np.empty((0, 9)))
        assert evaluator.n_pending == 2
        assert [evaluator.collect()[1].objectives.tolist() for _ in range(2)] == [[[3.0]], [[6.0]]]
        evaluator.submit(np.full((1, 4), 5.0))
        assert evaluator.collect()[1].objectives.tolist() == [[20.0]]
        with pytest.raises(BatchError, match="list"):
            evaluator.submit([[1.0]])  # type: ignore[arg-type]


def test_rows_that_cannot_be_handed_out_are_not_waited_for() -> None:
    with AsyncEvaluator(lambda x: float(x[0]), workers=1, start_method="spawn") as evaluator:
        with pytest.raises(ConfigError, match="can be pickled"):
            evaluator.submit(ROWS[:1])
        assert evaluator.n_pending == 0
        assert evaluator.n_free == evaluator.n_in_flight


@pytest.mark.parametrize(
    "settings",
    [{"n_in_flight": 1}, {"n_in_flight": 2.5}, {"rng_seed": -1}, {"memory_bytes_max": 0}],
)
def test_async_refuses_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        AsyncEvaluator(total, workers=2, **settings)


def test_a_search_is_not_told_the_rows_of_another() -> None:
    with AsyncEvaluator(total, workers=1, n_in_flight=3) as evaluator:
        first = optimize(RandomSearch([(0.0, 1.0)] * 2, seed=1), evaluator)
        next(first)
        second = optimize(RandomSearch([(5.0, 6.0)] * 2, seed=1), evaluator)
        with pytest.raises(OrderError, match="pending rows of others, got 2"):
            next(second)
        next(first)
        again = optimize(first.algorithm, evaluator)  # these are its own
        assert next(again).n_evaluations == 3
        evaluator.close()
        assert evaluator.search is None
        assert float(np.asarray(next(second).batch).min()) >= 5.0
        with pytest.raises(OrderError, match="pending rows of others"):
            next(again)


async def cancel_inner(_: Any) -> float:
    async def sleep() -> float:
        await asyncio.sleep(60)
        return 0.0

    inner = asyncio.ensure_future(sleep())
    asyncio.get_running_loop().call_soon(inner.cancel)
    return await inner


async def cancel_itself(_: Any) -> float:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(60)
    return 0.0


async def cancel_all(_: Any) -> float:
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(60)
    return 0.0


async def leave(_: Any) -> float:
    raise GeneratorExit


async def interrupt(_: Any) -> float:
    raise KeyboardInterrupt


async def interrupt_elsewhere(_: Any) -> float:
    async def fail() -> float:
        raise KeyboardInterrupt

    return await asyncio.ensure_future(fail())


async def stop_the_loop(_: Any) -> float:
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0)
    raise ValueError("went on")


@pytest.mark.parametrize("timeout_s", [None, 600.0])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (cancel_inner, "CancelledError"),
        (cancel_itself, "CancelledError"),
        (cancel_all, "CancelledError"),
        (leave, "GeneratorExit"),
        (interrupt, "KeyboardInterrupt"),
        (interrupt_elsewhere, "KeyboardInterrupt"),
        (stop_the_loop, "ValueError: went on"),
    ],
)
def test_a_coroutine_always_comes_back(
    fault: Callable[[Any], Any], reason: str, timeout_s: float | None
) -> None:
    async def objective(x: Any) -> float:
        return float(await fault(x)) if x[0] == 0 else float(x[0])

    with AsyncEvaluator(objective, workers=1, timeout_s=timeout_s) as evaluator:
        done = evaluator.evaluate(ROWS)
        assert done.errors.pop(0) == reason  # type: ignore[attr-defined]
        if fault is cancel_all:  # rows that waited were cancelled, too
            assert set(done.errors.values()) <= {"CancelledError"}
        else:
            assert done.errors == {}
            assert done.objectives[1:].tolist() == ROWS[1:].tolist()
        check_counts(evaluator)
        assert not evaluator.evaluate(ROWS[1:]).failed.any()


@pytest.mark.timeout(30)
def test_a_coroutine_that_swallows_its_cancellation_is_late_all_the_same() -> None:
    async def objective(x: Any) -> float:
        while x[0] == 0:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        return float(x[0])

    with AsyncEvaluator(objective, workers=1, timeout_s=0.05) as evaluator:
        assert evaluator.evaluate(ROWS).errors == {0: "took longer than timeout_s=0.05"}


def test_a_coroutine_that_swallows_its_cancellation_keeps_no_place() -> None:
    async def objective(x: Any) -> float:
        while x[0] == 0:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue
        return float(x[0])

    evaluator = AsyncEvaluator(objective, workers=1)
    evaluator.submit(ROWS[:1])
    evaluator._forget()
    assert not evaluator.evaluate(ROWS[1:]).failed.any()
    evaluator.close()


@pytest.mark.filterwarnings("ignore:coroutine")  # it was never begun: that is the fault
def test_an_event_loop_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_coroutines, "_run_loop", lambda *_: None)
    evaluator = AsyncEvaluator(total, workers=1)
    evaluator.submit(ROWS[:1])
    backend: Any = evaluator._backend
    dead = backend._loop
    with pytest.raises(EvaluationError, match="has ended"):
        evaluator.collect()
    monkeypatch.undo()
    dead.close()
    assert not evaluator.evaluate(ROWS).failed.any()
    evaluator.close()
    gc.collect()


@pytest.mark.parametrize("name", ["submit", "collect", "evaluate"])
def test_a_coroutine_that_calls_its_own_evaluator_hears_so(name: str) -> None:
    async def objective(x: Any) -> float:
        call = getattr(evaluator, name)
        call() if name == "collect" else call(x[None])
        return 0.0

    with AsyncEvaluator(objective, workers=1) as evaluator:
        done = evaluator.evaluate(ROWS[:1])
    assert "OrderError" in done.errors[0]
    assert "wait for itself" in done.errors[0]


def test_a_coroutine_may_change_its_row() -> None:
    async def objective(x: Any) -> float:
        x += 1.0
        if x[0] < 6.0:
            raise ValueError("again")
        return float(x[0])

    with AsyncEvaluator(objective, workers=1, retries=8) as evaluator:
        evaluator.submit(np.array([[3.0]]))
        evaluator.submit(np.array([[5.0]]))
        rows, done = evaluator.collect()
        assert (np.asarray(rows).tolist(), done.failed.tolist()) == ([[3.0]], [True])
        assert evaluator.collect()[1].objectives.tolist() == [[6.0]]


@pytest.mark.parametrize("kind", ["coroutine", "process"])
def test_close_ends_a_collect_in_another_thread(kind: str) -> None:
    reader, writer = os.pipe()

    def process(x: Any) -> float:
        if x[0] > 0:
            return float(x[0])
        os.write(writer, b"x")
        while True:
            signal.pause()

    async def coroutine(x: Any) -> float:
        if x[0] > 0:
            return float(x[0])
        os.write(writer, b"x")
        return float(await asyncio.Event().wait())

    objective: Any = process if kind == "process" else coroutine
    with AsyncEvaluator(objective, workers=1) as evaluator, ThreadPoolExecutor(1) as threads:
        evaluator.submit(ROWS[:2])
        under_way = threads.submit(evaluator.collect)
        os.read(reader, 1)
        evaluator.close()
        with pytest.raises((EvaluationError, OrderError)):
            under_way.result()
        assert evaluator.n_pending == 0
        assert evaluator.evaluate(ROWS[1:]).objectives.tolist() == ROWS[1:].tolist()


def test_an_evaluator_left_in_the_middle_takes_its_event_loop_with_it() -> None:
    async def objective(_: Any) -> float:
        return float(await asyncio.Event().wait())

    evaluator = AsyncEvaluator(objective, workers=1)
    evaluator.submit(ROWS[:1])
    backend: Any = evaluator._backend
    thread: threading.Thread = backend._thread
    del evaluator, backend
    gc.collect()
    thread.join(5.0)
    assert not thread.is_alive()
