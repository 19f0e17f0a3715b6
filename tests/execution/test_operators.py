"""Every int operator, with a constant on either side, at the edges of 64 bits, beside CPython.

Constants let the compiler choose cheaper checks; each choice meets values around its limit.
"""

import operator
from collections.abc import Callable
from typing import Any

import pytest

from chimera._chimera.execution import Engine
from chimera._chimera.programs import Program

ROOT = 3_037_000_499  # the largest int whose square fits 64 bits
EDGES = sorted(
    {sign * (base + step) for sign in (1, -1) for base in (0, 7, 2**31, ROOT, 2**53, 2**62)
     for step in (-1, 0, 1)} | {2**63 - 1, -(2**63), 2**63 - 2, 1 - 2**63}
)  # fmt: skip
CONSTANTS = (-(2**62), -10, -2, -1, 0, 1, 2, 3, 8, 63, 64, 1000, 2**31, 2**62)
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<<": operator.lshift,
    ">>": operator.rshift,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


def is_small(symbol: str, left: int, right: int) -> bool:
    """Whether CPython answers without building an int of astronomic size."""
    return symbol not in {"**", "<<"} or right <= 200 or (symbol == "**" and abs(left) <= 1)


def expected(symbol: str, left: int, right: int) -> Any:
    """What CPython returns; None where it raises or the answer is outside the subset."""
    try:
        value = OPERATORS[symbol](left, right)
    except (ZeroDivisionError, OverflowError, ValueError):
        return None
    if symbol == "**" and right < 0:
        return None
    if symbol == "/" and max(abs(left), abs(right)) > 2**53:
        return None
    return value if isinstance(value, float) or -(2**63) <= value < 2**63 else None


@pytest.mark.timeout(60)
@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("is_right", [True, False])
def test_operator_with_a_constant_answers_as_cpython(
    engine: Engine, symbol: str, *, is_right: bool
) -> None:
    result = "float" if symbol == "/" else "int"
    n_answers = 0
    for constant in CONSTANTS:
        text = f"x {symbol} ({constant})" if is_right else f"({constant}) {symbol} x"
        program = Program.parse(f"def f(x: int) -> {result}:\n    return {text}\n", roots=["f"])
        for x in EDGES:
            left, right = (x, constant) if is_right else (constant, x)
            if not is_small(symbol, left, right):
                continue
            outcome = engine.call(program, "f", (x,))
            value = expected(symbol, left, right)
            found = outcome.value if outcome.status == "ok" else None
            assert found == value, f"{text} at x = {x}: {outcome.reason}"
            assert type(found) is type(value)
            n_answers += value is not None
    assert n_answers > 50
