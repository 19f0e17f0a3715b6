"""``python -m tests.property.fuzz``: many differential calls, on several processes.

Prints a progress line and a JSON summary; writes the minimised reproducer of every difference into
the folder given with ``--out``. The exit code is 1 when there was a difference.
"""

import argparse
import multiprocessing
import os
import sys
import time
from itertools import count
from pathlib import Path
from queue import Empty
from typing import Any

from chimera._chimera.execution import Engine

from .differential import CALLS_PER_FUNCTION, Tally, run_case, seeds, to_json
from .minimise import minimised

REPORT_SECONDS = 5.0
DIFFERENCES_MAX = 20


def work(
    seed: int,
    job: int,
    jobs: int,
    calls_per_function: int,
    stop: object,
    results: "multiprocessing.Queue[Any]",
) -> None:
    """Run every ``jobs``-th case until told to stop; send tallies and differences."""
    engine = Engine(threads=1)
    tally, sent = Tally(), time.monotonic()
    for at, case in zip(count(), seeds(seed)):
        if at % jobs != job:
            continue
        for difference in run_case(engine, case, tally, calls_per_function=calls_per_function):
            results.put(minimised(engine, difference).report() + "\n" + difference.report())
        if time.monotonic() - sent > 1.0:
            results.put(tally)
            tally, sent = Tally(), time.monotonic()
        if stop.is_set():  # type: ignore[attr-defined]
            break
    results.put(tally)


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--calls-per-function", type=int, default=CALLS_PER_FUNCTION)
    parser.add_argument("--out", type=Path, default=Path("fuzz-differences"))
    options = parser.parse_args()

    context = multiprocessing.get_context("spawn")
    results, stop = context.Queue(), context.Event()
    workers = [
        context.Process(
            target=work,
            args=(options.seed, job, options.jobs, options.calls_per_function, stop, results),
            daemon=True,
        )
        for job in range(options.jobs)
    ]
    for worker in workers:
        worker.start()
    start = shown = time.monotonic()
    total, reports = Tally(), []
    while True:
        try:
            message = results.get(timeout=1.0)
        except Empty:
            if not any(worker.is_alive() for worker in workers):
                break
            continue
        if isinstance(message, Tally):
            total.merge(message)
        else:
            reports.append(message)
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / f"{len(reports):03}.txt").write_text(message, encoding="utf-8")
        now = time.monotonic()
        if now - shown > REPORT_SECONDS:
            shown = now
            rate = total.calls / (now - start)
            print(
                f"{total.calls} calls, {total.programs} programs, "
                f"{len(reports)} differences, {rate:.0f}/s",
                file=sys.stderr,
                flush=True,
            )
        if total.calls >= options.calls or len(reports) >= DIFFERENCES_MAX:
            stop.set()
    failed = [worker.exitcode for worker in workers if worker.exitcode]
    print(
        to_json(
            total,
            seed=options.seed,
            differences=len(reports),
            seconds=round(time.monotonic() - start, 1),
            failed_workers=failed,
        )
    )
    return 1 if reports or failed else 0


if __name__ == "__main__":
    sys.exit(main())
