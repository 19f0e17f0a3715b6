import sqlite3
from pathlib import Path

import pytest
from tests.improve.support import EVOLVE, HOLDOUT, OBJECTIVE, TRAIN, task_text, write_task
from tests.integration.support import improve, run

pytest.importorskip("chimera._chimera.programs")

FEW = ("--evaluations", "200", "--train", "2", "--holdout", "8", "--quiet")


@pytest.mark.parametrize(
    ("parts", "messages"),
    [
        pytest.param({"evolve": EVOLVE.replace("return x", "return {1: x}[1]")},
                     ["line.py:", "help"], id="outside the subset"),
        pytest.param({"objective": OBJECTIVE.replace("total = 0.0", "total = 0")},
                     ["line.py:"], id="int and float in one variable"),
        pytest.param({"evolve": EVOLVE.replace("x: float", "x")}, ["line.py:"],
                     id="no annotation"),
        pytest.param({"evolve": EVOLVE.replace("@chimera.evolve", "")},
                     ["@chimera.evolve, got none"], id="missing evolve"),
        pytest.param({"objective": OBJECTIVE.split("\n", 2)[2]},
                     ["@chimera.objective", "got none"], id="missing objective"),
        pytest.param({"holdout": ""}, ["holdout=True"], id="missing hold-out workload"),
        pytest.param({"train": TRAIN.replace("n = 12", "raise OSError('no data')")},
                     ["got OSError: no data"], id="workload raises"),
        pytest.param({"train": TRAIN.replace("return ", "")}, ["got None"],
                     id="workload returns nothing"),
        pytest.param({"train": TRAIN.replace("n = 12", "return ['a'], [1.0]")},
                     ["argument xs[0] to be float, got str"], id="wrong types"),
        pytest.param({"holdout": HOLDOUT.replace("train(seed)", "train(0)")},
                     ["another instance for another seed"], id="one instance for all seeds"),
        pytest.param({"objective": OBJECTIVE.replace("total / len(xs)", "total * math.nan")
                      .replace("\n@", "\nimport math\n\n@", 1)},
                     ["finite score", "nan"], id="objective returns NaN"),
        pytest.param({"objective": OBJECTIVE.replace("len(xs)", "(len(xs) - len(xs))")},
                     ["ZeroDivisionError"], id="objective traps"),
        pytest.param({"evolve": EVOLVE.replace("return x", "while True:\n        x += 1.0")},
                     ["error"], id="endless loop"),
    ],
)  # fmt: skip
@pytest.mark.timeout(60)
def test_bad_task_is_refused_and_nothing_stored(
    tmp_path: Path, parts: dict[str, str], messages: list[str]
) -> None:
    done = run("improve", write_task(tmp_path, task_text(**parts)), *FEW)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for message in messages:
        assert message in done.stderr
    if (tmp_path / ".chimera").exists():
        history = run("history", "--json", "--project", tmp_path / ".chimera")
        assert '"runs": []' in history.stdout


def test_tampered_ledger_stops_a_new_run_and_keeps_everything(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    improve(task, *FEW)
    file = tmp_path / ".chimera" / "chimera.db"
    connection = sqlite3.connect(file)
    connection.executescript(
        "DROP TRIGGER events_fixed; UPDATE events SET outcome = '{}' WHERE sequence = 1"
    )
    connection.close()
    commands: list[list[str | Path]] = [
        ["improve", task, *FEW],
        ["verify", "--project", file.parent],
    ]
    for arguments in commands:
        done = run(*arguments)
        assert done.returncode == 3
        assert "event 1 of r1" in done.stderr
        assert "restore a copy" in done.stderr
    history = run("history", "--json", "--project", file.parent)
    assert '"run": "r1"' in history.stdout


def test_overwritten_database_stops_a_new_run_and_is_kept(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    improve(task, *FEW)
    file = tmp_path / ".chimera" / "chimera.db"
    file.write_bytes(b"\0garbage" * 999)
    done = run("improve", task, *FEW)
    assert done.returncode == 3
    assert "damaged" in done.stderr
    assert file.read_bytes() == b"\0garbage" * 999


def test_second_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    improve(task, *FEW)
    (tmp_path / "other").mkdir()
    done = run("improve", write_task(tmp_path / "other"), *FEW, "--project", tmp_path / ".chimera")
    assert done.returncode == 2
    assert f"the name 'line' belongs to {task} in this project" in done.stderr


def test_history_of_an_unknown_task_is_bad_input(tmp_path: Path) -> None:
    improve(write_task(tmp_path), *FEW)
    done = run("history", "unknown", "--project", tmp_path / ".chimera")
    assert done.returncode == 2
    assert "expected a registered task, got 'unknown'; known tasks: line" in done.stderr
