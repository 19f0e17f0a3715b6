"""How fit an agent is: six parts, each normalised to [0, 1], weighted, and shown one by one.

The weights are completion .25, response .20, errors .15, resources .15, learning .15, adaptability
.10 unless others are given. Vectorised over agents; no agent is run here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chimera.errors import BatchError, ConfigError
from chimera.evolution._numbers import ensure_numbers

__all__ = ["WEIGHTS", "AgentFitness", "AgentMetrics", "FitnessReport"]

Floats = NDArray[np.float64]

WEIGHTS: Mapping[str, float] = {
    "completion": 0.25,
    "response": 0.20,
    "errors": 0.15,
    "resources": 0.15,
    "learning": 0.15,
    "adaptability": 0.10,
}
"""The parts and their default weights."""


@dataclass(frozen=True, slots=True)
class AgentMetrics:
    """What was measured of some agents, each ``(n,)``; single numbers stand for all.

    Args:
        n_tasks: Tasks given.
        n_completed: Tasks completed, at most ``n_tasks``.
        response_s: Mean time to an answer, in seconds.
        n_actions: Actions taken.
        n_errors: Actions that went wrong, at most ``n_actions``.
        resource_use: What it spent, in any one unit.
        score_before: Quality before learning, in [0, 1].
        score_after: Quality after it, in [0, 1].
        score_changed: Quality under changed conditions, in [0, 1].
    """

    n_tasks: ArrayLike
    n_completed: ArrayLike
    response_s: ArrayLike
    n_actions: ArrayLike
    n_errors: ArrayLike
    resource_use: ArrayLike
    score_before: ArrayLike
    score_after: ArrayLike
    score_changed: ArrayLike

    def arrays(self) -> dict[str, Floats]:
        """Return every measure as ``(n,) float64``, checked.

        Raises:
            BatchError: Lengths that differ, NaN, negative numbers, more completed than given, more
                errors than actions, a score above 1.
        """
        for field in fields(self):
            ensure_numbers(field.name, getattr(self, field.name), BatchError)
        given = {f.name: np.asarray(getattr(self, f.name), dtype=np.float64) for f in fields(self)}
        try:
            shape = np.broadcast_shapes(*(values.shape for values in given.values()))
        except ValueError as error:
            raise BatchError(f"metrics: expected arrays of one length, got {error}") from error
        if len(shape) > 1:
            raise BatchError(f"metrics: expected arrays (n,), got shape {shape}")
        out = {name: np.atleast_1d(np.broadcast_to(v, shape)) for name, v in given.items()}
        for name, values in out.items():
            high = 1.0 if name.startswith("score") else np.inf
            bad = ~((values >= 0.0) & (values <= high) & np.isfinite(values))
            if bad.any():
                row = int(np.argmax(bad))
                raise BatchError(
                    f"{name}: expected finite numbers in [0, {high}], "
                    f"got {values[row]} in row {row}"
                )
        for part, whole in (("n_completed", "n_tasks"), ("n_errors", "n_actions")):
            if (out[part] > out[whole]).any():
                row = int(np.argmax(out[part] > out[whole]))
                raise BatchError(f"{part}: expected at most {whole}, got more in row {row}")
        return out


@dataclass(frozen=True, slots=True)
class FitnessReport:
    """Fitness of some agents and where it comes from.

    Args:
        total: ``(n,) float64`` in [0, 1], the sum of the contributions.
        names: Of the parts.
        parts: ``(n, 6) float64`` in [0, 1], before weighting.
        contributions: ``(n, 6) float64``, weight times part.
    """

    total: Floats
    names: tuple[str, ...]
    parts: Floats
    contributions: Floats

    def explain(self, row: int) -> dict[str, float]:
        """Return what each part contributes to one agent's fitness, largest first."""
        pairs = zip(self.names, self.contributions[row].tolist(), strict=True)
        return dict(sorted(pairs, key=lambda pair: -pair[1]))


