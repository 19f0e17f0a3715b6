"""``chimera runs`` lists what a genome database recorded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.evolution.breeding import Breeder, sphere

from chimera.evolution import GenomeDatabase


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chimera.cli", "runs", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with GenomeDatabase(tmp_path / "runs.db") as database:
        for seed in (1, 2):
            with database.record(Breeder(seed=seed)) as search:
                for _ in range(3):
                    batch = search.ask()
                    search.tell(batch, sphere(batch))
    return tmp_path / "runs.db"


def test_runs_are_listed(path: Path) -> None:
    done = run(path)
    assert done.returncode == 0
    assert done.stdout.count("breeder") == 2
    assert "60" in done.stdout


def test_one_run_shows_its_best_and_its_operators(path: Path) -> None:
    done = run(path, "2")
    assert "best: individual" in done.stdout
    assert "noise" in done.stdout
    facts = json.loads(run(path, "2", "--json").stdout)
    assert [item["id"] for item in facts["runs"]] == [2]
    assert facts["runs"][0]["best"] == facts["best"][0]["objectives"][0]
    assert len(facts["best"][0]["genome"]["x"]) == 10
    assert {item["operator"] for item in facts["operators"]} == {"copy", "noise"}


def test_what_is_missing_is_a_storage_error(path: Path) -> None:
    done = run(path.with_name("none.db"))
    assert (done.returncode, "found no file" in done.stderr) == (3, True)
    done = run(path, "9", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["type"] == "StorageError"
    assert not path.with_name("none.db").exists()
