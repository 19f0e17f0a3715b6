"""The project database: opening, migrating, transactions, and clear errors.

SQLite in WAL mode with ``synchronous=FULL``: what `Database.transaction` has committed survives
kill -9 and power loss. It knows nothing about runs or events; it owns the file and its schema.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from chimera.errors import StorageError
from chimera.storage.lock import WriterLock
from chimera.storage.schema import MIGRATIONS, SCHEMA_VERSION

__all__ = ["DATABASE_NAME", "Database"]

DATABASE_NAME: Final = "chimera.db"
APPLICATION_ID: Final = 0x43484D52
BUSY_TIMEOUT_S: Final = 10.0


class Database:
    """One open project database.

    Args:
        folder: The project folder; a writer creates it.
        write: True takes the single-writer lock and may change the file.

    Raises:
        ProjectLockedError: If another process is writing.
        StorageError: If the folder or file cannot be used.
    """

    def __init__(self, folder: Path, *, write: bool) -> None:
        self.folder = folder
        self.path = folder / DATABASE_NAME
        self.is_writer = write
        self._lock: WriterLock | None = None
        if write:
            self._make_folder()
            self._lock = WriterLock(folder)
        elif not self.path.is_file():
            raise StorageError(
                f"expected a project database, found none at {self.path}; "
                "run `chimera improve TASK` first, or name the folder with --project"
            )
        try:
            self.connection = self._open()
        except BaseException:
            self._release()
            raise

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"expected a writable place for the project folder, got {error.strerror} for "
                f"{self.folder}; fix the permissions or choose another folder with --project"
            ) from error

    def _open(self) -> sqlite3.Connection:
        with self._translated():
            if self.is_writer:
                connection = self._connect(f"file:{_quoted(self.path)}?mode=rwc")
                try:
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.execute("PRAGMA synchronous = FULL")
                    self._check(connection)
                    self._migrate(connection)
                except BaseException:
                    connection.close()
                    raise
                return connection
            return self._open_reader()

    def _open_reader(self) -> sqlite3.Connection:
        connection = self._connect(f"file:{_quoted(self.path)}?mode=ro")
        try:
            self._check(connection)
        except sqlite3.OperationalError:
            # A read-only folder cannot hold the shared-memory file; without a log, none is needed.
            connection.close()
            if self.path.with_name(DATABASE_NAME + "-wal").exists():
                raise
            connection = self._connect(f"file:{_quoted(self.path)}?mode=ro&immutable=1")
            self._check(connection)
        return connection

    def _connect(self, uri: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        """Refuse a damaged file, another program's file, or a newer schema."""
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise self._damaged(str(found))
        identity = connection.execute("PRAGMA application_id").fetchone()[0]
        n_tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not n_tables and not self.is_writer:
            raise StorageError(
                "expected a project database, got one without tables: the project is empty, or "
                "its creation did not finish; run `chimera improve TASK` to create it, or name "
                f"another folder with --project ({self.path})"
            )
        if n_tables and identity != APPLICATION_ID:
            raise StorageError(
                f"expected a Chimera project database, got another SQLite file at {self.path}; "
                "choose another folder with --project"
            )
        if version > SCHEMA_VERSION:
            raise StorageError(
                f"expected schema version {SCHEMA_VERSION} or older, got {version}: the project "
                f"was written by a newer Chimera; upgrade with pip ({self.path})"
            )

    def _migrate(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            connection.executescript(
                f"BEGIN IMMEDIATE;{script}"
                f"PRAGMA application_id = {APPLICATION_ID};"
                f"PRAGMA user_version = {number};COMMIT;"
            )

    def _damaged(self, found: str) -> StorageError:
        return StorageError(
            f"expected a sound database, got a damaged one ({found}); nothing was changed: move "
            f"the file away or restore a copy, then run again ({self.path})"
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn SQLite's errors into `StorageError` with the next step."""
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except UnicodeDecodeError as error:  # SQLite quotes the damaged bytes in its findings
            raise self._damaged("it holds text that is not UTF-8") from error
        except sqlite3.Error as error:
            text = str(error)
            name = getattr(error, "sqlite_errorname", "") or ""
            if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or "malformed" in text:
                raise self._damaged(text) from error
            if name.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
                raise StorageError(
                    f"expected room to write, got '{text}'; everything up to the last checkpoint "
                    f"is kept: free some space and continue with --resume ({self.path})"
                ) from error
            raise StorageError(
                f"expected to read and write the project database, got '{text}'; check the "
                f"folder's permissions or choose another with --project ({self.path})"
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection inside one transaction: all of it is kept, or none.

        Raises:
            StorageError: If it cannot be committed; nothing of it is stored then.
        """
        with self._translated():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let every query of the block see one state, whatever a writer commits meanwhile."""
        with self._translated():
            self.connection.execute("BEGIN")
            try:
                yield
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Return all rows of a SELECT."""
        with self._translated():
            return self.connection.execute(sql, parameters).fetchall()

    def put_object(self, data: bytes) -> str:
        """Store bytes under their sha256 (inside the caller's transaction) and return it."""
        digest = hashlib.sha256(data).hexdigest()
        with self._translated():
            self.connection.execute("INSERT OR IGNORE INTO objects VALUES (?, ?)", (digest, data))
        return digest

    def get_object(self, digest: str) -> bytes:
        """Return the bytes stored under a sha256.

        Raises:
            StorageError: If they are missing or do not match their hash.
        """
        rows = self.query("SELECT data FROM objects WHERE hash = ?", (digest,))
        data = bytes(rows[0]["data"]) if rows else b""
        if hashlib.sha256(data).hexdigest() != digest:
            raise StorageError(
                f"expected stored text with sha256 {digest}, got "
                f"{'other content' if rows else 'none'}; the database was altered: restore a copy "
                f"({self.path})"
            )
        return data

    def close(self) -> None:
        """Close the file and release the lock; closing twice is harmless."""
        self.connection.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

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


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))
