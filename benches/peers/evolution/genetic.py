"""A generation of a genetic algorithm outside the objective: ours beside the field's.

Tournament of 3, SBX (.9, eta 15, half of the genes), polynomial mutation (1/d, eta 20), one elite,
bounds kept; real genes in [-5, 5], one thread. "Outside" is what ask and tell take; where a library
owns the loop, the time of its objective is taken off. Lighter contenders are marked with a star.

    python benches/peers/evolution/genetic.py --rows 10000 --genes 100
"""

import contextlib
import random
import time

import numpy as np
import timing

GENERATIONS = 5


def chimera(rows, genes, dtype):
    from chimera.evolution import GA, real

    search = GA(real(-5.0, 5.0, genes, dtype=dtype), population_size=rows, seed=1)
    scores = np.random.default_rng(1).random((64, rows))
    turn = iter(range(10**9))

    def call():
        outside = 0.0
        for _ in range(GENERATIONS):
            values = scores[next(turn) % 64]
            start = time.perf_counter()
            batch = search.ask()
            search.tell(batch, values)
            outside += time.perf_counter() - start
        return outside / GENERATIONS

    return call


def fused_numba(rows, genes, dtype):  # noqa: C901 -- one fused loop
    """What one would write by hand: one loop over pairs, in place, nothing but arithmetic."""
    import numba

    @numba.njit(cache=False)
    def generation(parents, scores, children, low, high):  # noqa: C901 -- one fused loop
        n, d = parents.shape
        power, rate = 1.0 / 16.0, 1.0 / d
        best = np.argmin(scores)
        for row in range(0, n, 2):
            picks = np.empty(2, np.int64)
            for side in range(2):
                winner = np.random.randint(n)  # noqa: NPY002 -- Numba's own
                for _ in range(2):
                    other = np.random.randint(n)  # noqa: NPY002 -- Numba's own
                    if scores[other] < scores[winner]:
                        winner = other
                picks[side] = winner
            a, b = picks
            crossed = np.random.random() < 0.9  # noqa: NPY002 -- Numba's own
            for gene in range(d):
                x, y = parents[a, gene], parents[b, gene]
                if crossed and np.random.random() < 0.5:  # noqa: NPY002 -- Numba's own
                    u = np.random.random()  # noqa: NPY002 -- Numba's own
                    beta = (2 * u) ** power if u <= 0.5 else (1 / (2 * (1 - u))) ** power
                    if np.random.random() < 0.5:  # noqa: NPY002 -- Numba's own
                        beta = -beta
                    mean, half = 0.5 * (x + y), 0.5 * beta * (x - y)
                    x, y = mean + half, mean - half
                for side in range(2):
                    value = x if side == 0 else y
                    if np.random.random() < rate:  # noqa: NPY002 -- Numba's own
                        u = np.random.random()  # noqa: NPY002 -- Numba's own
                        span = high - low
                        if u < 0.5:
                            room = 1 - (value - low) / span
                            step = (2 * u + (1 - 2 * u) * room**21) ** (1 / 21) - 1
                        else:
                            room = 1 - (high - value) / span
                            step = 1 - (2 * (1 - u) + 2 * (u - 0.5) * room**21) ** (1 / 21)
                        value += step * span
                    children[row + side, gene] = min(max(value, low), high)
        children[0] = parents[best]

    parents = np.random.default_rng(1).uniform(-5, 5, (rows, genes)).astype(dtype)
    children = np.empty_like(parents)
    scores = np.random.default_rng(2).random(rows)

    def call():
        nonlocal parents, children
        start = time.perf_counter()
        for _ in range(GENERATIONS):
            generation(parents, scores, children, -5.0, 5.0)
            parents, children = children, parents
        return (time.perf_counter() - start) / GENERATIONS

    return call


