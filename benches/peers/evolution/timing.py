"""Shared by the comparisons: one thread, contenders in turns, medians and ratios.

Import it before NumPy: it limits the threads of linear algebra. Contenders take turns round by
round, so that a drift of the machine touches all alike.
"""

import argparse
import json
import os
import platform
import statistics
import time
from importlib import metadata
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


def arguments(description, **options):
    """Return parsed arguments: --rounds, --json and what `options` adds (name=(default, help))."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender")
    parser.add_argument("--json", help="also write the figures to this file")
    for name, (default, text) in options.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=text)
    return parser.parse_args()


def interleave(contenders, rounds):
    """Return {name: (least, median)} seconds per call; calls may return their own seconds."""
    seconds = {name: [] for name in contenders}
    for call in contenders.values():
        call()  # warm-up: compile, fill caches
    for _ in range(rounds):
        for name, call in contenders.items():
            start = time.perf_counter()
            own = call()
            elapsed = time.perf_counter() - start
            seconds[name].append(own if isinstance(own, float) else elapsed)
    return {name: (min(values), statistics.median(values)) for name, values in seconds.items()}


def versions(*packages):
    """Return the versions of what is compared, and of the machine."""
    found = {"python": platform.python_version(), "cpu": _processor()}
    for package in ("chimera-engine", "numpy", *packages):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _processor():
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def table(title, timings, *, unit="ms", ours="chimera"):
    """Print one comparison: least and median, and how many times slower than ours (by medians)."""
    scale = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[unit]
    print(f"\n{title}\n{'':24}{'min':>10}{'median':>10} {unit}   x ours")
    base = timings[ours][1]
    for name, (least, median) in sorted(timings.items(), key=lambda item: item[1][1]):
        print(f"{name:24}{least * scale:10.3f}{median * scale:10.3f}{'':5}{median / base:8.2f}")


def write(path, figures):
    """Write the figures as JSON when a path was given."""
    if path:
        with Path(path).open("w", encoding="utf-8") as out:
            json.dump(figures, out, indent=2, sort_keys=True)
            out.write("\n")
