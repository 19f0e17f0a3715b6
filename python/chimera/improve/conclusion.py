"""After the search: the winner, its hold-out scores, the CPython check, and the verdict."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any

from chimera.errors import ChimeraError
from chimera.improve import native
from chimera.improve.preparation import ACTOR, Prepared
from chimera.improve.recording import PythonScore, mismatches, python_score
from chimera.improve.task import execute_source
from chimera.improve.tidying import tidy
from chimera.improve.verdict import Verdict, judge
from chimera.ledger import Chain

__all__ = ["Conclusion", "conclude", "holdout_scores"]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What is known about the winner.

    Attributes:
        verdict: The paired comparison.
        source: Its evolvable functions.
        module_source: The task file with them.
        source_hash: sha256 (hex) of ``module_source``.
        score: Mean training score.
        holdout_scores: ``(n_holdout,)`` its scores, NaN where it trapped.
        lineage: Ancestors as JSON types, the original first.
        operators: The search's account of its variations.
    """

    verdict: Verdict
    source: str
    module_source: str
    source_hash: str
    score: float
    holdout_scores: list[float]
    lineage: list[dict[str, Any]]
    operators: list[dict[str, Any]]


def conclude(prepared: Prepared, search: native.Search, chain: Chain) -> Conclusion:
    """Judge the best program of a search and write the closing events.

    Args:
        prepared: The prepared task.
        search: The finished search.
        chain: The run's chain.
    """
    best = search.best
    lineage = lineage_of(search, best.id, prepared.task.sign)
    tidied = tidy(prepared, best.program)
    program, score = tidied.program, tidied.score
    if program.id != best.id:
        lineage.append(
            {
                "id": program.id,
                "score": score,
                "gain": prepared.task.sign * (score - tidied.before),
                "operator": "tidy",
                "generation": int(search.generation),
                "parents": [best.id],
                "source": program.source(),
            }
        )
    module_source = program.splice(prepared.task.source)
    source_hash = hashlib.sha256(module_source.encode()).hexdigest()
    chain.add(
        "winner.chosen",
        actor=ACTOR,
        inputs={"source": source_hash},
        outcome={
            "candidate": best.id,
            "score": score,
            "size": int(program.size),
            "lineage": [step["id"] for step in lineage],
            "tidying": tidied.account(),
        },
    )
    scores = holdout_scores(prepared, program)
    failure = None
    if best.id == prepared.program.id:
        failure = "the search found nothing better than the original"
    elif all(map(math.isfinite, scores)):
        failure = _check(prepared, module_source, source_hash, scores, chain)
    verdict = judge(prepared.holdout_scores, scores, sign=prepared.task.sign, failure=failure)
    chain.add(
        "verdict",
        actor=ACTOR,
        inputs={"source": source_hash, "holdout": prepared.holdout.digest},
        outcome=asdict(verdict) | {"scores": scores},
    )
    return Conclusion(
        verdict=verdict,
        source=program.source(),
        module_source=module_source,
        source_hash=source_hash,
        score=score,
        holdout_scores=scores,
        lineage=lineage,
        operators=[dict(item) for item in search.operators()],
    )


def holdout_scores(prepared: Prepared, program: native.Program) -> list[float]:
    """Return a program's scores on the unseen instances; NaN where it gives none."""
    result = prepared.engine.evaluate([program], prepared.task.objective, prepared.holdout_native)
    return [float(score) for score in result.scores]


def _check(
    prepared: Prepared, module_source: str, source_hash: str, scores: list[float], chain: Chain
) -> str | None:
    """Run the printed winner under CPython; return why it must not be adopted, or None."""
    n = min(prepared.settings.n_checks, len(prepared.holdout))
    python: list[PythonScore]
    try:
        module = execute_source(module_source, prepared.task.path)
    except ChimeraError as error:
        python = [PythonScore(None, str(error))] * n
    else:
        objective = getattr(module, prepared.task.objective)
        limit = prepared.settings.python_timeout_s
        with prepared.task.importable():
            python = [
                python_score(objective, prepared.holdout.copy_of(idx), timeout_s=limit)
                for idx in range(n)
            ]
    found = mismatches(python, scores[:n])
    chain.add(
        "winner.checked",
        actor=ACTOR,
        inputs={"source": source_hash},
        outcome={"n": n, "is_equal_under_cpython": not found, "n_mismatches": len(found)},
    )
    if not found:
        return None
    idx, text = found[0]
    return f"CPython does not repeat the sandbox's score on unseen instance {idx} ({text})"


def lineage_of(search: native.Search, winner: str, sign: float) -> list[dict[str, Any]]:
    """Return the winner's ancestors with the gain of each step, the original first."""
    steps: list[dict[str, Any]] = []
    previous: float | None = None
    for item in search.lineage(winner):
        score = float(item.score)
        steps.append(
            {
                "id": item.id,
                "score": score,
                "gain": 0.0 if previous is None else sign * (score - previous),
                "operator": item.operator,
                "generation": int(item.generation),
                "parents": list(item.parents),
                "source": item.program.source(),
            }
        )
        previous = score
    return steps
