"""Checks of numbers from outside that would be taken without a word, or refused without a name.

Masked values, complex numbers, dates, durations, texts and records: NumPy finds a number in each,
but not the one that was meant.
"""

from __future__ import annotations

import operator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ChimeraError, ConfigError

__all__ = ["ensure_numbers", "ensure_whole", "optional_row", "to_number", "to_whole"]

_KINDS: Final = frozenset("biuf")

COUNT_LIMIT: Final = 2**63
"""What counts of evaluations and the like stay below."""


def ensure_whole(name: str, value: Any, limit: int, *, least: int = 0) -> None:
    """Check that a value is an integer from ``least`` to below ``limit``.

    Raises:
        ConfigError: It is not.
    """
    try:
        if least <= operator.index(value) < limit:
            return
    except TypeError:
        pass
    raise ConfigError(f"{name}: expected an integer in [{least}, {limit}), got {value!r}")


def to_whole(name: str, value: Any, *, least: int = 1, limit: int = COUNT_LIMIT) -> int:
    """Return a count as an integer; a whole float counts as one, for people write ``1e5``.

    Raises:
        ConfigError: It is no whole number from ``least`` to below ``limit``.
    """
    is_float = isinstance(value, float | np.floating) and value.is_integer()
    whole = int(value) if is_float else value
    ensure_whole(name, whole, limit, least=least)
    return operator.index(whole)


def to_number(name: str, value: Any) -> float:
    """Return one number as a float; texts and complex numbers are none.

    Raises:
        ConfigError: It is no number.
    """
    try:
        row = optional_row(name, value)
    except ConfigError:
        row = None
    if row is None or np.ndim(value) > 0:
        raise ConfigError(f"{name}: expected a number, got {value!r}")
    return float(row[0])


def ensure_numbers(name: str, values: Any, kind: type[ChimeraError] = ConfigError) -> None:
    """Check that values are plain numbers, or objects of which each may be one.

    Raises:
        ChimeraError: They are not, or some are masked; of the given kind.
    """
    parts = values if isinstance(values, list | tuple) else ()
    if any(map(_hides_values, (values, *parts))):
        raise kind(f"{name}: expected values that are all visible, got masked ones; fill them")
    try:
        array = values if isinstance(values, np.ndarray) else np.asarray(values)
    except (TypeError, ValueError, OverflowError) as error:
        raise kind(f"{name}: expected an array of numbers, got {error}") from error
    code = array.dtype.kind
    is_text = code == "O" and any(isinstance(item, str | bytes) for item in array.flat)
    if code not in _KINDS and (code != "O" or is_text):
        what = "texts" if is_text else f"values of dtype {array.dtype}"
        raise kind(f"{name}: expected numbers, got {what}; convert them first")


def optional_row(name: str, values: Any) -> NDArray[np.float64] | None:
    """Return values as one row ``(n,)``; None stays None.

    Raises:
        ConfigError: They are no numbers.
    """
    if values is None:
        return None
    ensure_numbers(name, values)
    try:
        return np.asarray(values, dtype=np.float64).ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{name}: expected an array of numbers, got {error}") from error


def _hides_values(values: Any) -> bool:
    return isinstance(values, np.ndarray) and bool(np.any(getattr(values, "mask", False)))
