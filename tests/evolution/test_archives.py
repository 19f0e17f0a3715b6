"""Archives: insertion against a plain reading of the rules, views, saving, bad input."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from chimera.errors import BatchError, ConfigError, StateError
from chimera.evolution import Archive, CVTArchive, GridArchive, SlidingBoundariesArchive

Floats = NDArray[Any]
RANGES = [(-1.0, 1.0)] * 2


def _rows(seed: int, n: int = 200, dtype: str = "float64") -> tuple[Floats, Floats, Floats]:
    """Return solutions, objectives with many ties, and descriptors."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(n, 3)).astype(dtype),
        rng.integers(-9, 9, size=n).astype(dtype),
        rng.uniform(-1, 1, size=(n, 2)).astype(dtype),
    )


def _grid_cell(row: Floats, shape: tuple[int, int]) -> int:
    """Return the cell as pyribs defines it, with its epsilon."""
    cell = 0
    for value, side in zip(row, shape, strict=True):
        place = int((side * float(value - row.dtype.type(-1)) + float(row.dtype.type(1e-6))) / 2)
        cell = cell * side + min(max(place, 0), side - 1)
    return cell


class _Reference:
    """The rules of a batch insertion, one row at a time."""

    def __init__(self, learning_rate: float = 1.0, threshold_min: float | None = None) -> None:
        self.learning_rate, self.threshold_min = learning_rate, threshold_min
        self.elites: dict[int, tuple[float, Floats, float]] = {}

    def add(self, cells: list[int], rows: Floats, scores: Floats) -> tuple[list[int], list[float]]:
        before = dict(self.elites)
        status, values = [], []
        accepted: dict[int, list[int]] = {}
        for row, (cell, score) in enumerate(zip(cells, scores.tolist(), strict=True)):
            least = -np.inf if self.threshold_min is None else self.threshold_min
            threshold = before[cell][2] if cell in before else least
            is_better = score > threshold
            status.append((1 if cell in before else 2) if is_better else 0)
            values.append(score - (0.0 if np.isinf(threshold) else threshold))
            if is_better:
                accepted.setdefault(cell, []).append(row)
        for cell, chosen in accepted.items():
            best = max(chosen, key=lambda row: (scores[row], -row))
            threshold = float(scores[best])
            if self.threshold_min is not None and self.learning_rate < 1:
                # At 1 the threshold is the best objective, as in the sequential rule of the paper.
                ratio = (1 - self.learning_rate) ** len(chosen)
                old = before[cell][2] if cell in before else self.threshold_min
                threshold = ratio * old + float(scores[chosen].mean()) * (1 - ratio)
            self.elites[cell] = (float(scores[best]), rows[best], threshold)
        return status, values


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", [(1.0, None), (0.1, -3.0), (1.0, 0.0), (0.0, -20.0)], ids=str)
def test_grid_insertion_equals_a_plain_reading(dtype: str, rule: tuple[float, Any]) -> None:
    shape = (8, 6)
    archive = GridArchive(
        3, shape=shape, ranges=RANGES, learning_rate=rule[0], threshold_min=rule[1], dtype=dtype
    )
    reference = _Reference(*rule)
    for seed in range(8):
        solutions, objectives, descriptors = _rows(seed, dtype=dtype)
        cells = [_grid_cell(row, shape) for row in descriptors]
        assert archive.cell_of(descriptors).tolist() == cells
        status, values = reference.add(cells, solutions, objectives.astype(np.float64))
        added = archive.add(solutions, objectives, descriptors)
        assert added.status.tolist() == status
        assert np.allclose(added.values, values, rtol=1e-12, atol=1e-12)
    assert sorted(archive.cells.tolist()) == sorted(reference.elites)
    for row, cell in enumerate(archive.cells.tolist()):
        score, solution, threshold = reference.elites[cell]
        assert archive.objectives[row] == score
        assert np.array_equal(archive.solutions[row], solution)
        assert archive.thresholds[row] == pytest.approx(threshold, rel=1e-12)
    stats = archive.stats(offset=-9.0)
    assert stats.qd_score == pytest.approx((archive.objectives + 9).sum(), rel=1e-12)
    assert stats.coverage == len(archive) / 48


@pytest.mark.parametrize("n_descriptors", [1, 2, 3, 5, 9])
def test_cells_around_centroids_are_those_of_the_nearest(n_descriptors: int) -> None:
    ranges = [(0.0, 1.0)] * n_descriptors
    archive = CVTArchive(1, n_cells=200, n_samples=4000, n_iterations=5, ranges=ranges, seed=1)
    points = np.random.default_rng(1).uniform(size=(500, n_descriptors))
    centroids = archive.centroids
    assert centroids is not None
    distances = ((points[:, None] - centroids[None]) ** 2).sum(axis=2)
    assert np.array_equal(archive.cell_of(points), distances.argmin(axis=1))


