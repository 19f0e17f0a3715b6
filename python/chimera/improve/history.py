"""Reading back what a project holds: results, runs, versions; and rolling back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chimera.errors import ConfigError
from chimera.improve.registry import Registry, Version
from chimera.improve.result import Improvement, improvement_from
from chimera.improve.store import Project

__all__ = ["history_of", "load_result", "roll_back"]


def load_result(folder: Path, run: str | None = None) -> Improvement:
    """Return a finished run's result, by default the latest one's.

    Raises:
        ConfigError: If the run has not finished.
        RegistryError: If there is no such run.
    """
    with Project(folder, write=False) as project:
        if run is None:
            finished = [item for item in project.runs() if item.is_finished]
            record = finished[-1] if finished else project.run(None)
        else:
            record = project.run(run)
        if record.result is None:
            raise ConfigError(
                f"expected a finished run, got {record.id}, which is {record.status}; finish it "
                f"with: chimera improve {record.path} --resume --project {folder}"
            )
        result = improvement_from(
            record.result,
            original=project.source(record.source_hash),
            module_source=project.source(record.result["source_hash"]),
            project=folder,
        )
        result.details["points"] = project.points(record.id)
        result.details["started"] = record.started
        result.details["n_events"] = len(project.ledger.events(record.id))
        return result


def history_of(folder: Path, task: str | None = None) -> dict[str, Any]:
    """Return all runs and versions as JSON types, oldest first.

    Raises:
        RegistryError: If a task is named that the project does not know.
    """
    with Project(folder, write=False) as project:
        registry = Registry(project)
        runs = [
            {
                "run": item.id,
                "task": item.task,
                "status": item.status,
                "started": item.started,
                "seconds": round(item.seconds, 3),
                "evaluations": item.evaluations,
                "generation": item.generation,
                "seed": item.settings["seed"],
                "gain_percent": item.result and item.result["holdout"]["gain_percent"],
                "ledger_hash": project.ledger.head(item.id)[0],
            }
            for item in project.runs(task)
        ]
        versions = [
            {
                "task": item.task,
                "version": item.number,
                "kind": item.kind,
                "run": item.run,
                "gain": item.gain,
                "live": item.is_live,
                "created": item.created,
            }
            for name in registry.tasks()
            if task in (None, name)
            for item in registry.versions(name)
        ]
        if task is not None and not runs and not versions:
            registry.live(task)
    return {"project": str(folder), "runs": runs, "versions": versions}


def roll_back(folder: Path, task: str, to: int | None = None) -> tuple[Version, Version]:
    """Put an earlier version back in use; return the version before and the one now.

    Raises:
        RegistryError: If the task or version is unknown, or there is nothing to go back to.
        StorageError: If there is no project, or it cannot be written.
    """
    with Project(folder, write=False) as project:
        Registry(project).live(task)
    with Project(folder, write=True) as project:
        registry = Registry(project)
        registry.repair()
        return registry.rollback(task, to)
