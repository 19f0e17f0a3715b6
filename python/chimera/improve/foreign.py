"""Text about exceptions from code that Chimera did not write, which may fail even at describing."""

from __future__ import annotations

__all__ = ["describe"]


def describe(error: BaseException) -> str:
    """Return an exception's type and message; a ``__str__`` that raises is reported as such."""
    name = type(error).__name__
    try:
        text = str(error)
    except Exception as second:  # noqa: BLE001
        text = f"(its message cannot be read: __str__ raises {type(second).__name__})"
    return f"{name}: {text}" if text else name
