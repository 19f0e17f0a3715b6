"""Searches that begin far from the feasible region, told nothing but violations."""

from typing import Any

import numpy as np
import pytest

from chimera.evolution import CMAES, Portfolio, minimize

GENES = 20
BOX = [(-5.0, 5.0)] * GENES
CONDITION = 10.0 ** (6.0 * np.arange(GENES) / (GENES - 1))


def excess(rows: Any) -> Any:
    """How far rows lie outside an ellipsoid of condition 1e6 around 1."""
    return np.maximum(0.0, ((rows - 1.0) ** 2 * CONDITION).sum(axis=-1) - 1e-2)


def test_the_portfolio_follows_the_violation_while_the_objective_is_flat() -> None:
    result = minimize(
        lambda rows: np.zeros(len(rows)),
        BOX,
        constraints=excess,
        budget=30_000,
        vectorized=True,
        seed=1,
    )
    assert result.is_feasible


@pytest.mark.parametrize("seed", range(3))
def test_the_portfolio_does_not_begin_anew_on_the_way_in(seed: int) -> None:
    search = Portfolio(BOX, seed=seed)
    least = np.inf
    while search.n_evaluations < 30_000 and least > 0.0:
        batch = search.ask()
        over = excess(batch)
        search.tell(batch, np.zeros(len(batch)), violations=over)
        least = min(least, over.min())
    assert least == 0.0


def test_cmaes_does_not_stagnate_while_the_violation_falls() -> None:
    n = 40
    condition = 10.0 ** (6.0 * np.arange(n) / (n - 1))
    search = CMAES([(-5.0, 5.0)] * n, sigma=1.0, seed=1)
    least = np.inf
    while search.stop_reason is None and search.n_evaluations < 60_000 and least > 0.0:
        batch = search.ask()
        over = np.maximum(0.0, ((batch - 1.0) ** 2 * condition).sum(axis=1) - 1e-2)
        search.tell(batch, (batch**2).sum(axis=1), violations=over)
        least = min(least, over.min())
    assert least == 0.0, search.stop_reason
