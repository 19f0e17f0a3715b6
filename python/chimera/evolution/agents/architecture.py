"""Agents as graphs of typed components, valid by construction, changed by edits that can be undone.

A component has input and output ports of named types; each input is fed by exactly one output of
its type, nothing feeds itself, and the outputs of the whole are fed too. An architecture is
immutable and
canonical: equal graphs are equal values with equal hashes. Nothing is run here.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from chimera.errors import ConfigError, StateError

__all__ = [
    "COMPONENTS_MAX",
    "Architecture",
    "Catalogue",
    "Component",
    "ComponentKind",
    "Connection",
    "Edit",
    "Parameter",
]

COMPONENTS_MAX = 1000
"""Most components of one architecture."""

BOUNDARY = 0
"""Identity that stands for the outside: source of the whole's inputs, target of its outputs."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that variation may change.

    Args:
        lower: Lower bound, inclusive.
        upper: Upper bound, inclusive.
        default: Value of a new component.
        is_integer: Whether it is whole.
    """

    lower: float
    upper: float
    default: float
    is_integer: bool = False

    def __post_init__(self) -> None:
        if not self.lower <= self.default <= self.upper or not math.isfinite(
            self.upper - self.lower
        ):
            raise ConfigError(
                f"parameter: expected finite lower <= default <= upper, "
                f"got {self.lower}, {self.default}, {self.upper}"
            )


@dataclass(frozen=True)
class ComponentKind:
    """A type of component.

    Args:
        name: Its name.
        inputs: Type of each input port, by the port's name.
        outputs: Type of each output port.
        parameters: Its parameters.
    """

    name: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)


class Catalogue:
    """The kinds to build from, and what the whole takes and gives.

    Args:
        kinds: Component kinds of different names.
        inputs: Type of what comes in from outside, by port name.
        outputs: Type of what must go out.

    Raises:
        ConfigError: Two kinds of one name, or nothing to give.
    """

    def __init__(
        self,
        kinds: Iterable[ComponentKind],
        *,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
    ) -> None:
        self._kinds: dict[str, ComponentKind] = {}
        for kind in kinds:
            if kind.name in self._kinds:
                raise ConfigError(f"kinds: expected different names, got {kind.name!r} twice")
            self._kinds[kind.name] = kind
        if not outputs:
            raise ConfigError("outputs: expected at least one, got none")
        self.inputs = dict(inputs)
        self.outputs = dict(outputs)

    @property
    def kinds(self) -> list[ComponentKind]:
        """All kinds, in the order given."""
        return list(self._kinds.values())

    def kind(self, name: str) -> ComponentKind:
        """Return a kind by name.

        Raises:
            ConfigError: There is none.
        """
        if name not in self._kinds:
            raise ConfigError(f"kind: expected one of {', '.join(self._kinds)}, got {name!r}")
        return self._kinds[name]


@dataclass(frozen=True, order=True)
class Component:
    """A component of an architecture.

    Args:
        id: Identity; the same in relatives, so that crossover can align them. Not 0.
        kind: Name of its kind.
        parameters: Values as sorted pairs.
    """

    id: int
    kind: str
    parameters: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        # 1 and 1.0 are equal, but would not print, and so not hash, alike.
        values = tuple(sorted((name, float(value)) for name, value in self.parameters))
        object.__setattr__(self, "parameters", values)

    def value(self, name: str) -> float:
        """Return a parameter's value."""
        return dict(self.parameters)[name]


@dataclass(frozen=True, order=True)
class Connection:
    """An output that feeds an input; identity 0 is the outside.

    Args:
        target: Identity of the component that takes.
        input: Its port.
        source: Identity of the component that gives.
        output: Its port.
    """

    target: int
    input: str
    source: int
    output: str


