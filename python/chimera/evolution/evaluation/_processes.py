"""Worker processes: how they start, and that every one of them ends.

Both sides of it, and no objective: what the parent does to a child, and what a child does first.
Threads make both delicate. A fork inherits every descriptor that is open just then, the ends of
other children's pipes too; and `multiprocessing` reaps the children of all threads whenever
one of them starts another. So starts and burials take turns, nobody counts on an end of file
alone, and a child also asks who its parent is.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import connection, process, util
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

from chimera.errors import ConfigError, EvaluationError
from chimera.evolution.evaluation._base import describe

__all__ = [
    "STRAYS",
    "WATCH_S",
    "at_end",
    "bury",
    "context_of",
    "describe_end",
    "end",
    "has_ended",
    "kill",
    "launch",
    "leave",
    "turns",
]

WATCH_S = 1.0
"""How often parents and children look whether the other still lives, should no pipe tell them."""

STRAYS: list[int] = []
"""Holds something in a process that an objective has forked from its worker; see `leave`."""

_PR_SET_PDEATHSIG = 1
_FIRST = 100

_forking = threading.RLock()
_late: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()


def _renew() -> None:
    """Free the lock in a fork: whoever held it was a thread of the parent."""
    global _forking  # noqa: PLW0603 -- one lock for all pools of a process
    _forking = threading.RLock()
    _late.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


@contextlib.contextmanager
def turns() -> Iterator[None]:
    """Hold the lock under which children start and are buried."""
    try:
        with _forking:
            yield
    finally:
        _catch_up()


def _catch_up() -> None:
    """Do what had to wait, unless somebody has the lock, who will do it then."""
    while _late and _forking.acquire(blocking=False):
        try:
            with contextlib.suppress(IndexError):  # another thread was faster
                callback, arguments = _late.popleft()
                callback(*arguments)
        finally:
            _forking.release()


def _defer(callback: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # The garbage collector runs in a thread that may hold any lock, and whoever forks waits for
    # some of those (of `logging`, of `concurrent.futures`): so it must not wait for a fork.
    _late.append((callback, arguments))
    _catch_up()


def at_end(owner: object, callback: Callable[..., None], *arguments: Any) -> None:
    """Call something when its owner goes, or this process does; not in a fork, which owns nothing.

    At the end of the process `multiprocessing` asks daemons to end and waits for those that do not
    listen; this comes before it.

    Args:
        owner: The object.
        callback: Called under the lock of `turns`, now or when it is free.
        arguments: Of the callback; the owner must not be among them.
    """
    util.Finalize(owner, _defer, args=(callback, arguments), exitpriority=_FIRST)


def context_of(start_method: str | None) -> Any:
    """Return the `multiprocessing` context of a start method; None takes the system's best.

    Raises:
        ConfigError: The system has no such method.
    """
    known = multiprocessing.get_all_start_methods()
    if start_method is None:
        start_method = "fork" if sys.platform == "linux" else "spawn"
    if start_method not in known:
        raise ConfigError(f"start_method: expected one of {', '.join(known)}, got {start_method!r}")
    return multiprocessing.get_context(start_method)


def launch(
    context: Any,
    main: Callable[..., None],
    name: str,
    given: Mapping[str, Any],
    siblings: Sequence[connection.Connection] = (),
) -> tuple[BaseProcess, connection.Connection]:
    """Start a worker.

    Args:
        context: See `context_of`.
        main: What it runs, as ``main(pipe=..., **given)``.
        name: Of the process.
        given: Further arguments.
        siblings: Our ends of other workers' pipes, which a fork should not keep open.

    Returns:
        The process, and our end of its pipe.

    Raises:
        ConfigError: The arguments cannot be sent there.
        EvaluationError: The system or a daemonic parent does not allow another process.
    """
    if multiprocessing.current_process().daemon:
        raise EvaluationError(
            "expected a process that may have children, got a daemonic worker of multiprocessing; "
            "use PerRow or Vectorized without timeout_s there"
        )
    method = context.get_start_method()
    is_fork = method == "fork"
    with turns():
        try:
            ours, theirs = context.Pipe()
        except OSError as error:
            raise EvaluationError(f"expected a pipe to a worker, got {describe(error)}") from error
        child: BaseProcess = context.Process(
            target=_enter,
            name=name,
            daemon=True,
            kwargs={
                "main": main,
                "pipe": theirs,
                "given": dict(given),
                "to_close": [*siblings, ours] if is_fork else [],
                # The parent of a fork server's child is the fork server.
                "owner": None if method == "forkserver" else os.getpid(),
                # The kernel ties a child to the *thread* that made it.
                "is_tied": is_fork and threading.current_thread() is threading.main_thread(),
            },
        )
        try:
            with warnings.catch_warnings():
                # A fork beside threads is safe here: the child runs the objective and nothing else.
                warnings.simplefilter("ignore", DeprecationWarning)
                child.start()
        except BaseException as error:
            ours.close()
            if child.pid is not None:
                kill(child)
            if isinstance(error, OSError):
                raise EvaluationError(
                    f"expected a worker process to start, got {describe(error)}; the system's "
                    "limits on processes, open files and memory apply"
                ) from error
            if isinstance(error, pickle.PicklingError | AttributeError | TypeError):
                raise ConfigError(
                    f"function: expected an objective that can be pickled for start_method="
                    f"{method!r}, got {describe(error)}; define it at the top level of a module, "
                    "or use start_method='fork'"
                ) from error
            raise
        finally:
            theirs.close()
    return child, ours


def _peek(child: BaseProcess) -> bool | None:
    """Tell without reaping whether a child has ended; None when it was reaped already."""
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):  # reaped, or the child of a fork server
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, child.pid or 0, flags) is not None
    return False if child.is_alive() else None


def has_ended(child: BaseProcess) -> bool:
    """Tell whether a child has ended, whatever its pipes say."""
    return _peek(child) is not False


def kill(child: BaseProcess) -> None:
    """Kill a child and what its objective has started, also when it has just ended by itself."""
    # Until a child is reaped nobody else gets its number, nor that of its group.
    if _peek(child) is None:
        return
    pid = child.pid or 0
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
                return
    child.kill()


def end(child: BaseProcess) -> int | None:
    """Kill a child if need be and reap it; return its exit status.

    Returns:
        The status; negative for a signal, None when somebody else has reaped it.
    """
    with turns():
        kill(child)
        child.join()
        return child.exitcode


def bury(child: BaseProcess, pipe: connection.Connection) -> None:
    """End a child and let go of what belongs to it."""
    with turns():
        end(child)
        pipe.close()
        # Somebody else has reaped it: its status is unknown, so `multiprocessing` thinks it lives.
        with contextlib.suppress(ValueError):
            child.close()


def describe_end(code: int | None) -> str:
    """Put an exit status into words."""
    if code is None:
        return "exit status unknown"
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit status {code}"


def _enter(
    *,
    main: Callable[..., None],
    pipe: connection.Connection,
    given: Mapping[str, Any],
    to_close: Sequence[connection.Connection],
    owner: int | None,
    is_tied: bool,
) -> None:
    for other in to_close:
        other.close()
    _settle(owner, is_tied=is_tied)
    if hasattr(os, "register_at_fork"):

        def stray() -> None:
            STRAYS.append(os.getpid())
            pipe.close()

        os.register_at_fork(after_in_child=stray)
    main(pipe=pipe, **given)


def leave(error: BaseException | None = None) -> NoReturn:
    """End a fork of a worker in which the objective returned or raised: the worker answers, not it.

    Args:
        error: What it raised.
    """
    code = getattr(error, "code", 1) if error is not None else 0
    os._exit(code if isinstance(code, int) else int(code is not None))


def _settle(owner: int | None, *, is_tied: bool) -> None:
    """Leave the terminal's process group, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    if is_tied and sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    parent = process.parent_process()
    if parent is not None:
        threading.Thread(target=_watch, args=(parent.sentinel, owner), daemon=True).start()


def _watch(sentinel: int, owner: int | None) -> None:
    # The sentinel is a pipe, and a process forked beside this one may hold its other end open. In
    # a namespace of its own a child cannot see its parent and is told 0.
    while owner is None or os.getppid() in {owner, 0}:
        if connection.wait([sentinel], WATCH_S):
            break
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # with whatever the objective has started
    os._exit(1)
