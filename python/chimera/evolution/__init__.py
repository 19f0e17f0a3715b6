"""Population search: ask and tell over arrays, the same result on any number of threads.

Every algorithm is an `Algorithm`: ``ask`` returns a batch of candidates as a NumPy view, ``tell``
takes their scores, ``save`` and ``load`` go on as if never interrupted.
"""

import importlib
from typing import TYPE_CHECKING, Any

from chimera.evolution._algorithm import Algorithm, Origins
from chimera.evolution._population import NO_PARENT, Population
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

if TYPE_CHECKING:
    from chimera.evolution.database import GenomeDatabase

__all__ = [
    "NO_PARENT",
    "Algorithm",
    "Block",
    "GenomeDatabase",
    "Origins",
    "Population",
    "RandomSearch",
    "Space",
    "boolean",
    "category",
    "integer",
    "mixed",
    "permutation",
    "real",
]

_HOMES = {"GenomeDatabase": "chimera.evolution.database"}


def __getattr__(name: str) -> Any:
    """Import on first use what a search does not need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
