"""One function in one process that can be killed: whole batches there, whole answers back.

For vectorised objectives under a time limit. Batches and answers are pickled: a call is worth its
time limit, and one copy is small beside it. Invariant: a process that was not heard to the end is
never asked again, so an answer always belongs to its question.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from chimera.errors import EvaluationError
from chimera.evolution.evaluation._base import CallFailedError, CallTimeoutError, describe
from chimera.evolution.evaluation._processes import (
    STRAYS,
    at_end,
    bury,
    context_of,
    describe_end,
    end,
    kill,
    launch,
    leave,
    turns,
)
from chimera.evolution.evaluation._turn import CLOSED, Turn

__all__ = ["START_S_MAX", "Caller"]

START_S_MAX = 120.0
"""Longest start of the process, which imports what its objective needs."""

_READY = b"ready"


def _answer(pipe: connection.Connection, function: Callable[[Any], Any]) -> None:
    try:
        pipe.send_bytes(_READY)
        while True:
            rows = pickle.loads(pipe.recv_bytes())  # noqa: S301 -- from our own parent
            try:
                answer: tuple[bool, Any] = (True, function(rows))
            except BaseException as error:  # noqa: BLE001 -- told to the parent
                if STRAYS:
                    leave(error)
                answer = (False, describe(error))
            if STRAYS:
                leave()
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

    Attributes:
        turn: To be taken around `start` and `call`.
    """

    def __init__(
        self, function: Callable[[Any], Any], *, timeout_s: float, start_method: str | None
    ) -> None:
        self.turn = Turn()
        self._context = context_of(start_method)
        self._function = function
        self._timeout_s = timeout_s
        self._is_interrupted = False
        self._held: list[tuple[BaseProcess, connection.Connection]] = []
        at_end(self, _end, self._held)

    def call(self, rows: Any) -> Any:
        """Return what the function returns.

        Args:
            rows: The batch.

        Raises:
            CallTimeoutError: It took too long and was killed.
            CallFailedError: It raised, or ended its process.
            EvaluationError: The process cannot be started, or was closed meanwhile.
        """
        self.start()
        _, pipe = self._held[0]
        try:
            pipe.send_bytes(pickle.dumps(rows, protocol=5))
            data = pipe.recv_bytes() if pipe.poll(self._timeout_s) else None
        except BaseException as error:
            # Also for what a signal handler raises: the answer to come must not be the next one's.
            was_interrupted = self._is_interrupted
            code = self._drop()
            if was_interrupted:
                raise EvaluationError(CLOSED) from None
            if isinstance(error, EOFError | BrokenPipeError | ConnectionResetError):
                raise CallFailedError(f"ended its worker process ({describe_end(code)})") from None
            raise
        if data is None:
            self._drop()
            raise CallTimeoutError(f"took longer than timeout_s={self._timeout_s}")
        is_good, answer = pickle.loads(data)  # noqa: S301 -- from our own worker
        if not is_good:
            raise CallFailedError(answer)
        return answer

    def close(self) -> None:
        """Kill the process; a call under way in another thread ends with an error."""
        if self.turn.is_owner:
            with turns():
                self._is_interrupted = True
                for child, _ in self._held:
                    kill(child)
        with self.turn.end() as is_ours:
            if is_ours:
                self._drop()

    def finish(self) -> None:
        """End one's turn: what a signal handler wanted to close is closed now."""
        if self._is_interrupted:
            self._drop()

    def start(self) -> None:
        """Start the process unless it runs.

        Raises:
            ConfigError: The function cannot be sent to it.
            EvaluationError: It does not start.
        """
        if self._is_interrupted:
            raise EvaluationError(CLOSED)
        if self._held:
            return
        self._held.append(
            launch(self._context, _answer, "chimera-evaluation", given={"function": self._function})
        )
        _, pipe = self._held[0]
        if self._is_interrupted:  # before it could be killed
            raise EvaluationError(CLOSED)
        try:
            is_up = pipe.poll(START_S_MAX) and pipe.recv_bytes() == _READY
        except (EOFError, OSError):
            is_up = False
        except BaseException:
            self._drop()
            raise
        if not is_up:
            code = self._drop()
            raise EvaluationError(
                f"expected a worker process that starts within {START_S_MAX:.0f} s, got one that "
                f"does not ({describe_end(code)}); see its messages on standard error"
            )

    def _drop(self) -> int | None:
        """End the process, and return its exit status."""
        code = end(self._held[0][0]) if self._held else None
        _end(self._held)
        self._is_interrupted = False
        return code


def _end(held: list[tuple[BaseProcess, connection.Connection]]) -> None:
    while held:
        bury(*held.pop())
