"""One caller at a time, and only in the process where the back end was made.

A fork inherits locks as they are, and nobody there would ever free them: an objective that calls
the pool it runs in must hear so instead of waiting for ever. So the process is asked first.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from chimera.errors import OrderError

__all__ = ["CLOSED", "Turn"]

CLOSED = (
    "evaluate: expected close() after the rows came back, got it while rows were under way; "
    "evaluate again to start anew"
)
"""What a call hears whose back end was closed from outside."""


class Turn:
    """Who may use a back end's processes now."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner = os.getpid()
        self._is_taken = False

    @property
    def is_owner(self) -> bool:
        """Whether this is the process where the back end was made."""
        return os.getpid() == self._owner

    @contextlib.contextmanager
    def take(self, name: str) -> Iterator[None]:
        """Wait for one's turn, and have it within a ``with`` statement.

        Args:
            name: Of the call, for messages.

        Raises:
            OrderError: Another process, or a call within a call.
        """
        if not self.is_owner:
            raise OrderError(
                f"{name}: expected a call in the process that made the back end ({self._owner}), "
                f"got one in process {os.getpid()}; an objective cannot call the back end it "
                "runs in, and a forked process makes one of its own"
            )
        with self._lock:
            if self._is_taken:  # by this thread: a signal handler, say
                raise OrderError(f"{name}: expected the call under way to end first")
            self._is_taken = True
            try:
                yield
            finally:
                self._is_taken = False

    @contextlib.contextmanager
    def end(self) -> Iterator[bool]:
        """Wait until nobody has a turn, to take the back end down.

        Returns:
            Whether to take it down; not in a fork, which owns nothing, nor within a call of the
            same thread, which ends and takes it down itself.
        """
        if not self.is_owner:
            yield False
            return
        with self._lock:
            yield not self._is_taken
