"""Ranks, hypervolume and distances: against definitions, known volumes and small cases."""

import _thread
import itertools
import signal
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chimera._chimera import population
from chimera.errors import ArgumentError, BatchError, ConfigError
from chimera.evolution import RandomSearch, indicators

Rows = NDArray[np.float64]


def _peel(points: Rows) -> NDArray[np.int64]:
    """Ranks by definition: the front, then the front of the rest."""
    ranks = np.full(len(points), -1, dtype=np.int64)
    rank = 0
    while (ranks < 0).any():
        rows = np.flatnonzero(ranks < 0)
        left = points[rows]
        below = (left[:, None] <= left[None]).all(axis=2) & (left[:, None] < left[None]).any(axis=2)
        ranks[rows[~below.any(axis=0)]] = rank
        rank += 1
    return ranks


def _volume(points: Rows, reference: Rows) -> float:
    """Hypervolume by inclusion and exclusion."""
    total = 0.0
    for size in range(1, len(points) + 1):
        for rows in itertools.combinations(range(len(points)), size):
            worst = points[list(rows)].max(axis=0)
            total -= (-1) ** size * np.clip(reference - worst, 0.0, None).prod()
    return total


@pytest.mark.parametrize("m", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("n_values", [0, 2, 7])
def test_ranks_are_those_of_peeling_fronts_off(m: int, n_values: int) -> None:
    rng = np.random.default_rng(m)
    points = rng.integers(0, n_values, (600, m)) if n_values else rng.random((600, m))
    points = points.astype(np.float64)
    np.testing.assert_array_equal(indicators.pareto_ranks(points), _peel(points))


def test_ranks_of_one_long_chain_and_of_one_front() -> None:
    steps = np.arange(3000.0)
    np.testing.assert_array_equal(
        indicators.pareto_ranks(np.column_stack([steps] * 3)), np.arange(3000)
    )
    circle = np.column_stack([steps, -steps, np.sin(steps)])
    assert not indicators.pareto_ranks(circle).any()


def test_crowding_follows_the_definition_front_by_front() -> None:
    rng = np.random.default_rng(1)
    points = rng.random((300, 3))
    ranks = indicators.pareto_ranks(points)
    found = indicators.crowding_distance(points, ranks=ranks)
    for rank in range(ranks.max() + 1):
        rows = np.flatnonzero(ranks == rank)
        expected = np.zeros(len(rows))
        for column in range(3):
            order = np.argsort(points[rows, column])
            values = points[rows, column][order]
            gaps = np.full(len(rows), np.inf)
            if len(rows) > 2:
                gaps[1:-1] = (values[2:] - values[:-2]) / (values[-1] - values[0])
            expected[order] += gaps
        np.testing.assert_allclose(found[rows], expected, rtol=1e-12)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 7])
def test_hypervolume_is_that_of_inclusion_and_exclusion(m: int) -> None:
    rng = np.random.default_rng(m)
    for n in (1, 3, 9):
        for points in (rng.random((n, m)), rng.integers(0, 3, (n, m)).astype(np.float64)):
            reference = np.full(m, 0.9 if points.max() < 1.0 else 2.0)
            found = indicators.hypervolume(points, reference=reference)
            assert found == pytest.approx(_volume(points, reference), rel=1e-12, abs=1e-14)


def test_hypervolume_of_an_eighth_of_a_ball() -> None:
    # Points on the sphere cover the cube but the eighth of the ball: 1 - pi / 6, from below.
    rng = np.random.default_rng(3)
    points = np.abs(rng.normal(size=(4000, 3)))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    found = indicators.hypervolume(points, reference=np.ones(3))
    assert 0.97 * (1.0 - np.pi / 6.0) < found < 1.0 - np.pi / 6.0


@pytest.mark.parametrize("m", [2, 3, 4])
def test_contributions_are_what_the_front_loses(m: int) -> None:
    rng = np.random.default_rng(m)
    points = rng.random((40, m))
    points[7] = points[3]
    reference = np.full(m, 0.95)
    found = indicators.hypervolume_contributions(points, reference=reference)
    front = np.flatnonzero(indicators.pareto_ranks(points) == 0)
    whole = indicators.hypervolume(points[front], reference=reference)
    for row in range(40):
        rest = points[front[front != row]]
        lost = whole - indicators.hypervolume(rest, reference=reference) if row in front else 0.0
        assert found[row] == pytest.approx(lost, abs=1e-12)
    assert found[3] == found[7] == 0.0


