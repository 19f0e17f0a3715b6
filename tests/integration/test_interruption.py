import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.improve.support import write_task
from tests.integration.support import improve, run, start

import chimera
from chimera.improve.api import steps
from chimera.improve.store import Project

pytest.importorskip("chimera._chimera.programs")

OPTIONS = ("--train", "8", "--holdout", "12", "--seed", "5")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return an uninterrupted run that takes some seconds on this machine, however fast."""
    folder = tmp_path_factory.mktemp("whole")
    task = write_task(folder)
    timed = improve(task, *OPTIONS, "--budget", "4s", "--project", folder / "timed")
    evaluations = str(timed["evaluations"])
    return improve(task, *OPTIONS, "--evaluations", evaluations, "--project", folder / "whole")


def many(whole: dict[str, Any]) -> tuple[str, ...]:
    return (*OPTIONS, "--evaluations", str(whole["evaluations"]))


def generation(project: Path) -> int:
    """Return the last stored generation, -1 before there is a run."""
    if not (project / "chimera.db").exists():
        return -1
    try:
        with Project(project, write=False) as opened:
            runs = opened.runs()
    except Exception:  # noqa: BLE001 - the schema may not be there yet
        return -1
    return runs[-1].generation if runs else -1


def wait_until(is_done: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while process.poll() is None and not is_done():
        time.sleep(0.005)


def resume(task: Path, project: Path) -> dict[str, Any]:
    return improve(task, "--resume", "--project", project)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(2))
def test_killed_run_resumes_to_the_same_hash(
    tmp_path: Path, whole: dict[str, Any], seed: int
) -> None:
    task, project = write_task(tmp_path), tmp_path / "killed"
    rng = random.Random(seed)  # noqa: S311 - when to kill, not a secret
    process = start("improve", task, *many(whole), "--quiet", "--project", project)
    wait_until(lambda: generation(project) >= 0, process)
    for _ in range(3):
        time.sleep(rng.uniform(0.0, 1.0))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert run("verify", "--project", project).returncode == 0
        process = start("improve", task, "--resume", "--quiet", "--project", project)
        before = generation(project)
        wait_until(lambda before=before: generation(project) > before, process)  # type: ignore[misc]
    process.kill()
    process.communicate()
    with Project(project, write=False) as opened:
        is_finished = opened.runs()[-1].is_finished
    if not is_finished:
        assert resume(task, project)["ledger_hash"] == whole["ledger_hash"]
    past = json.loads(run("history", "--project", project, "--json").stdout)
    assert [item["ledger_hash"] for item in past["runs"]] == [whole["ledger_hash"]]


@pytest.mark.timeout(120)
def test_interrupt_saves_and_resume_goes_on(tmp_path: Path, whole: dict[str, Any]) -> None:
    task, project = write_task(tmp_path), tmp_path / "stopped"
    process = start("improve", task, *many(whole), "--json", "--project", project)
    wait_until(lambda: generation(project) >= 0, process)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert json.loads(out)["status"] == "interrupted"
    assert "--resume" in err
    stored = generation(project)
    assert stored >= 1
    facts = resume(task, project)
    assert facts["ledger_hash"] == whole["ledger_hash"]
    assert facts["evaluations"] == whole["evaluations"]
    assert facts["generations"] >= stored


@pytest.mark.timeout(60)
def test_second_run_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    task, project = write_task(tmp_path), tmp_path / "shared"
    process = start("improve", task, "--budget", "30s", "--quiet", "--project", project)
    try:
        wait_until(lambda: generation(project) >= 0, process)
        done = run("improve", task, "--evaluations", "100", "--project", project)
        assert done.returncode == 3
        assert f"process {process.pid} is writing" in done.stderr
        assert "another folder with --project" in done.stderr
        assert run("history", "--project", project).returncode == 0
    finally:
        process.kill()
        process.communicate()
    assert run("verify", "--project", project).returncode == 0


@pytest.mark.timeout(60)
def test_resume_refuses_an_edited_task(tmp_path: Path) -> None:
    task, project = write_task(tmp_path), tmp_path / "edited"
    process = start("improve", task, "--budget", "30s", "--quiet", "--project", project)
    wait_until(lambda: generation(project) >= 0, process)
    process.kill()
    process.communicate()
    task.write_text(task.read_text() + "\n# edited\n")
    done = run("improve", task, "--resume", "--project", project)
    assert done.returncode == 2
    assert "has changed since" in done.stderr
    with Project(project, write=False) as opened:
        assert not opened.runs()[-1].is_finished


def test_run_stopped_before_its_first_generation_resumes_to_the_same_hash(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    few = {"evaluations": 500, "train": 4, "holdout": 12}
    stopped = steps(task, project=tmp_path / "a", **few)  # type: ignore[arg-type]
    stopped.request_stop()
    assert [progress.phase for progress in stopped] == ["prepare", "interrupted"]
    assert stopped.is_interrupted
    resumed = chimera.improve(task, project=tmp_path / "a", resume=True)
    whole = chimera.improve(task, project=tmp_path / "b", **few)  # type: ignore[arg-type]
    assert resumed.ledger_hash == whole.ledger_hash
