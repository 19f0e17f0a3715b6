"""Settings of a run: their defaults, their limits, and how text becomes one.

Values come from arguments first, then ``CHIMERA_*`` environment variables, then the defaults
below. Nothing here touches the file system.
"""

from __future__ import annotations

import math
import numbers
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chimera.errors import ConfigError

__all__ = [
    "PROJECT_DIRECTORY",
    "VERSION",
    "Budget",
    "Settings",
    "parse_duration",
    "resolve_project",
]

VERSION: Final = "0.1.0"
PROJECT_DIRECTORY: Final = ".chimera"
BUDGET_DEFAULT: Final = "60s"
BUDGET_SECONDS_MAX: Final = 30 * 86_400.0
EVALUATIONS_MAX: Final = 10**12
INSTANCES_MAX: Final = 4_096
HOLDOUT_MIN: Final = 8
THREADS_MAX: Final = 1_024
SEED_MAX: Final = 2**63 - 1

_UNITS: Final = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|d|h|m|s)\s*")


def parse_duration(text: str | float) -> float:
    """Return a duration in seconds.

    Args:
        text: ``60s``, ``5m``, ``1h30m``, ``250ms``, or a plain number of seconds.

    Raises:
        ConfigError: If the text is no duration, or not above zero.

    Example:
        >>> parse_duration("1h30m")
        5400.0
    """
    given: object = text
    if isinstance(given, str):
        seconds = _duration_of(given.strip().lower())
    elif not isinstance(given, bool) and isinstance(given, numbers.Real):
        seconds = _float_of(given)
    else:
        raise ConfigError(
            f"expected a duration as text or a number of seconds, got {type(text).__name__} "
            f"{text!r}; write for example '60s'"
        )
    if not math.isfinite(seconds) or not 0.0 < seconds <= BUDGET_SECONDS_MAX:
        raise ConfigError(
            f"expected a budget above zero and at most 30 days, got {text!r}; "
            "write for example --budget 60s"
        )
    return seconds


def _float_of(value: numbers.Real) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _duration_of(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        pass
    seconds, position = 0.0, 0
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            break
        seconds += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    if position == 0 or position < len(text):
        raise ConfigError(
            f"expected a duration such as 60s, 5m or 1h30m, got {text!r}; "
            "give a number and a unit (ms, s, m, h, d)"
        )
    return seconds


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may spend: wall-clock seconds or objective evaluations, never both.

    Attributes:
        seconds: Wall-clock limit, or None.
        evaluations: Limit on objective calls on one instance each, or None.
    """

    seconds: float | None = None
    evaluations: int | None = None

    @classmethod
    def of(cls, budget: str | float | None, evaluations: int | None) -> Budget:
        """Build a budget from the two arguments that users give.

        Raises:
            ConfigError: If both are given, or either is out of range.
        """
        if evaluations is None:
            return cls(seconds=parse_duration(BUDGET_DEFAULT if budget is None else budget))
        if budget is not None:
            raise ConfigError(
                f"expected one budget, got both time ({budget!r}) and evaluations "
                f"({evaluations}); give only one of --budget and --evaluations"
            )
        _check_range("evaluations", evaluations, 1, EVALUATIONS_MAX)
        return cls(evaluations=evaluations)

    def __str__(self) -> str:
        """Return the budget as a person would write it."""
        if self.evaluations is not None:
            return f"{self.evaluations} evaluations"
        return f"{self.seconds:g}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that decides the course of a run, besides the task file.

    Attributes:
        budget: What the run may spend.
        seed: Seed of every random stream, ``0 .. 2**63 - 1``.
        threads: Worker threads, 0 for all cores; never changes a result.
        n_train: Training instances.
        n_holdout: Unseen instances, for the verdict only.
        checkpoint_s: Seconds between checkpoints.
        workload_timeout_s: Limit for one workload call.
        python_timeout_s: Limit for one objective call under CPython.
        n_probes: Recorded argument tuples per evolvable function.
        n_checks: Hold-out instances on which the winner must agree with CPython.
    """

    budget: Budget = field(default_factory=lambda: Budget.of(None, None))
    seed: int = 0
    threads: int = 0
    n_train: int = 128
    n_holdout: int = 64
    checkpoint_s: float = 1.0
    workload_timeout_s: float = 60.0
    python_timeout_s: float = 120.0
    n_probes: int = 64
    n_checks: int = 3

    def __post_init__(self) -> None:
        """Check every range."""
        _check_range("seed", self.seed, 0, SEED_MAX)
        _check_range("threads", self.threads, 0, THREADS_MAX)
        _check_range("train", self.n_train, 1, INSTANCES_MAX)
        _check_range("holdout", self.n_holdout, HOLDOUT_MIN, INSTANCES_MAX)
        _check_range("probes", self.n_probes, 1, INSTANCES_MAX)
        _check_range("checks", self.n_checks, 1, INSTANCES_MAX)
        for name in ("checkpoint_s", "workload_timeout_s", "python_timeout_s"):
            if not getattr(self, name) >= 0.0:
                raise ConfigError(f"expected {name} >= 0, got {getattr(self, name)!r}")


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(
            f"expected {name} to be a whole number from {low} to {high}, got {value!r}"
        )


def resolve_project(
    project: str | Path | None,
    task: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Path:
    """Return the project folder: the argument, ``CHIMERA_PROJECT``, or ``.chimera``.

    Args:
        project: The folder that the user named, or None.
        task: A task file; the default folder lies beside it.
        environment: Environment variables, by default the process's.

    Raises:
        ConfigError: If the argument is no path, or an empty one.
    """
    given: object = project
    if given is not None and (not isinstance(given, str | Path) or not str(given)):
        raise ConfigError(
            f"expected the project folder as text or pathlib.Path, got {project!r}; name a folder "
            "or leave it out"
        )
    variables: Mapping[str, str] = os.environ if environment is None else environment
    chosen = project or variables.get("CHIMERA_PROJECT")
    if chosen:
        return Path(chosen).expanduser().absolute()
    base = Path.cwd() if task is None else task.absolute().parent
    return base / PROJECT_DIRECTORY


def environment_int(name: str, default: int, environment: Mapping[str, str] | None = None) -> int:
    """Return ``CHIMERA_<NAME>`` as a whole number, or the default.

    Raises:
        ConfigError: If the variable is set to something else.
    """
    variables = os.environ if environment is None else environment
    text = variables.get(f"CHIMERA_{name.upper()}")
    if text is None or not text.strip():
        return default
    try:
        return int(text)
    except ValueError:
        raise ConfigError(
            f"expected a whole number in the environment variable CHIMERA_{name.upper()}, "
            f"got {text!r}"
        ) from None
