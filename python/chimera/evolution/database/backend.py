"""What a store of genomes offers, whichever database holds it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from chimera.evolution.database.rows import Generation

__all__ = ["Backend", "Rows", "Transaction"]

Rows = list[tuple[Any, ...]]


class Transaction(Protocol):
    """Statements that are kept together or not at all. Placeholders are ``?``."""

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Rows:
        """Run one statement and return its rows."""

    def insert(self, run: int, generation: Generation) -> None:
        """Add the individuals and parents of a generation."""


class Backend(Protocol):
    """An open database of genomes."""

    dialect: str
    """``sqlite`` or ``postgres``."""
    place: str
    """Where it is, without secrets, for messages."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; commit when the block ends well, else undo all of it.

        Raises:
            StorageError: It cannot be committed; nothing of it is stored then.
        """

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[list[str], Rows]:
        """Run one query that may only read; return its column names and rows.

        Raises:
            StorageError: It is no query, fails, or tries to write.
        """

    def close(self) -> None:
        """Close; closing twice is harmless."""
