"""Task files for the tests."""

from __future__ import annotations

from pathlib import Path

HEADER = "import random\n\nimport chimera\n"

EVOLVE = """
@chimera.evolve
def guess(x: float, y: float) -> float:
    return x
"""

OBJECTIVE = """
@chimera.objective(direction="minimize")
def error(xs: chimera.floats, ys: chimera.floats) -> float:
    total = 0.0
    for i in range(len(xs)):
        difference = guess(xs[i], ys[i]) - (3.0 * xs[i] + ys[i] + 1.0)
        total += abs(difference)
    return total / len(xs)
"""

TRAIN = """
@chimera.workload
def train(seed: int):
    rng = random.Random(seed)
    n = 12
    return [rng.uniform(-2.0, 2.0) for _ in range(n)], [rng.uniform(-2.0, 2.0) for _ in range(n)]
"""

HOLDOUT = """
@chimera.workload(holdout=True)
def unseen(seed: int):
    return train(seed)
"""


def task_text(
    *, evolve: str = EVOLVE, objective: str = OBJECTIVE, train: str = TRAIN, holdout: str = HOLDOUT
) -> str:
    """Return a whole task file, with parts replaced."""
    return HEADER + evolve + objective + train + holdout


def write_task(folder: Path, text: str | None = None, name: str = "line.py") -> Path:
    """Write a task file and return its path."""
    path = folder / name
    path.write_text(task_text() if text is None else text)
    return path
