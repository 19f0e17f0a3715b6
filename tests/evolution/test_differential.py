"""DE, JADE, L-SHADE: convergence to the stated tolerance, repetition, bad input.

Convergence itself is tested in Rust at length; here through the face.
"""

from typing import Any

import numpy as np
import pytest

from chimera.errors import ConfigError
from chimera.evolution import DE, JADE, LSHADE, PSO, Algorithm, Portfolio

BOUNDS = [(-5.0, 5.0)] * 6
CLASSES = [DE, JADE, LSHADE, PSO, Portfolio]


def _sphere(x: Any) -> Any:
    return ((x - 0.5) ** 2).sum(axis=1)


def _drive(search: Algorithm, budget: int) -> None:
    end = search.n_evaluations + budget
    while search.n_evaluations < end:
        batch = search.ask()
        search.tell(batch, _sphere(batch))


@pytest.mark.parametrize("cls", [DE, JADE, LSHADE, Portfolio])
def test_converges_to_1e_8_within_15_000_evaluations(cls: Any) -> None:
    settings = {"budget": 15_000} if cls is LSHADE else {}
    search = cls(BOUNDS, seed=2, **settings)
    _drive(search, 15_000)
    assert search.best_score < 1e-8


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("n_genes", [6, 900])
def test_equal_seed_equal_bits_on_any_threads_and_after_saving(cls: Any, n_genes: int) -> None:
    """40 rows of 900 genes are above the 2^15 genes from which work is shared out."""
    bounds = BOUNDS[:1] * n_genes
    settings = {} if cls is Portfolio else {"population_size": 40}
    one, two = (cls(bounds, seed=5, threads=threads, **settings) for threads in (1, 2))
    for _ in range(8 if n_genes < 100 else 4):
        batch = one.ask()
        assert np.array_equal(batch, two.ask())
        two = Algorithm.load(two.save())
        assert type(two) is cls
        scores = _sphere(batch)
        one.tell(batch, scores)
        two.tell(two.ask(), scores)


@pytest.mark.parametrize("cls", CLASSES)
def test_the_start_is_among_the_first_rows(cls: Any) -> None:
    x0 = np.linspace(-1.0, 1.0, 6)
    assert np.allclose(cls(BOUNDS, x0=x0).ask()[0], x0, atol=1e-12)


@pytest.mark.parametrize("cls", CLASSES)
def test_maximize_finds_the_corner(cls: Any) -> None:
    search = cls([(-1.0, 2.0)] * 3, direction="maximize", seed=1)
    while search.n_evaluations < 6_000:
        batch = search.ask()
        search.tell(batch, batch.sum(axis=1))
    assert search.best_score == pytest.approx(6.0, abs=1e-3)


@pytest.mark.parametrize(
    ("cls", "settings", "message"),
    [
        (DE, {"weight": 0.0}, "weight"),
        (DE, {"strategy": "best9"}, "strategy"),
        (DE, {"population_size": 3}, "population_size"),
        (DE, {"constraints": "hope"}, "constraints"),
        (JADE, {"learning_rate": 2.0}, "learning_rate"),
        (LSHADE, {"budget": 0}, "budget"),
        (PSO, {"topology": "star"}, "topology"),
        (PSO, {"x0": [99.0] * 6}, "x0"),
        (Portfolio, {"sigma": 2.0}, "sigma"),
    ],
)
def test_bad_settings_are_named(cls: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cls(BOUNDS, **settings)


@pytest.mark.parametrize("cls", CLASSES)
def test_infinite_bounds_are_refused(cls: Any) -> None:
    with pytest.raises(ConfigError, match="finite bounds"):
        cls([(0.0, np.inf)])


def test_lshade_shrinks_with_its_budget() -> None:
    search = LSHADE(BOUNDS, budget=3_000, population_size=60)
    sizes = []
    while search.stop_reason is None:
        sizes.append(search.batch_size)
        _drive(search, 1)
    assert sizes[0] == 60
    assert search.batch_size == 4
    assert sizes == sorted(sizes, reverse=True)
