"""Tables of the project database, one migration per schema version.

``objects`` holds texts by their sha256; ``events`` is append-only, enforced by triggers;
``heads`` lets a chopped-off tail be noticed; ``live`` is a cache of what the events say.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MIGRATIONS", "SCHEMA_VERSION"]

_VERSION_1: Final = """
CREATE TABLE objects (
    hash TEXT PRIMARY KEY,
    data BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id       INTEGER PRIMARY KEY,
    run      TEXT    NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    kind     TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    time     REAL    NOT NULL,
    inputs   TEXT    NOT NULL,
    outcome  TEXT    NOT NULL,
    hash     TEXT    NOT NULL,
    UNIQUE (run, sequence)
) STRICT;
CREATE INDEX events_kind ON events (kind, run);
CREATE TRIGGER events_keep BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_fixed BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TABLE heads (
    run      TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id          TEXT PRIMARY KEY,
    number      INTEGER NOT NULL UNIQUE,
    task        TEXT NOT NULL,
    path        TEXT NOT NULL,
    source_hash TEXT NOT NULL,
    settings    TEXT NOT NULL,
    status      TEXT NOT NULL,
    started     REAL NOT NULL,
    seconds     REAL NOT NULL DEFAULT 0,
    evaluations INTEGER NOT NULL DEFAULT 0,
    generation  INTEGER NOT NULL DEFAULT 0,
    checkpoint  BLOB,
    environment TEXT NOT NULL,
    result      TEXT
) STRICT;

CREATE TABLE progress (
    run         TEXT    NOT NULL,
    generation  INTEGER NOT NULL,
    evaluations INTEGER NOT NULL,
    seconds     REAL    NOT NULL,
    best        REAL    NOT NULL,
    PRIMARY KEY (run, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
    task        TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    source_hash TEXT    NOT NULL,
    path        TEXT    NOT NULL,
    run         TEXT,
    gain        REAL,
    created     REAL    NOT NULL,
    PRIMARY KEY (task, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE live (
    task    TEXT PRIMARY KEY,
    number  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

MIGRATIONS: Final = (_VERSION_1,)
SCHEMA_VERSION: Final = len(MIGRATIONS)
