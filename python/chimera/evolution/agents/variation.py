"""Typed changes of architectures: every child is valid, whatever was drawn.

A new component's identity is a hash of what it is and where it was put (as innovation numbers do in
NEAT; Stanley and Miikkulainen, 2002), so that equal inventions of different lines align in
crossover.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from chimera.errors import ConfigError
from chimera.evolution.agents.architecture import (
    BOUNDARY,
    COMPONENTS_MAX,
    Architecture,
    Catalogue,
    Component,
    ComponentKind,
    Connection,
    Edit,
)

__all__ = ["OPERATORS", "cross", "mutate"]

Rng = np.random.Generator


class _Draft:
    """An architecture being changed."""

    def __init__(self, catalogue: Catalogue, architecture: Architecture) -> None:
        self.catalogue = catalogue
        self.components = {component.id: component for component in architecture.components}
        self.links = {(link.target, link.input): link for link in architecture.connections}

    def freeze(self) -> Architecture:
        return Architecture.build(self.catalogue, self.components.values(), self.links.values())

    def kind(self, id_: int) -> ComponentKind:
        return self.catalogue.kind(self.components[id_].kind)

    def type_of(self, target: int, port: str) -> str:
        if target == BOUNDARY:
            return self.catalogue.outputs[port]
        return self.kind(target).inputs[port]

    def downstream(self, id_: int) -> set[int]:
        found, todo = {id_}, [id_]
        while todo:
            source = todo.pop()
            for link in self.links.values():
                if link.source == source and link.target not in found | {BOUNDARY}:
                    found.add(link.target)
                    todo.append(link.target)
        return found

    def sources(self, type_: str, *, avoid: set[int]) -> list[tuple[int, str]]:
        """Outputs of a type, outside the components to avoid; in a fixed order."""
        found = [(BOUNDARY, p) for p, t in self.catalogue.inputs.items() if t == type_]
        for id_ in sorted(self.components):
            if id_ not in avoid:
                found += [(id_, p) for p, t in self.kind(id_).outputs.items() if t == type_]
        return found

    def connect(self, target: int, port: str, source: tuple[int, str]) -> None:
        self.links[(target, port)] = Connection(target, port, source[0], source[1])

    def consumers(self, id_: int) -> list[Connection]:
        return sorted(link for link in self.links.values() if link.source == id_)

    def new_id(self, *where: Any) -> int:
        for attempt in range(COMPONENTS_MAX + 1):
            text = repr((*where, attempt)).encode()
            id_ = int.from_bytes(hashlib.sha256(text).digest()[:6], "big") or 1
            if id_ not in self.components:
                return id_
        raise ConfigError(f"components: expected at most {COMPONENTS_MAX}")

    def feed(
        self,
        id_: int,
        kind: ComponentKind,
        avoid: set[int],
        rng: Rng,
        known: dict[str, tuple[int, str]] | None = None,
    ) -> bool:
        """Connect every input of a component; False when some type is not to be had."""
        known = known or {}
        for port, type_ in kind.inputs.items():
            options = self.sources(type_, avoid=avoid)
            if not options:
                return False
            wish = known.get(port)
            self.connect(id_, port, wish if wish in options else _choose(options, rng))
        return True


def _choose(options: list[Any], rng: Rng) -> Any:
    return options[int(rng.integers(len(options)))]


def _fresh(id_: int, kind: ComponentKind) -> Component:
    return Component(
        id_, kind.name, tuple(sorted((n, float(p.default)) for n, p in kind.parameters.items()))
    )


def _add(draft: _Draft, rng: Rng) -> bool:
    """Put a new component before an input, fed from what does not depend on that input."""
    if len(draft.components) >= COMPONENTS_MAX:
        return False
    target, port = _choose(sorted(draft.links), rng)
    type_ = draft.type_of(target, port)
    options = [
        (kind, output)
        for kind in draft.catalogue.kinds
        for output, given in kind.outputs.items()
        if given == type_
    ]
    if not options:
        return False
    kind, output = _choose(options, rng)
    old = draft.links[(target, port)]
    id_ = draft.new_id("add", kind.name, target, port, old.source, old.output)
    avoid = {id_} | (draft.downstream(target) if target != BOUNDARY else set())
    draft.components[id_] = _fresh(id_, kind)
    # What fed the input feeds the new component where the types allow: an insertion.
    known = {p: (old.source, old.output) for p, t in kind.inputs.items() if t == type_}
    if not draft.feed(id_, kind, avoid, rng, known):
        return False
    draft.connect(target, port, (id_, output))
    return True


def _remove(draft: _Draft, rng: Rng) -> bool:
    """Take a component away; who used it gets another source of the type."""
    if not draft.components:
        return False
    id_ = _choose(sorted(draft.components), rng)
    kind = draft.kind(id_)
    own = [draft.links[(id_, port)] for port in kind.inputs]
    for link in draft.consumers(id_):
        type_ = draft.type_of(link.target, link.input)
        avoid = {id_} | (draft.downstream(link.target) if link.target != BOUNDARY else set())
        options = draft.sources(type_, avoid=avoid)
        if not options:
            return False
        through = [(o.source, o.output) for o in own if (o.source, o.output) in options]
        draft.connect(link.target, link.input, _choose(through or options, rng))
    for port in kind.inputs:
        del draft.links[(id_, port)]
    del draft.components[id_]
    return True


def _replace(draft: _Draft, rng: Rng) -> bool:
    """Put a component of another kind in a component's place."""
    if not draft.components:
        return False
    id_ = _choose(sorted(draft.components), rng)
    old = draft.kind(id_)
    consumers = draft.consumers(id_)
    needed = {draft.type_of(link.target, link.input) for link in consumers}
    options = [
        kind
        for kind in draft.catalogue.kinds
        if kind.name != old.name and needed <= set(kind.outputs.values())
    ]
    if not options:
        return False
    kind = _choose(options, rng)
    before = [draft.links.pop((id_, port)) for port in old.inputs]
    avoid = draft.downstream(id_)
    new = draft.new_id("replace", id_, kind.name)
    del draft.components[id_]
    draft.components[new] = _fresh(new, kind)
    known: dict[str, tuple[int, str]] = {}
    for port, type_ in kind.inputs.items():
        fitting = [link for link in before if old.inputs[link.input] == type_]
        if fitting:
            known[port] = (fitting[0].source, fitting[0].output)
    if not draft.feed(new, kind, avoid | {new}, rng, known):
        return False
    for link in consumers:
        type_ = draft.type_of(link.target, link.input)
        outputs = [port for port, given in kind.outputs.items() if given == type_]
        draft.connect(link.target, link.input, (new, _choose(outputs, rng)))
    return True


