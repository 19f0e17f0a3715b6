import subprocess
import sys
from pathlib import Path

import pytest
from tests.integration.support import improve

from chimera.improve.task import load_task

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_under_plain_python(example: Path) -> None:
    if "sklearn" in example.read_text():
        pytest.importorskip("sklearn")
    done = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert any(character.isdigit() for character in done.stdout)


def test_best_fit_scores_as_published() -> None:
    """Romera-Paredes et al. (2024), table 1: best fit is 3.98 % over the bound at 5 000 items."""
    task = load_task(next(path for path in EXAMPLES if path.stem == "bin_packing"))
    scores = [task.module.excess(*task.holdout(seed)) for seed in range(1, 6)]
    assert sum(scores) / len(scores) == pytest.approx(0.0398, abs=0.003)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_improves(example: Path, tmp_path: Path) -> None:
    pytest.importorskip("chimera._chimera.programs")
    if "sklearn" in example.read_text():
        pytest.importorskip("sklearn")
    few = ("--train", "4", "--holdout", "8", "--project", tmp_path)
    facts = improve(example, "--evaluations", "400", *few)
    assert facts["evaluations"] >= 400
    assert facts["status"] in {"adopted", "not_proven"}
