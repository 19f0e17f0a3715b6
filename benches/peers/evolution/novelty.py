"""Exact nearest neighbours beside faiss: the same neighbours, seconds a search.

10 000 queries among 100 000 points, k=15, normal float32 in 16 and 128 dimensions, one thread. The
flat index of faiss ranks by 32-bit products, so a few ranks of nearly equal distances differ; ours
are checked against 64-bit distances.
"""

import timing  # isort: skip -- before NumPy
import faiss
import numpy as np

from chimera.evolution import nearest_neighbours

K = 15


def check(queries, points):
    """Compare the first queries with a plain scan in 64 bits, and all with faiss."""
    found = nearest_neighbours(queries, points, K)
    for row in range(20):
        squared = ((points.astype("f8") - queries[row].astype("f8")) ** 2).sum(axis=1)
        assert np.array_equal(np.argsort(squared, kind="stable")[:K], found.rows[row])
    index = faiss.IndexFlatL2(points.shape[1])
    index.add(points)
    _, rows = index.search(queries, K)
    same = [len(set(a) & set(b)) for a, b in zip(rows.tolist(), found.rows.tolist(), strict=True)]
    print(f"{np.mean(same) / K:.6%} of the neighbours are those of faiss")
    assert np.mean(same) / K > 0.9999
    return index


def main():
    options = timing.arguments(
        __doc__, queries=(10_000, "number of queries"), points=(100_000, "number of points")
    )
    faiss.omp_set_num_threads(1)
    figures = {"versions": timing.versions("faiss-cpu")}
    for n_dimensions in (2, 16, 128):
        rng = np.random.default_rng(n_dimensions)
        queries = rng.normal(size=(options.queries, n_dimensions)).astype("float32")
        points = rng.normal(size=(options.points, n_dimensions)).astype("float32")
        index = check(queries, points)
        timings = timing.interleave(
            {
                "chimera": lambda q=queries, p=points: nearest_neighbours(q, p, K),
                "faiss flat": lambda q=queries, i=index: i.search(q, K),
            },
            options.rounds,
        )
        timing.table(f"{n_dimensions} dimensions", timings, unit="ms")
        figures[str(n_dimensions)] = timings
    timing.write(options.json, figures)


if __name__ == "__main__":
    main()
