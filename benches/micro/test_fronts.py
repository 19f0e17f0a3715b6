"""Unit costs of multi-objective search: uniform points, float64, one thread, fixed seeds."""

import numpy as np
import pytest

from chimera.evolution import (
    MOEAD,
    NSGA2,
    NSGA3,
    SMSEMOA,
    crowding_distance,
    hypervolume,
    hypervolume_contributions,
    pareto_ranks,
)

BOUNDS = [(0.0, 1.0)] * 30


@pytest.mark.parametrize("size", [(1_000, 2), (10_000, 2), (10_000, 3), (50_000, 3), (10_000, 4)])
def test_ranks(benchmark, size):
    benchmark(pareto_ranks, np.random.default_rng(1).random(size))


def test_crowding(benchmark):
    points = np.random.default_rng(1).random((10_000, 2))
    benchmark(crowding_distance, points, ranks=pareto_ranks(points))


@pytest.mark.parametrize("size", [(1_000, 2), (1_000, 3), (200, 4), (60, 6)])
def test_hypervolume(benchmark, size):
    benchmark(hypervolume, np.random.default_rng(1).random(size), reference=np.ones(size[1]))


def test_contributions(benchmark):
    points = np.random.default_rng(1).random((500, 3))
    benchmark(hypervolume_contributions, points, reference=np.ones(3))


@pytest.mark.parametrize(
    "search",
    [
        NSGA2(BOUNDS, population_size=100, seed=1),
        NSGA2(BOUNDS, population_size=1_000, seed=1),
        NSGA2(BOUNDS, population_size=5_000, seed=1),
        NSGA3(BOUNDS, n_objectives=3, seed=1),
        SMSEMOA(BOUNDS, population_size=100, seed=1),
        MOEAD(BOUNDS, seed=1),
    ],
    ids=lambda search: f"{search.method}-{len(search.ask())}",
)
def test_generation(benchmark, search):
    n_objectives = search.n_objectives

    def generation():
        batch = search.ask()
        search.tell(batch, np.abs(batch[:, :n_objectives] - 0.5))

    benchmark(generation)
