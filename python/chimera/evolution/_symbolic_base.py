"""What symbolic estimators share: parameters, searches, choice of a model, saving.

Here is nothing of regression or classes. A fit under way is a `Progress`: finished fronts, and the
native search at work, so that a fit may be saved and resumed between any two generations.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera._chimera.population import Expression, TreeSearch
from chimera.errors import BatchError, ConfigError, OrderError, StateError
from chimera.evolution._numbers import ensure_whole, to_whole
from chimera.evolution._saved import Saved
from chimera.evolution._snapshot import SavedState

__all__ = ["Matrix", "Symbolic", "add_fronts", "sorted_front", "take_fronts", "to_matrix"]

Matrix = NDArray[np.float32]

_OWN = frozenset({"n_generations", "model_selection", "seed", "threads", "on_generation"})
_MODEL_SELECTIONS = ("aic", "error")


def to_matrix(x: ArrayLike) -> Matrix:
    """Convert inputs to ``(n_rows, n_columns)`` float32 in C order."""
    with np.errstate(over="ignore"):  # what overflows is refused as not finite
        matrix = np.ascontiguousarray(x, dtype=np.float32)
    if matrix.ndim != 2:  # noqa: PLR2004 - rows and columns
        raise BatchError(f"x: expected shape (n_rows, n_columns), got {matrix.shape}")
    return matrix


class Progress:
    """A fit under way.

    Args:
        digest: Of the data, so that it is not resumed with others.
        fronts: Of the searches that are finished.
        state: Of the search at work; empty before it began.
    """

    def __init__(
        self, digest: str, fronts: list[list[Expression]] | None = None, state: bytes = b""
    ) -> None:
        self.digest = digest
        self.fronts = fronts or []
        self._state = state
        self._search: TreeSearch | None = None

    def begin(
        self, x: Matrix, y: NDArray[np.float64], settings: str, *, seed: int, threads: int
    ) -> TreeSearch:
        """Return the search at work; a new one when there is none."""
        if self._search is None:
            if self._state:
                self._search = TreeSearch(x, y, threads=threads, state=self._state)
            else:
                self._search = TreeSearch(x, y, settings, seed=seed, threads=threads)
        return self._search

    def finish(self, front: list[Expression]) -> None:
        """Put the front of the search at work to the finished ones."""
        self.fronts.append(front)
        self._search, self._state = None, b""

    def state(self) -> bytes:
        """Return the state of the search at work."""
        return self._state if self._search is None else self._search.save()


def add_fronts(saved: Saved, fronts: Sequence[Sequence[Expression]]) -> None:
    """Add lists of models to a state."""
    saved.add(json.dumps([len(front) for front in fronts]).encode())
    for front in fronts:
        for model in front:
            saved.add(model.to_bytes())


def take_fronts(saved: Saved) -> list[list[Expression]]:
    """Take what `add_fronts` added."""
    lengths = json.loads(saved.take())
    return [[Expression.from_bytes(saved.take()) for _ in range(n)] for n in lengths]


class Symbolic:
    """What regression and classification share: parameters, the search, the front, saving."""

    _estimator_type: ClassVar[str]
    n_features_in_: int
    _progress: Progress | None = None

    def __init__(
        self,
        *,
        population_size: int = 500,
        n_generations: int = 50,
        functions: Sequence[str] = ("add", "sub", "mul", "div"),
        max_nodes: int = 50,
        initial_depth: int = 5,
        selection: Literal["auto", "epsilon_lexicase", "tournament"] = "auto",
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
        model_selection: Literal["aic", "error"] = "aic",
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
        ensure_whole("seed", self.seed, 2**64)
        ensure_whole("threads", self.threads, 1025)
        settings = {name: value for name, value in self.get_params().items() if name not in _OWN}
        settings["functions"] = list(self.functions)
        if self.selection == "auto":
            is_classifier = self._estimator_type == "classifier"
            settings["selection"] = "tournament" if is_classifier else "epsilon_lexicase"
        return json.dumps(settings)

    def save(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """Return parameters and models as bytes, and write them to a file.

        In the middle of a fit, from within ``on_generation`` or after an interruption, the search
        is part of them, and `resume` goes on. Not so ``on_generation`` and the data.

        Args:
            path: Where to write it; None for nowhere. The file is replaced in one step.

        Raises:
            ConfigError: Class labels are objects that are no text or numbers, or the path names no
                file.
            StorageError: The file cannot be written; an older one stays as it was.
        """
        saved = Saved(type(self).__name__)
        parameters = self.get_params()
        del parameters["on_generation"]
        parameters["functions"] = list(self.functions)
        saved.facts["parameters"] = parameters
        saved.facts["n_features"] = self.n_features_in_ if self.__sklearn_is_fitted__() else None
        if self.__sklearn_is_fitted__():
            self._add_models(saved)
        progress = self._progress
        saved.facts["digest"] = None if progress is None else progress.digest
        if progress is not None:
            add_fronts(saved, progress.fronts)
            saved.add(progress.state())
        return saved.write(path)

    @classmethod
    def load(
        cls,
        source: SavedState,
        *,
        on_generation: Callable[[TreeSearch], object] | None = None,
    ) -> Self:
        """Return the estimator that `save` wrote.

        Args:
            source: The bytes, or the path of the file.
            on_generation: As for a new one; code is not saved.

        Raises:
            ConfigError: The source is neither.
            StateError: Damaged, cut short, of another version, or of another class.
            StorageError: The file cannot be read; a `MissingFileError` when there is none.
        """
        saved = Saved.read(source, cls.__name__)
        with saved.unpacking():
            parameters = dict(saved.facts["parameters"])
            parameters["functions"] = tuple(parameters["functions"])
            model = cls(**parameters, on_generation=on_generation)
            if saved.facts["n_features"] is not None:
                model._take_models(saved)
                model.n_features_in_ = to_whole("n_features", saved.facts["n_features"])
            digest = saved.facts["digest"]
            if digest is not None:
                model._progress = Progress(str(digest), take_fronts(saved), saved.take())
        return model

    def _add_models(self, saved: Saved) -> None:
        """Add what `fit` has left behind."""
        raise NotImplementedError

    def _take_models(self, saved: Saved) -> None:
        """Set what `_add_models` added."""
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        """Pickle by value, a fit under way included."""
        state = dict(vars(self))
        if self._progress is not None:
            progress = self._progress
            state["_progress"] = Progress(progress.digest, progress.fronts, progress.state())
        return state

    def _fronts(
        self, x: Matrix, targets: Sequence[NDArray[np.float64]], *, is_resumed: bool
    ) -> list[list[Expression]]:
        """Run one search a target and return their fronts, the chosen model first."""
        digest = hashlib.sha256(x.tobytes())
        for target in targets:
            digest.update(target.tobytes())
        if not is_resumed:
            self._progress = Progress(digest.hexdigest())
        progress = self._progress
        if progress is None:
            raise OrderError("resume: expected a fit that was interrupted; call fit")
        if progress.digest != digest.hexdigest():
            raise StateError("resume: expected the x and y of the fit that was interrupted")
        for target in targets[len(progress.fronts) :]:
            front = self._search(x, target, progress)
            progress.finish(front)
        self._progress = None
        return progress.fronts

    def _search(self, x: Matrix, y: NDArray[np.float64], progress: Progress) -> list[Expression]:
        """Run one search, or what is left of it, and return its front."""
        settings = self._settings()
        search = progress.begin(x, y, settings, seed=self.seed, threads=self.threads)
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
        return to_matrix(x)

    def _names(self, names: Sequence[str] | None) -> list[str]:
        if names is None:
            return [f"x{idx}" for idx in range(self.n_features_in_)]
        if len(names) != self.n_features_in_:
            expected = f"{self.n_features_in_} names"
            raise ConfigError(f"names: expected {expected}, got {len(names)}")
        return list(names)


def sorted_front(front: list[Expression]) -> list[Expression]:
    return sorted(front, key=lambda model: model.n_nodes)
