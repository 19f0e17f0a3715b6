"""Searches for a front: they reach known fronts, keep constraints, and repeat bit for bit."""

import itertools
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chimera.errors import BatchError, ConfigError
from chimera.evolution import (
    MOEAD,
    NSGA2,
    NSGA3,
    SMSEMOA,
    HypervolumeConvergence,
    RandomSearch,
    Vectorized,
    boolean,
    hypervolume,
    igd,
    igd_plus,
    integer,
    minimize,
    mixed,
    optimize,
    pareto_ranks,
    permutation,
    real,
)
from chimera.evolution._multi import MultiObjective

Rows = NDArray[np.float64]

BOUNDS = [(0.0, 1.0)] * 10
SEARCHES: dict[str, Callable[..., MultiObjective]] = {
    "nsga2": lambda bounds=BOUNDS, **kw: NSGA2(bounds, population_size=60, **kw),
    "nsga3": lambda bounds=BOUNDS, **kw: NSGA3(bounds, n_objectives=2, n_partitions=59, **kw),
    "sms_emoa": lambda bounds=BOUNDS, **kw: SMSEMOA(bounds, population_size=60, **kw),
    "sms_emoa_steady": lambda bounds=BOUNDS, **kw: SMSEMOA(
        bounds, population_size=60, offspring=7, **kw
    ),
    "moead": lambda bounds=BOUNDS, **kw: MOEAD(bounds, n_partitions=59, **kw),
    "moead_pbi": lambda bounds=BOUNDS, **kw: MOEAD(
        bounds, n_partitions=59, decomposition="pbi", **kw
    ),
    "moead_de": lambda bounds=BOUNDS, **kw: MOEAD(bounds, n_partitions=59, variation="de", **kw),
}
each = pytest.mark.parametrize("name", SEARCHES)


def zdt1(x: Rows) -> Rows:
    g = 1.0 + 9.0 * x[:, 1:].mean(axis=1)
    return np.column_stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))])


def dtlz2(x: Rows) -> Rows:
    g = ((x[:, 2:] - 0.5) ** 2).sum(axis=1)
    a, b = x[:, 0] * np.pi / 2, x[:, 1] * np.pi / 2
    parts = np.column_stack([np.cos(a) * np.cos(b), np.cos(a) * np.sin(b), np.sin(a)])
    return (1.0 + g[:, None]) * parts


def front_of(search: MultiObjective) -> Rows:
    found = search.front.objectives
    assert found is not None
    return found


def go(search: MultiObjective, f: Callable[[Rows], Rows], n_evaluations: int) -> MultiObjective:
    while search.n_evaluations < n_evaluations:
        batch = search.ask()
        assert (batch >= 0.0).all()
        assert (batch <= 1.0).all()
        search.tell(batch, f(batch))
    return search


@each
def test_zdt1_is_reached(name: str) -> None:
    # The whole front has IGD 0 and hypervolume .8767 towards (1.1, 1.1).
    search = go(SEARCHES[name](seed=3), zdt1, 15_000)
    x = np.linspace(0.0, 1.0, 200)
    front = np.column_stack([x, 1.0 - np.sqrt(x)])
    assert igd(front_of(search), reference=front) < 0.02
    assert hypervolume(front_of(search), reference=[1.1, 1.1]) > 0.855


@pytest.mark.parametrize(
    "search",
    [
        NSGA2([(0.0, 1.0)] * 7, n_objectives=3, population_size=92, seed=2),
        NSGA3([(0.0, 1.0)] * 7, seed=2),
        SMSEMOA([(0.0, 1.0)] * 7, n_objectives=3, population_size=60, seed=2),
        MOEAD([(0.0, 1.0)] * 7, n_objectives=3, decomposition="pbi", seed=2),
    ],
    ids=lambda search: search.method,
)
def test_dtlz2_is_reached(search: MultiObjective) -> None:
    go(search, dtlz2, 14_000)
    rng = np.random.default_rng(0)
    front = np.abs(rng.normal(size=(500, 3)))
    front /= np.linalg.norm(front, axis=1, keepdims=True)
    assert igd_plus(front_of(search), reference=front) < 0.05


@each
def test_threads_and_saving_do_not_change_results(name: str) -> None:
    bounds = [(0.0, 1.0)] * 400
    alone = SEARCHES[name](bounds, seed=7)
    other = SEARCHES[name](bounds, seed=7, threads=3)
    for generation in range(6):
        for search in (alone, other):
            batch = search.ask()
            search.tell(batch, zdt1(batch))
        if generation % 2:
            other.ask()
            other = MultiObjective.load(other.save(), threads=2)
        assert alone.population.equals(other.population)
    np.testing.assert_array_equal(alone.ask(), other.ask())


