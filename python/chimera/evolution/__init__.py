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
    from chimera.evolution._cma import (
        CMAES,
    )
    from chimera.evolution._competition import (
        Competition,
    )
    from chimera.evolution._cooperation import (
        Cooperation,
    )
    from chimera.evolution._differential import (
        DE,
        JADE,
        LSHADE,
    )
    from chimera.evolution._genetic import (
        GA,
    )
    from chimera.evolution._islands import (
        Islands,
    )
    from chimera.evolution._loop import (
        Optimization,
        Step,
        optimize,
    )
    from chimera.evolution._map_elites import (
        CMAMAE,
        CMAME,
        MapElites,
    )
    from chimera.evolution._minimize import (
        minimize,
        run,
    )
    from chimera.evolution._multi import (
        MOEAD,
        NSGA2,
        NSGA3,
        SMSEMOA,
        HypervolumeConvergence,
    )
    from chimera.evolution._nes import (
        LMMAES,
        XNES,
        OpenAIES,
    )
    from chimera.evolution._novelty import (
        Neighbours,
        NoveltySearch,
        nearest_neighbours,
        novelty,
    )
    from chimera.evolution._outcome import (
        History,
        Result,
    )
    from chimera.evolution._population import (
        Population,
    )
    from chimera.evolution._portfolio import (
        Portfolio,
    )
    from chimera.evolution._programs import (
        ProgramSearch,
    )
    from chimera.evolution._random import (
        RandomSearch,
    )
    from chimera.evolution._swarm import (
        PSO,
    )
    from chimera.evolution._symbolic import (
        SymbolicClassifier,
        SymbolicRegressor,
    )
    from chimera.evolution._termination import (
        AnyOf,
        Budget,
        Criterion,
        Stagnation,
        Target,
        Tolerance,
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
        NoisyBest,
        PerRow,
        ProcessPool,
        Resampling,
        Sandboxed,
        Stage,
        Vectorized,
    )
    from chimera.evolution.indicators import (
        HypervolumeEstimate,
        crowding_distance,
        epsilon_indicator,
        gd,
        hypervolume,
        hypervolume_contributions,
        hypervolume_estimate,
        igd,
        igd_plus,
        pareto_ranks,
    )

__all__ = [
    "CMAES",
    "CMAMAE",
    "CMAME",
    "CVT",
    "DE",
    "GA",
    "JADE",
    "LMMAES",
    "LSHADE",
    "MOEAD",
    "NO_PARENT",
    "NSGA2",
    "NSGA3",
    "PSO",
    "SMSEMOA",
    "XNES",
    "Added",
    "Algorithm",
    "AnyOf",
    "Archive",
    "ArchiveStats",
    "AsyncEvaluator",
    "Block",
    "Budget",
    "CVTArchive",
    "Cascade",
    "Competition",
    "Cooperation",
    "Counts",
    "Criterion",
    "Elites",
    "Evaluated",
    "Evaluator",
    "GenomeDatabase",
    "Grid",
    "GridArchive",
    "History",
    "HypervolumeConvergence",
    "HypervolumeEstimate",
    "Islands",
    "MapElites",
    "Neighbours",
    "NoisyBest",
    "NoveltySearch",
    "OpenAIES",
    "Optimization",
    "Origins",
    "PerRow",
    "Population",
    "Portfolio",
    "ProcessPool",
    "ProgramSearch",
    "RandomSearch",
    "Resampling",
    "Result",
    "Sandboxed",
    "SlidingBoundariesArchive",
    "SlidingGrid",
    "Space",
    "Stage",
    "Stagnation",
    "Step",
    "SymbolicClassifier",
    "SymbolicRegressor",
    "Target",
    "Tolerance",
    "Vectorized",
    "boolean",
    "category",
    "crowding_distance",
    "epsilon_indicator",
    "gd",
    "hypervolume",
    "hypervolume_contributions",
    "hypervolume_estimate",
    "igd",
    "igd_plus",
    "integer",
    "minimize",
    "mixed",
    "nearest_neighbours",
    "novelty",
    "optimize",
    "pareto_ranks",
    "permutation",
    "real",
    "run",
]

_HOMES = {
    "Added": "_archives",
    "AnyOf": "_termination",
    "Archive": "_archives",
    "ArchiveStats": "_archives",
    "AsyncEvaluator": "evaluation",
    "Budget": "_termination",
    "CMAES": "_cma",
    "CMAMAE": "_map_elites",
    "CMAME": "_map_elites",
    "CVT": "_cells",
    "CVTArchive": "_archives",
    "Cascade": "evaluation",
    "Competition": "_competition",
    "Cooperation": "_cooperation",
    "Counts": "evaluation",
    "Criterion": "_termination",
    "DE": "_differential",
    "Elites": "_archives",
    "Evaluated": "evaluation",
    "Evaluator": "evaluation",
    "GA": "_genetic",
    "GenomeDatabase": "database",
    "Grid": "_cells",
    "GridArchive": "_archives",
    "History": "_outcome",
    "HypervolumeConvergence": "_multi",
    "HypervolumeEstimate": "indicators",
    "Islands": "_islands",
    "JADE": "_differential",
    "LMMAES": "_nes",
    "LSHADE": "_differential",
    "MOEAD": "_multi",
    "MapElites": "_map_elites",
    "NSGA2": "_multi",
    "NSGA3": "_multi",
    "Neighbours": "_novelty",
    "NoisyBest": "evaluation",
    "NoveltySearch": "_novelty",
    "OpenAIES": "_nes",
    "Optimization": "_loop",
    "PSO": "_swarm",
    "PerRow": "evaluation",
    "Population": "_population",
    "Portfolio": "_portfolio",
    "ProcessPool": "evaluation",
    "ProgramSearch": "_programs",
    "RandomSearch": "_random",
    "Resampling": "evaluation",
    "Result": "_outcome",
    "SMSEMOA": "_multi",
    "Sandboxed": "evaluation",
    "SlidingBoundariesArchive": "_archives",
    "SlidingGrid": "_cells",
    "Stage": "evaluation",
    "Stagnation": "_termination",
    "Step": "_loop",
    "SymbolicClassifier": "_symbolic",
    "SymbolicRegressor": "_symbolic",
    "Target": "_termination",
    "Tolerance": "_termination",
    "Vectorized": "evaluation",
    "XNES": "_nes",
    "crowding_distance": "indicators",
    "epsilon_indicator": "indicators",
    "gd": "indicators",
    "hypervolume": "indicators",
    "hypervolume_contributions": "indicators",
    "hypervolume_estimate": "indicators",
    "igd": "indicators",
    "igd_plus": "indicators",
    "minimize": "_minimize",
    "nearest_neighbours": "_novelty",
    "novelty": "_novelty",
    "optimize": "_loop",
    "pareto_ranks": "indicators",
    "run": "_minimize",
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
