"""Cost of a generation of CMA-ES over the history of the project."""

import numpy as np

from chimera.evolution import CMAES


class Generation:
    """Ask and tell of one population, no objective."""

    params = (10, 100)
    param_names = ("n_genes",)

    def setup(self, n_genes):
        self.search = CMAES([(-5.0, 4.0)] * n_genes, seed=1)
        self.scores = np.arange(float(self.search.batch_size))

    def time_generation(self, _n_genes):
        self.search.tell(self.search.ask(), self.scores)
