"""Device choice, kernel loading, and the batched computations that run on a GPU.

The only importer of ``cupy`` and ``numba.cuda`` in the package, and only when a GPU is asked for:
importing this module needs neither. Every computation has a NumPy path with the same result, within
the tolerance its docstring states.
"""

from chimera.gpu._device import Backend, DeviceError, choose, is_available
from chimera.gpu._distances import BatchError, squared_distances
from chimera.gpu._loader import kernel_names, kernel_source, raw_module

__all__ = [
    "Backend",
    "BatchError",
    "DeviceError",
    "choose",
    "is_available",
    "kernel_names",
    "kernel_source",
    "raw_module",
    "squared_distances",
]
