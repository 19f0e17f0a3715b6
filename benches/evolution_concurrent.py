"""Ten searches at once in one process: what each costs beside one alone.

Every run is a thread with its own search of one thread; native calls release the interpreter lock.
With c cores, n runs should take n / c times as long as one, and no longer. On a busy machine only
the processor time tells: it grows when runs wait for each other actively.

    python benches/evolution_concurrent.py --runs 10
"""

import argparse
import json
import os
import threading
import time

from chimera.evolution import Algorithm


def search(seed, generations, genes, rows):
    """Run one search on nothing but the search itself: scores are the first gene."""
    run = Algorithm._start(  # noqa: SLF001 -- by name, so that any registered method can be timed
        "de", [(-5.0, 5.0)] * genes, {"population_size": rows}, seed=seed, threads=1
    )
    for _ in range(generations):
        batch = run.ask()
        run.tell(batch, batch[:, 0].copy())
    return run.best_score


def together(n, *args):
    """Seconds until n searches at once are done, processor seconds, and their results."""
    found = {}

    def work(seed):
        found[seed] = search(seed, *args)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(n)]
    start, work_start = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    return seconds, time.process_time() - work_start, [found[seed] for seed in range(n)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--generations", type=int, default=200)
    parser.add_argument("--genes", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    shape = (options.generations, options.genes, options.rows)
    cores = len(os.sched_getaffinity(0))
    together(1, *shape)
    singles = [together(1, *shape) for _ in range(options.rounds)]
    rounds = [together(options.runs, *shape) for _ in range(options.rounds)]
    alone, at_once = (min(one[0] for one in turns) for turns in (singles, rounds))
    work, work_at_once = (min(one[1] for one in turns) for turns in (singles, rounds))
    if rounds[0][2] != [search(seed, *shape) for seed in range(options.runs)]:
        raise SystemExit("a search beside others gives another result than alone")
    fair = alone * options.runs / min(cores, options.runs)
    row = {
        "cores": cores,
        "alone_s": alone,
        "at_once_s": at_once,
        "over_fair": at_once / fair,
        "processor_over_alone": work_at_once / (work * options.runs),
    }
    if options.json:
        print(json.dumps(row))
        return
    print(f"{options.runs} searches of {options.rows} x {options.genes}, {cores} cores")
    print(
        f"one alone {alone:.3f} s, all at once {at_once:.3f} s, {at_once / fair:.2f} x fair share"
    )

    print(f"processor time of a run beside others: {row['processor_over_alone']:.2f} x alone")


if __name__ == "__main__":
    main()
