"""What the wheel holds: the kernels, one stable-ABI library, the stubs, and honest metadata."""

import email.message
import email.parser
import sysconfig
import zipfile
from pathlib import Path

import pytest
from tests.packaging.support import kernels_in

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(600)]

SIZE_BYTES_MAX = 25 * 10**6
EXTRAS = {"arrow", "dev", "gpu", "llm", "numba", "otel", "plot", "postgres", "ray", "redis", "s3"}


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> email.message.Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [item for item in archive.namelist() if item.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


def test_wheel_holds_every_kernel_and_nothing_else(
    wheel_names: list[str], kernels_on_disk: list[str]
) -> None:
    assert kernels_on_disk
    assert kernels_in(wheel_names) == kernels_on_disk


def test_wheel_keeps_to_its_own_names(wheel_names: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel_names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"chimera"}
    assert not [name for name in wheel_names if name.endswith((".pyc", ".rs", ".toml"))]


def test_wheel_is_small(wheel: Path) -> None:
    assert wheel.stat().st_size <= SIZE_BYTES_MAX


def test_wheel_holds_library_stubs_and_type_marker(wheel_names: list[str]) -> None:
    libraries = [name for name in wheel_names if name.endswith((".so", ".pyd"))]
    assert len(libraries) == 1
    assert libraries[0].startswith("chimera/_chimera.")
    assert "chimera/py.typed" in wheel_names
    assert "chimera/_chimera/__init__.pyi" in wheel_names


def test_wheel_serves_every_supported_python(wheel: Path) -> None:
    is_free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    assert ("-cp311-abi3-" in wheel.name) != is_free_threaded


def test_metadata_states_requirements_and_extras(metadata: email.message.Message) -> None:
    assert metadata["Name"] == "chimera-engine"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra", [])) == EXTRAS
    required = metadata.get_all("Requires-Dist", [])
    core = {line.split(">")[0] for line in required if "extra ==" not in line}
    assert core == {"numpy", "rich", "typer"}


def test_wheel_installs_the_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [item for item in archive.namelist() if item.endswith("/entry_points.txt")]
        assert "chimera=chimera.cli:main" in archive.read(name).decode().replace(" ", "")
