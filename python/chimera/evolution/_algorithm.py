"""The face that every search shares: ask, tell, look, save.

The work is native (`chimera._chimera.population.Run`); an algorithm's class names its settings.
Asked batches are read-only views that stay valid while they are held. Equal seed, equal result, on
any number of threads and after `save` and `load` at any generation.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from chimera._chimera.population import Run
from chimera.errors import ConfigError, StateError
from chimera.evolution._numbers import ensure_whole
from chimera.evolution._population import Population
from chimera.evolution._snapshot import SavedState, read_state, write_state
from chimera.evolution._space import Bounds, Space, to_space

_DTYPES = {"f64": "float64", "f32": "float32", "boolean": "bool"} | dict.fromkeys(
    ("integer", "category", "permutation"), "int64"
)
_NO_OPERATOR = 255
_DIRECTIONS = {"minimize": False, "maximize": True}

# Where the class of each native method lives: `load` imports no more than it needs.
_HOMES = {
    "auto": "_portfolio",
    "cma_mae": "_map_elites",
    "cma_me": "_map_elites",
    "cmaes": "_cma",
    "de": "_differential",
    "ga": "_genetic",
    "islands": "_islands",
    "jade": "_differential",
    "lm_ma_es": "_nes",
    "lshade": "_differential",
    "map_elites": "_map_elites",
    "moead": "_multi",
    "novelty_search": "_novelty",
    "nsga2": "_multi",
    "nsga3": "_multi",
    "openai_es": "_nes",
    "pso": "_swarm",
    "random_search": "_random",
    "sms_emoa": "_multi",
    "xnes": "_nes",
}


class Origins(NamedTuple):
    """Where the rows of the last batch come from.

    Attributes:
        first_id: Identity of the first row; the others follow. Identities count the rows asked,
            and the rows told without having been asked.
        parents: ``(n, k)`` uint64 identities of the parents; `NO_PARENT` fills the rest. Empty for
            methods that sample from a distribution.
        operators: ``(n,)`` uint8, index into `Algorithm.operators`; may be empty.
    """

    first_id: int
    parents: NDArray[np.uint64]
    operators: NDArray[np.uint8]


class Algorithm(Run):
    """Base of every search by ask and tell.

    Use the classes that derive from it. They share::

        batch = search.ask()            # (n, n_genes), read-only view
        search.tell(batch, scores)      # (n,) or (n, n_objectives)

    ``tell`` also takes rows that differ from the asked ones (repaired, for example), and
    ``failed=`` marks rows whose evaluation did not work.
    """

    _classes: ClassVar[dict[str, type[Algorithm]]] = {}
    _settings: Mapping[str, Any]

    def __init_subclass__(cls, *, method: str | None = None, **kwargs: Any) -> None:
        """Register the class that `load` returns for a native method."""
        super().__init_subclass__(**kwargs)
        if method is not None:
            Algorithm._classes[method] = cls

    @classmethod
    def _start(
        cls,
        method: str,
        space: Bounds,
        settings: Mapping[str, Any],
        *,
        seed: int,
        threads: int,
        direction: str | Sequence[str] = "minimize",
    ) -> Self:
        """Create the native run; settings that are None take the method's default."""
        maximized = maximized_of(direction)
        ensure_whole("seed", seed, 2**64)
        ensure_whole("threads", threads, 1025)
        given = {name: value for name, value in settings.items() if value is not None}
        try:
            text = json.dumps(given, default=_plain, allow_nan=False)
        except ValueError as error:
            raise ConfigError(f"settings: expected finite numbers, got {given}") from error
        run: Self = _new(
            cls,
            method,
            to_space(space).to_native(),
            text,
            seed=seed,
            threads=threads,
        )
        run._settings = given
        if len(maximized) == 1:
            maximized *= run.n_objectives
        if len(maximized) != run.n_objectives:
            raise ConfigError(
                f"direction: expected 1 or {run.n_objectives} of them, got {len(maximized)}"
            )
        if any(maximized):
            run.maximize(maximized)
        return run

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings it was started with; empty after `load`, kept by pickles and copies."""
        return getattr(self, "_settings", {})

    @property
    def population(self) -> Population:
        """What the search holds, as views of its own memory.

        Taking it costs no copy of the genomes; it stays as it is while the search goes on. Where
        the search knows it, ``parents``, ``operators`` and ``generations`` say where each row comes
        from; rows that were told without having been asked name the operator ``told``.
        """
        holdings = self.holdings()
        kept = {
            name: holdings[name]
            for name in ("objectives", "violations", "descriptors", "ids", "parents")
            if holdings[name].size
        }
        names = tuple(self.operators)
        if holdings["operators"].size:
            operators = holdings["operators"]
            is_foreign = operators == _NO_OPERATOR
            if is_foreign.any():
                operators[is_foreign] = len(names)
                names = (*names, "told")
            kept |= {"operators": operators, "operator_names": names}
        if holdings["generations"].size:
            kept["generations"] = holdings["generations"].astype(np.int64)
        genomes = holdings["genomes"]
        if isinstance(genomes, dict) and not genomes:
            # No row yet: arrays of none, with the names and types of the blocks.
            empty = {b.name: np.zeros((0, b.n_genes), _DTYPES[b.kind]) for b in self.space.blocks}
            genomes = empty if len(empty) > 1 else next(iter(empty.values()))
        return Population(genomes, **kept)

    @property
    def space(self) -> Space:
        """What is searched."""
        return Space.from_native(self.blocks)

    @property
    def best_x(self) -> Any:
        """The best row, ``(n_genes,)`` or a dictionary of such by block; None before any score."""
        best = self.best
        if best is None:
            return None
        genomes = best[0]
        if isinstance(genomes, dict):
            return {name: rows[0] for name, rows in genomes.items()}
        return genomes[0]

    @property
    def best_score(self) -> float:
        """The best score, in the caller's direction; NaN before any."""
        best = self.best
        return float("nan") if best is None else float(best[1])

    @property
    def lineage(self) -> Origins:
        """Lineage of the batch asked last."""
        return Origins(*self.origins)

    def save(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """Return the whole state as bytes, and write it to a file when a path is given.

        The file is replaced in one step and synced: a crash leaves the old one or the new one.

        Raises:
            ConfigError: The path names no file.
            StorageError: The file cannot be written; an older one stays as it was.
        """
        state = self.dump()
        if path is not None:
            write_state(path, state)
        return state

    @classmethod
    def load(cls, source: SavedState, *, threads: int = 1) -> Self:
        """Return the search that `save` wrote; it goes on as if never interrupted.

        A class of yours that derives from an algorithm loads its states as its own; `Algorithm`,
        which knows nothing of it, as the algorithm's. What you added to an instance is not in a
        state; pickles and copies keep it.

        Args:
            source: The bytes, or the path of the file.
            threads: As for a new search.

        Raises:
            ConfigError: The source is neither, or ``threads`` is outside its range.
            StateError: Damaged, cut short, of another version, or of another class.
            StorageError: The file cannot be read; a `MissingFileError` when there is none.
        """
        ensure_whole("threads", threads, 1025)
        state = read_state("a saved search", source)
        method = Run(state=state).method
        found = class_of(method)
        if not (issubclass(found, cls) or issubclass(cls, found)):
            raise StateError(
                f"saved search: expected a {cls.__name__}, got a {found.__name__}; "
                f"use {found.__name__}.load or Algorithm.load"
            )
        run: Self = _new(found if issubclass(found, cls) else cls, state=state, threads=threads)
        return run

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by state, with what stands on the instance."""
        return (_thawed, (type(self), self.dump()), self.__getstate__())

    def __repr__(self) -> str:
        """Show the method and how far it is."""
        return (
            f"<{type(self).__name__}: {self.space.n_genes} genes, generation {self.generation}, "
            f"{self.n_evaluations} evaluations>"
        )


def class_of(method: str) -> type[Algorithm]:
    """Return the class of a native method, imported on first use; `Algorithm` when it has none."""
    home = _HOMES.get(method)
    if home is not None:
        importlib.import_module(f"chimera.evolution.{home}")
    return Algorithm._classes.get(method, Algorithm)  # noqa: SLF001 -- its own registry


def _thawed(cls: type[Algorithm], state: bytes) -> Algorithm:
    """Return a search of exactly this class, whatever its own ``load`` asks for."""
    return _new(cls, state=state, threads=1)  # type: ignore[no-any-return]


def maximized_of(direction: Any) -> list[bool]:
    """Return whether each objective is maximised, or all of them when it is one word.

    Raises:
        ConfigError: It is neither a direction nor a sequence of them.
    """
    is_list = isinstance(direction, Sequence | np.ndarray) and not isinstance(direction, str)
    words: Any = direction if is_list else [direction]  # a set has no order
    try:
        return [_DIRECTIONS[word] for word in words]
    except (KeyError, TypeError):
        raise ConfigError(
            f"direction: expected minimize or maximize, or one of them an objective, got "
            f"{direction!r}"
        ) from None


def _new(cls: type[Run], *args: Any, **kwargs: Any) -> Any:
    """Make an instance of a class that derives from the native one."""
    return Run.__new__(cls, *args, **kwargs)


def _plain(value: Any) -> Any:
    """Turn NumPy values into what JSON holds."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise ConfigError(
        f"settings: expected numbers, text, lists or arrays, got {type(value).__name__}"
    )
