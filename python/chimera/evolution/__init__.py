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
    from chimera.evolution._coevolution import Competition, Cooperation
    from chimera.evolution._islands import Islands
    from chimera.evolution._loop import Optimization, Step, optimize
    from chimera.evolution._population import Population
    from chimera.evolution._programs import ProgramSearch
    from chimera.evolution._random import RandomSearch
    from chimera.evolution.database import GenomeDatabase
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

__all__ = [
    "NO_PARENT",
    "Algorithm",
    "AsyncEvaluator",
    "Block",
    "Cascade",
    "Competition",
    "Cooperation",
    "Counts",
    "Evaluated",
    "Evaluator",
    "GenomeDatabase",
    "Islands",
    "NoisyBest",
    "Optimization",
    "Origins",
    "PerRow",
    "Population",
    "ProcessPool",
    "ProgramSearch",
    "RandomSearch",
    "Resampling",
    "Sandboxed",
    "Space",
    "Stage",
    "Step",
    "Vectorized",
    "boolean",
    "category",
    "integer",
    "mixed",
    "optimize",
    "permutation",
    "real",
]

_HOMES = {
    "AsyncEvaluator": "evaluation",
    "Cascade": "evaluation",
    "Competition": "_coevolution",
    "Cooperation": "_coevolution",
    "Counts": "evaluation",
    "Evaluated": "evaluation",
    "Evaluator": "evaluation",
    "GenomeDatabase": "database",
    "Islands": "_islands",
    "NoisyBest": "evaluation",
    "Optimization": "_loop",
    "PerRow": "evaluation",
    "Population": "_population",
    "ProcessPool": "evaluation",
    "ProgramSearch": "_programs",
    "RandomSearch": "_random",
    "Resampling": "evaluation",
    "Sandboxed": "evaluation",
    "Stage": "evaluation",
    "Step": "_loop",
    "Vectorized": "evaluation",
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
