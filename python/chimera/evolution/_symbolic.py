"""Symbolic regression and classification: formulas evolved to fit a table of numbers.

Estimators in the manner of scikit-learn (``fit``, ``predict``, ``score``, ``get_params``), which is
not imported. The search is native (`chimera._chimera.population.TreeSearch`): trees over 32-bit
columns, evaluated in vector blocks bit-equal to a scalar interpreter.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera._chimera.population import Expression, TreeSearch
from chimera.errors import BatchError, ConfigError, OrderError

Matrix = NDArray[np.float32]

_OWN = frozenset({"n_generations", "model_selection", "seed", "threads", "on_generation"})
_MODEL_SELECTIONS = ("aic", "error")


def _to_matrix(x: ArrayLike) -> Matrix:
    """Convert inputs to ``(n_rows, n_columns)`` float32 in C order."""
    with np.errstate(over="ignore"):  # what overflows is refused as not finite
        matrix = np.ascontiguousarray(x, dtype=np.float32)
    if matrix.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise BatchError(f"x: expected shape (n_rows, n_columns), got {matrix.shape}")
    return matrix


class _Symbolic:
    """What regression and classification share: parameters, the search, the front."""

    _estimator_type: ClassVar[str]
    n_features_in_: int

    def __init__(
        self,
        *,
        population_size: int = 500,
        n_generations: int = 50,
        functions: Sequence[str] = ("add", "sub", "mul", "div"),
        max_nodes: int = 50,
        initial_depth: int = 5,
        selection: str = "auto",
        tournament_size: int = 5,
        n_cases: int = 128,
        n_elites: int = 1,
        crossover: float = 0.7,
        subtree_mutation: float = 0.12,
        point_mutation: float = 0.08,
        hoist_mutation: float = 0.03,
        constant_mutation: float = 0.07,
        tuning_rate: float = 0.1,
        tuning_steps: int = 4,
        constant_scale: float = 1.0,
        parsimony: float = 0.002,
        linear_scaling: bool = True,
        model_selection: str = "aic",
        seed: int = 0,
        threads: int = 1,
        on_generation: Callable[[TreeSearch], object] | None = None,
    ) -> None:
        self.population_size = population_size
        self.n_generations = n_generations
        self.functions = functions
        self.max_nodes = max_nodes
        self.initial_depth = initial_depth
        self.selection = selection
        self.tournament_size = tournament_size
        self.n_cases = n_cases
        self.n_elites = n_elites
        self.crossover = crossover
        self.subtree_mutation = subtree_mutation
        self.point_mutation = point_mutation
        self.hoist_mutation = hoist_mutation
        self.constant_mutation = constant_mutation
        self.tuning_rate = tuning_rate
        self.tuning_steps = tuning_steps
        self.constant_scale = constant_scale
        self.parsimony = parsimony
        self.linear_scaling = linear_scaling
        self.model_selection = model_selection
        self.seed = seed
        self.threads = threads
        self.on_generation = on_generation

    @classmethod
    def _parameter_names(cls) -> list[str]:
        return [name for name in inspect.signature(cls.__init__).parameters if name != "self"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002
        """Return the constructor's parameters by name; ``deep`` is accepted and has no effect."""
        return {name: getattr(self, name) for name in self._parameter_names()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters by name and return the estimator.

        Raises:
            ConfigError: A name is unknown; nothing is changed.
        """
        known = self._parameter_names()
        unknown = sorted(set(params) - set(known))
        if unknown:
            raise ConfigError(f"{unknown[0]}: expected one of {', '.join(known)}")
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self).__init__).parameters
        changed = (
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if value is not defaults[name].default and value != defaults[name].default
        )
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_in_")

    def __sklearn_tags__(self) -> Any:
        """Describe the estimator to scikit-learn, which is loaded already when it asks."""
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags

        is_classifier = self._estimator_type == "classifier"
        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if is_classifier else None,
            regressor_tags=None if is_classifier else RegressorTags(),
            input_tags=InputTags(),
        )

    def _settings(self) -> str:
        if self.model_selection not in _MODEL_SELECTIONS:
            expected = " or ".join(_MODEL_SELECTIONS)
            raise ConfigError(f"model_selection: expected {expected}, got {self.model_selection!r}")
        if self.n_generations < 1:
            raise ConfigError(f"n_generations: expected at least 1, got {self.n_generations}")
        settings = {name: value for name, value in self.get_params().items() if name not in _OWN}
        settings["functions"] = list(self.functions)
        if self.selection == "auto":
            is_classifier = self._estimator_type == "classifier"
            settings["selection"] = "tournament" if is_classifier else "epsilon_lexicase"
        return json.dumps(settings)

    def _search(self, x: Matrix, y: NDArray[np.float64]) -> list[Expression]:
        """Run one search and return its front; the chosen model is `_chosen`'s."""
        settings = self._settings()
        search = TreeSearch(x, y, settings, seed=self.seed, threads=self.threads)
        target = 1e-13 * search.variance
        while search.generation < self.n_generations and search.best_error > target:
            search.step()
            if self.on_generation is not None:
                self.on_generation(search)
        return self._arranged(search)

    def _arranged(self, search: TreeSearch) -> list[Expression]:
        """Return the front with the chosen model first."""
        front = search.front
        if not front:
            raise BatchError("x: expected columns of which some tree is finite, got none")
        best = search.most_plausible() if self.model_selection == "aic" else len(front) - 1
        chosen = front.pop(len(front) - 1 if best is None else best)
        return [chosen, *front]

    def _check(self, x: ArrayLike) -> Matrix:
        if not hasattr(self, "n_features_in_"):
            raise OrderError("predict: call fit first")
        return _to_matrix(x)

    def _names(self, names: Sequence[str] | None) -> list[str]:
        if names is None:
            return [f"x{idx}" for idx in range(self.n_features_in_)]
        if len(names) != self.n_features_in_:
            expected = f"{self.n_features_in_} names"
            raise ConfigError(f"names: expected {expected}, got {len(names)}")
        return list(names)


def _sorted_front(front: list[Expression]) -> list[Expression]:
    return sorted(front, key=lambda model: model.n_nodes)


_SETTINGS_DOC = """
    Args:
        population_size: Trees in a generation.
        n_generations: Generations at most; a perfect fit ends the search earlier.
        functions: Of ``add sub mul div min max neg abs sqrt log exp sin cos tanh square
            if_greater``. ``div`` gives 1 where the divisor is below 1e-6 in magnitude, ``sqrt`` and
            ``log`` take magnitudes, ``exp`` clamps to [-80, 80].
        max_nodes: Most nodes of a tree, leaves included.
        initial_depth: Most levels of a tree of the first generation (ramped half-and-half).
        selection: ``epsilon_lexicase``, ``tournament``, or ``auto``: the first for regression, the
            second for classes.
        tournament_size: Trees drawn for a tournament.
        n_cases: Rows that lexicase selection looks at in a generation, at most.
        n_elites: Best trees that go on unchanged.
        crossover: Weight of subtree crossover.
        subtree_mutation: Weight of replacing a subtree by a random one.
        point_mutation: Weight of changing single nodes.
        hoist_mutation: Weight of replacing a subtree by a part of itself.
        constant_mutation: Weight of Gaussian noise on constants.
        tuning_rate: Share of children whose constants are tuned by least squares.
        tuning_steps: Levenberg-Marquardt steps of a tuning.
        constant_scale: Standard deviation of fresh constants.
        parsimony: Relative penalty of a node in tournaments and for elites.
        linear_scaling: Whether each tree gets its best slope and intercept.
        model_selection: Which model of the front predicts: ``aic`` (Akaike information
            criterion, a leaf counting as a parameter) or ``error`` (least training error).
        seed: Seed of every random stream.
        threads: Threads to use, 0 for one per core; the result does not depend on it.
        on_generation: Called with the native search after each generation.
"""


class SymbolicRegressor(_Symbolic):
    """Find a formula for numbers in a table by tree genetic programming.

    ``fit`` keeps the Pareto front of size against error; one model of it predicts. Inputs are used
    as 32-bit floats.
    {settings}
    Source:
        Koza, Genetic Programming, 1992; linear scaling: Keijzer, 2003; epsilon-lexicase selection:
        La Cava, Spector & Danai, 2016; tuning: Marquardt, 1963; AIC: Akaike, 1974.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(1).uniform(-1.0, 1.0, (200, 2))
        >>> model = SymbolicRegressor(n_generations=20, seed=1).fit(x, 3 * x[:, 0] * x[:, 1] + 2)
        >>> bool(model.score(x, 3 * x[:, 0] * x[:, 1] + 2) > 0.999)
        True
        >>> model.model_.text(["a", "b"]) in ("a * b", "b * a")
        True
    """

    _estimator_type = "regressor"

    def fit(self, x: ArrayLike, y: ArrayLike) -> Self:
        """Search for a formula.

        Args:
            x: ``(n_rows, n_columns)``, converted to float32 (a copy unless it is that already).
            y: ``(n_rows,)``, converted to float64.

        Returns:
            The estimator, with ``model_`` and ``front_`` set.

        Raises:
            BatchError: Shapes do not fit, or values are not finite.
            ConfigError: A parameter is outside its range.
        """
        matrix = _to_matrix(x)
        target = np.ascontiguousarray(y, dtype=np.float64)
        if target.ndim != 1:
            raise BatchError(f"y: expected shape (n_rows,), got {target.shape}")
        chosen, *others = self._search(matrix, target)
        self.model_ = chosen
        self.front_ = _sorted_front([chosen, *others])
        self.n_features_in_ = matrix.shape[1]
        return self

    def predict(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return predictions ``(n_rows,)`` float64.

        Raises:
            OrderError: `fit` was not called.
            BatchError: Another number of columns, or values that are not finite.
        """
        matrix = self._check(x)
        return self.model_.predict(matrix)

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the share of variance explained, R squared; at most 1."""
        target = np.asarray(y, dtype=np.float64)
        residual = np.square(target - self.predict(x)).sum()
        total = np.square(target - target.mean()).sum()
        return float(1.0 - residual / total) if total > 0 else float(residual == 0)

    @property
    def expression(self) -> str:
        """The formula as readable text over ``x0``, ``x1``, ..."""
        return self.to_text()

    def to_text(self, names: Sequence[str] | None = None) -> str:
        """Return the formula as text over column names; ``x0``, ``x1``, ... by default."""
        if not hasattr(self, "n_features_in_"):
            raise OrderError("to_text: call fit first")
        model = self.model_
        if model.slope == 0.0:
            return repr(model.intercept)
        sign = "-" if model.intercept < 0 else "+"
        text = model.text(self._names(names))
        return f"{model.slope!r} * ({text}) {sign} {abs(model.intercept)!r}"

    def to_source(self) -> str:
        """Return a Python module with a function ``predict(x)`` that needs only NumPy."""
        if not hasattr(self, "n_features_in_"):
            raise OrderError("to_source: call fit first")
        return self.model_.source()


class SymbolicClassifier(_Symbolic):
    """Find formulas that separate classes by tree genetic programming.

    Two classes need one formula, more need one per class against the rest. Trees are fitted to
    targets of -1 and 1 by least squares; slope and intercept of the chosen ones are then fitted to
    the log loss, so that ``predict_proba`` means what it says.
    {settings}
    Source:
        As `SymbolicRegressor`; probabilities: Platt, 1999.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(1).uniform(-1.0, 1.0, (300, 2))
        >>> inside = (x**2).sum(axis=1) < 0.5
        >>> model = SymbolicClassifier(n_generations=20, seed=1).fit(x, inside)
        >>> bool(model.score(x, inside) > 0.95)
        True
    """

    _estimator_type = "classifier"

    def fit(self, x: ArrayLike, y: ArrayLike) -> Self:
        """Search for formulas.

        Args:
            x: ``(n_rows, n_columns)``, converted to float32.
            y: ``(n_rows,)`` class labels of any type that NumPy sorts; at least two classes.

        Returns:
            The estimator, with ``classes_``, ``models_`` and ``fronts_`` set.

        Raises:
            BatchError: Shapes do not fit, values are not finite, or there is one class only.
            ConfigError: A parameter is outside its range.
        """
        matrix = _to_matrix(x)
        labels = np.asarray(y)
        if labels.shape != matrix.shape[:1]:
            raise BatchError(f"y: expected shape ({matrix.shape[0]},), got {labels.shape}")
        classes = np.unique(labels)
        if len(classes) < 2:  # noqa: PLR2004 - something to tell apart
            raise BatchError(f"y: expected at least two classes, got {len(classes)}")
        models: list[Expression] = []
        fronts: list[list[Expression]] = []
        for positive in classes[1:] if len(classes) == 2 else classes:  # noqa: PLR2004
            target = np.where(labels == positive, 1.0, -1.0)
            front = self._search(matrix, target)
            models.append(front[0].calibrate(matrix, target))
            fronts.append(_sorted_front(front))
        self.classes_, self.models_, self.fronts_ = classes, models, fronts
        self.n_features_in_ = matrix.shape[1]
        return self

    def predict_proba(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return probabilities ``(n_rows, n_classes)`` float64 in the order of ``classes_``.

        Raises:
            OrderError: `fit` was not called.
            BatchError: Another number of columns, or values that are not finite.
        """
        matrix = self._check(x)
        each = np.column_stack([model.probabilities(matrix) for model in self.models_])
        # A value that is not finite says nothing about its row: its classes are equally likely.
        if each.shape[1] == 1:
            each = np.nan_to_num(each, nan=0.5)
            return np.hstack([1.0 - each, each])
        each = np.nan_to_num(each, nan=0.0) + 1e-12
        shares: NDArray[np.float64] = each / each.sum(axis=1, keepdims=True)
        return shares

    def predict(self, x: ArrayLike) -> NDArray[Any]:
        """Return the likeliest class of each row, ``(n_rows,)``; raises as `predict_proba`."""
        likeliest = self.predict_proba(x).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[likeliest]
        return labels

    def score(self, x: ArrayLike, y: ArrayLike) -> float:
        """Return the share of rows whose class is predicted rightly."""
        return float(np.mean(self.predict(x) == np.asarray(y)))

    @property
    def expression(self) -> str:
        """The log-odds as readable text, one line a formula."""
        return self.to_text()

    def to_text(self, names: Sequence[str] | None = None) -> str:
        """Return the log-odds of the second class, or of each class a line, as text."""
        if not hasattr(self, "n_features_in_"):
            raise OrderError("to_text: call fit first")
        known = self._names(names)
        lines = []
        for model in self.models_:
            sign = "-" if model.intercept < 0 else "+"
            text = f"{model.slope!r} * ({model.text(known)}) {sign} {abs(model.intercept)!r}"
            lines.append(text)
        return "\n".join(lines)


for _class in (SymbolicRegressor, SymbolicClassifier):
    if _class.__doc__:  # absent under python -OO
        _class.__doc__ = _class.__doc__.replace("    {settings}\n", _SETTINGS_DOC)
