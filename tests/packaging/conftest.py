"""One wheel and one source distribution per session, built with the tools of the environment."""

import os
import sys
import zipfile
from pathlib import Path

import pytest
from tests.packaging.support import BIN, ROOT, run


@pytest.fixture(scope="session")
def maturin() -> Path:
    """The build tool of this environment."""
    path = BIN / ("maturin.exe" if os.name == "nt" else "maturin")
    if not path.is_file():
        pytest.skip(f"maturin is not installed beside {sys.executable}; run: make setup")
    return path


@pytest.fixture(scope="session")
def wheel(maturin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release wheel of this checkout; shares the Cargo build of the installed extension."""
    out = tmp_path_factory.mktemp("wheel")
    run(maturin, "build", "--release", "--interpreter", sys.executable, "--out", out)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def wheel_names(wheel: Path) -> list[str]:
    """The names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="session")
def sdist(maturin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of this checkout."""
    out = tmp_path_factory.mktemp("sdist")
    run(maturin, "sdist", "--out", out)
    (path,) = out.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def kernels_on_disk() -> list[str]:
    """The files of kernels/ that the package must carry, relative to kernels/."""
    folder = ROOT / "kernels"
    wanted = (".cu", ".cuh", ".py")
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in wanted
    )
