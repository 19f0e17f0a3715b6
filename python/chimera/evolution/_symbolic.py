"""Symbolic regression and classification: formulas evolved to fit a table of numbers.

Estimators in the manner of scikit-learn (``fit``, ``predict``, ``score``, ``get_params``), which is
not imported. The search is native (`chimera._chimera.population.TreeSearch`): trees over 32-bit
columns, evaluated in vector blocks bit-equal to a scalar interpreter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.errors import BatchError, ConfigError, OrderError
from chimera.evolution._saved import Saved
from chimera.evolution._symbolic_base import (
    Symbolic,
    add_fronts,
    sorted_front,
    take_fronts,
    to_matrix,
)

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


class SymbolicRegressor(Symbolic):
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
        return self._fit(x, y, is_resumed=False)

    def resume(self, x: ArrayLike, y: ArrayLike) -> Self:
        """Go on with a fit that was interrupted, or saved in the middle; the same models come.

        Args:
            x: As in the fit.
            y: As in the fit.

        Returns:
            The estimator, as after `fit`.

        Raises:
            OrderError: No fit was interrupted.
            StateError: Other data than in the fit.
        """
        return self._fit(x, y, is_resumed=True)

    def _fit(self, x: ArrayLike, y: ArrayLike, *, is_resumed: bool) -> Self:
        matrix = to_matrix(x)
        target = np.ascontiguousarray(y, dtype=np.float64)
        if target.ndim != 1:
            raise BatchError(f"y: expected shape (n_rows,), got {target.shape}")
        [[chosen, *others]] = self._fronts(matrix, [target], is_resumed=is_resumed)
        self.model_ = chosen
        self.front_ = sorted_front([chosen, *others])
        self.n_features_in_ = matrix.shape[1]
        return self

    def _add_models(self, saved: Saved) -> None:
        add_fronts(saved, [[self.model_], self.front_])

    def _take_models(self, saved: Saved) -> None:
        [self.model_], self.front_ = take_fronts(saved)

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


class SymbolicClassifier(Symbolic):
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
        return self._fit(x, y, is_resumed=False)

    def resume(self, x: ArrayLike, y: ArrayLike) -> Self:
        """Go on with a fit that was interrupted, or saved in the middle; the same models come.

        Args:
            x: As in the fit.
            y: As in the fit.

        Returns:
            The estimator, as after `fit`.

        Raises:
            OrderError: No fit was interrupted.
            StateError: Other data than in the fit.
        """
        return self._fit(x, y, is_resumed=True)

    def _fit(self, x: ArrayLike, y: ArrayLike, *, is_resumed: bool) -> Self:
        matrix = to_matrix(x)
        labels = np.asarray(y)
        if labels.shape != matrix.shape[:1]:
            raise BatchError(f"y: expected shape ({matrix.shape[0]},), got {labels.shape}")
        classes = np.unique(labels)
        if len(classes) < 2:  # noqa: PLR2004 - something to tell apart
            raise BatchError(f"y: expected at least two classes, got {len(classes)}")
        positives = classes[1:] if len(classes) == 2 else classes  # noqa: PLR2004
        targets = [np.where(labels == positive, 1.0, -1.0) for positive in positives]
        fronts = self._fronts(matrix, targets, is_resumed=is_resumed)
        pairs = zip(fronts, targets, strict=True)
        self.classes_ = classes
        self.models_ = [front[0].calibrate(matrix, target) for front, target in pairs]
        self.fronts_ = [sorted_front(front) for front in fronts]
        self.n_features_in_ = matrix.shape[1]
        return self

    def _add_models(self, saved: Saved) -> None:
        labels = self.classes_
        if labels.dtype.kind == "O":
            labels = np.array(labels.tolist())
        if labels.dtype.kind not in "biufSUmM":
            raise ConfigError("classes_: expected labels that are numbers or text, got objects")
        saved.add_array(labels)
        add_fronts(saved, [self.models_, *self.fronts_])

    def _take_models(self, saved: Saved) -> None:
        self.classes_ = np.asarray(saved.take_array())
        self.models_, *self.fronts_ = take_fronts(saved)
        n = len(self.models_)
        if self.classes_.shape != (n + (n == 1),):
            raise ValueError(f"{n} models of classes of shape {self.classes_.shape}")

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
