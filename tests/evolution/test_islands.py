"""Islands from Python: one batch, migration, threads, saving; many runs in one process."""

import threading
from typing import Any

import numpy as np
import pytest

from chimera.errors import BatchError, ConfigError
from chimera.evolution import GA, Algorithm, Islands, RandomSearch, boolean, mixed, real

BOUNDS = [(-1.0, 1.0)] * 3


def member(idx: int) -> RandomSearch:
    return RandomSearch(BOUNDS, batch_size=10 + idx, seed=idx)


def sphere(batch: Any) -> Any:
    return (batch**2).sum(axis=1)


def run(islands: Any, n: int) -> list[float]:
    out = []
    for _ in range(n):
        batch = islands.ask()
        islands.tell(batch, sphere(batch))
        out.append(islands.best_score)
    return out


def test_one_batch_holds_all_islands_in_order() -> None:
    islands = Islands(member, n_islands=3)
    batch = islands.ask()
    assert batch.shape == (33, 3)
    assert np.array_equal(batch[:10], member(0).ask())
    assert islands.figures["n_islands"] == 3.0


@pytest.mark.parametrize("topology", ["ring", "full", "star", "random", "torus", [(0, 1), (1, 2)]])
@pytest.mark.parametrize("policy", ["best", "random"])
def test_every_topology_is_reproducible_on_any_number_of_threads(
    topology: Any, policy: Any
) -> None:
    def make(threads: int) -> Islands:
        return Islands(
            member,
            n_islands=4,
            topology=topology,
            policy=policy,
            migration_every=2,
            seed=3,
            threads=threads,
        )

    one, two, four = (make(n) for n in (1, 2, 4))
    assert run(one, 6) == run(two, 6) == run(four, 6)
    again = Islands.load(one.save(), threads=2)
    assert isinstance(again, Islands)
    assert run(again, 6) == run(two, 6)
    assert again.save() == two.save()
    assert one.figures["n_migrated"] > 0


def evolving(method: str, idx: int, n: int = 5, **settings: Any) -> Algorithm:
    return Algorithm._start(method, [(-5.12, 5.12)] * n, settings, seed=idx, threads=1)


