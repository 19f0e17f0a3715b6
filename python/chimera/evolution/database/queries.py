"""Questions to a genome database: best rows, ancestors, descendants, credit of operators."""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chimera.errors import ConfigError, StorageError
from chimera.evolution._columns import NO_PARENT
from chimera.evolution._population import Population
from chimera.evolution.database.backend import Backend, Rows
from chimera.evolution.database.rows import Layout

__all__ = [
    "RELATIVES_MAX",
    "OperatorCredit",
    "RunRecord",
    "best",
    "credit",
    "individuals",
    "one_run",
    "progress",
    "relatives",
    "runs",
]

RELATIVES_MAX: Final = 100_000
"""Rows that `relatives` returns unless told otherwise."""

_COLUMNS: Final = (
    "i.id, i.generation, i.operator, i.failed, i.violation, i.objective, i.objectives, "
    "i.descriptors, i.genome, i.program"
)


@dataclass(frozen=True)
class RunRecord:
    """One run as stored.

    Attributes:
        id: Its number in the database.
        algorithm: Name of the method.
        settings: What it was given.
        seed: Seed of its random streams.
        space: Its blocks: ``name``, ``kind``, ``n_genes``, ``lower``, ``upper`` (null: none).
        direction: ``minimize`` or ``maximize``, of the first objective.
        created: When it was registered, seconds since 1970.
        version: Version of Chimera that wrote it.
        finished: When it ended; None while it runs or after it was killed.
        stop_reason: Why it ended.
        n_generations: Generations stored.
        n_evaluations: Rows told.
        best: Best objective among feasible rows.
    """

    id: int
    algorithm: str
    settings: Mapping[str, Any]
    seed: int
    space: Sequence[Mapping[str, Any]]
    direction: str
    created: float
    version: str
    finished: float | None
    stop_reason: str | None
    n_generations: int
    n_evaluations: int
    best: float | None


@dataclass(frozen=True)
class OperatorCredit:
    """What an operator's children were worth.

    Attributes:
        operator: Its name.
        generation: The generation of the children; None over all.
        n_children: Children with known parents.
        success_rate: Share that beat their best parent (feasibility rule, first objective).
        mean_gain: Mean of (mean of the parents - child), sign turned for maximisation, so that
            positive is better; None when no pair was feasible.
    """

    operator: str
    generation: int | None
    n_children: int
    success_rate: float
    mean_gain: float | None


