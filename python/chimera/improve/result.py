"""What a run tells: its progress, generation by generation, and its final result."""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

__all__ = ["Holdout", "Improvement", "LineageStep", "Progress"]

Phase = Literal["prepare", "search", "verdict", "done", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One sign of life of a run.

    Attributes:
        run: The run's id.
        phase: What it is doing.
        generation: Generations so far.
        evaluations: Objective calls on one instance each, so far.
        seconds: Wall-clock seconds so far, all sessions of the run together.
        fraction: Share of the budget that is spent, ``0 .. 1``.
        baseline: Mean training score of the original.
        best: Mean training score of the best program.
        gain_percent: Gain over the baseline in percent; None when the baseline is zero.
        operator: The variation that made the best program.
        n_traps: Candidates that trapped in this generation.
        is_improved: Whether this generation found a new best.
    """

    run: str
    phase: Phase
    generation: int = 0
    evaluations: int = 0
    seconds: float = 0.0
    fraction: float = 0.0
    baseline: float = math.nan
    best: float = math.nan
    gain_percent: float | None = None
    operator: str = ""
    n_traps: int = 0
    is_improved: bool = False


@dataclass(frozen=True, slots=True)
class Holdout:
    """Paired comparison on unseen instances; every field as in `verdict.Verdict`."""

    baseline: float
    best: float
    gain: float
    ci95: tuple[float, float]
    gain_percent: float | None
    effect_size: float | None
    n: int


@dataclass(frozen=True, slots=True)
class LineageStep:
    """One ancestor of the winner.

    Attributes:
        id: The program's sha256 (hex).
        score: Its mean training score.
        gain: Gain over the step before it, in score units; positive is better.
        operator: The variation that made it.
        generation: When.
        parents: The programs it came from.
        source: Its evolvable functions.
    """

    id: str
    score: float
    gain: float
    operator: str
    generation: int
    parents: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """Result of a finished run.

    Attributes:
        run: The run's id in its project.
        task: The task's name.
        status: ``"adopted"``, or ``"not_proven"`` when the original stays.
        reason: Why, in one sentence.
        baseline: Mean training score of the original.
        best: Mean training score of the winner.
        holdout: The paired comparison that decided.
        direction: ``"minimize"`` or ``"maximize"``.
        original: The task file's text.
        module_source: The task file with the winner's functions in it.
        source: The winner's evolvable functions alone.
        version: Its number in the registry, or None.
        is_live: Whether that version is in use.
        evaluations: Objective calls on one training instance each.
        generations: Generations run.
        seconds: Wall-clock seconds.
        seed: The run's seed.
        threads: Worker threads asked for; 0 means all cores.
        ledger_hash: Hash of the run's last event.
        lineage: From the original to the winner.
        details: Scores per instance, operators, environment, settings; for reports.
        project: The project folder.
    """

    run: str
    task: str
    status: str
    reason: str
    baseline: float
    best: float
    holdout: Holdout
    direction: str
    original: str
    module_source: str
    source: str
    version: int | None
    is_live: bool
    evaluations: int
    generations: int
    seconds: float
    seed: int
    threads: int
    ledger_hash: str
    lineage: tuple[LineageStep, ...]
    project: Path
    details: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def is_adopted(self) -> bool:
        """Whether the gain is proven and the winner registered."""
        return self.status == "adopted"

    def to_dict(self) -> dict[str, Any]:
        """Return the public facts as JSON types; numbers that are not finite become None."""
        holdout = self.holdout
        return {
            "run": self.run,
            "task": self.task,
            "status": self.status,
            "verdict": self.reason,
            "baseline": _number(self.baseline),
            "best": _number(self.best),
            "direction": self.direction,
            "holdout": {
                "baseline": _number(holdout.baseline),
                "best": _number(holdout.best),
                "gain": _number(holdout.gain),
                "ci95": [_number(end) for end in holdout.ci95],
                "gain_percent": holdout.gain_percent,
                "effect_size": holdout.effect_size,
                "n": holdout.n,
            },
            "source": self.source,
            "version": self.version,
            "live": self.is_live,
            "evaluations": self.evaluations,
            "generations": self.generations,
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "threads": self.threads,
            "ledger_hash": self.ledger_hash,
            "project": str(self.project),
        }

    def load(self) -> ModuleType:
        """Return the improved task as an executed module."""
        from chimera.improve.task import execute_source

        return execute_source(self.module_source, Path(self.details["path"]))

    def write_source(self, path: str | Path) -> Path:
        """Write the improved task file.

        Raises:
            StorageError: If the file cannot be written.
        """
        return write_text(Path(path), self.module_source)

    def write_report(self, path: str | Path) -> Path:
        """Write the report as one HTML file.

        Raises:
            StorageError: If the file cannot be written.
        """
        from chimera.improve.report import render

        return write_text(Path(path), render(self))


def check_writable(path: Path) -> None:
    """Check that `write_text` could write a file there, without writing it.

    Raises:
        StorageError: If it could not.
    """
    import tempfile

    from chimera.errors import StorageError

    target = path.expanduser().absolute()
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, "a folder of this name")
        tempfile.TemporaryFile(dir=target.parent).close()
    except OSError as error:
        raise StorageError(
            f"expected to write a file, got {error.strerror}; choose another place ({target})"
        ) from error


def write_text(path: Path, text: str) -> Path:
    """Write a text file as a whole or not at all, and return its path."""
    import os
    import tempfile

    from chimera.errors import StorageError

    target = path.expanduser().absolute()
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(
            f"expected to write a file, got {error.strerror}; choose another place ({target})"
        ) from error
    return target


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def improvement_from(
    stored: dict[str, Any], *, original: str, module_source: str, project: Path
) -> Improvement:
    """Return the result that a finished run stored.

    Args:
        stored: The run's ``result`` value.
        original: The task file's text.
        module_source: The improved text.
        project: The project folder.
    """
    facts = dict(stored)
    facts.pop("source_hash")
    holdout = facts.pop("holdout")
    lineage = facts.pop("lineage")
    return Improvement(
        **facts,
        holdout=Holdout(**(holdout | {"ci95": tuple(holdout["ci95"])})),
        lineage=tuple(
            LineageStep(**(step | {"parents": tuple(step["parents"])})) for step in lineage
        ),
        original=original,
        module_source=module_source,
        project=project,
    )
