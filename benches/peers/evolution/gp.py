"""Trees over columns: node evaluations per second and quality at equal time, beside rivals.

    python benches/peers/evolution/gp.py [--rounds 7] [--seconds 10] [--json out.json]

Nodes count leaves and functions alike, as pyoperon counts. The mix is + - * and protected
division with a quarter of constants among the leaves, 32-bit floats, the same trees for everybody.
pyoperon's division is not protected; the share of equal predictions is printed. The Numba
interpreter works in blocks of 512 rows with columns as operands, without fast-math. `--seconds 0`
leaves quality out.
"""

import json
import time
from pathlib import Path

import timing  # first: it limits the threads of linear algebra  # isort: skip

import numba
import numpy as np

from chimera._chimera.population import Columns, Trees, TreeSearch

N_TREES, N_COLUMNS, BLOCK = 1000, 10, 512
CONSTANT, COLUMN = 254, 255
ADD, SUB, MUL = 0, 1, 2


@numba.njit(fastmath=False)
def _apply(code, a, b, out):
    n = len(out)
    if code == ADD:
        for i in range(n):
            out[i] = a[i] + b[i]
    elif code == SUB:
        for i in range(n):
            out[i] = a[i] - b[i]
    elif code == MUL:
        for i in range(n):
            out[i] = a[i] * b[i]
    else:
        tiny = np.float32(1e-6)
        for i in range(n):
            divisor = b[i]
            quotient = a[i] / divisor if divisor != 0 else np.float32(1)
            out[i] = np.float32(1) if abs(divisor) < tiny else quotient


@numba.njit(fastmath=False, error_model="numpy")
def _interpret(codes, columns, constants, ends, x, out, buffer, places):  # noqa: PLR0917
    n_rows = x.shape[1]
    start = 0
    for tree in range(len(ends)):
        end = ends[tree]
        for low in range(0, n_rows, BLOCK):
            n = min(BLOCK, n_rows - low)
            top = 0
            for node in range(start, end):
                code = codes[node]
                if code == COLUMN:
                    places[top] = columns[node]
                    top += 1
                elif code == CONSTANT:
                    buffer[top, :n] = constants[node]
                    places[top] = -1
                    top += 1
                else:
                    left, right = top - 2, top - 1
                    a = x[places[left], low : low + n] if places[left] >= 0 else buffer[left, :n]
                    b = x[places[right], low : low + n] if places[right] >= 0 else buffer[right, :n]
                    _apply(code, a, b, buffer[left, :n])
                    top -= 1
                    places[left] = -1
            if places[0] >= 0:
                out[tree, low : low + n] = x[places[0], low : low + n]
            else:
                out[tree, low : low + n] = buffer[0, :n]
        start = end


def _operon_trees(trees, dataset):
    import pyoperon

    hashes = [variable.Hash for variable in sorted(dataset.Variables, key=lambda v: v.Index)]
    functions = [pyoperon.Node.Add, pyoperon.Node.Sub, pyoperon.Node.Mul, pyoperon.Node.Div]
    out, start = [], 0
    codes, values = trees.codes, trees.values
    for end in trees.ends:
        stack = []
        for code, value in zip(codes[start:end], values[start:end], strict=True):
            if code == COLUMN:
                node = pyoperon.Node.Variable(1.0)
                node.HashValue = node.CalculatedHashValue = hashes[value]
                stack.append([node])
            elif code == CONSTANT:
                stack.append([pyoperon.Node.Constant(float(value.view(np.float32)))])
            else:
                right, left = stack.pop(), stack.pop()
                # Its first argument stands next to the function.
                stack.append([*right, *left, functions[code]()])
        tree = pyoperon.Tree(stack[0])
        tree.UpdateNodes()
        out.append(tree)
        start = end
    return out


