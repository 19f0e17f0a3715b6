"""Columns of a population: checking, views, row selection, joining.

Every column is a NumPy array whose first axis is the individual. Numbers and booleans keep their
type; text (programs, notes) is an object array of ``str``. Arrays are taken over as read-only
views, never copied unless their type has to change.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chimera.errors import ConfigError
from chimera.evolution._numbers import ensure_numbers

__all__ = [
    "NO_PARENT",
    "Column",
    "block",
    "blocks",
    "concat_columns",
    "is_text",
    "matrix",
    "n_bytes",
    "read_only",
    "text",
    "values",
    "vector",
]

_KINDS: Final = "biuf"
_NATIVE_TYPES: Final = ("float64", "float32", "int64", "bool")

NO_PARENT: Final = 2**64 - 1
"""Stands for "no parent" in a column of parents."""

Column = NDArray[Any]


def read_only(array: Column) -> Column:
    """Return a view that cannot be written through."""
    view = array.view()
    view.flags.writeable = False
    return view


def _array(name: str, values: ArrayLike, dtype: DTypeLike | None) -> Column:
    ensure_numbers(name, values)
    try:
        array = np.asarray(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        wanted = "numbers" if dtype is None else str(np.dtype(dtype))
        raise ConfigError(f"{name}: expected an array of {wanted}, got {error}") from error
    if array.dtype.kind not in _KINDS:
        raise ConfigError(f"{name}: expected numbers or booleans, got dtype {array.dtype}")
    return array


def matrix(name: str, values: ArrayLike, n_rows: int | None, dtype: DTypeLike | None) -> Column:
    """Return a read-only view ``(n_rows, k)``; one axis is taken as one value a row.

    Raises:
        ConfigError: The values are no numbers or have another number of rows or axes.
    """
    array = _array(name, values, dtype)
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2 or (n_rows is not None and len(array) != n_rows):  # noqa: PLR2004
        wanted = "(n, k)" if n_rows is None else f"({n_rows}, k)"
        raise ConfigError(f"{name}: expected shape {wanted}, got {array.shape}")
    return read_only(array)


def vector(name: str, values: ArrayLike, n_rows: int, dtype: DTypeLike | None) -> Column:
    """Return a read-only view ``(n_rows,)``; a single column is flattened.

    Raises:
        ConfigError: The values are no numbers or have another shape.
    """
    array = _array(name, values, dtype)
    if array.ndim == 2 and array.shape[1] == 1:  # noqa: PLR2004
        array = array.reshape(-1)
    if array.shape != (n_rows,):
        raise ConfigError(f"{name}: expected shape ({n_rows},), got {array.shape}")
    return read_only(array)


def text(name: str, values: Iterable[Any], n_rows: int | None = None) -> Column:
    """Return a read-only object array of ``str`` ``(n,)``.

    Raises:
        ConfigError: Something else than text, or another number of rows.
    """
    items = list(values)
    odd = next((item for item in items if not isinstance(item, str)), None)
    if odd is not None:
        raise ConfigError(f"{name}: expected text, got {type(odd).__name__}")
    if n_rows is not None and len(items) != n_rows:
        raise ConfigError(f"{name}: expected {n_rows} texts, got {len(items)}")
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return read_only(array)


def is_text(values: object) -> bool:
    """Tell whether a column of this shape would hold text."""
    if isinstance(values, np.ndarray):
        return values.dtype.kind in "OUT"
    return (
        isinstance(values, Sequence)
        and not isinstance(values, str)
        and bool(values)
        and isinstance(values[0], str)
    )


def blocks(genomes: Any) -> Mapping[str, Any]:
    """Return genomes of any accepted form as blocks by name."""
    if isinstance(genomes, Mapping):
        return genomes
    if isinstance(genomes, np.ndarray) and genomes.dtype.names:
        return {
            name: genomes[name].reshape(len(genomes), -1)  # a view: fields are strided
            for name in genomes.dtype.names
        }
    if is_text(genomes):
        return {"program": genomes}
    return {"x": genomes}


def block(name: str, values: Any, n_rows: int | None) -> Column:
    """Return a block of genes ``(n, d)`` of a type that searches know, or texts ``(n,)``."""
    if is_text(values):
        return text(name, values, n_rows)
    column = matrix(name, values, n_rows, None)
    if column.dtype.name in _NATIVE_TYPES:
        return column
    return column.astype(np.float64 if column.dtype.kind == "f" else np.int64)


def values(name: str, given: Any, n_rows: int) -> Column:
    """Return a column ``(n_rows,)`` of numbers, booleans or texts."""
    if is_text(given):
        return text(name, given, n_rows)
    return vector(name, given, n_rows, None)


def concat_columns(name: str, parts: Sequence[Column]) -> Column:
    """Join the same column of several populations; one allocation.

    Raises:
        ConfigError: The parts differ in type or width.
    """
    kinds = {(part.dtype, part.shape[1:]) for part in parts}
    if len(kinds) > 1:
        seen = " and ".join(sorted(f"{dtype} {shape}" for dtype, shape in kinds))
        raise ConfigError(f"{name}: expected columns of one type and width, got {seen}")
    return read_only(np.concatenate(parts))


def n_bytes(column: Column) -> int:
    """Return the memory of a column, each distinct text counted once."""
    if column.dtype.kind != "O":
        return column.nbytes
    distinct = {id(item): item for item in column}
    return column.nbytes + sum(sys.getsizeof(item) for item in distinct.values())
