"""Agent fitness by its stated formulas; architectures that are always valid, and edits undone."""

import itertools
from typing import Any

import numpy as np
import pytest

from chimera.errors import BatchError, ConfigError, OrderError, StateError
from chimera.evolution.agents import (
    OPERATORS,
    WEIGHTS,
    AgentFitness,
    AgentMetrics,
    Architecture,
    ArchitectureSearch,
    Catalogue,
    Component,
    ComponentKind,
    Connection,
    Edit,
    Parameter,
    Pressures,
    cross,
    mutate,
)

USUAL: dict[str, Any] = {
    "n_tasks": 10,
    "n_completed": 5,
    "response_s": 1.0,
    "n_actions": 20,
    "n_errors": 5,
    "resource_use": 3.0,
    "score_before": 0.5,
    "score_after": 0.75,
    "score_changed": 0.6,
}

THREADS = Parameter(1, 8, 1, is_integer=True)
CATALOGUE = Catalogue(
    [
        ComponentKind("clean", {"in": "raw"}, {"out": "text"}, {"threads": THREADS}),
        ComponentKind("clean_fast", {"in": "raw"}, {"out": "text"}, {"threads": THREADS}),
        ComponentKind("embed", {"in": "text"}, {"out": "vector"}, {"threads": THREADS}),
        ComponentKind("embed_small", {"in": "text"}, {"out": "vector"}, {"threads": THREADS}),
        ComponentKind("filter", {"in": "text"}, {"out": "text"}),
        ComponentKind("join", {"a": "vector", "b": "vector"}, {"out": "vector"}),
        ComponentKind("split", {"in": "text"}, {"left": "text", "right": "text"}),
    ],
    inputs={"source": "raw"},
    outputs={"index": "vector"},
)
START = Architecture.build(
    CATALOGUE,
    [Component(1, "clean", (("threads", 1.0),)), Component(2, "embed", (("threads", 1.0),))],
    [
        Connection(1, "in", 0, "source"),
        Connection(2, "in", 1, "out"),
        Connection(0, "index", 2, "out"),
    ],
)
RATES = {"clean": 10.0, "clean_fast": 25.0, "embed": 6.0, "embed_small": 9.0, "filter": 200.0}
CORES = {"clean": 1, "clean_fast": 2, "embed": 1, "embed_small": 2}
BUDGET = 12


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def random_walk(seed: int, n_steps: int = 60) -> Architecture:
    at, source = START, rng(seed)
    for _ in range(n_steps):
        edit = mutate(CATALOGUE, at, source)
        assert edit is not None
        at = edit.apply(at)
    return at


def simulate(architecture: Architecture) -> Pressures:
    """Rate of the slowest stage in use; cores beyond the budget are a violation."""
    rate, cores, embedders = 1000.0, 0.0, set()
    for component in architecture.used():
        if component.kind not in CORES:
            rate = min(rate, RATES.get(component.kind, 100.0))
            continue
        threads = component.value("threads")
        rate = min(rate, RATES[component.kind] * threads / (1.0 + 0.05 * (threads - 1.0)))
        cores += CORES[component.kind] * threads
        embedders.add(component.kind)
    return Pressures(
        performance=rate,
        capability=len(embedders),
        resource=cores + 0.1 * len(architecture.components),
        violation=max(0.0, cores - BUDGET),
        descriptors=(cores, float(len(architecture.components))),
    )


def known_optimum() -> float:
    def rate(kind: str, threads: int) -> float:
        return RATES[kind] * threads / (1.0 + 0.05 * (threads - 1))

    best = 0.0
    grid = itertools.product(
        ("clean", "clean_fast"), ("embed", "embed_small"), range(1, 9), range(1, 9)
    )
    for first, second, a, b in grid:
        if CORES[first] * a + CORES[second] * b <= BUDGET:
            best = max(best, min(rate(first, a), rate(second, b)))
    return best


def test_default_weights_are_those_of_the_specification() -> None:
    assert dict(WEIGHTS) == {
        "completion": 0.25,
        "response": 0.20,
        "errors": 0.15,
        "resources": 0.15,
        "learning": 0.15,
        "adaptability": 0.10,
    }


def test_parts_follow_the_stated_formulas() -> None:
    fitness = AgentFitness(reference_response_s=3.0, reference_resources=1.0)
    report = fitness.evaluate(AgentMetrics(**USUAL))
    assert report.parts[0].tolist() == pytest.approx([0.5, 0.75, 0.75, 0.25, 0.5, 0.8])
    expected = 0.25 * 0.5 + 0.2 * 0.75 + 0.15 * (0.75 + 0.25 + 0.5) + 0.1 * 0.8
    assert report.total[0] == pytest.approx(expected, abs=1e-15)
    assert sum(report.explain(0).values()) == pytest.approx(expected, abs=1e-15)
    assert next(iter(report.explain(0))) == "response"