def _random_trees(rng):
    """Random binary trees of 1 to 99 nodes, 50 on average, of any shape."""
    codes, values, ends = [], [], []

    def grow(n_nodes):
        if n_nodes == 1:
            is_constant = rng.random() < 0.25
            codes.append(CONSTANT if is_constant else COLUMN)
            bits = np.float32(rng.normal()).view(np.uint32)
            values.append(bits if is_constant else rng.integers(N_COLUMNS))
            return
        left = 1 + 2 * rng.integers((n_nodes - 1) // 2)
        grow(left)
        grow(n_nodes - 1 - left)
        codes.append(rng.integers(4))
        values.append(0)

    for _ in range(N_TREES):
        grow(1 + 2 * rng.integers(50))
        ends.append(len(codes))
    arrays = np.array(codes, np.uint8), np.array(values, np.uint32), np.array(ends)
    return Trees(*arrays, N_COLUMNS)


def evaluation(n_rows, rounds):
    x = np.random.default_rng(1).normal(size=(n_rows, N_COLUMNS)).astype(np.float32)
    trees = _random_trees(np.random.default_rng(3))
    columns, y = Columns(x), x[:, 0].astype(np.float64)
    contenders = {
        "chimera predictions": lambda: trees.evaluate(columns),
        "chimera scaled errors": lambda: trees.errors(columns, y),
        "chimera scaled errors, 2 threads": lambda: trees.errors(columns, y, threads=2),
    }
    ours = trees.evaluate(columns)
    by_column = np.ascontiguousarray(x.T)
    codes, values, ends = trees.codes, trees.values, trees.ends
    constants = values.view(np.float32)
    out = np.empty((N_TREES, n_rows), np.float32)
    buffer, places = np.empty((128, BLOCK), np.float32), np.empty(128, np.int64)
    indices = values.astype(np.int64)
    numba_call = (codes, indices, constants, ends, by_column, out, buffer, places)
    contenders["numba"] = lambda: _interpret(*numba_call)
    _interpret(*numba_call)
    np.testing.assert_array_equal(out, ours)
    note = "pyoperon not installed"
    try:
        import pyoperon
    except ImportError:
        pass
    else:
        kept = np.asfortranarray(x)  # its data set borrows the array
        dataset = pyoperon.Dataset(kept)
        theirs, span = _operon_trees(trees, dataset), pyoperon.Range(0, n_rows)
        result = np.empty(N_TREES * n_rows, np.float32)
        contenders["pyoperon"] = lambda: pyoperon.EvaluateTrees(theirs, dataset, span, result, 1)
        pyoperon.EvaluateTrees(theirs, dataset, span, result, 1)
        same = np.isclose(result.reshape(ours.shape), ours, rtol=1e-4, equal_nan=True).mean()
        note = f"pyoperon's predictions equal ours in {same:.1%} of cases"
    seconds = timing.interleave(contenders, rounds)
    rates = {
        name: [trees.n_nodes * n_rows / value / 1e9 for value in pair]
        for name, pair in seconds.items()
    }
    print(f"\n{n_rows} rows, {trees.n_nodes} nodes in {N_TREES} trees; {note}")
    for name, (best, median) in rates.items():
        ratio = best / rates["chimera predictions"][0]
        print(f"  {name:34} best {best:6.2f}  median {median:6.2f} G node-evals/s  x{ratio:.2f}")
    return rates


def _problems():
    from sklearn.datasets import load_diabetes

    rng = np.random.default_rng(1)
    x = rng.uniform(0, 1, (1000, 5))
    friedman = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    friedman += 10 * x[:, 3] + 5 * x[:, 4] + rng.normal(size=1000)
    yield "friedman-1", x, friedman
    x = rng.uniform(-3, 3, (1000, 2))
    yield "keijzer-11", x, x[:, 0] * x[:, 1] + np.sin((x[:, 0] - 1) * (x[:, 1] - 1))
    yield "diabetes", *load_diabetes(return_X_y=True)


def _r2(y, predictions):
    return 1 - np.mean((y - predictions) ** 2) / np.var(y)


def quality(seconds):
    names = ["add", "sub", "mul", "div", "sin", "cos", "exp", "log"]
    out = {}
    for problem, x, y in _problems():
        order = np.random.default_rng(0).permutation(len(x))
        train, test = order[: len(x) * 3 // 4], order[len(x) * 3 // 4 :]
        matrix = np.ascontiguousarray(x, np.float32)
        search = TreeSearch(matrix[train], y[train], json.dumps({"functions": names}), seed=1)
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            search.step()
        front = search.front
        chosen = front[search.most_plausible()]
        figures = {
            "chimera aic": (_r2(y[test], chosen.predict(matrix[test])), chosen.n_nodes),
            "chimera error": (_r2(y[test], front[-1].predict(matrix[test])), front[-1].n_nodes),
        }
        try:
            from pyoperon.sklearn import SymbolicRegressor
        except ImportError:
            pass
        else:
            rival = SymbolicRegressor(
                allowed_symbols="add,sub,mul,div,sin,cos,exp,log,constant,variable",
                population_size=500,
                pool_size=500,
                max_length=50,
                generations=1_000_000,
                max_evaluations=1_000_000_000,
                optimizer_iterations=4,
                max_time=max(1, int(seconds)),
                n_threads=1,
                random_state=1,
            )
            rival.fit(x[train], y[train])
            figures["pyoperon"] = (_r2(y[test], rival.predict(x[test])), None)
        print(f"\n{problem}, {seconds:g} s each, {search.n_evaluations} evaluations of ours")
        for name, (score, n_nodes) in figures.items():
            print(f"  {name:16} test R2 {score:.4f}" + (f", {n_nodes} nodes" if n_nodes else ""))
        out[problem] = {name: score for name, (score, _) in figures.items()}
    return out


def main():
    options = timing.arguments(
        "GP evaluation and quality", seconds=(10.0, "seconds of search per problem and contender")
    )
    found = {"versions": timing.versions("pyoperon", "numba", "scikit-learn")}
    for n_rows in (1000, 10_000):
        found[str(n_rows)] = evaluation(n_rows, options.rounds)
    if options.seconds > 0:
        found["quality"] = quality(options.seconds)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
