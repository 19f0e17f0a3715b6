"""What runs inside a worker process of the pool, and the shared memory it works on.

The parent writes genomes into slots, names ranges of slots, and reads numbers back; only reasons of
failed rows travel through the pipe. The worker notes which slot it is at and since when: so the
parent can end a row that takes too long, and knows which row a dead worker was at.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import pickle
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker, shared_memory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chimera.errors import EvaluationError
from chimera.evolution.evaluation._base import Task, describe
from chimera.evolution.evaluation._processes import STRAYS, leave

__all__ = ["FAILED", "IDLE", "OK", "PENDING", "RANGE", "Block", "Layout", "work"]

PENDING, OK, FAILED = 0, 1, 2
IDLE = -1.0
RANGE = struct.Struct("<qq")
"""A request: first slot, slot after the last."""


@dataclass(frozen=True)
class Layout:
    """Where things lie in a block of shared memory.

    Args:
        blocks: Name (empty for plain arrays), dtype and number of genes of each block.
        width: Numbers of a result row.
        n_slots: Rows.
        n_workers: Worker processes.
    """

    blocks: tuple[tuple[str, str, int], ...]
    width: int
    n_slots: int
    n_workers: int

    def parts(self) -> list[tuple[str, str, tuple[int, ...]]]:
        """List (name, dtype, shape) of every array, in the order of the memory."""
        n = self.n_slots
        own: list[tuple[str, str, tuple[int, ...]]] = [
            ("table", "<f8", (n, self.width)),
            ("seconds", "<f8", (n,)),
            ("keys", "<i8", (n,)),
            ("progress", "<f8", (self.n_workers, 2)),
            ("status", "|u1", (n,)),
        ]
        return own + [(f"x{idx}", dtype, (n, d)) for idx, (_, dtype, d) in enumerate(self.blocks)]

    @property
    def n_bytes(self) -> int:
        """Memory needed."""
        return sum(_padded(dtype, shape) for _, dtype, shape in self.parts())


def _padded(dtype: str, shape: Sequence[int]) -> int:
    return -(-np.dtype(dtype).itemsize * int(np.prod(shape)) // 64) * 64


class Block:
    """Arrays over shared memory.

    Args:
        layout: What lies where.
        name: Of memory to attach to; None makes it.

    Raises:
        EvaluationError: The system has not so much shared memory.
        OSError: The memory cannot be attached to.
    """

    def __init__(self, layout: Layout, name: str | None = None) -> None:
        self.layout = layout
        self.is_owner = name is None
        self._memory = _create(layout.n_bytes) if name is None else _attach(name)
        self.name = self._memory.name
        self._arrays: dict[str, NDArray[Any]] = {}
        offset = 0
        for part, dtype, shape in layout.parts():
            self._arrays[part] = np.ndarray(
                shape, dtype=dtype, buffer=self._memory.buf, offset=offset
            )
            offset += _padded(dtype, shape)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    @property
    def genomes(self) -> list[NDArray[Any]]:
        """One array per block of genes."""
        return [self._arrays[f"x{idx}"] for idx in range(len(self.layout.blocks))]

    def close(self) -> None:
        """Unmap, and remove the memory when it was made here."""
        self._arrays.clear()
        with contextlib.suppress(BufferError):  # a view is still held; the mapping ends with it
            self._memory.close()
        if self.is_owner:
            self.is_owner = False
            with contextlib.suppress(FileNotFoundError):  # somebody has cleaned up
                self._memory.unlink()


def _create(n_bytes: int) -> shared_memory.SharedMemory:
    memory: shared_memory.SharedMemory | None = None
    try:
        memory = shared_memory.SharedMemory(create=True, size=n_bytes)
        _allocate(memory, n_bytes)
    except BaseException as error:
        if memory is not None:
            memory.close()
            memory.unlink()
        if isinstance(error, OSError):
            raise EvaluationError(
                f"expected {n_bytes:,} bytes of shared memory, got {describe(error)}; free or "
                "enlarge /dev/shm (docker run --shm-size), or hand over fewer rows at a time "
                "(shared_bytes_max, n_in_flight)"
            ) from error
        raise
    return memory


def _allocate(memory: shared_memory.SharedMemory, n_bytes: int) -> None:
    """Take the pages now: where there are none, writing to them later ends the process."""
    descriptor = getattr(memory, "_fd", -1)
    if descriptor < 0 or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, n_bytes)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:  # it cannot say
            raise


def _attach(name: str) -> shared_memory.SharedMemory:
    # Before Python 3.13 attaching registers the memory as if it were ours to clean up.
    register = resource_tracker.register
    resource_tracker.register = lambda *_: None
    try:
        return shared_memory.SharedMemory(name=name)
    finally:
        resource_tracker.register = register


def work(*, idx: int, pipe: connection.Connection, task: Task) -> None:
    """Serve requests until the pipe closes.

    Args:
        idx: Number of this worker.
        pipe: Requests in, reasons and acknowledgements out.
        task: The objective.
    """
    limit = _memory_limit(task.memory_bytes_max)
    block: Block | None = None
    try:
        while True:
            message = pipe.recv_bytes()
            if len(message) != RANGE.size:
                if block is not None:
                    block.close()
                layout, name = pickle.loads(message)  # noqa: S301 -- from our own parent
                limit(None)
                block = _attach_or_explain(idx, layout, name)
                if block is None:
                    return
                limit(layout.n_bytes)
            elif block is not None:
                first, stop = RANGE.unpack(message)
                _serve(idx, pipe, task, block, range(first, stop))
    except (EOFError, OSError):
        return


def _attach_or_explain(idx: int, layout: Layout, name: str) -> Block | None:
    try:
        return Block(layout, name)
    except OSError as error:
        # The parent sees only that this process has ended.
        sys.stderr.write(
            f"chimera: evaluation worker {idx} ends: expected to attach to {layout.n_bytes:,} "
            f"bytes of shared memory, got {describe(error)}\n"
        )
        sys.stderr.flush()
        return None


def _serve(idx: int, pipe: connection.Connection, task: Task, block: Block, slots: range) -> None:
    # Items of memoryviews are written in a third of the time that items of arrays take.
    table, width = block["table"], task.shape.width
    numbers: Any = table.reshape(-1).data
    seconds: Any = block["seconds"].data
    status: Any = block["status"].data
    progress: Any = block["progress"][idx].data
    keys = block["keys"]
    names = [name for name, _, _ in block.layout.blocks]
    genomes = block.genomes
    plain = genomes[0] if names == [""] else None
    function, clock, infinity, strays = task.function, time.monotonic, math.inf, STRAYS
    is_scalar = width == 2  # noqa: PLR2004 -- one objective and an unused violation
    takes_rng = task.rng_seed is not None
    for slot in slots:
        reason = None
        progress[1] = start = clock()
        progress[0] = slot
        try:
            if plain is not None:
                x: Any = plain[slot].copy()
            else:
                x = {name: rows[slot].copy() for name, rows in zip(names, genomes, strict=True)}
            answer = task.call(x, int(keys[slot])) if takes_rng else function(x)
            if strays:
                leave()
            if is_scalar and type(answer) is float and -infinity < answer < infinity:
                numbers[2 * slot] = answer
                numbers[2 * slot + 1] = math.nan
            else:
                task.shape.write(answer, table[slot])
        except BaseException as error:  # noqa: BLE001 -- the row is marked
            if strays:
                leave(error)
            reason = describe(error)
        seconds[slot] += clock() - start
        if reason is None:
            status[slot] = OK
        else:
            pipe.send_bytes(pickle.dumps((slot, reason)))
            status[slot] = FAILED
    progress[0] = IDLE
    pipe.send_bytes(b"")


def _memory_limit(bytes_max: int | None) -> Callable[[int | None], None]:
    """Return what limits the address space of this process from now on.

    Args:
        bytes_max: What it may add to what it has now; None for no limit.

    Returns:
        Takes the size of the shared memory that it has mapped besides; None lifts the limit.
    """
    if bytes_max is None:
        return lambda _: None
    import resource

    # Only the soft limit: it is lifted again while other shared memory is mapped.
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- no path to build
        n_bytes = int(file.read().split()[0]) * resource.getpagesize() + bytes_max

    def limit(n_shared: int | None) -> None:
        if n_shared is None:
            resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
            return
        bounds = [n_bytes + n_shared, *(end for end in (soft, hard) if end >= 0)]
        resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))

    return limit
