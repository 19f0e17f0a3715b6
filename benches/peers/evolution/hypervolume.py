"""Exact hypervolume, contributions and distances beside moocore (C) and pygmo (C++).

Fronts are random points on a sphere, one thread. Values are compared before they are timed.
"""

import numpy as np
import timing

options = timing.arguments(__doc__)

import moocore  # noqa: E402
import pygmo  # noqa: E402

from chimera.evolution import (  # noqa: E402
    epsilon_indicator,
    hypervolume,
    hypervolume_contributions,
    igd,
    igd_plus,
)

SIZES = [(10_000, 2), (5_000, 3), (500, 4), (100, 5), (50, 6)]


def sphere(n, m, rng):
    points = np.abs(rng.normal(size=(n, m)))
    return 1.0 - points / np.linalg.norm(points, axis=1, keepdims=True)


def same(a, b):
    assert np.allclose(a, b, rtol=1e-9, atol=1e-12), (a, b)


def check(rng):
    """Random fronts, copies, ties, rows beyond the reference."""
    for m in (2, 3, 4, 5):
        for points in (
            sphere(60, m, rng),
            rng.random((60, m)) * 1.3,
            np.repeat(sphere(20, m, rng), 3, axis=0),
            rng.integers(0, 4, (60, m)) / 3.0,
        ):
            reference = np.ones(m)
            same(
                hypervolume(points, reference=reference), moocore.hypervolume(points, ref=reference)
            )
            same(
                hypervolume_contributions(points, reference=reference),
                moocore.hv_contributions(points, ref=reference),
            )
            target = sphere(50, m, rng)
            same(igd(points, reference=target), moocore.igd(points, ref=target))
            same(igd_plus(points, reference=target), moocore.igd_plus(points, ref=target))
            same(
                epsilon_indicator(points, reference=target),
                moocore.epsilon_additive(points, ref=target),
            )
            same(
                epsilon_indicator(points + 1.0, reference=target + 1.0, kind="multiplicative"),
                moocore.epsilon_mult(points + 1.0, ref=target + 1.0),
            )


def main():
    rng = np.random.default_rng(1)
    check(rng)
    figures = {"versions": timing.versions("moocore", "pygmo")}
    for n, m in SIZES:
        points, reference = sphere(n, m, rng), np.full(m, 1.1)
        ours = hypervolume(points, reference=reference)
        same(ours, moocore.hypervolume(points, ref=reference))
        found = timing.interleave(
            {
                "chimera": lambda p=points, r=reference: [hypervolume(p, reference=r)],
                "moocore": lambda p=points, r=reference: [moocore.hypervolume(p, ref=r)],
                "pygmo": lambda p=points, r=reference: [pygmo.hypervolume(p).compute(r)],
            },
            options.rounds,
        )
        timing.table(f"hypervolume of {n} x {m}", found)
        figures[f"{n}x{m}"] = found
    for n, m in [(1_000, 2), (200, 3), (100, 4)]:
        points, reference = sphere(n, m, rng), np.full(m, 1.1)
        found = timing.interleave(
            {
                "chimera": lambda p=points, r=reference: hypervolume_contributions(p, reference=r),
                "moocore": lambda p=points, r=reference: moocore.hv_contributions(p, ref=r),
            },
            options.rounds,
        )
        timing.table(f"contributions of {n} x {m}", found)
        figures[f"contributions {n}x{m}"] = found
    timing.write(options.json, figures)


main()
