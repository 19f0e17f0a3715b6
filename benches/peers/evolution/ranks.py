"""Non-dominated ranks beside moocore (C) and pygmo (C++): identical results, then time.

Uniform points, one thread. Equality with `moocore.pareto_rank` is checked on every set, and on sets
with ties, before anything is timed.
"""

import numpy as np
import timing

options = timing.arguments(__doc__, pygmo=(0, "1 also times pygmo, which is quadratic"))

import moocore  # noqa: E402

from chimera.evolution import pareto_ranks  # noqa: E402

SIZES = [(10_000, 2), (10_000, 3), (50_000, 3), (10_000, 4), (10_000, 6)]


def check(points, name):
    ours, theirs = pareto_ranks(points), np.asarray(moocore.pareto_rank(points))
    assert np.array_equal(ours, theirs - theirs.min()), name


def main():
    rng = np.random.default_rng(1)
    for m in (2, 3, 4, 5):
        for n_values in (2, 5, 50):
            ties = rng.integers(0, n_values, (2000, m)).astype(float)
            check(ties, f"ties {m}")
            check(np.repeat(ties[:500], 4, axis=0), f"copies {m}")
    figures = {"versions": timing.versions("moocore", "pygmo")}
    for n, m in SIZES:
        points = rng.random((n, m))
        check(points, f"{n} x {m}")
        contenders = {
            "chimera": lambda points=points: pareto_ranks(points),
            "moocore": lambda points=points: moocore.pareto_rank(points),
        }
        if options.pygmo and n <= 10_000:
            import pygmo

            contenders["pygmo"] = lambda points=points: pygmo.fast_non_dominated_sorting(points)
        found = timing.interleave(contenders, options.rounds)
        timing.table(f"ranks of {n} x {m}", found)
        figures[f"{n}x{m}"] = found
    timing.write(options.json, figures)


main()
