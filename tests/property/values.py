"""Argument values, biased towards the places where integer and float arithmetic break."""

import math
from typing import TypeAlias

from .choices import Choices

Scalar = bool | int | float
Value: TypeAlias = "Scalar | list[Value] | None"

SMALL_INTS = (0, 1, 2, 3, -1, 5, 4, -2, 7, 6, -3, 10, -7, 9, 13, 100, -50)
EDGE_INTS = (
    2**31, 2**31 - 1, -(2**31), 2**32, 10**9 + 7, -(10**9), 2**53, 2**53 - 1, 2**53 + 1,
    -(2**53) - 1,
    2**62, 2**63 - 1, -(2**63), 2**63 - 2, -(2**63) + 1, 3037000500, 10**18, -(2**62), 2**53 + 3,
)  # fmt: skip
SMALL_FLOATS = (
    0.0, 1.0, 0.5, 2.0, -1.0, 3.0, 1.5, -0.5, 0.1, -2.5, 10.0, 2.5, 0.25, 100.0, -0.75, 7.0, 3.5,
    1e-3,
)  # fmt: skip
EDGE_FLOATS = (
    -0.0, math.inf, -math.inf, math.nan, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-310,
    1.7976931348623157e308, -1.7976931348623157e308, 1e308, 1e16, 2.0**53, 2.0**53 + 2.0,
    -(2.0**53),
    2.0**63, -(2.0**63), 9.223372036854775e18, 1e22, 1e-16, 0.1 + 0.2, 1.0 - 2.0**-53,
    1.0 + 2.0**-52,
    math.pi, -math.pi, math.e, 709.782712893384, 710.0, -745.2, 4503599627370496.5, 1e300, -1e300,
    0.49999999999999994, 1e100, 123456789.123456789,
)  # fmt: skip

LENGTH_MAX = 6
ROWS_MAX = 4


def scalar(choices: Choices, ty: str, edge_percent: int) -> Scalar:
    """A scalar of the type; ``edge_percent`` of 100 are extreme."""
    if ty == "bool":
        return choices.below(2) == 1
    if ty == "int":
        if choices.chance(edge_percent):
            return choices.pick(EDGE_INTS)
        if choices.chance(30):
            return choices.below(2001) - 1000
        return choices.pick(SMALL_INTS)
    if choices.chance(edge_percent):
        return choices.pick(EDGE_FLOATS)
    if choices.chance(40):
        return (choices.below(2_000_001) - 1_000_000) / (8192.0 if choices.chance(50) else 30000.0)
    return choices.pick(SMALL_FLOATS)


def value(choices: Choices, ty: str, edge_percent: int) -> Value:
    """A value of the annotated type."""
    if ty.startswith("list[list["):
        return [value(choices, ty[5:-1], edge_percent) for _ in range(choices.below(ROWS_MAX + 1))]
    if ty.startswith("list["):
        n = choices.below(LENGTH_MAX + 1)
        return [scalar(choices, ty[5:-1], edge_percent) for _ in range(n)]
    return scalar(choices, ty, edge_percent)


def copied(item: Value) -> Value:
    """The value with fresh lists, so that a call cannot change what the next one sees."""
    return [copied(inner) for inner in item] if isinstance(item, list) else item
