"""Make the winner readable: parts that earn nothing go, numbers lose needless digits.

Ablation on training instances only; the unseen instances judge what is left. What the parts cost
is measured against the gain of the search, so that a program without gain is left alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chimera.improve import native
from chimera.improve.preparation import Prepared

__all__ = ["TIDYING_EVALUATIONS_MAX", "Tidied", "tidy"]

TIDYING_EVALUATIONS_MAX = 4_096
"""Objective calls spent on ablation at most."""
LOSS_MAX = 0.005
"""Share of the training gain that readability may cost."""
N_INSTANCES = 16
"""Training instances that judge an ablation."""
N_DRAFTS = 64
"""Ablations tried in one round, smallest programs first."""
DIGITS = (2, 3, 4, 6)
"""Significant digits tried for the numbers, fewest first."""


@dataclass(frozen=True, slots=True)
class Tidied:
    """The winner as it is judged.

    Attributes:
        program: The readable program.
        score: Its mean over all training instances.
        before: The search's winner: its mean over the same instances.
        size_before: Nodes of the search's winner.
        n_evaluations: Objective calls spent.
    """

    program: native.Program
    score: float
    before: float
    size_before: int
    n_evaluations: int

    def account(self) -> dict[str, Any]:
        """Return what the ledger keeps."""
        return {
            "score_before": self.before,
            "size_before": self.size_before,
            "evaluations": self.n_evaluations,
        }


def tidy(prepared: Prepared, program: native.Program) -> Tidied:
    """Return a more readable program that keeps nearly all of the training gain."""
    judge = _Judge(prepared)
    (before,) = judge.all([program])
    gain = prepared.task.sign * (before - prepared.baseline)
    if program.id == prepared.program.id or not gain > 0.0:
        return Tidied(program, before, before, program.size, judge.n_evaluations)
    loss = LOSS_MAX * gain
    drafts = [program.simplify(), _pruned(judge, program.simplify(), loss)]
    drafts += [drafts[-1].rounded(digits) for digits in DIGITS]
    means = judge.all(drafts)
    # Fewest digits first, then the pruned, then the simplified program.
    for idx in (*range(2, len(drafts)), 1, 0):
        if judge.is_close(means[idx], before, loss):
            chosen = drafts[idx]
            return Tidied(chosen, means[idx], before, program.size, judge.n_evaluations)
    return Tidied(program, before, before, program.size, judge.n_evaluations)


def _pruned(judge: _Judge, program: native.Program, loss: float) -> native.Program:
    """Drop parts greedily while nearly all of the gain stays."""
    (reference,) = judge.few([program])
    while judge.n_evaluations < TIDYING_EVALUATIONS_MAX:
        drafts = program.reductions()[:N_DRAFTS]
        means = judge.few(drafts)
        smaller = (
            draft
            for draft, mean in zip(drafts, means, strict=True)
            if judge.is_close(mean, reference, loss)
        )
        found = next(smaller, None)
        if found is None:
            return program
        program = found
    return program


class _Judge:
    """Means of programs over training instances."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._few = min(N_INSTANCES, len(prepared.train))
        self.n_evaluations = 0

    def all(self, programs: Sequence[native.Program]) -> list[float]:
        return self._means(programs, len(self._prepared.train))

    def few(self, programs: Sequence[native.Program]) -> list[float]:
        return self._means(programs, self._few)

    def is_close(self, mean: float, reference: float, loss: float) -> bool:
        return math.isfinite(mean) and self._prepared.task.sign * (mean - reference) >= -loss

    def _means(self, programs: Sequence[native.Program], n: int) -> list[float]:
        pairs = [(program, instance) for program in range(len(programs)) for instance in range(n)]
        self.n_evaluations += len(pairs)
        prepared = self._prepared
        scores = native.score_pairs(
            prepared.engine, programs, prepared.task.objective, prepared.train_native, pairs
        )
        rows = [scores[idx * n : (idx + 1) * n] for idx in range(len(programs))]
        return [math.fsum(row) / n if all(map(math.isfinite, row)) else math.nan for row in rows]
