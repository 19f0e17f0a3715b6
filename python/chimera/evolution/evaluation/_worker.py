"""What runs inside a worker process of the pool, and the shared memory it works on.

The parent writes genomes into slots, names ranges of slots, and reads numbers back; only reasons of
failed rows travel through the pipe. The worker notes which slot it is at and since when: so the
parent can end a row that takes too long, and knows which row a dead worker was at.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import signal
import struct
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection, process, resource_tracker, shared_memory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chimera.evolution.evaluation._base import Task, describe

__all__ = ["FAILED", "IDLE", "OK", "PENDING", "RANGE", "Block", "Layout", "settle", "work"]

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
    """

    def __init__(self, layout: Layout, name: str | None = None) -> None:
        self.layout = layout
        self.is_owner = name is None
        if name is None:
            self._memory = shared_memory.SharedMemory(create=True, size=layout.n_bytes)
        else:
            self._memory = _attach(name)
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
            self._memory.unlink()


def _attach(name: str) -> shared_memory.SharedMemory:
    # Before Python 3.13 attaching registers the memory as if it were ours to clean up.
    register = resource_tracker.register
    resource_tracker.register = lambda *_: None
    try:
        return shared_memory.SharedMemory(name=name)
    finally:
        resource_tracker.register = register


def work(
    *,
    idx: int,
    pipe: connection.Connection,
    task: Task,
    dies_with_parent: bool,
    to_close: Sequence[connection.Connection],
) -> None:
    """Serve requests until the pipe closes.

    Args:
        idx: Number of this worker.
        pipe: Requests in, reasons and acknowledgements out.
        task: The objective.
        dies_with_parent: Whether the kernel may tie this process to the parent's thread.
        to_close: Ends of other workers' pipes, inherited by a fork.
    """
    for other in to_close:
        other.close()
    settle(dies_with_parent=dies_with_parent)
    if task.memory_bytes_max is not None:
        _limit_memory(task.memory_bytes_max)
    block: Block | None = None
    try:
        while True:
            message = pipe.recv_bytes()
            if len(message) != RANGE.size:
                if block is not None:
                    block.close()
                layout, name = pickle.loads(message)  # noqa: S301 -- from our own parent
                block = Block(layout, name)
            elif block is not None:
                first, stop = RANGE.unpack(message)
                _serve(idx, pipe, task, block, range(first, stop))
    except (EOFError, OSError):
        return


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
    function, clock, infinity = task.function, time.monotonic, math.inf
    is_scalar = width == 2  # noqa: PLR2004 -- one objective and an unused violation
    takes_rng = task.rng_seed is not None
    for slot in slots:
        if plain is not None:
            x: Any = plain[slot].copy()
        else:
            x = {name: rows[slot].copy() for name, rows in zip(names, genomes, strict=True)}
        reason = None
        progress[1] = start = clock()
        progress[0] = slot
        try:
            answer = task.call(x, int(keys[slot])) if takes_rng else function(x)
            if is_scalar and type(answer) is float and -infinity < answer < infinity:
                numbers[2 * slot] = answer
                numbers[2 * slot + 1] = math.nan
            else:
                task.shape.write(answer, table[slot])
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- the row is marked
            reason = describe(error)
        seconds[slot] += clock() - start
        if reason is None:
            status[slot] = OK
        else:
            pipe.send_bytes(pickle.dumps((slot, reason)))
            status[slot] = FAILED
    progress[0] = IDLE
    pipe.send_bytes(b"")


def settle(*, dies_with_parent: bool) -> None:
    """Leave the terminal's process group, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    if dies_with_parent and sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    parent = process.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel,), daemon=True).start()


def _watch(sentinel: int) -> None:
    connection.wait([sentinel])
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)  # with whatever the objective has started
    os._exit(1)


def _limit_memory(bytes_max: int) -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- no path to build
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + bytes_max
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
