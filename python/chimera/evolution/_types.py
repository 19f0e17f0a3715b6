"""Types that signatures share; nothing else."""

from __future__ import annotations

from typing import Literal, TypeAlias

__all__ = ["Constraints", "Covariance", "Direction", "Outside"]

Direction: TypeAlias = Literal["minimize", "maximize"]
"""Whether low or high scores are good."""
Constraints: TypeAlias = Literal["feasibility", "epsilon"]
"""How rows that violate constraints rank."""
Covariance: TypeAlias = Literal["full", "separable"]
"""What an evolution strategy learns of how genes vary together."""
Outside: TypeAlias = Literal["error", "clip"]
"""What becomes of descriptors outside their ranges."""
