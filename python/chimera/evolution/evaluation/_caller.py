"""One function in one process that can be killed: whole batches there, whole answers back.

For vectorised objectives under a time limit. Batches and answers are pickled: a call is worth its
time limit, and one copy is small beside it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from chimera.errors import ConfigError, EvaluationError
from chimera.evolution.evaluation._base import CallTimeoutError, describe
from chimera.evolution.evaluation._crew import kill_process
from chimera.evolution.evaluation._worker import settle

__all__ = ["Caller"]


def _answer(
    pipe: connection.Connection, function: Callable[[Any], Any], *, dies_with_parent: bool
) -> None:
    settle(dies_with_parent=dies_with_parent)
    try:
        while True:
            rows = pickle.loads(pipe.recv_bytes())  # noqa: S301 -- from our own parent
            try:
                answer: tuple[bool, Any] = (True, function(rows))
            except (Exception, SystemExit) as error:  # noqa: BLE001 -- told to the parent
                answer = (False, describe(error))
            try:
                data = pickle.dumps(answer, protocol=5)
            except Exception as error:  # noqa: BLE001 -- an answer of a strange kind
                data = pickle.dumps((False, f"returned what cannot be sent: {describe(error)}"))
            pipe.send_bytes(data)
    except (EOFError, OSError):
        return


class Caller:
    """Calls a function elsewhere, for a limited time.

    Args:
        function: Takes a batch.
        timeout_s: Of one call.
        start_method: ``fork``, ``forkserver`` or ``spawn``; None chooses.
    """

    def __init__(
        self, function: Callable[[Any], Any], *, timeout_s: float, start_method: str | None
    ) -> None:
        if start_method is None:
            start_method = "fork" if sys.platform == "linux" else "spawn"
        self._context = multiprocessing.get_context(start_method)
        self._is_fork = start_method == "fork"
        self._function = function
        self._timeout_s = timeout_s
        self._held: list[tuple[BaseProcess, connection.Connection]] = []
        self._finalizer = weakref.finalize(self, _end, self._held, os.getpid())

    def call(self, rows: Any) -> Any:
        """Return what the function returns.

        Args:
            rows: The batch.

        Raises:
            CallTimeoutError: It took too long and was killed.
            EvaluationError: It raised, or ended its process.
        """
        self.start()
        process, pipe = self._held[0]
        try:
            pipe.send_bytes(pickle.dumps(rows, protocol=5))
            if not pipe.poll(self._timeout_s):
                self.close()
                raise CallTimeoutError(f"took longer than timeout_s={self._timeout_s}")
            is_good, answer = pickle.loads(pipe.recv_bytes())  # noqa: S301 -- from our own worker
        except (EOFError, BrokenPipeError, ConnectionResetError):
            process.join()
            code = process.exitcode
            self.close()
            raise EvaluationError(f"ended its worker process (exit status {code})") from None
        except KeyboardInterrupt:
            self.close()
            raise
        if not is_good:
            raise EvaluationError(answer)
        return answer

    def close(self) -> None:
        """Kill the process."""
        _end(self._held, os.getpid())

    def start(self) -> None:
        """Start the process unless it runs.

        Raises:
            ConfigError: The function cannot be sent to it.
        """
        if self._held:
            return
        ours, theirs = self._context.Pipe()
        is_main = threading.current_thread() is threading.main_thread()
        process = self._context.Process(  # type: ignore[attr-defined]
            target=_answer,
            name="chimera-evaluation",
            daemon=True,
            args=(theirs, self._function),
            kwargs={"dies_with_parent": self._is_fork and is_main},
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            ours.close()
            raise ConfigError(
                f"function: expected an objective that can be pickled, got {describe(error)}"
            ) from error
        finally:
            theirs.close()
        self._held.append((process, ours))


def _end(held: list[tuple[BaseProcess, connection.Connection]], owner: int) -> None:
    if os.getpid() != owner:
        return
    while held:
        process, pipe = held.pop()
        kill_process(process)
        process.join()
        pipe.close()
        process.close()
