"""The source distribution holds every part as real files, and a wheel builds from it."""

import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests.packaging.support import ROOT, kernels_in, run

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def members(sdist: Path) -> dict[str, tarfile.TarInfo]:
    """The members by name without the leading folder."""
    with tarfile.open(sdist) as archive:
        return {member.name.split("/", 1)[1]: member for member in archive.getmembers()}


def test_sdist_holds_the_crates(members: dict[str, tarfile.TarInfo]) -> None:
    crates = {path.parent.name for path in (ROOT / "rust").glob("*/Cargo.toml")}
    names = ("core", "evolution", "pages", "py", "rng")
    assert {f"chimera-{name}" for name in names} < crates
    for crate in crates:
        assert f"rust/{crate}/Cargo.toml" in members
        assert f"rust/{crate}/src/lib.rs" in members
    assert {"Cargo.toml", "Cargo.lock", "LICENSE", "README.md", "pyproject.toml"} <= set(members)


def test_sdist_holds_the_kernels_as_real_files(
    members: dict[str, tarfile.TarInfo], kernels_on_disk: list[str]
) -> None:
    for name in kernels_on_disk:
        member = members[f"python/chimera/kernels/{name}"]
        assert member.isreg(), f"{name} is a link in the source distribution"


def test_wheel_builds_from_sdist(sdist: Path, tmp_path: Path, kernels_on_disk: list[str]) -> None:
    cargo = run("cargo", "metadata", "--no-deps", "--format-version", "1")
    target = json.loads(cargo)["target_directory"]  # shares the compiled dependencies
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    run(
        *command,
        "--wheel-dir",
        tmp_path,
        sdist,
        cwd=tmp_path,
        environment={"CARGO_TARGET_DIR": target},
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert kernels_in(names) == kernels_on_disk
    assert "chimera/_chimera/__init__.pyi" in names