def test_estimates_keep_their_bound_and_repeat() -> None:
    points = np.random.default_rng(2).random((50, 6))
    exact = indicators.hypervolume(points, reference=np.ones(6))
    for seed in range(10):
        found = indicators.hypervolume_estimate(
            points, reference=np.ones(6), n_samples=5000, confidence=0.999, seed=seed
        )
        assert abs(found.volume - exact) <= found.error
    again = indicators.hypervolume_estimate(points, reference=np.ones(6), n_samples=5000, seed=9)
    assert again.volume == found.volume


def test_distances_follow_their_definitions() -> None:
    rng = np.random.default_rng(5)
    points, target = rng.random((30, 3)) + 0.1, rng.random((40, 3)) + 0.1
    gaps = points[:, None] - target[None]
    lengths = np.linalg.norm(gaps, axis=2)
    worse = np.linalg.norm(np.clip(gaps, 0.0, None), axis=2)
    assert indicators.gd(points, reference=target) == pytest.approx(lengths.min(axis=1).mean())
    assert indicators.igd(points, reference=target) == pytest.approx(lengths.min(axis=0).mean())
    assert indicators.igd_plus(points, reference=target) == pytest.approx(worse.min(axis=0).mean())
    additive = gaps.max(axis=2).min(axis=0).max()
    assert indicators.epsilon_indicator(points, reference=target) == pytest.approx(additive)
    ratios = (points[:, None] / target[None]).max(axis=2).min(axis=0).max()
    found = indicators.epsilon_indicator(points, reference=target, kind="multiplicative")
    assert found == pytest.approx(ratios)


def test_empty_sets() -> None:
    none = np.empty((0, 2))
    assert indicators.pareto_ranks(none).shape == (0,)
    assert indicators.crowding_distance(none).shape == (0,)
    assert indicators.hypervolume(none, reference=[1.0, 1.0]) == 0.0
    assert indicators.hypervolume_contributions(none, reference=[1.0, 1.0]).shape == (0,)
    with pytest.raises(BatchError, match="at least one row"):
        indicators.igd(none, reference=[[0.0, 1.0]])


def _misaligned(values: Rows) -> Rows:
    """The same values, at an address that is no multiple of their size."""
    raw = np.zeros(values.nbytes + 1, dtype=np.uint8)
    out = raw[1:].view(np.float64).reshape(values.shape)
    out[...] = values
    assert not out.flags.aligned
    return out


def test_misaligned_arrays_are_copied() -> None:
    points, reference = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), np.full(2, 3.0)
    assert indicators.pareto_ranks(_misaligned(points)).tolist() == [0, 0, 1]
    assert indicators.hypervolume(_misaligned(points), reference=_misaligned(reference)) == 8.0
    assert population.duplicates(_misaligned(points)).tolist() == [False] * 3
    search = RandomSearch([(0.0, 1.0)] * 3, seed=1)
    batch = search.ask(3)
    search.tell(_misaligned(batch), _misaligned(np.array([3.0, 1.0, 2.0])))
    assert search.best_score == 1.0


def test_columns_are_not_mistaken_for_rows() -> None:
    points = np.asfortranarray([[0.0, 1.0, 5.0], [1.0, 2.0, 6.0]])
    reference = np.full(3, 9.0)
    assert indicators.pareto_ranks(points).tolist() == [0, 1]
    for call in (
        lambda: population.pareto_ranks(points),
        lambda: population.hypervolume(points, reference, max_steps=99),
        lambda: population.front_indicator("gd", points, np.ascontiguousarray(points)),
        lambda: population.front_indicator("gd", np.ascontiguousarray(points), points),
    ):
        with pytest.raises(ArgumentError, match="C order"):
            call()


def test_nothing_to_sample_takes_no_time() -> None:
    found = indicators.hypervolume_estimate([[2.0, 0.0]], reference=[1.0, 1.0], n_samples=2**62)
    assert found == (0.0, 0.0)


