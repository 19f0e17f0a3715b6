"""Pareto fronts: two objectives, three, or many as parallel coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.errors import ConfigError
from chimera.evolution._population import Population
from chimera.evolution.plots._axes import COLORS, DIM, colorbar, legend, module, new_axes, search_in


def _objectives(points: Any) -> NDArray[np.float64]:
    search = search_in(points)
    if search is not None:
        points = search.population
    if isinstance(points, Population):
        if points.objectives is None:
            raise ConfigError("points: expected a population with objectives, got one without")
        points = points.objectives if points.failed is None else points.objectives[~points.failed]
    values = np.asarray(points, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2 or not len(values):
        raise ConfigError(f"points: expected shape (n, m) with m of at least 2, got {values.shape}")
    return values


def _is_best(values: NDArray[np.float64], directions: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which points no other dominates ``(n,) bool``."""
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    costs = values * signs
    order = np.lexsort(costs.T[::-1])
    out = np.zeros(len(costs), dtype=np.bool_)
    front = np.empty((0, costs.shape[1]))
    for row in order.tolist():  # whoever dominates comes earlier
        point = costs[row]
        dominated = ((front <= point).all(axis=1) & (front < point).any(axis=1)).any()
        if not dominated:
            front = np.vstack([front, point])
            out[row] = True
    return out


def _directions(directions: str | Sequence[str], n: int) -> list[str]:
    found = [directions] * n if isinstance(directions, str) else list(directions)
    if len(found) != n or not set(found) <= {"minimize", "maximize"}:
        raise ConfigError(f"directions: expected minimize or maximize {n} times, got {found}")
    return found


def pareto_front(
    points: Any,
    *,
    reference: ArrayLike | None = None,
    directions: str | Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    label: str = "non-dominated",
    ax: Any | None = None,
) -> Any:
    """Draw a front of two or three objectives.

    Dominated points are shown pale behind it.

    Args:
        points: A search or the result of one, a `Population`, or objectives ``(n, 2)`` or
            ``(n, 3)``.
        reference: A known front to compare with, ``(k, m)``.
        directions: ``minimize`` or ``maximize``, one for all or one per objective; by default those
            of the search, else ``minimize``.
        names: Names of the objectives.
        label: What the legend calls the front.
        ax: Where to draw, with a 3-d projection for three objectives; a new figure by default.

    Returns:
        The Axes.

    Raises:
        ConfigError: Another number of objectives; use `parallel_coordinates`.
        MissingExtraError: matplotlib is not installed.
    """
    values = _objectives(points)
    m = values.shape[1]
    if directions is None:
        maximized = getattr(search_in(points), "maximized", None) or [False] * m
        directions = ["maximize" if is_high else "minimize" for is_high in maximized]
    if m > 3:
        raise ConfigError(f"points: expected 2 or 3 objectives, got {m}: use parallel_coordinates")
    ways = _directions(directions, m)
    is_best = _is_best(values, ways)
    ax = new_axes(ax, is_3d=m == 3)
    depth = {"depthshade": False} if m == 3 else {}
    if reference is not None:
        known = _objectives(reference)
        known = known[np.argsort(known[:, 0])]
        # Darker than dominated points, from which it must be told apart.
        ax.scatter(*known.T, s=9, color="#404a58", label="reference", linewidths=0, **depth)
    if not is_best.all():
        ax.scatter(
            *values[~is_best].T,
            s=12,
            color=DIM,
            alpha=0.45,
            label="dominated",
            linewidths=0,
            **depth,
        )
    front = values[is_best]
    front = front[np.argsort(front[:, 0], kind="stable")]
    if m == 2:
        # Between two points the front is what both dominate: a staircase on their worse side.
        step = "steps-post" if ways[0] == "minimize" else "steps-pre"
        ax.plot(*front.T, color=COLORS[0], alpha=0.5, linewidth=1.2, drawstyle=step)
    ax.scatter(
        *front.T, s=22, color=COLORS[0], label=label, edgecolors="white", linewidths=0.5, **depth
    )
    titles = list(names) if names is not None else [f"objective {idx + 1}" for idx in range(m)]
    ax.set(xlabel=titles[0], ylabel=titles[1])
    if m == 3:
        ax.set_zlabel(titles[2])
    legend(ax)
    return ax


def parallel_coordinates(
    points: Any,
    *,
    names: Sequence[str] | None = None,
    color_by: ArrayLike | None = None,
    color_label: str = "",
    ax: Any | None = None,
) -> Any:
    """Draw many objectives: one upright axis each, one line a point.

    Every axis spans the values seen, which stand at its ends.

    Args:
        points: A search or the result of one, a `Population`, or values ``(n, m)``.
        names: Names of the columns.
        color_by: ``(n,)`` values that colour the lines; by default the first column.
        color_label: What they are.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes.

    Raises:
        ConfigError: Shapes do not fit.
        MissingExtraError: matplotlib is not installed.
    """
    values = _objectives(points)
    n, m = values.shape
    titles = list(names) if names is not None else [f"objective {idx + 1}" for idx in range(m)]
    tint = values[:, 0] if color_by is None else np.asarray(color_by, dtype=np.float64)
    if tint.shape != (n,) or len(titles) != m:
        raise ConfigError(
            f"color_by, names: expected ({n},) values and {m} names, got {tint.shape} and "
            f"{len(titles)}"
        )
    low, high = values.min(axis=0), values.max(axis=0)
    scaled = (values - low) / np.where(high > low, high - low, 1.0)
    ax = new_axes(ax, has_grid=False)
    lines = np.stack([np.broadcast_to(np.arange(m), (n, m)), scaled], axis=2)
    shown = module("collections").LineCollection(
        list(lines[np.argsort(-tint, kind="stable")]),
        array=np.sort(tint)[::-1],
        cmap="viridis",
        linewidths=0.9,
        alpha=float(np.clip(40 / n, 0.15, 0.9)),
    )
    ax.add_collection(shown)
    ax.vlines(range(m), 0, 1, color="#404a58", linewidth=1)
    for idx in range(m):
        ax.text(idx, 1.02, f"{high[idx]:.3g}", ha="center", va="bottom", fontsize="small")
        ax.text(idx, -0.02, f"{low[idx]:.3g}", ha="center", va="top", fontsize="small")
    ax.set(xlim=(-0.2, m - 0.8), ylim=(-0.09, 1.09), yticks=[])
    ax.set_xticks(range(m), titles)
    ax.tick_params(axis="x", length=0)
    ax.spines[["left", "bottom"]].set_visible(False)
    bar = module("cm").ScalarMappable(shown.norm, shown.cmap)  # not as pale as the lines
    colorbar(ax, bar, color_label or (titles[0] if color_by is None else ""))
    return ax
