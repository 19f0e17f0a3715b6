"""What all plots share: matplotlib on first use, new Axes, colours, a quiet style."""

from __future__ import annotations

import importlib
from typing import Any, Final

from chimera.errors import MissingExtraError

__all__ = ["COLORS", "DIM", "colorbar", "legend", "module", "new_axes", "search_in"]

COLORS: Final = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#7f5539",
    "#6c757d",
)
"""Told apart with common colour blindness. Source: Okabe and Ito, Color universal design, 2008."""
DIM: Final = "#8a94a3"
"""For what stands behind: references, dominated points, edges."""


def module(name: str) -> Any:
    """Import a module of matplotlib.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return importlib.import_module(f"matplotlib.{name}")
    except ImportError as error:
        raise MissingExtraError("plot", "matplotlib") from error


def search_in(held: Any) -> Any | None:
    """Return the search that something is, records or has as a result; None when it is none."""
    for candidate in (held, getattr(held, "algorithm", None)):
        if hasattr(candidate, "holdings"):
            return candidate
    return None


def new_axes(ax: Any | None, *, is_3d: bool = False, has_grid: bool = True) -> Any:
    """Return the Axes given, or those of a new figure, with the common style."""
    pyplot = module("pyplot")
    if ax is None:
        options = {"projection": "3d"} if is_3d else {}
        _, ax = pyplot.subplots(layout="constrained", subplot_kw=options)
    if not is_3d:
        ax.spines[["top", "right"]].set_visible(False)
        if has_grid:
            ax.grid(color="#e4e8ee", linewidth=0.8)
        ax.set_axisbelow(True)
    return ax


def legend(ax: Any, **options: Any) -> None:
    """Add a legend when something has a label."""
    if ax.get_legend_handles_labels()[1]:
        ax.legend(frameon=False, **options)


def colorbar(ax: Any, shown: Any, label: str) -> None:
    """Add a colour bar beside the Axes."""
    bar = ax.figure.colorbar(shown, ax=ax, pad=0.02)
    bar.set_label(label)
    bar.outline.set_visible(False)