def test_views_and_other_dtypes_are_taken() -> None:
    points = np.random.default_rng(0).random((20, 4))
    np.testing.assert_array_equal(
        indicators.pareto_ranks(points[::2, ::2]), indicators.pareto_ranks(points[::2, ::2].copy())
    )
    whole = np.array([[1, 2], [2, 1], [2, 2]], dtype=np.int32)
    np.testing.assert_array_equal(indicators.pareto_ranks(whole), [0, 0, 1])


def sphere(n: int, m: int) -> Rows:
    points = np.abs(np.random.default_rng(n).normal(size=(n, m)))
    return 1.0 - points / np.linalg.norm(points, axis=1, keepdims=True)


@pytest.mark.parametrize(
    "call",
    [
        lambda: indicators.hypervolume(sphere(400, 14), reference=np.ones(14)),
        lambda: indicators.hypervolume_contributions(sphere(400, 14), reference=np.ones(14)),
        lambda: indicators.hypervolume_estimate(
            sphere(400, 14), reference=np.ones(14), n_samples=2**40
        ),
        lambda: indicators.pareto_ranks(sphere(300_000, 4)),
        lambda: indicators.igd(sphere(150_000, 4), reference=sphere(150_000, 4)),
        lambda: indicators.epsilon_indicator(sphere(150_000, 4), reference=sphere(150_000, 4)),
    ],
    ids=["hypervolume", "contributions", "estimate", "ranks", "distance", "epsilon"],
)
def test_interrupts_end_long_work(call: Callable[[], Any]) -> None:
    # A job in the background of a shell inherits that Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, _thread.interrupt_main)
    try:
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("measure", [indicators.hypervolume, indicators.hypervolume_contributions])
def test_exact_hypervolume_gives_up_at_its_limit(measure: Callable[..., Any]) -> None:
    points, reference = sphere(60, 7), np.ones(7)
    known = measure(points, reference=reference)
    np.testing.assert_array_equal(measure(points, reference=reference, max_steps=2**36), known)
    for max_steps in (1, 1_000, 30_000):
        with pytest.raises(BatchError, match="hypervolume_estimate"):
            measure(points, reference=reference, max_steps=max_steps)
    for max_steps in (0, 2**63):
        with pytest.raises(ConfigError, match="max_steps"):
            measure(points, reference=reference, max_steps=max_steps)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: indicators.pareto_ranks([1.0, 2.0]), "shape"),
        (lambda: indicators.pareto_ranks([[1.0, np.nan]]), "finite"),
        (lambda: indicators.pareto_ranks(np.empty((3, 0))), "shape"),
        (lambda: indicators.pareto_ranks([["a"]]), "numbers"),
        (lambda: indicators.crowding_distance([[1.0, 2.0]], ranks=[-1]), "ranks"),
        (lambda: indicators.crowding_distance([[1.0, 2.0]], ranks=[5]), "ranks"),
        (lambda: indicators.crowding_distance([[1.0, 2.0]], ranks=[0, 0]), "ranks"),
        (lambda: indicators.hypervolume([[1.0, 2.0]], reference=[1.0]), "reference"),
        (lambda: indicators.hypervolume([[1.0, 2.0]], reference=[1.0, np.inf]), "reference"),
        (lambda: indicators.igd([[1.0, 2.0]], reference=[[1.0]]), "reference"),
        (
            lambda: indicators.epsilon_indicator(
                [[0.0, 1.0]], reference=[[1.0, 1.0]], kind="multiplicative"
            ),
            "positive",
        ),
    ],
)
def test_bad_arrays_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(BatchError, match=message):
        call()


def test_bad_settings_are_refused() -> None:
    points = [[0.5, 0.5]]
    with pytest.raises(ConfigError, match="kind"):
        indicators.epsilon_indicator(points, reference=points, kind="other")
    with pytest.raises(ConfigError, match="n_samples"):
        indicators.hypervolume_estimate(points, reference=[1.0, 1.0], n_samples=0)
    with pytest.raises(ConfigError, match="confidence"):
        indicators.hypervolume_estimate(points, reference=[1.0, 1.0], confidence=1.0)
