import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.improve.support import task_text, write_task

import chimera
from chimera.errors import RegistryError, StorageError, TaskError
from chimera.improve.registry import Registry
from chimera.improve.store import Project
from chimera.improve.task import Task, load_task


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return load_task(write_task(tmp_path))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project(tmp_path / ".chimera", write=True) as opened:
        yield opened


def adopt(project: Project, task: Task, factor: int) -> int:
    registry = Registry(project)
    text = task.source.replace("return x\n", f"return x * {factor}.0\n")
    with project.database.transaction() as connection:
        registry.add_original(connection, task)
        number = registry.add_evolved(connection, task, text, f"r{factor}", 0.5)
        registry.set_live(connection, task.name, number, actor="test", reason="adopted")
    return number


def test_versions_are_numbered_from_the_original(project: Project, task: Task) -> None:
    assert [adopt(project, task, factor) for factor in (2, 3)] == [1, 2]
    versions = Registry(project).versions("line")
    assert [item.kind for item in versions] == ["original", "evolved", "evolved"]
    assert [item.is_live for item in versions] == [False, False, True]
    assert Registry(project).module("line").guess(2.0, 0.0) == 6.0


def test_known_text_keeps_its_number(project: Project, task: Task) -> None:
    assert adopt(project, task, 2) == adopt(project, task, 2) == 1


def test_edited_original_becomes_a_version(project: Project, task: Task) -> None:
    adopt(project, task, 2)
    adopt(project, load_task(task.path, task.source + "\n# edited\n"), 3)
    kinds = [item.kind for item in Registry(project).versions("line")]
    assert kinds == ["original", "evolved", "original", "evolved"]


def test_rollback_walks_back_and_is_an_event(project: Project, task: Task) -> None:
    for factor in (2, 3):
        adopt(project, task, factor)
    registry = Registry(project)
    assert [item.number for item in registry.rollback("line")] == [2, 1]
    assert [item.number for item in registry.rollback("line")] == [1, 0]
    with pytest.raises(RegistryError, match="nothing to roll back"):
        registry.rollback("line")
    events = project.ledger.events("registry", "live.changed")
    assert [event.actor for event in events[-2:]] == ["user", "user"]
    assert project.ledger.verify()["registry"] == len(project.ledger.events("registry"))


def test_rollback_to_a_named_version(project: Project, task: Task) -> None:
    for factor in (2, 3):
        adopt(project, task, factor)
    registry = Registry(project)
    registry.rollback("line", 0)
    assert registry.live("line").number == 0
    registry.rollback("line", 2)
    assert registry.live("line").number == 2
    for number in (2, 9, -1):
        with pytest.raises(RegistryError, match="choose one of"):
            registry.rollback("line", number)


def test_unknown_task_is_refused(project: Project) -> None:
    with pytest.raises(RegistryError, match="known tasks: none yet"):
        Registry(project).live("nothing")


def test_live_pointer_is_rebuilt_from_events(project: Project, task: Task) -> None:
    adopt(project, task, 2)
    project.database.connection.execute("UPDATE live SET number = 0")
    assert Registry(project).repair()
    assert Registry(project).live("line").number == 1
    assert not Registry(project).repair()


def test_public_names_load_the_live_version(tmp_path: Path, project: Project, task: Task) -> None:
    assert chimera.load(task.path).guess(2.0, 0.0) == 2.0
    adopt(project, task, 5)
    assert chimera.load(task.path).guess(2.0, 0.0) == 10.0
    assert chimera.live("line", project=tmp_path / ".chimera").guess(1.0, 0.0) == 5.0
    with pytest.raises(StorageError):
        chimera.live("line", project=tmp_path / "elsewhere")


def test_a_name_belongs_to_one_file(tmp_path: Path, project: Project, task: Task) -> None:
    adopt(project, task, 5)
    other = tmp_path / "other"
    other.mkdir()
    namesake = write_task(other)
    with pytest.raises(TaskError, match=f"'line' belongs to {task.path}.*rename the file or use"):
        chimera.load(namesake, project=project.folder)
    project.check_name("line", tmp_path / "other" / ".." / "line.py")
    task.path.unlink()
    assert chimera.load(namesake, project=project.folder).guess(2.0, 0.0) == 10.0


def test_a_moved_task_is_loaded_with_its_new_neighbours(tmp_path: Path, project: Project) -> None:
    (tmp_path / "old").mkdir()
    text = task_text().replace("import chimera\n", "import chimera\nimport moved_neighbour\n")
    (tmp_path / "old" / "moved_neighbour.py").write_text("")
    task = load_task(write_task(tmp_path / "old", text))
    adopt(project, task, 5)
    sys.modules.pop("moved_neighbour")
    (tmp_path / "old").rename(tmp_path / "new")
    module = chimera.load(tmp_path / "new" / "line.py", project=project.folder)
    assert module.guess(2.0, 0.0) == 10.0
