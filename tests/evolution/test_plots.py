"""Every plot draws what it was given, into the Axes it was given."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chimera.errors import ConfigError, MissingExtraError
from chimera.evolution import (
    CVT,
    GA,
    NO_PARENT,
    CVTArchive,
    GenomeDatabase,
    Grid,
    GridArchive,
    MapElites,
    Population,
    SlidingBoundariesArchive,
    SlidingGrid,
    minimize,
    plots,
    real,
)
from chimera.evolution.database import OperatorCredit

pytestmark = pytest.mark.timeout(60)  # the first import of matplotlib may build its font cache


@pytest.fixture(autouse=True)
def pyplot() -> Iterator[Any]:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    for number in pyplot.get_fignums():
        pyplot.figure(number).canvas.draw()  # whatever was made can be drawn
    pyplot.close("all")


def family() -> Population:
    return Population(
        np.arange(10.0).reshape(5, 2),
        objectives=[[3.0], [2.0], [2.5], [1.0], [4.0]],
        ids=[10, 11, 20, 21, 30],
        parents=[[1, 2], [NO_PARENT, NO_PARENT], [10, 11], [10, NO_PARENT], [20, 21]],
        operators=[0, 0, 0, 1, 0],
        operator_names=["sbx", "noise"],
        generations=[0, 0, 1, 1, 2],
    )


def test_one_run_is_its_best_so_far() -> None:
    ax = plots.convergence([3.0, 1.0, 2.0, 0.5])
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [1, 2, 3, 4]
    assert line.get_ydata().tolist() == [3.0, 1.0, 1.0, 0.5]
    assert not ax.collections


def test_several_runs_are_median_and_quartiles() -> None:
    runs = np.array([[4.0, 3.0], [2.0, 2.5], [6.0, 1.0]])
    ax = plots.convergence({"a": runs, "b": runs[0]}, direction="maximize")
    assert [line.get_label() for line in ax.lines] == ["a (n=3)", "b"]
    assert ax.lines[0].get_ydata().tolist() == [4.0, 4.0]
    assert len(ax.collections) == 1
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (3.0, 5.0)


def test_runs_of_different_lengths_keep_their_best() -> None:
    progress = {"n_evaluations": np.array([10, 20]), "best": np.array([2.0, 1.0])}
    longer = (np.array([5.0, 15.0, 30.0]), np.array([4.0, 3.0, 2.0]))
    (line,) = plots.convergence([progress, longer], is_log=True).lines
    assert line.get_xdata().tolist() == [10, 15, 20, 30]
    assert line.get_ydata().tolist() == [3.0, 2.5, 2.0, 1.5]


@pytest.mark.parametrize("runs", [[], {}, [[]], [[[1.0]]], ["a"]], ids=str)
def test_runs_of_another_form_are_refused(runs: Any) -> None:
    with pytest.raises(ConfigError, match="runs: expected"):
        plots.convergence(runs)
    with pytest.raises(ConfigError, match="direction"):
        plots.convergence([1.0], direction="up")


def test_fronts_tell_dominated_points_apart() -> None:
    points = [[0.0, 2.0], [1.0, 1.0], [2.0, 0.0], [2.0, 2.0], [1.0, 1.0]]
    ax = plots.pareto_front(points, reference=[[0.0, 1.0], [1.0, 0.0]], names=["cost", "mass"])
    reference, dominated, front = ax.collections
    assert dominated.get_offsets().tolist() == [[2.0, 2.0]]
    assert sorted(front.get_offsets().tolist()) == [[0, 2], [1, 1], [1, 1], [2, 0]]
    assert len(reference.get_offsets()) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cost", "mass")


def test_fronts_follow_directions() -> None:
    ax = plots.pareto_front([[0.0, 0.0], [1.0, 1.0]], directions=["maximize", "minimize"])
    assert len(ax.collections[0].get_offsets()) == 2
    ax = plots.pareto_front([[0.0, 0.0], [1.0, 1.0]], directions="maximize")
    assert ax.collections[-1].get_offsets().tolist() == [[1.0, 1.0]]


def test_three_objectives_are_drawn_in_space() -> None:
    ax = plots.pareto_front(np.random.default_rng(1).random((30, 3)))
    assert ax.name == "3d"
    assert len(ax.collections) == 2


def test_fronts_of_many_objectives_name_the_other_plot() -> None:
    with pytest.raises(ConfigError, match="use parallel_coordinates"):
        plots.pareto_front(np.zeros((3, 4)))
    with pytest.raises(ConfigError, match="directions"):
        plots.pareto_front(np.zeros((3, 2)), directions=["minimize"])
    with pytest.raises(ConfigError, match="shape"):
        plots.pareto_front(np.zeros(3))


def test_parallel_coordinates_draw_a_line_a_point() -> None:
    points = Population(np.zeros((4, 1)), objectives=np.random.default_rng(1).random((4, 5)))
    ax = plots.parallel_coordinates(points, names=list("abcde"))
    lines = ax.collections[0].get_segments()
    assert len(lines) == 4
    assert all(line.shape == (5, 2) for line in lines)
    assert [label.get_text() for label in ax.get_xticklabels()] == list("abcde")
    with pytest.raises(ConfigError, match="color_by"):
        plots.parallel_coordinates(points, color_by=[1.0])


def test_grids_leave_empty_cells_out() -> None:
    scores = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, 6.0]])
    ax = plots.grid_heatmap(scores, lower=[0, -1], upper=[2, 1])
    (mesh,) = ax.collections
    assert mesh.get_array().mask.sum() == 1
    assert mesh.get_array()[2, 0] == 3.0  # rows of the mesh are the second descriptor
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 2), (-1, 1))
    with pytest.raises(ConfigError, match="scores"):
        plots.grid_heatmap([1.0])
    with pytest.raises(ConfigError, match="lower < upper"):
        plots.grid_heatmap(scores, lower=1, upper=1)


def area(corners: Any) -> float:
    x, y = corners.T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


@pytest.mark.parametrize("n", [1, 2, 3, 60])
def test_voronoi_cells_tile_the_box_around_their_centroids(n: int) -> None:
    rng = np.random.default_rng(n)
    centroids = rng.random((n, 2)) * [4.0, 2.0] - [2.0, 0.0]
    scores = np.where(np.arange(n) % 5 == 4, np.nan, np.arange(n))
    ax = plots.cvt_heatmap(centroids, scores, lower=[-2, 0], upper=[2, 2])
    (cells,) = ax.collections
    corners = [path.vertices[:-1] for path in cells.get_paths()]
    assert sum(map(area, corners)) == pytest.approx(8.0, abs=1e-6)
    probes = rng.random((200, 2)) * [4.0, 2.0] - [2.0, 0.0]
    # Distances are those of the scaled box, as in an archive that scales its descriptors.
    nearest = (((probes[:, None] - centroids) / [4.0, 2.0]) ** 2).sum(axis=2).argmin(axis=1)
    paths = cells.get_paths()
    assert (
        np.mean([paths[cell].contains_point(p) for cell, p in zip(nearest, probes, strict=True)])
        > 0.99
    )
    assert cells.get_array().mask.sum() == n // 5


def test_voronoi_cells_refuse_what_does_not_fit() -> None:
    with pytest.raises(ConfigError, match="shapes"):
        plots.cvt_heatmap([[0.5, 0.5]], [1.0, 2.0])
    with pytest.raises(ConfigError, match="within"):
        plots.cvt_heatmap([[1.5, 0.5]], [1.0])


RANGES = [(0.0, 1.0), (-1.0, 3.0)]


@pytest.mark.parametrize(
    "archive",
    [
        GridArchive(2, shape=(7, 4), ranges=RANGES),
        SlidingBoundariesArchive(2, shape=(7, 4), ranges=RANGES, remap_every=20),
        CVTArchive(2, n_cells=28, ranges=RANGES),
    ],
    ids=lambda archive: type(archive).__name__,
)
def test_archives_show_every_elite_where_it_belongs(archive: Any) -> None:
    rng = np.random.default_rng(1)
    behaviour = rng.random((50, 2)) * [1.0, 4.0] + [0.0, -1.0]
    archive.add(rng.random((50, 2)), rng.random(50), behaviour)
    (cells,) = plots.archive_heatmap(archive).collections
    assert (~cells.get_array().mask).sum() == len(archive)
    assert sorted(cells.get_array().compressed()) == sorted(archive.objectives)
    if isinstance(archive, GridArchive):
        for place, score in zip(archive.descriptors, archive.objectives, strict=True):
            row, column = int((place[1] + 1.0) / 4.0 * 4), int(place[0] * 7)
            assert cells.get_array()[row, column] == score


def test_searches_show_their_population_by_cell_or_as_points() -> None:
    grid = Grid((6, 5), [(-1.0, 1.0)] * 2)
    search = MapElites([(-1.0, 1.0)] * 3, cells=grid, seed=1)
    batch = search.ask()
    search.tell(batch, -(batch**2).sum(axis=1), descriptors=batch[:, :2])
    (mesh,) = plots.archive_heatmap(search.population, cells=grid).collections
    assert (~mesh.get_array().mask).sum() == len(search.population)
    (own,) = plots.archive_heatmap(search).collections
    assert np.array_equal(own.get_array().filled(9.0), mesh.get_array().filled(9.0))
    (points,) = plots.archive_heatmap(search.population).collections
    assert len(points.get_offsets()) == len(search.population)
    with pytest.raises(ConfigError, match="2 descriptors"):
        plots.archive_heatmap(Population([[1.0]]))
    with pytest.raises(ConfigError, match="2 descriptors"):
        plots.archive_heatmap(MapElites([(-1.0, 1.0)] * 3, cells=grid))
    with pytest.raises(ConfigError, match="got 1"):
        plots.archive_heatmap(GridArchive(1, shape=(3,), ranges=[(0.0, 1.0)]))


UNIT = [(0.0, 1.0)] * 2
CENTROIDS = np.random.default_rng(2).random((30, 2))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "cells",
    [
        Grid((10, 10), [(0.0, 1e-7), (0.0, 1.0)]),
        CVT(30, UNIT, n_samples=900),
        CVT(None, UNIT, centroids=CENTROIDS),
    ],
    ids=["grid", "k-means", "centroids"],
)
def test_searches_show_every_elite_in_its_own_cell(cells: Any, dtype: str) -> None:
    search = MapElites(real(0.0, 1.0, 3, dtype=dtype), cells=cells, seed=1)
    widths = np.array([high for _, high in cells.ranges])
    for _ in range(5):
        batch = search.ask()
        search.tell(batch, batch[:, 2], descriptors=batch[:, :2] * widths)
    (mesh,) = plots.archive_heatmap(search).collections
    held = search.holdings()["objectives"]
    assert sorted(mesh.get_array().compressed()) == sorted(held[:, 0])
    loaded = MapElites.load(search.save())  # does not know its settings
    (mesh,) = plots.archive_heatmap(loaded, cells=cells).collections
    assert len(mesh.get_array().compressed()) == len(search.population)


def test_outer_sliding_cells_reach_the_ends_of_the_ranges() -> None:
    archive = SlidingBoundariesArchive(1, shape=(4, 4), ranges=UNIT, remap_every=20)
    places = 0.4 + 0.2 * np.random.default_rng(1).random((60, 2))
    archive.add(np.zeros((60, 1)), np.zeros(60), places)
    corners = plots.archive_heatmap(archive).collections[0].get_coordinates()
    assert corners[0, 0].tolist() == [0.0, 0.0]
    assert corners[-1, -1].tolist() == [1.0, 1.0]
    assert corners[1, 1].min() > 0.4


def test_searches_with_sliding_cells_are_points() -> None:
    search = MapElites([(0.0, 1.0)] * 3, cells=SlidingGrid((5, 5), UNIT), seed=1)
    batch = search.ask()
    search.tell(batch, batch[:, 2], descriptors=batch[:, :2])
    (points,) = plots.archive_heatmap(search).collections
    assert len(points.get_offsets()) == len(search.population)


def test_searches_and_results_are_drawn_as_they_come(tmp_path: Path) -> None:
    def two(x: Any) -> Any:
        return np.column_stack([x[:, 0], -x[:, 0] - x[:, 1]])

    result = minimize(
        two,
        [(0.0, 1.0)] * 2,
        n_objectives=2,
        direction=["maximize", "minimize"],
        budget=200,
        vectorized=True,
    )
    expected = plots.pareto_front(
        result.algorithm.population, directions=["maximize", "minimize"]
    ).collections[-1]
    with GenomeDatabase(tmp_path / "runs.db") as database:
        for held in (result, result.algorithm, database.record(result.algorithm)):
            shown = plots.pareto_front(held).collections[-1]
            assert np.array_equal(shown.get_offsets(), expected.get_offsets())
    plots.parallel_coordinates(result)
    grid = Grid((4, 4), [(0.0, 1.0)] * 2)
    single = minimize(lambda x: float(x.sum()), [(0.0, 1.0)] * 3, budget=200)
    for run in (single, single.history):
        (line,) = plots.convergence(run).lines
        assert line.get_xdata().tolist() == single.history.n_evaluations
        assert line.get_ydata()[-1] == single.score
    plots.convergence({"both": [single, single]})
    search = MapElites([(0.0, 1.0)] * 2, cells=grid, seed=1)
    search.tell(search.ask(), search.ask()[:, 0], search.ask())
    plots.archive_heatmap(MapElites.load(search.save()))  # without settings: points


def test_trees_link_children_to_known_parents() -> None:
    ax = plots.lineage_tree(family())
    by_operator = [part for part in ax.collections if hasattr(part, "get_segments")]
    assert [len(part.get_segments()) for part in by_operator] == [4, 1]
    for start, end in (line for part in by_operator for line in part.get_segments()):
        assert end[0] == start[0] + 1
    nodes, ring = (part for part in ax.collections if not hasattr(part, "get_segments"))
    assert nodes.get_offsets()[:, 0].tolist() == [0, 0, 1, 1, 2]
    assert ring.get_offsets().tolist() == [nodes.get_offsets()[3].tolist()]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["sbx", "noise", "best (id 21)"]


def test_family_trees_take_the_population_of_a_search() -> None:
    search = GA([(-1.0, 1.0)] * 4, population_size=20, n_elites=4, seed=1)
    for _ in range(8):
        batch = search.ask()
        search.tell(batch, (batch**2).sum(axis=1))
    ax = plots.lineage_tree(search.population)
    assert len(ax.collections) >= 2


def test_trees_refuse_what_they_cannot_draw() -> None:
    with pytest.raises(ConfigError, match="expected ids"):
        plots.lineage_tree(Population(np.zeros((2, 1))))
    with pytest.raises(ConfigError, match="got 0"):
        plots.lineage_tree(family()[:0])


def test_credit_is_bars_over_all_and_lines_by_generation() -> None:
    total = [OperatorCredit("a", None, 10, 0.5, 0.1), OperatorCredit("b", None, 5, 0.2, None)]
    ax = plots.operator_credit(total)
    assert [bar.get_width() for bar in ax.patches] == [0.2, 0.5]
    assert "n=10, mean gain +0.1" in {text.get_text() for text in ax.texts}
    ax.figure.canvas.draw()
    right = ax.get_window_extent().x1
    assert all(text.get_window_extent().x1 < right for text in ax.texts)
    parts = [OperatorCredit("a", g, n, r, None) for g, n, r in ((1, 1, 1.0), (2, 3, 0.0))]
    (line,) = plots.operator_credit(parts, window=2).lines
    assert line.get_ydata().tolist() == [1.0, 0.25]
    with pytest.raises(ConfigError, match="credit"):
        plots.operator_credit([])


def test_diversity_falls_when_genomes_become_alike() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(0, 2.0**-generation, (50, 3)) for generation in range(4)])
    texts = [f"{row % 50 // (1 + row // 50)}" for row in range(200)]
    ax = plots.diversity(Population({"x": x, "program": texts}, generations=np.arange(200) // 50))
    spread, distinct = (line.get_ydata() for line in ax.lines)
    assert spread[0] == 1.0
    assert (np.diff(spread) < 0).all()
    assert distinct.tolist() == [1.0, 0.5, 0.34, 0.26]
    with pytest.raises(ConfigError, match="generations"):
        plots.diversity(Population(x))


def test_a_given_ax_is_drawn_into(pyplot: Any) -> None:
    _, ax = pyplot.subplots()
    credit = [OperatorCredit("a", None, 1, 0.5, None)]
    calls: tuple[Callable[[], Any], ...] = (
        lambda: plots.convergence([1.0, 2.0], ax=ax),
        lambda: plots.pareto_front([[1.0, 2.0]], ax=ax),
        lambda: plots.parallel_coordinates([[1.0, 2.0]], ax=ax),
        lambda: plots.grid_heatmap(np.eye(2), ax=ax),
        lambda: plots.cvt_heatmap([[0.5, 0.5]], [1.0], ax=ax),
        lambda: plots.lineage_tree(family(), ax=ax),
        lambda: plots.operator_credit(credit, ax=ax),
        lambda: plots.diversity(family(), ax=ax),
    )
    assert all(call() is ax for call in calls)
    assert len(pyplot.get_fignums()) == 1


def test_without_matplotlib_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingExtraError, match=r"'chimera-engine\[plot\]'"):
        plots.convergence([1.0])
