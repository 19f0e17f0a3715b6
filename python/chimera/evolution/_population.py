# ruff: noqa: SLF001 - a population looks into others of its class
"""The population store: candidates as columns.

One array per block of genes and one per property; an individual is a row. It is a value: rows are
selected, sorted and joined into new populations, never changed in place. Taking over arrays copies
nothing, so a population costs what its arrays cost. It does not search; algorithms hand it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chimera.errors import ConfigError, StateError
from chimera.evolution import _columns
from chimera.evolution._columns import NO_PARENT, Column
from chimera.evolution._snapshot import atomic_path, read_columns, to_path, write_columns

__all__ = ["NO_PARENT", "Population"]

_GENOMES: Final = "genomes."
_METADATA: Final = "metadata."


class Population:
    """Candidates as columns, one row an individual.

    Arrays are taken over as read-only views without copying, unless their dtype must change: do
    not write to them afterwards. Columns that were not given are ``None``.

    Args:
        genomes: One array ``(n, d)`` (the block ``"x"``), a mapping from block name to array, a
            structured array ``(n,)`` (a block a field), or texts (programs). Blocks hold float64,
            float32, int64 (integers, categories, permutations) or bool; other numbers are
            converted.
        objectives: ``(n, m) float64``.
        violations: ``(n,) float64``, total constraint violation, 0 where feasible.
        descriptors: ``(n, k) float64``, behaviour.
        failed: ``(n,) bool``, true where evaluation failed.
        ids: ``(n,) uint64``, identities within a run.
        parents: ``(n, p) uint64``, identities of parents; `NO_PARENT` fills the rest.
        operators: ``(n,) uint8``, index into ``operator_names``.
        operator_names: Names of the variation operators.
        generations: ``(n,) int64``, the generation that made each row.
        metadata: Further columns ``(n,)`` by name: numbers, booleans or texts.

    Raises:
        ConfigError: A column has another number of rows, another shape, or no usable type.

    Example:
        >>> population = Population([[1.0, 2.0], [0.0, 0.5]], objectives=[5.0, 0.25])
        >>> population.sort().x
        array([[0. , 0.5],
               [1. , 2. ]])
    """

    __slots__ = ("_columns", "_operator_names")

    def __init__(
        self,
        genomes: ArrayLike | Mapping[str, ArrayLike] | Sequence[str],
        *,
        objectives: ArrayLike | None = None,
        violations: ArrayLike | None = None,
        descriptors: ArrayLike | None = None,
        failed: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        parents: ArrayLike | None = None,
        operators: ArrayLike | None = None,
        operator_names: Sequence[str] = (),
        generations: ArrayLike | None = None,
        metadata: Mapping[str, ArrayLike | Sequence[str]] | None = None,
    ) -> None:
        columns: dict[str, Column] = {}
        n_rows: int | None = None
        for name, values in _columns.blocks(genomes).items():
            key = _GENOMES + name
            columns[key] = _columns.block(f"block {name}", values, n_rows)
            n_rows = len(columns[key])
        if n_rows is None:
            raise ConfigError("genomes: expected at least one block, got none")
        for name, given, dtype in (
            ("objectives", objectives, np.float64),
            ("descriptors", descriptors, np.float64),
            ("parents", parents, np.uint64),
        ):
            if given is not None:
                columns[name] = _columns.matrix(name, given, n_rows, dtype)
        singles: tuple[tuple[str, ArrayLike | None, DTypeLike], ...] = (
            ("violations", violations, np.float64),
            ("failed", failed, np.bool_),
            ("ids", ids, np.uint64),
            ("operators", operators, np.uint8),
            ("generations", generations, np.int64),
        )
        for name, given, kind in singles:
            if given is not None:
                columns[name] = _columns.vector(name, given, n_rows, kind)
        for name, extra in (metadata or {}).items():
            columns[_METADATA + name] = _columns.values(name, extra, n_rows)
        self._columns = columns
        self._operator_names = tuple(operator_names)
        self._check_operators()

    @classmethod
    def _from_columns(cls, columns: Mapping[str, Column], operator_names: Iterable[str]) -> Self:
        """Build from checked columns."""
        self = cls.__new__(cls)
        self._columns = {name: _columns.read_only(column) for name, column in columns.items()}
        self._operator_names = tuple(operator_names)
        return self

    def _check_operators(self) -> None:
        operators, names = self.operators, self._operator_names
        if operators is not None and names and len(operators) and operators.max() >= len(names):
            raise ConfigError(
                f"operators: expected indices below {len(names)}, got {operators.max()}"
            )

    def __len__(self) -> int:
        """Return the number of individuals."""
        return len(next(iter(self._columns.values())))

    def __repr__(self) -> str:
        columns = ", ".join(
            f"{name} {column.dtype if column.dtype.kind != 'O' else 'text'}{column.shape[1:]}"
            for name, column in self._columns.items()
        )
        return f"Population({len(self)} rows: {columns})"

    def __getitem__(self, rows: slice | int | ArrayLike) -> Population:
        """Return rows by slice (views), number, mask or indices (copies).

        Raises:
            IndexError: A row is out of range.
        """
        if isinstance(rows, int | np.integer):
            idx = int(rows) + len(self) * (rows < 0)
            if not 0 <= idx < len(self):
                raise IndexError(f"expected a row below {len(self)}, got {rows}")
            rows = slice(idx, idx + 1)
        elif not isinstance(rows, slice):
            rows = np.asarray(rows)
            if rows.size == 0:
                rows = rows.astype(np.intp)
        return self._from_columns(
            {name: column[rows] for name, column in self._columns.items()}, self._operator_names
        )

    @property
    def genomes(self) -> Mapping[str, Column]:
        """The blocks by name: ``(n, d)`` arrays, or ``(n,)`` texts."""
        return MappingProxyType(self._part(_GENOMES))

    @property
    def x(self) -> Column:
        """The only block of genes.

        Raises:
            ConfigError: There are several; take one from `genomes`.
        """
        blocks = self._part(_GENOMES)
        if len(blocks) > 1:
            raise ConfigError(f"x: expected one block of genes, got {', '.join(blocks)}")
        return next(iter(blocks.values()))

    @property
    def objectives(self) -> NDArray[np.float64] | None:
        """``(n, m) float64``."""
        return self._columns.get("objectives")

    @property
    def violations(self) -> NDArray[np.float64] | None:
        """``(n,) float64``, total constraint violation."""
        return self._columns.get("violations")

    @property
    def descriptors(self) -> NDArray[np.float64] | None:
        """``(n, k) float64``, behaviour."""
        return self._columns.get("descriptors")

    @property
    def failed(self) -> NDArray[np.bool_] | None:
        """``(n,) bool``, where evaluation failed."""
        return self._columns.get("failed")

    @property
    def ids(self) -> NDArray[np.uint64] | None:
        """``(n,) uint64``, identities within a run."""
        return self._columns.get("ids")

    @property
    def parents(self) -> NDArray[np.uint64] | None:
        """``(n, p) uint64``, identities of parents; `NO_PARENT` fills the rest."""
        return self._columns.get("parents")

    @property
    def operators(self) -> NDArray[np.uint8] | None:
        """``(n,) uint8``, index into `operator_names`."""
        return self._columns.get("operators")

    @property
    def operator_names(self) -> tuple[str, ...]:
        """Names of the variation operators."""
        return self._operator_names

    @property
    def generations(self) -> NDArray[np.int64] | None:
        """``(n,) int64``, the generation that made each row."""
        return self._columns.get("generations")

    @property
    def metadata(self) -> Mapping[str, Column]:
        """Further columns ``(n,)`` by name."""
        return MappingProxyType(self._part(_METADATA))

    @property
    def nbytes(self) -> int:
        """Memory of all columns; each distinct text counts once."""
        return sum(map(_columns.n_bytes, self._columns.values()))

    def _part(self, prefix: str) -> dict[str, Column]:
        return {
            name.removeprefix(prefix): column
            for name, column in self._columns.items()
            if name.startswith(prefix)
        }

    def equals(self, other: Population) -> bool:
        """Tell whether all columns are equal, bit for bit in shape, type and value.

        NaN equals NaN.
        """
        return (
            self._operator_names == other._operator_names
            and self._columns.keys() == other._columns.keys()
            and all(
                column.dtype == other._columns[name].dtype
                and np.array_equal(column, other._columns[name], equal_nan=column.dtype.kind == "f")
                for name, column in self._columns.items()
            )
        )

    def order(self, by: str = "objectives", *, descending: bool = False) -> NDArray[np.intp]:
        """Return row numbers in order ``(n,) int64``; equal rows keep theirs.

        Args:
            by: ``objectives``: rows that did not fail first, then least violation, then the
                objectives from the first on. Otherwise any column ``(n,)``, such as ``ids``,
                ``violations``, ``generations``, or the name of a metadata column.
            descending: Greater objectives (or values) first. Failed rows stay last.

        Raises:
            ConfigError: There is no such column.
        """
        if by == "objectives":
            keys = [np.negative(key) if descending else key for key in self._scores().T[::-1]]
            keys += [key for key in (self.violations, self.failed) if key is not None]
            return np.lexsort(keys)
        column = self._columns.get(by, self._columns.get(_METADATA + by))
        if column is None or column.ndim != 1:
            raise ConfigError(f"by: expected objectives or a column (n,), got {by!r}")
        if not descending:
            return np.argsort(column, kind="stable")
        backward = np.argsort(column[::-1], kind="stable")[::-1]
        return (len(self) - 1 - backward).astype(np.intp)

    def _scores(self) -> NDArray[np.float64]:
        if self.objectives is None:
            raise ConfigError("expected a population with objectives, got one without")
        return self.objectives

    def sort(self, by: str = "objectives", *, descending: bool = False) -> Population:
        """Return the rows in order; see `order`.

        Raises:
            ConfigError: There is no such column.
        """
        return self[self.order(by, descending=descending)]

    def best(self, n: int = 1, *, direction: str = "minimize") -> Population:
        """Return the ``n`` best rows by the feasibility rule, best first.

        Source: K. Deb, An efficient constraint handling method for genetic algorithms, 2000.

        Raises:
            ConfigError: There are no objectives, or the direction is unknown.
        """
        if direction not in ("minimize", "maximize"):
            raise ConfigError(f"direction: expected minimize or maximize, got {direction!r}")
        return self[self.order(descending=direction == "maximize")[: max(n, 0)]]

    @classmethod
    def concat(cls, populations: Iterable[Population]) -> Population:
        """Return all rows of several populations in order (one copy).

        Operators are renumbered by name and parents filled up where needed.

        Raises:
            ConfigError: None was given, or they have different columns.
        """
        parts = list(populations)
        if not parts:
            raise ConfigError("populations: expected at least one, got none")
        names = list(parts[0]._columns)
        for part in parts:
            if part._columns.keys() != set(names):
                odd = ", ".join(sorted(part._columns.keys() ^ set(names)))
                raise ConfigError(f"populations: expected equal columns, but not all have {odd}")
        operator_names = tuple(
            dict.fromkeys(name for part in parts for name in part._operator_names)
        )
        columns = {
            name: _columns.concat_columns(name, [part._columns[name] for part in parts])
            for name in names
            if name not in ("parents", "operators")
        }
        if "parents" in names:
            columns["parents"] = _filled([part._columns["parents"] for part in parts])
        if "operators" in names:
            columns["operators"] = np.concatenate(
                [_renumbered(part, operator_names) for part in parts]
            )
        return cls._from_columns({name: columns[name] for name in names}, operator_names)

    def snapshot(self, path: str | Path) -> None:
        """Write everything to a file, atomically.

        Either all of it stands there afterwards, or what stood there before.

        Raises:
            ConfigError: The path names no file.
            StorageError: It cannot be written.
        """
        write_columns(to_path(path), self._columns, {"operator_names": self._operator_names})

    @classmethod
    def restore(cls, path: str | Path) -> Population:
        """Read what `snapshot` wrote.

        Raises:
            ConfigError: The path names no file.
            StateError: The file is no snapshot, cut short, damaged, or of another version.
            StorageError: It cannot be read; a `MissingFileError` when there is none.
        """
        columns, extra = read_columns(to_path(path))
        return cls._from_stored(columns, extra, str(path))

    @classmethod
    def _from_stored(
        cls, columns: Mapping[str, Column], extra: Mapping[str, Any], place: str
    ) -> Population:
        """Build from columns that come from outside, checking them as the constructor does."""

        def part(prefix: str) -> dict[str, Column]:
            return {
                name.removeprefix(prefix): column
                for name, column in columns.items()
                if name.startswith(prefix)
            }

        plain = {name: column for name, column in columns.items() if "." not in name}
        try:
            return cls(
                part(_GENOMES),
                metadata=part(_METADATA),
                operator_names=tuple(map(str, extra.get("operator_names", ()))),
                **plain,
            )
        except (ConfigError, TypeError) as error:
            raise StateError(
                f"expected the columns of a population, got {error} ({place})"
            ) from error

    def __arrow_c_schema__(self) -> object:
        """Return the schema of `__arrow_c_array__` as a capsule."""
        from chimera.evolution import _arrow

        return _arrow.export(self._columns, self._operator_names)[0]

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Return schema and one record batch as capsules of the Arrow C data interface.

        Numbers are shared, not copied; booleans are packed to bits and texts to UTF-8. Matrices
        become fixed-size lists. pyarrow, polars, duckdb and others read a population this way
        (``pyarrow.table(population)``, ``polars.DataFrame(population)``).

        Source: Arrow PyCapsule interface.
        """
        from chimera.evolution import _arrow

        return _arrow.export(self._columns, self._operator_names)

    def to_arrow(self) -> Any:
        """Return a ``pyarrow.Table`` that shares the numbers.

        Raises:
            MissingExtraError: pyarrow is not installed (``chimera-engine[arrow]``).
        """
        from chimera.evolution import _parquet

        return _parquet.to_table(self)

    @classmethod
    def from_arrow(cls, table: Any) -> Population:
        """Build from a table that `to_arrow` made.

        Raises:
            StateError: Its columns are not those of a population.
            MissingExtraError: pyarrow is not installed.
        """
        from chimera.evolution import _parquet

        return cls._from_stored(*_parquet.from_table(table), "arrow table")

    def to_parquet(self, path: str | Path) -> None:
        """Write a Parquet file, atomically.

        Raises:
            ConfigError: The path names no file.
            StorageError: It cannot be written.
            MissingExtraError: pyarrow is not installed.
        """
        from chimera.evolution import _parquet

        with atomic_path(to_path(path)) as spare:
            _parquet.write(self, spare)

    @classmethod
    def from_parquet(cls, path: str | Path) -> Population:
        """Read what `to_parquet` wrote.

        Raises:
            ConfigError: The path names no file.
            StateError: The file is damaged or holds no population.
            StorageError: It cannot be read; a `MissingFileError` when there is none.
            MissingExtraError: pyarrow is not installed.
        """
        from chimera.evolution import _parquet

        return cls._from_stored(*_parquet.read(to_path(path)), str(path))


def _filled(parts: Sequence[Column]) -> Column:
    """Join columns of parents, the narrow ones filled up."""
    width = max(part.shape[1] for part in parts)
    out = np.full((sum(map(len, parts)), width), NO_PARENT, dtype=np.uint64)
    start = 0
    for part in parts:
        out[start : start + len(part), : part.shape[1]] = part
        start += len(part)
    return out


def _renumbered(part: Population, names: Sequence[str]) -> NDArray[np.uint8]:
    operators = part._columns["operators"]
    if part.operator_names == tuple(names[: len(part.operator_names)]):
        return operators
    places = np.array([names.index(name) for name in part.operator_names], dtype=np.uint8)
    return places[operators]
