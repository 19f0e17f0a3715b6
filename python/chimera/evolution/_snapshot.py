"""Snapshots: columns of arrays in one file, written atomically, checked when read.

Layout, little-endian: 8 bytes magic with the format's version, 8 bytes length of the header, 32
bytes sha256 of the header and the columns, the header (JSON), then each column at a multiple of 64
bytes, zeros between. Text columns are stored as UTF-8 and offsets. A file that is cut, damaged or
of another version is refused as a whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConfigError, MissingFileError, StateError, StorageError

__all__ = [
    "SavedState",
    "atomic_path",
    "read_columns",
    "read_state",
    "to_path",
    "unreadable",
    "write_columns",
    "write_state",
]

SavedState: TypeAlias = bytes | bytearray | memoryview | str | os.PathLike[str]
"""What `load` takes: the bytes of a state, or the path of the file that holds them."""

_FAMILY: Final = b"chimpop"
_VERSION: Final = 1
_ALIGNMENT: Final = 64
_START: Final = 8 + 8 + 32
_DTYPES: Final = frozenset("f8 f4 f2 i8 i4 i2 i1 u8 u4 u2 u1 b1".split())  # noqa: SIM905


def to_path(path: Any, expected: str = "path: expected the path of a file") -> Path:
    """Return the path of a file that a caller named.

    Raises:
        ConfigError: It names none.
    """
    place = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(place, str):
        raise ConfigError(f"{expected}, got {type(path).__name__}")
    if "\0" in place or not Path(place).name:
        raise ConfigError(f"{expected}, got {place!r}")
    return Path(place)


def read_state(what: str, source: Any) -> bytes:
    """Return the bytes of a state: as they were given, or from a file.

    Raises:
        ConfigError: It is neither bytes nor a path.
        StorageError: The file cannot be read; a `MissingFileError` when there is none.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    path = to_path(source, "source: expected the bytes of a state, or the path of a file")
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(what, error, path) from error


def write_state(path: Any, state: bytes) -> None:
    """Write bytes to a file that is replaced in one step and synced.

    Raises:
        ConfigError: The path names no file.
        StorageError: The file cannot be written; an older one stays as it was.
    """
    with atomic_path(to_path(path)) as scratch, scratch.open("wb") as file:
        file.write(state)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends well.

    Raises:
        StorageError: It cannot be written; what stood at ``path`` before still stands.
    """
    spare = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        try:
            yield spare
            spare.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise StorageError(
                f"expected to write a file, got {error.strerror or error}; nothing was changed: "
                f"free some space or choose another place ({path})"
            ) from error
    finally:
        with suppress(OSError):
            spare.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stored(columns: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Give every column as little-endian arrays; text as two of them."""
    for name, column in columns.items():
        if column.dtype.kind == "O":
            parts = [item.encode("utf-8", "surrogatepass") for item in column]
            offsets = np.zeros(len(parts) + 1, dtype="<i8")
            np.cumsum([len(part) for part in parts], out=offsets[1:])
            yield f"{name}#offsets", offsets
            yield f"{name}#utf8", np.frombuffer(b"".join(parts), dtype="u1")
        else:
            yield name, np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<"))


def _sha256(data: bytes) -> Any:
    import hashlib  # no search needs it

    return hashlib.sha256(data)


def _bytes(array: NDArray[Any]) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def write_columns(
    path: Path, columns: Mapping[str, NDArray[Any]], extra: Mapping[str, Any]
) -> None:
    """Write columns and a JSON object of their meaning.

    Raises:
        StorageError: The file cannot be written; an older one stays as it was.
    """
    stored = dict(_stored(columns))
    entries = [
        {"name": name, "dtype": array.dtype.str[1:], "shape": array.shape}
        for name, array in stored.items()
    ]
    header = json.dumps({"columns": entries, "extra": extra}).encode()
    digest = _sha256(header)
    with atomic_path(path) as spare, spare.open("wb") as file:
        file.write(_FAMILY + bytes([_VERSION]) + len(header).to_bytes(8, "little") + bytes(32))
        file.write(header)
        for array in stored.values():
            file.write(bytes(-file.tell() % _ALIGNMENT))
            data = _bytes(array)
            digest.update(data)
            file.write(data)
        file.seek(16)
        file.write(digest.digest())
        file.flush()
        os.fsync(file.fileno())