@each
def test_constraints_are_met(name: str) -> None:
    search = SEARCHES[name](seed=1)
    for _ in range(60 if "steady" not in name else 500):
        batch = search.ask()
        violations = np.clip(1.2 - batch[:, 0] - batch[:, 1], 0.0, None)
        search.tell(batch, zdt1(batch), violations=violations)
    members = search.population
    assert not np.any(members.violations)
    assert (members.x[:, :2].sum(axis=1) >= 1.2).all()


@each
def test_failed_rows_do_not_survive(name: str) -> None:
    search = SEARCHES[name](seed=1)
    for _ in range(20):
        batch = search.ask()
        scores = zdt1(batch)
        failed = batch[:, 1] > 0.6
        scores[failed] = np.nan
        search.tell(batch, scores, failed=failed)
    assert (search.front.x[:, 1] <= 0.6).all()
    assert search.n_failed > 0


@each
def test_maximised_objectives_mirror_minimised_ones(name: str) -> None:
    least, most = SEARCHES[name](seed=4), SEARCHES[name](seed=4, direction=["minimize", "maximize"])
    for _ in range(8):
        a, b = least.ask(), most.ask()
        np.testing.assert_array_equal(a, b)
        least.tell(a, zdt1(a))
        most.tell(b, zdt1(b) * [1.0, -1.0])
    np.testing.assert_array_equal(front_of(least), front_of(most) * [1.0, -1.0])


@each
def test_parents_are_members(name: str) -> None:
    search = SEARCHES[name](seed=4)
    go(search, zdt1, 120)
    known = search.population.ids
    assert known is not None
    search.ask()
    assert np.isin(search.lineage.parents, known).all()
    assert search.best_x is None


def test_units_do_not_matter_to_nsga3() -> None:
    scale = np.array([1.0, 1000.0, 0.01])
    plain = front_of(go(NSGA3([(0.0, 1.0)] * 7, seed=5), dtlz2, 9_000))
    scaled = go(NSGA3([(0.0, 1.0)] * 7, seed=5), lambda x: dtlz2(x) * scale, 9_000)
    volumes = [
        hypervolume(front, reference=np.full(3, 1.1)) for front in (plain, front_of(scaled) / scale)
    ]
    assert volumes[0] == pytest.approx(volumes[1], abs=0.03)


VALUES = np.random.default_rng(5).integers(1, 30, (3, 12))


def knapsack(picks: Rows) -> dict[str, Any]:
    """Two values to maximise, as losses, and the weight above 90."""
    first, second, weight = VALUES @ picks
    return {"objectives": [-float(first), -float(second)], "violations": max(0.0, weight - 90.0)}


@pytest.mark.parametrize("method", ["auto", "nsga3", "sms_emoa", "moead"])
def test_a_knapsack_of_two_values_is_solved_whole(method: str) -> None:
    found = minimize(knapsack, boolean(12), n_objectives=2, method=method, budget=10_000, seed=1)
    every = np.array(list(itertools.product([0, 1], repeat=12))) @ VALUES.T
    sound = -every[every[:, 2] <= 90.0, :2].astype(np.float64)
    front = np.unique(sound[pareto_ranks(sound) == 0], axis=0)
    assert len(front) > 5
    np.testing.assert_array_equal(np.unique(found.score, axis=0), front)
    assert found.x.dtype == np.bool_
    assert method != "auto" or found.method == "nsga2"


@pytest.mark.parametrize("method", ["auto", "nsga3", "sms_emoa", "moead"])
def test_orders_between_two_wishes_are_found_whole(method: str) -> None:
    # Inversions against 0..6 and against its reverse sum to 21: each split is on the front.
    def inversions(order: Rows) -> list[float]:
        n = sum(a > b for a, b in itertools.combinations(order.tolist(), 2))
        return [float(n), 21.0 - n]

    options = {"permutation_crossover": "edge", "permutation_mutation": "swap"}
    found = minimize(
        inversions,
        permutation(7),
        n_objectives=2,
        method=method,
        budget=10_000,
        seed=1,
        options=options,
    )
    assert {row[0] for row in found.score.tolist()} == set(range(22))


def test_mixed_spaces_are_searched() -> None:
    space = mixed(x=real(0.0, 1.0, 4), n=integer(0, 9, 2), on=boolean(5), order=permutation(4))

    def cost(row: Mapping[str, Rows]) -> list[float]:
        x = float(row["x"].sum())
        disorder = abs(row["order"] - [3, 2, 1, 0]).sum()
        rest = float(abs(row["n"] - 3).sum() + row["on"].sum() + disorder)
        return [x + rest, 4.0 - x + rest]

    found = minimize(cost, space, n_objectives=2, budget=12_000, seed=1)
    # On the front all but x are at their best, and the costs sum to 4.
    np.testing.assert_allclose(found.score.sum(axis=1), 4.0, atol=1e-12)
    assert len(found.score) > 50
    assert found.algorithm.operators == ["uniform", "crossover_mutation"]


