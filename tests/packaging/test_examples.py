"""Every example runs under plain CPython, and improves through the command line."""

import json
import sys
from pathlib import Path

import pytest
from tests.packaging.support import BIN, ROOT, run

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(180)]

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
KEYS = {
    "baseline",
    "best",
    "evaluations",
    "holdout",
    "ledger_hash",
    "seconds",
    "seed",
    "source",
}


def test_the_promised_examples_exist() -> None:
    assert {"bin_packing.py", "bin_packing_uniform.py"} <= {path.name for path in EXAMPLES}
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs_under_cpython(example: Path) -> None:
    run(sys.executable, example)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_improves_through_the_command_line(example: Path, tmp_path: Path) -> None:
    options = ["--evaluations", "400", "--seed", "1", "--json"]
    output = run(
        BIN / "chimera",
        "improve",
        example,
        *options,
        cwd=tmp_path,
        environment={"CHIMERA_PROJECT": str(tmp_path / "project")},
    )
    result = json.loads(output)
    assert set(result) >= KEYS
    assert set(result["holdout"]) >= {"baseline", "best", "gain", "ci95"}
    assert result["seed"] == 1
    compile(result["source"], example.name, "exec")
