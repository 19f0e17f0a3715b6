"""What is searched: named blocks of typed, bounded genes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.errors import CapacityError, ConfigError
from chimera.evolution._numbers import ensure_numbers, to_whole

GENES_MAX = 2**26
"""Most genes of a space: as many as the rows under way may have together."""

_KINDS = ("f64", "f32", "integer", "category", "boolean", "permutation")


@dataclass(frozen=True)
class Block:
    """Genes of one kind.

    Args:
        name: Its name; batches of spaces with several blocks are dictionaries by it.
        kind: ``f64``, ``f32``, ``integer``, ``category``, ``boolean`` or ``permutation``.
        lower: Lower bounds, inclusive, ``(n_genes,)`` float64; -inf for none.
        upper: Upper bounds, inclusive, ``(n_genes,)`` float64; inf for none.
    """

    name: str
    kind: str
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(self.lower)

    @property
    def dtype(self) -> str:
        """Type of its genes in a batch: ``float64``, ``float32``, ``int64`` or ``bool``."""
        return {"f64": "float64", "f32": "float32", "boolean": "bool"}.get(self.kind, "int64")

    def row(self, values: ArrayLike, name: str) -> NDArray[Any]:
        """Return values as a row of this block, ``(n_genes,)``.

        Args:
            values: One value per gene.
            name: What they are, for messages.

        Raises:
            ConfigError: Another number of values, or one that the block does not allow.
        """
        given = _numbers(name, values)
        if given.size != self.n_genes:
            raise ConfigError(f"{name}: expected {self.n_genes} values, got shape {given.shape}")
        given = given.reshape(-1)
        low, high = np.array(self.lower), np.array(self.upper)
        is_good = np.isfinite(given) & (low <= given) & (given <= high)
        if self.dtype in {"int64", "bool"}:
            is_good &= given == np.round(given)
        if not is_good.all():
            gene = int(np.flatnonzero(~is_good)[0])
            raise ConfigError(
                f"{name}: expected a value of kind {self.kind} in [{low[gene]}, {high[gene]}], "
                f"got {given[gene]} for gene {gene}"
            )
        if self.kind == "permutation" and len(np.unique(given)) < self.n_genes:
            raise ConfigError(f"{name}: expected a permutation, got {_short(values)}")
        return given.astype(self.dtype)


@dataclass(frozen=True)
class Space:
    """The genes of an individual, in blocks.

    Make one with `real`, `integer`, `category`, `boolean`, `permutation` or `mixed`; every search
    also takes plain bounds instead: a sequence of ``(low, high)`` pairs, or a pair of arrays
    ``(lower, upper)``. Genes are linear: search the exponent of what spans magnitudes, for example
    ``real(-5.0, -1.0)`` and ``10.0 ** x`` in the objective.

    Example:
        >>> from chimera.evolution import boolean, mixed, real
        >>> space = mixed(rates=real([0.0, 0.0], [1.0, 1.0]), flags=boolean(3))
        >>> space.n_genes
        5
    """

    blocks: tuple[Block, ...]

    @property
    def n_genes(self) -> int:
        """Number of genes in all blocks."""
        return sum(block.n_genes for block in self.blocks)

    def to_native(self) -> list[tuple[str, str, list[float], list[float]]]:
        """Return the blocks as the extension reads them."""
        return [(b.name, b.kind, list(b.lower), list(b.upper)) for b in self.blocks]

    @classmethod
    def from_native(
        cls, blocks: Sequence[tuple[str, str, Sequence[float], Sequence[float]]]
    ) -> Space:
        """Return the space of blocks as the extension writes them."""
        return cls(tuple(Block(n, k, tuple(low), tuple(high)) for n, k, low, high in blocks))


Bounds: TypeAlias = Space | Sequence[Sequence[float]] | tuple[ArrayLike, ArrayLike] | NDArray[Any]
"""A space, ``(low, high)`` pairs, or ``(lower, upper)``; see `to_space`."""


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return plain numbers as an array of floats.

    Raises:
        ConfigError: They are none.
    """
    ensure_numbers(name, values)
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{name}: expected numbers, got {_short(values)}") from error