def _rewire(draft: _Draft, rng: Rng) -> bool:
    """Feed an input from another output of its type."""
    target, port = _choose(sorted(draft.links), rng)
    link = draft.links[(target, port)]
    avoid = draft.downstream(target) if target != BOUNDARY else set()
    options = draft.sources(draft.type_of(target, port), avoid=avoid)
    options = [option for option in options if option != (link.source, link.output)]
    if not options:
        return False
    draft.connect(target, port, _choose(options, rng))
    return True


def _duplicate(draft: _Draft, rng: Rng) -> bool:
    """Copy a component: beside itself where it has several users, else behind itself."""
    if not draft.components or len(draft.components) >= COMPONENTS_MAX:
        return False
    id_ = _choose(sorted(draft.components), rng)
    kind = draft.kind(id_)
    consumers = draft.consumers(id_)
    if not consumers:
        return False
    new = draft.new_id("duplicate", id_)
    draft.components[new] = Component(new, kind.name, draft.components[id_].parameters)
    for port in kind.inputs:
        link = draft.links[(id_, port)]
        draft.connect(new, port, (link.source, link.output))
    if len(consumers) > 1:
        n_moved = int(rng.integers(1, len(consumers)))
        moved = [consumers[idx] for idx in rng.permutation(len(consumers))[:n_moved]]
    else:
        moved = consumers
        given = {type_: port for port, type_ in kind.outputs.items()}
        loops = [(port, given[type_]) for port, type_ in kind.inputs.items() if type_ in given]
        if not loops:
            return False
        port, output = _choose(loops, rng)
        draft.connect(new, port, (id_, output))
    for link in moved:
        draft.connect(link.target, link.input, (new, link.output))
    return True


