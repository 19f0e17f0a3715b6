"""Evaluation back ends: from candidates to scores, whatever the objective does meanwhile.

Each takes a batch and gives `Evaluated`: scores, and for every row that could not be scored the
reason. Algorithms and back ends know nothing of each other. Names are
imported on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "AsyncEvaluator": "_steady",
    "Batch": "_result",
    "Cascade": "_cascade",
    "Counts": "_result",
    "Evaluated": "_result",
    "Evaluator": "_base",
    "NoisyBest": "_resampling",
    "PerRow": "_serial",
    "ProcessPool": "_pool",
    "Resampling": "_resampling",
    "Sandboxed": "_sandboxed",
    "Stage": "_cascade",
    "StageCounts": "_cascade",
    "Vectorized": "_serial",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
