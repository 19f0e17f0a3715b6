"""A time limit for Python code that Chimera did not write: workloads and objectives.

The limit raises inside the calling thread between two bytecodes, so an endless Python loop ends;
a call into C code that never returns does not.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["DeadlinePassed", "deadline"]


class DeadlinePassed(BaseException):
    """The time is up; a BaseException, so that ``except Exception`` does not swallow it."""


class _Watch:
    """Raises `DeadlinePassed` in one thread, never after `stop` has returned."""

    def __init__(self, seconds: float) -> None:
        self._lock = threading.Lock()
        self._is_over = False
        self._thread = threading.get_ident()
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def _raise(self, error: type[BaseException] | None) -> None:
        argument = None if error is None else ctypes.py_object(error)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), argument)

    def _fire(self) -> None:
        with self._lock:
            if not self._is_over:
                self._is_over = True
                self._raise(DeadlinePassed)

    def stop(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._is_over = True


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise `DeadlinePassed` in the block when it takes longer than ``seconds``."""
    watch = _Watch(seconds)
    try:
        yield
    finally:
        watch.stop()
