"""Where random decisions come from: one generator serves both hypothesis and plain seeded runs.

A source answers one question, ``below(n)``: an index in ``0 .. n - 1``. Index 0 is always the
simplest option, so that hypothesis shrinks towards simple programs.
"""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Decisions drawn from ``below``, a function from ``n`` to an index in ``0 .. n - 1``."""

    def __init__(self, below: Callable[[int], int]) -> None:
        self.below = below

    @classmethod
    def seeded(cls, seed: int) -> "Choices":
        """Decide with a generator of its own; equal seeds give equal decisions."""
        rng = random.Random(seed)
        return cls(lambda n: int(rng.random() * n))

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all equally likely."""
        return options[self.below(len(options))]

    def chance(self, percent: int) -> bool:
        """True in ``percent`` of 100 cases; the simplest answer is False."""
        return self.below(100) >= 100 - percent

    def weighted(self, options: Sequence[tuple[int, T]]) -> T:
        """One of the options, as likely as its weight says; the first is the simplest."""
        at = self.below(sum(weight for weight, _ in options))
        for weight, option in options:
            if at < weight:
                return option
            at -= weight
        raise AssertionError("weights are positive")
