"""The Numba kernels give NumPy's answers, run in Numba's simulator: no GPU needed.

The simulator is chosen by an environment variable before ``numba`` is imported, hence the child
process.
"""

import os
import subprocess
import sys

import pytest

pytest.importorskip("numba")

POPULATION = """
import numpy as np
from chimera.gpu import squared_distances
from chimera.kernels.numba import population

rng = np.random.default_rng(7)
for dtype in (np.float32, np.float64):
    for n, m, d in ((1, 1, 1), (5, 3, 2), (4, 9, 7)):
        queries = rng.normal(size=(n, d)).astype(dtype)
        references = rng.normal(size=(m, d)).astype(dtype)
        expected = squared_distances(queries, references, backend="cpu")
        for blocks, threads in ((1, 1), (2, 4), (3, 8)):  # fewer, as many and more than outputs
            out = np.full((n, m), np.nan, dtype=dtype)
            population.squared_distances[blocks, threads](queries, references, out)
            np.testing.assert_array_max_ulp(out, expected, maxulp=4 * d)
print("ok")
"""


@pytest.mark.timeout(60)  # the simulator starts one Python thread per GPU thread
def test_population_kernel_equals_numpy_in_the_simulator() -> None:
    environment = os.environ | {"NUMBA_ENABLE_CUDASIM": "1"}
    child = subprocess.run(
        [sys.executable, "-c", POPULATION],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout == "ok\n"
