"""Rows without a barrier: in order, under faults, and the steady loop above."""

import time
from typing import Any

import numpy as np
import pytest
from tests.evolution.evaluating import ROWS, check_counts, faulty

from chimera.errors import BatchError, OrderError
from chimera.evolution import AsyncEvaluator, RandomSearch, optimize


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
