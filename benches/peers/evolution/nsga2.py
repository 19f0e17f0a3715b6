"""An NSGA-II generation outside the objective, beside pymoo (Python) and pygmo (C++).

ZDT1 with 30 variables, bounds on, one thread. Ours is `ask` and `tell`, the objective not counted;
pymoo's is the same by its own ask and tell; pygmo's includes its objective, which is compiled and
costs about a microsecond a row. `--slow 0` leaves out population 5 000 of the others.
"""

import time

import numpy as np
import timing

options = timing.arguments(__doc__, slow=(1, "0 leaves the slow sizes of the others out"))

import pygmo  # noqa: E402
from pymoo.algorithms.moo.nsga2 import NSGA2 as PymooNSGA2  # noqa: E402, N811
from pymoo.core.evaluator import Evaluator  # noqa: E402
from pymoo.core.problem import Problem  # noqa: E402
from pymoo.problems.static import StaticProblem  # noqa: E402

from chimera.evolution import NSGA2  # noqa: E402

N_GENES = 30


def zdt1(x):
    g = 1.0 + 9.0 * x[:, 1:].mean(axis=1)
    return np.column_stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))])


class Ours:
    def __init__(self, size):
        self.search = NSGA2([(0.0, 1.0)] * N_GENES, population_size=size, seed=1)
        self.n = max(3, 20_000 // size)
        for _ in range(5):
            self()

    def __call__(self):
        outside = 0.0
        for _ in range(self.n):
            start = time.perf_counter()
            batch = self.search.ask()
            middle = time.perf_counter()
            scores = zdt1(batch)
            end = time.perf_counter()
            self.search.tell(batch, scores)
            outside += middle - start + time.perf_counter() - end
        return outside / self.n


class Pymoo:
    def __init__(self, size):
        self.problem = Problem(n_var=N_GENES, n_obj=2, xl=0.0, xu=1.0)
        self.algorithm = PymooNSGA2(pop_size=size)
        self.algorithm.setup(self.problem, termination=("n_gen", 10**9), seed=1, verbose=False)
        self.n = max(1, 2_000 // size)
        for _ in range(3):
            self()

    def __call__(self):
        outside = 0.0
        for _ in range(self.n):
            start = time.perf_counter()
            batch = self.algorithm.ask()
            middle = time.perf_counter()
            scores = zdt1(batch.get("X"))
            end = time.perf_counter()
            Evaluator().eval(StaticProblem(self.problem, F=scores), batch)
            self.algorithm.tell(infills=batch)
            outside += middle - start + time.perf_counter() - end
        return outside / self.n


class Pygmo:
    def __init__(self, size):
        self.problem = pygmo.problem(pygmo.zdt(prob_id=1, param=N_GENES))
        self.n = max(1, 4_000 // size)
        self.algorithm = pygmo.algorithm(
            pygmo.nsga2(gen=self.n, cr=0.9, eta_c=15.0, m=1.0 / N_GENES, eta_m=20.0, seed=1)
        )
        self.population = pygmo.population(self.problem, size=size, seed=1)
        self.population = self.algorithm.evolve(self.population)

    def __call__(self):
        start = time.perf_counter()
        self.population = self.algorithm.evolve(self.population)
        return (time.perf_counter() - start) / self.n


def main():
    figures = {"versions": timing.versions("pymoo", "pygmo")}
    for size in (100, 1_000, 5_000):
        contenders = {"chimera": Ours(size)}
        if options.slow or size < 5_000:
            contenders |= {"pygmo": Pygmo(size), "pymoo": Pymoo(size)}
        found = timing.interleave(contenders, options.rounds)
        timing.table(f"NSGA-II generation outside, population {size}", found)
        figures[str(size)] = found
    timing.write(options.json, figures)


main()
