import json
import subprocess
from pathlib import Path

import pytest
from tests.improve.support import OBJECTIVE, TRAIN, task_text, write_task
from tests.integration.support import COMMAND, improve, run

pytest.importorskip("chimera._chimera.programs")

FEW = ("--evaluations", "200", "--train", "2", "--holdout", "8", "--quiet")
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")

CHATTER = """
import atexit
import os

print("from the import")
os.system("echo from a child")
atexit.register(print, "from the exit")
"""


def test_only_the_json_object_reaches_stdout(tmp_path: Path) -> None:
    text = task_text(train=TRAIN.replace("rng =", 'print("from the workload")\n    rng ='))
    done = run("improve", write_task(tmp_path, text + CHATTER), *FEW, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == "r1"
    for source in ("import", "child", "exit", "workload"):
        assert f"from the {source}" in done.stderr or f"from a {source}" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["improve", "--json"], ["improve", "x.py", "--json", "--none"], ["show", "--json", "a", "b"],
     ["improve", "x.py", "--json", "--project", ""]],
)  # fmt: skip
def test_usage_error_is_one_json_object_when_asked(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    facts = json.loads(done.stdout)
    assert facts["error"]["type"] == "UsageError"
    assert facts["error"]["message"] in done.stderr


def test_empty_project_is_refused(tmp_path: Path) -> None:
    done = run("improve", write_task(tmp_path), *FEW, "--project", "")
    assert done.returncode == 2
    assert "expected a folder" in done.stderr


@needs_full
@pytest.mark.parametrize(
    "arguments", [["show"], ["show", "--json"], ["history"], ["verify"], ["--help"], ["none.py"]]
)
def test_full_stdout_is_one_line_and_a_storage_error(tmp_path: Path, arguments: list[str]) -> None:
    if arguments == ["none.py"]:
        arguments = ["improve", "none.py", "--json"]
    else:
        improve(write_task(tmp_path), *FEW)
    if arguments != ["--help"] and arguments[0] != "improve":
        arguments = [*arguments, "--project", str(tmp_path / ".chimera")]
    with FULL.open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == (2 if arguments[0] == "improve" else 3), done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: expected")


@needs_full
def test_unwritable_progress_does_not_end_a_run(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    with FULL.open("w") as full:
        done = subprocess.run(
            [*COMMAND, "improve", str(task), *FEW[:-1]],
            stdout=subprocess.PIPE, stderr=full, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert "ledger" in done.stdout


def test_out_must_not_be_the_task(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    (tmp_path / "link.py").symlink_to(task)
    for name in ("line.py", "link.py"):
        done = run("improve", task, *FEW, "--out", tmp_path / name)
        assert done.returncode == 2
        assert "another file than the task" in done.stderr
    assert task.read_text() == task_text()


@pytest.mark.parametrize("name", ["none/r.html", "."])
def test_unwritable_output_is_refused_before_the_search(tmp_path: Path, name: str) -> None:
    done = run("improve", write_task(tmp_path), *FEW, "--report", tmp_path / name)
    assert done.returncode == 3
    assert "expected to write a file" in done.stderr
    assert not (tmp_path / ".chimera").exists()


def test_late_failure_still_prints_the_result(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    removal = "\nimport shutil\nshutil.rmtree({place!r}, ignore_errors=True)\n"
    text = task_text(objective=OBJECTIVE) + removal.format(place=str(tmp_path / "place"))
    report = tmp_path / "place" / "r.html"
    done = run("improve", write_task(tmp_path, text), *FEW, "--json", "--report", report)
    assert done.returncode == 3
    facts = json.loads(done.stdout)
    assert (facts["run"], facts["report"]) == ("r1", None)
    assert "chimera show r1 --project" in done.stderr


def test_closed_stderr_does_not_end_a_run(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" "$@" 2>&-', *COMMAND, "improve", str(write_task(tmp_path)),
         *FEW[:-1], "--json"],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert json.loads(done.stdout)["run"] == "r1"
