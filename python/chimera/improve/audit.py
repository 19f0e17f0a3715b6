"""The audit: whether everything that a project stores still agrees with its ledger.

The chains prove the events; this compares the rest with them: stored texts with their hashes, the
live table, the versions, and the result of every run. It reads one snapshot and changes nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from chimera.errors import ChimeraError, CorruptLedgerError
from chimera.improve.foreign import describe
from chimera.improve.registry import Registry, Version
from chimera.improve.store import Project, RunRecord
from chimera.ledger import REGISTRY, Event, canonical_json

__all__ = ["audit", "doubts"]

SHOWN_MAX: Final = 5
VERDICT_FACTS: Final = ("baseline", "best", "gain", "ci95", "effect_size", "gain_percent", "n")


def audit(project: Project) -> dict[str, int]:
    """Check a whole project and return the number of sound events per chain.

    Args:
        project: The open project.

    Raises:
        CorruptLedgerError: Naming the first broken event, or what disagrees with the events.
    """
    with project.database.snapshot():
        try:
            counts = project.ledger.verify()
            found = [*_objects(project), *_registry(project)]
            for record in project.runs():
                found += _run(project, record)
        except (LookupError, TypeError, ValueError) as error:
            if isinstance(error, ChimeraError):
                raise
            raise CorruptLedgerError(
                f"expected tables and events of a project, got others ({describe(error)}); nothing "
                "was changed: restore a copy of the project folder, or move it away and start "
                f"afresh ({project.folder})"
            ) from error
    if found:
        rest = f" and {len(found) - SHOWN_MAX} more" if found[SHOWN_MAX:] else ""
        raise CorruptLedgerError(
            "expected everything stored to agree with the ledger, but "
            f"{'; '.join(found[:SHOWN_MAX])}{rest}; nothing was changed: restore a copy of the "
            f"project folder, or move it away and start afresh ({project.folder})"
        )
    return counts


def doubts(folder: Path, runs: list[str]) -> list[str]:
    """Return why some runs' stored facts should not be trusted; empty when all is well.

    Args:
        folder: The project folder.
        runs: The runs to look at.
    """
    found: list[str] = []
    with Project(folder, write=False) as project, project.database.snapshot():
        for name in (*runs, REGISTRY):
            try:
                project.ledger.verify(name)
                found += (
                    _registry(project) if name == REGISTRY else _run(project, project.run(name))
                )
            except ChimeraError as error:
                found.append(str(error))
    return found


def _objects(project: Project) -> Iterator[str]:
    """Yield the stored texts that do not match their hash."""
    for row in project.database.query("SELECT hash FROM objects ORDER BY hash"):
        digest = str(row["hash"])
        data = project.database.query("SELECT data FROM objects WHERE hash = ?", (digest,))
        if hashlib.sha256(bytes(data[0]["data"])).hexdigest() != digest:
            yield f"the stored text {digest[:12]} was altered"


def _has_object(project: Project, digest: str) -> bool:
    return bool(project.database.query("SELECT 1 FROM objects WHERE hash = ?", (digest,)))


def _registry(project: Project) -> Iterator[str]:
    """Yield what the version and live tables say differently from the events."""
    registry = Registry(project)
    stored = {(item.task, item.number): item for task in registry.tasks()
              for item in registry.versions(task)}  # fmt: skip
    recorded: dict[tuple[str, int], Event] = {
        (event.outcome["task"], event.outcome["version"]): event
        for event in project.ledger.events(REGISTRY, "version.registered")
    }
    for key in sorted(stored.keys() | recorded.keys()):
        name = f"version {key[1]} of {key[0]}"
        if key not in recorded:
            yield f"{name} was never registered"
        elif key not in stored:
            yield f"{name} is missing"
        else:
            yield from _version(project, name, stored[key], recorded[key])
    rows = project.database.query("SELECT task, number FROM live")
    live, wanted = {row["task"]: row["number"] for row in rows}, project.ledger.rebuild_live()
    for task in sorted(live.keys() | wanted.keys()):
        if live.get(task) != wanted.get(task):
            yield (
                f"the live version of {task} is {live.get(task)} in the table and "
                f"{wanted.get(task)} in the events"
            )


def _version(project: Project, name: str, version: Version, event: Event) -> Iterator[str]:
    facts = {"kind": version.kind, "run": version.run, "gain": version.gain}
    yield from _differences(name, facts, event.outcome)
    if version.source_hash != event.inputs.get("source"):
        yield f"{name} has another source than its event"
    elif not _has_object(project, version.source_hash):
        yield f"the source of {name} is missing"


def _run(project: Project, record: RunRecord) -> Iterator[str]:
    """Yield what a run's row says differently from its events."""
    events = {event.kind: event for event in project.ledger.events(record.id)}
    if "run.started" not in events:
        yield f"{record.id} has no events"
        return
    started, verdict = events["run.started"], events.get("verdict")
    facts = {"task": record.task, "settings": record.settings}
    yield from _differences(record.id, facts, started.outcome)
    if record.source_hash != started.inputs.get("task"):
        yield f"{record.id} has another source than its event"
    elif not _has_object(project, record.source_hash):
        yield f"the source of {record.id} is missing"
    if record.is_finished in {verdict is None, record.result is None}:
        yield f"{record.id} is {record.status}, which its result or its events do not show"
    elif verdict is not None and record.result is not None:
        yield from _result(project, record, record.result, events)


