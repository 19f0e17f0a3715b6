"""Costs of the genetic algorithm over the history of the project."""

import numpy as np

from chimera.evolution import GA, real


class Generation:
    """Ask and tell, without an objective."""

    params = ([1_000, 10_000], ["float64", "float32"])
    param_names = ("rows", "dtype")

    def setup(self, rows, dtype):
        self.search = GA(real(-5.0, 5.0, 100, dtype=dtype), population_size=rows, seed=1)
        self.scores = np.random.default_rng(1).random(rows)
        for _ in range(3):
            self.time_generation(rows, dtype)

    def time_generation(self, _rows, _dtype):
        self.search.tell(self.search.ask(), self.scores)
