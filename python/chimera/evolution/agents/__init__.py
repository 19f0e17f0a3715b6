"""Agents under evolution: how fit they are, and their component graphs, which change and revert."""

from chimera.evolution.agents.architecture import (
    Architecture,
    Catalogue,
    Component,
    ComponentKind,
    Connection,
    Edit,
    Parameter,
)
from chimera.evolution.agents.fitness import WEIGHTS, AgentFitness, AgentMetrics, FitnessReport
from chimera.evolution.agents.search import ArchitectureSearch, Pressures
from chimera.evolution.agents.variation import OPERATORS, cross, mutate

__all__ = [
    "OPERATORS",
    "WEIGHTS",
    "AgentFitness",
    "AgentMetrics",
    "Architecture",
    "ArchitectureSearch",
    "Catalogue",
    "Component",
    "ComponentKind",
    "Connection",
    "Edit",
    "FitnessReport",
    "Parameter",
    "Pressures",
    "cross",
    "mutate",
]
