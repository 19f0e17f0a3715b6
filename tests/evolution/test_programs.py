"""Programs as genomes: the search finds, repeats itself, and goes on after saving."""

from pathlib import Path

import pytest

from chimera.errors import ConfigError, SourceError, StateError
from chimera.evolution import ProgramSearch

SOURCE = """
def guess(x: float) -> float:
    return x

def error(x: float, y: float) -> float:
    return (guess(x) - y) * (guess(x) - y)
"""
POINTS = [(x / 4, (x / 4) * (x / 4) + 1.0) for x in range(-8, 9)]


def _search(seed: int = 1, threads: int = 1) -> ProgramSearch:
    return ProgramSearch(
        SOURCE,
        objective="error",
        evolvable=["guess"],
        instances=POINTS,
        probes={"guess": [(x,) for x, _ in POINTS]},
        seed=seed,
        threads=threads,
    )


@pytest.mark.timeout(60)
def test_a_parabola_is_found() -> None:
    search = _search()
    for step in search.run(evaluations=60_000):
        if step.best_score < 1e-6:
            break
    assert search.best.score < 1e-6, search.best_source
    assert search.lineage()[-1].id == search.best.id
    assert sum(int(row["n_tried"]) for row in search.operators()) > 0


def test_threads_do_not_matter() -> None:
    digests = [[step.digest for step in _search(threads=n).run(generations=3)] for n in (1, 2)]
    assert digests[0] == digests[1]


def test_a_saved_search_goes_on() -> None:
    search = _search()
    list(search.run(generations=2))
    state = search.save()
    expected = search.step().digest
    assert _search().restore(state).step().digest == expected


def test_a_search_is_saved_to_a_file(tmp_path: Path) -> None:
    search = _search()
    search.step()
    path = tmp_path / "search"
    assert search.save(path) == path.read_bytes()
    assert _search().restore(path).step().digest == search.step().digest


def test_bad_input_is_named() -> None:
    with pytest.raises(ConfigError, match="instances"):
        ProgramSearch(SOURCE, objective="error", evolvable=["guess"], instances=[])
    with pytest.raises(ConfigError, match="evolvable"):
        ProgramSearch(SOURCE, objective="error", evolvable=[], instances=POINTS)
    with pytest.raises(SourceError):
        ProgramSearch("import os", objective="error", evolvable=["guess"], instances=POINTS)
    with pytest.raises(StateError):
        _search().restore(b"nothing")
