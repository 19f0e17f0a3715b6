# ruff: noqa: ISC004 -- each text is one program
"""Cold start: a fresh interpreter, import, the first generation told; rivals in their own.

Each contender is a whole process, timed from outside; an interpreter that imports NumPy alone
stands beside them, for everybody pays that. Rivals that are not installed are left out.

    python benches/peers/evolution/cold_start.py --rounds 7
"""

import timing  # isort: skip -- before NumPy

import importlib.util
import subprocess
import sys

PROGRAMS = {
    "numpy alone": ("numpy", "import numpy"),
    "chimera CMAES": (
        "chimera",
        "from chimera.evolution import CMAES\n"
        "s = CMAES([(-5.0, 5.0)] * 100, population_size=100)\n"
        "x = s.ask(); s.tell(x, (x ** 2).sum(axis=1))",
    ),
    "chimera MapElites": (
        "chimera",
        "from chimera.evolution import Grid, MapElites\n"
        "s = MapElites([(-5.0, 5.0)] * 100, cells=Grid((50, 50), [(-5, 5)] * 2), batch_size=100)\n"
        "x = s.ask(); s.tell(x, (x ** 2).sum(axis=1), descriptors=x[:, :2].copy())",
    ),
    "chimera minimize": (
        "chimera",
        "from chimera.evolution import minimize\n"
        "f = lambda x: (x ** 2).sum(axis=1)\n"
        "minimize(f, [(-5.0, 5.0)] * 100, budget=100, vectorized=True)",
    ),
    "pyribs cma_es": (
        "ribs",
        "import numpy as np\n"
        "from ribs.archives import GridArchive\n"
        "from ribs.emitters import EvolutionStrategyEmitter\n"
        "from ribs.schedulers import Scheduler\n"
        "a = GridArchive(solution_dim=100, dims=[50, 50], ranges=[(-5, 5)] * 2)\n"
        "e = [EvolutionStrategyEmitter(a, x0=np.zeros(100), sigma0=.5, batch_size=100)]\n"
        "s = Scheduler(a, e)\n"
        "x = s.ask(); s.tell((x ** 2).sum(axis=1), x[:, :2])",
    ),
    "evosax CMA_ES": (
        "evosax",
        "import jax, jax.numpy as jnp\n"
        "from evosax.algorithms import CMA_ES\n"
        "k = jax.random.PRNGKey(0)\n"
        "s = CMA_ES(population_size=100, solution=jnp.zeros(100))\n"
        "p = s.default_params\n"
        "state = s.init(k, jnp.zeros(100), p)\n"
        "x, state = s.ask(k, state, p)\n"
        "state, _ = s.tell(k, x, (x ** 2).sum(axis=1), state, p)\n"
        "jax.block_until_ready(state.mean)",
    ),
    "pymoo GA": (
        "pymoo",
        "import numpy as np\n"
        "from pymoo.algorithms.soo.nonconvex.ga import GA\n"
        "from pymoo.core.problem import Problem\n"
        "class P(Problem):\n"
        "    def _evaluate(self, x, out, *a, **k): out['F'] = (x ** 2).sum(axis=1)\n"
        "g = GA(pop_size=100)\n"
        "g.setup(P(n_var=100, xl=-5, xu=5), termination=('n_gen', 1), seed=1)\n"
        "g.next()",
    ),
    "pycma": (
        "cma",
        "import cma, numpy as np\n"
        "s = cma.CMAEvolutionStrategy(100 * [0.0], 0.5, {'verbose': -9})\n"
        "x = s.ask(); s.tell(x, [float(v @ v) for v in np.array(x)])",
    ),
}


def main():
    options = timing.arguments(__doc__.splitlines()[0])

    def launch(program):
        subprocess.run([sys.executable, "-c", program], check=True, stderr=subprocess.DEVNULL)

    contenders = {}
    for name, (package, program) in PROGRAMS.items():
        if importlib.util.find_spec(package) is None:
            print(f"{name}: not installed")
            continue
        try:
            launch(program)
        except subprocess.CalledProcessError:
            print(f"{name}: does not run here")
            continue
        contenders[name] = lambda program=program: launch(program)
    timings = timing.interleave(contenders, options.rounds)
    title = "fresh interpreter to first generation told, 100 x 100"
    timing.table(title, timings, ours="chimera CMAES")
    timing.write(options.json, {"seconds": timings, "versions": timing.versions()})


if __name__ == "__main__":
    main()
