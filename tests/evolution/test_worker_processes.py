"""Worker processes beside threads, forks and signals: none is left over, nobody waits for ever."""

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.evolution.evaluating import ROWS, check_counts, is_alive, square, wait_for_the_end_of

from chimera.errors import EvaluationError, OrderError
from chimera.evolution import ProcessPool, Vectorized
from chimera.evolution.evaluation import _caller, _processes, _worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks, and looks at /proc")


def run(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*arguments, sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    )


@contextlib.contextmanager
def held_turn() -> Iterator[None]:
    """Let another thread hold the lock that those take who fork."""
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with _processes.turns():
            is_held.set()
            may_go.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait()
    try:
        yield
    finally:
        may_go.set()
        thread.join()


ORPHANS = """
import os, signal, threading
import numpy as np
from chimera.evolution import ProcessPool

reader, writer = os.pipe()

def objective(x):
    os.write(writer, b"x")
    while True:
        signal.pause()

pool = ProcessPool(objective, workers=2)
# The kernel ties children to the thread that made them, so it does not help here.
threading.Thread(target=pool.evaluate, args=[np.zeros((2, 1))], daemon=True).start()
for _ in range(2):
    os.read(reader, 1)
holder = os.fork()
if holder == 0:  # holds every pipe that was open here, the sentinels of the workers too
    os.close(1)
    while True:
        signal.pause()
print(holder, *pool.pids, flush=True)
signal.pause()
"""


@pytest.mark.timeout(60)
def test_workers_end_with_the_parent_whoever_holds_its_pipes() -> None:
    with run(ORPHANS) as parent:
        assert parent.stdout is not None
        holder, *pids = (int(word) for word in parent.stdout.readline().split())
        assert len(pids) == 2
        parent.kill()
        parent.wait()
    try:
        wait_for_the_end_of(pids)
    finally:
        os.kill(holder, signal.SIGKILL)


DEAF = """
import os, signal, weakref

class Early:
    pass

early = Early()
weakref.finalize(early, int)  # so that finalizers come after those of multiprocessing
import numpy as np
from chimera.evolution import AsyncEvaluator

reader, writer = os.pipe()

def objective(x):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(writer, b"x")
    while True:
        signal.pause()

evaluator = AsyncEvaluator(objective, workers=1)
evaluator.submit(np.zeros((1, 1)))
os.read(reader, 1)
"""


@pytest.mark.timeout(60)
def test_the_end_of_a_program_does_not_wait_for_workers_that_ignore_it() -> None:
    with run(DEAF) as parent:
        try:
            assert parent.wait(timeout=30) == 0
        finally:
            parent.kill()


def test_workers_may_be_reaped_by_others(monkeypatch: pytest.MonkeyPatch) -> None:
    # As `multiprocessing` does in each thread that starts a process, for the children of all.
    join = BaseProcess.join

    def reap_first(process: BaseProcess, timeout: float | None = None) -> None:
        with contextlib.suppress(ChildProcessError):  # it comes here twice
            os.waitpid(process.pid or 0, 0)
        join(process, timeout)

    def objective(x: Any) -> float:
        if x[0] == 3:
            os._exit(1)
        return float(x[0])

    monkeypatch.setattr(BaseProcess, "join", reap_first)
    with ProcessPool(objective, workers=2) as pool:
        done = pool.evaluate(ROWS)
        assert list(done.errors) == [3]
        assert done.objectives[4:].tolist() == ROWS[4:].tolist()


@pytest.mark.timeout(60)
def test_pools_in_many_threads_survive_crashes() -> None:
    def objective(x: Any) -> float:
        if x[0] % 4 == 3:
            os._exit(1)
        return float(x[0])

    def evaluate(_: int) -> list[int]:
        with ProcessPool(objective, workers=2) as pool:
            return list(pool.evaluate(ROWS).errors)

    with ThreadPoolExecutor(10) as threads:
        assert list(threads.map(evaluate, range(10))) == [[3, 7, 11]] * 10