def test_differences_name_all_their_parents() -> None:
    search = MOEAD(BOUNDS, n_partitions=19, variation="de", seed=1)
    go(search, zdt1, 40)
    ids = search.population.ids
    search.ask()
    assert search.lineage.parents.shape == (20, 3)
    np.testing.assert_array_equal(search.lineage.parents[:, 0], ids)


def test_few_directions_are_all_neighbours() -> None:
    search = go(MOEAD(BOUNDS, n_partitions=10, seed=1), zdt1, 3_000)
    assert len(search.population) == 11


def test_unknown_keywords_are_refused() -> None:
    with pytest.raises(TypeError, match="popsize"):
        NSGA2(BOUNDS, popsize=9)  # type: ignore[call-arg]


def test_front_of_32_bit_genes() -> None:
    space = real([0.0] * 5, [1.0] * 5, dtype="float32")
    search = go(NSGA2(space, population_size=20, seed=1), zdt1, 200)
    assert search.front.x.dtype == np.float32


def test_convergence_of_hypervolume_stops_a_loop() -> None:
    stop = HypervolumeConvergence([1.1, 1.1], tolerance=1e-3, n_steps=10)
    search = NSGA2(BOUNDS, population_size=60, seed=1)
    evaluate = Vectorized(zdt1, n_objectives=2)
    loop = optimize(search, evaluate, termination=stop).run()
    assert loop.stop_reason == "hypervolume"
    assert stop.volume > 0.8
    assert loop.algorithm.generation < 1000


def test_convergence_needs_a_search_for_a_front() -> None:
    stop = HypervolumeConvergence([1.1], n_steps=1)
    search = RandomSearch([(0.0, 1.0)], seed=1)
    with pytest.raises(ConfigError, match="front"):
        optimize(search, lambda x: x[:, 0], termination=stop).run()


@pytest.mark.parametrize(
    "call",
    [
        lambda: NSGA2(BOUNDS, n_objectives=1),
        lambda: NSGA2(BOUNDS, population_size=1),
        lambda: NSGA2(BOUNDS, crossover_probability=1.1),
        lambda: NSGA2(BOUNDS, mutation_eta=-1.0),
        lambda: NSGA2([(0.0, np.inf)]),
        lambda: NSGA2(BOUNDS, direction=["minimize"] * 3),
        lambda: NSGA3(BOUNDS, population_size=5),
        lambda: NSGA3(BOUNDS, n_partitions=0),
        lambda: SMSEMOA(BOUNDS, offspring=0),
        lambda: MOEAD(BOUNDS, decomposition="sum"),  # type: ignore[arg-type]
        lambda: MOEAD(BOUNDS, n_neighbours=500),
        lambda: MOEAD(BOUNDS, n_partitions=1),
        lambda: MOEAD(boolean(5), variation="de"),
        lambda: NSGA2(permutation(5), permutation_crossover="sbx"),
        lambda: NSGA2(integer(0, 5, 3), creep_step=0.0),
        lambda: NSGA2(mixed(a=boolean(2), b=real(0.0, np.inf, 1))),
        lambda: NSGA2(BOUNDS, n_objectives=2**63),
        lambda: NSGA2(BOUNDS, population_size=2**63),
        lambda: NSGA3(BOUNDS, n_partitions=2**64 - 1),
        lambda: NSGA3(BOUNDS, n_inner_partitions=2**64 - 1),
        lambda: SMSEMOA(BOUNDS, offspring=2**63),
        lambda: MOEAD(BOUNDS, theta=0.0),
        lambda: HypervolumeConvergence([1.0], tolerance=2.0),
        lambda: HypervolumeConvergence([1.0], n_steps=0),
    ],
)
def test_bad_settings_are_refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError):
        call()


@each
def test_bad_scores_change_nothing(name: str) -> None:
    search = SEARCHES[name](seed=1)
    batch = search.ask()
    before = search.save()
    for scores in (zdt1(batch)[:, :1], zdt1(batch)[:-1], np.full((len(batch), 2), np.nan)):
        with pytest.raises(BatchError):
            search.tell(batch, scores)
    assert search.save() == before
    search.tell(batch, zdt1(batch))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timers as POSIX has them")
def test_long_selection_can_be_interrupted_while_others_look() -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt  # as Ctrl-C does

    search = SMSEMOA([(0.0, 1.0)] * 4, n_objectives=4, population_size=4000, seed=1)
    for is_last in (False, True):
        batch = search.ask()
        scores = batch / np.linalg.norm(batch, axis=1, keepdims=True)
        if not is_last:
            search.tell(batch, scores)
    state = search.save()
    is_over = threading.Event()
    seen: list[int] = []

    def look() -> None:
        while not is_over.is_set():
            seen.append(search.generation)

    before = signal.signal(signal.SIGVTALRM, interrupt)
    thread = threading.Thread(target=look)
    thread.start()
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            search.tell(batch, scores)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        is_over.set()
        thread.join()
    assert search.save() == state
    assert set(seen) == {1}