def read_columns(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `write_columns` wrote.

    Raises:
        StateError: The file is no snapshot, cut short, damaged, or of another version.
        StorageError: It cannot be read; a `MissingFileError` when there is none.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as error:
        raise unreadable("a snapshot", error, path) from error


def unreadable(what: str, error: OSError, path: str | os.PathLike[str]) -> StorageError:
    """Return the error for a file that cannot be read."""
    place = os.fspath(path)
    if isinstance(error, FileNotFoundError):
        return MissingFileError(f"expected to read {what}, found no file ({place})")
    return StorageError(f"expected to read {what}, got {error.strerror or error} ({place})")


def _refuse(reason: str, path: Path) -> StateError:
    return StateError(f"expected a whole snapshot of a population, got {reason} ({path})")


def _read(file: IO[bytes], path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    start = file.read(_START)
    if start[:7] != _FAMILY:
        raise _refuse("another kind of file", path)
    if start[7:8] != bytes([_VERSION]):
        raise _refuse(
            f"one of format {int.from_bytes(start[7:8], 'little')} instead of {_VERSION}; read it "
            "with the version that wrote it",
            path,
        )
    n_header = int.from_bytes(start[8:16], "little")
    size = os.fstat(file.fileno()).st_size
    if len(start) < _START or n_header > size - _START:
        raise _refuse("one cut short", path)
    header = file.read(n_header)
    digest = _sha256(header)
    try:
        entries, extra = _parse(header)
        arrays = {}
        for name, dtype, shape in entries:
            arrays[name] = _read_array(file, dtype, shape, path)
            digest.update(_bytes(arrays[name]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        if isinstance(error, StateError):
            raise
        raise _refuse("a damaged header", path) from error
    if digest.digest() != start[16:48]:
        raise _refuse("a damaged one: its checksum differs", path)
    if file.read(1):
        raise _refuse("one with bytes after its end", path)
    return _joined(arrays, path), extra


def _read_array(
    file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...], path: Path
) -> NDArray[Any]:
    if any(file.read(-file.tell() % _ALIGNMENT)):
        raise _refuse("a damaged one: what fills it up is not zero", path)
    n_bytes = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if n_bytes > os.fstat(file.fileno()).st_size - file.tell():
        raise _refuse("one cut short", path)
    array = np.empty(shape, dtype=dtype)
    file.readinto(_bytes(array))  # type: ignore[attr-defined]
    return array


def _parse(
    header: bytes,
) -> tuple[list[tuple[str, np.dtype[Any], tuple[int, ...]]], dict[str, Any]]:
    fields = json.loads(header)
    entries = []
    for entry in fields["columns"]:
        shape = tuple(entry["shape"])
        if entry["dtype"] not in _DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise ValueError(entry)
        entries.append((str(entry["name"]), np.dtype("<" + entry["dtype"]), shape))
    return entries, dict(fields["extra"])


def _joined(arrays: dict[str, NDArray[Any]], path: Path) -> dict[str, NDArray[Any]]:
    """Turn offsets and UTF-8 back into text, and little-endian into native."""
    columns = {}
    for name, array in arrays.items():
        stem, _, part = name.rpartition("#")
        if part == "offsets" and f"{stem}#utf8" in arrays:
            data = arrays[f"{stem}#utf8"].tobytes()
            ends = array.tolist()
            try:
                items = [data[a:b].decode("utf-8", "surrogatepass") for a, b in pairwise(ends)]
            except UnicodeDecodeError as error:
                raise _refuse("text that is not UTF-8", path) from error
            columns[stem] = np.empty(len(items), dtype=object)
            columns[stem][:] = items
        elif part != "utf8" or f"{stem}#offsets" not in arrays:
            columns[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
    return columns
