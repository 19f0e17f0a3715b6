"""Runs in the project database: rows, checkpoints, progress, results.

A checkpoint is one transaction that holds the run's new events, the search's state, the progress
points and the counters together, so a killed run continues from a state that fits its ledger.
"""

from __future__ import annotations

import json
import platform
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from chimera.config import VERSION, Budget, Settings
from chimera.errors import ConfigError, CorruptLedgerError, RegistryError, TaskError
from chimera.improve.task import Task
from chimera.ledger import Chain, Ledger, canonical_json, decode_json
from chimera.storage import Database

__all__ = ["Point", "Project", "RunRecord", "settings_from", "settings_outcome"]

Status = Literal["running", "interrupted", "adopted", "not_proven"]
UNFINISHED: tuple[Status, ...] = ("running", "interrupted")
Point = tuple[int, int, float, float]
"""Generation, evaluations, seconds, best score."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One stored run; ``result`` is None until it is finished."""

    id: str
    number: int
    task: str
    path: Path
    source_hash: str
    settings: dict[str, Any]
    status: Status
    started: float
    seconds: float
    evaluations: int
    generation: int
    checkpoint: bytes | None
    environment: dict[str, Any]
    result: dict[str, Any] | None

    @property
    def is_finished(self) -> bool:
        """Whether the run has reached its verdict."""
        return self.status not in UNFINISHED


def settings_outcome(settings: Settings) -> dict[str, Any]:
    """Return the settings that decide a run's course; threads and time limits do not."""
    return {
        "budget": {
            "evaluations": settings.budget.evaluations,
            "seconds": settings.budget.seconds,
        },
        "seed": settings.seed,
        "train": settings.n_train,
        "holdout": settings.n_holdout,
        "probes": settings.n_probes,
        "checks": settings.n_checks,
    }


def settings_from(stored: dict[str, Any], threads: int) -> Settings:
    """Return the settings of a stored run, with this session's thread count."""
    return Settings(
        budget=Budget(**stored["budget"]),
        seed=stored["seed"],
        threads=threads,
        n_train=stored["train"],
        n_holdout=stored["holdout"],
        n_probes=stored["probes"],
        n_checks=stored["checks"],
    )


def environment() -> dict[str, Any]:
    """Return what a reader of the results wants to know about this machine."""
    import os

    return {
        "chimera": VERSION,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
    }