def test_agents_are_scored_together_as_alone() -> None:
    source = rng(3)
    n = 1000
    metrics = {name: source.random(n) for name in USUAL}
    metrics["n_tasks"] = metrics["n_completed"] + source.random(n)
    metrics["n_actions"] = metrics["n_errors"] + source.random(n)
    fitness = AgentFitness()
    together = fitness.evaluate(AgentMetrics(**metrics))
    assert ((together.parts >= 0) & (together.parts <= 1)).all()
    for row in (0, 7, 999):
        alone = fitness.evaluate(AgentMetrics(**{k: v[row] for k, v in metrics.items()}))
        assert alone.total[0] == together.total[row]


def test_an_agent_that_does_nothing_earns_nothing_for_it() -> None:
    idle = USUAL | {"n_tasks": 0, "n_completed": 0, "n_actions": 0, "n_errors": 0}
    report = AgentFitness().evaluate(AgentMetrics(**idle))
    assert report.parts[0, 0] == report.parts[0, 2] == 0.0
    perfect = USUAL | {"score_before": 1.0, "score_after": 1.0, "score_changed": 0.0}
    assert AgentFitness().evaluate(AgentMetrics(**perfect)).parts[0, 4] == 1.0


@pytest.mark.parametrize(
    "weights",
    [
        {"completion": 1.0},
        dict.fromkeys(WEIGHTS, 0.2),
        dict(WEIGHTS) | {"errors": -0.15, "learning": 0.45},
        dict(WEIGHTS) | {"charm": 0.0},
        dict(WEIGHTS) | {"errors": float("nan")},
    ],
)
def test_weights_must_be_those_parts_and_sum_to_one(weights: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="weights"):
        AgentFitness(weights=weights)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_completed", 11),
        ("n_errors", 21),
        ("response_s", -1.0),
        ("score_after", 1.5),
        ("resource_use", float("nan")),
        ("response_s", [[1.0]]),
        ("response_s", [1.0, 2.0, 3.0]),
    ],
)
def test_measures_that_cannot_be_are_refused(name: str, value: Any) -> None:
    metrics = AgentMetrics(**(USUAL | {"n_tasks": [10, 10], name: value}))
    with pytest.raises(BatchError):
        AgentFitness().evaluate(metrics)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_makes_valid_children_and_is_undone_exactly(operator: str) -> None:
    n_made = 0
    for seed in range(30):
        parent = random_walk(seed, 12)
        edit = mutate(CATALOGUE, parent, rng(seed), operator=operator)
        if edit is None:
            continue
        n_made += 1
        child = edit.apply(parent)
        child.check(CATALOGUE)
        assert edit.operator == operator
        assert child.hash == edit.after != parent.hash == edit.before
        assert edit.revert(child) == parent
        assert edit.revert(child).to_json() == parent.to_json()
    assert n_made >= 15


def test_a_history_of_edits_is_undone_to_the_beginning() -> None:
    at, source = START, rng(5)
    history: list[Edit] = []
    for _ in range(100):
        edit = mutate(CATALOGUE, at, source)
        assert edit is not None
        history.append(edit)
        at = edit.apply(at)
    assert {edit.operator for edit in history} == set(OPERATORS)
    for edit in reversed(history):
        at = edit.revert(at)
    assert at.to_json() == START.to_json()


def test_edits_refuse_other_architectures() -> None:
    edit = mutate(CATALOGUE, START, rng(), operator="add")
    assert edit is not None
    child = edit.apply(START)
    with pytest.raises(StateError, match="expected the architecture"):
        edit.apply(child)
    with pytest.raises(StateError, match="expected the architecture"):
        edit.revert(START)


def test_crossover_aligns_equal_components_and_stays_valid() -> None:
    for seed in range(40):
        first, second = random_walk(seed, 20), random_walk(seed + 100, 20)
        child = cross(CATALOGUE, first, second, rng(seed))
        child.check(CATALOGUE)
        ids = {c.id for c in child.components}
        assert ids >= {c.id for c in first.components}
        assert ids <= {c.id for c in (*first.components, *second.components)}
    assert cross(CATALOGUE, START, START, rng()) == START


def test_equal_inventions_have_equal_identities() -> None:
    def inventions(seed: int) -> set[int]:
        edit = mutate(CATALOGUE, START, rng(seed), operator="add")
        return set() if edit is None else {c.id for c in edit.added[0]}

    met = [inventions(seed) for seed in range(40)]
    assert len(set().union(*met)) < 10


def test_json_is_canonical_and_checked() -> None:
    walk = random_walk(9)
    assert Architecture.from_json(walk.to_json(), CATALOGUE) == walk
    shuffled = Architecture.build(CATALOGUE, reversed(walk.components), reversed(walk.connections))
    assert shuffled == walk
    assert shuffled.hash == walk.hash
    for bad in ("", "[]", "{}", walk.to_json()[:-5], walk.to_json().replace("clean", "klean")):
        with pytest.raises(StateError, match="architecture"):
            Architecture.from_json(bad, CATALOGUE)


