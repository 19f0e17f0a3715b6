"""Cost of one generation outside the objective: float64, one thread, fixed seeds."""

import numpy as np
import pytest

from chimera.evolution import DE, JADE, LSHADE, PSO, Portfolio


@pytest.mark.parametrize("size", [(100, 10), (1_000, 100)])
@pytest.mark.parametrize("cls", [DE, JADE, LSHADE, PSO])
def test_generation(benchmark, cls, size):
    n, d = size
    settings = {"budget": 10**12} if cls is LSHADE else {}
    search = cls([(-5.0, 5.0)] * d, population_size=n, seed=1, **settings)
    scores = np.random.default_rng(1).random(n)

    def generation():
        search.tell(search.ask(), scores)

    benchmark(generation)


@pytest.mark.parametrize("d", [5, 20])
def test_portfolio_of_100_evaluations_a_gene(benchmark, d):
    def search():
        run = Portfolio([(-5.0, 5.0)] * d, seed=1)
        while run.n_evaluations < 100 * d:
            x = run.ask()
            run.tell(x, (np.diff(x, axis=1) ** 2).sum(axis=1) + (x[:, 0] - 1.0) ** 2)

    benchmark(search)
