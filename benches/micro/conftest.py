"""Shared pieces of the micro-benchmarks: the task they time, and the refusal of debug builds."""

import struct
from pathlib import Path

import pytest

from chimera import _chimera

EXAMPLES = Path(__file__).parents[2] / "examples"


def _has_debug_sections(library: bytes) -> bool:
    """Tell whether a 64-bit little-endian ELF file has a section .debug_info; False for others."""
    if library[:6] != b"\x7fELF\x02\x01":
        return False
    (table,) = struct.unpack_from("<Q", library, 0x28)
    size, n_sections, names_idx = struct.unpack_from("<HHH", library, 0x3A)
    (names,) = struct.unpack_from("<Q", library, table + names_idx * size + 0x18)
    for idx in range(n_sections):
        (name,) = struct.unpack_from("<I", library, table + idx * size)
        if library.startswith(b".debug_info\0", names + name):
            return True
    return False


def pytest_configure() -> None:
    """Refuse to time a debug build, which carries debug sections (told on Linux only)."""
    library = Path(_chimera.__file__)
    if _has_debug_sections(library.read_bytes()):
        raise pytest.UsageError(f"{library} is a debug build; run: touch Cargo.toml && make setup")


@pytest.fixture(scope="session")
def source() -> str:
    """The text of the bin-packing example."""
    return (EXAMPLES / "bin_packing.py").read_text(encoding="utf-8")
