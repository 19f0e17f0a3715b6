"""LM-MA-ES, xNES and OpenAI-ES: convergence, bits, bad input."""

from typing import Any

import numpy as np
import pytest

from chimera.errors import ConfigError
from chimera.evolution import LMMAES, XNES, Algorithm, OpenAIES

CLASSES: list[Any] = [LMMAES, XNES, OpenAIES]


def _sphere(x: Any) -> Any:
    return (x**2).sum(axis=1)


def _ellipsoid(x: Any) -> Any:
    return (x**2) @ 1e6 ** np.linspace(0, 1, x.shape[1])


# Evaluations to the target, with a margin of about a third over what was measured.
@pytest.mark.parametrize(
    ("search", "f", "target", "limit"),
    [
        (XNES([(-5.0, 4.0)] * 10, seed=1), _ellipsoid, 1e-9, 14_000),
        (LMMAES([(-5.0, 4.0)] * 200, seed=1), _sphere, 1e-9, 30_000),
        (
            OpenAIES([(-5.0, 4.0)] * 20, sigma=0.5, sigma_decay=0.99, learning_rate_decay=0.99),
            _sphere,
            1e-6,
            100_000,
        ),
    ],
    ids=["xnes", "lm_ma_es", "openai_es"],
)
def test_reaches_its_target(search: Algorithm, f: Any, target: float, limit: int) -> None:
    while search.n_evaluations == 0 or search.best_score > target:
        batch = search.ask()
        search.tell(batch, f(batch))
        assert search.n_evaluations < limit, search.best_score


def test_natural_gradients_of_many_rows() -> None:
    search = XNES([(-5.0, 4.0)] * 2, population_size=5_000, seed=1)
    for _ in range(40):
        batch = search.ask()
        search.tell(batch, _sphere(batch))
    assert search.best_score < 1e-6


@pytest.mark.parametrize("algorithm", CLASSES)
def test_the_same_bits_on_two_threads_and_after_loading(algorithm: Any) -> None:
    one: Algorithm = algorithm([(-5.0, 4.0)] * 600, seed=5)
    two: Algorithm = algorithm([(-5.0, 4.0)] * 600, seed=5, threads=2)
    for generation in range(8):
        batch = one.ask()
        assert np.array_equal(batch, two.ask())
        if generation == 3:
            two = Algorithm.load(two.save(), threads=2)
        one.tell(batch, _sphere(batch))
        two.tell(batch, _sphere(batch))


@pytest.mark.parametrize("algorithm", CLASSES)
@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"sigma": 0}, "sigma"),
        ({"x0": [9.0] * 3}, "x0"),
        ({"population_size": 1}, "population_size"),
        ({"population_size": 1_000_002}, "population_size"),
        ({"tol_sigma": -1.0}, "tol_sigma"),
    ],
    ids=str,
)
def test_bad_settings_are_named(algorithm: Any, settings: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        algorithm([(-5.0, 5.0)] * 3, **settings)


def test_mirrored_rows_need_an_even_number() -> None:
    with pytest.raises(ConfigError, match="even"):
        OpenAIES([(-5.0, 5.0)] * 3, population_size=7)
