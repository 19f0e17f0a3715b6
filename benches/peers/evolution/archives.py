"""Archive insertion beside pyribs: the same batches, the same elites, inserts a second.

Batches of 10 000 x 100 float32 go into archives of 10 000 and 250 000 grid cells and of 10 000
cells around centroids. Statuses, values and elites are compared first; then each contender fills
fresh archives. Where they may differ: pyribs computes values and thresholds of float32 archives in
float32, and clips a sliding archive to its old boundaries while it moves them.
"""

import time

import timing  # isort: skip -- before NumPy
import numpy as np
from ribs import archives as ribs

from chimera.evolution import CVTArchive, GridArchive, SlidingBoundariesArchive

RANGES = [(-1.0, 1.0)] * 2
N_GENES = 100


def batches(n, rows, dtype="float32", seed=0):
    rng = np.random.default_rng(seed)
    return [
        (
            rng.normal(size=(rows, N_GENES)).astype(dtype),
            rng.normal(size=rows).round(1 if idx % 2 else 9).astype(dtype),
            (rng.uniform(-1, 1, size=(rows, 2)) * (1.1 if idx % 3 == 0 else 1.0)).astype(dtype),
        )
        for idx in range(n)
    ]


def assert_equal(ours, theirs, rows):
    """Insert the same batches into both and compare all that comes back and all that is held."""
    for batch in rows:
        added, info = ours.add(*batch), theirs.add(*batch)
        assert np.array_equal(added.status, info["status"])
        assert np.allclose(added.values, info["value"], rtol=1e-6, atol=1e-6)
    data = theirs.data()
    order, own = np.argsort(data["index"]), np.argsort(ours.cells)
    assert np.array_equal(data["index"][order], ours.cells[own])
    assert np.array_equal(data["solution"][order], ours.solutions[own])
    assert np.array_equal(data["objective"][order], ours.objectives[own])
    assert np.array_equal(data["measures"][order], ours.descriptors[own])
    if "threshold" in data:
        assert np.allclose(data["threshold"][order], ours.thresholds[own], rtol=1e-5, atol=1e-5)
    stats = ours.stats()
    assert np.isclose(float(theirs.stats.qd_score), stats.qd_score, rtol=1e-4)
    assert np.isclose(float(theirs.stats.coverage), stats.coverage)
    assert theirs.stats.obj_max == stats.best


def check():
    """Compare every kind of archive in both precisions."""
    for dtype in ("float32", "float64"):
        rows = batches(20, 2000, dtype)
        ours = {"dtype": dtype, "ranges": RANGES, "outside": "clip"}
        theirs = {"solution_dim": N_GENES, "dtype": dtype, "ranges": RANGES}
        anneal = {"learning_rate": 0.1, "threshold_min": -3.0}
        for options in ({}, anneal):
            assert_equal(
                GridArchive(N_GENES, shape=(30, 30), **ours, **options),
                ribs.GridArchive(dims=[30, 30], **theirs, **options),
                rows,
            )
        around = CVTArchive(N_GENES, n_cells=1000, n_samples=20_000, **ours)
        assert_equal(around, ribs.CVTArchive(centroids=around.centroids, **theirs), rows)
        assert_equal(
            SlidingBoundariesArchive(N_GENES, shape=(10, 12), **ours),
            ribs.SlidingBoundariesArchive(dims=[10, 12], **theirs),
            [tuple(part[:300] for part in batch) for batch in rows[1::2]],
        )
    print("same statuses, values, elites and thresholds as pyribs")


def filling(make, rows):
    """Return a contender that fills a fresh archive and says how long insertion took a row."""

    def call():
        archive, seconds = make(), 0.0
        for batch in rows:
            start = time.perf_counter()
            archive.add(*batch)
            seconds += time.perf_counter() - start
        return seconds / sum(len(batch[1]) for batch in rows)

    return call


def main():
    options = timing.arguments(__doc__, batches=(20, "batches of 10 000 rows a fill"))
    check()
    rng = np.random.default_rng(1)
    rows = [
        (
            rng.normal(size=(10_000, N_GENES)).astype("float32"),
            rng.normal(size=10_000).astype("float32"),
            rng.uniform(-1, 1, size=(10_000, 2)).astype("float32"),
        )
        for _ in range(options.batches)
    ]
    ours = {"dtype": "float32", "ranges": RANGES}
    theirs = {"solution_dim": N_GENES, "dtype": "float32", "ranges": RANGES}
    centroids = CVTArchive(1, n_cells=10_000, ranges=RANGES, seed=1).centroids
    made = {"n_cells": None, "centroids": centroids, **ours}
    contests = {
        "grid, 10 000 cells": (
            lambda: GridArchive(N_GENES, shape=(100, 100), **ours),
            lambda: ribs.GridArchive(dims=[100, 100], **theirs),
        ),
        "grid, 250 000 cells": (
            lambda: GridArchive(N_GENES, shape=(500, 500), **ours),
            lambda: ribs.GridArchive(dims=[500, 500], **theirs),
        ),
        "CVT, 10 000 cells": (
            lambda: CVTArchive(N_GENES, **made),
            lambda: ribs.CVTArchive(centroids=centroids, **theirs),
        ),
    }
    figures = {"versions": timing.versions("ribs")}
    for name, (own, other) in contests.items():
        contenders = {"chimera": filling(own, rows), "pyribs": filling(other, rows)}
        timings = timing.interleave(contenders, options.rounds)
        timing.table(f"{name}: one insertion of {N_GENES} float32", timings, unit="ns")
        least = {who: 1e-6 / seconds[0] for who, seconds in timings.items()}
        print("  ".join(f"{who} {rate:.2f} M/s" for who, rate in least.items()))
        figures[name] = timings
    timing.write(options.json, figures)


if __name__ == "__main__":
    main()
