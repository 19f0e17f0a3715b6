"""The genome database as users see it; SQL lives in the modules beside."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray

from chimera.config import VERSION
from chimera.errors import ConfigError, StateError
from chimera.evolution._population import Population
from chimera.evolution._snapshot import to_path
from chimera.evolution.database import queries
from chimera.evolution.database.backend import Backend, Search
from chimera.evolution.database.queries import OperatorCredit, RunRecord
from chimera.evolution.database.recorder import Recorder
from chimera.evolution.database.rows import Layout
from chimera.evolution.database.schema import BULK_TABLES

__all__ = ["GenomeDatabase"]


class GenomeDatabase:
    """Runs of searches with every individual they evaluated, in SQLite or PostgreSQL.

    A killed process loses at most the generation in flight. Several processes may write at once.

    Args:
        place: Path of an SQLite file, created when missing, or
            ``postgresql://user:password@host/database`` (needs ``chimera-engine[postgres]``; tables
            stand in the schema ``chimera``).
        read_only: Refuse to write, and create nothing. A file that nobody has open for writing is
            read as it is, also where its folder cannot be written. (Beside what a killed process
            left, a ``-wal`` file, SQLite needs a ``-shm`` file to read it.)
        is_synced: Wait for the disk at each generation, so that a power cut loses nothing either
            (SQLite; PostgreSQL does as its ``synchronous_commit`` says).

    Raises:
        ConfigError: The place is neither a path nor such a URL.
        StorageError: It cannot be opened, is damaged, of another program, or of a newer version.
        MissingExtraError: psycopg is not installed.

    Example:
        >>> import tempfile
        >>> from chimera.evolution import RandomSearch
        >>> folder = tempfile.TemporaryDirectory()
        >>> with GenomeDatabase(folder.name + "/runs.db") as database:
        ...     search = database.record(RandomSearch([(-1.0, 1.0)] * 3))
        ...     batch = search.ask(4)
        ...     search.tell(batch, (batch**2).sum(axis=1))
        ...     database.sql("SELECT COUNT(*) AS n FROM individuals")
        [{'n': 4}]
        >>> folder.cleanup()
    """

    def __init__(
        self, place: str | Path, *, read_only: bool = False, is_synced: bool = False
    ) -> None:
        self._backend: Backend
        text = place if isinstance(place, str) else ""
        if text.startswith(("postgresql://", "postgres://")):
            from chimera.evolution.database.postgres import PostgresBackend

            self._backend = PostgresBackend(text, read_only=read_only)
        elif "://" in text:
            raise ConfigError(
                f"place: expected a path or a postgresql:// URL, got {text.partition('://')[0]}://"
            )
        else:
            from chimera.evolution.database.sqlite import SqliteBackend

            path = to_path(place, "place: expected the path of a file or a postgresql:// URL")
            self._backend = SqliteBackend(path, read_only=read_only, is_synced=is_synced)

    def record(
        self,
        algorithm: Search,
        *,
        run: int | None = None,
        settings: Mapping[str, Any] | None = None,
        on_error: str = "raise",
    ) -> Recorder:
        """Return a stand-in for a search that stores each generation told to it.

        Args:
            algorithm: The search.
            run: A stored run to append to, after `Algorithm.load`: generations that the loaded
                search has not told yet are replaced. By default a new run.
            settings: What to note as its settings; by default what the search was given.
            on_error: What a failing database does to the run. ``raise``: ``tell`` raises
                `StorageError` after the search has learned; the generation is kept in memory, with
                at most 15 before it, and stored with the next ``tell`` or `Recorder.flush`.
                ``skip``: it is logged, the generation is missing in the database and the run goes
                on.

        Raises:
            ConfigError: It is no search by ask and tell, such as a game of several searches; or the
                settings are no mapping.
            StorageError: The run cannot be registered, or there is no run of that number.
            StateError: The stored run is of another algorithm, seed or space.
        """
        facts = _facts(algorithm, settings)
        if run is None:
            run = self._register(algorithm, facts)
        else:
            self._rewind(run, algorithm, facts)
        layout = Layout(facts["space"])
        return Recorder(self._backend, run, algorithm, layout, on_error=on_error)

    def _register(self, algorithm: Search, facts: Mapping[str, Any]) -> int:
        with self._backend.transaction() as transaction:
            row = transaction.execute(
                "INSERT INTO runs (algorithm, settings, seed, space, direction, created, version) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
                (
                    facts["algorithm"],
                    json.dumps(facts["settings"], sort_keys=True, default=str),
                    str(facts["seed"]),
                    json.dumps(facts["space"]),
                    facts["direction"],
                    time.time(),
                    VERSION,
                ),
            )
            run = int(row[0][0])
            for idx, name in enumerate(algorithm.operators):
                transaction.execute("INSERT INTO operators VALUES (?, ?, ?)", (run, idx, name))
        return run

    def _rewind(self, run: int, algorithm: Search, facts: Mapping[str, Any]) -> None:
        """Check that a stored run is this one, and drop what it has not told yet."""
        stored = queries.one_run(self._backend, run)
        for name in ("algorithm", "seed", "space"):
            if getattr(stored, name) != facts[name]:
                raise StateError(
                    f"expected a search that continues run {run}, got another {name}: "
                    f"{facts[name]!r} instead of {getattr(stored, name)!r}"
                )
        with self._backend.transaction() as transaction:
            row = transaction.execute(
                "SELECT MIN(id) FROM individuals WHERE run = ? AND generation >= ?",
                (run, algorithm.generation),
            )
            if row[0][0] is not None:
                transaction.execute(
                    "DELETE FROM parents WHERE run = ? AND child IN "
                    "(SELECT id FROM individuals WHERE run = ? AND generation >= ?)",
                    (run, run, algorithm.generation),
                )
            for table in ("individuals", "generations"):
                transaction.execute(
                    f"DELETE FROM {table} WHERE run = ? AND generation >= ?",
                    (run, algorithm.generation),
                )
            transaction.execute(
                "UPDATE runs SET finished = NULL, stop_reason = NULL WHERE id = ?", (run,)
            )

    def runs(self) -> list[RunRecord]:
        """Return all stored runs, oldest first."""
        return queries.runs(self._backend)

    def run(self, run: int) -> RunRecord:
        """Return one stored run.

        Raises:
            StorageError: There is none of that number, or its row is damaged.
        """
        return queries.one_run(self._backend, run)

    def delete(self, run: int) -> None:
        """Remove a run with everything that belongs to it.

        Raises:
            StorageError: There is none of that number.
        """
        self.run(run)
        with self._backend.transaction() as transaction:
            for table in BULK_TABLES:
                transaction.execute(f"DELETE FROM {table} WHERE run = ?", (run,))
            transaction.execute("DELETE FROM runs WHERE id = ?", (run,))

    def individuals(self, run: int, *, generation: int | None = None) -> Population:
        """Return what a run was told, in order of identity: one generation or all."""
        return queries.individuals(self._backend, self.run(run), generation)

    def best(self, run: int, n: int = 1) -> Population:
        """Return the best individuals of a run by the feasibility rule, best first."""
        return queries.best(self._backend, self.run(run), n)

    def lineage(
        self, run: int, individual: int, *, n_max: int = queries.RELATIVES_MAX
    ) -> Population:
        """Return an individual and its ancestors, at most ``n_max``, nearest first kept.

        Raises:
            StorageError: The run has no such individual.
        """
        return queries.relatives(
            self._backend, self.run(run), individual, are_ancestors=True, n_max=n_max
        )

    def descendants(
        self, run: int, individual: int, *, n_max: int = queries.RELATIVES_MAX
    ) -> Population:
        """Return an individual and its descendants, at most ``n_max``, nearest first kept.

        Raises:
            StorageError: The run has no such individual.
        """
        return queries.relatives(
            self._backend, self.run(run), individual, are_ancestors=False, n_max=n_max
        )

    def operator_credit(self, run: int, *, by_generation: bool = False) -> list[OperatorCredit]:
        """Return success rate and mean gain of each operator's children over their parents."""
        return queries.credit(self._backend, self.run(run), by_generation=by_generation)

    def progress(self, run: int) -> dict[str, NDArray[Any]]:
        """Return the generations of a run as columns.

        Returns:
            ``generation``, ``n_rows``, ``n_failed``, ``n_evaluations`` (int64), ``best``, ``mean``,
            ``seconds`` and each figure of the algorithm (float64, NaN where unknown), each
            ``(n_generations,)``.
        """
        return queries.progress(self._backend, self.run(run))

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Run a query of your own that only reads.

        Args:
            query: One SELECT in the database's dialect; ``?`` stands for parameters.
            parameters: Their values.

        Returns:
            One dictionary a row, by column name.

        Raises:
            ConfigError: The query is no text, or the parameters are no sequence.
            StorageError: The query fails, or is not one that only reads.
        """
        if not isinstance(query, str):
            raise ConfigError(f"query: expected SQL as text, got {type(query).__name__}")
        if isinstance(parameters, str | bytes) or not isinstance(parameters, Sequence):
            raise ConfigError(
                f"parameters: expected a list of values, got {type(parameters).__name__}"
            )
        names, rows = self._backend.read(query, parameters)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def close(self) -> None:
        """Close; closing twice is harmless. Every other call then raises `OrderError`."""
        self._backend.close()

    def __enter__(self) -> Self:
        """Return the open database."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        return f"<GenomeDatabase: {self._backend.place}>"


def _facts(algorithm: Search, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what identifies a search."""
    if not all(hasattr(algorithm, name) for name in ("ask", "tell", "maximized", "blocks")):
        raise ConfigError(
            f"algorithm: expected a search by ask and tell, got {type(algorithm).__name__}; what "
            "consists of searches is recorded one by one, record(side), and given the recorders"
        )
    given = settings if settings is not None else getattr(algorithm, "settings", {})
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"settings: expected a dictionary of what to note, got {type(given).__name__}"
        )
    maximized = list(algorithm.maximized)
    return {
        "algorithm": algorithm.method,
        "settings": dict(given),
        "seed": int(algorithm.seed),
        "direction": "maximize" if maximized and maximized[0] else "minimize",
        "space": [
            {
                "name": name,
                "kind": kind,
                "n_genes": len(lower),
                "lower": [_bound(value) for value in lower],
                "upper": [_bound(value) for value in upper],
            }
            for name, kind, lower, upper in algorithm.blocks
        ],
    }


def _bound(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
