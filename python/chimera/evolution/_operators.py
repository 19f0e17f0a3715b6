"""Keywords that every search for a front shares: the operators of genes that are not real."""

from __future__ import annotations

from typing import TypedDict


class Operators(TypedDict, total=False):
    """Operators of genes that are not real, as `GA` has them.

    Attributes:
        discrete_crossover: Of integers, categories and booleans: ``uniform`` or ``n_point``.
        n_points: Cuts of ``n_point``, 1 to 16; 2 by default.
        integer_mutation: ``creep`` by small steps, or ``reset``; categories are always drawn anew,
            booleans flipped.
        creep_step: Mean step of ``creep``, at least 1; 2 by default.
        permutation_crossover: ``order``, ``pmx`` or ``edge``.
        permutation_mutation: ``invert``, ``swap`` or ``insert``.
        permutation_probability: Probability that a permutation is mutated; .3 by default.
    """

    discrete_crossover: str
    n_points: int
    integer_mutation: str
    creep_step: float
    permutation_crossover: str
    permutation_mutation: str
    permutation_probability: float


def checked(operators: Operators) -> Operators:
    """Refuse keywords that name no operator, as a signature would."""
    for name in operators:
        if name not in Operators.__annotations__:
            raise TypeError(
                f"got an unexpected keyword argument {name!r}; operators are "
                f"{', '.join(Operators.__annotations__)}"
            )
    return operators
