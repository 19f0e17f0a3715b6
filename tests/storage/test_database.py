import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from chimera.errors import StorageError
from chimera.storage import DATABASE_NAME, Database
from chimera.storage.schema import SCHEMA_VERSION


def put(database: Database, data: bytes) -> str:
    with database.transaction():
        return database.put_object(data)


def test_writer_creates_the_folder_and_settings_hold(tmp_path: Path) -> None:
    with Database(tmp_path / "a" / "b", write=True) as database:
        assert database.query("PRAGMA journal_mode")[0][0] == "wal"
        assert database.query("PRAGMA synchronous")[0][0] == 2
        assert database.query("PRAGMA user_version")[0][0] == SCHEMA_VERSION


def test_objects_survive_reopening(tmp_path: Path) -> None:
    with Database(tmp_path, write=True) as database:
        digest = put(database, b"text")
        assert put(database, b"text") == digest
    with Database(tmp_path, write=False) as database:
        assert database.get_object(digest) == b"text"


def test_reader_sees_commits_while_a_writer_is_open(tmp_path: Path) -> None:
    with Database(tmp_path, write=True) as writer, Database(tmp_path, write=False) as reader:
        digest = put(writer, b"new")
        assert reader.get_object(digest) == b"new"


def test_altered_object_is_noticed(tmp_path: Path) -> None:
    with Database(tmp_path, write=True) as database:
        digest = put(database, b"text")
        database.connection.execute("UPDATE objects SET data = x'00'")
        with pytest.raises(StorageError, match="altered"):
            database.get_object(digest)
        with pytest.raises(StorageError, match="got none"):
            database.get_object("00")


def test_reader_needs_a_project(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="expected a project database, found none"):
        Database(tmp_path, write=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_writer", [True, False])
@pytest.mark.parametrize(
    "content", [b"no database at all" * 400, b"SQLite format 3\0" + b"\1" * 9_000]
)
def test_damaged_file_is_refused_and_kept(
    tmp_path: Path, content: bytes, *, is_writer: bool
) -> None:
    file = tmp_path / DATABASE_NAME
    file.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        Database(tmp_path, write=is_writer)
    assert file.read_bytes() == content


def test_damaged_page_is_refused(tmp_path: Path) -> None:
    with Database(tmp_path, write=True) as database:
        for idx in range(50):
            put(database, bytes([idx]) * 5_000)
    file = tmp_path / DATABASE_NAME
    data = bytearray(file.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    file.write_bytes(data)
    with pytest.raises(StorageError, match="nothing was changed"):
        Database(tmp_path, write=True)
    assert file.read_bytes() == bytes(data)


def test_foreign_database_is_refused(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / DATABASE_NAME)
    connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(StorageError, match="another SQLite file"):
        Database(tmp_path, write=True)


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    Database(tmp_path, write=True).close()
    connection = sqlite3.connect(tmp_path / DATABASE_NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageError, match="newer Chimera"):
        Database(tmp_path, write=True)


def test_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "project").write_text("")
    with pytest.raises(StorageError, match="--project"):
        Database(tmp_path / "project", write=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_refused_for_writing(tmp_path: Path) -> None:
    Database(tmp_path / "p", write=True).close()
    (tmp_path / "p").chmod(0o555)
    try:
        Database(tmp_path / "p", write=False).close()
        with pytest.raises(StorageError, match="permissions"):
            Database(tmp_path / "p", write=True)
    finally:
        (tmp_path / "p").chmod(0o755)


FILLER = """
import resource, signal, sys
from pathlib import Path
from chimera.errors import StorageError
from chimera.storage import Database
database = Database(Path(sys.argv[1]), write=True)
with database.transaction():
    print(database.put_object(b"kept"), flush=True)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    for idx in range(100):
        with database.transaction():
            database.put_object(idx.to_bytes(4, "little") * 5_000)
except StorageError as error:
    print(error)
"""


def test_full_disk_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    assert hasattr(resource, "RLIMIT_FSIZE")
    assert hasattr(signal, "SIGXFSZ")
    done = subprocess.run(
        [sys.executable, "-c", FILLER, str(tmp_path)], capture_output=True, text=True, check=True
    )
    digest, message = done.stdout.splitlines()
    assert "expected room to write" in message
    assert "--resume" in message
    with Database(tmp_path, write=True) as database:
        assert database.get_object(digest) == b"kept"


KILLED = """
import os, sys
from pathlib import Path
from chimera.storage import Database
database = Database(Path(sys.argv[1]), write=True)
with database.transaction():
    database.put_object(b"committed")
with database.transaction():
    database.put_object(b"open")
    os.kill(os.getpid(), 9)
"""


def test_kill_inside_a_transaction_keeps_what_was_committed(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert done.returncode == -9
    with Database(tmp_path, write=True) as database:
        stored = [bytes(row[0]) for row in database.query("SELECT data FROM objects")]
    assert stored == [b"committed"]


@pytest.mark.parametrize("make", ["empty file", "no tables"])
def test_reader_of_an_unfinished_project_is_told_so(tmp_path: Path, make: str) -> None:
    file = tmp_path / DATABASE_NAME
    file.write_bytes(b"")
    if make == "no tables":
        connection = sqlite3.connect(file)
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); DROP TABLE t;")
        connection.close()
    with pytest.raises(StorageError, match="creation did not finish; run `chimera improve"):
        Database(tmp_path, write=False)
    with Database(tmp_path, write=True) as database:
        put(database, b"text")


@pytest.mark.parametrize("is_writer", [True, False])
def test_damage_that_is_no_text_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_writer: bool
) -> None:
    Database(tmp_path, write=True).close()

    def check(*_: object) -> None:
        b"\xff".decode()

    monkeypatch.setattr(Database, "_check", check)
    with pytest.raises(StorageError, match="got a damaged one"):
        Database(tmp_path, write=is_writer)
