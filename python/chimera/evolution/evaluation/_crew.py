"""Worker processes under supervision: they are fed, timed, killed when stuck, and replaced.

The crew knows slots of shared memory, not batches; `ProcessPool` and `AsyncEvaluator` sit on top.
It owns its processes: they end with it, also when the parent is killed or interrupted. A slot is
finished exactly once, whatever happens to the workers on the way.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import warnings
import weakref
from collections import deque
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess

import numpy as np

from chimera.errors import ConfigError, EvaluationError
from chimera.evolution.evaluation._base import Task, describe
from chimera.evolution.evaluation._result import Counts
from chimera.evolution.evaluation._worker import IDLE, PENDING, RANGE, Block, Layout, work

__all__ = ["STARTS_MAX", "Crew", "kill_process"]

STARTS_MAX = 3
"""Workers in a row that may end before their first candidate; then the crew gives up."""

_CHUNK_SECONDS = 0.005
"""Work that one request should hold, so that talking costs little beside it."""

_CHUNK_SECONDS_MIN = 0.0005
"""Work below which sharing out more evenly does not pay."""

_CHEAP_SECONDS = 0.0001
"""Rows cheaper than this wait at their worker already, so that it need not wait for us."""


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: connection.Connection
    block_name: str = ""
    ranges: deque[tuple[int, int]] = field(default_factory=deque)
    has_served: bool = False
    failures: dict[int, str] = field(default_factory=dict)

    @property
    def is_busy(self) -> bool:
        return bool(self.ranges)


class Crew:
    """A fixed number of worker processes for one objective.

    Args:
        task: The objective and its limits.
        n_workers: Processes.
        counts: Where attempts, retries, timeouts and crashes are counted.
        start_method: ``fork``, ``forkserver`` or ``spawn``; None chooses.
        chunk_rows_max: Most candidates in one request.
    """

    def __init__(
        self,
        task: Task,
        *,
        n_workers: int,
        counts: Counts,
        start_method: str | None,
        chunk_rows_max: int,
    ) -> None:
        known = multiprocessing.get_all_start_methods()
        if start_method is None:
            start_method = "fork" if sys.platform == "linux" else "spawn"
        if start_method not in known:
            raise ConfigError(
                f"start_method: expected one of {', '.join(known)}, got {start_method}"
            )
        self._context = multiprocessing.get_context(start_method)
        self._start_method = start_method
        self._task = task
        self._n_workers = n_workers
        self._counts = counts
        self._chunk_rows_max = chunk_rows_max
        self._queue: deque[tuple[int, int]] = deque()
        self._attempts: dict[int, int] = {}
        self._n_bad_starts = 0
        self._row_seconds = 0.0
        self._workers: list[_Worker | None] = [None] * n_workers
        self._blocks: list[Block] = []
        self._finalizer = weakref.finalize(self, _end, self._workers, self._blocks, os.getpid())

    @property
    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        alive = [w for w in self._workers if w is not None and w.process.is_alive()]
        return [worker.process.pid or 0 for worker in alive]

    def prepare(self, blocks: tuple[tuple[str, str, int], ...], n_slots: int) -> Block:
        """Return shared memory with at least so many slots for rows of these blocks.

        Args:
            blocks: Name, dtype and number of genes of each block.
            n_slots: Rows.
        """
        if self._blocks:
            known = self._blocks[0].layout
            if known.blocks == blocks and known.n_slots >= n_slots:
                return self._blocks[0]
            self._blocks.pop().close()
        layout = Layout(blocks, self._task.shape.width, n_slots, self._n_workers)
        self._blocks.append(Block(layout))
        self._blocks[0]["progress"][:] = (IDLE, 0.0)
        return self._blocks[0]

    def put(self, first: int, stop: int) -> None:
        """Queue the candidates that were written into the slots ``first..stop``."""
        block = self._blocks[0]
        block["status"][first:stop] = PENDING
        block["seconds"][first:stop] = 0.0
        self._queue.append((first, stop))

    def poll(self, *, timeout_s: float | None = None) -> tuple[list[int], dict[int, str]]:
        """Wait until some slots are finished.

        Args:
            timeout_s: Return with nothing after so long; None waits.

        Returns:
            Finished slots, and the reasons of those that failed.

        Raises:
            EvaluationError: Workers cannot be started.
        """
        finished: list[int] = []
        reasons: dict[int, str] = {}
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not finished:
            self.dispatch()
            busy = [worker for worker in self._workers if worker is not None and worker.is_busy]
            if not busy:
                break
            pause = self._pause(deadline)
            ready = set(
                connection.wait([w.pipe for w in busy] + [w.process.sentinel for w in busy], pause)
            )
            for idx, worker in enumerate(self._workers):
                if worker is None or not worker.is_busy:
                    continue
                if worker.pipe in ready or worker.process.sentinel in ready:
                    self._hear(idx, worker, finished, reasons)
                elif self._is_late(idx):
                    self._kill(idx, worker, finished, reasons)
            if deadline is not None and time.monotonic() >= deadline:
                break
        return finished, reasons

    def stop(self) -> None:
        """Kill every worker and forget what was queued; the crew can be used again."""
        _kill_all(self._workers)
        self._queue.clear()
        self._attempts.clear()
        if self._blocks:
            self._blocks[0]["progress"][:] = (IDLE, 0.0)

    def close(self) -> None:
        """End the workers and remove the shared memory."""
        self._queue.clear()
        self._attempts.clear()
        _end(self._workers, self._blocks, os.getpid())

    def _chunk(self, n_waiting: int) -> int:
        fair = -(-n_waiting // (2 * self._n_workers))
        if self._row_seconds == 0.0:
            return 1
        least = int(_CHUNK_SECONDS_MIN / self._row_seconds)
        most = min(self._chunk_rows_max, int(_CHUNK_SECONDS / self._row_seconds))
        return max(1, min(max(fair, least), most))

    def dispatch(self) -> None:
        """Hand what is queued to workers that are free, starting them where needed."""
        n_waiting = sum(stop - first for first, stop in self._queue)
        is_cheap = 0.0 < self._row_seconds < _CHEAP_SECONDS
        for depth in range(2 if is_cheap else 1):
            for idx in range(self._n_workers):
                if not self._queue:
                    return
                worker = self._workers[idx]
                if worker is not None and len(worker.ranges) > depth:
                    continue
                if worker is None or not (worker.ranges or worker.process.is_alive()):
                    worker = self._start(idx)
                first, stop = self._queue.popleft()
                end = min(stop, first + self._chunk(n_waiting))
                if end < stop:
                    self._queue.appendleft((end, stop))
                n_waiting -= end - first
                self._send(worker, first, end)

    def _send(self, worker: _Worker, first: int, stop: int) -> None:
        worker.ranges.append((first, stop))
        block = self._blocks[0]
        with contextlib.suppress(OSError):  # it has just died; `poll` sees that
            if worker.block_name != block.name:
                worker.pipe.send_bytes(pickle.dumps((block.layout, block.name)))
                worker.block_name = block.name
            worker.pipe.send_bytes(RANGE.pack(first, stop))

    def _start(self, idx: int) -> _Worker:
        old = self._workers[idx]
        if old is not None:
            self._workers[idx] = None
            _bury(old)
        self._blocks[0]["progress"][idx] = (IDLE, 0.0)
        ours, theirs = self._context.Pipe()
        is_fork = self._start_method == "fork"
        others = [worker.pipe for worker in self._workers if worker is not None]
        process = self._context.Process(  # type: ignore[attr-defined]
            target=work,
            name=f"chimera-evaluation-{idx}",
            daemon=True,
            kwargs={
                "idx": idx,
                "pipe": theirs,
                "task": self._task,
                # The kernel ties a child to the *thread* that made it.
                "dies_with_parent": is_fork
                and threading.current_thread() is threading.main_thread(),
                "to_close": [*others, ours] if is_fork else [],
            },
        )
        try:
            with warnings.catch_warnings():
                # A fork beside threads is safe here: the child runs the objective and nothing else.
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            ours.close()
            raise ConfigError(
                f"function: expected an objective that can be pickled for start_method="
                f"{self._start_method!r}, got {describe(error)}; define it at the top level of a "
                "module, or use start_method='fork'"
            ) from error
        finally:
            theirs.close()
        worker = _Worker(process, ours)
        self._workers[idx] = worker
        return worker

    def _pause(self, deadline: float | None) -> float | None:
        now = time.monotonic()
        ends = [] if deadline is None else [deadline]
        if self._task.timeout_s is not None:
            progress = self._blocks[0]["progress"]
            for idx, worker in enumerate(self._workers):
                if worker is not None and worker.is_busy:
                    start = float(progress[idx, 1]) if progress[idx, 0] != IDLE else now
                    ends.append(start + self._task.timeout_s)
        return max(min(ends) - now, 0.001) if ends else None

    def _is_late(self, idx: int) -> bool:
        slot, start = self._blocks[0]["progress"][idx]
        return (
            self._task.timeout_s is not None
            and slot != IDLE
            and time.monotonic() - float(start) > self._task.timeout_s
        )

    def _hear(
        self, idx: int, worker: _Worker, finished: list[int], reasons: dict[int, str]
    ) -> None:
        """Read what a worker sent; its end of the pipe also closes when it dies."""
        is_gone = self._read(worker, finished, reasons)
        if is_gone or (worker.ranges and not worker.process.is_alive()):
            self._mourn(idx, worker, finished, reasons, killed_at=None)

    def _read(self, worker: _Worker, finished: list[int], reasons: dict[int, str]) -> bool:
        """Take in all messages; tell whether the pipe has ended."""
        try:
            while worker.pipe.poll():
                message = worker.pipe.recv_bytes()
                if message:
                    slot, reason = pickle.loads(message)  # noqa: S301 -- from our own worker
                    worker.failures[slot] = reason
                else:
                    self._conclude(worker, *worker.ranges.popleft(), finished, reasons)
        except (EOFError, OSError, pickle.UnpicklingError):
            return True
        return False

    def _kill(
        self, idx: int, worker: _Worker, finished: list[int], reasons: dict[int, str]
    ) -> None:
        late = int(self._blocks[0]["progress"][idx, 0])
        kill_process(worker.process)
        self._mourn(idx, worker, finished, reasons, killed_at=late)

    def _mourn(
        self,
        idx: int,
        worker: _Worker,
        finished: list[int],
        reasons: dict[int, str],
        *,
        killed_at: int | None,
    ) -> None:
        """Settle the candidates of a worker that has ended: done, at fault, or to be done anew."""
        worker.process.join()
        self._read(worker, finished, reasons)
        block = self._blocks[0]
        status = block["status"]
        slot = int(block["progress"][idx, 0])
        first, stop = worker.ranges.popleft() if worker.ranges else (0, 0)
        self._queue.extendleft(reversed(worker.ranges))
        worker.ranges.clear()
        pending = np.flatnonzero(status[first:stop] == PENDING) + first
        done_to = int(pending[0]) if len(pending) else stop
        if not worker.has_served and done_to == first and slot == IDLE:
            self._n_bad_starts += 1
        else:
            self._n_bad_starts = 0
        code = worker.process.exitcode
        self._workers[idx] = None
        _bury(worker)
        # Rows are done in order, so what is pending is the row it was at and those after it.
        self._conclude(worker, first, done_to, finished, reasons)
        rest = done_to
        if done_to < stop and slot == done_to:
            if killed_at == slot:
                self._counts.n_timeouts += 1
                reason = f"took longer than timeout_s={self._task.timeout_s}"
            elif killed_at is None:
                self._counts.n_crashes += 1
                reason = f"ended its worker process ({_cause(code)})"
            else:  # the late row was finished after all, and this one is not to blame
                reason = ""
            if reason:
                elapsed = time.monotonic() - float(block["progress"][idx, 1])
                block["seconds"][slot] += elapsed
                self._fail(slot, reason, finished, reasons)
                self._counts.n_evaluations += 1
                rest = done_to + 1
        if rest < stop:
            self._queue.appendleft((rest, stop))
        block["progress"][idx] = (IDLE, 0.0)
        if self._n_bad_starts >= STARTS_MAX:
            self._n_bad_starts = 0
            self.stop()
            raise EvaluationError(
                f"expected workers that start, got {STARTS_MAX} in a row that ended before their "
                f"first candidate ({_cause(code)}); see their messages on standard error"
            )

    def _conclude(
        self, worker: _Worker, first: int, stop: int, finished: list[int], reasons: dict[int, str]
    ) -> None:
        """Take over the results of slots ``first..stop``, all of which the worker has done."""
        n = stop - first
        if n == 0:
            return
        worker.has_served = True
        self._n_bad_starts = 0
        self._counts.n_evaluations += n
        mean = float(self._blocks[0]["seconds"][first:stop].sum()) / n
        # Reading and writing a row costs about a microsecond as well.
        self._row_seconds = max(mean, 1e-6)
        failures, worker.failures = worker.failures, {}
        if not failures and not self._attempts:
            finished.extend(range(first, stop))
            return
        for slot in range(first, stop):
            if slot in failures:
                self._fail(slot, failures[slot], finished, reasons)
            else:
                self._attempts.pop(slot, None)
                finished.append(slot)

    def _fail(self, slot: int, reason: str, finished: list[int], reasons: dict[int, str]) -> None:
        """Try a candidate again, or give it up."""
        n_before = self._attempts.get(slot, 0)
        if n_before < self._task.retries:
            self._attempts[slot] = n_before + 1
            self._counts.n_retries += 1
            self._blocks[0]["status"][slot] = PENDING
            self._queue.append((slot, slot + 1))
            return
        self._attempts.pop(slot, None)
        finished.append(slot)
        reasons[slot] = reason if n_before == 0 else f"{reason} (attempt {n_before + 1})"


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"


def kill_process(process: BaseProcess) -> None:
    """Kill a worker and what its objective has started."""
    pid = process.pid
    if pid is None:
        return
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
                return
    process.kill()


def _bury(worker: _Worker) -> None:
    if worker.process.is_alive():
        kill_process(worker.process)
    worker.process.join()
    worker.pipe.close()
    worker.process.close()


def _kill_all(workers: list[_Worker | None]) -> None:
    for worker in workers:
        if worker is not None:
            kill_process(worker.process)
    for idx, worker in enumerate(workers):
        if worker is not None:
            workers[idx] = None
            _bury(worker)


def _end(workers: list[_Worker | None], blocks: list[Block], owner: int) -> None:
    if os.getpid() != owner:  # a fork of the owner has ended, and owns nothing
        return
    _kill_all(workers)
    while blocks:
        blocks.pop().close()
