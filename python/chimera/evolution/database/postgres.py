"""The genome database in PostgreSQL, in a schema called ``chimera``.

Generations go in by binary COPY, formatted as arrays; each is one transaction, as durable as the
server's ``synchronous_commit`` says. When the server goes away nothing half written stays, and the
next transaction connects again.
"""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConflictError, MissingExtraError, StorageError
from chimera.evolution.database.backend import Rows, ensure_open
from chimera.evolution.database.rows import Generation
from chimera.evolution.database.schema import SCHEMA_VERSION, statements

__all__ = ["PostgresBackend", "translate"]

_SCHEMA: Final = "chimera"
_SETUP_LOCK: Final = 0x43484745
_OPTIONS: Final = {
    "client_encoding": "UTF8",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "tcp_user_timeout": "30000",
}
_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END: Final = b"\xff\xff"
_FLOAT8_OID: Final = 701
_TOKEN: Final = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|(?P<mark>[?%])", re.DOTALL
)


def translate(sql: str) -> str:
    """Turn ``?`` outside quotes and comments into psycopg's placeholder.

    Example:
        >>> translate("SELECT '?' WHERE id = ? AND name LIKE 'a%'")
        "SELECT '?' WHERE id = %s AND name LIKE 'a%%'"
    """

    def one(match: re.Match[str]) -> str:
        mark = match["mark"]
        if mark is None:
            return match[0].replace("%", "%%")
        return "%s" if mark == "?" else "%%"

    return _TOKEN.sub(one, sql)


def _psycopg() -> Any:
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:
        raise MissingExtraError("postgres", "psycopg") from error


