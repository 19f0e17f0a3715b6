"""What an evaluation gives back: arrays row by row, and exact counts.

A row whose objective raised, took too long, died or gave no finite number is marked *failed* with a
reason, and the others stand. No algorithm is known here. Invariant of the counts:
``n_evaluations == n_rows + n_retries``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chimera.errors import BatchError
from chimera.evolution.evaluation._checks import check_integer

__all__ = [
    "NOT_FINITE",
    "NOT_USABLE",
    "NOT_VISIBLE",
    "Batch",
    "Counts",
    "Evaluated",
    "Shape",
    "concatenate",
    "copy_row",
    "is_masked",
    "kind_of",
    "n_rows_of",
    "numbers_of",
    "select_rows",
]

Floats: TypeAlias = NDArray[np.float64]
Batch: TypeAlias = NDArray[Any] | Mapping[str, NDArray[Any]]
"""Candidates: an array ``(n, d)``, or one such array per block of a mixed space."""

NOT_FINITE = "that are not finite"
NOT_VISIBLE = "that are masked"
NOT_USABLE = "returned numbers that cannot be used"
_SCALAR = 2
"""Width of a row with one objective: that and an unused violation."""

KEYS = ("objectives", "violations", "descriptors", "cases")


def n_rows_of(batch: Batch) -> int:
    """Count the candidates of a batch.

    Args:
        batch: An array ``(n, d)`` or a mapping of such arrays.

    Raises:
        BatchError: The batch is no such thing.
    """
    if isinstance(batch, Mapping):
        counts = {len(block) if np.ndim(block) else -1 for block in batch.values()}
        if len(counts) != 1 or -1 in counts:
            raise BatchError(
                f"batch: expected blocks of one number of rows, got {sorted(counts) or 'none'}"
            )
        return counts.pop()
    try:
        shape = np.shape(batch)
    except ValueError:  # nested sequences of unequal lengths
        shape = ("ragged",)
    if len(shape) != 2:  # noqa: PLR2004 -- rows and genes
        raise BatchError(f"batch: expected an array (n, d) or a mapping of them, got shape {shape}")
    return int(shape[0])


def select_rows(batch: Batch, rows: Any) -> Batch:
    """Copy or view the named rows of a batch, as NumPy's indexing does.

    Args:
        batch: An array ``(n, d)`` or a mapping of such arrays.
        rows: A slice, or ``(k,) int64`` indices, or ``(n,) bool``.
    """
    if isinstance(batch, Mapping):
        return {name: block[rows] for name, block in batch.items()}
    out: NDArray[Any] = batch[rows]
    return out


def kind_of(reason: str) -> tuple[str, bool]:
    """Return a row's reason of failure without its numbers, and whether the objective answered.

    Args:
        reason: As in `Evaluated.errors`.

    Returns:
        What rows that failed alike have in common; True for numbers that cannot be used, such as
        NaN, and False for exceptions, time limits and answers of another shape.
    """
    for mark in (NOT_FINITE, NOT_VISIBLE, NOT_USABLE):
        before, found, _ = reason.partition(mark)
        if found:
            return before + mark, True
    return reason, False


def copy_row(batch: Batch, row: int) -> Any:
    """Copy one candidate, for an objective that may change it.

    Args:
        batch: An array ``(n, d)`` or a mapping of such arrays.
        row: Its number.

    Returns:
        ``(d,)``, or a mapping of such arrays.
    """
    if isinstance(batch, Mapping):
        return {name: block[row].copy() for name, block in batch.items()}
    return batch[row].copy()


def numbers_of(value: Any, name: str) -> Floats:
    """Read what an objective returned as numbers; masked entries become NaN.

    NumPy would also read text and dates as numbers, forget masks, and drop imaginary parts.

    Args:
        value: Numbers in any form that NumPy takes.
        name: What they are, for messages.

    Raises:
        TypeError: Complex, text, dates or other things.
        ValueError: Nested sequences of unequal lengths.
        OverflowError: Integers beyond float64.
    """
    numbers = np.asarray(value)
    if numbers.dtype == np.float64 and not is_masked(value):
        return numbers
    if numbers.dtype.kind not in "biufO":
        raise TypeError(f"returned {name} of dtype {numbers.dtype}; expected real numbers")
    if numbers.dtype.kind == "O" and any(isinstance(x, str | bytes) for x in numbers.flat):
        raise TypeError(f"returned {name} that hold text; expected real numbers")
    out: Floats = numbers.astype(np.float64)
    if is_masked(value):
        out[np.ma.getmaskarray(value)] = math.nan
    return out


def is_masked(value: Any) -> bool:
    """Tell whether something is an array with a mask."""
    # Importing `numpy.ma` takes a while, and before somebody has there are no masked arrays.
    masked = sys.modules.get("numpy.ma")
    return masked is not None and isinstance(value, masked.MaskedArray)


@dataclass(frozen=True, slots=True)
class Shape:
    """How many numbers one row's evaluation gives."""

    n_objectives: int = 1
    n_descriptors: int = 0
    n_cases: int = 0

    def __post_init__(self) -> None:
        for name, least in (("n_objectives", 1), ("n_descriptors", 0), ("n_cases", 0)):
            check_integer(name, getattr(self, name), least)

    @property
    def width(self) -> int:
        """Numbers of a row: objectives, one violation (NaN for none), descriptors, cases."""
        return self.n_objectives + 1 + self.n_descriptors + self.n_cases

    def write(self, answer: Any, out: Floats) -> None:
        """Read what an objective returned for one row.

        Args:
            answer: A number; a sequence of objectives; or a mapping with ``objectives`` and, where
                used, ``violations`` (one number), ``descriptors`` and ``cases``.
            out: ``(width,) float64``, written.

        Raises:
            ValueError: It does not fit, or holds NaN or infinity.
            TypeError: It holds no real numbers.
            OverflowError: It holds integers beyond float64.
        """
        out[self.n_objectives] = math.nan
        if isinstance(answer, float) and self.width == _SCALAR and math.isfinite(answer):
            out[0] = answer  # what most objectives return, at a third of the price
            return
        if isinstance(answer, Mapping):
            unknown = [str(key) for key in answer if key not in KEYS]
            if unknown:
                raise ValueError(f"returned unknown keys {', '.join(unknown)}; known: {KEYS}")
            self._fill(out, 0, self.n_objectives, answer.get("objectives"), "objectives")
            if (violation := answer.get("violations")) is not None:
                self._fill(out, self.n_objectives, 1, violation, "violations")
                if out[self.n_objectives] < 0:
                    raise ValueError(f"returned a negative violation, {out[self.n_objectives]}")
            start = self.n_objectives + 1
            self._fill(out, start, self.n_descriptors, answer.get("descriptors"), "descriptors")
            start += self.n_descriptors
            self._fill(out, start, self.n_cases, answer.get("cases"), "cases")
            return
        if self.n_descriptors or self.n_cases:
            raise ValueError(
                "returned no mapping; expected {'objectives': ..., 'descriptors': ...} because "
                "descriptors or cases were announced"
            )
        self._fill(out, 0, self.n_objectives, answer, "objectives")

    @staticmethod
    def _fill(out: Floats, start: int, n: int, value: Any, name: str) -> None:
        if value is None:
            if n == 0:
                return
            raise ValueError(f"returned no {name}; expected {n}")
        numbers = numbers_of(value, name).reshape(-1)
        if len(numbers) != n:
            raise ValueError(f"returned {len(numbers)} {name}; expected {n}")
        if not np.isfinite(numbers).all():
            what = NOT_VISIBLE if is_masked(value) else NOT_FINITE
            raise ValueError(f"returned {name} {what}: {numbers.tolist()}")
        out[start : start + n] = numbers


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Scores of a batch, row by row.

    Args:
        objectives: ``(n, m) float64``; NaN in failed rows.
        failed: ``(n,) bool``.
        violations: ``(n,) float64``, 0 where feasible; None without constraints.
        descriptors: ``(n, k) float64`` or None.
        cases: ``(n, c) float64`` or None.
        errors: Reason of each failed row, by row.
        seconds: ``(n,) float64`` spent in the objective, all attempts of the row together.
        n_samples: ``(n,) int64`` evaluations behind each row's mean, for noisy objectives.
        standard_errors: ``(n, m) float64`` of those means; None for exact objectives.
    """

    objectives: Floats
    failed: NDArray[np.bool_]
    violations: Floats | None = None
    descriptors: Floats | None = None
    cases: Floats | None = None
    errors: Mapping[int, str] = field(default_factory=dict)
    seconds: Floats = field(default_factory=lambda: np.zeros(0))
    n_samples: NDArray[np.int64] | None = None
    standard_errors: Floats | None = None

    def __len__(self) -> int:
        return len(self.objectives)

    @classmethod
    def from_table(
        cls, table: Floats, shape: Shape, errors: Mapping[int, str], seconds: Floats
    ) -> Evaluated:
        """Cut a table of rows as `Shape.write` fills them; takes the table over.

        Args:
            table: ``(n, width) float64``.
            shape: What its columns mean.
            errors: Reason of each failed row.
            seconds: ``(n,) float64``.
        """
        failed = np.zeros(len(table), dtype=np.bool_)
        if errors:
            failed[list(errors)] = True
            table[failed] = np.nan
        m, k = shape.n_objectives, shape.n_descriptors
        violations = table[:, m]
        given = ~np.isnan(violations)
        return cls(
            objectives=table[:, :m],
            failed=failed,
            violations=np.where(given, violations, 0.0) if given.any() else None,
            descriptors=table[:, m + 1 : m + 1 + k] if k else None,
            cases=table[:, m + 1 + k :] if shape.n_cases else None,
            errors=dict(sorted(errors.items())),
            seconds=seconds,
        )

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of ``Algorithm.tell`` after the batch, by name."""
        single = self.objectives.shape[1] == 1
        scores = self.objectives[:, 0] if single else self.objectives
        out: dict[str, Any] = {"scores": np.ascontiguousarray(scores)}
        if self.violations is not None:
            out["violations"] = self.violations
        if self.descriptors is not None:
            out["descriptors"] = np.ascontiguousarray(self.descriptors)
        if self.cases is not None:
            out["cases"] = np.ascontiguousarray(self.cases)
        if self.failed.any():
            out["failed"] = self.failed
        return out