def rastrigin(x: Any) -> Any:
    return (x**2 - 10 * np.cos(2 * np.pi * x) + 10).sum(axis=1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_islands_of_differential_evolution_solve_rastrigin(seed: int) -> None:
    islands = Islands(
        lambda idx: evolving("de", 10 * seed + idx, population_size=30),
        n_islands=4,
        migration_every=20,
        n_migrants=1,
        seed=seed,
    )
    while islands.n_evaluations < 60_000 and not islands.best_score < 1e-6:
        batch = islands.ask()
        islands.tell(batch, rastrigin(batch))
    assert islands.best_score < 1e-6


def test_islands_of_different_methods_are_reproducible() -> None:
    def make(threads: int) -> Islands:
        methods = ["de", "pso", "lshade", "random_search"]
        sizes: list[dict[str, Any]] = [{"population_size": 20}, {}, {}, {"batch_size": 16}]
        members = [
            evolving(method, idx, **size)
            for idx, (method, size) in enumerate(zip(methods, sizes, strict=True))
        ]
        return Islands(members, topology="full", migration_every=3, threads=threads)

    one, two = make(1), make(2)
    for generation in range(20):
        a, b = one.ask(), two.ask()
        assert np.array_equal(a, b)
        one.tell(a, rastrigin(a))
        two.tell(b, rastrigin(b))
        if generation % 4 == 0:
            two = Islands.load(two.save(), threads=2)
    assert one.save() == two.save()
    assert one.best_score < rastrigin(one.ask()).mean() / 2


def test_migration_brings_what_an_island_cannot_find() -> None:
    """One island starts in a corner that holds nothing; good rows reach it from the other."""

    def last_scores(migration_every: int) -> float:
        members = [evolving("de", 1, population_size=30), evolving("de", 2, population_size=30)]
        islands = Islands(members, topology=[(0, 1)], migration_every=migration_every)
        found = np.zeros(0)
        for _ in range(60):
            batch = islands.ask()
            scores = (batch**2).sum(axis=1)
            scores[30:] += 10.0 * (np.abs(batch[30:]).max(axis=1) > 0.5)  # the second sees a wall
            islands.tell(batch, scores)
            found = scores[30:]
        return float(np.median(found))

    assert last_scores(2) < last_scores(0)


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_all_islands_learn_or_none(threads: int) -> None:
    members = [
        GA(BOUNDS, population_size=4, scheme="steady_state", selection="lexicase", seed=idx)
        for idx in range(3)
    ]
    islands = Islands(members, threads=threads)
    batch = islands.ask()
    islands.tell(batch, sphere(batch), cases=batch[:, :2])
    batch = islands.ask()
    before = islands.save()
    with pytest.raises(BatchError, match="2 cases a row, as before"):
        islands.tell(batch, sphere(batch), cases=batch)
    assert islands.save() == before
    islands.tell(batch, sphere(batch), cases=batch[:, :2])


def test_the_population_says_where_its_rows_come_from() -> None:
    islands = Islands(
        [GA(BOUNDS, population_size=8, seed=idx) for idx in range(2)], migration_every=0
    )
    known: dict[int, list[int]] = {}
    for _ in range(5):
        batch = islands.ask()
        first_id, parents, _ = islands.lineage
        known |= {first_id + row: line.tolist() for row, line in enumerate(parents)}
        islands.tell(batch, sphere(batch))
    population = islands.population
    assert population.ids is not None
    assert population.parents is not None
    assert population.operator_names == tuple(islands.operators)
    for idx, line in zip(population.ids, population.parents, strict=True):
        assert line.tolist() == known[int(idx)]


def test_a_saved_batch_under_way_goes_on() -> None:
    islands = Islands(member, n_islands=2, migration_every=1)
    run(islands, 3)
    batch = islands.ask()
    again = Algorithm.load(islands.save())
    assert np.array_equal(again.ask(), batch)
    for search in (islands, again):
        search.tell(batch, sphere(batch))
    assert again.save() == islands.save()


def test_mixed_spaces_maximised_objectives_and_failed_rows_pass() -> None:
    space = mixed(x=real(0.0, 1.0, 2), on=boolean(3))
    islands = Islands(
        [RandomSearch(space, batch_size=8, direction="maximize", seed=k) for k in range(2)],
        migration_every=1,
    )
    for _ in range(5):
        batch = islands.ask()
        failed = batch["x"][:, 0] > 0.9
        scores = np.where(failed, np.nan, batch["x"].sum(axis=1) + batch["on"].sum(axis=1))
        islands.tell(batch, scores, failed=failed)
    assert islands.best_score > 2.0
    assert set(islands.best_x) == {"x", "on"}
    assert islands.n_failed > 0


def test_what_does_not_fit_is_refused() -> None:
    begun = member(0)
    begun.ask()
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (member, {}, "n_islands"),
        (member, {"n_islands": 0}, "n_islands"),
        ([], {}, "at least one"),
        ([1], {}, "searches"),
        ([member(0)], {"n_islands": 2}, "n_islands"),
        ([begun], {}, "not begun"),
        ([member(0), RandomSearch([(0.0, 1.0)])], {}, "same space"),
        ([member(0), RandomSearch(BOUNDS, direction="maximize")], {}, "direction"),
        (member, {"n_islands": 2, "topology": "line"}, "topology"),
        (member, {"n_islands": 2, "topology": [(0, 2)]}, "edges"),
        (member, {"n_islands": 2, "topology": [(1, 1)]}, "edges"),
        (member, {"n_islands": 2, "policy": "worst"}, "policy"),
        (member, {"n_islands": 2, "n_migrants": -1}, "n_migrants"),
        (member, {"n_islands": 2, "n_migrants": 65_537}, "at most 65536"),
    ]
    for make, settings, reason in wrong:
        with pytest.raises(ConfigError, match=reason):
            Islands(make, **settings)


def test_ten_runs_at_once_give_what_each_gives_alone() -> None:
    def one(seed: int) -> list[float]:
        islands = Islands(
            lambda idx: RandomSearch(BOUNDS, batch_size=20, seed=100 * seed + idx),
            n_islands=3,
            migration_every=2,
            seed=seed,
            threads=2,
        )
        return run(islands, 20)

    alone = [one(seed) for seed in range(10)]
    together: dict[int, list[float]] = {}

    def work(seed: int) -> None:
        together[seed] = one(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[seed] for seed in range(10)] == alone
