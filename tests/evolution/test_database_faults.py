"""The genome database: what it survives and refuses; SQLite and PostgreSQL."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tests.evolution.breeding import Breeder, breed, sphere
from tests.support_postgres import PostgresServer

from chimera.errors import (
    ConfigError,
    MissingExtraError,
    OrderError,
    StorageError,
)
from chimera.evolution import (
    GenomeDatabase,
    RandomSearch,
)

pytestmark = pytest.mark.timeout(60)

ROOT = Path(__file__).parents[2]


ENDLESS = """
import sys
from tests.evolution.breeding import Breeder, sphere
from chimera.evolution import GenomeDatabase
search = GenomeDatabase(sys.argv[1]).record(Breeder(size=200))
while True:
    batch = search.ask()
    search.tell(batch, sphere(batch))
    print(search.generation, flush=True)
"""


def test_killed_processes_lose_at_most_the_generation_in_flight(place: str) -> None:
    for n_told in (1, 2, 5, 13):
        command = [sys.executable, "-c", ENDLESS, place]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = 0
            while told < n_told:
                told = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            rest = process.stdout.read().split("\n")[:-1]
        told = int(rest[-1]) if rest else told
        with GenomeDatabase(place) as database:
            run = database.runs()[-1]
            assert run.n_generations in (told, told + 1)
            assert run.finished is None
            stored = database.individuals(run.id)
            assert stored.generations is not None
            assert np.bincount(stored.generations).tolist() == [200] * run.n_generations
            assert stored.parents is not None
            orphans = database.sql(
                "SELECT COUNT(*) AS n FROM parents WHERE run = ? AND child NOT IN "
                "(SELECT id FROM individuals WHERE run = ?)",
                [run.id, run.id],
            )
            assert orphans == [{"n": 0}]


FULL_DISK = """
import resource, signal, sys
from tests.evolution.breeding import Breeder, sphere
from chimera.errors import StorageError
from chimera.evolution import GenomeDatabase
database = GenomeDatabase(sys.argv[1])
search = database.record(Breeder(size=100), on_error=sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, resource.RLIM_INFINITY))
try:
    for _ in range(60):
        batch = search.ask()
        search.tell(batch, sphere(batch))
except StorageError as error:
    print(error)