def test_equal_seed_gives_equal_centroids_on_any_number_of_threads() -> None:
    made = [
        CVTArchive(1, n_cells=100, n_samples=9000, ranges=RANGES, seed=3, threads=threads)
        for threads in (1, 2, 4)
    ]
    spread = [np.asarray(archive.centroids) for archive in made]
    assert all(np.array_equal(spread[0], other) for other in spread)
    assert np.abs(spread[0].mean(axis=0)).max() < 0.1


def test_sliding_boundaries_follow_the_quantiles() -> None:
    archive = SlidingBoundariesArchive(
        1, shape=[4, 2], ranges=RANGES, remap_every=100, buffer_size=300
    )
    rng = np.random.default_rng(1)
    descriptors = rng.beta(2, 8, size=(1000, 2))
    archive.add(np.zeros((1000, 1)), rng.normal(size=1000), descriptors)
    recent = np.sort(descriptors[-300:], axis=0)
    assert archive.boundaries[0].tolist() == recent[[0, 75, 150, 225, 299], 0].tolist()
    assert archive.boundaries[1].tolist() == recent[[0, 150, 299], 1].tolist()


def test_rows_of_a_sliding_archive_see_each_other() -> None:
    archive = SlidingBoundariesArchive(1, shape=[2], ranges=[(0.0, 1.0)])
    added = archive.add([[1.0]] * 3, [1.0, 2.0, 1.5], [[0.1]] * 3)
    assert added.status.tolist() == [2, 1, 0]
    assert added.values.tolist() == [1.0, 1.0, -0.5]


def _archives() -> list[Archive]:
    return [
        GridArchive(3, shape=(5, 5), ranges=RANGES),
        GridArchive(3, shape=(5, 5), ranges=RANGES, dtype="float32", direction="minimize"),
        CVTArchive(3, n_cells=30, n_samples=900, ranges=RANGES),
        SlidingBoundariesArchive(3, shape=(5, 5), ranges=RANGES, remap_every=70),
    ]


@pytest.mark.parametrize("archive", _archives(), ids=repr)
def test_saved_archives_go_on_as_if_never_interrupted(archive: Archive) -> None:
    archive.add(*_rows(1))
    copy = pickle.loads(pickle.dumps(archive))  # noqa: S301
    assert type(copy) is type(archive)
    for seed in range(2, 6):
        first, second = archive.add(*_rows(seed)), copy.add(*_rows(seed))
        assert np.array_equal(first.values, second.values)
    assert copy.save() == archive.save()


@pytest.mark.parametrize("archive", _archives(), ids=repr)
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s, o, d: (s[:, :2], o, d), r"solutions: expected shape \(n, 3\)"),
        (lambda s, o, d: (s[:-1], o, d), "solutions"),
        (lambda s, o, d: (s, o[:, None], d), "objectives: expected a 1-D array"),
        (lambda s, o, d: (s, o * np.nan, d), "objectives: expected finite"),
        (lambda s, o, d: (s * np.inf, o * 100, d), "solutions: expected finite"),
        (lambda s, o, d: (s, o, d * np.nan), "descriptors"),
        (lambda s, o, d: (s, o, d * 2), 'outside="clip"'),
        (lambda s, o, d: (s, o, d[:, :1]), "descriptors"),
        (lambda _s, o, d: ("x", o, d), "solutions"),
    ],
)
def test_refused_batches_change_nothing(archive: Archive, spoil: Any, message: str) -> None:
    archive.add(*_rows(1))
    before = archive.save()
    solutions, objectives, descriptors = _rows(2)
    # The narrow archive minimises; all rows would enter.
    objectives = np.abs(objectives) + 10
    if archive.is_narrow:
        objectives = -objectives
    with pytest.raises(BatchError, match=message):
        archive.add(*spoil(solutions, objectives, descriptors))
    assert archive.save() == before


def test_clipped_descriptors_land_at_the_edge() -> None:
    archive = GridArchive(1, shape=(4,), ranges=[(0.0, 1.0)], outside="clip")
    assert archive.cell_of([[-1e300], [-0.1], [1.0], [7.0], [1e300]]).tolist() == [0, 0, 3, 3, 3]


def test_values_outside_go_to_their_nearest_centroid_as_in_pyribs() -> None:
    centroids = np.array([[0.95, 0.5], [0.5, 0.9]])
    archive = CVTArchive(
        1, n_cells=None, ranges=[(0.0, 1.0)] * 2, centroids=centroids, outside="clip"
    )
    assert archive.cell_of([[1.0, 10.0], [1.0, 1.0]]).tolist() == [1, 0]


def test_failed_rows_stay_out() -> None:
    archive = GridArchive(1, shape=(4,), ranges=[(0.0, 1.0)])
    added = archive.add([[1.0], [2.0]], [np.nan, 1.0], [[np.nan], [0.5]], failed=[True, False])
    assert added.status.tolist() == [0, 2]
    assert archive.objectives.tolist() == [1.0]


