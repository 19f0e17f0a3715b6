"""One run from task to verdict, as an iterator of `Progress` (contract C2).

The course of a run depends on the task file and the settings only; threads, interruptions and
time of day do not enter (contract C3). A run that is limited by time stops at a generation
boundary, and that generation's number is on record, so it can be replayed exactly.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from chimera.config import Settings
from chimera.errors import TaskError
from chimera.improve import native
from chimera.improve.conclusion import Conclusion, conclude
from chimera.improve.preparation import ACTOR, Prepared, prepare
from chimera.improve.registry import Registry
from chimera.improve.result import Improvement, Phase, Progress, improvement_from
from chimera.improve.store import Point, Project, RunRecord, settings_from
from chimera.improve.task import Task, load_task, same_helpers
from chimera.improve.verdict import judge, mean
from chimera.ledger import Chain

__all__ = ["STALLED_GENERATIONS_MAX", "Run"]

STALLED_GENERATIONS_MAX: Final = 1_000
"""Generations in a row without one evaluation after which a search counts as exhausted."""
STALL_BYTES: Final = 8

logger = logging.getLogger("chimera.improve")


class Run:
    """An improvement run; iterate over it to make it go, then read `result`.

    Args:
        path: The task file.
        settings: The run's settings; a resumed run keeps those it began with, but for threads.
        project: The project folder.
        resume: True continues the task's last unfinished run, a run id that one.

    Example:
        >>> for progress in chimera.improve.steps("task.py", evaluations=2_000):  # doctest: +SKIP
        ...     print(progress.generation, progress.best)
    """

    def __init__(
        self, path: str | Path, settings: Settings, *, project: Path, resume: bool | str = False
    ) -> None:
        self.task: Task = load_task(path)
        self.settings = settings
        self.id = ""
        self.is_interrupted = False
        self.folder = project
        self._resume = resume
        self._result: Improvement | None = None
        self._stop = False
        self._started = time.perf_counter()
        self._seconds_before = 0.0
        self._operator = "original"
        self._points: list[Point] = []
        self._stalled = 0
        self._baseline = math.nan

    @property
    def result(self) -> Improvement | None:
        """The result, once the run has finished."""
        return self._result

    def request_stop(self) -> None:
        """Ask the run to save and stop at the next generation boundary."""
        self._stop = True

    @property
    def seconds(self) -> float:
        """Wall-clock seconds so far, all sessions together."""
        return self._seconds_before + time.perf_counter() - self._started

    def __iter__(self) -> Iterator[Progress]:
        """Make the run go; each item is one generation or a change of phase.

        Raises:
            ChimeraError: As `prepare` and `Project` do; what was stored stays.
        """
        with Project(self.folder, write=True) as project:
            Registry(project).repair()
            record, chain = self._open(project)
            self.id = record.id
            yield self._progress("prepare", None, None)
            prepared = prepare(self.task, self.settings, chain)
            self._baseline = prepared.baseline
            if not self._resume:
                project.begin(record, self.task, chain, self.seconds)
            search = self._search(prepared, record)
            # The search scores candidates on its first instances: compare on the same ones.
            self._baseline = mean(prepared.train_scores[: search.n_selection])
            chain.skip_recorded()
            yield from self._search_on(project, prepared, search, chain)
            if self.is_interrupted:
                return
            yield self._progress("verdict", prepared, search)
            self._close(project, prepared, search, chain, record)
            yield self._progress("done", prepared, search)

    def _open(self, project: Project) -> tuple[RunRecord, Chain]:
        project.check_name(self.task.name, self.task.path)
        if not self._resume:
            record = project.create_run(self.task, self.settings)
            return record, Chain(record.id)
        wanted = self._resume if isinstance(self._resume, str) else None
        record = project.unfinished(self.task.name, wanted)
        if record.source_hash != self.task.source_hash:
            raise TaskError(
                f"expected the task file that {record.id} began with, but it has changed since; "
                f"restore it, or start a new run without --resume ({self.task.path})"
            )
        self.settings = settings_from(record.settings, self.settings.threads)
        self._seconds_before = record.seconds
        return record, Chain(record.id, project.ledger.events(record.id))

    def _search(self, prepared: Prepared, record: RunRecord) -> native.Search:
        task = prepared.task
        if record.checkpoint:
            logger.info("run %s continues at generation %d", record.id, record.generation)
            self._stalled = int.from_bytes(record.checkpoint[:STALL_BYTES], "little")
            return native.load_search(
                record.checkpoint[STALL_BYTES:],
                prepared.program,
                task.objective,
                prepared.train_native,
            )
        return native.make_search(
            prepared.program,
            task.objective,
            prepared.train_native,
            seed=self.settings.seed,
            direction=task.direction,
            probes=prepared.probes,
        )

    def _search_on(
        self, project: Project, prepared: Prepared, search: native.Search, chain: Chain
    ) -> Iterator[Progress]:
        """Step until the budget is spent, with a checkpoint about every second."""
        saved_at = time.perf_counter()
        step_s = 0.0
        is_spent = chain.last_kind == "search.finished"
        while not is_spent and not self._stop:
            before, n_before = time.perf_counter(), search.n_evaluations
            step = search.step(prepared.engine)
            now = time.perf_counter()
            self._stalled = 0 if step.n_evaluations > n_before else self._stalled + 1
            step_s = max(now - before, 0.7 * step_s)
            self._note(step, chain)
            is_spent = self._is_spent(search, prepared, step_s)
            if is_spent:
                finish_search(search, chain)
            is_due = now - saved_at >= self.settings.checkpoint_s
            if is_due or is_spent:
                self._save(project, search, chain)
                saved_at = now
            yield self._progress("search", prepared, search, step)
        if not is_spent:
            self.is_interrupted = True
            self._save(project, search, chain, is_interrupted=True)
            yield self._progress("interrupted", prepared, search)

    def _note(self, step: native.Step, chain: Chain) -> None:
        note_step(step, chain)
        if step.improvements:
            self._operator = step.improvements[-1].operator
            self._points.append(self._point(step.generation, step.n_evaluations, step.best_score))

    def _point(self, generation: int, evaluations: int, best: float) -> Point:
        return (int(generation), int(evaluations), self.seconds, self._score(best))

    def _score(self, best: float) -> float:
        """Return a best score, or the original's while the search has none yet."""
        return float(best) if math.isfinite(best) else self._baseline

    def _is_spent(self, search: native.Search, prepared: Prepared, step_s: float) -> bool:
        budget = self.settings.budget
        if self._stalled >= STALLED_GENERATIONS_MAX:
            return True
        if budget.seconds is None:
            return search.n_evaluations >= (budget.evaluations or 0)
        limit = budget.seconds
        reserve = min(prepared.conclusion_s, 0.5 * limit)
        return self.seconds + step_s + reserve >= limit

    def _save(
        self, project: Project, search: native.Search, chain: Chain, *, is_interrupted: bool = False
    ) -> None:
        self._points.append(self._point(search.generation, search.n_evaluations, search.best.score))
        # Before the first generation there is nothing to keep: resuming starts the search anew.
        state = self._stalled.to_bytes(STALL_BYTES, "little") + search.save()
        if not search.generation:
            state = b""
        project.checkpoint(
            self.id,
            chain,
            status="interrupted" if is_interrupted else "running",
            state=state,
            points=self._points,
        )
        self._points = []

    def _close(
        self,
        project: Project,
        prepared: Prepared,
        search: native.Search,
        chain: Chain,
        record: RunRecord,
    ) -> None:
        """Judge, register and store, all in one transaction."""
        conclusion = conclude(prepared, search, chain)
        registry = Registry(project)
        beats_live = conclusion.verdict.is_adopted and self._beats_live(
            registry, prepared, conclusion
        )
        version: int | None = None
        is_live = False
        with project.database.transaction() as connection:
            project.ledger.append(chain.drain())
            registry.add_original(connection, self.task)
            project.database.put_object(conclusion.module_source.encode())
            if conclusion.verdict.is_adopted:
                version = registry.add_evolved(
                    connection, self.task, conclusion.module_source, self.id,
                    conclusion.verdict.gain,
                )  # fmt: skip
            if version is not None:
                is_live = registry.version(self.task.name, version).is_live
            if beats_live and version is not None and not is_live:
                is_live = True
                registry.set_live(
                    connection, self.task.name, version, actor=ACTOR, reason="adopted"
                )
            facts = self._facts(prepared, search, conclusion, chain, record)
            facts |= {"version": version, "is_live": is_live}
            project.finish(connection, self.id, facts)
        self._result = improvement_from(
            facts,
            original=self.task.source,
            module_source=conclusion.module_source,
            project=self.folder,
        )
        self._result.details["points"] = project.points(self.id)
        self._result.details["started"] = record.started
        self._result.details["n_events"] = chain.length

    def _beats_live(self, registry: Registry, prepared: Prepared, conclusion: Conclusion) -> bool:
        """Whether the winner also beats the live version, by the same rule and instances.

        A version of another objective cannot be compared: then the winner, which is proven on the
        task as it is now, takes its place.
        """
        versions = [item for item in registry.versions(self.task.name) if item.is_live]
        if not versions or versions[0].kind == "original":
            return True
        try:
            text = registry.source(versions[0])
            if not same_helpers(text, self.task.source, self.task.evolvable):
                return True
            program = native.parse(
                text,
                file=str(self.task.path),
                roots=[self.task.objective],
                evolvable=self.task.evolvable,
            )
            instances = native.make_instances(
                program, self.task.objective, prepared.holdout.arguments
            )
            result = prepared.engine.evaluate([program], self.task.objective, instances)
        except ValueError:
            return True
        scores = [float(score) for score in result.scores]
        if not all(map(math.isfinite, scores)):
            return True
        return judge(scores, conclusion.holdout_scores, sign=self.task.sign).is_adopted

    def _facts(
        self,
        prepared: Prepared,
        search: native.Search,
        conclusion: Conclusion,
        chain: Chain,
        record: RunRecord,
    ) -> dict[str, Any]:
        verdict = conclusion.verdict
        holdout = asdict(verdict)
        for name in ("is_adopted", "reason"):
            del holdout[name]
        return {
            "run": self.id,
            "task": self.task.name,
            "status": "adopted" if verdict.is_adopted else "not_proven",
            "reason": verdict.reason,
            "baseline": prepared.baseline,
            "best": conclusion.score,
            "holdout": holdout,
            "direction": self.task.direction,
            "source": conclusion.source,
            "source_hash": conclusion.source_hash,
            "evaluations": int(search.n_evaluations),
            "generations": int(search.generation),
            "seconds": self.seconds,
            "seed": self.settings.seed,
            "threads": self.settings.threads,
            "ledger_hash": chain.head,
            "lineage": conclusion.lineage,
            "details": {
                "path": str(self.task.path),
                "baseline_holdout": prepared.holdout_scores,
                "best_holdout": conclusion.holdout_scores,
                "operators": conclusion.operators,
                "environment": record.environment,
                "settings": record.settings,
            },
        }

    def _progress(
        self,
        phase: Phase,
        prepared: Prepared | None,
        search: native.Search | None,
        step: native.Step | None = None,
    ) -> Progress:
        if prepared is None or search is None:
            return Progress(run=self.id, phase=phase, seconds=self.seconds)
        baseline, best = self._baseline, self._score(search.best.score)
        gain = prepared.task.sign * (best - baseline) + 0.0
        return Progress(
            run=self.id,
            phase=phase,
            generation=int(search.generation),
            evaluations=int(search.n_evaluations),
            seconds=self.seconds,
            fraction=self._fraction(search),
            baseline=baseline,
            best=best,
            gain_percent=100.0 * gain / abs(baseline) if baseline else None,
            operator=self._operator,
            n_traps=0 if step is None else int(step.n_traps),
            is_improved=bool(step is not None and step.improvements),
        )

    def _fraction(self, search: native.Search) -> float:
        budget = self.settings.budget
        if budget.seconds is None:
            return min(search.n_evaluations / (budget.evaluations or 1), 1.0)
        return min(self.seconds / budget.seconds, 1.0)


def note_step(step: native.Step, chain: Chain) -> None:
    """Write the new bests of one generation to a chain."""
    for item in step.improvements:
        chain.add(
            "search.improved",
            actor=ACTOR,
            inputs={"candidate": item.id},
            outcome={
                "score": float(item.score),
                "n_instances": int(item.n_instances),
                "operator": item.operator,
                "parents": list(item.parents),
                "generation": int(step.generation),
                "evaluations": int(step.n_evaluations),
            },
        )


def finish_search(search: native.Search, chain: Chain) -> None:
    """Write the end of a search, with the hash of its whole state, to a chain."""
    chain.add(
        "search.finished",
        actor=ACTOR,
        inputs={"state": search.digest()},
        outcome={
            "generations": int(search.generation),
            "evaluations": int(search.n_evaluations),
            "best": search.best.id,
        },
    )
