"""Running the task under CPython: recording probes, and checking programs against the sandbox.

Contract C1 is checked here on real data: a compiled function must return exactly what CPython
returns. Scores are compared by their bits, except that every NaN equals every other.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from chimera.errors import ObjectiveError
from chimera.improve.deadline import DeadlinePassed, deadline
from chimera.improve.foreign import describe
from chimera.improve.task import Task

__all__ = ["PythonScore", "Recording", "Reservoir", "is_same_float", "python_score", "record"]


def is_same_float(left: float, right: float) -> bool:
    """Whether two floats have equal bits, taking all NaNs as equal."""
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return struct.pack("<d", left) == struct.pack("<d", right)


class Reservoir:
    """A uniform sample of a stream of unknown length, the same for the same seed.

    Args:
        size: Items kept at most.
        seed: Seed of the sample.

    Complexity:
        O(size · log(n / size)) random numbers for n items.

    Source:
        Li (1994), Reservoir-sampling algorithms of time complexity O(n(1 + log(N/n))), algorithm L.
    """

    def __init__(self, size: int, seed: int) -> None:
        self.items: list[tuple[Any, ...]] = []
        self._size = size
        self._rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
        self._weight = 1.0
        self._n_seen = 0
        self._next = 0

    def _advance(self) -> None:
        self._weight *= math.exp(math.log(1.0 - self._rng.random()) / self._size)
        skip = math.log(1.0 - self._rng.random()) / math.log1p(-min(self._weight, 1.0 - 2.0**-53))
        self._next += math.floor(skip) + 1

    def add(self, item: tuple[Any, ...]) -> None:
        """Offer one item."""
        if self._n_seen == self._next:
            if self._n_seen < self._size:
                self.items.append(item)
                self._next += 1
                if self._next == self._size:
                    self._next -= 1
                    self._advance()
            else:
                self.items[self._rng.randrange(self._size)] = item
                self._advance()
        self._n_seen += 1


@dataclass(frozen=True, slots=True)
class PythonScore:
    """What CPython made of one objective call.

    Attributes:
        value: The score, or None when it failed.
        reason: Why it failed.
    """

    value: float | None
    reason: str | None = None


def python_score(
    objective: Callable[..., Any], arguments: tuple[Any, ...], *, timeout_s: float
) -> PythonScore:
    """Call an objective under CPython with a time limit.

    Args:
        objective: The function.
        arguments: Fresh arguments; the callee may change them.
        timeout_s: Limit in seconds.
    """
    try:
        with deadline(timeout_s):
            value = objective(*arguments)
    except DeadlinePassed:
        return PythonScore(None, f"took longer than {timeout_s:g} s under CPython")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001
        return PythonScore(None, describe(error))
    if type(value) is int:  # an int is accepted where a float is declared, as annotations say
        try:
            value = float(value)
        except OverflowError as error:
            return PythonScore(None, describe(error))
    if type(value) is not float:
        return PythonScore(None, f"returned {type(value).__name__} instead of float")
    return PythonScore(value)


@dataclass(frozen=True, slots=True)
class Recording:
    """What one run of the objective under CPython showed.

    Attributes:
        score: CPython's score.
        probes: Per evolvable function, a sample of the scalar argument tuples it was called with.
    """

    score: float
    probes: dict[str, list[tuple[Any, ...]]]


def record(
    task: Task, arguments: tuple[Any, ...], *, n_probes: int, seed: int, timeout_s: float
) -> Recording:
    """Run the unmodified task once and record how its evolvable functions are called.

    Args:
        task: The task.
        arguments: One instance's arguments, fresh.
        n_probes: Argument tuples kept per function.
        seed: Seed of the sample.
        timeout_s: Limit in seconds.

    Raises:
        ObjectiveError: If the objective fails under CPython.
    """
    reservoirs = {name: Reservoir(n_probes, seed + idx) for idx, name in enumerate(task.evolvable)}
    with _wrapped(task.module, reservoirs), task.importable():
        score = python_score(getattr(task.module, task.objective), arguments, timeout_s=timeout_s)
    if score.value is None:
        raise ObjectiveError(
            f"expected {task.objective} to return a float under CPython, got: {score.reason}; "
            f"correct the task or make the instances smaller ({task.path})"
        )
    return Recording(score.value, {name: item.items for name, item in reservoirs.items()})


class _wrapped:  # noqa: N801
    """Replaces functions in a module by recording ones during the block."""

    def __init__(self, module: ModuleType, reservoirs: dict[str, Reservoir]) -> None:
        self._namespace = module.__dict__
        self._originals: dict[str, FunctionType] = {
            name: self._namespace[name] for name in reservoirs
        }
        self._reservoirs = reservoirs

    def __enter__(self) -> None:
        for name, function in self._originals.items():
            self._namespace[name] = _recorder(function, self._reservoirs[name])

    def __exit__(self, *_: object) -> None:
        self._namespace.update(self._originals)


def _recorder(function: FunctionType, reservoir: Reservoir) -> Callable[..., Any]:
    scalar = frozenset((bool, int, float))
    order = function.__code__.co_varnames[: function.__code__.co_argcount]

    def recorded(*arguments: Any, **named: Any) -> Any:
        values = arguments
        if named:
            values = arguments + tuple(
                named[name] for name in order[len(arguments) :] if name in named
            )
        if scalar.issuperset(map(type, values)) and len(values) == len(order):
            reservoir.add(values)
        return function(*arguments, **named)

    return recorded


def mismatches(python: Sequence[PythonScore], sandbox: Sequence[float]) -> list[tuple[int, str]]:
    """Return where CPython and the sandbox disagree: position and what came.

    Args:
        python: ``(n,)`` CPython's scores.
        sandbox: ``(n,)`` the sandbox's scores.
    """
    found: list[tuple[int, str]] = []
    for idx, (left, right) in enumerate(zip(python, sandbox, strict=True)):
        if left.value is None:
            found.append((idx, f"CPython: {left.reason}; sandbox: {right!r}"))
        elif not is_same_float(left.value, right):
            found.append((idx, f"CPython: {left.value!r}; sandbox: {right!r}"))
    return found
