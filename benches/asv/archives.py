"""Costs of quality diversity over the history of the project: one thread, float32."""

import numpy as np

from chimera.evolution import CVTArchive, Grid, GridArchive, MapElites, nearest_neighbours, real

RANGES = [(-1.0, 1.0)] * 2


class Archives:
    """Insertion of 10 000 x 100 into 10 000 cells, into an archive filled before."""

    params = ("grid", "cvt")
    param_names = ("cells",)

    def setup(self, cells):
        rng = np.random.default_rng(1)
        if cells == "grid":
            self.archive = GridArchive(100, shape=(100, 100), ranges=RANGES, dtype="float32")
        else:
            self.archive = CVTArchive(100, n_cells=10_000, ranges=RANGES, dtype="float32")
        self.batches = [
            (
                rng.normal(size=(10_000, 100)).astype("float32"),
                rng.normal(size=10_000).astype("float32"),
                rng.uniform(-1, 1, size=(10_000, 2)).astype("float32"),
            )
            for _ in range(3)
        ]
        for batch in self.batches[:2]:
            self.archive.add(*batch)

    def time_insert(self, _cells):
        self.archive.add(*self.batches[2])


class Illumination:
    """One generation of MAP-Elites, 1 024 x 100."""

    def setup(self):
        cells = Grid((100, 100), [(-50.0, 50.0)] * 2)
        space = real(-1.0, 1.0, 100, dtype="float32")
        self.search = MapElites(space, cells=cells, batch_size=1024)

    def time_generation(self):
        batch = self.search.ask()
        self.search.tell(batch, batch[:, 0].astype("float64"), descriptors=batch[:, :2])


class Neighbours:
    """1 000 queries among 20 000 points, k=15."""

    params = (2, 16, 128)
    param_names = ("n_dimensions",)

    def setup(self, n_dimensions):
        rng = np.random.default_rng(1)
        self.queries = rng.normal(size=(1_000, n_dimensions)).astype("float32")
        self.points = rng.normal(size=(20_000, n_dimensions)).astype("float32")

    def time_search(self, _n_dimensions):
        nearest_neighbours(self.queries, self.points, 15)
