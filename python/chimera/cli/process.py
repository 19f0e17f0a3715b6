"""One process of the command line: its streams from the first to the last byte."""

from __future__ import annotations

import errno
import itertools
import os
import sys
from typing import NoReturn

from chimera.cli.app import app
from chimera.cli.errors import STORAGE, USAGE
from chimera.cli.streams import complain, divert_stdout, emit, silence, unwritable
from chimera.errors import StorageError

__all__ = ["run"]

HELP = frozenset(("-h", "--help"))


def run() -> None:
    """Parse the arguments, run the command and exit."""
    if sys.stderr is None:  # closed by the caller; no other file may come to have its number
        silence(2)
        sys.stderr = os.fdopen(2, "w", closefd=False)
    options = set(itertools.takewhile(lambda argument: argument != "--", sys.argv[1:]))
    is_json = "--json" in options and not HELP & options
    if is_json:
        divert_stdout()
    try:
        try:
            if is_json:
                _run_for_json()
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        silence(1)
        if not isinstance(error, StorageError):
            if error.errno not in {errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG}:
                raise
            error = unwritable(error)
        complain(f"error: {error}")
        sys.exit(STORAGE)


def _run_for_json() -> NoReturn:
    """Run the command and exit; an unusable command line becomes a JSON object, too."""
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        describe = getattr(error, "format_message", None)  # the parser's exceptions have one
        if describe is None:
            raise
        message = str(describe())
        facts = {"type": "UsageError", "message": message, "exit_code": USAGE}
        emit({"status": "error", "error": facts})
        complain(f"error: {message}")
        sys.exit(USAGE)
    sys.exit(code or 0)