@contextmanager
def _decoding(backend: Backend) -> Iterator[None]:
    """Turn what damaged values raise into the error of a damaged database."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StorageError(
            f"expected a sound genome database, got damaged values ({error}); restore a copy, or "
            f"delete the run ({backend.place})"
        ) from error
    except RecursionError as error:
        raise StorageError(
            f"expected a sound genome database, got text that nests too deep; restore a copy, or "
            f"delete the run ({backend.place})"
        ) from error


def _number(value: Any) -> int | None:
    """Return a whole number as the databases hold it, or None when they hold no such number.

    Populations show negative identities as unsigned numbers; both name the same row.
    """
    try:
        number = operator.index(value)
    except TypeError:
        return None
    if 1 << 63 <= number < 1 << 64:
        number -= 1 << 64
    return number if -(1 << 63) <= number < 1 << 63 else None


def _limit(name: str, value: Any, least: int) -> int:
    number = _number(value)
    if number is None:
        raise ConfigError(f"{name}: expected a whole number below 2^63, got {value!r}")
    return max(number, least)


def one_run(backend: Backend, run: Any) -> RunRecord:
    """Return a stored run.

    Raises:
        StorageError: There is none of that number, or its row is damaged.
    """
    number = _number(run)
    found = [] if number is None else runs(backend, number)
    if not found:
        raise StorageError(f"expected the number of a stored run, got {run!r} ({backend.place})")
    return found[0]


def runs(backend: Backend, run: int | None = None) -> list[RunRecord]:
    """Return stored runs, oldest first; the one of a number, if there is one, when it is given.

    Raises:
        StorageError: A row is damaged.
    """
    where, parameters = ("WHERE r.id = ?", (run,)) if run is not None else ("", ())
    _, rows = backend.read(
        "SELECT r.id, r.algorithm, r.settings, r.seed, r.space, r.direction, r.created, r.version, "
        "r.finished, r.stop_reason, COUNT(g.generation), COALESCE(MAX(g.n_evaluations), 0), "
        "CASE r.direction WHEN 'maximize' THEN MAX(g.best) ELSE MIN(g.best) END "
        f"FROM runs r LEFT JOIN generations g ON g.run = r.id {where} "
        "GROUP BY r.id ORDER BY r.id",
        parameters,
    )
    with _decoding(backend):
        return [
            RunRecord(row[0], row[1], json.loads(row[2]), int(row[3]), json.loads(row[4]), *row[5:])
            for row in rows
        ]


def _population(backend: Backend, run: RunRecord, rows: Rows, pairs: Rows) -> Population:
    """Build a population from rows of `_COLUMNS` and pairs of child and parent."""
    _, names = backend.read(
        "SELECT operator, name FROM operators WHERE run = ? ORDER BY operator", (run.id,)
    )
    with _decoding(backend):
        return _decoded(run, rows, pairs, [name for _, name in names])


def _decoded(run: RunRecord, rows: Rows, pairs: Rows, operator_names: Sequence[str]) -> Population:
    ids, generations, operators, failed, violations, firsts, lists, behaviours, blobs, programs = (
        list(column) for column in (zip(*rows, strict=True) if rows else [()] * 10)
    )
    genomes = Layout(run.space).decode([_bytes(blob) for blob in blobs], programs)
    objectives: Any = _matrix(lists, len(rows))
    if objectives is None:
        objectives = np.array(firsts, dtype=np.float64)
    return Population(
        genomes,
        objectives=objectives,
        violations=np.array(violations, dtype=np.float64),
        descriptors=_matrix(behaviours, len(rows)),
        failed=np.array(failed, dtype=np.bool_),
        ids=np.array(ids, dtype=np.int64).astype(np.uint64),
        parents=_parents(ids, pairs),
        operators=None if None in operators else np.array(operators, dtype=np.uint8),
        operator_names=operator_names,
        generations=np.array(generations, dtype=np.int64),
    )


def _bytes(blob: Any) -> bytes | None:
    return None if blob is None else bytes(blob)


def _matrix(lists: list[Any], n_rows: int) -> NDArray[np.float64] | None:
    """Return lists of floats (JSON text or sequences) as a matrix; NaN rows for nulls."""
    values = [json.loads(item) if isinstance(item, str) else item for item in lists]
    width = next((len(item) for item in values if item is not None), 0)
    if not width:
        return None
    out = np.full((n_rows, width), np.nan)
    for idx, item in enumerate(values):
        if item is not None:
            out[idx] = item
    return out


def _parents(ids: list[int], pairs: Rows) -> NDArray[np.uint64]:
    """Return ``(n, p)`` parents of each row from pairs of child and parent."""
    found: dict[int, list[int]] = {idx: [] for idx in ids}
    for child, parent in pairs:
        if child in found:  # a generation may have come between the two queries
            found[child].append(parent)
    width = max(map(len, found.values()), default=0)
    out = np.full((len(ids), width), NO_PARENT, dtype=np.uint64)
    for row, idx in enumerate(ids):
        out[row, : len(found[idx])] = np.array(found[idx], dtype=np.int64).astype(np.uint64)
    return out


def _selected(
    backend: Backend, run: RunRecord, where: str, parameters: Sequence[Any], order: str
) -> Population:
    """Return individuals by a condition on ``i``, with their parents."""
    _, rows = backend.read(
        f"SELECT {_COLUMNS} FROM individuals i WHERE i.run = ? AND {where} {order}",
        (run.id, *parameters),
    )
    _, pairs = backend.read(
        "SELECT p.child, p.parent FROM parents p WHERE p.run = ? AND p.child IN "
        f"(SELECT i.id FROM individuals i WHERE i.run = ? AND {where} {order}) "
        "ORDER BY p.child, p.parent",
        (run.id, run.id, *parameters),
    )
    return _population(backend, run, rows, pairs)


def individuals(backend: Backend, run: RunRecord, generation: int | None) -> Population:
    """Return what a run was told, in order of identity: one generation or all."""
    if generation is None:
        return _selected(backend, run, "1 = 1", (), "ORDER BY i.id")
    return _selected(backend, run, "i.generation = ?", (generation,), "ORDER BY i.id")


def best(backend: Backend, run: RunRecord, n: int) -> Population:
    """Return the best rows by the feasibility rule, best first."""
    sense = "DESC" if run.direction == "maximize" else "ASC"
    order = f"ORDER BY i.violation, i.objective {sense}, i.id LIMIT {_limit('n', n, 0)}"
    found = _selected(backend, run, "i.objective IS NOT NULL", (), order)
    return found.best(len(found), direction=run.direction) if len(found) else found


def relatives(
    backend: Backend, run: RunRecord, idx: int, *, are_ancestors: bool, n_max: int
) -> Population:
    """Return an individual with its ancestors or descendants, nearest first up to ``n_max``.

    They come in order of identity.

    Raises:
        StorageError: The run has no such individual.
    """
    unknown = StorageError(
        f"expected the identity of a stored individual of run {run.id}, got {idx!r} "
        f"({backend.place})"
    )
    known = _number(idx)
    if known is None:
        raise unknown
    come, go = ("child", "parent") if are_ancestors else ("parent", "child")
    limit = f" LIMIT {_limit('n_max', n_max, 1)}"
    # SQLite stops a recursion by a limit inside, PostgreSQL by one outside.
    inner, outer = (limit, "") if backend.dialect == "sqlite" else ("", limit)
    _, rows = backend.read(
        "WITH RECURSIVE line(id) AS (SELECT CAST(? AS BIGINT) UNION "
        f"SELECT p.{go} FROM line JOIN parents p ON p.run = ? AND p.{come} = line.id{inner}) "
        f"SELECT id FROM line{outer}",
        (known, run.id),
    )
    ids = json.dumps([row[0] for row in rows])
    chosen = (
        "SELECT value FROM json_each(?)"
        if backend.dialect == "sqlite"
        else "SELECT CAST(value AS BIGINT) FROM json_array_elements_text(CAST(? AS JSON))"
    )
    found = _selected(backend, run, f"i.id IN ({chosen})", (ids,), "ORDER BY i.id")
    if found.ids is None or not (found.ids == np.int64(known).astype(np.uint64)).any():
        raise unknown
    return found


def credit(backend: Backend, run: RunRecord, *, by_generation: bool) -> list[OperatorCredit]:
    """Return the credit of each operator, over all generations or in each."""
    key, group = ("s.generation", "o.name, s.generation") if by_generation else ("NULL", "o.name")
    _, rows = backend.read(
        f"SELECT o.name, {key}, COUNT(*), AVG(1.0 * s.is_better), AVG(s.gain) "
        "FROM offspring s JOIN operators o ON o.run = s.run AND o.operator = s.operator "
        f"WHERE s.run = ? GROUP BY {group} ORDER BY {group}",
        (run.id,),
    )
    return [
        OperatorCredit(name, generation, n, float(rate), gain)
        for name, generation, n, rate, gain in rows
    ]


def progress(backend: Backend, run: RunRecord) -> dict[str, NDArray[Any]]:
    """Return the generations of a run as columns: numbers, and one column per figure."""
    names, rows = backend.read(
        "SELECT generation, n_rows, n_failed, n_evaluations, best, mean, seconds, figures "
        "FROM generations WHERE run = ? ORDER BY generation",
        (run.id,),
    )
    with _decoding(backend):
        out: dict[str, NDArray[Any]] = {}
        for place, name in enumerate(names[:-1]):
            kind = np.float64 if name in ("best", "mean", "seconds") else np.int64
            out[name] = np.array([row[place] for row in rows], dtype=kind)
        figures = [json.loads(row[-1]) for row in rows]
        for name in sorted({name for row in figures for name in row} - out.keys()):
            out[name] = np.array([row.get(name) for row in figures], dtype=np.float64)
        return out
