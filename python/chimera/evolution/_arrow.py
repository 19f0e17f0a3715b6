"""Columns through the Arrow C data interface, without pyarrow.

Each exported structure owns what it points to through a token in `_alive`, dropped by its release
callback; a consumer may move structures out of the capsule, children included. Numeric buffers are
the arrays' own memory. Source: Arrow columnar format, "C data interface" and "PyCapsule interface".
"""

from __future__ import annotations

import ctypes
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["METADATA_KEY", "export"]

METADATA_KEY: Final = "chimera.population"

_FORMATS: Final = {
    "f8": b"g",
    "f4": b"f",
    "f2": b"e",
    "i8": b"l",
    "i4": b"i",
    "i2": b"s",
    "i1": b"c",
    "u8": b"L",
    "u4": b"I",
    "u2": b"S",
    "u1": b"C",
}
_Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Schema(ctypes.Structure):
    pass


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", _Release),
    ("token", ctypes.c_void_p),
]


class _Array(ctypes.Structure):
    pass


_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", _Release),
    ("token", ctypes.c_void_p),
]

_alive: dict[int, Any] = {}
_tokens = itertools.count(1)


def _released(kind: type[_Schema | _Array]) -> Any:
    """Make the release callback of one kind of structure."""

    def release(address: int) -> None:
        structure = kind.from_address(address)
        for idx in range(structure.n_children):
            child = structure.children[idx].contents
            if child.release:
                child.release(ctypes.addressof(child))
        if structure.dictionary and structure.dictionary.contents.release:
            inner = structure.dictionary.contents
            inner.release(ctypes.addressof(inner))
        token = structure.token
        structure.release = _Release()
        _alive.pop(token, None)

    return _Release(release)


_RELEASES: Final = {_Schema: _released(_Schema), _Array: _released(_Array)}


def _own(structure: Any, *owned: object) -> None:
    structure.token = next(_tokens)
    structure.release = _RELEASES[type(structure)]
    _alive[structure.token] = owned


def _pointers(structures: Sequence[Any], kind: Any) -> Any:
    return (ctypes.POINTER(kind) * max(len(structures), 1))(*map(ctypes.pointer, structures))


def _schema(
    form: bytes,
    name: str,
    children: Sequence[_Schema] = (),
    *,
    dictionary: _Schema | None = None,
    metadata: bytes | None = None,
) -> _Schema:
    pointers = _pointers(children, _Schema)
    inner = None if dictionary is None else ctypes.pointer(dictionary)
    encoded = name.encode()
    schema = _Schema(
        format=form,
        name=encoded,
        metadata=metadata,
        n_children=len(children),
        children=ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(_Schema))),
        dictionary=inner,
    )
    _own(schema, form, encoded, metadata, pointers, children, dictionary)
    return schema


def _buffered(
    length: int,
    buffers: Sequence[NDArray[Any] | None],
    children: Sequence[_Array] = (),
    *,
    dictionary: _Array | None = None,
) -> _Array:
    addresses = (ctypes.c_void_p * len(buffers))(
        *[None if buffer is None else buffer.ctypes.data for buffer in buffers]
    )
    pointers = _pointers(children, _Array)
    array = _Array(
        length=length,
        n_buffers=len(buffers),
        n_children=len(children),
        buffers=ctypes.cast(addresses, ctypes.POINTER(ctypes.c_void_p)),
        children=ctypes.cast(pointers, ctypes.POINTER(ctypes.POINTER(_Array))),
        dictionary=None if dictionary is None else ctypes.pointer(dictionary),
    )
    _own(array, addresses, pointers, tuple(buffers), children, dictionary)
    return array


def _flat(name: str, values: NDArray[Any]) -> tuple[_Schema, _Array]:
    """Describe one axis of values."""
    if values.dtype.kind == "O":
        parts = [text.encode("utf-8", "replace") for text in values]
        offsets = np.zeros(len(parts) + 1, dtype=np.int64)
        np.cumsum([len(part) for part in parts], out=offsets[1:])
        data = np.frombuffer(b"".join(parts) or b"\0", dtype=np.uint8)
        return _schema(b"U", name), _buffered(len(values), [None, offsets, data])
    if values.dtype.kind == "b":
        bits = np.packbits(values, bitorder="little")
        return _schema(b"b", name), _buffered(len(values), [None, bits])
    native = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    form = _FORMATS[values.dtype.str[1:]]
    return _schema(form, name), _buffered(len(values), [None, native])


def _column(name: str, values: NDArray[Any], operator_names: Sequence[str]) -> tuple[Any, Any]:
    if values.ndim == 2:  # noqa: PLR2004
        n_rows, width = values.shape
        schema, array = _flat("item", np.ascontiguousarray(values).reshape(-1))
        return (
            _schema(f"+w:{width}".encode(), name, [schema]),
            _buffered(n_rows, [None], [array]),
        )
    if name == "operators" and operator_names:
        inner_schema, inner = _flat("", np.array(operator_names, dtype=object))
        codes = np.ascontiguousarray(values)
        return (
            _schema(b"C", name, dictionary=inner_schema),
            _buffered(len(codes), [None, codes], dictionary=inner),
        )
    return _flat(name, values)


def _metadata(values: Mapping[str, str]) -> bytes:
    """Encode key-value metadata as the interface wants it."""
    out = [len(values).to_bytes(4, "little")]
    for part in itertools.chain.from_iterable(values.items()):
        out += [len(part.encode()).to_bytes(4, "little"), part.encode()]
    return b"".join(out)


_api = ctypes.pythonapi
_new_capsule = ctypes.PYFUNCTYPE(
    ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)(("PyCapsule_New", _api))
_address_in = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _api)
)
_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_NAMES: Final = {_Schema: b"arrow_schema", _Array: b"arrow_array"}


def _destroyer(kind: type[_Schema | _Array]) -> Any:
    def destroy(capsule: int) -> None:
        address = _address_in(capsule, _NAMES[kind])
        structure = kind.from_address(address)
        if structure.release:
            structure.release(address)
        _alive.pop(-address, None)

    return _Destructor(destroy)


_DESTROYERS: Final = {_Schema: _destroyer(_Schema), _Array: _destroyer(_Array)}


def _capsule(structure: Any) -> object:
    kind = type(structure)
    address = ctypes.addressof(structure)
    _alive[-address] = structure
    return _new_capsule(address, _NAMES[kind], ctypes.cast(_DESTROYERS[kind], ctypes.c_void_p))


def export(
    columns: Mapping[str, NDArray[Any]], operator_names: Sequence[str]
) -> tuple[object, object]:
    """Return capsules of the schema and of one record batch with these columns.

    Args:
        columns: Arrays ``(n,)`` or ``(n, k)`` of numbers, booleans or text.
        operator_names: Names behind the column ``operators``, which becomes a dictionary.
    """
    n_rows = len(next(iter(columns.values())))
    parts = [_column(name, values, operator_names) for name, values in columns.items()]
    note = json.dumps({"operator_names": list(operator_names)})
    schema = _schema(
        b"+s", "", [part[0] for part in parts], metadata=_metadata({METADATA_KEY: note})
    )
    array = _buffered(n_rows, [None], [part[1] for part in parts])
    return _capsule(schema), _capsule(array)