class PostgresBackend:
    """A genome database on a server.

    Args:
        url: ``postgresql://user:password@host:port/database?option=value``.
        read_only: Refuse to write; the tables must exist.

    Raises:
        MissingExtraError: psycopg is not installed.
        StorageError: The server cannot be reached or its tables are of a newer version.
    """

    dialect = "postgres"

    def __init__(self, url: str, *, read_only: bool) -> None:
        self._psycopg = _psycopg()
        self._url = url
        self._is_read_only = read_only
        self._lock = threading.RLock()
        self._connection: Any = None
        self._is_closed = False
        try:
            known = self._psycopg.conninfo.conninfo_to_dict(url)
        except self._psycopg.Error as error:
            raise StorageError(
                "expected a URL such as postgresql://user:password@host/database, got another"
            ) from error
        self._options = {name: value for name, value in _OPTIONS.items() if name not in known}
        self.place = f"postgresql {known.get('host', 'localhost')}/{known.get('dbname', '')}"
        try:
            with self._translated():
                self._prepare(read_only=read_only)
        except BaseException:
            self.close()
            raise

    def _open(self) -> Any:
        """Return the connection, a new one when the last is gone."""
        ensure_open(self.place, is_closed=self._is_closed)
        if self._connection is None or self._connection.closed:
            connection = self._psycopg.connect(self._url, autocommit=True, **self._options)
            connection.execute(f"SET search_path TO {_SCHEMA}")
            connection.read_only = self._is_read_only
            self._connection = connection
        return self._connection

    def _prepare(self, *, read_only: bool) -> None:
        connection = self._open()
        with connection.transaction():
            if not read_only:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SETUP_LOCK,))
            found = connection.execute(
                "SELECT to_regclass(%s)", (f"{_SCHEMA}.genome_database",)
            ).fetchone()[0]
            if found is None:
                if read_only:
                    raise StorageError(f"expected a genome database, found none ({self.place})")
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_SCHEMA}")
                connection.execute("CREATE TABLE genome_database (version BIGINT NOT NULL)")
                connection.execute("INSERT INTO genome_database VALUES (%s)", (SCHEMA_VERSION,))
                for statement in statements("postgres"):
                    connection.execute(statement)
            version = connection.execute("SELECT version FROM genome_database").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise StorageError(
                    f"expected schema version {SCHEMA_VERSION} or older, got {version}: it was "
                    f"written by a newer Chimera; upgrade with pip ({self.place})"
                )

    @contextmanager
    def _translated(self, *, is_writing: bool = False) -> Iterator[None]:
        try:
            yield
        except UnicodeError as error:
            kind = ConflictError if is_writing else StorageError
            raise kind(
                f"expected text that UTF-8 can hold, got '{error}' ({self.place})"
            ) from error
        except self._psycopg.Error as error:
            text = str(error).strip().partition("\n")[0]
            lasting = (self._psycopg.IntegrityError, self._psycopg.DataError)
            if is_writing and isinstance(error, lasting):
                raise ConflictError(
                    f"expected rows that can be stored, got '{text}'; another process may record "
                    f"the same run: give each its own ({self.place})"
                ) from error
            if self._connection is None or self._connection.closed:
                raise StorageError(
                    f"expected the database server to answer, got '{text}'; what was committed is "
                    f"kept: try again when it is back ({self.place})"
                ) from error
            raise StorageError(
                f"expected to use the genome database, got '{text}' ({self.place})"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[_Transaction]:
        """Begin; commit when the block ends well, else undo all of it."""
        with self._lock, self._translated(is_writing=True):
            connection = self._open()
            with connection.transaction():
                yield _Transaction(connection)

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[list[str], Rows]:
        """Run one query that may only read; return its column names and rows."""
        with self._lock, self._translated():
            connection = self._open()
            with connection.transaction(force_rollback=True):
                connection.execute("SET TRANSACTION READ ONLY")
                # Prepared, so that the server refuses several statements in one text.
                cursor = connection.execute(translate(sql), tuple(parameters), prepare=True)
                names = [column.name for column in cursor.description or ()]
                return names, cursor.fetchall() if names else []

    def close(self) -> None:
        """Close; closing twice is harmless."""
        with self._lock:
            self._is_closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class _Transaction:
    """Statements of one transaction."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        cursor = self._connection.execute(translate(sql), tuple(parameters))
        return cursor.fetchall() if cursor.description else []

    def insert(self, run: int, generation: Generation) -> None:
        names = ["run", "generation", "id", "failed", "violation", "operator", "genome"]
        names += ["objective", "objectives", "descriptors", "program"]
        self._copy("individuals", names, _individuals(run, generation))
        if len(generation.parents):
            pairs = generation.parents
            fields = [
                _integer(np.full(len(pairs), run)),
                _integer(pairs[:, 0]),
                _integer(pairs[:, 1]),
            ]
            self._copy(
                "parents", ["run", "child", "parent"], [_tuples(len(pairs), fields, 3).tobytes()]
            )

    def _copy(self, table: str, names: list[str], parts: list[bytes]) -> None:
        sql = f"COPY {table} ({', '.join(names)}) FROM STDIN (FORMAT BINARY)"
        with self._connection.cursor() as cursor, cursor.copy(sql) as copy:
            for part in (_COPY_HEAD, *parts, _COPY_END):
                copy.write(part)


_Field = list[tuple[str, Any]]  # pieces of one field: type and values, length first


def _sized(n_bytes: int, *pieces: tuple[str, Any]) -> _Field:
    return [(">i4", n_bytes), *pieces]


def _integer(values: NDArray[Any]) -> _Field:
    return _sized(8, (">i8", values))


def _floats(values: NDArray[np.float64] | None) -> _Field:
    """Describe one array of floats a row, or nulls."""
    if values is None:
        return [(">i4", -1)]
    width = values.shape[1]
    head = [(">i4", value) for value in (1, 0, _FLOAT8_OID, width, 1)]
    items = [piece for idx in range(width) for piece in ((">i4", 8), (">f8", values[:, idx]))]
    return _sized(20 + 12 * width, *head, *items)


def _tuples(n_rows: int, fields: Sequence[_Field], n_fields: int) -> NDArray[Any]:
    """Return rows of the binary COPY format as one structured array."""
    pieces = [(">i2", n_fields), *(piece for field in fields for piece in field)]
    out = np.empty(n_rows, dtype=[(f"p{idx}", kind) for idx, (kind, _) in enumerate(pieces)])
    for idx, (_, values) in enumerate(pieces):
        out[f"p{idx}"] = values
    return out


def _individuals(run: int, generation: Generation) -> list[bytes]:
    """Return rows for COPY; failed ones apart, because their nulls make them shorter."""
    parts = []
    for is_failed in (False, True):
        rows = np.flatnonzero(generation.failed == is_failed)
        if len(rows):
            parts.append(_same_shape(run, generation, rows, is_failed=is_failed))
    return parts


def _same_shape(
    run: int, generation: Generation, rows: NDArray[np.intp], *, is_failed: bool
) -> bytes:
    objectives = generation.objectives[rows]
    descriptors = None if generation.descriptors is None else generation.descriptors[rows]
    fields = [
        _integer(np.full(len(rows), run)),
        _integer(np.full(len(rows), generation.number)),
        _integer(generation.ids[rows]),
        _sized(1, ("u1", int(is_failed))),
        _sized(8, (">f8", generation.violations[rows])),
    ]
    if generation.operators is None:
        fields.append([(">i4", -1)])
    else:
        fields.append(_sized(2, (">i2", generation.operators[rows])))
    if generation.genomes is None:
        fields.append([(">i4", -1)])
    else:
        width = generation.genomes.shape[1]
        fields.append(
            _sized(width, (f"V{width}", generation.genomes[rows].view(f"V{width}")[:, 0]))
        )
    fields.append([(">i4", -1)] if is_failed else _sized(8, (">f8", objectives[:, 0])))
    fields.append(_floats(objectives if objectives.shape[1] > 1 and not is_failed else None))
    fields.append(_floats(None if is_failed else descriptors))
    n_fields = len(fields) + 1
    if generation.programs is None:
        return _tuples(len(rows), [*fields, [(">i4", -1)]], n_fields).tobytes()
    fixed = _tuples(len(rows), fields, n_fields)
    out = []
    for row, start in zip(rows.tolist(), fixed.view(f"V{fixed.itemsize}").tolist(), strict=True):
        text = generation.programs[row].encode()
        out += [start, len(text).to_bytes(4, "big"), text]
    return b"".join(out)
