"""The committed stubs of the native module are what the Rust sources say."""

from pathlib import Path

import pytest
from tests.packaging.support import ROOT, run

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]


def _stubs(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((folder / "chimera" / "_chimera").rglob("*.pyi"))
    }


def test_committed_stubs_equal_generated_ones(maturin: Path, tmp_path: Path) -> None:
    run(maturin, "generate-stubs", "--profile", "release", "--out", tmp_path)
    generated = _stubs(tmp_path)
    assert "chimera/_chimera/__init__.pyi" in generated
    assert _stubs(ROOT / "python") == generated, "run: make stubs"


def test_stubs_are_complete() -> None:
    for name, text in _stubs(ROOT / "python").items():
        assert "Incomplete" not in text, f"{name} hides part of the module from type checkers"
