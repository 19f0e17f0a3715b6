"""Competition against a moving and a remembered opponent; cooperation of blocks."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chimera.errors import BatchError, ConfigError, StateError, StorageError
from chimera.evolution import (
    CMAES,
    DE,
    GA,
    NSGA2,
    Algorithm,
    Cascade,
    Competition,
    Cooperation,
    Evaluated,
    GenomeDatabase,
    PerRow,
    ProgramSearch,
    RandomSearch,
    Stage,
    SymbolicRegressor,
    Vectorized,
    boolean,
    mixed,
    real,
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


SADDLE = np.array([0.3, 0.6]), np.array([0.7, 0.2])
MAKERS: dict[str, Callable[..., Algorithm]] = {
    "ga": lambda space, **named: GA(space, population_size=20, n_elites=0, **named),
    "steady": lambda space, **named: GA(
        space, population_size=20, scheme="steady_state", mutation="self_adaptive", **named
    ),
    "cmaes": CMAES,
    "de": lambda space, **named: DE(space, population_size=20, **named),
    "random": lambda space, **named: RandomSearch(space, batch_size=20, **named),
}


def pursuit(first: Any, second: Any) -> Any:
    """A game in which neither side gains by leaving its point of `SADDLE`."""
    a, b = first - SADDLE[0], second - SADDLE[1]
    return (b**2).sum(axis=1) - (a**2).sum(axis=1) + 2.0 * (a * b).sum(axis=1)


def pursuers(first: str, second: str, seed: int = 1, **settings: Any) -> Competition:
    space = [(0.0, 1.0)] * 2
    sides = MAKERS[first](space, seed=seed), MAKERS[second](space, seed=seed + 100)
    return Competition(*sides, play=pursuit, seed=seed, **settings)


@pytest.mark.parametrize(
    ("first", "second", "tolerance"),
    [("ga", "ga", 0.08), ("cmaes", "cmaes", 0.03), ("ga", "cmaes", 0.08)],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_contests_end_where_neither_side_gains(
    first: str, second: str, tolerance: float, seed: int
) -> None:
    game = pursuers(first, second, seed)
    for _ in range(60):
        done = game.step()
    for champion, point in zip(done.champions, SADDLE, strict=True):
        assert champion == pytest.approx(point, abs=tolerance)
    chance = pursuers("random", "random", seed)
    for _ in range(60):
        done = chance.step()
    assert max(np.abs(done.champions[side] - SADDLE[side]).max() for side in (0, 1)) > 0.1


@pytest.mark.parametrize(
    ("first", "second"), [("ga", "cmaes"), ("de", "random"), ("steady", "steady")]
)
def test_a_saved_contest_goes_on_as_if_never_interrupted(
    first: str, second: str, tmp_path: Path
) -> None:
    whole = pursuers(first, second, n_opponents=5, hall_size=3)
    for _ in range(9):
        expected = whole.step()
    game = pursuers(first, second, n_opponents=5, hall_size=3)
    for _ in range(4):
        game.step()
    path = tmp_path / "game"
    assert game.save(path) == path.read_bytes()
    game = Competition.load(path, play=pursuit, threads=2)
    for _ in range(5):
        done = game.step()
    assert done.generation == expected.generation == game.generation - 1
    for side in (0, 1):
        assert np.array_equal(done.fitness[side], expected.fitness[side])
    assert game.save() == whole.save()
    assert game.n_matches == whole.n_matches


@pytest.mark.parametrize(
    ("first", "second"), [("ga", "cmaes"), ("de", "random"), ("steady", "steady")]
)
def test_a_contest_may_be_saved_or_fail_in_the_middle_of_a_step(first: str, second: str) -> None:
    whole = pursuers(first, second)
    for _ in range(6):
        whole.step()
    states: list[bytes] = []
    game = pursuers(first, second)

    def play(a: Any, b: Any) -> Any:
        states.append(game.save())
        if len(states) == 4:
            raise KeyboardInterrupt
        return pursuit(a, b)

    game._play = play
    for _ in range(3):
        game.step()
    with pytest.raises(KeyboardInterrupt):
        game.step()
    for unfinished in (game, Competition.load(states[-1], play=pursuit)):
        unfinished._play = pursuit
        for _ in range(3):
            unfinished.step()
        assert unfinished.save() == whole.save()


def test_contests_are_for_single_blocks_and_objectives() -> None:
    wrong = [RandomSearch(mixed(a=real(0, 1, 2), b=boolean(2))), NSGA2([(0.0, 1.0)] * 2)]
    for side in wrong:
        with pytest.raises(ConfigError, match="one block with one objective"):
            Competition(side, RandomSearch([(0.0, 1.0)]), play=play)


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


def sphere(x: Any) -> Any:
    return ((x - 0.3) ** 2).sum(axis=1)


def team(name: str, seed: int = 1, evaluator: Any = sphere, **settings: Any) -> Cooperation:
    return Cooperation(
        [(-2.0, 2.0)] * 20,
        lambda space, idx: MAKERS[name](space, seed=idx + 10 * seed),
        blocks=5,
        evaluator=evaluator,
        seed=seed,
        **settings,
    )


@pytest.mark.parametrize(("name", "tolerance"), [("cmaes", 1e-7), ("de", 1e-5), ("ga", 2e-2)])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_blocks_of_real_searches_converge(name: str, tolerance: float, seed: int) -> None:
    parts = team(name, seed)
    for _ in range(80):
        parts.step()
    assert parts.n_evaluations <= 8_001
    assert parts.best_score < tolerance
    whole = DE([(-2.0, 2.0)] * 20, population_size=100, seed=seed)
    while whole.n_evaluations < 8_000:
        batch = whole.ask()
        whole.tell(batch, sphere(batch))
    assert whole.best_score > 0.05


@pytest.mark.parametrize("name", ["ga", "cmaes", "de", "steady"])
@pytest.mark.parametrize("n_random", [0, 2])
def test_a_saved_cooperation_goes_on_as_if_never_interrupted(
    name: str, n_random: int, tmp_path: Path
) -> None:
    whole = team(name, n_random=n_random)
    for _ in range(6):
        whole.step()
    parts = team(name, n_random=n_random)
    for _ in range(3):
        parts.step()
    path = tmp_path / "parts"
    assert parts.save(path) == path.read_bytes()
    parts = Cooperation.load(path, evaluator=sphere, threads=2)
    for _ in range(3):
        parts.step()
    assert parts.save() == whole.save()
    assert np.array_equal(parts.best_x, whole.best_x)


@pytest.mark.parametrize("name", ["ga", "cmaes", "steady"])
@pytest.mark.parametrize("call", [1, 2, 9, 11])
def test_a_cooperation_may_be_saved_or_fail_in_the_middle_of_a_round(name: str, call: int) -> None:
    def go(parts: Cooperation) -> bytes:
        while parts._round < 4:
            parts.step()
        return parts.save()

    whole = go(team(name, n_random=1))
    states: list[bytes] = []

    def failing(x: Any) -> Any:
        states.append(parts.save())
        if len(states) == call:
            raise KeyboardInterrupt
        return sphere(x)

    parts = team(name, n_random=1, evaluator=failing)
    with pytest.raises(KeyboardInterrupt):
        go(parts)
    for unfinished in (parts, Cooperation.load(states[call - 1], evaluator=sphere)):
        assert go(unfinished) == whole


def test_states_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    game, parts = pursuers("ga", "ga"), team("ga")
    game.step()
    state = game.save()
    for wrong in (
        b"",
        b"nonsense" * 20,
        state[:-1],
        state[:30],
        state + b"0",
        state[:60] + bytes([state[60] ^ 1]) + state[61:],
        state[:7] + b"\x02" + state[8:],
        GA([(0.0, 1.0)]).save(),
    ):
        with pytest.raises(StateError):
            Competition.load(wrong, play=pursuit)
    with pytest.raises(StateError, match=r"use Cooperation.load"):
        Competition.load(parts.save(), play=pursuit)
    with pytest.raises(StorageError, match="expected to read"):
        Cooperation.load(tmp_path / "none", evaluator=sphere)
    body = state[48:].replace(b'"version": "', b'"version": "9')
    length = int.from_bytes(state[40:48], "little") + 1
    body = length.to_bytes(8, "little") + body
    other = state[:8] + hashlib.sha256(body).digest() + body
    with pytest.raises(StateError, match="one of version 9"):
        Competition.load(other, play=pursuit)


def test_searches_and_evaluators_of_blocks_follow_the_direction() -> None:
    with pytest.raises(ConfigError, match="expected searches that maximize"):
        team("ga", direction="maximize")
    with pytest.raises(ConfigError, match="expected a search of 4 genes"):
        Cooperation([(0.0, 1.0)] * 8, lambda *_: GA([(0.0, 1.0)]), blocks=2, evaluator=sphere)
    kept = Cascade([Stage(Vectorized(sphere), keep=0.1), Stage(Vectorized(sphere))])
    team("ga", evaluator=kept)
    assert kept._sign == 1.0
    Cooperation(
        [(0.0, 1.0)] * 2,
        lambda space, _: GA(space, direction="maximize"),
        blocks=1,
        evaluator=kept,
        direction="maximize",
    )
    assert kept._sign == -1.0


def test_databases_record_searches_and_refuse_games(tmp_path: Path) -> None:
    points = [(0.0, 1.0)]
    source = "def f(x: float) -> float:\n    return x\n"
    source += "def e(x: float, y: float) -> float:\n    return f(x) - y\n"
    programs = ProgramSearch(source, objective="e", evolvable=["f"], instances=points)
    with GenomeDatabase(tmp_path / "runs.db") as database:
        wrong: list[Any] = [pursuers("ga", "ga"), team("ga"), programs, SymbolicRegressor(), 3]
        for one in wrong:
            with pytest.raises(ConfigError, match="expected a search by ask and tell"):
                database.record(one)
        sides: list[Any] = [database.record(MAKERS["ga"]([(0.0, 1.0)] * 2)) for _ in range(2)]
        game = Competition(sides[0], sides[1], play=pursuit)
        for _ in range(3):
            game.step()
        assert [run.n_evaluations for run in database.runs()] == [60, 60]


@pytest.mark.parametrize(
    "results",
    [
        lambda n: np.ones(n) * (1 + 5j),
        lambda n: np.ma.masked_array(np.ones(n), mask=True),
        lambda n: np.ones(n).astype(str),
        lambda n: ["x"] * n,
        lambda n: [None] * n,
        lambda n: [10**400] * n,
        lambda n: [[1.0], [1.0, 2.0]] * (n // 2),
        lambda n: np.zeros(n, dtype="datetime64[s]"),
        lambda n: np.array([object()] * n),
        lambda _: {},
    ],
)
def test_results_of_matches_are_plain_numbers(results: Callable[[int], Any]) -> None:
    is_broken = True

    def answer(first: Any, second: Any) -> Any:
        return results(len(first)) if is_broken else play(first, second)

    game = Competition(*sides(), play=answer)
    with pytest.raises(BatchError, match="play: expected"):
        game.step()
    assert game.generation == 0
    assert [side.generation for side in game.sides] == [0, 0]
    is_broken = False
    other = Competition(*sides(), play=play)
    assert np.array_equal(game.step().fitness[0], other.step().fitness[0])


@pytest.mark.parametrize("results", [np.ones(20) * 1j, np.ones(20).astype(str), ["x"] * 20])
def test_scores_of_cooperations_are_plain_numbers(results: Any) -> None:
    parts = Cooperation(
        [(-1.0, 1.0)] * 4,
        lambda space, idx: DE(space, population_size=20, seed=idx),
        blocks=2,
        evaluator=lambda x: results[: len(x)],
    )
    parts.step()
    assert np.isnan(parts.best_score)
    assert all(search.n_failed == 20 for search in parts.searches)


@pytest.mark.parametrize(
    "settings",
    [
        {"play": 3},
        {"n_opponents": "a"},
        {"n_opponents": 0},
        {"n_hall": 2.5},
        {"n_hall": -1},
        {"hall_size": "a"},
        {"hall_size": 10_001},
        {"first": 3},
    ],
)
def test_competitions_name_the_argument(settings: dict[str, Any]) -> None:
    first, second = sides()
    given = {"first": first, "second": second, "play": play, **settings}
    with pytest.raises(ConfigError, match=f"{next(iter(settings))}.*: expected"):
        Competition(**given)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_random": "a"},
        {"n_random": 1.5},
        {"blocks": "a"},
        {"blocks": 2.0},
        {"blocks": None},
        {"blocks": [["a"]]},
        {"blocks": [[0.5, 1, 2, 3]]},
        {"blocks": [0, 1, 2, 3]},
        {"direction": ["minimize"]},
        {"make": 3},
        {"make": lambda *_: 3},
    ],
)
def test_cooperations_name_the_argument(settings: dict[str, Any]) -> None:
    given = {"make": lambda space, _: DE(space), "blocks": 2, "evaluator": play, **settings}
    with pytest.raises(ConfigError, match=f"{next(iter(settings))}: expected"):
        Cooperation([(-1.0, 1.0)] * 4, **given)
