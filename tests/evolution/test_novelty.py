"""Neighbours against a plain scan; novelty search in a maze of deception."""

from typing import Any

import numpy as np
import pytest

from chimera.errors import BatchError, ConfigError
from chimera.evolution import NoveltySearch, nearest_neighbours, novelty


def _plain(queries: Any, points: Any, k: int) -> tuple[Any, Any]:
    """Return the neighbours by sorting all distances."""
    wide = queries[:, None].astype(np.float64) - points[None].astype(np.float64)
    squared = (wide**2).sum(axis=2)
    order = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squared, order, axis=1)), order


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_dimensions", [1, 2, 5, 16, 50])
@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_neighbours_equal_a_plain_scan(dtype: str, n_dimensions: int, offset: float) -> None:
    rng = np.random.default_rng(n_dimensions)
    points = (offset + rng.normal(size=(900, n_dimensions))).astype(dtype)
    queries = (offset + rng.normal(size=(70, n_dimensions))).astype(dtype)
    distances, rows = _plain(queries, points, 15)
    for threads in (1, 2, 4):
        found = nearest_neighbours(queries, points, 15, threads=threads)
        assert np.array_equal(found.rows, rows)
        assert np.allclose(found.distances, distances, rtol=1e-13, atol=0)


@pytest.mark.parametrize("n_points", [1, 12, 50, 300])
def test_few_points_and_many_neighbours(n_points: int) -> None:
    points = np.random.default_rng(1).normal(size=(n_points, 8))
    distances, rows = _plain(points[:50], points, n_points)
    found = nearest_neighbours(points[:50], points, 300)
    assert np.array_equal(found.rows, rows)
    assert np.allclose(found.distances, distances, rtol=1e-13, atol=0)
    assert np.isfinite(novelty(points, k=3)).all()


def test_fewer_points_than_neighbours() -> None:
    assert nearest_neighbours([[0.0]], [[1.0], [2.0]], 15).rows.tolist() == [[0, 1]]


def test_the_batch_counts_as_neighbours_and_the_row_itself_does_not() -> None:
    rows = np.array([[0.0], [0.0], [4.0]])
    assert novelty(rows, k=1).tolist() == [0.0, 0.0, 4.0]
    assert novelty(rows, np.array([[5.0]]), k=2).tolist() == [2.0, 2.0, 2.5]
    assert novelty([[1.0, 2.0]]).tolist() == [0.0]


@pytest.mark.parametrize(
    ("queries", "points", "message"),
    [
        ([[np.nan]], [[1.0]], "queries: expected finite"),
        ([[1.0]], [[np.inf]], "points: expected finite"),
        ([[1.0]], [[1.0, 2.0]], "points"),
        ([1.0], [[1.0]], "2-D"),
        ([[1.0]], np.zeros((0, 1)), "points"),
    ],
)
def test_bad_points_are_refused(queries: Any, points: Any, message: str) -> None:
    with pytest.raises(BatchError, match=message):
        nearest_neighbours(queries, points, 3)


def test_novelty_of_other_lengths_is_refused() -> None:
    with pytest.raises(BatchError, match="archive"):
        novelty([[1.0, 2.0]], [[1.0]])
    with pytest.raises(BatchError, match=r"behaviours: expected shape \(n, d\), got \(3,\)"):
        novelty([0.0, 1.0, 5.0])
    with pytest.raises(BatchError, match=r"archive: expected shape"):
        novelty([[0.0]], [1.0])
    with pytest.raises(ConfigError, match="k"):
        novelty([[1.0, 2.0]], k=0)


def _explore(search: NoveltySearch, n_generations: int) -> Any:
    """Walk: genes are turns, the behaviour is where the walk ends. Return all behaviours."""
    seen = []
    for _ in range(n_generations):
        batch = search.ask()
        angle = np.cumsum(batch, axis=1)
        ends = np.stack([np.cos(angle).mean(axis=1), np.sin(angle).mean(axis=1)], axis=1)
        search.tell(batch, ends[:, 0], descriptors=ends)
        seen.append(ends)
    return np.concatenate(seen)


def _n_visited(behaviours: Any) -> int:
    places = np.floor((behaviours + 1) * 10).astype(int)
    return len({tuple(place) for place in places.tolist()})


# The unit disc covers about 314 of the 400 squares; uniform turns end near the middle.
@pytest.mark.parametrize("policy", ["threshold", "random", "best"])
def test_novelty_search_reaches_more_places_than_chance(policy: Any) -> None:
    bounds = [(-np.pi, np.pi)] * 20
    for seed in range(3):
        search = NoveltySearch(bounds, n_descriptors=2, policy=policy, seed=seed)
        behaviours = _explore(search, 100)
        chance = np.random.default_rng(seed).uniform(-np.pi, np.pi, size=(10_000, 20))
        angle = np.cumsum(chance, axis=1)
        ends = np.stack([np.cos(angle).mean(axis=1), np.sin(angle).mean(axis=1)], axis=1)
        assert _n_visited(behaviours) > 1.3 * _n_visited(ends), f"seed {seed}"
        assert search.figures["archive_size"] > 0


def test_local_competition_keeps_better_scores() -> None:
    bounds = [(-1.0, 1.0)] * 6
    means = {}
    for is_local in (False, True):
        search = NoveltySearch(bounds, n_descriptors=2, local_competition=is_local, seed=1)
        for _ in range(60):
            batch = search.ask()
            search.tell(batch, -(batch[:, 2:] ** 2).sum(axis=1), descriptors=batch[:, :2])
        means[is_local] = search.holdings()["objectives"].mean()
    assert means[True] > 0.3 * means[False]


def test_the_archive_has_a_limit() -> None:
    search = NoveltySearch(
        [(-1.0, 1.0)] * 3, n_descriptors=1, policy="random", n_added=50, archive_size_max=120
    )
    for _ in range(10):
        batch = search.ask()
        search.tell(batch, batch[:, 0], descriptors=batch[:, :1])
    assert search.figures["archive_size"] == 120


def test_failed_rows_neither_survive_nor_count() -> None:
    search = NoveltySearch([(-1.0, 1.0)] * 3, n_descriptors=1, population_size=10)
    for _ in range(4):
        batch = search.ask()
        failed = np.arange(10) % 2 == 0
        descriptors = np.where(failed[:, None], np.nan, batch[:, :1])
        search.tell(batch, np.where(failed, np.nan, 1.0), descriptors=descriptors, failed=failed)
    held = search.holdings()
    assert len(held["objectives"]) == 10
    assert np.isfinite(held["descriptors"]).all()


@pytest.mark.parametrize(
    "settings",
    [
        {"n_descriptors": 0},
        {"population_size": 1},
        {"k": 0},
        {"n_added": 1000},
        {"archive_size_max": 0},
        {"threshold": -1.0},
        {"line_sigma": -1.0},
    ],
    ids=str,
)
def test_bad_settings_are_named(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        NoveltySearch([(-1.0, 1.0)], **{"n_descriptors": 1, **settings})
