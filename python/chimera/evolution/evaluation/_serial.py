"""Objectives called in this process: on whole batches, or row by row."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from chimera.errors import EvaluationError
from chimera.evolution.evaluation._base import (
    Base,
    CallFailedError,
    CallTimeoutError,
    Task,
    describe,
)
from chimera.evolution.evaluation._checks import check_function, check_seed
from chimera.evolution.evaluation._pool import ProcessPool
from chimera.evolution.evaluation._result import (
    KEYS,
    NOT_USABLE,
    NOT_VISIBLE,
    Batch,
    Evaluated,
    Floats,
    copy_row,
    is_masked,
    n_rows_of,
    numbers_of,
    select_rows,
)

if TYPE_CHECKING:
    from chimera.evolution.evaluation._caller import Caller

__all__ = ["PerRow", "Vectorized"]


class Vectorized(Base):
    """Call the objective once for a whole batch.

    When a call raises, the batch is halved and tried again, down to the rows that are at fault:
    those are marked and the others keep their scores. With ``timeout_s`` every call runs in a
    worker process that can be killed, and a call that is too late marks all rows it was given.

    Args:
        function: Takes ``(n, d)`` candidates (a mapping of arrays for mixed spaces). Returns
            ``(n,)`` or ``(n, m)`` objectives, or a mapping with ``objectives`` and, where used,
            ``violations (n,)``, ``descriptors (n, k)``, ``cases (n, c)``.
        timeout_s: Of one call; None for no limit.
        retries: Further attempts of a single row that failed.
        n_objectives: Objectives of a row.
        n_descriptors: Behaviour descriptors of a row.
        n_cases: Errors per case of a row.
        start_method: Of the worker process that ``timeout_s`` needs; see `ProcessPool`.

    Raises:
        ConfigError: A setting outside its range.

    Example:
        >>> import numpy as np
        >>> sphere = Vectorized(lambda x: (x**2).sum(axis=1))
        >>> sphere.evaluate(np.array([[1.0, 2.0], [0.0, 3.0]])).objectives.tolist()
        [[5.0], [9.0]]
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        *,
        timeout_s: float | None = None,
        retries: int = 0,
        n_objectives: int = 1,
        n_descriptors: int = 0,
        n_cases: int = 0,
        start_method: str | None = None,
    ) -> None:
        super().__init__(
            retries=retries,
            timeout_s=timeout_s,
            n_objectives=n_objectives,
            n_descriptors=n_descriptors,
            n_cases=n_cases,
        )
        check_function(function)
        self._function = function
        self._caller: Caller | None = None
        if self._timeout_s is not None:
            from chimera.evolution.evaluation._caller import Caller

            self._caller = Caller(function, timeout_s=self._timeout_s, start_method=start_method)

    def evaluate(self, batch: Batch) -> Evaluated:
        """Score every row.

        Args:
            batch: ``(n, d)`` candidates, or a mapping of such arrays.

        Raises:
            EvaluationError: With ``timeout_s``: the worker process cannot be started, or `close`
                was called from another thread meanwhile.
            OrderError: With ``timeout_s``: called from the objective itself or another process.
        """
        n = n_rows_of(batch)
        if self._caller is None or n == 0:
            return self._evaluate(batch, n)
        with self._caller.turn.take("evaluate"):
            try:
                self._caller.start()
                return self._evaluate(batch, n)
            finally:
                self._caller.finish()

    def close(self) -> None:
        """End the worker process, if there is one."""
        if self._caller is not None:
            self._caller.close()

    def _evaluate(self, batch: Batch, n: int) -> Evaluated:
        table = np.empty((n, self._shape.width))
        seconds = np.zeros(n)
        errors: dict[int, str] = {}
        todo = [(0, n, 0)] if n else []
        while todo:
            first, stop, attempt = todo.pop()
            rows = batch if stop - first == n else select_rows(batch, slice(first, stop))
            self._counts.n_evaluations += stop - first
            start = time.perf_counter()
            try:
                answer = self._call(rows)
            except CallTimeoutError as error:
                self._counts.n_timeouts += 1
                reasons = dict.fromkeys(range(stop - first), str(error))
            except (Exception, SystemExit) as error:  # the rows are marked
                if self._caller is not None and isinstance(error, EvaluationError):
                    raise  # no fault of theirs: no worker starts, or somebody has closed us
                if stop - first > 1:
                    middle = (first + stop) // 2
                    self._counts.n_retries += stop - first
                    todo += [(middle, stop, 0), (first, middle, 0)]
                    reasons = {}
                elif attempt < self._retries:
                    self._counts.n_retries += 1
                    todo.append((first, stop, attempt + 1))
                    reasons = {}
                else:
                    is_told = isinstance(error, CallFailedError)
                    reasons = {0: str(error) if is_told else describe(error)}
            else:
                reasons = self._read(answer, table[first:stop])
            elapsed = time.perf_counter() - start
            seconds[first:stop] += elapsed / (stop - first)
            self._counts.seconds += elapsed
            errors.update({first + row: reason for row, reason in reasons.items()})
        self._counts.n_rows += n
        self._counts.n_failed += len(errors)
        return Evaluated.from_table(table, self._shape, errors, seconds)

    def _call(self, rows: Batch) -> Any:
        return self._function(rows) if self._caller is None else self._caller.call(rows)

    def _read(self, answer: Any, table: Floats) -> dict[int, str]:
        """Write what came for some rows into the table; return the reasons of unusable rows."""
        try:
            return self._fill(answer, table)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- answers can run code, too
            return dict.fromkeys(range(len(table)), describe(error))

    def _fill(self, answer: Any, table: Floats) -> dict[int, str]:
        n, shape = len(table), self._shape
        given = answer if isinstance(answer, Mapping) else {"objectives": answer}
        unknown = [str(key) for key in given if key not in KEYS]
        if unknown:
            raise ValueError(f"returned unknown keys {', '.join(unknown)}; known: {KEYS}")
        table[:, shape.n_objectives] = np.nan
        bad = np.zeros(n, dtype=np.bool_)
        masked = bad.copy()
        start = 0
        widths = (shape.n_objectives, 1, shape.n_descriptors, shape.n_cases)
        for name, width in zip(KEYS, widths, strict=True):
            value = given.get(name)
            if value is None and name != "violations" and width:
                raise ValueError(f"returned no {name}; expected shape ({n}, {width})")
            if value is not None:
                numbers = numbers_of(value, name)
                if numbers.shape not in {(n, width), *([(n,)] if width == 1 else [])}:
                    raise ValueError(
                        f"returned {name} of shape {numbers.shape}; expected ({n}, {width})"
                    )
                numbers = numbers.reshape(n, width)
                if is_masked(value):
                    masked |= np.ma.getmaskarray(value).reshape(n, width).any(axis=1)
                bad |= ~np.isfinite(numbers).all(axis=1)
                if name == "violations":
                    bad |= numbers[:, 0] < 0
                table[:, start : start + width] = numbers
            start += width
        if not bad.any():
            return {}
        reasons = {}
        for row in np.flatnonzero(bad).tolist():
            what = f"returned numbers {NOT_VISIBLE}" if masked[row] else NOT_USABLE
            reasons[row] = f"{what}: {table[row].tolist()}"
        return reasons


