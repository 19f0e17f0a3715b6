"""Recording a search: a stand-in that stores each generation after the search has learned it."""

from __future__ import annotations

import logging
import time
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.errors import ConfigError, ConflictError, OrderError, StorageError
from chimera.evolution.database.backend import Backend, Search
from chimera.evolution.database.rows import Generation, Layout, pairs_of

if TYPE_CHECKING:
    from chimera.evolution._loop import Step

__all__ = ["Recorder"]

_log = logging.getLogger("chimera.evolution")

_WAITING_MAX: Final = 16
"""Generations kept in memory while the database fails; the oldest are given up beyond."""
_NO_OPERATOR: Final = 255
"""The operator of rows that the search was told without having asked them."""


class Recorder:
    """Stands in for a search: ask and tell as usual, and every generation is stored.

    Everything else of the search (``best_x``, ``generation``, ``save``, ...) is reached through
    it. Leaving a ``with`` block closes the run in the database.

    While the database fails, the last 16 generations wait in memory and older ones are given up;
    what is given up is named by the next error, and once more by `flush` or `finish`.

    Attributes:
        run: Number of the run in the database.
        algorithm: The search itself.
        n_missing: Generations that were given up: they are not in the database.

    Example:
        >>> from chimera.evolution import GenomeDatabase, RandomSearch
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> database = GenomeDatabase(folder.name + "/runs.db")
        >>> with database.record(RandomSearch([(-1.0, 1.0)] * 3, batch_size=8)) as search:
        ...     for _ in range(5):
        ...         batch = search.ask()
        ...         search.tell(batch, (batch**2).sum(axis=1))
        >>> database.runs()[0].n_evaluations
        40
        >>> bool(database.best(1).objectives[0, 0] == search.best_score)
        True
        >>> database.close()
        >>> folder.cleanup()
    """

    def __init__(
        self,
        backend: Backend,
        run: int,
        algorithm: Search,
        layout: Layout,
        *,
        on_error: str,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise ConfigError(f"on_error: expected raise or skip, got {on_error!r}")
        self.run = run
        self.algorithm = algorithm
        self._backend = backend
        self._layout = layout
        self._is_lenient = on_error == "skip"
        self._is_maximized = bool(algorithm.maximized and algorithm.maximized[0])
        self._waiting: deque[Generation] = deque()
        self.n_missing = 0
        self._given_up: list[int] = []
        self._since = time.perf_counter()

    def __getattr__(self, name: str) -> Any:
        """Reach everything else of the search."""
        return getattr(self.algorithm, name)

    def tell(
        self,
        batch: Any,
        scores: ArrayLike,
        descriptors: ArrayLike | None = None,
        *,
        violations: ArrayLike | None = None,
        cases: ArrayLike | None = None,
        failed: ArrayLike | None = None,
        skipped: int = 0,
    ) -> None:
        """Tell the search, then store the generation; rows that were skipped are not stored.

        Raises:
            BatchError: What the search refuses; nothing is stored then.
            StorageError: The database failed; the search has learned the batch all the same, and
                the generation waits to be stored by the next ``tell`` or `flush`. When it is a
                `ConflictError`, waiting would not help: the generation is given up.
        """
        self.algorithm.tell(
            batch,
            scores,
            violations=violations,
            descriptors=descriptors,
            cases=cases,
            failed=failed,
            **({"skipped": skipped} if skipped else {}),
        )
        told: list[Any] = [batch, scores, violations, descriptors, failed]
        if skipped:
            told = [_head(part, _n_rows(batch) - skipped) for part in told]
        batch, scores, violations, descriptors, failed = told
        self.store(batch, scores, violations=violations, descriptors=descriptors, failed=failed)

    def __call__(self, step: Step) -> None:
        """Store what a loop has told its search; for ``optimize(..., callback=)``.

        Raises:
            StorageError: The database failed; see `tell`.
        """
        told = step.evaluated.arguments()
        told.pop("cases", None)
        self.store(step.batch, told.pop("scores"), **told)

    def store(
        self,
        batch: Any,
        scores: ArrayLike,
        *,
        violations: ArrayLike | None = None,
        descriptors: ArrayLike | None = None,
        failed: ArrayLike | None = None,
    ) -> None:
        """Store a generation that the search itself was told just now.

        Raises:
            StorageError: The database failed; see `tell`.
        """
        ids, operators, parents = self._lineage(_n_rows(batch))
        generation = self._generation(
            batch, scores, violations, descriptors, failed, ids, operators, parents
        )
        self._waiting.append(generation)
        self._store()

    def _lineage(
        self, n_rows: int
    ) -> tuple[NDArray[np.int64], NDArray[np.uint8] | None, NDArray[np.int64]]:
        """Return identities, operators if known, and pairs of child and parent of the told rows.

        They are fewer than the search was told when a budget has cut the batch.
        """
        ids, parents, operators = self.algorithm.told
        is_known = len(operators) == len(ids) and not (operators[:n_rows] == _NO_OPERATOR).any()
        if len(parents) != len(ids):
            parents = np.empty((n_rows, 0), np.uint64)
        signed = ids[:n_rows].astype(np.int64)
        return (
            signed,
            np.array(operators[:n_rows]) if is_known else None,
            pairs_of(signed, parents[:n_rows]),
        )

    def _generation(  # noqa: PLR0917
        self,
        batch: Any,
        scores: ArrayLike,
        violations: ArrayLike | None,
        descriptors: ArrayLike | None,
        failed: ArrayLike | None,
        ids: NDArray[np.int64],
        operators: NDArray[np.uint8] | None,
        parents: NDArray[np.int64],
    ) -> Generation:
        n_rows = len(ids)
        objectives = np.array(scores, dtype=np.float64).reshape(n_rows, -1)
        is_failed = _vector(failed, n_rows, np.bool_)
        violation = _vector(violations, n_rows, np.float64)
        violation[is_failed & ~np.isfinite(violation)] = 0.0
        behaviour = None
        if descriptors is not None:
            behaviour = np.array(descriptors, dtype=np.float64).reshape(n_rows, -1)
        blocks = batch if isinstance(batch, dict) else {self._only_block(): batch}
        genomes, programs = self._layout.encode(blocks)
        good = objectives[~is_failed, 0]
        feasible = objectives[~is_failed & (violation <= 0.0), 0]
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        best = None
        if len(feasible):
            best = float(feasible.max() if self._is_maximized else feasible.min())
        return Generation(
            number=int(self.algorithm.generation) - 1,
            ids=ids,
            failed=is_failed,
            objectives=objectives,
            violations=violation,
            genomes=genomes,
            programs=programs,
            descriptors=behaviour,
            operators=operators,
            parents=parents,
            n_evaluations=int(self.algorithm.n_evaluations),
            best=best,
            mean=float(good.mean()) if len(good) else None,
            figures=self.algorithm.figures,
            seconds=seconds,
        )

    def _only_block(self) -> str:
        return (self._layout.texts + [name for name, _, _ in self._layout.numbers])[0]

    def _store(self) -> None:
        """Store what waits, oldest first.

        Raises:
            StorageError: It fails, unless failures are skipped.
        """
        while self._waiting:
            try:
                self._write(self._waiting[0])
            except ConflictError as error:
                self._give_up(1, error)
                if not self._is_lenient:
                    raise self._explained(error) from error
            except (StorageError, OrderError) as error:
                kept = 0 if self._is_lenient else _WAITING_MAX
                if len(self._waiting) > kept:
                    self._give_up(len(self._waiting) - kept, error)
                if self._is_lenient:
                    return
                if not self.n_missing:
                    raise
                raise self._explained(error) from error
            else:
                self._waiting.popleft()

    def _give_up(self, n: int, error: Exception) -> None:
        """Drop the oldest that wait."""
        numbers = [self._waiting.popleft().number for _ in range(n)]
        self.n_missing += n
        self._given_up += (numbers[0], numbers[-1])
        _log.warning(
            "run %d: generations %d to %d are missing in the database (%d in all): %s",
            self.run,
            numbers[0],
            numbers[-1],
            self.n_missing,
            error,
        )

    def _explained(self, error: Exception) -> Exception:
        """Return an error of the same type that says what is missing."""
        text = f"{error}; {self.n_missing} generations are missing in run {self.run}"
        if self._given_up:
            text += f", the last ones between {min(self._given_up)} and {max(self._given_up)}"
        return type(error)(f"{text}; {len(self._waiting)} wait to be stored")

    def _report(self) -> None:
        """Say once what was given up.

        Raises:
            StorageError: Generations were given up since it was said last.
        """
        given_up, self._given_up = self._given_up, []
        if given_up and not self._is_lenient:
            raise StorageError(
                f"expected every generation in the database, but {self.n_missing} of run "
                f"{self.run} are missing, the last ones between {min(given_up)} and "
                f"{max(given_up)}: the database failed for longer than {_WAITING_MAX} generations, "
                "or refused them"
            )

    def _write(self, generation: Generation) -> None:
        with self._backend.transaction() as transaction:
            transaction.insert(self.run, generation)
            transaction.execute(
                "INSERT INTO generations VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self.run, *generation.summary()),
            )

    def flush(self) -> None:
        """Store generations that wait because the database failed.

        Raises:
            StorageError: It still fails; or generations were given up before, which is said once.
        """
        self._store()
        self._report()

    def finish(self, stop_reason: str | None = None) -> None:
        """Note that the run has ended.

        Args:
            stop_reason: Why; by default what the search says.

        Raises:
            StorageError: The database failed; or generations were given up before, which is said
                once, after the end was noted.
        """
        self._store()
        reason = stop_reason or self.algorithm.stop_reason
        with self._backend.transaction() as transaction:
            transaction.execute(
                "UPDATE runs SET finished = ?, stop_reason = ? WHERE id = ?",
                (time.time(), reason, self.run),
            )
        self._report()

    def __enter__(self) -> Self:
        """Return the recorder."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Note the end, unless the database is what failed."""
        if not isinstance(error, StorageError):
            self.finish(None if kind is None else f"interrupted by {kind.__name__}")

    def __repr__(self) -> str:
        return f"<Recorder of run {self.run}: {self.algorithm!r}>"


def _n_rows(batch: Any) -> int:
    return len(next(iter(batch.values())) if isinstance(batch, dict) else batch)


def _head(values: Any, n: int) -> Any:
    """Return the first rows of a batch or of what is told of one."""
    if isinstance(values, dict):
        return {name: block[:n] for name, block in values.items()}
    return None if values is None else values[:n]


def _vector(values: ArrayLike | None, n_rows: int, dtype: type[np.generic]) -> NDArray[Any]:
    if values is None:
        return np.zeros(n_rows, dtype=dtype)
    return np.array(values, dtype=dtype).reshape(n_rows)
