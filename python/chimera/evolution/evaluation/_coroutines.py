"""Coroutine objectives on an event loop in a thread of its own; for `AsyncEvaluator`.

A module of its own because importing `asyncio` takes longer than a first generation should.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
import weakref
from concurrent.futures import Future
from typing import Any

import numpy as np

from chimera.evolution.evaluation._base import Task, describe
from chimera.evolution.evaluation._result import Batch, Counts, Evaluated, select_rows

__all__ = ["Coroutines"]


class Coroutines:
    """Rows as coroutines on an event loop in a thread."""

    def __init__(self, task: Task, counts: Counts, n_workers: int) -> None:
        self._task = task
        self._counts = counts
        self._n_workers = n_workers
        self._results: queue.SimpleQueue[tuple[int, int, Evaluated]] = queue.SimpleQueue()
        self._futures: dict[int, Future[None]] = {}
        self._epoch = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._gate: asyncio.Semaphore | None = None
        self._thread: threading.Thread | None = None

    def start(
        self, slot: int, row: Batch, blocks: tuple[tuple[str, str, int], ...], key: int
    ) -> None:
        del blocks
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._gate = asyncio.Semaphore(self._n_workers)
            self._thread = threading.Thread(
                target=_run_loop, args=(self._loop,), name="chimera-evaluation", daemon=True
            )
            self._thread.start()
            weakref.finalize(self, _stop_loop, self._loop)
        one = select_rows(row, 0)
        job = self._run(self._epoch, slot, one, key)
        self._futures[slot] = asyncio.run_coroutine_threadsafe(job, self._loop)

    def wait(self) -> dict[int, Evaluated]:
        out: dict[int, Evaluated] = {}
        while not out:
            epoch, slot, evaluated = self._results.get()
            if epoch == self._epoch:
                self._futures.pop(slot, None)
                out[slot] = evaluated
        return out

    def stop(self) -> None:
        self._epoch += 1
        for future in self._futures.values():
            future.cancel()
        self._futures.clear()

    def close(self) -> None:
        if self._loop is None or self._thread is None:
            return
        self.stop()
        loop, thread = self._loop, self._thread
        self._loop = self._thread = None
        _stop_loop(loop)
        thread.join(timeout=1.0)  # a coroutine that blocks the loop cannot be stopped

    async def _run(self, epoch: int, slot: int, x: Any, key: int) -> None:
        assert self._gate is not None  # noqa: S101 -- made with the loop
        table = np.empty((1, self._task.shape.width))
        seconds = np.zeros(1)
        reason: str | None = None
        async with self._gate:
            start = time.perf_counter()
            for attempt in range(self._task.retries + 1):
                self._counts.n_evaluations += 1
                self._counts.n_retries += attempt > 0
                reason = await self._attempt(x, key, table[0])
                if reason is None:
                    break
            seconds[0] = time.perf_counter() - start
        errors = {} if reason is None else {0: reason}
        self._results.put(
            (epoch, slot, Evaluated.from_table(table, self._task.shape, errors, seconds))
        )

    async def _attempt(self, x: Any, key: int, out: Any) -> str | None:
        try:
            async with asyncio.timeout(self._task.timeout_s) as limit:
                answer = await self._task.call(x, key)
            self._task.shape.write(answer, out)
        except asyncio.CancelledError:
            raise
        except TimeoutError as error:
            if limit.expired():
                self._counts.n_timeouts += 1
                return f"took longer than timeout_s={self._task.timeout_s}"
            return describe(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- the row is marked
            return describe(error)
        return None


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop_loop(loop: asyncio.AbstractEventLoop) -> None:
    async def finish() -> None:
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        loop.stop()

    if loop.is_running():
        asyncio.run_coroutine_threadsafe(finish(), loop)