def _block(kind: str, lower: ArrayLike, upper: ArrayLike, n_genes: int | None) -> Space:
    if n_genes is not None:
        n_genes = to_whole("n_genes", n_genes)
    low, high = (np.atleast_1d(_numbers("bounds", side)) for side in (lower, upper))
    n = n_genes or max(low.size, high.size)
    sizes = {1, n}
    if low.ndim != 1 or high.ndim != 1 or n < 1 or not {low.size, high.size} <= sizes:
        count = "" if n_genes is None else f" for {n_genes} genes"
        raise ConfigError(
            f"bounds: expected two numbers or two arrays of one length, one bound per gene, got "
            f"shapes {low.shape} and {high.shape}{count}"
        )
    _ensure_room(n)
    # Of equal bounds one object: lists of many genes are then no larger than arrays of them.
    below, above = (tuple(side.tolist()) * (n if side.size == 1 else 1) for side in (low, high))
    return Space((Block("x", kind, below, above),))


def _ensure_room(n_genes: int) -> None:
    if n_genes > GENES_MAX:
        raise CapacityError(
            f"n_genes: expected at most {GENES_MAX} genes, got {n_genes}; search fewer at a time"
        )


def real(
    lower: ArrayLike, upper: ArrayLike, n_genes: int | None = None, *, dtype: str = "float64"
) -> Space:
    """Return a space of real numbers.

    Args:
        lower: Lower bounds, a number or ``(n_genes,)``; -inf for none.
        upper: Upper bounds, likewise.
        n_genes: Number of genes when both bounds are numbers.
        dtype: ``float64`` or ``float32``.

    Raises:
        ConfigError: No numbers, shapes do not fit, or the dtype is another.
        CapacityError: More genes than a space may have.
    """
    kinds = {"float64": "f64", "float32": "f32"}
    try:
        name = np.dtype(dtype).name
    except (TypeError, ValueError):
        name = repr(dtype)
    if name not in kinds:
        raise ConfigError(f"dtype: expected float64 or float32, got {name}")
    return _block(kinds[name], lower, upper, n_genes)


def integer(lower: ArrayLike, upper: ArrayLike, n_genes: int | None = None) -> Space:
    """Return a space of ordered integers, bounds inclusive."""
    return _block("integer", lower, upper, n_genes)


def category(n_choices: ArrayLike, n_genes: int | None = None) -> Space:
    """Return a space of unordered choices ``0 .. n_choices - 1``, one number or one per gene.

    Rows hold numbers: keep labels in a list of your own, ``labels[row[0]]``.

    Raises:
        ConfigError: No whole numbers of at least 1, or shapes do not fit.
    """
    try:
        counts = _numbers("category", n_choices)
    except ConfigError as error:
        if not _has_texts(n_choices):
            raise
        raise ConfigError(
            f"category: expected the number of choices, got {_short(n_choices)}; write "
            f"category({np.size(n_choices)}) and take labels[row[0]] in the objective"
        ) from error
    if not ((counts >= 1) & (counts == np.round(counts)) & np.isfinite(counts)).all():
        raise ConfigError(
            f"category: expected whole numbers of at least 1 choice, got {_short(n_choices)}"
        )
    return _block("category", 0.0, counts - 1, n_genes)


def boolean(n_genes: int) -> Space:
    """Return a space of booleans."""
    return _block("boolean", 0.0, 1.0, to_whole("n_genes", n_genes))


def permutation(n_genes: int) -> Space:
    """Return the space of permutations of ``0 .. n_genes - 1``."""
    n = to_whole("n_genes", n_genes)
    return _block("permutation", 0.0, float(n - 1), n)


