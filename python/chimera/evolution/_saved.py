"""Saved states that hold searches and arrays: one file, checked when it is read.

Layout, little-endian: 8 bytes magic with the format's version, 32 bytes sha256 of everything that
follows, 8 bytes length of the header, the header (JSON: what it is, the package's version, facts,
lengths of the parts), the parts. Arrays are parts in NumPy's own format, without pickles.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tokenize import TokenError
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from chimera.config import VERSION
from chimera.errors import CapacityError, StateError
from chimera.evolution._algorithm import Algorithm
from chimera.evolution._numbers import ensure_whole
from chimera.evolution._snapshot import SavedState, read_state, write_state

__all__ = ["Saved", "asked_again", "pending_of"]

_MAGIC: Final = b"chimsav\x01"
_START: Final = 8 + 32 + 8
_DAMAGE: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RecursionError,
    SyntaxError,
    TokenError,
    TypeError,
    ValueError,
)
"""What parsers raise on bytes that mean nothing; NumPy's reads its headers as Python."""


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
        with self.unpacking():
            head = io.BytesIO(part)
            np.lib.format.read_magic(head)
            shape, _, dtype = np.lib.format.read_array_header_1_0(head)
            if math.prod(shape) * dtype.itemsize != len(part) - head.tell():  # before any room
                raise _refuse(self._kind, "a damaged one: an array of another size")
            out: NDArray[Any] = np.load(io.BytesIO(part), allow_pickle=False)
        return out

    def take_rows(self, n_columns: int) -> NDArray[Any] | None:
        """Take the next part as rows of numbers ``(n, n_columns)``; None where there was none.

        Raises:
            StateError: It is none.
        """
        rows = self.take_array()
        if rows is not None and (rows.ndim != 2 or rows.shape[1] != n_columns):  # noqa: PLR2004
            raise _refuse(self._kind, f"a damaged one: rows of shape {rows.shape}")
        return rows

    def write(self, path: str | os.PathLike[str] | None) -> bytes:
        """Return the state as bytes, and write it to a file when a path is given.

        Raises:
            ConfigError: The path names no file.
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
            write_state(path, state)
        return state

    @classmethod
    def read(cls, source: SavedState, kind: str) -> Self:
        """Return the state that `write` wrote.

        Args:
            source: The bytes, or the path of the file.
            kind: What it must be the state of.

        Raises:
            ConfigError: The source is neither.
            StateError: Damaged, cut short, of another version or of another kind.
            StorageError: The file cannot be read; a `MissingFileError` when there is none.
        """
        state = read_state(f"a saved {kind}", source)
        if state[:7] != _MAGIC[:7]:
            raise _refuse(kind, "other bytes")
        if state[:8] != _MAGIC:
            raise _refuse(kind, f"one of format {state[7]}; read it with the version that wrote it")
        body = state[40:]
        if len(state) < _START or hashlib.sha256(body).digest() != state[8:40]:
            raise _refuse(kind, "a damaged one, or one cut short")
        saved = cls(kind)
        with saved.unpacking():
            saved._unpack(body)
        return saved

    def _unpack(self, body: bytes) -> None:
        start = 8 + int.from_bytes(body[:8], "little")
        header = json.loads(body[8:start])
        if header["version"] != VERSION:
            raise _refuse(self._kind, f"one of version {header['version']}, not {VERSION}")
        if header["kind"] != self._kind:
            raise _refuse(self._kind, f"a {header['kind']}; use {header['kind']}.load")
        self.facts = dict(header["facts"])
        for length in header["parts"]:
            ensure_whole("parts", length, len(body) - start + 1)
            self.add(body[start : start + length])
            start += length
        if start != len(body):
            raise _refuse(self._kind, "one with bytes after its end")

    @contextmanager
    def unpacking(self) -> Iterator[None]:
        """Say of what cannot be read from the state that the state is damaged.

        The checksum holds for whatever was written, also by another program.

        Raises:
            StateError: A fact or a part is missing, of another type, or does not fit the others.
        """
        try:
            yield
        except (StateError, CapacityError):
            raise
        except _DAMAGE as error:
            raise _refuse(self._kind, f"a damaged one ({error})") from error


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


def asked_again(searches: Sequence[Algorithm], saved: Saved) -> list[Any] | None:
    """Take what `pending_of` returned from a state, and return the batches that it was given."""
    out = []
    for search in searches:
        batch = saved.take_rows(search.space.n_genes) if search.is_steady else saved.take_array()
        out.append(batch if search.is_steady or batch is None else np.asarray(search.ask()))
    return None if any(batch is None for batch in out) else out
