"""Shared pieces of the micro-benchmarks: the task they time, and the refusal of debug builds."""

from pathlib import Path

import pytest

from chimera import _chimera

EXAMPLES = Path(__file__).parents[2] / "examples"


def pytest_collection_modifyitems() -> None:
    """Refuse to time a debug build: an unstripped library carries debug sections (ELF only)."""
    library = Path(_chimera.__file__)
    if b".debug_info" in library.read_bytes():
        pytest.exit(f"{library} is a debug build; run: make setup", returncode=2)


@pytest.fixture(scope="session")
def source() -> str:
    """The text of the bin-packing example."""
    return (EXAMPLES / "bin_packing.py").read_text(encoding="utf-8")
