"""Particle swarms: convergence to the stated tolerance in every form."""

from typing import Any

import pytest

from chimera.evolution import PSO


@pytest.mark.parametrize("topology", ["ring", "global"])
@pytest.mark.parametrize("motion", ["constriction", "spherical"])
def test_converges_to_1e_6_within_10_000_evaluations(topology: Any, motion: Any) -> None:
    search = PSO([(-5.0, 5.0)] * 4, topology=topology, motion=motion, seed=4)
    while search.n_evaluations < 10_000:
        x: Any = search.ask()
        search.tell(x, ((x - 1.0) ** 2).sum(axis=1))
    assert search.best_score < 1e-6


@pytest.mark.parametrize("topology", ["ring", "global"])
@pytest.mark.parametrize("motion", ["constriction", "spherical"])
def test_a_turned_ellipsoid_is_solved_to_1e_6_within_16_000(topology: str, motion: str) -> None:
    """Condition 100, 6 genes."""
    search = PSO([(-5.0, 5.0)] * 6, topology=topology, motion=motion, seed=3)
    while search.n_evaluations < 16_000:
        x: Any = search.ask()
        a, b = x[:, ::2], x[:, 1::2]
        search.tell(x, (100.0 * (a + b) ** 2 + (a - b - 1.0) ** 2).sum(axis=1))
    assert search.best_score < 1e-6


def test_the_epsilon_level_falls() -> None:
    settings = {"quantile": 0.5, "power": 2.0, "generations": 20}
    search = PSO([(-5.0, 5.0)] * 2, constraints="epsilon", epsilon=settings, seed=1)
    levels = []
    for _ in range(25):
        x = search.ask()
        search.tell(x, x.sum(axis=1), violations=abs(x[:, 0] - 1.0))
        levels.append(search.figures["epsilon"])
    assert levels[0] > 0.0
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] == 0.0
