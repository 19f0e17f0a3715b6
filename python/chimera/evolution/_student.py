"""Quantiles of Student's t distribution, without SciPy.

By bisection on the distribution function, which is a regularised incomplete beta function; that by
its continued fraction (Lentz; Abramowitz and Stegun 26.5.8). Accurate to about 1e-10.
"""

from __future__ import annotations

import functools
import math

__all__ = ["quantile"]


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > tiny else tiny)
    out = d
    for m in range(1, 500):
        for up in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + up * d
            d = 1.0 / (d if abs(d) > tiny else tiny)
            c = 1.0 + up / c
            c = c if abs(c) > tiny else tiny
            out *= c * d
        if abs(c * d - 1.0) < 1e-14:  # noqa: PLR2004 -- double precision
            break
    return out


def _beta(a: float, b: float, x: float) -> float:
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    )
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1.0 - x) / b


def _upper_tail(t: float, df: float) -> float:
    return 0.5 * _beta(df / 2.0, 0.5, df / (df + t * t))


@functools.lru_cache(maxsize=4096)
def quantile(confidence: float, df: int) -> float:
    """Return t such that a share ``confidence`` of the distribution lies within ``-t..t``.

    Args:
        confidence: In (0, 1).
        df: Degrees of freedom, at least 1.

    Example:
        >>> round(quantile(0.95, 10), 6), round(quantile(0.99, 1), 4)
        (2.228139, 63.6567)
    """
    tail = (1.0 - confidence) / 2.0
    low, high = 0.0, 1.0
    while _upper_tail(high, df) > tail:
        low, high = high, high * 2.0
    for _ in range(200):
        middle = 0.5 * (low + high)
        if middle in {low, high}:
            break
        if _upper_tail(middle, df) > tail:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