print(search.generation)
stored = database.run(search.run).n_generations
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
search.flush()
batch = search.ask()
search.tell(batch, sphere(batch))
search.finish()
print(stored, database.run(search.run).n_generations, database.sql("PRAGMA integrity_check"))
"""


def _fill(tmp_path: Path, on_error: str) -> tuple[list[str], str]:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "runs.db"), on_error],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines(), done.stderr


def test_a_full_disk_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    (message, told, end), _ = _fill(tmp_path, "raise")
    assert "expected room to write" in message
    stored, after, _ = end.split(" ", 2)
    assert int(stored) == int(told) - 1  # the last one waited in memory
    assert int(after) == int(told) + 1
    assert "'ok'" in end


def test_a_full_disk_may_be_skipped_and_the_run_goes_on(tmp_path: Path) -> None:
    (told, end), warnings = _fill(tmp_path, "skip")
    assert told == "60"
    stored, after, _ = end.split(" ", 2)
    assert int(stored) < 60
    assert int(after) == int(stored) + 1
    assert "missing in the database" in warnings


def test_a_dead_server_is_a_storage_error_and_nothing_is_half_written(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    database = GenomeDatabase(url)
    search = database.record(Breeder())
    breed(search, 2)
    postgres.kill()
    try:
        batch = search.ask()
        with pytest.raises(StorageError, match="expected the database server to answer"):
            search.tell(batch, sphere(batch))
        assert search.generation == 3
        with pytest.raises(StorageError, match="expected the database server to answer"):
            database.runs()
    finally:
        postgres.start()
    assert database.run(search.run).n_generations == 2
    search.flush()
    assert database.run(search.run).n_generations == 3
    assert len(database.individuals(search.run)) == 60
    database.close()


def test_a_server_that_dies_within_a_transaction_keeps_none_of_it(
    postgres: PostgresServer,
) -> None:
    database = GenomeDatabase(postgres.new_database())
    search = database.record(Breeder())
    breed(search, 1)

    def interrupted() -> None:
        with database._backend.transaction() as transaction:
            transaction.execute("DELETE FROM individuals WHERE run = ?", (search.run,))
            postgres.kill()
            transaction.execute("DELETE FROM runs WHERE id = ?", (search.run,))

    try:
        with pytest.raises(StorageError, match="expected the database server to answer"):
            interrupted()
    finally:
        postgres.start()
    assert len(database.individuals(search.run)) == 20
    database.close()


def test_read_only_databases_refuse_to_record(place: str) -> None:
    with pytest.raises(StorageError, match="found n"):
        GenomeDatabase(place, read_only=True)
    with GenomeDatabase(place) as database:
        breed(database.record(Breeder()), 1)
    with GenomeDatabase(place, read_only=True) as database:
        assert len(database.individuals(1)) == 20
        with pytest.raises(StorageError):
            database.record(Breeder())


def test_reading_leaves_no_trace_beside_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "sealed"
    folder.mkdir()
    with GenomeDatabase(folder / "runs.db") as database:
        breed(database.record(Breeder()), 2)
    with GenomeDatabase(folder / "runs.db", read_only=True) as database:
        assert len(database.individuals(1)) == 40
        assert [path.name for path in folder.iterdir()] == ["runs.db"]
        with GenomeDatabase(folder / "runs.db") as writer:  # seen although it came later
            breed(writer.record(Breeder()), 1)
            assert len(database.runs()) == 2
        assert len(database.individuals(2)) == 20
        with pytest.raises(StorageError, match="read_only=True"):
            database.delete(1)
    assert [path.name for path in folder.iterdir()] == ["runs.db"]


SEALED = """
import os, sys
from chimera.evolution import GenomeDatabase
path, other = sys.argv[1:]
print(len(GenomeDatabase(other, read_only=True).individuals(1)))  # imports what it needs
os.chmod(path, 0o444)
os.chmod(os.path.dirname(path), 0o555)
if os.getuid() == 0:  # who may write anywhere
    os.setuid(65534)
