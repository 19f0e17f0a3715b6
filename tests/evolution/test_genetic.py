"""The genetic algorithm: convergence, determinism, every kind of gene, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chimera.errors import BatchError, ConfigError
from chimera.evolution import (
    GA,
    NO_PARENT,
    Algorithm,
    AsyncEvaluator,
    Population,
    boolean,
    category,
    integer,
    mixed,
    optimize,
    permutation,
    real,
)

BOUNDS = [(-5.0, 5.0)] * 10


def sphere(batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray((batch.astype(np.float64) ** 2).sum(axis=1))


def run(search: Algorithm, generations: int) -> Algorithm:
    for _ in range(generations):
        batch = search.ask()
        search.tell(batch, sphere(batch))
    return search


@pytest.mark.parametrize("seed", range(5))
def test_sphere_converges(seed: int) -> None:
    """Ten genes in [-5, 5], 100 rows, 300 generations: within 1e-3 of the optimum."""
    assert run(GA(BOUNDS, population_size=100, seed=seed), 300).best_score < 1e-3


@pytest.mark.parametrize("seed", range(3))
def test_one_max_is_solved(seed: int) -> None:
    """Sixty booleans, 100 rows, 150 generations: every one true."""
    search = GA(boolean(60), population_size=100, direction="maximize", seed=seed)
    for _ in range(150):
        batch = search.ask()
        search.tell(batch, batch.sum(axis=1).astype(np.float64))
    assert search.best_score == 60


@pytest.mark.parametrize("crossover", ["order", "pmx", "edge"])
def test_tour_around_a_circle_is_found(crossover: Any) -> None:
    """Twelve towns on a circle: the shortest tour within 1e-9 after 200 generations."""
    angles = np.arange(12) * 2 * np.pi / 12
    towns = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    search = GA(
        permutation(12), population_size=100, permutation_crossover=crossover, n_elites=2, seed=1
    )
    for _ in range(200):
        batch = search.ask()
        path = towns[batch]
        steps = path - np.roll(path, 1, axis=1)
        search.tell(batch, np.linalg.norm(steps, axis=2).sum(axis=1))
    assert search.best_score == pytest.approx(12 * np.linalg.norm(towns[0] - towns[1]), abs=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_threads_do_not_change_a_bit(dtype: str) -> None:
    space = real(-5.0, 5.0, 100, dtype=dtype)
    one = run(GA(space, population_size=400, seed=3, threads=1), 5)
    many = run(GA(space, population_size=400, seed=3, threads=4), 5)
    np.testing.assert_array_equal(one.ask(), many.ask())


def test_load_goes_on_as_if_never_saved() -> None:
    search = run(GA(BOUNDS, population_size=30, mutation="self_adaptive", seed=5), 7)
    other = Algorithm.load(search.save())
    assert isinstance(other, GA)
    for _ in range(3):
        batch = search.ask()
        np.testing.assert_array_equal(batch, other.ask())
        search.tell(batch, sphere(batch))
        other.tell(batch, sphere(batch))


def test_mixed_space_improves() -> None:
    space = mixed(x=real(-5.0, 5.0, 4), k=integer(0, 20, 3), c=category([5, 5]), b=boolean(8))
    search = GA(space, population_size=60, seed=2)
    for _ in range(150):
        batch = search.ask()
        scores = (
            (batch["x"] ** 2).sum(axis=1)
            + np.abs(batch["k"] - 7).sum(axis=1)
            + (batch["c"] != 3).sum(axis=1)
            + batch["b"].sum(axis=1)
        )
        search.tell(batch, scores.astype(np.float64))
    assert search.best_score < 0.1


def test_constraint_is_met() -> None:
    """Minimise the sum under x0 >= 1: the optimum is 1 at (1, 0, 0)."""
    search = GA([(0.0, 3.0)] * 3, population_size=60, seed=1)
    for _ in range(150):
        batch = search.ask()
        search.tell(batch, batch.sum(axis=1), violations=np.maximum(0.0, 1.0 - batch[:, 0]))
    assert 1.0 <= search.best_score < 1.02
    assert search.best_x[0] >= 1.0


def test_failed_rows_never_breed() -> None:
    search = GA(BOUNDS, population_size=20, selection="truncation", truncation_share=0.05, seed=1)
    batch = search.ask()
    failed = np.ones(20, dtype=bool)
    failed[4] = False
    scores = np.where(failed, np.nan, 1.0)
    search.tell(batch, scores, failed=failed)
    search.ask()
    parents = search.lineage.parents
    assert set(parents[parents != NO_PARENT].tolist()) == {4}


def test_steady_state_takes_any_number_of_rows() -> None:
    search = GA(BOUNDS, population_size=20, scheme="steady_state", seed=1)
    for n in [5, 30, *[4] * 400]:
        batch = search.ask(n)
        search.tell(batch, sphere(batch))
    assert search.best_score < 1.0


def test_rows_in_flight_keep_identity_and_lineage_in_any_order() -> None:
    search = GA(BOUNDS, population_size=4, scheme="steady_state", seed=1)
    flight: list[tuple[int, Any, list[int], int]] = []
    told: dict[int, tuple[Any, list[int], int]] = {}
    for step in range(60):
        batch = search.ask(1).copy()
        first_id, parents, operators = search.lineage
        flight.append((first_id, batch, parents[0].tolist(), int(operators[0])))
        if step < 7:
            continue
        genes = flight[step % 5][1]
        place = next(at for at, row in enumerate(flight) if np.array_equal(row[1], genes))
        idx, genes, family, operator = flight.pop(place)
        search.tell(genes, sphere(genes))
        told[idx] = (genes, family, operator)
    population = search.population
    assert population.ids is not None
    assert population.parents is not None
    assert population.operators is not None
    assert population.generations is not None
    assert len(set(population.ids.tolist())) == 4
    for row, idx in enumerate(population.ids.tolist()):
        genes, family, operator = told[idx]
        assert np.array_equal(population.x[row], genes[0])
        assert population.parents[row].tolist() == family
        assert population.operators[row] == operator
        assert list(told)[population.generations[row]] == idx
    best = min(told, key=lambda idx: float(sphere(told[idx][0])[0]))
    found = search.best
    assert found is not None
    assert found[3] == best


def test_rows_that_were_never_asked_are_known_as_told() -> None:
    search = GA(BOUNDS, population_size=4, scheme="steady_state", seed=1)
    search.ask(4)
    own = np.full((1, 10), 0.25)
    search.tell(own, sphere(own))
    population = search.population
    assert population.ids is not None
    assert population.operators is not None
    assert population.parents is not None
    assert population.ids.tolist() == [4]
    assert population.operator_names[population.operators[0]] == "told"
    assert (population.parents == NO_PARENT).all()


def test_self_adaptation_converges_without_a_barrier() -> None:
    """Ten genes, 8 rows in flight, 8 000 evaluations: below 1e-6."""

    async def objective(x: Any) -> float:
        return float((x**2).sum())

    search = GA(BOUNDS, population_size=20, scheme="steady_state", mutation="self_adaptive", seed=3)
    with AsyncEvaluator(objective, workers=4, n_in_flight=8) as evaluator:
        for step in optimize(search, evaluator):
            if step.n_evaluations == 8_000:
                break
    assert search.best_score < 1e-6


def test_the_population_says_where_its_rows_come_from() -> None:
    search = GA(BOUNDS, population_size=12, n_elites=2, seed=4)
    known: dict[int, list[int]] = {}
    for _ in range(6):
        batch = search.ask()
        first_id, parents, _ = search.lineage
        known |= {first_id + row: line.tolist() for row, line in enumerate(parents)}
        search.tell(batch, sphere(batch))
    population = search.population
    assert population.operator_names == tuple(search.operators)
    assert population.ids is not None
    assert population.parents is not None
    assert population.generations is not None
    for idx, line, generation in zip(
        population.ids, population.parents, population.generations, strict=True
    ):
        assert line.tolist() == known[int(idx)]
        assert generation == idx // 12
    assert len(Population.concat([population, population])) == 24


def test_the_law_of_crossover_can_be_named() -> None:
    """Without bounds children pile up on them; by default they do not."""

    def on_bound(crossover: str) -> int:
        search = GA(
            [(0.0, 1.0)] * 20,
            population_size=200,
            crossover=crossover,
            crossover_eta=2.0,
            mutation_probability=0.0,
            seed=1,
        )
        batch = search.ask()
        search.tell(batch, sphere(batch))
        children = search.ask()
        return int(((children == 0.0) | (children == 1.0)).sum())

    assert on_bound("sbx") == 0
    assert on_bound("sbx_unbounded") > 50


@pytest.mark.parametrize("selection", ["lexicase", "epsilon_lexicase"])
def test_lexicase_selects_by_cases(selection: Any) -> None:
    search = GA([(-1.0, 1.0)] * 4, population_size=40, selection=selection, seed=1)
    with pytest.raises(BatchError):
        search.tell(search.ask(), np.zeros(40))
    for _ in range(60):
        batch = search.ask()
        search.tell(batch, sphere(batch), cases=batch**2)
    assert search.best_score < 0.01


def test_parents_held_by_the_caller_do_not_change() -> None:
    search = GA(BOUNDS, population_size=30, seed=1)
    held = []
    for _ in range(6):
        batch = search.ask()
        held.append((batch, batch.copy()))
        search.tell(batch, sphere(batch))
    for view, copy in held:
        np.testing.assert_array_equal(view, copy)


@pytest.mark.parametrize(
    "settings",
    [
        {"population_size": 0},
        {"population_size": 1},
        {"n_elites": 100},
        {"tournament_size": 0},
        {"selection_pressure": 2.5},
        {"crossover_probability": 1.01},
        {"mutation_probability": float("nan")},
        {"crossover_eta": -1.0},
        {"mutation_sigma": 0.0},
        {"crossover": "none"},
        {"selection": "best"},
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        GA(BOUNDS, **settings)


def test_infinite_bounds_are_refused() -> None:
    with pytest.raises(ConfigError, match="finite"):
        GA([(0.0, float("inf"))])
