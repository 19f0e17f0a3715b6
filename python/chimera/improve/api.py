"""The Python face of improvement: one call, or an iterator of steps."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from types import ModuleType

from chimera.config import Budget, Settings, environment_int, resolve_project
from chimera.errors import ConfigError, RegistryError, StateError
from chimera.improve.registry import live_module
from chimera.improve.result import Improvement, Progress
from chimera.improve.run import Run
from chimera.improve.task import load_task, path_of
from chimera.storage import DATABASE_NAME

__all__ = ["improve", "live", "load", "steps"]


def improve(
    task: str | Path,
    *,
    budget: str | float | None = None,
    evaluations: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    train: int = 128,
    holdout: int = 64,
    callback: Callable[[Progress], object] | None = None,
    project: str | Path | None = None,
    resume: bool | str = False,
) -> Improvement:
    """Improve the marked functions of a task file and prove the gain on unseen instances.

    Args:
        task: The task file.
        budget: Wall-clock limit such as ``"60s"`` or seconds; ``"60s"`` when neither limit is set.
        evaluations: Limit on objective calls on one instance each, instead of time.
        seed: Equal seed and evaluations give an equal result, bit for bit.
        threads: Worker threads, 0 for all cores; default ``CHIMERA_THREADS`` or all.
        train: Training instances.
        holdout: Unseen instances, at least 8.
        callback: Called with every `Progress`.
        project: The project folder, by default ``.chimera`` beside the task file.
        resume: True continues the task's last unfinished run, a run id that one.

    Returns:
        The result; its ``is_adopted`` says whether the gain is proven.

    Raises:
        ChimeraError: If the task, a setting or the project folder is unusable.

    Example:
        >>> result = chimera.improve("bin_packing.py", evaluations=5_000)  # doctest: +SKIP
    """
    if callback is not None and not callable(callback):
        raise ConfigError(f"expected a callable callback or None, got {callback!r}")
    run = steps(
        task,
        budget=budget,
        evaluations=evaluations,
        seed=seed,
        threads=threads,
        train=train,
        holdout=holdout,
        project=project,
        resume=resume,
    )
    with closing(iter(run)) as progress:  # type: ignore[type-var]
        for item in progress:
            if callback is not None:
                callback(item)
    if run.result is None:
        raise StateError(f"expected {run.id} to finish, but it was stopped; continue with resume")
    return run.result


def steps(
    task: str | Path,
    *,
    budget: str | float | None = None,
    evaluations: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    train: int = 128,
    holdout: int = 64,
    project: str | Path | None = None,
    resume: bool | str = False,
) -> Run:
    """Return a run to iterate over; arguments as for `improve`.

    Each item is a `Progress`; after the last one ``run.result`` holds the `Improvement`.
    """
    settings = Settings(
        budget=Budget.of(budget, evaluations),
        seed=seed,
        threads=environment_int("threads", 0) if threads is None else threads,
        n_train=train,
        n_holdout=holdout,
    )
    if not isinstance(resume, bool | str):
        raise ConfigError(f"expected resume to be a bool or a run such as 'r3', got {resume!r}")
    file = path_of(task)
    return Run(file, settings, project=resolve_project(project, file), resume=resume)


def live(task: str, *, project: str | Path | None = None) -> ModuleType:
    """Return the live version of a registered task as a module.

    Args:
        task: The task's name: the stem of its file.
        project: The project folder, by default ``CHIMERA_PROJECT`` or ``./.chimera``.

    Raises:
        RegistryError: If the task is not registered.
        StorageError: If there is no project.

    Example:
        >>> chimera.live("bin_packing").priority(3, 10, 100)  # doctest: +SKIP
    """
    return live_module(task, resolve_project(project))


def load(path: str | Path, *, project: str | Path | None = None) -> ModuleType:
    """Return the live version of a task file, or the file itself before its first improvement.

    Args:
        path: The task file.
        project: The project folder, by default ``.chimera`` beside the file.

    Raises:
        TaskError: If another file of the project has the same name, or the file is no task.
    """
    file = path_of(path)
    folder = resolve_project(project, file)
    if (folder / DATABASE_NAME).exists():
        with suppress(RegistryError):
            return live_module(file.stem, folder, file)
    return load_task(file).module