print(len(GenomeDatabase(path, read_only=True).individuals(1)))
"""


def test_a_file_on_a_read_only_disk_can_be_read(tmp_path: Path) -> None:
    with GenomeDatabase(tmp_path / "runs.db") as database:
        breed(database.record(Breeder()), 2)
    sealed = Path(tempfile.mkdtemp())
    sealed.chmod(0o755)
    shutil.copy(tmp_path / "runs.db", sealed / "runs.db")
    try:
        done = subprocess.run(
            [sys.executable, "-c", SEALED, str(sealed / "runs.db"), str(tmp_path / "runs.db")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        sealed.chmod(0o755)
        shutil.rmtree(sealed)
    assert done.stdout == "40\n40\n", done.stderr


def test_a_closed_database_answers_nothing(place: str) -> None:
    database = GenomeDatabase(place)
    search = database.record(Breeder())
    breed(search, 1)
    database.close()
    database.close()
    calls: list[Callable[[], Any]] = [
        database.runs,
        lambda: database.sql("SELECT 1"),
        lambda: database.individuals(1),
        lambda: database.record(Breeder()),
        lambda: breed(search, 1),
    ]
    for call in calls:
        with pytest.raises(OrderError, match="got a closed one"):
            call()


def test_numbers_that_no_database_holds_name_nothing(database: GenomeDatabase) -> None:
    search = database.record(Breeder())
    breed(search, 1)
    for number in (2**70, -(2**70), -1, "one"):
        with pytest.raises(StorageError, match="number of a stored run"):
            database.run(number)  # type: ignore[arg-type]
        for call in (database.lineage, database.descendants):
            with pytest.raises(StorageError, match="identity of a stored individual"):
                call(search.run, number)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="n: expected a whole number"):
        database.best(search.run, 2**70)
    with pytest.raises(StorageError):
        database.sql("SELECT ?", ["\ud800"])


DAMAGES = {
    "settings": "UPDATE runs SET settings = '{'",
    "seed": "UPDATE runs SET seed = 'many'",
    "space": "UPDATE runs SET space = '{'",
    "space_of_others": "UPDATE runs SET space = '[{}]'",
    "figures": "UPDATE generations SET figures = 'none'",
    "objectives": "UPDATE individuals SET objectives = '[1,'",
    "descriptors": "UPDATE individuals SET descriptors = '[[]]'",
    "genome": "UPDATE individuals SET genome = x'00'",
    "no_genome": "UPDATE individuals SET genome = NULL",
    "text": "UPDATE runs SET settings = CAST(x'ff' AS TEXT)",
    "operator": "UPDATE individuals SET operator = -1",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_values_are_a_storage_error(tmp_path: Path, damage: str) -> None:
    with GenomeDatabase(tmp_path / "runs.db") as database:
        breed(database.record(Breeder()), 2)
        with sqlite3.connect(tmp_path / "runs.db") as connection:
            connection.execute(DAMAGES[damage])
        connection.close()
        with pytest.raises(StorageError, match=r"got (a )?damaged"):
            (database.runs(), database.individuals(1), database.progress(1))


@pytest.mark.parametrize("content", [b"no database" * 1000, b"SQLite format 3\0" + b"\1" * 9_000])
def test_damaged_files_are_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "runs.db"
    path.write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        GenomeDatabase(path)
    assert path.read_bytes() == content


def test_foreign_and_newer_files_are_refused(tmp_path: Path) -> None:
    foreign = sqlite3.connect(tmp_path / "foreign.db")
    foreign.execute("CREATE TABLE t (x)")
    foreign.close()
    with pytest.raises(StorageError, match="another SQLite file"):
        GenomeDatabase(tmp_path / "foreign.db")
    GenomeDatabase(tmp_path / "runs.db").close()
    newer = sqlite3.connect(tmp_path / "runs.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StorageError, match="newer Chimera"):
        GenomeDatabase(tmp_path / "runs.db")


def test_newer_servers_schema_is_refused(postgres: PostgresServer) -> None:
    import psycopg

    url = postgres.new_database()
    GenomeDatabase(url).close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE chimera.genome_database SET version = 99")
    with pytest.raises(StorageError, match="newer Chimera"):
        GenomeDatabase(url)


def test_places_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="unable to open"):
        GenomeDatabase(tmp_path / "none" / "runs.db")
    with pytest.raises(ConfigError, match="mysql://"):
        GenomeDatabase("mysql://host/database")
    with (
        GenomeDatabase(tmp_path / "runs.db") as database,
        pytest.raises(ConfigError, match="on_error"),
    ):
        database.record(Breeder(), on_error="ignore")


def test_an_unreachable_server_is_named_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", exc_type=ImportError)
    url = f"postgresql://somebody:secret@/none?host={tmp_path}"
    with pytest.raises(StorageError, match="expected the database server to answer") as caught:
        GenomeDatabase(url)
    assert "secret" not in str(caught.value)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"'chimera-engine\[postgres\]'"):
        GenomeDatabase("postgresql://localhost/none")


@pytest.mark.parametrize("place", [None, 3, [1], b"runs.db", "", "\0", Path()])
def test_a_database_needs_a_place(
    place: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for read_only in (False, True):
        with pytest.raises(ConfigError, match="place: expected the path of a file or a postgres"):
            GenomeDatabase(place, read_only=read_only)
    assert list(tmp_path.iterdir()) == []


def test_queries_name_the_argument(tmp_path: Path) -> None:
    with GenomeDatabase(tmp_path / "runs.db") as database:
        for query in (None, 3, b"SELECT 1"):
            with pytest.raises(ConfigError, match="query: expected SQL as text"):
                database.sql(cast("Any", query))
        for parameters in (None, 3, "a", {"a": 1}):
            with pytest.raises(ConfigError, match="parameters: expected a list of values"):
                database.sql("SELECT ?", cast("Any", parameters))
        assert database.sql("SELECT ? AS n", (1,)) == [{"n": 1}]
        for run in (None, "a", 2.5, 1):
            for call in (database.run, database.delete, database.individuals):
                with pytest.raises(StorageError, match="expected the number of a stored run"):
                    call(cast("Any", run))
        with pytest.raises(ConfigError, match="settings: expected a dictionary"):
            database.record(RandomSearch([(0.0, 1.0)]), settings=cast("Any", 3))
        assert database.runs() == []
