"""Pictures of searches: convergence, fronts, archives, lineage, operators, diversity.

Each function draws into the ``ax`` it is given, or into a new figure, and returns the Axes. They
take arrays, `Population` and what `GenomeDatabase` answers. matplotlib is imported on first use and
comes with ``chimera-engine[plot]``.
"""

from chimera.evolution.plots._archives import archive_heatmap, cvt_heatmap, grid_heatmap
from chimera.evolution.plots._convergence import convergence
from chimera.evolution.plots._diversity import diversity
from chimera.evolution.plots._fronts import parallel_coordinates, pareto_front
from chimera.evolution.plots._lineage import lineage_tree, operator_credit

__all__ = [
    "archive_heatmap",
    "convergence",
    "cvt_heatmap",
    "diversity",
    "grid_heatmap",
    "lineage_tree",
    "operator_credit",
    "parallel_coordinates",
    "pareto_front",
]
