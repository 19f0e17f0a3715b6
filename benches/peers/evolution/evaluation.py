"""What a pool of processes costs per row, beside concurrent.futures and multiprocessing.Pool.

The objective is nearly free (the sum of 100 floats), so the figures are the overhead: shipping
rows, calling, collecting. Two workers, 10 000 x 100 float64; the rivals at their best chunk of
those tried.

    python benches/peers/evolution/evaluation.py --rounds 7
"""

import timing  # isort: skip -- before NumPy

import concurrent.futures
import multiprocessing

import numpy as np

from chimera.evolution import ProcessPool

CHUNKS = (64, 512, 2500)


def objective(x):
    return float(x[:8].sum())


def main():
    options = timing.arguments(__doc__.splitlines()[0], rows=(10_000, "rows"), genes=(100, "genes"))
    batch = np.random.default_rng(1).random((options.rows, options.genes))
    expected = [objective(x) for x in batch]
    context = multiprocessing.get_context("fork")
    with (
        ProcessPool(objective, workers=2) as ours,
        context.Pool(2) as pool,
        concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor,
    ):
        contenders = {"chimera": lambda: ours.evaluate(batch).objectives[:, 0]}
        contenders["plain loop"] = lambda: [objective(x) for x in batch]
        for chunk in CHUNKS:
            contenders[f"mp.Pool chunk {chunk}"] = lambda c=chunk: pool.map(objective, batch, c)
            contenders[f"futures chunk {chunk}"] = lambda c=chunk: list(
                executor.map(objective, batch, chunksize=c)
            )
        for name, call in contenders.items():
            if list(call()) != expected:
                raise SystemExit(f"{name} gives other scores")
        timings = timing.interleave(
            {name: (lambda call=call: call() is None) for name, call in contenders.items()},
            options.rounds,
        )
    per_row = {name: tuple(s / options.rows for s in pair) for name, pair in timings.items()}
    timing.table(f"{options.rows} x {options.genes}, 2 workers, per row", per_row, unit="us")
    timing.write(options.json, {"per_row_s": per_row, "versions": timing.versions()})


if __name__ == "__main__":
    main()
