"""Every exception that Chimera raises.

One tree under `ChimeraError`; each class also inherits the builtin that a caller would catch.
The native modules import some of them from here by name (``rust/chimera-py/src/error.rs``). A trap,
spent fuel or an unproven gain is a result and never an exception.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = [
    "ArgumentError",
    "BatchError",
    "CapacityError",
    "ChimeraError",
    "ConfigError",
    "ConflictError",
    "CorruptLedgerError",
    "EvaluationError",
    "LedgerError",
    "MissingExtraError",
    "MissingFileError",
    "ObjectiveError",
    "OrderError",
    "ProgramError",
    "ProjectLockedError",
    "RegistryError",
    "ReplayError",
    "SourceError",
    "StateError",
    "StorageError",
    "TaskError",
    "VerificationError",
    "WorkloadError",
]

DISTRIBUTION: Final = "chimera-engine"
"""What pip installs; `chimera` on the package index belongs to another project."""


class ChimeraError(Exception):
    """Base of every Chimera exception."""


class SourceError(ChimeraError, ValueError):
    """Python source lies outside the compiled subset.

    Args:
        message: All diagnostics as readable text.
        diagnostics: One mapping per finding with ``file``, ``line``, ``column``, ``construct``,
            ``message`` and ``help``.
    """

    def __init__(self, message: str, diagnostics: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.diagnostics: list[dict[str, Any]] = [dict(item) for item in diagnostics]


class ArgumentError(ChimeraError, TypeError):
    """An argument does not have the type that the function's signature states."""


class ProgramError(ChimeraError, ValueError):
    """A program representation is malformed or does not fit its use."""


class StateError(ChimeraError, ValueError):
    """A saved search state is damaged or belongs to another task or version."""


class BatchError(ChimeraError, ValueError):
    """Genomes or scores do not fit the search; nothing was changed."""


class CapacityError(ChimeraError, MemoryError):
    """What was asked for needs more memory than there is; nothing was changed."""


class OrderError(ChimeraError, RuntimeError):
    """Calls came in the wrong order, for example ``tell`` before ``ask``."""


class EvaluationError(ChimeraError, RuntimeError):
    """An evaluation back end cannot work at all; a single failing row is a result, not this."""


class TaskError(ChimeraError, ValueError):
    """A task file cannot be used: missing, incomplete or ambiguous."""


class WorkloadError(TaskError):
    """A workload raised, returned nothing, or returned an ill-typed instance."""


class ObjectiveError(TaskError):
    """The unmodified program gives no usable score (NaN, trap, endless loop)."""


class ConfigError(ChimeraError, ValueError):
    """A setting has an invalid value."""


class StorageError(ChimeraError, OSError):
    """The project folder cannot be read or written."""


class MissingFileError(StorageError, FileNotFoundError):
    """The file that was to be read is not there."""


class ConflictError(StorageError):
    """Rows cannot be stored however often it is tried: they contradict what is there."""


class ProjectLockedError(StorageError):
    """Another process is writing to the project folder.

    Args:
        message: What to do.
        pid: The process that holds the lock, or None when unknown.
    """

    def __init__(self, message: str, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid


class LedgerError(ChimeraError, RuntimeError):
    """An event cannot be appended or found."""


class CorruptLedgerError(LedgerError):
    """The ledger's hash chain does not hold.

    Args:
        message: What was found and what to do.
        run: The run whose chain is broken.
        sequence: The first event that does not hold.
    """

    def __init__(self, message: str, run: str = "", sequence: int = -1) -> None:
        super().__init__(message)
        self.run = run
        self.sequence = sequence


class ReplayError(LedgerError):
    """A resumed or replayed run took another course than the recorded one."""


class RegistryError(ChimeraError, LookupError):
    """The asked task or version is not registered."""


class VerificationError(ChimeraError, RuntimeError):
    """The sandbox and CPython disagree about the same program and arguments."""


class MissingExtraError(ChimeraError, ImportError):
    """An optional dependency is not installed.

    Args:
        extra: The extra that provides it.
        package: The import that failed.

    Example:
        >>> print(MissingExtraError("plot", "matplotlib"))
        expected the package 'matplotlib', not installed; run: pip install 'chimera-engine[plot]'
    """

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"expected the package {package!r}, not installed; "
            f"run: pip install '{DISTRIBUTION}[{extra}]'"
        )
        self.extra = extra
        self.package = package
