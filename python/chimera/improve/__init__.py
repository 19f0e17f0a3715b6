"""The main job: a task file in, a proven better program out.

The package itself is callable: ``chimera.improve("task.py")`` is `chimera.improve.api.improve`.
Everything is imported on first use, so that ``import chimera`` stays fast.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_HOMES = {
    "Improvement": "chimera.improve.result",
    "Progress": "chimera.improve.result",
    "Run": "chimera.improve.run",
    "improve": "chimera.improve.api",
    "live": "chimera.improve.api",
    "load": "chimera.improve.api",
    "steps": "chimera.improve.api",
}

__all__ = ["Improvement", "Progress", "Run", "improve", "live", "load", "steps"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


class _CallableModule(ModuleType):
    """Lets ``chimera.improve`` be both the package and the function."""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call `chimera.improve.api.improve`."""
        from chimera.improve.api import improve

        return improve(*arguments, **named)


sys.modules[__name__].__class__ = _CallableModule
