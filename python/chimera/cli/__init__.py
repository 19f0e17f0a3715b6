"""The command line: parsing, display and exit codes; no logic of its own."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; the entry point of the ``chimera`` script."""
    from chimera.cli.process import run

    run()