class Project:
    """A project folder: its database and its ledger.

    Args:
        folder: The project folder.
        write: True takes the writer lock and checks the whole ledger first.

    Raises:
        CorruptLedgerError: If a writer finds a broken chain.
        ProjectLockedError: If another process is writing.
        StorageError: If the folder cannot be used.
    """

    def __init__(self, folder: Path, *, write: bool) -> None:
        self.folder = folder
        self.database = Database(folder, write=write)
        self.ledger = Ledger(self.database)
        if write:
            try:
                self.ledger.verify()
            except BaseException:
                self.database.close()
                raise

    def check_name(self, task: str, path: Path) -> None:
        """Refuse a task file whose name belongs to another file of this project.

        A name belongs to the file of its last run, as long as that file exists: a task that was
        moved keeps its name, and its next run records the new place.

        Raises:
            TaskError: If the name belongs to another file.
        """
        rows = self.database.query(
            "SELECT path FROM (SELECT path, number FROM runs WHERE task = ?1 ORDER BY number DESC"
            " LIMIT 1) UNION ALL SELECT path FROM (SELECT path FROM versions WHERE task = ?1"
            " ORDER BY number DESC LIMIT 1)",
            (task,),
        )
        owner = Path(rows[0]["path"]) if rows else path
        if owner.resolve() != path.resolve() and _is_there(owner):
            raise TaskError(
                f"expected a task name of its own, but the name {task!r} belongs to {owner} in "
                f"this project; rename the file or use another --project ({path}, project "
                f"{self.folder})"
            )

    def create_run(self, task: Task, settings: Settings) -> RunRecord:
        """Return a new, not yet stored run with the next number."""
        rows = self.database.query("SELECT coalesce(max(number), 0) + 1 AS number FROM runs")
        number = int(rows[0]["number"])
        return RunRecord(
            id=f"r{number}",
            number=number,
            task=task.name,
            path=task.path,
            source_hash=task.source_hash,
            settings=settings_outcome(settings),
            status="running",
            started=time.time(),
            seconds=0.0,
            evaluations=0,
            generation=0,
            checkpoint=None,
            environment=environment(),
            result=None,
        )

    def begin(self, record: RunRecord, task: Task, chain: Chain, seconds: float) -> None:
        """Store a new run with its first events."""
        with self.database.transaction() as connection:
            self.database.put_object(task.source.encode())
            connection.execute(
                "INSERT INTO runs (id, number, task, path, source_hash, settings, status, started,"
                " seconds, environment) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    record.id,
                    record.number,
                    record.task,
                    str(record.path),
                    record.source_hash,
                    canonical_json(record.settings),
                    record.status,
                    record.started,
                    seconds,
                    canonical_json(record.environment),
                ),
            )
            self.ledger.append(chain.drain())

    def checkpoint(
        self,
        run: str,
        chain: Chain,
        *,
        status: Status,
        state: bytes,
        points: Sequence[Point],
    ) -> None:
        """Store a search's state together with everything that led to it."""
        generation, evaluations, seconds, _ = points[-1]
        with self.database.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?, ?)",
                [(run, *point) for point in points],
            )
            connection.execute(
                "UPDATE runs SET status = ?, checkpoint = ?, generation = ?, evaluations = ?,"
                " seconds = ? WHERE id = ?",
                (status, state, generation, evaluations, seconds, run),
            )
            self.ledger.append(chain.drain())

    def finish(self, connection: sqlite3.Connection, run: str, result: dict[str, Any]) -> None:
        """Store a run's result inside the caller's transaction; the search state goes."""
        connection.execute(
            "UPDATE runs SET status = ?, seconds = ?, result = ?, checkpoint = NULL WHERE id = ?",
            (result["status"], result["seconds"], canonical_json(result), run),
        )

    def runs(self, task: str | None = None) -> list[RunRecord]:
        """Return all runs, oldest first."""
        rows = self.database.query(
            "SELECT * FROM runs WHERE ?1 IS NULL OR task = ?1 ORDER BY number", (task,)
        )
        return [_record(row) for row in rows]

    def run(self, run: str | None) -> RunRecord:
        """Return a run by its id, or the latest one.

        Raises:
            RegistryError: If there is no such run.
        """
        known = self.runs()
        chosen = known[-1:] if run is None else [item for item in known if item.id == run]
        if not chosen:
            names = ", ".join(item.id for item in known[-5:]) or "none yet"
            raise RegistryError(
                f"expected a run of this project, got {run!r}; the latest are: {names} "
                f"({self.folder})"
            )
        return chosen[0]

    def unfinished(self, task: str, run: str | None) -> RunRecord:
        """Return the run to resume: the named one, or the task's last unfinished one.

        Raises:
            ConfigError: If there is nothing to resume.
        """
        if run is not None:
            found = self.run(run)
            if found.is_finished:
                raise ConfigError(
                    f"expected an unfinished run to resume, got {run}, which has finished; start a "
                    "new one without --resume"
                )
            if found.task != task:
                raise ConfigError(f"expected a run of {task}, got {run}, a run of {found.task}")
            return found
        open_runs = [item for item in self.runs(task) if not item.is_finished]
        if not open_runs:
            raise ConfigError(
                f"expected an unfinished run of {task} to resume, found none in {self.folder}; "
                "start one without --resume"
            )
        return open_runs[-1]

    def points(self, run: str) -> list[Point]:
        """Return a run's progress, oldest first."""
        rows = self.database.query(
            "SELECT generation, evaluations, seconds, best FROM progress WHERE run = ?"
            " ORDER BY generation",
            (run,),
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def source(self, digest: str) -> str:
        """Return a stored source text by its sha256."""
        return self.database.get_object(digest).decode()

    def close(self) -> None:
        """Close the database and release the lock."""
        self.database.close()

    def __enter__(self) -> Self:
        """Return the open project."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder that may not be searched: it may well be there
        return True


def _record(row: sqlite3.Row) -> RunRecord:
    try:
        return _decoded(row)
    except ValueError as error:
        raise CorruptLedgerError(
            f"expected the stored facts of {row['id']} as JSON, got {error}; nothing was changed: "
            "restore a copy of the project folder, or move it away and start afresh",
            str(row["id"]),
        ) from error


def _decoded(row: sqlite3.Row) -> RunRecord:
    return RunRecord(
        id=row["id"],
        number=row["number"],
        task=row["task"],
        path=Path(row["path"]),
        source_hash=row["source_hash"],
        settings=json.loads(row["settings"]),
        status=row["status"],
        started=row["started"],
        seconds=row["seconds"],
        evaluations=row["evaluations"],
        generation=row["generation"],
        checkpoint=row["checkpoint"],
        environment=json.loads(row["environment"]),
        result=None if row["result"] is None else decode_json(row["result"]),
    )