@dataclass(frozen=True)
class Architecture:
    """A graph of components; made by `Architecture.build`, which refuses invalid ones.

    Args:
        components: In the order of their identities.
        connections: In the order of targets and ports.
    """

    components: tuple[Component, ...]
    connections: tuple[Connection, ...]

    @classmethod
    def build(
        cls,
        catalogue: Catalogue,
        components: Iterable[Component],
        connections: Iterable[Connection],
    ) -> Self:
        """Make an architecture in canonical order.

        Args:
            catalogue: What it is built from.
            components: With different identities above 0.
            connections: One for every input, and for every output of the whole.

        Raises:
            ConfigError: Naming the first thing that is not valid.
        """
        made = cls(tuple(sorted(components)), tuple(sorted(connections)))
        made.check(catalogue)
        return made

    def component(self, id: int) -> Component:  # noqa: A002 -- it is one
        """Return a component by identity.

        Raises:
            ConfigError: There is none.
        """
        for component in self.components:
            if component.id == id:
                return component
        raise ConfigError(f"component: expected an identity of this architecture, got {id}")

    def feeding(self, target: int) -> dict[str, Connection]:
        """Return what feeds a component's inputs (0: the outputs of the whole), by port."""
        return {link.input: link for link in self.connections if link.target == target}

    def fed_by(self, source: int) -> list[Connection]:
        """Return the connections that leave a component (0: the inputs of the whole)."""
        return [link for link in self.connections if link.source == source]

    def downstream(self, id: int) -> set[int]:  # noqa: A002
        """Return a component and everything that depends on it."""
        found = {id}
        todo = [id]
        while todo:
            for link in self.fed_by(todo.pop()):
                if link.target != BOUNDARY and link.target not in found:
                    found.add(link.target)
                    todo.append(link.target)
        return found

    def order(self) -> list[Component]:
        """Return the components so that sources stand before targets.

        Raises:
            ConfigError: There is a cycle.
        """
        needs = {
            c.id: {link.source for link in self.feeding(c.id).values()} - {BOUNDARY}
            for c in self.components
        }
        done: list[Component] = []
        placed: set[int] = set()
        while len(done) < len(self.components):
            ready = [c for c in self.components if c.id not in placed and needs[c.id] <= placed]
            if not ready:
                raise ConfigError("connections: expected no cycle, got one")
            done += ready
            placed |= {c.id for c in ready}
        return done

    def used(self) -> list[Component]:
        """Return the components that an output of the whole depends on."""
        found: set[int] = set()
        todo = [BOUNDARY]
        while todo:
            for link in self.feeding(todo.pop()).values():
                if link.source != BOUNDARY and link.source not in found:
                    found.add(link.source)
                    todo.append(link.source)
        return [component for component in self.components if component.id in found]

    def check(self, catalogue: Catalogue) -> None:
        """Refuse what is not valid.

        Raises:
            ConfigError: Naming the first thing.
        """
        ids = [component.id for component in self.components]
        if len(ids) > COMPONENTS_MAX:
            raise ConfigError(f"components: expected at most {COMPONENTS_MAX}, got {len(ids)}")
        if len(set(ids)) < len(ids) or any(id_ <= BOUNDARY for id_ in ids):
            raise ConfigError("components: expected different identities above 0")
        wanted = {(BOUNDARY, port): kind for port, kind in catalogue.outputs.items()}
        given = {(BOUNDARY, port): kind for port, kind in catalogue.inputs.items()}
        for component in self.components:
            kind = catalogue.kind(component.kind)
            _check_parameters(component, kind)
            wanted |= {(component.id, port): type_ for port, type_ in kind.inputs.items()}
            given |= {(component.id, port): type_ for port, type_ in kind.outputs.items()}
        fed = [(link.target, link.input) for link in self.connections]
        if len(set(fed)) < len(fed) or set(fed) != set(wanted):
            odd = next(iter(sorted(set(fed) ^ set(wanted))), "one fed twice")
            raise ConfigError(f"connections: expected exactly one for every input, see {odd}")
        for link in self.connections:
            source = (link.source, link.output)
            if given.get(source) != wanted[(link.target, link.input)]:
                raise ConfigError(
                    f"connections: expected {wanted[(link.target, link.input)]} into "
                    f"{(link.target, link.input)}, got {given.get(source)} from {source}"
                )
        self.order()

    def to_json(self) -> str:
        """Return the graph as canonical JSON: equal graphs, equal text."""
        return json.dumps(
            {
                "components": [
                    {"id": c.id, "kind": c.kind, "parameters": dict(c.parameters)}
                    for c in self.components
                ],
                "connections": [
                    [link.source, link.output, link.target, link.input] for link in self.connections
                ],
            },
            sort_keys=True,
            separators=(",", ":"),
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str, catalogue: Catalogue) -> Self:
        """Read what `to_json` wrote.

        Raises:
            StateError: It is no such text, or not valid under this catalogue.
        """
        try:
            data = json.loads(text)
            components = [
                Component(
                    int(item["id"]),
                    str(item["kind"]),
                    tuple(sorted((str(k), float(v)) for k, v in item["parameters"].items())),
                )
                for item in data["components"]
            ]
            connections = [
                Connection(int(target), str(port), int(source), str(output))
                for source, output, target, port in data["connections"]
            ]
            return cls.build(catalogue, components, connections)
        except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise StateError(f"architecture: expected what to_json writes, got {error}") from error

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON, in hexadecimal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _check_parameters(component: Component, kind: ComponentKind) -> None:
    names = [name for name, _ in component.parameters]
    if names != sorted(kind.parameters):
        raise ConfigError(
            f"parameters: expected {sorted(kind.parameters)} of {kind.name}, got {names}"
        )
    for name, value in component.parameters:
        limits = kind.parameters[name]
        is_whole = not limits.is_integer or float(value).is_integer()
        if not (limits.lower <= value <= limits.upper and is_whole):
            raise ConfigError(
                f"{name}: expected a value in [{limits.lower}, {limits.upper}]"
                f"{' that is whole' if limits.is_integer else ''}, got {value}"
            )