class AgentFitness:
    """Overall fitness of agents.

    Each part lies in [0, 1]; more is better:

    - completion: ``n_completed / n_tasks``; 0 without tasks
    - response: ``1 / (1 + response_s / reference_response_s)``, a half at the reference
    - errors: ``1 - n_errors / n_actions``; 0 without actions, which show nothing
    - resources: ``1 / (1 + resource_use / reference_resources)``
    - learning: share of the possible gain that was made, ``(after - before) / (1 - before)``, at
      least 0; 1 when quality was and stays perfect
    - adaptability: ``min(1, changed / after)``, quality kept under changed conditions; 0 at 0 / 0

    Args:
        weights: Weight of every part, at least 0, together 1. Default `WEIGHTS`.
        reference_response_s: Response time that gives half of the response part.
        reference_resources: Resource use that gives half of the resources part.

    Raises:
        ConfigError: Weights of other parts, negative ones, or a sum that is not 1.

    Example:
        >>> metrics = AgentMetrics(
        ...     n_tasks=10, n_completed=[10, 5], response_s=1.0, n_actions=20, n_errors=0,
        ...     resource_use=1.0, score_before=0.5, score_after=0.75, score_changed=0.75,
        ... )
        >>> report = AgentFitness().evaluate(metrics)
        >>> report.total.round(4).tolist()
        [0.75, 0.625]
        >>> next(iter(report.explain(0).items()))
        ('completion', 0.25)
    """

    def __init__(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        reference_response_s: float = 1.0,
        reference_resources: float = 1.0,
    ) -> None:
        weights = dict(WEIGHTS if weights is None else weights)
        if set(weights) != set(WEIGHTS):
            raise ConfigError(
                f"weights: expected {', '.join(WEIGHTS)}, "
                f"got {', '.join(sorted(weights)) or 'none'}"
            )
        if any(not (math.isfinite(w) and w >= 0.0) for w in weights.values()):
            raise ConfigError(f"weights: expected numbers of at least 0, got {weights}")
        total = math.fsum(weights.values())
        if abs(total - 1.0) > 1e-9:  # noqa: PLR2004 -- rounding of decimal weights
            raise ConfigError(f"weights: expected a sum of 1, got {total}")
        for name, value in (
            ("reference_response_s", reference_response_s),
            ("reference_resources", reference_resources),
        ):
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(f"{name}: expected more than 0, got {value}")
        self._names = tuple(WEIGHTS)
        self._weights = np.array([weights[name] for name in self._names])
        self._response = reference_response_s
        self._resources = reference_resources

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every part."""
        return dict(zip(self._names, self._weights.tolist(), strict=True))

    def evaluate(self, metrics: AgentMetrics) -> FitnessReport:
        """Return the fitness of all agents at once.

        Args:
            metrics: What was measured.

        Raises:
            BatchError: Measures that cannot be.
        """
        m = metrics.arrays()
        gain = np.clip(m["score_after"] - m["score_before"], 0.0, 1.0)
        room = 1.0 - m["score_before"]
        is_perfect = (room == 0.0) & (m["score_after"] >= 1.0)
        parts = np.stack(
            [
                _ratio(m["n_completed"], m["n_tasks"]),
                1.0 / (1.0 + m["response_s"] / self._response),
                np.where(m["n_actions"] > 0, 1.0 - _ratio(m["n_errors"], m["n_actions"]), 0.0),
                1.0 / (1.0 + m["resource_use"] / self._resources),
                np.where(is_perfect, 1.0, np.minimum(_ratio(gain, room), 1.0)),
                np.minimum(_ratio(m["score_changed"], m["score_after"]), 1.0),
            ],
            axis=1,
        )
        contributions = parts * self._weights
        return FitnessReport(contributions.sum(axis=1), self._names, parts, contributions)


def _ratio(part: Floats, whole: Floats) -> Any:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0.0)
