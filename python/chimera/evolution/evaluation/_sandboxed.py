"""Objectives written in the Python subset, compiled and run inside the WebAssembly sandbox.

Deterministic: fuel and memory end a call, not the clock, so equal programs and rows give equal
marks on any machine. Nothing that the objective does can reach the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chimera._chimera.execution import Engine, Instances
from chimera._chimera.programs import Program
from chimera.errors import BatchError, ConfigError
from chimera.evolution.evaluation._base import Base
from chimera.evolution.evaluation._result import Batch, Evaluated, n_rows_of

__all__ = ["FUEL_MAX", "MEMORY_BYTES_MAX", "Sandboxed"]

FUEL_MAX = 100_000_000
"""Work of one call; roughly one unit per executed statement."""

MEMORY_BYTES_MAX = 64 << 20
"""Linear memory of one call."""

_TIMEOUT_MS = 600_000
_DEADLINE = 3


class Sandboxed(Base):
    """Score rows by a program in the sandbox.

    The entry function takes the genes as a list (``list[float]``, ``list[int]`` or ``list[bool]``;
    one parameter per block, by name, for mixed spaces) and then whatever ``data`` gives. It returns
    one number. A trap, spent fuel or spent memory marks the row.

    Args:
        program: Source text in the Python subset, or a parsed `Program`.
        entry: Function that scores a row; several for several objectives, in order.
        violation: Function whose result is the row's constraint violation.
        descriptors: Functions that give the behaviour descriptors.
        data: Further arguments by parameter name, the same in every call.
        fuel: Work allowed to one call.
        memory_bytes_max: Memory allowed to one call.
        threads: Calls at a time; 0 for one per core. The result does not depend on it.

    Raises:
        SourceError: The text leaves the subset.
        ConfigError: A function is missing, or its signature does not fit.

    Example:
        >>> import numpy as np
        >>> source = '''
        ... def score(x: list[float]) -> float:
        ...     return 1.0 / x[0]
        ... '''
        >>> sandbox = Sandboxed(source, "score", threads=1)
        >>> done = sandbox.evaluate(np.array([[4.0], [0.0]]))
        >>> done.objectives.tolist(), sorted(done.errors)
        ([[0.25], [nan]], [1])
    """

    def __init__(
        self,
        program: str | Program,
        entry: str | Sequence[str],
        *,
        violation: str | None = None,
        descriptors: Sequence[str] = (),
        data: Mapping[str, Any] | None = None,
        fuel: int = FUEL_MAX,
        memory_bytes_max: int = MEMORY_BYTES_MAX,
        threads: int = 0,
    ) -> None:
        entries = [entry] if isinstance(entry, str) else list(entry)
        super().__init__(n_objectives=len(entries), n_descriptors=len(descriptors))
        if fuel < 1:
            raise ConfigError(f"fuel: expected at least 1, got {fuel}")
        self._violation = violation
        # In the order of the result table: objectives, violation, descriptors.
        self._functions = [*entries, *([violation] if violation is not None else []), *descriptors]
        roots = list(dict.fromkeys(self._functions))
        if isinstance(program, str):
            program = Program.parse(program, roots=roots, file="<objective>")
        self._program = program
        self._data = dict(data or {})
        self._parameters: list[str] = []
        for name in roots:
            self._check(name)
        self._engine = Engine(
            threads=threads,
            memory_bytes_max=memory_bytes_max,
            fuel_max=fuel,
            timeout_ms=_TIMEOUT_MS,
        )
        self._n_fuel = 0

    @property
    def n_fuel(self) -> int:
        """Work done so far; deterministic."""
        return self._n_fuel

    def evaluate(self, batch: Batch) -> Evaluated:
        """Score every row.

        Args:
            batch: ``(n, d)`` candidates, or a mapping of such arrays; copied into the sandbox.

        Raises:
            ArgumentError: Genes of another type than the function's parameter.
            BatchError: Blocks without a parameter of that name.
        """
        n = n_rows_of(batch)
        table = np.full((n, self._shape.width), np.nan)
        seconds = np.zeros(n)
        errors: dict[int, str] = {}
        instances: Instances | None = None
        n_objectives = self._shape.n_objectives
        for idx, name in enumerate(self._functions if n else ()):
            if instances is None:
                instances = Instances(self._program, name, self._rows(batch, n))
            done = self._engine.evaluate([self._program], name, instances)
            has_slot = self._violation is not None or idx < n_objectives
            table[:, idx if has_slot else idx + 1] = done.scores
            seconds += done.ns / 1e9
            self._n_fuel += int(done.fuel.sum())
            self._counts.n_timeouts += int((done.status == _DEADLINE).sum())
            for row in np.flatnonzero(done.status).tolist():
                errors.setdefault(row, f"{name}: {done.reasons[row]}")
            for row in np.flatnonzero(~np.isfinite(done.scores)).tolist():
                errors.setdefault(row, f"{name}: returned {done.scores[row]}")
        if self._violation is not None:
            for row in np.flatnonzero(table[:, n_objectives] < 0).tolist():
                value = table[row, n_objectives]
                errors.setdefault(row, f"{self._violation}: returned {value}, expected 0 or more")
        self._counts.n_rows += n
        self._counts.n_evaluations += n
        self._counts.n_failed += len(errors)
        self._counts.seconds += float(seconds.sum())
        return Evaluated.from_table(table, self._shape, errors, seconds)

    def _rows(self, batch: Batch, n: int) -> list[tuple[Any, ...]]:
        if isinstance(batch, Mapping):
            blocks = {name: block.tolist() for name, block in batch.items()}
        else:
            blocks = {self._parameters[0]: np.asarray(batch).tolist()}
        unknown = [name for name in self._parameters if name not in blocks | self._data]
        extra = [name for name in blocks if name not in self._parameters]
        if unknown or extra:
            raise BatchError(
                f"batch: expected blocks for the parameters {', '.join(self._parameters)}, "
                f"got {', '.join(blocks)} and data {', '.join(self._data) or 'none'}"
            )
        columns = [
            blocks[name] if name in blocks else [self._data[name]] * n for name in self._parameters
        ]
        return list(zip(*columns, strict=True))

    def _check(self, name: str) -> None:
        signature = self._program.signature(name)
        if signature is None:
            known = ", ".join(self._program.functions)
            raise ConfigError(f"entry: expected one of {known}, got {name!r}")
        parameters = [parameter for parameter, _ in signature[0]]
        if not parameters or (self._parameters and parameters != self._parameters):
            expected = ", ".join(self._parameters) or "the genes and data"
            raise ConfigError(
                f"{name}: expected the parameters ({expected}), got ({', '.join(parameters)})"
            )
        missing = [key for key in self._data if key not in parameters]
        if missing:
            raise ConfigError(
                f"data: expected names among {', '.join(parameters)}, got {', '.join(missing)}"
            )
        self._parameters = parameters