@dataclass(frozen=True)
class Edit:
    """The difference between two architectures; applies to the first, and reverts the second.

    Args:
        operator: What made it, for reports.
        before: Hash of the architecture it applies to.
        after: Hash of what it makes.
        removed: Components and connections that go.
        added: Components and connections that come.
    """

    operator: str
    before: str
    after: str
    removed: tuple[tuple[Component, ...], tuple[Connection, ...]]
    added: tuple[tuple[Component, ...], tuple[Connection, ...]]

    @classmethod
    def between(cls, before: Architecture, after: Architecture, operator: str = "edit") -> Self:
        """Return the edit that leads from one architecture to another."""
        return cls(
            operator,
            before.hash,
            after.hash,
            (
                _without(before.components, after.components),
                _without(before.connections, after.connections),
            ),
            (
                _without(after.components, before.components),
                _without(after.connections, before.connections),
            ),
        )

    def apply(self, architecture: Architecture) -> Architecture:
        """Return the changed architecture.

        Raises:
            StateError: It is not the one that the edit was made for.
        """
        return self._move(architecture, self.before, self.after, self.removed, self.added)

    def revert(self, architecture: Architecture) -> Architecture:
        """Return the architecture as it was before, exactly.

        Raises:
            StateError: It is not the one that the edit made.
        """
        return self._move(architecture, self.after, self.before, self.added, self.removed)

    @staticmethod
    def _move(
        architecture: Architecture,
        expected: str,
        result: str,
        out: tuple[Sequence[Component], Sequence[Connection]],
        into: tuple[Sequence[Component], Sequence[Connection]],
    ) -> Architecture:
        if architecture.hash != expected:
            raise StateError(
                f"edit: expected the architecture {expected[:12]}, got {architecture.hash[:12]}"
            )
        moved = Architecture(
            tuple(sorted((*_without(architecture.components, out[0]), *into[0]))),
            tuple(sorted((*_without(architecture.connections, out[1]), *into[1]))),
        )
        if moved.hash != result:
            raise StateError(f"edit: expected to reach {result[:12]}, got {moved.hash[:12]}")
        return moved


def _without(items: Iterable[Any], gone: Iterable[Any]) -> tuple[Any, ...]:
    taken = set(gone)
    return tuple(item for item in items if item not in taken)
