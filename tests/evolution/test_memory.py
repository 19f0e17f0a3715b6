"""Searches hold no more arrays than the documentation says, within a fifth."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "evolution" / "index.md"
STATUS = Path("/proc/self/status")
N_ROWS, N_GENES = 2_000, 1_000

PROGRAM = """
import re, sys
from pathlib import Path
from chimera.evolution import *

def kibibytes(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def run(n, d):
    box, cells = [(0.0, 1.0)] * d, Grid((40, 50), [(0.0, 1.0)] * 2)
    search = {make}
    for _ in range(5):
        x = search.ask()
        scores = x[:, :2].copy() if search.n_objectives == 2 else x[:, 0].copy()
        search.tell(x, scores, x[:, :2].copy() if search.n_descriptors else None)

run(100, 4)  # code and small buffers are there before the count begins
before = kibibytes("VmRSS")
run({n}, {d})
print((kibibytes("VmHWM") - before) * 1024)
"""

MAKERS = {
    "RandomSearch": "RandomSearch(box, batch_size=n)",
    "GA": "GA(box, population_size=n)",
    "DE": "DE(box, population_size=n)",
    "PSO": "PSO(box, population_size=n)",
    "NSGA2": "NSGA2(box, population_size=n)",
    "NSGA3": "NSGA3(box, n_objectives=2, population_size=n, n_partitions=50)",
    "MapElites": "MapElites(box, cells=cells, batch_size=n)",
    "CMAES separable": "CMAES(box, population_size=n, covariance='separable')",
    "OpenAIES": "OpenAIES(box, population_size=n)",
    "LMMAES": "LMMAES(box, population_size=n)",
}


def _stated() -> dict[str, float]:
    """Read the table of the page: search, and arrays it holds."""
    rows = re.findall(r"^\| (`[^|]+) \| (\d+)[^|]* \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return {
        name.replace("`", "").strip(): float(n) for names, n in rows for name in names.split(",")
    }


@pytest.mark.skipif(not STATUS.exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize("name", MAKERS)
def test_arrays_held_are_those_stated(name: str) -> None:
    program = PROGRAM.replace("{make}", MAKERS[name])
    program = program.replace("{n}", str(N_ROWS)).replace("{d}", str(N_GENES))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    arrays = int(done.stdout) / (N_ROWS * N_GENES * 8)
    stated = _stated()[name]
    assert 0.8 * stated <= arrays <= 1.2 * stated
