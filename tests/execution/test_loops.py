"""Loops that pay their fuel in advance answer as CPython, and use the same fuel on any thread."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chimera._chimera.execution import Engine, Instances
from chimera._chimera.programs import Program

SOURCE = """
def leave(n: int, k: int, s: int) -> int:
    t = 0
    for i in range(0, n, s):
        if i == k:
            break
        if i % 3 == 1:
            continue
        t += i
    else:
        t = -t - 1
    return t


def back(a: int, b: int, k: int) -> int:
    t = 0
    for i in range(a, b, -1):
        t = t ^ i
        if t == k:
            return i
    return t


def ends(a: int, b: int, s: int) -> int:
    t = 0
    n = 0
    for i in range(a, b, s):
        t = t ^ i
        n += 1
        if n > 9000:
            break
    return t ^ n


def nested(n: int, k: int) -> int:
    t = 0
    for i in range(n):
        for j in range(i):
            if j * i == k:
                return t
            if j == k:
                break
            t += j
        else:
            t += 7
    return t


def early(n: int) -> int:
    for i in range(1000000000000):
        if i == n:
            return i
    return -1


def negated(a: int) -> float:
    return float(-a)


def tests(a: int, x: float, y: float) -> int:
    t = 0
    if (a > 0 or a == -3) and not (x < y):
        t += 1
    if a > 0 and a < 4 or x >= y:
        t += 2
    if not (a == 2 or (x > y and a < 1)):
        t += 4
    t += 8 if x > y else 16
    t += 32 if not x <= y else 64
    while x < y and a > 0:
        a -= 1
        t += 256
    return t
"""
BIG = 2**63
FLOATS = (0.0, -0.0, 1.5, float("nan"), float("inf"))
CASES: dict[str, list[tuple[Any, ...]]] = {
    "leave": [
        (n, k, s) for n in (-1, 0, 1, 2, 100, 5000) for k in (-1, 0, 4, 4999) for s in (1, 3)
    ],
    "back": [(a, a - d, k) for a in (0, 300, BIG - 1) for d in (-0, 1, 2, 400) for k in (0, 77)],
    "ends": [
        (a, b, s)
        for a in (-BIG, -5, 0, BIG - 2, BIG - 1)
        for b in (-BIG, 0, 9, BIG - 1)
        for s in (1, -1, 2, -3, -BIG, BIG - 1, 2**62, 2**61 + 1)
    ],
    "nested": [(n, k) for n in (0, 1, 2, 3, 60, 200) for k in (-1, 0, 5, 400)],
    "early": [(n,) for n in (0, 1, 150, 5000)],
    "negated": [(a,) for a in (0, 1, BIG - 1, -BIG, 2**53 + 1, -(2**53) - 1)],
    "tests": [(a, x, y) for a in (-3, 0, 2, 5) for x in FLOATS for y in FLOATS],
}


def reference(name: str) -> Callable[..., float]:
    names: dict[str, Any] = {}
    exec(compile(SOURCE, "reference", "exec"), names)  # noqa: S102 -- our own text
    function: Callable[..., float] = names[name]
    return function


@pytest.mark.parametrize("name", CASES)
def test_loops_answer_as_cpython(name: str) -> None:
    program = Program.parse(SOURCE, file="loops.py", roots=[name])
    instances = Instances(program, name, CASES[name])
    runs = [Engine(threads=n).evaluate([program], name, instances) for n in (1, 2)]
    expected = [float(reference(name)(*case)) for case in CASES[name]]
    scores = np.array(runs[0].scores).ravel()
    assert np.array_equal(scores, expected)
    assert np.array_equal(np.signbit(scores), np.signbit(expected))
    assert np.array_equal(np.array(runs[0].fuel), np.array(runs[1].fuel))
