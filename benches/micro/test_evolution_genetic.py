"""A generation of the genetic algorithm outside the objective: 1 000 x 100, one thread."""

import numpy as np
import pytest

from chimera._chimera.population import duplicates
from chimera.evolution import GA, boolean, permutation, real

SPACES = {
    "float64": real(-5.0, 5.0, 100),
    "float32": real(-5.0, 5.0, 100, dtype="float32"),
    "boolean": boolean(100),
    "permutation": permutation(100),
}


@pytest.mark.parametrize("kind", SPACES)
def test_generation(benchmark, kind):
    search = GA(SPACES[kind], population_size=1000, seed=1)
    scores = np.random.default_rng(1).random(1000)

    def generation():
        search.tell(search.ask(), scores)

    benchmark(generation)


def test_duplicates(benchmark):
    rows = np.random.default_rng(1).random((10_000, 100))
    rows[5000:5100] = rows[:100]
    assert benchmark(duplicates, rows).sum() == 100
