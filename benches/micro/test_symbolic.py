"""Evaluation of a population of trees, and one generation of a search.

1 000 trees of + - * and protected division over 10 columns of 1 000 rows, float32, one thread.
"""

import numpy as np

from chimera._chimera.population import Columns, Trees, TreeSearch

SETTINGS = '{"functions": ["add", "sub", "mul", "div"], "initial_depth": 7, "max_nodes": 100}'


def _table():
    return np.random.default_rng(1).normal(size=(1000, 10)).astype(np.float32)


def test_errors_of_1000_trees(benchmark):
    x = _table()
    trees, columns, y = Trees.random(1000, 10, SETTINGS, 3), Columns(x), x[:, 0].astype(float)
    errors = benchmark(lambda: trees.errors(columns, y))
    benchmark.extra_info["n_nodes"] = trees.n_nodes
    assert len(errors) == 1000


def test_generation_of_500_trees(benchmark):
    x = _table()
    search = TreeSearch(x, np.sin(x[:, 0].astype(float)) * x[:, 1], seed=1)
    search.step(2)
    benchmark(search.step)
    assert search.best_error < np.inf
