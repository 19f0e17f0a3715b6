"""Parse, print, compile and run a small program: the unit costs of the improvement loop.

One thread, instances of 1 000 items (``list[int]``, 1..100) from a fixed seed. "Compile" is a first
call on an engine that has never seen the program, so it includes one small run.
"""

import itertools
import random

import pytest

from chimera._chimera import execution, programs

PACK = """
def priority(item: int, gap: int, capacity: int) -> float:
    return -float(gap) * {factor}


def bins(items: list[int], capacity: int) -> int:
    free = [0] * 0
    for item in items:
        chosen = -1
        best = 0.0
        for index in range(len(free)):
            if free[index] >= item:
                score = priority(item, free[index] - item, capacity)
                if chosen < 0 or score > best:
                    chosen = index
                    best = score
        if chosen < 0:
            free.append(capacity - item)
        else:
            free[chosen] -= item
    return len(free)
"""
CAPACITY = 100


def _parse(factor=1.0):
    text = PACK.format(factor=factor)
    return programs.Program.parse(text, roots=["bins"], evolvable=["priority"])


@pytest.fixture(scope="module")
def items():
    rng = random.Random(1)  # noqa: S311 -- instances, not secrets
    return [rng.randint(1, CAPACITY) for _ in range(1000)]


@pytest.fixture(scope="module")
def engine():
    return execution.Engine(threads=1)


def test_parse(benchmark):
    assert benchmark(_parse).size > 0


def test_print(benchmark):
    program = _parse()
    assert "priority" in benchmark(program.source)


def test_simplify(benchmark):
    program = _parse()
    assert benchmark(program.simplify).size <= program.size


def test_compile_and_first_call(benchmark, engine):
    factors = itertools.count(2)

    def fresh():
        return (_parse(float(next(factors))),), {}

    def first_call(program):
        return engine.call(program, "bins", ([1], CAPACITY))

    assert benchmark.pedantic(first_call, setup=fresh, rounds=50).status == "ok"


def test_call(benchmark, engine, items):
    program = _parse()
    assert benchmark(engine.call, program, "bins", (items, CAPACITY)).status == "ok"


def test_call_in_cpython(benchmark, items):
    namespace = {}
    exec(PACK.format(factor=1.0), namespace)  # noqa: S102 -- the rival of test_call
    assert benchmark(namespace["bins"], items, CAPACITY) > 0


@pytest.mark.parametrize("n_programs", [1, 32])
def test_evaluate(benchmark, engine, items, n_programs):
    batch = [_parse(float(factor)) for factor in range(1, n_programs + 1)]
    instances = execution.Instances(batch[0], "bins", [(items, CAPACITY)] * 8)
    evaluations = benchmark(engine.evaluate, batch, "bins", instances)
    assert evaluations.scores.shape == (8 * n_programs,)
