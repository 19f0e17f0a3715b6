"""Populations as pyarrow tables and Parquet files; the only importer of pyarrow here."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chimera.errors import MissingExtraError, StateError
from chimera.evolution._arrow import METADATA_KEY
from chimera.evolution._snapshot import unreadable

if TYPE_CHECKING:
    from chimera.evolution._population import Population

__all__ = ["from_table", "read", "to_table", "write"]

Stored = tuple[dict[str, NDArray[Any]], dict[str, Any]]


def _pyarrow(module: str = "pyarrow") -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError("arrow", "pyarrow") from error


def to_table(population: Population) -> Any:
    """Return a ``pyarrow.Table`` of a population."""
    pyarrow = _pyarrow()
    return pyarrow.Table.from_batches([pyarrow.record_batch(population)])


def from_table(table: Any) -> Stored:
    """Return the columns of a table and what its metadata says.

    Raises:
        StateError: A column has a type that no population has.
    """
    pyarrow = _pyarrow()
    note = (table.schema.metadata or {}).get(METADATA_KEY.encode(), b"{}")
    try:
        extra = dict(json.loads(note))
        names = [str(name) for name in extra.get("operator_names", ())]
    except (TypeError, ValueError) as error:
        raise StateError("expected the metadata of a population, got other text") from error
    columns = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if isinstance(column, pyarrow.ChunkedArray):  # no rows: no chunks to combine
            column = pyarrow.array([], column.type)
        columns[name] = _values(pyarrow, name, column, names)
    return columns, {"operator_names": names}


def _values(pyarrow: Any, name: str, column: Any, operator_names: list[str]) -> NDArray[Any]:
    kind, types = column.type, pyarrow.types
    if column.null_count:
        raise StateError(f"expected a value in every row of {name}, got nulls")
    if types.is_fixed_size_list(kind):
        return _values(pyarrow, name, column.flatten(), []).reshape(-1, kind.list_size)
    if types.is_dictionary(kind):
        names = column.dictionary.to_pylist()
        places = {text: idx for idx, text in enumerate(operator_names)}
        if not places.keys() >= set(names):
            raise StateError(f"expected operators among {operator_names}, got {names}")
        codes = np.array([places[name] for name in names], dtype=np.uint8)
        out: NDArray[Any] = codes[column.indices.to_numpy(zero_copy_only=False)]
        return out
    if types.is_large_string(kind) or types.is_string(kind):
        texts = np.empty(len(column), dtype=object)
        texts[:] = column.to_pylist()
        return texts
    if types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind):
        values: NDArray[Any] = column.to_numpy(zero_copy_only=False)
        return values
    raise StateError(f"expected numbers, booleans or text in {name}, got {kind}")


def write(population: Population, path: Path) -> None:
    """Write a Parquet file.

    Raises:
        OSError: It cannot be written.
    """
    parquet = _pyarrow("pyarrow.parquet")
    parquet.write_table(to_table(population), path)


def read(path: Path) -> Stored:
    """Read a Parquet file.

    Raises:
        StateError: The file is damaged or no Parquet file.
        StorageError: It cannot be read.
    """
    pyarrow, parquet = _pyarrow(), _pyarrow("pyarrow.parquet")
    try:
        return from_table(parquet.read_table(path))
    except pyarrow.ArrowInvalid as error:
        raise StateError(f"expected a Parquet file, got a damaged one: {error} ({path})") from error
    except OSError as error:
        raise unreadable("a Parquet file", error, path) from error
