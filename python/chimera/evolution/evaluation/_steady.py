"""No barrier: rows go out one by one and come back as they are done.

For steady algorithms, whose `tell` takes rows in any order. In order of submission by default: then
a run depends on the number of rows in flight alone, never on timing, and equal seeds give equal
results. Without that, whoever is done first is told first.
"""

from __future__ import annotations

import contextlib
import inspect
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chimera.errors import BatchError, OrderError
from chimera.evolution.evaluation._base import Base, Task
from chimera.evolution.evaluation._checks import check_function, check_integer, check_seed
from chimera.evolution.evaluation._pool import blocks_of, check_memory, count_workers
from chimera.evolution.evaluation._result import (
    Batch,
    Evaluated,
    Shape,
    concatenate,
    n_rows_of,
    select_rows,
)
from chimera.evolution.evaluation._turn import Turn

if TYPE_CHECKING:
    from chimera.evolution.evaluation._coroutines import Coroutines
    from chimera.evolution.evaluation._crew import Crew

__all__ = ["IN_FLIGHT_MAX", "AsyncEvaluator"]

IN_FLIGHT_MAX = 65_536
"""Most rows under way at a time."""


class AsyncEvaluator(Base):
    """Evaluate rows without waiting for a whole batch.

    Plain functions run in worker processes as in `ProcessPool`; coroutine functions run on an event
    loop in a thread of their own, ``workers`` at a time. Use it with `optimize` and a steady
    algorithm, or by `submit` and `collect`.

    Args:
        function: As for `PerRow`, or a coroutine function of the same arguments.
        workers: Rows computed at a time; 0 for one per core.
        n_in_flight: Rows handed out at a time, at least ``workers``; default twice as many.
        is_ordered: Return rows in the order of their submission: deterministic. False returns
            whatever is done, which keeps workers busy when times differ a lot.
        timeout_s: Of one row. A coroutine is cancelled, a process killed.
        retries: Further attempts of a row that failed.
        rng_seed: Hand every evaluation its own random stream, keyed by its number.
        start_method: See `ProcessPool`.
        memory_bytes_max: See `ProcessPool`.
        n_objectives: Objectives of a row.
        n_descriptors: Behaviour descriptors of a row.
        n_cases: Errors per case of a row.

    Raises:
        ConfigError: A setting outside its range.

    Example:
        >>> import numpy as np
        >>> async def sphere(x):
        ...     return float((x**2).sum())
        >>> with AsyncEvaluator(sphere, workers=4) as evaluator:
        ...     evaluator.submit(np.array([[3.0], [1.0]]))
        ...     rows, done = evaluator.collect()
        >>> rows.tolist(), done.objectives.tolist()
        ([[3.0]], [[9.0]])
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        workers: int = 0,
        n_in_flight: int | None = None,
        is_ordered: bool = True,
        timeout_s: float | None = None,
        retries: int = 0,
        rng_seed: int | None = None,
        start_method: str | None = None,
        memory_bytes_max: int | None = None,
        n_objectives: int = 1,
        n_descriptors: int = 0,
        n_cases: int = 0,
    ) -> None:
        super().__init__(
            retries=retries,
            timeout_s=timeout_s,
            n_objectives=n_objectives,
            n_descriptors=n_descriptors,
            n_cases=n_cases,
        )
        check_function(function)
        n_workers = count_workers(workers)
        size = 2 * n_workers if n_in_flight is None else n_in_flight
        size = check_integer("n_in_flight", size, n_workers, IN_FLIGHT_MAX)
        self.search: Any = None
        """Whose rows are pending; the loop of `optimize` notes it here."""
        self._turn = Turn()
        self._blocks: tuple[tuple[str, str, int], ...] = ()
        self._n_in_flight = size
        self._is_ordered = is_ordered
        self._free = deque(range(size))
        self._order: deque[int] = deque()
        self._rows: dict[int, Batch] = {}
        self._done: dict[int, Evaluated] = {}
        task = Task(
            function,
            self._shape,
            self._timeout_s,
            self._retries,
            check_seed(rng_seed),
            check_memory(memory_bytes_max),
        )
        self._backend: _Processes | Coroutines
        call = type(function).__call__
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call):
            from chimera.evolution.evaluation._coroutines import Coroutines

            self._backend = coroutines = Coroutines(task, self._counts, n_workers)
            # Those under way hold it, so it would not go by itself.
            weakref.finalize(self, coroutines.leave)
        else:
            from chimera.evolution.evaluation._crew import Crew

            crew = Crew(
                task,
                n_workers=n_workers,
                counts=self._counts,
                start_method=start_method,
                chunk_rows_max=1,
            )
            self._backend = _Processes(crew, self._shape, size)

    @property
    def n_in_flight(self) -> int:
        """Rows handed out at a time, at most."""
        return self._n_in_flight

    @property
    def n_free(self) -> int:
        """Rows that may be submitted now."""
        return len(self._free)

    @property
    def n_pending(self) -> int:
        """Rows submitted and not yet collected."""
        return len(self._order)

    def submit(self, batch: Batch) -> None:
        """Hand out rows.

        Args:
            batch: ``(n, d)`` candidates, or a mapping of such arrays; copied.

        Raises:
            BatchError: More rows than `n_free`, rows of another kind than those pending, or
                something else than arrays of numbers; nothing was handed out.
            EvaluationError: Workers cannot be started, or shared memory is short.
            OrderError: Called by the objective itself, or in another process.
        """
        with self._take("submit"):
            self._submit(batch)

    def collect(self) -> tuple[Batch, Evaluated]:
        """Wait for rows: the oldest one when ordered, else all that are done.

        Returns:
            The rows and their scores.

        Raises:
            OrderError: Nothing is pending; or called by the objective itself, or in another
                process.
            EvaluationError: Workers cannot be started, or `close` was called from another thread
                meanwhile. Rows that were pending are given up.
        """
        with self._take("collect"):
            return self._collect(is_ordered=self._is_ordered)

    def evaluate(self, batch: Batch) -> Evaluated:
        """Score every row, in order, and wait for all of them.

        Args:
            batch: ``(n, d)`` candidates, or a mapping of such arrays.

        Raises:
            OrderError: Other rows are pending; or called by the objective itself, or in another
                process.
            EvaluationError: As for `collect`.
        """
        with self._take("evaluate"):
            if self._order:
                raise OrderError(
                    f"evaluate: expected no pending rows, got {self.n_pending}; collect them first"
                )
            n = n_rows_of(batch)
            parts = [
                Evaluated.from_table(np.empty((0, self._shape.width)), self._shape, {}, np.zeros(0))
            ]
            n_sent = n_back = 0
            try:
                while n_back < n:
                    room = min(self.n_free, n - n_sent)
                    self._submit(select_rows(batch, slice(n_sent, n_sent + room)))
                    n_sent += room
                    parts.append(self._collect(is_ordered=True)[1])
                    n_back += 1
            except BaseException:
                self._forget()
                raise
            return concatenate(parts[1:] or parts)

    def close(self) -> None:
        """Stop everything under way, and forget what is pending; the next row starts anew.

        A call under way in another thread ends with an `EvaluationError`.
        """
        if self._turn.is_owner:
            self._backend.interrupt()
        with self._turn.end() as is_ours:
            if is_ours:
                self._forget()
                self._backend.close()

    @contextlib.contextmanager
    def _take(self, name: str) -> Iterator[None]:
        self._backend.check(name)
        with self._turn.take(name):
            try:
                yield
            finally:
                if self._backend.is_interrupted:  # what a signal handler wanted, or another thread
                    self._forget()
                    self._backend.close()

    def _submit(self, batch: Batch) -> None:
        n = n_rows_of(batch)
        if n > self.n_free:
            raise BatchError(
                f"batch: expected at most {self.n_free} rows (n_free), got {n}; collect first"
            )
        blocks = blocks_of(batch)
        if n == 0:
            return
        if self._order and blocks != self._blocks:
            raise BatchError(
                f"batch: expected rows like those pending, {_describe(self._blocks)}, got "
                f"{_describe(blocks)}; collect those first"
            )
        self._backend.prepare(blocks)
        self._blocks = blocks
        try:
            for row in range(n):
                self._hand_out(select_rows(batch, slice(row, row + 1)))
        except BaseException:
            self._forget()
            raise

    def _hand_out(self, one: Batch) -> None:
        slot = self._free.popleft()
        copied: Batch = (
            {name: block.copy() for name, block in one.items()}
            if isinstance(one, Mapping)
            else one.copy()
        )
        self._rows[slot] = copied
        self._order.append(slot)
        self._backend.start(slot, copied, self._counts.n_rows)
        self._counts.n_rows += 1

    def _collect(self, *, is_ordered: bool) -> tuple[Batch, Evaluated]:
        if not self._order:
            raise OrderError("collect: expected rows that were submitted, got none")
        while not (self._order[0] in self._done if is_ordered else self._done):
            try:
                self._done.update(self._backend.wait())
            except BaseException:
                self._forget()
                raise
        if is_ordered:
            slots = [self._order.popleft()]
        else:
            slots = [slot for slot in self._order if slot in self._done]
            self._order = deque(slot for slot in self._order if slot not in self._done)
        parts = [self._done.pop(slot) for slot in slots]
        rows = [self._rows.pop(slot) for slot in slots]
        self._free.extend(slots)
        evaluated = concatenate(parts)
        self._counts.n_failed += len(evaluated.errors)
        self._counts.seconds += float(evaluated.seconds.sum())
        return _stack(rows), evaluated

    def _forget(self) -> None:
        self._backend.stop()
        self._free = deque(range(self._n_in_flight))
        self._order.clear()
        self._rows.clear()
        self._done.clear()
        self.search = None


def _describe(blocks: tuple[tuple[str, str, int], ...]) -> str:
    parts = [f"{f'{name!r} ' if name else ''}(n, {d}) {np.dtype(kind)}" for name, kind, d in blocks]
    return ", ".join(parts)


def _stack(rows: list[Batch]) -> Batch:
    first = rows[0]
    if len(rows) == 1:
        return first
    if isinstance(first, Mapping):
        return {name: np.concatenate([row[name] for row in rows]) for name in first}
    return np.concatenate([np.asarray(row) for row in rows])


class _Processes:
    """Rows in worker processes."""

    def __init__(self, crew: Crew, shape: Shape, n_slots: int) -> None:
        self._crew = crew
        self._shape = shape
        self._n_slots = n_slots
        self._shared: Any = None

    def check(self, name: str) -> None:
        """Nothing: no objective runs in this process."""

    def prepare(self, blocks: tuple[tuple[str, str, int], ...]) -> None:
        self._shared = self._crew.prepare(blocks, self._n_slots)

    def start(self, slot: int, row: Batch, key: int) -> None:
        shared = self._shared
        parts = row.values() if isinstance(row, Mapping) else [row]
        for target, source in zip(shared.genomes, parts, strict=True):
            target[slot] = source[0]
        shared["keys"][slot] = key
        self._crew.put(slot, slot + 1)
        self._crew.dispatch()

    def wait(self) -> dict[int, Evaluated]:
        finished, reasons = self._crew.poll()
        return {slot: self._result(slot, reasons.get(slot)) for slot in finished}

    def interrupt(self) -> None:
        self._crew.interrupt()

    @property
    def is_interrupted(self) -> bool:
        return self._crew.is_interrupted

    def stop(self) -> None:
        self._crew.stop()

    def close(self) -> None:
        self._crew.close()

    def _result(self, slot: int, reason: str | None) -> Evaluated:
        return Evaluated.from_table(
            self._shared["table"][slot : slot + 1].copy(),
            self._shape,
            {} if reason is None else {0: reason},
            self._shared["seconds"][slot : slot + 1].copy(),
        )
