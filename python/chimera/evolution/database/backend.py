"""What a store of genomes offers, whichever database holds it, and what it needs of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chimera.errors import OrderError
from chimera.evolution.database.rows import Generation

__all__ = ["Backend", "Rows", "Search", "Transaction", "ensure_open"]

Rows = list[tuple[Any, ...]]


class Search(Protocol):
    """What can be recorded: every `Algorithm`, and whatever has these of it."""

    @property
    def method(self) -> str:
        """Its name."""

    @property
    def seed(self) -> int:
        """Seed of its random streams."""

    @property
    def blocks(self) -> Sequence[tuple[str, str, Sequence[float], Sequence[float]]]:
        """Its space; blocks of kind ``program`` hold text."""

    @property
    def maximized(self) -> Sequence[bool]:
        """Per objective, whether it is maximised; empty when none is."""

    @property
    def operators(self) -> Sequence[str]:
        """Names of the variation operators."""

    @property
    def told(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint8]]:
        """Identities, parents and operators of the rows told last."""

    @property
    def generation(self) -> int:
        """Batches told."""

    @property
    def n_evaluations(self) -> int:
        """Rows told."""

    @property
    def figures(self) -> Mapping[str, float]:
        """Figures by name."""

    @property
    def stop_reason(self) -> str | None:
        """Why it would stop by itself."""

    def ask(self, n: int | None = None) -> Any:
        """Return candidates."""

    def tell(
        self,
        batch: Any,
        scores: Any,
        *,
        violations: Any = None,
        descriptors: Any = None,
        cases: Any = None,
        failed: Any = None,
    ) -> None:
        """Take their scores."""


def ensure_open(place: str, *, is_closed: bool) -> None:
    """Refuse a call to a database that was closed."""
    if is_closed:
        raise OrderError(f"expected an open database, got a closed one; open it again ({place})")


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
            ConflictError: Nor could it ever: its rows contradict those stored.
            OrderError: The database was closed.
        """

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[list[str], Rows]:
        """Run one query that may only read; return its column names and rows.

        Raises:
            StorageError: It is no query, fails, or tries to write.
            OrderError: The database was closed.
        """

    def close(self) -> None:
        """Close; closing twice is harmless."""
