"""Standard output and standard error of the command line, and what happens when one fails.

With ``--json`` standard output carries one JSON object and nothing else: file descriptor 1 is
pointed at standard error for the whole process, so that neither user code, nor its C libraries,
nor its exit handlers can write into the object. `emit` writes to the original descriptor.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

import typer

from chimera.errors import StorageError

__all__ = ["complain", "divert_stdout", "emit", "silence", "unwritable"]

_results: list[TextIO] = []


def divert_stdout() -> None:
    """Send everything but `emit` from standard output to standard error, until the process ends."""
    with suppress(OSError):
        saved = os.dup(1)
        sys.stdout.flush()
        os.dup2(2, 1)
        _results.append(os.fdopen(saved, "w", encoding="utf-8"))


def emit(facts: Mapping[str, Any]) -> None:
    """Write the one JSON object of a command.

    Raises:
        StorageError: If standard output cannot be written.
    """
    text = json.dumps(facts)
    if not _results:
        typer.echo(text)
        return
    try:
        _results[0].write(f"{text}\n")
        _results[0].flush()
    except OSError as error:
        silence(_results[0].fileno())
        raise unwritable(error) from error


def unwritable(error: OSError) -> StorageError:
    """Return the error for a standard output that cannot be written."""
    return StorageError(
        f"expected to write to standard output, got {error.strerror}; a finished run is stored: "
        "print it again with `chimera show`"
    )


def complain(text: str) -> None:
    """Write a line to standard error, if that is possible."""
    try:
        typer.echo(text, err=True)
    except (OSError, ValueError):
        silence(2)


def silence(descriptor: int) -> None:
    """Point a broken stream at nothing, so that flushing it at exit does not fail again."""
    with suppress(OSError):
        empty = os.open(os.devnull, os.O_WRONLY)
        if empty != descriptor:  # a closed descriptor may be the one that was just given out
            os.dup2(empty, descriptor)
            os.close(empty)