def mixed(parts: Mapping[str, Space] | None = None, /, **named: Space) -> Space:
    """Return a space of several named blocks; batches are dictionaries by these names.

    Raises:
        ConfigError: No part, a part that has several blocks itself, or names that are no texts.
        CapacityError: More genes than a space may have.
    """
    given: Any = {} if parts is None else parts
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise ConfigError(f"mixed: expected spaces by name, got {_short(parts)}")
    blocks = []
    for name, part in {**given, **named}.items():
        if len(getattr(part, "blocks", ())) != 1:
            raise ConfigError(f"{name}: expected a space of one block, got {part!r}")
        block = part.blocks[0]
        blocks.append(Block(name, block.kind, block.lower, block.upper))
    if not blocks:
        raise ConfigError("mixed: expected at least one named block, got none")
    _ensure_room(sum(block.n_genes for block in blocks))
    return Space(tuple(blocks))


def to_space(bounds: Bounds) -> Space:
    """Return the space of whatever a search was given.

    Args:
        bounds: A space; a sequence of ``(low, high)`` pairs, one per gene; an ``(n_genes, 2)``
            array of the same; or ``(lower, upper)``, two arrays of one length. For exactly two
            genes say which: a list of pairs, or ``real(lower, upper)``.

    Raises:
        ConfigError: None of these, or two by two numbers that may mean either.
    """
    if isinstance(bounds, Space):
        return bounds
    if not isinstance(bounds, str):  # no text is one of the forms below
        ensure_numbers("bounds", bounds)
    try:
        array = np.asarray(bounds, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(
            "bounds: expected a Space, (low, high) pairs or two arrays of bounds, "
            f"got {_short(bounds)}"
        ) from error
    if array.shape == (2, 2) and _is_ambiguous(bounds, array):
        pairs = [tuple(pair) for pair in array.tolist()]
        turned = [tuple(pair) for pair in array.T.tolist()]
        raise ConfigError(
            f"bounds: expected to know whether two pairs or two arrays are meant, got "
            f"{_short(bounds)}; write {pairs} for one pair a gene, or {turned} (that is, "
            "real(lower, upper)) for lower and upper bounds"
        )
    if array.ndim == 2 and array.shape[0] > 0 and array.shape[1] == 2:  # noqa: PLR2004
        return real(array[:, 0], array[:, 1])
    if array.ndim == 2 and array.shape[0] == 2:  # noqa: PLR2004
        return real(array[0], array[1])
    raise ConfigError(
        f"bounds: expected (low, high) pairs, one per gene, got an array of shape {array.shape}"
    )


def to_row(space: Space, x: Any) -> Any:
    """Return a point as a row of a space: ``(n_genes,)``, or a dictionary by block.

    Args:
        space: The space.
        x: One value per gene; for several blocks a mapping of such by name.

    Raises:
        ConfigError: It is no point of the space.
    """
    names = [block.name for block in space.blocks]
    if not isinstance(x, Mapping):
        if len(names) > 1:
            raise ConfigError(
                f"x0: expected a dictionary by block ({', '.join(names)}), got {_short(x)}"
            )
        return space.blocks[0].row(x, "x0")
    if set(x) != set(names):
        raise ConfigError(
            f"x0: expected blocks called {', '.join(names)}, got {', '.join(map(str, x))}"
        )
    rows = {block.name: block.row(x[block.name], f"x0[{block.name!r}]") for block in space.blocks}
    return rows if len(names) > 1 else rows[names[0]]


def _is_ambiguous(bounds: Any, array: NDArray[np.float64]) -> bool:
    """Whether two by two numbers may be ``(lower, upper)``: so written, or no gene would move."""
    if isinstance(bounds, tuple) and not all(isinstance(part, tuple) for part in bounds):
        return True
    return bool((array[:, 0] == array[:, 1]).all())


def _has_texts(values: Any) -> bool:
    parts = np.ravel(values) if isinstance(values, str | bytes | np.ndarray) else values
    return isinstance(parts, Iterable) and any(isinstance(part, str | bytes) for part in parts)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004
