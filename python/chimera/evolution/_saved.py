"""Saved states that hold searches and arrays: one file, checked when it is read.

Layout, little-endian: 8 bytes magic with the format's version, 32 bytes sha256 of everything that
follows, 8 bytes length of the header, the header (JSON: what it is, the package's version, facts,
lengths of the parts), the parts. Arrays are parts in NumPy's own format, without pickles.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from chimera.config import VERSION
from chimera.errors import StateError, StorageError
from chimera.evolution._algorithm import Algorithm
from chimera.evolution._snapshot import atomic_path

__all__ = ["Saved", "asked_again", "pending_of"]

_MAGIC: Final = b"chimsav\x01"
_START: Final = 8 + 32 + 8


class Saved:
    """A state under way to bytes, or back: facts, and parts in the order of `add`.

    Args:
        kind: What it is the state of.
    """

    def __init__(self, kind: str) -> None:
        self.facts: dict[str, Any] = {}
        self._kind = kind
        self._parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        """Add bytes."""
        self._parts.append(part)

    def add_array(self, array: NDArray[Any] | None) -> None:
        """Add an array, or that there is none."""
        out = io.BytesIO()
        if array is not None:
            np.save(out, array, allow_pickle=False)
        self.add(out.getvalue())

    def take(self) -> bytes:
        """Take the next part.

        Raises:
            StateError: There is none.
        """
        if not self._parts:
            raise _refuse(self._kind, "one cut short")
        return self._parts.pop(0)

    def take_array(self) -> NDArray[Any] | None:
        """Take the next part as an array; None where there was none.

        Raises:
            StateError: It is none.
        """
        part = self.take()
        if not part:
            return None
        try:
            out: NDArray[Any] = np.load(io.BytesIO(part), allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise _refuse(self._kind, "a damaged one") from error
        return out

    def write(self, path: str | os.PathLike[str] | None) -> bytes:
        """Return the state as bytes, and write it to a file when a path is given.

        Raises:
            StorageError: The file cannot be written; an older one stays as it was.
        """
        header = json.dumps(
            {
                "kind": self._kind,
                "version": VERSION,
                "facts": self.facts,
                "parts": [len(part) for part in self._parts],
            },
            default=lambda number: number.item(),  # NumPy's
        ).encode()
        body = b"".join([len(header).to_bytes(8, "little"), header, *self._parts])
        state = _MAGIC + hashlib.sha256(body).digest() + body
        if path is not None:
            with atomic_path(Path(path)) as scratch, scratch.open("wb") as file:
                file.write(state)
                file.flush()
                os.fsync(file.fileno())
        return state

    @classmethod
    def read(cls, source: bytes | str | os.PathLike[str], kind: str) -> Self:
        """Return the state that `write` wrote.

        Args:
            source: The bytes, or the path of the file.
            kind: What it must be the state of.

        Raises:
            StateError: Damaged, cut short, of another version or of another kind.
            StorageError: The file cannot be read.
        """
        if isinstance(source, bytes):
            state = source
        else:
            try:
                state = Path(source).read_bytes()
            except OSError as error:
                raise StorageError(
                    f"expected to read a saved {kind}, got {error.strerror or error} ({source})"
                ) from error
        if state[:7] != _MAGIC[:7]:
            raise _refuse(kind, "other bytes")
        if state[:8] != _MAGIC:
            raise _refuse(kind, f"one of format {state[7]}; read it with the version that wrote it")
        body = state[40:]
        if len(state) < _START or hashlib.sha256(body).digest() != state[8:40]:
            raise _refuse(kind, "a damaged one, or one cut short")
        n_header = int.from_bytes(body[:8], "little")
        header = json.loads(body[8 : 8 + n_header])
        if header["version"] != VERSION:
            raise _refuse(kind, f"one of version {header['version']}, not {VERSION}")
        if header["kind"] != kind:
            raise _refuse(kind, f"a {header['kind']}; use {header['kind']}.load")
        saved = cls(kind)
        saved.facts = header["facts"]
        start = 8 + n_header
        for length in header["parts"]:
            saved.add(body[start : start + length])
            start += length
        return saved


def _refuse(kind: str, got: str) -> StateError:
    return StateError(f"saved state: expected a whole {kind}, got {got}")


def pending_of(
    searches: Sequence[Algorithm], batches: Sequence[Any] | None
) -> list[NDArray[Any] | None]:
    """Return what must be saved of batches that were asked and not told.

    A search gives its pending batch again when it is asked again, except for steady ones.
    """
    if batches is None:
        return [None] * len(searches)
    pairs = zip(searches, batches, strict=True)
    return [batch if search.is_steady else np.zeros(0) for search, batch in pairs]


def asked_again(
    searches: Sequence[Algorithm], pending: Sequence[NDArray[Any] | None]
) -> list[Any] | None:
    """Return the batches that `pending_of` was given."""
    out = []
    for search, batch in zip(searches, pending, strict=True):
        if batch is None:
            return None
        out.append(batch if search.is_steady else np.asarray(search.ask()))
    return out
