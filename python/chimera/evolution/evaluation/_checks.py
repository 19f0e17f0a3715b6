"""Settings of back ends, checked where they are given: a wrong one must not end every row later.

Nothing here knows a back end. Invariant: what comes back is of the type and within the limits
that the rest of the room counts on.
"""

from __future__ import annotations

import math
import numbers
import operator
import sys
from typing import Any

from chimera.errors import ConfigError

__all__ = [
    "SEED_MAX",
    "TIMEOUT_S_MAX",
    "check_function",
    "check_integer",
    "check_seed",
    "check_timeout",
]

TIMEOUT_S_MAX = 1_000_000.0
"""Longest time limit, about eleven days; the waits of the system end at 2**31 milliseconds."""

SEED_MAX = 2**64 - 1
"""Greatest seed of the streams handed to objectives; half of a Philox key."""


def check_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return a setting that counts something.

    Args:
        name: Of the setting.
        value: What was given.
        least: Smallest value.
        most: Greatest value; None for no limit.

    Raises:
        ConfigError: No integer, or one out of range.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or (most is not None and number > most):
        span = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ConfigError(f"{name}: expected an integer {span}, got {value!r}")
    return number


def check_timeout(value: Any) -> float | None:
    """Return a time limit; infinity means none.

    Raises:
        ConfigError: No number, not above 0, or above `TIMEOUT_S_MAX`.
    """
    if value is None:
        return None
    try:
        seconds = float(value) if isinstance(value, numbers.Real) else math.nan
    except OverflowError:  # an integer beyond float64
        seconds = sys.float_info.max
    if not seconds > 0:
        raise ConfigError(f"timeout_s: expected more than 0 seconds, or None, got {value!r}")
    if math.isinf(seconds):
        return None
    if seconds > TIMEOUT_S_MAX:
        raise ConfigError(
            f"timeout_s: expected at most {TIMEOUT_S_MAX:,.0f} seconds, got {value!r}; None sets "
            "no limit"
        )
    return seconds


def check_seed(value: Any) -> int | None:
    """Return the seed of the streams handed to an objective; None when it takes none.

    Raises:
        ConfigError: No integer, negative, or above `SEED_MAX`.
    """
    return None if value is None else check_integer("rng_seed", value, 0, SEED_MAX)


def check_function(function: Any) -> None:
    """Refuse what cannot be called.

    Raises:
        ConfigError: It cannot.
    """
    if not callable(function):
        raise ConfigError(f"function: expected a callable objective, got {type(function).__name__}")
