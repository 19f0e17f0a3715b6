"""How different the individuals of each generation are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConfigError
from chimera.evolution._population import Population
from chimera.evolution.plots._axes import COLORS, legend, new_axes


def diversity(population: Population, *, ax: Any | None = None) -> Any:
    """Draw the diversity of genomes over generations, a line per block.

    For numbers it is the standard deviation of a gene within a generation, over that of the first
    generation, averaged over genes; for programs the share of distinct texts.

    Args:
        population: Rows of several generations, with ``generations``, as
            `GenomeDatabase.individuals` returns.
        ax: Where to draw; a new figure by default.

    Returns:
        The Axes.

    Raises:
        ConfigError: There are no generations or no rows.
        MissingExtraError: matplotlib is not installed.
    """
    if population.generations is None or not len(population):
        raise ConfigError("population: expected rows with generations, got none")
    order = np.argsort(population.generations, kind="stable")
    numbers, starts = np.unique(population.generations[order], return_index=True)
    ax = new_axes(ax)
    blocks = population.genomes
    for idx, (name, block) in enumerate(blocks.items()):
        parts = np.split(order, starts[1:])
        label = name if len(blocks) > 1 else None
        color = COLORS[idx % len(COLORS)]
        ax.plot(numbers, _spread(block, parts), color=color, label=label, linewidth=1.8)
    is_text = all(block.dtype.kind == "O" for block in blocks.values())
    ax.set(
        xlabel="generation",
        ylabel="share of distinct programs" if is_text else "spread of genes (first generation: 1)",
        ylim=(0, None),
    )
    ax.margins(x=0.01)
    legend(ax)
    return ax


def _spread(block: NDArray[Any], parts: list[NDArray[np.intp]]) -> NDArray[np.float64]:
    if block.dtype.kind == "O":
        return np.array([len(set(block[rows])) / len(rows) for rows in parts])
    scale = block[parts[0]].std(axis=0, dtype=np.float64)
    if not scale.any():
        scale = block.std(axis=0, dtype=np.float64)
    moving = scale > 0
    if not moving.any():
        return np.zeros(len(parts))
    values = block[:, moving]
    return np.array(
        [(values[rows].std(axis=0, dtype=np.float64) / scale[moving]).mean() for rows in parts]
    )
