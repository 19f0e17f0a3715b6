"""Evaluation back ends on a nearly free objective: 1 000 rows of 10 float64, so pure overhead.

In this process, in two worker processes, in the sandbox on one thread; islands of random search.
"""

import numpy as np
import pytest

from chimera.evolution import Islands, PerRow, ProcessPool, RandomSearch, Sandboxed, Vectorized

SOURCE = """
def score(x: list[float]) -> float:
    return x[0] + x[1]
"""


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(1).random((1000, 10))


def score(x):
    return float(x[0] + x[1])


def test_vectorized(benchmark, batch):
    benchmark(Vectorized(lambda x: x[:, 0] + x[:, 1]).evaluate, batch)


def test_per_row(benchmark, batch):
    benchmark(PerRow(score).evaluate, batch)


def test_pool_of_two(benchmark, batch):
    with ProcessPool(score, workers=2) as pool:
        benchmark(pool.evaluate, batch)


def test_sandboxed(benchmark, batch):
    benchmark(Sandboxed(SOURCE, "score", threads=1).evaluate, batch)


def test_islands_generation(benchmark):
    islands = Islands(
        lambda idx: RandomSearch([(0.0, 1.0)] * 10, batch_size=100, seed=idx),
        n_islands=10,
        migration_every=1,
    )

    def generation():
        batch = islands.ask()
        islands.tell(batch, batch[:, 0].copy())

    benchmark(generation)
