import sqlite3
from pathlib import Path

import pytest
from tests.improve.support import write_task
from tests.integration.support import improve, run

pytest.importorskip("chimera._chimera.programs")

FEW = ("--evaluations", "2000", "--train", "4", "--holdout", "8", "--seed", "1")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("audit")
    assert improve(write_task(folder), *FEW)["status"] == "adopted"
    return (folder / ".chimera" / "chimera.db").read_bytes()


def alter(folder: Path, database: bytes, script: str) -> str:
    file = folder / "chimera.db"
    file.write_bytes(database)
    connection = sqlite3.connect(file)
    connection.executescript(script)
    connection.close()
    return str(folder)


def test_untouched_project_is_sound(tmp_path: Path, database: bytes) -> None:
    folder = alter(tmp_path, database, "")
    done = run("verify", "--project", folder)
    assert done.returncode == 0, done.stderr
    for command in ("show", "history"):
        assert "warning" not in run(command, "--project", folder).stderr


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("UPDATE objects SET data = x'00'", "was altered"),
        ("DELETE FROM objects", "the source of"),
        ("UPDATE live SET number = 0", "live version of line is 0 in the table and 1"),
        ("DELETE FROM live", "live version of line is None"),
        ("UPDATE versions SET gain = 9.0 WHERE number = 1", "version 1 of line has another gain"),
        ("UPDATE versions SET source_hash = 'x' WHERE number = 1", "another source"),
        ("DELETE FROM versions WHERE number = 1", "version 1 of line is missing"),
        ("UPDATE runs SET result = json_set(result, '$.holdout.gain', 99.5)", "another gain"),
        ("UPDATE runs SET result = json_set(result, '$.holdout.ci95[0]', 9.5)", "another ci95"),
        ("UPDATE runs SET result = json_set(result, '$.version', 7)", "names version 7"),
        ("UPDATE runs SET result = json_set(result, '$.source_hash', 'x')", "source_hash"),
        ("UPDATE runs SET result = json_remove(result, '$.holdout')", "lacks a part"),
        ("UPDATE runs SET result = '{'", "stored facts of r1 as JSON"),
        ("UPDATE runs SET status = 'running'", "r1 is running"),
        ("UPDATE runs SET task = 'other'", "r1 has another task"),
    ],
)
def test_what_disagrees_with_the_events_is_named(
    tmp_path: Path, database: bytes, script: str, message: str
) -> None:
    folder = alter(tmp_path, database, script)
    done = run("verify", "--project", folder)
    assert done.returncode == 3, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_show_and_history_warn(tmp_path: Path, database: bytes) -> None:
    script = (
        "DROP TRIGGER events_fixed;"
        "UPDATE events SET outcome = '{}' WHERE run = 'r1' AND sequence = 1"
    )
    folder = alter(tmp_path, database, script)
    for command in (["show", "r1"], ["show"], ["history"], ["show", "line"]):
        done = run(*command, "--project", folder)
        assert done.returncode == 0
        assert "warning: " in done.stderr
        assert "event 1 of r1" in done.stderr


def test_renamed_column_is_corruption(tmp_path: Path, database: bytes) -> None:
    folder = alter(tmp_path, database, "ALTER TABLE events RENAME COLUMN actor TO act0r")
    done = run("verify", "--project", folder)
    assert done.returncode == 3
    assert "got others (IndexError" in done.stderr
