"""Chimera: a native engine for self-improving programs.

A task file marks what may change (`evolve`), what counts (`objective`) and on which data
(`workload`); `improve` evolves it in a sandbox and proves the gain on unseen instances. This
module only gathers names: heavy parts are imported on first use.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

from chimera.config import VERSION as __version__  # noqa: N811
from chimera.errors import ChimeraError
from chimera.improve.marks import (
    bool_matrix,
    bools,
    evolve,
    float_matrix,
    floats,
    int_matrix,
    ints,
    objective,
    tunable,
    workload,
)

if TYPE_CHECKING:
    from chimera.improve.api import improve as improve
    from chimera.improve.api import live, load
    from chimera.improve.result import Improvement

__all__ = [
    "ChimeraError",
    "Improvement",
    "__version__",
    "bool_matrix",
    "bools",
    "evolve",
    "float_matrix",
    "floats",
    "improve",
    "int_matrix",
    "ints",
    "live",
    "load",
    "objective",
    "tunable",
    "workload",
]

_HOMES = {
    "Improvement": "chimera.improve.result",
    "live": "chimera.improve.api",
    "load": "chimera.improve.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def _register_native() -> Any:
    """Import the extension module and name its submodules in ``sys.modules``."""
    native = importlib.import_module("chimera._chimera")
    for name in ("programs", "execution", "evolution", "population"):
        part = getattr(native, name, None)
        if part is not None:
            sys.modules.setdefault(f"chimera._chimera.{name}", part)
    return native


try:
    _register_native()
except ModuleNotFoundError as _error:
    # Task files run under plain CPython, and pure parts are tested, without the extension.
    if _error.name != "chimera._chimera":
        raise
