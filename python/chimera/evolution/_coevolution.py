"""Populations that are each other's yardstick: contests between two, or parts of one solution.

On top of ask and tell: any algorithms take part, and know nothing of it. Competitive fitness is
relative, so the hall of fame (Rosin and Belew, 1997) keeps former champions as opponents, against
cycles. Cooperative coevolution splits the variables among searches (Potter and De Jong, 1994).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chimera.errors import BatchError, ConfigError
from chimera.evolution._algorithm import Algorithm
from chimera.evolution._numbers import ensure_whole
from chimera.evolution._space import Bounds, real, to_space
from chimera.evolution.evaluation import Evaluator, Vectorized

__all__ = ["Competition", "Cooperation", "Generation"]

Floats = NDArray[np.float64]

HALL_MAX = 10_000
"""Most champions that a hall of fame keeps."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What one generation of a competition did.

    Args:
        generation: Its number, from 0.
        n_matches: Matches played in it.
        fitness: Per side, ``(n,) float64`` fitness of the batch, higher is better.
        champions: Per side, the best row of the batch.
    """

    generation: int
    n_matches: int
    fitness: tuple[Floats, Floats]
    champions: tuple[Floats, Floats]


class Competition:
    """Two populations that meet in matches.

    In every generation each row meets ``n_opponents`` rows of the other side's batch (all of them
    when None) and ``n_hall`` of the other side's former champions. All matches of a generation are
    one call of ``play``. Fitness is the mean result or, with ``is_shared``, competitive fitness
    sharing: a win counts more against those whom few defeat.

    Args:
        first: A search of one side.
        second: A search of the other.
        play: Takes rows of both sides, ``(k, d1)`` and ``(k, d2)``, and returns ``(k,)`` results
            of the first: above 0 it won, the second gets the negative; or ``(k, 2)`` of both.
        n_opponents: Opponents from the other batch; None for all.
        n_hall: Opponents from the hall of fame.
        hall_size: Champions kept per side; the oldest half is thinned when it is full.
        is_shared: Whether to share fitness.
        seed: Seed of who meets whom.

    Raises:
        ConfigError: A setting outside its range.

    Source:
        Rosin and Belew (1997), "New methods for competitive coevolution".

    Example:
        >>> sides = [RandomSearch([(0.0, 1.0)], batch_size=8, seed=k) for k in (1, 2)]
        >>> game = Competition(*sides, play=lambda a, b: a[:, 0] - b[:, 0], n_opponents=4)
        >>> game.step().n_matches
        64
        >>> bool(game.champions[0][0][0] > 0.5)
        True
    """

    def __init__(
        self,
        first: Algorithm,
        second: Algorithm,
        *,
        play: Callable[[Any, Any], Any],
        n_opponents: int | None = None,
        n_hall: int = 4,
        hall_size: int = 64,
        is_shared: bool = False,
        seed: int = 0,
    ) -> None:
        if n_opponents is not None and n_opponents < 1:
            raise ConfigError(f"n_opponents: expected at least 1 or None, got {n_opponents}")
        if n_hall < 0:
            raise ConfigError(f"n_hall: expected at least 0, got {n_hall}")
        if not 1 <= hall_size <= HALL_MAX:
            raise ConfigError(f"hall_size: expected 1 to {HALL_MAX}, got {hall_size}")
        ensure_whole("seed", seed, 2**64)
        self._sides = (first, second)
        self._play = play
        self._n_opponents = n_opponents
        self._n_hall = n_hall
        self._hall_size = hall_size
        self._is_shared = is_shared
        self._seed = seed
        self._generation = 0
        self._n_matches = 0
        self._halls: tuple[list[Floats], list[Floats]] = ([], [])

    @property
    def n_matches(self) -> int:
        """Matches played so far."""
        return self._n_matches

    @property
    def champions(self) -> tuple[list[Floats], list[Floats]]:
        """The halls of fame, oldest first."""
        return self._halls

    def step(self) -> Generation:
        """Play one generation and tell both sides.

        Raises:
            BatchError: ``play`` returned another shape, or numbers that are not finite.
        """
        batches = [np.asarray(side.ask()) for side in self._sides]
        rng = np.random.Generator(np.random.Philox(key=[self._seed, self._generation]))
        rows: list[list[Any]] = [[], []]
        owners: list[NDArray[np.intp]] = []
        for side in (0, 1):
            own, opponents = self._pairs(side, batches, rng)
            rows[side].append(batches[side][own])
            rows[1 - side].append(opponents)
            owners.append(own)
        results = self._score(np.concatenate(rows[0]), np.concatenate(rows[1]))
        n_first = len(owners[0])
        outcomes = (results[:n_first, 0], results[n_first:, 1])
        fitness = []
        champions = []
        for side in (0, 1):
            value = self._fitness(owners[side], outcomes[side], len(batches[side]))
            fitness.append(value)
            champions.append(batches[side][int(np.argmax(value))].copy())
        for side, algorithm in enumerate(self._sides):
            is_high = bool(algorithm.maximized and algorithm.maximized[0])
            algorithm.tell(batches[side], fitness[side] if is_high else -fitness[side])
            self._admit(self._halls[side], champions[side])
        done = Generation(
            self._generation,
            len(results),
            (fitness[0], fitness[1]),
            (champions[0], champions[1]),
        )
        self._generation += 1
        self._n_matches += len(results)
        return done

    def _pairs(
        self, side: int, batches: list[Any], rng: np.random.Generator
    ) -> tuple[NDArray[np.intp], Any]:
        """Each row of a side, as often as it plays, and the opponents' genomes."""
        n, other = len(batches[side]), batches[1 - side]
        k = len(other) if self._n_opponents is None else min(self._n_opponents, len(other))
        hall = self._halls[1 - side]
        n_hall = min(self._n_hall, len(hall))
        # All rows of a side meet the same opponents: their results can be compared.
        chosen = np.arange(len(other)) if k == len(other) else rng.permutation(len(other))[:k]
        former = rng.permutation(len(hall))[:n_hall]
        opponents = np.concatenate([other[chosen], *[hall[idx][None] for idx in former]])
        own = np.repeat(np.arange(n), len(opponents))
        return own, np.tile(opponents, (n, 1))

    def _score(self, first: Any, second: Any) -> Floats:
        answer = np.asarray(self._play(first, second), dtype=np.float64)
        if answer.shape == (len(first),):
            answer = np.stack([answer, -answer], axis=1)
        if answer.shape != (len(first), 2):
            raise BatchError(
                f"play: expected results ({len(first)},) or ({len(first)}, 2), got {answer.shape}"
            )
        if not np.isfinite(answer).all():
            raise BatchError("play: expected finite results, got NaN or infinity")
        return answer

    def _fitness(self, owners: NDArray[np.intp], results: Floats, n: int) -> Floats:
        table = results.reshape(n, len(owners) // n)
        if not self._is_shared:
            return np.asarray(table.mean(axis=1))
        won = np.maximum(table, 0.0)
        return np.asarray((won / np.maximum(won.sum(axis=0), 1e-300)).sum(axis=1))

    def _admit(self, hall: list[Floats], champion: Floats) -> None:
        if any(np.array_equal(champion, known) for known in hall[-1:]):
            return
        if len(hall) >= self._hall_size:
            half = max(1, len(hall) // 2)
            hall[:half] = hall[:half:2] if half > 1 else []
        hall.append(champion)


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
        direction: ``minimize`` or ``maximize``; the searches must have the same.
        seed: Seed of the random collaborators and of the first context.

    Raises:
        ConfigError: Blocks that do not cover every variable once, or a setting outside its range.

    Source:
        Potter and De Jong (1994), "A cooperative coevolutionary approach to function optimization".

    Example:
        >>> parts = Cooperation(
        ...     [(-1.0, 1.0)] * 4,
        ...     lambda space, idx: RandomSearch(space, batch_size=50, seed=idx),
        ...     blocks=2,
        ...     evaluator=lambda x: (x**2).sum(axis=1),
        ... )
        >>> for _ in range(10):
        ...     parts.step()
        >>> parts.best_score < 0.1, parts.n_evaluations
        (True, 1001)
    """

    def __init__(
        self,
        space: Bounds,
        make: Callable[[Any, int], Algorithm],
        *,
        blocks: int | Sequence[Sequence[int]],
        evaluator: Evaluator | Callable[[Any], Any],
        n_random: int = 0,
        direction: Literal["minimize", "maximize"] = "minimize",
        seed: int = 0,
    ) -> None:
        whole = to_space(space)
        if len(whole.blocks) != 1 or whole.blocks[0].kind != "f64":
            raise ConfigError("space: expected one block of 64-bit floats")
        if n_random < 0:
            raise ConfigError(f"n_random: expected at least 0, got {n_random}")
        if direction not in {"minimize", "maximize"}:
            raise ConfigError(f"direction: expected minimize or maximize, got {direction}")
        ensure_whole("seed", seed, 2**64)
        self._lower = np.array(whole.blocks[0].lower)
        self._upper = np.array(whole.blocks[0].upper)
        if not (np.isfinite(self._lower).all() and np.isfinite(self._upper).all()):
            raise ConfigError("space: expected finite bounds, for the first context is drawn")
        self._blocks = _split(blocks, len(self._lower))
        self._sign = 1.0 if direction == "minimize" else -1.0
        self._searches = [
            make(real(self._lower[genes], self._upper[genes]), idx)
            for idx, genes in enumerate(self._blocks)
        ]
        if isinstance(evaluator, Evaluator):
            self._evaluator: Evaluator = evaluator
        else:
            self._evaluator = Vectorized(evaluator)
        self._n_random = n_random
        self._seed = seed
        self._round = 0
        self._n_evaluations = 0
        rng = np.random.Generator(np.random.Philox(key=[seed, 2**63]))
        self._context = self._lower + (self._upper - self._lower) * rng.random(len(self._lower))
        self._rank: _Rank = (True, 0.0, 0.0)

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
        """Run one round: every block once, in order."""
        if self._round == 0:
            self._rank = self._judge(self._context[None]).rank(0)
        rng = np.random.Generator(np.random.Philox(key=[self._seed, self._round]))
        for genes, search in zip(self._blocks, self._searches, strict=True):
            proposals = np.asarray(search.ask())
            contexts = [self._context]
            width = self._upper - self._lower
            contexts += [
                self._lower + width * rng.random(len(width)) for _ in range(self._n_random)
            ]
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
            winner = int(places.argmin())
            if judged.rank(winner) < self._rank:
                self._rank = judged.rank(winner)
                self._context = solutions[winner].copy()
        self._round += 1

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


def _split(blocks: int | Sequence[Sequence[int]], n: int) -> list[NDArray[np.intp]]:
    if isinstance(blocks, int):
        if not 1 <= blocks <= n:
            raise ConfigError(f"blocks: expected 1 to {n}, got {blocks}")
        return [np.asarray(part) for part in np.array_split(np.arange(n), blocks)]
    parts = [np.asarray(block, dtype=np.intp) for block in blocks]
    flat = np.sort(np.concatenate(parts)) if parts else np.zeros(0)
    if not np.array_equal(flat, np.arange(n)) or any(len(part) == 0 for part in parts):
        raise ConfigError(f"blocks: expected each of the {n} variables in exactly one block")
    return parts