def _tune(draft: _Draft, rng: Rng) -> bool:
    """Change one parameter by a normal step of a fifth of its range."""
    options = [
        (id_, name) for id_ in sorted(draft.components) for name in draft.kind(id_).parameters
    ]
    if not options:
        return False
    id_, name = _choose(options, rng)
    component = draft.components[id_]
    limits = draft.kind(id_).parameters[name]
    step = 0.2 * (limits.upper - limits.lower) * float(rng.standard_normal())
    value = component.value(name) + step
    if limits.is_integer:
        rounded = round(value)
        if rounded == component.value(name):
            rounded += 1 if step > 0 else -1
        value = float(rounded)
    value = min(max(value, limits.lower), limits.upper)
    if value == component.value(name):
        return False
    changed = dict(component.parameters) | {name: value}
    draft.components[id_] = Component(id_, component.kind, tuple(sorted(changed.items())))
    return True


OPERATORS: dict[str, Callable[[_Draft, Rng], bool]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "rewire": _rewire,
    "duplicate": _duplicate,
    "parameter": _tune,
}
"""The mutations by name."""

_TRIES = 20


def mutate(
    catalogue: Catalogue, architecture: Architecture, rng: Rng, *, operator: str | None = None
) -> Edit | None:
    """Draw a mutation that leads to another valid architecture.

    Args:
        catalogue: What it is built from.
        architecture: Where it begins; unchanged.
        rng: Source of randomness.
        operator: One of `OPERATORS`; None draws one, and another where it does not apply.

    Returns:
        The edit; None when no operator found one, each in 20 tries.

    Raises:
        ConfigError: An unknown operator.
    """
    if operator is not None and operator not in OPERATORS:
        raise ConfigError(f"operator: expected one of {', '.join(OPERATORS)}, got {operator}")
    names = list(OPERATORS)
    order = [operator] if operator else [names[idx] for idx in rng.permutation(len(names))]
    for name in order:
        for _ in range(_TRIES):
            draft = _Draft(catalogue, architecture)
            if OPERATORS[name](draft, rng):
                child = draft.freeze()
                if child != architecture:
                    return Edit.between(architecture, child, name)
    return None


def cross(
    catalogue: Catalogue, first: Architecture, second: Architecture, rng: Rng
) -> Architecture:
    """Combine two architectures, aligned by their components' identities.

    The child begins as the first. Components of both take the parameters of either; what only the
    second has joins with a chance of a half where it can be fed; wiring of the second is taken
    over, input by input, with a chance of a half where it makes no cycle.

    Args:
        catalogue: What both are built from.
        first: One parent.
        second: The other.
        rng: Source of randomness.
    """
    draft = _Draft(catalogue, first)
    other = {component.id: component for component in second.components}
    for id_ in sorted(draft.components.keys() & other.keys()):
        if draft.components[id_].kind == other[id_].kind and rng.random() < 0.5:  # noqa: PLR2004
            draft.components[id_] = other[id_]
    for component in second.order():
        id_ = component.id
        if id_ in draft.components or len(draft.components) >= COMPONENTS_MAX:
            continue
        links = second.feeding(id_)
        can_feed = all(
            link.source == BOUNDARY or _gives(draft, second, link) for link in links.values()
        )
        if can_feed and rng.random() < 0.5:  # noqa: PLR2004 -- a coin
            draft.components[id_] = component
            for link in links.values():
                draft.links[(id_, link.input)] = link
    _take_wiring(draft, second, rng)
    return draft.freeze()


def _take_wiring(draft: _Draft, second: Architecture, rng: Rng) -> None:
    for link in second.connections:
        place = (link.target, link.input)
        if place not in draft.links or draft.links[place] == link or rng.random() < 0.5:  # noqa: PLR2004
            continue
        has_source = link.source == BOUNDARY or _gives(draft, second, link)
        wanted = draft.type_of(*place)
        if not has_source or wanted != _type_given(draft, link):
            continue
        if link.target == BOUNDARY or link.source not in draft.downstream(link.target):
            draft.links[place] = link


def _gives(draft: _Draft, second: Architecture, link: Connection) -> bool:
    """Whether the draft has the source of a connection of the second parent."""
    found = draft.components.get(link.source)
    return found is not None and found.kind == second.component(link.source).kind


def _type_given(draft: _Draft, link: Connection) -> str | None:
    if link.source == BOUNDARY:
        return draft.catalogue.inputs.get(link.output)
    return draft.kind(link.source).outputs.get(link.output)
