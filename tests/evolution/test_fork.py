"""Processes forked from one that has run searches: they have none of its threads."""

import os
import pickle
import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chimera.errors import OrderError
from chimera.evolution import (
    CMAES,
    DE,
    GA,
    Algorithm,
    Grid,
    Islands,
    MapElites,
    Sandboxed,
    minimize,
)

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
SECONDS = 20
BOX = [(-5.0, 5.0)] * 100


def in_fork(work: Callable[[], Any]) -> Any:
    """What ``work`` returns or raises in a forked process, which is killed if it hangs."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover -- another process
        try:
            signal.alarm(SECONDS)
            try:
                answer = work()
            except Exception as error:  # noqa: BLE001 -- raised again by the parent
                answer = error
            os.write(writer, pickle.dumps(answer))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    _, status = os.waitpid(child, 0)
    assert not os.WIFSIGNALED(status), f"killed by signal {os.WTERMSIG(status)}"
    answer = pickle.loads(content)  # noqa: S301 -- our own
    if isinstance(answer, Exception):
        raise answer
    return answer


def step(search: Any, n: int = 2) -> bytes:
    for _ in range(n):
        batch = search.ask()
        told = {"descriptors": batch[:, :2]} if isinstance(search, MapElites) else {}
        search.tell(batch, (batch**2).sum(axis=1), **told)
    return bytes(search.save())


SEARCHES: dict[str, Callable[[], Algorithm]] = {
    "ga": lambda: GA(BOX, population_size=3_000, seed=1, threads=2),
    "cmaes": lambda: CMAES(BOX, population_size=3_000, seed=1, threads=2),
    "islands": lambda: Islands(lambda idx: DE(BOX, seed=idx), n_islands=3, seed=1, threads=2),
    "map_elites": lambda: MapElites(
        BOX, cells=Grid((10, 10), [(-5.0, 5.0)] * 2), batch_size=3_000, seed=1, threads=2
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_go_on_in_a_forked_process(name: str) -> None:
    search = SEARCHES[name]()
    step(search)
    there = in_fork(lambda: step(search))
    anew = in_fork(lambda: step(SEARCHES[name]()))
    grandchild = in_fork(lambda: in_fork(lambda: step(search)))
    assert there == grandchild == step(search)
    assert anew == step(SEARCHES[name]())


def test_searches_within_the_objective_of_another() -> None:
    def inner(x: Any) -> float:
        return minimize(
            lambda rows: ((rows - x[0]) ** 2).sum(axis=1),
            BOX,
            method="ga",
            budget=6_000,
            vectorized=True,
            threads=2,
            options={"population_size": 3_000},
        ).score

    inner(np.zeros(1))
    assert minimize(inner, [(-1.0, 1.0)], budget=4, workers=2).n_failed == 0


def test_a_sandbox_says_that_it_does_not_outlive_a_fork() -> None:
    source = "def score(x: list[float]) -> float:\n    return x[0] * x[0]\n"
    sandbox = Sandboxed(source, "score", threads=1)
    with sandbox:
        rows = np.ones((2, 1))
        before = sandbox.evaluate(rows)
        with pytest.raises(OrderError, match="forked"):
            in_fork(lambda: sandbox.evaluate(rows))
        assert in_fork(lambda: Sandboxed(source, "score", threads=1).evaluate(rows)) is not None
        assert np.array_equal(sandbox.evaluate(rows).objectives, before.objectives)
