"""Competition against a moving and a remembered opponent; cooperation of blocks."""

from typing import Any

import numpy as np
import pytest

from chimera.errors import BatchError, ConfigError
from chimera.evolution import (
    Competition,
    Cooperation,
    Evaluated,
    PerRow,
    RandomSearch,
    Vectorized,
)


def sides(n: int = 12) -> list[RandomSearch]:
    return [RandomSearch([(0.0, 1.0)] * 2, batch_size=n, seed=k) for k in (1, 2)]


def play(first: Any, second: Any) -> Any:
    return first.sum(axis=1) - second.sum(axis=1)


def test_every_match_of_a_generation_is_one_call() -> None:
    calls: list[int] = []

    def counted(first: Any, second: Any) -> Any:
        calls.append(len(first))
        return play(first, second)

    game = Competition(*sides(), play=counted, n_opponents=5, n_hall=3)
    sizes = [game.step().n_matches for _ in range(4)]
    # 12 rows against 5 opponents and up to 3 champions, from both sides
    assert sizes[0] == 2 * 12 * 5
    assert sizes[-1] <= 2 * 12 * 8
    assert calls == sizes
    assert game.n_matches == sum(sizes)


def test_fitness_is_the_mean_over_the_same_opponents() -> None:
    first, second = sides(4)
    game = Competition(first, second, play=play, n_hall=0)
    a, b = (side.ask() for side in sides(4))
    done = game.step()
    expected = a.sum(axis=1) - b.sum(axis=1).mean()
    assert done.fitness[0] == pytest.approx(expected, abs=1e-12)
    assert done.fitness[1] == pytest.approx(b.sum(axis=1) - a.sum(axis=1).mean(), abs=1e-12)
    assert np.array_equal(done.champions[0], a[np.argmax(expected)])
    assert first.generation == second.generation == 1


def test_shared_fitness_pays_for_beating_whom_few_beat() -> None:
    first = RandomSearch([(0.0, 1.0)], batch_size=3, seed=1)
    second = RandomSearch([(0.0, 1.0)], batch_size=2, seed=2)
    wins = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])  # row 2 alone beats opponent 1
    calls = iter([np.concatenate([wins.ravel(), np.zeros(6)])])
    game = Competition(
        first,
        second,
        play=lambda *_: np.stack([flat := next(calls), -flat], axis=1),
        n_hall=0,
        is_shared=True,
    )
    assert game.step().fitness[0].tolist() == [0.5, 0.5, 1.0]


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_the_hall_of_fame_keeps_old_champions_and_its_size(size: int) -> None:
    game = Competition(*sides(), play=play, n_opponents=2, hall_size=size)
    for _ in range(40):
        done = game.step()
        assert all(1 <= len(hall) <= size for hall in game.champions)
        assert np.array_equal(game.champions[0][-1], done.champions[0])


def test_equal_seeds_play_equal_games() -> None:
    def run() -> list[list[float]]:
        game = Competition(*sides(), play=play, n_opponents=3, seed=5)
        return [game.step().fitness[0].tolist() for _ in range(6)]

    assert run() == run()


def test_unusable_results_are_refused() -> None:
    for answer in (np.zeros(3), np.full(288, np.nan)):
        game = Competition(*sides(), play=lambda *_, a=answer: a)
        with pytest.raises(BatchError, match="play"):
            game.step()
    wrong: list[dict[str, Any]] = [{"n_opponents": 0}, {"n_hall": -1}, {"hall_size": 0}]
    for settings in wrong:
        with pytest.raises(ConfigError):
            Competition(*sides(), play=play, **settings)


def make(space: Any, idx: int) -> RandomSearch:
    return RandomSearch(space, batch_size=40, seed=idx)


@pytest.mark.parametrize("blocks", [4, [[0, 7], [1, 6], [2, 5], [3, 4]]])
def test_blocks_solve_what_the_whole_does_not(blocks: Any) -> None:
    def sphere(x: Any) -> Any:
        return ((x - 0.3) ** 2).sum(axis=1)

    parts = Cooperation([(-1.0, 1.0)] * 8, make, blocks=blocks, evaluator=sphere, seed=1)
    for _ in range(25):
        parts.step()
    whole = RandomSearch([(-1.0, 1.0)] * 8, batch_size=4001, seed=1)
    whole.tell(whole.ask(), sphere(whole.ask()))
    assert parts.n_evaluations == 4001
    assert parts.best_score < 0.05 < whole.best_score
    assert parts.best_score == pytest.approx(float(sphere(parts.best_x[None])[0]))


def test_failures_and_directions() -> None:
    def gain(x: Any) -> float:
        if x[0] > 0.9:
            raise ValueError("too far")
        return float(-(x**2).sum())

    parts = Cooperation(
        [(-1.0, 1.0)] * 2,
        lambda space, idx: RandomSearch(space, batch_size=30, direction="maximize", seed=idx),
        blocks=2,
        evaluator=PerRow(gain),
        n_random=1,
        direction="maximize",
    )
    assert np.isnan(parts.best_score)
    for _ in range(10):
        parts.step()
    assert -0.05 < parts.best_score <= 0.0


@pytest.mark.parametrize("n_random", [0, 2])
def test_infeasible_solutions_never_beat_feasible_ones(n_random: int) -> None:
    def evaluate(x: Any) -> dict[str, Any]:
        short = np.maximum(1.0 - x.sum(axis=1), 0.0)  # the optimum without it is at 0
        return {"objectives": (x**2).sum(axis=1), "violations": short}

    parts = Cooperation(
        [(-1.0, 1.0)] * 4, make, blocks=2, evaluator=Vectorized(evaluate), n_random=n_random
    )
    assert parts.best_violation == np.inf
    for _ in range(30):
        parts.step()
    assert parts.best_violation == 0.0
    assert parts.best_x.sum() >= 1.0
    assert 0.25 <= parts.best_score < 0.5
    for search in parts.searches:
        assert search.best is not None
        assert search.best[2] == 0.0  # told the violations


class _Holey(Vectorized):
    """Gives NaN in some rows and does not mark them."""

    def evaluate(self, batch: Any) -> Evaluated:
        scores = (batch**2).sum(axis=1)
        scores[::3] = np.nan
        return Evaluated(scores[:, None], np.zeros(len(scores), dtype=np.bool_))


def test_nan_hides_no_winner() -> None:
    parts = Cooperation([(-1.0, 1.0)] * 2, make, blocks=2, evaluator=_Holey(len))
    for _ in range(10):
        parts.step()
    assert 0.0 <= parts.best_score < 0.01
    assert all(search.n_failed > 0 for search in parts.searches)


@pytest.mark.parametrize("blocks", [0, 5, [[0], [1, 2]], [[0, 0], [1, 2, 3]], [[0, 1, 2, 3], []]])
def test_blocks_must_cover_every_variable_once(blocks: Any) -> None:
    with pytest.raises(ConfigError, match="blocks"):
        Cooperation([(0.0, 1.0)] * 4, make, blocks=blocks, evaluator=lambda x: x[:, 0])


def test_spaces_without_finite_bounds_are_refused() -> None:
    with pytest.raises(ConfigError, match="finite"):
        Cooperation([(0.0, np.inf)], make, blocks=1, evaluator=lambda x: x[:, 0])