def concatenate(parts: Sequence[Evaluated]) -> Evaluated:
    """Join evaluations of consecutive rows.

    Args:
        parts: At least one, of one shape.
    """
    if len(parts) == 1:
        return parts[0]

    def join(name: str) -> Any:
        arrays = [getattr(part, name) for part in parts]
        if all(array is None for array in arrays):
            return None
        if name == "violations":
            pairs = zip(parts, arrays, strict=True)
            arrays = [np.zeros(len(part)) if array is None else array for part, array in pairs]
        return np.concatenate(arrays)

    errors: dict[int, str] = {}
    start = 0
    for part in parts:
        errors.update({start + row: reason for row, reason in part.errors.items()})
        start += len(part)
    names = [item.name for item in fields(Evaluated) if item.name != "errors"]
    return Evaluated(errors=errors, **{name: join(name) for name in names})


@dataclass(slots=True)
class Counts:
    """What evaluation has cost so far; exact.

    Args:
        n_rows: Candidates handed in.
        n_evaluations: Times the objective was started on a candidate.
        n_retries: How many of those were second and later attempts.
        n_failed: Candidates marked failed in the end.
        n_timeouts: Attempts ended by the time limit.
        n_crashes: Attempts that ended their worker process.
        seconds: Time inside the objective, all workers together.
        cost: Price in the unit of `Stage.cost`; 0 where none was named.
    """

    n_rows: int = 0
    n_evaluations: int = 0
    n_retries: int = 0
    n_failed: int = 0
    n_timeouts: int = 0
    n_crashes: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))
