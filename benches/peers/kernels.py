"""What the comparison runs: plain typed Python, its arguments, and arrays for Numba.

The same text runs in all three. Numba gets NumPy arrays in place of argument lists, because it
would copy a reflected list at every call.
"""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@dataclass(frozen=True)
class Kernel:
    name: str
    source: str
    entry: str
    args: tuple[Any, ...]

    def arrays(self):
        return tuple(np.array(arg) if isinstance(arg, list) else arg for arg in self.args)


def example(file):
    """The functions of an example, without decorators and workloads."""
    text = (EXAMPLES / file).read_text(encoding="utf-8")
    lines, is_kept = [], False
    for line in text.splitlines():
        if line.startswith("def "):
            is_kept = line.startswith(("def priority", "def excess"))
        elif line and not line.startswith((" ", ")")):
            is_kept = False
        if is_kept:
            lines.append(line)
    source = "import math\n\n\n" + "\n".join(lines) + "\n"
    return source.replace("chimera.ints", "list[int]").replace(
        "return -gap  # best fit", "return float(-gap)"
    )


NAIVE = """
def priority(item: int, gap: int, capacity: int) -> float:
    return float(-gap)


def bins(items: list[int], capacity: int) -> int:
    gaps = [capacity] * len(items)
    n_bins = 0
    for item in items:
        best = n_bins
        best_score = priority(item, capacity, capacity)
        for idx in range(n_bins):
            gap = gaps[idx]
            if gap >= item:
                score = priority(item, gap, capacity)
                if score > best_score:
                    best_score = score
                    best = idx
        if best == n_bins:
            n_bins += 1
        gaps[best] -= item
    return n_bins
"""
MATMUL = """
def matmul(a: list[list[float]], b: list[list[float]], n: int) -> float:
    trace = 0.0
    for i in range(n):
        for j in range(n):
            total = 0.0
            for k in range(n):
                total += a[i][k] * b[k][j]
            if i == j:
                trace += total
    return trace
"""
SIEVE = """
def sieve(n: int) -> int:
    prime = [True] * (n + 1)
    count = 0
    for i in range(2, n + 1):
        if prime[i]:
            count += 1
            for j in range(i * i, n + 1, i):
                prime[j] = False
    return count
"""
COLLATZ = """
def collatz(n: int) -> int:
    longest = 0
    for start in range(1, n):
        x = start
        steps = 0
        while x != 1:
            if x % 2 == 0:
                x = x // 2
            else:
                x = 3 * x + 1
            steps += 1
        longest = max(longest, steps)
    return longest
"""


def weibull_items(n, seed):
    rng = random.Random(seed)  # noqa: S311 -- instances, not secrets
    return [min(100, max(1, round(rng.weibullvariate(45, 3)))) for _ in range(n)]


def kernels():
    """Every kernel with arguments of a few milliseconds to a second in CPython."""
    rng = random.Random(1)  # noqa: S311 -- instances, not secrets
    square = [[rng.random() for _ in range(128)] for _ in range(128)]
    items = weibull_items(5000, 1)
    return [
        Kernel("bin packing (the example)", example("bin_packing.py"), "excess", (items, 100)),
        Kernel("bin packing (all open bins)", NAIVE, "bins", (items, 100)),
        Kernel("matrix product 128", MATMUL, "matmul", (square, square, 128)),
        Kernel("sieve 200 000", SIEVE, "sieve", (200_000,)),
        Kernel("collatz 30 000", COLLATZ, "collatz", (30_000,)),
    ]
