"""Same seed, same bits: every registered search on 1, 2 and 4 threads, and saved and loaded.

Prints one line a method: the hash of ten generations, and whether all five ways gave it. Rivals are
not run: none states all three promises.

    python benches/peers/evolution/determinism.py
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from chimera.errors import ChimeraError
from chimera.evolution import Algorithm, Islands, RandomSearch

GENERATIONS = 10
METHODS = {
    "random_search": {"batch_size": 64},
    "ga": {"population_size": 64},
    "de": {"population_size": 64},
    "jade": {"population_size": 64},
    "lshade": {},
    "pso": {},
    "cmaes": {},
    "auto": {},
    "nsga2": {"n_objectives": 2, "population_size": 64},
    "nsga3": {"n_objectives": 3},
    "sms_emoa": {"n_objectives": 2, "population_size": 32},
    "moead": {"n_objectives": 2},
}
BOUNDS = [(-5.0, 5.0)] * 40


def start(name, threads):
    if name == "islands":
        return Islands(
            lambda idx: RandomSearch(BOUNDS, batch_size=32, seed=idx),
            n_islands=4,
            migration_every=2,
            threads=threads,
        )
    return Algorithm._start(name, BOUNDS, METHODS[name], seed=7, threads=threads)  # noqa: SLF001


def score(search, batch):
    """Squared distances to as many points as there are objectives; the first genes describe."""
    points = range(search.n_objectives)
    named = {}
    if search.n_descriptors:
        named["descriptors"] = np.ascontiguousarray(batch[:, : search.n_descriptors])
    scores = np.stack([((batch - point) ** 2).sum(axis=1) for point in points], axis=1)
    return (scores[:, 0] if len(points) == 1 else scores), named


def run(name, threads, *, reload):
    search = start(name, threads)
    digest = hashlib.sha256()
    for _ in range(GENERATIONS):
        if reload:
            search = Algorithm.load(search.save(), threads=threads)
        batch = search.ask()
        if reload and not search.is_steady:  # steady ones give new rows
            search = Algorithm.load(search.save(), threads=threads)
            assert np.array_equal(search.ask(), batch)
        digest.update(batch.tobytes())
        scores, named = score(search, batch)
        search.tell(batch, scores, **named)
    digest.update(search.save())
    return digest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    rows = {}
    for name in [*METHODS, "islands"]:
        try:
            start(name, 1)
        except ChimeraError as error:
            print(f"{name:16} not run: {str(error)[:70]}")
            continue
        found = [run(name, threads, reload=False) for threads in (1, 2, 4)]
        found += [run(name, threads, reload=True) for threads in (1, 2)]
        rows[name] = {"hash": found[0], "is_equal": len(set(found)) == 1}
        print(f"{name:16} {found[0][:16]}  {'equal' if rows[name]['is_equal'] else 'DIFFERENT'}")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    sys.exit(not all(row["is_equal"] for row in rows.values()))


if __name__ == "__main__":
    main()
