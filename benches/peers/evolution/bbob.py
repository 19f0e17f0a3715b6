"""BBOB through COCO's own problem objects: share of the 51 targets reached at small budgets.

Noiseless functions 1 to 24, targets 10^[2..-8] above the optimum, 200 evaluations a gene in 5
dimensions and 100 in 20. Every contender gets the same start (uniform in [-4, 4]) and budget;
restarts begin at random points of the same box. Optima come from COCO itself. pycma and `chimera
cmaes, free` know no bounds, as is usual on these functions; the others stay in [-5, 5]. With
--observe a folder name, COCO's own logger writes the runs of `chimera auto` there for `cocopp`.

    python benches/peers/evolution/bbob.py [--instances 1-3] [--processes 2] [--json FILE]
"""

import contextlib
import os
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cma
import cmaes
import cocoex
import numpy as np
from timing import arguments, versions, write

from chimera.evolution import Algorithm, RandomSearch

TARGETS = np.logspace(2, -8, 51)
BUDGETS = {5: 200, 20: 100}
LOW, HIGH = -5.0, 5.0


class SpentError(Exception):
    """The budget is spent."""


class Objective:
    """A COCO problem that counts, remembers the best value and ends at the budget."""

    def __init__(self, problem, budget):
        self.problem, self.left, self.best = problem, budget, np.inf
        self.d = problem.dimension

    def __call__(self, x):
        if self.left == 0:
            raise SpentError
        self.left -= 1
        value = self.problem(np.asarray(x, dtype=np.float64))
        self.best = min(self.best, value)
        return value


def _drive(search, f):
    while True:
        batch = search.ask()
        search.tell(batch, [f(x) for x in batch])


def chimera_auto(f, x0, seed):
    """The portfolio of `minimize`."""
    _drive(_native("auto", f, {"x0": x0.tolist()}, seed), f)


def chimera_cmaes(f, x0, seed):
    """Our CMA-ES with restarts of doubled populations."""
    settings = {"x0": x0.tolist(), "sigma": 2.0, "restarts": "ipop"}
    _drive(_native("cmaes", f, settings, seed), f)


def chimera_cmaes_free(f, x0, seed):
    """The same without bounds; restarts begin where pycma's do."""
    rng, size, start = np.random.default_rng(seed), None, x0
    while True:
        settings = {"x0": start.tolist(), "sigma": 2.0, "population_size": size}
        box = [(-np.inf, np.inf)] * f.d
        search = _native("cmaes", f, settings, int(rng.integers(2**31)), box)
        while search.stop_reason is None:
            rows = search.ask()
            search.tell(rows, [f(x) for x in rows])
        size, start = 2 * search.batch_size, rng.uniform(-4.0, 4.0, f.d)


def chimera_lshade(f, x0, seed):
    """Our L-SHADE."""
    _drive(_native("lshade", f, {"x0": x0.tolist(), "budget": f.left}, seed), f)


def random_search(f, _x0, seed):
    """Uniform samples."""
    _drive(RandomSearch([(LOW, HIGH)] * f.d, seed=seed), f)


def _native(method, f, settings, seed, box=None):
    box = box or [(LOW, HIGH)] * f.d
    return Algorithm._start(method, box, settings, seed=seed, threads=1)  # noqa: SLF001


def pycma(f, x0, seed):
    """The reference implementation, restarts of doubled populations."""
    rng, size, start = np.random.default_rng(seed), None, x0
    while True:
        options = {"verbose": -9, "seed": int(rng.integers(1, 2**31))}
        if size is not None:
            options["popsize"] = size
        search = cma.CMAEvolutionStrategy(start, 2.0, options)
        while not search.stop():
            rows = search.ask()
            search.tell(rows, [f(x) for x in rows])
        size, start = 2 * search.popsize, rng.uniform(-4.0, 4.0, f.d)