def test_a_fork_does_not_inherit_a_taken_lock() -> None:
    with held_turn():
        child = os.fork()
        if child == 0:
            os._exit(0 if _processes._forking.acquire(blocking=False) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_garbage_collector_does_not_wait_for_a_fork() -> None:
    pool = ProcessPool(square, workers=1)
    pool.evaluate(ROWS)
    pids = pool.pids
    with held_turn():
        del pool
        gc.collect()
        assert is_alive(pids[0])
    assert not is_alive(pids[0])


def test_close_ends_a_batch_in_another_thread() -> None:
    reader, writer = os.pipe()

    def objective(x: Any) -> float:
        if x[0] < 0:
            return -1.0
        os.write(writer, b"x")
        while True:
            signal.pause()

    with ProcessPool(objective, workers=2) as pool, ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(pool.evaluate, ROWS)
        os.read(reader, 1)
        pool.close()
        with pytest.raises(EvaluationError, match="close"):
            under_way.result()
        assert pool.pids == []
        assert pool.evaluate(-1 - ROWS).objectives.tolist() == [[-1.0]] * 12


def test_close_ends_a_vectorized_call_in_another_thread() -> None:
    reader, writer = os.pipe()

    def objective(x: Any) -> Any:
        if x[0, 0] == 0:
            os.write(writer, b"x")
            while True:
                signal.pause()
        return x[:, 0]

    with Vectorized(objective, timeout_s=600.0) as evaluator, ThreadPoolExecutor(1) as threads:
        under_way = threads.submit(evaluator.evaluate, ROWS)
        os.read(reader, 1)
        evaluator.close()
        with pytest.raises(EvaluationError, match="close"):
            under_way.result()
        assert not evaluator.evaluate(ROWS + 1).failed.any()


def test_a_signal_handler_may_close_the_pool_it_interrupts() -> None:
    def objective(_: Any) -> float:
        os.kill(os.getppid(), signal.SIGUSR1)
        while True:
            signal.pause()

    pool = ProcessPool(objective, workers=1)
    before = signal.signal(signal.SIGUSR1, lambda *_: pool.close())
    try:
        with pytest.raises(EvaluationError, match="close"):
            pool.evaluate(ROWS)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert pool.pids == []
    assert pool._crew._blocks == []


def test_an_answer_belongs_to_its_call_whatever_a_signal_handler_raises() -> None:
    reader, writer = os.pipe()
    parent = os.getpid()

    def objective(x: Any) -> Any:
        if len(x) == 12:
            os.kill(parent, signal.SIGUSR1)
            os.read(reader, 1)  # answers when the call has been given up
        return x[:, 0]

    def handler(*_: Any) -> None:
        os.write(writer, b"x")
        raise RuntimeError("from a handler")

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with Vectorized(objective, timeout_s=60.0) as evaluator:
            done = evaluator.evaluate(ROWS)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert done.errors == {}
    assert done.objectives.tolist() == ROWS.tolist()


@pytest.mark.timeout(60)
def test_threads_take_turns_at_a_vectorized_call() -> None:
    with Vectorized(lambda x: x[:, 0], timeout_s=60.0) as evaluator, ThreadPoolExecutor(4) as many:
        batches = [ROWS + shift for shift in range(100)]
        done = list(many.map(evaluator.evaluate, batches))
    assert [one.objectives.tolist() for one in done] == [batch.tolist() for batch in batches]


@pytest.mark.parametrize("make", ["pool", "vectorized"])
def test_an_objective_that_calls_its_own_back_end_hears_so(make: str) -> None:
    evaluator: Any = None

    def nested(x: Any) -> Any:
        return evaluator.evaluate(x.reshape(-1, 1)).objectives[:, 0]

    if make == "pool":
        evaluator = ProcessPool(nested, workers=1)
    else:
        evaluator = Vectorized(nested, timeout_s=60.0)
    with evaluator:
        done = evaluator.evaluate(ROWS[:2])
    assert done.failed.all()
    assert "cannot call the back end it runs in" in done.errors[0]
    assert OrderError.__name__ in done.errors[0]


def test_an_objective_with_a_pool_of_its_own_hears_so() -> None:
    def nested(x: Any) -> float:
        with ProcessPool(square, workers=1) as inner:
            return float(inner.evaluate(x[None]).objectives[0, 0])

    with ProcessPool(nested, workers=1) as pool:
        done = pool.evaluate(ROWS[:1])
    assert "daemonic" in done.errors[0]


@pytest.mark.parametrize("make", ["pool", "vectorized"])
def test_a_fork_of_the_objective_does_not_answer(make: str) -> None:
    def per_row(x: Any) -> float:
        if x[0] < 6 and os.fork() == 0:
            if x[0] % 2:
                raise ValueError("in the fork")
            return -1.0
        if x[0] < 6:
            os.wait()
        return float(x[0])

    def whole(x: Any) -> Any:
        if os.fork() == 0:
            return -x[:, 0]
        os.wait()
        return x[:, 0]

    made: Any = (
        ProcessPool(per_row, workers=2) if make == "pool" else Vectorized(whole, timeout_s=60.0)
    )
    with made as evaluator:
        done = evaluator.evaluate(ROWS)
        assert done.errors == {}
        assert done.objectives.tolist() == ROWS.tolist()
        check_counts(evaluator)


def test_a_worker_that_leaves_a_fork_behind_is_missed_and_the_fork_ended() -> None:
    reader, writer = os.pipe()

    def objective(x: Any) -> float:
        if x[0] == 1:
            if (child := os.fork()) == 0:
                while True:
                    signal.pause()  # holds the ends of the worker's pipes
            os.write(writer, child.to_bytes(8, "little"))
            os._exit(3)
        return float(x[0])

    with ProcessPool(objective, workers=1) as pool:
        done = pool.evaluate(ROWS)
        assert done.errors == {1: "ended its worker process (exit status 3)"}
        wait_for_the_end_of([int.from_bytes(os.read(reader, 8), "little")])


def test_an_exception_that_is_none_ends_no_worker() -> None:
    def objective(x: Any) -> float:
        if x[0] == 1:
            raise KeyboardInterrupt
        if x[0] == 2:
            raise GeneratorExit
        return float(x[0])

    with ProcessPool(objective, workers=1) as pool:
        assert pool.evaluate(ROWS).errors == {1: "KeyboardInterrupt", 2: "GeneratorExit"}
        assert pool.counts.n_crashes == 0


def test_a_system_without_processes_left_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> int:
        raise BlockingIOError("Resource temporarily unavailable")

    with ProcessPool(square, workers=1) as pool:
        monkeypatch.setattr(os, "fork", full)
        with pytest.raises(EvaluationError, match="worker process to start"):
            pool.evaluate(ROWS)
        monkeypatch.undo()
        assert not pool.evaluate(ROWS).failed.any()


def test_vectorized_gives_up_when_its_process_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(**_: Any) -> None:
        os._exit(9)

    monkeypatch.setattr(_caller, "_answer", broken)
    with (
        Vectorized(lambda x: x[:, 0], timeout_s=60.0) as evaluator,
        pytest.raises(EvaluationError, match="exit status 9"),
    ):
        evaluator.evaluate(ROWS)


def test_vectorized_waits_for_the_start_of_its_process_for_a_limited_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stuck(**_: Any) -> None:
        while True:
            signal.pause()

    monkeypatch.setattr(_caller, "_answer", stuck)
    monkeypatch.setattr(_caller, "START_S_MAX", 0.0)
    with Vectorized(lambda x: x[:, 0], timeout_s=60.0) as evaluator:
        with pytest.raises(EvaluationError, match="starts within 0 s"):
            evaluator.evaluate(ROWS)
        monkeypatch.undo()
        assert not evaluator.evaluate(ROWS).failed.any()


SMALL = """
import sys
import numpy as np
from chimera.errors import EvaluationError
from chimera.evolution import AsyncEvaluator, ProcessPool

def total(x):
    return float(x.sum())

with ProcessPool(total, workers=1) as pool:
    try:
        pool.evaluate(np.ones((1, 1_000_000)))
    except EvaluationError as error:
        print(error)
    print(pool.evaluate(np.ones((9, 10))).failed.any())
with AsyncEvaluator(total, workers=1, n_in_flight=100) as evaluator:
    try:
        evaluator.submit(np.ones((1, 10_000)))
    except EvaluationError as error:
        print(error)
    print(evaluator.n_pending, evaluator.evaluate(np.ones((9, 10))).failed.any())
"""


@pytest.mark.timeout(60)
def test_a_small_dev_shm_is_an_error_and_not_the_end() -> None:
    mount = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"'
    outer = ["unshare", "-m", "sh", "-c"]
    try:
        subprocess.run(
            [*outer, mount.replace('exec "$@"', "true")], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount a file system")
    with run(SMALL, *outer, mount, "sh") as program:
        out, _ = program.communicate()
    assert program.returncode == 0
    first, second, third, fourth = out.splitlines()
    assert first.startswith("expected 8,000,")
    assert "enlarge /dev/shm" in first
    assert second == "False"
    assert third.startswith("expected 8,0")
    assert fourth == "0 False"


def test_memory_that_the_system_lacks_is_named_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import errno

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = set(Path("/dev/shm").iterdir())  # noqa: S108 -- where shared memory lies
    monkeypatch.setattr(os, "posix_fallocate", full)
    with ProcessPool(square, workers=1) as pool:
        with pytest.raises(EvaluationError, match=r"bytes of shared memory.*No space left"):
            pool.evaluate(ROWS)
        assert set(Path("/dev/shm").iterdir()) <= before  # noqa: S108 -- as above
        monkeypatch.undo()
        assert not pool.evaluate(ROWS).failed.any()


def test_batches_may_exceed_the_memory_limit_of_objectives() -> None:
    def hog(x: Any) -> float:
        return float(np.ones(int(x[0]) << 20).sum())

    with ProcessPool(hog, workers=1, memory_bytes_max=64 << 20) as pool:
        small = np.ones((2, 4))
        large = np.ones((40, 1 << 18))  # 80 MiB
        assert not pool.evaluate(large).failed.any()
        assert not pool.evaluate(small).failed.any()
        small[1, 0] = 100.0
        assert list(pool.evaluate(small).errors) == [1]
        large[7, 0] = 100.0
        assert list(pool.evaluate(large).errors) == [7]


def test_a_worker_says_why_it_cannot_begin_and_the_pool_recovers(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: str) -> None:
        raise OSError(12, "Cannot allocate memory")

    with ProcessPool(square, workers=1) as pool:
        monkeypatch.setattr(_worker, "_attach", refuse)
        with pytest.raises(EvaluationError, match="workers that start"):
            pool.evaluate(ROWS)
        assert "expected to attach to" in capfd.readouterr().err
        assert pool._crew._blocks == []
        monkeypatch.undo()
        assert not pool.evaluate(ROWS).failed.any()


def test_shared_memory_that_somebody_has_removed_is_no_error() -> None:
    with ProcessPool(square, workers=1) as pool:
        pool.evaluate(ROWS)
        Path("/dev/shm", pool._crew._blocks[0].name).unlink()  # noqa: S108 -- as above
