"""Trees over columns: evaluation against NumPy, recovery of known formulas, real data."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chimera._chimera.population import Columns, Expression, Trees, TreeSearch
from chimera.errors import BatchError, ConfigError, OrderError, StateError, StorageError
from chimera.evolution import SymbolicClassifier, SymbolicRegressor

Array = NDArray[np.float32]
Table = NDArray[np.float64]

CONSTANT, COLUMN = 254, 255
# What NumPy computes in the same IEEE operations: equal bit for bit. The others are polynomials of
# our own, within a few units in the last place of NumPy's.
EXACT = '["add", "sub", "mul", "div", "min", "max", "neg", "abs", "sqrt", "square", "if_greater"]'
SMOOTH = '["exp", "log", "sin", "cos", "tanh"]'
REFERENCE: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": lambda x, y: np.where(np.abs(y) < np.float32(1e-6), np.float32(1), x / y),
    "min": np.minimum,
    "max": np.maximum,
    "neg": np.negative,
    "abs": np.abs,
    "sqrt": lambda x: np.sqrt(np.abs(x)),
    "log": lambda x: np.log(np.maximum(np.abs(x), np.float32(1e-6))),
    "exp": lambda x: np.exp(np.clip(x, np.float32(-80), np.float32(80))),
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "square": np.square,
    "if_greater": lambda a, b, x, y: np.where(a > b, x, y),
}


def interpret(trees: Trees, x: Array) -> list[Array]:
    functions = trees.functions()
    out, start = [], 0
    with np.errstate(all="ignore"):
        for end in trees.ends:
            stack: list[Array] = []
            for code, value in zip(trees.codes[start:end], trees.values[start:end], strict=True):
                if code == COLUMN:
                    stack.append(x[:, value])
                elif code == CONSTANT:
                    stack.append(np.full(len(x), value.view(np.float32), dtype=np.float32))
                else:
                    name, arity = functions[code]
                    arguments, stack = stack[-arity:], stack[:-arity]
                    stack.append(REFERENCE[name](*arguments))
            assert len(stack) == 1
            out.append(stack[0])
            start = end
    return out


def table(n_rows: int, n_columns: int, seed: int = 0) -> Array:
    x = np.random.default_rng(seed).normal(size=(n_rows, n_columns)).astype(np.float32)
    x[::7] = 0.0
    return np.ascontiguousarray(3 * x)


@pytest.mark.parametrize("n_rows", [1, 65, 1500])
@pytest.mark.parametrize("threads", [1, 3])
def test_evaluation_equals_numpy_bit_for_bit(n_rows: int, threads: int) -> None:
    x = table(n_rows, 4)
    trees = Trees.random(200, 4, f'{{"functions": {EXACT}, "initial_depth": 6}}', 5)
    got = trees.evaluate(Columns(x), threads=threads)
    expected = np.array(interpret(trees, x))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)
    assert np.isfinite(got).mean() > 0.9


def test_elementary_functions_are_close_to_numpy() -> None:
    x = table(500, 3)
    trees = Trees.random(100, 3, f'{{"functions": {SMOOTH}, "initial_depth": 2}}', 6)
    got = trees.evaluate(Columns(x))
    np.testing.assert_allclose(got, np.array(interpret(trees, x)), rtol=1e-6, atol=2e-7)


def test_errors_are_those_of_least_squares() -> None:
    x, trees = table(300, 3), Trees.random(50, 3, "{}", 1)
    y = np.random.default_rng(2).normal(size=300)
    plain = trees.errors(Columns(x), y, is_scaled=False)
    scaled = trees.errors(Columns(x), y, is_scaled=True)
    for idx, values in enumerate(trees.evaluate(Columns(x)).astype(np.float64)):
        if not np.isfinite(plain[idx]) or np.ptp(values) < 1e-3:
            continue
        np.testing.assert_allclose(plain[idx], np.mean((values - y) ** 2), rtol=1e-9)
        if np.abs(values).max() < 1e3:
            fit = np.polynomial.Polynomial.fit(values, y, 1)(values)
            np.testing.assert_allclose(scaled[idx], np.mean((fit - y) ** 2), rtol=1e-6)


def test_trees_survive_their_arrays_and_malformed_ones_are_refused() -> None:
    trees = Trees.random(20, 3, "{}", 1)
    again = Trees(trees.codes, trees.values, trees.ends, 3)
    np.testing.assert_array_equal(again.codes, trees.codes)
    assert again.n_nodes == trees.n_nodes == len(trees.codes)
    for codes, values, ends in [
        ([0], [0], [1]),
        ([COLUMN], [3], [1]),
        ([COLUMN, COLUMN], [0, 0], [2]),
        ([COLUMN, COLUMN], [0, 0], [1]),
        ([COLUMN], [0], [-1]),
        ([200], [0], [1]),
        ([CONSTANT], [0x7FC00000], [1]),
    ]:
        with pytest.raises(BatchError):
            Trees(np.array(codes, np.uint8), np.array(values, np.uint32), np.array(ends), 3)
    with pytest.raises(BatchError, match="3 columns"):
        trees.evaluate(Columns(table(10, 2)))


@pytest.mark.parametrize(
    ("functions", "formula"),
    [
        (("add", "sub", "mul", "div"), lambda x: x[:, 0] ** 3 + x[:, 0] ** 2 + x[:, 0]),
        (("add", "mul", "sin", "cos"), lambda x: 2 * np.sin(x[:, 0]) * np.cos(x[:, 1])),
        (("add", "sub", "mul", "div"), lambda x: 8 / (2 + x[:, 0] ** 2 + x[:, 1] ** 2)),
        (("add", "mul", "sin"), lambda x: 3.7 * np.sin(1.9 * x[:, 0] + 0.6)),
    ],
    ids=["nguyen-1", "nguyen-10", "keijzer-14", "constants"],
)
def test_known_formulas_are_recovered(
    functions: tuple[str, ...], formula: Callable[[Table], Table]
) -> None:
    x = np.random.default_rng(1).uniform(-1, 1, (200, 2))
    model = SymbolicRegressor(
        functions=functions, n_generations=40, model_selection="error", seed=1
    ).fit(x, formula(x))
    new = np.random.default_rng(2).uniform(-1, 1, (500, 2))
    assert model.score(new, formula(new)) > 0.99


def test_printed_source_computes_what_the_model_predicts() -> None:
    x = table(300, 3)
    y = np.sin(x[:, 0]) * x[:, 1] + np.maximum(x[:, 2], 0.5)
    functions = [name for name, _ in Trees.functions()]
    model = SymbolicRegressor(
        functions=functions, n_generations=8, model_selection="error", parsimony=0.0
    ).fit(x, y)
    for expression in model.front_:
        space: dict[str, Callable[[Array], Array]] = {}
        exec(expression.source(), space)  # noqa: S102 - what the source computes is the point
        expected = expression.predict(x)
        np.testing.assert_allclose(space["predict"](x), expected, rtol=1e-4, atol=1e-4)
    assert "x0" in model.expression
    assert "height" in model.to_text(["height", "b", "c"])


def test_arithmetic_source_is_exact() -> None:
    x = table(200, 2)
    model = SymbolicRegressor(n_generations=6).fit(x, x[:, 0] * x[:, 1] - 0.5 * x[:, 0])
    for expression in model.front_:
        space: dict[str, Callable[[Array], Array]] = {}
        exec(expression.source(), space)  # noqa: S102
        np.testing.assert_array_equal(space["predict"](x), expression.predict(x))


@pytest.mark.timeout(60)
def test_diabetes_against_linear_regression() -> None:
    x, y = load_diabetes(return_X_y=True)
    ours, linear = [], []
    for seed in range(5):
        parts = train_test_split(x, y, test_size=0.3, random_state=seed)
        train_x, test_x, train_y, test_y = parts
        model = SymbolicRegressor(n_generations=30, seed=seed)
        ours.append(model.fit(train_x, train_y).score(test_x, test_y))
        linear.append(LinearRegression().fit(train_x, train_y).score(test_x, test_y))
    # Ten noisy columns, nearly linear: a formula of a few terms comes close to the full model.
    assert np.mean(ours) > np.mean(linear) - 0.04, (ours, linear)


@pytest.mark.timeout(60)
def test_breast_cancer_against_logistic_regression() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    ours, logistic = [], []
    for seed in range(5):
        parts = train_test_split(x, y, test_size=0.3, random_state=seed)
        train_x, test_x, train_y, test_y = parts
        model = SymbolicClassifier(n_generations=30, seed=seed).fit(train_x, train_y)
        ours.append(model.score(test_x, test_y))
        probabilities = model.predict_proba(test_x)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
        pipeline = make_pipeline(StandardScaler(), LogisticRegression())
        logistic.append(pipeline.fit(train_x, train_y).score(test_x, test_y))
    assert np.mean(ours) > 0.93, ours
    assert np.mean(ours) > np.mean(logistic) - 0.05, (ours, logistic)


@pytest.mark.timeout(60)
def test_estimators_work_in_scikit_learn() -> None:
    x, y = load_iris(return_X_y=True)
    model = SymbolicClassifier(population_size=200, n_generations=10, seed=2)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert cross_val_score(copy, x, y, cv=3).mean() > 0.9
    regressor = SymbolicRegressor(population_size=200, n_generations=10)
    folds = KFold(3, shuffle=True, random_state=0)
    assert cross_val_score(regressor, x[:, :3], x[:, 3], cv=folds).min() > 0.8
    assert repr(regressor) == "SymbolicRegressor(population_size=200, n_generations=10)"
    assert regressor.set_params(seed=4).seed == 4


def test_rows_that_a_formula_does_not_judge_are_undecided() -> None:
    class Undefined:
        def probabilities(self, x: Any) -> Any:
            return np.where(x[:, 0] > 0, 0.25, np.nan)

    model = SymbolicClassifier()
    model.n_features_in_, model.classes_ = 1, np.array(["a", "b"])
    model.models_ = cast("Any", [Undefined()])
    x = [[1.0], [-1.0]]
    assert model.predict_proba(x).tolist() == [[0.75, 0.25], [0.5, 0.5]]
    model.classes_, model.models_ = np.array(["a", "b", "c"]), cast("Any", [Undefined()] * 3)
    assert np.allclose(model.predict_proba(x), 1 / 3)


def test_labels_keep_their_type_and_order() -> None:
    x = np.linspace(-1, 1, 60)[:, None]
    y = np.where(x[:, 0] > 0.2, "warm", "cold")
    model = SymbolicClassifier(population_size=50, n_generations=3).fit(x, y)
    assert list(model.classes_) == ["cold", "warm"]
    assert model.score(x, y) > 0.9
    assert model.expression


@pytest.mark.parametrize("selection", ["tournament", "epsilon_lexicase"])
def test_equal_seeds_give_equal_bits_on_any_threads_and_after_loading(selection: str) -> None:
    x = table(250, 3)
    y = (x[:, 0] * x[:, 1] + x[:, 2]).astype(np.float64)
    settings = f'{{"population_size": 120, "selection": "{selection}"}}'
    one = TreeSearch(x, y, settings, seed=5)
    four = TreeSearch(x, y, settings, seed=5, threads=4)
    for generation in range(6):
        one.step()
        if generation == 3:
            four = TreeSearch(x, y, state=four.save(), threads=2)
        four.step()
        assert one.save() == four.save()
    assert one.generation == 6
    assert one.n_evaluations == four.n_evaluations > 720
    assert TreeSearch(x, y, settings, seed=6).save() != one.save()
    with pytest.raises(StateError, match="another data set"):
        TreeSearch(x, y + 1, state=one.save())
    with pytest.raises(StateError):
        TreeSearch(x, y, state=one.save()[:-3])


def test_fitted_estimators_pickle() -> None:
    x = table(100, 2)
    model = SymbolicRegressor(population_size=50, n_generations=3).fit(x, x[:, 0])
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    with pytest.raises(StateError):
        Expression.from_bytes(b"nonsense")


def _problem(kind: type[Any]) -> tuple[Any, Any]:
    x = table(150, 3)
    if kind is SymbolicRegressor:
        return x, 3.0 * x[:, 0] * x[:, 1] + x[:, 2] ** 3
    return x, np.array(["low", "middle", "high"])[np.digitize(x.sum(axis=1), [-0.5, 0.5])]


def _make(kind: type[Any], **more: Any) -> Any:
    return kind(population_size=40, n_generations=6, functions=("add", "mul"), seed=3, **more)


KINDS = [SymbolicRegressor, SymbolicClassifier]


@pytest.mark.parametrize("kind", KINDS)
def test_fitted_estimators_are_saved(kind: type[Any], tmp_path: Path) -> None:
    x, y = _problem(kind)
    path = tmp_path / "model"
    model = _make(kind).fit(x, y)
    assert model.save(path) == path.read_bytes()
    again = kind.load(path)
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.expression == model.expression
    assert again.save() == path.read_bytes()
    fronts = [model.front_] if kind is SymbolicRegressor else model.fronts_
    loaded = [again.front_] if kind is SymbolicRegressor else again.fronts_
    assert [[one.to_bytes() for one in front] for front in loaded] == [
        [one.to_bytes() for one in front] for front in fronts
    ]
    with pytest.raises(OrderError, match="resume"):
        again.resume(x, y)
    fresh = kind.load(_make(kind).save())
    with pytest.raises(OrderError, match="call fit"):
        fresh.predict(x)


@pytest.mark.parametrize(
    ("kind", "call"),
    [(SymbolicRegressor, n) for n in (1, 4)] + [(SymbolicClassifier, n) for n in (1, 4, 7, 14)],
)
def test_fits_are_saved_and_resumed_in_the_middle(kind: type[Any], call: int) -> None:
    x, y = _problem(kind)
    expected = _make(kind).fit(x, y).save()
    states: list[bytes] = []

    def interrupt(_: TreeSearch) -> None:
        states.append(model.save())
        if len(states) == call:
            raise KeyboardInterrupt

    model = _make(kind, on_generation=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y)
    loaded = kind.load(states[-1])
    model.set_params(on_generation=None)
    pickled = pickle.loads(pickle.dumps(model))  # noqa: S301 -- our own bytes
    for unfinished in (loaded, pickled, clone(loaded).fit(x, y), model):
        if unfinished._progress is not None:
            with pytest.raises(StateError, match="x and y"):
                unfinished.resume(x[::-1], y)
            unfinished.resume(x, y)
        assert unfinished.save() == expected


def test_states_of_other_estimators_are_refused(tmp_path: Path) -> None:
    state = _make(SymbolicRegressor).save()
    for wrong in (b"", state[:-1], state[:20], state[:-1] + b"!"):
        with pytest.raises(StateError):
            SymbolicRegressor.load(wrong)
    with pytest.raises(StateError, match=r"use SymbolicRegressor.load"):
        SymbolicClassifier.load(state)
    with pytest.raises(StorageError):
        SymbolicRegressor.load(tmp_path / "none")


def test_labels_of_any_plain_kind_are_saved() -> None:
    x = table(60, 2)
    for pair in ([0, 1], [False, True], ["a", "b"], np.array(["a", "b"], dtype=object)):
        y = np.asarray(pair)[(x[:, 0] > 0).astype(int)]
        model = SymbolicClassifier(population_size=20, n_generations=2).fit(x, y)
        again = SymbolicClassifier.load(model.save())
        assert again.predict(x).tolist() == model.predict(x).tolist()


def test_callback_sees_every_generation() -> None:
    seen: list[int] = []
    x = table(100, 2)
    noise = np.random.default_rng(0).normal(size=100)
    SymbolicRegressor(
        population_size=20, n_generations=4, on_generation=lambda s: seen.append(s.generation)
    ).fit(x, noise)
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"population_size": 1}, "population_size"),
        ({"functions": ()}, "functions"),
        ({"functions": ("pow",)}, "settings"),
        ({"n_generations": 0}, "n_generations"),
        ({"tuning_rate": 2.0}, "tuning_rate"),
        ({"model_selection": "best"}, "model_selection"),
        ({"selection": "roulette"}, "settings"),
        ({"max_nodes": 0}, "max_nodes"),
    ],
)
def test_wrong_parameters_are_refused(parameters: dict[str, object], name: str) -> None:
    model = SymbolicRegressor().set_params(**parameters)
    with pytest.raises(ConfigError, match=name):
        model.fit(table(20, 2), np.zeros(20))


def test_wrong_data_is_refused() -> None:
    model = SymbolicRegressor(population_size=20, n_generations=1)
    x, y = table(20, 2), np.arange(20.0)
    with pytest.raises(OrderError):
        model.predict(x)
    with pytest.raises(OrderError):
        _ = model.expression
    for wrong_x, wrong_y in [
        (x[:, 0], y),
        (x, y[:-1]),
        (x, y[:, None]),
        (np.full((20, 2), np.nan), y),
        (np.full((20, 2), 1e300), y),
        (x, np.full(20, np.inf)),
        (np.empty((0, 2)), np.empty(0)),
    ]:
        with pytest.raises(BatchError):
            model.fit(wrong_x, wrong_y)
    model.fit(x, y)
    with pytest.raises(BatchError, match="2 columns"):
        model.predict(table(5, 3))
    with pytest.raises(ConfigError, match="expected one of"):
        model.set_params(unknown=1)
    with pytest.raises(BatchError, match="two classes"):
        SymbolicClassifier().fit(x, np.zeros(20))


def test_a_constant_target_gives_a_constant() -> None:
    x = table(30, 2)
    model = SymbolicRegressor(population_size=20, n_generations=2).fit(x, np.full(30, 2.5))
    np.testing.assert_allclose(model.predict(x), 2.5)
    assert model.score(x, np.full(30, 2.5)) == pytest.approx(1.0)