def _result(
    project: Project, record: RunRecord, result: Mapping[str, Any], events: Mapping[str, Event]
) -> Iterator[str]:
    verdict = events["verdict"]
    name = f"the result of {record.id}"
    status = "adopted" if verdict.outcome["is_adopted"] else "not_proven"
    try:
        shown = {"status": result["status"], "reason": result["reason"]} | {
            key: result["holdout"][key] for key in VERDICT_FACTS
        }
        details = result["details"]
        measured = {
            "best": result["best"],
            "baseline": result["baseline"],
            "evaluations": result["evaluations"],
            "generations": result["generations"],
            "scores": details["best_holdout"],
            "holdout scores": details["baseline_holdout"],
            "lineage": [step["id"] for step in result["lineage"]],
            "ledger_hash": result["ledger_hash"],
            "source_hash": result["source_hash"],
            "run": result["run"],
            "task": result["task"],
            "status": record.status,
        }
        version = result["version"]
    except (KeyError, TypeError, IndexError):
        yield f"{name} lacks a part"
        return
    yield from _differences(name, shown, verdict.outcome | {"status": status})
    winner, baseline = events["winner.chosen"].outcome, events["baseline.measured"].outcome
    finished = events["search.finished"].outcome
    wanted = {
        "best": winner["score"],
        "baseline": baseline["train_mean"],
        "evaluations": finished["evaluations"],
        "generations": finished["generations"],
        "scores": verdict.outcome["scores"],
        "holdout scores": baseline["holdout"],
        "lineage": winner["lineage"],
        "ledger_hash": verdict.hash,
        "source_hash": verdict.inputs["source"],
        "run": record.id,
        "task": record.task,
        "status": status,
    }
    yield from _differences(name, measured, wanted)
    if not _has_object(project, str(result["source_hash"])):
        yield f"the source of {name} is missing"
    known = {item.number: item.source_hash for item in Registry(project).versions(record.task)}
    if (version is None) == (status == "adopted") or (
        version is not None and known.get(version) != result["source_hash"]
    ):
        yield f"{name} names version {version}, which the registry does not confirm"


def _differences(
    name: str, stored: Mapping[str, Any], recorded: Mapping[str, Any]
) -> Iterator[str]:
    for key, value in stored.items():
        if canonical_json(value) != canonical_json(recorded.get(key)):
            yield f"{name} has another {key} than its event"
