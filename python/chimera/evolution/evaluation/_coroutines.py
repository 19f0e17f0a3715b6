"""Coroutine objectives on an event loop in a thread of its own; for `AsyncEvaluator`.

A module of its own because importing `asyncio` takes longer than a first generation should.
Invariant: every row that was started comes back, whatever its coroutine does: it may cancel
itself or others, stop the loop, swallow cancellation, or raise what is no `Exception`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from concurrent.futures import Future
from typing import Any

import numpy as np

from chimera.errors import EvaluationError, OrderError
from chimera.evolution.evaluation._base import Task, describe
from chimera.evolution.evaluation._result import Batch, Counts, Evaluated, copy_row
from chimera.evolution.evaluation._turn import CLOSED

__all__ = ["GRACE_S", "Coroutines"]

GRACE_S = 1.0
"""How long a cancelled coroutine may clean up before the row goes on without it."""

_WATCH_S = 1.0
_NO_EPOCH = -1


class Coroutines:
    """Rows as coroutines on an event loop in a thread."""

    def __init__(self, task: Task, counts: Counts, n_workers: int) -> None:
        self._task = task
        self._counts = counts
        self._n_workers = n_workers
        self._results: queue.SimpleQueue[tuple[int, int, Evaluated | None]] = queue.SimpleQueue()
        self._futures: dict[int, Future[Evaluated]] = {}
        self._owner = os.getpid()
        self._epoch = 0
        self._is_interrupted = False
        self._is_closing = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gate: asyncio.Semaphore | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_interrupted(self) -> bool:
        """Whether `interrupt` was called since the last `close`."""
        return self._is_interrupted

    def check(self, name: str) -> None:
        """Refuse a call from a coroutine: the loop would wait for itself.

        Raises:
            OrderError: It is one.
        """
        if threading.current_thread() is self._thread:
            raise OrderError(
                f"{name}: expected a call from outside, got one from the objective, whose event "
                "loop would wait for itself"
            )

    def prepare(self, blocks: tuple[tuple[str, str, int], ...]) -> None:
        """Start the loop unless it runs."""
        del blocks
        if self._thread is not None and self._thread.is_alive():
            return
        self._loop = asyncio.new_event_loop()
        self._is_closing = threading.Event()
        self._thread = threading.Thread(
            target=_run_loop,
            args=(self._loop, self._is_closing),
            name="chimera-evaluation",
            daemon=True,
        )
        self._thread.start()

    def start(self, slot: int, row: Batch, key: int) -> None:
        """Hand a row to the loop."""
        assert self._loop is not None  # noqa: S101 -- prepared
        if self._gate is None:
            self._gate = asyncio.Semaphore(self._n_workers)
        epoch = self._epoch
        job = self._run(epoch, self._gate, row, key)
        future = self._futures[slot] = asyncio.run_coroutine_threadsafe(job, self._loop)
        future.add_done_callback(lambda done: self._post(epoch, slot, done))

    def wait(self) -> dict[int, Evaluated]:
        """Wait until a row is done.

        Raises:
            EvaluationError: The loop has ended, or `interrupt` was called.
        """
        while True:
            if self._is_interrupted:
                raise EvaluationError(CLOSED)
            try:
                epoch, slot, evaluated = self._results.get(timeout=_WATCH_S)
            except queue.Empty:
                if self._thread is None or not self._thread.is_alive():
                    raise EvaluationError(
                        "expected an event loop that runs, got one that has ended; see the "
                        "messages on standard error, and close() to begin anew"
                    ) from None
                continue
            if epoch == self._epoch and evaluated is not None:
                self._futures.pop(slot, None)
                return {slot: evaluated}

    def interrupt(self) -> None:
        """End a `wait` in another thread with an error."""
        self._is_interrupted = True
        self._results.put((_NO_EPOCH, 0, None))

    def stop(self) -> None:
        """Cancel what is under way, and hear no more of it."""
        self._epoch += 1
        self._gate = None  # one that swallows its cancellation keeps its place in the old one
        futures, self._futures = self._futures, {}
        for future in futures.values():
            future.cancel()

    def close(self) -> None:
        """End the loop and its thread."""
        thread = self._thread
        self.leave()
        if thread is not None and threading.current_thread() is not thread:
            thread.join(timeout=2 * GRACE_S)  # a coroutine that blocks the loop cannot be stopped

    def leave(self) -> None:
        """End the loop without waiting for it."""
        if os.getpid() != self._owner:  # a fork has the loop, but not its thread
            return
        self.stop()
        self._is_interrupted = False
        loop, self._loop, self._thread = self._loop, None, None
        self._is_closing.set()
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                loop.call_soon_threadsafe(loop.stop)

    def _post(self, epoch: int, slot: int, done: Future[Evaluated]) -> None:
        if epoch != self._epoch:
            return
        try:
            evaluated = done.result()
        except BaseException as error:  # noqa: BLE001 -- cancelled by others before it began
            self._counts.n_evaluations += 1
            evaluated = self._result({0: describe(error)})
        self._results.put((epoch, slot, evaluated))

    def _result(self, errors: dict[int, str], seconds: float = 0.0, table: Any = None) -> Evaluated:
        if table is None:
            table = np.empty((1, self._task.shape.width))
        return Evaluated.from_table(table, self._task.shape, errors, np.array([seconds]))

    async def _run(self, epoch: int, gate: asyncio.Semaphore, row: Batch, key: int) -> Evaluated:
        table = np.empty((1, self._task.shape.width))
        reason: str | None = None
        async with gate:
            start = time.perf_counter()
            try:
                for attempt in range(self._task.retries + 1):
                    self._counts.n_evaluations += 1
                    self._counts.n_retries += attempt > 0
                    reason = await self._attempt(epoch, copy_row(row, 0), key, table[0])
                    if reason is None or epoch != self._epoch:
                        break
            except BaseException as error:
                if epoch != self._epoch:
                    raise
                reason = describe(error)
            seconds = time.perf_counter() - start
        return self._result({} if reason is None else {0: reason}, seconds, table)

    async def _attempt(self, epoch: int, x: Any, key: int, out: Any) -> str | None:
        timeout_s = self._task.timeout_s
        if timeout_s is None:
            answer, reason = await self._call(epoch, x, key)
        else:
            task = asyncio.create_task(self._call(epoch, x, key))
            try:
                await asyncio.wait({task}, timeout=timeout_s)
            finally:
                is_late = task.cancel()
            if is_late:
                self._counts.n_timeouts += 1
                await asyncio.wait({task}, timeout=GRACE_S)
                return f"took longer than timeout_s={timeout_s}"
            answer, reason = task.result()
        if reason is not None:
            return reason
        try:
            self._task.shape.write(answer, out)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- the row is marked
            return describe(error)
        return None

    async def _call(self, epoch: int, x: Any, key: int) -> tuple[Any, str | None]:
        """Return the answer and None, or the reason why there is none."""
        try:
            return await self._task.call(x, key), None
        except asyncio.CancelledError as error:
            if epoch != self._epoch:
                raise  # by us; anybody else's is a fault of the row
            return None, describe(error)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 -- as above
            return None, describe(error)


def _run_loop(loop: asyncio.AbstractEventLoop, is_closing: threading.Event) -> None:
    try:
        while not is_closing.is_set():  # an objective may stop the loop
            with contextlib.suppress(SystemExit, KeyboardInterrupt):  # of tasks of its own
                loop.run_forever()
    finally:
        # What swallows its cancellation, or stops the loop even now, ends with the loop.
        loop.set_exception_handler(lambda *_: None)
        with contextlib.suppress(RuntimeError, SystemExit, KeyboardInterrupt):
            loop.run_until_complete(_cancel_all())
        loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE_S)
