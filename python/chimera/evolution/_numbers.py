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

__all__ = ["ensure_numbers", "ensure_whole", "optional_row"]

_KINDS: Final = frozenset("biuf")


def ensure_whole(name: str, value: Any, limit: int) -> None:
    """Check that a value is an integer from 0 to below ``limit``.

    Raises:
        ConfigError: It is not.
    """
    try:
        if 0 <= operator.index(value) < limit:
            return
    except TypeError:
        pass
    raise ConfigError(f"{name}: expected an integer in [0, {limit}), got {value!r}")


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