def test_views_stay_as_they_are_while_the_archive_goes_on() -> None:
    archive = GridArchive(3, shape=(5, 5), ranges=RANGES)
    archive.add(*_rows(1))
    view = archive.solutions
    copy = view.copy()
    assert not view.flags.writeable
    for seed in range(2, 9):
        archive.add(*_rows(seed, n=500))
    assert np.array_equal(view, copy)


def test_retrieve_and_sample() -> None:
    archive = GridArchive(1, shape=(4,), ranges=[(0.0, 1.0)])
    with pytest.raises(BatchError, match="empty"):
        archive.sample(3, seed=1)
    archive.add([[7.0]], [1.0], [[0.6]])
    found = archive.retrieve([[0.55], [0.1]])
    assert found.is_occupied.tolist() == [True, False]
    assert found.solutions[0, 0] == 7.0
    assert np.isnan(found.objectives[1])
    assert archive.sample(3, seed=1).solutions.ravel().tolist() == [7.0] * 3
    archive.clear()
    assert (len(archive), archive.best) == (0, None)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (4,)}, "shape"),
        ({"shape": (0, 4)}, "at least 1 cell"),
        ({"shape": (10**5, 10**5)}, "between 1 and"),
        ({"ranges": [(1.0, 0.0)] * 2}, "lower < upper"),
        ({"ranges": [(0.0, np.inf)] * 2}, "finite"),
        ({"ranges": [0.0, 1.0]}, "pairs"),
        ({"learning_rate": 0.5}, "threshold_min"),
        ({"learning_rate": 2.0}, "learning_rate"),
        ({"threshold_min": np.nan}, "finite"),
        ({"dtype": "int64"}, "dtype"),
        ({"dtype": "foo"}, "dtype"),
        ({"shape": (5.5, 5)}, "shape: expected whole numbers of cells"),
        ({"outside": "ignore"}, "outside"),
        ({"direction": "up"}, "direction"),
    ],
    ids=str,
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GridArchive(3, **{"shape": (5, 5), "ranges": RANGES, **settings})


def test_a_learning_rate_of_1_keeps_the_best_of_a_cell() -> None:
    archive = GridArchive(1, shape=(1,), ranges=[(0.0, 1.0)], learning_rate=1.0, threshold_min=0.0)
    archive.add([[1.0], [2.0]], [10.0, 20.0], [[0.5], [0.5]])
    assert archive.add([[3.0]], [16.0], [[0.5]]).status.tolist() == [0]
    assert archive.objectives.tolist() == [20.0]


@pytest.mark.parametrize("make", [GridArchive, SlidingBoundariesArchive])
@pytest.mark.parametrize("width", [1e-12, 1e-7, 1e-4, 1.0])
def test_narrow_ranges_use_all_their_cells(make: Any, width: float) -> None:
    archive = make(1, shape=(10,), ranges=[(0.0, width)])
    middles = (np.arange(10)[:, None] + 0.5) / 10 * width
    assert archive.cell_of(middles).tolist() == list(range(10))


def test_many_descriptors_find_their_cells_in_small_archives() -> None:
    ranges = [(0.0, 1.0)] * 7
    archive = CVTArchive(2, n_cells=12, ranges=ranges, n_samples=1000)
    rows = np.random.default_rng(1).random((48, 7))
    added = archive.add(np.zeros((48, 2)), np.zeros(48), rows)
    assert (added.status > 0).all()
    assert len(archive) > 6


def test_solutions_that_do_not_enter_are_not_read() -> None:
    archive = GridArchive(1, shape=(1,), ranges=[(0.0, 1.0)])
    with pytest.raises(BatchError, match="solutions: expected finite"):
        archive.add([[np.nan]], [1.0], [[0.5]])
    assert archive.save() == GridArchive(1, shape=(1,), ranges=[(0.0, 1.0)]).save()
    archive.add([[1.0]], [1.0], [[0.5]])
    assert archive.add([[np.nan]], [0.5], [[0.5]]).status.tolist() == [0]


def test_archives_are_loaded_as_what_they_are() -> None:
    made = _archives()
    for archive in made:
        dtype = "float32" if archive.is_narrow else "float64"
        assert type(Archive.load(archive.save(), dtype=dtype)) is type(archive)
    with pytest.raises(StateError, match=r"got a GridArchive; use GridArchive\.load"):
        CVTArchive.load(made[0].save())
    for dtype in ("int8", "foo"):
        with pytest.raises(ConfigError, match="dtype: expected float64 or float32"):
            GridArchive.load(made[0].save(), dtype=dtype)


def test_damaged_states_are_refused() -> None:
    state = GridArchive(3, shape=(5, 5), ranges=RANGES).save()
    for damaged in (b"", state[:-1], state[:20] + b"x" + state[21:]):
        with pytest.raises(StateError):
            GridArchive.load(damaged)
    with pytest.raises(StateError, match="expected float32"):
        GridArchive.load(state, dtype="float32")
