from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.improve.support import write_task

from chimera.config import Budget, Settings
from chimera.errors import ConfigError, CorruptLedgerError, RegistryError
from chimera.improve.store import Project, RunRecord, settings_from, settings_outcome
from chimera.improve.task import Task, load_task
from chimera.ledger import Chain


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return load_task(write_task(tmp_path))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path / ".chimera", write=True) as opened:
        yield opened


def begin(project: Project, task: Task) -> tuple[RunRecord, Chain]:
    record = project.create_run(task, Settings(seed=4))
    chain = Chain(record.id)
    chain.add("run.started", actor="test")
    project.begin(record, task, chain, 0.1)
    return record, chain


def test_runs_are_numbered_and_found(project: Project, task: Task) -> None:
    assert [begin(project, task)[0].id for _ in range(3)] == ["r1", "r2", "r3"]
    assert project.run(None).id == "r3"
    assert project.unfinished("line", None).id == "r3"
    assert project.unfinished("line", "r1").settings["seed"] == 4
    with pytest.raises(RegistryError, match="the latest are: r1, r2, r3"):
        project.run("r9")
    with pytest.raises(ConfigError, match="unfinished run of other"):
        project.unfinished("other", None)


def test_checkpoint_stores_everything_together(project: Project, task: Task) -> None:
    record, chain = begin(project, task)
    chain.add("search.improved", actor="test")
    points = [(1, 10, 0.5, 2.0), (2, 20, 1.0, 1.5)]
    project.checkpoint(record.id, chain, status="running", state=b"state", points=points)
    stored = project.run(record.id)
    assert (stored.checkpoint, stored.generation, stored.evaluations) == (b"state", 2, 20)
    assert project.points(record.id) == points
    assert project.ledger.head(record.id) == (chain.head, 2)


def test_failed_checkpoint_stores_nothing(project: Project, task: Task) -> None:
    record, chain = begin(project, task)
    bad = Chain(record.id)
    bad.add("search.improved", actor="test")
    with pytest.raises(Exception, match="continues r1"):
        project.checkpoint(
            record.id, bad, status="running", state=b"state", points=[(1, 1, 1.0, 1.0)]
        )
    assert project.run(record.id).checkpoint is None
    assert project.points(record.id) == []
    assert project.ledger.head(record.id) == (chain.head, 1)


def test_settings_round_trip(project: Project, task: Task) -> None:
    settings = Settings(budget=Budget(evaluations=70), seed=9, n_train=3, n_holdout=11)
    stored = project.create_run(task, settings).settings
    assert settings_from(stored, 0) == settings
    assert settings_outcome(settings_from(stored, 7)) == settings_outcome(settings)


def test_writer_refuses_a_broken_ledger(tmp_path: Path, task: Task) -> None:
    with Project(tmp_path / "p", write=True) as project:
        begin(project, task)
        project.database.connection.executescript(
            "DROP TRIGGER events_fixed; UPDATE events SET kind = 'other'"
        )
    with pytest.raises(CorruptLedgerError, match="event 0 of r1"):
        Project(tmp_path / "p", write=True)
    Project(tmp_path / "p", write=False).close()
