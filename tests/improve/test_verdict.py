import math
import random

import pytest

from chimera.improve.verdict import bca_interval, deviation, judge, mean


def sample(seed: int, n: int, shift: float) -> list[float]:
    rng = random.Random(seed)  # noqa: S311 - test data
    return [rng.gauss(shift, 1.0) for _ in range(n)]


def test_clear_gain_is_adopted_in_both_directions() -> None:
    baseline = sample(1, 64, 5.0)
    better = [
        value - 1.0 + 0.1 * noise for value, noise in zip(baseline, sample(2, 64, 0.0), strict=True)
    ]
    down = judge(baseline, better, sign=-1.0)
    assert down.is_adopted
    assert down.gain == pytest.approx(1.0, abs=0.05)
    assert down.ci95[0] < down.gain < down.ci95[1]
    assert not judge(baseline, better, sign=1.0).is_adopted
    assert "worse" in judge(baseline, better, sign=1.0).reason


def test_noise_is_not_adopted() -> None:
    adopted = sum(
        judge(sample(seed, 32, 0.0), sample(seed + 500, 32, 0.0), sign=1.0).is_adopted
        for seed in range(40)
    )
    assert adopted <= 4


def test_equal_scores_are_not_adopted() -> None:
    verdict = judge([1.0, 2.0] * 8, [1.0, 2.0] * 8, sign=-1.0)
    assert (verdict.is_adopted, verdict.gain, verdict.ci95) == (False, 0.0, (0.0, 0.0))
    assert verdict.effect_size is None


def test_trap_on_one_instance_forbids_adoption() -> None:
    verdict = judge([5.0] * 16, [1.0] * 15 + [math.nan], sign=-1.0)
    assert not verdict.is_adopted
    assert "1 of 16" in verdict.reason
    assert math.isnan(verdict.gain)


def test_named_failure_forbids_adoption() -> None:
    verdict = judge(sample(1, 16, 9.0), sample(2, 16, 0.0), sign=-1.0, failure="CPython differs")
    assert (verdict.is_adopted, verdict.reason) == (False, "CPython differs")


def test_zero_baseline_has_no_percentage() -> None:
    assert judge([0.0] * 8, sample(1, 8, 3.0), sign=1.0).gain_percent is None


def test_interval_is_deterministic_and_near_the_normal_one() -> None:
    values = sample(3, 64, 2.0)
    low, high = bca_interval(values)
    assert (low, high) == bca_interval(list(values))
    half = 1.96 * deviation(values) / 8.0
    assert low == pytest.approx(mean(values) - half, abs=0.06)
    assert high == pytest.approx(mean(values) + half, abs=0.06)


def test_interval_covers_a_skewed_mean() -> None:
    rng = random.Random(11)  # noqa: S311 - test data
    trials = [[rng.expovariate(1.0) for _ in range(40)] for _ in range(60)]
    covered = sum(low <= 1.0 <= high for low, high in map(bca_interval, trials))
    # 95 % of 60 is 57; BCa at n = 40 covers slightly less.
    assert covered >= 51


def test_mean_is_exactly_rounded() -> None:
    assert mean([1e16, 1.0, -1e16, 1.0]) == 0.5
    assert math.isnan(mean([1.0, math.inf]))


@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e170, 1e300])
def test_verdict_holds_at_any_scale(scale: float) -> None:
    baseline = [scale * (2.0 + 0.01 * idx) for idx in range(16)]
    best = [scale * (1.0 + 0.02 * (idx % 3)) for idx in range(16)]
    verdict = judge(baseline, best, sign=-1.0)
    assert verdict.is_adopted
    assert verdict.ci95[0] <= verdict.gain <= verdict.ci95[1]


def test_scores_too_large_to_be_compared_are_not_adopted() -> None:
    verdict = judge([1.7e308] * 8, [-1.7e308 + idx for idx in range(8)], sign=-1.0)
    assert not verdict.is_adopted
    assert "too large" in verdict.reason
