import os
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.improve.support import EVOLVE, HOLDOUT, OBJECTIVE, TRAIN, task_text, write_task

import chimera
from chimera.errors import ConfigError, SourceError, TaskError
from chimera.improve.task import load_task


def test_whole_task_is_loaded(tmp_path: Path) -> None:
    task = load_task(write_task(tmp_path))
    assert (task.name, task.objective, task.evolvable) == ("line", "error", ("guess",))
    assert task.parameters == {"xs": list[float], "ys": list[float]}
    assert (task.direction, task.sign) == ("minimize", -1.0)
    assert task.train(3) == task.holdout(3)
    assert len(task.source_hash) == 64


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"evolve": EVOLVE.replace("@chimera.evolve", "")}, "@chimera.evolve, got none"),
        ({"objective": OBJECTIVE.split("\n", 2)[2]}, r"@chimera.objective\(direction=...\), got"),
        ({"train": TRAIN.replace("@chimera.workload", "")}, "@chimera.workload, got none"),
        ({"holdout": ""}, r"@chimera.workload\(holdout=True\), got none"),
        ({"objective": OBJECTIVE + OBJECTIVE.replace("def error", "def other")},
         r"expected one @chimera.objective, got 2 \(error, other\)"),
        ({"holdout": HOLDOUT + HOLDOUT.replace("unseen", "again")}, "got 2"),
        ({"objective": OBJECTIVE.replace("minimize", "down")}, "direction='down'"),
        ({"objective": OBJECTIVE.replace("ys: chimera.floats", "ys")}, "annotations on every"),
        ({"objective": OBJECTIVE.replace(" -> float", "")}, "to return float, got no annotation"),
        ({"objective": OBJECTIVE.replace("-> float", "-> int")}, "to return float, got"),
        ({"objective": OBJECTIVE.replace("chimera.floats", "chimera.nix")}, "nix"),
        ({"train": TRAIN.replace("seed: int", "seed: int, n: int")}, "to take one parameter"),
        ({"evolve": EVOLVE + "\nraise RuntimeError('broken')\n"}, "RuntimeError: broken"),
        ({"evolve": EVOLVE + "\nraise SystemExit(3)\n"}, "SystemExit"),
        ({"evolve": EVOLVE + "\nimport no_such_module\n"}, "no_such_module"),
    ],
)  # fmt: skip
def test_incomplete_task_is_refused(tmp_path: Path, parts: dict[str, str], message: str) -> None:
    path = write_task(tmp_path, task_text(**parts))
    with pytest.raises(TaskError, match=message):
        load_task(path)


def test_invalid_python_names_the_place(tmp_path: Path) -> None:
    path = write_task(tmp_path, "x = 1\ndef f(:\n")
    with pytest.raises(SourceError, match=r"line\.py:2:\d+: syntax") as caught:
        load_task(path)
    assert caught.value.diagnostics[0]["line"] == 2


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * (1 << 20) + b"x"])
def test_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "task.py"
    path.write_bytes(content)
    with pytest.raises(TaskError):
        load_task(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="No such file"):
        load_task(tmp_path / "none.py")
    with pytest.raises(TaskError, match="directory"):
        load_task(tmp_path)


def test_tasks_with_equal_names_do_not_meet(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for value, folder in enumerate(folders):
        folder.mkdir()
        write_task(folder, task_text(evolve=EVOLVE + f"\nVALUE = {value}\n"))
    first, second = (load_task(folder / "line.py") for folder in folders)
    assert (first.module.VALUE, second.module.VALUE) == (0, 1)


def test_neighbour_is_importable_and_the_path_restored(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_task.py").write_text("VALUE = 7\n")
    before = list(sys.path)
    task = load_task(
        write_task(tmp_path, task_text(evolve="\nimport neighbour_of_task\n" + EVOLVE))
    )
    assert task.module.neighbour_of_task.VALUE == 7
    assert sys.path == before


def test_imported_marked_functions_do_not_count(tmp_path: Path) -> None:
    write_task(tmp_path, name="other_task.py")
    path = write_task(tmp_path, task_text(evolve="\nfrom other_task import guess\n"))
    with pytest.raises(TaskError, match=r"@chimera\.evolve, got none"):
        load_task(path)


def test_given_source_replaces_the_file(tmp_path: Path) -> None:
    path = write_task(tmp_path)
    task = load_task(path, task_text().replace("minimize", "maximize"))
    assert task.direction == "maximize"


@pytest.mark.parametrize("depth", [400, 1_500, 3_000, 100_000])
def test_code_nested_too_deeply_is_a_source_error(tmp_path: Path, depth: int) -> None:
    text = task_text() + f"\nvalue = {'-' * depth}1\n"
    with pytest.raises(SourceError, match="nested too deeply; split it"):
        load_task(write_task(tmp_path, text))


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "line.py")
    with pytest.raises(TaskError, match="got a pipe or a device"):
        load_task(tmp_path / "line.py")


@pytest.mark.parametrize("path", [None, 3, b"task.py", "", "a\0b"])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(TaskError, match="expected the path of a task file"):
        chimera.improve(path)
    with pytest.raises(TaskError, match="expected the path of a task file"):
        chimera.load(path)


@pytest.mark.parametrize(
    "options",
    [
        {"budget": b"1s"}, {"budget": True}, {"budget": 10**400}, {"evaluations": "9"},
        {"project": ""}, {"project": 3}, {"resume": 1}, {"callback": 4}, {"seed": 1.5},
    ],
)  # fmt: skip
def test_ill_typed_arguments_are_config_errors(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        chimera.improve(write_task(tmp_path), **options)
    assert not (tmp_path / ".chimera").exists()


def test_code_just_within_the_nesting_limit_is_loaded(tmp_path: Path) -> None:
    text = task_text() + f"\nvalue = {'-' * 380}1\n"
    assert load_task(write_task(tmp_path, text)).name == "line"
