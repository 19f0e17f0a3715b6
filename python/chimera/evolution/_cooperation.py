"""Cooperation: blocks of variables, each searched on its own, together one solution.

On top of ask and tell: any searches take part, and know nothing of it (Potter and De Jong, 1994).
Proposals that were asked stay pending until they are told: whatever interrupts a round, also a save
in the middle of it, the next step goes on with the block at which it stopped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConfigError, OrderError
from chimera.evolution._algorithm import Algorithm
from chimera.evolution._numbers import ensure_numbers, ensure_whole, to_whole
from chimera.evolution._saved import Saved, asked_again, pending_of
from chimera.evolution._snapshot import SavedState
from chimera.evolution._space import Bounds, Space, real, to_space
from chimera.evolution._types import Direction
from chimera.evolution.evaluation import Evaluator, Vectorized
from chimera.evolution.evaluation._base import Follower

__all__ = ["Cooperation"]

Floats = NDArray[np.float64]

_SETTINGS = ("n_random", "direction", "seed")
_COUNTS = ("round", "n_evaluations", "n_done")


class Cooperation:
    """Blocks of variables, each searched on its own, together one solution.

    In every round each block's search proposes a batch; a proposal is judged in the context of the
    other blocks' best values so far (and, with ``n_random`` > 0, of some of their random values as
    well; the best judgement counts). Violations rank before scores, and rows that failed or gave
    NaN last. Good for many variables that depend little on each other across blocks.

    Args:
        space: Bounds of all variables; one block of real numbers.
        make: Makes the search of a block: called with its bounds as a space, and its number.
        blocks: Number of blocks of equal size, or the variables of each block.
        evaluator: Scores whole solutions; a callable is taken as `Vectorized`.
        n_random: Further contexts of random collaborators.
        direction: ``minimize`` or ``maximize``; the searches must have the same, and an evaluator
            that ranks rows follows it.
        seed: Seed of the random collaborators and of the first context.

    Raises:
        ConfigError: Blocks that do not cover every variable once, a search of another direction or
            space than its block's, or a setting outside its range.

    Source:
        Potter and De Jong (1994), "A cooperative coevolutionary approach to function optimization".

    Example:
        >>> parts = Cooperation(
        ...     [(-1.0, 1.0)] * 4,
        ...     lambda space, idx: DE(space, population_size=20, seed=idx),
        ...     blocks=2,
        ...     evaluator=lambda x: (x**2).sum(axis=1),
        ... )
        >>> for _ in range(40):
        ...     parts.step()
        >>> parts.best_score < 1e-4, parts.n_evaluations
        (True, 1601)
    """

    def __init__(
        self,
        space: Bounds,
        make: Callable[[Any, int], Algorithm],
        *,
        blocks: int | Sequence[Sequence[int]],
        evaluator: Evaluator | Callable[[Any], Any],
        n_random: int = 0,
        direction: Direction = "minimize",
        seed: int = 0,
    ) -> None:
        whole = to_space(space)
        if len(whole.blocks) != 1 or whole.blocks[0].kind != "f64":
            raise ConfigError("space: expected one block of 64-bit floats")
        n_random = to_whole("n_random", n_random, least=0)
        ensure_whole("seed", seed, 2**64)
        if not callable(make):
            raise ConfigError(
                f"make: expected a function that makes searches, got {type(make).__name__}"
            )
        if direction not in ("minimize", "maximize"):
            raise ConfigError(f"direction: expected minimize or maximize, got {direction}")
        self._lower = np.array(whole.blocks[0].lower)
        self._upper = np.array(whole.blocks[0].upper)
        if not (np.isfinite(self._lower).all() and np.isfinite(self._upper).all()):
            raise ConfigError("space: expected finite bounds, for the first context is drawn")
        self._blocks = _split(blocks, len(self._lower))
        self._direction = direction
        self._sign = 1.0 if direction == "minimize" else -1.0
        self._searches = [
            make(real(self._lower[genes], self._upper[genes]), idx)
            for idx, genes in enumerate(self._blocks)
        ]
        for genes, search in zip(self._blocks, self._searches, strict=True):
            _check_search(search, len(genes), direction)
        self._evaluator = _as_evaluator(evaluator, direction)
        self._n_random = n_random
        self._seed = seed
        self._round = 0
        self._n_evaluations = 0
        rng = np.random.Generator(np.random.Philox(key=[seed, 2**63]))
        self._context = self._lower + (self._upper - self._lower) * rng.random(len(self._lower))
        self._rank: _Rank = (True, 0.0, 0.0)
        self._is_judged = False
        self._n_done = 0
        self._proposals: Any = None

    @property
    def best_x(self) -> Floats:
        """The best whole solution, ``(d,) float64``."""
        out: Floats = self._context.copy()
        return out

    @property
    def best_score(self) -> float:
        """Its score; NaN before any that did not fail."""
        failed, _, score = self._rank
        return float("nan") if failed else self._sign * score

    @property
    def best_violation(self) -> float:
        """Its violation, 0 when feasible; infinite before any that did not fail."""
        failed, violation, _ = self._rank
        return float("inf") if failed else violation

    @property
    def n_evaluations(self) -> int:
        """Whole solutions evaluated."""
        return self._n_evaluations

    @property
    def searches(self) -> list[Algorithm]:
        """The blocks' searches."""
        return self._searches

    def step(self) -> None:
        """Run one round, every block once and in order; or what is left of one.

        When the evaluator raises, the round stops at that block, and the next step goes on there.
        """
        if not self._is_judged:
            self._rank = self._judge(self._context[None]).rank(0)
            self._is_judged = True
        while self._n_done < len(self._blocks):
            self._advance(self._n_done)
            self._n_done += 1
        self._n_done = 0
        self._round += 1

    def _advance(self, idx: int) -> None:
        """Ask, judge and tell one block."""
        genes, search = self._blocks[idx], self._searches[idx]
        if self._proposals is None:
            self._proposals = np.asarray(search.ask())
        proposals = self._proposals
        keys = np.random.Philox(key=[self._seed, self._round], counter=[0, 0, 0, idx])
        rng = np.random.Generator(keys)
        contexts = [self._context]
        width = self._upper - self._lower
        contexts += [self._lower + width * rng.random(len(width)) for _ in range(self._n_random)]
        solutions = np.concatenate([np.tile(one, (len(proposals), 1)) for one in contexts])
        solutions[:, genes] = np.tile(proposals, (len(contexts), 1))
        judged = self._judge(solutions)
        places = judged.order().reshape(len(contexts), len(proposals))
        # Of each proposal, the row of the context in which it does best.
        rows = places.argmin(axis=0) * len(proposals) + np.arange(len(proposals))
        failed = judged.failed[rows]
        search.tell(
            proposals,
            self._sign * judged.scores[rows],
            violations=judged.violations[rows] if judged.is_constrained else None,
            failed=failed if failed.any() else None,
        )
        self._proposals = None
        winner = int(places.argmin())
        if judged.rank(winner) < self._rank:
            self._rank = judged.rank(winner)
            self._context = solutions[winner].copy()

    def save(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """Return the whole state as bytes, all searches included, and write it to a file.

        Also in the middle of a round, from within the evaluator.

        Args:
            path: Where to write it; None for nowhere. The file is replaced in one step.

        Raises:
            ConfigError: The path names no file.
            StorageError: The file cannot be written; an older one stays as it was.
        """
        saved = Saved("Cooperation")
        saved.facts = {name: getattr(self, f"_{name}") for name in _SETTINGS}
        saved.facts["blocks"] = [genes.tolist() for genes in self._blocks]
        progress = {name: getattr(self, f"_{name}") for name in (*_COUNTS, "is_judged")}
        saved.facts["progress"] = progress
        saved.facts["rank"] = [self._rank[0], *(float(value).hex() for value in self._rank[1:])]
        for array in (self._lower, self._upper, self._context):
            saved.add_array(array)
        for search in self._searches:
            saved.add(search.save())
        at_work = self._searches[self._n_done : self._n_done + 1]
        proposals = None if self._proposals is None else [self._proposals]
        for batch in pending_of(at_work, proposals):
            saved.add_array(batch)
        return saved.write(path)

    @classmethod
    def load(
        cls,
        source: SavedState,
        *,
        evaluator: Evaluator | Callable[[Any], Any],
        threads: int = 1,
    ) -> Self:
        """Return the cooperation that `save` wrote; it goes on as if never interrupted.

        Args:
            source: The bytes, or the path of the file.
            evaluator: As for a new one; code is not saved.
            threads: Threads of the searches.

        Raises:
            ConfigError: The source is neither, or another argument is unusable.
            StateError: Damaged, cut short, of another version, or of another class.
            StorageError: The file cannot be read; a `MissingFileError` when there is none.
        """
        ensure_whole("threads", threads, 1025)
        saved = Saved.read(source, "Cooperation")
        with saved.unpacking():
            parts = cls._unpacked(saved, threads)
        parts._evaluator = _as_evaluator(evaluator, parts._direction)  # noqa: SLF001 -- its own
        return parts

    @classmethod
    def _unpacked(cls, saved: Saved, threads: int) -> Self:
        """Return the cooperation of a state, without an evaluator that works."""
        lower, upper, context = (saved.take_array() for _ in range(3))
        facts = {name: saved.facts[name] for name in (*_SETTINGS, "blocks")}
        progress, rank = saved.facts["progress"], saved.facts["rank"]
        searches = [Algorithm.load(saved.take(), threads=threads) for _ in facts["blocks"]]
        space = real(np.asarray(lower), np.asarray(upper))
        parts = cls(space, lambda _, idx: searches[idx], evaluator=_unset, **facts)
        counts = {name: to_whole(name, progress[name], least=0) for name in _COUNTS}
        parts._round, parts._n_evaluations, parts._n_done = counts.values()
        parts._is_judged = bool(progress["is_judged"])
        parts._context = np.asarray(context, dtype=np.float64).reshape(parts._lower.shape)
        parts._rank = (bool(rank[0]), float.fromhex(rank[1]), float.fromhex(rank[2]))
        batches = asked_again(searches[parts._n_done : parts._n_done + 1], saved)
        parts._proposals = batches[0] if batches else None
        return parts

    def _judge(self, solutions: Floats) -> _Judged:
        done = self._evaluator.evaluate(solutions)
        self._n_evaluations += len(solutions)
        scores = self._sign * done.objectives[:, 0]
        violations = np.zeros(len(scores)) if done.violations is None else done.violations
        failed = done.failed | ~np.isfinite(scores) | np.isnan(violations)
        return _Judged(
            failed,
            np.where(failed, 0.0, violations),
            np.where(failed, 0.0, scores),
            done.violations is not None,
        )


_Rank: TypeAlias = tuple[bool, float, float]
"""Failed, violation, score: smaller is better."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """What whole solutions are worth, to be minimised; 0 in failed rows."""

    failed: NDArray[np.bool_]
    violations: Floats
    scores: Floats
    is_constrained: bool

    def rank(self, row: int) -> _Rank:
        """What rows are compared by."""
        return bool(self.failed[row]), float(self.violations[row]), float(self.scores[row])

    def order(self) -> NDArray[np.intp]:
        """Place of each row, 0 for the best; ties in the order of rows."""
        places = np.empty(len(self.scores), dtype=np.intp)
        best_first = np.lexsort((self.scores, self.violations, self.failed))
        places[best_first] = np.arange(len(places))
        return places


def _check_search(search: Any, n_genes: int, direction: str) -> None:
    if not isinstance(getattr(search, "space", None), Space):
        raise ConfigError(f"make: expected searches, got {type(search).__name__}")
    maximized = search.maximized
    own = "maximize" if maximized and maximized[0] else "minimize"
    if own != direction:
        raise ConfigError(f"make: expected searches that {direction}, got one that {own}s")
    if search.space.n_genes != n_genes or search.n_objectives != 1:
        raise ConfigError(
            f"make: expected a search of {n_genes} genes with one objective, got "
            f"{search.space.n_genes} genes and {search.n_objectives}"
        )


def _unset(_: Any) -> Any:
    raise OrderError("evaluator: expected one, got none yet")


def _as_evaluator(evaluator: Evaluator | Callable[[Any], Any], direction: Direction) -> Evaluator:
    if not isinstance(evaluator, Evaluator):
        return Vectorized(evaluator)
    if isinstance(evaluator, Follower):
        evaluator.follow(direction)
    return evaluator


def _variables(block: Sequence[int]) -> NDArray[np.intp]:
    """Return the variables of one block."""
    ensure_numbers("blocks", block)
    rows = np.asarray(block)
    if rows.ndim != 1:
        raise ConfigError(f"blocks: expected the variables of each block, got {block!r}")
    whole = [to_whole("blocks", variable, least=0) for variable in rows.tolist()]
    return np.asarray(whole, dtype=np.intp)


def _split(blocks: Any, n: int) -> list[NDArray[np.intp]]:
    if isinstance(blocks, int):
        if not 1 <= blocks <= n:
            raise ConfigError(f"blocks: expected 1 to {n}, got {blocks}")
        return [np.asarray(part) for part in np.array_split(np.arange(n), blocks)]
    if isinstance(blocks, str) or not isinstance(blocks, Iterable):
        raise ConfigError(
            f"blocks: expected a number of blocks, or the variables of each, got {blocks!r}"
        )
    parts = [_variables(block) for block in blocks]
    flat = np.sort(np.concatenate(parts)) if parts else np.zeros(0)
    if not np.array_equal(flat, np.arange(n)) or any(len(part) == 0 for part in parts):
        raise ConfigError(f"blocks: expected each of the {n} variables in exactly one block")
    return parts
