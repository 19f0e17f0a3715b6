"""One generation (ask and tell, no objective) of the strategies over real vectors, one thread."""

import numpy as np
import pytest

from chimera.evolution import CMAES, LMMAES, XNES, OpenAIES

CASES = {
    "cmaes-10": (CMAES, 10, {}),
    "cmaes-100": (CMAES, 100, {}),
    "separable-1000": (CMAES, 1000, {"covariance": "separable"}),
    "lm-ma-es-1000": (LMMAES, 1000, {}),
    "xnes-100": (XNES, 100, {}),
    "openai-es-1000": (OpenAIES, 1000, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_generation(benchmark, case):
    algorithm, n, settings = CASES[case]
    search = algorithm([(-5.0, 4.0)] * n, seed=1, **settings)
    scores = np.arange(float(search.batch_size))

    def generation():
        search.tell(search.ask(), scores)

    benchmark(generation)
    assert search.generation > 0
