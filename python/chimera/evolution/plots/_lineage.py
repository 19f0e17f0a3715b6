"""Where individuals come from: family trees, and what each operator's children were worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConfigError
from chimera.evolution._population import NO_PARENT, Population
from chimera.evolution.plots._axes import COLORS, DIM, colorbar, legend, module, new_axes

if TYPE_CHECKING:
    from chimera.evolution.database import OperatorCredit

INDIVIDUALS_MAX: Final = 5_000
"""More than a picture can tell; `GenomeDatabase.lineage` takes a limit."""


def lineage_tree(
    population: Population, *, direction: str = "minimize", ax: Any | None = None
) -> Any:
    """Draw individuals by generation, with lines to their parents.

    Nodes are coloured by the first objective (from its 5th to its 95th percentile), lines by
    operator; the best individual has a ring.

    Args:
        population: With ids, parents and generations, as `GenomeDatabase.lineage` returns.
        direction: ``minimize`` or ``maximize``: what is best.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes.

    Raises:
        ConfigError: A column is missing, or there are more than 5 000 individuals or none.
        MissingExtraError: matplotlib is not installed.
    """
    ids, parents, generations = population.ids, population.parents, population.generations
    if ids is None or parents is None or generations is None or population.objectives is None:
        raise ConfigError("population: expected ids, parents, generations and objectives")
    if not 0 < len(population) <= INDIVIDUALS_MAX:
        raise ConfigError(
            f"population: expected 1 to {INDIVIDUALS_MAX} individuals, got {len(population)}"
        )
    rows, elders = _links(ids, parents)
    heights = _heights(generations, rows, elders)
    ax = new_axes(ax, has_grid=False)
    places = np.column_stack([generations.astype(np.float64), heights])
    lines = np.stack([places[elders], places[rows]], axis=1)
    width = float(np.clip(150 / max(len(lines), 1), 0.5, 1.4))
    for code, name, color in _operators(population):
        of_it = np.ones(len(rows), dtype=np.bool_)
        if code is not None and population.operators is not None:
            of_it = population.operators[rows] == code
        part = module("collections").LineCollection(
            list(lines[of_it]), colors=color, linewidths=width, alpha=0.7, zorder=1
        )
        ax.add_collection(part)
        if name:
            ax.plot([], [], color=color, label=name)  # the legend's line, not as thin
    scores = population.objectives[:, 0]
    known = scores[np.isfinite(scores)]
    # A few early, bad ancestors would take all colours.
    low, high = np.quantile(known, [0.05, 0.95]) if len(known) else (0.0, 1.0)
    size = float(np.clip(4000 / len(population), 6, 46))
    shown = ax.scatter(
        *places.T, c=scores, cmap="viridis", vmin=low, vmax=high, s=size, zorder=2, linewidths=0
    )
    best = int(population.order(descending=direction == "maximize")[0])
    ax.scatter(
        *places[best],
        s=size * 3 + 30,
        facecolors="none",
        edgecolors="#b3261e",
        zorder=3,
        linewidths=1.6,
        label=f"best (id {ids[best]})",
    )
    ax.set(xlabel="generation", yticks=[], ylim=(-0.05, 1.05))
    ax.xaxis.set_major_locator(module("ticker").MaxNLocator(integer=True))
    ax.spines["left"].set_visible(False)
    colorbar(ax, shown, "score")
    legend(ax, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=4)
    return ax


def _links(
    ids: NDArray[np.uint64], parents: NDArray[np.uint64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows of children and of their parents, for parents that are present."""
    order = np.argsort(ids, kind="stable")
    children, columns = np.nonzero(parents != NO_PARENT)
    wanted = parents[children, columns]
    slots = np.minimum(np.searchsorted(ids[order], wanted), len(ids) - 1)
    is_known = ids[order][slots] == wanted
    return children[is_known], order[slots[is_known]]


def _heights(
    generations: NDArray[np.int64], rows: NDArray[np.intp], elders: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Place individuals in [0, 1] near their parents, evenly within each generation."""
    heights = np.full(len(generations), 0.5)
    for generation in np.unique(generations):
        members = np.flatnonzero(generations == generation)
        sums = np.zeros(len(generations))
        counts = np.zeros(len(generations))
        np.add.at(sums, rows, heights[elders])
        np.add.at(counts, rows, 1.0)
        wishes = np.where(counts > 0, sums / np.maximum(counts, 1.0), 0.5)[members]
        ranks = np.argsort(np.argsort(wishes, kind="stable"), kind="stable")
        heights[members] = (ranks + 0.5) / len(members)
    return heights


def _operators(population: Population) -> list[tuple[int | None, str, str]]:
    if population.operators is None or not population.operator_names:
        return [(None, "", DIM)]
    used = np.unique(population.operators).tolist()
    return [
        (code, population.operator_names[code], COLORS[idx % len(COLORS)])
        for idx, code in enumerate(used)
    ]


def operator_credit(
    credit: Sequence[OperatorCredit], *, window: int = 10, ax: Any | None = None
) -> Any:
    """Draw how often each operator's children beat their best parent.

    Args:
        credit: What `GenomeDatabase.operator_credit` returns: over all generations (bars), or by
            generation (lines).
        window: Generations over which lines are averaged, weighted by children.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes.

    Raises:
        ConfigError: There is no credit.
        MissingExtraError: matplotlib is not installed.
    """
    if not credit:
        raise ConfigError("credit: expected at least one operator, got none")
    names = sorted({item.operator for item in credit})
    ax = new_axes(ax)
    if credit[0].generation is None:
        _bars(ax, sorted(credit, key=lambda item: item.success_rate))
        return ax
    for idx, name in enumerate(names):
        mine = [item for item in credit if item.operator == name]
        generations = np.array([item.generation for item in mine], dtype=np.float64)
        weights = np.array([item.n_children for item in mine], dtype=np.float64)
        rates = np.array([item.success_rate for item in mine])
        kernel = np.ones(min(max(window, 1), len(mine)))
        smooth = np.convolve(rates * weights, kernel)[: len(mine)]
        smooth /= np.convolve(weights, kernel)[: len(mine)]
        color = COLORS[idx % len(COLORS)]
        ax.plot(generations, smooth, color=color, label=name, linewidth=1.8)
    ax.set(xlabel="generation", ylabel="success rate", ylim=(0, None))
    ax.margins(x=0.01)
    legend(ax)
    return ax


def _bars(ax: Any, credit: Sequence[OperatorCredit]) -> None:
    bars = ax.barh(
        [item.operator for item in credit],
        [item.success_rate for item in credit],
        color=COLORS[0],
        height=0.5,
    )
    notes = [
        f"n={item.n_children}"
        + ("" if item.mean_gain is None else f", mean gain {item.mean_gain:+.3g}")
        for item in credit
    ]
    ax.bar_label(bars, notes, padding=4, fontsize="small", color="#404a58")
    ax.grid(visible=False, axis="y")
    ax.set(xlabel="success rate")
    # Room for the notes, which stand to the right of the bars.
    ax.set_xlim(0, 1.7 * max(item.success_rate for item in credit) or 1.0)
