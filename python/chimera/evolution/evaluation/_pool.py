"""Row by row in worker processes: stuck ones are killed, dead ones replaced, order kept.

Rows lie in shared memory; requests are two integers. The result does not depend on the number of
workers, nor on which of them was faster.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chimera.errors import BatchError, ConfigError
from chimera.evolution.evaluation._base import Base, Task
from chimera.evolution.evaluation._checks import check_function, check_integer, check_seed
from chimera.evolution.evaluation._result import (
    Batch,
    Evaluated,
    concatenate,
    n_rows_of,
    select_rows,
)
from chimera.evolution.evaluation._turn import Turn

__all__ = [
    "SHARED_BYTES_MAX",
    "WORKERS_MAX",
    "ProcessPool",
    "blocks_of",
    "check_memory",
    "count_workers",
]

WORKERS_MAX = 1024
"""Most worker processes of one pool."""

SHARED_BYTES_MAX = 256 << 20
"""Shared memory of one pool; larger batches go through it in slices."""

_SHARED_BYTES_MIN = 1 << 16


def count_workers(workers: int) -> int:
    """Return how many processes a setting means; 0 takes one per core.

    Raises:
        ConfigError: No integer, less than 0, or too many.
    """
    if count := check_integer("workers", workers, 0, WORKERS_MAX):
        return count
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def check_memory(bytes_max: int | None) -> int | None:
    """Return the memory that a worker may add.

    Raises:
        ConfigError: No positive integer, or a system where it would not be kept.
    """
    if bytes_max is None:
        return None
    if sys.platform != "linux":
        raise ConfigError(
            f"memory_bytes_max: expected None on {sys.platform}, got {bytes_max}; the limit is "
            "kept on Linux only"
        )
    return check_integer("memory_bytes_max", bytes_max, 1, sys.maxsize // 2)


def blocks_of(batch: Batch) -> tuple[tuple[str, str, int], ...]:
    """Name, dtype and genes of each block of a batch; the name is empty for a plain array.

    Raises:
        BatchError: Something else than arrays, or Python objects, which cannot be shared.
    """
    blocks = batch if isinstance(batch, Mapping) else {"": batch}
    for name, block in blocks.items():
        if not isinstance(block, np.ndarray):
            raise BatchError(
                f"batch: expected NumPy arrays (n, d), got {type(block).__name__} in block "
                f"{name!r}; numpy.asarray makes one"
            )
        if block.dtype.hasobject or block.ndim != 2:  # noqa: PLR2004 -- rows and genes
            raise BatchError(
                f"batch: expected arrays (n, d) of numbers, got {block.dtype} of shape "
                f"{block.shape} in block {name!r}"
            )
    return tuple((name, block.dtype.str, block.shape[1]) for name, block in blocks.items())


class ProcessPool(Base):
    """Call the objective row by row in worker processes, under limits.

    A row that raises, gives no finite number, is too late (its worker is killed) or ends its worker
    (``os._exit``, a signal, memory) is tried ``retries`` times again and then marked failed.
    Workers start with the first batch and stay for the next; they end with the pool, with the
    parent process, and at Ctrl-C.

    Args:
        function: As for `PerRow`. With the default start method of Linux, ``fork``, it may be any
            callable; ``spawn`` and ``forkserver`` need one that can be pickled.
        workers: Processes; 0 for one per core.
        timeout_s: Of one row.
        retries: Further attempts of a row that failed.
        rng_seed: Hand every evaluation its own `numpy.random.Generator`, keyed by its number: noise
            that does not depend on the workers.
        start_method: ``fork``, ``forkserver`` or ``spawn``; default ``fork`` on Linux, else
            ``spawn``. An objective that itself uses threads started before the pool needs another
            than ``fork``.
        memory_bytes_max: Address space that a worker may add to what it has at its start (Linux).
        n_objectives: Objectives of a row.
        n_descriptors: Behaviour descriptors of a row.
        n_cases: Errors per case of a row.
        chunk_rows_max: Most rows in one request; requests of cheap rows grow to about 5 ms.
        shared_bytes_max: Shared memory to use at a time.

    Raises:
        ConfigError: A setting outside its range.

    Example:
        >>> import numpy as np
        >>> with ProcessPool(lambda x: float(x.sum()), workers=2, timeout_s=5.0) as pool:
        ...     pool.evaluate(np.ones((3, 4))).objectives.tolist()
        [[4.0], [4.0], [4.0]]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        workers: int = 0,
        timeout_s: float | None = None,
        retries: int = 0,
        rng_seed: int | None = None,
        start_method: str | None = None,
        memory_bytes_max: int | None = None,
        n_objectives: int = 1,
        n_descriptors: int = 0,
        n_cases: int = 0,
        chunk_rows_max: int = 4096,
        shared_bytes_max: int = SHARED_BYTES_MAX,
    ) -> None:
        super().__init__(
            retries=retries,
            timeout_s=timeout_s,
            n_objectives=n_objectives,
            n_descriptors=n_descriptors,
            n_cases=n_cases,
        )
        check_function(function)
        chunk_rows_max = check_integer("chunk_rows_max", chunk_rows_max, 1)
        self._shared_bytes_max = check_integer(
            "shared_bytes_max", shared_bytes_max, _SHARED_BYTES_MIN
        )
        from chimera.evolution.evaluation._crew import Crew

        self._n_workers = count_workers(workers)
        self._turn = Turn()
        self._crew = Crew(
            Task(
                function,
                self._shape,
                self._timeout_s,
                self._retries,
                check_seed(rng_seed),
                check_memory(memory_bytes_max),
            ),
            n_workers=self._n_workers,
            counts=self._counts,
            start_method=start_method,
            chunk_rows_max=chunk_rows_max,
        )

    @property
    def pids(self) -> list[int]:
        """Process ids of the living workers."""
        return self._crew.pids if self._turn.is_owner else []

    @property
    def n_workers(self) -> int:
        """Number of worker processes."""
        return self._n_workers

    def evaluate(self, batch: Batch) -> Evaluated:
        """Score every row, in order.

        Args:
            batch: ``(n, d)`` candidates, or a mapping of such arrays. Copied into shared memory.

        Raises:
            BatchError: The batch holds Python objects, or is made of something else than arrays.
            EvaluationError: Workers cannot be started, shared memory is short, or `close` was
                called from another thread meanwhile.
            OrderError: Called by the objective itself, or in another process than that of the pool.
        """
        n = n_rows_of(batch)
        blocks = blocks_of(batch)
        row_bytes = 8 * (self._shape.width + 3) + sum(
            np.dtype(dtype).itemsize * d for _, dtype, d in blocks
        )
        with self._turn.take("evaluate"):
            n_slots = max(1, min(max(n, 1), self._room() // row_bytes))
            try:
                parts = [
                    self._slice(select_rows(batch, slice(first, first + n_slots)), blocks, n_slots)
                    for first in range(0, max(n, 1), n_slots)
                ]
            finally:
                if self._crew.is_interrupted:  # what a signal handler wanted, or another thread
                    self._crew.close()
        return concatenate(parts)

    def close(self) -> None:
        """End the workers and remove the shared memory. The next batch would start them anew.

        A batch under way in another thread ends with an `EvaluationError`.
        """
        if self._turn.is_owner:
            self._crew.interrupt()
        with self._turn.end() as is_ours:
            if is_ours:
                self._crew.close()

    def _room(self) -> int:
        """Shared memory to use: beyond what the system has, writing to it would kill us."""
        try:
            free = os.statvfs("/dev/shm")  # noqa: S108 -- where the system keeps shared memory
        except (AttributeError, OSError):
            return self._shared_bytes_max
        return min(
            self._shared_bytes_max, max(free.f_bavail * free.f_frsize // 2, _SHARED_BYTES_MIN)
        )

    def _slice(
        self, batch: Batch, blocks: tuple[tuple[str, str, int], ...], n_slots: int
    ) -> Evaluated:
        n = n_rows_of(batch)
        shared = self._crew.prepare(blocks, n_slots)
        rows = batch.values() if isinstance(batch, Mapping) else [batch]
        for target, source in zip(shared.genomes, rows, strict=True):
            target[:n] = source
        shared["keys"][:n] = np.arange(self._counts.n_rows, self._counts.n_rows + n)
        errors: dict[int, str] = {}
        try:
            if n:
                self._crew.put(0, n)
            n_done = 0
            while n_done < n:
                finished, reasons = self._crew.poll()
                n_done += len(finished)
                errors.update(reasons)
        except BaseException:
            self._crew.stop()
            raise
        seconds = shared["seconds"][:n].copy()
        self._counts.n_rows += n
        self._counts.n_failed += len(errors)
        self._counts.seconds += float(seconds.sum())
        return Evaluated.from_table(shared["table"][:n].copy(), self._shape, errors, seconds)