@pytest.mark.parametrize(
    ("components", "connections", "reason"),
    [
        ([], [], "exactly one for every input"),
        ([], [Connection(0, "index", 0, "source")], "expected vector"),
        ([Component(1, "filter")], [Connection(0, "index", 1, "out")], "exactly one"),
        ([Component(0, "filter")], [], "identities above 0"),
        ([Component(1, "clean")], [], "parameters"),
        ([Component(1, "clean", (("threads", 1.5),))], [], "whole"),
        ([Component(1, "clean", (("threads", 9.0),))], [], "threads"),
        ([Component(1, "wish")], [], "kind"),
        (
            [Component(1, "join"), Component(2, "join")],
            [
                Connection(1, "a", 2, "out"),
                Connection(1, "b", 2, "out"),
                Connection(2, "a", 1, "out"),
                Connection(2, "b", 1, "out"),
                Connection(0, "index", 1, "out"),
            ],
            "cycle",
        ),
    ],
)
def test_invalid_graphs_are_refused(components: Any, connections: Any, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        Architecture.build(CATALOGUE, components, connections)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_search_finds_the_pipeline_of_best_throughput(seed: int) -> None:
    search = ArchitectureSearch(CATALOGUE, [START], population_size=30, seed=seed)

    def throughput(architecture: Architecture) -> Pressures:
        found = simulate(architecture)
        return Pressures(found.performance, resource=found.resource, violation=found.violation)

    for _ in range(100):
        search.step(throughput)
    best = simulate(search.best)
    assert best.violation == 0.0
    assert best.performance == pytest.approx(known_optimum(), rel=0.0)
    assert search.n_evaluations == 3000


def test_front_trades_performance_for_resources() -> None:
    search = ArchitectureSearch(CATALOGUE, [START], population_size=30, seed=1)
    for _ in range(15):
        search.step(simulate)
    found = [simulate(one) for one in search.front]
    assert len({one.performance for one in found}) > 3
    cheap = min(found, key=lambda one: one.resource)
    assert cheap.performance < max(one.performance for one in found)


def test_cells_keep_the_best_of_each_kind() -> None:
    def make() -> ArchitectureSearch:
        return ArchitectureSearch(
            CATALOGUE,
            [START],
            population_size=30,
            selection="map_elites",
            cells=[6, 5],
            ranges=[(0.0, 12.0), (0.0, 10.0)],
            seed=4,
        )

    search = make()
    for _ in range(10):
        search.step(simulate)
    assert len(search.population) > 10
    assert search.objectives.shape == (len(search.population), 3)


@pytest.mark.parametrize("selection", ["nsga2", "map_elites"])
def test_saving_and_loading_changes_nothing(selection: Any) -> None:
    extra: dict[str, Any] = {"cells": [5], "ranges": [(0, 20)]} if selection != "nsga2" else {}

    def cost(architecture: Architecture) -> Pressures:
        found = simulate(architecture)
        return Pressures(found.performance, resource=found.resource, descriptors=(found.resource,))

    search = ArchitectureSearch(
        CATALOGUE, [START], population_size=12, selection=selection, seed=6, **extra
    )
    other = ArchitectureSearch.from_json(search.to_json(), CATALOGUE)
    for _ in range(5):
        search.step(cost)
        batch = other.ask()
        other = ArchitectureSearch.from_json(other.to_json(), CATALOGUE)
        assert other.ask() == batch
        other.tell([cost(one) for one in batch])
        assert other.to_json() == search.to_json()
    with pytest.raises(StateError, match="search"):
        ArchitectureSearch.from_json("{}", CATALOGUE)


def test_a_failing_simulation_drops_its_architecture() -> None:
    def faulty(architecture: Architecture) -> Pressures:
        if len(architecture.components) > 2:
            raise RuntimeError("too large")
        return simulate(architecture)

    search = ArchitectureSearch(CATALOGUE, [START], population_size=10, seed=1)
    for _ in range(4):
        search.step(faulty)
    assert all(len(one.components) <= 2 for one in search.population)


def test_misuse_of_the_search_is_refused() -> None:
    search = ArchitectureSearch(CATALOGUE, [START], population_size=4, seed=1)
    with pytest.raises(OrderError, match="asked"):
        search.tell([])
    with pytest.raises(OrderError, match="told"):
        _ = search.best
    search.ask()
    with pytest.raises(BatchError, match="4 results"):
        search.tell([])
    with pytest.raises(BatchError, match="finite"):
        search.tell([Pressures(float("nan"))] * 4)
    wrong: list[dict[str, Any]] = [
        {"start": []},
        {"population_size": 1},
        {"crossover_rate": 2.0},
        {"selection": "luck"},
        {"selection": "map_elites"},
        {"selection": "map_elites", "cells": [3], "ranges": [(1.0, 1.0)]},
        {"seed": -1},
        {"seed": 2**64},
        {"seed": 0.5},
    ]
    for settings in wrong:
        with pytest.raises(ConfigError):
            ArchitectureSearch(CATALOGUE, **({"start": [START]} | settings))
