"""Every CUDA source compiles for the architectures we promise. Needs no GPU and no driver."""

import importlib.resources
from pathlib import Path
from typing import Any

import pytest

from chimera.gpu import kernel_names, kernel_source

nvrtc = pytest.importorskip(
    "cuda.bindings.nvrtc", reason="the NVRTC wheels of the dev extra exist for Linux only"
)

ARCHITECTURES = ["sm_80", "sm_90"]


def _log(program: Any) -> str:
    _, size = nvrtc.nvrtcGetProgramLogSize(program)
    buffer = b" " * size
    nvrtc.nvrtcGetProgramLog(program, buffer)
    return buffer.decode().rstrip("\0 \n")


def _compile(name: str, source: str, architecture: str) -> tuple[int, str]:
    """Compile to a binary; return its size in bytes (0 on failure) and the compiler's log."""
    folder = importlib.resources.files("chimera.kernels") / "cuda"
    options = [
        f"--gpu-architecture={architecture}",
        "-std=c++17",
        f"-I{folder}",
    ]
    error, program = nvrtc.nvrtcCreateProgram(source.encode(), f"{name}.cu".encode(), 0, [], [])
    assert error == nvrtc.nvrtcResult.NVRTC_SUCCESS
    encoded = [option.encode() for option in options]
    (error,) = nvrtc.nvrtcCompileProgram(program, len(encoded), encoded)
    log = _log(program)
    size = nvrtc.nvrtcGetCUBINSize(program)[1] if error == nvrtc.nvrtcResult.NVRTC_SUCCESS else 0
    nvrtc.nvrtcDestroyProgram(program)
    return size, log


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", kernel_names())
def test_cuda_source_compiles(name: str, architecture: str) -> None:
    size, log = _compile(name, kernel_source(name), architecture)
    assert size > 0, log
    assert log == "", "a warning is a defect"


def test_a_broken_source_is_noticed() -> None:
    size, log = _compile("broken", "__global__ void f() { undeclared(); }", "sm_80")
    assert size == 0
    assert "undeclared" in log


def test_every_cuda_source_has_a_numba_twin() -> None:
    twins = Path(str(importlib.resources.files("chimera.kernels") / "numba"))
    assert [name for name in kernel_names() if not (twins / f"{name}.py").is_file()] == []


def test_every_kernel_is_in_the_table() -> None:
    table = Path(__file__).parents[2] / "kernels" / "README.md"
    text = table.read_text(encoding="utf-8")
    for name in kernel_names():
        for line in kernel_source(name).splitlines():
            if line.startswith('extern "C" __global__ void '):
                kernel = line.split("void ", 1)[1].split("(", 1)[0]
                assert f"`{kernel}`" in text, f"kernels/README.md lacks {kernel}"
