"""Before the search: parse, draw, measure the original, and check it against CPython.

Everything that can be wrong with a task shows here, before any budget is spent and before the
run is stored. The facts go to the run's chain, the rule of the verdict among them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from chimera.config import Settings
from chimera.errors import ObjectiveError, VerificationError
from chimera.improve import native
from chimera.improve.instances import InstanceSet, check_unseen, derive_seeds, draw
from chimera.improve.recording import is_same_float, record
from chimera.improve.store import settings_outcome
from chimera.improve.task import Task
from chimera.improve.verdict import RULE, deviation, mean
from chimera.ledger import Chain

__all__ = ["ACTOR", "Prepared", "prepare"]

ACTOR = "chimera.improve"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task that is ready to be searched.

    Attributes:
        task: The task.
        settings: The run's settings.
        program: The parsed original.
        engine: The sandbox.
        train: Training instances as Python objects.
        holdout: Unseen instances as Python objects.
        train_native: Training instances, encoded.
        holdout_native: Unseen instances, encoded.
        train_scores: ``(n_train,)`` scores of the original.
        holdout_scores: ``(n_holdout,)`` scores of the original.
        probes: Recorded arguments per evolvable function.
        conclusion_s: Estimated seconds that the verdict will take.
    """

    task: Task
    settings: Settings
    program: native.Program
    engine: native.Engine
    train: InstanceSet
    holdout: InstanceSet
    train_native: native.Instances
    holdout_native: native.Instances
    train_scores: list[float]
    holdout_scores: list[float]
    probes: dict[str, list[tuple[Any, ...]]]
    conclusion_s: float

    @property
    def baseline(self) -> float:
        """Mean training score of the original."""
        return mean(self.train_scores)


def prepare(task: Task, settings: Settings, chain: Chain) -> Prepared:
    """Make a task ready and write the first events of its run.

    Args:
        task: The loaded task.
        settings: The run's settings.
        chain: The run's chain.

    Raises:
        ArgumentError: If an instance does not fit the objective's types.
        ObjectiveError: If the original has no finite score on every instance.
        SourceError: If the task is outside the compiled subset.
        VerificationError: If the sandbox and CPython disagree about the original.
        WorkloadError: If a workload fails.
    """
    program = native.parse(
        task.source, file=str(task.path), roots=[task.objective], evolvable=task.evolvable
    )
    with task.importable():
        train, holdout = _draw(task, settings)
    check_unseen(train, holdout)
    engine = native.make_engine(threads=settings.threads)
    train_native = native.make_instances(program, task.objective, train.arguments)
    holdout_native = native.make_instances(program, task.objective, holdout.arguments)
    started = time.perf_counter()
    train_scores = _baseline(engine, program, task, train_native, train, "training")
    holdout_scores = _baseline(engine, program, task, holdout_native, holdout, "hold-out")
    sandbox_s = time.perf_counter() - started
    started = time.perf_counter()
    recording = record(
        task,
        train.copy_of(0),
        n_probes=settings.n_probes,
        seed=settings.seed,
        timeout_s=settings.python_timeout_s,
    )
    python_s = time.perf_counter() - started
    _check_baseline(task, recording.score, train_scores[0])
    _write_events(chain, task, settings, train, holdout, train_scores, holdout_scores)
    return Prepared(
        task=task,
        settings=settings,
        program=program,
        engine=engine,
        train=train,
        holdout=holdout,
        train_native=train_native,
        holdout_native=holdout_native,
        train_scores=train_scores,
        holdout_scores=holdout_scores,
        probes=recording.probes,
        conclusion_s=3.0 * sandbox_s + 1.5 * settings.n_checks * python_s + 0.2,
    )


def _draw(task: Task, settings: Settings) -> tuple[InstanceSet, InstanceSet]:
    limit = settings.workload_timeout_s
    train_seeds = derive_seeds(settings.seed, "train", settings.n_train)
    holdout_seeds = derive_seeds(settings.seed, "holdout", settings.n_holdout)
    return (
        draw(task.train, task.parameters, train_seeds, timeout_s=limit),
        draw(task.holdout, task.parameters, holdout_seeds, timeout_s=limit),
    )


def _baseline(  # noqa: PLR0917
    engine: native.Engine,
    program: native.Program,
    task: Task,
    instances: native.Instances,
    drawn: InstanceSet,
    stream: str,
) -> list[float]:
    result = engine.evaluate([program], task.objective, instances)
    scores = [float(score) for score in result.scores]
    for idx, (score, reason) in enumerate(zip(scores, result.reasons, strict=True)):
        if math.isfinite(score):
            continue
        found = reason or f"{score!r}"
        if result.status[idx] == 0:
            found = f"the score {score!r}"
        raise ObjectiveError(
            f"expected {task.objective} to return a finite score for the unmodified program, got "
            f"{found} on {stream} instance {idx} (seed {drawn.seeds[idx]}); correct the task so "
            f"that the original scores every instance ({task.path})"
        )
    return scores


def _check_baseline(task: Task, python: float, sandbox: float) -> None:
    if not is_same_float(python, sandbox):
        raise VerificationError(
            f"expected the sandbox to return what CPython returns, got {sandbox!r} instead of "
            f"{python!r} on the first training instance of {task.name}; make {task.objective} a "
            "function of its arguments alone, and if it is one, please report this as a bug"
        )


def _write_events(  # noqa: PLR0917
    chain: Chain,
    task: Task,
    settings: Settings,
    train: InstanceSet,
    holdout: InstanceSet,
    train_scores: list[float],
    holdout_scores: list[float],
) -> None:
    chain.add(
        "run.started",
        actor=ACTOR,
        inputs={"task": task.source_hash},
        outcome={
            "task": task.name,
            "objective": task.objective,
            "direction": task.direction,
            "evolvable": list(task.evolvable),
            "settings": settings_outcome(settings),
        },
    )
    chain.add(
        "baseline.measured",
        actor=ACTOR,
        inputs={"train": train.digest, "holdout": holdout.digest},
        outcome={
            "train": train_scores,
            "train_mean": mean(train_scores),
            "train_deviation": deviation(train_scores),
            "holdout": holdout_scores,
            "is_equal_under_cpython": True,
        },
    )
    chain.add("plan.fixed", actor=ACTOR, outcome={"budget": str(settings.budget), "rule": RULE})
