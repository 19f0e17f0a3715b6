import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.improve.support import write_task

import chimera


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "chimera.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_version_is_printed() -> None:
    assert run("--version").stdout == f"chimera {chimera.__version__}\n"


@pytest.mark.parametrize(
    "command", ["improve", "show", "history", "rollback", "replay", "report", "runs", "verify"]
)
def test_help_has_examples_and_exit_codes(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"chimera {command}" in done.stdout
    assert "Examples" in done.stdout
    assert "Exit codes" in done.stdout


def test_no_arguments_show_the_commands() -> None:
    assert "improve" in run().stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--budget", "0"], "expected a budget above zero"),
        (["--budget", "soon"], "expected a duration such as 60s"),
        (["--evaluations", "0"], "expected evaluations"),
        (["--budget", "5s", "--evaluations", "9"], "only one of"),
        (["--seed", "-1"], "expected seed"),
        (["--holdout", "3"], "expected holdout"),
        (["--run", "r1"], "add --resume"),
        (["--resume", "--seed", "3"], "to keep its settings, got --seed"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = run("improve", write_task(tmp_path), *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / ".chimera").exists()


def test_missing_task_is_bad_input(tmp_path: Path) -> None:
    done = run("improve", tmp_path / "none.py")
    assert done.returncode == 2
    assert "expected a task file" in done.stderr
    assert done.stdout == ""


def test_error_is_one_json_object_when_asked(tmp_path: Path) -> None:
    done = run("improve", tmp_path / "none.py", "--json")
    facts = json.loads(done.stdout)
    assert facts["status"] == "error"
    assert facts["error"]["type"] == "TaskError"
    assert facts["error"]["exit_code"] == done.returncode == 2


def test_resume_without_a_run_is_refused(tmp_path: Path) -> None:
    done = run("improve", write_task(tmp_path), "--resume")
    assert done.returncode == 2
    assert "expected an unfinished run of line to resume, found none" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["history"], ["replay", "r1"], ["rollback", "line"], ["verify"], ["report"]],
)
def test_reading_needs_a_project(tmp_path: Path, arguments: list[str]) -> None:
    done = run(*arguments, "--project", tmp_path / "none")
    assert done.returncode == 3
    assert "expected a project database, found none" in done.stderr
    assert not (tmp_path / "none").exists()


def test_unusable_project_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("improve", write_task(tmp_path), "--project", tmp_path / "file")
    assert done.returncode == 3
    assert "choose another folder with --project" in done.stderr


def test_import_is_lazy() -> None:
    code = (
        "import sys, chimera; "
        "heavy = {'rich', 'typer', 'networkx', 'sqlite3', 'numpy', 'html'} & set(sys.modules); "
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
