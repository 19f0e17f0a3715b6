"""The ledger: append-only, hash-chained events about everything that changes what runs.

Each run is one chain; `REGISTRY` is the chain of version and live-pointer events. An event's hash
covers its predecessor's hash and its sequence, kind, actor, inputs and outcome, but neither the
wall-clock time nor the run's name, so equal runs have equal heads. Events are never changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from chimera.errors import CorruptLedgerError, LedgerError, ReplayError
from chimera.storage import Database

__all__ = ["GENESIS", "REGISTRY", "Chain", "Event", "Ledger", "canonical_json", "event_hash"]

GENESIS: Final = "0" * 64
REGISTRY: Final = "registry"
EVENT_BYTES_MAX: Final = 1 << 20


def canonical_json(value: object) -> str:
    """Return the one text that stands for a value.

    Keys are sorted, floats are written by ``repr`` (exact), and the three values that JSON lacks
    become ``{"$float": "nan" | "inf" | "-inf"}``.

    Raises:
        LedgerError: If the value holds something else than JSON types and floats.

    Example:
        >>> canonical_json({"b": -0.0, "a": [1, float("nan")]})
        '{"a":[1,{"$float":"nan"}],"b":-0.0}'
    """
    return json.dumps(
        _encodable(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def _encodable(value: object) -> object:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise LedgerError(f"expected text keys in an event, got {list(value)!r}")
        return {str(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    raise LedgerError(f"expected JSON types in an event, got {type(value).__name__}")


def decode_json(text: str) -> Any:
    """Return the value that `canonical_json` wrote."""

    def restore(mapping: dict[str, Any]) -> Any:
        if mapping.keys() == {"$float"}:
            return float(mapping["$float"])
        return mapping

    return json.loads(text, object_hook=restore)


def event_hash(  # noqa: PLR0917 - the order is the format
    previous: str, sequence: int, kind: str, actor: str, inputs: str, outcome: str
) -> str:
    """Return the sha256 (hex) of one event; ``inputs`` and ``outcome`` are canonical JSON."""
    text = "\n".join((previous, str(sequence), kind, actor, inputs, outcome))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Event:
    """One immutable entry.

    Attributes:
        run: The chain it belongs to.
        sequence: Position in the chain, from 0.
        kind: What happened, for example ``search.improved``.
        actor: Who decided, for example ``chimera.improve`` or ``user``.
        time: Seconds since the epoch; stored, not hashed.
        inputs: Hashes of what the decision rests on.
        outcome: What was decided or measured.
        hash: sha256 (hex) over the predecessor's hash and this entry.
    """

    run: str
    sequence: int
    kind: str
    actor: str
    time: float
    inputs: dict[str, str]
    outcome: dict[str, Any]
    hash: str


class Chain:
    """The growing chain of one run, held in memory until a transaction stores it.

    Given recorded events, it first checks that the same events happen again: that is how a resumed
    or replayed run proves that it follows the recorded course.

    Args:
        run: The chain's name.
        recorded: Events that are stored already, in order, and must happen again.
        start: Head and length to continue from, as `Ledger.head` returns them.
    """

    def __init__(
        self, run: str, recorded: Sequence[Event] = (), start: tuple[str, int] = (GENESIS, 0)
    ) -> None:
        self.run = run
        self.head, self.length = start
        self.pending: list[Event] = []
        self._recorded = list(recorded)
        self._last_kind = ""

    @property
    def last_kind(self) -> str:
        """Kind of the newest event, empty at the start."""
        return self._last_kind

    def add(
        self,
        kind: str,
        *,
        actor: str,
        inputs: Mapping[str, str] | None = None,
        outcome: Mapping[str, Any] | None = None,
    ) -> Event:
        """Append one event and return it.

        Raises:
            LedgerError: If the event cannot be written as canonical JSON or is too large.
            ReplayError: If the recorded event at this place is another one.
        """
        inputs_text, outcome_text = canonical_json(inputs or {}), canonical_json(outcome or {})
        if len(inputs_text) + len(outcome_text) > EVENT_BYTES_MAX:
            raise LedgerError(f"expected an event up to {EVENT_BYTES_MAX} bytes, got more: {kind}")
        digest = event_hash(self.head, self.length, kind, actor, inputs_text, outcome_text)
        event = Event(
            run=self.run,
            sequence=self.length,
            kind=kind,
            actor=actor,
            time=time.time(),
            inputs=decode_json(inputs_text),
            outcome=decode_json(outcome_text),
            hash=digest,
        )
        if self.length < len(self._recorded):
            self._compare(self._recorded[self.length], event)
        else:
            self.pending.append(event)
        self.head = digest
        self.length += 1
        self._last_kind = kind
        return event

    def _compare(self, recorded: Event, event: Event) -> None:
        if recorded.hash != event.hash:
            raise ReplayError(
                f"expected event {event.sequence} ({recorded.kind}) of {self.run} to happen again "
                f"as recorded, got another {event.kind}; the task file, its workload, Python or "
                "Chimera changed since: start a new run"
            )

    def skip_recorded(self) -> None:
        """Go to the end of the recorded events without repeating them."""
        if self.length < len(self._recorded):
            self.length = len(self._recorded)
            self.head = self._recorded[-1].hash
            self._last_kind = self._recorded[-1].kind

    def drain(self) -> list[Event]:
        """Return the events not yet stored and forget them."""
        events, self.pending = self.pending, []
        self._recorded.extend(events)
        return events


class Ledger:
    """Stored events of a project.

    Args:
        database: An open project database; appending needs its writer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, events: Iterable[Event]) -> None:
        """Store events that continue their chains, inside the caller's transaction.

        Raises:
            LedgerError: If an event does not continue its chain.
        """
        connection = self._database.connection
        for event in events:
            previous, length = self.head(event.run)
            inputs, outcome = canonical_json(event.inputs), canonical_json(event.outcome)
            digest = event_hash(previous, length, event.kind, event.actor, inputs, outcome)
            if event.sequence != length or event.hash != digest:
                raise LedgerError(
                    f"expected an event that continues {event.run} at {length}, got sequence "
                    f"{event.sequence}; another writer was here: run again"
                )
            connection.execute(
                "INSERT INTO events (run, sequence, kind, actor, time, inputs, outcome, hash)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (event.run, length, event.kind, event.actor, event.time, inputs, outcome, digest),
            )
            connection.execute(
                "INSERT INTO heads VALUES (?, ?, ?) ON CONFLICT (run)"
                " DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash",
                (event.run, length, digest),
            )

    def head(self, run: str) -> tuple[str, int]:
        """Return a chain's last hash and its length."""
        rows = self._database.query("SELECT sequence, hash FROM heads WHERE run = ?", (run,))
        return (str(rows[0]["hash"]), int(rows[0]["sequence"]) + 1) if rows else (GENESIS, 0)

    def events(self, run: str | None = None, kind: str | None = None) -> list[Event]:
        """Return events by chain and kind, oldest first."""
        rows = self._database.query(
            "SELECT * FROM events WHERE (?1 IS NULL OR run = ?1) AND (?2 IS NULL OR kind = ?2)"
            " ORDER BY id",
            (run, kind),
        )
        return [
            Event(
                run=row["run"],
                sequence=row["sequence"],
                kind=row["kind"],
                actor=row["actor"],
                time=row["time"],
                inputs=decode_json(row["inputs"]),
                outcome=decode_json(row["outcome"]),
                hash=row["hash"],
            )
            for row in rows
        ]

    def runs(self) -> list[str]:
        """Return the names of all chains, in order of their first event."""
        rows = self._database.query("SELECT run FROM events GROUP BY run ORDER BY min(id)")
        heads = self._database.query("SELECT run FROM heads ORDER BY run")
        return list(dict.fromkeys(str(row["run"]) for row in [*rows, *heads]))

    def verify(self, run: str | None = None) -> dict[str, int]:
        """Recompute every hash and return the number of sound events per chain.

        Raises:
            CorruptLedgerError: Naming the first event that does not hold.
        """
        return {name: self._verify(name) for name in ([run] if run else self.runs())}

    def _verify(self, run: str) -> int:
        previous, length = GENESIS, 0
        for row in self._database.query(
            "SELECT * FROM events WHERE run = ? ORDER BY sequence", (run,)
        ):
            digest = event_hash(
                previous, length, row["kind"], row["actor"], row["inputs"], row["outcome"]
            )
            if row["sequence"] != length or row["hash"] != digest:
                raise _corrupt(run, length, "was altered or an event before it was removed")
            previous, length = digest, length + 1
        head, expected = self.head(run)
        if length < expected:
            raise _corrupt(run, length, f"is missing: {expected} events were written")
        if length > expected or head != previous:
            raise _corrupt(run, max(length - 1, 0), "does not match the recorded head")
        return length

    def rebuild_live(self) -> dict[str, int]:
        """Return the live version of every task, from the events alone."""
        return {
            str(event.outcome["task"]): int(event.outcome["version"])
            for event in self.events(REGISTRY, "live.changed")
        }


def _corrupt(run: str, sequence: int, found: str) -> CorruptLedgerError:
    return CorruptLedgerError(
        f"expected an unbroken chain of events, but event {sequence} of {run} {found}; nothing "
        "was changed: restore a copy of the project folder, or move it away and start afresh",
        run,
        sequence,
    )
