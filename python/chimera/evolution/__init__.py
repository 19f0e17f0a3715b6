"""Population search: ask and tell over arrays, the same result on any number of threads.

Every algorithm is an `Algorithm`: ``ask`` returns a batch of candidates as a NumPy view, ``tell``
takes their scores, ``save`` and ``load`` go on as if never interrupted.
"""

from chimera.evolution._algorithm import NO_PARENT, Algorithm, Origins
from chimera.evolution._loop import Optimization, Step, optimize
from chimera.evolution._programs import ProgramSearch
from chimera.evolution._random import RandomSearch
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

__all__ = [
    "NO_PARENT",
    "Algorithm",
    "AsyncEvaluator",
    "Block",
    "Cascade",
    "Counts",
    "Evaluated",
    "Evaluator",
    "Optimization",
    "Origins",
    "PerRow",
    "ProcessPool",
    "ProgramSearch",
    "RandomSearch",
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
