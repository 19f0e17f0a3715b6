"""The examples of `examples/evolution` run, on budgets of seconds."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "evolution"


def _run(name: str, *options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(FOLDER / name), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(120)
def test_a_pipeline_is_tuned_beside_optuna() -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("optuna")
    output = _run("tune_pipeline.py", "--trials", "25", "--seeds", "1")
    best = dict(re.findall(r"^(\w+) +cross-validated: best ([\d.]+)", output, re.MULTILINE))
    # The variance of the targets is 5 930; a constant prediction scores that.
    assert all(float(score) < 4_500 for score in best.values()), output
    assert set(best) == {"chimera", "optuna"}


@pytest.mark.timeout(120)
def test_a_pole_is_balanced_and_the_run_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("gymnasium")
    picture = tmp_path / "pole.png"
    options = ["--seconds", "60", "--unseen", "10", "--plot", str(picture)]
    output = _run("controller.py", "CartPole-v1", *options)
    mean = re.search(r"unseen episodes: mean ([\d.]+)", output)
    assert mean is not None
    assert float(mean[1]) >= 300, output
    assert picture.read_bytes().startswith(b"\x89PNG")
