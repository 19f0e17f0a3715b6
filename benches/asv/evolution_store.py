"""The store of populations: one recorded generation, one snapshot, one sort."""

import tempfile
from pathlib import Path

import numpy as np

from chimera.evolution import GenomeDatabase, Population, RandomSearch


class Store:
    """100 000 individuals of 10 genes; generations of 2 000."""

    def setup(self):
        rng = np.random.default_rng(1)
        self.folder = tempfile.TemporaryDirectory()
        self.population = Population(rng.random((100_000, 10)), objectives=rng.random(100_000))
        self.database = GenomeDatabase(Path(self.folder.name) / "runs.db")
        self.search = self.database.record(RandomSearch([(0.0, 1.0)] * 10, batch_size=2_000))

    def teardown(self):
        self.database.close()
        self.folder.cleanup()

    def time_record(self):
        batch = self.search.ask()
        self.search.tell(batch, batch[:, 0])

    def time_snapshot(self):
        self.population.snapshot(Path(self.folder.name) / "population")

    def time_sort(self):
        self.population.sort()
