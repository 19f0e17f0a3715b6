"""Archives, MAP-Elites and neighbours: unit costs of quality diversity.

One thread, float32 batches of 10 000 x 100 for insertion (10 000 cells, archive filled before),
1 024 x 100 for a generation of MAP-Elites, 1 000 queries among 20 000 points for neighbours.
"""

import numpy as np
import pytest

from chimera.evolution import CVTArchive, Grid, GridArchive, MapElites, nearest_neighbours, real

RANGES = [(-1.0, 1.0)] * 2


def _batch(seed):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(10_000, 100)).astype("float32"),
        rng.normal(size=10_000).astype("float32"),
        rng.uniform(-1, 1, size=(10_000, 2)).astype("float32"),
    )


@pytest.mark.parametrize("kind", ["grid", "cvt"])
def test_insert(benchmark, kind):
    if kind == "grid":
        archive = GridArchive(100, shape=(100, 100), ranges=RANGES, dtype="float32")
    else:
        archive = CVTArchive(100, n_cells=10_000, ranges=RANGES, dtype="float32")
    for seed in range(5):
        archive.add(*_batch(seed))
    batch = _batch(9)
    benchmark(archive.add, *batch)
    assert len(archive) > 9000


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_map_elites_generation(benchmark, dtype):
    cells = Grid((100, 100), [(-50.0, 50.0)] * 2)
    search = MapElites(real(-1.0, 1.0, 100, dtype=dtype), cells=cells, batch_size=1024)

    def generation():
        batch = search.ask()
        search.tell(batch, batch[:, 0].astype("float64"), descriptors=batch[:, :2])

    benchmark(generation)
    assert search.n_evaluations > 0


@pytest.mark.parametrize("n_dimensions", [2, 16, 128])
def test_neighbours(benchmark, n_dimensions):
    rng = np.random.default_rng(1)
    queries = rng.normal(size=(1_000, n_dimensions)).astype("float32")
    points = rng.normal(size=(20_000, n_dimensions)).astype("float32")
    found = benchmark(nearest_neighbours, queries, points, 15)
    assert found.rows.shape == (1_000, 15)
