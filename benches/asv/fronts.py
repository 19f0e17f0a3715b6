"""Costs of multi-objective search over the history of the project."""

import numpy as np

from chimera.evolution import NSGA2, hypervolume, pareto_ranks


class Ranks:
    """Non-dominated ranks of uniform points."""

    params = ([(10_000, 2), (10_000, 3), (50_000, 3), (10_000, 5)],)
    param_names = ("size",)

    def setup(self, size):
        self.points = np.random.default_rng(1).random(size)

    def time_ranks(self, _size):
        pareto_ranks(self.points)


class Hypervolume:
    """Exact hypervolume of points on a sphere."""

    params = ([(5_000, 2), (2_000, 3), (300, 4), (80, 5)],)
    param_names = ("size",)

    def setup(self, size):
        points = np.abs(np.random.default_rng(1).normal(size=size))
        self.points = 1.0 - points / np.linalg.norm(points, axis=1, keepdims=True)

    def time_hypervolume(self, size):
        hypervolume(self.points, reference=np.full(size[1], 1.1))


class Generation:
    """An NSGA-II generation of 30 genes and two objectives, the objective precomputed."""

    params = ([100, 1_000, 5_000],)
    param_names = ("population",)

    def setup(self, population):
        self.search = NSGA2([(0.0, 1.0)] * 30, population_size=population, seed=1)
        self.scores = np.random.default_rng(1).random((population, 2))
        for _ in range(3):
            self.time_generation(population)

    def time_generation(self, _population):
        self.search.tell(self.search.ask(), self.scores)
