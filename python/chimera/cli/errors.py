"""From exceptions to messages and exit codes, at one place."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import typer

from chimera.cli.streams import complain, emit
from chimera.errors import (
    ChimeraError,
    LedgerError,
    ReplayError,
    SourceError,
    StorageError,
    VerificationError,
)

__all__ = ["EVIDENCE", "INTERRUPTED", "STORAGE", "USAGE", "guarded"]

USAGE: Final = 2
STORAGE: Final = 3
EVIDENCE: Final = 4
INTERRUPTED: Final = 130


def exit_code(error: ChimeraError) -> int:
    """Return the exit code of an error."""
    if isinstance(error, ReplayError | VerificationError):
        return EVIDENCE
    if isinstance(error, StorageError | LedgerError):
        return STORAGE
    return USAGE


@contextmanager
def guarded(*, is_json: bool = False) -> Iterator[None]:
    """Print an error's message and exit with its code.

    Args:
        is_json: Also print one JSON object with the error on standard output.
    """
    try:
        yield
    except ChimeraError as error:
        code = exit_code(error)
        if is_json:
            facts: dict[str, object] = {
                "type": type(error).__name__,
                "message": str(error),
                "exit_code": code,
            }
            if isinstance(error, SourceError):
                facts["diagnostics"] = error.diagnostics
            with suppress(StorageError):  # this error is the one to report
                emit({"status": "error", "error": facts})
        _print_error(error)
        raise typer.Exit(code) from error
    except KeyboardInterrupt:
        complain("interrupted")
        raise typer.Exit(INTERRUPTED) from None


def _print_error(error: ChimeraError) -> None:
    label = "error:"
    if sys.stderr.isatty():
        label = typer.style(label, fg="red", bold=True)
    complain(f"{label} {error}")
