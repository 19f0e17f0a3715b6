"""Which rows repeat an earlier one: ours beside the field's.

Rows of float64 uniform in [0, 1), a tenth of them copies. pymoo compares all pairs of rows; NumPy
sorts them; pandas-like hashing of row bytes is the usual way by hand.

    python benches/peers/evolution/duplicates.py --rows 10000 --genes 100
"""

import numpy as np
import timing


def batch(rows, genes):
    """Return rows of which a tenth repeats an earlier one."""
    rng = np.random.default_rng(1)
    values = rng.random((rows, genes))
    copies = rng.choice(rows - 1, rows // 10, replace=False) + 1
    values[copies] = values[rng.integers(0, copies)]
    return values


def chimera(values):
    from chimera._chimera.population import duplicates

    return lambda: duplicates(values)


def numpy_unique(values):
    def call():
        _, first = np.unique(values, axis=0, return_index=True)
        found = np.ones(len(values), dtype=bool)
        found[first] = False
        return found

    return call


def python_set(values):
    def call():
        seen = set()
        found = np.zeros(len(values), dtype=bool)
        for idx, row in enumerate(values):
            key = row.tobytes()
            found[idx] = key in seen
            seen.add(key)
        return found

    return call


def pymoo(values):
    from pymoo.core.duplicate import DefaultDuplicateElimination
    from pymoo.core.population import Population

    eliminate = DefaultDuplicateElimination(epsilon=0.0)
    population = Population.new(X=values)
    return lambda: eliminate.do(population)


CONTENDERS = {
    "chimera": chimera,
    "numpy.unique": numpy_unique,
    "set of bytes": python_set,
    "pymoo": pymoo,
}


def main():
    options = timing.arguments(
        __doc__.splitlines()[0],
        rows=(10_000, "rows"),
        genes=(100, "genes of a row"),
        skip=("", "names to leave out, separated by commas"),
    )
    values = batch(options.rows, options.genes)
    calls = {}
    for name, make in CONTENDERS.items():
        if name in options.skip.split(","):
            continue
        try:
            calls[name] = make(values)
        except ImportError as error:
            print(f"{name}: not installed ({error})")
    expected = numpy_unique(values)()
    if not np.array_equal(calls["chimera"](), expected):
        raise SystemExit("the answers differ")
    seconds = timing.interleave(calls, options.rounds)
    title = f"repeated rows of {options.rows} x {options.genes} float64"
    timing.table(title, seconds)
    versions = timing.versions("pymoo")
    timing.write(options.json, {"title": title, "seconds": seconds, "versions": versions})


if __name__ == "__main__":
    main()
