"""Runs generated programs both ways and keeps count; every difference comes with a reproducer.

One *case* is a program made from one seed and the calls made of its functions. Cases are
independent
of each other and of the process they run in, so a difference is reproduced by its seed alone.
"""

import ast
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from chimera._chimera.execution import Engine
from chimera._chimera.programs import Program
from chimera.errors import ChimeraError

from .choices import Choices
from .compare import Comparison, Ran, Verdict, compare, fresh
from .parts import Signature
from .programs import Generated, generate
from .reference import Reference
from .values import Value, value

CALLS_PER_FUNCTION = 60
EDGE_PERCENTS = (0, 5, 25)
DEPTH_MAX = 5


@dataclass(frozen=True)
class Difference:
    """A call on which CPython and the sandbox disagree."""

    seed: int
    source: str
    signature: Signature
    args: list[Value]
    comparison: Comparison
    is_evolvable: bool

    def report(self) -> str:
        """Everything needed to look into it, as text."""
        call = f"{self.signature.name}({', '.join(map(repr, self.args))})"
        return (
            f"{self.comparison.verdict.value} (seed {self.seed}, evolvable {self.is_evolvable})\n"
            f"{self.source}\n# {call}\n# CPython: {self.comparison.expected}\n"
            f"# sandbox: {self.comparison.got}\n"
        )


@dataclass
class Tally:
    """Counts over many cases."""

    programs: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    traps: Counter[str] = field(default_factory=Counter)
    stops: Counter[str] = field(default_factory=Counter)

    @property
    def calls(self) -> int:
        return sum(self.verdicts.values())

    def add(self, comparison: Comparison) -> None:
        self.verdicts[comparison.verdict.value] += 1
        if comparison.verdict is Verdict.ALLOWED_TRAP:
            self.traps[comparison.detail] += 1
        elif comparison.verdict is Verdict.BOTH_STOPPED:
            self.stops[comparison.detail] += 1

    def merge(self, other: "Tally") -> None:
        self.programs += other.programs
        self.verdicts += other.verdicts
        self.traps += other.traps
        self.stops += other.stops

    def summary(self) -> dict[str, object]:
        """The counts as plain data."""
        return {
            "calls": self.calls,
            "programs": self.programs,
            "verdicts": dict(self.verdicts.most_common()),
            "allowed_traps": dict(self.traps.most_common()),
            "both_stopped": dict(self.stops.most_common()),
        }


class Sandbox:
    """A program in the sandbox; ``run`` can be replaced to test the harness itself."""

    def __init__(
        self, engine: Engine, source: str, roots: list[str], *, is_evolvable: bool
    ) -> None:
        evolvable = roots if is_evolvable else []
        self.program = Program.parse(source, roots=roots, evolvable=evolvable)
        self.engine = engine

    def run(self, name: str, args: list[Value]) -> Ran:
        return self.engine.call(self.program, name, fresh(args))


def arguments(choices: Choices, signature: Signature, edge_percent: int) -> list[Value]:
    """One argument per parameter; recursion depths stay small."""
    return [
        choices.below(DEPTH_MAX + 1)
        if idx == signature.depth_param
        else value(choices, ty, edge_percent)
        for idx, (_, ty) in enumerate(signature.params)
    ]


def with_other_floats(source: str, choices: Choices) -> str:
    """The same program with other float literals: a sibling that shares its compiled form."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, float)):
            continue
        if node.value and choices.chance(60):  # 0.0 may be the start of a sum
            node.value = choices.pick((1.0, 2.5, 0.1, 1e-3, 7.0, abs(node.value) * 2 + 1))
    return ast.unparse(tree) + "\n"


def reprinted(source: str, roots: list[str]) -> str:
    """The program as Chimera prints it; parsing and printing again must change nothing."""
    first = Program.parse(source, roots=roots, evolvable=roots)
    text = first.source()
    second = Program.parse(text, roots=roots, evolvable=roots)
    if second.source() != text:
        raise AssertionError(f"printing is not stable:\n{text}\n---\n{second.source()}")
    if Program.parse(second.source(), roots=roots, evolvable=roots) != second:
        raise AssertionError(f"the printed program parses to another program:\n{text}")
    return text


def variants(generated: Generated, choices: Choices) -> Iterator[tuple[str, bool]]:
    """The forms in which a case runs: as written, sometimes with minimal brackets, or
    re-printed."""
    roots = [signature.name for signature in generated.functions]
    source = generated.source
    form = choices.below(4)
    if form in (1, 3):
        source = ast.unparse(ast.parse(source)) + "\n"
    if form == 2:
        source = reprinted(source, roots)
    yield source, form != 0
    if form == 3:
        yield with_other_floats(source, choices), True


def run_case(
    engine: Engine,
    seed: int,
    tally: Tally,
    *,
    calls_per_function: int = CALLS_PER_FUNCTION,
    judge: Callable[..., Comparison] = compare,
) -> Iterator[Difference]:
    """Generate, run and compare one case; at most one difference per function is reported."""
    choices = Choices.seeded(seed)
    generated = generate(choices)
    roots = [signature.name for signature in generated.functions]
    nowhere = Signature(roots[0], (), "None")
    try:
        forms = list(variants(generated, choices))
        sandboxes = [
            (source, is_evolvable, Sandbox(engine, source, roots, is_evolvable=is_evolvable))
            for source, is_evolvable in forms
        ]
    except (ChimeraError, AssertionError) as error:
        comparison = Comparison(Verdict.REFUSED, "", "", str(error))
        tally.add(comparison)
        yield Difference(seed, generated.source, nowhere, [], comparison, is_evolvable=True)
        return
    for source, is_evolvable, sandbox in sandboxes:
        tally.programs += 1
        reference = Reference(source)
        for signature in generated.functions:
            n = calls_per_function if signature.params else 2
            for idx in range(n):
                args = arguments(choices, signature, EDGE_PERCENTS[idx % len(EDGE_PERCENTS)])
                ran = sandbox.run(signature.name, args)
                comparison = judge(reference, signature, args, ran)
                tally.add(comparison)
                if comparison.is_difference:
                    yield Difference(seed, source, signature, args, comparison, is_evolvable)
                    break


def seeds(seed: int) -> Iterator[int]:
    """An endless, reproducible stream of case seeds."""
    rng = random.Random(seed)
    while True:
        yield rng.getrandbits(48)


def to_json(tally: Tally, **extra: object) -> str:
    return json.dumps({**tally.summary(), **extra}, indent=2)
