"""The verdict: whether the winner is better on instances that the search has never seen.

Paired differences on the hold-out instances, their mean with a 95 % BCa bootstrap interval, and a
rule that is written to the ledger before the first look. Everything is deterministic: resamples
come from a fixed bit stream and sums are exactly rounded, so the interval is equal everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Final

__all__ = ["RULE", "Verdict", "bca_interval", "judge"]

CONFIDENCE: Final = 0.95
N_RESAMPLES: Final = 10_000
RESAMPLE_SEED: Final = 20_240_229

RULE: Final[dict[str, Any]] = {
    "adopt": "the interval of the mean paired gain lies above zero, no hold-out instance traps, "
    "and CPython repeats a sample of the sandbox's hold-out scores bit for bit",
    "confidence": CONFIDENCE,
    "interval": "BCa bootstrap of the mean paired difference",
    "resamples": N_RESAMPLES,
    "resample_seed": RESAMPLE_SEED,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of the paired comparison.

    Attributes:
        is_adopted: Whether the rule is met.
        reason: Why, in one sentence.
        baseline: Mean score of the original on the hold-out instances.
        best: Mean score of the winner.
        gain: Mean paired gain in score units; positive is better.
        ci95: 95 % interval of the gain.
        effect_size: Mean gain over its standard deviation (Cohen's d for pairs).
        gain_percent: Gain relative to the baseline's mean, in percent; None when that is zero.
        n: Hold-out instances.
    """

    is_adopted: bool
    reason: str
    baseline: float
    best: float
    gain: float
    ci95: tuple[float, float]
    effect_size: float | None
    gain_percent: float | None
    n: int


def mean(values: Sequence[float]) -> float:
    """Return the mean from an exactly rounded sum; NaN when a value is not finite."""
    if not all(map(math.isfinite, values)):
        return math.nan
    scaled, exponent = _scaled(values)
    return math.ldexp(math.fsum(scaled) / len(scaled), exponent)


def _scaled(values: Sequence[float]) -> tuple[list[float], int]:
    """Return values divided by a power of two, at most 1 in magnitude, and its exponent.

    Sums and squares of scaled values neither overflow nor vanish.
    """
    exponent = math.frexp(max(map(abs, values)))[1]
    return [math.ldexp(value, -exponent) for value in values], exponent


def deviation(values: Sequence[float]) -> float:
    """Return the sample standard deviation, 0.0 for fewer than two values."""
    if not values[1:]:
        return 0.0
    scaled, exponent = _scaled(values)
    centre = mean(scaled)
    variance = math.fsum((value - centre) ** 2 for value in scaled) / (len(scaled) - 1)
    return math.ldexp(math.sqrt(variance), exponent)


def bca_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the BCa bootstrap interval of the mean.

    Args:
        differences: ``(n,)`` finite paired differences, n >= 2.

    Returns:
        Lower and upper end at 95 %.

    Source:
        Efron (1987), Better bootstrap confidence intervals, sections 2 and 6.
    """
    if min(differences) == max(differences):
        return float(differences[0]), float(differences[0])
    values, exponent = _scaled([float(value) for value in differences])
    n, centre = len(values), mean(values)
    means = _resampled_means(values)
    n_below = sum(item < centre for item in means) + 0.5 * sum(item == centre for item in means)
    normal = NormalDist()
    bias = normal.inv_cdf(min(max(n_below / len(means), 1e-6), 1.0 - 1e-6))
    total = math.fsum(values)
    jackknife = [(total - value) / (n - 1) for value in values]
    middle = mean(jackknife)
    cubes = math.fsum((middle - item) ** 3 for item in jackknife)
    squares = math.fsum((middle - item) ** 2 for item in jackknife)
    acceleration = cubes / (6.0 * squares**1.5) if squares > 0.0 else 0.0
    ends = []
    for tail in (0.5 - CONFIDENCE / 2.0, 0.5 + CONFIDENCE / 2.0):
        z = bias + normal.inv_cdf(tail)
        level = normal.cdf(bias + z / (1.0 - acceleration * z))
        ends.append(means[min(max(int(level * len(means)), 0), len(means) - 1)])
    return math.ldexp(ends[0], exponent), math.ldexp(ends[1], exponent)


def _resampled_means(values: list[float]) -> list[float]:
    """Return the sorted means of the fixed resamples.

    The raw stream of a bit generator is frozen across NumPy versions; its samplers are not.
    """
    import numpy as np

    n = len(values)
    raw = np.random.PCG64(RESAMPLE_SEED).random_raw(N_RESAMPLES * n)
    rows = (raw % np.uint64(n)).astype(np.int64).reshape(N_RESAMPLES, n).tolist()
    return sorted(math.fsum(map(values.__getitem__, row)) / n for row in rows)


def judge(
    baseline: Sequence[float],
    best: Sequence[float],
    *,
    sign: float,
    failure: str | None = None,
) -> Verdict:
    """Apply the rule to paired hold-out scores.

    Args:
        baseline: ``(n,)`` scores of the original, finite.
        best: ``(n,)`` scores of the winner, NaN where it trapped.
        sign: ``1.0`` when larger is better, ``-1.0`` when smaller is.
        failure: A reason that forbids adoption whatever the numbers say, or None.
    """
    before, after = mean(baseline), mean(best)
    n_failed = sum(not math.isfinite(value) for value in best)
    if n_failed:
        reason = f"the winner gives no score on {n_failed} of {len(best)} unseen instances"
        return Verdict(
            is_adopted=False,
            reason=reason,
            baseline=before,
            best=after,
            gain=math.nan,
            ci95=(math.nan, math.nan),
            effect_size=None,
            gain_percent=None,
            n=len(best),
        )
    gains = [sign * (new - old) for old, new in zip(baseline, best, strict=True)]
    if not all(map(math.isfinite, gains)):
        failure = failure or "the scores are too large to be compared"
        gains = [0.0] * len(gains)
    gain, noise = mean(gains), deviation(gains)
    low, high = bca_interval(gains)
    if failure is not None:
        reason = failure
    elif low > 0.0:
        reason = "the gain on unseen instances is above its noise"
    elif high < 0.0:
        reason = "the winner is worse on unseen instances"
    else:
        reason = "the gain on unseen instances is within its noise"
    return Verdict(
        is_adopted=failure is None and low > 0.0,
        reason=reason,
        baseline=before,
        best=after,
        gain=gain,
        ci95=(low, high),
        effect_size=gain / noise if noise > 0.0 else None,
        gain_percent=100.0 * gain / abs(before) if before != 0.0 else None,
        n=len(best),
    )
