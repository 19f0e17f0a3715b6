"""Which device to compute on.

``auto`` never fails: it falls back to the CPU. ``cuda`` never falls back: it raises, and says
whether the library or the device is missing.
"""

import importlib
import logging
from types import ModuleType
from typing import Literal, TypeAlias

from chimera.errors import ChimeraError, MissingExtraError

Backend: TypeAlias = Literal["auto", "cpu", "cuda"]

_log = logging.getLogger("chimera.gpu")


class DeviceError(ChimeraError, RuntimeError):
    """No usable CUDA device; use ``backend="cpu"``, or check the driver."""


def cupy() -> ModuleType:
    """Import CuPy.

    Raises:
        MissingExtraError: CuPy is not installed.
    """
    try:
        return importlib.import_module("cupy")
    except ImportError as error:
        raise MissingExtraError("gpu", "cupy") from error


def n_devices() -> int:
    """Count the CUDA devices.

    Raises:
        MissingExtraError: CuPy is not installed.
        DeviceError: the driver is missing or refuses.
    """
    runtime = cupy().cuda.runtime
    try:
        return int(runtime.getDeviceCount())
    except runtime.CUDARuntimeError as error:
        raise DeviceError(
            f"expected a CUDA device, but the driver reports: {error}; use backend='cpu'"
        ) from error


def is_available() -> bool:
    """Tell whether ``choose("cuda")`` would succeed."""
    try:
        return n_devices() > 0
    except (MissingExtraError, DeviceError) as error:
        _log.debug("no GPU: %s", error)
        return False


def choose(backend: Backend = "auto") -> Literal["cpu", "cuda"]:
    """Resolve a wish to a device that can be used.

    Args:
        backend: ``auto`` takes the GPU when there is one, ``cpu`` and ``cuda`` insist.

    Returns:
        ``cpu`` or ``cuda``.

    Raises:
        ValueError: ``backend`` is none of the three.
        MissingExtraError: ``cuda`` was asked for and CuPy is not installed.
        DeviceError: ``cuda`` was asked for and there is no device.
    """
    if backend == "cpu":
        return "cpu"
    if backend == "auto":
        return "cuda" if is_available() else "cpu"
    if backend == "cuda":
        if n_devices() == 0:
            raise DeviceError("expected a CUDA device, but found 0; use backend='cpu'")
        return "cuda"
    raise ValueError(f"backend: expected 'auto', 'cpu' or 'cuda', got {backend!r}")
