"""Evaluation back ends: from candidates to scores, whatever the objective does meanwhile.

Each takes a batch and gives `Evaluated`: scores, and for every row that could not be scored the
reason. Algorithms and back ends know nothing of each other.
"""

from chimera.evolution.evaluation._base import Evaluator
from chimera.evolution.evaluation._cascade import Cascade, Stage, StageCounts
from chimera.evolution.evaluation._pool import ProcessPool
from chimera.evolution.evaluation._resampling import NoisyBest, Resampling
from chimera.evolution.evaluation._result import Batch, Counts, Evaluated
from chimera.evolution.evaluation._sandboxed import Sandboxed
from chimera.evolution.evaluation._serial import PerRow, Vectorized
from chimera.evolution.evaluation._steady import AsyncEvaluator

__all__ = [
    "AsyncEvaluator",
    "Batch",
    "Cascade",
    "Counts",
    "Evaluated",
    "Evaluator",
    "NoisyBest",
    "PerRow",
    "ProcessPool",
    "Resampling",
    "Sandboxed",
    "Stage",
    "StageCounts",
    "Vectorized",
]
