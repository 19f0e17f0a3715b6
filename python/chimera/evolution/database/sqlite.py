"""The genome database in one SQLite file, in WAL mode.

Any number of processes may read and write it; each generation is one short transaction. With
``synchronous=NORMAL`` a killed process loses at most the generation in flight, and a power cut the
last ones; the file stays sound in both.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConflictError, MissingFileError, StorageError
from chimera.evolution.database.backend import Rows, ensure_open
from chimera.evolution.database.rows import Generation
from chimera.evolution.database.schema import APPLICATION_ID, SCHEMA_VERSION, statements

__all__ = ["SqliteBackend"]

_BUSY_TIMEOUT_S: Final = 30.0
_PAGE_BYTES: Final = 8192
_CACHE_KIB: Final = 32 * 1024
_CHECKPOINT_PAGES: Final = 4096
_ROWS_A_STATEMENT: Final = (64, 8, 1)  # most of the gain of joining rows, within SQLite's limits
_DAMAGED: Final = "expected a sound genome database, got a damaged one"
_RESTORE: Final = "move it away or restore a copy"
_DENIED: Final = frozenset(
    (
        sqlite3.SQLITE_ATTACH,
        sqlite3.SQLITE_DETACH,
        sqlite3.SQLITE_SAVEPOINT,
        sqlite3.SQLITE_TRANSACTION,
    )
)


class SqliteBackend:
    """A genome database in a file.

    Args:
        path: The file; it is created unless ``read_only``.
        read_only: Refuse to write.
        is_synced: Wait for the disk at every commit, so that a power cut loses nothing either.

    Raises:
        StorageError: It cannot be opened, is damaged, of another program or of a newer version.
    """

    dialect = "sqlite"

    def __init__(self, path: Path, *, read_only: bool, is_synced: bool) -> None:
        self.path = path
        self.place = str(path)
        self._lock = threading.RLock()
        self._is_closed = False
        self._reader: sqlite3.Connection | None = None
        self._writer: sqlite3.Connection | None = None
        if read_only and not path.is_file():
            raise MissingFileError(f"expected a genome database, found no file ({path})")
        with self._translated():
            if read_only:
                with self._reading(is_frozen=self._frozen() is not None) as connection:
                    if not self._is_whole(connection):
                        raise StorageError(
                            f"expected a genome database, got an empty one ({self.path})"
                        )
                return
            self._writer = self._connect("mode=rwc")
            try:
                self._prepare(self._writer, is_synced=is_synced)
            except BaseException:
                self._writer.close()
                raise

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(str(self.path))}?{mode}",
            uri=True,
            timeout=_BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )

    def _frozen(self) -> tuple[int, int] | None:
        """Tell how the file looks that nobody writes; None when somebody does, or may."""
        if self._writer is not None or any(
            Path(f"{self.path}{end}").exists() for end in ("-wal", "-journal")
        ):
            return None
        state = self.path.stat()
        return state.st_mtime_ns, state.st_size

    @contextmanager
    def _reading(self, *, is_frozen: bool) -> Iterator[sqlite3.Connection]:
        """Yield a connection that only reads.

        Whoever cannot write connects for each question: SQLite would not notice that a frozen file
        changes, and the last to leave a file that is written must be able to tidy up. A frozen one
        is read as it is, which makes no file beside it and works on a read-only disk.
        """
        if self._writer is None:
            connection = self._connect("mode=ro&immutable=1" if is_frozen else "mode=ro")
            try:
                self._restrict(connection)
                yield connection
            finally:
                connection.close()
            return
        if self._reader is None:
            self._reader = self._connect("mode=ro")
            self._restrict(self._reader)
        yield self._reader

    @staticmethod
    def _restrict(connection: sqlite3.Connection) -> None:
        # Read-only alone would still let ATTACH write to another file.
        connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_DENY if action in _DENIED else sqlite3.SQLITE_OK
        )

    def _is_whole(self, connection: sqlite3.Connection) -> bool:
        """Whether there are tables; those of another program are refused."""
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return False
        self._check(connection)
        return True

    def _prepare(self, connection: sqlite3.Connection, *, is_synced: bool) -> None:
        n_tables = self._is_whole(connection)
        if not n_tables:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        self._switch_to_wal(connection)
        connection.execute(f"PRAGMA synchronous = {'FULL' if is_synced else 'NORMAL'}")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have been faster.
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                for statement in statements("sqlite"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    @staticmethod
    def _switch_to_wal(connection: sqlite3.Connection) -> None:
        """Switch, and wait for a process that does the same: SQLite's own waiting skips this."""
        deadline = time.monotonic() + _BUSY_TIMEOUT_S
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _check(self, connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StorageError(
                f"expected a genome database, got another SQLite file; choose another name "
                f"({self.path})"
            )
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StorageError(
                f"expected schema version {SCHEMA_VERSION} or older, got {version}: it was "
                f"written by a newer Chimera; upgrade with pip ({self.path})"
            )

    @contextmanager
    def _translated(self, *, is_writing: bool = False) -> Iterator[None]:
        try:
            yield
        except UnicodeDecodeError as error:
            raise StorageError(f"{_DAMAGED} ({error}); {_RESTORE} ({self.path})") from error
        except (OverflowError, UnicodeError, sqlite3.IntegrityError) as error:
            if is_writing:
                raise ConflictError(
                    f"expected rows that can be stored, got '{error}'; another process may record "
                    f"the same run: give each its own ({self.path})"
                ) from error
            raise StorageError(
                f"expected values that SQLite can hold, got '{error}' ({self.path})"
            ) from error
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "") or ""
            text = str(error)
            is_damaged = "malformed" in text or "Could not decode" in text
            if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or is_damaged:
                raise StorageError(f"{_DAMAGED} ({text}); {_RESTORE} ({self.path})") from error
            if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
                raise StorageError(
                    f"expected room to write, got '{text}'; every generation stored before is "
                    f"kept: free some space ({self.path})"
                ) from error
            raise StorageError(
                f"expected to use the genome database, got '{text}' ({self.path})"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[_Transaction]:
        """Begin; commit when the block ends well, else undo all of it."""
        with self._lock, self._translated(is_writing=True):
            ensure_open(self.place, is_closed=self._is_closed)
            connection = self._writer
            if connection is None:
                raise StorageError(
                    f"expected a database to write to, got one opened with read_only=True "
                    f"({self.path})"
                )
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _Transaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[list[str], Rows]:
        """Run one query that may only read; return its column names and rows."""
        with self._lock, self._translated():
            ensure_open(self.place, is_closed=self._is_closed)
            frozen = self._frozen()
            try:
                return self._ask(sql, parameters, is_frozen=frozen is not None)
            except sqlite3.DatabaseError:
                if frozen is None or frozen == self._frozen():
                    raise
            # Somebody began to write below the question.
            return self._ask(sql, parameters, is_frozen=False)

    def _ask(
        self, sql: str, parameters: Sequence[Any], *, is_frozen: bool
    ) -> tuple[list[str], Rows]:
        with self._reading(is_frozen=is_frozen) as connection:
            cursor = connection.execute(sql, tuple(parameters))
            names = [column[0] for column in cursor.description or ()]
            return names, cursor.fetchall()

    def close(self) -> None:
        """Close; closing twice is harmless."""
        with self._lock:
            self._is_closed = True
            for connection in (self._reader, self._writer):
                if connection is not None:
                    connection.close()
            self._reader = self._writer = None


class _Transaction:
    """Statements of one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        return self._connection.execute(sql, parameters).fetchall()

    def insert(self, run: int, generation: Generation) -> None:
        columns: dict[str, Iterable[Any]] = {
            "id": generation.ids.tolist(),
            "failed": map(int, generation.failed.tolist()),
            "objective": _nullable(generation.objectives[:, 0], generation.failed),
            "violation": generation.violations.tolist(),
        }
        if generation.operators is not None:
            columns["operator"] = generation.operators.tolist()
        if generation.genomes is not None:
            width = generation.genomes.shape[1]
            columns["genome"] = generation.genomes.view(f"V{width}").ravel().tolist()
        if generation.programs is not None:
            columns["program"] = generation.programs
        if generation.objectives.shape[1] > 1:
            columns["objectives"] = _lists(generation.objectives, generation.failed)
        if generation.descriptors is not None:
            columns["descriptors"] = _lists(generation.descriptors, generation.failed)
        self._insert(
            "individuals",
            {"run": run, "generation": generation.number},
            list(columns),
            zip(*columns.values(), strict=True),
            len(generation.ids),
        )
        pairs = generation.parents.tolist()
        self._insert("parents", {"run": run}, ["child", "parent"], pairs, len(pairs))

    def _insert(
        self,
        table: str,
        fixed: dict[str, Any],
        names: list[str],
        rows: Iterable[Sequence[Any]],
        n_rows: int,
    ) -> None:
        """Insert rows, many a statement; values in ``fixed`` are bound once a statement."""
        values = chain.from_iterable(rows)
        bound = tuple(fixed.values())
        for n in _ROWS_A_STATEMENT:
            n_statements, n_rows = divmod(n_rows, n)
            if n_statements:
                sql = _statement(table, tuple(fixed), tuple(names), n)
                n_values = n * len(names)
                self._connection.executemany(
                    sql, (bound + tuple(islice(values, n_values)) for _ in range(n_statements))
                )


@lru_cache(maxsize=64)
def _statement(table: str, fixed: tuple[str, ...], names: tuple[str, ...], n_rows: int) -> str:
    """Return an insert of ``n_rows`` rows whose first columns share their parameters."""
    shared = [f"?{idx + 1}" for idx in range(len(fixed))]
    numbers = count(len(fixed) + 1)
    rows = (
        f"({','.join([*shared, *(f'?{next(numbers)}' for _ in names)])})" for _ in range(n_rows)
    )
    return f"INSERT INTO {table} ({', '.join([*fixed, *names])}) VALUES {','.join(rows)}"


def _nullable(values: NDArray[np.float64], failed: NDArray[np.bool_]) -> list[float | None]:
    out: list[float | None] = values.tolist()
    for idx in np.flatnonzero(failed).tolist():
        out[idx] = None
    return out


def _lists(values: NDArray[np.float64], failed: NDArray[np.bool_]) -> list[str | None]:
    """Return each row as a JSON list, null for failed rows."""
    if not len(values):
        return []
    inner = json.dumps(values.tolist(), separators=(",", ":"))[2:-2]
    out: list[str | None] = [f"[{row}]" for row in inner.split("],[")]
    for idx in np.flatnonzero(failed).tolist():
        out[idx] = None
    return out
