"""The registry: numbered versions per task, and which of them is live.

Version 0 is the task as it was written. Every change is an event in the registry's chain, stored
in the same transaction as the tables; the tables can be rebuilt from the events.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from chimera.errors import RegistryError
from chimera.improve.store import Project
from chimera.improve.task import Task, execute_source
from chimera.ledger import REGISTRY, Chain

__all__ = ["Registry", "Version", "live_module"]


@dataclass(frozen=True, slots=True)
class Version:
    """One registered version of a task.

    Attributes:
        task: The task's name.
        number: 0 for the first original.
        kind: ``"original"`` or ``"evolved"``.
        source_hash: sha256 of the whole module text.
        path: The task file.
        run: The run that found it, or None.
        gain: Its mean gain on unseen instances, or None.
        created: Seconds since the epoch.
        is_live: Whether it is the one in use.
    """

    task: str
    number: int
    kind: str
    source_hash: str
    path: Path
    run: str | None
    gain: float | None
    created: float
    is_live: bool


class Registry:
    """Versions of a project's tasks.

    Args:
        project: The open project; changes need its writer.
    """

    def __init__(self, project: Project) -> None:
        self._project = project

    def tasks(self) -> list[str]:
        """Return the names of all registered tasks, sorted."""
        rows = self._project.database.query("SELECT DISTINCT task FROM versions ORDER BY task")
        return [str(row["task"]) for row in rows]

    def versions(self, task: str) -> list[Version]:
        """Return a task's versions, oldest first; empty when it is unknown."""
        rows = self._project.database.query(
            "SELECT v.*, v.number IS l.number AS is_live FROM versions v"
            " LEFT JOIN live l ON l.task = v.task WHERE v.task = ? ORDER BY v.number",
            (task,),
        )
        return [
            Version(
                task=row["task"],
                number=row["number"],
                kind=row["kind"],
                source_hash=row["source_hash"],
                path=Path(row["path"]),
                run=row["run"],
                gain=row["gain"],
                created=row["created"],
                is_live=bool(row["is_live"]),
            )
            for row in rows
        ]

    def live(self, task: str) -> Version:
        """Return the version in use.

        Raises:
            RegistryError: If the task is unknown.
        """
        for version in self.versions(task):
            if version.is_live:
                return version
        known = ", ".join(self.tasks()) or "none yet"
        raise RegistryError(
            f"expected a registered task, got {task!r}; known tasks: {known} "
            f"({self._project.folder})"
        )

    def version(self, task: str, number: int | None = None) -> Version:
        """Return a version by its number, or the live one.

        Raises:
            RegistryError: If there is none.
        """
        if number is None:
            return self.live(task)
        versions = self.versions(task)
        for item in versions:
            if item.number == number:
                return item
        raise RegistryError(
            f"expected a version of {task}, got {number}; choose one of "
            f"{[item.number for item in versions]}"
        )

    def source(self, version: Version) -> str:
        """Return a version's whole module text."""
        return self._project.source(version.source_hash)

    def module(self, task: str, path: Path | None = None) -> ModuleType:
        """Return the live version as an executed module.

        Args:
            task: The task's name.
            path: Where its file is now, when that is known; default where it was registered.
        """
        version = self.live(task)
        return execute_source(self.source(version), path or version.path)

    def add_original(self, connection: sqlite3.Connection, task: Task) -> None:
        """Register the task as written, unless its newest original is the same text."""
        originals = [item for item in self.versions(task.name) if item.kind == "original"]
        if originals and originals[-1].source_hash == task.source_hash:
            return
        number = self._add(connection, task, "original", task.source, None, None)
        if number == 0:
            self.set_live(connection, task.name, 0, actor="chimera.improve", reason="first version")

    def add_evolved(
        self, connection: sqlite3.Connection, task: Task, source: str, run: str, gain: float
    ) -> int:
        """Register an adopted winner and return its number; a known text keeps its number."""
        digest = hashlib.sha256(source.encode()).hexdigest()
        for item in self.versions(task.name):
            if item.source_hash == digest and item.kind == "evolved":
                return item.number
        return self._add(connection, task, "evolved", source, run, gain)

    def _add(  # noqa: PLR0917
        self,
        connection: sqlite3.Connection,
        task: Task,
        kind: str,
        source: str,
        run: str | None,
        gain: float | None,
    ) -> int:
        digest = self._project.database.put_object(source.encode())
        number = len(self.versions(task.name))
        connection.execute(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (task.name, number, kind, digest, str(task.path), run, gain, time.time()),
        )
        self._event(
            "version.registered",
            actor="chimera.improve",
            inputs={"source": digest} | ({} if run is None else {"run": self._head(run)}),
            outcome={"task": task.name, "version": number, "kind": kind, "run": run, "gain": gain},
        )
        return number

    def _head(self, run: str) -> str:
        return self._project.ledger.head(run)[0]

    def set_live(
        self, connection: sqlite3.Connection, task: str, number: int, *, actor: str, reason: str
    ) -> None:
        """Point a task at a version, inside the caller's transaction."""
        connection.execute(
            "INSERT INTO live VALUES (?, ?) ON CONFLICT (task) DO UPDATE SET"
            " number = excluded.number",
            (task, number),
        )
        self._event(
            "live.changed",
            actor=actor,
            inputs={},
            outcome={"task": task, "version": number, "reason": reason},
        )

    def _event(
        self, kind: str, *, actor: str, inputs: dict[str, str], outcome: dict[str, object]
    ) -> None:
        chain = Chain(REGISTRY, start=self._project.ledger.head(REGISTRY))
        chain.add(kind, actor=actor, inputs=inputs, outcome=outcome)
        self._project.ledger.append(chain.drain())

    def rollback(self, task: str, to: int | None = None) -> tuple[Version, Version]:
        """Put an earlier version back in use.

        Args:
            task: The task's name.
            to: The version, by default the one that was live before.

        Returns:
            The version that was live and the one that is live now.

        Raises:
            RegistryError: If there is nothing to go back to.
        """
        before = self.live(task)
        target = self._previous(task, before.number) if to is None else to
        versions = {item.number: item for item in self.versions(task)}
        if target not in versions or target == before.number:
            raise RegistryError(
                f"expected another version of {task} than the live one ({before.number}), got "
                f"{target}; choose one of {sorted(set(versions) - {before.number})}"
            )
        self.module_of(versions[target])
        with self._project.database.transaction() as connection:
            self.set_live(connection, task, target, actor="user", reason="rollback")
        return before, versions[target]

    def module_of(self, version: Version) -> ModuleType:
        """Return any version as an executed module."""
        return execute_source(self.source(version), version.path)

    def _previous(self, task: str, number: int) -> int:
        """Return what was live before, skipping what was itself rolled back from."""
        history: list[int] = []
        for event in self._project.ledger.events(REGISTRY, "live.changed"):
            if event.outcome["task"] != task:
                continue
            version = int(event.outcome["version"])
            if event.outcome["reason"] == "rollback" and version in history:
                del history[history.index(version) :]
            history.append(version)
        if not history[:-1]:
            raise RegistryError(
                f"expected an earlier live version of {task}, got none: version {number} is the "
                "first; there is nothing to roll back"
            )
        return history[-2]

    def repair(self) -> bool:
        """Rebuild the live pointers from the events; return whether anything was wrong."""
        rows = self._project.database.query("SELECT task, number FROM live")
        wanted = self._project.ledger.rebuild_live()
        if {row["task"]: row["number"] for row in rows} == wanted:
            return False
        with self._project.database.transaction() as connection:
            connection.execute("DELETE FROM live")
            connection.executemany("INSERT INTO live VALUES (?, ?)", sorted(wanted.items()))
        return True


def live_module(task: str, folder: Path, path: Path | None = None) -> ModuleType:
    """Return the live version of a task from a project folder, read-only.

    Args:
        task: The task's name.
        folder: The project folder.
        path: The task file that is meant; default whichever has the name.

    Raises:
        RegistryError: If the task is not registered there.
        StorageError: If there is no project.
        TaskError: If the name belongs to another file than ``path``.
    """
    with Project(folder, write=False) as project:
        if path is not None:
            project.check_name(task, path)
        return Registry(project).module(task, path)
