"""What a generated program consists of, and the bound on the steps it takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

COST_MAX = 3_000


@dataclass
class Variable:
    """A visible local. ``growth`` bounds an int in multiples of 64 bits."""

    name: str
    ty: str
    growth: float = 1
    is_fixed: bool = False
    is_hidden: bool = False


@dataclass(frozen=True)
class Constant:
    """A module-level constant; a table's type is ``table[int]`` and so on."""

    name: str
    ty: str
    definition: str


@dataclass(frozen=True)
class Signature:
    """A function as callers see it; the ``depth_param``-th argument counts recursion down."""

    name: str
    params: tuple[tuple[str, str], ...]
    returns: str | tuple[str, ...]
    depth_param: int | None = None
    cost: int = 1
    is_callable: bool = True

    def priced(self, cost: int, *, is_callable: bool) -> "Signature":
        """The signature with what its body turned out to cost."""
        return replace(self, cost=cost, is_callable=is_callable)


class Budget:
    """Upper bound of the steps of one call."""

    def __init__(self) -> None:
        self.cost = 0
        self.factor = 1

    def spend(self, steps: int) -> None:
        """Account for steps at the current loop depth."""
        self.cost += steps * self.factor

    @property
    def is_spent(self) -> bool:
        """Whether only straight code may follow."""
        return self.cost > COST_MAX

    def allows(self, rounds: int) -> bool:
        """Whether a loop of so many rounds may start here."""
        return not self.is_spent and rounds * self.factor <= 300

    def affords(self, steps: int) -> bool:
        """Whether so many steps may be taken here."""
        return self.cost + steps * self.factor <= 2 * COST_MAX

    @contextmanager
    def times(self, rounds: int) -> Iterator[None]:
        """Count everything inside ``rounds`` times."""
        self.factor *= rounds
        try:
            yield
        finally:
            self.factor //= rounds