def cmaes_(f, x0, seed):
    """The package cmaes, restarts of doubled populations."""
    rng, size, start = np.random.default_rng(seed), None, x0
    while True:
        search = cmaes.CMA(
            mean=start,
            sigma=2.0,
            population_size=size,
            bounds=np.array([[LOW, HIGH]] * f.d),
            seed=int(rng.integers(2**31)),
        )
        while not search.should_stop():
            rows = [search.ask() for _ in range(search.population_size)]
            search.tell([(x, f(x)) for x in rows])
        size, start = 2 * search.population_size, rng.uniform(-4.0, 4.0, f.d)


CONTENDERS = {
    "chimera auto": chimera_auto,
    "chimera cmaes": chimera_cmaes,
    "chimera cmaes, free": chimera_cmaes_free,
    "chimera lshade": chimera_lshade,
    "pycma": pycma,
    "cmaes": cmaes_,
    "random": random_search,
}


def _suite(d, instances, function=None):
    which = f"dimensions: {d}" + (f" function_indices: {function}" if function else "")
    return cocoex.Suite("bbob", f"instances: {instances}", which)


def _optimum(problem):
    """Return the least value: COCO writes the best point, a fresh problem evaluates it."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            suite = _suite(problem.dimension, problem.id_instance, problem.id_function)
            twin = suite[0]
            twin._best_parameter("print")  # noqa: SLF001 -- COCO has no other way
            best = Path("._bbob_problem_best_parameter.txt").read_text(encoding="ascii")
            return twin(np.array(best.split(), dtype=np.float64))
        finally:
            os.chdir(here)


def measure(task):
    """Return {function: mean share} and seconds of one contender in one dimension."""
    name, d, instances, folder = task
    warnings.simplefilter("ignore")
    observer = cocoex.Observer("bbob", f"result_folder: {folder}_d{d}") if folder else None
    shares, seconds = {}, 0.0
    for problem in _suite(d, instances):
        optimum = _optimum(problem)
        if observer:
            problem.observe_with(observer)
        f = Objective(problem, BUDGETS[d] * d)
        key = (problem.id_function, problem.id_instance, d)
        x0 = np.random.default_rng(key).uniform(-4.0, 4.0, d)
        start = time.perf_counter()
        with contextlib.suppress(SpentError):
            CONTENDERS[name](f, x0, 1 + 1000 * problem.id_function + problem.id_instance)
        seconds += time.perf_counter() - start
        share = float((f.best - optimum <= TARGETS * (1 + 1e-9)).mean())
        shares.setdefault(problem.id_function, []).append(share)
        problem.free()
    return name, d, {key: float(np.mean(values)) for key, values in shares.items()}, seconds


def main():
    """Measure, print a table per dimension, write JSON."""
    options = arguments(
        __doc__.splitlines()[0],
        instances=("1-3", "instances of every function"),
        processes=(1, "processes, at most 2"),
        observe=("", "folder name for COCO's own logger"),
    )
    tasks = [
        (name, d, options.instances, options.observe if name == "chimera auto" else "")
        for d in BUDGETS
        for name in CONTENDERS
    ]
    with ProcessPoolExecutor(min(options.processes, 2)) as pool:
        results = list(pool.map(measure, tasks))
    for d, factor in BUDGETS.items():
        rows = {name: (shares, s) for name, at, shares, s in results if at == d}
        base = np.mean(list(rows["pycma"][0].values()))
        print(f"\nd={d}, {factor} evaluations a gene: share of 51 targets, all 24 functions")
        print(f"{'':20}{'share':>7}{'- pycma':>9}{'seconds':>9}   by function 1..24, percent")
        for name, (shares, seconds) in rows.items():
            share = np.mean(list(shares.values()))
            each = " ".join(f"{round(100 * value):3}" for value in shares.values())
            print(f"{name:20}{share:7.3f}{share - base:+9.3f}{seconds:9.1f}   {each}")
    figures = [
        {"name": name, "d": d, "share": float(np.mean(list(s.values()))), "by_function": s}
        for name, d, s, _ in results
    ]
    found = versions("cma", "cmaes", "coco-experiment")
    write(options.json, {"results": figures, "versions": found})


if __name__ == "__main__":
    main()
