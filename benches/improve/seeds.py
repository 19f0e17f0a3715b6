"""Improve an example with several seeds and print the unseen scores, their mean and spread.

Each run is the command line, as a user would run it, in a project folder of its own.

    python benches/improve/seeds.py examples/bin_packing.py --budget 60s --seeds 1 2 3 4 5
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def improved(task, seed, budget):
    """Run the command line once and return its JSON object."""
    with tempfile.TemporaryDirectory() as project:
        command = [sys.executable, "-m", "chimera.cli", "improve", task, "--json", "--quiet"]
        command += ["--budget", budget, "--seed", str(seed), "--project", project]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(run.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", type=Path)
    parser.add_argument("--budget", default="60s")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    options = parser.parse_args()
    found = []
    print("seed  original   evolved  95 % interval of the gain      evaluations  seconds")
    for seed in options.seeds:
        result = improved(str(options.task), seed, options.budget)
        holdout = result["holdout"]
        found.append(holdout["best"])
        low, high = holdout["ci95"]
        print(
            f"{seed:4}  {holdout['baseline']:8.5g}  {holdout['best']:8.5g}  "
            f"{low:12.5g} to {high:<12.5g}  {result['evaluations']:11,}  {result['seconds']:7.1f}",
            flush=True,
        )
    spread = statistics.stdev(found) if len(found) > 1 else 0.0
    print(f"mean {statistics.fmean(found):.5g}, standard deviation {spread:.2g}")


if __name__ == "__main__":
    main()
