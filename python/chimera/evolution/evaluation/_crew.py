"""Worker processes under supervision: they are fed, timed, killed when stuck, and replaced.

The crew knows slots of shared memory, not batches; `ProcessPool` and `AsyncEvaluator` sit on top
and see to it that one thread at a time uses it. It owns its processes: they end with it, also when
the parent is killed or interrupted. A slot is finished exactly once, whatever happens to the
workers on the way.
"""

from __future__ import annotations

import contextlib
import pickle
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess

import numpy as np

from chimera.errors import EvaluationError
from chimera.evolution.evaluation._base import Task
from chimera.evolution.evaluation._processes import (
    WATCH_S,
    at_end,
    bury,
    context_of,
    describe_end,
    end,
    has_ended,
    kill,
    launch,
    turns,
)
from chimera.evolution.evaluation._result import Counts
from chimera.evolution.evaluation._turn import CLOSED
from chimera.evolution.evaluation._worker import IDLE, PENDING, RANGE, Block, Layout, work

__all__ = ["STARTS_MAX", "Crew"]

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
        self._context = context_of(start_method)
        self._task = task
        self._n_workers = n_workers
        self._counts = counts
        self._chunk_rows_max = chunk_rows_max
        self._queue: deque[tuple[int, int]] = deque()
        self._attempts: dict[int, int] = {}
        self._n_bad_starts = 0
        self._row_seconds = 0.0
        self._is_interrupted = False
        self._workers: list[_Worker | None] = [None] * n_workers
        self._blocks: list[Block] = []
        at_end(self, _end, self._workers, self._blocks)

    @property
    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        with turns():
            workers = [worker for worker in self._workers if worker is not None]
            return [w.process.pid or 0 for w in workers if not has_ended(w.process)]

    @property
    def is_interrupted(self) -> bool:
        """Whether `interrupt` was called since the last `close`."""
        return self._is_interrupted

    def prepare(self, blocks: tuple[tuple[str, str, int], ...], n_slots: int) -> Block:
        """Return shared memory with at least so many slots for rows of these blocks.

        Args:
            blocks: Name, dtype and number of genes of each block.
            n_slots: Rows.

        Raises:
            EvaluationError: The system has not so much.
        """
        if self._blocks:
            known = self._blocks[0].layout
            if known.blocks == blocks and known.n_slots >= n_slots:
                return self._blocks[0]
            self._drop_blocks()
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

    def poll(self) -> tuple[list[int], dict[int, str]]:
        """Wait until some slots are finished.

        Returns:
            Finished slots, and the reasons of those that failed.

        Raises:
            EvaluationError: Workers cannot be started, or `interrupt` was called meanwhile.
        """
        finished: list[int] = []
        reasons: dict[int, str] = {}
        while not finished:
            self._check_open()
            self.dispatch()
            busy = [worker for worker in self._workers if worker is not None and worker.is_busy]
            if not busy:
                raise EvaluationError("poll: expected rows under way, got none; a fault of ours")
            ready = set(
                connection.wait(
                    [w.pipe for w in busy] + [w.process.sentinel for w in busy], self._pause()
                )
            )
            self._check_open()
            for idx, worker in enumerate(self._workers):
                if worker is None or not worker.is_busy:
                    continue
                if worker.pipe in ready or worker.process.sentinel in ready:
                    has_died = worker.process.sentinel in ready
                    self._hear(idx, worker, finished, reasons, has_died=has_died)
                elif self._is_late(idx):
                    self._kill(idx, worker, finished, reasons)
                elif not ready and has_ended(worker.process):
                    # What its objective has forked still holds its pipes.
                    self._mourn(idx, worker, finished, reasons, killed_at=None)
        return finished, reasons

    def interrupt(self) -> None:
        """End a `poll` in another thread with an error; `close` may follow when it has ended."""
        with turns():
            self._is_interrupted = True
            for worker in self._workers:
                if worker is not None:
                    kill(worker.process)

    def stop(self) -> None:
        """Kill every worker and forget what was queued; the crew can be used again."""
        _kill_all(self._workers)
        self._queue.clear()
        self._attempts.clear()
        if self._blocks:
            self._blocks[0]["progress"][:] = (IDLE, 0.0)

    def close(self) -> None:
        """End the workers and remove the shared memory."""
        self.stop()
        self._drop_blocks()
        self._is_interrupted = False

    def _check_open(self) -> None:
        if self._is_interrupted:
            raise EvaluationError(CLOSED)

    def _drop_blocks(self) -> None:
        while self._blocks:
            self._blocks.pop().close()

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
                if worker is None or not (worker.ranges or not has_ended(worker.process)):
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
            bury(old.process, old.pipe)
        self._blocks[0]["progress"][idx] = (IDLE, 0.0)
        process, ours = launch(
            self._context,
            work,
            f"chimera-evaluation-{idx}",
            given={"idx": idx, "task": self._task},
            siblings=[worker.pipe for worker in self._workers if worker is not None],
        )
        worker = _Worker(process, ours)
        self._workers[idx] = worker
        return worker

    def _pause(self) -> float:
        now = time.monotonic()
        ends = [now + WATCH_S]
        if self._task.timeout_s is not None:
            progress = self._blocks[0]["progress"]
            for idx, worker in enumerate(self._workers):
                if worker is not None and worker.is_busy:
                    start = float(progress[idx, 1]) if progress[idx, 0] != IDLE else now
                    ends.append(start + self._task.timeout_s)
        return max(min(ends) - now, 0.001)

    def _is_late(self, idx: int) -> bool:
        slot, start = self._blocks[0]["progress"][idx]
        return (
            self._task.timeout_s is not None
            and slot != IDLE
            and time.monotonic() - float(start) > self._task.timeout_s
        )

    def _hear(
        self,
        idx: int,
        worker: _Worker,
        finished: list[int],
        reasons: dict[int, str],
        *,
        has_died: bool,
    ) -> None:
        """Read what a worker sent; its end of the pipe also closes when it dies."""
        is_gone = self._read(worker, finished, reasons)
        if is_gone or (worker.ranges and has_died):
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
        code = end(worker.process)  # with what its objective has started
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
        self._workers[idx] = None
        bury(worker.process, worker.pipe)
        # Rows are done in order, so what is pending is the row it was at and those after it.
        self._conclude(worker, first, done_to, finished, reasons)
        rest = done_to
        if done_to < stop and slot == done_to:
            if killed_at == slot:
                self._counts.n_timeouts += 1
                reason = f"took longer than timeout_s={self._task.timeout_s}"
            elif killed_at is None:
                self._counts.n_crashes += 1
                reason = f"ended its worker process ({describe_end(code)})"
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
            self._drop_blocks()  # it may be what keeps them from starting
            raise EvaluationError(
                f"expected workers that start, got {STARTS_MAX} in a row that ended before their "
                f"first candidate ({describe_end(code)}); see their messages on standard error"
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


def _kill_all(workers: list[_Worker | None]) -> None:
    with turns():
        for worker in workers:
            if worker is not None:
                kill(worker.process)
        for idx, worker in enumerate(workers):
            if worker is not None:
                workers[idx] = None
                bury(worker.process, worker.pipe)


def _end(workers: list[_Worker | None], blocks: list[Block]) -> None:
    _kill_all(workers)
    while blocks:
        blocks.pop().close()
