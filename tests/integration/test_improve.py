import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.improve.support import write_task
from tests.integration.support import improve, run

import chimera

pytest.importorskip("chimera._chimera.programs")

FEW = ("--evaluations", "3000", "--train", "4", "--holdout", "12", "--seed", "1")


def test_result_holds_everything_that_is_promised(tmp_path: Path) -> None:
    facts = improve(write_task(tmp_path), *FEW)
    for name in ("baseline", "best", "source", "evaluations", "seconds", "seed", "ledger_hash",
                 "run", "verdict", "threads", "version", "status"):  # fmt: skip
        assert name in facts
    assert facts["holdout"].keys() >= {"baseline", "best", "gain", "ci95"}
    assert facts["status"] == "adopted"
    assert facts["holdout"]["ci95"][0] > 0.0
    assert facts["holdout"]["best"] < facts["holdout"]["baseline"]
    assert facts["evaluations"] >= 3_000
    assert "def guess(" in facts["source"]


def test_python_interface_gives_the_same_result_as_the_command(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    facts = improve(task, *FEW, "--project", tmp_path / "a")
    seen: list[str] = []
    result = chimera.improve(
        task, evaluations=3_000, train=4, holdout=12, seed=1, project=tmp_path / "b",
        callback=lambda progress: seen.append(progress.phase),
    )  # fmt: skip
    assert result.ledger_hash == facts["ledger_hash"]
    assert result.source == facts["source"]
    assert (seen[0], seen[-2:]) == ("prepare", ["verdict", "done"])


def test_equal_seed_gives_an_equal_hash_on_one_and_two_threads(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    facts = [
        improve(task, *FEW, "--threads", str(threads), "--project", tmp_path / f"p{threads}")
        for threads in (1, 2)
    ]
    other = improve(task, *FEW[:-1], "2", "--project", tmp_path / "other")
    assert facts[0]["ledger_hash"] == facts[1]["ledger_hash"] != other["ledger_hash"]
    assert facts[0]["evaluations"] == facts[1]["evaluations"]


def test_run_limited_by_time_keeps_to_it_and_replays(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    facts = improve(task, "--budget", "2s", "--train", "4", "--holdout", "12")
    assert facts["seconds"] < 4.0
    done = run("replay", facts["run"], "--project", tmp_path / ".chimera", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["replayed"] == facts["ledger_hash"]


def test_replay_of_an_edited_task_uses_the_recorded_source(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    facts = improve(task, *FEW)
    task.write_text(task.read_text().replace("return x", "return y"))
    assert run("replay", facts["run"], "--project", tmp_path / ".chimera").returncode == 0


def test_winner_runs_under_plain_python_and_from_the_registry(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    out = tmp_path / "improved.py"
    improve(task, *FEW, "--out", out)
    code = "import improved; print(improved.guess(1.5, 0.5))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    live = chimera.live("line", project=tmp_path / ".chimera")
    assert float(done.stdout) == live.guess(1.5, 0.5)


def test_rollback_is_one_command(tmp_path: Path) -> None:
    task = write_task(tmp_path)
    improve(task, *FEW)
    project = tmp_path / ".chimera"
    assert chimera.load(task).guess(2.0, 0.25) != 2.0
    done = run("rollback", "line", "--project", project)
    assert "version 0 is live (was 1)" in done.stdout
    assert chimera.load(task).guess(2.0, 0.25) == 2.0
    assert run("rollback", "line", "--project", project).returncode == 2
    assert run("verify", "--project", project).returncode == 0


def test_show_history_and_report_read_the_run(tmp_path: Path) -> None:
    task, project = write_task(tmp_path), tmp_path / ".chimera"
    facts = improve(task, *FEW, "--report", tmp_path / "a.html")
    shown = json.loads(run("show", facts["run"], "--project", project, "--json").stdout)
    assert shown["ledger_hash"] == facts["ledger_hash"]
    assert "def guess" in run("show", "line", "--project", project).stdout
    past = json.loads(run("history", "--project", project, "--json").stdout)
    assert [item["run"] for item in past["runs"]] == [facts["run"]]
    assert [item["live"] for item in past["versions"]] == [False, True]
    done = run("report", facts["run"], "--out", tmp_path / "b.html", "--project", project)
    assert done.returncode == 0
    assert (tmp_path / "a.html").read_text() == (tmp_path / "b.html").read_text()


def test_task_that_cannot_improve_keeps_the_original(tmp_path: Path) -> None:
    text = write_task(tmp_path).read_text()
    perfect = write_task(tmp_path, text.replace("return x\n", "return 3.0 * x + y + 1.0\n"))
    facts = improve(perfect, *FEW)
    assert (facts["status"], facts["version"], facts["live"]) == ("not_proven", None, False)
    assert chimera.load(perfect).guess(1.0, 1.0) == 5.0
