"""Online bin packing with uniform item sizes: evolve the rule that chooses a bin.

Run it with Python for the score of best fit; improve it with
`chimera improve examples/bin_packing_uniform.py --budget 60s --seed 1`.

The 500 items are integers drawn uniformly from 20..100; a bin holds 150. The score is the share of
bins used beyond the L1 bound ceil(sum / capacity).
Source: Falkenauer (1996), A hybrid grouping genetic algorithm for bin packing, class U (OR-Library
sets u120 to u1000).
"""

import math
import random

import chimera

N_ITEMS = 500


@chimera.evolve
def priority(item: int, gap: int, capacity: int) -> float:
    """Score a bin with free space `gap` for an item; the highest score gets it."""
    return -gap  # best fit


@chimera.objective(direction="minimize")
def excess(items: chimera.ints, capacity: int) -> float:
    """Pack the items one by one and return the excess over the L1 bound."""
    n_bins_of = [0] * (capacity + 1)  # open bins per free space
    n_bins = 0
    total = 0
    for item in items:
        best_gap = capacity
        best_score = -math.inf
        for gap in range(item, capacity + 1):
            if n_bins_of[gap] > 0 or gap == capacity:  # a fresh bin always competes
                score = priority(item, gap, capacity)
                if score > best_score:
                    best_score = score
                    best_gap = gap
        if best_gap == capacity:
            n_bins += 1
        else:
            n_bins_of[best_gap] -= 1
        n_bins_of[best_gap - item] += 1
        total += item
    bound = (total + capacity - 1) // capacity
    return n_bins / bound - 1.0


def instance(seed: int) -> tuple[list[int], int]:
    """Draw one list of items, and the capacity."""
    rng = random.Random(seed)
    return [rng.randint(20, 100) for _ in range(N_ITEMS)], 150


@chimera.workload
def train(seed: int) -> tuple[list[int], int]:
    """Return a training instance."""
    return instance(seed)


@chimera.workload(holdout=True)
def unseen(seed: int) -> tuple[list[int], int]:
    """Return an instance that only the verdict sees."""
    return instance(seed)


if __name__ == "__main__":
    print(f"best fit: {100 * excess(*unseen(1)):.2f} % above the L1 bound")
