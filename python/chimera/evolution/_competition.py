"""Competition: two populations that are each other's yardstick.

On top of ask and tell: any searches of one block of genes take part, and know nothing of it.
Competitive fitness is relative, so the hall of fame (Rosin and Belew, 1997) keeps former champions
as opponents, against cycles. Batches that were asked stay pending until they are told: whatever
interrupts a generation, also a save in the middle of it, the next step plays the same one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chimera.errors import BatchError, ConfigError
from chimera.evolution._algorithm import Algorithm
from chimera.evolution._numbers import ensure_numbers, ensure_whole, to_whole
from chimera.evolution._saved import Saved, asked_again, pending_of
from chimera.evolution._snapshot import SavedState
from chimera.evolution._space import Space

__all__ = ["Competition", "Generation"]

Floats = NDArray[np.float64]

HALL_MAX = 10_000
"""Most champions that a hall of fame keeps."""

_SETTINGS = ("n_opponents", "n_hall", "hall_size", "is_shared", "seed")


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
        first: A search of one side, over one block of genes, with one objective.
        second: A search of the other.
        play: Takes rows of both sides, ``(k, d1)`` and ``(k, d2)``, and returns ``(k,)`` results
            of the first: above 0 it won, the second gets the negative; or ``(k, 2)`` of both.
        n_opponents: Opponents from the other batch; None for all.
        n_hall: Opponents from the hall of fame.
        hall_size: Champions kept per side; the oldest half is thinned when it is full.
        is_shared: Whether to share fitness.
        seed: Seed of who meets whom.

    Raises:
        ConfigError: A setting outside its range, or a search of several blocks or objectives.

    Source:
        Rosin and Belew (1997), "New methods for competitive coevolution".

    Example:
        >>> sides = [GA([(0.0, 1.0)], population_size=8, seed=k) for k in (1, 2)]
        >>> game = Competition(*sides, play=lambda a, b: a[:, 0] - b[:, 0], n_opponents=4)
        >>> game.step().n_matches
        64
        >>> for _ in range(10):
        ...     done = game.step()
        >>> bool(done.champions[0][0] > 0.9)
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
        _check_play(play)
        if n_opponents is not None:
            n_opponents = to_whole("n_opponents", n_opponents)
        ensure_whole("seed", seed, 2**64)
        for side in (first, second):
            _check_side(side)
        self._sides = (first, second)
        self._play = play
        self._n_opponents = n_opponents
        self._n_hall = to_whole("n_hall", n_hall, least=0)
        self._hall_size = to_whole("hall_size", hall_size, limit=HALL_MAX + 1)
        self._is_shared = is_shared
        self._seed = seed
        self._generation = 0
        self._n_matches = 0
        self._halls: tuple[list[Floats], list[Floats]] = ([], [])
        self._batches: list[Any] | None = None

    @property
    def sides(self) -> tuple[Algorithm, Algorithm]:
        """The searches."""
        return self._sides

    @property
    def generation(self) -> int:
        """Generations played so far."""
        return self._generation

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

        When ``play`` raises, nothing was told: the next step plays the same generation.

        Raises:
            BatchError: ``play`` returned another shape, or what is no visible finite number.
        """
        if self._batches is None:
            self._batches = [np.asarray(side.ask()) for side in self._sides]
        batches = self._batches
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
        self._batches = None
        done = Generation(
            self._generation,
            len(results),
            (fitness[0], fitness[1]),
            (champions[0], champions[1]),
        )
        self._generation += 1
        self._n_matches += len(results)
        return done

    def save(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """Return the whole state as bytes, both searches included, and write it to a file.

        Also in the middle of a generation, from within ``play``.

        Args:
            path: Where to write it; None for nowhere. The file is replaced in one step.

        Raises:
            ConfigError: The path names no file.
            StorageError: The file cannot be written; an older one stays as it was.
        """
        saved = Saved("Competition")
        saved.facts = {name: getattr(self, f"_{name}") for name in _SETTINGS}
        saved.facts |= {"generation": self._generation, "n_matches": self._n_matches}
        for side, hall in zip(self._sides, self._halls, strict=True):
            saved.add(side.save())
            saved.add_array(np.stack(hall) if hall else None)
        for batch in pending_of(self._sides, self._batches):
            saved.add_array(batch)
        return saved.write(path)

    @classmethod
    def load(
        cls,
        source: SavedState,
        *,
        play: Callable[[Any, Any], Any],
        threads: int = 1,
    ) -> Self:
        """Return the competition that `save` wrote; it goes on as if never interrupted.

        Args:
            source: The bytes, or the path of the file.
            play: As for a new one; code is not saved.
            threads: Threads of the searches.

        Raises:
            ConfigError: The source is neither, or another argument is unusable.
            StateError: Damaged, cut short, of another version, or of another class.
            StorageError: The file cannot be read; a `MissingFileError` when there is none.
        """
        _check_play(play)
        ensure_whole("threads", threads, 1025)
        saved = Saved.read(source, "Competition")
        with saved.unpacking():
            sides, halls = [], []
            for _ in range(2):
                sides.append(Algorithm.load(saved.take(), threads=threads))
                hall = saved.take_rows(sides[-1].space.n_genes)
                halls.append([] if hall is None else list(hall))
            settings = {name: saved.facts[name] for name in _SETTINGS}
            counts = ("generation", "n_matches")
            done = [to_whole(name, saved.facts[name], least=0) for name in counts]
            game = cls(sides[0], sides[1], play=play, **settings)
            game._generation, game._n_matches = done
            game._halls = (halls[0], halls[1])
            game._batches = asked_again(sides, saved)
        return game

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
        given = self._play(first, second)
        ensure_numbers("play", given, BatchError)
        try:
            answer = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise BatchError(f"play: expected results that are numbers, got {error}") from error
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


def _check_play(play: Any) -> None:
    if not callable(play):
        raise ConfigError(f"play: expected a function of two sides, got {type(play).__name__}")


def _check_side(side: Any) -> None:
    if not isinstance(getattr(side, "space", None), Space):
        raise ConfigError(f"first, second: expected searches, got {type(side).__name__}")
    n_blocks, n_objectives = len(side.space.blocks), side.n_objectives
    if n_blocks != 1 or n_objectives != 1:
        raise ConfigError(
            f"first, second: expected searches over one block with one objective, got "
            f"{type(side).__name__} with {n_blocks} and {n_objectives}"
        )
