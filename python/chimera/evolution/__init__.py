"""Population search: ask and tell over arrays, the same result on any number of threads.

Every algorithm is an `Algorithm`: ``ask`` returns a batch of candidates as a NumPy view, ``tell``
takes their scores, ``save`` and ``load`` go on as if never interrupted. Names are imported on first
use, so that a service pays only for what it takes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from chimera.evolution._algorithm import Algorithm, Origins
from chimera.evolution._columns import NO_PARENT
from chimera.evolution._space import (
    Block,
    Space,
    boolean,
    category,
    integer,
    mixed,
    permutation,
    real,
)

if TYPE_CHECKING:
    from chimera.evolution._archives import (
        Added,
        Archive,
        ArchiveStats,
        CVTArchive,
        Elites,
        GridArchive,
        SlidingBoundariesArchive,
    )
    from chimera.evolution._cells import (
        CVT,
        Grid,
        SlidingGrid,
    )
    from chimera.evolution._loop import (
        Optimization,
        Step,
        optimize,
    )
    from chimera.evolution._map_elites import (
        MapElites,
    )
    from chimera.evolution._novelty import (
        Neighbours,
        NoveltySearch,
        nearest_neighbours,
        novelty,
    )
    from chimera.evolution._population import (
        Population,
    )
    from chimera.evolution._programs import (
        ProgramSearch,
    )
    from chimera.evolution._random import (
        RandomSearch,
    )
    from chimera.evolution.database import (
        GenomeDatabase,
    )
    from chimera.evolution.evaluation import (
        AsyncEvaluator,
        Cascade,
        Counts,
        Evaluated,
        Evaluator,
        PerRow,
        ProcessPool,
        Sandboxed,
        Stage,
        Vectorized,
    )
from chimera.evolution._symbolic import SymbolicClassifier, SymbolicRegressor

__all__ = [
    "CVT",
    "NO_PARENT",
    "Added",
    "Algorithm",
    "Archive",
    "ArchiveStats",
    "AsyncEvaluator",
    "Block",
    "CVTArchive",
    "Cascade",
    "Counts",
    "Elites",
    "Evaluated",
    "Evaluator",
    "GenomeDatabase",
    "Grid",
    "GridArchive",
    "MapElites",
    "Neighbours",
    "NoveltySearch",
    "Optimization",
    "Origins",
    "PerRow",
    "Population",
    "ProcessPool",
    "ProgramSearch",
    "RandomSearch",
    "Sandboxed",
    "SlidingBoundariesArchive",
    "SlidingGrid",
    "Space",
    "Stage",
    "Step",
    "SymbolicClassifier",
    "SymbolicRegressor",
    "Vectorized",
    "boolean",
    "category",
    "integer",
    "mixed",
    "nearest_neighbours",
    "novelty",
    "optimize",
    "permutation",
    "real",
]

_HOMES = {
    "Added": "_archives",
    "Archive": "_archives",
    "ArchiveStats": "_archives",
    "AsyncEvaluator": "evaluation",
    "CVT": "_cells",
    "CVTArchive": "_archives",
    "Cascade": "evaluation",
    "Counts": "evaluation",
    "Elites": "_archives",
    "Evaluated": "evaluation",
    "Evaluator": "evaluation",
    "GenomeDatabase": "database",
    "Grid": "_cells",
    "GridArchive": "_archives",
    "MapElites": "_map_elites",
    "Neighbours": "_novelty",
    "NoveltySearch": "_novelty",
    "Optimization": "_loop",
    "PerRow": "evaluation",
    "Population": "_population",
    "ProcessPool": "evaluation",
    "ProgramSearch": "_programs",
    "RandomSearch": "_random",
    "Sandboxed": "evaluation",
    "SlidingBoundariesArchive": "_archives",
    "SlidingGrid": "_cells",
    "Stage": "evaluation",
    "Step": "_loop",
    "Vectorized": "evaluation",
    "nearest_neighbours": "_novelty",
    "novelty": "_novelty",
    "optimize": "_loop",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"chimera.evolution.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
