"""Replay: run a finished run again, from its recorded source, and compare the two chains.

Nothing is written. The number of generations comes from the record, so a run that was limited by
time is repeated exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chimera.errors import ConfigError, ReplayError
from chimera.improve import native
from chimera.improve.conclusion import conclude
from chimera.improve.preparation import prepare
from chimera.improve.run import finish_search, note_step
from chimera.improve.store import Project, settings_from
from chimera.improve.task import load_task
from chimera.ledger import Chain

__all__ = ["Replay", "replay"]


@dataclass(frozen=True, slots=True)
class Replay:
    """Outcome of a replay.

    Attributes:
        run: The run's id.
        recorded: The recorded hash of its last event.
        replayed: The hash of the last event that was repeated.
        n_events: How many events were repeated.
        is_equal: Whether the two chains are the same.
        reason: Where they part, empty when they do not.
    """

    run: str
    recorded: str
    replayed: str
    n_events: int
    is_equal: bool
    reason: str


def replay_steps(folder: Path, run: str, *, threads: int = 0) -> Iterator[tuple[int, int] | Replay]:
    """Replay a run; yield ``(generation, generations)`` as it goes and the outcome at the end.

    Args:
        folder: The project folder.
        run: The run's id.
        threads: Worker threads, 0 for all cores.

    Raises:
        ConfigError: If the run has not finished.
        CorruptLedgerError: If the recorded chain itself does not hold.
    """
    with Project(folder, write=False) as project:
        record = project.run(run)
        project.ledger.verify(run)
        events = project.ledger.events(run)
        source = project.source(record.source_hash)
    finished = [event for event in events if event.kind == "search.finished"]
    if not record.is_finished or not finished:
        raise ConfigError(
            f"expected a finished run to replay, got {run}, which is {record.status}; finish it "
            "with --resume first"
        )
    n_generations = int(finished[0].outcome["generations"])
    chain = Chain(run, events)
    reason = ""
    try:
        task = load_task(record.path, source)
        prepared = prepare(task, settings_from(record.settings, threads), chain)
        search = native.make_search(
            prepared.program,
            task.objective,
            prepared.train_native,
            seed=prepared.settings.seed,
            direction=task.direction,
            probes=prepared.probes,
        )
        while search.generation < n_generations:
            note_step(search.step(prepared.engine), chain)
            yield int(search.generation), n_generations
        finish_search(search, chain)
        conclude(prepared, search, chain)
    except ReplayError as error:
        reason = str(error)
    recorded = events[-1].hash
    yield Replay(
        run=run,
        recorded=recorded,
        replayed=chain.head,
        n_events=chain.length,
        is_equal=not reason and chain.head == recorded,
        reason=reason,
    )


def replay(folder: Path, run: str, *, threads: int = 0) -> Replay:
    """Replay a run and return the outcome; see `replay_steps`."""
    *_, outcome = replay_steps(folder, run, threads=threads)
    if not isinstance(outcome, Replay):
        raise ReplayError(f"expected an outcome of replaying {run}, got none")
    return outcome