def pymoo(rows, genes, _dtype):
    from pymoo.algorithms.soo.nonconvex.ga import GA
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM

    class Sphere(Problem):
        seconds = 0.0

        def __init__(self):
            super().__init__(n_var=genes, n_obj=1, xl=-5.0, xu=5.0)

        def _evaluate(self, x, out, *_args, **_kwargs):
            start = time.perf_counter()
            out["F"] = (x**2).sum(axis=1)
            Sphere.seconds += time.perf_counter() - start

    algorithm = GA(
        pop_size=rows,
        crossover=SBX(prob=0.9, eta=15),
        mutation=PM(eta=20),
        eliminate_duplicates=False,
    )
    algorithm.setup(Sphere(), termination=("n_gen", 10**9), seed=1, verbose=False)
    algorithm.next()

    def call():
        Sphere.seconds = 0.0
        start = time.perf_counter()
        algorithm.next()
        return time.perf_counter() - start - Sphere.seconds

    return call


def deap(rows, genes, _dtype):
    from deap import algorithms, base, creator, tools

    with contextlib.suppress(AttributeError):
        del creator.Least, creator.Row
    creator.create("Least", base.Fitness, weights=(-1.0,))
    creator.create("Row", list, fitness=creator.Least)
    box = base.Toolbox()
    box.register("mate", tools.cxSimulatedBinaryBounded, eta=15.0, low=-5.0, up=5.0)
    box.register(
        "mutate", tools.mutPolynomialBounded, eta=20.0, low=-5.0, up=5.0, indpb=1.0 / genes
    )
    random.seed(1)
    population = [creator.Row(random.uniform(-5, 5) for _ in range(genes)) for _ in range(rows)]  # noqa: S311 -- DEAP's own

    def score(rows):
        for row in rows:
            row.fitness.values = (random.random(),)  # noqa: S311 -- DEAP's own

    score(population)

    def call():
        nonlocal population
        start = time.perf_counter()
        chosen = tools.selTournament(population, rows - 1, tournsize=3)
        children = algorithms.varAnd(chosen, box, cxpb=0.9, mutpb=1.0)
        children += tools.selBest(population, 1)
        elapsed = time.perf_counter() - start
        score(children)
        population = children
        return elapsed

    return call


def evosax(rows, genes, _dtype):
    """Lighter (*): no SBX, no polynomial law; one fused XLA step, the objective included."""
    import jax
    import jax.numpy as jnp
    from evosax.algorithms import SimpleGA

    jax.config.update("jax_platforms", "cpu")
    search = SimpleGA(population_size=rows, solution=jnp.zeros(genes))
    params = search.default_params
    key = jax.random.key(1)
    first = jax.random.uniform(key, (rows, genes), minval=-5, maxval=5)
    state = search.init(key, first, (first**2).sum(axis=1), params)

    @jax.jit
    def step(state, key):
        batch, state = search.ask(key, state, params)
        state, _ = search.tell(key, batch, (batch**2).sum(axis=1), state, params)
        return state

    def call():
        nonlocal state, key
        start = time.perf_counter()
        for _ in range(GENERATIONS):
            key, used = jax.random.split(key)
            state = jax.block_until_ready(step(state, used))
        return (time.perf_counter() - start) / GENERATIONS

    return call


CONTENDERS = {
    "chimera f64": (chimera, "float64"),
    "chimera f32": (chimera, "float32"),
    "fused Numba f64": (fused_numba, "float64"),
    "fused Numba f32": (fused_numba, "float32"),
    "pymoo f64": (pymoo, "float64"),
    "DEAP": (deap, "float64"),
    "evosax f32 *": (evosax, "float32"),
}


def main():
    options = timing.arguments(
        __doc__.splitlines()[0],
        rows=(1000, "rows of the population"),
        genes=(100, "genes of a row"),
        skip=("", "names to leave out, separated by commas"),
    )
    calls = {}
    for name, (make, dtype) in CONTENDERS.items():
        if any(part and part in name for part in options.skip.split(",")):
            continue
        try:
            calls[name] = make(options.rows, options.genes, dtype)
        except ImportError as error:
            print(f"{name}: not installed ({error})")
    figures = timing.interleave(calls, options.rounds)
    size = f"{options.rows} x {options.genes}"
    for kind in ("f64", "f32"):
        of_kind = {name: pair for name, pair in figures.items() if kind in name or name == "DEAP"}
        title = f"GA generation outside the objective, {size}, {kind}"
        timing.table(title, of_kind, ours=f"chimera {kind}")
    versions = timing.versions("pymoo", "deap", "evosax", "numba")
    timing.write(options.json, {"size": size, "seconds": figures, "versions": versions})


if __name__ == "__main__":
    main()
