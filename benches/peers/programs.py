"""The bin-packing objective in the sandbox, in CPython and in Numba, in one run on one machine.

One thread; 5 000 items (``int``, Weibull shape 3, scale 45, clipped to 1..100), capacity 100; all
compiled and warmed up before timing. Prints the median, the quartiles and the ratios. The same
source runs in all three; Numba gets the items as an array, since a reflected list would be copied
per call.

    python benches/peers/programs.py --rounds 15
"""

import argparse
import platform
import random
import statistics
import time

import numba
import numpy as np

import chimera
from chimera._chimera import execution, programs

CAPACITY = 100
SOURCE = """
def priority(item: int, gap: int, capacity: int) -> float:
    return -float(gap)


def bins(items: list[int], capacity: int) -> int:
    free = [0] * 0
    for item in items:
        chosen = -1
        best = 0.0
        for index in range(len(free)):
            if free[index] >= item:
                score = priority(item, free[index] - item, capacity)
                if chosen < 0 or score > best:
                    chosen = index
                    best = score
        if chosen < 0:
            free.append(capacity - item)
        else:
            free[chosen] -= item
    return len(free)
"""


def weibull_items(n, seed):
    rng = random.Random(seed)  # noqa: S311 -- instances, not secrets
    return [min(100, max(1, round(rng.weibullvariate(45, 3)))) for _ in range(n)]


def measure(function, rounds):
    """Return the quartiles of the duration in seconds, after one warm-up call."""
    function()
    durations = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        durations.append(time.perf_counter() - start)
    return statistics.quantiles(durations, n=4)


def contenders(items):
    """Map each name to a call that returns the number of bins."""
    namespace = {}
    exec(SOURCE, namespace)  # noqa: S102 -- our own text above
    compiled = {}
    exec(SOURCE, compiled)  # noqa: S102
    compiled["priority"] = numba.njit(compiled["priority"])
    njit_bins = numba.njit(compiled["bins"])
    array = np.array(items, dtype=np.int64)
    engine = execution.Engine(threads=1)
    program = programs.Program.parse(SOURCE, roots=["bins"], evolvable=["priority"])
    return {
        "chimera": lambda: engine.call(program, "bins", (items, CAPACITY)).value,
        "cpython": lambda: namespace["bins"](items, CAPACITY),
        "numba": lambda: njit_bins(array, CAPACITY),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    calls = contenders(weibull_items(options.items, seed=1))
    results = {name: call() for name, call in calls.items()}
    if len(set(results.values())) != 1:
        raise SystemExit(f"different answers: {results}")
    versions = f"Python {platform.python_version()}, numba {numba.__version__}"
    print(f"{versions}, chimera from {chimera.__file__}")
    medians = {}
    for name, call in calls.items():
        low, medians[name], high = measure(call, options.rounds)
        print(f"{name:8} {medians[name] * 1e3:9.3f} ms  [{low * 1e3:.3f}, {high * 1e3:.3f}]")
    print(f"chimera is {medians['cpython'] / medians['chimera']:.1f}x CPython")
    print(f"chimera is {medians['numba'] / medians['chimera']:.2f}x Numba")


if __name__ == "__main__":
    main()
