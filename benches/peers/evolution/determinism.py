"""Same seed, same bits: every registered search on 1, 2 and 4 threads, and saved and loaded.

Batches are large enough to be split. Prints one line a method: the hash of six generations,
and whether all five ways gave it. Rivals are not run: none states all three promises.

    python benches/peers/evolution/determinism.py
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from chimera.evolution import DE, Algorithm, Grid, Islands
from chimera.evolution._algorithm import _HOMES

GENERATIONS = 6
# More than the 2^15 genes of a batch from which work is shared out among threads.
ROWS, GENES = 128, 300
BOUNDS = [(-5.0, 5.0)] * GENES
CELLS = {"layout": Grid((20, 20), [(-5.0, 5.0)] * 2).to_layout(), "outside": "error"}
EMITTERS = CELLS | {"n_emitters": 2, "emitter_size": ROWS // 2, "sigma": 0.05}
VARIATION = {"iso_sigma": 0.05, "line_sigma": 0.2}
METHODS = {
    "random_search": {"batch_size": ROWS},
    "ga": {"population_size": ROWS},
    "de": {"population_size": ROWS},
    "jade": {"population_size": ROWS},
    "lshade": {"population_size": ROWS, "budget": 20 * ROWS},
    "pso": {"population_size": ROWS},
    "cmaes": {"population_size": ROWS},
    "lm_ma_es": {"population_size": ROWS},
    "xnes": {"population_size": ROWS},
    "openai_es": {"population_size": ROWS},
    "auto": {},
    "nsga2": {"n_objectives": 2, "population_size": ROWS},
    "nsga3": {"n_objectives": 2, "n_partitions": ROWS - 1},
    "sms_emoa": {"n_objectives": 2, "population_size": ROWS},
    "moead": {"n_objectives": 2, "n_partitions": ROWS - 1},
    "map_elites": CELLS | VARIATION | {"batch_size": ROWS, "n_initial": ROWS},
    "cma_me": EMITTERS,
    "cma_mae": EMITTERS | {"learning_rate": 0.1, "threshold": 1e6},
    "novelty_search": VARIATION
    | {
        "population_size": ROWS,
        "n_descriptors": 2,
        "k": 15,
        "local_competition": True,
        "policy": "threshold",
        "n_added": 5,
        "archive_size_max": 10_000,
    },
    "islands": {},
}


def start(name, threads):
    if name == "islands":
        return Islands(
            lambda idx: DE(BOUNDS, population_size=ROWS // 4, seed=idx),
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
    if missing := set(_HOMES) ^ set(METHODS):
        sys.exit(f"expected settings for every registered search, got none for {sorted(missing)}")
    rows = {}
    for name in METHODS:
        found = [run(name, threads, reload=False) for threads in (1, 2, 4)]
        found += [run(name, threads, reload=True) for threads in (1, 2)]
        rows[name] = {"hash": found[0], "is_equal": len(set(found)) == 1}
        print(f"{name:16} {found[0][:16]}  {'equal' if rows[name]['is_equal'] else 'DIFFERENT'}")
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    sys.exit(not all(row["is_equal"] for row in rows.values()))


if __name__ == "__main__":
    main()
