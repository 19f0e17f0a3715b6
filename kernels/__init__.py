"""Sources of the GPU kernels: data to ``chimera.gpu``, which alone loads them.

Importing this package loads no GPU library. ``cuda/`` holds CUDA C++ that is compiled at run time,
``numba/`` the same kernels for Numba. `README.md` lists them.
"""
