"""Kernel sources out of the installed package, compiled through CuPy.

Sources are read with ``importlib.resources``, so they are found in a wheel and in a checkout alike.
A module is compiled once per process and file; CuPy caches the binary on disk beyond that.
"""

import functools
import importlib.resources
from importlib.resources.abc import Traversable
from typing import Any

from chimera.gpu._device import cupy


def _folder() -> Traversable:
    return importlib.resources.files("chimera.kernels") / "cuda"


def kernel_names() -> list[str]:
    """List the stems of the CUDA sources, sorted."""
    entries = (entry.name for entry in _folder().iterdir())
    return sorted(name.removesuffix(".cu") for name in entries if name.endswith(".cu"))


def kernel_source(name: str) -> str:
    """Read one CUDA source.

    Args:
        name: stem of the file, for example ``population``.

    Raises:
        LookupError: there is no such kernel file.
    """
    if name not in kernel_names():
        raise LookupError(f"kernel: expected one of {kernel_names()}, got {name!r}")
    return (_folder() / f"{name}.cu").read_text(encoding="utf-8")


@functools.cache
def raw_module(name: str) -> Any:
    """Compile one CUDA source for the current device.

    Args:
        name: stem of the file, for example ``population``.

    Returns:
        A ``cupy.RawModule``; ``get_function`` gives its kernels.

    Raises:
        LookupError: there is no such kernel file.
        MissingExtraError: CuPy is not installed.
    """
    with importlib.resources.as_file(_folder()) as folder:
        options = ("-std=c++17", f"-I{folder}")
        return cupy().RawModule(code=kernel_source(name), options=options)