class PerRow(Base):
    """Call the objective row by row, here or, under a time limit, in one worker process.

    Args:
        function: Takes a copy of one candidate, ``(d,)`` or a mapping of arrays; with ``rng_seed``
            also a `numpy.random.Generator`. Returns a number, a sequence of objectives, or a
            mapping with ``objectives`` and, where used, ``violations``, ``descriptors``, ``cases``.
        timeout_s: Of one call; it then runs in a process that can be killed.
        retries: Further attempts of a row that failed.
        rng_seed: Hand every evaluation its own random stream, keyed by its number.
        n_objectives: Objectives of a row.
        n_descriptors: Behaviour descriptors of a row.
        n_cases: Errors per case of a row.

    Raises:
        ConfigError: A setting outside its range.

    Example:
        >>> import numpy as np
        >>> inverse = PerRow(lambda x: 1.0 / float(x[0]) if x[0] else 1 // 0)
        >>> done = inverse.evaluate(np.array([[2.0], [0.0]]))
        >>> done.failed.tolist(), done.errors[1][:17]
        ([False, True], 'ZeroDivisionError')
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        timeout_s: float | None = None,
        retries: int = 0,
        rng_seed: int | None = None,
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
        self._task = Task(function, self._shape, rng_seed=check_seed(rng_seed))
        self._pool: ProcessPool | None = None
        if self._timeout_s is not None:
            self._pool = ProcessPool(
                function,
                workers=1,
                timeout_s=self._timeout_s,
                retries=retries,
                rng_seed=rng_seed,
                n_objectives=n_objectives,
                n_descriptors=n_descriptors,
                n_cases=n_cases,
            )
            self._counts = self._pool.counts

    def evaluate(self, batch: Batch) -> Evaluated:
        """Score every row.

        Args:
            batch: ``(n, d)`` candidates, or a mapping of such arrays.
        """
        if self._pool is not None:
            return self._pool.evaluate(batch)
        n = n_rows_of(batch)
        table = np.empty((n, self._shape.width))
        seconds = np.zeros(n)
        errors: dict[int, str] = {}
        for row in range(n):
            start = time.perf_counter()
            reason: str | None = None
            for attempt in range(self._retries + 1):
                self._counts.n_evaluations += 1
                self._counts.n_retries += attempt > 0
                x = copy_row(batch, row)  # the objective may change it, as in a worker process
                reason = self._score(x, self._counts.n_rows + row, table[row])
                if reason is None:
                    break
                errors[row] = reason if attempt == 0 else f"{reason} (attempt {attempt + 1})"
            if reason is None:
                errors.pop(row, None)
            seconds[row] = time.perf_counter() - start
        self._counts.n_rows += n
        self._counts.n_failed += len(errors)
        self._counts.seconds += float(seconds.sum())
        return Evaluated.from_table(table, self._shape, errors, seconds)

    def close(self) -> None:
        """End the worker process, if there is one."""
        if self._pool is not None:
            self._pool.close()

    def _score(self, x: Any, key: int, out: Floats) -> str | None:
        try:
            self._shape.write(self._task.call(x, key), out)
        except (Exception, SystemExit) as error:  # noqa: BLE001 -- the row is marked
            return describe(error)
        return None
