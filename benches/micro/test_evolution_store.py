"""The store of populations: recording generations, snapshots, selecting rows.

One thread. Recording: generations of 2 000 individuals, 10 float64 genes, two parents each, into
SQLite (WAL, synchronous=NORMAL) on the temporary folder's disk; the search costs next to nothing.
Snapshots: 100 000 individuals of 100 genes, 80 MB, with fsync and sha256.
"""

import itertools

import numpy as np
import pytest

from chimera.evolution import GenomeDatabase, Population

N, D = 2_000, 10


class Replay:
    """A search that hands out prepared generations."""

    method, seed, maximized, operators = "replay", 0, (), ("vary",)
    is_steady, stop_reason, figures = False, None, {}

    def __init__(self):
        rng = np.random.default_rng(1)
        self.blocks = [("x", "f64", [0.0] * D, [1.0] * D)]
        self.batch = rng.random((N, D))
        self.scores = self.batch.sum(axis=1)
        self.parents = rng.integers(0, N, (N, 2)).astype(np.uint64)
        self.generation = self.n_evaluations = 0

    @property
    def told(self):
        """Identities, parents and operators of the rows told last."""
        first = (self.generation - 1) * N
        ids = np.arange(first, first + N, dtype=np.uint64)
        if not first:
            return ids, np.empty((N, 0), np.uint64), np.zeros(N, np.uint8)
        return ids, self.parents + np.uint64(first - N), np.zeros(N, np.uint8)

    def ask(self):
        return self.batch

    def tell(self, batch, scores, **_):  # noqa: ARG002
        self.generation += 1
        self.n_evaluations += len(batch)


def test_record_a_generation(benchmark, tmp_path):
    with GenomeDatabase(tmp_path / "runs.db") as database:
        search = Replay()
        recorder = database.record(search)
        benchmark(lambda: recorder.tell(search.batch, search.scores))
        assert database.run(recorder.run).n_evaluations == search.n_evaluations
    benchmark.extra_info["individuals/s"] = round(N / benchmark.stats["mean"])


@pytest.fixture(scope="module")
def population():
    rng = np.random.default_rng(1)
    return Population(rng.random((100_000, 100)), objectives=rng.random((100_000, 2)))


def test_snapshot(benchmark, population, tmp_path):
    numbers = itertools.count()
    benchmark.pedantic(
        lambda: population.snapshot(tmp_path / f"p{next(numbers) % 2}"), rounds=5, warmup_rounds=1
    )
    benchmark.extra_info["MB/s"] = round(population.nbytes / benchmark.stats["mean"] / 1e6)


def test_restore(benchmark, population, tmp_path):
    population.snapshot(tmp_path / "p")
    restored = benchmark.pedantic(
        lambda: Population.restore(tmp_path / "p"), rounds=5, warmup_rounds=1
    )
    assert restored.equals(population)
    benchmark.extra_info["MB/s"] = round(population.nbytes / benchmark.stats["mean"] / 1e6)


def test_select_rows(benchmark, population):
    rows = np.random.default_rng(1).permutation(len(population))
    benchmark(lambda: population[rows])
