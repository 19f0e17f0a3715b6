"""Worker processes under faults that happen: stuck, killed, exiting, orphaned, out of memory."""

import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from tests.evolution.evaluating import (
    ROWS,
    check_counts,
    faulty,
    is_alive,
    square,
    wait_for_the_end_of,
)

from chimera.errors import BatchError, ConfigError, EvaluationError
from chimera.evolution import PerRow, ProcessPool


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
    wait_for_the_end_of([pid])


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
    wait_for_the_end_of(pids)


@pytest.mark.parametrize(
    "settings",
    [
        {"workers": -1},
        {"workers": 2000},
        {"timeout_s": 0.0},
        {"retries": -1},
        {"n_objectives": 0},
        {"start_method": "teleport"},
        {"workers": 1.5},
        {"timeout_s": "1"},
        {"timeout_s": math.nan},
        {"timeout_s": 1e10},
        {"timeout_s": 10**400},
        {"retries": "x"},
        {"retries": 0.5},
        {"rng_seed": -1},
        {"rng_seed": 2**64},
        {"rng_seed": 1.5},
        {"n_descriptors": 1.0},
        {"n_cases": -1},
        {"start_method": 5},
        {"chunk_rows_max": 0},
        {"shared_bytes_max": 1},
        {"memory_bytes_max": 0},
        {"memory_bytes_max": 1e6},
    ],
)
def test_pool_refuses_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        ProcessPool(square, **settings)


def test_an_endless_time_limit_is_none_and_the_longest_one_holds() -> None:
    from chimera.evolution.evaluation._checks import SEED_MAX, TIMEOUT_S_MAX

    for limit in (math.inf, TIMEOUT_S_MAX):
        with ProcessPool(square, workers=1, timeout_s=limit) as pool:
            assert not pool.evaluate(ROWS).failed.any()
    with ProcessPool(lambda _, rng: rng.random(), workers=1, rng_seed=SEED_MAX) as pool:
        assert not pool.evaluate(ROWS).failed.any()


@pytest.mark.parametrize("batch", [[[1.0], [2.0]], {"x": [[1.0]]}, [[1.0], [2.0, 3.0]], {"x": 1.0}])
def test_pool_refuses_what_is_no_array(batch: Any) -> None:
    with ProcessPool(square, workers=1) as pool, pytest.raises(BatchError, match="batch"):
        pool.evaluate(batch)


def test_pool_gives_up_when_no_worker_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    from chimera.evolution.evaluation import _crew

    def broken(**_: Any) -> None:
        os._exit(9)

    monkeypatch.setattr(_crew, "work", broken)
    with ProcessPool(square, workers=1) as pool:
        with pytest.raises(EvaluationError, match="exit status 9"):
            pool.evaluate(ROWS)
        monkeypatch.undo()
        assert not pool.evaluate(ROWS).failed.any()
