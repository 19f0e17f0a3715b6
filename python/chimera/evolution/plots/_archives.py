"""Archives of quality-diversity: grids and Voronoi cells, coloured by score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.errors import ConfigError
from chimera.evolution._population import Population
from chimera.evolution.plots._axes import colorbar, module, new_axes, search_in

if TYPE_CHECKING:
    from chimera.evolution._algorithm import Algorithm
    from chimera.evolution._archives import Archive
    from chimera.evolution._cells import CVT, Grid


def _range(lower: ArrayLike, upper: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = (
        np.broadcast_to(np.asarray(side, dtype=np.float64), (2,)) for side in (lower, upper)
    )
    if not (low < high).all():
        raise ConfigError(f"lower, upper: expected lower < upper, got {low} and {high}")
    return low, high


def _finish(
    ax: Any,
    shown: Any,
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
    names: Sequence[str] | None,
    label: str,
) -> Any:
    low, high = bounds
    titles = list(names) if names is not None else ["descriptor 1", "descriptor 2"]
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel=titles[0], ylabel=titles[1])
    ax.set_facecolor("#eef1f5")
    colorbar(ax, shown, label)
    return ax


def grid_heatmap(
    scores: ArrayLike,
    *,
    lower: ArrayLike = 0.0,
    upper: ArrayLike = 1.0,
    names: Sequence[str] | None = None,
    label: str = "score",
    vmin: float | None = None,
    vmax: float | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw a grid archive with two descriptors.

    Args:
        scores: ``(n_1, n_2) float64``, score of each cell, NaN where empty.
        lower: Lower bounds of the descriptors, one number or two.
        upper: Upper bounds, likewise.
        names: Names of the descriptors.
        label: What the colours mean.
        vmin: Score of the darkest colour.
        vmax: Score of the lightest.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes.

    Raises:
        ConfigError: The scores have not two axes, or the bounds are empty.
        MissingExtraError: matplotlib is not installed.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise ConfigError(f"scores: expected shape (n_1, n_2), got {values.shape}")
    bounds = _range(lower, upper)
    edges = [np.linspace(bounds[0][idx], bounds[1][idx], values.shape[idx] + 1) for idx in (0, 1)]
    return _mesh(edges, values, bounds, names=names, label=label, vmin=vmin, vmax=vmax, ax=ax)


def _mesh(
    edges: Sequence[NDArray[np.float64]],
    values: NDArray[np.float64],
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
    *,
    names: Sequence[str] | None,
    label: str,
    vmin: float | None,
    vmax: float | None,
    ax: Any | None,
) -> Any:
    """Draw cells between edges along both descriptors."""
    ax = new_axes(ax, has_grid=False)
    shown = ax.pcolormesh(
        *edges, np.ma.masked_invalid(values.T), cmap="viridis", vmin=vmin, vmax=vmax
    )
    return _finish(ax, shown, bounds, names, label)


def cvt_heatmap(
    centroids: ArrayLike,
    scores: ArrayLike,
    *,
    lower: ArrayLike = 0.0,
    upper: ArrayLike = 1.0,
    names: Sequence[str] | None = None,
    label: str = "score",
    vmin: float | None = None,
    vmax: float | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw a CVT archive with two descriptors as its Voronoi cells.

    Args:
        centroids: ``(n, 2) float64``, at least one, within the bounds, all different.
        scores: ``(n,) float64``, score of each cell, NaN where empty.
        lower: Lower bounds of the descriptors, one number or two.
        upper: Upper bounds, likewise.
        names: Names of the descriptors.
        label: What the colours mean.
        vmin: Score of the darkest colour.
        vmax: Score of the lightest.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes.

    Raises:
        ConfigError: Shapes do not fit, or a centroid lies outside.
        MissingExtraError: matplotlib is not installed.
    """
    points, values = np.asarray(centroids, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    bounds = low, high = _range(lower, upper)
    if (
        points.ndim != 2
        or points.shape[1] != 2
        or values.shape != (len(points),)
        or not len(points)
    ):
        raise ConfigError(
            f"centroids, scores: expected shapes (n, 2) and (n,), got {points.shape} and "
            f"{values.shape}"
        )
    if not ((points >= low) & (points <= high)).all():
        raise ConfigError(f"centroids: expected them within {low} and {high}")
    ax = new_axes(ax, has_grid=False)
    shown = module("collections").PolyCollection(
        _cells(points, low, high),
        array=np.ma.masked_invalid(values),
        cmap="viridis",
        edgecolors="#ffffff" if len(points) <= 2_000 else "face",
        linewidths=0.3,
    )
    shown.set_clim(vmin, vmax)
    shown.cmap = shown.cmap.with_extremes(bad="#eef1f5")
    ax.add_collection(shown)
    return _finish(ax, shown, bounds, names, label)


def archive_heatmap(
    held: Archive | Algorithm | Population,
    *,
    cells: Grid | CVT | None = None,
    names: Sequence[str] | None = None,
    label: str = "score",
    vmin: float | None = None,
    vmax: float | None = None,
    ax: Any | None = None,
) -> Any:
    """Draw what an archive or a quality-diversity search holds.

    Args:
        held: `GridArchive`, `CVTArchive` or `SlidingBoundariesArchive`; a search such as
            `MapElites`; or the `population` of one. Two descriptors.
        cells: The cells of a population, or of a search that was loaded; without them its
            individuals are points, as they are where cells slide. A search brings those that it was
            started with.
        names: Names of the descriptors.
        label: What the colours mean.
        vmin: Score of the darkest colour.
        vmax: Score of the lightest.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes.

    Raises:
        ConfigError: There are not two descriptors, or nothing is held yet.
        MissingExtraError: matplotlib is not installed.
    """
    style: dict[str, Any] = {"names": names, "label": label, "vmin": vmin, "vmax": vmax, "ax": ax}
    search = search_in(held)
    if search is not None:
        layout = search.settings.get("layout") if cells is None else cells.to_layout()
        return _population(search.population, layout, style)
    if isinstance(held, Population):
        return _population(held, None if cells is None else cells.to_layout(), style)
    return _elites(held, style)


def _elites(held: Any, style: dict[str, Any]) -> Any:
    low, high = (np.asarray(side, dtype=np.float64) for side in held.ranges)
    if len(low) != 2:
        raise ConfigError(f"held: expected an archive with 2 descriptors, got {len(low)}")
    scores = np.full(held.n_cells, np.nan)
    scores[np.asarray(held.cells, dtype=np.intp)] = held.objectives
    if held.centroids is not None:
        return cvt_heatmap(held.centroids, scores, lower=low, upper=high, **style)
    if held.boundaries:
        edges = [np.array(side, dtype=np.float64) for side in held.boundaries]
        for side, least, most in zip(edges, low, high, strict=True):
            # What lies beyond the outer boundaries belongs to the outer cells.
            side[0], side[-1] = min(side[0], least), max(side[-1], most)
        grid = scores.reshape(len(edges[0]) - 1, len(edges[1]) - 1)
        return _mesh(edges, grid, (low, high), **style)
    return grid_heatmap(scores.reshape(held.shape), lower=low, upper=high, **style)


def _population(held: Population, layout: Mapping[str, Any] | None, style: dict[str, Any]) -> Any:
    if held.descriptors is None or held.objectives is None or held.descriptors.shape[1] != 2:
        raise ConfigError("held: expected a population with objectives and 2 descriptors")
    places, scores = held.descriptors, held.objectives[:, 0]
    if layout is not None and layout["kind"] != "sliding":
        is_narrow = all(column.dtype == np.float32 for column in held.genomes.values())
        archive = _archive(layout, "float32" if is_narrow else "float64")
        archive.add(np.zeros((len(places), 1)), scores, places)
        return _elites(archive, style)
    margin = 0.02 * np.ptp(places, axis=0) + 1e-12
    bounds = places.min(axis=0) - margin, places.max(axis=0) + margin
    ax = new_axes(style["ax"], has_grid=False)
    shown = ax.scatter(
        *places.T, c=scores, s=14, cmap="viridis", vmin=style["vmin"], vmax=style["vmax"]
    )
    return _finish(ax, shown, bounds, style["names"], style["label"])


def _archive(layout: Mapping[str, Any], dtype: str) -> Archive:
    """Return an empty archive with the cells of a search: rows land where they did there."""
    from chimera.evolution._archives import CVTArchive, GridArchive

    ranges = list(zip(layout["lower"], layout["upper"], strict=True))
    options: dict[str, Any] = {"ranges": ranges, "outside": "clip", "dtype": dtype}
    if layout["kind"] == "grid":
        return GridArchive(1, shape=layout["shape"], **options)
    if layout["kind"] == "centroids":
        centroids = np.reshape(layout["centroids"], (-1, 2))
        return CVTArchive(1, n_cells=None, centroids=centroids, **options)
    names = ("n_cells", "n_samples", "n_iterations", "seed")
    return CVTArchive(1, **{name: layout[name] for name in names}, **options)


def _cells(
    points: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    """Return the Voronoi cell of each point within a box, corners in order.

    Mirror images behind each side make the box's sides edges of cells. The corners of a cell are
    the centres of the circles around the Delaunay triangles at its point.
    """
    scaled = (points - low) / (high - low)
    inner = np.clip(scaled, 1e-9, 1 - 1e-9)
    mirrored = [inner]
    for axis in (0, 1):
        for side in (0.0, 2.0):
            image = inner.copy()
            image[:, axis] = side - image[:, axis]
            mirrored.append(image)
    everything = np.concatenate(mirrored)
    triangles: NDArray[np.int32] = module("tri").Triangulation(*everything.T).triangles
    centres = _circumcentres(everything[triangles])
    owner = triangles.reshape(-1)
    corners = np.repeat(centres, 3, axis=0)
    keep = owner < len(points)
    owner, corners = owner[keep], corners[keep]
    offsets = corners - inner[owner]
    order = np.lexsort((np.arctan2(offsets[:, 1], offsets[:, 0]), owner))
    starts = np.searchsorted(owner[order], np.arange(1, len(points)))
    placed = low + np.clip(corners[order], 0.0, 1.0) * (high - low)
    return np.split(placed, starts)


def _circumcentres(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the centres ``(n, 2)`` of the circles through triangles ``(n, 3, 2)``."""
    a = corners[:, 0]
    b, c = corners[:, 1] - a, corners[:, 2] - a
    d = 2 * (b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0])
    bb, cc = (b**2).sum(axis=1), (c**2).sum(axis=1)
    x = (c[:, 1] * bb - b[:, 1] * cc) / d
    y = (b[:, 0] * cc - c[:, 0] * bb) / d
    centres: NDArray[np.float64] = a + np.column_stack([x, y])
    return centres
