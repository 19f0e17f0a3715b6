"""Numba twins of the CUDA kernels. Importing a module here imports ``numba.cuda``."""
