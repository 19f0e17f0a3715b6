"""Costs of real-valued searches over the history of the project."""

import numpy as np

from chimera.evolution import DE, JADE, LSHADE, PSO, minimize

CLASSES = {"de": DE, "jade": JADE, "lshade": LSHADE, "pso": PSO}


class Generation:
    """One generation of 1 000 rows of 100 genes, outside the objective."""

    params = (list(CLASSES),)
    param_names = ("method",)

    def setup(self, method):
        self.search = CLASSES[method]([(-5.0, 5.0)] * 100, population_size=1_000, seed=1)
        self.scores = np.random.default_rng(1).random(1_000)

    def time_generation(self, _method):
        self.search.tell(self.search.ask(), self.scores[: self.search.batch_size])


class Minimize:
    """A whole call with a cheap objective."""

    def time_400_evaluations(self):
        minimize(lambda x: (x**2).sum(axis=1), [(-5.0, 5.0)] * 5, budget=400, vectorized=True)
