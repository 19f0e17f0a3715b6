"""Trees over columns: evaluation and search; one thread."""

import numpy as np

from chimera._chimera.population import Columns, Trees, TreeSearch

SETTINGS = '{"functions": ["add", "sub", "mul", "div"], "initial_depth": 7, "max_nodes": 100}'


class Evaluation:
    params = (1000, 10_000)
    param_names = ("n_rows",)

    def setup(self, n_rows):
        x = np.random.default_rng(1).normal(size=(n_rows, 10)).astype(np.float32)
        self.columns, self.y = Columns(x), x[:, 0].astype(float)
        self.trees = Trees.random(1000, 10, SETTINGS, 3)

    def time_errors(self, _n_rows):
        self.trees.errors(self.columns, self.y)

    def time_predictions(self, _n_rows):
        self.trees.evaluate(self.columns)


class Generation:
    params = ("tournament", "epsilon_lexicase")
    param_names = ("selection",)

    def setup(self, selection):
        x = np.random.default_rng(1).normal(size=(1000, 10)).astype(np.float32)
        y = np.sin(x[:, 0].astype(float)) * x[:, 1]
        self.search = TreeSearch(x, y, f'{{"selection": "{selection}"}}', seed=1)
        self.search.step(2)

    def time_step(self, _selection):
        self.search.step()
