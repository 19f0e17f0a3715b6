"""One told generation as arrays, and how genomes become bytes and come back.

A genome is its blocks one after the other, little-endian, as ``runs.space`` lists them; blocks of
text go into ``program`` instead.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chimera.evolution._columns import NO_PARENT

__all__ = ["Generation", "Layout", "pairs_of"]

_DTYPES: Final = {
    "f64": "<f8",
    "f32": "<f4",
    "integer": "<i8",
    "category": "<i8",
    "permutation": "<i8",
    "boolean": "|b1",
}


@dataclass(frozen=True)
class Generation:
    """What one ``tell`` said; one row an individual.

    Attributes:
        number: Number of the generation.
        ids: ``(n,) int64``.
        failed: ``(n,) bool``.
        objectives: ``(n, m) float64``; anything in failed rows.
        violations: ``(n,) float64``.
        genomes: ``(n, w) uint8``, or None.
        programs: ``n`` texts, or None.
        descriptors: ``(n, k) float64``, or None.
        operators: ``(n,) uint8``, or None.
        parents: ``(k, 2) int64``, pairs of child and parent.
        n_evaluations: Rows told so far, these included.
        best: Best objective among feasible rows, or None.
        mean: Mean objective of rows that did not fail, or None.
        figures: Figures of the algorithm.
        seconds: Time since the generation before.
    """

    number: int
    ids: NDArray[np.int64]
    failed: NDArray[np.bool_]
    objectives: NDArray[np.float64]
    violations: NDArray[np.float64]
    genomes: NDArray[np.uint8] | None
    programs: list[str] | None
    descriptors: NDArray[np.float64] | None
    operators: NDArray[np.uint8] | None
    parents: NDArray[np.int64]
    n_evaluations: int
    best: float | None
    mean: float | None
    figures: Mapping[str, float]
    seconds: float

    def summary(self) -> tuple[Any, ...]:
        """Return the values of the table ``generations``, the run left out."""
        figures = {
            name: value if math.isfinite(value) else None
            for name, value in ((name, float(value)) for name, value in self.figures.items())
        }
        return (
            self.number,
            len(self.ids),
            int(self.failed.sum()),
            self.n_evaluations,
            self.best,
            self.mean,
            json.dumps(figures),
            self.seconds,
        )


def pairs_of(ids: NDArray[np.int64], parents: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return distinct pairs ``(k, 2) int64`` of child and parent, in order of the children."""
    if parents.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    ordered = np.sort(parents, axis=1)
    is_new = ordered != NO_PARENT
    is_new[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    children = np.broadcast_to(ids[:, None], ordered.shape)
    return np.column_stack([children[is_new], ordered[is_new].astype(np.int64)])


class Layout:
    """How the genomes of a run are stored.

    Args:
        blocks: Of each block ``name``, ``kind`` (as in `chimera.evolution.Block`, or ``program``)
            and ``n_genes``.
    """

    def __init__(self, blocks: Sequence[Mapping[str, Any]]) -> None:
        self.texts = [str(block["name"]) for block in blocks if block["kind"] == "program"]
        self.numbers = [
            (str(block["name"]), np.dtype(_DTYPES[block["kind"]]), int(block["n_genes"]))
            for block in blocks
            if block["kind"] != "program"
        ]
        self.width = sum(dtype.itemsize * n for _, dtype, n in self.numbers)

    def encode(
        self, genomes: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.uint8] | None, list[str] | None]:
        """Return genomes as bytes ``(n, w) uint8``, and texts."""
        parts = []
        for name, dtype, n_genes in self.numbers:
            array = np.ascontiguousarray(genomes[name], dtype=dtype)
            parts.append(array.view(np.uint8).reshape(len(array), n_genes * dtype.itemsize))
        if not parts:
            data = None
        elif len(parts) == 1:
            data = parts[0].copy()  # the search will write over what it asked
        else:
            data = np.concatenate(parts, axis=1)
        if not self.texts:
            return data, None
        if len(self.texts) == 1:
            return data, [str(text) for text in genomes[self.texts[0]]]
        rows = zip(*(genomes[name] for name in self.texts), strict=True)
        return data, [json.dumps(dict(zip(self.texts, row, strict=True))) for row in rows]

    def decode(
        self, blobs: Sequence[bytes | None], programs: Sequence[str | None]
    ) -> dict[str, Any]:
        """Return blocks by name from what `encode` gave.

        Raises:
            ValueError: A genome has another length, or a text is no JSON.
            KeyError: A text lacks a block.
        """
        n_rows = len(blobs)
        out: dict[str, Any] = {}
        if self.numbers:
            sizes = {len(blob or b"") for blob in blobs} - {self.width}
            if sizes:
                raise ValueError(f"a genome of {min(sizes)} bytes instead of {self.width}")
            data = np.frombuffer(b"".join(blob or b"" for blob in blobs), dtype=np.uint8)
            data = data.reshape(n_rows, self.width)
            start = 0
            for name, dtype, n_genes in self.numbers:
                stop = start + n_genes * dtype.itemsize
                part = np.ascontiguousarray(data[:, start:stop]).view(dtype)
                out[name] = part.astype(dtype.newbyteorder("="), copy=False)
                start = stop
        if self.texts:
            loaded = [
                {self.texts[0]: text or ""} if len(self.texts) == 1 else json.loads(text or "{}")
                for text in programs
            ]
            for name in self.texts:
                column = np.empty(n_rows, dtype=object)
                column[:] = [row[name] for row in loaded]
                out[name] = column
        return out
