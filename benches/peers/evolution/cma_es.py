"""CMA-ES beside pycma, cmaes and pygmo: time per evaluation, and evaluations to 1e-9.

Time is that of ask and tell; the objective is not counted (pygmo evaluates inside its loop: its own
Rosenbrock function in C++, whose calls alone are subtracted). Start: uniform in
[-3, 3]^d, sigma 1, no bounds, each library's defaults. One thread.

Medians of counts vary by several per cent among 15 starts, by about two among 101; those of 10
genes take some minutes, of 40 genes an hour.

    python benches/peers/evolution/cma_es.py [--starts 101] [--dimensions 10] [--json PATH]
"""

import statistics
import time
import warnings

import cma
import cmaes
import numpy as np
import timing  # first: limits the threads of linear algebra

from chimera.evolution import CMAES

TARGET = 1e-9
EVALUATIONS_MAX = 2_000_000
warnings.simplefilter("ignore")


def functions(d):
    """Return the six functions of the target, on rows."""
    place = np.arange(d) / (d - 1)
    scale, power = 1e6**place, 2 + 4 * place
    return {
        "sphere": lambda x: (x**2).sum(axis=1),
        "ellipsoid": lambda x: (x**2) @ scale,
        "discus": lambda x: 1e6 * x[:, 0] ** 2 + (x[:, 1:] ** 2).sum(axis=1),
        "cigar": lambda x: x[:, 0] ** 2 + 1e6 * (x[:, 1:] ** 2).sum(axis=1),
        "rosenbrock": lambda x: (100 * (x[:, :-1] ** 2 - x[:, 1:]) ** 2 + (x[:, :-1] - 1) ** 2).sum(
            axis=1
        ),
        "powers": lambda x: np.sqrt((np.abs(x) ** power).sum(axis=1)),
    }


class Ours:
    """Our class behind the interface of the loops below."""

    def __init__(self, x0, seed):
        self.search = CMAES([(-np.inf, np.inf)] * len(x0), x0=x0, sigma=1.0, seed=seed)
        self.ask, self.tell = self.search.ask, self.search.tell

    def is_done(self):
        return self.search.stop_reason is not None


class Pycma:
    def __init__(self, x0, seed):
        self.search = cma.CMAEvolutionStrategy(x0, 1.0, {"seed": seed + 1, "verbose": -9})
        self.ask, self.tell = self.search.ask, self.search.tell

    def is_done(self):
        return bool(self.search.stop())


class CyberAgent:
    """The package `cmaes`."""

    def __init__(self, x0, seed):
        self.search = cmaes.CMA(mean=x0, sigma=1.0, seed=seed)

    def ask(self):
        return [self.search.ask() for _ in range(self.search.population_size)]

    def tell(self, batch, scores):
        self.search.tell(list(zip(batch, scores.tolist(), strict=True)))

    def is_done(self):
        return self.search.should_stop()


LIBRARIES = {"chimera": Ours, "pycma": Pycma, "cmaes": CyberAgent}


def start(d, seed):
    return np.random.default_rng(seed).uniform(-3.0, 3.0, d)


def time_per_evaluation(library, d, n_evaluations):
    """Return seconds of ask and tell per evaluation, on an ellipsoid that keeps it busy."""
    score = functions(d)["ellipsoid"]

    def run():
        search = library(start(d, 1), 1)
        spent, n_rows = 0.0, 0
        while n_rows < n_evaluations:
            begin = time.perf_counter()
            batch = search.ask()
            middle = time.perf_counter()
            scores = score(np.asarray(batch))
            told = time.perf_counter()
            search.tell(batch, scores)
            spent += middle - begin + time.perf_counter() - told
            n_rows += len(batch)
        return spent / n_rows

    return run


def pygmo_time(d, n_evaluations):
    """Return pygmo's seconds per evaluation: Rosenbrock in C++, less its evaluations."""
    try:
        import pygmo
    except ImportError:
        return None
    n_rows = 4 + int(3 * np.log(d))
    generations = max(1, n_evaluations // n_rows)

    def run():
        problem = pygmo.problem(pygmo.rosenbrock(d))
        population = pygmo.population(problem, n_rows, seed=1)
        search = pygmo.algorithm(pygmo.cmaes(gen=generations, ftol=0, xtol=0, seed=1))
        begin = time.perf_counter()
        search.evolve(population)
        spent = time.perf_counter() - begin
        x = population.get_x()[0]
        begin = time.perf_counter()
        for _ in range(1000):
            problem.fitness(x)
        return spent / (generations * n_rows) - (time.perf_counter() - begin) / 1000

    return run


def evaluations(library, score, d, seed):
    """Return evaluations until the first row below the target; infinite when it stops before."""
    search, n_rows = library(start(d, seed), seed), 0
    while n_rows < EVALUATIONS_MAX and not search.is_done():
        batch = search.ask()
        scores = score(np.asarray(batch))
        reached = np.flatnonzero(scores < TARGET)
        if len(reached):
            return n_rows + int(reached[0]) + 1
        n_rows += len(batch)
        search.tell(batch, scores)
    return float("inf")


def main():
    """Print both tables."""
    options = timing.arguments(
        __doc__,
        starts=(101, "starts of each function"),
        dimensions=("10", "where evaluations are counted"),
        evaluations=(4000, "evaluations of a timing"),
    )
    figures = {"versions": timing.versions("cma", "cmaes", "pygmo"), "seconds": {}, "counts": {}}
    for d in (10, 100):
        calls = {
            name: time_per_evaluation(library, d, options.evaluations)
            for name, library in LIBRARIES.items()
        }
        if (call := pygmo_time(d, options.evaluations)) is not None:
            calls["pygmo"] = call
        seconds = timing.interleave(calls, options.rounds)
        timing.table(f"time per evaluation, d={d}", seconds, unit="us")
        figures["seconds"][str(d)] = seconds
    for d in map(int, filter(None, options.dimensions.split(","))):
        print(f"\nmedian evaluations to {TARGET}, d={d}, {options.starts} starts (x pycma's)")
        for name, score in functions(d).items():
            counts = {
                library: statistics.median(
                    evaluations(make, score, d, seed) for seed in range(options.starts)
                )
                for library, make in LIBRARIES.items()
            }
            shown = "".join(
                f"{library:>10} {count:9.0f} ({count / counts['pycma']:.3f})"
                for library, count in counts.items()
            )
            print(f"{name:12}{shown}", flush=True)
            figures["counts"][f"{name} {d}"] = counts
    timing.write(options.json, figures)


if __name__ == "__main__":
    main()
