"""Best score over evaluations: one run as a line, several as median and quartiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConfigError
from chimera.evolution.plots._axes import COLORS, legend, new_axes

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def convergence(
    runs: Any,
    *,
    direction: str = "minimize",
    is_log: bool = False,
    xlabel: str = "evaluations",
    ylabel: str = "best score",
    ax: Any | None = None,
) -> Any:
    """Draw the best score so far.

    Args:
        runs: One run or several, or a mapping from label to such. A run is an array ``(n,)`` of
            scores in order of time, a pair ``(x, scores)``, a `Result` or its `History`, or
            what `GenomeDatabase.progress` returns. Several are a list of runs or an array
            ``(n_runs, n)``; their median is drawn with a band from the first to the third quartile.
            A run that ended early keeps its best.
        direction: ``minimize`` or ``maximize``.
        is_log: Scale scores logarithmically.
        xlabel: What is counted.
        ylabel: What is scored.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes.

    Raises:
        ConfigError: There is no run, or one of another form.
        MissingExtraError: matplotlib is not installed.
    """
    if direction not in ("minimize", "maximize"):
        raise ConfigError(f"direction: expected minimize or maximize, got {direction!r}")
    groups = runs if isinstance(runs, Mapping) and "best" not in runs else {"": runs}
    if not groups:
        raise ConfigError("runs: expected at least one, got none")
    best = np.fmin if direction == "minimize" else np.fmax
    ax = new_axes(ax)
    for idx, (label, group) in enumerate(groups.items()):
        curves = [(x, best.accumulate(y)) for x, y in _curves(group)]
        color = COLORS[idx % len(COLORS)]
        x, values = _aligned(curves)
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        name = f"{label} (n={len(curves)})" if label and len(curves) > 1 else label
        ax.plot(x, middle, color=color, label=name or None, drawstyle="steps-post", linewidth=1.8)
        if len(curves) > 1:
            ax.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0, step="post")
    if is_log:
        ax.set_yscale("log")
    ax.margins(x=0.01)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    legend(ax)
    return ax


def _curves(group: Any) -> list[Curve]:
    """Return the runs of one group."""
    if isinstance(group, Mapping) or _history(group) is not None:
        return [_curve(group)]
    if isinstance(group, np.ndarray) and group.ndim == 2:
        return [_curve(row) for row in group]
    items = list(group)
    if items and isinstance(items[0], int | float | np.number):
        return [_curve(items)]
    is_pair = isinstance(group, tuple) and len(items) == 2
    if is_pair:
        return [_curve(group)]
    if not items:
        raise ConfigError("runs: expected at least one run, got none")
    return [_curve(item) for item in items]


def _history(run: Any) -> Any | None:
    """Return the history of a result, or a history itself; None when it is neither."""
    history = getattr(run, "history", run)
    return history if hasattr(history, "best_score") else None


def _curve(run: Any) -> Curve:
    history = _history(run)
    if history is not None:
        run = (history.n_evaluations, history.best_score)
    if isinstance(run, Mapping):
        run = (run["n_evaluations"], run["best"])
    try:
        if isinstance(run, tuple) and len(run) == 2 and isinstance(run[0], Sequence | np.ndarray):
            x, y = (np.asarray(part, dtype=np.float64) for part in run)
        else:
            y = np.asarray(run, dtype=np.float64)
            x = np.arange(1.0, len(y) + 1)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"runs: expected arrays of scores, got {error}") from error
    if y.ndim != 1 or x.shape != y.shape or not len(y):
        raise ConfigError(f"runs: expected arrays (n,), got shapes {x.shape} and {y.shape}")
    return x, y


def _aligned(curves: Sequence[Curve]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return curves on common places ``(n,)`` as ``(n_curves, n)``, each holding its last value."""
    start = max(x[0] for x, _ in curves)
    x = np.unique(np.concatenate([x for x, _ in curves]))
    x = x[x >= start]
    rows = [y[np.searchsorted(places, x, side="right") - 1] for places, y in curves]
    return x, np.stack(rows)
