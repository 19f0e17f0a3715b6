"""Noise: draws go where ranks are unclear, the right row wins, and every draw is counted."""

from typing import Any

import numpy as np
import pytest

from chimera.errors import ConfigError, OrderError
from chimera.evolution import PerRow, RandomSearch, Resampling, Vectorized, optimize
from chimera.evolution._student import quantile

MEANS = np.array([0.0, 0.4, 1.0, 1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0])[:, None]


def noisy(seed: int, deviation: float = 0.5) -> PerRow:
    return PerRow(lambda x, rng: float(x[0] + deviation * rng.normal()), rng_seed=seed)


@pytest.mark.parametrize(
    ("confidence", "df", "expected"),
    [  # tables of Student's t
        (0.95, 1, 12.7062047361747),
        (0.95, 2, 4.30265272974946),
        (0.95, 29, 2.04522964213270),
        (0.99, 5, 4.03214298355523),
        (0.999, 100, 3.39049131120150),
        (0.5, 3, 0.764892328404345),
    ],
)
def test_quantiles_agree_with_tables(confidence: float, df: int, expected: float) -> None:
    assert quantile(confidence, df) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("method", ["racing", "ocba"])
def test_the_best_row_wins_for_less_than_uniform_draws_cost(method: Any) -> None:
    n_right, n_draws = 0, 0
    for seed in range(40):
        racing = Resampling(noisy(seed), n_min=4, n_max=100, method=method)
        done = racing.evaluate(MEANS)
        n_right += int(np.argmin(done.objectives[:, 0]) == 0)
        n_draws += int(done.n_samples.sum())  # type: ignore[union-attr]
        assert racing.counts.n_evaluations == done.n_samples.sum()  # type: ignore[union-attr]
    assert n_right >= 38  # confidence 0.95
    assert n_draws < 40 * 10 * 100 / 3


def test_looking_after_every_draw_costs_no_confidence() -> None:
    n_wrong = 0
    for seed in range(200):
        # One row is exact, the other has its mean: whoever finds them different is wrong.
        inner = PerRow(lambda x, rng: float(x[0] * rng.normal()), rng_seed=seed)
        done = Resampling(inner, n_min=4, n_max=40, confidence=0.9).evaluate(np.eye(2)[:, :1])
        n_wrong += int(done.n_samples[0]) < 40  # type: ignore[index]
    assert n_wrong <= 20


def test_clear_ranks_cost_no_more_than_the_least() -> None:
    racing = Resampling(noisy(1, 1e-6), n_min=3, n_max=50)
    done = racing.evaluate(MEANS)
    assert done.n_samples is not None
    assert done.n_samples.tolist() == [3] * 10
    assert racing.counts.n_evaluations == 30
    assert racing.counts.n_rows == 10


def test_equal_rows_stop_at_the_limit() -> None:
    racing = Resampling(noisy(2), n_min=2, n_max=12)
    done = racing.evaluate(np.zeros((3, 1)))
    assert done.n_samples is not None
    assert done.n_samples.max() <= 12
    exact = Resampling(Vectorized(lambda x: x[:, 0]), n_min=2, n_max=1000)
    assert exact.evaluate(np.zeros((3, 1))).n_samples.tolist() == [2, 2, 2]  # type: ignore[union-attr]


def test_the_cut_lies_behind_the_rows_that_are_selected() -> None:
    racing = Resampling(noisy(3), n_min=8, n_max=60, n_select=4)
    done = racing.evaluate(MEANS)
    assert done.n_samples is not None
    # Rows 2 and 3 stand against 4 and 5 there; 0 and 9 are clear.
    assert done.n_samples[[2, 3]].max() > done.n_samples[9] == 8
    assert set(np.argsort(done.objectives[:, 0])[:4].tolist()) == {0, 1, 2, 3}


def test_means_and_errors_are_those_of_the_draws() -> None:
    draws: list[float] = []

    def recorded(x: Any, rng: np.random.Generator) -> dict[str, Any]:
        value = float(rng.normal())
        draws.append(value)
        return {"objectives": [value, 2 * value], "violations": 1.0, "descriptors": [x[0], value]}

    inner = PerRow(recorded, rng_seed=5, n_objectives=2, n_descriptors=2)
    done = Resampling(inner, n_min=7, n_max=7).evaluate(np.ones((1, 1)))
    assert len(draws) == 7
    mean, error = np.mean(draws), np.std(draws, ddof=1) / np.sqrt(7)
    assert done.objectives[0] == pytest.approx([mean, 2 * mean], abs=1e-14)
    assert done.standard_errors is not None
    assert done.standard_errors[0] == pytest.approx([error, 2 * error], abs=1e-14)
    assert done.descriptors is not None
    assert done.descriptors[0] == pytest.approx([1.0, mean], abs=1e-14)
    assert done.violations is not None
    assert done.violations.tolist() == [1.0]


