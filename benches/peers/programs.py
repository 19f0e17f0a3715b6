"""Compiled programs beside CPython and Numba: the same source, in one run on one machine.

One thread; everything is compiled and warmed up before timing; the three take turns, so that a
drift of the machine touches all alike. Prints medians and ratios, and refuses different answers.

    python benches/peers/programs.py --rounds 15
"""

import argparse
import json
import platform
import statistics
import time

import numba
from kernels import kernels

from chimera._chimera.execution import Engine, Instances
from chimera._chimera.programs import Program


def contenders(kernel, engine):
    """Map each name to a call that returns (answer, seconds)."""
    plain, fast = {}, {}
    exec(kernel.source, plain)  # noqa: S102 -- our own text
    exec(kernel.source, fast)  # noqa: S102
    for name in [name for name, value in fast.items() if callable(value)]:
        fast[name] = numba.njit(fast[name])
    program = Program.parse(kernel.source, roots=[kernel.entry])
    instances = Instances(program, kernel.entry, [kernel.args])
    arrays = kernel.arrays()

    def chimera():
        result = engine.evaluate([program], kernel.entry, instances)
        return float(result.scores[0]), result.ns[0] / 1e9

    def timed(function, args):
        start = time.perf_counter()
        answer = function(*args)
        return float(answer), time.perf_counter() - start

    return {
        "chimera": chimera,
        "cpython": lambda: timed(plain[kernel.entry], kernel.args),
        "numba": lambda: timed(fast[kernel.entry], arrays),
    }


def compare(kernel, engine, rounds):
    """Return the median seconds of each contender."""
    calls = contenders(kernel, engine)
    answers = {name: call()[0] for name, call in calls.items()}
    if len(set(answers.values())) != 1:
        raise SystemExit(f"different answers for {kernel.name}: {answers}")
    seconds = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(call()[1])
    return {name: statistics.median(values) for name, values in seconds.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    engine = Engine(threads=1)
    rows = {kernel.name: compare(kernel, engine, options.rounds) for kernel in kernels()}
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print(f"Python {platform.python_version()}, numba {numba.__version__}; medians, milliseconds")
    print(f"{'kernel':28} {'cpython':>9} {'numba':>9} {'chimera':>9}   x CPython   x Numba")
    for name, row in rows.items():
        print(
            f"{name:28} {row['cpython'] * 1e3:9.3f} {row['numba'] * 1e3:9.3f} "
            f"{row['chimera'] * 1e3:9.3f}   {row['cpython'] / row['chimera']:9.1f}   "
            f"{row['numba'] / row['chimera']:7.2f}"
        )


if __name__ == "__main__":
    main()