def test_failing_rows_are_marked_and_drawn_no_further() -> None:
    def faulty(x: Any, rng: np.random.Generator) -> float:
        if x[0] == 1.0 and rng.random() < 0.9:
            raise RuntimeError("noise")
        return float(x[0] + rng.normal())

    racing = Resampling(PerRow(faulty, rng_seed=1), n_min=5, n_max=9)
    done = racing.evaluate(np.arange(3.0)[:, None])
    assert list(done.errors) == [1]
    assert "RuntimeError: noise (draw" in done.errors[1]
    assert not done.failed[[0, 2]].any()
    assert racing.counts.n_failed == 1


def test_intervals_cover_the_truth_and_confirmation_undoes_luck() -> None:
    n_covered = 0
    for seed in range(60):
        racing = Resampling(noisy(seed), n_min=8, n_max=40, n_elite=4)
        racing.evaluate(np.zeros((20, 1)))
        lucky = racing.best()
        honest = racing.confirm(n_max=40)
        assert honest.n_samples >= 3
        n_covered += honest.low <= 0.0 <= honest.high
        assert lucky.low < lucky.mean < lucky.high
    assert n_covered >= 48  # 0.95 each, less for the choice among four


def test_maximising_is_minimising_the_negative() -> None:
    up = Resampling(
        PerRow(lambda x, rng: -float(x[0] + 0.5 * rng.normal()), rng_seed=4), direction="maximize"
    ).evaluate(MEANS)
    down = Resampling(noisy(4)).evaluate(MEANS)
    assert np.array_equal(up.objectives, -down.objectives)
    assert np.array_equal(up.n_samples, down.n_samples)  # type: ignore[arg-type]


def test_a_search_finds_the_optimum_under_noise() -> None:
    inner = PerRow(lambda x, rng: float((x**2).sum() + 0.1 * rng.normal()), rng_seed=9)
    racing = Resampling(inner, n_min=3, n_max=20)
    search = RandomSearch([(-1.0, 1.0)] * 2, batch_size=30, seed=3)
    optimize(search, racing, callback=lambda step: step.generation == 10).run()
    best = racing.confirm(n_max=60)
    assert best.mean < 0.15
    assert best.low < float((best.x**2).sum()) < best.high


def test_ranks_follow_the_search_that_the_loop_runs() -> None:
    def draws_of(direction: Any, named: Any = None) -> tuple[Any, Any]:
        sign = 1.0 if direction == "minimize" else -1.0
        inner = PerRow(lambda x, rng: sign * float((x**2).sum() + 0.3 * rng.normal()), rng_seed=5)
        racing = Resampling(inner, n_min=3, n_max=20, direction=named)
        search = RandomSearch([(-1.0, 1.0)] * 2, batch_size=10, seed=3, direction=direction)
        step = next(optimize(search, racing))
        return step.evaluated, racing.best()

    down, lowest = draws_of("minimize")
    up, highest = draws_of("maximize")
    assert np.array_equal(up.n_samples, down.n_samples)  # the race was for the same rows
    assert np.array_equal(up.objectives, -down.objectives)
    assert np.array_equal(highest.x, lowest.x)
    assert highest.mean == up.objectives.max()
    named, _ = draws_of("maximize", "maximize")
    assert np.array_equal(named.n_samples, up.n_samples)
    for direction, opposite in (("maximize", "minimize"), ("minimize", "maximize")):
        with pytest.raises(ConfigError, match=f"expected {direction} as the search"):
            draws_of(direction, opposite)


def test_the_best_rows_of_one_direction_do_not_stay_for_the_other() -> None:
    racing = Resampling(noisy(4))
    racing.evaluate(MEANS)
    racing.follow("maximize")
    with pytest.raises(OrderError):
        racing.best()


@pytest.mark.parametrize(
    "settings",
    [
        {"n_min": 1},
        {"n_min": 5, "n_max": 4},
        {"confidence": 1.0},
        {"n_select": 0},
        {"n_elite": 0},
        {"method": "guess"},
        {"direction": "up"},
    ],
)
def test_settings_outside_their_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Resampling(noisy(1), **settings)


def test_best_before_any_batch_is_refused() -> None:
    racing = Resampling(noisy(1))
    for call in (racing.best, racing.confirm):
        with pytest.raises(OrderError):
            call()
    with pytest.raises(ConfigError, match="back end"):
        Resampling(len)  # type: ignore[arg-type]


def test_rows_whose_mean_is_no_number_fail() -> None:
    draws = {0: [1e308, -1e308], 1: [1.0, 1.0]}
    calls = {0: 0, 1: 0}

    def objective(x: Any) -> float:
        row = int(x[0])
        calls[row] += 1
        return draws[row][calls[row] % 2]

    noisy = Resampling(PerRow(objective), n_min=2, n_max=4)
    done = noisy.evaluate(np.array([[0.0], [1.0]]))
    assert done.failed.tolist() == [True, False]
    assert "not finite" in done.errors[0]
    assert np.isnan(done.objectives[0, 0])
    assert noisy.counts.n_failed == 1
    assert noisy.best().mean == 1.0
